/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scoreboard: which segments in flight the peer has (SACK, RFC 2018), which it had twice
 * (DSACK, RFC 2883), and which are lost by time (RACK, RFC 8985 6.2). Called by tcp_ack.c and
 * tcp_recovery.c; keeps packets_out, sacked_out, lost_out, retrans_out true.
 *
 * What the peer has lies in runs between the gaps, and the first segment of a run knows one further
 * on with nothing but SACKed ones between (pktbuf.tcp.run), as far as was seen yet: so a walk takes
 * a step for each gap and each run, however large the window is.
 */
#include "tcpip/tcp.h"

/* What a peer with ever so many gaps can make us walk for an ACK; of gaps behind those we hear when
 * the first are mended. A SACK is advice (RFC 2018 8). */
#define SACK_STEPS 1024u

void tcp_mark_lost(struct tcp_pcb *pcb, struct pktbuf *p)
{
	if (p->tcp.sacked & TCP_SACKED)
		return;
	if (p->tcp.sacked & TCP_RETRANS) {
		p->tcp.sacked &= (uint8_t)~TCP_RETRANS;
		pcb->retrans_out--;
	}
	if (!(p->tcp.sacked & TCP_LOST)) {
		p->tcp.sacked |= TCP_LOST;
		pcb->lost_out++;
	}
}

void tcp_unmark_lost(struct tcp_pcb *pcb)
{
	struct pktbuf *p = pcb->snd_head;

	for (; p != pcb->snd_next; p = p->tcp.link)
		p->tcp.sacked &= (uint8_t)~TCP_LOST;
	pcb->lost_out = 0;
}

void tcp_sack_forget(struct tcp_pcb *pcb)
{
	struct pktbuf *p = pcb->snd_head;

	for (; p != pcb->snd_next; p = p->tcp.link)
		p->tcp.sacked &= (uint8_t)~TCP_SACKED;
	pcb->sacked_out = 0;
	pcb->high_sacked = pcb->snd_una;
}

static void mark_sacked(struct tcp_pcb *pcb, struct pktbuf *p, struct tcp_ack_result *r)
{
	if (p->tcp.sacked & TCP_LOST)
		pcb->lost_out--;
	if (p->tcp.sacked & TCP_RETRANS)
		pcb->retrans_out--;
	if (!(p->tcp.sacked & TCP_EVER)) {
		int64_t rtt = (int64_t)((pcb->st->now - p->time) / TCP_US);

		/* The latest sent is the nearest to the truth now. */
		r->sack_rtt_us = rtt;
	}
	tcp_rack_update(pcb, p);
	p->tcp.sacked = (uint8_t)((p->tcp.sacked & TCP_EVER) | TCP_SACKED);
	p->tcp.run = NULL;
	pcb->sacked_out++;
	r->delivered++;
	r->sacked = true;
	if (seq_gt(p->tcp.seq_end, pcb->high_sacked))
		pcb->high_sacked = p->tcp.seq_end;
}

/* RFC 2883 4: the first block reports a duplicate if it lies below the ACK or in the second. */
static bool is_dsack(const struct tcp_seg *seg)
{
	const struct tcp_opts *o = &seg->h.opts;

	if (seq_lt(o->sack[0].start, seg->h.ack))
		return true;
	return o->n_sack > 1 && seq_ge(o->sack[0].start, o->sack[1].start) &&
	       seq_le(o->sack[0].end, o->sack[1].end);
}

static void dsack(struct tcp_pcb *pcb, const struct tcp_sack_block *b, struct tcp_ack_result *r)
{
	/* Of data we never sent, or long ago: says nothing. */
	if (seq_gt(b->end, pcb->snd_nxt) || seq_ge(b->start, b->end) ||
	    pcb->snd_nxt - b->start > 2 * pcb->max_window + 65536)
		return;
	r->dsack = true;
	pcb->dsack_dups++;
	if (pcb->undo_on && pcb->undo_retrans && seq_ge(b->start, pcb->undo_marker))
		pcb->undo_retrans--;
	tcp_rack_dsack(pcb);
}

static bool in_blocks(const struct pktbuf *p, const struct tcp_sack_block *b, unsigned n)
{
	while (n-- > 0)
		if (seq_ge(p->tcp.seq, b[n].start) && seq_le(p->tcp.seq_end, b[n].end))
			return true;
	return false;
}

/* Marks what lies in the blocks and before `top`, and joins the runs that meet. */
static void mark_blocks(struct tcp_pcb *pcb, const struct tcp_sack_block *b, unsigned n,
			uint32_t top, struct tcp_ack_result *r)
{
	struct pktbuf *p = pcb->snd_head, *first = NULL, *last;
	unsigned steps = SACK_STEPS;

	for (; p != pcb->snd_next && seq_lt(p->tcp.seq, top) && steps; p = last->tcp.link) {
		steps--;
		last = p;
		if (!(p->tcp.sacked & TCP_SACKED)) {
			if (!in_blocks(p, b, n)) {
				first = NULL;
				continue;
			}
			mark_sacked(pcb, p, r);
		} else if (p->tcp.run) {
			last = p->tcp.run;
		}
		if (first)
			first->tcp.run = last;
		else
			first = p;
	}
}

