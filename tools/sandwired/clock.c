/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sandbox may make no system call, so it reads time as a line over the time stamp counter. The
 * daemon measures the line's slope, and bends it now and then towards CLOCK_MONOTONIC (which NTP
 * bends too). Called by net_up.c and loop's `after`.
 */
#include "tools/sandwired/clock.h"

#include <time.h>
#include <x86intrin.h>

#define SECOND 1000000000ull

static uint64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

struct clock_sample clock_sample(void)
{
	struct clock_sample best = {0, 0};
	uint64_t best_gap = UINT64_MAX;

	for (unsigned i = 0; i < 8; i++) {
		uint64_t before = __rdtsc(), ns = monotonic(), after = __rdtsc();

		if (after - before < best_gap) {
			best_gap = after - before;
			best = (struct clock_sample){before + best_gap / 2, ns};
		}
	}
	return best;
}

uint64_t clock_ns(const struct seg_clock *c, uint64_t tsc)
{
	return c->ns_base +
	       (uint64_t)(((unsigned __int128)(tsc - c->tsc_base) * c->mult) >> c->shift);
}

uint64_t clock_now(const struct seg_clock *c)
{
	return clock_ns(c, __rdtsc());
}

static bool slope(uint64_t ns, uint64_t tsc, uint32_t *mult)
{
	unsigned __int128 m = tsc ? ((unsigned __int128)ns << CLOCK_SHIFT) / tsc : 0;

	if (!m || m >> 32)
		return false;
	*mult = (uint32_t)m;
	return true;
}

bool clock_start(struct clock_state *s)
{
	struct timespec wait = {0, 20000000};
	struct clock_sample now;

	s->first = clock_sample();
	nanosleep(&wait, NULL);
	now = clock_sample();
	s->clock = (struct seg_clock){now.tsc, now.ns, 0, CLOCK_SHIFT};
	if (now.tsc <= s->first.tsc ||
	    !slope(now.ns - s->first.ns, now.tsc - s->first.tsc, &s->clock.mult))
		return false;
	s->last = now;
	s->interval = SECOND;
	s->refresh_at = now.ns + s->interval;
	return true;
}

bool clock_refresh(struct clock_state *s, struct clock_sample now)
{
	uint64_t ours, ahead, behind, target;
	uint32_t mult;

	if (now.tsc <= s->last.tsc || now.ns <= s->last.ns)
		return false;
	ours = clock_ns(&s->clock, now.tsc);
	/* The machine slept or the counter jumped: start the measure anew, never go back. */
	behind = now.ns > ours ? now.ns - ours : 0;
	ahead = ours > now.ns ? ours - now.ns : 0;
	if (behind > SECOND / 100) {
		s->first = s->last = now;
		s->clock.tsc_base = now.tsc;
		s->clock.ns_base = now.ns;
		s->interval = SECOND;
		s->refresh_at = now.ns + s->interval;
		return true;
	}
	if (!slope(now.ns - s->first.ns, now.tsc - s->first.tsc, &mult))
		return false;
	if (s->interval < 64 * SECOND)
		s->interval *= 2;
	/* Reach CLOCK_MONOTONIC by the end of the next interval, at most 1/1000 faster or slower.
	 */
	target = s->interval;
	if (behind)
		target += behind < target / 1000 ? behind : target / 1000;
	else
		target -= ahead < target / 1000 ? ahead : target / 1000;
	s->clock.mult = (uint32_t)((unsigned __int128)mult * target / s->interval);
	s->clock.tsc_base = now.tsc;
	s->clock.ns_base = ours;
	s->last = now;
	s->refresh_at = now.ns + s->interval;
	return true;
}
