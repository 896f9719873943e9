/* Blocked prefixes: hash tables for whole addresses and the common lengths, tries for the rest,
 * and before them a filter (a Bloom filter of one word a key) that fits the processor's cache, so
 * that a packet of an address that is not blocked seldom waits for memory. */
#pragma once

#include "verdict.h"

#define V4_LENGTHS 3
#define V6_LENGTHS 5

static const u32 v4_mask[V4_LENGTHS] = { 0xFFFFFFFF, 0x00FFFFFF, 0x0000FFFF };
static const u32 v4_bits[V4_LENGTHS] = { 32, 24, 16 };
static const u64 v6_mask[V6_LENGTHS][2] = {
	{ ~0ULL, ~0ULL }, { ~0ULL, 0 }, { 0x00FFFFFFFFFFFFFF, 0 }, { 0x0000FFFFFFFFFFFF, 0 }, { 0xFFFFFFFF, 0 },
};
static const u32 v6_bits[V6_LENGTHS] = { 128, 64, 56, 48, 32 };

INLINE u64 filter_hash(u64 high, u64 low, u32 length_bits)
{
	u64 hash = (high ^ (u64)length_bits << 56) * 0x9E3779B97F4A7C15ULL;
	hash = (hash ^ hash >> 32 ^ low) * 0xD6E8FEB86659FD93ULL;
	hash = (hash ^ hash >> 29) * 0xA0761D6478BD642FULL;
	return hash ^ hash >> 32;
}

/* Whether the key may be in a table. */
INLINE int may_hold(const struct masks *masks, u32 bank, u64 hash)
{
	u32 word = hash >> 32 & masks->filter_mask;
	u32 index = (bank & 1) * FILTER_CHUNKS + (word / FILTER_WORDS & (FILTER_CHUNKS - 1));
	const struct chunk *chunk = map_lookup(&filter, &index);
	if (!chunk)
		return 1;
	u64 wanted = 1ULL << (hash & 63) | 1ULL << (hash >> 6 & 63) | 1ULL << (hash >> 12 & 63) |
		     1ULL << (hash >> 18 & 63);
	return (chunk->words[word & (FILTER_WORDS - 1)] & wanted) == wanted;
}

/* Whether a block is in force for the packet's flow. */
INLINE int is_in_force(const struct block *block, const struct facts *facts, const struct decision *decision)
{
	return block && decision->generation >= block->from_generation &&
	       decision->generation <= block->last_generation && decision->now_ns < block->expires_ns &&
	       (block->share >= WHOLE_SHARE || flow_part(facts) < block->share);
}

INLINE struct block *find_v4(const struct masks *masks, u32 bank, u32 address, u32 i)
{
	struct v4_key key = { address & v4_mask[i], v4_bits[i] };
	if (!(masks->v4_lengths & 1U << i) || !may_hold(masks, bank, filter_hash(key.address, 0, v4_bits[i])))
		return 0;
	return map_lookup(&v4_blocks, &key);
}

INLINE struct block *find_v6(const struct masks *masks, u32 bank, const u64 *address, u32 i)
{
	struct v6_key key = { { address[0] & v6_mask[i][0], address[1] & v6_mask[i][1] }, v6_bits[i] };
	if (!(masks->v6_lengths & 1U << i) ||
	    !may_hold(masks, bank, filter_hash(key.address[0], key.address[1], v6_bits[i])))
		return 0;
	return map_lookup(&v6_blocks, &key);
}

INLINE struct block *find_rest(const struct masks *masks, const struct facts *facts)
{
	if (facts->family == FAMILY_V4) {
		struct v4_trie_key key = { 32, facts->source[1] >> 32 };
		return masks->v4_trie ? map_lookup(&v4_rest, &key) : 0;
	}
	struct v6_trie_key key = { .length_bits = 128 };
	__builtin_memcpy(key.address, facts->source, 16);
	return masks->v6_trie ? map_lookup(&v6_rest, &key) : 0;
}

/* The narrowest block that is in force for the packet. */
INLINE const struct block *find_block(const struct masks *masks, const struct facts *facts,
				      const struct decision *decision)
{
	const struct block *block;
	u32 bank = decision->bank;
	if (facts->family == FAMILY_V4) {
		u32 address = facts->source[1] >> 32;
#pragma unroll
		for (u32 i = 0; i < V4_LENGTHS; i++) {
			block = find_v4(masks, bank, address, i);
			if (is_in_force(block, facts, decision))
				return block;
		}
	} else {
#pragma unroll
		for (u32 i = 0; i < V6_LENGTHS; i++) {
			block = find_v6(masks, bank, facts->source, i);
			if (is_in_force(block, facts, decision))
				return block;
		}
	}
	block = find_rest(masks, facts);
	return is_in_force(block, facts, decision) ? block : 0;
}

/* Whether the packet ends at a blocked prefix. */
INLINE int blocked(const struct masks *masks, const struct facts *facts, struct decision *decision)
{
	const struct block *block = find_block(masks, facts, decision);
	if (likely(!block) || is_protected(facts, decision))
		return 0;
	return deny(facts, decision, block->counter, WHOLE_SHARE, block->enforce, 1);
}
