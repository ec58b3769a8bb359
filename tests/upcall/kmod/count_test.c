/* SPDX-License-Identifier: BSD-3-Clause */
/* Many processes, threads and CPUs at once: nothing is lost, nothing is done twice. */
#include "tests/upcall/kmod/harness.h"

#define PROCS 4
#define CALLS 15000

static int adder(void *arg)
{
	int fd = attach();

	for (long i = 0; i < (long)arg; i++)
		if (up(fd, T_INC, 0, 0, 0) <= 0)
			return 1;
	return 0;
}

static void *thread_adder(void *arg)
{
	int fd = *(int *)arg;

	for (int i = 0; i < 1000; i++)
		if (up(fd, i & 63 ? T_INC : T_YIELD, 1, 0, 0) <= 0)
			atomic_fetch_add(&sh->words[0], 1);
	return NULL;
}

static int threads(void *unused)
{
	int fd = attach();
	pthread_t t[16];

	for (int i = 0; i < 16; i++)
		pthread_create(&t[i], NULL, thread_adder, &fd);
	for (int i = 0; i < 16; i++)
		pthread_join(t[i], NULL);
	return 0;
}

static int preempted(void *unused)
{
	int fd = attach();
	struct sw_info a = stats();
	pid_t pid;
	long r;

	pin(0);
	pid = fork();
	if (!pid)
		for (;;)
			;
	r = up(fd, T_SPIN, 5000000, 0, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK("an upcall survives preemption", r > 0 && stats().exits > a.exits, "%ld", r);
	return 0;
}

static int cost(void *unused)
{
	int fd = attach(), n = 5000;
	double t = now();

	for (int i = 0; i < n; i++)
		up(fd, T_NULL, 0, 0, 0);
	printf("# a null upcall: %.1f us;", (now() - t) / n * 1e6);
	t = now();
	for (int i = 0; i < n; i++)
		syscall(SYS_getppid);
	printf(" getppid: %.1f us\n", (now() - t) / n * 1e6);
	return 0;
}

int main(int argc, char **argv)
{
	pid_t p[PROCS];
	int bad = 0;
	double t;

	net_up(argv[1]);
	DATA->counter = 0;
	t = now();
	for (int i = 0; i < PROCS; i++)
		p[i] = child(adder, (void *)CALLS);
	for (int i = 0; i < PROCS; i++)
		bad += !!wait_child(p[i]);
	printf("# %d upcalls in %.1f s\n", PROCS * CALLS, now() - t);
	CHECK("four processes count exactly", !bad && DATA->counter == PROCS * CALLS,
	      "bad %d counter %lu", bad, DATA->counter);
	DATA->counter = 0;
	run_case(threads, NULL);
	CHECK("sixteen threads of one process count exactly",
	      !sh->words[0] && DATA->counter == 16 * (1000 - 16), "bad %lu counter %lu",
	      sh->words[0], DATA->counter);
	run_case(preempted, NULL);
	run_case(cost, NULL);
	net_down();
	return atomic_load(&sh->failed) != 0;
}
