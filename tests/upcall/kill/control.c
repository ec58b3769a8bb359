/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control client of the kill campaign: one thread that nobody kills, of real-time priority,
 * makes one call after another and times each. What it waits is the stack's stall, less what the
 * machine below took (host_watch).
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/upcall/kill/client.h"
#include "tests/upcall/kill/kill.h"
#include "tests/upcall/pc_test.h"
#include "upcall/sandwire.h"

static struct host_watch host;

static void note(double ms, double host_ms, const char *verb)
{
	struct stall new = {ms, host_ms, ""};

	snprintf(new.verb, sizeof(new.verb), "%s", verb);
	for (unsigned i = 0; i < STALLS; i++)
		if (new.ms - new.host_ms > sh->stalls[i].ms - sh->stalls[i].host_ms) {
			struct stall out = sh->stalls[i];

			sh->stalls[i] = new;
			new = out;
		}
}

static void take_all(struct worker *w)
{
	while (datagram_take(w))
		;
}

static void turn(struct worker *w)
{
	(void)w;
	if (sandwire_turn() < 0)
		failure("control: turn");
}

static const struct {
	const char *name;
	void (*call)(struct worker *w);
} verbs[] = {{"ledger", call_ledger},
	     {"send", datagram_send},
	     {"counter", call_counter},
	     {"receive", take_all},
	     {"turn", turn}};

void control(void)
{
	static struct worker w;

	worker_init(&w, CONTROL * THREADS, 0);
	for (unsigned i = 0; i < 5; i++) /* attached, and each path gone once */
		verbs[i].call(&w);
	host_watch(&host);
	if (priority(SCHED_FIFO, 1) || host.failed)
		failure("control: no real-time priority: %s", strerror(errno));
	for (unsigned i = 0; !atomic_load(&sh->stop); i++) {
		double took = host_took(&host), ms = now();

		verbs[i % 5].call(&w);
		ms = (now() - ms) * 1e3;
		atomic_fetch_add(&sh->timed, 1);
		usleep(ms > 2 ? 3000 : 700); /* the metronomes have told */
		note(ms, (host_took(&host) - took) * 1e3, verbs[i % 5].name);
	}
	_exit(0);
}
