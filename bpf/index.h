/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The index of a flow table: buckets of sixteen entries, one cache line each, no more of them than
 * the flows need (the agent sees to it). A flow has one bucket, and lies at any place in it.
 */
#ifndef L4LB_INDEX_H
#define L4LB_INDEX_H

#include "table.h"

#define ENTRY_SLOT(entry) ((entry) & ((1u << L4LB_ENTRY_SLOT_BITS) - 1))
#define ENTRY_TAG(entry) ((entry) & ~((1u << L4LB_ENTRY_SLOT_BITS) - 1))

static __always_inline __u32 tag_of(__u32 hash)
{
	__u32 tag = ENTRY_TAG(hash);

	return tag ? tag : 1u << L4LB_ENTRY_SLOT_BITS;
}

/* Where in its bucket a flow is looked for first. */
static __always_inline __u32 first_entry(__u32 hash)
{
	return hash >> 21;
}

static __always_inline struct l4lb_flow_index *flow_index_of(const int family)
{
	__u32 place = family == IPV6;

	return bpf_map_lookup_elem(&flow_index, &place);
}

/*
 * Both masks at one time. A flow's bucket is told by the low half. Where they differ, the agent is
 * moving entries there from the bucket that the high half tells, which is to be looked into first:
 * a copy is made before the original goes, so that none is missed between the two.
 */
static __always_inline __u64 index_masks(const int family)
{
	struct l4lb_flow_index *index = flow_index_of(family);

	return index ? LOAD(__u64, index) : 0;
}

static __always_inline struct l4lb_bucket *bucket_at(__u32 place, const int family)
{
#if HAS_IPV6
	if (family == IPV6)
		return bpf_map_lookup_elem(&buckets6, &place);
#endif
	return bpf_map_lookup_elem(&buckets, &place);
}

/* An entry, and a way for the compiler to forget what it knows of the place. */
static __always_inline __u32 *entry_at(struct l4lb_bucket *bucket, __u32 place)
{
	place %= L4LB_BUCKET_ENTRIES;
	barrier_var(place);
	return &bucket->entries[place];
}

/* The slot that an entry names, where it holds the flow. */
static __always_inline struct l4lb_flow *find_at_entry(__u32 entry, const struct tuple *t,
						       __u64 *word, __u32 *index, const int family)
{
	struct l4lb_flow *slot;
	__u64 w;

	*index = ENTRY_SLOT(entry);
	slot = slot_at(*index, family);
	if (!slot)
		return 0;
	w = slot_word(slot);
	*word = w;
	return slot_holds(slot, w, t) && !(w & 1) ? slot : 0;
}

/*
 * How many entries have a tag, two at a time: where a tag is another one, the 7 bits of the
 * difference, shifted, carry into the bit above them when all ones are added.
 */
static __always_inline __u32 bucket_tags(const struct l4lb_bucket *bucket, __u32 tag)
{
	const __u64 tags = (__u64)tag << 32 | tag, field = 0xfe000000fe000000, ones = field >> 7;
	__u64 others = 0;

#pragma unroll
	for (int i = 0; i < L4LB_BUCKET_ENTRIES; i += 2)
		others += (((((LOAD(__u64, &bucket->entries[i]) ^ tags) & field) >> 7) + ones) &
			   0x0200000002000000) >> 25;
	return L4LB_BUCKET_ENTRIES - (__u32)(others + (others >> 32));
}

/* Flows mostly lie where they are looked for first, and new ones are in no entry. */
static __always_inline struct l4lb_flow *find_in_bucket(struct l4lb_bucket *bucket,
							const struct tuple *t, __u32 hash,
							__u64 *word, __u32 *index, const int family)
{
	__u32 tag = tag_of(hash), start = first_entry(hash);
	__u32 entry = LOAD(__u32, entry_at(bucket, start));
	struct l4lb_flow *slot;

	if (likely(ENTRY_TAG(entry) == tag)) {
		slot = find_at_entry(entry, t, word, index, family);
		if (likely(slot))
			return slot;
	}
	if (!bucket_tags(bucket, tag))
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 1; i < L4LB_BUCKET_ENTRIES; i++) {
		entry = LOAD(__u32, entry_at(bucket, start + i));
		if (ENTRY_TAG(entry) != tag)
			continue;
		slot = find_at_entry(entry, t, word, index, family);
		if (slot)
			return slot;
	}
	return 0;
}

