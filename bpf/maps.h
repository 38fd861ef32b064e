/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map of the program. Sizes that the user chooses are set by the agent before loading. */
#ifndef L4LB_MAPS_H
#define L4LB_MAPS_H

#include "abi.h"
#include "platform.h"

/* The paths that are compiled in: those of the services' modes and of the living connections. */
#ifdef L4LB_SNAT
#define HAS_SNAT 1
#else
#define HAS_SNAT 0
#endif
#ifdef L4LB_DSR
#define HAS_DSR 1
#else
#define HAS_DSR 0
#endif

/* IPv6 frontends, and IPv6 backends of IPv4 ones. */
#ifdef L4LB_IPV6
#define HAS_IPV6 1
#else
#define HAS_IPV6 0
#endif

/*
 * -DL4LB_DRY: the program of `explain`, which the agent runs by itself over the living maps. It
 * writes into none of them, and goes with a packet that begins a connection as far as its backend.
 * Its verdict is an l4lb_finding.
 */
#ifdef L4LB_DRY
#define DRY 1
#else
#define DRY 0
#endif

/* The table size is a constant of the compiled program: --bpf-lb-maglev-table-size. */
#ifndef L4LB_MAGLEV_TABLE_SIZE
#define L4LB_MAGLEV_TABLE_SIZE 16381
#endif

const volatile struct l4lb_config config SEC(".rodata.config");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[L4LB_FILTER_PLANES * L4LB_FILTER_WORDS]);
} filter SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, L4LB_MAP_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct l4lb_address);
	__type(value, __u32);
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, L4LB_MAP_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct l4lb_service_key);
	__type(value, struct l4lb_service);
} services SEC(".maps");

/* A service's table, one value: backend indices, each as often as its weight says. */
struct maglev_table {
	__u16 backends[L4LB_MAGLEV_TABLE_SIZE];
};

struct maglev_inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(value_size, sizeof(struct maglev_table));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, L4LB_MAP_MAX);
	__type(key, __u32);
	__array(values, struct maglev_inner);
} maglev SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, L4LB_MAP_MAX);
	__type(key, __u32);
	__type(value, struct l4lb_backend);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, L4LB_MAX_DEVICES);
	__type(key, __u32);
	__type(value, struct l4lb_device);
} devices SEC(".maps");

/* The flow tables: see table.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct l4lb_flow_index);
} flow_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct l4lb_hand);
} hands SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct l4lb_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct l4lb_bucket);
} buckets SEC(".maps");

/* A bit for each connection: it is in use. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} used SEC(".maps");

/* A bit for each connection: it is confirmed, and rather not evicted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} kept SEC(".maps");

#if HAS_IPV6
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct l4lb_flow6);
} flows6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct l4lb_bucket);
} buckets6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} used6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} kept6 SEC(".maps");
#endif

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, L4LB_MAP_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct l4lb_totals);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, L4LB_FRAGMENTS_MAX);
	__type(key, struct l4lb_fragment_key);
	__type(value, struct l4lb_fragment);
} fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, L4LB_FRAGMENT_IDS);
	__type(key, __u32);
	__type(value, __u32);
} fragment_ids SEC(".maps");

/* By service id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, L4LB_MAP_MAX);
	__type(key, __u32);
	__type(value, struct l4lb_budget);
} budgets SEC(".maps");

/* By service id; the agent makes the entries. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, L4LB_MAP_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct l4lb_service_drops);
} service_drops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct l4lb_monitor);
} monitor SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, L4LB_SAMPLE_RING_BYTES);
} drop_samples SEC(".maps");

/* The ports that SNAT may use, in network byte order, config.snat_port_count of them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __be16[65536]);
} snat_ports SEC(".maps");

/* The addresses that SNAT sends from instead of the backend's source: IPv4, then IPv6. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * L4LB_SNAT_ADDRESSES_MAX);
	__type(key, __u32);
	__type(value, struct l4lb_address);
} snat_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, L4LB_SOURCE_RANGES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct l4lb_source_range_key);
	__type(value, __u32);
} source_ranges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, L4LB_AFFINITY_MAX);
	__type(key, struct l4lb_affinity_key);
	__type(value, struct l4lb_affinity);
} affinity SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, L4LB_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

#endif
