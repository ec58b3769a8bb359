/* SPDX-License-Identifier: BSD-3-Clause */
/* What the test programs of the emulated PC share: kmod/, kill/ and attack/. */
#ifndef TESTS_UPCALL_PC_TEST_H
#define TESTS_UPCALL_PC_TEST_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>

double now(void); /* s, monotonic */
void pin(int cpu);
bool eventually(bool (*cond)(void), double seconds);
/* What a file of /proc says behind NAME, as "NAME: 1" or "NAME 1"; -1: nothing. */
long proc_number(const char *file, const char *name);
/* "ok NAME", or "FAIL NAME: why". */
void say_result(const char *name, bool good, const char *fmt, va_list args);

/*
 * What the machine below takes: on each CPU a thread above everybody else wakes each millisecond,
 * and tells by how much it is late. May lie in memory that processes share.
 */
#define HOST_CPUS 16 /* the first so many */
struct host_watch {
	atomic_ulong took_ns; /* from all CPUs in all */
	atomic_uint ticks[HOST_CPUS];
	atomic_bool stop, failed; /* failed: a metronome got no real-time priority */
	pthread_t beat[HOST_CPUS];
	int cpus;
};
void host_watch(struct host_watch *h); /* until each metronome ticks */
void host_unwatch(struct host_watch *h);
/*
 * In s, since the watch began. The sum: who waits may have waited for another on one CPU first,
 * then for its own. Complete once the metronomes have told: some ms later.
 */
double host_took(const struct host_watch *h);
/* SCHED_FIFO and others for this thread: 0, or -1 and errno. */
int priority(int policy, int level);

#endif
