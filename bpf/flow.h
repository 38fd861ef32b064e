/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The life of a connection: its state, its counters, its end. A slot is told by its number. */
#ifndef L4LB_FLOW_H
#define L4LB_FLOW_H

#include "index.h"

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

static __always_inline __u64 *kept_word(__u32 place, const int family)
{
	place &= config.records / 64 - 1;
#if HAS_IPV6
	if (family == IPV6)
		return bpf_map_lookup_elem(&kept6, &place);
#endif
	return bpf_map_lookup_elem(&kept, &place);
}

/* A connection is confirmed: others are evicted before it. */
static __always_inline void record_keep(__u32 record, const int family)
{
	__u64 *bits = kept_word(record / 64, family), bit = 1ull << record % 64;

	if (bits && !(LOAD(__u64, bits) & bit))
		__sync_fetch_and_or(bits, bit);
}

/*
 * The state byte with its phase worked out anew. UDP has one phase. In DSR the backend's side is
 * not seen, so that the client's alone decides.
 */
static __always_inline __u8 state_with_phase(__u8 kind, __u8 protocol, __u8 seen)
{
	__u8 both = L4LB_STATE_CLIENT_FIN, opened = L4LB_STATE_ACKED;
	__u8 phase = L4LB_PHASE_SYN;

	if (kind != L4LB_FLOW_DSR) {
		both |= L4LB_STATE_BACKEND_FIN;
		opened |= L4LB_STATE_REPLIED;
	}
	if (protocol != PROTOCOL_TCP)
		phase = L4LB_PHASE_UDP;
	else if ((seen & both) == both || (seen & L4LB_STATE_RESET))
		phase = L4LB_PHASE_CLOSING;
	else if ((seen & opened) == opened)
		phase = L4LB_PHASE_ESTABLISHED;
	return (seen & ~L4LB_STATE_PHASE) | phase;
}

static __always_inline __u8 seen_from_client(__u8 tcp_flags)
{
	__u8 seen = 0;

	if (!(tcp_flags & TCP_SYN))
		seen |= L4LB_STATE_ACKED;
	if (tcp_flags & TCP_FIN)
		seen |= L4LB_STATE_CLIENT_FIN;
	if (tcp_flags & TCP_RST)
		seen |= L4LB_STATE_RESET;
	return seen;
}

static __always_inline __u8 seen_from_backend(__u8 tcp_flags)
{
	__u8 seen = tcp_flags & TCP_RST ? L4LB_STATE_RESET : L4LB_STATE_REPLIED;

	if (tcp_flags & TCP_FIN)
		seen |= L4LB_STATE_BACKEND_FIN;
	return seen;
}

/* Adds what was seen to a slot, as long as it holds the flow that *word tells of. */
static __always_inline void slot_add_state(struct l4lb_flow *slot, __u64 word, __u8 seen)
{
	for (int i = 0; i < 4; i++) {
		__u8 state =
		    state_with_phase(WORD_KIND(word), WORD_PROTOCOL(word), WORD_STATE(word) | seen);
		__u64 new = MAKE_WORD(WORD_VERSION(word), WORD_PROTOCOL(word), WORD_KIND(word),
				      state, WORD_DEVICE(word));
		__u64 old;

		if (new == word)
			return;
		old = __sync_val_compare_and_swap(SLOT_WORD(slot), word, new);
		if (old == word || WORD_VERSION(old) != WORD_VERSION(word))
			return;
		word = old;
	}
}

/* This device is where the client's packets come from now. */
static __always_inline void slot_set_device(struct l4lb_flow *slot, __u64 word)
{
	__u64 new = MAKE_WORD(WORD_VERSION(word), WORD_PROTOCOL(word), WORD_KIND(word),
			      WORD_STATE(word), config.device);

	if (new != word)
		__sync_val_compare_and_swap(SLOT_WORD(slot), word, new);
}

/* The other direction's slot, where there is one. */
static __always_inline struct l4lb_flow *flow_peer(__u32 index, __u64 word, __u64 *peer_word,
						   int family)
{
	struct l4lb_flow *peer = slot_at(index ^ config.records, family);
	__u8 wanted = WORD_KIND(word) == L4LB_FLOW_SNAT ? L4LB_FLOW_REPLY : L4LB_FLOW_SNAT;

	if (!peer)
		return 0;
	*peer_word = slot_word(peer);
	return !(*peer_word & 1) && WORD_KIND(*peer_word) == wanted ? peer : 0;
}

/* A state change is rare, so both directions are told: each then knows the whole. */
__noinline int flow_add_state(__u32 index, __u32 seen, int family)
{
	struct l4lb_flow *slot = slot_at(index, family), *peer;
	__u64 word, peer_word;

	USE_FAMILY(family);
	if (!slot)
		return 0;
	word = slot_word(slot);
	if (DRY || (word & 1))
		return 0;
	slot_add_state(slot, word, seen);
	if (WORD_KIND(word) == L4LB_FLOW_DSR)
		return 0;
	peer = flow_peer(index, word, &peer_word, family);
	if (peer)
		slot_add_state(peer, peer_word, seen);
	if (seen & L4LB_STATE_REPLIED)
		record_keep(record_of(index), family);
	return 0;
}

