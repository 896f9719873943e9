/* SYN cookies (RFC 4987, section 3.6) made and checked before the kernel makes anything of a packet:
 * the kernel's own, so that the listening socket takes the acknowledgement as if it had answered
 * itself (`net.ipv4.tcp_syncookies`).
 *
 * Only packets for which the kernel has a listening socket and nothing better are touched, and only
 * where packets of connections have been seen to end at this host: those of connections, half open
 * or whole, pass, and so does what is translated to another host, even where something listens on
 * the same port here. A listening socket takes cookies only while it makes some
 * (`tcp_synq_no_recent_overflow`), so that now and then an opening is left to it. */
#pragma once

#include "verdict.h"

/* Kinds of TCP options (RFC 9293, RFC 7323, RFC 2018). */
enum { OPTION_SEGMENT = 2, OPTION_SCALE = 3, OPTION_SELECTIVE = 4, OPTION_TIMES = 8 };
enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_RST = 4, FLAG_ACK = 16 };
enum { NO_SOCKET = 0, LISTENING = 1, OPENING = 2, CONNECTION = 3 };
/* States of sockets (Linux, tcp_states.h). */
enum { STATE_SYN_SENT = 2, STATE_SYN_RECEIVED = 3, STATE_LISTEN = 10, STATE_NEW = 12 };

#define OWN_NAMESPACE (~0ULL)
#define TCP_WORDS 15
#define ANSWER_WORDS 10
#define HOPS 64
#define FIRST_WINDOW 64240
/* How long a service is known by a packet of a connection, and how often that is noted. */
#define KNOWN_NS 60000000000ULL
#define NOTE_EVERY_NS 1000000000ULL
/* Openings for one destination that are left to the host: one in so long. */
#define LEFT_EVERY_NS 100000000ULL
/* How long a flow that brought a good cookie passes without a socket. */
#define BEGUN_NS 2000000000ULL
/* No shorter frame is on a wire. */
#define LEAST_FRAME_BYTES 60

/* What timestamps of cookies carry in their low bits (Linux, `cookie_init_timestamp`). */
#define TIMES_BITS 6
#define TIMES_NO_SCALE 15
#define TIMES_SELECTIVE 16

/* Bytes of the frame. */
INLINE s64 frame_bytes(struct xdp_md *context)
{
	const void *data = (const void *)(u64)context->data;
	const void *end = (const void *)(u64)context->data_end;
	s64 bytes = end - data;
	/* Pointers are subtracted whole, and before anything is added. */
	asm volatile("" : "+r"(bytes));
	return bytes;
}

/* What kind of socket the packet is for. */
INLINE u32 socket_of(struct xdp_md *context, const struct facts *facts)
{
	struct bpf_sock *socket;
	if (facts->family == FAMILY_V4) {
		u32 tuple[3] = { facts->source[1] >> 32, facts->destination[1] >> 32 };
		tuple[2] = (u32)be16(facts->destination_port) << 16 | be16(facts->source_port);
		socket = find_tcp_socket(context, tuple, sizeof(tuple), OWN_NAMESPACE, 0);
	} else {
		u32 tuple[9];
		__builtin_memcpy(tuple, facts->source, 16);
		__builtin_memcpy(tuple + 4, facts->destination, 16);
		tuple[8] = (u32)be16(facts->destination_port) << 16 | be16(facts->source_port);
		socket = find_tcp_socket(context, tuple, sizeof(tuple), OWN_NAMESPACE, 0);
	}
	if (!socket)
		return NO_SOCKET;
	u32 state = socket->state;
	release_socket(socket);
	if (state == STATE_LISTEN)
		return LISTENING;
	return state == STATE_SYN_SENT || state == STATE_SYN_RECEIVED || state == STATE_NEW ? OPENING : CONNECTION;
}

INLINE void service_key(const struct facts *facts, struct service_key *key)
{
	key->address[0] = facts->destination[0];
	key->address[1] = facts->destination[1];
	key->port = facts->destination_port;
}

