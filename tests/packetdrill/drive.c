/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * drive [--ip_version=VERSION] [-f FLAGS] LIB SCRIPT...: plays packetdrill scripts over LIB's table
 * as the tool does: the main thread in the order of the script, on the library's clock; calls that
 * may block in a helper. One "ok NAME" or "FAIL NAME: WHY" line a script. All scripts run in one
 * process: the library is made anew for each, as the tool would.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/packetdrill/drive.h"

#define SPIN_BEFORE                                                                                \
	20	      /* us: the tool sleeps to this much before an event, then reads the clock    \
		       */
#define REAL_LIMIT 60 /* s for a script before it counts as hung */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DEEPBIND 0 /* does not go together */
#endif
#endif
#ifndef DEEPBIND
#define DEEPBIND RTLD_DEEPBIND
#endif

/* The helper: one call at a time. */
static struct helper {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	pthread_t thread;
	pid_t tid;
	const struct event *call; /* to be made; NULL: idle */
	int64_t end;		  /* us: when it shall return */
	bool inside;		  /* it is in the library */
	bool quit;
} helper = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static struct play play;
static int64_t tolerance, origin; /* us */

void play_fail(struct play *p, int line, const char *format, ...)
{
	size_t n;
	va_list ap;

	if (p->why[0])
		return;
	n = (size_t)snprintf(p->why, sizeof(p->why), "line %d: ", line);
	va_start(ap, format);
	vsnprintf(p->why + n, sizeof(p->why) - n, format, ap);
	va_end(ap);
}

static int64_t now_us(struct play *p)
{
	struct timeval tv;

	p->t.gettimeofday(p->t.userdata, &tv, NULL);
	return (int64_t)tv.tv_sec * 1000000 + tv.tv_usec;
}

static void check_time(struct play *p, int line, int64_t early, int64_t late, int64_t at)
{
	if (at < early - tolerance || at > late + tolerance)
		play_fail(p, line, "at %.6f instead of %.6f", (double)(at - origin) / 1e6,
			  (double)(early - origin) / 1e6);
}

/* ---- calls ---- */

static void make_call(struct play *p, const struct event *e)
{
	const struct call_spec *c = &e->call;
	int err = 0;
	long r = call_make(p, e, &err);

	if (!c->any_result && r != c->result)
		play_fail(p, e->line, "%s returned %ld (%s), not %ld", c->name, r,
			  r < 0 ? strerrorname_np(err) : "", c->result);
	else if (r < 0 && c->err[0] && strcmp(strerrorname_np(err), c->err) != 0 &&
		 !(err == EAGAIN && strcmp(c->err, "EWOULDBLOCK") == 0))
		play_fail(p, e->line, "%s failed with %s", c->name, strerrorname_np(err));
}

