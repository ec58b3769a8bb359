/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trains: several buffers that go to the port as one frame. It cuts them up (TCP segmentation
 * offload); or, on a link that takes longer packets than a buffer holds, they are one segment on
 * the wire, in pieces. Called by tcp_out.c before it sends what is left one by one, and by
 * tcp_mtu.c for a probe; calls tcp_emit().
 *
 *	header buffer --more--> segment --more--> segment ...	each still on the send queue
 *
 * The header buffer is the device's alone, a segment's is shared with it: as long as it holds one,
 * that segment is sent again from a copy, and so is never in two trains. In all books but those of
 * what left (segs_out) a buffer is a segment, with its own mark and time: cwnd, SACK and RACK know
 * of no other, and what is sent again goes buffer by buffer, which fits where the long one did not.
 *
 * The end of a train that is cut has a PSH, as Linux gives it one: receivers that join segments
 * hand on what they have there, without a timer.
 */
#include "tcpip/tcp.h"

/* Does a train stay one segment? Where it can, also at a port that could cut: the wire has fewer
 * packets then, and the peer less work. */
static bool stays_whole(const struct tcp_pcb *pcb)
{
	return pcb->wire_mss > pcb->snd_mss;
}

/* Of `budget` buffers, what cwnd lets go. */
static uint32_t room(const struct tcp_pcb *pcb, uint32_t budget)
{
	uint32_t flight = tcp_flight(pcb);

	if (flight >= pcb->cwnd)
		return 0;
	return budget < pcb->cwnd - flight ? budget : pcb->cwnd - flight;
}

/* ---- to be cut ---- */

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

	if (most > pcb->train_max)
		most = pcb->train_max;
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

/* ---- one segment ---- */

/* How many buffers from snd_next on fit one; of an even length all but the last (pktbuf.h). */
static uint32_t segment_length(const struct tcp_pcb *pcb)
{
	uint32_t n = 0, most = room(pcb, pcb->train_max), left = pcb->wire_mss;
	const struct pktbuf *p = pcb->snd_next;

	for (; n < most && p; p = p->tcp.link) {
		if (!p->tcp.payload_len || p->tcp.payload_len > left || p->refs > 1 ||
		    seq_gt(p->tcp.seq_end, tcp_wnd_end(pcb)) || !tcp_nagle_allows(pcb, p))
			break;
		n++;
		left -= p->tcp.payload_len;
		if (p->tcp.payload_len % 2)
			break;
	}
	return n;
}

/* With two segments out there an ACK comes soon, which no delay of the peer's holds back. */
bool tcp_train_waits(const struct tcp_pcb *pcb)
{
	uint32_t left = room(pcb, pcb->train_max);

	return stays_whole(pcb) && left < pcb->train_max &&
	       tcp_flight(pcb) >= 2u * pcb->train_max &&
	       pcb->snd_end - pcb->snd_nxt > left * pcb->snd_mss;
}

/* ---- both ---- */

/* The next n buffers behind `head`, as sent; bytes. */
static uint32_t couple(struct tcp_pcb *pcb, struct pktbuf *head, uint32_t n, unsigned *flags)
{
	struct pktbuf **more = &head->more, *p;
	uint32_t i, len = 0;

	for (i = 0; i < n; i++) {
		p = pcb->snd_next;
		tcp_note_new(pcb, p);
		*flags |= p->tcp.flags;
		len += p->tcp.payload_len;
		p->off = p->tcp.payload_off;
		p->len = p->tcp.payload_len;
		p->time = pcb->st->now;
		p->tcp.tx_count = 1;
		p->more = NULL;
		pktbuf_hold(p);
		*more = p;
		more = &p->more;
	}
	return len;
}

static bool send_train(struct tcp_pcb *pcb, uint32_t n, struct pktbuf *last)
{
	struct pktbuf *head = pktbuf_alloc(pcb->st->pool);
	uint32_t seq = pcb->snd_nxt;
	unsigned flags = TCP_ACK | TCP_EMIT_ECT;

	if (!head)
		return false;
	last->tcp.flags |= TCP_PSH; /* and keeps it when it is sent again */
	pcb->bytes_sent += couple(pcb, head, n, &flags);
	head->flags = PKTBUF_TX_TSO;
	head->gso_size = pcb->snd_mss;
	pcb->data_segs_out += n;
	pcb->segs_out += n - 1; /* one is counted as it leaves */
	COUNT_N(pcb->st, TcpOutSegs, n - 1);
	if (tcp_in_reduction(pcb))
		pcb->prr_out += n;
	tcp_emit(pcb, head, seq, flags);
	return true;
}

bool tcp_send_as_one(struct tcp_pcb *pcb, uint32_t n)
{
	struct pktbuf *head = pktbuf_alloc(pcb->st->pool), *p;
	uint32_t seq = pcb->snd_nxt, len;
	unsigned flags = TCP_ACK | TCP_EMIT_ECT;

	if (!head)
		return false;
	len = couple(pcb, head, n, &flags);
	for (p = head->more; n > 1 && p; p = p->more)
		p->tcp.pieces = (uint8_t)n;
	pcb->mtu.long_sent += n > 1 ? len : 0;
	pcb->bytes_sent += len;
	pcb->data_segs_out++;
	if (tcp_in_reduction(pcb))
		pcb->prr_out += n;
	tcp_emit(pcb, head, seq, flags);
	if (pcb->max_pacing)
		tcp_pace_sent(pcb, len);
	return true;
}

/* What goes the ordinary way instead, the last buffer alone, needs none for a header. A budget that
 * is no whole segment any more is used up: what it cuts short stays short. */
static uint32_t send_whole(struct tcp_pcb *pcb, uint32_t budget)
{
	uint32_t n;

	while (budget >= pcb->train_max) {
		n = tcp_train_waits(pcb) ? 0 : segment_length(pcb);
		if (!n || (n == 1 && !pcb->snd_next->tcp.link))
			return budget;
		if ((pcb->max_pacing && tcp_pace_holds(pcb)) || !tcp_send_as_one(pcb, n))
			return budget;
		budget -= n;
	}
	return 0;
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
	struct pktbuf *last;
	uint32_t n;

	if (stays_whole(pcb))
		return send_whole(pcb, budget);
	if (!alike(pcb)) {
		if (!pcb->max_pacing)
			push_ends(pcb, room(pcb, budget));
		return budget;
	}
	while ((n = train_length(pcb, pcb->snd_next, room(pcb, budget), &last)) > 1 &&
	       send_train(pcb, n, last))
		budget -= n;
	return budget;
}
