/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ICMP that is answered or sent from here (RFC 792, RFC 4443). */
#ifndef L4LB_ICMP_H
#define L4LB_ICMP_H

#include "address.h"
#include "checksum.h"
#include "counters.h"

#define ICMP_ECHO_REPLY 0
#define ICMP_UNREACHABLE 3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER 12
#define ICMP6_UNREACHABLE 1
#define ICMP6_TOO_BIG 2
#define ICMP6_TIME_EXCEEDED 3
#define ICMP6_PARAMETER 4
#define ICMP6_ECHO 128
#define ICMP6_ECHO_REPLY 129

/* Codes of ICMP_UNREACHABLE and ICMP6_UNREACHABLE. */
#define CODE_HOST 1
#define CODE_TOO_BIG 4
#define CODE6_ADDRESS 3

#define ICMP_TYPE_CODE(type, code) ((__u32)(type) << 8 | (code))

/* RFC 1812 4.3.2.3 and RFC 4443 2.4 c: as much of the packet as fits into so many bytes. */
#define ICMP_MAX(family) ((family) == IPV6 ? 1280 : 576)
#define ICMP_QUOTE_MAX(family)                                                                     \
	(ICMP_MAX(family) - (int)IP_HEADER(family) - (int)sizeof(struct icmp))

/* The sum of up to `ICMP_QUOTE_MAX` bytes that end with the packet. */
static __always_inline __u64 sum_to_end(void *from, void *end, const int family)
{
	__u64 sum = 0;

	for (int i = 0; i < ICMP_QUOTE_MAX(family) / 4; i++) {
		if (from + 4 > end)
			break;
		sum += LOAD(__u32, from);
		from += 4;
	}
	if (from + 2 <= end) {
		sum += LOAD(__u16, from);
		from += 2;
	}
	if (from + 1 <= end)
		sum += LOAD(__u8, from);
	return sum;
}

static __always_inline __u64 sum_words(const void *from, int words)
{
	__u64 sum = 0;

	for (int i = 0; i < words; i++)
		sum += LOAD(__u32, from + 4 * i);
	return sum;
}

/*
 * Makes room for the headers of an ICMP error in front of an IP packet of `length` bytes, of which
 * it quotes what fits, and writes the Ethernet header, back to where the packet came from. The
 * bytes that are quoted, or 0.
 */
static __always_inline __u32 icmp_make_room(struct xdp_md *ctx, __u32 length, const int family)
{
	__u32 quote = length, frame = bpf_xdp_get_buff_len(ctx);
	int headers = IP_HEADER(family) + sizeof(struct icmp);
	struct ethernet *eth, *old;

	if (quote > ICMP_QUOTE_MAX(family))
		quote = ICMP_QUOTE_MAX(family);
	if (bpf_xdp_adjust_tail(ctx, (int)(quote + L3_OFFSET) - (int)frame) ||
	    bpf_xdp_adjust_head(ctx, -headers))
		return 0;
	eth = packet_ethernet(ctx);
	old = packet_at(ctx, headers, sizeof(*eth));
	if (!eth || !old)
		return 0;
	STORE(__u32, eth->destination, LOAD(__u32, old->source));
	STORE(__u16, eth->destination + 4, LOAD(__u16, old->source + 4));
	STORE(__u32, eth->source, LOAD(__u32, old->destination));
	STORE(__u16, eth->source + 4, LOAD(__u16, old->destination + 4));
	eth->type = family == IPV6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
	return quote;
}

/*
 * Turns an IPv4 packet of `length` bytes into an ICMP error about it, for its sender. `source` 0:
 * from the address that the packet was for.
 */
__noinline int icmp_send4(struct xdp_md *ctx, __u32 type_code, __be32 rest, __be32 source,
			  __u32 length)
{
	__u32 quote = icmp_make_room(ctx, length, IPV4);
	struct ipv4 *ip = packet_l3(ctx, IPV4), *quoted;
	struct icmp *icmp;

	if (!quote || !ip)
		return drop(ctx, L4LB_DROP_NO_ROOM, NO_SERVICE);
	icmp = (void *)(ip + 1);
	quoted = (void *)(icmp + 1);
	if ((void *)(quoted + 1) > packet_end(ctx))
		return drop(ctx, L4LB_DROP_NO_ROOM, NO_SERVICE);
	ip->version_ihl = 0x45;
	ip->tos = 0;
	ip->total_length = bpf_htons(quote + sizeof(*ip) + sizeof(*icmp));
	ip->id = 0;
	ip->fragment = IPV4_DF;
	ip->ttl = DEFAULT_TTL;
	ip->protocol = PROTOCOL_ICMP;
	ip->check = 0;
	ip->source = source ? source : quoted->destination;
	ip->destination = quoted->source;
	ip->check = ~csum_fold(sum_words(ip, 5));
	icmp->type = type_code >> 8;
	icmp->code = type_code;
	icmp->check = 0;
	icmp->rest = rest;
	icmp->check = ~csum_fold(sum_words(icmp, 2) + sum_to_end(quoted, packet_end(ctx), IPV4));
	return XDP_TX;
}

