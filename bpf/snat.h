/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SNAT: both ends of a packet are rewritten, and the backend's replies come back here. */
#ifndef L4LB_SNAT_H
#define L4LB_SNAT_H

#include "flow.h"
#include "icmp.h"

/* The ends that a packet leaves with. IPv4 has an address's first word only. */
struct ends {
	struct l4lb_address source;
	struct l4lb_address destination;
	__u32 ports;
};

static __always_inline void end_load(struct l4lb_address *end, const void *from, const int family)
{
	if (family == IPV6)
		address_copy(end, from);
	else
		end->words[0] = LOAD(__u32, from);
}

/* What new addresses add to a checksum that covers the old ones. */
static __always_inline __u64 addresses_sum(void *l3, const struct ends *to, const int family)
{
	const void *source = source_at(l3, family), *destination = destination_at(l3, family);
	__u64 sum = 0;

	for (int i = 0; i < (family == IPV6 ? 4 : 1); i++)
		sum += csum_replace32(LOAD(__u32, source + 4 * i), to->source.words[i]) +
		       csum_replace32(LOAD(__u32, destination + 4 * i), to->destination.words[i]);
	return sum;
}

static __always_inline void addresses_write(void *l3, const struct ends *to, const int family)
{
	if (family == IPV6) {
		address_copy(source_at(l3, family), &to->source);
		address_copy(destination_at(l3, family), &to->destination);
	} else {
		STORE(__u32, source_at(l3, family), to->source.words[0]);
		STORE(__u32, destination_at(l3, family), to->destination.words[0]);
	}
}

/* The checksum of a TCP or UDP header whose ports are replaced too (RFC 1624). */
static __always_inline void l4_rewrite(void *l4, void *end, const struct packet *p, __u32 ports,
				       __u64 sum)
{
	sum += csum_replace32(p->tuple.ports, ports);
	if (p->tuple.protocol == PROTOCOL_TCP) {
		struct tcp *tcp = l4;

		if ((void *)(tcp + 1) > end)
			return;
		tcp->check = csum_apply(tcp->check, sum);
	} else {
		struct udp *udp = l4;

		if ((void *)(udp + 1) > end)
			return;
		/* 0 says that there is no checksum, and is never the result of one (RFC 768). */
		if (udp->check) {
			__u16 check = csum_apply(udp->check, sum);
			udp->check = check ? check : 0xffff;
		}
	}
	STORE(__u32, l4, ports);
}

/* All fragments of a packet leave with one identification; what it changes in the IP checksum. */
static __always_inline __u64 fragment_rewrite(struct xdp_md *ctx, void *l3, const struct packet *p,
					      const int family)
{
	__u16 old;
	void *header;

	if (family == IPV6) {
		header = packet_at(ctx, p->other_header, 8);
		if (header)
			STORE(__u32, header + 4, p->id);
		return 0;
	}
	old = ((struct ipv4 *)l3)->id;
	((struct ipv4 *)l3)->id = p->id;
	return csum_replace16(old, p->id);
}

/* Both ends and the TTL. `odd`: the packet has options, extension headers, or is a fragment. */
static __always_inline int snat_rewrite(struct xdp_md *ctx, const struct packet *p,
					const struct ends *to, const int family, const int odd)
{
	void *l3 = packet_l3(ctx, family), *l4;
	__u64 sum, more = 0;

	if (!l3)
		return 0;
	sum = addresses_sum(l3, to, family);
	if (!odd || p->fragment != FRAGMENT_LATER) {
		l4 = odd ? packet_at(ctx, p->l4, sizeof(struct udp)) : l3 + IP_HEADER(IPV4);
		if (!l4 || l4 + sizeof(struct udp) > packet_end(ctx))
			return 0;
		l4_rewrite(l4, packet_end(ctx), p, to->ports, sum);
	}
	if (odd && p->fragment)
		more = fragment_rewrite(ctx, l3, p, family);
	addresses_write(l3, to, family);
	if (family == IPV6) {
		((struct ipv6 *)l3)->hop_limit = p->ttl - 1;
	} else {
		struct ipv4 *ip = l3;

		ip->ttl = p->ttl - 1;
		ip->check = csum_apply(ip->check, sum + more + CSUM_TTL_LESS_ONE);
	}
	return 1;
}

/* Where a client's packets go: from the balancer's end to the backend's. */
static __always_inline void ends_of_request(struct ends *to, const struct l4lb_flow *slot,
					    const struct l4lb_backend *backend, const int family)
{
	__be16 port = backend->port ? backend->port : slot->destination_port;

	const struct l4lb_flow6 *slot6 = (const void *)slot;

	to->ports = slot->nat_port | (__u32)port << 16;
	end_load(&to->source, family == IPV6 ? (const void *)&slot6->nat : &slot->nat_address,
		 family);
	end_load(&to->destination,
		 family == IPV6 ? (const void *)&backend->address6 : &backend->address, family);
}

