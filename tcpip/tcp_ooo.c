/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What arrived out of order: kept until the gap in front of it closes, and reported to the peer
 * (SACK, RFC 2018; what came twice by DSACK, RFC 2883). Called by tcp_rcv.c.
 *
 *	ooo_head -> a1 -> a2 -> a3 -> b1 -> c1 -> c2	by sequence, none overlaps
 *		    '--- run --->'    ''    '-run->'	a gap before each run
 *
 * Of each run of buffers without a gap the first says which is the last (pktbuf.tcp.run), and the
 * last which is the first (link): a segment finds its place by runs, and a peer that leaves ever so
 * many gaps cannot make us walk them all for each byte it sends.
 */
#include <string.h>

#include "tcpip/tcp.h"

/* A segment whose place is behind more runs is dropped, as if it had been lost. */
#define OOO_STEPS 512u

/* ---- SACK blocks to report ---- */

void tcp_dsack_set(struct tcp_pcb *pcb, uint32_t start, uint32_t end)
{
	if (pcb->has_dsack && pcb->dsack.end == start) /* the next piece of the same segment */
		pcb->dsack.end = end;
	if (!pcb->sack_ok || pcb->has_dsack)
		return;
	pcb->has_dsack = true;
	pcb->dsack = (struct tcp_sack_block){start, end};
}

/* The block with the newest data goes to the front, joined with all it touches. */
void tcp_sack_note(struct tcp_pcb *pcb, uint32_t start, uint32_t end)
{
	struct tcp_sack_block keep[4];
	uint8_t n = 0, i;

	for (i = 0; i < pcb->n_sack; i++) {
		struct tcp_sack_block *b = &pcb->sack[i];

		if (seq_le(b->start, end) && seq_ge(b->end, start)) {
			if (seq_lt(b->start, start))
				start = b->start;
			if (seq_gt(b->end, end))
				end = b->end;
		} else {
			keep[n++] = *b;
		}
	}
	pcb->sack[0] = (struct tcp_sack_block){start, end};
	if (n > 3)
		n = 3;
	memcpy(&pcb->sack[1], keep, n * sizeof(keep[0]));
	pcb->n_sack = (uint8_t)(n + 1);
}

/* rcv_nxt moved: what it passed is acknowledged without SACK. */
static void sack_trim(struct tcp_pcb *pcb)
{
	uint8_t n = 0, i;

	for (i = 0; i < pcb->n_sack; i++)
		if (seq_gt(pcb->sack[i].start, pcb->rcv_nxt))
			pcb->sack[n++] = pcb->sack[i];
	pcb->n_sack = n;
}

/* ---- the queue ---- */

void tcp_ooo_drop(struct tcp_pcb *pcb)
{
	struct pktbuf *p;

	while ((p = pcb->ooo_head)) {
		pcb->ooo_head = p->next;
		pcb->rcv_bufs--;
		COUNT(pcb->st, TcpOfoDrops);
		pktbuf_free(p);
	}
	pcb->ooo_tail = NULL;
	pcb->n_sack = 0;
}

/* Run b is right behind run a now. */
static void join(struct pktbuf *a, struct pktbuf *b)
{
	a->tcp.run = b->tcp.run;
	b->tcp.run->tcp.link = a;
}

/* The first buffer of a run leaves: the next is it. */
static void leave_run(struct pktbuf *p)
{
	struct pktbuf *last = p->tcp.run;

	if (last != p) {
		p->next->tcp.run = last;
		last->tcp.link = p->next;
	}
}

void tcp_ooo_take(struct tcp_pcb *pcb)
{
	struct pktbuf *p;

	while ((p = pcb->ooo_head) && seq_le(p->tcp.seq, pcb->rcv_nxt)) {
		leave_run(p);
		pcb->ooo_head = p->next;
		if (!pcb->ooo_head)
			pcb->ooo_tail = NULL;
		if (seq_le(p->tcp.seq_end, pcb->rcv_nxt)) {
			pcb->rcv_bufs--;
			pktbuf_free(p);
			continue;
		}
		tcp_cut_front(p, pcb->rcv_nxt);
		tcp_rcv_append(pcb, p, true);
	}
	sack_trim(pcb);
}

