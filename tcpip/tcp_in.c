/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A segment arrives: RFC 9293 3.10.7 in its own order.
 *
 *	tcp_in			checks the segment; tcp_gro.c may keep it until others join it
 *	tcp_seg_in, tcp_train_in	find whose it is
 *	  tcp_listen_in		3.10.7.2, tcp_listen.c
 *	  syn_sent_in		3.10.7.3
 *	  time_wait_in		TIME-WAIT, with the reuse that RFC 6191 and 1122 allow
 *	  synced_in		3.10.7.4: acceptable (PAWS), RST, SYN, ACK, data, FIN
 *
 * Called by ip4.c and ip6.c. ACKs and data that follow are mostly left to tcp_flush(), when a batch
 * ends.
 */
#include <errno.h>

#include "tcpip/tcp.h"

#define PAWS_IDLE (24ull * 24 * 3600 * TCP_S) /* RFC 7323 5.5 */

/* ---- 3.10.7.4, first: is it acceptable? ---- */

/* RFC 7323 5.3 R1: an old duplicate shows by its timestamp. */
static bool paws_fails(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	if (!pcb->ts_ok || !seg->h.opts.has_ts || !pcb->ts_recent_time)
		return false;
	if (seq_ge(seg->h.opts.ts_val, pcb->ts_recent))
		return false;
	return pcb->st->now - pcb->ts_recent_time < PAWS_IDLE;
}

static void update_ts_recent(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	/* RFC 7323 4.3 (2): only what covers Last.ACK.sent, so that a delayed ACK is timed. */
	if (pcb->ts_ok && seg->h.opts.has_ts && seq_le(seg->seq, pcb->rcv_wup) &&
	    seq_ge(seg->h.opts.ts_val, pcb->ts_recent)) {
		pcb->ts_recent = seg->h.opts.ts_val;
		pcb->ts_recent_time = pcb->st->now;
	}
}

/* 3.4: some of it lies in the window; or its start does, when it is empty. What lies before rcv_nxt
 * but not before the last ACK is a repetition, not an attack. */
static bool in_window(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	return seq_ge(seg->end, pcb->rcv_wup) && seq_le(seg->seq, pcb->rcv_adv);
}

/* First, third and fourth; false: the segment has been dealt with. */
static bool acceptable(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	bool rst = seg->h.flags & TCP_RST;

	if (paws_fails(pcb, seg) && !rst) {
		COUNT(pcb->st, TcpPawsDrops);
		tcp_oow_ack(pcb, seg);
		return false;
	}
	if (!in_window(pcb, seg)) {
		if (rst)
			return false;
		if (seg->len)
			COUNT(pcb->st, TcpDupSegs);
		if (seg->len && seq_lt(seg->seq, pcb->rcv_nxt))
			tcp_dsack_set(pcb, seg->seq, seg->seq + seg->len);
		tcp_oow_ack(pcb, seg);
		return false;
	}
	return true;
}

static void reset_in(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	int err = ECONNRESET;

	/* RFC 5961 3.2: the very next number resets, another in the window asks back. */
	if (seg->seq != pcb->rcv_nxt) {
		tcp_challenge_ack(pcb);
		return;
	}
	if (pcb->state == TCPS_SYN_RCVD)
		COUNT(pcb->st, TcpAttemptFails);
	else
		COUNT(pcb->st, TcpEstabResets);
	if (pcb->state == TCPS_SYN_RCVD && !pcb->passive)
		err = ECONNREFUSED;
	else if (pcb->state == TCPS_CLOSE_WAIT)
		err = EPIPE;
	tcp_done(pcb, err);
}

/* ---- fifth: ACK ---- */

static void measure_handshake(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	uint32_t ms;

	if (!pcb->snd_time) /* a cookie came back: nobody knows when it was sent */
		return;
	if (!pcb->total_retrans) {
		uint32_t us = (uint32_t)((pcb->st->now - pcb->snd_time) / TCP_US);

		pcb->min_rtt_us = us ? us : 1;
		tcp_rtt_sample(pcb, us);
	} else if (pcb->ts_ok && seg->h.opts.has_ts && seg->h.opts.ts_ecr) {
		ms = tcp_ts_now(pcb) - seg->h.opts.ts_ecr;
		if (ms < TCP_RTO_MAX_US / 1000)
			tcp_rtt_sample(pcb, ms * 1000);
	}
}

