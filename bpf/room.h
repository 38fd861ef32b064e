/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Room for a new connection: a free place, else that of a connection that is evicted. Both are
 * looked for in maps of bits, so that a table of a million connections is searched in kilobytes.
 */
#ifndef L4LB_ROOM_H
#define L4LB_ROOM_H

#include "record.h"

/* Words of the maps of bits that are walked over at once: a million connections, some 30 us. */
#define SEARCH_WORDS 16384
/* A search that has walked over more of them was long. */
#define SCARCE_WORDS 256
/* How often a search takes up again. */
#define SEARCH_TRIES 8
/* Confirmed connections of which one search may find one that is to go. */
#define SEARCH_CONFIRMED 16
/* Words that lie between the processors' hands: they share no cache line. */
#define HAND_DISTANCE 8

static __always_inline struct l4lb_hand *hand_of(const int family)
{
	__u32 place = family == IPV6;

	return bpf_map_lookup_elem(&hands, &place);
}

/* The lowest bit of a word that is not 0: those below it, counted. clang 14 crashes on the builtin,
 * and on what it takes for it, hence the barrier. */
static __always_inline __u32 lowest_bit(__u64 word)
{
	__u64 below = ~word & (word - 1);

	barrier_var(below);
	below -= below >> 1 & 0x5555555555555555;
	below = (below & 0x3333333333333333) + (below >> 2 & 0x3333333333333333);
	below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return below * 0x0101010101010101 >> 56;
}

/* A walk over a map of bits. */
struct walk {
	__u32 start;
	__u32 kept; /* else the map used */
	int family;
	__u32 found;
};

static long walk_over(__u32 i, struct walk *w)
{
	__u32 place = w->start + i;
	__u64 *bits = w->kept ? kept_word(place, w->family) : used_word(place, w->family);

	if (bits && !~LOAD(__u64, bits))
		return 0;
	w->found = 1;
	return 1;
}

/* How many words are full from one on. A loop of the helper's (Linux 5.17) is verified once. */
static __noinline __u32 full_words(__u32 start, __u32 kept, int family)
{
	struct walk w = {.start = start, .kept = kept, .family = family};
	__u32 words = bits_words() < SEARCH_WORDS ? bits_words() : SEARCH_WORDS;

	/* It gives the number of calls, that of the last one included. */
	words = bpf_loop(words, walk_over, &w, 0);
	return words - w.found;
}

/* A place that nobody uses, its forward slot claimed; or NO_RECORD. */
static __always_inline int search_free(struct l4lb_hand *hand, __u32 now, const int family)
{
	struct l4lb_flow_index *index = flow_index_of(family);
	__u32 record, passed = 0;
	struct l4lb_flow *slot;
	__u64 word, bit, *bits;

	if (!index)
		return NO_RECORD;
	if (hand->round != index->round) {
		hand->round = index->round;
		hand->free = index->low + bpf_get_smp_processor_id() * HAND_DISTANCE;
		hand->none_free = now - 1;
	}
	if (hand->none_free == now)
		return NO_RECORD;
#pragma clang loop unroll(disable)
	for (int i = 0; i < SEARCH_TRIES; i++) {
		bits = used_word(hand->free, family);
		if (!bits)
			return NO_RECORD;
		word = ~LOAD(__u64, bits);
		if (!word) {
			record = full_words(hand->free, 0, family);
			hand->free += record;
			passed += record;
			if (passed < bits_words())
				continue;
			hand->none_free = now;
			return NO_RECORD;
		}
		bit = 1ull << lowest_bit(word);
		if (__sync_fetch_and_or(bits, bit) & bit)
			continue;
		record = record_of(hand->free * 64 + lowest_bit(word));
		slot = slot_at(record, family);
		if (!slot)
			return NO_RECORD;
		word = slot_word(slot);
		if (!(word & 1) && !WORD_PROTOCOL(word) && slot_claim(slot, word)) {
			/* The agent may just have taken the bit for one that was left behind. */
			if (unlikely(!(LOAD(__u64, bits) & bit)))
				__sync_fetch_and_or(bits, bit);
			return record;
		}
	}
	return NO_RECORD;
}

