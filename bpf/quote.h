/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet that an ICMP error quotes: whose it was, and how it is rewritten. */
#ifndef L4LB_QUOTE_H
#define L4LB_QUOTE_H

#include "parse.h"
#include "snat.h"

/* The packet that an ICMP error is about, as far as it is quoted. Offsets from the frame's begin. */
struct quote {
	struct tuple tuple; /* of the flow that it belongs to: the ends are swapped */
	__u32 l3;
	__u32 l4;
	__u32 end; /* of the ICMP packet */
	__u32 protocol;
};

/* Reads the IP headers at q->l3; 0 where there are no ports behind them, -1 where they are cut. */
static __always_inline int quote_headers(struct xdp_md *ctx, struct quote *q, const int family)
{
	if (family == IPV6) {
		struct ipv6 *ip = packet_at(ctx, q->l3, sizeof(*ip));
		struct packet walked = {};
		int result;

		if (!ip || (ip->first & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
			return 0;
		walked.tuple.protocol = ip->next_header;
		walked.l4 = q->l3 + sizeof(*ip);
		walked.length = q->end - L3_OFFSET;
		q->tuple.addresses = address_word(&ip->destination, &ip->source);
		result = ipv6_headers(ctx, &walked);
		if (result == L4LB_DROP_MALFORMED)
			return -1;
		if (result != GO_ON || walked.fragment == FRAGMENT_LATER)
			return 0;
		q->protocol = walked.tuple.protocol;
		q->l4 = walked.l4;
	} else {
		struct ipv4 *ip = packet_at(ctx, q->l3, sizeof(*ip));
		__u64 addresses;

		if (!ip || ip->version_ihl >> 4 != 4 || (ip->version_ihl & 15) < 5 ||
		    (ip->fragment & IPV4_OFFSET))
			return 0;
		q->protocol = ip->protocol;
		q->l4 = q->l3 + (ip->version_ihl & 15) * 4;
		addresses = LOAD(__u64, &ip->source);
		q->tuple.addresses = addresses >> 32 | addresses << 32;
	}
	/* Behind the packet lies padding. */
	return q->l4 <= q->end ? 1 : -1;
}

/* And the ports, which 8 bytes of TCP or UDP hold; 0 where they are not quoted. */
static __always_inline int quote_ports(struct xdp_md *ctx, struct quote *q)
{
	void *l4 = packet_at(ctx, q->l4, 8);
	__u32 ports;

	if (!l4 || q->l4 + 8 > q->end)
		return 0;
	ports = LOAD(__u32, l4);
	q->tuple.ports = ports >> 16 | ports << 16;
	q->tuple.protocol = q->protocol;
	return 1;
}

static __always_inline struct l4lb_flow *quoted_slot(const struct quote *q, __u64 *word,
						     const int family)
{
	__u32 index = flow_look_up(&q->tuple, flow_hash(&q->tuple), word, family);

	return index == NO_SLOT ? 0 : slot_at(index, family);
}

/* The flow that a quoted packet of the other direction belongs to. */
static __always_inline struct l4lb_flow *quote_flow(struct xdp_md *ctx, const struct quote *q,
						    __u64 *word, const int family)
{
	struct l4lb_flow *slot = quoted_slot(q, word, family);
	void *l3;

	if (!slot || family == IPV4)
		return slot;
	l3 = packet_at(ctx, q->l3, sizeof(struct ipv6));
	if (!l3 || !slot_is_of(slot, destination_at(l3, family), source_at(l3, family)))
		return 0;
	return slot;
}

/*
 * Rewrites the quoted packet's ends, and all checksums over them: its own (RFC 5508 section 4.2;
 * TCP's lies behind the 8 bytes that must be quoted), and what of ICMP's changes is returned.
 */
static __always_inline __u64 quote_rewrite(struct xdp_md *ctx, const struct quote *q,
					   const struct ends *to, const int family)
{
	__u32 check_at = q->l4 + (q->protocol == PROTOCOL_TCP ? 16 : 6);
	void *l3 = packet_at(ctx, q->l3, IP_HEADER(family)), *l4 = packet_at(ctx, q->l4, 8);
	__u16 *check = packet_at(ctx, check_at, 2);
	__u64 addresses, all;
	__u16 old, new;

	if (!l3 || !l4)
		return 0;
	addresses = addresses_sum(l3, to, family);
	all = addresses + csum_replace32(LOAD(__u32, l4), to->ports);
	if (check && check_at + 2 <= q->end) {
		old = LOAD(__u16, check);
		if (old || q->protocol == PROTOCOL_TCP) {
			new = csum_apply(old, all);
			if (q->protocol != PROTOCOL_TCP && !new)
				new = 0xffff;
			STORE(__u16, check, new);
			all += csum_replace16(old, new);
		}
	}
	STORE(__u32, l4, to->ports);
	addresses_write(l3, to, family);
	if (family == IPV4) {
		struct ipv4 *ip = l3;

		old = ip->check;
		new = csum_apply(old, addresses);
		ip->check = new;
		all += csum_replace16(old, new);
	}
	return all;
}

#endif