/* Notes that connections end at this host. */
INLINE void note_connection(const struct facts *facts, u64 now)
{
	struct service_key key;
	service_key(facts, &key);
	struct service *service = map_lookup(&services, &key);
	if (!service) {
		struct service first = { now, 0 };
		map_update(&services, &key, &first, 0);
	} else if (now - service->known_ns > NOTE_EVERY_NS) {
		service->known_ns = now;
	}
}

/* The service that a packet is for; null while none is known there. */
INLINE struct service *service_of(const struct facts *facts, u64 now)
{
	struct service_key key;
	service_key(facts, &key);
	struct service *service = map_lookup(&services, &key);
	return service && now - service->known_ns < KNOWN_NS ? service : 0;
}

/* Whether the network header is of the plain kind: no options, no extension headers. */
INLINE int is_plain(const void *data, const void *end, const struct facts *facts, u32 tcp_at)
{
	if (facts->family == FAMILY_V4)
		return byte_at(data, end, tcp_at - 20) == 0x45;
	int next = byte_at(data, end, tcp_at - 40 + 6);
	return next == PROTOCOL_TCP && byte_at(data, end, tcp_at - 40) >> 4 == 6;
}

/* One option, read into one word: its length (0: none can be read there), what it offers, the window
 * scale, and the time. */
#define OFFERS_TIMES 0x100
#define OFFERS_SELECTIVE 0x200
#define OFFERS_SCALE 0x400
#define OFFER_SCALE(offer) ((offer) >> 16 & 15)

STAGE u64 offer_at(struct xdp_md *context, u32 at, u32 left)
{
	const void *data = (const void *)(u64)context->data;
	const void *end = (const void *)(u64)context->data_end;
	const u8 *option = data + (at & OFFSET_MASK);
	if (left < 2 || (const void *)(option + 2) > end || !option[0])
		return 0;
	if (option[0] == 1)
		return 1;
	u64 length = option[1];
	if (length < 2 || length > left)
		return 0;
	if (option[0] == OPTION_SELECTIVE)
		return length | OFFERS_SELECTIVE;
	if (option[0] == OPTION_SCALE && length == 3 && (const void *)(option + 3) <= end)
		return length | OFFERS_SCALE | (option[2] > 14 ? 14 : option[2]) << 16;
	if (option[0] == OPTION_TIMES && length == 10 && (const void *)(option + 10) <= end)
		return length | OFFERS_TIMES | (u64)*(const u32 *)(option + 2) << 32;
	return length;
}

/* What the opening's options offer, all in one word. */
INLINE u64 read_offer(struct xdp_md *context, const struct facts *facts)
{
	u32 at = facts->options_at, left = facts->options_bytes;
	u64 all = 0;
	for (int i = 0; i < 12; i++) {
		u64 step = offer_at(context, at, left);
		u32 length = step & 255;
		if (!length || length > left)
			break;
		all |= step & ~255ULL;
		at += length;
		left -= length;
	}
	return all;
}

/* The present in milliseconds, its low bits telling of the options; never later than the present. */
INLINE u32 cookie_time(u64 offer)
{
	u64 now_ms = time_ns() / 1000000;
	u64 time = now_ms >> TIMES_BITS << TIMES_BITS;
	time |= offer & OFFERS_SCALE ? OFFER_SCALE(offer) : TIMES_NO_SCALE;
	if (offer & OFFERS_SELECTIVE)
		time |= TIMES_SELECTIVE;
	return time > now_ms ? time - (1 << TIMES_BITS) : time;
}

