/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A port and a reply slot for a new SNAT connection. */
#ifndef L4LB_SNAT_PORT_H
#define L4LB_SNAT_PORT_H

#include "flow.h"

/* A search for a port that nobody uses towards a backend, and for the reply slot to hold it. */
struct port_search {
	struct tuple reply;
	struct victim candidate;
	struct victim best;
	__u32 hash; /* of the client's tuple: where the search begins */
	__u32 now;
	__u32 best_ports;
	__u32 best_class;
	/* Places in the map snat_addresses. */
	__u32 address;
	__u32 best_address;
};

/* The address that a try sends from: the backend's source, or one of those that were given. */
static __always_inline const void *snat_source(const struct l4lb_backend *backend, __u32 place,
					       const int family)
{
	struct l4lb_address *given;

	if (likely(!(family == IPV6 ? config.snat_address_count6 : config.snat_address_count)))
		return family == IPV6 ? (const void *)&backend->source6 : &backend->source;
	given = bpf_map_lookup_elem(&snat_addresses, &place);
	if (!given)
		return 0;
	return family == IPV6 ? (const void *)given : &given->words[3];
}

static __always_inline __u64 reply_addresses(const struct l4lb_backend *backend, const void *source,
					     const int family)
{
	if (family == IPV6)
		return address_word(&backend->address6, source);
	return backend->address | (__u64)LOAD(__u32, source) << 32;
}

/* 1 where the search is over. */
static __always_inline int try_port(struct port_search *s, __u32 try, __u32 index, const int family)
{
	__u32 zero = 0, mixed, place, class;
	__u32 count = family == IPV6 ? config.snat_address_count6 : config.snat_address_count;
	__be16(*ports)[65536] = bpf_map_lookup_elem(&snat_ports, &zero);

	if (!s || !ports)
		return 1;
	mixed = (s->hash + try * 0x9e3779b9) * 0x85ebca6b;
	mixed = (mixed ^ mixed >> 15) * 0xc2b2ae35;
	mixed ^= mixed >> 13;
	place = (__u64)mixed * config.snat_port_count >> 32;
	if (place > 65535)
		return 1;
	s->reply.ports = (s->reply.ports & 0xffff) | (__u32)(*ports)[place] << 16;
	if (count) {
		struct l4lb_backend *backend = bpf_map_lookup_elem(&backends, &index);
		const void *source;

		s->address = ((__u64)(mixed * 0x27d4eb2f) * count >> 32) +
			     (family == IPV6 ? L4LB_SNAT_ADDRESSES_MAX : 0);
		if (!backend)
			return 1;
		source = snat_source(backend, s->address, family);
		if (!source)
			return 1;
		s->reply.addresses = reply_addresses(backend, source, family);
	}
	find_victim(&s->candidate, &s->reply, flow_hash(&s->reply), s->now, family);
	if (s->candidate.index == NO_SLOT)
		return 0;
	class = VICTIM_CLASS(&s->candidate);
	if (class == SLOT_SAME) {
		class = VICTIM_OWN_CLASS(&s->candidate);
		if (class >= SLOT_UNCONFIRMED)
			return 0; /* the port is in use */
	}
	if (class < s->best_class) {
		s->best = s->candidate;
		s->best_class = class;
		s->best_ports = s->reply.ports;
		s->best_address = s->address;
	}
	/* Where the table is full of unconfirmed flows, no other port will do better. */
	return s->best_class <= SLOT_EXPIRED || s->best_class == SLOT_UNCONFIRMED;
}

__noinline int try_port4(struct port_search *s, __u32 try, __u32 index)
{
	return try_port(s, try, index, IPV4);
}

#if HAS_IPV6
__noinline int try_port6(struct port_search *s, __u32 try, __u32 index)
{
	return try_port(s, try, index, IPV6);
}
#else
#define try_port6 try_port4
#endif

