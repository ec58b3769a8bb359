// SPDX-License-Identifier: BSD-3-Clause
/*
 * CLOCK_MONOTONIC inside the sandbox, where there is neither vDSO nor system call: the time stamp
 * counter and the daemon's calibration in the header. Called by turn.c and by drivers that wait
 * for a device at start (port.clock_ns).
 */
#include "sandbox/clock.h"

uint64_t clock_read(const struct seg_clock *c)
{
	int64_t ticks = (int64_t)(__builtin_ia32_rdtsc() - c->tsc_base);

	if (ticks < 0) /* another CPU's counter, a little behind the one it was taken on */
		ticks = 0;
	/* 128 bits: 64 overflow within seconds for any useful shift. */
	return c->ns_base + (uint64_t)((unsigned __int128)(uint64_t)ticks * c->mult >> c->shift);
}
