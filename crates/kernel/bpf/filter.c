/* The kernel filter of Seawall: XDP on the way in, a classifier that only samples on the way out,
 * and the canary, which says of a packet what the generation being prepared would do with it.
 *
 * Order: protected sources pass; blocked prefixes; signature rules with their limits; openings
 * answered with cookies. Whatever cannot be read, or goes wrong, passes. Where DNS answers are given
 * from the kernel, a program that does that too is attached in place of the plain one: it needs a
 * later kernel, and holds names back as well. */
#include "cookie.h"
#include "dns.h"
#include "names.h"
#include "sample.h"
#include "signature.h"

const char licence[] SECTION("license") = "Dual MIT/GPL";

INLINE void count(struct totals *sums, int parsed, const struct decision *decision, int by_block)
{
	if (parsed == NOT_IP)
		sums->not_ip++;
	else if (parsed == UNREADABLE)
		sums->unreadable++;
	if (decision->is_protected == YES)
		sums->protected_packets++;
	if (decision->verdict == XDP_DROP) {
		sums->dropped_bytes += decision->wire_bytes;
		if (by_block)
			sums->dropped_by_block++;
		else
			sums->dropped_by_rule++;
	} else if (decision->would_drop) {
		sums->would_drop++;
	}
}

/* What else there is to say of a frame that passes. */
struct judged {
	/* What it stands for as a sample, or 0. */
	u32 one_in;
	/* It may ask for a name that a rule is about: that is looked at before signatures are. */
	u32 may_ask;
};

/* Whether a packet goes where names are asked for, while there are rules about names. */
INLINE u32 may_ask(const struct masks *masks, const struct facts *facts)
{
	u32 zero = 0;
	if (likely(!masks->names) || facts->protocol != PROTOCOL_UDP)
		return 0;
	const struct dns_settings *settings = map_lookup(&dns_settings, &zero);
	return settings && is_dns_port(settings, be16(facts->destination_port));
}

/* What becomes of a frame; `holds_names`: what may ask for a name is handed on. */
INLINE int judge_frame(struct xdp_md *context, struct judged *judged, int holds_names)
{
	u32 zero = 0;
	const struct control *state = map_lookup(&control, &zero);
	struct totals *sums = map_lookup(&totals, &zero);
	if (!state || !sums)
		return XDP_PASS;
	u64 active = state->active;
	struct facts facts = {};
	struct decision decision = {};
	decision.verdict = XDP_PASS;
	decision.now_ns = now_ns(state);
	decision.bank = active & (BANKS - 1);
	decision.generation = active >> 8;
	decision.wire_bytes = context->data_end - context->data;
	sums->packets++;
	sums->bytes += decision.wire_bytes;
	judged->one_in = is_sampled(sums, state->samples_per_s, decision.now_ns);
	int by_block = 0;
	int parsed = parse(context, &facts);
	const struct masks *masks = map_lookup(&rule_masks, &decision.bank);
	if (likely(parsed == PARSED && masks)) {
		by_block = blocked(masks, &facts, &decision);
		judged->may_ask = holds_names && !by_block && may_ask(masks, &facts);
		if (!by_block && !judged->may_ask)
			matched(context, masks, &facts, &decision);
	}
	count(sums, parsed, &decision, by_block);
	/* A frame that may ask for a name is sampled when it is known what becomes of it. */
	if (judged->one_in && !judged->may_ask)
		give_sample(sums, (const void *)(u64)context->data, (const void *)(u64)context->data_end,
			    decision.wire_bytes, judged->one_in, decision.verdict, DIRECTION_IN);
	if (unlikely(masks && masks->cookies && facts.options_at && decision.verdict == XDP_PASS))
		tail_call(context, &stages, STAGE_COOKIES);
	return decision.verdict;
}

SECTION("xdp")
int seawall(struct xdp_md *context)
{
	struct judged judged = {};
	return judge_frame(context, &judged, 0);
}

SECTION("xdp")
int seawall_dns(struct xdp_md *context)
{
	struct judged judged = {};
	int verdict = judge_frame(context, &judged, 1);
	u32 zero = 0;
	struct asked *asked = judged.may_ask ? map_lookup(&names_asked, &zero) : 0;
	if (unlikely(asked != 0)) {
		asked->one_in = judged.one_in;
		tail_call(context, &stages, STAGE_NAMES);
	}
	return verdict == XDP_PASS ? dns_answer(context, judged.one_in) : verdict;
}

SECTION("xdp")
int seawall_names(struct xdp_md *context)
{
	u32 zero = 0;
	const struct asked *asked = map_lookup(&names_asked, &zero);
	u32 one_in = asked ? asked->one_in : 0;
	int verdict = hold_names(context, one_in);
	return verdict == XDP_PASS ? dns_answer(context, one_in) : verdict;
}

/* Returns the number of the rule of the generation being prepared that takes the frame, or 0. */
SECTION("xdp")
int names_canary(struct xdp_md *context)
{
	u32 zero = 0;
	const struct control *state = map_lookup(&control, &zero);
	u32 found = state ? names_find(context, (state->active + 1) & (BANKS - 1)) : NO_RULE;
	return found < NO_RULE ? found % NAMES_RULES + 1 : 0;
}

SECTION("xdp")
int seawall_cookies(struct xdp_md *context)
{
	return answer_openings(context);
}

SECTION("xdp")
int seawall_canary(struct xdp_md *context)
{
	u32 zero = 0;
	const struct control *state = map_lookup(&control, &zero);
	struct canary *answer = map_lookup(&canaries, &zero);
	struct facts facts = {};
	/* Labels, cookies and names are not needed here: a program's maps are found through the program. */
	if (!state || !answer || !map_lookup(&labels, &zero) || !map_lookup(&cookie_rules, &zero) ||
	    !map_lookup(&names_rules, &zero))
		return XDP_PASS;
	u32 bank = (state->active + 1) & (BANKS - 1);
	const struct masks *masks = map_lookup(&rule_masks, &bank);
	answer->rules = 0;
	answer->jiffies = jiffies();
	answer->time_ns = time_ns();
	if (masks && parse(context, &facts) == PARSED)
		answer->rules = holding(context, masks, &facts, bank);
	return XDP_PASS;
}

SECTION("classifier")
int seawall_out(struct __sk_buff *packet)
{
	u32 zero = 0, direction = DIRECTION_OUT;
	const struct control *state = map_lookup(&control, &zero);
	struct totals *sums = map_lookup(&totals, &direction);
	if (!state || !sums)
		return TC_PASS_ON;
	sums->packets++;
	sums->bytes += packet->len;
	u32 one_in = is_sampled(sums, state->samples_per_s, now_ns(state));
	if (one_in)
		give_sample(sums, (const void *)(u64)packet->data, (const void *)(u64)packet->data_end, packet->len,
			    one_in, XDP_PASS, DIRECTION_OUT);
	return TC_PASS_ON;
}
