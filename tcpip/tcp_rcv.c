/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Received data: trimming to the window, the in-order queue, the window to announce (RFC 9293
 * 3.8.6.2.2, never shrinking). Called by tcp_in.c with a segment that passed all checks, and by
 * tcp_ctl.c for the window; what is not in order goes to tcp_ooo.c.
 *
 * Memory is counted in whole buffers, so that many small segments cannot pin more than SO_RCVBUF
 * says: half of it is the window, small segments are copied together, and what came out of order
 * goes first when the stack's buffers run low (the peer still has it).
 */
#include <string.h>

#include "tcpip/tcp.h"

#define SMALL_SEGMENT 256u
#define SILENCE	      (5 * TCP_MS) /* in a stream is none; a peer's timer waits longer */
#define MODEST	      (64u << 10)  /* what a connection may hold while the stack runs dry */

static uint32_t rcv_mem(const struct tcp_pcb *pcb)
{
	return pcb->rcv_bufs * PKTBUF_SIZE;
}

static uint32_t full_space(const struct tcp_pcb *pcb)
{
	uint32_t space = pcb->rcvbuf / 2;

	if (pcb->window_clamp && space > pcb->window_clamp)
		space = pcb->window_clamp;
	return space;
}

/* ---- the window ---- */

void tcp_rcv_init(struct tcp_pcb *pcb)
{
	uint32_t space = full_space(pcb);

	/* The window of a SYN is not scaled (RFC 7323 2.2). */
	pcb->rcv_adv = pcb->rcv_nxt + (space > 65535 ? 65535 : space);
	pcb->rcv_wup = pcb->rcv_nxt;
	pcb->space_seq = pcb->rcv_rtt_seq = pcb->rcv_nxt;
	pcb->space_at = pcb->rcv_rtt_at = pcb->st->now;
	pcb->space = TCP_IW * TCP_MSS_DEFAULT;
}

uint32_t tcp_rcv_could(const struct tcp_pcb *pcb)
{
	int32_t offered = (int32_t)(pcb->rcv_adv - pcb->rcv_nxt);
	uint32_t cur = offered > 0 ? (uint32_t)offered : 0, space = full_space(pcb), room, step;

	if (!TCPS_IN(pcb->state, TCPS_SYNCED))
		return cur;
	room = space > pcb->rcvq_bytes ? space - pcb->rcvq_bytes : 0;
	if (room > cur && (tcp_pool_low(pcb->st) || quota_pktbufs_out(pcb->st, pcb->owner)))
		room = cur;
	if (!pcb->wscale_ok && room > 65535)
		room = 65535;
	step = space / 2 < pcb->rcv_mss ? space / 2 : pcb->rcv_mss;
	/* Silly window avoidance: the edge moves by a segment or half of the buffer, or stays. */
	if (room < cur + step)
		return cur;
	return room;
}

uint32_t tcp_rcv_window(struct tcp_pcb *pcb)
{
	uint32_t unit = 1u << pcb->rcv_wscale, wnd = tcp_rcv_could(pcb);
	int32_t offered = (int32_t)(pcb->rcv_adv - pcb->rcv_nxt);

	if (!TCPS_IN(pcb->state, TCPS_SYNCED))
		return wnd;
	/* Up to the unit when rounding down would take back what was promised. */
	if (offered > 0 && (wnd & ~(unit - 1)) < (uint32_t)offered)
		wnd = (uint32_t)offered + unit - 1;
	wnd &= ~(unit - 1);
	if (wnd > 65535u << pcb->rcv_wscale)
		wnd = 65535u << pcb->rcv_wscale;
	if ((int32_t)wnd > offered)
		pcb->rcv_adv = pcb->rcv_nxt + wnd;
	return wnd;
}

/* ---- the queue ---- */

/* Copies p behind `last` if it is small, or memory is short, and there is room. */
bool tcp_rcv_join(struct tcp_pcb *pcb, struct pktbuf *last, struct pktbuf *p)
{
	if (!last || last->refs > 1 || last->tcp.seq_end != p->tcp.seq ||
	    p->len > pktbuf_tailroom(last))
		return false;
	if (p->len > SMALL_SEGMENT && rcv_mem(pcb) < pcb->rcvbuf / 4 && !tcp_pool_low(pcb->st))
		return false;
	memcpy(pktbuf_data(last) + last->len, pktbuf_data(p), p->len);
	last->len += p->len;
	last->tcp.seq_end = p->tcp.seq_end;
	pktbuf_free(p);
	return true;
}

