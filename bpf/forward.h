/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is done with each packet of a connection that exists. */
#ifndef L4LB_FORWARD_H
#define L4LB_FORWARD_H

#include "begin.h"
#include "dsr.h"
#include "snat.h"

/* Checks the lengths of a TCP or UDP packet without options and fragments; 0 where they lie. */
static __always_inline int packet_parse(struct packet *p, struct ipv4 *ip, void *end)
{
	struct tcp *tcp = (void *)(ip + 1);
	struct udp *udp = (void *)(ip + 1);
	__u32 length = bpf_ntohs(ip->total_length);

	if ((void *)(udp + 1) > end || (void *)ip + length > end)
		return 0;
	p->tuple.addresses = LOAD(__u64, &ip->source);
	p->tuple.ports = LOAD(__u32, udp);
	p->tuple.protocol = ip->protocol;
	p->length = length;
	p->ttl = ip->ttl;
	if (ip->protocol == PROTOCOL_TCP) {
		if ((void *)(tcp + 1) > end || length < sizeof(*ip) + sizeof(*tcp) ||
		    tcp->offset < 5 << 4 || length < sizeof(*ip) + (tcp->offset >> 4) * 4)
			return 0;
		p->tcp_flags = tcp->flags;
	} else {
		__u32 udp_length = bpf_ntohs(udp->length);

		if (udp_length < sizeof(*udp) || udp_length + sizeof(*ip) > length)
			return 0;
		p->tcp_flags = 0;
	}
	p->hash = flow_hash(&p->tuple);
	p->now = clock_ticks(config.clock_shift);
	return 1;
}

static __always_inline struct l4lb_backend *backend_of(const struct l4lb_flow *slot)
{
	__u32 index = slot->backend;

	return bpf_map_lookup_elem(&backends, &index);
}

/* 0 where the connection has ended or has to choose a backend anew. */
static __always_inline int flow_continues(struct l4lb_flow *slot, __u64 word,
					  const struct l4lb_backend *backend,
					  const struct packet *p)
{
	__u8 kind = WORD_KIND(word), state = WORD_STATE(word), missing;

	if (backend && unlikely(backend->flags & L4LB_BACKEND_MAINTENANCE))
		return 0;

	if (kind == L4LB_FLOW_DSR ? !HAS_DSR : !HAS_SNAT)
		return 0;
	if (unlikely(slot->stamp != p->now) && !flow_touch(slot, p->now))
		return 0;
	missing = ~state & (kind == L4LB_FLOW_REPLY ? L4LB_STATE_REPLIED : L4LB_STATE_ACKED);
	if (unlikely(missing || (p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)))) {
		if (kind == L4LB_FLOW_REPLY) {
			flow_add_state(slot, seen_from_backend(p->tcp_flags));
		} else {
			if ((p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN &&
			    (state & L4LB_STATE_PHASE) == L4LB_PHASE_CLOSING)
				return 0;
			flow_add_state(slot, seen_from_client(p->tcp_flags));
		}
	}
	return 1;
}

/* `backend` is not looked at for a backend's reply. */
static __always_inline int forward(struct xdp_md *ctx, const struct packet *p,
				   struct l4lb_flow *slot, __u64 word,
				   const struct l4lb_backend *backend)
{
	int verdict, ifindex;

	if (HAS_SNAT && WORD_KIND(word) == L4LB_FLOW_REPLY)
		return snat_reply(ctx, p, slot, word);
	if (!backend)
		return XDP_ABORTED;
	if (unlikely(!(backend->flags & L4LB_BACKEND_REACHABLE)))
		return drop(L4LB_DROP_NO_NEIGHBOUR);
	if (unlikely(p->ttl <= 1))
		return icmp_time_exceeded(ctx, p->length, backend->source);
	ifindex = backend->ifindex;
	if (HAS_DSR && (!HAS_SNAT || WORD_KIND(word) == L4LB_FLOW_DSR))
		verdict = slot_changed(slot, word) ? drop(L4LB_DROP_FLOW_BUSY)
						   : dsr_encapsulate(ctx, p, backend);
	else
		verdict = snat_translate(ctx, p, slot, word, backend);
	if (unlikely(verdict != GO_ON))
		return verdict;
	flow_account(slot, p->length);
	return likely(ifindex == config.ifindex) ? XDP_TX : bpf_redirect(ifindex, 0);
}

#endif
