/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HyStart++, RFC 9406: in the first slow start of a connection, round trips that grow longer say
 * that a queue fills before it overflows. The window then grows at a quarter of the speed for some
 * rounds (conservative slow start, CSS); if round trips stay long, slow start is over. Called by
 * cc_newreno.c for all kinds.
 */
#include "tcpip/tcp.h"

/* RFC 9406 4.3 */
#define MIN_RTT_THRESH_US  4000u
#define MAX_RTT_THRESH_US  16000u
#define MIN_RTT_DIVISOR	   8u
#define N_RTT_SAMPLE	   8u
#define CSS_GROWTH_DIVISOR 4u
#define CSS_ROUNDS	   5u

static uint32_t longer_by(uint32_t rtt_us)
{
	uint32_t t = rtt_us / MIN_RTT_DIVISOR;

	return t < MIN_RTT_THRESH_US   ? MIN_RTT_THRESH_US
	       : t > MAX_RTT_THRESH_US ? MAX_RTT_THRESH_US
				       : t;
}

/* What was sent when the last round began is acknowledged. */
static void next_round(struct tcp_pcb *pcb, struct tcp_hystart *h)
{
	if (h->css_round && h->css_round++ == CSS_ROUNDS) {
		pcb->ssthresh = pcb->cwnd;
		h->css_round = 0;
	}
	h->end = pcb->snd_nxt;
	h->last_min_us = h->min_us;
	h->min_us = 0;
	h->samples = 0;
	h->running = true;
}

static void sample(struct tcp_hystart *h, uint32_t rtt_us)
{
	if (!h->min_us || rtt_us < h->min_us)
		h->min_us = rtt_us;
	if (h->samples < N_RTT_SAMPLE && ++h->samples < N_RTT_SAMPLE)
		return;
	if (h->css_round) {
		if (h->min_us < h->baseline_us) /* it was something else than a queue */
			h->css_round = 0;
	} else if (h->last_min_us && h->min_us >= h->last_min_us + longer_by(h->last_min_us)) {
		h->baseline_us = h->min_us;
		h->css_round = 1;
	}
}

uint32_t tcp_hystart(struct tcp_pcb *pcb, uint32_t acked)
{
	struct tcp_hystart *h = &pcb->hystart;

	if (!h->running || seq_ge(pcb->snd_una, h->end))
		next_round(pcb, h);
	sample(h, pcb->last_rtt_us);
	if (!h->css_round)
		return acked;
	pcb->cwnd_cnt += acked;
	acked = pcb->cwnd_cnt / CSS_GROWTH_DIVISOR;
	pcb->cwnd_cnt %= CSS_GROWTH_DIVISOR;
	return acked;
}
