/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a crossing costs: a null upcall, and one that carries 1 KiB in and out, beside the system
 * calls and round trips of rpc.c, in one run. Called by bench.c; calls libsandwire.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/bench.h"
#include "upcall/sandwire.h"

static int run_null(struct contender *c, long n)
{
	int err = 0;

	(void)c;
	for (long i = 0; i < n && !err; i++)
		err = sandwire_null();
	return err;
}

/* A datagram of 1 KiB to a socket of one's own on the net's own address: in by one crossing, out
 * by another. */
struct echo {
	int fd;
	struct sockaddr_in to;
};

static int setup_kilobyte(struct contender *c)
{
	struct echo *e = calloc(1, sizeof(*e));
	socklen_t len = sizeof(e->to);
	struct sockaddr_storage self;
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
	struct sockaddr_in probe = {.sin_family = AF_INET, .sin_port = htons(9)};
	int err;

	if (!e)
		return -ENOMEM;
	c->state = e;
	e->fd = sandwire_socket(AF_INET, SOCK_DGRAM, 0);
	if (e->fd < 0)
		return e->fd;
	/* The net's own address is the source it would use to reach the subnet it is given. */
	inet_pton(AF_INET,
		  getenv("SANDWIRE_BENCH_PEER") ? getenv("SANDWIRE_BENCH_PEER") : "10.77.0.2",
		  &probe.sin_addr);
	err = sandwire_route((struct sockaddr *)&probe, sizeof(probe), &self);
	if (!err)
		err = sandwire_bind(e->fd, (struct sockaddr *)&any, sizeof(any));
	if (!err)
		err = sandwire_getsockname(e->fd, (struct sockaddr *)&e->to, &len);
	if (!err)
		e->to.sin_addr = ((struct sockaddr_in *)&self)->sin_addr;
	return err;
}

static int run_kilobyte(struct contender *c, long n)
{
	struct echo *e = c->state;
	char block[1024] = {0};

	for (long i = 0; i < n; i++) {
		ssize_t got = sandwire_sendto(e->fd, block, sizeof(block), 0,
					      (struct sockaddr *)&e->to, sizeof(e->to));

		if (got == (ssize_t)sizeof(block))
			got = sandwire_recv(e->fd, block, sizeof(block), 0);
		if (got != (ssize_t)sizeof(block))
			return got < 0 ? (int)got : -EIO;
	}
	return 0;
}

static void teardown_kilobyte(struct contender *c)
{
	struct echo *e = c->state;

	if (e && e->fd >= 0)
		close(e->fd);
	free(e);
	c->state = NULL;
}

int bench_upcall(const char *net, int runs, struct bench_row *rows, size_t max, size_t *count)
{
	struct contender all[BENCH_CONTENDERS_MAX] = {
		{.name = "null upcall", .run = run_null, .n = 5000, .cpu = -1},
		{.name = "upcall with 1 KiB in and out",
		 .setup = setup_kilobyte,
		 .run = run_kilobyte,
		 .teardown = teardown_kilobyte,
		 .n = 500,
		 .cpu = -1},
	};
	struct contender *cheapest = NULL;
	size_t n = 2, out = 0;
	cpu_set_t set, old;
	int err = sandwire_attach(net);

	if (err)
		return err;
	sched_getaffinity(0, sizeof(old), &old);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (size_t i = 0; i < rpc_contender_count; i++)
		if (rpc_contenders[i].cpu < 1 || sysconf(_SC_NPROCESSORS_ONLN) > 1)
			all[n++] = rpc_contenders[i];
	bench_run(all, n, runs);
	sched_setaffinity(0, sizeof(old), &old);
	for (size_t i = 1; i < n && out < max; i++) {
		if (all[i].failed || all[0].failed)
			continue;
		rows[out++] = bench_compare("null upcall", &all[0], &all[i]);
		if (all[i].cpu == 0 &&
		    (!cheapest || bench_median(&all[i]) < bench_median(cheapest)))
			cheapest = &all[i];
	}
	if (cheapest && out < max)
		rows[out++] = bench_compare("null upcall, against the cheapest server on its CPU",
					    &all[0], cheapest);
	*count = out;
	return all[0].failed;
}
