/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a packet to its service, and from a service to one of its backends. */
#ifndef L4LB_SERVICE_H
#define L4LB_SERVICE_H

#include "address.h"
#include "counters.h"

/* The service at a packet's destination: that of the port, else that of all ports. */
static __always_inline struct l4lb_service *service_of(void *l3, __be16 port, __u8 protocol,
						       const int family)
{
	const void *destination = destination_at(l3, family);
	__u32 fold = address_fold(destination, family);
	struct l4lb_service_key key = {.port = port, .protocol = protocol};
	struct l4lb_service *svc;

	address_load(&key.address, destination, family);
	if (filter_has(L4LB_FILTER_SERVICES, fold ^ port * 0x85ebca6b ^ protocol * 0xc2b2ae35)) {
		svc = bpf_map_lookup_elem(&services, &key);
		if (svc)
			return svc;
	}
	if (likely(!filter_has(L4LB_FILTER_ALL_PORTS, fold)))
		return 0;
	key.port = 0;
	return bpf_map_lookup_elem(&services, &key);
}

/*
 * The same on every machine and after every restart, so that balancers in a row agree: the
 * finalizer of MurmurHash3 over the words of the tuple, as they lie in the packet. An IPv4 packet
 * has one word of addresses, an IPv6 packet four.
 */
static __always_inline __u32 backend_hash(void *l3, __u32 ports, __u32 protocol, const int family)
{
	const void *addresses = source_at(l3, family);
	__u64 h = config.maglev_seed;

	for (int i = 0; i < (family == IPV6 ? 4 : 1); i++) {
		h = (h ^ LOAD(__u32, addresses + 8 * i) ^
		     (__u64)LOAD(__u32, addresses + 8 * i + 4) << 32) *
		    0xff51afd7ed558ccdull;
		h ^= h >> 33;
	}
	h = (h ^ (ports | (__u64)protocol << 32)) * 0xc4ceb9fe1a85ec53ull;
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

/* Reads what table_backend will, for the wait's sake alone. */
static __always_inline void touch_table(const struct l4lb_service *svc, __u32 place)
{
	__u32 index;

	if (table_backend(svc, place, &index))
		barrier_var(index);
}

/* Whether a client may use a service that has source ranges. */
static __always_inline int source_allowed(const struct l4lb_service *svc,
					  const struct l4lb_address *client)
{
	struct l4lb_source_range_key key = {
	    .prefix_length = 32 + 128,
	    .service = svc->id,
	    .address = *client,
	};

	return (bpf_map_lookup_elem(&source_ranges, &key) != 0) ==
	       !(svc->flags & L4LB_SERVICE_SOURCE_DENY);
}

/* The backend that an affine client has used lately; 0 where it is to choose anew. */
static __always_inline int affine_backend(const struct l4lb_service *svc,
					  const struct l4lb_affinity_key *key, __u32 now,
					  __u32 *index)
{
	struct l4lb_affinity *known = bpf_map_lookup_elem(&affinity, key);
	struct l4lb_backend *backend;

	if (!known || (__s32)(now - known->stamp) > (__s32)svc->affinity_ticks)
		return 0;
	*index = known->backend;
	backend = bpf_map_lookup_elem(&backends, index);
	if (!backend || backend->service != svc->id || !(backend->flags & L4LB_BACKEND_ACTIVE))
		return 0;
	if (!DRY)
		known->stamp = now;
	return 1;
}

/* Chooses the backend of a new connection; 0 where the service has none to give. */
static __always_inline int choose_backend(const struct l4lb_service *svc,
					  const struct l4lb_address *client, __u32 hash, __u32 now,
					  __u32 *index)
{
	struct l4lb_affinity_key key = {.client = *client, .service = svc->id};
	struct l4lb_affinity fresh = {.stamp = now};
	int affine = svc->flags & L4LB_SERVICE_AFFINITY;

	if (affine && affine_backend(svc, &key, now, index))
		return 1;
	if (!table_backend(svc, svc->flags & L4LB_SERVICE_RANDOM ? bpf_get_prandom_u32() : hash,
			   index))
		return 0;
	if (affine && !DRY) {
		fresh.backend = *index;
		bpf_map_update_elem(&affinity, &key, &fresh, BPF_ANY);
	}
	return 1;
}

/*
 * Takes one new connection out of the service's budget, a token bucket that holds a second's
 * worth. Who first sees a tick adds for the ticks that have passed. 0 where there is none left.
 */
static __always_inline int budget_take(const struct l4lb_service *svc, __u32 now)
{
	__u32 id = svc->id;
	struct l4lb_budget *b = bpf_map_lookup_elem(&budgets, &id);
	__u32 then;

	if (!b)
		return 0;
	/* A bucket that nobody has looked into for a tick is taken to have been filled. */
	if (DRY)
		return b->tick != now || b->left >= 1024;
	then = b->tick;
	if (then != now && __sync_val_compare_and_swap(&b->tick, then, now) == then) {
		__u32 passed = now - then;
		__s64 most = svc->new_most, left = b->left, room = most - left, added;

		/* More ticks than a second has fill it, and must not overflow. */
		if (passed > 4096)
			passed = 4096;
		added = passed * svc->new_per_tick;
		if (!b->begun || added > room)
			added = room;
		b->begun = 1;
		__sync_fetch_and_add(&b->left, added);
	}
	if (b->left < 1024)
		return 0;
	if (__sync_fetch_and_add(&b->left, -1024) >= 1024)
		return 1;
	__sync_fetch_and_add(&b->left, 1024);
	return 0;
}

#endif