static struct pktbuf *rcvq_last(struct tcp_pcb *pcb)
{
	if (!pcb->rcvq.head)
		return NULL;
	return (struct pktbuf *)((uint8_t *)pcb->rcvq.tail - offsetof(struct pktbuf, next));
}

void tcp_rcv_append(struct tcp_pcb *pcb, struct pktbuf *p, bool counted)
{
	uint32_t len = p->len;

	pcb->rcv_nxt = p->tcp.seq_end;
	pcb->rcvq_bytes += len;
	pcb->bytes_received += len;
	if (tcp_rcv_join(pcb, rcvq_last(pcb), p)) {
		pcb->rcv_bufs -= counted;
		return;
	}
	pktbuf_charge(p, pcb->owner);
	pktbuf_queue_put(&pcb->rcvq, p);
	pcb->rcv_bufs += !counted;
}

/* ---- a segment's payload ---- */

/* The wire loses or reorders: for the next 16 ACKs the peer shall know soon and surely. */
static void lossy(struct tcp_pcb *pcb)
{
	pcb->quick_acks = 16;
	pcb->rcv_lossy = true;
}

/* RFC 5681 4.2: one ACK a segment, which the peer counts; of one in pieces, the last's. */
static void ack_at_once(struct tcp_pcb *pcb)
{
	if (!pcb->st->piece.follows)
		tcp_send_ack(pcb);
}

/* Room for one more buffer? What is in order may go a little over: the window promised it. */
static bool have_memory(struct tcp_pcb *pcb, bool in_order)
{
	uint32_t limit = pcb->rcvbuf + (in_order ? pcb->rcvbuf / 4 + 16 * PKTBUF_SIZE : 0);

	if (quota_pktbufs_out(pcb->st, pcb->owner)) {
		if (in_order)
			tcp_ooo_drop(pcb);
		if (!quota_pktbuf(pcb->st, pcb->owner))
			return false;
	}
	if (!in_order)
		return rcv_mem(pcb) < limit && !tcp_pool_low(pcb->st);
	if (tcp_pool_out(pcb->st) && rcv_mem(pcb) > MODEST)
		return false;
	if (rcv_mem(pcb) >= limit || (tcp_pool_low(pcb->st) && pcb->ooo_head)) {
		COUNT(pcb->st, TcpMemoryPressure);
		tcp_ooo_drop(pcb);
	}
	return rcv_mem(pcb) < limit;
}

/* Guesses the size of the peer's full segments, which rules ACKs and windows. */
static void measure_mss(struct tcp_pcb *pcb, uint32_t len)
{
	uint32_t max = pcb->adv_mss ? pcb->adv_mss : TCP_MSS_DEFAULT;

	if (len <= pcb->rcv_mss)
		return;
	if (pcb->st->piece.of)
		len = pcb->st->piece.of;
	pcb->rcv_mss = (uint16_t)(len > max ? max : len);
}

/*
 * RFC 9293 3.8.6.3 and RFC 5681 4.2: at the second full segment, at once at the start (slow start
 * of the peer needs it) and while data is missing, else a little later. "At once" is at the end of
 * the batch, so that many segments are one ACK; but while the wire loses, that one may be all that
 * keeps a small window open: then each second segment has its own.
 */
static void owe_ack(struct tcp_pcb *pcb)
{
	bool now = pcb->rcv_nxt - pcb->rcv_wup > pcb->rcv_mss || pcb->ooo_head ||
		   (pcb->quick_acks && !pcb->pingpong) || pcb->quickack_set || pcb->fin_seen;

	if (now && pcb->rcv_lossy && pcb->rcv_nxt - pcb->rcv_wup > pcb->rcv_mss) {
		ack_at_once(pcb);
	} else if (now) {
		pcb->ack_owed = TCP_ACK_NOW;
		tcp_mark_pending(pcb);
	} else if (pcb->ack_owed == TCP_ACK_NONE) {
		pcb->ack_owed = TCP_ACK_LATER;
		tcp_delack_arm(pcb);
	}
}

static void in_order(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	bool had_gap = pcb->ooo_head != NULL;

	tcp_rcv_append(pcb, seg->p, false);
	seg->p = NULL;
	if (had_gap)
		tcp_ooo_take(pcb);
	/* The ACK that closes a gap is what the peer's recovery waits for. */
	if (had_gap)
		pcb->ack_owed = TCP_ACK_NOW;
}

/*
 * Did the peer send this again, whose timer ran out for want of an ACK? Or did the wire copy it:
 * in a stream, or as late as we came to read it, but with a time stamp that has been here.
 */
