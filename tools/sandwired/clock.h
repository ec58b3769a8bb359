/* SPDX-License-Identifier: BSD-3-Clause */
/* CLOCK_MONOTONIC from the time stamp counter: what seg_header.clock says, kept true. */
#ifndef SANDWIRED_CLOCK_H
#define SANDWIRED_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/layout.h"

struct clock_sample {
	uint64_t tsc, ns;
};

struct clock_state {
	struct seg_clock clock;
	struct clock_sample first, last; /* of the long measure of the rate; of the last refresh */
	uint64_t refresh_at;		 /* ns */
	uint64_t interval;		 /* ns, grows from a second to a minute */
};

#define CLOCK_SHIFT 24u

/* One pair of readings, taken as close together as luck allows. */
struct clock_sample clock_sample(void);
uint64_t clock_ns(const struct seg_clock *c, uint64_t tsc);
uint64_t clock_now(const struct seg_clock *c);

/* Takes about 20 ms. False: the counter is of no use (it does not run, or runs backwards). */
bool clock_start(struct clock_state *s);
/* A better line through `now`: continuous, never going back, slewing towards CLOCK_MONOTONIC.
 * True when s->clock changed. */
bool clock_refresh(struct clock_state *s, struct clock_sample now);

#endif