/* SYN-RECEIVED: our SYN is acknowledged. False: the segment goes no further. */
static bool syn_rcvd_ack(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	if (seq_le(seg->h.ack, pcb->iss) || seq_gt(seg->h.ack, pcb->snd_nxt)) {
		tcp_answer_rst(pcb->st, seg);
		return false;
	}
	if (pcb->listener && !pcb->fo_pending && tcp_accept_full(pcb->listener)) {
		COUNT(pcb->st, TcpListenOverflows);
		return false;
	}
	measure_handshake(pcb, seg);
	pcb->snd_una = pcb->iss + 1;
	pcb->snd_wnd = (uint32_t)seg->h.window << pcb->snd_wscale;
	pcb->max_window = pcb->snd_wnd;
	pcb->snd_wl1 = seg->seq;
	tcp_established(pcb);
	if (pcb->fo_pending) {
		tcp_fo_end(pcb); /* it was in the accept queue, or accepted, from its SYN on */
		if (pcb->packets_out)
			tcp_rto_restart(pcb);
	} else if (pcb->listener) {
		tcp_accept_enqueue(pcb);
	} else {
		pcb->ever_accepted = true;
		tcp_wake(pcb);
	}
	if (pcb->fin_owed)
		tcp_mark_pending(pcb);
	return true;
}

/* Our FIN is acknowledged when all is. */
static void fin_acked(struct tcp_pcb *pcb)
{
	if (pcb->snd_una != pcb->snd_end || pcb->snd_head)
		return;
	switch (pcb->state) {
	case TCPS_FIN_WAIT_1:
		tcp_set_state(pcb, TCPS_FIN_WAIT_2);
		if (!pcb->so && pcb->linger2_s < 0)
			tcp_abort(pcb, 0);
		else
			tcp_keep_arm(pcb);
		tcp_wake(pcb);
		break;
	case TCPS_CLOSING:
		tcp_time_wait(pcb);
		break;
	case TCPS_LAST_ACK:
		tcp_done(pcb, 0);
		break;
	default:
		break;
	}
}

static bool ack_in(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	uint32_t una = pcb->snd_una, bufs = pcb->snd_bufs;

	if (pcb->state == TCPS_SYN_RCVD && !syn_rcvd_ack(pcb, seg))
		return false;
	if (!tcp_ack(pcb, seg))
		return false;
	if (pcb->snd_una == una)
		return true;
	if (pcb->state != TCPS_ESTABLISHED && pcb->state != TCPS_CLOSE_WAIT)
		fin_acked(pcb);
	/* Room to write: told when a third is free, as tcp_events() sees it. */
	if (pcb->so && pcb->snd_bufs < bufs && tcp_has_room(pcb))
		tcp_wake(pcb);
	if (pcb->busy && (!pcb->snd_head || pcb->writer_waits))
		tcp_busy_note(pcb);
	return pcb->state != TCPS_CLOSED && pcb->state != TCPS_TIME_WAIT;
}

/* ---- seventh and eighth: data and FIN ---- */

static void fin_in(struct tcp_pcb *pcb)
{
	pcb->shut |= 1;
	switch (pcb->state) {
	case TCPS_ESTABLISHED:
		tcp_set_state(pcb, TCPS_CLOSE_WAIT);
		break;
	case TCPS_FIN_WAIT_1: /* ours is not acknowledged, else it would be FIN-WAIT-2 */
		tcp_set_state(pcb, TCPS_CLOSING);
		break;
	case TCPS_FIN_WAIT_2:
		tcp_send_ack(pcb); /* now: the block goes to sleep */
		tcp_time_wait(pcb);
		return;
	default:
		break;
	}
	tcp_wake(pcb);
}

