/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control client of the kill campaign: one thread that nobody kills, of real-time priority,
 * makes one call after another and times each. What it waits is the stack's stall, less what the
 * machine below took: a thread above everybody else on each CPU is late by that.
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

#define CPUS_MAX 16

static int cpus;
static atomic_uint ticks[CPUS_MAX];

static void real_time(int level)
{
	if (priority(SCHED_FIFO, level))
		failure("control: no real-time priority: %s", strerror(errno));
}

static bool note_late(int cpu, double late)
{
	atomic_fetch_add(&ticks[cpu], 1);
	if (late > 0) /* it may have begun just after the last tick */
		atomic_fetch_add(&sh->late_ns[cpu], (unsigned long)((late + METRONOME_TICK) * 1e9));
	return !atomic_load(&sh->stop);
}

static void *beat_time(void *cpu)
{
	real_time(90);
	metronome((int)(long)cpu, note_late);
	return NULL;
}

/* The caller may have waited first for a lock's owner on one CPU, then for its own. */
static double late(void)
{
	unsigned long ns = 0;

	for (int i = 0; i < cpus; i++)
		ns += atomic_load(&sh->late_ns[i]);
	return (double)ns * 1e-6;
}

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
	pthread_t t;

	cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus > CPUS_MAX)
		cpus = CPUS_MAX;
	worker_init(&w, CONTROL * THREADS, 0);
	for (unsigned i = 0; i < 5; i++) /* attached, and each path gone once */
		verbs[i].call(&w);
	for (long i = 0; i < cpus; i++)
		pthread_create(&t, NULL, beat_time, (void *)i);
	for (int i = 0; i < cpus; i++) /* they tell from here on */
		while (atomic_load(&ticks[i]) < 10)
			usleep(1000);
	real_time(1);
	for (unsigned i = 0; !atomic_load(&sh->stop); i++) {
		double host = late(), ms = now();

		verbs[i % 5].call(&w);
		ms = (now() - ms) * 1e3;
		atomic_fetch_add(&sh->timed, 1);
		usleep(ms > 2 ? 3000 : 700); /* the metronomes have told */
		note(ms, late() - host, verbs[i % 5].name);
	}
	_exit(0);
}
