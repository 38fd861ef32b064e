/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which slot a new flow may take: what is in use, what has ended, and what may be evicted. */
#ifndef L4LB_VICTIM_H
#define L4LB_VICTIM_H

#include "table.h"

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

/*
 * Improves on *v; 0 where a slot was never used, so that the other set need not be looked at. The
 * loop is kept, and what it reads and writes is volatile: held in registers it would not fit, and
 * what the compiler saves on the stack is more than the verifier allows.
 */
static __always_inline int look_in_set(volatile struct victim *v, __u32 set_index,
				       const volatile struct tuple *t, __u32 start, __u32 now,
				       const int family)
{
	void *set = set_at(set_index, family);

	if (!set)
		return 0;
	/* All lines of the set at once: the loop below would wait for them one after the other. */
#pragma unroll
	for (int i = 0; i < L4LB_SET_SLOTS; i++)
		slot_word(slot_of(set, i, family));
#pragma clang loop unroll(disable)
	for (int i = 0; i < L4LB_SET_SLOTS; i++) {
		__u32 place = (start + i) % L4LB_SET_SLOTS;
		struct l4lb_flow *slot = slot_of(set, place, family);
		__u64 word = slot_word(slot), score;
		__u64 differs = (LOAD(__u64, &slot->source) ^ t->addresses) |
				(LOAD(__u32, &slot->source_port) ^ t->ports) |
				(WORD_PROTOCOL(word) ^ t->protocol);

		/* The top bit would be mistaken for a borrow. */
		differs = (differs | differs >> 32) & 0xffffffff;
		score = slot_class(slot, word, now);
		score = choose(is_zero(differs), SCORE(SLOT_SAME) + score,
			       SCORE(score) + (__u32)~slot_idle(slot, now));
		score = choose(is_zero(WORD_PROTOCOL(word)), SCORE(SLOT_FREE), score);
		score = choose(word & 1, SCORE_NONE, score);
		v->busy |= word & 1;
		if (score < v->score) {
			v->score = score;
			v->word = word;
			v->index = set_index * L4LB_SET_SLOTS + place;
		}
		if (WORD_VERSION(word) == 0)
			return 0;
	}
	return 1;
}

static __always_inline struct l4lb_pressure *pressure_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&pressure, &zero);
}

/* Evictions come in numbers only where the table is full: a flood of new connections. */
static __always_inline int is_flooded(__u32 now)
{
	struct l4lb_pressure *here = pressure_here();

	return here && here->tick == now && here->evictions >= L4LB_FLOOD_EVICTIONS;
}

static __always_inline void count_unconfirmed(__u32 now)
{
	struct l4lb_pressure *here = pressure_here();

	count(L4LB_EVENT_UNCONFIRMED_EVICTED);
	if (!here)
		return;
	if (here->tick != now) {
		here->tick = now;
		here->evictions = 0;
	}
	here->evictions += 1;
}

/*
 * The best slot for a tuple in both of its sets. The second is not looked at where the first has
 * room and the tuple cannot lie there; in a flood also not where the first has a connection that
 * may be evicted, as memory is all that a flood costs.
 */
static __always_inline int find_best(struct victim *v, const struct tuple *t, __u32 hash, __u32 now,
				     const int family)
{
	__u32 first = first_set(hash);

	if (!v || !t)
		return 0;
	v->score = SCORE_NONE;
	v->word = 0;
	v->index = NO_SLOT;
	v->busy = 0;
	if (!look_in_set(v, first, t, first_slot(hash), now, family))
		return 0;
	if (!set_spills(first, family) &&
	    (VICTIM_CLASS(v) <= SLOT_EXPIRED ||
	     (VICTIM_CLASS(v) == SLOT_UNCONFIRMED && is_flooded(now))))
		return 0;
	look_in_set(v, second_set(hash), t, first_slot(hash), now, family);
	return 0;
}

/* Not static: such a function is verified once, by itself, whoever calls it. */
__noinline int find_victim4(struct victim *v, const struct tuple *t, __u32 hash, __u32 now)
{
	return find_best(v, t, hash, now, IPV4);
}

#if HAS_IPV6
__noinline int find_victim6(struct victim *v, const struct tuple *t, __u32 hash, __u32 now)
{
	return find_best(v, t, hash, now, IPV6);
}
#endif

static __always_inline void find_victim(struct victim *v, const struct tuple *t, __u32 hash,
					__u32 now, const int family)
{
#if HAS_IPV6
	if (family == IPV6) {
		find_victim6(v, t, hash, now);
		return;
	}
#endif
	find_victim4(v, t, hash, now);
}

#endif
