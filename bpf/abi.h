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
/* Entries of one bucket of a flow table's index. */
#define L4LB_BUCKET_ENTRIES 16
/* The low bits of an index entry, which tell the slot. Above them lie bits of the flow's hash. */
#define L4LB_ENTRY_SLOT_BITS 25
/* Words of 64 bits of one plane of the filter: places have 16 bits. */
#define L4LB_FILTER_WORDS 1024
/* Source ranges over all services. */
#define L4LB_SOURCE_RANGES_MAX 65536
/* Clients whose affinity is remembered, least recently used ones are forgotten. */
#define L4LB_AFFINITY_MAX 65536
/* Addresses that SNAT may send from, of each family (--snat-addresses). */
#define L4LB_SNAT_ADDRESSES_MAX 256
/* Fragmented packets whose ports are remembered at a time. */
#define L4LB_FRAGMENTS_MAX 16384
/* Counters that new fragment identifications are drawn from, a power of two. */
#define L4LB_FRAGMENT_IDS 4096
/* Headers in front of an IPv6 packet's TCP or UDP that are walked through. */
#define L4LB_IPV6_HEADERS_MAX 6
/* Bytes of a dropped packet that `monitor drops` gets to see, and the ring they wait in. */
#define L4LB_SAMPLE_BYTES 128
#define L4LB_SAMPLE_RING_BYTES 262144
/* Ports that are tried for one new SNAT connection before it is refused. */
#define L4LB_SNAT_TRIES 128
/* Ports that are tried while others have just been refused: refusing has to be cheap. */
#define L4LB_SNAT_TRIES_USED_UP 4
/* A stamp is passed on to the other direction's slot once in 2^this ticks. */
#define L4LB_PEER_STAMP_SHIFT 3

/* ---- addresses ---- */

/* An IPv6 address, or an IPv4 one as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
struct l4lb_address {
	__be32 words[4];
};

/*
 * The sieve in front of all look-ups, one value: three planes of bits, one behind the other. Where an address lies in
 * one: fold its words (IPv4: the address alone; IPv6: w0 * 0x85ebca6b ^ w1 * 0xc2b2ae35 ^
 * w2 * 0x27d4eb2f ^ w3), and where there is a port and a protocol: fold ^ port * 0x85ebca6b ^
 * protocol * 0xc2b2ae35; words and ports are taken as they lie in memory on a little-endian machine.
 * The place is (fold ^ fold >> 15) * 0x9e3779b1 >> 16: the shift spreads an address's last octet,
 * which is the word's highest.
 */
enum l4lb_filter_plane {
	/* Addresses that packets are looked at for. */
	L4LB_FILTER_ADDRESSES = 0,
	/* An address, a port and a protocol where there is a service. */
	L4LB_FILTER_SERVICES = 1,
	/* Addresses that have a service on all ports. */
	L4LB_FILTER_ALL_PORTS = 2,
	L4LB_FILTER_PLANES = 3,
};

/* ---- configuration: constants of one loaded program ---- */

enum l4lb_phase {
	L4LB_PHASE_SYN = 0,
	L4LB_PHASE_ESTABLISHED = 1,
	L4LB_PHASE_CLOSING = 2,
	L4LB_PHASE_UDP = 3,
	L4LB_PHASE_COUNT = 4,
};

/*
 * The meaning of the maps that outlive an agent. It is raised with every change that an older agent's
 * maps would be misread by.
 */
#define L4LB_LAYOUT 1

/* Times are counted in ticks of (jiffies >> clock_shift), about a quarter of a second. */
struct l4lb_config {
	__u32 layout; /* L4LB_LAYOUT: stays in front, so that any version can read it */
	__u32 maglev_size; /* slots of a service's table */
	/* Secret multipliers of the flow table's hash, made with the table. */
	__u64 flow_seed[5];
	/* And those that make one word of two IPv6 addresses. */
	__u64 flow_seed6[8];
	/* Seed of the backend choice, the same on every machine. */
	__u64 maglev_seed;
	/* Connections that a flow table has room for, a power of two from 64 on. */
	__u32 records;
	__u32 clock_shift;
	/* Idle ticks after which a connection has ended, by enum l4lb_phase. */
	__u32 timeouts[L4LB_PHASE_COUNT];
	/* Ticks for which the port of a closed SNAT connection is left alone. */
	__u32 port_rest;
	/* Ticks for which the ports of a fragmented packet are remembered. */
	__u32 fragment_ticks;
	/* Entries of the map snat_addresses that are in use, by family; 0: the backend's source. */
	__u32 snat_address_count;
	__u32 snat_address_count6;
	/* --bpf-lb-rss-ipv4-src-cidr and -ipv6-: what the outer source of DSR is made of. The mask
	 * holds the bits that the flow decides; none: the backend's source. */
	__be32 rss_address;
	__be32 rss_mask;
	struct l4lb_address rss_address6;
	struct l4lb_address rss_mask6;
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
	/* Clients in the map source_ranges are refused, all others are served. */
	L4LB_SERVICE_SOURCE_DENY = 16,
	/* New connections are limited: see new_per_tick. */
	L4LB_SERVICE_LIMITED = 32,
};

