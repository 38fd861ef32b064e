/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A connection's place in the flow table: what may be evicted, and how it is taken and given back.
 * Who has claimed the forward slot owns the connection. The bits of the maps used and kept are
 * hints; what the slot says is what counts.
 */
#ifndef L4LB_RECORD_H
#define L4LB_RECORD_H

#include "flow.h"

#define NO_RECORD -1
/* What may be done with a connection, the better the lower. */
enum record_class {
	RECORD_FREE,
	RECORD_EXPIRED,
	RECORD_UNCONFIRMED,
	RECORD_RESTING, /* its port is to be left alone for a while */
	RECORD_CONFIRMED_DSR,
	RECORD_KEPT, /* a confirmed SNAT connection is never evicted */
};

static __always_inline __u32 bits_words(void)
{
	return config.records / 64;
}

static __always_inline __u64 *used_word(__u32 place, const int family)
{
	place &= bits_words() - 1;
#if HAS_IPV6
	if (family == IPV6)
		return bpf_map_lookup_elem(&used6, &place);
#endif
	return bpf_map_lookup_elem(&used, &place);
}

/* Ends the writing of a connection that is free, and gives its place back. */
static __always_inline void record_give_back(__u32 record, const int family)
{
	struct l4lb_flow *slot = slot_at(record, family);
	__u64 *bits = used_word(record / 64, family);

	if (!slot || !bits)
		return;
	__sync_fetch_and_and(bits, ~(1ull << record % 64));
	slot_publish(slot, slot_word(slot), 0, 0, 0);
}

/* A connection that is being written is not to be: its reply slot goes too. */
__noinline int record_abandon(__u32 record, int family)
{
	USE_FAMILY(family);
	record_clear(record, 0, family);
	record_give_back(record, family);
	return 0;
}

static __always_inline enum record_class slot_class(const struct l4lb_flow *slot, __u64 word,
						    __u32 now)
{
	__u8 state = WORD_STATE(word);
	__u32 idle = slot_idle(slot, now), slack = 0;

	if (!WORD_PROTOCOL(word))
		return RECORD_FREE;
	/* The stamp of the other direction reaches this slot only so often. */
	if (WORD_KIND(word) != L4LB_FLOW_DSR)
		slack = 1 << L4LB_PEER_STAMP_SHIFT;
	if (idle > phase_timeout(state) + slack)
		return WORD_KIND(word) != L4LB_FLOW_DSR && (state & L4LB_STATE_REPLIED) &&
			       (state & L4LB_STATE_PHASE) == L4LB_PHASE_CLOSING &&
			       idle < config.port_rest
			   ? RECORD_RESTING
			   : RECORD_EXPIRED;
	if (!(state & L4LB_STATE_REPLIED))
		return RECORD_UNCONFIRMED;
	return WORD_KIND(word) == L4LB_FLOW_DSR ? RECORD_CONFIRMED_DSR : RECORD_KEPT;
}

/*
 * Claims a connection that may go, and clears it. `most`: the highest class that is taken. A forward
 * slot that is free may have left its reply slot behind, whose port rests.
 */
__noinline int record_seize(__u32 record, __u32 now, __u32 most, int family)
{
	struct l4lb_flow *slot = slot_at(record, family), *reply;
	enum record_class class;
	__u64 word, *bits;

	USE_FAMILY(family);
	if (!slot)
		return 0;
	word = slot_word(slot);
	class = slot_class(slot, word, now);
	if (class == RECORD_FREE && HAS_SNAT) {
		reply = slot_at(reply_slot(record), family);
		class = reply ? slot_class(reply, slot_word(reply), now) : RECORD_KEPT;
	}
	if ((word & 1) || class > most || !slot_claim(slot, word))
		return 0;
	if (class == RECORD_FREE) {
		bits = used_word(record / 64, family);
		if (bits)
			__sync_fetch_and_or(bits, 1ull << record % 64);
	} else if (class == RECORD_UNCONFIRMED) {
		count(L4LB_EVENT_UNCONFIRMED_EVICTED);
	} else if (class == RECORD_CONFIRMED_DSR) {
		count(L4LB_EVENT_DSR_EVICTED);
	}
	record_clear(record, word, family);
	return 1;
}

/*
 * The client begins anew with a tuple that the slot `index` holds. Gives the connection's place for
 * the new one. Where its port has to rest, the reply slot stays and the forward slot is freed:
 * NO_RECORD, as where another processor is at it.
 */
__noinline int record_renew(__u32 index, __u32 now, int family)
{
	__u32 record = record_of(index);
	struct l4lb_flow *slot = slot_at(record, family);
	__u64 word;

	USE_FAMILY(family);
	/* Without SNAT nobody looks at it: the same rule. */
	barrier_var(now);
	if (!slot)
		return NO_RECORD;
	word = slot_word(slot);
	if ((word & 1) || !slot_claim(slot, word))
		return NO_RECORD;
	if (HAS_SNAT && WORD_KIND(word) == L4LB_FLOW_SNAT &&
	    (WORD_STATE(word) & L4LB_STATE_PHASE) == L4LB_PHASE_CLOSING &&
	    slot_idle(slot, now) < config.port_rest) {
		flow_retire(slot, word, record, family);
		slot_publish(slot, word, 0, 0, 0);
		return NO_RECORD;
	}
	record_clear(record, word, family);
	return record;
}

/*
 * Takes one entry out of a full bucket: one that is stale, or of a connection that may go. `try`
 * is the place in the bucket, and in a second round also confirmed DSR connections go. `own` is
 * being written and stays. 1 where the place is free now.
 */
__noinline int entry_make_room(__u32 hash, __u32 try, __u32 own, __u32 now, int family)
{
	struct l4lb_bucket *bucket = bucket_at(hash & (__u32)index_masks(family), family);
	__u32 most = try < L4LB_BUCKET_ENTRIES ? RECORD_UNCONFIRMED : RECORD_CONFIRMED_DSR;
	__u32 *at, entry, record;
	struct l4lb_flow *slot;
	__u64 word;

	USE_FAMILY(family);
	if (!bucket)
		return 0;
	at = entry_at(bucket, try);
	entry = LOAD(__u32, at);
	if (!entry)
		return 1;
	record = record_of(ENTRY_SLOT(entry));
	slot = slot_at(ENTRY_SLOT(entry), family);
	if (!slot || record == own)
		return 0;
	word = slot_word(slot);
	if (!(word & 1) && (!WORD_PROTOCOL(word) || tag_of(slot->hash) != ENTRY_TAG(entry))) {
		__sync_val_compare_and_swap(at, entry, 0);
		return 1;
	}
	if (!record_seize(record, now, most, family))
		return 0;
	record_give_back(record, family);
	return 1;
}

/* Names a slot of connection `own` in the index; 0 where sixteen confirmed ones have its bucket. */
__noinline int index_name(__u32 hash, __u32 slot, __u32 own, __u32 now, int family)
{
	if (likely(index_insert(hash, slot, family)))
		return 1;
#pragma clang loop unroll(disable)
	for (__u32 try = 0; try < 2 * L4LB_BUCKET_ENTRIES; try++) {
		if (entry_make_room(hash, try, own, now, family))
			return index_insert(hash, slot, family);
	}
	return 0;
}

#endif