static void *helper_main(void *arg)
{
	struct helper *h = arg;
	const struct event *e;

	pthread_mutex_lock(&h->lock);
	h->tid = (pid_t)syscall(SYS_gettid);
	pthread_cond_broadcast(&h->cond);
	for (;;) {
		while (!h->call && !h->quit)
			pthread_cond_wait(&h->cond, &h->lock);
		if (h->quit)
			break;
		e = h->call;
		h->inside = true;
		pthread_mutex_unlock(&h->lock);
		make_call(&play, e);
		pthread_mutex_lock(&h->lock);
		h->inside = false;
		pthread_mutex_unlock(&h->lock);
		check_time(&play, e->line, h->end, h->end, now_us(&play));
		pthread_mutex_lock(&h->lock);
		h->call = NULL;
		pthread_cond_broadcast(&h->cond);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

static char helper_state(void)
{
	char path[64], line[256], state = '?';
	char *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", helper.tid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f) && (at = strrchr(line, ')')))
		state = at[2];
	if (f)
		fclose(f);
	return state;
}

/* Until the helper is asleep in the library, or through with its call and what it brought. */
static void await_helper(void)
{
	bool busy, inside;

	for (;;) {
		pthread_mutex_lock(&helper.lock);
		busy = helper.call != NULL;
		inside = helper.inside;
		pthread_mutex_unlock(&helper.lock);
		if (!busy || (inside && helper_state() == 'S'))
			return;
		sched_yield();
	}
}

static void start_blocking(const struct event *e, int64_t end)
{
	pthread_mutex_lock(&helper.lock);
	while (helper.call)
		pthread_cond_wait(&helper.cond, &helper.lock);
	helper.end = end;
	helper.call = e;
	pthread_cond_broadcast(&helper.cond);
	pthread_mutex_unlock(&helper.lock);
	await_helper();
}

/* ---- events ---- */

static void wait_until(struct play *p, int64_t at)
{
	int64_t now = now_us(p);

	if (now < at - SPIN_BEFORE)
		p->t.usleep(p->t.userdata, (useconds_t)(at - SPIN_BEFORE - now));
	while (now_us(p) < at)
		;
}

/* The next packet of the connection; 0: none came. */
static size_t receive(struct play *p, const struct event *e, uint8_t *ip, long long *at)
{
	size_t n;

	do {
		n = PACKET_MOST;
		if (p->t.netdev_receive(p->t.userdata, ip, &n, at) < 0 || n == 0) {
			play_fail(p, e->line, "no packet came");
			return 0;
		}
	} while (!packet_ours(p, ip, n));
	return n;
}

static void expect_packet(struct play *p, const struct event *e, int64_t early, int64_t late)
{
	static uint8_t ip[PACKET_MOST], next[PACKET_MOST];
	size_t n, m, mss;
	long long at = 0, at_next;
	const char *what;

	n = receive(p, e, ip, &at);
	mss = n ? packet_payload(ip, n) : 0;
	while (mss && packet_payload(ip, n) < e->packet.len) {
		m = receive(p, e, next, &at_next);
		what = m ? packet_join(ip, &n, next, m, mss) : NULL;
		if (what)
			play_fail(p, e->line, "%s differs", what);
		if (!m || what)
			return;
	}
	if (!n)
		return;
	packet_out(p, e, ip, n);
	if (!e->any_time)
		check_time(p, e->line, early, late, at);
}

/* `base`: the time of the event before; the result is this one's. */
static int64_t play_event(struct play *p, const struct event *e, int64_t base)
{
	int64_t from = e->relative ? base : origin, early = from + e->at, late = from + e->late;

	if (e->any_time)
		early = late = base;
	if (e->kind == EV_OUT) {
		expect_packet(p, e, early, late);
		return e->any_time ? now_us(p) : early;
	}
	if (!e->any_time)
		wait_until(p, early);
	await_helper();
	if (e->kind == EV_IN)
		packet_in(p, e);
	else if (e->kind == EV_CODE)
		code_run(p, e);
	else if (e->end >= 0)
		start_blocking(e, from + e->end);
	else
		make_call(p, e);
	return early;
}

static bool helper_busy(void)
{
	bool busy;

	pthread_mutex_lock(&helper.lock);
	busy = helper.call != NULL;
	pthread_mutex_unlock(&helper.lock);
	return busy;
}

static void play_end(struct play *p, int64_t base)
{
	const struct timespec ms = {0, 1000000};
	int i;

	if (helper_busy() && helper.end > base)
		wait_until(p, helper.end + tolerance);
	/* What blocks for ever is freed by the reset. */
	packet_reset(p);
	for (i = 0; i < 2000 && helper_busy(); i++) {
		p->t.usleep(p->t.userdata, 1000000);
		/* That was a second of the library's clock, which may be none of the helper's. */
		syscall(SYS_nanosleep, &ms, NULL);
	}
	if (helper_busy()) {
		printf("FAIL a call blocks for ever: %s\n", p->why);
		exit(1);
	}
	for (i = 0; i < FDS_MOST; i++)
		if (p->fds[i] >= 0) {
			/* The tool calls the host's close, and dies when that does not know it. */
			if (close(p->fds[i]) < 0)
				play_fail(p, 0, "descriptor %d: %s", i, strerror(errno));
		}
	p->t.free(p->t.userdata);
}

/* A line "// flags KEY=VALUE,..." of the script, and those given. */
static void flags_of(const char *path, const char *given, char *out, size_t room)
{
	char line[512] = "";
	FILE *f = fopen(path, "re");

	snprintf(out, room, "%s", given ? given : "");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "// flags ", 9) == 0) {
			line[strcspn(line, "\n")] = 0;
			snprintf(out, room, "%s%s%s", line + 9, given ? "," : "",
				 given ? given : "");
		}
	if (f)
		fclose(f);
}

