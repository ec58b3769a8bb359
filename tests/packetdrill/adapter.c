/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library's one entry for packetdrill, its flags, and the slots for packets and time.
 * packetdrill calls packetdrill_interface_init() before each script, in one process.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/packetdrill/adapter.h"

#define DEFAULT_IP  "192.168.0.1"
#define DEFAULT_IP6 "fd3d:fa7b:d17d::1"
#define MTU	    1500
#define MTU6	    1520 /* so that scripts find the MSS of IPv4, as with the tool's --mtu=1520 */
#define DEFAULT_TSO 2	 /* as Linux at the rates of scripts: a millisecond's worth, two at least */
#define EXPORT	    __attribute__((visibility("default")))
#define QUIET_LIMIT (100000ull * 1000000000ull) /* virtual time a script may wait for a packet */

struct world *pd_world;

/* ---- packets ---- */

static void log_packet(const struct world *w, const char *dir, const uint8_t *p, size_t n)
{
	if (w->log && n >= IP4_HDR_LEN)
		fprintf(stderr, "%10.6f %s %zu bytes, IPv%u, protocol %u\n",
			(double)(w->now % 1000000000000ull) / 1e9, dir, n, p[0] >> 4,
			p[0] >> 4 == 6 ? p[6] : p[9]);
}

static int pd_netdev_send(void *ud, const void *packet, size_t n)
{
	struct world *w = ud;
	int r;

	world_enter(w);
	log_packet(w, "in ", packet, n);
	knobs_read_proc(w);
	r = world_inject(w, packet, n);
	world_leave(w);
	if (r < 0)
		errno = -r;
	return r < 0 ? -1 : 0;
}

static int pd_netdev_receive(void *ud, void *packet, size_t *n, long long *time_us)
{
	struct world *w = ud;
	struct out_packet *o;
	uint64_t limit;

	world_enter(w);
	world_flush(w);
	limit = w->now + QUIET_LIMIT;
	while (!w->out && w->now < limit && world_step(w, limit))
		;
	o = w->out;
	if (o) {
		w->out = o->next;
		if (!w->out)
			w->out_tail = &w->out;
		*n = o->len < *n ? o->len : *n;
		memcpy(packet, o->bytes, *n);
		*time_us = (long long)(o->time / 1000);
		log_packet(w, "out", o->bytes, o->len);
		free(o);
	} else {
		fprintf(stderr, "sandwire: the stack sends nothing any more\n");
		*n = 0; /* the only way to fail a script: any other is tried again for ever */
		*time_us = (long long)(w->now / 1000);
	}
	world_leave(w);
	return 0;
}

/* ---- time ---- */

static int pd_usleep(void *ud, useconds_t us)
{
	struct world *w = ud;

	world_enter(w);
	if (pthread_equal(pthread_self(), w->main)) {
		world_advance(w, w->now + us * 1000ull);
	} else {
		uint64_t until = w->now + us * 1000ull;

		while (w->now < until)
			(void)world_wait(w, until);
	}
	world_leave(w);
	return 0;
}

/* Who spins on the clock makes it go on: a microsecond a call. */
static int pd_gettimeofday(void *ud, struct timeval *tv, struct timezone *tz)
{
	struct world *w = ud;
	uint64_t t = world_woken_at();

	(void)tz;
	world_enter(w);
	if (!t && pthread_equal(pthread_self(), w->main))
		world_advance(w, w->now + 1000);
	if (!t)
		t = w->now;
	world_leave(w);
	tv->tv_sec = (time_t)(t / 1000000000u);
	tv->tv_usec = (suseconds_t)(t / 1000u % 1000000u);
	return 0;
}

/* ---- init ---- */

static void reset(struct world *w)
{
	int fd;

	for (fd = 0; fd < PD_FDS; fd++)
		if (w->files[fd])
			file_close(w, fd);
	world_close(w);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->main_cond);
	pthread_cond_destroy(&w->helper_cond);
	free(w);
	pd_world = NULL;
}

static void pd_free(void *ud)
{
	if (ud == pd_world)
		reset(ud);
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "sandwire: %s: %s\n", what, why);
	exit(1);
}

/* What is more than a buffer takes is meant for IPv6. */
static void set_mtu(struct world *w, long mtu)
{
	if (mtu < 68 || mtu > MTU6)
		die("--so_flags", "mtu");
	w->mtu = (uint16_t)(mtu < MTU ? mtu : MTU);
	w->mtu6 = (uint16_t)(mtu > MTU ? mtu : mtu + MTU6 - MTU);
}

/* One key=value, or a sysctl's name. */
static void one_flag(struct world *w, const char *key, const char *value)
{
	if (strcmp(key, "clock") == 0 &&
	    (strcmp(value, "real") == 0 || strcmp(value, "virtual") == 0))
		w->real = value[0] == 'r';
	else if (strcmp(key, "cc") == 0)
		(void)knob_set(w, "tcp_congestion_control", value); /* refused at socket() */
	else if (strcmp(key, "log") == 0)
		w->log = atoi(value);
	else if (strcmp(key, "sysctl") == 0 && strcmp(value, "proc") == 0)
		w->proc = true;
	else if (strcmp(key, "mtu") == 0)
		set_mtu(w, atol(value));
	else if (strcmp(key, "tso") == 0 && atol(value) >= 0 && atol(value) <= 64)
		w->tso = (uint16_t)atol(value);
	else if (strcmp(key, "ip") == 0 && strcmp(value, "any") == 0)
		w->any_ip = true;
	else if (strcmp(key, "ip") == 0 && (inet_pton(AF_INET, value, &w->ip) == 1 ||
					    inet_pton(AF_INET6, value, w->ip6) == 1))
		w->any_ip = false;
	else if (w->st && knob_set(w, key, value) < 0)
		die("--so_flags", key);
}

static void read_flags(struct world *w, const char *flags)
{
	char copy[512], *save = NULL, *item, *value;

	snprintf(copy, sizeof(copy), "%s", flags ? flags : "");
	for (item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		value = strchr(item, '=');
		if (!value)
			die("--so_flags", "it is key=value,...");
		*value = 0;
		one_flag(w, item, value + 1);
	}
}

EXPORT void packetdrill_interface_init(const char *flags, struct pd_table *table)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		die("init", "no memory");
	if (pd_world)
		reset(pd_world);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->main_cond, NULL);
	pthread_cond_init(&w->helper_cond, NULL);
	w->main = pthread_self();
	w->any_ip = true;
	w->tso = DEFAULT_TSO;
	set_mtu(w, MTU);
	inet_pton(AF_INET, DEFAULT_IP, &w->ip);
	inet_pton(AF_INET6, DEFAULT_IP6, w->ip6);
	/* Twice: the clock, the MTU and the address make the stack, the rest needs it. */
	read_flags(w, flags);
	read_flags(w, getenv("SANDWIRE_PACKETDRILL"));
	world_open(w);
	knob_set(w, "tcp_mtu_probing", "0"); /* scripts assume Linux's default */
	read_flags(w, flags);
	read_flags(w, getenv("SANDWIRE_PACKETDRILL"));
	pd_world = w;
	*table = (struct pd_table){
		.userdata = w,
		.free = pd_free,
		.netdev_send = pd_netdev_send,
		.netdev_receive = pd_netdev_receive,
		.usleep = pd_usleep,
		.gettimeofday = pd_gettimeofday,
	};
	calls_fill(table);
	options_fill(table);
	poll_fill(table);
}
