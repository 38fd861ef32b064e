/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters, and what becomes of a packet that is dropped. */
#ifndef L4LB_COUNTERS_H
#define L4LB_COUNTERS_H

#include "maps.h"

/* What a packet function returns that has no verdict to give. */
#define GO_ON -1

/* With the reason of a drop, or the backend of a new connection. */
#define FINDING(action, what) ((action) | (int)(what) << L4LB_FINDING_SHIFT)

/* Where no service is known. */
#define NO_SERVICE 0

static __always_inline void count(__u32 counter)
{
	__u64 *value = DRY ? 0 : bpf_map_lookup_elem(&counters, &counter);

	if (value)
		*value += 1;
}

/* Whether this drop is one of the few of a tick that a listener gets to see. */
static __always_inline int sample_is_due(void)
{
	__u32 zero = 0, now = clock_ticks(config.clock_shift);
	struct l4lb_monitor *m = bpf_map_lookup_elem(&monitor, &zero);

	if (!m || likely(!m->enabled))
		return 0;
	if (m->tick != now) {
		m->tick = now;
		m->taken = 0;
	}
	return __sync_fetch_and_add(&m->taken, 1) < m->per_tick;
}

static __always_inline void sample(struct xdp_md *ctx, __u32 reason, __u32 service)
{
	struct l4lb_drop_sample *s = bpf_ringbuf_reserve(&drop_samples, sizeof(*s), 0);
	__u32 length = bpf_xdp_get_buff_len(ctx), captured = length;

	/* A full ring: the listener is slow, and this sample is lost. */
	if (!s)
		return;
	if (captured > L4LB_SAMPLE_BYTES)
		captured = L4LB_SAMPLE_BYTES;
	barrier_var(captured);
	s->reason = reason;
	s->service = service;
	s->ifindex = config.ifindex;
	s->length = length;
	s->captured = captured;
	if (captured - 1 >= L4LB_SAMPLE_BYTES || bpf_xdp_load_bytes(ctx, 0, s->bytes, captured))
		s->captured = 0;
	bpf_ringbuf_submit(s, 0);
}

/* Every drop passes here, so that each has a named reason. */
__noinline int drop(struct xdp_md *ctx, __u32 reason, __u32 service)
{
	struct l4lb_service_drops *of_service;

	if (DRY) {
		/* Else the compiler leaves them out of the call, which the verifier refuses. */
		barrier_var(ctx);
		barrier_var(service);
		return FINDING(XDP_DROP, reason);
	}
	count(reason);
	if (service) {
		of_service = bpf_map_lookup_elem(&service_drops, &service);
		if (of_service && reason < L4LB_DROP_COUNT)
			of_service->reasons[reason] += 1;
	}
	if (unlikely(sample_is_due()))
		sample(ctx, reason, service);
	return XDP_DROP;
}

#endif
