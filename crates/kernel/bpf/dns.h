/* DNS answers from the kernel: what the DNS edge has in its cache and many ask for is answered
 * before the kernel makes anything of the question.
 *
 * Only a plain question over UDP is answered: one question, class IN, no EDNS options, of a name of
 * at most DNS_NAME bytes; to an address that the edge listens on; whose answer is at most DNS_RATIO
 * times as long. Everything else passes, and the edge answers it.
 *
 * An answer lies in one of the two halves of its place. It is renewed in the half that is not in
 * use, and the index is then changed by one word, so that nobody reads what is being written. The
 * question is compared in full: two with one hash cannot get each other's answer. */
#pragma once

#include "question.h"
#include "sample.h"

#define DNS_NAME 64
#define DNS_RECORDS 272
#define DNS_PORTS 4
/* Words of a question: its name in lower case, then type, bits, front and the name's length. */
#define DNS_WORDS 9
#define DNS_OPT 11
/* The least and the greatest message that is looked at. */
#define DNS_LEAST 17
#define DNS_MOST (DNS_HEADER + DNS_NAME + 4 + DNS_OPT)
/* Bytes out for each byte in: what the edge's ledger calls usual. */
#define DNS_RATIO 4
/* Bytes of a whole frame that goes out, at most. */
#define DNS_FRAME 1024
/* Counters of questions that networks repeat. */
#define DNS_REPEATS 4096

/* Where headers lie in the frame that is written: the UDP header always at the same place. */
#define OUT_UDP 68
#define OUT_DNS (OUT_UDP + 8)
#define OUT_QUESTION (OUT_DNS + DNS_HEADER)

enum {
	DNS_KEPT = 0x0110, /* RD and CD */
	DNS_TYPE_OPT = 41,
};

struct dns_settings {
	/* Nobody outside knows these. */
	u64 keys[2];
	u64 samples_per_s;
	/* Of one question by one network, in a second and on one processor; more pass. */
	u32 repeats;
	u32 is_on;
	/* In network order; 0: none. */
	u16 ports[DNS_PORTS];
};

struct dns_listener {
	u64 address[2];
	/* In network order. */
	u16 port;
	u16 reserved[3];
};

struct dns_answer {
	u64 expires_ns;
	u64 question[DNS_WORDS];
	/* Header and counts in network order, without the question's bits and the OPT record. */
	u16 flags;
	u16 counts[3];
	u16 records_bytes;
	/* One's complement sum of the records, as if they began at an even place. */
	u16 records_sum;
	u32 reserved;
	u64 records[DNS_RECORDS / 8];
};

struct dns_repeats {
	u32 second;
	u32 count;
};

struct dns_totals {
	u64 answers;
	u64 query_bytes;
	u64 answer_bytes;
	/* Passed because a network repeats its question, because the answer is too long for it, or
	 * because the frame could not be made longer. */
	u64 repeated;
	u64 too_long;
	u64 no_room;
};

struct dns_sample {
	u64 time_ns;
	u64 client[2];
	u32 one_in;
	u32 place;
	u16 client_port;
	u16 query_bytes;
	u16 answer_bytes;
	u16 reserved;
};

/* A question on its way. */
struct dns_asking {
	/* Bytes of the frame, of what is before the network header, and of the message. */
	u32 frame_bytes;
	u32 link_bytes;
	u32 message_bytes;
	u32 name_bytes;
	u16 flags;
	u16 kind;
	u8 is_v6;
	u8 has_opt;
	u8 dnssec_ok;
	u8 reserved;
};

/* A question and its answer at work: too much for the stack, and what lies in a map the verifier
 * does not follow into every branch. */
struct dns_work {
	u8 before_header[4];
	u8 header[DNS_HEADER];
	/* As asked, and what follows it. */
	u64 asked[12];
	u64 question[DNS_WORDS];
	struct dns_listener listener;
	struct dns_asking asking;
	u64 source[2];
	/* Of the addresses, ports and message that go out. */
	u64 sum;
	u8 out[DNS_FRAME];
};

struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(1);
	MAP_KEY(u32);
	MAP_VALUE(struct dns_settings);
} dns_settings SECTION(".maps");

/* The front that listens there. */
struct {
	MAP_TYPE(MAP_HASH);
	MAP_ENTRIES(4096);
	MAP_FLAGS(NO_PREALLOCATION);
	MAP_KEY(struct dns_listener);
	MAP_VALUE(u32);
} dns_listeners SECTION(".maps");

/* By a question's hash, the half of a place. The loader sets the sizes. */
struct {
	MAP_TYPE(MAP_HASH);
	MAP_ENTRIES(1);
	MAP_KEY(u64);
	MAP_VALUE(u32);
} dns_index SECTION(".maps");

struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(2);
	MAP_KEY(u32);
	MAP_VALUE(struct dns_answer);
} dns_answers SECTION(".maps");

/* How often each place was answered from. */
struct {
	MAP_TYPE(MAP_PERCPU_ARRAY);
	MAP_ENTRIES(1);
	MAP_KEY(u32);
	MAP_VALUE(u64);
} dns_hits SECTION(".maps");

struct {
	MAP_TYPE(MAP_PERCPU_ARRAY);
	MAP_ENTRIES(DNS_REPEATS);
	MAP_KEY(u32);
	MAP_VALUE(struct dns_repeats);
} dns_repeats SECTION(".maps");

struct {
	MAP_TYPE(MAP_PERCPU_ARRAY);
	MAP_ENTRIES(1);
	MAP_KEY(u32);
	MAP_VALUE(struct dns_totals);
} dns_totals SECTION(".maps");

/* Sampling of its own: only its counters are used. */
struct {
	MAP_TYPE(MAP_PERCPU_ARRAY);
	MAP_ENTRIES(1);
	MAP_KEY(u32);
	MAP_VALUE(struct totals);
} dns_sampling SECTION(".maps");

struct {
	MAP_TYPE(MAP_PERCPU_ARRAY);
	MAP_ENTRIES(1);
	MAP_KEY(u32);
	MAP_VALUE(struct dns_work);
} dns_work SECTION(".maps");

struct {
	MAP_TYPE(MAP_RINGBUF);
	MAP_ENTRIES(1 << 20);
} dns_samples SECTION(".maps");

INLINE u32 fold_sum(u64 sum)
{
	sum = (sum & 0xFFFFFFFF) + (sum >> 32);
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	return sum;
}

INLINE u64 sum_of_word(u64 word)
{
	return (word & 0xFFFFFFFF) + (word >> 32);
}

/* Whether no host sends from there. */
INLINE int is_no_sender_v4(u32 address)
{
	u8 first = address;
	return first == 0 || first == 127 || first >= 224;
}

INLINE int is_dns_port(const struct dns_settings *settings, u16 port)
{
	return port == settings->ports[0] || port == settings->ports[1] || port == settings->ports[2] ||
	       port == settings->ports[3];
}

/* An IPv4 header without options and a UDP header, written the other way round. Returns the
 * header's length; 0: it is none that is looked at. */
