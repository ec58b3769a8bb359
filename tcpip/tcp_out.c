/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may be sent now, and sending it: window, congestion window, Nagle, cork, silly window
 * (RFC 9293 3.8.6.2.1), retransmissions and probes. Control segments are in tcp_ctl.c, several
 * buffers in one frame in tcp_tso.c. Called by tcp_user.c (data was written), by tcp_flush() at the
 * end of a batch of input, and by timers; calls tcp_emit().
 *
 * A buffer on the send queue is sent in place: headers go in front of its payload and the device
 * gets a reference. While it holds one, a retransmission is made from a copy.
 */
#include <string.h>

#include "tcpip/tcp.h"

void tcp_mark_pending(struct tcp_pcb *pcb)
{
	struct tcp_table *t = pcb->st->tcp;

	if (pcb->out_pprev || pcb->dead)
		return;
	pcb->out_next = NULL;
	pcb->out_pprev = t->pending_tail;
	*t->pending_tail = pcb;
	t->pending_tail = &pcb->out_next;
}

void tcp_unmark_pending(struct tcp_pcb *pcb)
{
	if (!pcb->out_pprev)
		return;
	*pcb->out_pprev = pcb->out_next;
	if (pcb->out_next)
		pcb->out_next->out_pprev = pcb->out_pprev;
	else
		pcb->st->tcp->pending_tail = pcb->out_pprev;
	pcb->out_pprev = NULL;
	pcb->out_next = NULL;
}

static void more_fire(struct stack *st, struct timer *t)
{
	/* Nothing to do: that the timer woke somebody brings the next tcp_flush(). */
}

void tcp_flush(struct stack *st)
{
	struct tcp_table *t = st->tcp;
	uint32_t bound = st->tcp_pcbs.count;
	struct tcp_pcb *pcb, *last;

	if (!t || !t->pending)
		return;
	last = (struct tcp_pcb *)((uint8_t *)t->pending_tail - offsetof(struct tcp_pcb, out_next));
	do {
		pcb = t->pending;
		tcp_unmark_pending(pcb);
		tcp_output(pcb); /* may put itself at the end again */
	} while (pcb != last && t->pending && --bound);
	tcp_reap(st);
	if (t->pending) {
		t->more.fn = more_fire;
		timer_set(&st->timers, &t->more, st->now + TCP_MS);
	}
}

/* ---- one segment ---- */

/* Cuts p after len bytes of payload; false: no buffer for the rest. */
bool tcp_split(struct tcp_pcb *pcb, struct pktbuf *p, uint32_t len)
{
	struct pktbuf *q = pktbuf_alloc(pcb->st->pool);
	uint32_t rest = p->tcp.payload_len - len;

	if (!q)
		return false;
	pktbuf_charge(q, pcb->owner);
	q->tcp = p->tcp;
	q->time = p->time;
	q->tcp.seq = p->tcp.seq + len;
	q->tcp.payload_off = PKTBUF_HEADROOM;
	q->tcp.payload_len = (uint16_t)rest;
	memcpy(q->buf + PKTBUF_HEADROOM, p->buf + p->tcp.payload_off + len, rest);
	p->tcp.payload_len = (uint16_t)len;
	p->tcp.seq_end = q->tcp.seq;
	p->tcp.flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	p->tcp.link = q;
	if (pcb->snd_tail == p)
		pcb->snd_tail = q;
	pcb->snd_bufs++;
	if (seq_lt(p->tcp.seq, pcb->snd_nxt)) {
		pcb->packets_out++;
		pcb->sacked_out += (p->tcp.sacked & TCP_SACKED) != 0;
		pcb->lost_out += (p->tcp.sacked & TCP_LOST) != 0;
		pcb->retrans_out += (p->tcp.sacked & TCP_RETRANS) != 0;
	}
	return true;
}

/* Sends the payload of p, in place or, while the device holds p, from a copy; of a segment too long
 * for the MSS, which nobody had a buffer to split, its front. */
static bool send_payload(struct tcp_pcb *pcb, struct pktbuf *p, bool again)
{
	unsigned len = p->tcp.payload_len, flags = TCP_ACK | p->tcp.flags;
	struct pktbuf *frame = p;

	if (len > pcb->snd_mss) {
		len = pcb->snd_mss;
		flags = TCP_ACK;
	}
	if (p->refs > 1) {
		frame = pktbuf_alloc(pcb->st->pool);
		if (!frame)
			return false;
		memcpy(pktbuf_data(frame), p->buf + p->tcp.payload_off, len);
	} else {
		pktbuf_hold(p);
		p->off = p->tcp.payload_off;
	}
	frame->len = (uint16_t)len;
	p->time = pcb->st->now;
	if (p->tcp.tx_count < 255)
		p->tcp.tx_count++;
	/* RFC 3168 6.1.5: a mark on a repetition would say nothing about this round trip. */
	if (len && !again)
		flags |= TCP_EMIT_ECT;
	tcp_emit(pcb, frame, p->tcp.seq, flags);
	pcb->bytes_sent += len;
	if (pcb->max_pacing)
		tcp_pace_sent(pcb, len);
	if (len)
		pcb->data_segs_out++;
	return true;
}

