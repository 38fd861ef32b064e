/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow table: sets of eight slots of one cache line each, in IPv6 of two. A flow lies in one of
 * two sets (the second is used when the first has no slot to give, and counted as spilled), so that
 * an established packet touches one slot. Slots are evicted in place; which ones may be is decided in victim.h.
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
 * without the secret multipliers nobody can choose tuples that meet in one set. It is linear, so
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

static __always_inline __u32 first_set(__u32 hash)
{
	return hash & config.set_mask;
}

/* From all bits of the hash, so that flows that share a first set differ in their second. */
static __always_inline __u32 second_set(__u32 hash)
{
	return (hash ^ (hash * 0x9e3779b1) >> 15 ^ 1) & config.set_mask;
}

/* Where in its sets a flow is looked for first. */
static __always_inline __u32 first_slot(__u32 hash)
{
	return hash >> 29;
}

static __always_inline int slot_holds(const struct l4lb_flow *slot, __u64 word,
				      const struct tuple *t)
{
	return LOAD(__u64, &slot->source) == t->addresses &&
	       LOAD(__u32, &slot->source_port) == t->ports && WORD_PROTOCOL(word) == t->protocol;
}

/* The slot at a place of a family's table. */
static __always_inline struct l4lb_flow *slot_at(__u32 index, const int family)
{
	__u32 set_index = index / L4LB_SET_SLOTS;

#if HAS_IPV6
	if (family == IPV6) {
		struct l4lb_flow_set6 *set6 = bpf_map_lookup_elem(&flows6, &set_index);

		if (!set6)
			return 0;
		barrier_var(set6);
		return &set6->slots[index % L4LB_SET_SLOTS].flow;
	}
#endif
	struct l4lb_flow_set *set = bpf_map_lookup_elem(&flows, &set_index);

	if (!set)
		return 0;
	/* Keeps the compiler from adding to the pointer before the check. */
	barrier_var(set);
	return &set->slots[index % L4LB_SET_SLOTS];
}

static __always_inline void *set_at(__u32 index, const int family)
{
#if HAS_IPV6
	if (family == IPV6)
		return bpf_map_lookup_elem(&flows6, &index);
#endif
	return bpf_map_lookup_elem(&flows, &index);
}

static __always_inline struct l4lb_flow *slot_of(void *set, __u32 place, const int family)
{
	if (family == IPV6)
		return &((struct l4lb_flow_set6 *)set)->slots[place].flow;
	return &((struct l4lb_flow_set *)set)->slots[place];
}

/*
 * The slot of a flow in one set. *more is cleared where a slot was never used: inserts take
 * the first slot that is free, so the flow cannot lie behind it.
 */
static __always_inline struct l4lb_flow *find_in_set(void *set, __u32 start, const struct tuple *t,
						     __u64 *word, int *more, const int family)
{
	for (int i = 0; i < L4LB_SET_SLOTS; i++) {
		struct l4lb_flow *slot = slot_of(set, (start + i) % L4LB_SET_SLOTS, family);
		__u64 w = slot_word(slot);

		if (slot_holds(slot, w, t) && !(w & 1)) {
			*word = w;
			return slot;
		}
		if (WORD_VERSION(w) == 0) {
			*more = 0;
			return 0;
		}
	}
	return 0;
}

static __always_inline struct l4lb_spills *spills_at(__u32 set, const int family)
{
	__u32 index = set / L4LB_OCCUPANCY_SETS;

#if HAS_IPV6
	if (family == IPV6)
		return bpf_map_lookup_elem(&spills6, &index);
#endif
	return bpf_map_lookup_elem(&spills, &index);
}

/* Whether flows of a set may lie in their second one. */
static __always_inline int set_spills(__u32 set, const int family)
{
	struct l4lb_spills *s = spills_at(set, family);

	return !s || LOAD(__u32, &s->counts[set % L4LB_OCCUPANCY_SETS / 4]) >> 8 * (set & 3) & 255;
}

/* `change`: 1 or -1. That 256 flows of one set are elsewhere is as good as impossible. */
static __always_inline void spills_add(__u32 set, int change, const int family)
{
	struct l4lb_spills *s = spills_at(set, family);

	if (s)
		__sync_fetch_and_add(&s->counts[set % L4LB_OCCUPANCY_SETS / 4],
				     (__u32)change << 8 * (set & 3));
}

/* The slot of a living flow, and the word that was read with it. */
static __always_inline struct l4lb_flow *flow_find(const struct tuple *t, __u32 hash, __u64 *word,
						   const int family)
{
	void *set = set_at(first_set(hash), family);
	struct l4lb_flow *slot;
	int more = 1;

	if (!set)
		return 0;
	slot = find_in_set(set, first_slot(hash), t, word, &more, family);
	if (likely(slot) || !more || !set_spills(first_set(hash), family))
		return slot;
	set = set_at(second_set(hash), family);
	return set ? find_in_set(set, first_slot(hash), t, word, &more, family) : 0;
}

/* flow_find for where its size matters more than its speed. */
static __noinline struct l4lb_flow *flow_look_up(const struct tuple *t, __u64 *word, int family)
{
#if HAS_IPV6
	if (family == IPV6)
		return flow_find(t, flow_hash(t), word, IPV6);
#endif
	return flow_find(t, flow_hash(t), word, IPV4);
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

	/* 0 is kept for slots that were never used. */
	if (version == 0)
		version = 2;
	__sync_lock_test_and_set(SLOT_WORD(slot),
				 MAKE_WORD(version, protocol, kind, state, config.device));
}

/* Tells the agent that a set holds something; after the slot has been published. */
static __always_inline void mark_occupied(__u32 slot_index, const int family)
{
	__u32 set = slot_index / L4LB_SET_SLOTS, index = set / L4LB_OCCUPANCY_SETS;
	struct l4lb_occupancy *o;

#if HAS_IPV6
	if (family == IPV6)
		o = bpf_map_lookup_elem(&occupancy6, &index);
	else
#endif
		o = bpf_map_lookup_elem(&occupancy, &index);
	if (o)
		WRITE_ONCE(o->used[set % L4LB_OCCUPANCY_SETS], 1);
}

#endif
