/* SPDX-License-Identifier: BSD-3-Clause */
/* App memory in an upcall: demand paging, new top-level slots, tables that come and go, EFAULT. */
#include "tests/upcall/kmod/harness.h"

#define MIB (1ul << 20)

static char *at(uint64_t addr, size_t len)
{
	return mmap((void *)addr, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

static int demand(void *unused)
{
	int fd = attach();
	char *p = at(0x100000000000, 4 * MIB);
	long w, r;

	w = up(fd, T_WRITE, (uint64_t)p, 4 * MIB, 7);
	r = up(fd, T_READ, (uint64_t)p, 4 * MIB, 0);
	CHECK("demand paging in a new top-level slot", w == 0 && r == 7 * 1024 && p[4096] == 7,
	      "%ld %ld %d", w, r, p[4096]);
	for (uint64_t slot = 0x200; slot < 0x210; slot++) {
		p = at(slot << 36, 4096 * 16);
		w = up(fd, T_WRITE, (uint64_t)p, 4096 * 16, slot & 15);
		r = up(fd, T_READ, (uint64_t)p, 4096 * 16, 0);
		munmap(p, 4096 * 16);
		if (w || r != (long)(slot & 15) * 16)
			break;
	}
	CHECK("sixteen slots born and gone", !w && r == 15 * 16, "%ld %ld", w, r);
	if (stats().flags & SW_INFO_LA57) {
		p = mmap((void *)(1ul << 50), MIB, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		w = up(fd, T_WRITE, (uint64_t)p, MIB, 3);
		r = up(fd, T_READ, (uint64_t)p, MIB, 0);
		CHECK("memory above 47 bits", (uint64_t)p >> 47 && !w && r == 3 * 256, "%p %ld %ld",
		      (void *)p, w, r);
	}
	return 0;
}

static atomic_bool stop;

static void *churn(void *unused)
{
	while (!atomic_load(&stop)) {
		char *p = at(0x300000000000, MIB);

		for (size_t i = 0; i < MIB; i += 4096)
			p[i] = 1;
		munmap(p, MIB);
	}
	return NULL;
}

/* A sibling frees and makes the third-level table while the image reads through it. */
static int tables(void *unused)
{
	int fd = attach();
	long ok = 0, fault = 0, odd = 0;
	double end = now() + 4;
	struct sw_info before = stats();
	pthread_t t;

	pthread_create(&t, NULL, churn, NULL);
	while (now() < end) {
		long r = up(fd, T_READ, 0x300000000000, MIB, 0);

		if (r == -EFAULT)
			fault++;
		else if (r >= 0 && r <= 256)
			ok++;
		else
			odd++;
	}
	atomic_store(&stop, true);
	pthread_join(t, NULL);
	printf("# %ld read, %ld faulted, %ld resyncs\n", ok, fault,
	       (long)(stats().resyncs - before.resyncs));
	CHECK("a sibling's munmap frees the table under an upcall",
	      ok + fault > 50 && ok && fault && !odd, "ok %ld fault %ld odd %ld", ok, fault, odd);
	return 0;
}

static int efault(void *unused)
{
	int fd = attach();
	char *ro = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char file[] = "/tmp/short.XXXXXX";
	int f = mkstemp(file);
	char *beyond = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	struct {
		const char *name;
		enum t_op op;
		uint64_t addr;
	} c[] = {
		{"a null pointer", T_READ, 0},
		{"unmapped memory", T_WRITE, 0x123456789000},
		{"a read-only page", T_WRITE, (uint64_t)ro},
		{"a page beyond the file's end (SIGBUS)", T_READ, (uint64_t)beyond},
		{"a non-canonical address", T_READ, 0x8000000000000000},
		{"a kernel address", T_WRITE, 0xffff888000000000},
	};

	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		char name[128];
		long r = up(fd, c[i].op, c[i].addr, 1, 0);

		snprintf(name, sizeof(name), "EFAULT, not a signal, for %s", c[i].name);
		CHECK(name, r == -EFAULT, "%ld", r);
	}
	sigset_t pend;
	struct sigaction sa;

	signal(SIGSEGV, SIG_IGN);
	up(fd, T_READ, 0, 1, 0);
	sigaction(SIGSEGV, NULL, &sa);
	sigpending(&pend);
	CHECK("the process's disposition is untouched",
	      sa.sa_handler == SIG_IGN && !sigismember(&pend, SIGSEGV), "%p",
	      (void *)sa.sa_handler);
	return 0;
}

static atomic_int handled;

static void on_usr(int sig)
{
	atomic_fetch_add(&handled, 1);
}

static int signals(void *unused)
{
	int fd = attach();
	long bad = 0;
	timer_t timer;
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec its = {{0, 2000000}, {0, 2000000}};

	signal(SIGUSR1, on_usr);
	timer_create(CLOCK_MONOTONIC, &ev, &timer);
	timer_settime(timer, 0, &its, NULL);
	for (int i = 0; i < 300; i++)
		bad += up(fd, T_SPIN, 20000, 0, 0) <= 0;
	timer_delete(timer);
	CHECK("signals wait for the end of the upcall", !bad && atomic_load(&handled) > 10,
	      "bad %ld handled %d", bad, atomic_load(&handled));
	return 0;
}

int main(int argc, char **argv)
{
	net_up(argv[1]);
	printf("# %s paging\n", stats().flags & SW_INFO_LA57 ? "five-level" : "four-level");
	run_case(demand, NULL);
	run_case(tables, NULL);
	run_case(efault, NULL);
	run_case(signals, NULL);
	net_down();
	return atomic_load(&sh->failed) != 0;
}
