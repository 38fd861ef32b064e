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
};

/* 1 where the search is over. */
__noinline int try_port(struct port_search *s, __u32 try)
{
	__u32 zero = 0, mixed, place, class;
	__be16(*ports)[65536] = bpf_map_lookup_elem(&snat_ports, &zero);

	if (!s || !ports)
		return 1;
	mixed = (s->hash + try * 0x9e3779b9) * 0x85ebca6b;
	mixed = (mixed ^ mixed >> 15) * 0xc2b2ae35;
	place = (__u64)(mixed ^ mixed >> 13) * config.snat_port_count >> 32;
	if (place > 65535)
		return 1;
	s->reply.ports = (s->reply.ports & 0xffff) | (__u32)(*ports)[place] << 16;
	find_victim(&s->candidate, &s->reply, flow_hash(&s->reply), s->now);
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
	}
	/* Where the table is full of unconfirmed flows, no other port will do better. */
	return s->best_class <= SLOT_EXPIRED || (try >= 3 && s->best_class == SLOT_UNCONFIRMED);
}

/*
 * Gives a forward flow, whose slot is being written, its port and its reply slot: the reply
 * slot's tuple is what makes a port unique per protocol, balancer's address and backend.
 * GO_ON, or the reason for a drop.
 */
static __always_inline int snat_allocate(const struct packet *p, struct l4lb_flow *forward,
					 __u32 forward_index, const struct l4lb_backend *backend)
{
	struct port_search s = {
	    .reply =
		{
		    .addresses = backend->address | (__u64)backend->source << 32,
		    .ports = backend->port,
		    .protocol = p->tuple.protocol,
		},
	    .hash = p->hash,
	    .now = p->now,
	    .best_class = SLOT_KEPT,
	};
	__u32 index = forward->backend;
	struct l4lb_totals *sums = bpf_map_lookup_elem(&totals, &index);
	struct l4lb_flow *slot;

	if (!sums)
		return L4LB_DROP_SNAT_PORTS;
	for (int i = 0; i < L4LB_SNAT_TRIES; i++) {
		if (try_port(&s, i) ||
		    (i >= L4LB_SNAT_TRIES_USED_UP && sums->ports_used_up == p->now))
			break;
	}
	if (s.best_class == SLOT_KEPT) {
		sums->ports_used_up = p->now;
		return L4LB_DROP_SNAT_PORTS;
	}
	slot = slot_at(s.best.index);
	if (!slot || !slot_claim(slot, s.best.word))
		return L4LB_DROP_FLOW_BUSY;
	if (s.best_class == SLOT_UNCONFIRMED)
		count(L4LB_EVENT_UNCONFIRMED_EVICTED);
	if (s.best_class == SLOT_RESTING && VICTIM_CLASS(&s.best) == SLOT_SAME)
		count(L4LB_EVENT_PORT_REUSED_EARLY);
	flow_evict(slot, s.best.word);
	slot_fill(slot, p, s.reply.addresses, s.best_ports, forward->client_mac);
	slot->peer = forward_index;
	slot->backend = forward->backend;
	slot->nat_port = tuple_source_port(&p->tuple);
	slot->nat_address = tuple_source(&p->tuple);
	slot->created = tuple_destination(&p->tuple);
	slot->frontend_port = tuple_destination_port(&p->tuple);
	slot_publish(
	    slot, s.best.word, p->tuple.protocol, L4LB_FLOW_REPLY,
	    state_with_phase(L4LB_FLOW_REPLY, p->tuple.protocol, seen_from_client(p->tcp_flags)));
	mark_occupied(s.best.index);
	forward->peer = s.best.index;
	forward->nat_port = s.best_ports >> 16;
	forward->nat_address = backend->source;
	return GO_ON;
}

#endif
