/* SPDX-License-Identifier: BSD-3-Clause */
/* What the test programs of the emulated PC share: kmod/, kill/ and attack/. */
#ifndef TESTS_UPCALL_PC_TEST_H
#define TESTS_UPCALL_PC_TEST_H

#include <stdarg.h>
#include <stdbool.h>

double now(void); /* s, monotonic */
void pin(int cpu);
bool eventually(bool (*cond)(void), double seconds);
/* "ok NAME", or "FAIL NAME: why". */
void say_result(const char *name, bool good, const char *fmt, va_list args);

#define METRONOME_TICK 0.001 /* s; to be late by so much is ordinary in an emulated machine */
/*
 * In a thread for each CPU, above everybody else there: how late it wakes is what the machine below
 * took. Each tick tells by how much (s), 0 where that is ordinary, until `tick` says false.
 */
void metronome(int cpu, bool (*tick)(int cpu, double late));
/* SCHED_FIFO and others for this thread: 0, or -1 and errno. */
int priority(int policy, int level);

#endif
