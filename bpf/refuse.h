/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets that cannot be forwarded: a counted drop where they are for a frontend, else PASS. */
#ifndef L4LB_REFUSE_H
#define L4LB_REFUSE_H

#include "service.h"

/* The ports, where they can be read, tell whether the packet is for a frontend; else the address.
 */
static __always_inline int refuse(struct ipv4 *ip, void *l4, void *end, enum l4lb_drop reason)
{
	struct tuple t = {.addresses = LOAD(__u64, &ip->source), .protocol = ip->protocol};
	__be32 address = ip->destination;

	if (bpf_map_lookup_elem(&addresses, &address)) {
		if (l4 && l4 + sizeof(struct ports) <= end) {
			t.ports = LOAD(__u32, l4);
			return service_of(&t) ? drop(reason) : XDP_PASS;
		}
		return drop(reason);
	}
	/* A frontend at the host's own address: only its ports are ours. */
	if (!l4 || l4 + sizeof(struct ports) > end)
		return XDP_PASS;
	t.ports = LOAD(__u32, l4);
	return service_of(&t) ? drop(reason) : XDP_PASS;
}

__noinline int refuse_malformed(struct xdp_md *ctx)
{
	struct ipv4 *ip = packet_data(ctx) + sizeof(struct ethernet);
	void *end = packet_end(ctx);

	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	return refuse(ip, ip + 1, end, L4LB_DROP_MALFORMED);
}

/* IP options, fragments, and what is no IPv4 at all. */
__noinline int refuse_odd_header(struct xdp_md *ctx)
{
	struct ipv4 *ip = packet_data(ctx) + sizeof(struct ethernet);
	void *end = packet_end(ctx);
	__u32 header;

	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	header = (ip->version_ihl & 15) * 4;
	if (ip->version_ihl >> 4 != 4 || header < sizeof(*ip))
		return refuse(ip, 0, end, L4LB_DROP_MALFORMED);
	if (ip->protocol != PROTOCOL_TCP && ip->protocol != PROTOCOL_UDP)
		return XDP_PASS;
	/* Only the first fragment has ports. */
	if (ip->fragment & IPV4_FRAGMENT & bpf_htons(0x1fff))
		return refuse(ip, 0, end, L4LB_DROP_FRAGMENT);
	return refuse(ip, (void *)ip + header, end,
		      ip->fragment & IPV4_FRAGMENT ? L4LB_DROP_FRAGMENT : L4LB_DROP_IP_OPTIONS);
}

#endif
