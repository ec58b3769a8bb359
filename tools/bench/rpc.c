/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program would use instead of an upcall: a system call, a signal, or a round trip to a
 * server process over a pipe, an eventfd, a Unix socket, a futex or signals, with the server on the
 * same CPU or on another. Called by bench.c through the contender table at the bottom.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench/bench.h"

/* One round-trip server: a child that answers until its end of the channel is closed. */
struct server {
	pid_t pid;
	int to[2], from[2]; /* read and write ends; equal ends for eventfds and sockets */
	uint32_t *word;	    /* futex: 0 idle, 1 asked */
	pid_t client;	    /* signals: whom to answer */
	sigset_t old_mask;
};

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* ---- system calls ------------------------------------------------------------------------- */

static int run_getppid(struct contender *c, long n)
{
	(void)c;
	for (long i = 0; i < n; i++)
		syscall(SYS_getppid);
	return 0;
}

static volatile sig_atomic_t caught;

static void on_usr1(int sig)
{
	(void)sig;
	caught++;
}

static int setup_signal_self(struct contender *c)
{
	struct sigaction act = {.sa_handler = on_usr1};

	(void)c;
	return sigaction(SIGUSR1, &act, NULL) ? -errno : 0;
}

static int run_signal_self(struct contender *c, long n)
{
	(void)c;
	for (long i = 0; i < n; i++)
		if (raise(SIGUSR1))
			return -EIO;
	return 0;
}

/* ---- round trips --------------------------------------------------------------------------- */

static int start_server(struct contender *c, struct server *s, void (*serve)(struct server *))
{
	s->client = getpid();
	s->pid = fork();
	if (s->pid < 0)
		return -errno;
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(c->cpu);
		serve(s);
		_exit(0);
	}
	return 0;
}

static void stop_server(struct contender *c)
{
	struct server *s = c->state;

	if (!s)
		return;
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	for (int i = 0; i < 2; i++) {
		close(s->to[i]);
		close(s->from[i]);
	}
	free(s);
	c->state = NULL;
}

static void serve_bytes(struct server *s)
{
	uint64_t word;
	ssize_t got;

	while ((got = read(s->to[0], &word, sizeof(word))) > 0)
		if (write(s->from[1], &word, (size_t)got) != got)
			break;
}

static int run_bytes(struct contender *c, long n)
{
	struct server *s = c->state;

	for (long i = 0; i < n; i++) {
		uint64_t word = 1;

		if (write(s->to[1], &word, sizeof(word)) != (ssize_t)sizeof(word) ||
		    read(s->from[0], &word, sizeof(word)) != (ssize_t)sizeof(word))
			return -EPIPE;
	}
	return 0;
}

/* The contender's from now on: bench_run tears it down even if its setup fails half way. */
static struct server *new_server(struct contender *c)
{
	struct server *s = calloc(1, sizeof(*s));

	c->state = s;
	if (s)
		s->to[0] = s->to[1] = s->from[0] = s->from[1] = -1;
	return s;
}

static int setup_pipe(struct contender *c)
{
	struct server *s = new_server(c);

	if (!s || pipe(s->to) || pipe(s->from))
		return -errno;
	return start_server(c, s, serve_bytes);
}

static int setup_eventfd(struct contender *c)
{
	struct server *s = new_server(c);

	if (!s)
		return -ENOMEM;
	s->to[0] = eventfd(0, 0);
	s->to[1] = dup(s->to[0]);
	s->from[0] = eventfd(0, 0);
	s->from[1] = dup(s->from[0]);
	return s->from[1] < 0 ? -errno : start_server(c, s, serve_bytes);
}

