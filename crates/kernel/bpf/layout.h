/* What user space and the program tell each other. `layout.rs` writes and reads the same bytes;
 * every field lies at its natural place, and nothing is padded silently. */
#pragma once

#include "kernel.h"

/* Signature rules of one generation: one bit each in a 64-bit mask. */
#define RULES 64
/* Words of the names that a signature rule may be about the names below. */
#define SUFFIX_WORDS 8
/* Two banks: one in force, one being written. */
#define BANKS 2
/* Measures that are counted apart. */
#define COUNTERS 256
/* Bytes of a packet that a sample keeps. */
#define SAMPLE_BYTES 128
/* The filter before the tables of blocked prefixes: words in a chunk, chunks in a bank. */
#define FILTER_WORDS 512
#define FILTER_CHUNKS 1024
/* The tables of blocked prefixes: keys in a bucket, which is one line of the processor's cache;
 * buckets in a chunk, which is written at once; buckets that a key may be away from its own. */
#define V4_PLACES 12
#define V6_PLACES 3
#define CHUNK_BUCKETS 64
#define MOST_STEPS 64
/* Addresses with ports of this host, at which connections are known. */
#define SERVICES 4096

/* The one word that puts a generation in force. */
struct control {
	/* Generation << 8, and the bank in the low bit. */
	u64 active;
	/* Samples a second that each processor may give out. */
	u64 samples_per_s;
	/* The kernel's tick and the monotonic clock at one instant, and the length of a tick: telling
	 * the time costs a load instead of a call. */
	u64 base_jiffies;
	u64 base_ns;
	u64 tick_ns;
	/* Number of the interface, for whoever looks from outside; 0: not attached. */
	u64 interface;
};

enum { FAMILY_V4 = 0, FAMILY_V6 = 1 };
enum { FRAGMENT_WHOLE = 0, FRAGMENT_FIRST = 1, FRAGMENT_LATER = 2 };

/* Which tests of a rule count. */
enum {
	TEST_PROTOCOL = 1 << 0,
	TEST_SOURCE_PORT = 1 << 1,
	TEST_DESTINATION_PORT = 1 << 2,
	TEST_LENGTH = 1 << 3,
	TEST_TTL = 1 << 4,
	TEST_TCP_FLAGS = 1 << 5,
	TEST_TCP_WINDOW = 1 << 6,
	TEST_TCP_OPTIONS = 1 << 7,
	TEST_FRAGMENT = 1 << 8,
	TEST_ICMP_TYPE = 1 << 9,
	TEST_PAYLOAD = 1 << 10,
	TEST_SOURCE = 1 << 11,
	TEST_DESTINATION = 1 << 12,
	TEST_QUESTION = 1 << 13,
	TEST_DNS_TYPE = 1 << 14,
	TEST_DNS_RECURSION = 1 << 15,
};

enum { ACTION_DROP = 0, ACTION_LIMIT = 1 };
enum { LIMIT_TOTAL = 0, LIMIT_SOURCE = 1, LIMIT_NETWORK = 2, LIMIT_DESTINATION = 3 };

/* One conjunction. Addresses are 16 bytes as on the wire, IPv4 as ::ffff:a.b.c.d. */
struct rule {
	u64 expires_ns;
	u64 source[2];
	u64 source_mask[2];
	u64 destination[2];
	u64 destination_mask[2];
	u64 payload[2];
	u64 payload_mask[2];
	u64 tcp_options;
	/* Limits (generic cell rate algorithm): time of one packet, and how far ahead a burst may run. */
	u64 interval_ns;
	u64 burst_ns;
	u32 tests;
	u32 length_low;
	u32 length_high;
	u16 source_port_low;
	u16 source_port_high;
	u16 destination_port_low;
	u16 destination_port_high;
	u16 tcp_window;
	/* In 1,024 parts of all flows. */
	u16 share;
	u16 counter;
	u8 ttl_low;
	u8 ttl_high;
	u8 protocol;
	u8 tcp_flags;
	u8 icmp_type;
	u8 fragment;
	u8 family;
	u8 payload_bytes;
	u8 action;
	u8 limit_key;
	u8 enforce;
	/* Tells its buckets from those of an earlier measure with the same counter: 24 bits, these the
	 * upper ones. */
	u8 epoch_upper;
	u16 epoch_lower;
	/* Of a question: what its name ends with, in wire form and lower case; 0 bytes: any name. */
	u64 suffix[SUFFIX_WORDS];
	u16 dns_type;
	u8 suffix_bytes;
	u8 recursion_desired;
	u32 reserved;
};

