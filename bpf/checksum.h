/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Internet checksum, updated incrementally (RFC 1071, RFC 1624 equation 3). */
#ifndef L4LB_CHECKSUM_H
#define L4LB_CHECKSUM_H

#include <linux/types.h>

/* Folds a sum of 16 or 32 bit words; open-coded, as bpf_csum_diff is a call of 88-114 cycles. */
static __always_inline __u16 csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline __u64 csum_replace32(__u32 from, __u32 to)
{
	return (__u64)(__u32)~from + to;
}

static __always_inline __u64 csum_replace16(__u16 from, __u16 to)
{
	return (__u64)(__u16)~from + to;
}

static __always_inline __u16 csum_apply(__u16 check, __u64 difference)
{
	return ~csum_fold((__u16)~check + difference);
}

/* What a TTL that is one lower changes: it is the first byte of its word on the wire. */
#define CSUM_TTL_LESS_ONE ((__u64)(__u16)~bpf_htons(0x0100))

#endif
