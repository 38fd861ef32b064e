// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The packet's way through the load balancer. */
#if !defined(L4LB_SNAT) && !defined(L4LB_DSR)
#error "compile with -DL4LB_SNAT, -DL4LB_DSR or both, and -DL4LB_IPV6 for IPv6"
#endif

#include "odd.h"

/* Frames may have several parts (jumbo frames, Linux 5.18); headers lie in the first. */
SEC("xdp.frags")
int l4lb(struct xdp_md *ctx)
{
	void *end = packet_end(ctx);
	struct ethernet *eth = packet_data(ctx);
	struct ipv4 *ip = (void *)(eth + 1);
	struct packet p;

	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	if (eth->type != ETHERTYPE_IPV4) {
#if HAS_IPV6
		if (eth->type == ETHERTYPE_IPV6)
			return receive_ipv6(ctx, &p);
#endif
		return XDP_PASS;
	}
	if (!link_addresses_equal(eth->destination, (const void *)config.mac))
		return XDP_PASS;
	if (!address_is_watched(&ip->destination, IPV4))
		return XDP_PASS;
	/* Neither options nor a fragment, and all lengths are true: one look-up, and out. */
	if (likely(ip->version_ihl == 0x45 && !(ip->fragment & IPV4_FRAGMENT) &&
		   (ip->protocol == PROTOCOL_TCP || ip->protocol == PROTOCOL_UDP)) &&
	    likely(parse_plain(ctx, &p, ip, end)))
		return balance(ctx, &p, IPV4, 0);
	return receive_odd_ipv4(ctx, &p);
}

char _license[] SEC("license") = "Dual BSD/GPL";
