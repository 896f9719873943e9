/* Limits: the generic cell rate algorithm (ITU-T I.371), one word for each source, network or
 * destination, changed by compare and swap so that two processors cannot spend the same packet. */
#pragma once

#include "verdict.h"

#define SWAP_TRIES 4

INLINE void bucket_key(const struct rule *rule, const struct facts *facts, struct bucket_key *key)
{
	key->counter = rule->counter;
	key->epoch = (u32)rule->epoch_upper << 16 | rule->epoch_lower;
	if (rule->limit_key == LIMIT_SOURCE || rule->limit_key == LIMIT_NETWORK) {
		key->address[0] = facts->source[0];
		key->address[1] = facts->source[1];
	} else if (rule->limit_key == LIMIT_DESTINATION) {
		key->address[0] = facts->destination[0];
		key->address[1] = facts->destination[1];
	}
	if (rule->limit_key == LIMIT_NETWORK) {
		/* A /24, or a /48. */
		if (facts->family == FAMILY_V4) {
			key->address[1] &= 0x00FFFFFFFFFFFFFF;
		} else {
			key->address[0] &= 0x0000FFFFFFFFFFFF;
			key->address[1] = 0;
		}
	}
}

/* Whether the packet is beyond the limit. */
STAGE int is_over_limit(const struct rule *rule, const struct facts *facts)
{
	if (!rule || !facts)
		return 0;
	struct bucket_key key = {};
	bucket_key(rule, facts, &key);
	u64 now = time_ns();
	struct bucket *bucket = map_lookup(&buckets, &key);
	if (!bucket) {
		struct bucket first = { now + rule->interval_ns };
		map_update(&buckets, &key, &first, 0);
		return 0;
	}
	for (int i = 0; i < SWAP_TRIES; i++) {
		u64 before = *(volatile u64 *)&bucket->arrival_ns;
		u64 arrival = before > now ? before : now;
		if (arrival - now > rule->burst_ns)
			return 1;
		u64 after = arrival + rule->interval_ns;
		if (__sync_val_compare_and_swap(&bucket->arrival_ns, before, after) == before)
			return 0;
	}
	/* Much contended: it passes. */
	return 0;
}
