/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Direct server return: the packet goes to the backend inside IPIP (RFC 2003). */
#ifndef L4LB_DSR_H
#define L4LB_DSR_H

#include "checksum.h"
#include "counters.h"
#include "packet.h"

/* An IPv4 header without options as five words, as it is written in front of the packet. */
struct outer_words {
	__u32 w[5];
};

static __always_inline int dsr_encapsulate(struct xdp_md *ctx, const struct packet *p,
					   const struct l4lb_backend *backend)
{
	struct ethernet *eth;
	struct ipv4 *inner = packet_data(ctx) + sizeof(*eth);
	struct outer_words *outer;
	__u32 first, total;
	__u64 sum;
	__u8 tos;

	if ((void *)(inner + 1) > packet_end(ctx))
		return drop(L4LB_DROP_NO_ROOM);
	tos = inner->tos; /* DSCP and ECN are copied (RFC 6040) */
	inner->ttl = p->ttl - 1;
	inner->check = csum_apply(inner->check, CSUM_TTL_LESS_ONE);
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*outer)))
		return drop(L4LB_DROP_NO_ROOM);
	eth = packet_data(ctx);
	outer = (void *)(eth + 1);
	if ((void *)(outer + 1) > packet_end(ctx))
		return drop(L4LB_DROP_NO_ROOM);
	set_link_addresses(eth, backend->next_hop);
	eth->type = ETHERTYPE_IPV4;
	total = bpf_htons(p->length + sizeof(*outer));
	first = 0x45 | (__u32)tos << 8 | total << 16;
	/* Identification 0 is allowed, as DF makes the packet atomic (RFC 6864). */
	sum = (__u64)first + ((__u32)IPV4_DF << 16) + (DEFAULT_TTL | PROTOCOL_IPIP << 8) +
	      backend->source + backend->address;
	outer->w[0] = first;
	outer->w[1] = (__u32)IPV4_DF << 16;
	outer->w[2] = DEFAULT_TTL | PROTOCOL_IPIP << 8 | (__u32)(__u16)~csum_fold(sum) << 16;
	outer->w[3] = backend->source;
	outer->w[4] = backend->address;
	return GO_ON;
}

#endif
