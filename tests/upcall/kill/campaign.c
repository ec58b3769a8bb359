/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * campaign KILLS SEED NAMESPACE PEER: starts clients of several threads, kills them at random
 * moments in random ways and starts others, until so many have been killed; then compares what the
 * threads, the services and the peer say was done. Its status is 3 where only a call took too long.
 * Runs behind the shim, the net's peer (peer.c) in the network namespace. The same seed gives the
 * same kills, at the same times as well as that can be.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/upcall/kill/kill.h"
#include "tests/upcall/pc_test.h"
#include "upcall/kmod/sandwire_uapi.h"
#include "upcall/sandwire.h"

#define CLIENTS	    5u
#define PAUSE_MEAN  45000u /* us between kills */
#define STALL_MAX   10.0   /* ms */
#define DEATH_LIMIT 10.0   /* s */
#define STAGE_LIMIT 90	   /* s, more than any wait below */

struct shared *sh;
static uint64_t seed, random_state;
static uint32_t next_incarnation = FIRST_VICTIM;
static int device;

static struct victim {
	pid_t pid;
	uint32_t incarnation;
	double killed; /* when, or 0 */
} victims[CLIENTS];

enum { KILL_THREAD, KILL_PROCESS, KILL_STOPPED, EXIT_GROUP, EXIT_THREAD, KINDS };
static const char *const kind_names[KINDS] = {"SIGKILL to a thread", "to the process",
					      "to a stopped one", "exit_group", "a thread's exit"};
static unsigned done[KINDS];

void failure(const char *fmt, ...)
{
	va_list args;

	if (!atomic_fetch_add(&sh->failures, 1)) {
		va_start(args, fmt);
		vsnprintf(sh->failure, sizeof(sh->failure), fmt, args);
		va_end(args);
	}
}

static int bad;
static void result(bool good, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void result(bool good, const char *what, const char *fmt, ...)
{
	va_list args;

	bad |= !good;
	printf(good ? "ok %s (" : "FAIL %s: ", what);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	puts(good ? ")" : "");
	fflush(stdout);
}

/* ---- what if nothing ends ------------------------------------------------------------------ */

static struct sw_info info(void)
{
	struct sw_info i = {0};

	if (ioctl(device, SW_IOC_INFO, &i))
		failure("SW_IOC_INFO: %s", strerror(errno));
	return i;
}

/* What the campaign is at; each kill is a stage of its own. */
static const char *_Atomic stage_name;
static atomic_uint stages;

static void stage(const char *name)
{
	atomic_store(&stage_name, name);
	atomic_fetch_add(&stages, 1);
}

/* An upcall that nobody finishes holds its locks for good, and calls of this process may wait. */
static void *watch_stages(void *unused)
{
	unsigned last = 0, seconds = 0;
	struct sw_info i;

	for (;; sleep(1)) {
		seconds = atomic_load(&stages) == last ? seconds + 1 : 0;
		last = atomic_load(&stages);
		if (seconds < STAGE_LIMIT)
			continue;
		i = info();
		result(false, "campaign",
		       "%s: no end of it in %d s; %llu of %llu upcalls of the dead are finished, "
		       "%llu enters, %llu exits; %s",
		       atomic_load(&stage_name), STAGE_LIMIT, (unsigned long long)i.adopted,
		       (unsigned long long)i.orphans, (unsigned long long)i.enters,
		       (unsigned long long)i.exits, sh->failure);
		_exit(1); /* the children are told to go with us */
	}
	return unused;
}

/* ---- processes ----------------------------------------------------------------------------- */

static pid_t child(uint32_t incarnation)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (incarnation == CONTROL)
		control();
	client(incarnation, seed);
}

static bool peer_ready(void)
{
	return atomic_load(&sh->peer_ready);
}

static pid_t start_peer(int memory, const char *namespace, const char *program)
{
	char text[16];
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open(namespace, O_RDONLY);
	snprintf(text, sizeof(text), "%d", memory);
	unsetenv("LD_PRELOAD");
	if (fd < 0 || setns(fd, CLONE_NEWNET) || execl(program, program, text, NULL))
		fprintf(stderr, "campaign: %s in %s: %s\n", program, namespace, strerror(errno));
	_exit(127);
}

/* Only ends that were asked for. */
static void buried(struct victim *v, int status)
{
	bool by_kill = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && v->killed;

	/* Status 0: exit_group, or the last thread's exit. */
	if (!by_kill && !(WIFEXITED(status) && !WEXITSTATUS(status)))
		failure("client %u ended with status %#x", v->incarnation, (unsigned)status);
	v->pid = 0;
}

static void bury(void)
{
	int status;

	for (struct victim *v = victims; v < victims + CLIENTS; v++) {
		if (!v->pid)
			continue;
		if (waitpid(v->pid, &status, WNOHANG) == v->pid)
			buried(v, status);
		else if (v->killed && now() - v->killed > DEATH_LIMIT)
			failure("client %u does not die", v->incarnation);
	}
}

