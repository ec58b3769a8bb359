/* SPDX-License-Identifier: BSD-3-Clause */
/* See pc_test.h. */
#include "tests/upcall/pc_test.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void pin(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

bool eventually(bool (*cond)(void), double seconds)
{
	double end = now() + seconds;

	while (!cond()) {
		if (now() > end)
			return false;
		usleep(1000);
	}
	return true;
}

long proc_number(const char *file, const char *name)
{
	char line[128];
	size_t n = strlen(name);
	long value = -1;
	FILE *f = fopen(file, "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, n) && strchr(": ", line[n]))
			value = strtol(line + n + 1, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

void say_result(const char *name, bool good, const char *fmt, va_list args)
{
	char why[256] = "";

	vsnprintf(why, sizeof(why), fmt, args);
	if (good)
		printf("ok %s\n", name);
	else
		printf("FAIL %s: %s\n", name, why);
	fflush(stdout);
}

int priority(int policy, int level)
{
	struct sched_param p = {level};

	return sched_setscheduler(0, policy, &p);
}

#define TICK 0.001 /* s; to be late by so much is ordinary in an emulated machine */

struct metronome {
	struct host_watch *h;
	int cpu;
};

static void *metronome(void *arg)
{
	struct metronome m = *(struct metronome *)arg;
	double due, late;
	struct timespec at;

	free(arg);
	pin(m.cpu);
	if (priority(SCHED_FIFO, 90))
		atomic_store(&m.h->failed, true);
	for (due = now(); !atomic_load(&m.h->stop); atomic_fetch_add(&m.h->ticks[m.cpu], 1)) {
		due += TICK;
		at = (struct timespec){(time_t)due, (long)((due - (double)(time_t)due) * 1e9)};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		late = now() - due;
		if (late <= TICK)
			continue;
		due += late;
		/* It may have begun just after the last tick. */
		atomic_fetch_add(&m.h->took_ns, (unsigned long)((late + TICK) * 1e9));
	}
	return NULL;
}

void host_watch(struct host_watch *h)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);

	*h = (struct host_watch){.cpus = cpus < HOST_CPUS ? cpus : HOST_CPUS};
	for (int i = 0; i < h->cpus; i++) {
		struct metronome *m = malloc(sizeof(*m));

		*m = (struct metronome){h, i};
		pthread_create(&h->beat[i], NULL, metronome, m);
	}
	for (int i = 0; i < h->cpus; i++)
		while (atomic_load(&h->ticks[i]) < 10)
			usleep(1000);
}

void host_unwatch(struct host_watch *h)
{
	atomic_store(&h->stop, true);
	for (int i = 0; i < h->cpus; i++)
		pthread_join(h->beat[i], NULL);
}

double host_took(const struct host_watch *h)
{
	return (double)atomic_load(&h->took_ns) * 1e-9;
}
