/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a crossing costs: a null upcall, and one that carries 1 KiB in and out, beside the system
 * calls and round trips of rpc.c and a net in server mode, in one run. Called by bench.c; calls
 * libsandwire.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench/bench.h"
#include "tools/cli.h"
#include "upcall/sandwire.h"

static int run_null(struct contender *c, long n)
{
	int err = 0;

	(void)c;
	for (long i = 0; i < n && !err; i++)
		err = sandwire_null();
	return err;
}

/* The service of the extension `echo`: the block goes into the sandbox and comes back. */
static int run_kilobyte(struct contender *c, long n)
{
	char in[1024] = "a block", out[sizeof(in)];

	(void)c;
	for (long i = 0; i < n; i++) {
		ssize_t got = sandwire_call("echo", in, sizeof(in), out, sizeof(out));

		if (got != (ssize_t)sizeof(out))
			return got < 0 ? (int)got : -EIO;
	}
	return 0;
}

/*
 * Our own server mode. A process belongs to one net, so a child attaches to the other and makes the
 * calls, as many as it is told; the daemon is moved to the CPU in question.
 */
struct remote {
	pid_t child, daemon;
	int ask[2], answer[2];
	cpu_set_t daemon_cpus;
};

static void call_for_parent(const char *net, int ask, int answer)
{
	long n;
	int err = sandwire_attach(net);

	if (!err && strcmp(sandwire_mode(), "server"))
		err = -EPROTOTYPE;
	while (write(answer, &err, sizeof(err)) == sizeof(err) &&
	       read(ask, &n, sizeof(n)) == sizeof(n))
		err = run_null(NULL, n);
}

static int setup_server_mode(struct contender *c)
{
	struct remote *r = calloc(1, sizeof(*r));
	struct failure f;
	json_t *hello;
	int err;

	c->state = r;
	if (!r)
		return -ENOMEM;
	r->ask[0] = r->ask[1] = r->answer[0] = r->answer[1] = -1;
	hello = ask_net(c->net, json_pack("{s:s}", "cmd", "hello"), &f);
	if (!hello)
		return -ENOTCONN;
	r->daemon = (pid_t)cli_number(hello, "pid");
	json_decref(hello);
	if (sched_getaffinity(r->daemon, sizeof(r->daemon_cpus), &r->daemon_cpus) || pipe(r->ask) ||
	    pipe(r->answer))
		return -errno;
	r->child = fork();
	if (r->child < 0)
		return -errno;
	if (r->child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		call_for_parent(c->net, r->ask[0], r->answer[1]);
		_exit(0);
	}
	if (read(r->answer[0], &err, sizeof(err)) != sizeof(err))
		return -EPIPE;
	return err;
}

static int run_server_mode(struct contender *c, long n)
{
	struct remote *r = c->state;
	cpu_set_t set;
	int err;

	CPU_ZERO(&set);
	CPU_SET(c->cpu, &set);
	if (sched_setaffinity(r->daemon, sizeof(set), &set))
		return -errno;
	if (write(r->ask[1], &n, sizeof(n)) != sizeof(n) ||
	    read(r->answer[0], &err, sizeof(err)) != sizeof(err))
		return -EPIPE;
	return err;
}

static void teardown_server_mode(struct contender *c)
{
	struct remote *r = c->state;

	if (!r)
		return;
	if (r->child > 0) {
		kill(r->child, SIGKILL);
		waitpid(r->child, NULL, 0);
		sched_setaffinity(r->daemon, sizeof(r->daemon_cpus), &r->daemon_cpus);
	}
	for (int i = 0; i < 2; i++) {
		close(r->ask[i]);
		close(r->answer[i]);
	}
	free(r);
	c->state = NULL;
}

#define SERVER_MODE(where, on_cpu)                                                                 \
	{                                                                                          \
		.name = "our server mode, " where, .setup = setup_server_mode,                     \
		.run = run_server_mode, .teardown = teardown_server_mode, .n = 1000,               \
		.cpu = (on_cpu), .net = server                                                     \
	}

int bench_upcall(const char *net, const char *server, int runs, struct bench_row *rows, size_t max,
		 size_t *count)
{
	struct contender all[BENCH_CONTENDERS_MAX] = {
		{.name = "null upcall", .run = run_null, .n = 5000, .cpu = -1},
		{.name = "upcall with 1 KiB in and out", .run = run_kilobyte, .n = 2000, .cpu = -1},
	};
	const struct contender server_mode[] = {SERVER_MODE("same CPU", 0),
						SERVER_MODE("other CPU", 1)};
	bool two_cpus = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	struct contender *cheapest = NULL;
	size_t n = 2, out = 0;
	cpu_set_t set, old;
	int err = sandwire_attach(net);

	if (err)
		return err;
	if (strcmp(sandwire_mode(), "upcall")) {
		all[0].name = "null call, not by upcall";
		all[1].name = "call with 1 KiB in and out, not by upcall";
	}
	sched_getaffinity(0, sizeof(old), &old);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (size_t i = 0; i < rpc_contender_count; i++)
		if (rpc_contenders[i].cpu < 1 || two_cpus)
			all[n++] = rpc_contenders[i];
	for (size_t i = 0; server && i < 1 + (size_t)two_cpus; i++)
		all[n++] = server_mode[i];
	bench_run(all, n, runs);
	sched_setaffinity(0, sizeof(old), &old);
	for (size_t i = 1; i < n && out < max; i++) {
		if (all[i].failed || all[0].failed)
			continue;
		rows[out++] = bench_compare(all[0].name, &all[0], &all[i]);
		if (all[i].cpu == 0 &&
		    (!cheapest || bench_median(&all[i]) < bench_median(cheapest)))
			cheapest = &all[i];
	}
	if (cheapest && out < max)
		rows[out++] = bench_compare("the same, against the cheapest server on its CPU",
					    &all[0], cheapest);
	*count = out;
	return all[0].failed;
}
