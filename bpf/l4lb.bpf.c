// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The packet's way through the load balancer. */
#if !defined(L4LB_SNAT) && !defined(L4LB_DSR)
#error "compile with -DL4LB_SNAT, -DL4LB_DSR or both"
#endif

#include "forward.h"
#include "refuse.h"

SEC("xdp")
int l4lb(struct xdp_md *ctx)
{
	void *end = packet_end(ctx);
	struct ethernet *eth = packet_data(ctx);
	struct ipv4 *ip = (void *)(eth + 1);
	struct l4lb_backend *backend = 0;
	struct l4lb_flow *slot;
	struct packet p;
	__u64 word;
	int index;

	if ((void *)(ip + 1) > end || eth->type != ETHERTYPE_IPV4)
		return XDP_PASS;
	if (!link_addresses_equal(eth->destination, (const void *)config.mac))
		return XDP_PASS;
	if (!filter_has(ip->destination))
		return XDP_PASS;
	if (unlikely(ip->version_ihl != 0x45 || (ip->fragment & IPV4_FRAGMENT)))
		return refuse_odd_header(ctx);
	if (unlikely(ip->protocol != PROTOCOL_TCP && ip->protocol != PROTOCOL_UDP))
		return ip->protocol == PROTOCOL_ICMP ? icmp_receive(ctx) : XDP_PASS;
	if (unlikely(!packet_parse(&p, ip, end)))
		return refuse_malformed(ctx);

	slot = flow_find(&p.tuple, p.hash, &word);
	if (slot && !(HAS_SNAT && WORD_KIND(word) == L4LB_FLOW_REPLY))
		backend = backend_of(slot);
	if (unlikely(!slot || !flow_continues(slot, word, backend, &p))) {
		index = connection_choose(ctx, &p);
		if (index >= 0)
			index = connection_insert(ctx, &p, index);
		if (index < 0)
			return VERDICT(index);
		slot = slot_at(index);
		if (!slot)
			return XDP_ABORTED;
		word = slot_word(slot);
		backend = backend_of(slot);
	}
	return forward(ctx, &p, slot, word, backend);
}

char _license[] SEC("license") = "Dual BSD/GPL";
