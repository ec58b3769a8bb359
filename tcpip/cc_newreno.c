/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Congestion control after RFC 5681 ("reno"), and what all kinds share: the table of kinds, slow
 * start, growth by one segment per so many acknowledged. Called by tcp_recovery.c.
 */
#include "tcpip/tcp.h"

uint32_t tcp_cc_slow_start(struct tcp_pcb *pcb, uint32_t acked)
{
	uint32_t room, n;

	if (pcb->ssthresh == TCP_SSTHRESH_INF)
		acked = tcp_hystart(pcb, acked);
	room = pcb->ssthresh > pcb->cwnd ? pcb->ssthresh - pcb->cwnd : 0;
	n = acked < room ? acked : room;
	pcb->cwnd += n;
	return acked - n;
}

void tcp_cc_add(struct tcp_pcb *pcb, uint32_t per, uint32_t acked)
{
	if (per == 0)
		per = 1;
	/* What was saved up while a segment cost more buys one, not many at once. */
	if (pcb->cwnd_cnt >= per) {
		pcb->cwnd_cnt = 0;
		pcb->cwnd++;
	}
	pcb->cwnd_cnt += acked;
	if (pcb->cwnd_cnt >= per) {
		pcb->cwnd += pcb->cwnd_cnt / per;
		pcb->cwnd_cnt %= per;
	}
}

static void newreno_init(struct tcp_pcb *pcb)
{
	pcb->cwnd_cnt = 0;
}

static uint32_t newreno_ssthresh(struct tcp_pcb *pcb)
{
	return pcb->cwnd / 2 > 2 ? pcb->cwnd / 2 : 2;
}

static void newreno_grow(struct tcp_pcb *pcb, uint32_t acked)
{
	if (pcb->cwnd < pcb->ssthresh)
		acked = tcp_cc_slow_start(pcb, acked);
	if (acked)
		tcp_cc_add(pcb, pcb->cwnd, acked);
}

static uint32_t newreno_undo(struct tcp_pcb *pcb)
{
	return pcb->cwnd > pcb->prior_cwnd ? pcb->cwnd : pcb->prior_cwnd;
}

const struct tcp_cc tcp_cc_newreno = {
	.name = "reno",
	.init = newreno_init,
	.ssthresh = newreno_ssthresh,
	.grow = newreno_grow,
	.undo = newreno_undo,
};

static const struct tcp_cc *const kinds[] = {&tcp_cc_cubic, &tcp_cc_newreno}; /* default first */

const struct tcp_cc *tcp_cc_find(const char *name, size_t len)
{
	size_t i, k;

	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		for (i = 0; i < len && kinds[k]->name[i] == name[i]; i++)
			if (kinds[k]->name[i] == 0)
				break;
		if (i == len && kinds[k]->name[i] == 0)
			return kinds[k];
	}
	return NULL;
}

const struct tcp_cc *tcp_cc_default(void)
{
	return kinds[0];
}
