/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `l4lb bench` and its driver program share, beside abi.h. */
#ifndef L4LB_BENCH_H
#define L4LB_BENCH_H

#include <linux/types.h>

/* Bytes of a frame that the driver writes anew for each packet: more than the target changes. */
#define L4LB_BENCH_FRAME4 88
#define L4LB_BENCH_FRAME6 128
/* Flows that can be told apart by the map bench_flows. */
#define L4LB_BENCH_FLOWS 16384
/* Clients' flows: the port takes these bits of a flow's number, the client's address those above
 * it, and the frontend's address the low ones. */
#define L4LB_BENCH_PORT_BITS 14
#define L4LB_BENCH_FRONTEND_BITS 9
/* Odd, so that numbers that follow each other are far apart and none comes twice. */
#define L4LB_BENCH_STRIDE 0x9e3779b1

/* Calls of bpf_xdp_adjust_head that one run of bench_adjust makes. */
#define L4LB_BENCH_ADJUSTS 8

/* The packets that are sent. */
struct l4lb_bench_traffic {
	__u64 next; /* packets sent so far */
	__u32 mask; /* flows less one, a power of two less one */
	__s32 head; /* bytes that the target puts in front of each */
	__u32 listed; /* flows differ as bench_flows says, else as clients do */
	__u32 pad;
};

/* What a flow's packets have other than the first flow's, as the bits that differ. */
struct l4lb_bench_flow {
	__be32 source; /* IPv6: the last word */
	__u32 ports; /* as they lie in the packet */
};

#endif