/* The options of the answer, behind the first five words of its header; returns the words of all. */
INLINE u32 write_options(u32 *words, const struct cookies *rule, u64 offer, u32 segment)
{
	words[5] = be32(OPTION_SEGMENT << 24 | 4 << 16 | segment);
	if (!(offer & OFFERS_TIMES))
		return 6;
	u32 selective = offer & OFFERS_SELECTIVE ? OPTION_SELECTIVE << 24 | 2 << 16 : 1 << 24 | 1 << 16;
	words[6] = be32(selective | OPTION_TIMES << 8 | 10);
	words[7] = be32(cookie_time(offer));
	words[8] = offer >> 32;
	if (!(offer & OFFERS_SCALE))
		return 9;
	words[9] = be32(1 << 24 | OPTION_SCALE << 16 | 3 << 8 | rule->window_scale);
	return 10;
}

/* A sum of 32-bit words as the Internet checksum (RFC 1071). */
INLINE u16 checksum(u64 sum)
{
	sum = (sum & 0xFFFFFFFF) + (sum >> 32);
	sum = (sum & 0xFFFF) + (sum >> 16 & 0xFFFF) + (sum >> 32);
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	return ~sum;
}

INLINE u64 halves(u64 word)
{
	return (u32)word + (word >> 32);
}

/* Turns the frame round: from this host to whoever sent it. */
INLINE int turn(struct xdp_md *context, const struct facts *facts, u32 ip_at, u32 tcp_bytes)
{
	u8 *data = (u8 *)(u64)context->data;
	const u8 *end = (const u8 *)(u64)context->data_end;
	u8 *ip = data + (ip_at & OFFSET_MASK);
	u16 *link = (u16 *)data;
	if (data + 14 > end || ip + 40 > end)
		return 0;
#pragma unroll
	for (int i = 0; i < 3; i++) {
		u16 to = link[i];
		link[i] = link[i + 3];
		link[i + 3] = to;
	}
	if (facts->family == FAMILY_V4) {
		u32 words[5] = { be32(0x45000000 | (20 + tcp_bytes)), be32(0x4000),
				 be32(HOPS << 24 | PROTOCOL_TCP << 16), facts->destination[1] >> 32,
				 facts->source[1] >> 32 };
		u64 sum = (u64)words[0] + words[1] + words[2] + words[3] + words[4];
		words[2] |= (u32)checksum(sum) << 16;
#pragma unroll
		for (int i = 0; i < 5; i++)
			((u32 *)ip)[i] = words[i];
		return 1;
	}
	((u32 *)ip)[0] = be32(0x60000000);
	((u32 *)ip)[1] = be32(tcp_bytes << 16 | PROTOCOL_TCP << 8 | HOPS);
	__builtin_memcpy(ip + 8, facts->destination, 16);
	__builtin_memcpy(ip + 24, facts->source, 16);
	return 1;
}

/* The cookie for an opening; negative: the kernel makes none of it. */
INLINE s64 make_cookie(struct xdp_md *context, const struct facts *facts, u32 tcp_at, u32 *sequence)
{
	const void *data = (const void *)(u64)context->data;
	const void *end = (const void *)(u64)context->data_end;
	u32 tcp[TCP_WORDS] = {};
	u32 bytes = 20 + facts->options_bytes;
	if (bytes > sizeof(tcp))
		return -1;
	for (u32 i = 0; i < TCP_WORDS && i * 4 < bytes; i++) {
		const u32 *word = data + ((tcp_at + 4 * i) & OFFSET_MASK);
		if ((const void *)(word + 1) > end)
			return -1;
		tcp[i] = *word;
	}
	*sequence = be32(tcp[1]);
	if (facts->family == FAMILY_V4) {
		const u8 *ip = data + ((tcp_at - 20) & OFFSET_MASK);
		return (const void *)(ip + 20) > end ? -1 : make_cookie_v4(ip, tcp, bytes);
	}
	const u8 *ip = data + ((tcp_at - 40) & OFFSET_MASK);
	return (const void *)(ip + 40) > end ? -1 : make_cookie_v6(ip, tcp, bytes);
}

