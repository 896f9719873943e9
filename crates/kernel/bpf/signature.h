/* Signature rules: which of 64 conjunctions hold for a packet. Tables of masks leave the few that
 * are possible; those are then tested in full. */
#pragma once

#include "block.h"
#include "bucket.h"
#include "options.h"
#include "question.h"

/* What is worked out of a packet only if a rule asks for it. */
struct details {
	u64 tcp_options;
	u64 payload[2];
	u32 payload_bytes;
};

/* The first 16 bytes of the payload, zeroes behind its end. */
INLINE void read_payload(const void *data, const void *end, const struct facts *facts, struct details *details)
{
	u32 at = facts->payload_at & OFFSET_MASK;
	const u8 *place = data + at;
	u32 bytes = facts->payload_bytes < 16 ? facts->payload_bytes : 16;
	details->payload_bytes = bytes;
	if (bytes == 16 && (const void *)(place + 16) <= end) {
		__builtin_memcpy(details->payload, place, 16);
		return;
	}
	u64 low = 0, high = 0;
	for (int i = 0; i < 16; i++) {
		if (i >= bytes || (const void *)(place + i + 1) > end)
			break;
		if (i < 8)
			low |= (u64)place[i] << (8 * i);
		else
			high |= (u64)place[i] << (8 * (i - 8));
	}
	details->payload[0] = low;
	details->payload[1] = high;
}

/* The rules that no table rules out. */
INLINE u64 possible(const struct masks *masks, const struct facts *facts, int first_byte)
{
	u64 left = masks->all & masks->family[facts->family & 1] & masks->fragment[facts->fragment & 3];
	left &= masks->protocol[facts->protocol] & masks->ttl[facts->ttl];
	if (!left)
		return 0;
	if (facts->has_ports) {
		left &= masks->source_port[0][facts->source_port >> 8];
		left &= masks->source_port[1][facts->source_port & 255];
		left &= masks->destination_port[0][facts->destination_port >> 8];
		left &= masks->destination_port[1][facts->destination_port & 255];
	} else {
		left &= masks->without_ports;
	}
	left &= facts->has_tcp ? masks->tcp_flags[facts->tcp_flags & 63] : masks->without_tcp;
	left &= facts->has_icmp ? masks->icmp_type[facts->icmp_type] : masks->without_icmp;
	if (!left)
		return 0;
	if (facts->length_bytes <= 0xFFFF) {
		left &= masks->length[0][facts->length_bytes >> 8 & 255];
		left &= masks->length[1][facts->length_bytes & 255];
	}
	left &= first_byte < 0 ? masks->without_payload : masks->payload[first_byte & 255];
	return left;
}

INLINE int is_outside(u32 value, u32 low, u32 high)
{
	return value < low || value > high;
}

INLINE int differs(const u64 *value, const u64 *wanted, const u64 *mask)
{
	return ((value[0] & mask[0]) ^ wanted[0]) | ((value[1] & mask[1]) ^ wanted[1]) ? 1 : 0;
}

/* The tests that tables do not answer exactly. */
INLINE int holds(const struct rule *rule, const struct facts *facts, const struct details *details)
{
	u32 tests = rule->tests;
	if (tests & TEST_SOURCE_PORT &&
	    is_outside(facts->source_port, rule->source_port_low, rule->source_port_high))
		return 0;
	if (tests & TEST_DESTINATION_PORT &&
	    is_outside(facts->destination_port, rule->destination_port_low, rule->destination_port_high))
		return 0;
	if (tests & TEST_LENGTH && is_outside(facts->length_bytes, rule->length_low, rule->length_high))
		return 0;
	if (tests & TEST_TCP_WINDOW && facts->tcp_window != rule->tcp_window)
		return 0;
	if (tests & TEST_SOURCE && differs(facts->source, rule->source, rule->source_mask))
		return 0;
	if (tests & TEST_DESTINATION && differs(facts->destination, rule->destination, rule->destination_mask))
		return 0;
	if (tests & TEST_PAYLOAD && (details->payload_bytes < rule->payload_bytes ||
				     differs(details->payload, rule->payload, rule->payload_mask)))
		return 0;
	if (tests & TEST_TCP_OPTIONS && details->tcp_options != rule->tcp_options)
		return 0;
	return 1;
}

/* The lowest bit by multiplication with a de Bruijn sequence: the machine has no instruction for
 * it, and clang 14 breaks on the builtin. */
#define DE_BRUIJN 0x03F79D71B4CB0A89ULL
static const u8 de_bruijn_bit[64] = {
	0, 1, 48, 2, 57, 49, 28, 3, 61, 58, 50, 42, 38, 29, 17, 4,
	62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12, 5,
	63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11,
	46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9, 13, 8, 7, 6,
};

INLINE u32 lowest_bit(u64 mask)
{
	return de_bruijn_bit[(mask & -mask) * DE_BRUIJN >> 58];
}

INLINE const struct rule *rule_at(u32 bank, u32 index)
{
	u32 key = (bank & 1) * RULES + (index & (RULES - 1));
	return map_lookup(&rules, &key);
}

/* Those of the possible rules that hold, one bit each. */
STAGE u64 confirm(struct xdp_md *context, const struct facts *facts, u32 bank, u64 left)
{
	const void *data = (const void *)(u64)context->data;
	const void *end = (const void *)(u64)context->data_end;
	bank &= BANKS - 1;
	const struct masks *masks = map_lookup(&rule_masks, &bank);
	u64 found = 0;
	struct details details = {};
	if (!facts || !masks)
		return 0;
	if (left & masks->needs_payload)
		read_payload(data, end, facts, &details);
	if (left & masks->needs_options)
		details.tcp_options = options_hash(data, end, facts);
	if (left & masks->needs_question && !read_question(take_question(context, facts)))
		left &= ~masks->needs_question;
	for (int i = 0; i < RULES && left; i++) {
		u32 index = lowest_bit(left);
		const struct rule *rule = rule_at(bank, index);
		left &= left - 1;
		if (rule && holds(rule, facts, &details) &&
		    (!(rule->tests & TEST_QUESTION) || asks(bank * RULES + index)))
			found |= 1ULL << index;
	}
	return found;
}

/* One bit for each rule that holds. */
INLINE u64 holding(struct xdp_md *context, const struct masks *masks, const struct facts *facts, u32 bank)
{
	const void *data = (const void *)(u64)context->data;
	const void *end = (const void *)(u64)context->data_end;
	if (!masks->all)
		return 0;
	int first_byte = facts->payload_bytes ? byte_at(data, end, facts->payload_at) : -1;
	u64 left = possible(masks, facts, first_byte);
	return left ? confirm(context, facts, bank, left) : 0;
}

/* Whether the packet ends at a rule. */
INLINE int matched(struct xdp_md *context, const struct masks *masks, const struct facts *facts,
		   struct decision *decision)
{
	u64 found = holding(context, masks, facts, decision->bank);
	if (likely(!found) || is_protected(facts, decision))
		return 0;
	for (int i = 0; i < RULES && found; i++) {
		const struct rule *rule = rule_at(decision->bank, lowest_bit(found));
		found &= found - 1;
		if (!rule || decision->now_ns >= rule->expires_ns)
			continue;
		u8 is_over = rule->action == ACTION_DROP || is_over_limit(rule, facts);
		if (deny(facts, decision, rule->counter, rule->share, rule->enforce, is_over))
			return 1;
	}
	return 0;
}
