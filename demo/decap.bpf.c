// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a DSR backend needs where the kernel has no ipip device: the outer
// header comes off before the stack sees the packet, whichever of the two
// families the outer and the inner one have.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MORE_FRAGMENTS_OR_OFFSET 0x3fff

// The length that the header at `ip` promises; 0 where it is none of this family, or not whole.
static __always_inline __u32 promised(void *ip, void *end, __u8 next)
{
	struct iphdr *v4 = ip;
	struct ipv6hdr *v6 = ip;
	if (next == IPPROTO_IPIP && (void *)(v4 + 1) <= end && v4->version == 4)
		return bpf_ntohs(v4->tot_len);
	if (next == IPPROTO_IPV6 && (void *)(v6 + 1) <= end && v6->version == 6)
		return sizeof(*v6) + bpf_ntohs(v6->payload_len);
	return 0;
}

SEC("xdp/decap")
int xdp_decap(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *v4 = (void *)(eth + 1);
	struct ipv6hdr *v6 = (void *)(eth + 1);
	__u32 header, outer_length, inner_length;
	__u8 next;
	if ((void *)(v4 + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		if (v4->version != 4 || v4->ihl != 5 ||
		    v4->frag_off & bpf_htons(MORE_FRAGMENTS_OR_OFFSET))
			return XDP_PASS;
		header = sizeof(*v4);
		outer_length = bpf_ntohs(v4->tot_len);
		next = v4->protocol;
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6) && (void *)(v6 + 1) <= end) {
		header = sizeof(*v6);
		outer_length = sizeof(*v6) + bpf_ntohs(v6->payload_len);
		next = v6->nexthdr;
	} else {
		return XDP_PASS;
	}
	// A header that promises more than came, or an inner packet that does, is the stack's to
	// refuse.
	inner_length = promised((void *)(eth + 1) + header, end, next);
	if (!inner_length || outer_length > (__u32)(end - (void *)(eth + 1)) ||
	    outer_length < header + inner_length)
		return XDP_PASS;

	struct ethhdr saved = *eth;
	saved.h_proto = bpf_htons(next == IPPROTO_IPIP ? ETH_P_IP : ETH_P_IPV6);
	if (bpf_xdp_adjust_head(ctx, (int)header))
		return XDP_DROP; // what it was is of no use to anybody
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + sizeof(saved) > end)
		return XDP_DROP;
	__builtin_memcpy(data, &saved, sizeof(saved));
	return XDP_PASS;
}

// veth delivers frames sent by XDP_TX only to a peer that has a program too.
SEC("xdp/pass")
int xdp_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

// The same where frames may be larger than a page.
SEC("xdp.frags")
int xdp_pass_jumbo(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
