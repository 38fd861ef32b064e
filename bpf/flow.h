/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The life of a connection: its state, its counters, its end. */
#ifndef L4LB_FLOW_H
#define L4LB_FLOW_H

#include "victim.h"

/*
 * The state byte with its phase worked out anew, without branches (see victim.h). UDP has one
 * phase. In DSR the backend's side is not seen, so that the client's alone decides.
 */
static __always_inline __u8 state_with_phase(__u8 kind, __u8 protocol, __u8 seen)
{
	__u64 tcp = is_zero(protocol ^ PROTOCOL_TCP);
	__u64 dsr = is_zero(kind ^ L4LB_FLOW_DSR);
	__u64 both = L4LB_STATE_CLIENT_FIN | choose(dsr, 0, L4LB_STATE_BACKEND_FIN);
	__u64 opened = L4LB_STATE_ACKED | choose(dsr, 0, L4LB_STATE_REPLIED);
	__u64 closing = is_zero(~seen & both) | (is_zero(seen & L4LB_STATE_RESET) ^ 1);
	__u64 established = is_zero(~seen & opened);
	__u64 phase = choose(closing, L4LB_PHASE_CLOSING, established);

	return (seen & ~L4LB_STATE_PHASE) | choose(tcp, phase, L4LB_PHASE_UDP);
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

/* The other direction's slot, where it still belongs to this one. */
static __always_inline struct l4lb_flow *flow_peer(const struct l4lb_flow *slot, __u64 word,
						   __u64 *peer_word, int family)
{
	struct l4lb_flow *peer = slot_at(slot->peer, family);
	struct l4lb_flow *back;
	__u8 wanted = WORD_KIND(word) == L4LB_FLOW_SNAT ? L4LB_FLOW_REPLY : L4LB_FLOW_SNAT;

	if (!peer)
		return 0;
	*peer_word = slot_word(peer);
	if ((*peer_word & 1) || WORD_KIND(*peer_word) != wanted || !WORD_PROTOCOL(*peer_word))
		return 0;
	back = slot_at(peer->peer, family);
	return back == slot ? peer : 0;
}

/* A state change is rare, so both directions are told: each then knows the whole. */
__noinline int flow_add_state(struct l4lb_flow *slot, __u32 seen, int family)
{
	struct l4lb_flow *peer;
	__u64 word, peer_word;

	USE_FAMILY(family);
	if (!slot)
		return 0;
	word = slot_word(slot);
	if (word & 1)
		return 0;
	slot_add_state(slot, word, seen);
	if (WORD_KIND(word) == L4LB_FLOW_DSR)
		return 0;
	peer = flow_peer(slot, word, &peer_word, family);
	if (peer)
		slot_add_state(peer, peer_word, seen);
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
	slot->packets += 1;
	slot->bytes += length;
}

/* A new tick for a slot; 0 where the connection had ended before this packet. */
__noinline int flow_touch(struct l4lb_flow *slot, __u32 now, int family)
{
	struct l4lb_flow *peer;
	__u64 word, peer_word;
	__u32 old;

	USE_FAMILY(family);
	if (!slot)
		return 0;
	word = slot_word(slot);
	if (flow_expired(slot, WORD_STATE(word), now))
		return 0;
	old = slot->stamp;
	if ((__s32)(now - old) < 0)
		return 1;
	slot->stamp = now;
	if (WORD_KIND(word) == L4LB_FLOW_DSR || !((old ^ now) >> L4LB_PEER_STAMP_SHIFT))
		return 1;
	peer = flow_peer(slot, word, &peer_word, family);
	if (peer)
		peer->stamp = now;
	return 1;
}

/* What a slot that is being written is to know of where it lies. */
static __always_inline __u8 slot_spilled(__u32 index, __u32 hash, const int family)
{
	if (likely(index / L4LB_SET_SLOTS == first_set(hash)))
		return 0;
	spills_add(first_set(hash), 1, family);
	return L4LB_STATE_SPILLED;
}

/* A flow has gone from its slot, which has been claimed: its first set spills one less. */
static __always_inline void slot_unspill(const struct l4lb_flow *slot, __u64 word, int family)
{
	struct tuple t = {
	    .addresses = LOAD(__u64, &slot->source),
	    .ports = LOAD(__u32, &slot->source_port),
	    .protocol = WORD_PROTOCOL(word),
	};

	if (unlikely(WORD_STATE(word) & L4LB_STATE_SPILLED))
		spills_add(first_set(flow_hash(&t)), -1, family);
}

/* Keeps the counters of a slot whose flow goes. The slot has been claimed. */
static __always_inline void flow_retire(const struct l4lb_flow *slot, __u64 word, int family)
{
	__u32 backend = slot->backend;
	struct l4lb_totals *t;

	if (!WORD_PROTOCOL(word))
		return;
	slot_unspill(slot, word, family);
	t = bpf_map_lookup_elem(&totals, &backend);
	if (!t)
		return;
	if (WORD_KIND(word) == L4LB_FLOW_REPLY) {
		__sync_fetch_and_add(&t->reply_packets, slot->packets);
		__sync_fetch_and_add(&t->reply_bytes, slot->bytes);
	} else {
		__sync_fetch_and_add(&t->packets, slot->packets);
		__sync_fetch_and_add(&t->bytes, slot->bytes);
	}
}

/*
 * Evicts what a claimed slot holds, both directions of it: a forward slot without its reply slot
 * would use a port that somebody else may be given. The reply slot of a closed connection stays,
 * so that its port rests.
 */
__noinline int flow_evict(struct l4lb_flow *slot, __u64 word, int family)
{
	struct l4lb_flow *peer;
	__u64 peer_word;

	USE_FAMILY(family);
	if (!slot)
		return 0;
	flow_retire(slot, word, family);
	if (!WORD_PROTOCOL(word) || WORD_KIND(word) == L4LB_FLOW_DSR)
		return 0;
	peer = flow_peer(slot, word, &peer_word, family);
	if (!peer)
		return 0;
	if (WORD_KIND(peer_word) == L4LB_FLOW_REPLY &&
	    (WORD_STATE(peer_word) & L4LB_STATE_PHASE) == L4LB_PHASE_CLOSING)
		return 0;
	if (!slot_claim(peer, peer_word))
		return 0;
	flow_retire(peer, peer_word, family);
	slot_publish(peer, peer_word, 0, 0, 0);
	return 0;
}

/* What a new flow's slots of both directions have in common. The slot has been claimed. */
static __always_inline void slot_fill(struct l4lb_flow *slot, const struct packet *p,
				      const struct tuple *t, const __u8 *client_mac)
{
	STORE(__u64, &slot->source, t->addresses);
	STORE(__u32, &slot->source_port, t->ports);
	slot->stamp = p->now;
	slot->packets = 0;
	slot->bytes = 0;
	STORE(__u32, slot->client_mac, LOAD(__u32, client_mac));
	STORE(__u16, slot->client_mac + 4, LOAD(__u16, client_mac + 4));
}

static __always_inline void count_eviction(const struct victim *v, __u32 now)
{
	if (VICTIM_CLASS(v) == SLOT_UNCONFIRMED)
		count_unconfirmed(now);
	else if (VICTIM_CLASS(v) == SLOT_CONFIRMED_DSR)
		count(L4LB_EVENT_DSR_EVICTED);
}

/*
 * Claims the best slot for a forward flow, evicting what is in it. On success the slot is being
 * written and *v tells which. Otherwise the reason for a drop.
 */
static __always_inline int flow_claim(struct victim *v, const struct tuple *t, __u32 hash,
				      __u32 now, const int family)
{
	for (int i = 0; i < 3; i++) {
		struct l4lb_flow *slot;

		find_victim(v, t, hash, now, family);
		if (v->index == NO_SLOT)
			return v->busy ? L4LB_DROP_FLOW_BUSY : L4LB_DROP_FLOW_TABLE_FULL;
		slot = slot_at(v->index, family);
		if (slot && slot_claim(slot, v->word)) {
			count_eviction(v, now);
			flow_evict(slot, v->word, family);
			return GO_ON;
		}
	}
	return L4LB_DROP_FLOW_BUSY;
}

#endif
