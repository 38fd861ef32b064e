/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a packet to its service, and from a service to one of its backends. */
#ifndef L4LB_SERVICE_H
#define L4LB_SERVICE_H

#include "counters.h"
#include "packet.h"

/* A sieve of 8 KiB that sends all packets on that are for none of our addresses. */
static __always_inline int filter_has(__be32 address)
{
	__u32 zero = 0, bit = address * 0x9e3779b1 >> 16;
	__u64 *bits = bpf_map_lookup_elem(&filter, &zero);

	return bits && bits[bit / 64] >> bit % 64 & 1;
}

static __always_inline struct l4lb_service *service_of(const struct tuple *t)
{
	struct l4lb_service_key key = {
	    .address = tuple_destination(t),
	    .port = tuple_destination_port(t),
	    .protocol = t->protocol,
	};

	return bpf_map_lookup_elem(&services, &key);
}

/*
 * The same on every machine and after every restart, so that balancers in a row agree: the
 * finalizer of MurmurHash3 over the words of the tuple.
 */
static __always_inline __u32 backend_hash(__u64 addresses, __u64 ports_protocol)
{
	__u64 h = config.maglev_seed;

	h = (h ^ addresses) * 0xff51afd7ed558ccdull;
	h = (h ^ h >> 33 ^ ports_protocol) * 0xc4ceb9fe1a85ec53ull;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
	return (h ^ h >> 33) >> 32;
}

/* The backend at a place of the service's table; `place` is spread over all 32 bits. */
static __always_inline int table_backend(const struct l4lb_service *svc, __u32 place, __u32 *index)
{
	__u32 id = svc->id, zero = 0;
	void *inner = bpf_map_lookup_elem(&maglev, &id);
	struct maglev_table *table;
	__u32 slot = (__u64)place * L4LB_MAGLEV_TABLE_SIZE >> 32;

	if (!inner)
		return 0;
	table = bpf_map_lookup_elem(inner, &zero);
	if (!table || slot >= L4LB_MAGLEV_TABLE_SIZE)
		return 0;
	*index = table->backends[slot];
	return 1;
}

/* Whether a client may use a service that has source ranges. */
static __always_inline int source_allowed(const struct l4lb_service *svc, __be32 client)
{
	struct l4lb_source_range_key key = {
	    .prefix_length = 16 + 32,
	    .service = svc->id,
	};

	STORE(__u32, key.address, client);
	return bpf_map_lookup_elem(&source_ranges, &key) != 0;
}

/* Chooses the backend of a new connection; 0 where the service has none to give. */
static __always_inline int choose_backend(const struct l4lb_service *svc, const struct tuple *t,
					  __u32 now, __u32 *index)
{
	struct l4lb_affinity_key key = {.client = tuple_source(t), .service = svc->id};
	struct l4lb_affinity *known, fresh = {.stamp = now};
	__u64 ports_protocol = t->ports | (__u64)t->protocol << 32;
	__u32 place;

	if (svc->flags & L4LB_SERVICE_AFFINITY) {
		struct l4lb_backend *backend;

		known = bpf_map_lookup_elem(&affinity, &key);
		if (known && (__s32)(now - known->stamp) <= (__s32)svc->affinity_ticks) {
			*index = known->backend;
			backend = bpf_map_lookup_elem(&backends, index);
			if (backend && backend->service == svc->id &&
			    (backend->flags & L4LB_BACKEND_ACTIVE)) {
				known->stamp = now;
				return 1;
			}
		}
	}
	place = svc->flags & L4LB_SERVICE_RANDOM ? bpf_get_prandom_u32()
						 : backend_hash(t->addresses, ports_protocol);
	if (!table_backend(svc, place, index))
		return 0;
	if (svc->flags & L4LB_SERVICE_AFFINITY) {
		fresh.backend = *index;
		bpf_map_update_elem(&affinity, &key, &fresh, BPF_ANY);
	}
	return 1;
}

#endif
