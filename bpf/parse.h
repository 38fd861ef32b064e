/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a frame to a TCP or UDP packet whose lengths are true. */
#ifndef L4LB_PARSE_H
#define L4LB_PARSE_H

#include "address.h"
#include "counters.h"

/* What the parsers return beside GO_ON and reasons of enum l4lb_drop: it is none of our business. */
#define NOT_OURS -2
/* ICMP that is whole: its headers begin at p->l4. */
#define IS_ICMP -3

/* IPv4 options (RFC 791). */
#define OPTIONS_MAX 40 /* bytes: the header has 60 at the most */
#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_LOOSE_ROUTE 131
#define OPTION_STRICT_ROUTE 137

/* IPv6 extension headers (RFC 8200 section 4). */
#define HEADER_HOP_BY_HOP 0
#define HEADER_ROUTING 43
#define HEADER_FRAGMENT 44
#define HEADER_DESTINATION 60

/* Whether an IP packet of this length fits into the frame, all parts of a jumbo frame included. */
static __always_inline int frame_holds(struct xdp_md *ctx, void *l3, __u32 length)
{
	return likely(l3 + length <= packet_end(ctx)) || length <= packet_room(ctx);
}

/* Ports, flags and the lengths of the TCP or UDP header at `l4`; `rest`: IP payload from there on. */
static __always_inline int parse_l4(struct packet *p, void *l4, void *end, __u32 rest,
				    const int family)
{
	struct tcp *tcp = l4;
	struct udp *udp = l4;

	if ((void *)(udp + 1) > end)
		return L4LB_DROP_MALFORMED;
	p->tuple.ports = LOAD(__u32, udp);
	if (p->tuple.protocol == PROTOCOL_TCP) {
		if ((void *)(tcp + 1) > end || rest < sizeof(*tcp) || tcp->offset < 5 << 4 ||
		    rest < (tcp->offset >> 4) * 4)
			return L4LB_DROP_MALFORMED;
		p->tcp_flags = tcp->flags;
	} else {
		__u32 length = bpf_ntohs(udp->length);

		/* A first fragment has but a part of what the length tells of. */
		if (rest < sizeof(*udp) || length < sizeof(*udp) ||
		    (length > rest && p->fragment == FRAGMENT_NONE))
			return L4LB_DROP_MALFORMED;
		p->tcp_flags = 0;
		if (family == IPV6 && !udp->check)
			return L4LB_DROP_UDP_CHECKSUM;
	}
	return GO_ON;
}

static __always_inline void parse_end(struct packet *p, void *l3, const int family)
{
	p->tuple.addresses = tuple_addresses(l3, family);
	p->now = clock_ticks(config.clock_shift);
}

/* An IPv4 packet without options, no fragment; 0 where its lengths lie. */
static __always_inline int parse_plain(struct xdp_md *ctx, struct packet *p, struct ipv4 *ip,
				       void *end)
{
	__u32 length = bpf_ntohs(ip->total_length);

	p->tuple.protocol = ip->protocol;
	p->length = length;
	p->id = 0;
	p->l4 = PLAIN_L4;
	p->other_header = 0;
	p->fragment = FRAGMENT_NONE;
	p->ttl = ip->ttl;
	p->is_error = 0;
	if (!frame_holds(ctx, ip, length) ||
	    parse_l4(p, ip + 1, end, length - sizeof(*ip), IPV4) != GO_ON ||
	    length < sizeof(*ip))
		return 0;
	parse_end(p, ip, IPV4);
	return 1;
}

/* A walk over IPv4 options; offsets from the IP header's begin. */
struct option_walk {
	struct xdp_md *ctx;
	__u32 at;
	__u32 header;
	int result;
};

/* 1 where the walk is over. */
static long option_step(__u32 step, void *data)
{
	struct option_walk *w = data;
	__u8 *option = packet_at(w->ctx, L3_OFFSET + w->at, 2);
	__u32 length;

	if (w->at >= w->header || !option || option[0] == OPTION_END)
		return 1;
	if (option[0] == OPTION_NOP) {
		w->at += 1;
		return 0;
	}
	w->result = L4LB_DROP_IP_OPTIONS;
	if (option[0] == OPTION_LOOSE_ROUTE || option[0] == OPTION_STRICT_ROUTE)
		return 1;
	w->result = L4LB_DROP_MALFORMED;
	length = option[1];
	if (length < 2 || w->at + length > w->header)
		return 1;
	w->result = GO_ON;
	w->at += length;
	return 0;
}

/*
 * Options that name a route are not followed (RFC 7126 section 4.3). bpf_loop (Linux 5.17), as the
 * verifier would walk 40 bytes in all ways that they can be cut.
 */
static __always_inline int ipv4_options(struct xdp_md *ctx, __u32 header)
{
	struct option_walk w = {ctx, sizeof(struct ipv4), header, GO_ON};

	if (header > sizeof(struct ipv4))
		bpf_loop(OPTIONS_MAX, option_step, &w, 0);
	return w.result;
}

