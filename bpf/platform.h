/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What another kernel may lack or spell differently: clock, atomics, compiler words. */
#ifndef L4LB_PLATFORM_H
#define L4LB_PLATFORM_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

/* Orders compiled memory accesses; x86 keeps the order of loads by itself. */
#define compiler_barrier() asm volatile("" ::: "memory")

/*
 * For functions that are not inlined: a build without IPv6 does not look at the family, and the
 * compiler would then leave it out of the call, which the verifier refuses.
 */
#define USE_FAMILY(family) barrier_var(family)

/* bpf_jiffies64 is inlined as one load, where bpf_ktime_get_ns is a call of 124 cycles. */
static __always_inline __u32 clock_ticks(__u32 shift)
{
	return bpf_jiffies64() >> shift;
}

#endif