/*
 * Evicts an unconfirmed connection, the oldest first as the hand goes round; or NO_RECORD. Where one
 * was hard to find, the hand stays there for a tick: the way to another is longer than a packet may
 * take in a flood.
 */
static __always_inline int evict_unconfirmed(struct l4lb_hand *hand, __u32 now, const int family)
{
	__u32 record, passed = 0;
	__u64 word, *bits;

#pragma clang loop unroll(disable)
	for (int i = 0; i < SEARCH_TRIES; i++) {
		bits = kept_word(hand->evict / 64, family);
		if (!bits)
			return NO_RECORD;
		word = ~LOAD(__u64, bits) >> hand->evict % 64;
		if (word) {
			hand->evict += lowest_bit(word);
			record = record_of(hand->evict);
			if (passed > SCARCE_WORDS)
				hand->scarce = now;
			if (record_seize(record, now, RECORD_UNCONFIRMED, family)) {
				if (hand->scarce != now)
					hand->evict += 1;
				return record;
			}
			hand->evict += 1;
			continue;
		}
		record = 1 + full_words(hand->evict / 64 + 1, 1, family);
		hand->evict = (hand->evict / 64 + record) * 64;
		passed += record;
		if (passed > bits_words()) {
			hand->none_evictable = now;
			return NO_RECORD;
		}
	}
	return NO_RECORD;
}

/*
 * Where all are confirmed: one that has ended, or a DSR connection. The next new connection takes the
 * same place, unless this one is confirmed by then: a flood evicts no more than it must.
 */
static __always_inline int evict_confirmed(struct l4lb_hand *hand, __u32 now, const int family)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < SEARCH_CONFIRMED; i++) {
		__u32 record = record_of(hand->evict);

		if (record_seize(record, now, RECORD_CONFIRMED_DSR, family)) {
			hand->none_evictable = now - 1;
			return record;
		}
		hand->evict += 1;
	}
	return NO_RECORD;
}

static __always_inline int take_record(__u32 now, const int family)
{
	struct l4lb_hand *hand = hand_of(family);
	int record;

	if (!hand)
		return NO_RECORD;
	record = search_free(hand, now, family);
	if (record < 0 && hand->none_evictable != now)
		record = evict_unconfirmed(hand, now, family);
	if (record < 0 && hand->none_evictable == now)
		record = evict_confirmed(hand, now, family);
	return record;
}

/* Not static: such a function is verified once, by itself, whoever calls it. */
__noinline int record_take4(__u32 now)
{
	return take_record(now, IPV4);
}

#if HAS_IPV6
__noinline int record_take6(__u32 now)
{
	return take_record(now, IPV6);
}
#else
#define record_take6 record_take4
#endif

/* A place for a new connection, its forward slot claimed; or NO_RECORD. */
static __always_inline int record_take(__u32 now, const int family)
{
	return family == IPV6 ? record_take6(now) : record_take4(now);
}

static __always_inline void touch_flow(__u32 index, const int family)
{
	struct l4lb_flow *slot = slot_at(index, family);
	struct l4lb_bucket *bucket;
	struct l4lb_totals *sums;
	__u32 backend;

	if (!slot)
		return;
	bucket = bucket_at(slot->hash & (__u32)index_masks(family), family);
	if (bucket)
		LOAD(__u32, entry_at(bucket, first_entry(slot->hash)));
	backend = slot->backend;
	sums = bpf_map_lookup_elem(&totals, &backend);
	if (sums)
		LOAD(__u64, sums);
}

/*
 * In a full table it is known which connection will be evicted for the next one. What its end needs
 * is read now, so that this wait for memory is over when the new one's own is.
 */
static __always_inline void touch_evictable(__u32 now, const int family)
{
	struct l4lb_hand *hand = hand_of(family);
	__u32 record;

	if (!hand || hand->none_free != now)
		return;
	record = record_of(hand->evict);
	touch_flow(record, family);
	if (HAS_SNAT)
		touch_flow(reply_slot(record), family);
}

#endif
