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
__noinline int connection_choose(struct xdp_md *ctx, const struct packet *p)
{
	struct l4lb_backend *backend;
	struct l4lb_service *svc;
	__u32 index;

	if (!p)
		return VERDICT(XDP_ABORTED);
	svc = service_of(&p->tuple);
	if (!svc)
		return VERDICT(XDP_PASS);
	if (source_is_impossible(tuple_source(&p->tuple), tuple_destination(&p->tuple)))
		return VERDICT(drop(L4LB_DROP_MALFORMED));
	if ((svc->flags & L4LB_SERVICE_SOURCE_RANGES) &&
	    !source_allowed(svc, tuple_source(&p->tuple)))
		return VERDICT(drop(L4LB_DROP_SOURCE_RANGE));
	if ((svc->flags & L4LB_SERVICE_UNUSABLE) || !choose_backend(svc, &p->tuple, p->now, &index))
		return VERDICT(drop(L4LB_DROP_NO_BACKEND));
	backend = bpf_map_lookup_elem(&backends, &index);
	if (!backend || (backend->flags & (L4LB_BACKEND_REACHABLE | L4LB_BACKEND_NO_ROUTE)) !=
			    L4LB_BACKEND_REACHABLE)
		return VERDICT(drop(L4LB_DROP_NO_NEIGHBOUR));
	if (p->ttl <= 1)
		return VERDICT(icmp_time_exceeded(ctx, p->length, backend->source));
	return CHOICE(index, kind_of_mode(svc->mode));
}

/* Puts a new connection into the flow table. The index of its slot, or a verdict. */
__noinline int connection_insert(struct xdp_md *ctx, const struct packet *p, __u32 choice)
{
	__u32 index = CHOICE_BACKEND(choice);
	__u8 kind = CHOICE_KIND(choice);
	struct l4lb_backend *backend;
	struct l4lb_totals *sums;
	struct l4lb_flow *slot;
	struct ethernet *eth = packet_data(ctx);
	struct victim v;
	int reason;

	if (!p || (void *)(eth + 1) > packet_end(ctx))
		return VERDICT(XDP_ABORTED);
	reason = flow_claim(&v, &p->tuple, p->hash, p->now);
	if (reason >= 0)
		return VERDICT(drop(reason));
	slot = slot_at(v.index);
	backend = bpf_map_lookup_elem(&backends, &index);
	if (!slot || !backend)
		return VERDICT(XDP_ABORTED);
	slot_fill(slot, p, p->tuple.addresses, p->tuple.ports, eth->source);
	slot->created = p->now;
	slot->frontend_port = 0;
	slot->backend = index;
	slot->peer = NO_SLOT;
	if (HAS_SNAT && kind == L4LB_FLOW_SNAT) {
		reason = snat_allocate(p, slot, v.index, backend);
		if (reason >= 0) {
			slot_publish(slot, v.word, 0, 0, 0);
			return VERDICT(drop(reason));
		}
	}
	slot_publish(slot, v.word, p->tuple.protocol, kind,
		     state_with_phase(kind, p->tuple.protocol, seen_from_client(p->tcp_flags)));
	mark_occupied(v.index);
	sums = bpf_map_lookup_elem(&totals, &index);
	if (sums)
		__sync_fetch_and_add(&sums->connections, 1);
	return v.index;
}

#endif
