/* Samples of packet headers for the sensor: one in so many, so many a second at most. The rate
 * follows the traffic here in the kernel, so that the first second of a flood costs no more than
 * any other. */
#pragma once

#include "verdict.h"

#define PERIOD_NS 100000000ULL
#define PERIODS_PER_S 10
/* How often the clock is looked at between samples. */
#define LOOK_EVERY 63

/* The packets until the next sample: even chances from 1 to 2n - 1, so n on average. */
INLINE u64 draw_gap(u64 one_in)
{
	return one_in <= 1 ? 1 : 1 + random_u32() % (2 * one_in - 1);
}

INLINE void adapt(struct totals *totals, u64 samples_per_s, u64 now)
{
	u64 budget = samples_per_s / PERIODS_PER_S;
	u64 before = totals->one_in;
	if (!budget)
		budget = 1;
	if (now - totals->period_start_ns >= PERIOD_NS) {
		u64 wanted = (totals->packets - totals->period_first_packet) / budget + 1;
		/* Down by halves, so that the pauses of a pulsing flood do not open the gate. */
		totals->one_in = wanted > before / 2 ? wanted : before / 2;
		totals->period_start_ns = now;
		totals->period_first_packet = totals->packets;
		totals->period_samples = 0;
	} else if (totals->period_samples >= budget) {
		totals->one_in = before * 2 + 2;
		totals->period_samples = budget / 2;
	}
}

/* Whether this packet is one of the sample; if so, `one_in` is what it stands for. */
INLINE u32 is_sampled(struct totals *totals, u64 samples_per_s, u64 now)
{
	if (totals->countdown > 1) {
		totals->countdown--;
		if (!(totals->packets & LOOK_EVERY))
			adapt(totals, samples_per_s, now);
		return 0;
	}
	if (!samples_per_s)
		return 0;
	u32 one_in = totals->one_in ? totals->one_in : 1;
	adapt(totals, samples_per_s, now);
	totals->countdown = draw_gap(totals->one_in);
	totals->period_samples++;
	return one_in;
}

INLINE void give_sample(struct totals *totals, const void *data, const void *end, u32 wire_bytes, u32 one_in,
			u8 verdict, u8 direction)
{
	struct sample *sample = ring_reserve(&samples, sizeof(*sample), 0);
	if (!sample) {
		totals->samples_lost++;
		return;
	}
	u32 captured = 0;
	sample->time_ns = time_ns();
	sample->one_in = one_in;
	sample->wire_bytes = wire_bytes;
	sample->verdict = verdict;
	sample->direction = direction;
	sample->reserved = 0;
	for (; captured < SAMPLE_BYTES; captured += 8) {
		const u64 *word = data + captured;
		if ((const void *)(word + 1) > end)
			break;
		*(u64 *)(sample->data + captured) = *word;
	}
	for (int i = 0; i < 7 && captured < SAMPLE_BYTES; i++, captured++) {
		const u8 *byte = data + captured;
		if ((const void *)(byte + 1) > end)
			break;
		sample->data[captured] = *byte;
	}
	sample->captured_bytes = captured;
	totals->samples++;
	ring_submit(sample, RING_NO_WAKEUP);
}

/* Gives a sample of a frame on its way in, if it is one. */
STAGE int frame_sample(struct xdp_md *context, u32 one_in, u32 verdict)
{
	u32 zero = 0;
	struct totals *sums = map_lookup(&totals, &zero);
	if (!sums || !one_in)
		return 0;
	const void *data = (const void *)(u64)context->data, *end = (const void *)(u64)context->data_end;
	give_sample(sums, data, end, end - data, one_in, verdict, DIRECTION_IN);
	return 0;
}
