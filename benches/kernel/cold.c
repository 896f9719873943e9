/* The filter with a source drawn for each packet, so that nothing of it is in the processor's
 * cache, and the drawing alone, to be taken off. */
#include "filter.c"

/* Blocked addresses are spread like this, so that a number gives one. */
INLINE u32 spread(u32 number)
{
	return number * 2654435761U;
}

INLINE int draw(struct xdp_md *context, u32 address)
{
	u8 *data = (u8 *)(u64)context->data;
	const u8 *end = (const u8 *)(u64)context->data_end;
	if (data + 34 > end)
		return 0;
	*(u32 *)(data + 26) = address;
	return 1;
}

/* The network of a source of IPv6: the documentation's, and a number. */
INLINE int draw_v6(struct xdp_md *context, u32 number, u32 host)
{
	u8 *data = (u8 *)(u64)context->data;
	const u8 *end = (const u8 *)(u64)context->data_end;
	if (data + 54 > end)
		return 0;
	*(u32 *)(data + 22) = be32(0x20010DB8);
	*(u32 *)(data + 26) = be32(number);
	*(u32 *)(data + 30) = host;
	return 1;
}

INLINE int judge_drawn_v6(struct xdp_md *context, u32 number)
{
	struct judged judged = {};
	return draw_v6(context, number, number) ? judge_frame(context, &judged, 0) : XDP_DROP;
}

INLINE int judge_drawn(struct xdp_md *context, u32 address)
{
	struct judged judged = {};
	return draw(context, address) ? judge_frame(context, &judged, 0) : XDP_DROP;
}

SECTION("xdp")
int draw_any(struct xdp_md *context)
{
	return draw(context, random_u32()) ? XDP_PASS : XDP_DROP;
}

SECTION("xdp")
int cold_any(struct xdp_md *context)
{
	return judge_drawn(context, random_u32());
}

SECTION("xdp")
int cold_blocked(struct xdp_md *context)
{
	return judge_drawn(context, be32(spread(random_u32() & 0xFFFFF)));
}

SECTION("xdp")
int draw_any_v6(struct xdp_md *context)
{
	u32 number = random_u32();
	return draw_v6(context, number, number) ? XDP_PASS : XDP_DROP;
}

SECTION("xdp")
int cold_any_v6(struct xdp_md *context)
{
	return judge_drawn_v6(context, random_u32());
}

SECTION("xdp")
int cold_blocked_v6(struct xdp_md *context)
{
	return judge_drawn_v6(context, spread(random_u32() & 0xFFFFF));
}

SECTION("xdp")
int plain_pass(struct xdp_md *context)
{
	return context->data < context->data_end ? XDP_PASS : XDP_DROP;
}

SECTION("xdp")
int plain_drop(struct xdp_md *context)
{
	return context->data < context->data_end ? XDP_DROP : XDP_PASS;
}
