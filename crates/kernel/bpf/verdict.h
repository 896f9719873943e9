/* What happens to a packet that a rule or a block is about: protected sources pass, a share is
 * taken, everything is counted, and what is only observed passes. */
#pragma once

#include "maps.h"
#include "parse.h"

/* Shares are parts of this. */
#define WHOLE_SHARE 1024

enum { UNKNOWN = 0, YES = 1, NO = 2 };

/* One packet on its way to a verdict. No pointers: stages get it from each other. */
struct decision {
	u64 now_ns;
	/* What is in force. */
	u32 bank;
	u32 generation;
	u32 wire_bytes;
	u8 is_protected;
	u8 verdict;
	u8 would_drop;
	u8 reserved;
};

/* The monotonic clock, to a tick. */
INLINE u64 now_ns(const struct control *state)
{
	return state->base_ns + (jiffies() - state->base_jiffies) * state->tick_ns;
}

/* Neighbour discovery (RFC 4861), whose hop limit proves that it comes from the same link: without
 * it the host would leave the network. */
INLINE int is_neighbour_discovery(const struct facts *facts)
{
	return facts->protocol == PROTOCOL_ICMPV6 && facts->ttl == 255 && facts->icmp_type >= 133 &&
	       facts->icmp_type <= 137;
}

/* Looked up when it matters for the first time: most packets need not wait for it. */
INLINE int is_protected(const struct facts *facts, struct decision *decision)
{
	if (decision->is_protected != UNKNOWN)
		return decision->is_protected == YES;
	void *found = 0;
	u32 family = facts->family & 1;
	u32 first = be16(family == FAMILY_V4 ? facts->source[1] >> 32 : facts->source[0]);
	const struct guard *guard = map_lookup(&guards, &family);
	if (guard && !(guard->words[first >> 6 & 1023] >> (first & 63) & 1) && !is_neighbour_discovery(facts)) {
		decision->is_protected = NO;
		return 0;
	}
	if (facts->family == FAMILY_V4) {
		struct v4_trie_key key = { 32, facts->source[1] >> 32 };
		found = map_lookup(&v4_protected, &key);
	} else {
		struct v6_trie_key key = { .length_bits = 128 };
		__builtin_memcpy(key.address, facts->source, 16);
		found = map_lookup(&v6_protected, &key);
	}
	decision->is_protected = found || is_neighbour_discovery(facts) ? YES : NO;
	return decision->is_protected == YES;
}

/* A number for the packet's flow, below WHOLE_SHARE: a share is a share of flows, so that what is
 * spared is spared whole. */
INLINE u32 flow_part(const struct facts *facts)
{
	u64 hash = facts->source[0] ^ facts->source[1] * 0x9E3779B97F4A7C15ULL;
	hash ^= facts->destination[0] * 0xD6E8FEB86659FD93ULL ^ facts->destination[1];
	hash = (hash ^ hash >> 29) * 0xA0761D6478BD642FULL;
	hash ^= (u64)facts->source_port << 32 | (u64)facts->destination_port << 8 | facts->protocol;
	hash = (hash ^ hash >> 32) * 0xE7037ED1A0B428DBULL;
	return hash >> 54;
}

/* Counts a match, and drops the packet where that is asked for. Returns whether it is dropped. */
INLINE int deny(const struct facts *facts, struct decision *decision, u32 counter, u32 share, u8 enforce,
		u8 is_over)
{
	struct counts *counts = map_lookup(&counters, &counter);
	if (!counts)
		return 0;
	counts->matched_packets++;
	counts->matched_bytes += decision->wire_bytes;
	if (!is_over || (share < WHOLE_SHARE && flow_part(facts) >= share))
		return 0;
	if (!enforce) {
		decision->would_drop = 1;
		return 0;
	}
	counts->dropped_packets++;
	counts->dropped_bytes += decision->wire_bytes;
	decision->verdict = XDP_DROP;
	return 1;
}
