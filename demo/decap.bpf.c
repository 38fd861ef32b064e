// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a DSR backend needs where the kernel has no ipip device: the outer
// header comes off before the stack sees the packet.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MORE_FRAGMENTS_OR_OFFSET 0x3fff

SEC("xdp/decap")
int xdp_decap(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *outer = (void *)(eth + 1);
	struct iphdr *inner = outer + 1;
	if ((void *)(inner + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	if (outer->version != 4 || outer->ihl != 5 || outer->protocol != IPPROTO_IPIP)
		return XDP_PASS;
	if (outer->frag_off & bpf_htons(MORE_FRAGMENTS_OR_OFFSET))
		return XDP_PASS;
	// A header that promises more than came, or an inner packet that does, is the stack's to
	// refuse.
	__u32 outer_length = bpf_ntohs(outer->tot_len);
	__u32 inner_length = bpf_ntohs(inner->tot_len);
	if (inner->version != 4 || outer_length > (__u32)(end - (void *)outer) ||
	    outer_length < sizeof(*outer) + inner_length)
		return XDP_PASS;

	struct ethhdr saved = *eth;
	__builtin_memcpy((void *)eth + sizeof(*outer), &saved, sizeof(saved));
	if (bpf_xdp_adjust_head(ctx, sizeof(*outer)))
		return XDP_DROP; // the frame is half rewritten
	return XDP_PASS;
}

// veth delivers frames sent by XDP_TX only to a peer that has a program too.
SEC("xdp/pass")
int xdp_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
