/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP for a frontend's address or the balancer's: echoes, and errors about connections. */
#ifndef L4LB_ICMP_ERROR_H
#define L4LB_ICMP_ERROR_H

#include "forward.h"
#include "quote.h"

static __always_inline int is_error(__u8 type, const int family)
{
	if (family == IPV6)
		return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER;
	return type == ICMP_UNREACHABLE || type == ICMP_SOURCE_QUENCH ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER;
}

/*
 * Turns an error about a packet of the other direction into one for its sender, which is the
 * destination of `to`, the ends of this direction; the outer source is kept.
 */
static __always_inline void error_redirect(struct xdp_md *ctx, const struct packet *p,
					   const struct quote *q, const struct ends *to,
					   const int family)
{
	const struct ends sent = {
	    .source = to->destination,
	    .destination = to->source,
	    .ports = to->ports >> 16 | to->ports << 16,
	};
	__u64 moved = 0, sum = quote_rewrite(ctx, q, &sent, family);
	void *l3 = packet_l3(ctx, family);
	struct icmp *icmp = packet_at(ctx, p->l4, sizeof(*icmp));

	if (!l3 || !icmp)
		return;
	for (int i = 0; i < (family == IPV6 ? 4 : 1); i++) {
		void *word = destination_at(l3, family) + 4 * i;

		moved += csum_replace32(LOAD(__u32, word), to->destination.words[i]);
		STORE(__u32, word, to->destination.words[i]);
	}
	if (family == IPV6) {
		((struct ipv6 *)l3)->hop_limit = p->ttl - 1;
		/* ICMPv6 covers the addresses by its pseudo-header. */
		sum += moved;
	} else {
		struct ipv4 *ip = l3;

		ip->ttl = p->ttl - 1;
		ip->check = csum_apply(ip->check, moved + CSUM_TTL_LESS_ONE);
	}
	icmp->check = csum_apply(icmp->check, sum);
}

/* An error about a packet of a known flow goes on to the end that sent that packet. */
static __always_inline int error_forward(struct xdp_md *ctx, struct packet *p, const int family)
{
	const struct quote quoted = {
	    .tuple = p->tuple,
	    .l3 = p->l4 + sizeof(struct icmp),
	    .l4 = p->other_header,
	    .end = L3_OFFSET + p->length,
	    .protocol = p->tuple.protocol,
	};
	const struct quote *q = &quoted;
	struct l4lb_backend *backend;
	struct l4lb_flow *slot;
	struct ethernet *eth;
	struct ends to;
	__u32 mac_high, device;
	__u16 mac_low;
	__u64 word;
	int verdict;

	slot = quote_flow(ctx, q, &word, family);
	if (!slot || (WORD_KIND(word) == L4LB_FLOW_DSR ? !HAS_DSR : !HAS_SNAT))
		return XDP_PASS;
	mac_high = LOAD(__u32, slot->client_mac);
	mac_low = LOAD(__u16, slot->client_mac + 4);
	device = WORD_DEVICE(word);
	backend = backend_of(slot);
	if (!backend)
		return XDP_ABORTED;
	p->is_error = 1;
	if (p->ttl <= 1)
		return drop(ctx, L4LB_DROP_TTL, backend->service);
	if (HAS_SNAT && WORD_KIND(word) == L4LB_FLOW_REPLY) {
		/* It was sent from the balancer to the backend: the client sent it to the frontend. */
		ends_of_reply(&to, slot, family);
		if (slot_changed(slot, word))
			return drop(ctx, L4LB_DROP_FLOW_BUSY, backend->service);
		error_redirect(ctx, p, q, &to, family);
		count(L4LB_EVENT_ICMP_ERROR);
		return to_client(ctx, mac_high, mac_low, device);
	}
	if ((backend->flags & (L4LB_BACKEND_REACHABLE | L4LB_BACKEND_MAINTENANCE)) !=
	    L4LB_BACKEND_REACHABLE)
		return drop(ctx, L4LB_DROP_NO_NEIGHBOUR, backend->service);
	if (HAS_DSR && WORD_KIND(word) == L4LB_FLOW_DSR) {
		p->hash = flow_hash(&q->tuple);
		verdict = dsr_send(ctx, p, slot->backend, family);
		if (verdict != GO_ON)
			return verdict;
	} else if (HAS_SNAT) {
		/* It was sent from the frontend to the client: the backend sent it to the balancer. */
		ends_of_request(&to, slot, backend, family);
		if (slot_changed(slot, word))
			return drop(ctx, L4LB_DROP_FLOW_BUSY, backend->service);
		error_redirect(ctx, p, q, &to, family);
		eth = packet_ethernet(ctx);
		if (!eth)
			return XDP_ABORTED;
		set_link_addresses(eth, backend->next_hop);
	}
	count(L4LB_EVENT_ICMP_ERROR);
	return backend->ifindex == config.ifindex ? XDP_TX : bpf_redirect(backend->ifindex, 0);
}

