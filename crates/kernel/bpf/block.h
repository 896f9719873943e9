/* Blocked prefixes: tables for whole addresses and the common lengths, tries for the rest, and before
 * them a filter (a Bloom filter of one word a key) that fits the processor's cache, so that a packet
 * of an address that is not blocked seldom waits for memory. One of an address that is blocked waits
 * twice: for the filter, and for one bucket. */
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

INLINE u64 block_hash(u64 seed, u64 high, u64 low, u32 length_bits)
{
	u64 hash = (high ^ seed ^ (u64)length_bits << 56) * 0x9E3779B97F4A7C15ULL;
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

/* What a packet's source was found to be blocked by. */
struct found {
	u32 counter;
	u32 enforce;
};

/* Whether a block is in force for the packet's flow. */
INLINE int is_in_force(u64 expires_ns, u32 share, const struct facts *facts, const struct decision *decision)
{
	return decision->now_ns < expires_ns && (share >= WHOLE_SHARE || flow_part(facts) < share);
}

/* 1 where the value is 0, without a branch: the verifier would follow both ways of each. */
INLINE u32 is_zero(u64 value)
{
	u64 sign = value | -value;
	/* The compiler would make a comparison of it, and a branch of that. */
	asm volatile("" : "+r"(sign));
	return sign >> 63 ^ 1;
}

/* The place in a bucket that holds a key, counted from 1; 0: none does. */
INLINE u32 place_v4(const struct v4_bucket *bucket, u32 address, u32 kind)
{
	u32 kinds = bucket->kinds, found = 0;
#pragma unroll
	for (u32 i = 0; i < V4_PLACES; i++)
		found |= (i + 1) * is_zero((bucket->address[i] ^ address) | ((kinds >> 2 * i & 3) ^ kind));
	return found;
}

INLINE u32 place_v6(const struct v6_bucket *bucket, u64 high, u64 low, u32 kind)
{
	u32 found = 0;
#pragma unroll
	for (u32 i = 0; i < V6_PLACES; i++)
		found |= (i + 1) * is_zero((bucket->address[i][0] ^ high) | (bucket->address[i][1] ^ low) |
					   (bucket->kind[i] ^ kind));
	return found;
}

INLINE const struct v4_bucket *bucket_v4(u32 bank, u32 at)
{
	u32 index = at / CHUNK_BUCKETS * BANKS + (bank & (BANKS - 1));
	const struct v4_chunk *chunk = map_lookup(&v4_blocks, &index);
	return chunk ? &chunk->buckets[at & (CHUNK_BUCKETS - 1)] : 0;
}

INLINE const struct v6_bucket *bucket_v6(u32 bank, u32 at)
{
	u32 index = at / CHUNK_BUCKETS * BANKS + (bank & (BANKS - 1));
	const struct v6_chunk *chunk = map_lookup(&v6_blocks, &index);
	return chunk ? &chunk->buckets[at & (CHUNK_BUCKETS - 1)] : 0;
}

/* The counter of the measure that blocks a key, or COUNTERS, from the second bucket on: few keys are
 * so far from their own. */
STAGE u32 seek_v4(u32 bank, u32 mask, u32 place, u32 address, u32 kind)
{
	for (u32 step = 1; step < MOST_STEPS; step++) {
		const struct v4_bucket *bucket = bucket_v4(bank, (place + step) & mask);
		if (!bucket)
			break;
		u32 found = place_v4(bucket, address, kind);
		if (found)
			return bucket->counter[(found - 1) & 15];
		if (!(bucket->kinds & IS_FULL))
			break;
	}
	return COUNTERS;
}

/* The same; the upper half of `place` is the kind: five arguments are the most. */
STAGE u32 seek_v6(u32 bank, u32 mask, u64 place, u64 high, u64 low)
{
	for (u32 step = 1; step < MOST_STEPS; step++) {
		const struct v6_bucket *bucket = bucket_v6(bank, ((u32)place + step) & mask);
		if (!bucket)
			break;
		u32 found = place_v6(bucket, high, low, place >> 32);
		if (found)
			return bucket->counter[(found - 1) & 3];
		if (!bucket->is_full)
			break;
	}
	return COUNTERS;
}

/* The counter of the measure that blocks the source by its first bits, or COUNTERS. */
INLINE u32 find_v4(const struct masks *masks, u32 bank, u32 source, u32 i)
{
	u32 address = source & v4_mask[i], kind = i + 1;
	if (!(masks->v4_lengths & 1U << i))
		return COUNTERS;
	u64 hash = block_hash(masks->seed, address, 0, v4_bits[i]);
	if (!may_hold(masks, bank, hash))
		return COUNTERS;
	const struct v4_bucket *bucket = bucket_v4(bank, hash >> 32 & masks->v4_mask);
	if (!bucket)
		return COUNTERS;
	u32 found = place_v4(bucket, address, kind);
	if (likely(found))
		return bucket->counter[(found - 1) & 15];
	return bucket->kinds & IS_FULL ? seek_v4(bank, masks->v4_mask, hash >> 32, address, kind) : COUNTERS;
}

INLINE u32 find_v6(const struct masks *masks, u32 bank, const u64 *source, u32 i)
{
	u64 high = source[0] & v6_mask[i][0], low = source[1] & v6_mask[i][1], kind = i + 1;
	if (!(masks->v6_lengths & 1U << i))
		return COUNTERS;
	u64 hash = block_hash(masks->seed, high, low, v6_bits[i]);
	if (!may_hold(masks, bank, hash))
		return COUNTERS;
	const struct v6_bucket *bucket = bucket_v6(bank, hash >> 32 & masks->v6_mask);
	if (!bucket)
		return COUNTERS;
	u32 found = place_v6(bucket, high, low, kind);
	if (likely(found))
		return bucket->counter[(found - 1) & 3];
	return bucket->is_full ? seek_v6(bank, masks->v6_mask, hash >> 32 | kind << 32, high, low) : COUNTERS;
}

/* Whether the measure with this counter blocks the packet. */
INLINE int blocks(u32 counter, const struct facts *facts, const struct decision *decision, struct found *found)
{
	u32 index = decision->bank * COUNTERS + counter;
	if (counter >= COUNTERS)
		return 0;
	const struct terms *terms = map_lookup(&block_terms, &index);
	if (!terms || !is_in_force(terms->expires_ns, terms->share, facts, decision))
		return 0;
	found->counter = counter;
	found->enforce = terms->enforce;
	return 1;
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
INLINE int find_block(const struct masks *masks, const struct facts *facts, const struct decision *decision,
		      struct found *found)
{
	u32 bank = decision->bank;
	if (facts->family == FAMILY_V4) {
		u32 address = facts->source[1] >> 32;
#pragma unroll
		for (u32 i = 0; i < V4_LENGTHS; i++)
			if (blocks(find_v4(masks, bank, address, i), facts, decision, found))
				return 1;
	} else {
#pragma unroll
		for (u32 i = 0; i < V6_LENGTHS; i++)
			if (blocks(find_v6(masks, bank, facts->source, i), facts, decision, found))
				return 1;
	}
	const struct block *block = find_rest(masks, facts);
	if (!block || decision->generation < block->from_generation ||
	    decision->generation > block->last_generation ||
	    !is_in_force(block->expires_ns, block->share, facts, decision))
		return 0;
	found->counter = block->counter;
	found->enforce = block->enforce;
	return 1;
}

/* Whether the packet ends at a blocked prefix. */
INLINE int blocked(const struct masks *masks, const struct facts *facts, struct decision *decision)
{
	struct found found = {};
	if (likely(!find_block(masks, facts, decision, &found)) || is_protected(facts, decision))
		return 0;
	return deny(facts, decision, found.counter, WHOLE_SHARE, found.enforce, 1);
}
