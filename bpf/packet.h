/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the program reads from a packet, and its own header structs. */
#ifndef L4LB_PACKET_H
#define L4LB_PACKET_H

#include "abi.h"
#include "platform.h"

#define ETHERTYPE_IPV4 bpf_htons(0x0800)
#define PROTOCOL_ICMP 1
#define PROTOCOL_IPIP 4
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define IPV4_DF bpf_htons(0x4000)
#define IPV4_FRAGMENT bpf_htons(0x3fff) /* more fragments, or an offset */
#define DEFAULT_TTL 64

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

#define ICMP_ECHO_REPLY 0
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11

/* A word of a packet, whatever its alignment. */
#define LOAD(type, pointer) (*(const volatile type *)(pointer))
#define STORE(type, pointer, value) (*(volatile type *)(pointer) = (value))

/* The tuple that identifies a flow, as it lies in the packet. */
struct tuple {
	__u64 addresses; /* source in the low half */
	__u32 ports;	 /* source in the low half */
	__u32 protocol;
};

/* An IPv4 TCP or UDP packet whose headers have been checked. */
struct packet {
	struct tuple tuple;
	__u32 hash;
	__u32 now;
	__u16 length; /* IP total length, bytes */
	__u8 tcp_flags;
	__u8 ttl;
};

static __always_inline __be32 tuple_source(const struct tuple *t)
{
	return t->addresses;
}

static __always_inline __be32 tuple_destination(const struct tuple *t)
{
	return t->addresses >> 32;
}

static __always_inline __be16 tuple_source_port(const struct tuple *t)
{
	return t->ports;
}

static __always_inline __be16 tuple_destination_port(const struct tuple *t)
{
	return t->ports >> 16;
}

/* Sources that no client has: multicast, reserved, loopback, this network, the frontend itself. */
static __always_inline int source_is_impossible(__be32 source, __be32 destination)
{
	__u8 first = source;

	return first >= 224 || first == 127 || first == 0 || source == destination;
}

static __always_inline void *packet_data(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *packet_end(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data_end;
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