/* Where a backend's replies go: from the frontend to the client. */
static __always_inline void ends_of_reply(struct ends *to, const struct l4lb_flow *slot,
					  const int family)
{
	const struct l4lb_flow6 *slot6 = (const void *)slot;

	to->ports = slot->frontend_port | (__u32)slot->nat_port << 16;
	end_load(&to->source, family == IPV6 ? (const void *)&slot6->frontend : &slot->created,
		 family);
	end_load(&to->destination,
		 family == IPV6 ? (const void *)&slot6->nat : &slot->nat_address, family);
}

/* Sends a packet to where the client's packets last came from. */
static __always_inline int to_client(struct xdp_md *ctx, __u32 mac_high, __u16 mac_low,
				     __u32 device)
{
	struct ethernet *eth = packet_ethernet(ctx);
	struct l4lb_device *other;

	if (!eth)
		return XDP_ABORTED;
	STORE(__u32, eth->destination, mac_high);
	STORE(__u16, eth->destination + 4, mac_low);
	if (likely(device == config.device)) {
		STORE(__u32, eth->source, LOAD(__u32, config.mac));
		STORE(__u16, eth->source + 4, LOAD(__u16, config.mac + 4));
		return XDP_TX;
	}
	other = bpf_map_lookup_elem(&devices, &device);
	if (!other)
		return XDP_ABORTED;
	STORE(__u32, eth->source, LOAD(__u32, other->mac));
	STORE(__u16, eth->source + 4, LOAD(__u16, other->mac + 4));
	return bpf_redirect(other->ifindex, 0);
}

/* The client's packets come from somewhere else now: what goes back follows. */
static __noinline void flow_moved(__u32 index, __u64 word, __u32 high, __u32 low, int family)
{
	struct l4lb_flow *slot = slot_at(index, family), *peer;
	__u64 peer_word;

	USE_FAMILY(family);
	if (!slot)
		return;
	STORE(__u32, slot->client_mac, high);
	STORE(__u16, slot->client_mac + 4, low);
	slot_set_device(slot, word);
	if (WORD_KIND(word) != L4LB_FLOW_SNAT)
		return;
	peer = flow_peer(index, word, &peer_word, family);
	if (!peer)
		return;
	STORE(__u32, peer->client_mac, high);
	STORE(__u16, peer->client_mac + 4, low);
	slot_set_device(peer, peer_word);
}

/* Client to backend. */
static __always_inline int snat_translate(struct xdp_md *ctx, const struct packet *p,
					  struct l4lb_flow *slot, __u64 word,
					  const struct l4lb_backend *backend, const int family,
					  const int odd)
{
	struct ethernet *eth;
	struct ends to;

	ends_of_request(&to, slot, backend, family);
	if (unlikely(slot_changed(slot, word)))
		return drop(ctx, L4LB_DROP_FLOW_BUSY, backend->service);
	/* Out of the device that it came in by it fits, whatever the kernel has put together. */
	if (unlikely(backend->ifindex != config.ifindex && p->length > backend->mtu))
		return icmp_too_big(ctx, p, backend->mtu, backend, family);
	if (!snat_rewrite(ctx, p, &to, family, odd))
		return drop(ctx, L4LB_DROP_MALFORMED, backend->service);
	eth = packet_ethernet(ctx);
	if (!eth)
		return XDP_ABORTED;
	set_link_addresses(eth, backend->next_hop);
	return GO_ON;
}

/* Backend to client. */
static __always_inline int snat_reply(struct xdp_md *ctx, const struct packet *p,
				      struct l4lb_flow *slot, __u64 word, const int family,
				      const int odd)
{
	__u32 mac_high = LOAD(__u32, slot->client_mac);
	__u16 mac_low = LOAD(__u16, slot->client_mac + 4);
	struct ends to;

	ends_of_reply(&to, slot, family);
	if (unlikely(slot_changed(slot, word)))
		return drop(ctx, L4LB_DROP_FLOW_BUSY, NO_SERVICE);
	if (unlikely(p->ttl <= 1))
		return drop(ctx, L4LB_DROP_TTL, NO_SERVICE);
	if (!snat_rewrite(ctx, p, &to, family, odd))
		return drop(ctx, L4LB_DROP_MALFORMED, NO_SERVICE);
	flow_account(slot, p->length);
	return to_client(ctx, mac_high, mac_low, WORD_DEVICE(word));
}

#endif
