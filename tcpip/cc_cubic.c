/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CUBIC, RFC 9438: the window grows as a cubic function of the time since the last reduction,
 * slowly near the window where that happened. Called by tcp_recovery.c.
 *
 * Without floating point: time in milliseconds, windows in segments times 1024. C = 0.4,
 * beta = 0.7. W(t) = C * (t - K)^3 + W_max; K = cbrt((W_max - cwnd_epoch) / C), seconds.
 */
#include "tcpip/tcp.h"

#define SCALE	1024u
#define BETA_N	717u /* 0.7 * 1024 */
#define ALPHA_N 542u /* 0.53 * 1024 */

struct cubic {
	uint64_t epoch;	 /* ns: start of this stretch of congestion avoidance; 0: none yet */
	uint32_t w_max;	 /* segments * SCALE */
	uint32_t origin; /* segments * SCALE: where the plateau lies */
	uint32_t k_ms;
	uint32_t w_est;	 /* segments * SCALE: what Reno would have, 4.3 */
	uint32_t rest;	 /* of w_est's last step, 1 / cwnd of a unit */
	uint32_t before; /* segments * SCALE: the window at the last reduction */
};
_Static_assert(sizeof(struct cubic) <= sizeof(((struct tcp_pcb *)0)->cc_priv), "fits the PCB");

static struct cubic *state(struct tcp_pcb *pcb)
{
	return (struct cubic *)pcb->cc_priv;
}

/* The greatest x with x^3 <= v. */
static uint32_t cube_root(uint64_t v)
{
	uint32_t x = 0, bit;

	for (bit = 1u << 20; bit; bit >>= 1) {
		uint64_t t = x | bit;

		if (t * t * t <= v)
			x |= bit;
	}
	return x;
}

static void cubic_init(struct tcp_pcb *pcb)
{
	*state(pcb) = (struct cubic){0};
	pcb->cwnd_cnt = 0;
}

/* 4.6, 4.7: multiplicative decrease and fast convergence. */
static uint32_t cubic_ssthresh(struct tcp_pcb *pcb)
{
	struct cubic *c = state(pcb);
	uint32_t cwnd = pcb->cwnd * SCALE, next;

	/* Giving way sooner when the last peak was not reached again. */
	if (cwnd < c->w_max)
		c->w_max = (uint32_t)((uint64_t)cwnd * (SCALE + BETA_N) / (2 * SCALE));
	else
		c->w_max = cwnd;
	c->before = cwnd;
	c->epoch = 0;
	next = (uint32_t)((uint64_t)cwnd * BETA_N / SCALE / SCALE);
	return next > 2 ? next : 2;
}

static void start_epoch(struct tcp_pcb *pcb, struct cubic *c)
{
	uint32_t cwnd = pcb->cwnd * SCALE;
	uint64_t gap;

	c->epoch = pcb->st->now;
	c->w_est = cwnd;
	c->rest = 0;
	pcb->cwnd_cnt = 0;
	if (c->w_max <= cwnd) {
		c->origin = cwnd;
		c->k_ms = 0;
		return;
	}
	c->origin = c->w_max;
	/* K^3 = gap / 0.4 s^3 = gap * 2.5 * 10^9 ms^3 */
	gap = (uint64_t)(c->w_max - cwnd) * 2500000000ull / SCALE;
	c->k_ms = cube_root(gap);
}

/* W_cubic(t), times SCALE; at most 1.5 cwnd, 4.4. */
static uint32_t target(const struct tcp_pcb *pcb, const struct cubic *c, uint64_t t_ms)
{
	uint64_t d = t_ms > c->k_ms ? t_ms - c->k_ms : c->k_ms - t_ms, w;
	uint32_t cwnd = pcb->cwnd * SCALE, most = cwnd + cwnd / 2;

	if (d > 200000)
		d = 200000;
	/* 0.4 * d^3 / 10^9 * 1024, in two steps so that nothing overflows. */
	w = d * d * d / 1000 * 4096 / 10 / 1000000;
	if (t_ms < c->k_ms)
		return w >= c->origin ? cwnd : c->origin - (uint32_t)w;
	return w + c->origin > most ? most : (uint32_t)w + c->origin;
}

/* 4.3: alpha = 3 * (1 - 0.7) / (1 + 0.7) = 0.53 segments a window until the old one, then 1. Of a
 * large window an ACK is a small part: what a division leaves is not lost. */
static void grow_estimate(const struct tcp_pcb *pcb, struct cubic *c, uint32_t acked)
{
	uint64_t sum = (uint64_t)acked * (c->w_est < c->before ? ALPHA_N : SCALE) + c->rest;

	c->w_est += (uint32_t)(sum / pcb->cwnd);
	c->rest = (uint32_t)(sum % pcb->cwnd);
}

static void cubic_grow(struct tcp_pcb *pcb, uint32_t acked)
{
	struct cubic *c = state(pcb);
	uint32_t cwnd, want, per;
	uint64_t t;

	if (pcb->cwnd < pcb->ssthresh)
		acked = tcp_cc_slow_start(pcb, acked);
	if (!acked)
		return;
	if (!c->epoch)
		start_epoch(pcb, c);
	cwnd = pcb->cwnd * SCALE;
	t = (pcb->st->now - c->epoch) / TCP_MS + pcb->srtt_us / 1000;
	want = target(pcb, c, t);
	grow_estimate(pcb, c, acked);
	if (want < c->w_est) { /* where Reno would be ahead, its window */
		if (c->w_est >= cwnd + SCALE)
			pcb->cwnd = c->w_est / SCALE;
		return;
	}
	per = want > cwnd ? cwnd / (want - cwnd) : 100 * pcb->cwnd;
	/* Not faster than half a segment an ACKed segment. */
	tcp_cc_add(pcb, per < 2 ? 2 : per, acked);
}

static uint32_t cubic_undo(struct tcp_pcb *pcb)
{
	struct cubic *c = state(pcb);

	if (c->w_max < pcb->prior_cwnd * SCALE)
		c->w_max = pcb->prior_cwnd * SCALE;
	c->epoch = 0;
	return pcb->cwnd > pcb->prior_cwnd ? pcb->cwnd : pcb->prior_cwnd;
}

static void cubic_timeout(struct tcp_pcb *pcb)
{
	state(pcb)->epoch = 0;
}

/* 4.8 and RFC 7661: time without sending is not time in which the path was tested. */
static void cubic_restart(struct tcp_pcb *pcb, uint64_t idle)
{
	struct cubic *c = state(pcb);

	if (c->epoch)
		c->epoch += idle;
	if (c->epoch > pcb->st->now)
		c->epoch = pcb->st->now;
}

const struct tcp_cc tcp_cc_cubic = {
	.name = "cubic",
	.init = cubic_init,
	.ssthresh = cubic_ssthresh,
	.grow = cubic_grow,
	.undo = cubic_undo,
	.timeout = cubic_timeout,
	.restart = cubic_restart,
};
