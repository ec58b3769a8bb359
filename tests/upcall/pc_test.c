/* SPDX-License-Identifier: BSD-3-Clause */
/* See pc_test.h. */
#include "tests/upcall/pc_test.h"

#include <sched.h>
#include <stdio.h>
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

void metronome(int cpu, bool (*tick)(int cpu, double late))
{
	double due = now(), late;
	struct timespec at;

	pin(cpu);
	do {
		due += METRONOME_TICK;
		at = (struct timespec){(time_t)due, (long)((due - (double)(time_t)due) * 1e9)};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		late = now() - due;
		if (late > METRONOME_TICK)
			due += late;
		else
			late = 0;
	} while (tick(cpu, late));
}