/* An IPv4 packet of any kind, into a *p of zeros. Later fragments have no ports yet. */
__noinline int parse_ipv4(struct xdp_md *ctx, struct packet *p)
{
	struct ipv4 *ip = packet_l3(ctx, IPV4);
	__u32 header, length, result;
	void *l4;

	if (!p || !ip)
		return NOT_OURS;
	header = (ip->version_ihl & 15) * 4;
	length = bpf_ntohs(ip->total_length);
	p->tuple.protocol = ip->protocol;
	p->tuple.ports = 0;
	p->length = length;
	p->ttl = ip->ttl;
	p->l4 = L3_OFFSET + header;
	p->id = ip->id;
	p->fragment = !(ip->fragment & IPV4_FRAGMENT) ? FRAGMENT_NONE
		      : ip->fragment & IPV4_OFFSET	  ? FRAGMENT_LATER
							  : FRAGMENT_FIRST;
	if (ip->version_ihl >> 4 != 4 || header < sizeof(*ip)) {
		p->l4 = 0;
		return L4LB_DROP_MALFORMED;
	}
	if (ip->protocol != PROTOCOL_TCP && ip->protocol != PROTOCOL_UDP &&
	    (ip->protocol != PROTOCOL_ICMP || p->fragment))
		return NOT_OURS;
	if (length < header || !frame_holds(ctx, ip, length) ||
	    (p->fragment == FRAGMENT_LATER && length == header))
		return L4LB_DROP_MALFORMED;
	result = ipv4_options(ctx, header);
	if ((int)result != GO_ON)
		return result;
	if (ip->protocol == PROTOCOL_ICMP)
		return IS_ICMP;
	if (p->fragment != FRAGMENT_LATER) {
		l4 = packet_at(ctx, p->l4, sizeof(struct udp));
		if (!l4)
			return L4LB_DROP_MALFORMED;
		result = parse_l4(p, l4, packet_end(ctx), length - header, IPV4);
		if ((int)result != GO_ON)
			return result;
	}
	parse_end(p, ip, IPV4);
	return GO_ON;
}

#if HAS_IPV6
/*
 * Walks the extension headers behind an IPv6 header at `p->l4` whose next header is
 * p->tuple.protocol: afterwards both tell of what follows them. p->length bounds the walk.
 */
__noinline int ipv6_headers(struct xdp_md *ctx, struct packet *p)
{
	__u32 at, next;

	if (!p)
		return NOT_OURS;
	at = p->l4;
	next = p->tuple.protocol;
	for (int i = 0; i <= L4LB_IPV6_HEADERS_MAX; i++) {
		__u8 *header;

		if (next != HEADER_HOP_BY_HOP && next != HEADER_DESTINATION &&
		    next != HEADER_ROUTING && next != HEADER_FRAGMENT) {
			p->l4 = at;
			p->tuple.protocol = next;
			return GO_ON;
		}
		header = packet_at(ctx, at, 8);
		/* Behind the packet lies padding. */
		if (!header || at + 8 > L3_OFFSET + p->length)
			return L4LB_DROP_MALFORMED;
		if ((next == HEADER_HOP_BY_HOP && i > 0) || i == L4LB_IPV6_HEADERS_MAX)
			return L4LB_DROP_IPV6_EXTENSION;
		if (next == HEADER_ROUTING && header[3] != 0)
			return L4LB_DROP_IPV6_EXTENSION;
		if (next == HEADER_FRAGMENT) {
			__u16 field = bpf_ntohs(LOAD(__u16, header + 2));

			/* Neither offset nor more: a whole packet (RFC 6946). */
			if (field & 0xfff9) {
				if (p->fragment)
					return L4LB_DROP_IPV6_EXTENSION;
				p->fragment = field & 0xfff8 ? FRAGMENT_LATER : FRAGMENT_FIRST;
				p->other_header = at;
				p->id = LOAD(__u32, header + 4);
			}
			next = header[0];
			at += 8;
			if (p->fragment == FRAGMENT_LATER) {
				p->l4 = at;
				p->tuple.protocol = 0;
				return GO_ON;
			}
			continue;
		}
		next = header[0];
		at += (header[1] + 1) * 8;
	}
	return L4LB_DROP_IPV6_EXTENSION;
}

/* The same of IPv6. */
static __always_inline int parse_ipv6(struct xdp_md *ctx, struct packet *p)
{
	struct ipv6 *ip = packet_l3(ctx, IPV6);
	__u32 length, protocol;
	int result;
	void *l4;

	if (!ip)
		return NOT_OURS;
	length = bpf_ntohs(ip->payload_length) + sizeof(*ip);
	p->tuple.protocol = ip->next_header;
	p->tuple.ports = 0;
	p->length = length;
	p->ttl = ip->hop_limit;
	p->l4 = L3_OFFSET + sizeof(*ip);
	p->id = 0;
	p->fragment = FRAGMENT_NONE;
	p->tcp_flags = 0;
	if ((ip->first & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000)) {
		p->l4 = 0;
		return L4LB_DROP_MALFORMED;
	}
	if (unlikely(ip->next_header != PROTOCOL_TCP && ip->next_header != PROTOCOL_UDP)) {
		result = ipv6_headers(ctx, p);
		if (result != GO_ON)
			return result;
		ip = packet_l3(ctx, IPV6);
		if (!ip)
			return NOT_OURS;
	}
	protocol = p->tuple.protocol;
	if (p->fragment != FRAGMENT_LATER && protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP &&
	    (protocol != PROTOCOL_ICMP6 || p->fragment))
		return NOT_OURS;
	if (!frame_holds(ctx, ip, length) || length + L3_OFFSET < p->l4 ||
	    (p->fragment == FRAGMENT_LATER && length + L3_OFFSET == p->l4))
		return L4LB_DROP_MALFORMED;
	if (p->fragment != FRAGMENT_LATER) {
		if (protocol == PROTOCOL_ICMP6)
			return IS_ICMP;
		l4 = packet_at(ctx, p->l4, sizeof(struct udp));
		if (!l4)
			return L4LB_DROP_MALFORMED;
		result = parse_l4(p, l4, packet_end(ctx), length + L3_OFFSET - p->l4, IPV6);
		if (result != GO_ON)
			return result;
	}
	parse_end(p, ip, IPV6);
	return GO_ON;
}
#else
static __always_inline int ipv6_headers(struct xdp_md *ctx, struct packet *p)
{
	return NOT_OURS;
}
#endif

#endif