INLINE u32 dns_turn_v4(const u8 *ip, const u8 *end, const struct dns_settings *settings, struct dns_work *work)
{
	if (ip + 28 > end || ip[0] != 0x45 || ip[9] != PROTOCOL_UDP || *(const u16 *)(ip + 6) & be16(0x3FFF))
		return 0;
	u16 port = *(const u16 *)(ip + 22);
	if (!is_dns_port(settings, port))
		return 0;
	const u16 *words = (const u16 *)ip;
	u32 sum = 0, source = *(const u32 *)(ip + 12), destination = *(const u32 *)(ip + 16);
	for (int i = 0; i < 10; i++)
		sum += words[i];
	if (fold_sum(sum) != 0xFFFF || is_no_sender_v4(source) || source == destination)
		return 0;
	work->asking.is_v6 = 0;
	work->asking.message_bytes = be16(words[1]) - 28;
	if (be16(words[12]) != work->asking.message_bytes + 8)
		return 0;
	work->source[0] = 0;
	work->source[1] = (u64)source << 32 | 0xFFFF0000;
	work->listener.address[0] = 0;
	work->listener.address[1] = (u64)destination << 32 | 0xFFFF0000;
	work->listener.port = port;
	*(u16 *)(work->out + OUT_UDP) = port;
	*(u16 *)(work->out + OUT_UDP + 2) = words[10];
	*(u32 *)(work->out + OUT_UDP - 8) = destination;
	*(u32 *)(work->out + OUT_UDP - 4) = source;
	return 20;
}

/* The same of IPv6 without extension headers. */
INLINE u32 dns_turn_v6(const u8 *ip, const u8 *end, const struct dns_settings *settings, struct dns_work *work)
{
	if (ip + 48 > end || ip[0] >> 4 != 6 || ip[6] != PROTOCOL_UDP || ip[8] == 0xFF)
		return 0;
	const u16 *words = (const u16 *)ip;
	u16 port = words[21];
	if (!is_dns_port(settings, port))
		return 0;
	work->asking.is_v6 = 1;
	work->asking.message_bytes = be16(words[2]) - 8;
	if (be16(words[22]) != work->asking.message_bytes + 8)
		return 0;
	__builtin_memcpy(work->source, ip + 8, 16);
	__builtin_memcpy(work->listener.address, ip + 24, 16);
	/* Nobody, or the host itself. */
	if (!work->source[0] && (!work->source[1] || work->source[1] == 1ULL << 56))
		return 0;
	if (work->source[0] == work->listener.address[0] && work->source[1] == work->listener.address[1])
		return 0;
	work->listener.port = port;
	*(u16 *)(work->out + OUT_UDP) = port;
	*(u16 *)(work->out + OUT_UDP + 2) = words[20];
	__builtin_memcpy(work->out + OUT_UDP - 32, ip + 24, 16);
	__builtin_memcpy(work->out + OUT_UDP - 16, ip + 8, 16);
	return 40;
}

/* Ethernet, at most one VLAN tag, and IP: written the other way round. Returns where the UDP header
 * begins; 0: none that is looked at. */
INLINE u32 dns_turn(struct xdp_md *context, const struct dns_settings *settings, struct dns_work *work)
{
	const u8 *data = (const void *)(u64)context->data;
	const u8 *end = (const void *)(u64)context->data_end;
	if (data + 14 + 28 > end || data[0] & 1)
		return 0;
	u32 link_bytes = 14, ip_bytes = 0;
	u16 kind = *(const u16 *)(data + 12);
	if (kind == be16(0x8100)) {
		kind = *(const u16 *)(data + 16);
		link_bytes = 18;
	}
	if (kind == be16(0x0800))
		ip_bytes = dns_turn_v4(data + link_bytes, end, settings, work);
	else if (kind == be16(0x86DD))
		ip_bytes = dns_turn_v6(data + link_bytes, end, settings, work);
	if (!ip_bytes)
		return 0;
	work->asking.link_bytes = link_bytes;
	/* Addresses change places; tag and kind stay. */
	u8 *link = work->out + (work->asking.is_v6 ? OUT_UDP - 40 : OUT_UDP - 20);
	if (link_bytes == 18) {
		__builtin_memcpy(link - 18, data + 6, 6);
		__builtin_memcpy(link - 12, data, 6);
		__builtin_memcpy(link - 6, data + 12, 6);
	} else {
		__builtin_memcpy(link - 14, data + 6, 6);
		__builtin_memcpy(link - 8, data, 6);
		__builtin_memcpy(link - 2, data + 12, 2);
	}
	return link_bytes + ip_bytes;
}

