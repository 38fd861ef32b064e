/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A port and a reply slot for a new SNAT connection. */
#ifndef L4LB_SNAT_PORT_H
#define L4LB_SNAT_PORT_H

#include "record.h"

/* A search for a port that nobody uses towards a backend. */
struct port_search {
	struct tuple reply;
	__u32 hash; /* of the client's tuple: where the search begins */
	__u32 now;
	/* The best so far, and the slot that holds its tuple: NO_SLOT, or a connection's that has ended. */
	__u32 best_ports;
	__u32 best_class;
	__u32 best_slot;
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
	__u32 zero = 0, mixed, place, slot, class = RECORD_FREE;
	__u32 count = family == IPV6 ? config.snat_address_count6 : config.snat_address_count;
	__be16(*ports)[65536] = bpf_map_lookup_elem(&snat_ports, &zero);
	struct l4lb_flow *flow;
	__u64 word;

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
	slot = flow_look_up(&s->reply, flow_hash(&s->reply), &word, family);
	if (slot != NO_SLOT) {
		flow = slot_at(slot, family);
		class = flow ? slot_class(flow, word, s->now) : RECORD_KEPT;
		if (class != RECORD_EXPIRED && class != RECORD_RESTING)
			return 0; /* the port is in use */
	}
	if (class < s->best_class) {
		s->best_slot = slot;
		s->best_class = class;
		s->best_ports = s->reply.ports;
		s->best_address = s->address;
	}
	return s->best_class <= RECORD_EXPIRED;
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

/* The search of a port for the connection of a packet; best_class stays RECORD_KEPT in vain. */
static __always_inline void search_port(struct port_search *s, const struct packet *p, __u32 index,
					const struct l4lb_backend *backend, const int family)
{
	struct l4lb_totals *sums = bpf_map_lookup_elem(&totals, &index);
	__be16 port = backend->port ? backend->port : p->tuple.ports >> 16;

	s->reply.addresses = reply_addresses(
	    backend, family == IPV6 ? (const void *)&backend->source6 : &backend->source, family);
	s->reply.ports = port;
	s->reply.protocol = p->tuple.protocol;
	s->hash = p->hash;
	s->now = p->now;
	s->best_class = RECORD_KEPT;
	if (!sums)
		return;
	for (int i = 0; i < L4LB_SNAT_TRIES; i++) {
		if ((family == IPV6 ? try_port6(s, i, index) : try_port4(s, i, index)) ||
		    (i >= L4LB_SNAT_TRIES_USED_UP && sums->ports_used_up == p->now))
			break;
	}
	if (s->best_class == RECORD_KEPT)
		sums->ports_used_up = p->now;
}

/*
 * Gives connection `record`, whose forward slot is being written, its port and its reply slot: the
 * reply slot's tuple is what makes a port unique per protocol, balancer's address and backend.
 * GO_ON, or the reason for a drop.
 */
static __always_inline int snat_allocate(struct xdp_md *ctx, const struct packet *p,
					 struct l4lb_flow *forward, __u32 record,
					 const struct l4lb_backend *backend, const int family)
{
	__u32 index = reply_slot(record), hash;
	void *l3 = packet_l3(ctx, family);
	struct port_search s = {};
	struct l4lb_flow *slot;
	const void *source;
	__u64 word;

	if (!l3)
		return L4LB_DROP_SNAT_PORTS;
	search_port(&s, p, forward->backend, backend, family);
	if (s.best_class == RECORD_KEPT)
		return L4LB_DROP_SNAT_PORTS;
	if (unlikely(s.best_class != RECORD_FREE)) {
		if (!record_seize(record_of(s.best_slot), p->now, RECORD_RESTING, family))
			return L4LB_DROP_FLOW_BUSY;
		record_give_back(record_of(s.best_slot), family);
		if (s.best_class == RECORD_RESTING)
			count(L4LB_EVENT_PORT_REUSED_EARLY);
	}
	slot = slot_at(index, family);
	source = snat_source(backend, s.best_address, family);
	word = slot ? slot_word(slot) : 1;
	if (!slot || !source || (word & 1) || !slot_claim(slot, word))
		return L4LB_DROP_FLOW_BUSY;
	s.reply.ports = s.best_ports;
	s.reply.addresses = reply_addresses(backend, source, family);
	hash = flow_hash(&s.reply);
	slot_fill(slot, p, &s.reply, hash, forward->client_mac);
	slot->backend = forward->backend;
	reply_fill(slot, p, l3, backend, source, family);
	if (!index_name(hash, index, record, p->now, family)) {
		slot_publish(slot, word, 0, 0, 0);
		return L4LB_DROP_FLOW_TABLE_FULL;
	}
	if (unlikely(index_has_twin(hash, index, family))) {
		index_remove(hash, index, family);
		slot_publish(slot, word, 0, 0, 0);
		return L4LB_DROP_FLOW_BUSY;
	}
	slot_publish(
	    slot, word, p->tuple.protocol, L4LB_FLOW_REPLY,
	    state_with_phase(L4LB_FLOW_REPLY, p->tuple.protocol, seen_from_client(p->tcp_flags)));
	forward->nat_port = s.best_ports >> 16;
	if (family == IPV6)
		address_copy(&((struct l4lb_flow6 *)forward)->nat, source);
	else
		forward->nat_address = LOAD(__u32, source);
	return GO_ON;
}

#endif