static void data_in(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	uint32_t nxt = pcb->rcv_nxt;

	if (!seg->len && !(seg->h.flags & TCP_FIN))
		return;
	/* RFC 1122 4.2.2.13: nobody is there any more to read this. */
	if (seg->len && !pcb->so && pcb->ever_accepted && !pcb->listener &&
	    seq_gt(seg->seq + seg->len, pcb->rcv_nxt)) {
		tcp_abort(pcb, 0);
		return;
	}
	if (!TCPS_IN(pcb->state, TCPS_CAN_RCV)) {
		if (seg->len || pcb->fin_seen)
			tcp_oow_ack(pcb, seg);
		return;
	}
	tcp_rcv_data(pcb, seg);
	if (pcb->fin_seen)
		fin_in(pcb);
	else if (pcb->rcv_nxt != nxt)
		tcp_wake_later(pcb);
}

/* In SYN-RECEIVED the peer's SYN again: it lacks our SYN-ACK. As in Linux that is no try of ours,
 * but the time of the next begins anew, else it would follow at once. Limited as RFC 5961 7 wants
 * it. */
static void syn_again(struct tcp_pcb *pcb)
{
	uint64_t now = pcb->st->now;

	if (pcb->oow_ack_at && now - pcb->oow_ack_at < TCP_OOW_ACK_GAP)
		return;
	pcb->oow_ack_at = now;
	if (tcp_send_syn(pcb) < 0)
		return;
	pcb->total_retrans++;
	COUNT(pcb->st, TcpRetransSegs);
	tcp_rexmit_arm(pcb, TCP_T_RTO, tcp_rto_ns(pcb));
}

/* 3.10.7.4: SYN-RECEIVED and the states after it. */
static void synced_in(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	uint8_t flags = seg->h.flags;

	if (pcb->state == TCPS_SYN_RCVD && (flags & TCP_SYN) && seg->seq == pcb->irs &&
	    !(flags & (TCP_RST | TCP_ACK))) {
		syn_again(pcb);
		return;
	}
	if (!acceptable(pcb, seg))
		return;
	if (flags & TCP_RST) {
		reset_in(pcb, seg);
		return;
	}
	if (flags & TCP_SYN) {
		/* The other half of a simultaneous open looks like this; else RFC 5961 4.2. */
		if (!(pcb->state == TCPS_SYN_RCVD && (flags & TCP_ACK) && seg->seq == pcb->irs)) {
			tcp_challenge_ack(pcb);
			return;
		}
		seg->seq++;
	}
	if (!(flags & TCP_ACK))
		return;
	/* What else it says is believed with its ACK, which a stranger can but guess. */
	if (ack_in(pcb, seg)) {
		pcb->heard_time = pcb->st->now;
		update_ts_recent(pcb, seg);
		if (pcb->ecn_ok)
			tcp_ecn_in(pcb, seg);
		if (flags & TCP_URG || pcb->urg_state == TCP_URG_AWAITED)
			tcp_urg_in(pcb, seg);
		data_in(pcb, seg);
	}
	if (pcb->ack_owed == TCP_ACK_NOW)
		tcp_mark_pending(pcb);
}

/* ---- 3.10.7.3: SYN-SENT ---- */

static void syn_sent_established(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	measure_handshake(pcb, seg);
	tcp_fo_answered(pcb, seg);
	pcb->snd_una = seg->h.ack;
	pcb->max_window = pcb->snd_wnd;
	tcp_established(pcb);
	pcb->ever_accepted = true;
	pcb->ack_owed = TCP_ACK_NOW;
	tcp_mark_pending(pcb);
	seg->seq++;
	if (seg->len || (seg->h.flags & TCP_FIN))
		data_in(pcb, seg);
	tcp_wake(pcb);
}