/* New data went out; `first`: nothing else was out there. */
static inline void after_new(struct tcp_pcb *pcb, bool first, uint64_t now)
{
	pcb->snd_time = now;
	/* Data that follows data from the peer at once is an answer: ACKs may ride on such. */
	if (pcb->rcv_time && now - pcb->rcv_time < TCP_DELACK_MIN)
		pcb->pingpong = true;
	if (first) {
		pcb->rto_at = now + tcp_rto_ns(pcb);
		pcb->rate.began_at = now;
	}
}

/* Sends p for the first time: it is snd_next. */
static void send_new(struct tcp_pcb *pcb, struct pktbuf *p)
{
	uint64_t now = pcb->st->now;
	bool first = pcb->packets_out == 0;

	tcp_note_new(pcb, p);
	(void)send_payload(pcb, p, false); /* refs is 1: cannot fail */
	after_new(pcb, first, now);
}

/* Who makes us cut what is out into ever smaller pieces, by errors that name a smaller MTU each
 * time, gets no more of the memory than this; else only the fronts of segments go, as they fit. */
static bool may_cut(const struct tcp_pcb *pcb)
{
	return !tcp_pool_low(pcb->st) && pcb->snd_bufs < 2 * tcp_send_max(pcb) + 16;
}

bool tcp_retransmit(struct tcp_pcb *pcb, struct pktbuf *p)
{
	if (seq_ge(p->tcp.seq, tcp_wnd_end(pcb)) && p != pcb->snd_head)
		return false;
	if (p->tcp.payload_len > pcb->snd_mss && may_cut(pcb))
		(void)tcp_split(pcb, p, pcb->snd_mss);
	if (!send_payload(pcb, p, true))
		return false;
	if (!(p->tcp.sacked & TCP_RETRANS)) {
		p->tcp.sacked |= TCP_RETRANS | TCP_EVER;
		pcb->retrans_out++;
	}
	if (!pcb->retrans_stamp)
		pcb->retrans_stamp = p->time;
	pcb->undo_retrans++;
	pcb->undo_sent = true;
	pcb->total_retrans++;
	pcb->bytes_retrans += p->tcp.payload_len;
	if (p->tcp.pieces) {
		pcb->mtu.long_again += p->tcp.payload_len;
		p->tcp.pieces = 0;
	}
	COUNT(pcb->st, TcpRetransSegs);
	return true;
}

/* Data waits here, where it may be acknowledged or grow into larger segments, not at a port that
 * cannot keep up: what that drops would look like loss. The other half of its queue is for ACKs and
 * handshakes. A link that is down moves nothing on: there the drop is right. */
static bool port_is_full(struct tcp_pcb *pcb)
{
	const struct port *port = stack_port(pcb->st, pcb->port_scope);

	if (!port || !port->link_up || port->txq.count < PORT_PENDING / 2)
		return false;
	tcp_mark_pending(pcb);
	return true;
}

/* A FIN alone is no data: at a byte a second it would keep us for half an hour. */
static inline bool pace_holds(struct tcp_pcb *pcb, const struct pktbuf *p)
{
	return pcb->max_pacing && p->tcp.payload_len && tcp_pace_holds(pcb);
}

/* RFC 6675 4, NextSeg rule 1, with what RACK or NewReno marked. */
void tcp_send_lost(struct tcp_pcb *pcb)
{
	struct pktbuf *p = pcb->snd_head;
	uint32_t budget = TCP_OUT_BURST;
	bool head = false;

	for (; p != pcb->snd_next && budget; p = tcp_snd_after(p)) {
		if (tcp_flight(pcb) >= pcb->cwnd || pcb->retrans_out >= pcb->lost_out)
			break;
		if ((p->tcp.sacked & (TCP_LOST | TCP_SACKED | TCP_RETRANS)) != TCP_LOST)
			continue;
		if (pace_holds(pcb, p))
			break;
		if (!tcp_retransmit(pcb, p))
			break;
		if (tcp_in_reduction(pcb))
			pcb->prr_out++;
		head |= p == pcb->snd_head;
		budget--;
	}
	if (!budget)
		tcp_mark_pending(pcb);
	if (head && pcb->rexmit_kind != TCP_T_REORDER)
		tcp_rto_restart(pcb);
}

/* ---- what may go ---- */