void tcp_sack_in(struct tcp_pcb *pcb, const struct tcp_seg *seg, struct tcp_ack_result *r)
{
	const struct tcp_opts *o = &seg->h.opts;
	struct tcp_sack_block b[4];
	uint8_t n = 0, i = 0;
	uint32_t top = pcb->snd_una;

	if (o->n_sack && is_dsack(seg)) {
		dsack(pcb, &o->sack[0], r);
		i = 1;
	}
	for (; i < o->n_sack; i++) {
		if (seq_ge(o->sack[i].start, o->sack[i].end) ||
		    seq_gt(o->sack[i].end, pcb->snd_nxt) || seq_lt(o->sack[i].start, pcb->snd_una))
			continue;
		b[n++] = o->sack[i];
		if (seq_gt(o->sack[i].end, top))
			top = o->sack[i].end;
	}
	if (n)
		mark_blocks(pcb, b, n, top, r);
}

/* ---- RACK: RFC 8985 6.2 ---- */

static bool sent_after(uint64_t t1, uint32_t end1, uint64_t t2, uint32_t end2)
{
	return t1 > t2 || (t1 == t2 && seq_gt(end1, end2));
}

/* How many segments sent later came before p: as Linux tells it, 300 at most. */
static void note_reordering(struct tcp_pcb *pcb, const struct pktbuf *p)
{
	uint32_t n = (pcb->rack_fack - p->tcp.seq + pcb->snd_mss - 1) / pcb->snd_mss;

	pcb->reord_seen = true;
	pcb->reord_count++;
	if (n > pcb->reordering)
		pcb->reordering = n < 300 ? (uint16_t)n : 300;
}

/* Steps 1 to 3, for one segment newly delivered; its marks are still as before. */
void tcp_rack_update(struct tcp_pcb *pcb, const struct pktbuf *p)
{
	uint64_t rtt = (pcb->st->now - p->time) / TCP_US;
	bool again = p->tcp.sacked & TCP_EVER;

	if (seq_gt(p->tcp.seq_end, pcb->rack_fack))
		pcb->rack_fack = p->tcp.seq_end;
	else if (!again && seq_lt(p->tcp.seq_end, pcb->rack_fack))
		note_reordering(pcb, p);
	/* Sooner than a round trip: the ACK was of the first copy. */
	if (again && rtt < pcb->min_rtt_us)
		return;
	pcb->rack_rtt_us = (uint32_t)rtt;
	pcb->rack_advanced = true;
	if (sent_after(p->time, p->tcp.seq_end, pcb->rack_xmit, pcb->rack_end_seq)) {
		pcb->rack_xmit = p->time;
		pcb->rack_end_seq = p->tcp.seq_end;
	}
}

/* Step 4: a duplicate means that the last window was too short for the path's reordering. */
void tcp_rack_dsack(struct tcp_pcb *pcb)
{
	if (pcb->dsack_round_on && seq_lt(pcb->snd_una, pcb->dsack_round))
		return;
	pcb->dsack_round_on = true;
	pcb->dsack_round = pcb->snd_nxt;
	pcb->reo_wnd_persist = 16;
	if (pcb->reo_wnd_mult < 255)
		pcb->reo_wnd_mult++;
}

static uint64_t reo_wnd_us(const struct tcp_pcb *pcb)
{
	uint64_t wnd;

	if (!pcb->reord_seen &&
	    (pcb->ca_state >= TCP_CA_RECOVERY || pcb->sacked_out >= TCP_DUPTHRESH))
		return 0;
	if (pcb->min_rtt_us == UINT32_MAX)
		return 0;
	wnd = (uint64_t)(pcb->min_rtt_us / 4) * pcb->reo_wnd_mult;
	return wnd < pcb->srtt_us ? wnd : pcb->srtt_us;
}

/* Step 5. A segment never sent again is followed only by ones sent later: the walk ends there. */
uint64_t tcp_rack_detect(struct tcp_pcb *pcb)
{
	uint64_t wnd = (reo_wnd_us(pcb) + pcb->rack_rtt_us) * TCP_US, longest = 0, due;
	struct pktbuf *p = pcb->snd_head;

	pcb->rack_advanced = false;
	for (; p != pcb->snd_next; p = tcp_snd_after(p)) {
		if (p->tcp.sacked & TCP_SACKED)
			continue;
		if (!sent_after(pcb->rack_xmit, pcb->rack_end_seq, p->time, p->tcp.seq_end)) {
			if (p->tcp.sacked & TCP_EVER)
				continue;
			break;
		}
		if ((p->tcp.sacked & (TCP_LOST | TCP_RETRANS)) == TCP_LOST)
			continue;
		due = p->time + wnd;
		if (due <= pcb->st->now)
			tcp_mark_lost(pcb, p);
		else if (due - pcb->st->now > longest)
			longest = due - pcb->st->now;
	}
	return longest;
}
