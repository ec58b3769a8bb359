/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timing wheel. Called by every protocol with a timer, run by stack_timers().
 *
 * A timer lies on the level of the highest 6-bit digit in which its tick differs from the present
 * one, in the slot of that digit. So every armed timer is in a slot at or after the present digit
 * of its level, the wheel never wraps within a level, and a timer moves down (cascades) when the
 * present tick enters its slot. What is further away than the wheel reaches waits at the end of the
 * last level and is put back from there.
 */
#include "tcpip/timer.h"

#include <stddef.h>

#define TICK_NS	  1000000ull
#define DIGIT	  6
#define DIGIT_MAX (TIMER_SLOTS - 1)
#define REACH	  ((1ull << (DIGIT * TIMER_LEVELS)) - 1)

void timer_wheel_init(struct timer_wheel *w, uint64_t now)
{
	*w = (struct timer_wheel){.tick = now / TICK_NS};
}

static void link_at(struct timer **head, struct timer *t)
{
	t->next = *head;
	if (t->next)
		t->next->pprev = &t->next;
	t->pprev = head;
	*head = t;
}

/* Rounds up: a timer may be late by a tick, never early. */
static void insert(struct timer_wheel *w, struct timer *t)
{
	uint64_t tick = t->expires / TICK_NS + (t->expires % TICK_NS != 0), diff;
	unsigned level, slot;

	if (tick < w->tick)
		tick = w->tick;
	diff = tick ^ w->tick;
	if (diff > REACH) {
		tick = w->tick | REACH;
		diff = tick ^ w->tick;
	}
	level = diff ? (unsigned)(63 - __builtin_clzll(diff)) / DIGIT : 0;
	slot = (unsigned)(tick >> (DIGIT * level)) & DIGIT_MAX;
	link_at(&w->slot[level][slot], t);
	w->occupied[level] |= 1ull << slot;
}

static void unlink_timer(struct timer_wheel *w, struct timer *t)
{
	uintptr_t at = (uintptr_t)t->pprev, slots = (uintptr_t)w->slot;

	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
	else if (at >= slots && at < slots + sizeof(w->slot)) { /* the slot is empty now */
		size_t i = (at - slots) / sizeof(t->pprev);

		w->occupied[i / TIMER_SLOTS] &= ~(1ull << (i % TIMER_SLOTS));
	}
	t->pprev = NULL;
	t->next = NULL;
}

void timer_set(struct timer_wheel *w, struct timer *t, uint64_t at)
{
	if (t->pprev)
		unlink_timer(w, t);
	else
		w->armed++;
	t->expires = at;
	insert(w, t);
}

void timer_cancel(struct timer_wheel *w, struct timer *t)
{
	if (!t->pprev)
		return;
	unlink_timer(w, t);
	w->armed--;
}

/* The first occupied slot in time: its level, its number, and the tick at which it starts (the
 * present one at the earliest). False when nothing is armed but what is on the due list. */
static bool first_slot(const struct timer_wheel *w, unsigned *level, unsigned *slot, uint64_t *tick)
{
	/* The present tick may have entered a far slot that was not cascaded yet: what is in it
	 * can be due before anything on a nearer level. */
	for (unsigned l = 1; l < TIMER_LEVELS; l++) {
		unsigned digit = (unsigned)(w->tick >> (DIGIT * l)) & DIGIT_MAX;

		if (w->occupied[l] >> digit & 1) {
			*level = l;
			*slot = digit;
			*tick = w->tick;
			return true;
		}
	}
	for (unsigned l = 0; l < TIMER_LEVELS; l++) {
		unsigned digit = (unsigned)(w->tick >> (DIGIT * l)) & DIGIT_MAX;
		uint64_t bits = w->occupied[l] & (~0ull << digit), base;

		if (!bits)
			continue;
		*level = l;
		*slot = (unsigned)__builtin_ctzll(bits);
		base = (w->tick >> (DIGIT * (l + 1))) << (DIGIT * (l + 1));
		*tick = base | (uint64_t)*slot << (DIGIT * l);
		return true;
	}
	return false;
}

/* Moves a slot's timers to where they belong now; false when the budget ran out first. */
static bool cascade(struct timer_wheel *w, unsigned level, unsigned slot, unsigned *budget)
{
	struct timer *t;

	while ((t = w->slot[level][slot])) {
		if (*budget == 0)
			return false;
		--*budget;
		unlink_timer(w, t);
		insert(w, t);
	}
	return true;
}

/* Makes a level-0 slot the due list and steps past its tick, so that what a timer function arms
 * "now" waits for the next tick instead of keeping this one alive. */
static void take_due(struct timer_wheel *w, unsigned slot)
{
	w->due = w->slot[0][slot];
	w->due->pprev = &w->due;
	w->slot[0][slot] = NULL;
	w->occupied[0] &= ~(1ull << slot);
	w->tick++;
}

bool timer_run(struct stack *st, struct timer_wheel *w, uint64_t now, unsigned budget)
{
	uint64_t last = now / TICK_NS, tick;
	unsigned level, slot;
	struct timer *t;

	for (;;) {
		while ((t = w->due)) {
			if (budget == 0)
				return true;
			budget--;
			unlink_timer(w, t);
			if (t->expires > now) { /* was beyond the wheel's reach */
				insert(w, t);
				continue;
			}
			w->armed--;
			t->fn(st, t);
		}
		if (!first_slot(w, &level, &slot, &tick) || tick > last)
			break;
		w->tick = tick;
		if (level == 0)
			take_due(w, slot);
		else if (!cascade(w, level, slot, &budget))
			return true;
	}
	if (w->tick <= last)
		w->tick = last + 1;
	return false;
}

uint64_t timer_next(const struct timer_wheel *w)
{
	unsigned level, slot;
	uint64_t tick;

	if (w->due)
		return 0;
	return first_slot(w, &level, &slot, &tick) ? tick * TICK_NS : UINT64_MAX;
}
