/* The question of a DNS message over UDP (RFC 1035 section 4.1), as far as rules ask about it: its
 * name, its type, and whether recursion is desired. Worked out once for a packet, and only if a rule
 * that may hold for it wants to know. */
#pragma once

#include "maps.h"
#include "parse.h"

#define DNS_HEADER 12
#define DNS_RESPONSE_OR_OPCODE 0xF800
#define DNS_RECURSION_DESIRED 0x0100
/* Bytes and labels of a name. */
#define NAME_MOST 255
#define NAME_LABELS 127
/* What is kept of a question: a name, its type and class, and what fills words up. */
#define NAME_ROOM 264

struct question {
	u8 before[8];
	/* As on the wire, and then in lower case. */
	u8 name[NAME_ROOM];
	/* Where labels begin, one bit each. */
	u64 starts[4];
	u32 name_bytes;
	u16 type;
	u8 recursion_desired;
	u8 reserved;
};

struct {
	MAP_TYPE(MAP_PERCPU_ARRAY);
	MAP_ENTRIES(1);
	MAP_KEY(u32);
	MAP_VALUE(struct question);
} questions SECTION(".maps");

/* Capital letters of eight bytes to small ones. Lengths of labels are below 64, and so none. */
INLINE u64 lower_case(u64 word)
{
	u64 low = word & 0x7F7F7F7F7F7F7F7FULL;
	u64 from_a = low + 0x3F3F3F3F3F3F3F3FULL;
	u64 beyond_z = low + 0x2525252525252525ULL;
	u64 is_capital = ~word & from_a & ~beyond_z & 0x8080808080808080ULL;
	return word | is_capital >> 2;
}

/* The first `bytes` of a word, zeroes behind them. */
INLINE u64 first_bytes(u64 word, s64 bytes)
{
	if (bytes >= 8)
		return word;
	return bytes <= 0 ? 0 : word & ((1ULL << (bytes * 8 & 63)) - 1);
}

/* What follows the header of a message that is a question, as it came; returns how much of it. The
 * bytes behind are those of others. */
STAGE u32 take_question(struct xdp_md *context, const struct facts *facts)
{
	const void *data = (const void *)(u64)context->data;
	const void *end = (const void *)(u64)context->data_end;
	u32 zero = 0;
	struct question *question = map_lookup(&questions, &zero);
	if (!question || !facts || facts->protocol != PROTOCOL_UDP || facts->fragment == FRAGMENT_LATER ||
	    facts->payload_bytes < DNS_HEADER + 5)
		return 0;
	u32 from = facts->payload_at & OFFSET_MASK, bytes = facts->payload_bytes - DNS_HEADER;
	const u16 *header = data + from;
	if ((const void *)(header + DNS_HEADER / 2) > end)
		return 0;
	u16 flags = be16(header[1]);
	if (flags & DNS_RESPONSE_OR_OPCODE || header[2] != be16(1))
		return 0;
	question->recursion_desired = flags & DNS_RECURSION_DESIRED ? 1 : 0;
	from += DNS_HEADER;
	if (bytes > NAME_ROOM)
		bytes = NAME_ROOM;
	for (int i = 0; i < NAME_ROOM / 8; i++) {
		const u8 *place = data + (from + 8 * i & OFFSET_MASK);
		if (8 * i + 8 > bytes || (const void *)(place + 8) > end)
			break;
		*(u64 *)(question->name + 8 * i) = *(const u64 *)place;
	}
	/* The last eight, which may begin before the name does. */
	const u8 *last = data + (from + bytes - 8 & OFFSET_MASK);
	if ((const void *)(last + 8) > end)
		return 0;
	*(u64 *)(question->before + bytes) = *(const u64 *)last;
	return bytes;
}

/* Walks through the labels of the name; returns its length, 0 where it is none. A function of its own:
 * the verifier would follow what comes after it from every label on. */
STAGE u32 walk_name(void)
{
	u32 zero = 0, at = 0;
	struct question *question = map_lookup(&questions, &zero);
	if (!question)
		return 0;
	question->starts[0] = question->starts[1] = question->starts[2] = question->starts[3] = 0;
	for (int i = 0; i < NAME_LABELS; i++) {
		u32 label = question->name[at & 255];
		if (!label)
			break;
		u32 next = at + label + 1;
		if (label > 63 || next > NAME_MOST - 1)
			return 0;
		question->starts[next >> 6 & 3] |= 1ULL << (next & 63);
		at = next;
	}
	question->starts[0] |= 1;
	return question->name[at & 255] ? 0 : at + 1;
}

/* Reads the question that was taken, of so many bytes; returns whether it is one. */
STAGE u32 read_question(u32 bytes)
{
	u32 zero = 0;
	struct question *question = map_lookup(&questions, &zero);
	if (!question)
		return 0;
	u32 name_bytes = walk_name();
	if (!name_bytes || name_bytes > NAME_MOST || name_bytes + 4 > bytes)
		return 0;
	const u8 *type = question->name + (name_bytes & 255);
	question->name_bytes = name_bytes;
	question->type = type[0] << 8 | type[1];
	for (int i = 0; i < NAME_ROOM / 8; i++) {
		if (8 * i >= name_bytes)
			break;
		u64 *word = (u64 *)(question->name + 8 * i);
		*word = lower_case(*word);
	}
	return 1;
}

/* Whether the name is the rule's suffix or below it. */
INLINE int ends_with(const struct question *question, const struct rule *rule)
{
	u32 bytes = rule->suffix_bytes, at = question->name_bytes - bytes;
	if (!bytes)
		return 1;
	if (bytes > question->name_bytes || !(question->starts[at >> 6 & 3] >> (at & 63) & 1))
		return 0;
	for (int i = 0; i < SUFFIX_WORDS; i++) {
		s64 left = (s64)bytes - 8 * i;
		if (left <= 0)
			break;
		const u8 *place = question->name + (at + 8 * i & 255);
		if (first_bytes(*(const u64 *)place, left) != rule->suffix[i])
			return 0;
	}
	return 1;
}

/* Whether the question that was read is what the rule at this place asks for. */
STAGE u32 asks(u32 place)
{
	u32 zero = 0;
	const struct question *question = map_lookup(&questions, &zero);
	const struct rule *rule = map_lookup(&rules, &place);
	if (!question || !rule)
		return 0;
	if (rule->tests & TEST_DNS_TYPE && question->type != rule->dns_type)
		return 0;
	if (rule->tests & TEST_DNS_RECURSION && question->recursion_desired != rule->recursion_desired)
		return 0;
	return ends_with(question, rule);
}
