/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets that cannot be forwarded: a counted drop where they are for a frontend, else PASS. */
#ifndef L4LB_REFUSE_H
#define L4LB_REFUSE_H

#include "parse.h"
#include "service.h"

/*
 * `reason`: what a parser returned. The ports, where they can be read, tell whether the packet is
 * for a frontend; else the address does, where all of it is ours.
 */
static __always_inline int refuse(struct xdp_md *ctx, const struct packet *p, int reason,
				  const int family)
{
	void *l3 = packet_l3(ctx, family), *l4;
	struct l4lb_service *svc;

	if (reason < 0 || !l3)
		return XDP_PASS;
	l4 = packet_at(ctx, p->l4, sizeof(struct ports));
	/* Without a header of true length, or in a later fragment, there are no ports. */
	if (reason == L4LB_DROP_FRAGMENT || reason == L4LB_DROP_IPV6_EXTENSION || !l4 ||
	    p->l4 < L3_OFFSET + IP_HEADER(family) || p->fragment == FRAGMENT_LATER ||
	    (p->tuple.protocol != PROTOCOL_TCP && p->tuple.protocol != PROTOCOL_UDP))
		return address_is_ours(destination_at(l3, family), family)
			   ? drop(ctx, reason, NO_SERVICE)
			   : XDP_PASS;
	svc = service_of(l3, LOAD(__u16, l4 + 2), p->tuple.protocol, family);
	return svc ? drop(ctx, reason, svc->id) : XDP_PASS;
}

__noinline int refuse_ipv4(struct xdp_md *ctx, const struct packet *p, int reason)
{
	return p ? refuse(ctx, p, reason, IPV4) : XDP_ABORTED;
}

#if HAS_IPV6
__noinline int refuse_ipv6(struct xdp_md *ctx, const struct packet *p, int reason)
{
	return p ? refuse(ctx, p, reason, IPV6) : XDP_ABORTED;
}
#endif

#endif
