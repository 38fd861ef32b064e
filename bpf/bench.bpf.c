// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The programs of `l4lb bench`, run by BPF_PROG_TEST_RUN and never attached. A run that is
 * repeated does not restore the packet, so a driver does: it writes the frame anew, gives it
 * another flow and calls the target.
 */
#include "bench.h"
#include "packet.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} bench_target SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct l4lb_bench_traffic);
} bench_traffic SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[L4LB_BENCH_FRAME6 / 8]);
} bench_frame SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, L4LB_BENCH_FLOWS);
	__type(key, __u32);
	__type(value, struct l4lb_bench_flow);
} bench_flows SEC(".maps");

/* A word of the frame, some of its bits turned. */
static __always_inline void turn(void *data, const void *frame, __u32 offset, __u32 bits)
{
	STORE(__u32, data + offset, LOAD(__u32, frame + offset) ^ bits);
}

static __always_inline int drive(struct xdp_md *ctx, const int family)
{
	const __u32 size = family == IPV6 ? L4LB_BENCH_FRAME6 : L4LB_BENCH_FRAME4;
	const __u32 l4 = L3_OFFSET + IP_HEADER(family);
	__u32 zero = 0, source = 0, destination = 0, ports = 0, flow;
	struct l4lb_bench_traffic *traffic = bpf_map_lookup_elem(&bench_traffic, &zero);
	void *frame = bpf_map_lookup_elem(&bench_frame, &zero), *data;
	struct l4lb_bench_flow *listed;

	if (!traffic || !frame)
		return XDP_ABORTED;
	if (traffic->head && bpf_xdp_adjust_head(ctx, traffic->head))
		return XDP_ABORTED;
	data = packet_data(ctx);
	if (data + size > packet_end(ctx))
		return XDP_ABORTED;
	flow = (__u32)traffic->next * L4LB_BENCH_STRIDE & traffic->mask;
	if (traffic->listed) {
		listed = bpf_map_lookup_elem(&bench_flows, &flow);
		if (!listed)
			return XDP_ABORTED;
		source = listed->source;
		ports = listed->ports;
	} else {
		source = bpf_htonl(flow >> L4LB_BENCH_PORT_BITS);
		destination = bpf_htonl(flow & ((1 << L4LB_BENCH_FRONTEND_BITS) - 1));
		ports = bpf_htons(flow & ((1 << L4LB_BENCH_PORT_BITS) - 1));
	}
	for (__u32 at = 0; at < size; at += 8)
		STORE(__u64, data + at, LOAD(__u64, frame + at));
	turn(data, frame, l4 - sizeof(destination), destination);
	turn(data, frame, l4 - (family == IPV6 ? 20 : 8), source);
	turn(data, frame, l4, ports);
	/* Atomic, as that waits until the frame has reached the cache, where a device would put it. */
	__sync_fetch_and_add(&traffic->next, 1);
	bpf_tail_call(ctx, &bench_target, 0);
	return XDP_ABORTED;
}

SEC("xdp.frags")
int bench_ipv4(struct xdp_md *ctx)
{
	return drive(ctx, IPV4);
}

SEC("xdp.frags")
int bench_ipv6(struct xdp_md *ctx)
{
	return drive(ctx, IPV6);
}

/* The target that does nothing: what is left is what driver and kernel cost. */
SEC("xdp.frags")
int bench_empty(struct xdp_md *ctx)
{
	return XDP_TX;
}

/* The same for a target that puts a header in front. */
SEC("xdp.frags")
int bench_head(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct l4lb_bench_traffic *traffic = bpf_map_lookup_elem(&bench_traffic, &zero);

	if (!traffic || bpf_xdp_adjust_head(ctx, -traffic->head))
		return XDP_ABORTED;
	return XDP_TX;
}

/* What making room costs is the target's own cost, and bench_head takes it off. */
SEC("xdp.frags")
int bench_adjust(struct xdp_md *ctx)
{
	const int size = sizeof(struct ipv4);

	for (int i = 0; i < L4LB_BENCH_ADJUSTS; i++) {
		if (bpf_xdp_adjust_head(ctx, i % 2 ? size : -size))
			return XDP_ABORTED;
	}
	return XDP_TX;
}

/* The floor: what no load balancer does without. It reads the headers and sends the frame back. */
SEC("xdp.frags")
int bench_floor(struct xdp_md *ctx)
{
	struct ethernet *eth = packet_data(ctx);
	struct ipv4 *ip = (void *)(eth + 1);
	struct tcp *tcp = (void *)(ip + 1);

	if ((void *)(tcp + 1) > packet_end(ctx))
		return XDP_PASS;
	if (eth->type != ETHERTYPE_IPV4 || ip->version_ihl != 0x45 ||
	    ip->protocol != PROTOCOL_TCP || (ip->fragment & IPV4_FRAGMENT))
		return XDP_PASS;
	swap_link_addresses(eth);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