/* The slot of a flow, its number, and the word that was read with it; 0 where there is none. */
static __always_inline struct l4lb_flow *flow_find(const struct tuple *t, __u32 hash, __u64 *word,
						   __u32 *index, const int family)
{
	__u64 masks = index_masks(family);
	struct l4lb_bucket *bucket;
	struct l4lb_flow *slot;

	if (unlikely((__u32)masks != masks >> 32)) {
		bucket = bucket_at(hash & masks >> 32, family);
		slot = bucket ? find_in_bucket(bucket, t, hash, word, index, family) : 0;
		if (slot)
			return slot;
	}
	bucket = bucket_at(hash & (__u32)masks, family);
	return bucket ? find_in_bucket(bucket, t, hash, word, index, family) : 0;
}

/* flow_find for where its size matters more than its speed: the slot's number, or NO_SLOT. */
static __noinline __u32 flow_look_up(const struct tuple *t, __u32 hash, __u64 *word, int family)
{
	struct l4lb_flow *slot;
	__u32 index = NO_SLOT;

#if HAS_IPV6
	if (family == IPV6) {
		slot = flow_find(t, hash, word, &index, IPV6);
		return slot ? index : NO_SLOT;
	}
#endif
	slot = flow_find(t, hash, word, &index, IPV4);
	return slot ? index : NO_SLOT;
}

/* Names a slot in the index; 0 where the flow's bucket is full. */
__noinline int index_insert(__u32 hash, __u32 slot, int family)
{
	struct l4lb_bucket *bucket = bucket_at(hash & (__u32)index_masks(family), family);

	USE_FAMILY(family);
	if (!bucket)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < L4LB_BUCKET_ENTRIES; i++) {
		__u32 *entry = entry_at(bucket, first_entry(hash) + i);

		if (!LOAD(__u32, entry) &&
		    !__sync_val_compare_and_swap(entry, 0, tag_of(hash) | slot))
			return 1;
	}
	return 0;
}

static __always_inline void remove_from_bucket(struct l4lb_bucket *bucket, __u32 hash, __u32 slot)
{
	__u32 gone = tag_of(hash) | slot;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < L4LB_BUCKET_ENTRIES; i++) {
		__u32 *entry = entry_at(bucket, first_entry(hash) + i);

		if (LOAD(__u32, entry) == gone) {
			__sync_val_compare_and_swap(entry, gone, 0);
			return;
		}
	}
}

/* While the agent moves entries, one may be in both of its buckets. */
__noinline int index_remove(__u32 hash, __u32 slot, int family)
{
	__u64 masks = index_masks(family);
	struct l4lb_bucket *bucket;

	USE_FAMILY(family);
	if (unlikely((__u32)masks != masks >> 32)) {
		bucket = bucket_at(hash & masks >> 32, family);
		if (bucket)
			remove_from_bucket(bucket, hash, slot);
	}
	bucket = bucket_at(hash & (__u32)masks, family);
	if (bucket)
		remove_from_bucket(bucket, hash, slot);
	return 0;
}

static __always_inline int twin_in_bucket(struct l4lb_bucket *bucket, const struct l4lb_flow *own,
					  __u32 hash, __u32 index, const int family)
{
	/* It is in one of them itself, at most. */
	if (likely(bucket_tags(bucket, tag_of(hash)) <= 1))
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < L4LB_BUCKET_ENTRIES; i++) {
		__u32 entry = LOAD(__u32, &bucket->entries[i]);
		struct l4lb_flow *slot;

		if (ENTRY_TAG(entry) != tag_of(hash) || ENTRY_SLOT(entry) == index)
			continue;
		slot = slot_at(ENTRY_SLOT(entry), family);
		if (slot && LOAD(__u64, &slot->source) == LOAD(__u64, &own->source) &&
		    LOAD(__u32, &slot->source_port) == LOAD(__u32, &own->source_port))
			return 1;
	}
	return 0;
}

/*
 * Whether another slot that the index names holds the same ends, be it still being written: two
 * processors that choose one port at the same time both see each other's, and give up.
 */
__noinline int index_has_twin(__u32 hash, __u32 index, int family)
{
	__u64 masks = index_masks(family);
	struct l4lb_flow *own = slot_at(index, family);
	struct l4lb_bucket *bucket;

	USE_FAMILY(family);
	if (!own)
		return 1;
	if (unlikely((__u32)masks != masks >> 32)) {
		bucket = bucket_at(hash & masks >> 32, family);
		if (!bucket || twin_in_bucket(bucket, own, hash, index, family))
			return 1;
	}
	bucket = bucket_at(hash & (__u32)masks, family);
	return !bucket || twin_in_bucket(bucket, own, hash, index, family);
}

#endif
