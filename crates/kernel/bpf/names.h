/* Questions for names that are not known, while somebody floods name servers with made-up ones: what
 * the DNS edge would say of them is said here.
 *
 * A rule is about the names below a suffix, which is compared in full. Its set of known names is one
 * of hashes: a name that is in it always passes, and one that only shares a hash passes as well. Of a
 * whole zone the set has every name and every parent of one, with a mark where anything below may
 * exist (a wildcard, a delegation, a DNAME): a name is absent where the first of its parents that is
 * not in the set lies below one without the mark. Of names that have answered before, the set has
 * those alone; so many of the others pass in a second, and the edge decides about them.
 *
 * A name's hash is that of its first label under the hash of its parent as the key (SipHash-1-3), so
 * that the hashes of all parents are steps on the way, and that of the root is a secret without which
 * nobody finds two names that collide. A bucket of the set is one line of the processor's cache. A name that found its bucket full is
 * not in the set, which is why nothing is concluded from a full bucket.
 *
 * Parents are looked up to a depth; a name whose parents all exist so far passes. One that is only known
 * by having answered is not looked up beyond it, and counts as not known: its asker comes over TCP.
 *
 * No answer is longer than its question, and one network gets so many in a second at most. A share is one
 * of questions: a flood of one flow is neither spared for ever nor taken whole at once. Left to
 * the edge are questions with a cookie, which may prove the asker, and whatever is no plain one. While
 * there are rules about names, signature rules do not apply to questions for names that are known. */
#pragma once

#include "dns.h"
#include "signature.h"

/* Rules of one generation, the longest suffix first. */
#define NAMES_RULES 16
/* Labels below a suffix that are looked at: more than an IPv6 address has digits (RFC 3596). */
#define NAMES_DEPTH 40
/* Bytes of a message behind its header that are looked at; longer ones pass. */
#define ASKED_MOST 500
#define ASKED_MASK 511
#define EDNS_OPTIONS 8
#define EDNS_COOKIE 10

/* Words of a bucket: 40 bits of a hash, and in the lower ones these. */
#define KNOWN_WORDS 8
#define KNOWN_TAG 24
enum { KNOWN_IS_HERE = 1, KNOWN_IS_OPEN = 2 };

struct names_rule {
	/* What both limits have in common, too: expiry, share, counter. Answers to one network, and
	 * questions that pass although their names are not known; an interval of 0: none. */
	struct rule answers;
	struct rule passes;
	/* Of the suffix. */
	u64 hash;
	u64 suffix[32];
	/* Of the answer, in network order; 0: none is given, all names pass. */
	u16 flags;
	u8 front;
	u8 suffix_bytes;
	/* The set has every name that exists. */
	u8 is_zone;
	/* Who asks for DNSSEC records passes. */
	u8 is_signed;
	u8 reserved[2];
};

struct known_chunk {
	u64 words[CHUNK_BUCKETS * KNOWN_WORDS];
};

struct names_sample {
	u64 time_ns;
	u64 client[2];
	u32 one_in;
	u16 client_port;
	u16 query_bytes;
	/* 0: it was dropped. */
	u16 answer_bytes;
	u16 kind;
	/* Of the question and of the answer. */
	u16 asked_flags;
	u16 flags;
	u8 front;
	u8 name_bytes;
	u8 reserved[6];
	u64 name[32];
};

/* A question on its way: too much for the stack. */
struct asked {
	u8 before_header[4];
	u8 header[DNS_HEADER];
	/* What follows the header. */
	u8 rest[ASKED_MASK + 9];
	/* The name in lower case. */
	u8 folded[2 * (ASKED_MASK + 1)];
	/* Where labels begin, one bit each, and where the label before begins. */
	u64 starts[4];
	u8 before[256];
	/* Of the name, or of its first parent that does not exist. */
	u64 hash;
	/* What the frame stands for as a sample, or 0. */
	u32 one_in;
	u32 reserved;
};

struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(BANKS * NAMES_RULES);
	MAP_KEY(u32);
	MAP_VALUE(struct names_rule);
} names_rules SECTION(".maps");