static void replace(void)
{
	for (struct victim *v = victims; v < victims + CLIENTS; v++)
		if (!v->pid && next_incarnation < INCARNATIONS) {
			v->incarnation = next_incarnation++;
			v->killed = 0;
			v->pid = child(v->incarnation);
		}
}

/* ---- killing ------------------------------------------------------------------------------- */

static int signal_thread(struct victim *v, struct row *row, int sig)
{
	int tid = atomic_load(&row->tid);

	return tid ? (int)syscall(SYS_tgkill, v->pid, tid, sig) : -1;
}

static bool kill_one(struct victim *v)
{
	struct row *row = &sh->row[v->incarnation * THREADS + roll(&random_state, THREADS)];
	uint32_t r = roll(&random_state, 100);
	int kind = r < 55   ? KILL_THREAD
		   : r < 65 ? KILL_PROCESS
		   : r < 70 ? KILL_STOPPED
		   : r < 85 ? EXIT_GROUP
			    : EXIT_THREAD;

	if (kind == EXIT_GROUP || kind == EXIT_THREAD) {
		/* Before it is there it would die of the signal itself. */
		if (signal_thread(v, row, kind == EXIT_GROUP ? SIGUSR1 : SIGUSR2))
			return false;
		if (kind == EXIT_THREAD)
			atomic_store(&row->tid, 0);
	} else if (kind == KILL_THREAD) {
		if (signal_thread(v, row, SIGKILL))
			return false;
	} else {
		if (kind == KILL_STOPPED) {
			kill(v->pid, SIGSTOP);
			usleep(1000 + roll(&random_state, 8000));
		}
		kill(v->pid, SIGKILL);
	}
	if (kind != EXIT_THREAD)
		v->killed = now();
	done[kind]++;
	return true;
}

static void kill_all(unsigned kills)
{
	for (unsigned n = 0; n < kills && !atomic_load(&sh->failures);) {
		struct victim *v = &victims[roll(&random_state, CLIENTS)];

		usleep(roll(&random_state, 2 * PAUSE_MEAN));
		bury();
		replace();
		if (v->pid && !v->killed && kill_one(v)) {
			stage("killing");
			n++;
		}
	}
	for (struct victim *v = victims; v < victims + CLIENTS; v++)
		if (v->pid) {
			v->killed = v->killed ? v->killed : now();
			kill(v->pid, SIGKILL);
		}
}

static bool all_buried(void)
{
	bury();
	for (unsigned i = 0; i < CLIENTS; i++)
		if (victims[i].pid)
			return false;
	return true;
}

/* ---- afterwards ---------------------------------------------------------------------------- */

static bool upcalls_over(void)
{
	struct sw_info i = info();

	return i.orphans == i.adopted && i.enters == i.exits;
}

static bool peer_alone(void)
{
	return !atomic_load(&sh->peer_open);
}

/* Whatever was told was counted; what was begun and not told was counted once or not at all. */
static void compare_ledger(void)
{
	static uint32_t last[ROWS];
	uint32_t n = next_incarnation * THREADS, row = 0, in_flight = 0, counted = 0;
	unsigned long calls = 0;

	while (row < n) {
		ssize_t got = sandwire_call("ledger-read", &row, sizeof(row), last + row,
					    ROWS - row < 512 ? (ROWS - row) * 4 : 2048);

		if (got <= 0) {
			result(false, "ledger", "reading it: %zd", got);
			return;
		}
		row += (uint32_t)got / 4;
	}
	for (row = 0; row < n; row++) {
		const struct row *r = &sh->row[row];

		if (last[row] < r->calls_told || last[row] > r->calls_begun ||
		    r->calls_begun > r->calls_told + 1) {
			result(false, "ledger", "row %u: %u begun, %u told, %u counted", row,
			       r->calls_begun, r->calls_told, last[row]);
			return;
		}
		calls += last[row];
		in_flight += r->calls_begun - r->calls_told;
		counted += last[row] - r->calls_told;
	}
	result(in_flight > 0, "each call of a service was made once",
	       "%lu calls of %u threads; %u died in one, %u of these calls were made", calls, n,
	       in_flight, counted);
}

struct counts {
	unsigned long long total, adds, live, live_sum, dead, dead_sum;
};

static struct counts counter(void)
{
	struct counts c = {0};
	char text[2049] = "";
	ssize_t n = sandwire_call("counter", "stats", 5, text, sizeof(text) - 1);

	if (n <= 0 || sscanf(text, "total %llu adds %llu live %llu sum %llu dead %llu sum %llu",
			     &c.total, &c.adds, &c.live, &c.live_sum, &c.dead, &c.dead_sum) != 6)
		failure("counter stats: %zd", n);
	return c;
}

static bool counter_alone(void)
{
	return !counter().live;
}

