/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SNAT: both ends of a packet are rewritten, and the backend's replies come back here. */
#ifndef L4LB_SNAT_H
#define L4LB_SNAT_H

#include "checksum.h"
#include "flow.h"

/* Both ends and the TTL, with the IP and the TCP or UDP checksum (RFC 1624). */
static __always_inline int snat_rewrite(struct ipv4 *ip, void *l4, void *end,
					const struct packet *p, __u64 addresses, __u32 ports)
{
	const struct tuple *old = &p->tuple;
	__u64 address_sum = csum_replace32(old->addresses, addresses) +
			    csum_replace32(old->addresses >> 32, addresses >> 32);
	__u64 l4_sum = address_sum + csum_replace32(old->ports, ports);

	if (old->protocol == PROTOCOL_TCP) {
		struct tcp *tcp = l4;

		if ((void *)(tcp + 1) > end)
			return 0;
		tcp->check = csum_apply(tcp->check, l4_sum);
	} else {
		struct udp *udp = l4;

		if ((void *)(udp + 1) > end)
			return 0;
		/* 0 says that there is no checksum, and is never the result of one (RFC 768). */
		if (udp->check) {
			__u16 check = csum_apply(udp->check, l4_sum);
			udp->check = check ? check : 0xffff;
		}
	}
	STORE(__u32, l4, ports);
	ip->ttl = p->ttl - 1;
	ip->check = csum_apply(ip->check, address_sum + CSUM_TTL_LESS_ONE);
	STORE(__u64, &ip->source, addresses);
	return 1;
}

/* The client's packets come from somewhere else now: the replies follow. */
static __noinline void flow_moved(struct l4lb_flow *slot, __u64 word, __u32 high, __u32 low)
{
	__u64 peer_word;
	struct l4lb_flow *peer = flow_peer(slot, word, &peer_word);

	STORE(__u32, slot->client_mac, high);
	STORE(__u16, slot->client_mac + 4, low);
	slot_set_device(slot, word);
	if (!peer)
		return;
	STORE(__u32, peer->client_mac, high);
	STORE(__u16, peer->client_mac + 4, low);
	slot_set_device(peer, peer_word);
}

/* Client to backend. */
static __always_inline int snat_translate(struct xdp_md *ctx, const struct packet *p,
					  struct l4lb_flow *slot, __u64 word,
					  const struct l4lb_backend *backend)
{
	void *end = packet_end(ctx);
	struct ethernet *eth = packet_data(ctx);
	struct ipv4 *ip = (void *)(eth + 1);
	__u64 addresses = slot->nat_address | (__u64)backend->address << 32;
	__u32 ports = slot->nat_port | (__u32)backend->port << 16;

	if ((void *)(ip + 1) > end)
		return XDP_ABORTED;
	if (unlikely(slot_changed(slot, word)))
		return drop(L4LB_DROP_FLOW_BUSY);
	if (unlikely(!link_addresses_equal(eth->source, slot->client_mac) ||
		     WORD_DEVICE(word) != config.device))
		flow_moved(slot, word, LOAD(__u32, eth->source), LOAD(__u16, eth->source + 4));
	if (!snat_rewrite(ip, ip + 1, end, p, addresses, ports))
		return XDP_ABORTED;
	set_link_addresses(eth, backend->next_hop);
	return GO_ON;
}

/* Backend to client. */
static __always_inline int snat_reply(struct xdp_md *ctx, const struct packet *p,
				      struct l4lb_flow *slot, __u64 word)
{
	void *end = packet_end(ctx);
	struct ethernet *eth = packet_data(ctx);
	struct ipv4 *ip = (void *)(eth + 1);
	__u64 addresses = slot->created | (__u64)slot->nat_address << 32;
	__u32 ports = slot->frontend_port | (__u32)slot->nat_port << 16;
	__u32 mac_high = LOAD(__u32, slot->client_mac), device = WORD_DEVICE(word);
	__u16 mac_low = LOAD(__u16, slot->client_mac + 4);
	struct l4lb_device *other;

	if (unlikely(slot_changed(slot, word)))
		return drop(L4LB_DROP_FLOW_BUSY);
	if (p->ttl <= 1)
		return drop(L4LB_DROP_TTL);
	if ((void *)(ip + 1) > end || !snat_rewrite(ip, ip + 1, end, p, addresses, ports))
		return drop(L4LB_DROP_MALFORMED);
	flow_account(slot, p->length);
	STORE(__u32, eth->source, LOAD(__u32, eth->destination));
	STORE(__u16, eth->source + 4, LOAD(__u16, eth->destination + 4));
	STORE(__u32, eth->destination, mac_high);
	STORE(__u16, eth->destination + 4, mac_low);
	if (likely(device == config.device))
		return XDP_TX;
	other = bpf_map_lookup_elem(&devices, &device);
	if (!other)
		return XDP_ABORTED;
	STORE(__u32, eth->source, LOAD(__u32, other->mac));
	STORE(__u16, eth->source + 4, LOAD(__u16, other->mac + 4));
	return bpf_redirect(other->ifindex, 0);
}

#endif
