/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ABI between the XDP program and the agent: every key, value, counter and limit.
 * Addresses and ports are in network byte order (__be32, __be16), all else in host order.
 * No struct has padding that is not named, so that keys compare by all their bytes.
 */
#ifndef L4LB_ABI_H
#define L4LB_ABI_H

#include <linux/types.h>

/* ---- limits ---- */

/* Services, and backends over all services: a backend's index has to fit in 16 bits. */
#define L4LB_MAP_MAX 65536
/* Network devices of one agent. */
#define L4LB_MAX_DEVICES 16
/* Slots of one set of the flow table: a connection may lie in any slot of two sets. */
#define L4LB_SET_SLOTS 8
/* Sets whose occupancy bytes share one map value. */
#define L4LB_OCCUPANCY_SETS 64
/* Bits of the address filter. */
#define L4LB_FILTER_BITS 65536
/* Source ranges over all services. */
#define L4LB_SOURCE_RANGES_MAX 65536
/* Clients whose affinity is remembered, least recently used ones are forgotten. */
#define L4LB_AFFINITY_MAX 65536
/* Ports that are tried for one new SNAT connection before it is refused. */
#define L4LB_SNAT_TRIES 128
/* Ports that are tried while others have just been refused: refusing has to be cheap. */
#define L4LB_SNAT_TRIES_USED_UP 4
/* A stamp is passed on to the other direction's slot once in 2^this ticks. */
#define L4LB_PEER_STAMP_SHIFT 3

/* ---- configuration: constants of one loaded program ---- */

enum l4lb_phase {
	L4LB_PHASE_SYN = 0,
	L4LB_PHASE_ESTABLISHED = 1,
	L4LB_PHASE_CLOSING = 2,
	L4LB_PHASE_UDP = 3,
	L4LB_PHASE_COUNT = 4,
};

/* Times are counted in ticks of (jiffies >> clock_shift), about a quarter of a second. */
struct l4lb_config {
	/* Secret multipliers of the flow table's hash, made with the table. */
	__u64 flow_seed[5];
	/* Seed of the backend choice, the same on every machine. */
	__u64 maglev_seed;
	/* Sets of the flow table less one; the number of sets is a power of two. */
	__u32 set_mask;
	__u32 clock_shift;
	/* Idle ticks after which a connection has ended, by enum l4lb_phase. */
	__u32 timeouts[L4LB_PHASE_COUNT];
	/* Ticks for which the port of a closed SNAT connection is left alone. */
	__u32 port_rest;
	/* Entries of the map snat_ports that are in use. */
	__u32 snat_port_count;
	/* The device that this program is attached to. */
	__u32 ifindex;
	__u8 mac[6];
	/* Its place in the map devices. */
	__u8 device;
	__u8 pad;
};

/* ---- services ---- */

enum l4lb_mode {
	L4LB_MODE_SNAT = 1,
	L4LB_MODE_DSR = 2,
};

enum l4lb_service_flag {
	/* The backend is drawn at random, not by the flow's hash. */
	L4LB_SERVICE_RANDOM = 1,
	/* A client stays with its backend over several connections. */
	L4LB_SERVICE_AFFINITY = 2,
	/* Only clients in the map source_ranges are served. */
	L4LB_SERVICE_SOURCE_RANGES = 4,
	/* No backend takes new connections. */
	L4LB_SERVICE_UNUSABLE = 8,
};

struct l4lb_service_key {
	__be32 address;
	__be16 port;
	__u8 protocol;
	__u8 pad;
};

struct l4lb_service {
	/* 1 to 65535; also its place in the map maglev. */
	__u16 id;
	__u8 mode;
	__u8 flags;
	__u32 affinity_ticks;
};

enum l4lb_backend_flag {
	/* The link address is known. */
	L4LB_BACKEND_REACHABLE = 1,
	/* Maintenance: its connections choose another backend. */
	L4LB_BACKEND_MAINTENANCE = 2,
	/* Takes new connections: active, and its weight is not 0. */
	L4LB_BACKEND_ACTIVE = 4,
	/* The way to it is gone: connections go on by the last one known, none begins. */
	L4LB_BACKEND_NO_ROUTE = 8,
};

/* One backend of one service. Its index stays its own for as long as a connection names it. */
struct l4lb_backend {
	/* The Ethernet header's first 12 bytes: next hop's link address, our device's. */
	__u8 next_hop[6];
	__u8 our_mac[6];
	__be16 port;
	__u8 flags;
	__u8 pad;
	__be32 address;
	/* The balancer's address towards this backend. */
	__be32 source;
	__u32 ifindex;
	__u16 service;
	__u16 pad2;
};

/* Addresses that packets are looked at for; the filter is a sieve in front of this map. */
enum l4lb_address_flag {
	/* A frontend's address that the host does not have: all of it is ours. */
	L4LB_ADDRESS_FRONTEND = 1,
};

struct l4lb_device {
	__u32 ifindex;
	__u8 mac[6];
	__u16 pad;
};

