/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trains: full segments that go to the port as one frame, which it cuts up (TCP segmentation
 * offload). Called by tcp_out.c before it sends what is left one by one; calls tcp_emit().
 *
 *	header buffer --more--> segment --more--> segment ...	each still on the send queue
 *
 * The header buffer is the device's alone, a segment's is shared with it: as long as it holds one,
 * that segment is sent again from a copy, and so is never in two trains. In all books a segment of
 * a train is a segment. Its end has a PSH, as Linux gives it one: receivers that join segments hand
 * on what they have there, without a timer.
 */
#include "tcpip/tcp.h"

/* What a header says of all segments alike must be true of all. */
static bool alike(const struct tcp_pcb *pcb)
{
	return !pcb->snd_urg && !pcb->ecn_cwr && !pcb->max_pacing &&
	       !(pcb->sack_ok && (pcb->n_sack || pcb->has_dsack));
}

/* How many segments from p on make a train: full ones; a PSH ends it. Half of cwnd at most, so that
 * its ACKs come more often than once a round trip. */
static uint32_t train_length(const struct tcp_pcb *pcb, struct pktbuf *p, uint32_t most,
			     struct pktbuf **last)
{
	uint32_t n = 0;

	if (most > pcb->tso_max)
		most = pcb->tso_max;
	if (most > pcb->cwnd / 2)
		most = pcb->cwnd / 2;
	for (; n < most && p; p = p->tcp.link) {
		if (p->tcp.payload_len != pcb->snd_mss || (p->tcp.flags & TCP_FIN) || p->refs > 1 ||
		    seq_gt(p->tcp.seq_end, tcp_wnd_end(pcb)))
			break;
		n++;
		*last = p;
		if (p->tcp.flags & TCP_PSH)
			break;
	}
	return n;
}

static uint32_t room(const struct tcp_pcb *pcb, uint32_t budget)
{
	uint32_t flight = tcp_flight(pcb);

	if (flight >= pcb->cwnd)
		return 0;
	return budget < pcb->cwnd - flight ? budget : pcb->cwnd - flight;
}

static bool send_train(struct tcp_pcb *pcb, uint32_t n, struct pktbuf *last)
{
	struct pktbuf *head = pktbuf_alloc(pcb->st->pool), **more, *p;
	uint32_t seq = pcb->snd_nxt, i;
	unsigned flags = TCP_ACK | TCP_EMIT_ECT;

	if (!head)
		return false;
	last->tcp.flags |= TCP_PSH; /* and keeps it when it is sent again */
	more = &head->more;
	for (i = 0; i < n; i++) {
		p = pcb->snd_next;
		tcp_note_new(pcb, p);
		flags |= p->tcp.flags;
		p->off = p->tcp.payload_off;
		p->len = p->tcp.payload_len;
		p->time = pcb->st->now;
		p->tcp.tx_count = 1;
		p->more = NULL;
		pktbuf_hold(p);
		*more = p;
		more = &p->more;
	}
	head->flags = PKTBUF_TX_TSO;
	head->gso_size = pcb->snd_mss;
	pcb->bytes_sent += (uint64_t)n * pcb->snd_mss;
	pcb->data_segs_out += n;
	pcb->segs_out += n - 1; /* one is counted as it leaves */
	COUNT_N(pcb->st, TcpOutSegs, n - 1);
	if (tcp_in_reduction(pcb))
		pcb->prr_out += n;
	tcp_emit(pcb, head, seq, flags);
	return true;
}

/* Those that go one by one end where trains would: a receiver joins them as it does others. */
static void push_ends(struct tcp_pcb *pcb, uint32_t most)
{
	struct pktbuf *p = pcb->snd_next, *last;
	uint32_t n;

	for (; (n = train_length(pcb, p, most, &last)) > 1; most -= n) {
		last->tcp.flags |= TCP_PSH;
		p = last->tcp.link;
	}
}

uint32_t tcp_send_trains(struct tcp_pcb *pcb, uint32_t budget)
{
	uint32_t sent = 0, n;
	struct pktbuf *last;

	if (!alike(pcb)) {
		if (!pcb->max_pacing)
			push_ends(pcb, room(pcb, budget));
		return 0;
	}
	while ((n = train_length(pcb, pcb->snd_next, room(pcb, budget - sent), &last)) > 1 &&
	       send_train(pcb, n, last))
		sent += n;
	return sent;
}