/* Answers an opening with a cookie, in its own frame. Returns whether it is done. */
INLINE int answer(struct xdp_md *context, const struct facts *facts, const struct cookies *rule, u32 tcp_at)
{
	u32 ip_bytes = facts->family == FAMILY_V4 ? 20 : 40;
	u32 sequence = 0;
	s64 cookie = make_cookie(context, facts, tcp_at, &sequence);
	if (cookie < 0)
		return 0;
	u64 offer = rule->timestamps ? read_offer(context, facts) : 0;
	u32 words[ANSWER_WORDS] = {
		(u32)be16(facts->source_port) << 16 | be16(facts->destination_port),
		be32(cookie),
		be32(sequence + 1),
	};
	u32 segment = facts->family == FAMILY_V4 ? rule->segment_v4 : rule->segment_v6;
	u32 count = write_options(words, rule, offer, segment);
	words[3] = be32(count << 28 | (FLAG_SYN | FLAG_ACK) << 16 | FIRST_WINDOW);
	u64 sum = be32(PROTOCOL_TCP << 16 | count * 4);
#pragma unroll
	for (int i = 0; i < ANSWER_WORDS; i++)
		sum += words[i];
	if (facts->family == FAMILY_V4)
		sum += (facts->source[1] >> 32) + (facts->destination[1] >> 32);
	else
		sum += halves(facts->source[0]) + halves(facts->source[1]) + halves(facts->destination[0]) +
		       halves(facts->destination[1]);
	words[4] = checksum(sum);
	u32 wanted = tcp_at + count * 4;
	if (wanted < LEAST_FRAME_BYTES)
		wanted = LEAST_FRAME_BYTES;
	if (adjust_tail(context, wanted - frame_bytes(context)))
		return 0;
	if (!turn(context, facts, tcp_at - ip_bytes, count * 4))
		return 0;
	const void *end = (const void *)(u64)context->data_end;
#pragma unroll
	for (u32 i = 0; i < ANSWER_WORDS; i++) {
		u32 *place = (void *)(u64)context->data + ((tcp_at + 4 * i) & OFFSET_MASK);
		if (i >= count || (const void *)(place + 1) > end)
			break;
		*place = words[i];
	}
	return 1;
}

INLINE void flow_key(const struct facts *facts, struct flow_key *key)
{
	key->source[0] = facts->source[0];
	key->source[1] = facts->source[1];
	key->destination[0] = facts->destination[0];
	key->destination[1] = facts->destination[1];
	key->ports = (u32)facts->source_port << 16 | facts->destination_port;
	key->reserved = 0;
}

/* Whether this opening is one of the few that the host itself is left. */
INLINE int is_left(struct service *service, const struct facts *facts, u64 now)
{
	if (now - service->left_ns < LEFT_EVERY_NS)
		return 0;
	struct flow_key key;
	u32 one = 1;
	service->left_ns = now;
	flow_key(facts, &key);
	map_update(&left, &key, &one, 0);
	return 1;
}

enum { BRINGS_NONE = 0, BRINGS_FIRST = 1, BRINGS_AGAIN = 2 };

/* Whether a packet that is for no connection yet brings a cookie back, or its flow has. */
INLINE int brings(struct xdp_md *context, const struct facts *facts, u32 tcp_at, u64 now)
{
	const void *data = (const void *)(u64)context->data;
	const void *end = (const void *)(u64)context->data_end;
	struct flow_key key;
	flow_key(facts, &key);
	long bad = -1;
	const u8 *tcp = data + (tcp_at & OFFSET_MASK);
	if ((facts->tcp_flags & (FLAG_ACK | FLAG_RST)) == FLAG_ACK && (const void *)(tcp + 20) <= end) {
		const u8 *ip = data + ((tcp_at - (facts->family == FAMILY_V4 ? 20 : 40)) & OFFSET_MASK);
		if (facts->family == FAMILY_V4 && (const void *)(ip + 20) <= end)
			bad = check_cookie_v4(ip, tcp);
		else if ((const void *)(ip + 40) <= end)
			bad = check_cookie_v6(ip, tcp);
	}
	const u64 *known = map_lookup(&begun, &key);
	int is_known = known && now < *known;
	if (bad)
		return is_known ? BRINGS_AGAIN : BRINGS_NONE;
	u64 until = now + BEGUN_NS;
	map_update(&begun, &key, &until, 0);
	return is_known ? BRINGS_AGAIN : BRINGS_FIRST;
}

