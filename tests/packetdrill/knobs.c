/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Defaults that a script sets by sysctl, here options of every new socket: named as below
 * /proc/sys/net/ipv4. Called by adapter.c (--so_flags, environment) and options.c (socket()).
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/packetdrill/adapter.h"

/* Settings of the stack itself, by Linux's names without "tcp_" (tcpip/tcp_settings.c). */
static const char *const stack_wide[] = {
	"syncookies",  "ecn",	   "sack",	     "timestamps",	"window_scaling",
	"mtu_probing", "base_mss", "probe_interval", "probe_threshold", "recovery_probes"};
#define N_WIDE (sizeof(stack_wide) / sizeof(stack_wide[0]))

static const struct knob known[] = {
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

	if (w->proc)
		knobs_read_proc(w);
	for (i = 0; i < w->n_knobs && r == 0 && so->kind == SOCK_KIND_TCP; i++) {
		const struct knob *k = &w->knobs[i];

		v = (int)k->value;
		if (k->option == TCP_CONGESTION && k->level == IPPROTO_TCP)
			r = sock_setopt(so, k->level, k->option, k->text,
					(uint32_t)strlen(k->text));
		else
			r = sock_setopt(so, k->level, k->option, &v, sizeof(v));
	}
	return r;
}
