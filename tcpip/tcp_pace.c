/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pacing: segments spread over time instead of a burst for each ACK, where the application asks for
 * it with SO_MAX_PACING_RATE; off otherwise, as on Linux without fq. Called by tcp_out.c.
 */
#include "tcpip/tcp.h"

/* The clock ticks in 1 ms: what a late tick missed may be made up. */
#define BURST_NS (2 * TCP_MS)

/* As Linux: twice what a window a round trip is in slow start, 1.2 times it after. */
uint64_t tcp_pacing_rate(const struct tcp_pcb *pcb)
{
	uint64_t rate = UINT64_MAX;

	if (pcb->srtt_us) {
		rate = (uint64_t)pcb->snd_mss * pcb->cwnd * 1000000 / pcb->srtt_us;
		rate = pcb->cwnd < pcb->ssthresh / 2 ? 2 * rate : rate + rate / 5;
	}
	return pcb->max_pacing && pcb->max_pacing < rate ? pcb->max_pacing : rate;
}

bool tcp_pace_holds(struct tcp_pcb *pcb)
{
	if (pcb->pace_at <= pcb->st->now)
		return false;
	if (!timer_armed(&pcb->pace))
		timer_set(&pcb->st->timers, &pcb->pace, pcb->pace_at);
	return true;
}

void tcp_pace_sent(struct tcp_pcb *pcb, uint32_t bytes)
{
	uint64_t now = pcb->st->now, rate;

	rate = tcp_pacing_rate(pcb);
	if (pcb->pace_at + BURST_NS < now)
		pcb->pace_at = now - BURST_NS;
	pcb->pace_at += bytes * TCP_S / (rate ? rate : 1);
}
