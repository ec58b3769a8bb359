/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a script sets by sysctl, here settings of the stack or options of every new socket: named as
 * below /proc/sys/net/ipv4. Called by adapter.c (--so_flags, environment, a packet comes) and
 * calls.c (socket() and what reads settings later).
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/packetdrill/adapter.h"

#define SNDBUF_FIRST 87040u /* what Linux makes of less as soon as a connection stands */

enum { FO_CLIENT_BARE = 4, FO_SERVER_BARE = 0x200, FO_ALL_LISTENERS = 0x400 };

/* Settings of the stack itself, by Linux's names without "tcp_" (tcpip/tcp_settings.c). */
static const char *const stack_wide[] = {
	"syncookies",		"ecn",	    "sack",	      "timestamps",	 "window_scaling",
	"mtu_probing",		"base_mss", "probe_interval", "probe_threshold", "recovery_probes",
	"slow_start_after_idle"};
#define N_WIDE (sizeof(stack_wide) / sizeof(stack_wide[0]))

static const struct knob known[] = {
	{.name = "tcp_fastopen"},
	{.name = "tcp_fastopen_key"},
	{.name = "tcp_min_tso_segs"},
	{.name = "tcp_congestion_control", .level = IPPROTO_TCP, .option = TCP_CONGESTION},
	{.name = "tcp_rmem", .level = SOL_SOCKET, .option = SO_RCVBUF},
	{.name = "tcp_wmem", .level = SOL_SOCKET, .option = SO_SNDBUF},
	{.name = "tcp_keepalive_time", .level = IPPROTO_TCP, .option = TCP_KEEPIDLE},
	{.name = "tcp_keepalive_intvl", .level = IPPROTO_TCP, .option = TCP_KEEPINTVL},
	{.name = "tcp_keepalive_probes", .level = IPPROTO_TCP, .option = TCP_KEEPCNT},
	{.name = "tcp_syn_retries", .level = IPPROTO_TCP, .option = TCP_SYNCNT},
	{.name = "tcp_fin_timeout", .level = IPPROTO_TCP, .option = TCP_LINGER2},
	{.name = "tcp_notsent_lowat", .level = IPPROTO_TCP, .option = TCP_NOTSENT_LOWAT},
	{.name = "ip_default_ttl", .level = IPPROTO_IP, .option = IP_TTL},
};
#define N_KNOWN (sizeof(known) / sizeof(known[0]))
_Static_assert(N_KNOWN <= PD_KNOBS, "each knob once");

static int set_stack_wide(struct world *w, const char *name, const char *value)
{
	size_t i;

	if (strncmp(name, "tcp_", 4) != 0)
		return -ENOENT;
	for (i = 0; i < N_WIDE; i++)
		if (strcmp(name + 4, stack_wide[i]) == 0)
			return stack_tcp_set(w->st, name + 4, (uint32_t)atol(value));
	return -ENOENT;
}

/* Linux's form: four words of 32 bits, each as x86 has it in memory. */
static int set_fastopen_key(struct world *w, const char *value)
{
	uint8_t key[16];
	uint32_t word[4], i;

	if (sscanf(value, "%x-%x-%x-%x", &word[0], &word[1], &word[2], &word[3]) != 4)
		return -EINVAL;
	for (i = 0; i < 16; i++)
		key[i] = (uint8_t)(word[i / 4] >> (8 * (i % 4)));
	stack_tcp_fo_key(w->st, key);
	return 0;
}

