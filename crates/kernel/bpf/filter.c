/* The kernel filter of Seawall: XDP on the way in, a classifier that only samples on the way out,
 * and the canary, which says of a packet what the generation being prepared would do with it.
 *
 * Order: protected sources pass; blocked prefixes; signature rules with their limits; openings
 * answered with cookies. Whatever cannot be read, or goes wrong, passes. Where DNS answers are given
 * from the kernel, a program that does that too is attached in place of the plain one: it needs a
 * later kernel. */
#include "cookie.h"
#include "dns.h"
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

/* What becomes of a frame; `one_in` is what it stands for as a sample, or 0. */
INLINE int judge_frame(struct xdp_md *context, u32 *one_in)
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
	*one_in = is_sampled(sums, state->samples_per_s, decision.now_ns);
	int by_block = 0;
	int parsed = parse(context, &facts);
	const struct masks *masks = map_lookup(&rule_masks, &decision.bank);
	if (likely(parsed == PARSED && masks)) {
		by_block = blocked(masks, &facts, &decision);
		if (!by_block)
			matched(context, masks, &facts, &decision);
	}
	count(sums, parsed, &decision, by_block);
	if (*one_in)
		give_sample(sums, (const void *)(u64)context->data, (const void *)(u64)context->data_end,
			    decision.wire_bytes, *one_in, decision.verdict, DIRECTION_IN);
	if (unlikely(masks && masks->cookies && facts.options_at && decision.verdict == XDP_PASS))
		tail_call(context, &stages, STAGE_COOKIES);
	return decision.verdict;
}

SECTION("xdp")
int seawall(struct xdp_md *context)
{
	u32 one_in = 0;
	return judge_frame(context, &one_in);
}

SECTION("xdp")
int seawall_dns(struct xdp_md *context)
{
	u32 one_in = 0;
	int verdict = judge_frame(context, &one_in);
	return verdict == XDP_PASS ? dns_answer(context, one_in) : verdict;
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
	/* Labels and cookies are not needed here: a program's maps are found through the program. */
	if (!state || !answer || !map_lookup(&labels, &zero) || !map_lookup(&cookie_rules, &zero))
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
