/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Side-by-side measurements: each bench compares ours with a peer in interleaved runs of one
 * process, so that what drifts, drifts for both. bench.c runs them and prints the rows that
 * INTERFACE.md describes.
 */
#ifndef TOOLS_BENCH_BENCH_H
#define TOOLS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#define BENCH_RUNS_MAX	     64
#define BENCH_CONTENDERS_MAX 32

/* One way to do the thing. All times are of one operation, in nanoseconds. */
struct contender {
	const char *name;
	/* 0, or -errno: then the contender is left out and why is said. Optional. */
	int (*setup)(struct contender *c);
	/* Does n operations; 0 or -errno. */
	int (*run)(struct contender *c, long n);
	void (*teardown)(struct contender *c); /* optional */
	long n;				       /* operations a run */
	int cpu; /* round trips: where the server runs; -1: anywhere */
	void *state;
	const char *net; /* server mode: the net */
	/* Filled by bench_run. */
	double ns[BENCH_RUNS_MAX];
	int runs, failed;
};

/* A row: contender `ours` against contender `peer`, or against the cheapest of several. */
struct bench_row {
	const char *measure;
	double ours, peer, ratio, spread;
	const char *peer_name;
	int runs;
};

/* Runs every contender `runs` times, round robin; medians with bench_median. */
void bench_run(struct contender *c, size_t count, int runs);
double bench_median(const struct contender *c);
double bench_spread(const struct contender *c); /* largest relative distance from the median */
struct bench_row bench_compare(const char *measure, const struct contender *ours,
			       const struct contender *peer);

/* rpc.c: round trips to a server process, and system calls. */
extern const struct contender rpc_contenders[];
extern const size_t rpc_contender_count;

/* upcall.c: what a crossing costs, against each of them and against `server`, a net in server mode
 * or NULL. 0 or -errno. */
int bench_upcall(const char *net, const char *server, int runs, struct bench_row *rows, size_t max,
		 size_t *count);

#endif
