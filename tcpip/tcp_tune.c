/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How large the buffers of a connection are when the application does not say: as large as one
 * round trip needs, up to a maximum and while the stack has buffers to spare. Called by tcp_rcv.c,
 * tcp_data.c, tcp_ack.c.
 *
 * Receiving, as Linux's dynamic right-sizing: what the application took within a round trip, twice
 * (the sender may double its window in the next one), and more where that grew. Windows only grow;
 * what was announced is kept whatever memory does. Sending: SND_WINDOWS congestion windows.
 *
 * What gives way first as the pool of buffers empties: growth here (half is in use), segments out
 * of order and the opening of windows (tcp_pool_low), writers with something queued already, and at
 * last data in order for connections that hold much unread (tcp_pool_out). The last buffers are for
 * those that hold little, for ACKs and for the device.
 */
#include "tcpip/tcp.h"

/* A writer that sleeps is woken when a third is free: then one window is in flight, and more than
 * another waits until it has run and written. */
#define SND_WINDOWS 4ull

static bool plenty(const struct stack *st)
{
	return st->pool->avail > st->pool->count / 2;
}

/* No connection gets more than a quarter of all buffers. */
static uint32_t at_most(const struct stack *st, uint64_t want, uint32_t max)
{
	uint64_t quarter = (uint64_t)st->pool->count * PKTBUF_SIZE / 4;

	if (max > quarter)
		max = (uint32_t)quarter;
	return want > max ? max : (uint32_t)want;
}

static void rtt_sample(struct tcp_pcb *pcb, uint64_t us, bool by_window)
{
	uint32_t old = pcb->rcv_rtt_us, s = us > TCP_RTO_MAX_US ? TCP_RTO_MAX_US : (uint32_t)us;

	if (!s)
		s = 1;
	/* By a window, a sender with nothing to send only makes it longer. */
	if (!old || (by_window && s < old))
		pcb->rcv_rtt_us = s;
	else if (!by_window)
		pcb->rcv_rtt_us = old - old / 8 + s / 8;
}

/* The receiver sends nothing that is acknowledged; so by echoed timestamps, or by how long a
 * window's worth takes to come. */
void tcp_tune_rtt(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	uint64_t now = pcb->st->now;

	if (pcb->ts_ok) {
		uint32_t ms = tcp_ts_now(pcb) - seg->h.opts.ts_ecr;

		if (seg->h.opts.has_ts && seg->h.opts.ts_ecr &&
		    (seg->size >= pcb->rcv_mss || pcb->st->piece.of) && ms < TCP_RTO_MAX_US / 1000)
			rtt_sample(pcb, ms ? ms * 1000ull : 1000, false);
		return;
	}
	if (seq_lt(pcb->rcv_nxt + tcp_before_last(seg), pcb->rcv_rtt_seq))
		return;
	if (pcb->rcv_rtt_seq != pcb->irs + 1)
		rtt_sample(pcb, (now - pcb->rcv_rtt_at) / TCP_US, true);
	pcb->rcv_rtt_seq = pcb->rcv_adv;
	pcb->rcv_rtt_at = now;
}

void tcp_tune_rcv(struct tcp_pcb *pcb)
{
	uint32_t rtt = pcb->rcv_rtt_us ? pcb->rcv_rtt_us : pcb->srtt_us;
	uint64_t now = pcb->st->now, want;
	uint32_t taken, mem;

	if (!rtt || now - pcb->space_at < rtt * TCP_US)
		return;
	taken = pcb->copied_seq - pcb->space_seq;
	if ((int32_t)taken > 0 && taken > pcb->space) { /* some may have been put back */
		want = 2ull * taken + 16ull * pcb->rcv_mss;
		want += 2 * (want * (taken - pcb->space) / pcb->space);
		mem = at_most(pcb->st, 2 * want, pcb->st->tcp->set.rmem_max);
		if (!pcb->rcvbuf_set && plenty(pcb->st) && mem > pcb->rcvbuf)
			pcb->rcvbuf = mem;
		pcb->space = taken;
	}
	pcb->space_seq = pcb->copied_seq;
	pcb->space_at = now;
}

void tcp_tune_snd(struct tcp_pcb *pcb)
{
	uint64_t want = SND_WINDOWS * pcb->cwnd * PKTBUF_SIZE;
	uint32_t mem;

	if (want <= pcb->sndbuf || pcb->sndbuf_set || !plenty(pcb->st))
		return;
	mem = at_most(pcb->st, want, pcb->st->tcp->set.wmem_max);
	if (mem > pcb->sndbuf)
		pcb->sndbuf = mem;
}
