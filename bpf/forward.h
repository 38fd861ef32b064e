/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is done with each packet of a connection. */
#ifndef L4LB_FORWARD_H
#define L4LB_FORWARD_H

#include "begin.h"
#include "dsr.h"
#include "fragment.h"
#include "snat.h"

/* 0 where the connection has ended or has to choose a backend anew. */
static __always_inline int flow_continues(const struct l4lb_flow *slot, __u32 index, __u64 word,
					  const struct l4lb_backend *backend,
					  const struct packet *p, const int family)
{
	__u8 kind = WORD_KIND(word), state = WORD_STATE(word), missing;

	if (backend && unlikely(backend->flags & L4LB_BACKEND_MAINTENANCE))
		return 0;

	if (kind == L4LB_FLOW_DSR ? !HAS_DSR : !HAS_SNAT)
		return 0;
	if (unlikely(slot->stamp != p->now) && !flow_touch(index, p->now, family))
		return 0;
	missing = ~state & (kind == L4LB_FLOW_REPLY ? L4LB_STATE_REPLIED : L4LB_STATE_ACKED);
	if (unlikely(missing || (p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)))) {
		/* It has no flags that could tell anything. */
		if (p->fragment == FRAGMENT_LATER)
			return 1;
		if (kind == L4LB_FLOW_REPLY) {
			flow_add_state(index, seen_from_backend(p->tcp_flags), family);
		} else {
			if ((p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN &&
			    (state & L4LB_STATE_PHASE) == L4LB_PHASE_CLOSING)
				return 0;
			flow_add_state(index, seen_from_client(p->tcp_flags), family);
		}
	}
	return 1;
}

/* A first fragment's ports are remembered for those that follow, with the pair that they leave by. */
static __always_inline void remember_fragment(struct xdp_md *ctx, struct packet *p,
					      const struct l4lb_flow *slot,
					      const struct l4lb_backend *backend, const int family)
{
	const struct l4lb_flow6 *slot6 = (const void *)slot;
	__u64 pair;

	if (p->fragment != FRAGMENT_FIRST)
		return;
	/* Two ways that look alike, as the verifier wants a backend checked before it is touched. */
	if (backend)
		pair = family == IPV6 ? address_word(&slot6->nat, &backend->address6)
				      : LOAD(__u32, &slot->nat_address) |
					    (__u64)LOAD(__u32, &backend->address) << 32;
	else
		pair = family == IPV6 ? address_word(&slot6->nat, &slot6->frontend)
				      : LOAD(__u32, &slot->nat_address) |
					    (__u64)LOAD(__u32, &slot->created) << 32;
	fragment_register(ctx, p, pair, family);
}

/* `backend` is 0 for a backend's reply. */
static __always_inline int forward(struct xdp_md *ctx, struct packet *p, struct l4lb_flow *slot,
				   __u32 index, __u64 word, const struct l4lb_backend *backend,
				   const int family, const int odd)
{
	int verdict, ifindex;
	struct ethernet *eth;

	if (odd)
		remember_fragment(ctx, p, slot, backend, family);
	if (HAS_SNAT && WORD_KIND(word) == L4LB_FLOW_REPLY)
		return snat_reply(ctx, p, slot, word, family, odd);
	if (!backend)
		return XDP_ABORTED;
	if (unlikely(!(backend->flags & L4LB_BACKEND_REACHABLE)))
		return drop(ctx, L4LB_DROP_NO_NEIGHBOUR, backend->service);
	if (unlikely(p->ttl <= 1))
		return icmp_time_exceeded(ctx, p, backend, family);
	eth = packet_ethernet(ctx);
	if (!DRY && eth && unlikely(!link_addresses_equal(eth->source, slot->client_mac) ||
			    WORD_DEVICE(word) != config.device))
		flow_moved(index, word, LOAD(__u32, eth->source), LOAD(__u16, eth->source + 4),
			   family);
	ifindex = backend->ifindex;
	if (HAS_DSR && (!HAS_SNAT || WORD_KIND(word) == L4LB_FLOW_DSR))
		verdict = slot_changed(slot, word)
			      ? drop(ctx, L4LB_DROP_FLOW_BUSY, backend->service)
			      : odd && family == IPV4
				    ? dsr_send(ctx, p, slot->backend, family)
				    : dsr_encapsulate(ctx, p, backend, family);
	else
		verdict = snat_translate(ctx, p, slot, word, backend, family, odd);
	if (unlikely(verdict != GO_ON))
		return verdict;
	flow_account(slot, p->length);
	return likely(ifindex == config.ifindex) ? XDP_TX : bpf_redirect(ifindex, 0);
}

