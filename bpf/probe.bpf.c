// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Health checks in DSR: the packets of a probe's socket, which is connected to the backend, reach it as a
 * client's would, for the frontend's address and inside the tunnel; and the backend's answers, which come
 * from the frontend's address, reach the socket. So the host's own routes, neighbours and filters see an
 * ordinary connection to the backend, also where the frontend is an address of this host.
 */
#include "packet.h"

/* The verdict is left to the next filter. */
#define TC_NEXT (-1)
#define TC_DROP 2

/*
 * The packet inside goes no further than to the backend: one that lacks the frontend's address and forwards
 * instead would send it to the balancer, where another backend would answer for it.
 */
#define INNER_TTL 1

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32); /* the socket's port, host order */
	__type(value, struct l4lb_probe);
} probes SEC(".maps");

union header {
	struct ipv4 v4;
	struct ipv6 v6;
};

/* What a header says about the packet. */
struct view {
	struct l4lb_address source, destination;
	struct ports ports;
	__u32 length; /* of the TCP segment */
};

static __always_inline int address_is(const struct l4lb_address *a, const struct l4lb_address *b)
{
	return ((a->words[0] ^ b->words[0]) | (a->words[1] ^ b->words[1]) | (a->words[2] ^ b->words[2]) |
		(a->words[3] ^ b->words[3])) == 0;
}

static __always_inline void address_from_ipv4(struct l4lb_address *to, __be32 address)
{
	to->words[0] = 0;
	to->words[1] = 0;
	to->words[2] = bpf_htonl(0xffff);
	to->words[3] = address;
}

/* False where it is no TCP behind a plain header, which is all that probes are made of. */
static __always_inline int read_view(struct __sk_buff *skb, struct view *view, const int family)
{
	union header ip;

	if (bpf_skb_load_bytes(skb, L3_OFFSET, &ip, IP_HEADER(family)) ||
	    bpf_skb_load_bytes(skb, L3_OFFSET + IP_HEADER(family), &view->ports, sizeof(view->ports)))
		return 0;
	if (family == IPV6) {
		view->source = ip.v6.source;
		view->destination = ip.v6.destination;
		view->length = bpf_ntohs(ip.v6.payload_length);
		return ip.v6.next_header == PROTOCOL_TCP;
	}
	address_from_ipv4(&view->source, ip.v4.source);
	address_from_ipv4(&view->destination, ip.v4.destination);
	view->length = bpf_ntohs(ip.v4.total_length) - sizeof(struct ipv4);
	return ip.v4.version_ihl == 0x45 && !(ip.v4.fragment & IPV4_FRAGMENT) && ip.v4.protocol == PROTOCOL_TCP;
}

/* A whole header in front of `length` bytes. */
static __always_inline long write_header(struct __sk_buff *skb, __u32 offset, const struct l4lb_address *source,
					 const struct l4lb_address *destination, __u32 length, __u8 protocol, __u8 ttl,
					 const int family)
{
	union header ip = {};
	__u64 sum;

	if (family == IPV6) {
		ip.v6.first = bpf_htonl(6u << 28);
		ip.v6.payload_length = bpf_htons(length);
		ip.v6.next_header = protocol;
		ip.v6.hop_limit = ttl;
		ip.v6.source = *source;
		ip.v6.destination = *destination;
	} else {
		ip.v4.version_ihl = 0x45;
		ip.v4.total_length = bpf_htons(length + sizeof(struct ipv4));
		ip.v4.fragment = IPV4_DF;
		ip.v4.ttl = ttl;
		ip.v4.protocol = protocol;
		ip.v4.source = source->words[3];
		ip.v4.destination = destination->words[3];
		sum = bpf_csum_diff(0, 0, (__be32 *)&ip.v4, sizeof(ip.v4), 0);
		sum = (sum & 0xffff) + (sum >> 16 & 0xffff);
		sum = (sum & 0xffff) + (sum >> 16);
		ip.v4.check = ~sum;
	}
	return bpf_skb_store_bytes(skb, offset, &ip, IP_HEADER(family), BPF_F_RECOMPUTE_CSUM);
}

/* What the pseudo-header's addresses add to TCP's checksum; length and protocol are the same in both families. */
static __always_inline __u32 pseudo_header(const struct l4lb_address *a, const struct l4lb_address *b,
					   const int family)
{
	__be32 words[8] = {};

	if (family == IPV6) {
		__builtin_memcpy(words, a, sizeof(*a));
		__builtin_memcpy(words + 4, b, sizeof(*b));
	} else {
		words[0] = a->words[3];
		words[1] = b->words[3];
	}
	return bpf_csum_diff(0, 0, words, sizeof(words), 0);
}