/* What a reply slot holds of the client's packet: where replies are sent, and from whom. */
static __always_inline void reply_fill(struct l4lb_flow *slot, const struct packet *p, void *l3,
				       const struct l4lb_backend *backend, const void *source,
				       const int family)
{
	slot->nat_port = p->tuple.ports;
	slot->frontend_port = p->tuple.ports >> 16;
	if (family == IPV6) {
		struct l4lb_flow6 *slot6 = (void *)slot;

		address_copy(&slot6->source, &backend->address6);
		address_copy(&slot6->destination, source);
		address_copy(&slot6->nat, source_at(l3, family));
		address_copy(&slot6->frontend, destination_at(l3, family));
		slot->nat_address = 0;
		slot->created = p->now;
	} else {
		slot->nat_address = LOAD(__u32, source_at(l3, family));
		slot->created = LOAD(__u32, destination_at(l3, family));
	}
}

/*
 * Gives a forward flow, whose slot is being written, its port and its reply slot: the reply
 * slot's tuple is what makes a port unique per protocol, balancer's address and backend.
 * GO_ON, or the reason for a drop.
 */
static __always_inline int snat_allocate(struct xdp_md *ctx, const struct packet *p,
					 struct l4lb_flow *forward, __u32 forward_index,
					 const struct l4lb_backend *backend, const int family)
{
	__be16 port = backend->port ? backend->port : p->tuple.ports >> 16;
	struct port_search s = {
	    .reply =
		{
		    .addresses = reply_addresses(
			backend, family == IPV6 ? (const void *)&backend->source6 : &backend->source,
			family),
		    .ports = port,
		    .protocol = p->tuple.protocol,
		},
	    .hash = p->hash,
	    .now = p->now,
	    .best_class = SLOT_KEPT,
	};
	__u32 index = forward->backend;
	struct l4lb_totals *sums = bpf_map_lookup_elem(&totals, &index);
	void *l3 = packet_l3(ctx, family);
	struct l4lb_flow *slot;
	const void *source;

	if (!sums || !l3)
		return L4LB_DROP_SNAT_PORTS;
	for (int i = 0; i < L4LB_SNAT_TRIES; i++) {
		if ((family == IPV6 ? try_port6(&s, i, index) : try_port4(&s, i, index)) ||
		    (i >= L4LB_SNAT_TRIES_USED_UP && sums->ports_used_up == p->now))
			break;
	}
	if (s.best_class == SLOT_KEPT) {
		sums->ports_used_up = p->now;
		return L4LB_DROP_SNAT_PORTS;
	}
	slot = slot_at(s.best.index, family);
	source = snat_source(backend, s.best_address, family);
	if (!slot || !source || !slot_claim(slot, s.best.word))
		return L4LB_DROP_FLOW_BUSY;
	if (s.best_class == SLOT_UNCONFIRMED)
		count_unconfirmed(p->now);
	if (s.best_class == SLOT_RESTING && VICTIM_CLASS(&s.best) == SLOT_SAME)
		count(L4LB_EVENT_PORT_REUSED_EARLY);
	flow_evict(slot, s.best.word, family);
	s.reply.ports = s.best_ports;
	s.reply.addresses = reply_addresses(backend, source, family);
	slot_fill(slot, p, &s.reply, forward->client_mac);
	slot->peer = forward_index;
	slot->backend = forward->backend;
	reply_fill(slot, p, l3, backend, source, family);
	slot_publish(
	    slot, s.best.word, p->tuple.protocol, L4LB_FLOW_REPLY,
	    state_with_phase(L4LB_FLOW_REPLY, p->tuple.protocol, seen_from_client(p->tcp_flags)) |
		slot_spilled(s.best.index, flow_hash(&s.reply), family));
	mark_occupied(s.best.index, family);
	forward->peer = s.best.index;
	forward->nat_port = s.best_ports >> 16;
	if (family == IPV6)
		address_copy(&((struct l4lb_flow6 *)forward)->nat, source);
	else
		forward->nat_address = LOAD(__u32, source);
	return GO_ON;
}

#endif