struct l4lb_source_range_key {
	__u32 prefix_length; /* bits, the 16 of the service included */
	__u16 service;
	__u8 address[4];
	__u16 pad;
};

struct l4lb_affinity_key {
	__be32 client;
	__u16 service;
	__u16 pad;
};

struct l4lb_affinity {
	__u16 backend;
	__u16 pad;
	__u32 stamp;
};

/* ---- connections ---- */

enum l4lb_flow_kind {
	/* A client's packets, to be put into IPIP. */
	L4LB_FLOW_DSR = 1,
	/* A client's packets, to be translated. */
	L4LB_FLOW_SNAT = 2,
	/* A backend's packets, to be translated back. */
	L4LB_FLOW_REPLY = 3,
};

/* The state byte of a flow: the phase in the low two bits, and what has been seen. */
enum l4lb_flow_state {
	L4LB_STATE_PHASE = 3,
	/* The client has sent more than SYNs. */
	L4LB_STATE_ACKED = 4,
	/* The backend has answered with more than a RST. */
	L4LB_STATE_REPLIED = 8,
	L4LB_STATE_CLIENT_FIN = 16,
	L4LB_STATE_BACKEND_FIN = 32,
	L4LB_STATE_RESET = 64,
};

/*
 * One direction of a connection, one cache line. A DSR connection has one, a SNAT connection two.
 * The first 8 bytes change by compare-and-swap only. A writer makes version odd, fills the slot
 * and makes it even again; version 0 says that the slot has never been used.
 */
struct l4lb_flow {
	__u32 version;
	__u8 protocol; /* 0: free */
	__u8 kind;
	__u8 state;
	__u8 device; /* where the client's packets come from */
	__be32 source;
	__be32 destination;
	__be16 source_port;
	__be16 destination_port;
	__u32 stamp; /* tick of the last packet */
	__u64 packets;
	__u64 bytes; /* IP total lengths */
	__u32 peer;  /* slot of the other direction (set * L4LB_SET_SLOTS + slot) */
	__u16 backend;
	/* SNAT: the balancer's port and address. Reply: the client's. */
	__be16 nat_port;
	__be32 nat_address;
	/* The tick of the first packet. Reply: the frontend's address (a union is no plain value in
	 * Swift). */
	__u32 created;
	/* Link address that the client's packets come from. */
	__u8 client_mac[6];
	/* Reply: the frontend's port. */
	__be16 frontend_port;
};

_Static_assert(sizeof(struct l4lb_flow) == 64, "a slot is one cache line");

struct l4lb_flow_set {
	struct l4lb_flow slots[L4LB_SET_SLOTS];
};

/* 1 where a set may hold used slots: lets the agent pass over empty sets. */
struct l4lb_occupancy {
	__u8 used[L4LB_OCCUPANCY_SETS];
};

/* What connections that are no longer in the flow table have carried, by backend. */
struct l4lb_totals {
	__u64 connections; /* begun, those in the table included */
	__u64 packets;
	__u64 bytes;
	__u64 reply_packets;
	__u64 reply_bytes;
	/* The tick in which no SNAT port was found for it. */
	__u32 ports_used_up;
	__u32 pad;
};

/* ---- drops ---- */

enum l4lb_drop {
	/* The frontend is known, but no backend takes new connections. */
	L4LB_DROP_NO_BACKEND,
	/* The backend's next hop has no link address yet. */
	L4LB_DROP_NO_NEIGHBOUR,
	/* No SNAT port is free for this backend. */
	L4LB_DROP_SNAT_PORTS,
	/* No slot of the flow table may be evicted for a new connection. */
	L4LB_DROP_FLOW_TABLE_FULL,
	/* Another processor was just giving the connection's slot to somebody. */
	L4LB_DROP_FLOW_BUSY,
	/* Lengths, offsets or addresses that cannot be true. */
	L4LB_DROP_MALFORMED,
	L4LB_DROP_FRAGMENT,
	L4LB_DROP_IP_OPTIONS,
	/* The client is not in the service's source ranges. */
	L4LB_DROP_SOURCE_RANGE,
	/* A backend's reply whose TTL would expire here. */
	L4LB_DROP_TTL,
	/* The kernel refused to make room in front of or behind a packet. */
	L4LB_DROP_NO_ROOM,
	L4LB_DROP_COUNT,
};

/* Events that are no drops. */
enum l4lb_event {
	/* A port was used again before its 60 s of rest were over. */
	L4LB_EVENT_PORT_REUSED_EARLY = L4LB_DROP_COUNT,
	/* A confirmed DSR connection was evicted. */
	L4LB_EVENT_DSR_EVICTED,
	/* An unconfirmed connection was evicted. */
	L4LB_EVENT_UNCONFIRMED_EVICTED,
	/* A request's TTL expired, ICMP time exceeded was sent. */
	L4LB_EVENT_TIME_EXCEEDED,
	/* An ICMP echo request was answered. */
	L4LB_EVENT_ECHO,
	L4LB_COUNTER_COUNT,
};

#endif
