/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses of both families, as they lie in packets, keys and slots. */
#ifndef L4LB_ADDRESS_H
#define L4LB_ADDRESS_H

#include "maps.h"
#include "packet.h"

/* The form that keys of maps have. */
static __always_inline void address_load(struct l4lb_address *to, const void *at, const int family)
{
	if (family == IPV6) {
		for (int i = 0; i < 4; i++)
			to->words[i] = LOAD(__u32, at + 4 * i);
	} else {
		to->words[0] = 0;
		to->words[1] = 0;
		to->words[2] = bpf_htonl(0xffff);
		to->words[3] = LOAD(__u32, at);
	}
}

static __always_inline void address_copy(void *to, const void *from)
{
	for (int i = 0; i < 4; i++)
		STORE(__u32, to + 4 * i, LOAD(__u32, from + 4 * i));
}

static __always_inline int addresses_equal(const void *a, const void *b)
{
	return ((LOAD(__u32, a) ^ LOAD(__u32, b)) | (LOAD(__u32, a + 4) ^ LOAD(__u32, b + 4)) |
		(LOAD(__u32, a + 8) ^ LOAD(__u32, b + 8)) |
		(LOAD(__u32, a + 12) ^ LOAD(__u32, b + 12))) == 0;
}

static __always_inline int address_is_zero(const void *a)
{
	return (LOAD(__u32, a) | LOAD(__u32, a + 4) | LOAD(__u32, a + 8) | LOAD(__u32, a + 12)) == 0;
}

/*
 * Two IPv6 addresses as the one word that stands for them in tuples: multilinear hashing with
 * secret multipliers (see flow_hash), its stronger upper half mixed into the lower. A slot is
 * taken for a flow's only after the addresses themselves were compared.
 */
static __always_inline __u64 address_word(const void *source, const void *destination)
{
	__u64 sum = 0;

	for (int i = 0; i < 4; i++)
		sum += config.flow_seed6[i] * LOAD(__u32, source + 4 * i) +
		       config.flow_seed6[4 + i] * LOAD(__u32, destination + 4 * i);
	return sum ^ sum >> 32;
}

/* An IP header's addresses as a tuple has them. */
static __always_inline __u64 tuple_addresses(void *l3, const int family)
{
	if (family == IPV6)
		return address_word(source_at(l3, family), destination_at(l3, family));
	return LOAD(__u64, source_at(l3, family));
}

/* Sources that no client has: multicast, reserved, loopback, unspecified, the frontend itself. */
static __always_inline int source_is_impossible(void *l3, const int family)
{
	const void *source = source_at(l3, family), *destination = destination_at(l3, family);
	__u8 first = LOAD(__u8, source);

	if (family == IPV4)
		return first >= 224 || first == 127 || first == 0 ||
		       LOAD(__u32, source) == LOAD(__u32, destination);
	if (first == 0xff || addresses_equal(source, destination))
		return 1;
	/* ::, ::1, and IPv4 in IPv6's clothes (RFC 4291 sections 2.5.2, 2.5.3 and 2.5.5). */
	if (LOAD(__u32, source) | LOAD(__u32, source + 4))
		return 0;
	return LOAD(__u32, source + 8) == bpf_htonl(0xffff) || LOAD(__u32, source + 8) == 0;
}

/* Where an address lies in a plane of the filter, before the port is added: see abi.h. */
static __always_inline __u32 address_fold(const void *address, const int family)
{
	if (family == IPV4)
		return LOAD(__u32, address);
	return LOAD(__u32, address) * 0x85ebca6b ^ LOAD(__u32, address + 4) * 0xc2b2ae35 ^
	       LOAD(__u32, address + 8) * 0x27d4eb2f ^ LOAD(__u32, address + 12);
}

static __always_inline int filter_has(enum l4lb_filter_plane plane, __u32 fold)
{
	__u32 zero = 0, bit = (fold ^ fold >> 15) * 0x9e3779b1 >> 16;
	__u64 *words = bpf_map_lookup_elem(&filter, &zero);

	return words && words[plane * L4LB_FILTER_WORDS + bit / 64] >> bit % 64 & 1;
}

static __always_inline int rss6_is_on(void)
{
	return (config.rss_mask6.words[0] | config.rss_mask6.words[1] | config.rss_mask6.words[2] |
		config.rss_mask6.words[3]) != 0;
}

/* Whether packets to an address are looked at: frontends, and what we send from. */
static __always_inline int address_is_watched(const void *address, const int family)
{
	if (filter_has(L4LB_FILTER_ADDRESSES, address_fold(address, family)))
		return 1;
	/* The outer sources of DSR, to which ICMP errors come back. */
	if (family == IPV4)
		return config.rss_mask &&
		       (LOAD(__u32, address) & ~config.rss_mask) == config.rss_address;
	if (!rss6_is_on())
		return 0;
	for (int i = 0; i < 4; i++) {
		if ((LOAD(__u32, address + 4 * i) & ~config.rss_mask6.words[i]) !=
		    config.rss_address6.words[i])
			return 0;
	}
	return 1;
}

/* Whether an address is a frontend's that the host does not have. */
static __always_inline int address_is_ours(const void *at, const int family)
{
	struct l4lb_address address;

	address_load(&address, at, family);
	return bpf_map_lookup_elem(&addresses, &address) != 0;
}

#endif
