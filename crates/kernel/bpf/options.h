/* The layout of TCP options as one number: the hash of their kinds in order, equal to
 * `seawall_model::hash::packed`. */
#pragma once

#include "parse.h"

#define OPTION_KINDS 16
#define HASH_0 0x9E3779B97F4A7C15ULL
#define HASH_1 0xD6E8FEB86659FD93ULL
#define HASH_2 0xA0761D6478BD642FULL

/* Both halves of a 128-bit product, folded. */
INLINE u64 fold(u64 a, u64 b)
{
	u64 a_low = (u32)a, a_high = a >> 32, b_low = (u32)b, b_high = b >> 32;
	u64 low = a_low * b_low;
	u64 middle = a_high * b_low + (low >> 32);
	u64 other = a_low * b_high + (u32)middle;
	u64 high = a_high * b_high + (middle >> 32) + (other >> 32);
	return (other << 32 | (u32)low) ^ high;
}

INLINE u64 packed_hash(u64 low, u64 high, u32 count)
{
	u64 a = 0, b = 0;
	if (count >= 8) {
		u32 shift = 8 * (count - 8);
		a = low;
		b = shift == 0 ? low : shift >= 64 ? high : low >> shift | high << (64 - shift);
	} else if (count >= 4) {
		a = (u32)low;
		b = (u32)(low >> (8 * (count - 4)));
	} else if (count > 0) {
		a = (low & 255) << 16 | (low >> (8 * (count / 2)) & 255) << 8 | (low >> (8 * (count - 1)) & 255);
	}
	return fold(fold(a ^ HASH_1, b ^ HASH_2 ^ count), HASH_0 ^ count);
}

INLINE u64 options_hash(const void *data, const void *end, const struct facts *facts)
{
	u64 low = 0, high = 0;
	u32 at = 0, count = 0;
	if (!facts->options_bytes)
		return 0;
	for (int i = 0; i < OPTION_KINDS; i++) {
		if (at >= facts->options_bytes)
			break;
		int kind = byte_at(data, end, facts->options_at + at);
		if (kind < 0)
			break;
		if (i < 8)
			low |= (u64)kind << (8 * i);
		else
			high |= (u64)kind << (8 * (i - 8));
		count++;
		if (kind == 0)
			break;
		if (kind == 1) {
			at++;
			continue;
		}
		if (at + 1 >= facts->options_bytes)
			break;
		int length = byte_at(data, end, facts->options_at + at + 1);
		if (length < 2)
			break;
		at += length;
	}
	return packed_hash(low, high, count);
}
