/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The first packet of a connection: service and backend, then a slot. */
#ifndef L4LB_BEGIN_H
#define L4LB_BEGIN_H

#include "icmp.h"
#include "room.h"
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
#define CHOICE_KIND(c) ((__u32)(c) >> 16 & 0xff)
/* The index names a slot with the connection's tuple, which has ended or goes. */
#define CHOICE_ANEW 0x1000000

/*
 * A SYN is looked up in vain, as a rule, and what its connection will need is known before: all of
 * it is read now, so that the waits for memory overlap. They are most of what a flood costs. The
 * service, or 0 where there is none.
 */
static __always_inline struct l4lb_service *expect_connection(struct xdp_md *ctx,
							      const struct packet *p,
							      const int family)
{
	void *l3 = packet_l3(ctx, family);
	struct l4lb_service *svc;

	if (!l3)
		return 0;
	svc = service_of(l3, p->tuple.ports >> 16, p->tuple.protocol, family);
	if (!svc)
		return 0;
	touch_table(svc, backend_hash(l3, p->tuple.ports, p->tuple.protocol, family));
	touch_evictable(p->now, family);
	return svc;
}

static __noinline struct l4lb_service *connection_expect4(struct xdp_md *ctx,
							  const struct packet *p)
{
	return expect_connection(ctx, p, IPV4);
}

#if HAS_IPV6
static __noinline struct l4lb_service *connection_expect6(struct xdp_md *ctx,
							  const struct packet *p)
{
	return expect_connection(ctx, p, IPV6);
}
#else
#define connection_expect6 connection_expect4
#endif

static __always_inline struct l4lb_service *connection_expect(struct xdp_md *ctx,
							      const struct packet *p,
							      const int family)
{
	return family == IPV6 ? connection_expect6(ctx, p) : connection_expect4(ctx, p);
}

/*
 * Finds the service, unless it is known, and chooses the backend and the mode. Or a verdict as
 * VERDICT makes it.
 */
static __always_inline int choose_connection(struct xdp_md *ctx, const struct packet *p,
					     const struct l4lb_service *svc, const int family)
{
	void *l3 = packet_l3(ctx, family);
	struct l4lb_backend *backend;
	struct l4lb_address client;
	__u32 index, hash;

	if (!p || !l3)
		return VERDICT(XDP_ABORTED);
	if (!svc)
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
	if (DRY)
		return VERDICT(FINDING(backend->ifindex == config.ifindex ? XDP_TX : XDP_REDIRECT, index) |
			       L4LB_FINDING_NEW);
	return CHOICE(index, kind_of_mode(svc->mode));
}

/* Ends the writing of a new connection. Its forward slot's number, or the verdict of a drop. */
static __always_inline int publish_connection(struct xdp_md *ctx, const struct packet *p,
					      struct l4lb_flow *slot, __u32 record, __u8 kind,
					      const int family)
{
	if (unlikely(!index_name(p->hash, record, record, p->now, family))) {
		record_abandon(record, family);
		return VERDICT(drop(ctx, L4LB_DROP_FLOW_TABLE_FULL, NO_SERVICE));
	}
	slot_publish(slot, slot_word(slot), p->tuple.protocol, kind,
		     state_with_phase(kind, p->tuple.protocol, seen_from_client(p->tcp_flags)));
	return record;
}

/* A place for a connection, its forward slot claimed; or NO_RECORD. */
static __always_inline int place_for(const struct packet *p, __u32 choice, const int family)
{
	int record = NO_RECORD;
	__u32 index;
	__u64 word;

	if (unlikely(choice & CHOICE_ANEW)) {
		index = flow_look_up(&p->tuple, p->hash, &word, family);
		if (index != NO_SLOT)
			record = record_renew(index, p->now, family);
	}
	return record >= 0 ? record : record_take(p->now, family);
}

/*
 * Claims a place in the flow table for a new connection and fills its forward slot. The slot's
 * number, or a verdict. In SNAT it is still being written: translate_connection goes on with it.
 */
static __always_inline int insert_connection(struct xdp_md *ctx, const struct packet *p,
					     __u32 choice, const int family)
{
	__u32 index = CHOICE_BACKEND(choice);
	struct l4lb_backend *backend = bpf_map_lookup_elem(&backends, &index);
	struct ethernet *eth;
	struct l4lb_flow *slot;
	void *l3;
	int record;

	if (!p || !backend)
		return VERDICT(XDP_ABORTED);
	record = place_for(p, choice, family);
	if (record < 0)
		return VERDICT(drop(ctx, L4LB_DROP_FLOW_TABLE_FULL, backend->service));
	slot = slot_at(record, family);
	eth = packet_ethernet(ctx);
	l3 = packet_l3(ctx, family);
	if (!slot || !eth || !l3)
		return VERDICT(XDP_ABORTED);
	slot_fill(slot, p, &p->tuple, p->hash, eth->source);
	if (family == IPV6) {
		struct l4lb_flow6 *slot6 = (void *)slot;

		address_copy(&slot6->source, source_at(l3, family));
		address_copy(&slot6->destination, destination_at(l3, family));
	}
	slot->created = p->now;
	slot->frontend_port = 0;
	slot->backend = index;
	if (HAS_DSR && CHOICE_KIND(choice) == L4LB_FLOW_DSR)
		return publish_connection(ctx, p, slot, record, L4LB_FLOW_DSR, family);
	return record;
}

/* Finds a SNAT connection's port and fills its reply slot. The forward slot's number, or a verdict. */
static __always_inline int translate_connection(struct xdp_md *ctx, const struct packet *p,
						__u32 record, const int family)
{
	struct l4lb_flow *slot = slot_at(record, family);
	struct l4lb_backend *backend = slot ? backend_of(slot) : 0;
	int reason;

	if (!p || !slot || !backend)
		return VERDICT(XDP_ABORTED);
	reason = snat_allocate(ctx, p, slot, record, backend, family);
	if (reason >= 0) {
		record_give_back(record, family);
		return VERDICT(drop(ctx, reason, backend->service));
	}
	return publish_connection(ctx, p, slot, record, L4LB_FLOW_SNAT, family);
}

/* Not inlined, so that each is verified once, whoever calls it. */
__noinline int connection_choose4(struct xdp_md *ctx, const struct packet *p,
				const struct l4lb_service *svc)
{
	return choose_connection(ctx, p, svc, IPV4);
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
__noinline int connection_choose6(struct xdp_md *ctx, const struct packet *p,
				const struct l4lb_service *svc)
{
	return choose_connection(ctx, p, svc, IPV6);
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

/* The number of a new connection's slot, or a verdict. `anew`: one with its tuple is to go. */
static __always_inline int connection_begin(struct xdp_md *ctx, const struct packet *p,
					    const struct l4lb_service *svc, int anew,
					    const int family)
{
	int choice = family == IPV6 ? connection_choose6(ctx, p, svc)
				    : connection_choose4(ctx, p, svc);
	int slot;

	if (DRY || choice < 0)
		return choice;
	if (unlikely(anew))
		choice |= CHOICE_ANEW;
	slot = family == IPV6 ? connection_insert6(ctx, p, choice)
			      : connection_insert4(ctx, p, choice);
	if (!HAS_SNAT || slot < 0 || CHOICE_KIND(choice) != L4LB_FLOW_SNAT)
		return slot;
	return family == IPV6 ? connection_translate6(ctx, p, slot)
			      : connection_translate4(ctx, p, slot);
}

#endif
