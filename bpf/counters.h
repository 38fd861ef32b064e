/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef L4LB_COUNTERS_H
#define L4LB_COUNTERS_H

#include "maps.h"

/* What a packet function returns that has no verdict to give. */
#define GO_ON -1

static __always_inline void count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);
	if (value)
		*value += 1;
}

/* Every drop passes here, so that each has a named reason. */
static __always_inline int drop(enum l4lb_drop reason)
{
	count(reason);
	return XDP_DROP;
}

#endif