/* Where a connection has yet to begin: no verdicts, and no slots' numbers. */
#define NEW_CONNECTION -1
/* The same where one with the packet's tuple has ended, or has to choose a backend anew. */
#define CONNECTION_ANEW -2

/*
 * The way of a packet of a connection that exists, or whose slot is known as it has just been
 * begun; else NEW_CONNECTION or CONNECTION_ANEW.
 */
static __always_inline int continue_connection(struct xdp_md *ctx, struct packet *p, __u32 index,
					       const int family, const int odd)
{
	const int is_new = odd && index != NO_SLOT;
	struct l4lb_backend *backend = 0;
	struct l4lb_flow *slot;
	__u64 word = 0;

	if (is_new) {
		slot = slot_at(index, family);
		word = slot ? slot_word(slot) : 0;
		/* In a flood it may have been given to another flow already. */
		if (slot && unlikely(!slot_holds(slot, word, &p->tuple)))
			return drop(ctx, L4LB_DROP_FLOW_BUSY, NO_SERVICE);
	} else if (odd && family == IPV4) {
		index = flow_look_up(&p->tuple, p->hash, &word, family);
		slot = index == NO_SLOT ? 0 : slot_at(index, family);
	} else {
		slot = flow_find(&p->tuple, p->hash, &word, &index, family);
	}
	if (!slot)
		return NEW_CONNECTION;
	if (family == IPV6 && !is_new) {
		void *l3 = packet_l3(ctx, family);

		if (!l3 || !slot_is_of(slot, source_at(l3, family), destination_at(l3, family)))
			return NEW_CONNECTION;
	}
	if (!(HAS_SNAT && WORD_KIND(word) == L4LB_FLOW_REPLY))
		backend = backend_of(slot);
	if (!is_new && unlikely(!flow_continues(slot, index, word, backend, p, family)))
		return CONNECTION_ANEW;
	return forward(ctx, p, slot, index, word, backend, family, odd);
}

/* As functions of their own: the entry's frame is small, and each begins where it ends. */
__noinline int connection_continue4(struct xdp_md *ctx, struct packet *p, __u32 index)
{
	return p ? continue_connection(ctx, p, index, IPV4, 1) : XDP_ABORTED;
}

#if HAS_IPV6
__noinline int connection_continue6(struct xdp_md *ctx, struct packet *p, __u32 index)
{
	return p ? continue_connection(ctx, p, index, IPV6, 1) : XDP_ABORTED;
}
#else
#define connection_continue6 connection_continue4
#endif

static __always_inline int connection_continue(struct xdp_md *ctx, struct packet *p, __u32 index,
					       const int family)
{
	return family == IPV6 ? connection_continue6(ctx, p, index)
			      : connection_continue4(ctx, p, index);
}

/* The way of a packet whose headers have been checked. */
static __always_inline int balance(struct xdp_md *ctx, struct packet *p, const int family,
				   const int odd)
{
	struct l4lb_service *svc = 0;
	int verdict, index;

	p->hash = flow_hash(&p->tuple);
	if (unlikely((p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN))
		svc = connection_expect(ctx, p, family);
	verdict = odd ? connection_continue(ctx, p, NO_SLOT, family)
		      : continue_connection(ctx, p, NO_SLOT, family, 0);
	if (likely(verdict >= 0))
		return verdict;
	index = connection_begin(ctx, p, svc, verdict == CONNECTION_ANEW, family);
	if (index < 0)
		return VERDICT(index);
	verdict = connection_continue(ctx, p, index, family);
	return verdict < 0 ? XDP_ABORTED : verdict;
}

#endif
