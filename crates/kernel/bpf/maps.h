/* The maps. */
#pragma once

#include "layout.h"

struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(1);
	MAP_KEY(u32);
	MAP_VALUE(struct control);
} control SECTION(".maps");

struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(BANKS);
	MAP_KEY(u32);
	MAP_VALUE(struct masks);
} rule_masks SECTION(".maps");

struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(BANKS * RULES);
	MAP_KEY(u32);
	MAP_VALUE(struct rule);
} rules SECTION(".maps");

struct chunk {
	u64 words[FILTER_WORDS];
};

struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(BANKS * FILTER_CHUNKS);
	MAP_KEY(u32);
	MAP_VALUE(struct chunk);
} filter SECTION(".maps");

struct v4_chunk {
	struct v4_bucket buckets[CHUNK_BUCKETS];
};

struct v6_chunk {
	struct v6_bucket buckets[CHUNK_BUCKETS];
};

/* The banks take turns in these two, so that the program need not know how many chunks there are:
 * the loader gives them as many as the machine has room for. */
struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(BANKS);
	MAP_KEY(u32);
	MAP_VALUE(struct v4_chunk);
} v4_blocks SECTION(".maps");

struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(BANKS);
	MAP_KEY(u32);
	MAP_VALUE(struct v6_chunk);
} v6_blocks SECTION(".maps");

/* By counter. */
struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(BANKS * COUNTERS);
	MAP_KEY(u32);
	MAP_VALUE(struct terms);
} block_terms SECTION(".maps");

struct {
	MAP_TYPE(MAP_LPM_TRIE);
	MAP_ENTRIES(1 << 16);
	MAP_FLAGS(NO_PREALLOCATION);
	MAP_KEY(struct v4_trie_key);
	MAP_VALUE(struct block);
} v4_rest SECTION(".maps");

struct {
	MAP_TYPE(MAP_LPM_TRIE);
	MAP_ENTRIES(1 << 16);
	MAP_FLAGS(NO_PREALLOCATION);
	MAP_KEY(struct v6_trie_key);
	MAP_VALUE(struct block);
} v6_rest SECTION(".maps");

/* Prefixes that always pass. The value is not used. */
struct {
	MAP_TYPE(MAP_LPM_TRIE);
	MAP_ENTRIES(4096);
	MAP_FLAGS(NO_PREALLOCATION);
	MAP_KEY(struct v4_trie_key);
	MAP_VALUE(u32);
} v4_protected SECTION(".maps");

struct {
	MAP_TYPE(MAP_LPM_TRIE);
	MAP_ENTRIES(4096);
	MAP_FLAGS(NO_PREALLOCATION);
	MAP_KEY(struct v6_trie_key);
	MAP_VALUE(u32);
} v6_protected SECTION(".maps");

struct {
	MAP_TYPE(MAP_ARRAY);
	/* By family. */
	MAP_ENTRIES(2);
	MAP_KEY(u32);
	MAP_VALUE(struct guard);
} guards SECTION(".maps");

struct {
	MAP_TYPE(MAP_LRU_HASH);
	MAP_ENTRIES(1 << 16);
	MAP_KEY(struct bucket_key);
	MAP_VALUE(struct bucket);
} buckets SECTION(".maps");

struct {
	MAP_TYPE(MAP_PERCPU_ARRAY);
	MAP_ENTRIES(COUNTERS);
	MAP_KEY(u32);
	MAP_VALUE(struct counts);
} counters SECTION(".maps");

struct {
	MAP_TYPE(MAP_PERCPU_ARRAY);
	/* By direction. */
	MAP_ENTRIES(2);
	MAP_KEY(u32);
	MAP_VALUE(struct totals);
} totals SECTION(".maps");

struct {
	MAP_TYPE(MAP_RINGBUF);
	MAP_ENTRIES(1 << 22);
} samples SECTION(".maps");

struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(1);
	MAP_KEY(u32);
	MAP_VALUE(struct canary);
} canaries SECTION(".maps");

/* What each counter counts, in words: for whoever looks at a running filter from outside. */
struct label {
	u8 text[128];
};

struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(COUNTERS);
	MAP_KEY(u32);
	MAP_VALUE(struct label);
} labels SECTION(".maps");

/* Programs that the filter hands a packet on to. */
struct {
	MAP_TYPE(MAP_PROGRAM_ARRAY);
	MAP_ENTRIES(STAGES);
	MAP_KEY(u32);
	MAP_VALUE(u32);
} stages SECTION(".maps");

struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(BANKS);
	MAP_KEY(u32);
	MAP_VALUE(struct cookies);
} cookie_rules SECTION(".maps");

/* Until when flows that brought a good cookie pass: their next packets may overtake the making of
 * the socket. */
struct {
	MAP_TYPE(MAP_LRU_HASH);
	MAP_ENTRIES(1 << 16);
	MAP_KEY(struct flow_key);
	MAP_VALUE(u64);
} begun SECTION(".maps");

/* Flows whose opening the host was left, though their part of all flows is answered here. The value
 * is not used. */
struct {
	MAP_TYPE(MAP_LRU_HASH);
	MAP_ENTRIES(1 << 12);
	MAP_KEY(struct flow_key);
	MAP_VALUE(u32);
} left SECTION(".maps");

struct {
	MAP_TYPE(MAP_HASH);
	MAP_ENTRIES(SERVICES);
	MAP_KEY(struct service_key);
	MAP_VALUE(struct service);
} services SECTION(".maps");