/* RFC 2861: a window nobody used for long says little about the path now. */
static void restart_after_idle(struct tcp_pcb *pcb)
{
	uint64_t rto = tcp_rto_ns(pcb), idle;
	uint32_t keep = pcb->cwnd - pcb->cwnd / 4;

	if (pcb->packets_out || !pcb->snd_time)
		return;
	idle = pcb->st->now - pcb->snd_time;
	if (idle <= rto)
		return;
	if (pcb->cc->restart)
		pcb->cc->restart(pcb, idle);
	if (!pcb->st->tcp->set.slow_start_after_idle)
		return;
	if (pcb->ssthresh < keep)
		pcb->ssthresh = keep;
	for (; idle > rto && pcb->cwnd > TCP_IW; idle -= rto)
		pcb->cwnd = pcb->cwnd / 2 > TCP_IW ? pcb->cwnd / 2 : TCP_IW;
	pcb->cwnd_used = 0;
	pcb->cwnd_used_seq = pcb->snd_nxt;
}

/* Makes the segment fit into MSS and window; false: it has to wait. */
static bool fit_window(struct tcp_pcb *pcb, struct pktbuf *p)
{
	int32_t room = (int32_t)(tcp_wnd_end(pcb) - p->tcp.seq);

	if (p->tcp.payload_len > pcb->snd_mss && !tcp_split(pcb, p, pcb->snd_mss))
		return false;
	if ((int32_t)(p->tcp.seq_end - p->tcp.seq) <= room)
		return true;
	if (room <= 0 || !p->tcp.payload_len)
		return false;
	if (p->tcp.payload_len <= room) /* only the FIN does not fit: it waits alone */
		return tcp_split(pcb, p, p->tcp.payload_len);
	/* RFC 9293 3.8.6.2.1 (3): a part of a segment only if it is half of the greatest window. */
	return (uint32_t)room >= pcb->max_window / 2 && tcp_split(pcb, p, (uint32_t)room);
}

static void note_usage(struct tcp_pcb *pcb, bool limited)
{
	if (seq_ge(pcb->snd_una, pcb->cwnd_used_seq) || limited ||
	    (!pcb->cwnd_limited && pcb->packets_out > pcb->cwnd_used)) {
		pcb->cwnd_used = pcb->packets_out;
		pcb->cwnd_limited = limited;
		pcb->cwnd_used_seq = pcb->snd_nxt;
	}
}

static void send_data(struct tcp_pcb *pcb)
{
	uint32_t budget = TCP_OUT_BURST;
	bool limited = false, sent = false, first = pcb->packets_out == 0;
	struct pktbuf *p;
	int probe = 0;

	if (pcb->snd_next) {
		restart_after_idle(pcb);
		if (pcb->mtu_search)
			probe = tcp_mtu_probe(pcb);
		sent = probe > 0;
		limited = probe < 0;
	}
	if (pcb->train_max > 1 && !limited) {
		budget = tcp_send_trains(pcb, budget);
		if (budget < TCP_OUT_BURST) {
			sent = true;
			after_new(pcb, first, pcb->st->now);
		}
		limited = tcp_train_waits(pcb);
	}
	while (!limited && (p = pcb->snd_next)) {
		if (budget == 0) {
			tcp_mark_pending(pcb);
			break;
		}
		if (tcp_flight(pcb) >= pcb->cwnd) {
			limited = true;
			break;
		}
		if (!fit_window(pcb, p) || !tcp_nagle_allows(pcb, p))
			break;
		if (pace_holds(pcb, p))
			break;
		send_new(pcb, p);
		if (tcp_in_reduction(pcb))
			pcb->prr_out++;
		budget--;
		sent = true;
	}
	if (sent || limited)
		note_usage(pcb, limited);
	if (sent && !pcb->rate.on)
		tcp_rate_start(pcb);
	if (sent && pcb->rexmit_kind != TCP_T_REORDER)
		tcp_rto_rearm(pcb);
}

/* RFC 7413 4.2.2: before the handshake's end. What runs and is measured is the SYN-ACK's. */
static void send_early(struct tcp_pcb *pcb)
{
	enum tcp_rexmit_kind kind = pcb->rexmit_kind;
	uint64_t time = pcb->snd_time;

	pcb->rexmit_kind = TCP_T_REORDER; /* which sending leaves alone */
	send_data(pcb);
	pcb->rexmit_kind = kind;
	pcb->snd_time = time;
}

/* Nothing else would tell a writer whose own queue is empty that buffers are back. */
static void retry_starved(struct tcp_pcb *pcb)
{
	if (tcp_pool_low(pcb->st)) {
		tcp_mark_pending(pcb);
		return;
	}
	pcb->starved = false;
	tcp_wake(pcb);
}