/* The banks take turns, as in the tables of blocked prefixes; the loader sets the size. */
struct {
	MAP_TYPE(MAP_ARRAY);
	MAP_ENTRIES(BANKS);
	MAP_KEY(u32);
	MAP_VALUE(struct known_chunk);
} names_known SECTION(".maps");

struct {
	MAP_TYPE(MAP_PERCPU_ARRAY);
	MAP_ENTRIES(1);
	MAP_KEY(u32);
	MAP_VALUE(struct asked);
} names_asked SECTION(".maps");

struct {
	MAP_TYPE(MAP_RINGBUF);
	MAP_ENTRIES(1 << 20);
} names_samples SECTION(".maps");

INLINE u8 rest_byte(const struct asked *asked, u32 at)
{
	return asked->rest[at & ASKED_MASK];
}

INLINE u16 rest_word(const struct asked *asked, u32 at)
{
	return rest_byte(asked, at) << 8 | rest_byte(asked, at + 1);
}

INLINE u64 folded_word(const struct asked *asked, u32 at)
{
	return *(const u64 *)(asked->folded + (at & ASKED_MASK));
}

/* Walks through the name's labels; returns its length, 0 where it is none. */
INLINE u32 names_walk(struct asked *asked)
{
	u32 at = 0;
	asked->starts[0] = asked->starts[1] = asked->starts[2] = asked->starts[3] = 0;
	for (int i = 0; i < NAME_LABELS; i++) {
		u32 label = rest_byte(asked, at);
		if (!label)
			break;
		u32 next = at + label + 1;
		if (label > 63 || next > NAME_MOST - 1)
			return 0;
		asked->before[next & 255] = at;
		asked->starts[next >> 6 & 3] |= 1ULL << (next & 63);
		at = next;
	}
	asked->starts[0] |= 1;
	return rest_byte(asked, at) ? 0 : at + 1;
}

/* Whether what follows the question is at most an OPT record, without a cookie. */
INLINE int names_edns(const struct asked *asked, struct dns_asking *asking, u32 at)
{
	u32 end = asking->message_bytes - DNS_HEADER;
	asking->dnssec_ok = 0;
	if (!asking->has_opt)
		return at == end;
	if (at + DNS_OPT > end || rest_byte(asked, at) || rest_word(asked, at + 1) != DNS_TYPE_OPT ||
	    rest_byte(asked, at + 6) || rest_word(asked, at + 9) != end - at - DNS_OPT)
		return 0;
	asking->dnssec_ok = rest_byte(asked, at + 7) >> 7;
	at += DNS_OPT;
	for (int i = 0; i < EDNS_OPTIONS; i++) {
		if (at == end)
			return 1;
		if (at + 4 > end || rest_word(asked, at) == EDNS_COOKIE)
			return 0;
		at += 4 + rest_word(asked, at + 2);
		if (at > end)
			return 0;
	}
	return at == end;
}

/* Types that a question may be refused for: the edge says so. */
INLINE int is_refused_kind(u16 kind)
{
	return kind == 0 || kind == DNS_TYPE_OPT || (kind >= 249 && kind <= 252);
}

/* Reads the message; returns whether it is a plain question. */
INLINE int names_read(struct asked *asked, struct dns_asking *asking)
{
	const u16 *header = (const u16 *)asked->header;
	asking->flags = be16(header[1]);
	asking->has_opt = header[5] == be16(1);
	if (asking->flags & DNS_RESPONSE_OR_OPCODE || header[2] != be16(1) || header[3] || header[4] ||
	    (header[5] && !asking->has_opt))
		return 0;
	u32 name_bytes = names_walk(asked);
	asking->name_bytes = name_bytes;
	asking->kind = rest_word(asked, name_bytes);
	if (!name_bytes || name_bytes + 4 > asking->message_bytes - DNS_HEADER || is_refused_kind(asking->kind) ||
	    rest_word(asked, name_bytes + 2) != 1)
		return 0;
	return names_edns(asked, asking, name_bytes + 4);
}

