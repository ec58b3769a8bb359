/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers of a stack: a hierarchical timing wheel with 1 ms ticks; set and cancel are O(1). */
#ifndef TCPIP_TIMER_H
#define TCPIP_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct stack;

struct timer {
	struct timer *next, **pprev; /* pprev NULL: not armed */
	uint64_t expires;	     /* ns */
	void (*fn)(struct stack *st, struct timer *t);
};

#define TIMER_LEVELS 5
#define TIMER_SLOTS  64

struct timer_wheel {
	uint64_t tick; /* next tick to run, ms */
	uint64_t occupied[TIMER_LEVELS];
	struct timer *slot[TIMER_LEVELS][TIMER_SLOTS];
	struct timer *due; /* taken out of their slot, about to run */
	uint32_t armed;
};

void timer_wheel_init(struct timer_wheel *w, uint64_t now);
/* Arms or moves; `at` in the past fires at the next run. */
void timer_set(struct timer_wheel *w, struct timer *t, uint64_t at);
void timer_cancel(struct timer_wheel *w, struct timer *t);
static inline bool timer_armed(const struct timer *t)
{
	return t->pprev != 0;
}
bool timer_run(struct stack *st, struct timer_wheel *w, uint64_t now, unsigned budget);
/* Earliest expiry, ns (never later than the true one by more than a tick; may be early by the
 * granularity of a far level); UINT64_MAX: none. */
uint64_t timer_next(const struct timer_wheel *w);

#endif