INLINE u8 asked_byte(const struct dns_work *work, u32 at)
{
	return ((const u8 *)work->asked)[at & 63];
}

INLINE u16 asked_word(const struct dns_work *work, u32 at)
{
	const u8 *place = (const u8 *)work->asked + (at & 63);
	return place[0] << 8 | place[1];
}

/* Reads the message; returns whether it is a plain question. */
INLINE int dns_read(struct dns_work *work, struct dns_asking *asking)
{
	const u16 *header = (const u16 *)work->header;
	asking->flags = be16(header[1]);
	u16 additional = be16(header[5]);
	if (asking->flags & DNS_RESPONSE_OR_OPCODE || header[2] != be16(1) || header[3] || header[4] || additional > 1)
		return 0;
	u32 at = 0;
	for (int i = 0; i < DNS_NAME / 2; i++) {
		u32 label = asked_byte(work, at);
		if (!label)
			break;
		at += label + 1;
		if (label > 63 || at > DNS_NAME - 1)
			return 0;
	}
	if (asked_byte(work, at))
		return 0;
	at++;
	asking->name_bytes = at;
	/* The name ends at the 64th byte at the latest, so that what follows wraps nowhere. */
	const u8 *rest = (const u8 *)work->asked + (at & 127);
	asking->kind = rest[0] << 8 | rest[1];
	if (rest[2] || rest[3] != 1)
		return 0;
	u32 bytes = DNS_HEADER + at + 4;
	asking->has_opt = additional;
	asking->dnssec_ok = 0;
	if (!additional)
		return asking->message_bytes == bytes;
	if (asking->message_bytes != bytes + DNS_OPT)
		return 0;
	/* The root, OPT, size, upper bits, version 0, flags, no options. */
	if (rest[4] || rest[5] || rest[6] != DNS_TYPE_OPT || rest[10] || rest[13] || rest[14])
		return 0;
	asking->dnssec_ok = rest[11] >> 7;
	return 1;
}

/* The question as the index has it, and its hash. */
INLINE u64 dns_question(struct dns_work *work, const struct dns_asking *asking, const u64 *keys, u32 front)
{
	u64 hash = keys[0];
	for (int i = 0; i < DNS_WORDS - 1; i++) {
		u64 word = first_bytes(lower_case(work->asked[i]), (s64)asking->name_bytes - 8 * i);
		work->question[i] = word;
		if (8 * i < asking->name_bytes) {
			hash = (hash ^ word) * 0x9E3779B97F4A7C15ULL;
			hash ^= hash >> 29;
		}
	}
	u64 bits = (asking->flags & DNS_KEPT) | asking->dnssec_ok;
	u64 word = asking->kind | bits << 16 | (u64)(front & 0xFF) << 32 | (u64)asking->name_bytes << 48;
	work->question[DNS_WORDS - 1] = word;
	hash = (hash ^ word ^ keys[1]) * 0xD6E8FEB86659FD93ULL;
	hash = (hash ^ hash >> 32) * 0xA0761D6478BD642FULL;
	return hash ^ hash >> 29;
}

INLINE int is_answer_to(const struct dns_answer *answer, const struct dns_work *work)
{
	u64 differs = 0;
	for (int i = 0; i < DNS_WORDS; i++)
		differs |= answer->question[i] ^ work->question[i];
	return !differs;
}

/* Whether one network (a /24, or a /56) asks the same too often. */
INLINE int dns_is_repeated(const struct dns_settings *settings, const struct dns_work *work, u32 place, u64 now_ns)
{
	u64 network = work->source[0] ? work->source[0] & 0x00FFFFFFFFFFFFFF : work->source[1] & 0x00FFFFFFFFFFFFFF;
	u64 hash = (network ^ settings->keys[1]) * 0x9E3779B97F4A7C15ULL;
	hash = (hash ^ hash >> 32 ^ place) * 0xD6E8FEB86659FD93ULL;
	u32 at = hash >> 32 & (DNS_REPEATS - 1);
	u32 second = now_ns >> 30;
	struct dns_repeats *repeats = map_lookup(&dns_repeats, &at);
	if (!repeats)
		return 1;
	if (repeats->second != second) {
		repeats->second = second;
		repeats->count = 0;
	}
	repeats->count++;
	return repeats->count > settings->repeats;
}

