/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fragments: the first one registers its ports, the others follow it. */
#ifndef L4LB_FRAGMENT_H
#define L4LB_FRAGMENT_H

#include "parse.h"

static __always_inline void fragment_key(struct l4lb_fragment_key *key, const struct packet *p,
					 void *l3, const int family)
{
	address_load(&key->source, source_at(l3, family), family);
	address_load(&key->destination, destination_at(l3, family), family);
	key->id = p->id;
	key->protocol = family == IPV4 ? p->tuple.protocol : 0;
}

/*
 * An identification that no other packet between these two addresses has had for a long time
 * (RFC 6864 section 5.3): pairs of addresses share counters by their hash.
 */
static __always_inline __be32 fragment_new_id(__u64 addresses, const int family)
{
	__u32 place = (addresses * 0x9e3779b97f4a7c15ull) >> 32 & (L4LB_FRAGMENT_IDS - 1), id;
	__u32 *counter = bpf_map_lookup_elem(&fragment_ids, &place);

	id = counter ? __sync_fetch_and_add(counter, 1) : 0;
	return family == IPV4 ? bpf_htons(id) : bpf_htonl(id);
}

/* Remembers a first fragment, whose flow leaves between `addresses` (a tuple's). */
static __always_inline void fragment_register(struct xdp_md *ctx, struct packet *p,
					      __u64 addresses, const int family)
{
	void *l3 = packet_l3(ctx, family);
	struct l4lb_fragment_key key;
	struct l4lb_fragment value = {
	    .ports = p->tuple.ports,
	    .stamp = p->now,
	    .id = fragment_new_id(addresses, family),
	    .protocol = p->tuple.protocol,
	};

	if (!l3)
		return;
	fragment_key(&key, p, l3, family);
	bpf_map_update_elem(&fragments, &key, &value, BPF_ANY);
	p->id = value.id;
}

/* Gives a later fragment the ports of its first; 0 where that is not known. */
__noinline int fragment_follow(struct xdp_md *ctx, struct packet *p, int family)
{
	void *l3 = packet_l3(ctx, IPV4);
	struct l4lb_fragment_key key;
	struct l4lb_fragment *first;

	USE_FAMILY(family);
	if (!l3 || !p)
		return 0;
	if (family == IPV6) {
		l3 = packet_l3(ctx, IPV6);
		if (!l3)
			return 0;
		fragment_key(&key, p, l3, IPV6);
	} else {
		fragment_key(&key, p, l3, IPV4);
	}
	first = bpf_map_lookup_elem(&fragments, &key);
	if (!first || p->now - first->stamp > config.fragment_ticks)
		return 0;
	p->tuple.ports = first->ports;
	p->tuple.protocol = first->protocol;
	p->id = first->id;
	return 1;
}

#endif