/* Those that are no socket option. -ENOENT: it is one. */
static int set_world(struct world *w, const struct knob *k, const char *value)
{
	unsigned long v = strtoul(value, NULL, 0), min, def, max;

	if (strcmp(k->name, "tcp_fastopen") == 0) {
		w->fastopen = (uint32_t)v;
		return stack_tcp_set(w->st, "fastopen", w->fastopen & 3);
	}
	if (strcmp(k->name, "tcp_fastopen_key") == 0)
		return set_fastopen_key(w, value);
	if (strcmp(k->name, "tcp_min_tso_segs") == 0) {
		if (w->tso)
			w->port.tso_max = (uint16_t)(v > 64 ? 64 : v);
		return 0;
	}
	/* All three of tcp_rmem and tcp_wmem leave the tuning of a socket's own on. */
	if (k->level != SOL_SOCKET || sscanf(value, "%lu %lu %lu", &min, &def, &max) != 3)
		return -ENOENT;
	if (k->option == SO_SNDBUF && def < SNDBUF_FIRST)
		def = SNDBUF_FIRST;
	(void)stack_tcp_set(w->st, k->option == SO_RCVBUF ? "rmem_default" : "wmem_default",
			    (uint32_t)def);
	return stack_tcp_set(w->st, k->option == SO_RCVBUF ? "rmem_max" : "wmem_max",
			     (uint32_t)max);
}

int knob_set(struct world *w, const char *name, const char *value)
{
	struct knob *k;
	long min;
	size_t i;

	for (i = 0; i < w->n_knobs && strcmp(w->knobs[i].name, name) != 0; i++)
		;
	k = &w->knobs[i];
	if (i == w->n_knobs) {
		for (i = 0; i < N_KNOWN && strcmp(known[i].name, name) != 0; i++)
			;
		if (i == N_KNOWN)
			return set_stack_wide(w, name, value);
		if (set_world(w, &known[i], value) != -ENOENT)
			return 0;
		*k = known[i];
		w->n_knobs++;
	}
	snprintf(k->text, sizeof(k->text), "%.*s", (int)strcspn(value, " \t\n"), value);
	/* tcp_rmem and tcp_wmem are min, default, max; the options get half, they double it. */
	if (sscanf(value, "%ld %ld", &min, &k->value) < 2)
		k->value = atol(value);
	if (k->option == SO_RCVBUF || k->option == SO_SNDBUF)
		k->value /= k->level == SOL_SOCKET ? 2 : 1;
	return 0;
}

static void read_proc(struct world *w, const char *name)
{
	char path[96], line[96];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(line, sizeof(line), f))
		(void)knob_set(w, name, line);
	fclose(f);
}

void knobs_read_proc(struct world *w)
{
	char name[48];
	size_t i;

	if (!w->proc)
		return;
	for (i = 0; i < N_KNOWN; i++)
		read_proc(w, known[i].name);
	for (i = 0; i < N_WIDE; i++) {
		snprintf(name, sizeof(name), "tcp_%s", stack_wide[i]);
		read_proc(w, name);
	}
}

int knobs_apply(struct world *w, struct socket *so)
{
	unsigned i;
	int v, r = 0;

	knobs_read_proc(w);
	for (i = 0; i < w->n_knobs && r == 0 && so->kind == SOCK_KIND_TCP; i++) {
		const struct knob *k = &w->knobs[i];

		v = (int)k->value;
		if (k->option == TCP_CONGESTION && k->level == IPPROTO_TCP)
			r = sock_setopt(so, k->level, k->option, k->text,
					(uint32_t)strlen(k->text));
		else
			r = sock_setopt(so, k->level, k->option, &v, sizeof(v));
		if (w->proc) /* the host's kernel knows other values too */
			r = 0;
	}
	return r;
}

/* The other bits of tcp_fastopen: for sockets that said nothing themselves. */
void knobs_fastopen_client(struct world *w, struct socket *so)
{
	int on = 1;

	if (w->fastopen & FO_CLIENT_BARE)
		(void)sock_setopt(so, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &on, sizeof(on));
}

void knobs_fastopen_server(struct world *w, struct socket *so, int backlog)
{
	int on = 1;

	if (w->fastopen & FO_SERVER_BARE)
		(void)sock_setopt(so, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &on, sizeof(on));
	if (w->fastopen & FO_ALL_LISTENERS)
		(void)sock_setopt(so, IPPROTO_TCP, TCP_FASTOPEN, &backlog, sizeof(backlog));
}