/* Reads the frame's question; returns one more than the number of the front that it is asked at. */
STAGE u32 names_hear(struct xdp_md *context)
{
	u32 zero = 0;
	struct dns_work *work = map_lookup(&dns_work, &zero);
	struct asked *asked = map_lookup(&names_asked, &zero);
	if (!work || !asked)
		return 0;
	u32 front = dns_hear(context, work, asked->header, DNS_HEADER + ASKED_MOST);
	if (!front || !names_read(asked, &work->asking))
		return 0;
	for (int i = 0; i < 32; i++) {
		if (8 * i >= work->asking.name_bytes)
			break;
		*(u64 *)(asked->folded + 8 * i) = lower_case(*(const u64 *)(asked->rest + 8 * i));
	}
	return front;
}

/* Whether the name is the rule's suffix or below it. */
INLINE int is_below(const struct names_rule *rule, const struct asked *asked, u32 name_bytes)
{
	u32 suffix_bytes = rule->suffix_bytes;
	if (suffix_bytes > name_bytes)
		return 0;
	u32 at = name_bytes - suffix_bytes;
	if (!(asked->starts[at >> 6 & 3] >> (at & 63) & 1))
		return 0;
	for (int i = 0; i < 32; i++) {
		s64 left = (s64)suffix_bytes - 8 * i;
		if (left <= 0)
			break;
		if (first_bytes(folded_word(asked, at + 8 * i), left) != rule->suffix[i])
			return 0;
	}
	return 1;
}

/* The rule of a bank that is about the name, counted from 1; 0: none is. */
STAGE u32 names_rule_of(u32 front, u32 bank)
{
	u32 zero = 0;
	bank &= BANKS - 1;
	const struct masks *masks = map_lookup(&rule_masks, &bank);
	const struct asked *asked = map_lookup(&names_asked, &zero);
	const struct dns_work *work = map_lookup(&dns_work, &zero);
	if (!masks || !asked || !work)
		return 0;
	for (u32 i = 0; i < NAMES_RULES; i++) {
		u32 index = bank * NAMES_RULES + i;
		const struct names_rule *rule = map_lookup(&names_rules, &index);
		if (i >= masks->names || !rule)
			break;
		if (rule->front == front && is_below(rule, asked, work->asking.name_bytes))
			return i + 1;
	}
	return 0;
}

struct sip {
	u64 a, b, c, d;
};

INLINE u64 turned(u64 word, u32 bits)
{
	return word << bits | word >> (64 - bits);
}

INLINE void sip_round(struct sip *sip)
{
	sip->a += sip->b;
	sip->c += sip->d;
	sip->b = turned(sip->b, 13) ^ sip->a;
	sip->d = turned(sip->d, 16) ^ sip->c;
	sip->a = turned(sip->a, 32);
	sip->c += sip->b;
	sip->a += sip->d;
	sip->b = turned(sip->b, 17) ^ sip->c;
	sip->d = turned(sip->d, 21) ^ sip->a;
	sip->c = turned(sip->c, 32);
}

/* Makes the hash of the name whose first label ends at `end` from its parent's, which is the key, and that
 * label: SipHash-1-3. Returns where the label begins. */
STAGE u32 names_child(u32 end)
{
	u32 zero = 0;
	struct asked *asked = map_lookup(&names_asked, &zero);
	if (!asked)
		return 0;
	u64 parent = asked->hash;
	u32 from = asked->before[end & 255], label_at = from + 1, bytes = (end - label_at) & 63;
	struct sip sip = { parent ^ 0x736F6D6570736575ULL, parent ^ 0x646F72616E646F6DULL,
			   parent ^ 0x6C7967656E657261ULL, parent ^ 0x7465646279746573ULL };
	for (int i = 0; i < 8; i++) {
		s64 left = (s64)bytes - 8 * i;
		u64 word = first_bytes(folded_word(asked, label_at + 8 * i), left);
		if (left < 8)
			word |= (u64)bytes << 56;
		sip.d ^= word;
		sip_round(&sip);
		sip.a ^= word;
		if (left < 8)
			break;
	}
	sip.c ^= 0xFF;
	sip_round(&sip);
	sip_round(&sip);
	sip_round(&sip);
	asked->hash = sip.a ^ sip.b ^ sip.c ^ sip.d;
	return from;
}