static __always_inline struct l4lb_backend *backend_of(const struct l4lb_flow *slot)
{
	__u32 index = slot->backend;

	return bpf_map_lookup_elem(&backends, &index);
}

/* Counters are not atomic: a flow's packets come on one processor (RSS). */
static __always_inline void flow_account(struct l4lb_flow *slot, __u32 length)
{
	if (DRY)
		return;
	slot->packets += 1;
	slot->bytes += length;
}

/*
 * In DSR the backend's answer is not seen: confirmed is a connection whose client has sent several
 * packets over some time.
 */
static __always_inline void confirm_dsr(struct l4lb_flow *slot, __u32 index, __u64 word, __u32 now,
					const int family)
{
	if ((WORD_STATE(word) & L4LB_STATE_REPLIED) || slot->packets <= 3 ||
	    now - slot->created <= 1)
		return;
	slot_add_state(slot, word, L4LB_STATE_REPLIED);
	record_keep(index, family);
}

/* A new tick for a slot; 0 where the connection had ended before this packet. */
__noinline int flow_touch(__u32 index, __u32 now, int family)
{
	struct l4lb_flow *slot = slot_at(index, family), *peer;
	__u64 word, peer_word;
	__u32 old;

	USE_FAMILY(family);
	if (!slot)
		return 0;
	word = slot_word(slot);
	if (flow_expired(slot, WORD_STATE(word), now))
		return 0;
	old = slot->stamp;
	if (DRY || (__s32)(now - old) < 0)
		return 1;
	slot->stamp = now;
	if (WORD_KIND(word) == L4LB_FLOW_DSR) {
		confirm_dsr(slot, index, word, now, family);
		return 1;
	}
	if (!((old ^ now) >> L4LB_PEER_STAMP_SHIFT))
		return 1;
	peer = flow_peer(index, word, &peer_word, family);
	if (peer)
		peer->stamp = now;
	return 1;
}

/* A flow goes from its slot, which has been claimed: the index forgets it, its counters are kept. */
static __always_inline void flow_retire(const struct l4lb_flow *slot, __u64 word, __u32 index,
					int family)
{
	__u32 backend = slot->backend;
	struct l4lb_totals *t = bpf_map_lookup_elem(&totals, &backend);

	index_remove(slot->hash, index, family);
	if (!t)
		return;
	if (WORD_KIND(word) != L4LB_FLOW_REPLY) {
		__sync_fetch_and_add(&t->connections, 1);
		__sync_fetch_and_add(&t->packets, slot->packets);
		__sync_fetch_and_add(&t->bytes, slot->bytes);
	} else if (slot->packets) {
		__sync_fetch_and_add(&t->reply_packets, slot->packets);
		__sync_fetch_and_add(&t->reply_bytes, slot->bytes);
	}
}

/* Takes all out of a connection whose forward slot has been claimed, and was `word` before. */
__noinline int record_clear(__u32 record, __u64 word, int family)
{
	struct l4lb_flow *slot = slot_at(record, family);
	__u64 *bits = kept_word(record / 64, family), bit = 1ull << record % 64;

	USE_FAMILY(family);
	if (!slot || !bits)
		return 0;
	if (WORD_PROTOCOL(word))
		flow_retire(slot, word, record, family);
	if (LOAD(__u64, bits) & bit)
		__sync_fetch_and_and(bits, ~bit);
	if (WORD_KIND(word) == L4LB_FLOW_DSR)
		return 0;
	slot = slot_at(reply_slot(record), family);
	if (!slot)
		return 0;
	/* It need not be claimed: only who owns the connection gives it to another flow. */
	word = slot_word(slot);
	if (!WORD_PROTOCOL(word))
		return 0;
	flow_retire(slot, word, reply_slot(record), family);
	slot_publish(slot, word, 0, 0, 0);
	return 0;
}

/* What a new flow's slots of both directions have in common. The slot has been claimed. */
static __always_inline void slot_fill(struct l4lb_flow *slot, const struct packet *p,
				      const struct tuple *t, __u32 hash, const __u8 *client_mac)
{
	STORE(__u64, &slot->source, t->addresses);
	STORE(__u32, &slot->source_port, t->ports);
	slot->hash = hash;
	slot->stamp = p->now;
	slot->packets = 0;
	slot->bytes = 0;
	STORE(__u32, slot->client_mac, LOAD(__u32, client_mac));
	STORE(__u16, slot->client_mac + 4, LOAD(__u16, client_mac + 4));
}

#endif
