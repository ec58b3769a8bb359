/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The holder of a lock is off the CPU for long: it gets none (SCHED_IDLE or nice 19 beside busy
 * programs, a quota) or slivers of it, is stopped, frozen or traced. Others must wait 10 ms at
 * most, and what the holder began is done once. A waiter of high priority takes the lock again and
 * again and times it; what the machine below took (host_watch) is not counted. That finds most of
 * it, not all: a wait is too long when it is so in three attempts.
 */
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "tests/upcall/kmod/harness.h"

#define SECTION	  50000 /* loops with the lock held: some 200 us */
#define LONG	  (20 * SECTION)
#define ROUNDS	  25
#define TAKEN	  3 /* times the holder must have lost its upcall, where nobody torments it */
#define STALL_MAX 0.010

enum { STOP, MADE, EINTRS }; /* sh->words */
static struct host_watch *host;

struct trial {
	const char *name;
	int hogs; /* busy programs on each CPU: */
	int (*hog)(void *cpu);
	unsigned long section;
	void (*become)(void);	    /* in the victim */
	void (*torment)(pid_t pid); /* beside it, in the daemon's process */
};

static const char group[] = "/sys/fs/cgroup/sandwire-starve";

static int put(const char *file, const char *value)
{
	char path[128];
	int fd, n;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -1;
	n = (int)write(fd, value, strlen(value));
	close(fd);
	return n == (int)strlen(value) ? 0 : -1;
}

static int put_number(const char *file, int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", value);
	return put(file, text);
}

static void set_priority(int policy, int level)
{
	if (priority(policy, level))
		result("a priority", false, "%s", strerror(errno));
}

static int hog(void *cpu)
{
	pin((int)(long)cpu);
	for (volatile int on = 1; on;)
		;
	return 0;
}

/* Leaves the others a quarter of the time, in slivers. */
static int busy_hog(void *cpu)
{
	pin((int)(long)cpu);
	set_priority(SCHED_FIFO, 1);
	for (volatile int on = 1; on; usleep(100))
		for (double end = now() + 3e-4; now() < end;)
			;
	return 0;
}

/* Takes the signals that an upcall blocks, so that a stop finds the other in the middle. */
static void *sibling(void *unused)
{
	for (;;)
		pause();
	return NULL;
}

static int victim(void *arg)
{
	const struct trial *trial = arg;
	int fd = attach();
	pthread_t t;
	long r;

	pthread_create(&t, NULL, sibling, NULL);
	if (trial->become)
		trial->become();
	while (!atomic_load(&sh->words[STOP])) {
		r = up(fd, T_LOCKED, trial->section, 0, 0);
		atomic_fetch_add(&sh->words[r == -EINTR ? EINTRS : MADE], 1);
	}
	return 0;
}

static void be_idle(void)
{
	set_priority(SCHED_IDLE, 0);
}

static void be_nice(void)
{
	setpriority(PRIO_PROCESS, 0, 19);
}

static void be_limited(void)
{
	if (put_number("cgroup.procs", getpid()) || put("cpu.max", "2000 100000"))
		result("a quota", false, "%s", strerror(errno));
}

/* Takes the lock until told to stop; its exit status is 1 if it ever waited too long. */
static int waiter(void *unused)
{
	int fd = attach();
	double worst = 0, t, took;

	set_priority(SCHED_FIFO, 1);
	while (!atomic_load(&sh->words[STOP])) {
		took = host_took(host);
		t = now();
		if (up(fd, T_LOCKED, 0, 0, 0) <= 0)
			return 2;
		t = now() - t;
		usleep(t > STALL_MAX ? 3000 : 200); /* the metronomes have told */
		t -= host_took(host) - took;
		worst = t > worst ? t : worst;
	}
	printf("# longest wait %.1f ms\n", worst * 1e3);
	return worst > STALL_MAX;
}

static bool level(void)
{
	return DATA->begun == DATA->done;
}

static bool taken(void)
{
	return atomic_load(&sh->words[EINTRS]) >= TAKEN;
}