enum { NAME_ABSENT = 0, NAME_IS_HERE = 1, NAME_MAY_BE = 2 };

/* What the set says of a hash. */
INLINE u32 names_seek(u32 bank, u32 mask, u64 hash)
{
	u32 at = hash & mask, taken = 0;
	u32 index = at / CHUNK_BUCKETS * BANKS + bank;
	const struct known_chunk *chunk = map_lookup(&names_known, &index);
	if (!chunk)
		return NAME_MAY_BE;
	const u64 *bucket = &chunk->words[(at & (CHUNK_BUCKETS - 1)) * KNOWN_WORDS];
	for (int i = 0; i < KNOWN_WORDS; i++) {
		u64 word = bucket[i];
		if (!((word ^ hash) >> KNOWN_TAG) && word & KNOWN_IS_HERE)
			return word & KNOWN_IS_OPEN ? NAME_MAY_BE : NAME_IS_HERE;
		taken += word & KNOWN_IS_HERE;
	}
	return taken == KNOWN_WORDS ? NAME_MAY_BE : NAME_ABSENT;
}

/* Whether the name that was read is none that the rule's set has. */
STAGE int names_lacks(u32 index)
{
	u32 zero = 0, bank = index / NAMES_RULES & (BANKS - 1);
	const struct names_rule *rule = map_lookup(&names_rules, &index);
	const struct masks *masks = map_lookup(&rule_masks, &bank);
	struct asked *asked = map_lookup(&names_asked, &zero);
	const struct dns_work *work = map_lookup(&dns_work, &zero);
	if (!rule || !masks || !asked || !work || !rule->flags || (rule->is_signed && work->asking.dnssec_ok))
		return 0;
	u32 at = (work->asking.name_bytes - rule->suffix_bytes) & 255;
	asked->hash = rule->hash;
	for (int i = 0; i < NAMES_DEPTH && at; i++) {
		at = names_child(at);
		if (at && !rule->is_zone)
			continue;
		u32 known = names_seek(bank, masks->names_mask, asked->hash);
		if (known != NAME_IS_HERE)
			return known == NAME_ABSENT;
	}
	return at && !rule->is_zone;
}

/* No rule is about the frame, and one is, but it lets the name pass. */
enum { NO_RULE = BANKS * NAMES_RULES, NAME_PASSES };

/* The place of the rule of a bank that takes the frame. */
INLINE u32 names_find(struct xdp_md *context, u32 bank)
{
	u32 front = names_hear(context);
	u32 number = front ? names_rule_of(front - 1, bank) : 0;
	if (!number)
		return NO_RULE;
	u32 index = (bank & (BANKS - 1)) * NAMES_RULES + number - 1;
	return names_lacks(index) ? index : NAME_PASSES;
}

/* Writes the answer behind the headers: the question as it was asked, and no record but OPT. Returns
 * the message's length. */
STAGE u32 names_write(u16 flags)
{
	u32 zero = 0;
	struct dns_work *work = map_lookup(&dns_work, &zero);
	const struct asked *asked = map_lookup(&names_asked, &zero);
	if (!work || !asked)
		return 0;
	const struct dns_asking *asking = &work->asking;
	u16 *header = (u16 *)(work->out + OUT_DNS);
	header[0] = *(const u16 *)asked->header;
	header[1] = flags | be16(asking->flags & DNS_KEPT);
	header[2] = be16(1);
	header[3] = header[4] = 0;
	header[5] = be16(asking->has_opt);
	u64 total = 0;
	for (int i = 0; i < 6; i++)
		total += header[i];
	u32 question_bytes = asking->name_bytes + 4;
	for (int i = 0; i < 33; i++) {
		s64 left = (s64)question_bytes - 8 * i;
		if (left <= 0)
			break;
		u64 word = first_bytes(*(const u64 *)(asked->rest + 8 * i), left);
		*(u64 *)(work->out + OUT_QUESTION + 8 * i) = word;
		total += sum_of_word(word);
	}
	if (asking->has_opt)
		total += dns_write_opt(work->out, OUT_QUESTION + question_bytes, asking->dnssec_ok, question_bytes & 1);
	work->sum = total;
	return DNS_HEADER + question_bytes + (asking->has_opt ? DNS_OPT : 0);
}