/* Writes an OPT record with our size, 1,232, and the bit for DNSSEC; returns its sum. */
INLINE u32 dns_write_opt(u8 *out, u32 at, u8 dnssec_ok, u32 is_odd)
{
	u8 *opt = out + (at & 511);
	u16 flags = dnssec_ok ? 0x8000 : 0;
	*(u32 *)opt = 0x04290000;
	*(u32 *)(opt + 4) = 0x000000D0;
	*(u32 *)(opt + 8) = 0;
	opt[7] = dnssec_ok << 7;
	u32 sum = 0x0429 + 0x00D0 + flags;
	sum = (sum & 0xFFFF) + (sum >> 16);
	return is_odd ? __builtin_bswap16(sum) : sum;
}

/* Writes the answer behind the headers; returns the message's length. */
INLINE u32 dns_write(struct dns_work *work, const struct dns_asking *asking, const struct dns_answer *answer)
{
	u8 *out = work->out;
	u16 *header = (u16 *)(out + OUT_DNS);
	const u16 *asked = (const u16 *)work->header;
	header[0] = asked[0];
	header[1] = answer->flags | be16(asking->flags & DNS_KEPT);
	header[2] = be16(1);
	header[3] = answer->counts[0];
	header[4] = answer->counts[1];
	header[5] = be16(be16(answer->counts[2]) + asking->has_opt);
	u64 total = 0;
	for (int i = 0; i < 6; i++)
		total += header[i];
	u32 question_bytes = asking->name_bytes + 4;
	for (int i = 0; i < DNS_WORDS; i++) {
		u64 word = first_bytes(work->asked[i], (s64)question_bytes - 8 * i);
		*(u64 *)(out + OUT_QUESTION + 8 * i) = word;
		total += sum_of_word(word);
		/* One word after the other: the compiler would keep all of them on the stack, which is short. */
		asm volatile("" : "+r"(total)::"memory");
	}
	u32 records_bytes = answer->records_bytes & 511;
	u32 at = OUT_QUESTION + (question_bytes & 127);
	for (int i = 0; i < DNS_RECORDS / 8; i++) {
		if (8 * i >= records_bytes)
			break;
		*(u64 *)(out + at + 8 * i) = answer->records[i];
	}
	u16 records_sum = answer->records_sum;
	total += question_bytes & 1 ? __builtin_bswap16(records_sum) : records_sum;
	at += records_bytes;
	if (asking->has_opt)
		total += dns_write_opt(out, at, asking->dnssec_ok, (question_bytes + records_bytes) & 1);
	work->sum = total;
	return DNS_HEADER + question_bytes + records_bytes + (asking->has_opt ? DNS_OPT : 0);
}

