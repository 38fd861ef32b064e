/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the program reads from a packet, and its own header structs. */
#ifndef L4LB_PACKET_H
#define L4LB_PACKET_H

#include "abi.h"
#include "platform.h"

#define ETHERTYPE_IPV4 bpf_htons(0x0800)
#define ETHERTYPE_IPV6 bpf_htons(0x86dd)
#define PROTOCOL_ICMP 1
#define PROTOCOL_IPIP 4
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_IPV6 41
#define PROTOCOL_ICMP6 58
#define IPV4_DF bpf_htons(0x4000)
#define IPV4_FRAGMENT bpf_htons(0x3fff) /* more fragments, or an offset */
#define IPV4_OFFSET bpf_htons(0x1fff)
#define DEFAULT_TTL 64

/* The families. Functions that serve both are inlined with one of these as a constant. */
#define IPV4 4
#define IPV6 6

struct ethernet {
	__u8 destination[6];
	__u8 source[6];
	__be16 type;
};

struct ipv4 {
	__u8 version_ihl;
	__u8 tos;
	__be16 total_length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__u16 check;
	__be32 source;
	__be32 destination;
};

struct ipv6 {
	__be32 first; /* version, traffic class, flow label */
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	struct l4lb_address source;
	struct l4lb_address destination;
};

/* linux/tcp.h and linux/icmp.h pull in the C library's headers, so these are ours. */
struct ports {
	__be16 source;
	__be16 destination;
};

struct tcp {
	struct ports ports;
	__be32 sequence;
	__be32 acknowledgement;
	__u8 offset; /* 32-bit words, in the high four bits */
	__u8 flags;
	__be16 window;
	__u16 check;
	__be16 urgent;
};

struct udp {
	struct ports ports;
	__be16 length;
	__u16 check;
};

struct icmp {
	__u8 type;
	__u8 code;
	__u16 check;
	__be32 rest;
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define L3_OFFSET ((__u32)sizeof(struct ethernet))
#define IP_HEADER(family) ((family) == IPV6 ? (__u32)sizeof(struct ipv6) : (__u32)sizeof(struct ipv4))
/* Where TCP and UDP begin in an IPv4 packet without options. */
#define PLAIN_L4 (L3_OFFSET + (__u32)sizeof(struct ipv4))

/* A word of a packet, whatever its alignment. */
#define LOAD(type, pointer) (*(const volatile type *)(pointer))
#define STORE(type, pointer, value) (*(volatile type *)(pointer) = (value))

/* The tuple that identifies a flow. */
struct tuple {
	__u64 addresses; /* IPv4: source in the low half; IPv6: see address_word */
	__u32 ports;	 /* source in the low half, as they lie in the packet */
	__u32 protocol;
};

enum fragment {
	FRAGMENT_NONE,
	FRAGMENT_FIRST,
	FRAGMENT_LATER, /* has no ports of its own */
};

/* A TCP or UDP packet whose headers have been checked. */
struct packet {
	struct tuple tuple;
	__u32 hash;
	__u32 now;
	__u32 length; /* of the IP packet, bytes */
	__be32 id;    /* of a fragment: that of the packet it belongs to, SNAT: the one it leaves with */
	/* Offsets from the frame's begin. */
	__u16 l4;
	__u16 other_header; /* IPv6: the fragment header; ICMP errors: TCP or UDP that they quote */
	__u8 fragment;	       /* enum fragment */
	__u8 tcp_flags;
	__u8 ttl;
	__u8 is_error; /* ICMP about something else: nothing is said about it (RFC 1122 3.2.2) */
};

static __always_inline void *packet_data(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *packet_end(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data_end;
}

static __always_inline struct ethernet *packet_ethernet(struct xdp_md *ctx)
{
	struct ethernet *eth = packet_data(ctx);

	return (void *)(eth + 1) > packet_end(ctx) ? 0 : eth;
}

/* What follows the Ethernet header, or 0 where the fixed header is not whole. */
static __always_inline void *packet_l3(struct xdp_md *ctx, const int family)
{
	void *l3 = packet_data(ctx) + L3_OFFSET;

	return l3 + IP_HEADER(family) > packet_end(ctx) ? 0 : l3;
}

/*
 * What lies at an offset, or 0 where fewer than `size` bytes do. Headers lie in a frame's first
 * part also where it has several (jumbo frames).
 */
static __always_inline void *packet_at(struct xdp_md *ctx, __u32 offset, __u32 size)
{
	void *at;

	offset &= 0x3fff;
	/* The compiler would leave the mask out where it knows more than the verifier. */
	barrier_var(offset);
	at = packet_data(ctx) + offset;
	return at + size > packet_end(ctx) ? 0 : at;
}

/* Bytes from the IP header on. */
static __always_inline __u64 packet_room(struct xdp_md *ctx)
{
	return bpf_xdp_get_buff_len(ctx) - L3_OFFSET;
}

static __always_inline void *source_at(void *l3, const int family)
{
	return family == IPV6 ? (void *)&((struct ipv6 *)l3)->source
			      : (void *)&((struct ipv4 *)l3)->source;
}

static __always_inline void *destination_at(void *l3, const int family)
{
	return family == IPV6 ? (void *)&((struct ipv6 *)l3)->destination
			      : (void *)&((struct ipv4 *)l3)->destination;
}

/* Link addresses are written as one word of 8 bytes and one of 4: six are next hop, six ours. */
static __always_inline void set_link_addresses(struct ethernet *eth, const __u8 *next_hop)
{
	STORE(__u64, eth, LOAD(__u64, next_hop));
	STORE(__u32, (void *)eth + 8, LOAD(__u32, next_hop + 8));
}

static __always_inline int link_addresses_equal(const void *a, const void *b)
{
	return LOAD(__u32, a) == LOAD(__u32, b) && LOAD(__u16, a + 4) == LOAD(__u16, b + 4);
}

/* Back to where the packet came from, for our own answers. */
static __always_inline void swap_link_addresses(struct ethernet *eth)
{
	__u32 high = LOAD(__u32, eth->destination);
	__u16 low = LOAD(__u16, eth->destination + 4);

	STORE(__u32, eth->destination, LOAD(__u32, eth->source));
	STORE(__u16, eth->destination + 4, LOAD(__u16, eth->source + 4));
	STORE(__u32, eth->source, high);
	STORE(__u16, eth->source + 4, low);
}

#endif