INLINE void names_sample(const struct dns_work *work, const struct asked *asked, const struct names_rule *rule,
			 u32 answer_bytes, u32 one_in)
{
	struct names_sample *sample = ring_reserve(&names_samples, sizeof(*sample), 0);
	if (!sample)
		return;
	const struct dns_asking *asking = &work->asking;
	sample->time_ns = time_ns();
	sample->client[0] = work->source[0];
	sample->client[1] = work->source[1];
	sample->one_in = one_in;
	sample->client_port = be16(*(const u16 *)(work->out + OUT_UDP + 2));
	sample->query_bytes = asking->message_bytes;
	sample->answer_bytes = answer_bytes;
	sample->kind = asking->kind;
	sample->asked_flags = asking->flags;
	sample->flags = be16(rule->flags);
	sample->front = rule->front;
	sample->name_bytes = asking->name_bytes;
	__builtin_memset(sample->reserved, 0, sizeof(sample->reserved));
	for (int i = 0; i < 32; i++)
		sample->name[i] = *(const u64 *)(asked->folded + 8 * i);
	ring_submit(sample, RING_NO_WAKEUP);
}

/* Counts and samples what became of a question: for the DNS edge, which did not see it, and as what
 * leaves, which does not come by the classifier. */
STAGE int names_count(struct xdp_md *context, const struct names_rule *rule, u32 answer_bytes)
{
	u32 zero = 0, direction = DIRECTION_OUT;
	const struct dns_settings *settings = map_lookup(&dns_settings, &zero);
	const struct dns_work *work = map_lookup(&dns_work, &zero);
	const struct asked *asked = map_lookup(&names_asked, &zero);
	struct totals *sampling = map_lookup(&dns_sampling, &zero);
	const struct control *state = map_lookup(&control, &zero);
	struct totals *outgoing = map_lookup(&totals, &direction);
	if (!rule || !settings || !work || !asked || !sampling || !state || !outgoing)
		return 0;
	u64 now = now_ns(state);
	sampling->packets++;
	u32 one_in = is_sampled(sampling, settings->samples_per_s, now);
	if (one_in)
		names_sample(work, asked, rule, answer_bytes, one_in);
	if (!answer_bytes)
		return 0;
	const void *data = (const void *)(u64)context->data, *end = (const void *)(u64)context->data_end;
	u32 bytes = end - data;
	outgoing->packets++;
	outgoing->bytes += bytes;
	one_in = is_sampled(outgoing, state->samples_per_s, now);
	if (one_in)
		give_sample(outgoing, data, end, bytes, one_in, XDP_PASS, DIRECTION_OUT);
	return 0;
}

INLINE void names_facts(const struct dns_work *work, struct facts *facts)
{
	facts->source[0] = work->source[0];
	facts->source[1] = work->source[1];
	facts->destination[0] = work->listener.address[0];
	facts->destination[1] = work->listener.address[1];
	facts->source_port = be16(*(const u16 *)(work->out + OUT_UDP + 2));
	facts->destination_port = be16(work->listener.port);
	facts->family = work->asking.is_v6 ? FAMILY_V6 : FAMILY_V4;
	facts->protocol = PROTOCOL_UDP;
}

/* Puts the answer in place of the question; returns its length, 0 where it is not given. */
STAGE u32 names_answer(struct xdp_md *context, u16 flags)
{
	u32 zero = 0;
	struct dns_work *work = map_lookup(&dns_work, &zero);
	if (!work)
		return 0;
	u32 bytes = names_write(flags);
	u32 from = dns_head(work, &work->asking, bytes);
	int verdict = dns_replace(context, work, from, bytes + OUT_DNS - from, work->asking.frame_bytes);
	return verdict == XDP_TX ? bytes : 0;
}