struct l4lb_service_key {
	struct l4lb_address address;
	__be16 port; /* 0: all ports that have no service of their own */
	__u8 protocol;
	__u8 pad;
};

struct l4lb_service {
	/* 1 to 65535; also its place in the maps maglev and budgets. */
	__u16 id;
	__u8 mode;
	__u8 flags;
	__u32 affinity_ticks;
	/* --max-new-connections: what a tick adds to the budget, and the most that it holds (what a
	 * second adds), in 1/1024 of a connection. */
	__u64 new_per_tick;
	__u64 new_most;
};

/* What is left of a service's new connections; starts at the most. */
struct l4lb_budget {
	__u32 tick; /* when it was last added to */
	__u32 begun; /* 0: never used */
	__s64 left; /* in 1/1024 of a connection */
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
	/* It is reached by IPv6: address6 and source6 count. */
	L4LB_BACKEND_IPV6 = 16,
};

/*
 * One backend of one service, one cache line. Its index stays its own for as long as a connection
 * names it.
 */
struct l4lb_backend {
	/* The Ethernet header's first 12 bytes: next hop's link address, our device's. */
	__u8 next_hop[6];
	__u8 our_mac[6];
	__be16 port; /* 0: the port that the client's packet has */
	__u8 flags;
	__u8 pad;
	__be32 address;
	/* The balancer's IPv4 address: towards this backend, or where the backend has IPv6 the one
	 * that our ICMP comes from (0: the frontend's). */
	__be32 source;
	__u32 ifindex;
	__u16 service;
	__u16 mtu; /* of the way to it, bytes */
	struct l4lb_address address6;
	/* The same in IPv6. */
	struct l4lb_address source6;
};

_Static_assert(sizeof(struct l4lb_backend) == 64, "a backend is one cache line");

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
	__u32 prefix_length; /* bits, the 32 of the service and IPv4's 96 included */
	__u32 service;
	struct l4lb_address address;
};

struct l4lb_affinity_key {
	struct l4lb_address client;
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
	/* Confirmed: the backend has answered with more than a RST; in DSR, where that is not seen,
	 * the client has sent several packets over some time. */
	L4LB_STATE_REPLIED = 8,
	L4LB_STATE_CLIENT_FIN = 16,
	L4LB_STATE_BACKEND_FIN = 32,
	L4LB_STATE_RESET = 64,
};

/*
 * One direction of a connection, one cache line. Connection number r of a flow table has the slots
 * r (the client's packets) and r + config.records (SNAT: the backend's).
 * The first 8 bytes change by compare-and-swap only. A writer makes version odd, fills the slot
 * and makes it even again. Who writes in either slot of a connection, or frees it, holds slot r.
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
	__u32 hash;  /* of source, destination, ports and protocol: where the index names this slot */
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

/*
 * One direction of an IPv6 connection, in a table of its own: what both families have in common,
 * where source and destination hold one word made of both addresses, and the addresses themselves.
 */
struct l4lb_flow6 {
	struct l4lb_flow flow;
	struct l4lb_address source;
	struct l4lb_address destination;
	/* SNAT: the balancer's address. Reply: the client's. */
	struct l4lb_address nat;
	/* Reply: the frontend's address. */
	struct l4lb_address frontend;
};

_Static_assert(sizeof(struct l4lb_flow6) == 128, "a slot is two cache lines");

/*
 * A bucket of the index, one cache line. A flow's bucket is its hash's low bits (flow_index.mask).
 * An entry is 0, or a slot's number with the hash's top 7 bits above it (of which 0 counts as 1).
 * Entries change by compare-and-swap only. One that names a slot whose flow is another one is stale
 * and harmless.
 */
struct l4lb_bucket {
	__u32 entries[L4LB_BUCKET_ENTRIES];
};

/*
 * How much of a flow table is in use, written by the agent; one for each family, IPv4 first. The
 * index grows and shrinks with the number of flows, so that the memory that packets touch stays
 * small. While the agent moves entries the masks differ: flows are looked for by old_mask, then by
 * mask, and inserted by mask. Both are read as one word.
 */
struct l4lb_flow_index {
	__u32 mask; /* buckets less one, a power of two less one */
	__u32 old_mask;
	__u32 low;   /* the word of the map used where free connections begin */
	__u32 round; /* counts the times that low has been set */
};

/* Where one processor looks for room for its next connection; one for each family. */
struct l4lb_hand {
	__u32 round; /* flow_index.round when `free` was last set back to `low` */
	/* Words of the map used, and connections, that are looked at next. */
	__u32 free;
	__u32 evict;
	/* Ticks in which a search was in vain. */
	__u32 none_free;
	__u32 none_evictable;
	/* The tick in which one was long. */
	__u32 scarce;
};

