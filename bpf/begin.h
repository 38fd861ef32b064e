/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The first packet of a connection: service and backend, then a slot. */
#ifndef L4LB_BEGIN_H
#define L4LB_BEGIN_H

#include "flow.h"
#include "icmp.h"
#include "service.h"
#include "snat_port.h"

/* A verdict as a negative number, where a slot's index is expected. */
#define VERDICT(v) (-1 - (v))

/* A mode whose path is not compiled in is never asked for: the agent sees to it. */
static __always_inline __u8 kind_of_mode(__u8 mode)
{
	if (HAS_SNAT && HAS_DSR)
		return mode == L4LB_MODE_DSR ? L4LB_FLOW_DSR : L4LB_FLOW_SNAT;
	return HAS_DSR ? L4LB_FLOW_DSR : L4LB_FLOW_SNAT;
}

/* What is chosen for a new connection: a backend's index, and above it the kind of flow. */
#define CHOICE(backend, kind) ((int)((backend) | (__u32)(kind) << 16))
#define CHOICE_BACKEND(c) ((__u32)(c)&0xffff)
#define CHOICE_KIND(c) ((__u32)(c) >> 16)

/* Finds the service, and chooses the backend and the mode. Or a verdict as VERDICT makes it. */
static __always_inline int choose_connection(struct xdp_md *ctx, const struct packet *p,
					     const int family)
{
	void *l3 = packet_l3(ctx, family);
	struct l4lb_backend *backend;
	struct l4lb_service *svc;
	struct l4lb_address client;
	__u32 index, hash;

	if (!p || !l3)
		return VERDICT(XDP_ABORTED);
	svc = service_of(l3, p->tuple.ports >> 16, p->tuple.protocol, family);
	if (!svc)
		return VERDICT(XDP_PASS);
	if (source_is_impossible(l3, family))
		return VERDICT(drop(ctx, L4LB_DROP_MALFORMED, svc->id));
	address_load(&client, source_at(l3, family), family);
	if ((svc->flags & (L4LB_SERVICE_SOURCE_RANGES | L4LB_SERVICE_SOURCE_DENY)) &&
	    !source_allowed(svc, &client))
		return VERDICT(drop(ctx, L4LB_DROP_SOURCE_RANGE, svc->id));
	hash = backend_hash(l3, p->tuple.ports, p->tuple.protocol, family);
	if ((svc->flags & L4LB_SERVICE_UNUSABLE) ||
	    !choose_backend(svc, &client, hash, p->now, &index))
		return VERDICT(drop(ctx, L4LB_DROP_NO_BACKEND, svc->id));
	backend = bpf_map_lookup_elem(&backends, &index);
	if (!backend || (backend->flags & (L4LB_BACKEND_REACHABLE | L4LB_BACKEND_NO_ROUTE)) !=
			    L4LB_BACKEND_REACHABLE)
		return VERDICT(drop(ctx, L4LB_DROP_NO_NEIGHBOUR, svc->id));
	if (p->ttl <= 1)
		return VERDICT(icmp_time_exceeded(ctx, p, backend, family));
	if (unlikely(svc->flags & L4LB_SERVICE_LIMITED) && !budget_take(svc, p->now))
		return VERDICT(drop(ctx, L4LB_DROP_NEW_CONNECTIONS, svc->id));
	return CHOICE(index, kind_of_mode(svc->mode));
}

/* Ends the writing of a new connection's slot. */
static __always_inline void publish_connection(struct l4lb_flow *slot, __u32 index,
					       const struct packet *p, __u8 kind, const int family)
{
	__u32 backend = slot->backend;
	struct l4lb_totals *sums = bpf_map_lookup_elem(&totals, &backend);

	slot_publish(slot, slot_word(slot), p->tuple.protocol, kind,
		     state_with_phase(kind, p->tuple.protocol, seen_from_client(p->tcp_flags)) |
			 slot_spilled(index, p->hash, family));
	mark_occupied(index, family);
	if (sums)
		__sync_fetch_and_add(&sums->connections, 1);
}

/*
 * Claims a slot of the flow table for a new connection and fills it. The slot's index, or a
 * verdict. In SNAT the slot is still being written: translate_connection goes on with it.
 */