/* Writes the IP header and the lengths and sums; returns where the frame begins. */
INLINE u32 dns_head(struct dns_work *work, const struct dns_asking *asking, u32 bytes)
{
	u64 sum = work->sum;
	u8 *out = work->out;
	u16 *udp = (u16 *)(out + OUT_UDP);
	udp[2] = be16(bytes + 8);
	udp[3] = 0;
	/* The pseudo header has the length once more, and the protocol. */
	sum += udp[0] + (u64)udp[1] + udp[2] + udp[2] + be16(PROTOCOL_UDP);
	u32 ip_bytes;
	if (asking->is_v6) {
		ip_bytes = 40;
		u32 *ip = (u32 *)(out + OUT_UDP - 40);
		ip[0] = 0x60;
		*(u16 *)(out + OUT_UDP - 36) = udp[2];
		out[OUT_UDP - 34] = PROTOCOL_UDP;
		out[OUT_UDP - 33] = 64;
		for (int i = 2; i < 10; i++)
			sum += ip[i];
	} else {
		ip_bytes = 20;
		u32 *ip = (u32 *)(out + OUT_UDP - 20);
		ip[0] = 0x45 | (u32)be16(bytes + 28) << 16;
		/* No fragments. */
		ip[1] = 0x40 << 16;
		ip[2] = 64 | PROTOCOL_UDP << 8;
		u64 own = (u64)ip[0] + ip[1] + ip[2] + ip[3] + ip[4];
		ip[2] |= (~fold_sum(own) & 0xFFFF) << 16;
		sum += (u64)ip[3] + ip[4];
	}
	u16 complement = ~fold_sum(sum);
	udp[3] = complement ? complement : 0xFFFF;
	return OUT_UDP - ip_bytes - asking->link_bytes;
}

/* Puts the answer in place of the question. The frame grows at its end, or at its head where the
 * driver left no room there. */
INLINE int dns_replace(struct xdp_md *context, struct dns_work *work, u32 from, u32 bytes, u32 was)
{
	int grows = (int)bytes - (int)was;
	if (bytes < 14 || bytes > 512 || (grows && adjust_tail(context, grows) && adjust_head(context, -grows)))
		return XDP_PASS;
	return store_bytes(context, 0, work->out + (from & 127), bytes) ? XDP_DROP : XDP_TX;
}

INLINE void dns_sample(struct dns_work *work, const struct dns_asking *asking, u32 place, u32 one_in)
{
	struct dns_sample *sample = ring_reserve(&dns_samples, sizeof(*sample), 0);
	if (!sample)
		return;
	sample->time_ns = time_ns();
	sample->client[0] = work->source[0];
	sample->client[1] = work->source[1];
	sample->one_in = one_in;
	sample->place = place;
	sample->client_port = be16(*(u16 *)(work->out + OUT_UDP + 2));
	sample->query_bytes = asking->message_bytes;
	sample->answer_bytes = be16(*(u16 *)(work->out + OUT_UDP + 4)) - 8;
	sample->reserved = 0;
	ring_submit(sample, RING_NO_WAKEUP);
}

/* The length of an answer in force that may be given; 0: none. */
INLINE u32 dns_length(const struct dns_answer *answer, const struct dns_work *work, struct dns_totals *sums,
		      u64 now_ns)
{
	const struct dns_asking *asking = &work->asking;
	if (!answer || now_ns >= answer->expires_ns || answer->records_bytes > DNS_RECORDS || !is_answer_to(answer, work))
		return 0;
	u32 bytes = DNS_HEADER + asking->name_bytes + 4 + answer->records_bytes + (asking->has_opt ? DNS_OPT : 0);
	if (bytes <= DNS_RATIO * asking->message_bytes)
		return bytes;
	sums->too_long++;
	return 0;
}

/* Reads the headers of a frame, and its message of so many bytes at most to `to`. Returns one more than the
 * number of the front that listens there; 0: none does, or it is no message that is looked at. */
INLINE u32 dns_hear(struct xdp_md *context, struct dns_work *work, void *to, u32 most)
{
	u32 zero = 0;
	const struct dns_settings *settings = map_lookup(&dns_settings, &zero);
	if (!settings)
		return 0;
	u32 udp_at = dns_turn(context, settings, work);
	u32 message_bytes = work->asking.message_bytes, frame_bytes = context->data_end - context->data;
	if (!udp_at || message_bytes < DNS_LEAST || message_bytes > most || udp_at + 8 + message_bytes > frame_bytes)
		return 0;
	work->asking.frame_bytes = frame_bytes;
	const u32 *front = map_lookup(&dns_listeners, &work->listener);
	return front && !load_bytes(context, udp_at + 8, to, message_bytes) ? *front + 1 : 0;
}