/* Gives a TCP packet other ends, which may be of another family. */
static __always_inline long readdress(struct __sk_buff *skb, const struct view *old,
				      const struct l4lb_address *source, const struct l4lb_address *destination,
				      __u8 ttl, const int from, const int to)
{
	__be16 type = to == IPV6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
	__u32 before = pseudo_header(&old->source, &old->destination, from);
	__u32 after = pseudo_header(source, destination, to);
	__u64 diff = (__u64)after + (__u32)~before;

	diff = (diff & 0xffffffff) + (diff >> 32);
	if (from != to && (bpf_skb_change_proto(skb, type, 0) ||
			   bpf_skb_store_bytes(skb, 12, &type, sizeof(type), 0)))
		return -1;
	if (write_header(skb, L3_OFFSET, source, destination, old->length, PROTOCOL_TCP, ttl, to))
		return -1;
	return bpf_l4_csum_replace(skb, L3_OFFSET + IP_HEADER(to) + __builtin_offsetof(struct tcp, check), 0, diff,
				   BPF_F_PSEUDO_HDR);
}

static __always_inline int tunnel(struct __sk_buff *skb, const struct view *view, const struct l4lb_probe *probe,
				  const int outer, const int inner)
{
	__be16 type = outer == IPV6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
	__u64 flags = outer == IPV6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	__u8 protocol = inner == IPV6 ? PROTOCOL_IPV6 : PROTOCOL_IPIP;

	if (readdress(skb, view, &probe->inner_source, &probe->frontend, INNER_TTL, outer, inner) ||
	    bpf_skb_adjust_room(skb, IP_HEADER(outer), BPF_ADJ_ROOM_MAC, flags) ||
	    (outer != inner && bpf_skb_store_bytes(skb, 12, &type, sizeof(type), 0)) ||
	    write_header(skb, L3_OFFSET, &probe->source, &probe->backend, view->length + IP_HEADER(inner), protocol,
			 DEFAULT_TTL, outer))
		return TC_DROP;
	return TC_NEXT;
}

static __always_inline int send(struct __sk_buff *skb, const int outer)
{
	struct l4lb_probe *probe;
	struct view view;
	__u32 port;

	if (!read_view(skb, &view, outer))
		return TC_DROP;
	port = bpf_ntohs(view.ports.source);
	probe = bpf_map_lookup_elem(&probes, &port);
	/* One whose end has come does not go another way. */
	if (!probe || probe->outer != outer || !address_is(&probe->backend, &view.destination) ||
	    !address_is(&probe->source, &view.source) || probe->port != view.ports.destination)
		return TC_DROP;
	if (probe->inner == IPV6)
		return tunnel(skb, &view, probe, outer, IPV6);
	return tunnel(skb, &view, probe, outer, IPV4);
}

SEC("tc")
int l4lb_probe_out(struct __sk_buff *skb)
{
	if (skb->mark != L4LB_PROBE_MARK)
		return TC_NEXT;
	if (skb->protocol == ETHERTYPE_IPV6)
		return send(skb, IPV6);
	if (skb->protocol == ETHERTYPE_IPV4)
		return send(skb, IPV4);
	return TC_DROP;
}

static __always_inline int receive(struct __sk_buff *skb, const int inner)
{
	struct l4lb_probe *probe;
	struct view view;
	__u32 port;
	long failed;

	if (!read_view(skb, &view, inner))
		return TC_NEXT;
	port = bpf_ntohs(view.ports.destination);
	probe = bpf_map_lookup_elem(&probes, &port);
	if (!probe || probe->inner != inner || !address_is(&probe->frontend, &view.source) ||
	    !address_is(&probe->inner_source, &view.destination) || probe->port != view.ports.source)
		return TC_NEXT;
	if (probe->outer == IPV6)
		failed = readdress(skb, &view, &probe->backend, &probe->source, DEFAULT_TTL, inner, IPV6);
	else
		failed = readdress(skb, &view, &probe->backend, &probe->source, DEFAULT_TTL, inner, IPV4);
	return failed ? TC_DROP : TC_NEXT;
}

SEC("tc")
int l4lb_probe_in(struct __sk_buff *skb)
{
	if (skb->protocol == ETHERTYPE_IPV6)
		return receive(skb, IPV6);
	if (skb->protocol == ETHERTYPE_IPV4)
		return receive(skb, IPV4);
	return TC_NEXT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
