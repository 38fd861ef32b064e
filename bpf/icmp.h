/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ICMP that is answered or sent from here (RFC 792). */
#ifndef L4LB_ICMP_H
#define L4LB_ICMP_H

#include "checksum.h"
#include "counters.h"
#include "packet.h"

/* RFC 1812 4.3.2.3: as much of the packet as fits without exceeding 576 bytes. */
#define ICMP_QUOTE_MAX (576 - (int)sizeof(struct ipv4) - (int)sizeof(struct icmp))

/* Echo requests to an address that is all ours are answered, all other ICMP is the host's. */
__noinline int icmp_receive(struct xdp_md *ctx)
{
	struct ethernet *eth = packet_data(ctx);
	struct ipv4 *ip = (void *)(eth + 1);
	struct icmp *icmp = (void *)(ip + 1);
	void *end = packet_end(ctx);
	__u32 length;
	__be32 address;
	__u16 from, check;

	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	address = ip->destination;
	length = bpf_ntohs(ip->total_length);
	if (!bpf_map_lookup_elem(&addresses, &address))
		return XDP_PASS;
	if ((void *)(icmp + 1) > end || (void *)ip + length > end ||
	    length < sizeof(*ip) + sizeof(*icmp) || source_is_impossible(ip->source, address))
		return drop(L4LB_DROP_MALFORMED);
	if (icmp->type != ICMP_ECHO || icmp->code != 0)
		return XDP_PASS;
	swap_link_addresses(eth);
	ip->destination = ip->source;
	ip->source = address;
	from = LOAD(__u16, &ip->ttl);
	ip->ttl = DEFAULT_TTL;
	ip->check = csum_apply(ip->check, csum_replace16(from, LOAD(__u16, &ip->ttl)));
	icmp->type = ICMP_ECHO_REPLY;
	check = csum_apply(icmp->check, csum_replace16(ICMP_ECHO, ICMP_ECHO_REPLY));
	/* Where all other bytes are zero only this form of zero is right, elsewhere both are. */
	icmp->check = check ? check : 0xffff;
	count(L4LB_EVENT_ECHO);
	return XDP_TX;
}

/* The sum of up to `ICMP_QUOTE_MAX` bytes that end with the packet. */
static __always_inline __u64 sum_to_end(void *from, void *end)
{
	__u64 sum = 0;

	for (int i = 0; i < ICMP_QUOTE_MAX / 2; i++) {
		if (from + 2 > end)
			break;
		sum += LOAD(__u16, from);
		from += 2;
	}
	if (from + 1 <= end)
		sum += LOAD(__u8, from);
	return sum;
}

/* Tells the client that its packet's TTL ended here; `length` is the packet's IP length. */
__noinline int icmp_time_exceeded(struct xdp_md *ctx, __u32 length, __be32 source)
{
	struct ethernet *eth;
	struct ipv4 *ip, *quoted;
	struct icmp *icmp;
	__u64 frame = packet_end(ctx) - packet_data(ctx), sum;
	__u32 quote = length;

	if (quote > ICMP_QUOTE_MAX)
		quote = ICMP_QUOTE_MAX;
	/* The verifier takes no 32-bit arithmetic on packet pointers: the difference is made first.
	 */
	asm volatile("" : "+r"(frame));
	if (bpf_xdp_adjust_tail(ctx, (int)(quote + sizeof(*eth)) - (int)frame) ||
	    bpf_xdp_adjust_head(ctx, -(int)(sizeof(*ip) + sizeof(*icmp))))
		return drop(L4LB_DROP_NO_ROOM);
	eth = packet_data(ctx);
	ip = (void *)(eth + 1);
	icmp = (void *)(ip + 1);
	quoted = (void *)(icmp + 1);
	if ((void *)(quoted + 1) > packet_end(ctx))
		return drop(L4LB_DROP_NO_ROOM);
	/* The old Ethernet header lies right in front of the quoted packet. */
	__builtin_memcpy(eth, (void *)quoted - sizeof(*eth), sizeof(*eth));
	swap_link_addresses(eth);
	eth->type = ETHERTYPE_IPV4;
	ip->version_ihl = 0x45;
	ip->tos = 0;
	ip->total_length = bpf_htons(quote + sizeof(*ip) + sizeof(*icmp));
	ip->id = 0;
	ip->fragment = IPV4_DF;
	ip->ttl = DEFAULT_TTL;
	ip->protocol = PROTOCOL_ICMP;
	ip->check = 0;
	ip->source = source;
	ip->destination = quoted->source;
	sum = 0;
#pragma unroll
	for (int i = 0; i < (int)sizeof(*ip); i += 2)
		sum += LOAD(__u16, (void *)ip + i);
	ip->check = ~csum_fold(sum);
	icmp->type = ICMP_TIME_EXCEEDED;
	icmp->code = 0;
	icmp->rest = 0;
	icmp->check = 0;
	icmp->check = ~csum_fold(ICMP_TIME_EXCEEDED + sum_to_end(quoted, packet_end(ctx)));
	count(L4LB_EVENT_TIME_EXCEEDED);
	return XDP_TX;
}

#endif