static bool sent_again(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	if (pcb->st->now - pcb->rcv_time <= SILENCE)
		return false;
	return !pcb->ts_ok || !seg->h.opts.has_ts || seq_gt(seg->h.opts.ts_val, pcb->rcv_ts_val);
}

static void duplicate(struct tcp_pcb *pcb, const struct tcp_seg *seg, uint32_t start, uint32_t end)
{
	COUNT(pcb->st, TcpDupSegs);
	tcp_dsack_set(pcb, start, end);
	if (sent_again(pcb, seg))
		lossy(pcb);
	ack_at_once(pcb);
}

bool tcp_rcv_takes(const struct tcp_pcb *pcb, const struct tcp_seg *train)
{
	const struct stack *st = pcb->st;

	return train->seq == pcb->rcv_nxt && seq_le(train->end, pcb->rcv_adv) && !pcb->ooo_head &&
	       !pcb->rcv_lossy && !pcb->fin_known &&
	       rcv_mem(pcb) + train->n * PKTBUF_SIZE <= pcb->rcvbuf && !tcp_pool_low(st) &&
	       quota_left(st, pcb->owner, st->pool->held[pcb->owner], st->pool->avail) >= train->n;
}

static void train_in(struct tcp_pcb *pcb, struct tcp_seg *train)
{
	struct pktbuf *p = train->p, *next;

	for (; p; p = next) {
		next = p->next;
		tcp_rcv_append(pcb, p, false);
	}
	train->p = NULL;
	owe_ack(pcb);
}

static void payload(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	struct pktbuf *p = seg->p;
	uint32_t start = seg->seq, end = start + seg->len, edge = pcb->rcv_adv;

	if (pcb->fin_known && seq_lt(pcb->fin_at, edge))
		edge = pcb->fin_at;
	if (seq_le(end, pcb->rcv_nxt)) {
		duplicate(pcb, seg, start, end);
		return;
	}
	p->tcp.seq = start;
	p->tcp.seq_end = end;
	if (seq_lt(start, pcb->rcv_nxt)) {
		tcp_dsack_set(pcb, start, pcb->rcv_nxt);
		tcp_cut_front(p, pcb->rcv_nxt);
	}
	if (seq_ge(p->tcp.seq, edge)) { /* a probe of a closed window */
		ack_at_once(pcb);
		return;
	}
	tcp_cut_back(p, edge);
	if (!have_memory(pcb, p->tcp.seq == pcb->rcv_nxt)) {
		COUNT(pcb->st, TcpRcvQDrops);
		ack_at_once(pcb);
		return;
	}
	if (p->tcp.seq == pcb->rcv_nxt) {
		in_order(pcb, seg);
		owe_ack(pcb);
		return;
	}
	seg->p = NULL;
	tcp_ooo_insert(pcb, p);
	/* One duplicate ACK a segment, not one a batch: the peer counts them. */
	lossy(pcb);
	ack_at_once(pcb);
}

void tcp_rcv_data(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	bool fin = seg->h.flags & TCP_FIN;

	if (fin && !pcb->fin_known && seq_ge(seg->end - 1, pcb->rcv_nxt) &&
	    seq_le(seg->end - 1, pcb->rcv_adv)) {
		pcb->fin_known = true;
		pcb->fin_at = seg->end - 1;
	}
	if (seg->len) {
		pcb->data_segs_in += seg->n;
		measure_mss(pcb, seg->size);
		tcp_tune_rtt(pcb, seg);
		if (seg->n > 1)
			train_in(pcb, seg);
		else
			payload(pcb, seg);
		pcb->rcv_time = pcb->st->now;
		pcb->rcv_ts_val = seg->h.opts.ts_val;
	} else if (fin && pcb->fin_seen) {
		duplicate(pcb, seg, seg->end - 1, seg->end);
	} else if (fin && seq_gt(seg->seq, pcb->rcv_nxt)) {
		tcp_sack_note(pcb, seg->seq, seg->end);
		tcp_send_ack(pcb);
	}
	if (pcb->fin_known && !pcb->fin_seen && pcb->rcv_nxt == pcb->fin_at) {
		pcb->rcv_nxt++;
		pcb->fin_seen = true;
		pcb->n_sack = 0;
		if (seq_lt(pcb->rcv_adv, pcb->rcv_nxt))
			pcb->rcv_adv = pcb->rcv_nxt;
		tcp_ooo_drop(pcb);
		pcb->ack_owed = TCP_ACK_NOW;
		tcp_mark_pending(pcb);
	}
}
