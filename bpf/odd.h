/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IPv6, and IPv4 packets that are rare: options, fragments, ICMP, and headers that lie. */
#ifndef L4LB_ODD_H
#define L4LB_ODD_H

#include "icmp_error.h"
#include "refuse.h"

/* What is common to both families once the headers have been parsed with `result`. */
static __always_inline int packet_way(struct xdp_md *ctx, struct packet *p, int result,
				      const int family)
{
	if (result == GO_ON && unlikely(p->fragment == FRAGMENT_LATER) &&
	    !fragment_follow(ctx, p, family))
		result = L4LB_DROP_FRAGMENT;
	if (likely(result == GO_ON))
		return balance(ctx, p, family, 1);
#if HAS_IPV6
	if (family == IPV6) {
		if (result != IS_ICMP)
			return refuse_ipv6(ctx, p, result);
		result = icmp_receive6(ctx, p);
		return result == ABOUT_A_PACKET ? error_forward6(ctx, p) : result;
	}
#endif
	if (result != IS_ICMP)
		return refuse_ipv4(ctx, p, result);
	result = icmp_receive4(ctx, p);
	return result == ABOUT_A_PACKET ? error_forward4(ctx, p) : result;
}

static __always_inline int receive_odd_ipv4(struct xdp_md *ctx, struct packet *p)
{
	__builtin_memset(p, 0, sizeof(*p));
	return packet_way(ctx, p, parse_ipv4(ctx, p), IPV4);
}

#if HAS_IPV6
static __always_inline int receive_ipv6(struct xdp_md *ctx, struct packet *p)
{
	struct ethernet *eth = packet_ethernet(ctx);
	struct ipv6 *ip = packet_l3(ctx, IPV6);

	if (!eth || !ip || !link_addresses_equal(eth->destination, (const void *)config.mac))
		return XDP_PASS;
	if (!address_is_watched(&ip->destination, IPV6))
		return XDP_PASS;
	__builtin_memset(p, 0, sizeof(*p));
	return packet_way(ctx, p, parse_ipv6(ctx, p), IPV6);
}
#endif

#endif