static int setup_unix(struct contender *c)
{
	struct server *s = new_server(c);
	int pair[2];

	if (!s || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return -errno;
	s->to[0] = s->from[1] = pair[0];
	s->to[1] = s->from[0] = pair[1];
	return start_server(c, s, serve_bytes);
}

static void stop_unix(struct contender *c)
{
	struct server *s = c->state;

	if (s)
		s->from[0] = s->from[1] = -1; /* the same two descriptors as `to` */
	stop_server(c);
}

static void futex_hand_over(uint32_t *word, uint32_t to)
{
	__atomic_store_n(word, to, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void futex_await(uint32_t *word, uint32_t want)
{
	uint32_t now;

	while ((now = __atomic_load_n(word, __ATOMIC_SEQ_CST)) != want)
		syscall(SYS_futex, word, FUTEX_WAIT, now, NULL, NULL, 0);
}

static void serve_futex(struct server *s)
{
	for (;;) {
		futex_await(s->word, 1);
		futex_hand_over(s->word, 0);
	}
}

static int setup_futex(struct contender *c)
{
	struct server *s = new_server(c);
	void *word;

	if (!s)
		return -ENOMEM;
	word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (word == MAP_FAILED)
		return -ENOMEM;
	s->word = word;
	return start_server(c, s, serve_futex);
}

static int run_futex(struct contender *c, long n)
{
	struct server *s = c->state;

	for (long i = 0; i < n; i++) {
		futex_hand_over(s->word, 1);
		futex_await(s->word, 0);
	}
	return 0;
}

static void stop_futex(struct contender *c)
{
	struct server *s = c->state;

	if (s && s->word)
		munmap(s->word, 4096);
	stop_server(c);
}

static void serve_signals(struct server *s)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	while (!sigwait(&set, &sig))
		kill(s->client, SIGUSR2);
}

static int setup_signals(struct contender *c)
{
	struct server *s = new_server(c);
	sigset_t set;

	if (!s)
		return -ENOMEM;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &s->old_mask);
	return start_server(c, s, serve_signals);
}

static int run_signals(struct contender *c, long n)
{
	struct server *s = c->state;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	for (long i = 0; i < n; i++)
		if (kill(s->pid, SIGUSR2) || sigwait(&set, &sig))
			return -EIO;
	return 0;
}

static void stop_signals(struct contender *c)
{
	struct server *s = c->state;

	if (s)
		sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
	stop_server(c);
}

#define ROUND_TRIP(what, where, on_cpu, set, go, stop)                                             \
	{                                                                                          \
		.name = what " round trip, " where, .setup = (set), .run = (go),                   \
		.teardown = (stop), .n = 2000, .cpu = (on_cpu)                                     \
	}

/* The client sits on CPU 0 (bench_upcall pins it). */
const struct contender rpc_contenders[] = {
	{.name = "getppid", .run = run_getppid, .n = 20000, .cpu = -1},
	{.name = "signal to self",
	 .setup = setup_signal_self,
	 .run = run_signal_self,
	 .n = 5000,
	 .cpu = -1},
	ROUND_TRIP("pipe", "same CPU", 0, setup_pipe, run_bytes, stop_server),
	ROUND_TRIP("eventfd", "same CPU", 0, setup_eventfd, run_bytes, stop_server),
	ROUND_TRIP("Unix socket", "same CPU", 0, setup_unix, run_bytes, stop_unix),
	ROUND_TRIP("futex", "same CPU", 0, setup_futex, run_futex, stop_futex),
	ROUND_TRIP("signal", "same CPU", 0, setup_signals, run_signals, stop_signals),
	ROUND_TRIP("pipe", "other CPU", 1, setup_pipe, run_bytes, stop_server),
	ROUND_TRIP("eventfd", "other CPU", 1, setup_eventfd, run_bytes, stop_server),
	ROUND_TRIP("Unix socket", "other CPU", 1, setup_unix, run_bytes, stop_unix),
	ROUND_TRIP("futex", "other CPU", 1, setup_futex, run_futex, stop_futex),
	ROUND_TRIP("signal", "other CPU", 1, setup_signals, run_signals, stop_signals),
};
const size_t rpc_contender_count = sizeof(rpc_contenders) / sizeof(rpc_contenders[0]);