/* A packet that comes in fragments: only the first one has ports. */
struct l4lb_fragment_key {
	struct l4lb_address source;
	struct l4lb_address destination;
	__be32 id;
	__u32 protocol; /* IPv4; 0 in IPv6, where the first fragment alone says it (RFC 8200 4.5) */
};

struct l4lb_fragment {
	__u32 ports; /* as they lie in the packet */
	__u32 stamp; /* tick of the first fragment */
	__be32 id;   /* SNAT: the identification that its fragments leave with */
	__u32 protocol;
};

/* What connections that are no longer in the flow table have carried, by backend. */
struct l4lb_totals {
	__u64 connections;
	__u64 packets;
	__u64 bytes;
	__u64 reply_packets;
	__u64 reply_bytes;
	/* The tick in which no SNAT port was found for it. */
	__u32 ports_used_up;
	__u32 pad[5];
};

_Static_assert(sizeof(struct l4lb_totals) == 64, "a backend's totals are one cache line");

/* ---- drops ---- */

enum l4lb_drop {
	/* The frontend is known, but no backend takes new connections. */
	L4LB_DROP_NO_BACKEND,
	/* The backend's next hop has no link address yet. */
	L4LB_DROP_NO_NEIGHBOUR,
	/* No SNAT port is free for this backend. */
	L4LB_DROP_SNAT_PORTS,
	/* No connection of the flow table may be evicted for a new one. */
	L4LB_DROP_FLOW_TABLE_FULL,
	/* Another processor was just giving the connection's slot to somebody. */
	L4LB_DROP_FLOW_BUSY,
	/* Lengths, offsets or addresses that cannot be true. */
	L4LB_DROP_MALFORMED,
	/* A fragment whose first one has not been seen. */
	L4LB_DROP_FRAGMENT,
	/* IPv4 options that name a route (RFC 7126 section 4.3). */
	L4LB_DROP_IP_OPTIONS,
	/* IPv6 extension headers that name a route, or too many. */
	L4LB_DROP_IPV6_EXTENSION,
	/* The client is not in the service's source ranges. */
	L4LB_DROP_SOURCE_RANGE,
	/* A backend's reply whose TTL would expire here. */
	L4LB_DROP_TTL,
	/* The kernel refused to make room in front of or behind a packet. */
	L4LB_DROP_NO_ROOM,
	/* The service has had its new connections of this second. */
	L4LB_DROP_NEW_CONNECTIONS,
	/* Larger than the way to the backend takes, and may be fragmented; ICMP was sent all the same. */
	L4LB_DROP_TOO_BIG,
	/* UDP without a checksum in IPv6 (RFC 8200 section 8.1). */
	L4LB_DROP_UDP_CHECKSUM,
	/* An ICMP error about a DSR packet that quotes too little to tell whose it was. */
	L4LB_DROP_ICMP_QUOTE,
	L4LB_DROP_COUNT,
};

/* What the program that is compiled with -DL4LB_DRY gives back: an XDP action, and more. */
enum l4lb_finding {
	L4LB_FINDING_ACTION = 0x7,
	/* The packet would begin a connection, and be forwarded. */
	L4LB_FINDING_NEW = 0x8,
	/* Above: of a drop the reason, of a new connection its backend. */
	L4LB_FINDING_SHIFT = 4,
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
	/* ICMP "fragmentation needed" or "packet too big" was sent. */
	L4LB_EVENT_TOO_BIG,
	/* An ICMP error about a connection was passed on to where it belongs. */
	L4LB_EVENT_ICMP_ERROR,
	L4LB_COUNTER_COUNT,
};

/* Drops of one service, for each that the agent has made an entry for. */
struct l4lb_service_drops {
	__u64 reasons[L4LB_DROP_COUNT];
};

/* ---- monitor drops ---- */

/* The switch and the rate of samples, one for all processors. */
struct l4lb_monitor {
	__u32 enabled;	/* 0: nobody listens */
	__u32 per_tick; /* samples in one tick at the most */
	__u32 tick;
	__u32 taken; /* in this tick */
};

/* One dropped packet, as it lies in the ring. */
struct l4lb_drop_sample {
	__u16 reason; /* enum l4lb_drop */
	__u16 service; /* 0: not known */
	__u32 ifindex;
	__u32 length;	/* of the frame, bytes */
	__u32 captured; /* bytes of it that follow */
	__u8 bytes[L4LB_SAMPLE_BYTES];
};

/* ---- health checks through the tunnel ---- */

/* SO_MARK of their sockets: no other packet is looked at on its way out. */
#define L4LB_PROBE_MARK 0x4c344c42
/* Place of the two filters among those of a device. */
#define L4LB_PROBE_PRIORITY 0x4c34

/* One probe on its way, by the port that its socket is bound to. */
struct l4lb_probe {
	/* The ends that the socket has, which are the outer header's, */
	struct l4lb_address source;
	struct l4lb_address backend;
	/* and those of the packet inside. */
	struct l4lb_address inner_source;
	struct l4lb_address frontend;
	__be16 port; /* the frontend's */
	__u8 outer; /* the families: 4 or 6 */
	__u8 inner;
};

#endif
