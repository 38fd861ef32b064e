/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Direct server return: the packet goes to the backend inside another one: IPIP (RFC 2003), in or
 * around IPv6 by RFC 2473 and RFC 4213.
 */
#ifndef L4LB_DSR_H
#define L4LB_DSR_H

#include "icmp.h"

/* The outer IPv4 header, five words without options. */
static __always_inline void outer_ipv4(__u32 *words, const struct packet *p, __u32 tos,
				       const struct l4lb_backend *backend, const int family)
{
	__u32 protocol = family == IPV6 ? PROTOCOL_IPV6 : PROTOCOL_IPIP;
	__be32 source = backend->source;
	__u32 first = 0x45 | tos << 8 |
		      (__u32)bpf_htons(p->length + sizeof(struct ipv4)) << 16;
	__u64 sum;

	/* So that backends' receive queues share the load. */
	if (config.rss_mask)
		source = config.rss_address | (p->hash & config.rss_mask);
	/* Identification 0 is allowed, as DF makes the packet atomic (RFC 6864). */
	sum = (__u64)first + ((__u32)IPV4_DF << 16) + (DEFAULT_TTL | protocol << 8) + source +
	      backend->address;
	STORE(__u32, words, first);
	STORE(__u32, words + 1, (__u32)IPV4_DF << 16);
	STORE(__u32, words + 2,
	      DEFAULT_TTL | protocol << 8 | (__u32)(__u16)~csum_fold(sum) << 16);
	STORE(__u32, words + 3, source);
	STORE(__u32, words + 4, backend->address);
}

/* The flow label spreads flows over paths and queues, as the outer source does in IPv4 (RFC 6438). */
static __always_inline void outer_ipv6(struct ipv6 *ip, const struct packet *p, __u32 tos,
				       const struct l4lb_backend *backend, const int family)
{
	ip->first = bpf_htonl(6u << 28 | tos << 20 | (p->hash & 0xfffff));
	ip->payload_length = bpf_htons(p->length);
	ip->next_header = family == IPV6 ? PROTOCOL_IPV6 : PROTOCOL_IPIP;
	ip->hop_limit = DEFAULT_TTL;
	for (int i = 0; i < 4; i++) {
		__be32 mask = config.rss_mask6.words[i];

		ip->source.words[i] = rss6_is_on() ? config.rss_address6.words[i] |
							 (p->hash * 0x9e3779b1 & mask)
						   : backend->source6.words[i];
	}
	address_copy(&ip->destination, &backend->address6);
}

/* GO_ON: the packet has its outer header and leaves by the backend's device. */
static __always_inline int dsr_encapsulate(struct xdp_md *ctx, const struct packet *p,
					   const struct l4lb_backend *backend, const int family)
{
	const int to6 = HAS_IPV6 && (backend->flags & L4LB_BACKEND_IPV6);
	int outer = to6 ? sizeof(struct ipv6) : sizeof(struct ipv4);
	void *l3 = packet_l3(ctx, family);
	struct ethernet *eth;
	__u32 tos;

	if (!l3)
		return drop(ctx, L4LB_DROP_NO_ROOM, backend->service);
	if (unlikely(p->length + outer > backend->mtu))
		return icmp_too_big(ctx, p, backend->mtu - outer, backend, family);
	/* DSCP and ECN are copied (RFC 6040). */
	if (family == IPV6) {
		struct ipv6 *inner = l3;

		tos = bpf_ntohl(inner->first) >> 20 & 0xff;
		inner->hop_limit = p->ttl - 1;
	} else {
		struct ipv4 *inner = l3;

		tos = inner->tos;
		inner->ttl = p->ttl - 1;
		inner->check = csum_apply(inner->check, CSUM_TTL_LESS_ONE);
	}
	if (bpf_xdp_adjust_head(ctx, to6 ? -(int)sizeof(struct ipv6) : -(int)sizeof(struct ipv4)))
		return drop(ctx, L4LB_DROP_NO_ROOM, backend->service);
	eth = packet_data(ctx);
	if ((void *)(eth + 1) + sizeof(struct ipv4) > packet_end(ctx))
		return drop(ctx, L4LB_DROP_NO_ROOM, backend->service);
	set_link_addresses(eth, backend->next_hop);
	if (to6) {
		struct ipv6 *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > packet_end(ctx))
			return drop(ctx, L4LB_DROP_NO_ROOM, backend->service);
		eth->type = ETHERTYPE_IPV6;
		outer_ipv6(ip, p, tos, backend, family);
	} else {
		eth->type = ETHERTYPE_IPV4;
		outer_ipv4((void *)(eth + 1), p, tos, backend, family);
	}
	return GO_ON;
}

/* The same where its size matters more than its speed: a verdict, or GO_ON. */
__noinline int dsr_send4(struct xdp_md *ctx, const struct packet *p, __u32 index)
{
	struct l4lb_backend *backend = bpf_map_lookup_elem(&backends, &index);

	return p && backend ? dsr_encapsulate(ctx, p, backend, IPV4) : XDP_ABORTED;
}

#if HAS_IPV6
__noinline int dsr_send6(struct xdp_md *ctx, const struct packet *p, __u32 index)
{
	struct l4lb_backend *backend = bpf_map_lookup_elem(&backends, &index);

	return p && backend ? dsr_encapsulate(ctx, p, backend, IPV6) : XDP_ABORTED;
}
#else
#define dsr_send6 dsr_send4
#endif

static __always_inline int dsr_send(struct xdp_md *ctx, const struct packet *p, __u32 index,
				    const int family)
{
	return family == IPV6 ? dsr_send6(ctx, p, index) : dsr_send4(ctx, p, index);
}

#endif
