/* What the program uses of the kernel's interface: types, helpers by number, map definitions.
 *
 * Written out here (from the documented ABI, bpf-helpers(7) and linux/bpf.h) so that the object
 * does not depend on the headers of the machine that builds it. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
/* A function that the verifier proves on its own, for any arguments: what calls it stays small.
 * It must be global, and its pointers may be null. A return costs some ten nanoseconds where the
 * processor is guarded against speculation through it, so the common path is one function. */
#define STAGE __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Map definitions as BTF (libbpf's ".maps" convention). */
#define MAP_TYPE(value) int(*type)[value]
#define MAP_ENTRIES(value) int(*max_entries)[value]
#define MAP_FLAGS(value) int(*map_flags)[value]
#define MAP_KEY(kind) kind *key
#define MAP_VALUE(kind) kind *value

enum {
	MAP_HASH = 1,
	MAP_ARRAY = 2,
	MAP_PROGRAM_ARRAY = 3,
	MAP_PERCPU_ARRAY = 6,
	MAP_LRU_HASH = 9,
	MAP_LPM_TRIE = 11,
	MAP_RINGBUF = 27,
	NO_PREALLOCATION = 1,
};

enum { XDP_DROP = 1, XDP_PASS = 2, XDP_TX = 3 };
enum { TC_PASS_ON = -1 };
enum { RING_NO_WAKEUP = 1 };

struct xdp_md {
	u32 data;
	u32 data_end;
	u32 data_meta;
	u32 ingress_ifindex;
	u32 rx_queue_index;
	u32 egress_ifindex;
};

/* What the classifier gets. */
struct __sk_buff {
	u32 len;
	u32 unused[18];
	u32 data;
	u32 data_end;
};

/* A socket, as far as its state. */
struct bpf_sock {
	u32 unused[18];
	u32 state;
};

static void *(*const map_lookup)(const void *map, const void *key) = (void *)1;
static long (*const map_update)(const void *map, const void *key, const void *value, u64 flags) = (void *)2;
static u64 (*const time_ns)(void) = (void *)5;
static u32 (*const random_u32)(void) = (void *)7;
static long (*const adjust_head)(void *context, int bytes) = (void *)44;
static void *(*const ring_reserve)(const void *ring, u64 size, u64 flags) = (void *)131;
static void (*const ring_submit)(void *data, u64 flags) = (void *)132;
static long (*const tail_call)(void *context, const void *programs, u32 index) = (void *)12;
static long (*const adjust_tail)(struct xdp_md *context, s64 bytes) = (void *)65;
static void (*const release_socket)(void *socket) = (void *)86;
static struct bpf_sock *(*const find_tcp_socket)(void *context, const void *tuple, u32 bytes, u64 namespace,
						 u64 flags) = (void *)99;
/* Since Linux 6.0. What they take as headers are those of the packet, the TCP header whole. */
static s64 (*const make_cookie_v4)(const void *ip, const void *tcp, u32 tcp_bytes) = (void *)204;
static s64 (*const make_cookie_v6)(const void *ip, const void *tcp, u32 tcp_bytes) = (void *)205;
static long (*const check_cookie_v4)(const void *ip, const void *tcp) = (void *)206;
static long (*const check_cookie_v6)(const void *ip, const void *tcp) = (void *)207;
/* From Linux 5.18 on. */
static long (*const load_bytes)(void *context, u32 at, void *to, u32 bytes) = (void *)189;
static long (*const store_bytes)(void *context, u32 at, const void *from, u32 bytes) = (void *)190;
/* Put in place by the verifier: no call, one load. */
static u64 (*const jiffies)(void) = (void *)118;

/* Loads written before stay before: the verifier loses the bounds of a pointer that is made anew. */
#define LOADS_DONE() asm volatile("" ::: "memory")

INLINE u16 be16(u16 value)
{
	return __builtin_bswap16(value);
}

INLINE u32 be32(u32 value)
{
	return __builtin_bswap32(value);
}