static void syn_sent_in(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	uint8_t flags = seg->h.flags;

	if (pcb->fo_deferred) { /* the peer knows nothing of us yet */
		tcp_answer_rst(pcb->st, seg);
		return;
	}
	if ((flags & TCP_ACK) && seg->h.ack != pcb->iss + 1 && !tcp_fo_acked(pcb, seg)) {
		tcp_answer_rst(pcb->st, seg);
		return;
	}
	if (flags & TCP_RST) {
		if (flags & TCP_ACK) {
			COUNT(pcb->st, TcpAttemptFails);
			tcp_done(pcb, ECONNREFUSED);
		}
		return;
	}
	if (!(flags & TCP_SYN))
		return;
	tcp_parse_syn_opts(pcb, &seg->h);
	pcb->irs = seg->seq;
	pcb->rcv_nxt = pcb->copied_seq = seg->seq + 1;
	tcp_rcv_init(pcb);
	pcb->snd_wnd = seg->h.window; /* not scaled in a SYN */
	pcb->snd_wl1 = seg->seq;
	if (flags & TCP_ACK) {
		tcp_ecn_synack_in(pcb, seg);
		syn_sent_established(pcb, seg);
		return;
	}
	/* Both opened at once: 3.5, figure 8. Data that went on our SYN goes again. */
	tcp_fo_end(pcb);
	tcp_set_state(pcb, TCPS_SYN_RCVD);
	pcb->syn_tries = 0;
	pcb->backoff = 0;
	(void)tcp_send_syn(pcb);
	tcp_rexmit_arm(pcb, TCP_T_RTO, tcp_rto_ns(pcb));
}

/* ---- TIME-WAIT ---- */