/* Begins where icmp_receive ends, so that their frames do not add up. */
__noinline int error_forward4(struct xdp_md *ctx, struct packet *p)
{
	return p ? error_forward(ctx, p, IPV4) : XDP_ABORTED;
}

#if HAS_IPV6
__noinline int error_forward6(struct xdp_md *ctx, struct packet *p)
{
	return p ? error_forward(ctx, p, IPV6) : XDP_ABORTED;
}
#endif

#if HAS_DSR
/*
 * The type, code and last word of an error about our outer packet, as they are to be about the
 * inner one: `outer` bytes less of MTU, and the other family's types where the families differ.
 */
static __always_inline __u32 error_translate(const struct icmp *icmp, __be32 *rest, __u32 outer,
					     const int from, const int to)
{
	int is_too_big = from == IPV6 ? icmp->type == ICMP6_TOO_BIG
				      : icmp->type == ICMP_UNREACHABLE && icmp->code == CODE_TOO_BIG;
	int is_time = icmp->type == (from == IPV6 ? ICMP6_TIME_EXCEEDED : ICMP_TIME_EXCEEDED);
	__u32 mtu = bpf_ntohl(icmp->rest);

	*rest = 0;
	if (is_too_big) {
		/* In IPv4 the MTU is the lower half, and may be missing (RFC 1191 section 4). */
		if (from == IPV4)
			mtu &= 0xffff;
		mtu = mtu > outer ? mtu - outer : 0;
		if (to == IPV4)
			mtu &= 0xffff;
		*rest = bpf_htonl(mtu);
		return to == IPV6 ? ICMP_TYPE_CODE(ICMP6_TOO_BIG, 0)
				  : ICMP_TYPE_CODE(ICMP_UNREACHABLE, CODE_TOO_BIG);
	}
	if (from == to) {
		/* A pointer is into the outer header, which nobody but us has seen. */
		return ICMP_TYPE_CODE(icmp->type, icmp->code);
	}
	if (is_time)
		return to == IPV6 ? ICMP_TYPE_CODE(ICMP6_TIME_EXCEEDED, 0)
				  : ICMP_TYPE_CODE(ICMP_TIME_EXCEEDED, 0);
	return to == IPV6 ? ICMP_TYPE_CODE(ICMP6_UNREACHABLE, CODE6_ADDRESS)
			  : ICMP_TYPE_CODE(ICMP_UNREACHABLE, CODE_HOST);
}

/*
 * An error about a packet that we had put into another one: its sender, the client, gets the same
 * about the inner packet, from the frontend (RFC 2003 section 4).
 */