typedef void init_fn(const char *flags, struct pd_table *table);

static int run(init_fn *init, const char *flags, enum ip_version version, const char *path)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	const struct event *e;
	char all_flags[1024];
	struct script s;
	int64_t base;
	size_t i;

	if (script_read(&s, path) < 0) {
		printf("FAIL %s: not read\n", name);
		return 1;
	}
	alarm(REAL_LIMIT);
	memset(&play, 0, sizeof(play));
	memset(play.fds, -1, sizeof(play.fds));
	play.version = version;
	play.under_test = -1;
	play.next_port = 40000;
	flags_of(path, flags, all_flags, sizeof(all_flags));
	init(all_flags, &play.t);
	for (i = 0; i < sizeof(play.t) / sizeof(void *); i++)
		if (!((void **)&play.t)[i])
			play_fail(&play, 0, "slot %zu of the table is empty", i);
	tolerance = s.tolerance;
	base = origin = now_us(&play) + 250;
	for (e = s.events; e && !play.why[0]; e = e->next)
		base = play_event(&play, e, base);
	play_end(&play, base);
	script_free(&s);
	if (play.why[0])
		printf("FAIL %s: %s\n", name, play.why);
	else
		printf("ok %s\n", name);
	fflush(stdout);
	return play.why[0] != 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: drive [--ip_version=ipv4|ipv4-mapped-ipv6|ipv6] [-f FLAGS] LIB "
			"SCRIPT...\n");
	return 2;
}

static bool version_of(const char *arg, enum ip_version *version)
{
	static const char *const names[] = {"ipv4", "ipv4-mapped-ipv6", "ipv6"};
	size_t n = strlen("--ip_version="), i;

	for (i = 0; i < 3 && strncmp(arg, "--ip_version=", n) == 0; i++)
		if (strcmp(arg + n, names[i]) == 0) {
			*version = (enum ip_version)i;
			return true;
		}
	return false;
}

int main(int argc, char **argv)
{
	enum ip_version version = IPV4;
	const char *flags = NULL;
	init_fn *init;
	int failed = 0, i = 1;
	void *lib;

	if (i < argc && version_of(argv[i], &version))
		i++;
	if (i + 1 < argc && strcmp(argv[i], "-f") == 0) {
		flags = argv[i + 1];
		i += 2;
	}
	if (argc < i + 2 || argv[i][0] == '-')
		return usage();
	lib = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | DEEPBIND);
	init = lib ? (init_fn *)(uintptr_t)dlsym(lib, "packetdrill_interface_init") : NULL;
	if (!init) {
		fprintf(stderr, "drive: %s\n", dlerror());
		return 1;
	}
	pthread_create(&helper.thread, NULL, helper_main, &helper);
	pthread_mutex_lock(&helper.lock);
	while (!helper.tid)
		pthread_cond_wait(&helper.cond, &helper.lock);
	pthread_mutex_unlock(&helper.lock);
	for (i++; i < argc; i++)
		failed |= run(init, flags, version, argv[i]);
	pthread_mutex_lock(&helper.lock);
	helper.quit = true;
	pthread_cond_broadcast(&helper.cond);
	pthread_mutex_unlock(&helper.lock);
	pthread_join(helper.thread, NULL);
	return failed;
}