static void compare_counter(void)
{
	unsigned long long begun = 0, told = 0;
	struct counts c;

	eventually(counter_alone, 20);
	c = counter();
	for (uint32_t row = 0; row < next_incarnation * THREADS; row++) {
		begun += sh->row[row].adds_begun;
		told += sh->row[row].adds_told;
	}
	result(!c.live && c.total == c.adds && c.total == c.dead_sum && c.adds >= told &&
		       c.adds <= begun,
	       "the counter is exact",
	       "%llu told <= %llu counted <= %llu begun, of %llu processes; "
	       "live %llu, dead sum %llu",
	       told, c.adds, begun, c.dead, c.live, c.dead_sum);
}

/* The peer compared the bytes; here: whole streams were whole, and only the killed ended early. */
static void compare_traffic(void)
{
	unsigned long whole = 0, cut = 0, datagrams = 0, arrived = 0;
	bool good = true;

	for (uint32_t row = 0; row < next_incarnation * THREADS; row++) {
		const struct row *r = &sh->row[row];
		bool lives = row / THREADS < FIRST_VICTIM;

		if (r->streams_done > r->peer_streams || r->peer_streams > r->streams_begun ||
		    r->peer_cut > 1 || r->peer_streams + r->peer_cut > r->streams_begun ||
		    r->peer_seen.highest > r->datagrams ||
		    (lives && (r->peer_cut || r->streams_done != r->streams_begun)))
			good = false;
		if (!good) {
			result(false, "traffic",
			       "row %u: streams %u begun, %u done, the peer had %u whole, %u cut; "
			       "datagram %u of %u",
			       row, r->streams_begun, r->streams_done, r->peer_streams, r->peer_cut,
			       r->peer_seen.highest, r->datagrams);
			return;
		}
		whole += r->peer_streams;
		cut += r->peer_cut;
		datagrams += r->datagrams;
		arrived += r->peer_seen.highest != 0;
	}
	result(!sh->peer_wrong && whole && cut && arrived, "streams and datagrams are exact",
	       "%lu streams whole, %lu cut by a kill and exact up to there, %llu MiB, %lu "
	       "datagrams, %u overtaken; %u wrong",
	       whole, cut, (unsigned long long)sh->peer_bytes >> 20, datagrams, sh->overtaken,
	       sh->peer_wrong);
}

static bool too_long(void)
{
	const struct stall *s = sh->stalls;
	double net = s->ms - s->host_ms;

	for (unsigned i = 0; i < STALLS && s[i].ms > 2; i++)
		printf("# stall: %s took %.1f ms, the host's own part %.1f ms\n", s[i].verb,
		       s[i].ms, s[i].host_ms);
	printf("# the longest of %lu calls beside took %.1f ms beyond the host's own\n", sh->timed,
	       net);
	return sh->timed < 100 || net >= STALL_MAX;
}

int main(int argc, char **argv)
{
	unsigned kills = argc == 5 ? (unsigned)atoi(argv[1]) : 0;
	int memory = memfd_create("kill", 0);
	struct sw_info before, after;
	pid_t control, survivor, peer;
	double began = now();
	int st1 = -1, st2 = -1;
	pthread_t watch;
	bool over, slow;

	if (!kills || kills > INCARNATIONS / 2 || ftruncate(memory, sizeof(*sh)))
		return fprintf(stderr, "campaign KILLS SEED NAMESPACE PEER\n"), 2;
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	device = open("/dev/sandwire", O_RDWR | O_CLOEXEC);
	seed = random_state = strtoull(argv[2], NULL, 10);
	before = info();
	stage("starting");
	pthread_create(&watch, NULL, watch_stages, NULL);
	peer = start_peer(memory, argv[3], argv[4]);
	if (!eventually(peer_ready, 20))
		failure("the peer does not start");
	control = child(CONTROL);
	survivor = child(SURVIVOR);
	kill_all(kills);
	stage("burying the killed");
	if (!eventually(all_buried, DEATH_LIMIT + 5))
		failure("a killed client is still there");
	atomic_store(&sh->stop, true);
	stage("the end of the one beside them");
	waitpid(control, &st1, 0);
	stage("the end of the one that is never killed");
	waitpid(survivor, &st2, 0);
	result(!sh->failures && !st1 && !st2, "kills",
	       "%u %s, %u %s, %u %s, %u %s, %u %s in %.0f s; %d failures: %s", done[0],
	       kind_names[0], done[1], kind_names[1], done[2], kind_names[2], done[3],
	       kind_names[3], done[4], kind_names[4], now() - began, sh->failures, sh->failure);
	over = eventually(upcalls_over, 20);
	after = info();
	result(over && after.orphans > before.orphans, "upcalls of the dead are finished",
	       "%llu of %llu; %llu enters, %llu exits",
	       (unsigned long long)(after.adopted - before.adopted),
	       (unsigned long long)(after.orphans - before.orphans),
	       (unsigned long long)after.enters, (unsigned long long)after.exits);
	result(eventually(peer_alone, 30), "the peer is told of each death", "%u connections open",
	       sh->peer_open);
	stage("comparing");
	compare_ledger();
	compare_counter();
	compare_traffic();
	slow = too_long();
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	return bad ? 1 : slow ? 3 : 0;
}