/* True: a new connection may begin with this SYN. */
static bool time_wait_in(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	uint8_t flags = seg->h.flags;
	bool newer;

	if ((flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN) {
		/* RFC 6191 2 and RFC 1122 4.2.2.13: later than all of the old connection. */
		newer = seq_gt(seg->seq, pcb->rcv_nxt) ||
			(pcb->ts_ok && seg->h.opts.has_ts &&
			 seq_gt(seg->h.opts.ts_val, pcb->ts_recent));
		if (newer && !paws_fails(pcb, seg))
			return true;
	}
	if (paws_fails(pcb, seg) || !in_window(pcb, seg)) {
		if (!(flags & TCP_RST))
			tcp_oow_ack(pcb, seg);
		return false;
	}
	/* RFC 1337 would ignore it; Linux does not, nor RFC 9293. */
	if (flags & TCP_RST) {
		if (seg->seq == pcb->rcv_nxt)
			tcp_done(pcb, 0);
		return false;
	}
	if (flags & TCP_SYN) {
		tcp_challenge_ack(pcb);
		return false;
	}
	if (seg->end != seg->seq) { /* the FIN again: our last ACK was lost */
		tcp_send_ack(pcb);
		tcp_time_wait_again(pcb);
	}
	return false;
}

/* ---- entry ---- */

static bool parse(struct stack *st, struct tcp_seg *seg)
{
	struct pktbuf *p = seg->p;
	uint64_t sum;

	if (tcp_parse(&seg->h, pktbuf_data(p), p->len) < 0) {
		COUNT(st, TcpInErrs);
		return false;
	}
	if (!(p->flags & PKTBUF_RX_L4_CSUM_OK)) {
		sum = csum_pseudo4(seg->ip->src, seg->ip->dst, seg->ip->protocol, p->len);
		if (csum_fold(csum_add(sum, pktbuf_data(p), p->len)) != 0) {
			COUNT(st, TcpInErrs);
			COUNT(st, TcpInCsumErrors);
			return false;
		}
	}
	(void)pktbuf_pull(p, seg->h.hdr_len);
	seg->len = seg->size = p->len;
	seg->seq = seg->h.seq;
	seg->end = seg->seq + seg->len;
	seg->end += (seg->h.flags & TCP_SYN) != 0;
	seg->end += (seg->h.flags & TCP_FIN) != 0;
	return true;
}

static void dispatch(struct stack *st, struct tcp_seg *seg)
{
	const struct ip4_hdr *ip = seg->ip;
	struct tcp_pcb *pcb;

	pcb = tcp_lookup(st, ip->dst, seg->h.dport, ip->src, seg->h.sport);
	if (pcb && pcb->state == TCPS_TIME_WAIT) {
		pcb->segs_in++;
		if (!time_wait_in(pcb, seg))
			return;
		if (!tcp_lookup_listener(st, ip->dst, seg->h.dport, ip->src, seg->h.sport)) {
			tcp_send_ack(pcb);
			return;
		}
		tcp_done(pcb, 0);
		pcb = NULL;
	}
	if (!pcb)
		pcb = tcp_lookup_listener(st, ip->dst, seg->h.dport, ip->src, seg->h.sport);
	if (!pcb) {
		tcp_answer_rst(st, seg);
		return;
	}
	pcb->segs_in++;
	if (pcb->state == TCPS_LISTEN) {
		pcb = tcp_listen_in(pcb, seg);
		if (!pcb)
			return;
	}
	if (pcb->state == TCPS_SYN_SENT)
		syn_sent_in(pcb, seg);
	else
		synced_in(pcb, seg);
}

void tcp_seg_in(struct stack *st, struct tcp_seg *seg)
{
	dispatch(st, seg);
	if (seg->p)
		pktbuf_free(seg->p);
	tcp_reap(st);
}

/* Would each of its segments go all the way to the receive queue, and the first do all there is to
 * do on that way? */
static bool goes_as_one(const struct tcp_pcb *pcb, const struct tcp_seg *train)
{
	return TCPS_IN(pcb->state, TCPS_CAN_RCV) && (pcb->so || pcb->listener) &&
	       pcb->urg_state != TCP_URG_AWAITED && seq_ge(train->h.ack, pcb->snd_una) &&
	       seq_le(train->h.ack, pcb->snd_nxt) && !paws_fails(pcb, train) &&
	       tcp_rcv_takes(pcb, train);
}

bool tcp_train_in(struct stack *st, struct tcp_seg *seg)
{
	const struct ip4_hdr *ip = seg->ip;
	struct tcp_pcb *pcb = tcp_lookup(st, ip->dst, seg->h.dport, ip->src, seg->h.sport);

	if (!pcb || !goes_as_one(pcb, seg))
		return false;
	COUNT(st, TcpTrains);
	pcb->segs_in += seg->n;
	synced_in(pcb, seg);
	tcp_reap(st);
	return true;
}

void tcp_in(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip)
{
	struct tcp_seg seg;

	COUNT(st, TcpInSegs);
	seg.p = p;
	seg.ip = ip;
	seg.n = 1;
	/* RFC 1122 4.2.3.10: never a connection with a group. */
	if (p->flags & PKTBUF_BROADCAST || !parse(st, &seg))
		pktbuf_free(p);
	else
		tcp_gro_in(st, &seg);
}

/* ---- ICMP ---- */

static void attempt_failed(struct tcp_pcb *pcb, const struct icmp_quote *q, int err)
{
	struct socket *so = pcb->so;
	struct sock_addr to;

	COUNT(pcb->st, TcpAttemptFails);
	if (so && so->recverr) {
		sock_addr_out(so, &to, pcb->remote_ip, pcb->remote_port);
		note_icmp(so, q, &to, err);
	}
	tcp_done(pcb, err);
}

/* An error quoted one of our segments (RFC 1122 4.2.3.9, RFC 5927): believed only if the sequence
 * number is one in flight. It ends an attempt to connect; on an established connection it is
 * remembered and told if that dies, or, with IP_RECVERR, told at once to a call that goes on. */
bool tcp_icmp_error(struct stack *st, const struct icmp_quote *q)
{
	uint16_t sport = wire_get16(q->l4), dport = wire_get16(q->l4 + 2);
	uint32_t seq = wire_get32(q->l4 + 4);
	struct tcp_pcb *pcb;
	bool hard = false;
	int err;

	tcp_gro_flush(st);
	pcb = tcp_lookup(st, q->ip->src, sport, q->ip->dst, dport);
	if (!pcb || pcb->state == TCPS_TIME_WAIT)
		return false;
	if (seq_lt(seq, pcb->snd_una) || seq_gt(seq, pcb->snd_nxt))
		return false;
	if (q->type == ICMP4_DEST_UNREACH && q->code == ICMP4_FRAG_NEEDED) {
		tcp_mtu_icmp(pcb, q->rest & 0xffff, seq);
		tcp_reap(st);
		return true;
	}
	err = icmp_errno(q->type, q->code, &hard);
	if (!err)
		return true;
	if (pcb->state == TCPS_SYN_SENT || (pcb->state == TCPS_SYN_RCVD && pcb->passive)) {
		/* Linux ends an attempt on any unreachable; a SYN of a stranger just goes. */
		attempt_failed(pcb, q, err);
	} else if (pcb->so && pcb->so->recverr) {
		sock_set_error(pcb->so, err);
	} else {
		pcb->soft_error = err;
	}
	tcp_reap(st);
	return true;
}
