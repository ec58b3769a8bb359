/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `sandwire bench NAME [--net NET] [--server NET] [--runs N] [--json]`: side-by-side measurements;
 * without a name lists them. Calls the benches declared in bench.h, prints their rows as
 * INTERFACE.md says.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/bench/bench.h"
#include "tools/commands.h"
#include "tools/say.h"
#include "upcall/sandwire.h"

static const struct {
	const char *name, *what;
	int (*bench)(const char *net, const char *server, int runs, struct bench_row *rows,
		     size_t max, size_t *count);
} benches[] = {
	{"upcall", "a null upcall beside system calls and round trips to a server process",
	 bench_upcall},
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void bench_run(struct contender *c, size_t count, int runs)
{
	for (size_t i = 0; i < count; i++) {
		c[i].failed = c[i].setup ? c[i].setup(&c[i]) : 0;
		if (!c[i].failed)
			c[i].failed = c[i].run(&c[i], c[i].n / 10 + 1); /* warms up */
	}
	for (int r = 0; r < runs && r < BENCH_RUNS_MAX; r++) {
		for (size_t i = 0; i < count; i++) {
			double start = now_ns();

			if (c[i].failed)
				continue;
			c[i].failed = c[i].run(&c[i], c[i].n);
			c[i].ns[c[i].runs++] = (now_ns() - start) / (double)c[i].n;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (c[i].failed)
			fprintf(stderr, "bench: %s left out: %s\n", c[i].name,
				strerror(-c[i].failed));
		if (c[i].teardown)
			c[i].teardown(&c[i]);
	}
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(const struct contender *c)
{
	double sorted[BENCH_RUNS_MAX];

	if (!c->runs)
		return 0;
	memcpy(sorted, c->ns, (size_t)c->runs * sizeof(sorted[0]));
	qsort(sorted, (size_t)c->runs, sizeof(sorted[0]), ascending);
	return c->runs % 2 ? sorted[c->runs / 2]
			   : (sorted[c->runs / 2 - 1] + sorted[c->runs / 2]) / 2;
}

double bench_spread(const struct contender *c)
{
	double median = bench_median(c), worst = 0;

	for (int i = 0; i < c->runs; i++) {
		double off = c->ns[i] > median ? c->ns[i] - median : median - c->ns[i];

		if (median > 0 && off / median > worst)
			worst = off / median;
	}
	return worst;
}

struct bench_row bench_compare(const char *measure, const struct contender *ours,
			       const struct contender *peer)
{
	double a = bench_spread(ours), b = bench_spread(peer);
	struct bench_row row = {.measure = measure,
				.ours = bench_median(ours),
				.peer = bench_median(peer),
				.peer_name = peer->name,
				.spread = a > b ? a : b,
				.runs = ours->runs};

	row.ratio = row.ours > 0 ? row.peer / row.ours : 0;
	return row;
}

static void print_json(const char *name, const struct bench_row *rows, size_t count)
{
	json_t *list = json_array(), *top = json_pack("{s:s}", "bench", name);

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:f, s:s, s:f, s:f, s:i, s:f}",
						"measure", rows[i].measure, "unit", "ns", "ours",
						rows[i].ours, "peer_name", rows[i].peer_name,
						"peer", rows[i].peer, "ratio", rows[i].ratio,
						"runs", rows[i].runs, "spread", rows[i].spread));
	json_object_set_new(top, "rows", list);
	json_dumpf(top, stdout, JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(top);
}

static void print_table(const struct bench_row *rows, size_t count)
{
	printf("%-52s %12s %12s %8s %8s  %s\n", "MEASURE", "OURS ns", "PEER ns", "RATIO", "SPREAD",
	       "PEER");
	for (size_t i = 0; i < count; i++)
		printf("%-52s %12.0f %12.0f %8.2f %7.0f%%  %s\n", rows[i].measure, rows[i].ours,
		       rows[i].peer, rows[i].ratio, rows[i].spread * 100, rows[i].peer_name);
}

static int list_benches(void)
{
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
		printf("%-12s %s\n", benches[i].name, benches[i].what);
	return 0;
}

int cmd_bench(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},	  {"net", required_argument, NULL, 'n'},
		{"server", required_argument, NULL, 's'}, {"runs", required_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0}};
	struct bench_row rows[2 * BENCH_CONTENDERS_MAX];
	const char *net = NULL, *server = NULL;
	int json = 0, runs = 11, c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = 1;
			break;
		case 'n':
			net = optarg;
			break;
		case 's':
			server = optarg;
			break;
		case 'r':
			runs = (int)strtol(optarg, NULL, 10);
			break;
		default:
			fprintf(c == 'h' ? stdout : stderr,
				"usage: sandwire bench NAME [--net NET] [--server NET] [--runs N] "
				"[--json]\n");
			return c == 'h' ? 0 : 2;
		}
	}
	if (optind == argc)
		return list_benches();
	if (runs < 1 || runs > BENCH_RUNS_MAX) {
		say_error("bench", "--runs wants 1 to %d", BENCH_RUNS_MAX);
		return 2;
	}
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
		size_t count = 0;
		int err;

		if (strcmp(benches[i].name, argv[optind]))
			continue;
		err = benches[i].bench(net, server, runs, rows, sizeof(rows) / sizeof(rows[0]),
				       &count);
		if (err) {
			say_error(argv[optind], "%s",
				  *sandwire_why() ? sandwire_why() : strerror(-err));
			return 1;
		}
		if (json)
			print_json(argv[optind], rows, count);
		else
			print_table(rows, count);
		return 0;
	}
	say_error(argv[optind], "no such bench");
	say_hint("sandwire bench lists them");
	return 2;
}
