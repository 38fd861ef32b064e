/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow table. Connections lie dense in the map flows, the lowest free place first, and each
 * direction is found by an index of buckets that is no larger than the connections need: with
 * tens of thousands of flows it is the processor's page walks that cost, and a hash over the whole
 * table would put each flow into a page of its own. An established packet touches one bucket and
 * one slot, a cache line each. Which connections make room for new ones is decided in record.h.
 */
#ifndef L4LB_TABLE_H
#define L4LB_TABLE_H

#include "address.h"
#include "counters.h"

#define NO_SLOT 0xffffffff

/* The first 8 bytes of a slot, read and swapped as one. */
#define WORD_VERSION(w) ((__u32)(w))
#define WORD_PROTOCOL(w) ((__u8)((w) >> 32))
#define WORD_KIND(w) ((__u8)((w) >> 40))
#define WORD_STATE(w) ((__u8)((w) >> 48))
#define WORD_DEVICE(w) ((__u8)((w) >> 56))
#define MAKE_WORD(version, protocol, kind, state, device)                                          \
	((__u64)(__u32)(version) | (__u64)(__u8)(protocol) << 32 | (__u64)(__u8)(kind) << 40 |     \
	 (__u64)(__u8)(state) << 48 | (__u64)(__u8)(device) << 56)
#define SLOT_WORD(slot) ((__u64 *)(slot))

static __always_inline __u64 slot_word(const struct l4lb_flow *slot)
{
	return *(const volatile __u64 *)slot;
}

/*
 * Multilinear hashing (Lemire and Kaser, "Strongly universal string hashing is fast", 2014):
 * without the secret multipliers nobody can choose tuples that meet in one bucket. It is linear, so
 * that the ports of one client would lie in a lattice; the mixing, a bijection, breaks that up.
 */
static __always_inline __u32 flow_hash(const struct tuple *t)
{
	__u32 hash = (config.flow_seed[0] + config.flow_seed[1] * (__u32)t->addresses +
		      config.flow_seed[2] * (t->addresses >> 32) + config.flow_seed[3] * t->ports +
		      config.flow_seed[4] * t->protocol) >>
		     32;

	hash = (hash ^ hash >> 16) * 0x85ebca6b;
	return hash ^ hash >> 13;
}

static __always_inline int slot_holds(const struct l4lb_flow *slot, __u64 word,
				      const struct tuple *t)
{
	return LOAD(__u64, &slot->source) == t->addresses &&
	       LOAD(__u32, &slot->source_port) == t->ports && WORD_PROTOCOL(word) == t->protocol;
}

static __always_inline struct l4lb_flow *slot_at(__u32 index, const int family)
{
#if HAS_IPV6
	if (family == IPV6)
		return bpf_map_lookup_elem(&flows6, &index);
#endif
	return bpf_map_lookup_elem(&flows, &index);
}

static __always_inline __u32 record_of(__u32 slot)
{
	return slot & (config.records - 1);
}

static __always_inline __u32 reply_slot(__u32 record)
{
	return record + config.records;
}

/* The addresses that an IPv6 slot holds are these, not only the word made of them. */
static __always_inline int slot_is_of(const struct l4lb_flow *slot, const void *source,
				      const void *destination)
{
	const struct l4lb_flow6 *slot6 = (const void *)slot;

	return addresses_equal(&slot6->source, source) &&
	       addresses_equal(&slot6->destination, destination);
}

/*
 * Whether a slot has been given to another flow since `word` was read: asked once all that is
 * needed has been read from it.
 */
static __always_inline int slot_changed(const struct l4lb_flow *slot, __u64 word)
{
	compiler_barrier();
	return WORD_VERSION(slot_word(slot)) != WORD_VERSION(word);
}

/* Takes a slot for writing, unless another processor has changed it since it was looked at. */
static __always_inline int slot_claim(struct l4lb_flow *slot, __u64 word)
{
	return __sync_val_compare_and_swap(SLOT_WORD(slot), word, word | 1) == word;
}

/* Ends the writing. An exchange, as it is a full barrier on every machine. */
static __always_inline void slot_publish(struct l4lb_flow *slot, __u64 claimed, __u8 protocol,
					 __u8 kind, __u8 state)
{
	__u32 version = (WORD_VERSION(claimed) | 1) + 1;

	__sync_lock_test_and_set(SLOT_WORD(slot),
				 MAKE_WORD(version, protocol, kind, state, config.device));
}

#endif