/* Counts a flow that came back, to whoever answered its opening. */
INLINE void count_return(struct totals *sums, const struct facts *facts, int is_ours)
{
	struct flow_key key;
	flow_key(facts, &key);
	if (is_ours && !map_lookup(&left, &key))
		sums->cookies_good++;
	else
		sums->cookies_left_good++;
}

/* What becomes of a segment for a port with cookies. */
INLINE int judge_segment(struct xdp_md *context, const struct cookies *rule, const struct facts *facts,
			 struct totals *sums, u64 now)
{
	u32 counter = rule->counter;
	u32 tcp_at = facts->options_at - 20;
	u64 bytes = frame_bytes(context);
	struct counts *counts = map_lookup(&counters, &counter);
	if (!counts || !is_plain((const void *)(u64)context->data, (const void *)(u64)context->data_end, facts, tcp_at))
		return XDP_PASS;
	u32 socket = socket_of(context, facts);
	if (socket == CONNECTION)
		note_connection(facts, now);
	if (socket != LISTENING)
		return XDP_PASS;
	struct service *service = service_of(facts, now);
	if (!service)
		return XDP_PASS;
	u32 kind = facts->tcp_flags & (FLAG_SYN | FLAG_ACK | FLAG_RST | FLAG_FIN);
	int is_ours = rule->share >= WHOLE_SHARE || flow_part(facts) < rule->share;
	if (kind == FLAG_SYN && (!is_ours || is_left(service, facts, now))) {
		sums->cookies_left++;
		return XDP_PASS;
	}
	if (kind != FLAG_SYN) {
		int brought = brings(context, facts, tcp_at, now);
		if (brought == BRINGS_FIRST)
			count_return(sums, facts, is_ours);
		if (brought != BRINGS_NONE || !is_ours)
			return XDP_PASS;
	}
	counts->matched_packets++;
	counts->matched_bytes += bytes;
	if (!rule->enforce) {
		sums->would_drop++;
		return XDP_PASS;
	}
	if (kind == FLAG_SYN && !answer(context, facts, rule, tcp_at))
		return XDP_PASS;
	counts->dropped_packets++;
	counts->dropped_bytes += bytes;
	if (kind == FLAG_SYN)
		sums->cookies_sent++;
	else
		sums->cookies_bad++;
	return kind == FLAG_SYN ? XDP_TX : XDP_DROP;
}

/* The program behind the filter, for TCP that nothing has dropped. */
INLINE int answer_openings(struct xdp_md *context)
{
	u32 zero = 0;
	const struct control *state = map_lookup(&control, &zero);
	struct totals *sums = map_lookup(&totals, &zero);
	struct facts facts = {};
	struct decision decision = {};
	if (!state || !sums || parse(context, &facts) != PARSED)
		return XDP_PASS;
	LOADS_DONE();
	if (!facts.options_at)
		return XDP_PASS;
	u32 bank = state->active & (BANKS - 1);
	const struct cookies *rule = map_lookup(&cookie_rules, &bank);
	u64 now = now_ns(state);
	if (!rule || now >= rule->expires_ns || facts.fragment != FRAGMENT_WHOLE)
		return XDP_PASS;
	if (!(rule->ports[facts.destination_port >> 6 & 1023] >> (facts.destination_port & 63) & 1))
		return XDP_PASS;
	if (is_protected(&facts, &decision))
		return XDP_PASS;
	return judge_segment(context, rule, &facts, sums, now);
}