static __always_inline int insert_connection(struct xdp_md *ctx, const struct packet *p,
					     __u32 choice, const int family)
{
	__u32 index = CHOICE_BACKEND(choice);
	struct l4lb_backend *backend = bpf_map_lookup_elem(&backends, &index);
	struct ethernet *eth = packet_ethernet(ctx);
	void *l3 = packet_l3(ctx, family);
	struct l4lb_flow *slot;
	struct victim v;
	int reason;

	if (!p || !eth || !l3 || !backend)
		return VERDICT(XDP_ABORTED);
	reason = flow_claim(&v, &p->tuple, p->hash, p->now, family);
	if (reason >= 0)
		return VERDICT(drop(ctx, reason, backend->service));
	slot = slot_at(v.index, family);
	if (!slot)
		return VERDICT(XDP_ABORTED);
	slot_fill(slot, p, &p->tuple, eth->source);
	if (family == IPV6) {
		struct l4lb_flow6 *slot6 = (void *)slot;

		address_copy(&slot6->source, source_at(l3, family));
		address_copy(&slot6->destination, destination_at(l3, family));
	}
	slot->created = p->now;
	slot->frontend_port = 0;
	slot->backend = index;
	slot->peer = NO_SLOT;
	if (HAS_DSR && CHOICE_KIND(choice) == L4LB_FLOW_DSR)
		publish_connection(slot, v.index, p, L4LB_FLOW_DSR, family);
	return v.index;
}

/* Finds a SNAT connection's port and its reply slot. The forward slot's index, or a verdict. */
static __always_inline int translate_connection(struct xdp_md *ctx, const struct packet *p,
						__u32 slot_index, const int family)
{
	struct l4lb_flow *slot = slot_at(slot_index, family);
	struct l4lb_backend *backend = slot ? backend_of(slot) : 0;
	int reason;

	if (!p || !slot || !backend)
		return VERDICT(XDP_ABORTED);
	reason = snat_allocate(ctx, p, slot, slot_index, backend, family);
	if (reason >= 0) {
		slot_publish(slot, slot_word(slot), 0, 0, 0);
		return VERDICT(drop(ctx, reason, backend->service));
	}
	publish_connection(slot, slot_index, p, L4LB_FLOW_SNAT, family);
	return slot_index;
}

/* Not inlined, so that each is verified once, whoever calls it. */
__noinline int connection_choose4(struct xdp_md *ctx, const struct packet *p)
{
	return choose_connection(ctx, p, IPV4);
}

__noinline int connection_insert4(struct xdp_md *ctx, const struct packet *p, __u32 choice)
{
	return insert_connection(ctx, p, choice, IPV4);
}

#if HAS_SNAT
__noinline int connection_translate4(struct xdp_md *ctx, const struct packet *p, __u32 slot)
{
	return translate_connection(ctx, p, slot, IPV4);
}
#else
#define connection_translate4(ctx, p, slot) (slot)
#endif

#if HAS_IPV6
__noinline int connection_choose6(struct xdp_md *ctx, const struct packet *p)
{
	return choose_connection(ctx, p, IPV6);
}

__noinline int connection_insert6(struct xdp_md *ctx, const struct packet *p, __u32 choice)
{
	return insert_connection(ctx, p, choice, IPV6);
}
#else
#define connection_choose6 connection_choose4
#define connection_insert6 connection_insert4
#endif

#if HAS_IPV6 && HAS_SNAT
__noinline int connection_translate6(struct xdp_md *ctx, const struct packet *p, __u32 slot)
{
	return translate_connection(ctx, p, slot, IPV6);
}
#else
#define connection_translate6 connection_translate4
#endif

/* The index of a new connection's slot, or a verdict. */
static __always_inline int connection_begin(struct xdp_md *ctx, const struct packet *p,
					    const int family)
{
	int choice = family == IPV6 ? connection_choose6(ctx, p) : connection_choose4(ctx, p);
	int slot;

	if (choice < 0)
		return choice;
	slot = family == IPV6 ? connection_insert6(ctx, p, choice)
			      : connection_insert4(ctx, p, choice);
	if (!HAS_SNAT || slot < 0 || CHOICE_KIND(choice) != L4LB_FLOW_SNAT)
		return slot;
	return family == IPV6 ? connection_translate6(ctx, p, slot)
			      : connection_translate4(ctx, p, slot);
}

#endif