/* Reads the frame's question. Returns one more than the half of a place where its answer may lie;
 * 0: nowhere. */
STAGE u32 dns_find(struct xdp_md *context)
{
	u32 zero = 0;
	const struct dns_settings *settings = map_lookup(&dns_settings, &zero);
	struct dns_work *work = map_lookup(&dns_work, &zero);
	if (!settings || !work)
		return 0;
	u32 front = dns_hear(context, work, work->header, DNS_MOST);
	if (!front || !dns_read(work, &work->asking))
		return 0;
	u64 hash = dns_question(work, &work->asking, settings->keys, front - 1);
	const u32 *half = map_lookup(&dns_index, &hash);
	return half ? *half + 1 : 0;
}

/* Gives the answer that lies at `at`, if it is one to the question that was read. */
STAGE int dns_give(struct xdp_md *context, u32 at)
{
	u32 zero = 0, place = at >> 1;
	const struct dns_settings *settings = map_lookup(&dns_settings, &zero);
	struct dns_work *work = map_lookup(&dns_work, &zero);
	struct dns_totals *sums = map_lookup(&dns_totals, &zero);
	const struct control *state = map_lookup(&control, &zero);
	const struct dns_answer *answer = map_lookup(&dns_answers, &at);
	u64 *hits = map_lookup(&dns_hits, &place);
	if (!settings || !work || !sums || !state || !answer || !hits)
		return XDP_PASS;
	u64 now = now_ns(state);
	if (!dns_length(answer, work, sums, now))
		return XDP_PASS;
	if (dns_is_repeated(settings, work, place, now)) {
		sums->repeated++;
		return XDP_PASS;
	}
	u32 bytes = dns_write(work, &work->asking, answer);
	u32 from = dns_head(work, &work->asking, bytes);
	int verdict = dns_replace(context, work, from, bytes + OUT_DNS - from, work->asking.frame_bytes);
	if (verdict != XDP_TX) {
		sums->no_room++;
		return verdict;
	}
	(*hits)++;
	sums->answers++;
	sums->query_bytes += work->asking.message_bytes;
	sums->answer_bytes += bytes;
	return verdict;
}

/* Counts and samples an answer that was given. */
INLINE void dns_count(struct xdp_md *context, u32 place, u32 one_in)
{
	u32 zero = 0, direction = DIRECTION_OUT;
	const struct dns_settings *settings = map_lookup(&dns_settings, &zero);
	struct dns_work *work = map_lookup(&dns_work, &zero);
	struct totals *sampling = map_lookup(&dns_sampling, &zero);
	const struct control *state = map_lookup(&control, &zero);
	/* What leaves this way does not come by the classifier. */
	struct totals *outgoing = map_lookup(&totals, &direction);
	if (!settings || !work || !sampling || !state || !outgoing)
		return;
	const void *data = (const void *)(u64)context->data, *end = (const void *)(u64)context->data_end;
	u32 bytes = end - data;
	sampling->packets++;
	u32 dns_one_in = is_sampled(sampling, settings->samples_per_s, now_ns(state));
	if (dns_one_in)
		dns_sample(work, &work->asking, place, dns_one_in);
	outgoing->packets++;
	outgoing->bytes += bytes;
	if (one_in)
		give_sample(outgoing, data, end, bytes, one_in, XDP_PASS, DIRECTION_OUT);
}

/* Answers a question, if it is one that can be answered here. */
INLINE int dns_answer(struct xdp_md *context, u32 one_in)
{
	u32 zero = 0;
	const struct dns_settings *settings = map_lookup(&dns_settings, &zero);
	if (!settings || !settings->is_on)
		return XDP_PASS;
	u32 found = dns_find(context);
	if (!found)
		return XDP_PASS;
	int verdict = dns_give(context, found - 1);
	if (verdict == XDP_TX)
		dns_count(context, (found - 1) >> 1, one_in);
	return verdict;
}