static bool attempt(const struct trial *trial, bool last)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), n = 0, st, st2;
	struct sw_info before = stats();
	pid_t pids[64], who, waits;

	for (int i = 0; i < 64; i++)
		sh->words[i] = 0;
	DATA->begun = DATA->done = DATA->exact = 0;
	host_watch(host);
	if (host->failed)
		result("a priority", false, "the metronomes have none");
	who = child(victim, (void *)trial);
	while (!sh->words[MADE])
		usleep(1000);
	waits = child(waiter, NULL);
	for (int i = 0; i < trial->hogs * cpus; i++)
		pids[n++] = child(trial->hog, (void *)(long)(i % cpus));
	if (trial->torment)
		trial->torment(who);
	else
		eventually(taken, 30);
	while (n) {
		kill(pids[--n], SIGKILL);
		wait_child(pids[n]);
	}
	sh->words[STOP] = 1;
	st = wait_child(waits);
	st2 = wait_child(who);
	host_unwatch(host);
	eventually(level, 5);
	printf("# %lu calls of the victim, %lu taken over, %lu by anybody, the host took %.0f ms\n",
	       sh->words[MADE] + sh->words[EINTRS], sh->words[EINTRS], DATA->done,
	       host_took(host) * 1e3);
	if (WIFEXITED(st) && WEXITSTATUS(st) == 1 && !last)
		return false;
	CHECK(trial->name,
	      !st && !st2 && level() && DATA->done == DATA->exact && sh->words[EINTRS] &&
		      stats().orphans - before.orphans == sh->words[EINTRS],
	      "waiter %x victim %x begun %lu done %lu exact %lu eintr %lu orphans %lu", st, st2,
	      DATA->begun, DATA->done, DATA->exact, sh->words[EINTRS],
	      (unsigned long)(stats().orphans - before.orphans));
	return true;
}

static void stop(pid_t pid)
{
	for (int i = 0; i < ROUNDS; i++) {
		kill(pid, SIGSTOP);
		usleep(15000);
		kill(pid, SIGCONT);
		usleep(2000 + (unsigned)rand() % 1000);
	}
}

static void freeze(pid_t pid)
{
	bool bad = put_number("cgroup.procs", pid);

	for (int i = 0; i < ROUNDS && !bad; i++) {
		bad |= put("cgroup.freeze", "1");
		usleep(15000);
		bad |= put("cgroup.freeze", "0");
		usleep(2000 + (unsigned)rand() % 1000);
	}
	if (bad)
		result("the freezer", false, "%s", strerror(errno));
}

static void trace(pid_t pid)
{
	int st;

	for (int i = 0; i < ROUNDS; i++) {
		if (ptrace(PTRACE_SEIZE, pid, 0, 0) || ptrace(PTRACE_INTERRUPT, pid, 0, 0))
			result("ptrace", false, "%s", strerror(errno));
		waitpid(pid, &st, __WALL);
		usleep(15000);
		ptrace(PTRACE_DETACH, pid, 0, 0);
		usleep(2000 + (unsigned)rand() % 1000);
	}
}

static const struct trial trials[] = {
	{"SCHED_IDLE beside busy programs", 1, hog, SECTION, be_idle, NULL},
	{"nice 19 beside busy programs", 2, hog, SECTION, be_nice, NULL},
	{"slivers beside programs of high priority", 1, busy_hog, LONG, NULL, NULL},
	{"a cgroup's quota of CPU time", 0, NULL, SECTION, be_limited, NULL},
	{"stopped", 0, NULL, SECTION, NULL, stop},
	{"frozen", 0, NULL, SECTION, NULL, freeze},
	{"traced", 0, NULL, SECTION, NULL, trace},
};

int main(int argc, char **argv)
{
	FILE *f = fopen("/sys/fs/cgroup/cgroup.subtree_control", "w");

	if (f) {
		fputs("+cpu", f);
		fclose(f);
	}
	mkdir(group, 0755);
	srand(1);
	host = mmap(NULL, sizeof(*host), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	net_up(argv[1]);
	for (size_t i = 0; i < sizeof(trials) / sizeof(*trials); i++)
		for (int left = 2; !attempt(&trials[i], !left); left--)
			;
	net_down();
	rmdir(group);
	return atomic_load(&sh->failed) != 0;
}