void tcp_output(struct tcp_pcb *pcb)
{
	if (pcb->wake_owed) {
		pcb->wake_owed = false;
		tcp_wake(pcb);
	}
	if (pcb->fin_owed)
		tcp_send_fin(pcb);
	if (pcb->starved)
		retry_starved(pcb);
	if (TCPS_IN(pcb->state, TCPS_HAS_SENT)) {
		if (!port_is_full(pcb)) {
			if (pcb->lost_out > pcb->retrans_out)
				tcp_send_lost(pcb);
			send_data(pcb);
		}
		if (pcb->snd_head || pcb->busy)
			tcp_busy_note(pcb);
		/* Blocked by the window, or corked, with nothing in flight whose ACK would wake us.
		 */
		if (!pcb->packets_out && pcb->snd_next && pcb->rexmit_kind == TCP_T_NONE &&
		    !timer_armed(&pcb->pace))
			tcp_rexmit_arm(pcb, TCP_T_PERSIST, tcp_rto_ns(pcb));
	} else if (pcb->fo_pending && pcb->passive && !port_is_full(pcb)) {
		send_early(pcb);
	}
	if (pcb->ack_owed == TCP_ACK_NOW)
		tcp_send_ack(pcb);
}

/* ---- FIN and probes ---- */

/* The FIN rides on the last segment that has not been sent, or on one of its own. */
void tcp_send_fin(struct tcp_pcb *pcb)
{
	struct pktbuf *p = pcb->snd_tail;

	pcb->fin_owed = true;
	if (!TCPS_IN(pcb->state, TCPS_CAN_SEND))
		return; /* SYN-RECEIVED: when it is established */
	if (!pcb->snd_next) {
		p = pktbuf_alloc(pcb->st->pool);
		if (!p) {
			tcp_mark_pending(pcb);
			return;
		}
		pktbuf_charge(p, pcb->owner);
		p->tcp.payload_off = PKTBUF_HEADROOM;
		p->tcp.payload_len = 0;
		p->tcp.flags = p->tcp.sacked = p->tcp.tx_count = p->tcp.pieces = 0;
		p->tcp.seq = p->tcp.seq_end = pcb->snd_end;
		p->tcp.link = NULL;
		if (pcb->snd_tail)
			pcb->snd_tail->tcp.link = p;
		else
			pcb->snd_head = p;
		pcb->snd_tail = pcb->snd_next = p;
		pcb->snd_bufs++;
	}
	p->tcp.flags |= TCP_FIN;
	p->tcp.seq_end++;
	pcb->snd_end++;
	pcb->fin_owed = false;
	tcp_set_state(pcb, pcb->state == TCPS_ESTABLISHED ? TCPS_FIN_WAIT_1 : TCPS_LAST_ACK);
}

/* RFC 8985 7.3: new data if the window lets it, else the last segment again. */
void tcp_send_tail_probe(struct tcp_pcb *pcb)
{
	struct pktbuf *p = pcb->snd_next, *last = NULL;
	bool sent = false;

	if (!pcb->packets_out || pcb->tlp_high_seq) {
		tcp_rto_rearm(pcb);
		return;
	}
	if (p && fit_window(pcb, p)) {
		send_new(pcb, p);
		pcb->tlp_retrans = false;
		sent = true;
	} else {
		for (p = pcb->snd_head; p != pcb->snd_next; p = p->tcp.link)
			last = p;
		if (last && last->refs == 1 && tcp_retransmit(pcb, last)) {
			pcb->tlp_retrans = true;
			sent = true;
		}
	}
	if (sent)
		pcb->tlp_high_seq = pcb->snd_nxt;
	pcb->rto_at = pcb->st->now + tcp_rto_ns(pcb);
	tcp_rexmit_arm(pcb, TCP_T_RTO, tcp_rto_ns(pcb));
}

void tcp_send_window_probe(struct tcp_pcb *pcb)
{
	struct pktbuf *p = pcb->snd_next;
	int32_t room = p ? (int32_t)(tcp_wnd_end(pcb) - p->tcp.seq) : 0;

	COUNT(pcb->st, TcpZeroWindowProbes);
	if (room > 0 && p->tcp.payload_len) {
		if (room > pcb->snd_mss)
			room = pcb->snd_mss;
		if (p->tcp.payload_len > room && !tcp_split(pcb, p, (uint32_t)room))
			return;
		p->tcp.flags |= TCP_PSH;
		/* Data fits but not the FIN behind it: they part. */
		if ((int32_t)(p->tcp.seq_end - p->tcp.seq) > room &&
		    !tcp_split(pcb, p, p->tcp.payload_len))
			return;
		send_new(pcb, p);
		tcp_rto_rearm(pcb);
		return;
	}
	tcp_send_probe(pcb);
}

void tcp_send_long(struct tcp_pcb *pcb)
{
	pcb->snd_mss = pcb->snd_next->tcp.payload_len;
	send_new(pcb, pcb->snd_next);
	tcp_sync_mss(pcb);
}