/* Which rules a value leaves possible, by attribute: 64 rules are tried in a handful of loads. */
struct masks {
	u64 all;
	u64 without_ports;
	u64 without_tcp;
	u64 without_icmp;
	u64 without_payload;
	/* Rules that look into payload, TCP options, or the question of a DNS message. */
	u64 needs_payload;
	u64 needs_options;
	u64 needs_question;
	u64 family[2];
	u64 fragment[4];
	u64 protocol[256];
	u64 ttl[256];
	u64 tcp_flags[64];
	u64 icmp_type[256];
	u64 source_port[2][256];
	u64 destination_port[2][256];
	u64 length[2][256];
	u64 payload[256];
	/* Blocked prefixes: lengths in use (bits of V4_LENGTHS, V6_LENGTHS), tries in use, and the
	 * part of the filter that is used. */
	u32 v4_lengths;
	u32 v6_lengths;
	u32 v4_trie;
	u32 v6_trie;
	u32 filter_mask;
	/* Whether openings are answered with cookies. */
	u32 cookies;
	/* The part of the tables of blocked prefixes that is used, and what nobody outside knows of
	 * their hash. */
	u32 v4_mask;
	u32 v6_mask;
	u64 seed;
	/* Rules about questions for names, and the part of their set of names that is used. */
	u32 names;
	u32 names_mask;
};

/* Blocked prefixes by address. A kind is 0 where the place is empty (so are all after it), or else one
 * more than the number of the length. `is_full`: a key that belongs here may be farther on. */
struct v4_bucket {
	u32 address[V4_PLACES];
	u8 counter[V4_PLACES];
	/* Two bits a place, and IS_FULL. */
	u32 kinds;
};

#define IS_FULL (1U << 31)

struct v6_bucket {
	u64 address[V6_PLACES][2];
	u8 counter[V6_PLACES];
	u8 kind[V6_PLACES];
	u8 is_full;
	u8 reserved[9];
};

/* On which terms the prefixes of one measure are blocked. */
struct terms {
	u64 expires_ns;
	u16 share;
	u8 enforce;
	u8 reserved[5];
};

/* A blocked prefix of another length. It is in force from one generation to another, and until its
 * time. */
struct block {
	u64 expires_ns;
	u32 from_generation;
	u32 last_generation;
	u16 share;
	u16 counter;
	u8 enforce;
	u8 reserved[3];
};

struct v4_trie_key {
	u32 length_bits;
	u32 address;
};

struct v6_trie_key {
	u32 length_bits;
	u8 address[16];
};

struct counts {
	u64 matched_packets;
	u64 matched_bytes;
	u64 dropped_packets;
	u64 dropped_bytes;
};

/* Of everything, on one processor. */
struct totals {
	u64 packets;
	u64 bytes;
	u64 not_ip;
	u64 unreadable;
	u64 protected_packets;
	u64 dropped_by_block;
	u64 dropped_by_rule;
	u64 dropped_bytes;
	u64 would_drop;
	u64 samples;
	u64 samples_lost;
	/* Openings answered with a cookie, flows that brought one back, and packets of no connection that
	 * brought none. */
	u64 cookies_sent;
	u64 cookies_good;
	u64 cookies_bad;
	/* Openings left to the host while others are answered, and those that came back from it: what
	 * the others are held against. */
	u64 cookies_left;
	u64 cookies_left_good;
	/* Questions for names that are not known: answered in the edge's place, and dropped. */
	u64 names_answered;
	u64 names_dropped;
	/* Sampling: packets until the next sample, one in how many, and the present period. */
	u64 countdown;
	u64 one_in;
	u64 period_start_ns;
	u64 period_first_packet;
	u64 period_samples;
};

/* Which openings are answered with a cookie in place of the host, and how. */
struct cookies {
	u64 expires_ns;
	/* In 1,024 parts of all flows. */
	u16 share;
	u16 counter;
	/* The largest segments that this host takes. */
	u16 segment_v4;
	u16 segment_v6;
	u8 enforce;
	/* Whether the host's timestamps may be foretold, and its window scale. */
	u8 timestamps;
	u8 window_scale;
	u8 reserved[5];
	/* One bit for each port. */
	u64 ports[1024];
};

/* Where connections of this host end, and what is known of there. */
struct service_key {
	u64 address[2];
	u64 port;
};

struct service {
	/* When a packet of a connection was last seen. */
	u64 known_ns;
	/* When the host itself was last left an opening. */
	u64 left_ns;
};

/* A flow that brought a good cookie. */
struct flow_key {
	u64 source[2];
	u64 destination[2];
	u32 ports;
	u32 reserved;
};

/* What the canary program found of one packet, and what the clocks were. */
struct canary {
	u64 rules;
	u64 jiffies;
	u64 time_ns;
};

/* By the first 16 bits of an address, one bit each: whether a protected prefix may be there. */
struct guard {
	u64 words[1024];
};

struct bucket_key {
	u64 address[2];
	u32 counter;
	u32 epoch;
};

struct bucket {
	/* When the bucket will be empty again. */
	u64 arrival_ns;
};

/* Programs that the filter hands a packet on to. */
enum { STAGE_COOKIES = 0, STAGE_NAMES = 1, STAGES = 2 };

enum { DIRECTION_IN = 0, DIRECTION_OUT = 1 };

struct sample {
	u64 time_ns;
	u32 one_in;
	u32 wire_bytes;
	u16 captured_bytes;
	u8 verdict;
	u8 direction;
	u32 reserved;
	u8 data[SAMPLE_BYTES];
};
