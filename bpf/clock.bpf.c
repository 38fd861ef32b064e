// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tells the agent the data plane's time: the jiffies, which no system call shows, are written
 * over the first 8 bytes of the frame. It is run by BPF_PROG_TEST_RUN and never attached.
 */
#include "packet.h"

SEC("xdp")
int l4lb_clock(struct xdp_md *ctx)
{
	void *data = packet_data(ctx);

	if (data + 8 > packet_end(ctx))
		return XDP_ABORTED;
	STORE(__u64, data, bpf_jiffies64());
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