#if HAS_IPV6
__noinline int icmp_send6(struct xdp_md *ctx, __u32 type_code, __be32 rest,
			  const struct l4lb_address *source, __u32 length)
{
	__u32 quote = icmp_make_room(ctx, length, IPV6);
	struct ipv6 *ip = packet_l3(ctx, IPV6), *quoted;
	struct icmp *icmp;
	__u64 sum;

	if (!quote || !ip || !source)
		return drop(ctx, L4LB_DROP_NO_ROOM, NO_SERVICE);
	icmp = (void *)(ip + 1);
	quoted = (void *)(icmp + 1);
	if ((void *)(quoted + 1) > packet_end(ctx))
		return drop(ctx, L4LB_DROP_NO_ROOM, NO_SERVICE);
	ip->first = bpf_htonl(0x60000000);
	ip->payload_length = bpf_htons(quote + sizeof(*icmp));
	ip->next_header = PROTOCOL_ICMP6;
	ip->hop_limit = DEFAULT_TTL;
	if (address_is_zero(source))
		address_copy(&ip->source, &quoted->destination);
	else
		address_copy(&ip->source, source);
	address_copy(&ip->destination, &quoted->source);
	icmp->type = type_code >> 8;
	icmp->code = type_code;
	icmp->check = 0;
	icmp->rest = rest;
	/* The pseudo-header (RFC 8200 section 8.1). */
	sum = sum_words(&ip->source, 8) + ip->payload_length + bpf_htons(PROTOCOL_ICMP6);
	icmp->check =
	    ~csum_fold(sum + sum_words(icmp, 2) + sum_to_end(quoted, packet_end(ctx), IPV6));
	return XDP_TX;
}
#endif

/* Nothing is said about later fragments and about ICMP errors (RFC 1122 section 3.2.2). */
static __always_inline int is_not_told(const struct packet *p)
{
	return p->fragment == FRAGMENT_LATER || p->is_error;
}

/* Tells the client that its packet's TTL ended here. */
static __always_inline int icmp_time_exceeded(struct xdp_md *ctx, const struct packet *p,
					      const struct l4lb_backend *backend, const int family)
{
	if (is_not_told(p))
		return drop(ctx, L4LB_DROP_TTL, backend->service);
	count(L4LB_EVENT_TIME_EXCEEDED);
#if HAS_IPV6
	if (family == IPV6)
		return icmp_send6(ctx, ICMP_TYPE_CODE(ICMP6_TIME_EXCEEDED, 0), 0, &backend->source6,
				  p->length);
#endif
	return icmp_send4(ctx, ICMP_TYPE_CODE(ICMP_TIME_EXCEEDED, 0), 0, backend->source, p->length);
}

/*
 * Tells the client the largest packet that gets to the backend (RFC 1191, RFC 8201). A packet that
 * routers may fragment is a drop as well: we do not.
 */
static __always_inline int icmp_too_big(struct xdp_md *ctx, const struct packet *p, __u32 mtu,
					const struct l4lb_backend *backend, const int family)
{
	struct ipv4 *ip = packet_l3(ctx, family);

	if (!ip || is_not_told(p))
		return drop(ctx, L4LB_DROP_TOO_BIG, backend->service);
	count(L4LB_EVENT_TOO_BIG);
#if HAS_IPV6
	if (family == IPV6) {
		struct l4lb_address frontend = {};

		return icmp_send6(ctx, ICMP_TYPE_CODE(ICMP6_TOO_BIG, 0), bpf_htonl(mtu), &frontend,
				  p->length);
	}
#endif
	if (!(ip->fragment & IPV4_DF))
		drop(ctx, L4LB_DROP_TOO_BIG, backend->service);
	return icmp_send4(ctx, ICMP_TYPE_CODE(ICMP_UNREACHABLE, CODE_TOO_BIG), bpf_htonl(mtu), 0,
			  p->length);
}

/* An echo request to an address that is all ours, answered. Its lengths have been checked. */
static __always_inline int icmp_echo(struct xdp_md *ctx, void *l3, struct icmp *icmp,
				     const int family)
{
	struct ethernet *eth = packet_ethernet(ctx);
	__u8 request = family == IPV6 ? ICMP6_ECHO : ICMP_ECHO;
	__u8 reply = family == IPV6 ? ICMP6_ECHO_REPLY : ICMP_ECHO_REPLY;
	__u16 check;

	if (!eth)
		return XDP_PASS;
	swap_link_addresses(eth);
	if (family == IPV6) {
		struct ipv6 *ip = l3;
		struct l4lb_address client;

		address_copy(&client, &ip->source);
		address_copy(&ip->source, &ip->destination);
		address_copy(&ip->destination, &client);
		ip->hop_limit = DEFAULT_TTL;
	} else {
		struct ipv4 *ip = l3;
		__be32 client = ip->source;
		__u16 from = LOAD(__u16, &ip->ttl);

		ip->source = ip->destination;
		ip->destination = client;
		ip->ttl = DEFAULT_TTL;
		ip->check = csum_apply(ip->check, csum_replace16(from, LOAD(__u16, &ip->ttl)));
	}
	icmp->type = reply;
	check = csum_apply(icmp->check, csum_replace16(request, reply));
	/* Where all other bytes are zero only this form of zero is right, elsewhere both are. */
	icmp->check = check || family == IPV6 ? check : 0xffff;
	count(L4LB_EVENT_ECHO);
	return XDP_TX;
}

#endif