/* Whether the question is of the share that is taken. Nobody who asks can foretell it, and asked again under
 * another number it is another one. */
INLINE int is_of_share(const struct asked *asked, u32 share)
{
	u64 number = *(const u16 *)asked->header * 0x9E3779B97F4A7C15ULL;
	return share >= WHOLE_SHARE || (asked->hash ^ number) * 0xD6E8FEB86659FD93ULL >> 54 < share;
}

/* What becomes of a question that the rule at `index` is about; `one_in`: what it stands for as a sample. */
INLINE int names_take(struct xdp_md *context, u32 index, u32 one_in)
{
	u32 zero = 0;
	const struct names_rule *rule = map_lookup(&names_rules, &index);
	const struct control *state = map_lookup(&control, &zero);
	const struct dns_work *work = map_lookup(&dns_work, &zero);
	const struct asked *asked = map_lookup(&names_asked, &zero);
	struct totals *sums = map_lookup(&totals, &zero);
	if (!rule || !state || !work || !asked || !sums)
		return XDP_PASS;
	struct facts facts = {};
	struct decision decision = { .now_ns = now_ns(state), .wire_bytes = work->asking.frame_bytes };
	names_facts(work, &facts);
	if (decision.now_ns >= rule->answers.expires_ns)
		return XDP_PASS;
	if (is_protected(&facts, &decision)) {
		sums->protected_packets++;
		return XDP_PASS;
	}
	if (rule->passes.interval_ns && !is_over_limit(&rule->passes, &facts))
		return XDP_PASS;
	int is_ours = is_of_share(asked, rule->answers.share);
	if (!deny(&facts, &decision, rule->answers.counter, WHOLE_SHARE, rule->answers.enforce, is_ours)) {
		sums->would_drop += decision.would_drop;
		return XDP_PASS;
	}
	u32 bytes = 0;
	if (!is_over_limit(&rule->answers, &facts)) {
		/* Before the answer is in its place. */
		frame_sample(context, one_in, XDP_PASS);
		bytes = names_answer(context, rule->flags);
	} else {
		frame_sample(context, one_in, XDP_DROP);
	}
	if (bytes) {
		sums->names_answered++;
	} else {
		sums->names_dropped++;
		sums->dropped_bytes += decision.wire_bytes;
	}
	names_count(context, rule, bytes);
	return bytes ? XDP_TX : XDP_DROP;
}

/* What no rule about names is about is judged by its signature. */
INLINE int names_signature(struct xdp_md *context, const struct control *state)
{
	u32 zero = 0;
	struct totals *sums = map_lookup(&totals, &zero);
	struct facts facts = {};
	struct decision decision = { .now_ns = now_ns(state), .verdict = XDP_PASS };
	decision.bank = state->active & (BANKS - 1);
	decision.wire_bytes = context->data_end - context->data;
	const struct masks *masks = map_lookup(&rule_masks, &decision.bank);
	if (!sums || !masks || parse(context, &facts) != PARSED)
		return XDP_PASS;
	if (matched(context, masks, &facts, &decision)) {
		sums->dropped_by_rule++;
		sums->dropped_bytes += decision.wire_bytes;
	} else {
		sums->would_drop += decision.would_drop;
	}
	sums->protected_packets += decision.is_protected == YES;
	return decision.verdict;
}

/* What becomes of a frame that may ask for a name. It has not been sampled yet. */
INLINE int hold_names(struct xdp_md *context, u32 one_in)
{
	u32 zero = 0;
	const struct control *state = map_lookup(&control, &zero);
	if (!state)
		return XDP_PASS;
	u32 found = names_find(context, state->active & (BANKS - 1));
	int verdict = XDP_PASS;
	if (found < NO_RULE)
		verdict = names_take(context, found, one_in);
	else if (found == NO_RULE)
		verdict = names_signature(context, state);
	/* What a rule about names took was sampled then. */
	if (found >= NO_RULE || verdict == XDP_PASS)
		frame_sample(context, one_in, verdict);
	return verdict;
}