/* The first buffer of the run that begins at seq or before, NULL if none does; false: too far. */
static bool find_run(const struct tcp_pcb *pcb, uint32_t seq, struct pktbuf **first)
{
	struct pktbuf *p = pcb->ooo_head, *tail = pcb->ooo_tail;
	unsigned steps = OOO_STEPS;

	*first = NULL;
	if (tail && seq_ge(seq, tail->tcp.link->tcp.seq)) {
		*first = tail->tcp.link;
		return true;
	}
	for (; p && seq_ge(seq, p->tcp.seq); p = p->tcp.run->next) {
		if (!steps--)
			return false;
		*first = p;
	}
	return true;
}

/* Buffers behind `prev` (NULL: from the first on) that end before `end` go, all is in the new one;
 * the first that stays. */
static struct pktbuf *drop_covered(struct tcp_pcb *pcb, struct pktbuf *prev, uint32_t end)
{
	struct pktbuf **at = prev ? &prev->next : &pcb->ooo_head, *p;

	while ((p = *at) && seq_le(p->tcp.seq_end, end)) {
		tcp_dsack_set(pcb, p->tcp.seq, p->tcp.seq_end);
		leave_run(p);
		*at = p->next;
		if (pcb->ooo_tail == p)
			pcb->ooo_tail = prev;
		pcb->rcv_bufs--;
		pktbuf_free(p);
	}
	return p;
}

/* p, a run of its own yet, between prev and next. */
static void link_in(struct tcp_pcb *pcb, struct pktbuf *prev, struct pktbuf *p, struct pktbuf *next)
{
	pktbuf_charge(p, pcb->owner);
	p->tcp.run = p->tcp.link = p;
	p->next = next;
	if (prev)
		prev->next = p;
	else
		pcb->ooo_head = p;
	if (!next)
		pcb->ooo_tail = p;
	pcb->rcv_bufs++;
}

/* RFC 2018 4: the block that holds the segment, whole. A FIN right behind is held too: the peer's
 * segment counts as whole. */
static void report(struct tcp_pcb *pcb, const struct pktbuf *first)
{
	uint32_t end = first->tcp.run->tcp.seq_end;

	tcp_sack_note(pcb, first->tcp.seq, end + (pcb->fin_known && end == pcb->fin_at));
}

/* p, not empty, between two runs or at their edges: in a run of its own or of one of theirs, whose
 * first buffer is returned. */
static struct pktbuf *put_between(struct tcp_pcb *pcb, struct pktbuf *first, struct pktbuf *p,
				  struct pktbuf *next)
{
	struct pktbuf *prev = first ? first->tcp.run : NULL;
	uint32_t start = p->tcp.seq, end = p->tcp.seq_end;
	bool follows = prev && prev->tcp.seq_end == start;

	if (!follows || !tcp_rcv_join(pcb, prev, p)) {
		link_in(pcb, prev, p, next);
		if (follows)
			join(first, p);
		else
			first = p;
	}
	if (next && next->tcp.seq == end)
		join(first, next);
	return first;
}

void tcp_ooo_insert(struct tcp_pcb *pcb, struct pktbuf *p)
{
	uint32_t start = p->tcp.seq, end = p->tcp.seq_end;
	struct pktbuf *first, *prev, *next;

	if (!find_run(pcb, start, &first)) {
		COUNT(pcb->st, TcpOfoDrops);
		pktbuf_free(p);
		return;
	}
	prev = first ? first->tcp.run : NULL;
	if (prev && seq_ge(prev->tcp.seq_end, end)) {
		tcp_dsack_set(pcb, start, end);
		report(pcb, first); /* RFC 2883 4 (5): then the larger block it lies in */
		pktbuf_free(p);
		return;
	}
	if (prev && seq_gt(prev->tcp.seq_end, start)) {
		tcp_dsack_set(pcb, start, prev->tcp.seq_end);
		tcp_cut_front(p, prev->tcp.seq_end);
	}
	COUNT(pcb->st, TcpOfoQueue);
	pcb->rcv_ooopack++;
	next = drop_covered(pcb, prev, end);
	if (next)
		tcp_cut_back(p, next->tcp.seq);
	report(pcb, put_between(pcb, first, p, next));
}
