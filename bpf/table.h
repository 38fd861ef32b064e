/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow table: sets of eight slots of one cache line each. A flow lies in one of two sets
 * (the second is used when the first has no slot to give), so that an established packet
 * touches one line. Slots are evicted in place; which ones may be is decided in slot_class.
 */
#ifndef L4LB_TABLE_H
#define L4LB_TABLE_H

#include "counters.h"
#include "packet.h"

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

static __always_inline struct l4lb_flow *slot_at(__u32 index)
{
	__u32 set_index = index / L4LB_SET_SLOTS;
	struct l4lb_flow_set *set = bpf_map_lookup_elem(&flows, &set_index);

	if (!set)
		return 0;
	/* Keeps the compiler from adding to the pointer before the check. */
	barrier_var(set);
	return &set->slots[index % L4LB_SET_SLOTS];
}

/*
 * The slot of a flow in one set. *more is cleared where a slot was never used: inserts take
 * the first slot that is free, so the flow cannot lie behind it.
 */
static __always_inline struct l4lb_flow *find_in_set(struct l4lb_flow_set *set, __u32 start,
						     const struct tuple *t, __u64 *word, int *more)
{
	for (int i = 0; i < L4LB_SET_SLOTS; i++) {
		struct l4lb_flow *slot = &set->slots[(start + i) % L4LB_SET_SLOTS];
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

/* The slot of a living flow, and the word that was read with it. */
static __always_inline struct l4lb_flow *flow_find(const struct tuple *t, __u32 hash, __u64 *word)
{
	__u32 index = first_set(hash);
	struct l4lb_flow_set *set = bpf_map_lookup_elem(&flows, &index);
	struct l4lb_flow *slot;
	int more = 1;

	if (!set)
		return 0;
	slot = find_in_set(set, first_slot(hash), t, word, &more);
	if (likely(slot) || !more)
		return slot;
	index = second_set(hash);
	set = bpf_map_lookup_elem(&flows, &index);
	return set ? find_in_set(set, first_slot(hash), t, word, &more) : 0;
}

static __always_inline __u32 phase_timeout(__u8 state)
{
	return config.timeouts[state & L4LB_STATE_PHASE];
}

/* Ticks since the last packet. Another processor may have seen the next tick already. */
static __always_inline __u32 slot_idle(const struct l4lb_flow *slot, __u32 now)
{
	__s32 idle = now - slot->stamp;

	return idle & ~(idle >> 31);
}

static __always_inline int flow_expired(const struct l4lb_flow *slot, __u8 state, __u32 now)
{
	return slot_idle(slot, now) > phase_timeout(state);
}

/* What may be done with a slot, the better the lower. */
enum slot_class {
	SLOT_SAME, /* holds the tuple that is to be inserted */
	SLOT_FREE,
	SLOT_EXPIRED,
	SLOT_RESTING, /* a reply slot whose port is to be left alone for a while */
	SLOT_UNCONFIRMED,
	SLOT_CONFIRMED_DSR,
	SLOT_KEPT, /* a confirmed SNAT connection is never evicted */
};

/*
 * Slots are judged and compared without branches: sixteen slots with a handful of branches each
 * are more paths than the verifier walks, and more mispredictions than a SYN flood should get.
 */
static __always_inline __u64 is_less(__u64 a, __u64 b)
{
	__u64 less = (a - b) >> 63;

	barrier_var(less);
	return less;
}

static __always_inline __u64 is_zero(__u64 a)
{
	return is_less(a, 1);
}

static __always_inline __u64 choose(__u64 condition, __u64 yes, __u64 no)
{
	return no ^ ((yes ^ no) & -condition);
}

/*
 * The class of a slot that is in use. Confirmed is a connection whose backend has answered
 * (SNAT), or whose client has sent several packets over some time (DSR).
 */
static __always_inline __u64 slot_class(const struct l4lb_flow *slot, __u64 word, __u32 now)
{
	__u8 state = WORD_STATE(word);
	__u64 dsr = is_zero(WORD_KIND(word) ^ L4LB_FLOW_DSR);
	__u64 reply = is_zero(WORD_KIND(word) ^ L4LB_FLOW_REPLY);
	__u64 closing = is_zero((state & L4LB_STATE_PHASE) ^ L4LB_PHASE_CLOSING);
	/* The stamp of the other direction reaches this slot only so often. */
	__u64 slack = (dsr ^ 1) << L4LB_PEER_STAMP_SHIFT;
	__u64 idle = slot_idle(slot, now);
	__u64 live = is_less(idle, phase_timeout(state) + slack + 1);
	__u64 resting = reply & closing & is_less(idle, config.port_rest);
	__u64 several =
	    is_less(3, slot->packets) & is_less(1, (__u32)(slot->stamp - slot->created));
	__u64 replied = is_zero(state & L4LB_STATE_REPLIED) ^ 1;
	__u64 confirmed = choose(dsr, several, replied);

	return SLOT_EXPIRED + choose(live, 2 + confirmed * (2 - dsr), resting);
}

/* The slot that a new flow may take. */
struct victim {
	/* The class in the high half; below it the older the lower, or of SLOT_SAME its own class.
	 */
	__u64 score;
	__u64 word;
	__u32 index;
	__u32 busy; /* another processor is writing in these sets */
};

#define SCORE(class) ((__u64)(class) << 32)
#define SCORE_NONE SCORE(SLOT_KEPT)
#define VICTIM_CLASS(v) ((__u32)((v)->score >> 32))
#define VICTIM_OWN_CLASS(v) ((__u32)(v)->score)

/* Improves on *v; 0 where a slot was never used, so that the other set need not be looked at. */
static __always_inline int look_in_set(struct victim *v, __u32 set_index, const struct tuple *t,
				       __u32 start, __u32 now)
{
	struct l4lb_flow_set *set = bpf_map_lookup_elem(&flows, &set_index);

	if (!set)
		return 0;
	for (int i = 0; i < L4LB_SET_SLOTS; i++) {
		__u32 place = (start + i) % L4LB_SET_SLOTS;
		struct l4lb_flow *slot = &set->slots[place];
		__u64 word = slot_word(slot), busy = word & 1, score, better;
		__u64 differs = (LOAD(__u64, &slot->source) ^ t->addresses) |
				(LOAD(__u32, &slot->source_port) ^ t->ports) |
				(WORD_PROTOCOL(word) ^ t->protocol);

		/* The top bit would be mistaken for a borrow. */
		differs = (differs | differs >> 32) & 0xffffffff;
		score = slot_class(slot, word, now);
		score = choose(is_zero(differs), SCORE(SLOT_SAME) + score,
			       SCORE(score) + (__u32)~slot_idle(slot, now));
		score = choose(is_zero(WORD_PROTOCOL(word)), SCORE(SLOT_FREE), score);
		score = choose(busy, SCORE_NONE, score);
		v->busy |= busy;
		better = is_less(score, v->score);
		v->score = choose(better, score, v->score);
		v->word = choose(better, word, v->word);
		v->index = choose(better, set_index * L4LB_SET_SLOTS + place, v->index);
		if (WORD_VERSION(word) == 0)
			return 0;
	}
	return 1;
}

/*
 * The best slot for a tuple in both of its sets. Not static: such a function is verified once,
 * by itself, whoever calls it.
 */
__noinline int find_victim(struct victim *v, const struct tuple *t, __u32 hash, __u32 now)
{
	if (!v || !t)
		return 0;
	v->score = SCORE_NONE;
	v->word = 0;
	v->index = NO_SLOT;
	v->busy = 0;
	if (look_in_set(v, first_set(hash), t, first_slot(hash), now))
		look_in_set(v, second_set(hash), t, first_slot(hash), now);
	return 0;
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
static __always_inline void mark_occupied(__u32 slot_index)
{
	__u32 set = slot_index / L4LB_SET_SLOTS, index = set / L4LB_OCCUPANCY_SETS;
	struct l4lb_occupancy *o = bpf_map_lookup_elem(&occupancy, &index);

	if (o)
		WRITE_ONCE(o->used[set % L4LB_OCCUPANCY_SETS], 1);
}

#endif
