/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who runs when: the main thread plays the script and moves time; a helper sleeps in a blocking
 * call until main finds that something happened, and main then waits until it left or slept again.
 * So an outcome depends on the script alone. Called by every slot.
 */
#include <errno.h>

#include "tests/packetdrill/adapter.h"

static _Thread_local uint64_t woken_at;

static bool is_main(const struct world *w)
{
	return pthread_equal(pthread_self(), w->main);
}

void world_enter(struct world *w)
{
	pthread_mutex_lock(&w->lock);
	if (!is_main(w))
		w->running++;
}

void world_leave(struct world *w)
{
	world_flush(w);
	if (!is_main(w)) {
		w->running--;
		pthread_cond_signal(&w->main_cond);
	}
	pthread_mutex_unlock(&w->lock);
}

static void wake_all(struct world *w)
{
	struct waiter *a;

	for (a = w->waiters; a; a = a->next)
		if (!a->woken) {
			a->woken = true;
			w->running++; /* on its behalf: main must not overtake it */
		}
	pthread_cond_broadcast(&w->helper_cond);
	while (w->running)
		pthread_cond_wait(&w->main_cond, &w->lock);
}

void world_settle(struct world *w)
{
	struct waiter *a;
	bool due = w->dirty;

	if (!is_main(w))
		return;
	for (a = w->waiters; a; a = a->next)
		due |= a->deadline <= w->now;
	w->dirty = false;
	if (due && w->waiters)
		wake_all(w);
}

int world_wait(struct world *w, uint64_t deadline)
{
	struct waiter me = {.deadline = deadline, .next = w->waiters}, **at;

	world_flush(w);
	if (is_main(w))
		return world_step(w, deadline) ? 0 : -EDEADLK;
	w->waiters = &me;
	w->running--;
	pthread_cond_signal(&w->main_cond);
	while (!me.woken)
		pthread_cond_wait(&w->helper_cond, &w->lock);
	for (at = &w->waiters; *at != &me; at = &(*at)->next)
		;
	*at = me.next;
	woken_at = w->now;
	return 0;
}

uint64_t world_woken_at(void)
{
	uint64_t t = woken_at;

	woken_at = 0;
	return t;
}