static __always_inline int error_unwrap(struct xdp_md *ctx, const struct packet *p, struct quote *q,
					const int from, const int to)
{
	struct icmp *icmp = packet_at(ctx, p->l4, sizeof(*icmp));
	__u32 outer = q->l4 - q->l3, frame = bpf_xdp_get_buff_len(ctx), type_code, high, device;
	struct l4lb_flow *slot;
	struct ethernet *eth;
	__be32 rest;
	__u64 word;
	__u16 low;
	int verdict, whole;

	q->l3 = q->l4;
	if (!icmp || q->end < q->l3 + IP_HEADER(to))
		return drop(ctx, L4LB_DROP_ICMP_QUOTE, NO_SERVICE);
	type_code = error_translate(icmp, &rest, outer, from, to);
	whole = quote_headers(ctx, q, to);
	if (whole < 0)
		return drop(ctx, L4LB_DROP_ICMP_QUOTE, NO_SERVICE);
	if (!whole)
		return XDP_PASS;
	if (q->protocol != PROTOCOL_TCP && q->protocol != PROTOCOL_UDP)
		return XDP_PASS;
	if (!quote_ports(ctx, q))
		return drop(ctx, L4LB_DROP_ICMP_QUOTE, NO_SERVICE);
	/* The inner packet is the client's own: its ends are not swapped. */
	q->tuple.ports = q->tuple.ports >> 16 | q->tuple.ports << 16;
	if (to == IPV4) {
		q->tuple.addresses = q->tuple.addresses >> 32 | q->tuple.addresses << 32;
	} else {
		struct ipv6 *ip = packet_at(ctx, q->l3, sizeof(*ip));

		if (!ip)
			return XDP_PASS;
		q->tuple.addresses = address_word(&ip->source, &ip->destination);
	}
	slot = quoted_slot(q, &word, to);
	if (!slot || WORD_KIND(word) != L4LB_FLOW_DSR)
		return XDP_PASS;
	if (to == IPV6) {
		void *l3 = packet_at(ctx, q->l3, sizeof(struct ipv6));

		if (!l3 || !slot_is_of(slot, source_at(l3, to), destination_at(l3, to)))
			return XDP_PASS;
	}
	high = LOAD(__u32, slot->client_mac);
	low = LOAD(__u16, slot->client_mac + 4);
	device = WORD_DEVICE(word);
	if (slot_changed(slot, word))
		return drop(ctx, L4LB_DROP_FLOW_BUSY, NO_SERVICE);
	/* What is left is the quoted inner packet behind an Ethernet header. */
	if (bpf_xdp_adjust_tail(ctx, (int)q->end - (int)frame) ||
	    bpf_xdp_adjust_head(ctx, (int)(q->l3 - L3_OFFSET)))
		return drop(ctx, L4LB_DROP_NO_ROOM, NO_SERVICE);
	count(L4LB_EVENT_ICMP_ERROR);
#if HAS_IPV6
	if (to == IPV6) {
		struct l4lb_address frontend = {};

		verdict = icmp_send6(ctx, type_code, rest, &frontend, q->end - q->l3);
	} else
#endif
		verdict = icmp_send4(ctx, type_code, rest, 0, q->end - q->l3);
	eth = packet_ethernet(ctx);
	if (verdict != XDP_TX || !eth)
		return verdict;
	return to_client(ctx, high, low, device);
}
#endif

/* No verdict yet: an error that quotes TCP or UDP, whose place and swapped ends *p has now. */
#define ABOUT_A_PACKET -1

/*
 * Echo requests to an address that is all ours are answered, errors about our connections passed
 * on; all other ICMP is the host's. p->l4 is where ICMP begins.
 */
static __always_inline int icmp_receive(struct xdp_md *ctx, struct packet *p, const int family)
{
	struct icmp *icmp = packet_at(ctx, p->l4, sizeof(*icmp));
	void *l3 = packet_l3(ctx, family);
	struct quote q = {.l3 = p->l4 + sizeof(*icmp), .end = L3_OFFSET + p->length};
	int ours, lies, is_echo;

	if (!l3)
		return XDP_PASS;
	lies = !icmp || q.end < q.l3 || !frame_holds(ctx, l3, p->length);
	is_echo = !lies && icmp->code == 0 &&
		  icmp->type == (family == IPV6 ? ICMP6_ECHO : ICMP_ECHO);
	/* The look-up is dear, and errors about connections do without. */
	if (lies || is_echo || source_is_impossible(l3, family)) {
		ours = address_is_ours(destination_at(l3, family), family);
		if (ours && (lies || source_is_impossible(l3, family)))
			return drop(ctx, L4LB_DROP_MALFORMED, NO_SERVICE);
		if (lies || (is_echo && !ours))
			return XDP_PASS;
		if (is_echo)
			return icmp_echo(ctx, l3, icmp, family);
	}
	if (!is_error(icmp->type, family) || quote_headers(ctx, &q, family) <= 0)
		return XDP_PASS;
#if HAS_DSR
	if (q.protocol == PROTOCOL_IPIP)
		return error_unwrap(ctx, p, &q, family, IPV4);
#if HAS_IPV6
	if (q.protocol == PROTOCOL_IPV6)
		return error_unwrap(ctx, p, &q, family, IPV6);
#endif
#endif
	if ((q.protocol != PROTOCOL_TCP && q.protocol != PROTOCOL_UDP) || !quote_ports(ctx, &q))
		return XDP_PASS;
	p->tuple = q.tuple;
	p->other_header = q.l4;
	return ABOUT_A_PACKET;
}

__noinline int icmp_receive4(struct xdp_md *ctx, struct packet *p)
{
	return p ? icmp_receive(ctx, p, IPV4) : XDP_ABORTED;
}

#if HAS_IPV6
__noinline int icmp_receive6(struct xdp_md *ctx, struct packet *p)
{
	return p ? icmp_receive(ctx, p, IPV6) : XDP_ABORTED;
}
#endif

#endif
