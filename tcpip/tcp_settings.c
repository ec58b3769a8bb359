/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an administrator may turn about a stack's TCP: one table, with Linux's names (less "tcp_"),
 * defaults and ranges. Called by lookup.c at the start and from outside through stack_tcp_set().
 */
#include <errno.h>
#include <string.h>

#include "tcpip/tcp.h"

struct setting {
	const char *name;
	uint16_t off;
	uint32_t min, max, def;
};

#define AT(field) offsetof(struct tcp_settings, field)

static const struct setting settings[] = {
	{"syncookies", AT(syncookies), 0, 2, 1},   /* a flood must not cost memory */
	{"ecn", AT(ecn), 0, 2, 2},		   /* some paths drop SYNs that ask for it */
	{"fastopen", AT(fastopen), 0, 3, 3},	   /* Linux: 1; a server has to ask for it anyway */
	{"mtu_probing", AT(mtu_probing), 0, 2, 1}, /* Linux: 0; routers that keep silent are many */
	{"base_mss", AT(base_mss), TCP_MSS_MIN, TCP_MSS_MAX, 1024},
	{"probe_interval", AT(probe_interval), 1, 86400, 600}, /* paths change */
	{"probe_threshold", AT(probe_threshold), 1, 1024, 8},
	{"recovery_probes", AT(recovery_probes), 0, 1, 1}, /* not Linux's: see tcp_timer.c */
	{"sack", AT(sack), 0, 1, 1},
	{"slow_start_after_idle", AT(slow_start_after_idle), 0, 1, 1},
	{"timestamps", AT(timestamps), 0, 1, 1},
	{"window_scaling", AT(window_scaling), 0, 1, 1},
	{"rmem_default", AT(rmem_default), 4096, 1u << 30, TCP_BUF_DEFAULT},
	{"rmem_max", AT(rmem_max), 4096, 1u << 30, TCP_RMEM_MAX},
	{"wmem_default", AT(wmem_default), 4096, 1u << 30, TCP_BUF_DEFAULT},
	{"wmem_max", AT(wmem_max), 4096, 1u << 30, TCP_WMEM_MAX},
};
#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

static uint32_t *field(struct tcp_settings *set, const struct setting *s)
{
	return (uint32_t *)((uint8_t *)set + s->off);
}

void tcp_settings_init(struct tcp_settings *set)
{
	const struct setting *s;

	for (s = settings; s < settings + N_SETTINGS; s++)
		*field(set, s) = s->def;
}

int stack_tcp_set(struct stack *st, const char *name, uint32_t value)
{
	const struct setting *s;

	for (s = settings; s < settings + N_SETTINGS; s++) {
		if (strcmp(s->name, name))
			continue;
		if (value < s->min || value > s->max)
			return -EINVAL;
		*field(&st->tcp->set, s) = value;
		return 0;
	}
	return -ENOENT;
}
