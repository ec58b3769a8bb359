/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments of one flow that follow one another in a batch go up as one: a train. Connection, ACK,
 * window, timers and readiness are then looked at once for all of them. Called by tcp_in.c with
 * each sound segment and by stack.c when a batch ends; calls tcp_in.c's tcp_train_in() with a
 * train, tcp_seg_in() with a segment.
 *
 * Nobody can tell but by the time it takes. A segment joins only if it says nothing that the train
 * does not: in sequence, the same ACK, window, timestamps and TOS, no flag but ACK and, on the
 * last, PSH, every one but the last of the same length. Whatever else a flow sends comes behind its
 * train, so its order stays. And where a connection would not just put each segment into its queue,
 * the train is taken apart again.
 *
 *	seg.p -> next -> ... -> tail	each with tcp.seq, tcp.seq_end; data is the payload
 *
 * No train outlives its batch. So the addresses need not be held: a batch does not bring as many
 * new ones as handles are good for (ip6.h).
 */
#include "tcpip/tcp.h"

#define TRAIN_MAX 64u /* segments */

static bool same_flow(const struct tcp_train *t, const struct tcp_seg *seg)
{
	return t->seg.h.sport == seg->h.sport && t->seg.h.dport == seg->h.dport &&
	       t->ip.src == seg->ip->src && t->ip.dst == seg->ip->dst;
}

static struct tcp_train *find(struct tcp_gro *g, const struct tcp_seg *seg)
{
	uint32_t i;

	for (i = 0; i < g->n; i++)
		if (same_flow(&g->trains[i], seg))
			return &g->trains[i];
	return NULL;
}

/* A mark of congestion is counted by the segment. */
static bool may_begin(const struct tcp_seg *seg)
{
	return seg->len && seg->h.flags == TCP_ACK && !seg->h.opts.n_sack &&
	       (seg->ip->tos & 3) != IP_CE;
}

static bool joins(const struct tcp_train *t, const struct tcp_seg *seg)
{
	const struct tcp_hdr *a = &t->seg.h, *b = &seg->h;

	return seg->seq == t->seg.end && seg->len && seg->len <= t->seg.size &&
	       (b->flags | TCP_PSH) == (TCP_ACK | TCP_PSH) && b->ack == a->ack &&
	       b->window == a->window && !b->opts.n_sack && seg->ip->tos == t->ip.tos &&
	       b->opts.has_ts == a->opts.has_ts && b->opts.ts_val == a->opts.ts_val &&
	       b->opts.ts_ecr == a->opts.ts_ecr;
}

static void number(struct pktbuf *p, const struct tcp_seg *seg)
{
	p->tcp.seq = seg->seq;
	p->tcp.seq_end = seg->end;
	p->next = NULL;
}

static void begin(struct tcp_gro *g, const struct tcp_seg *seg)
{
	struct tcp_train *t = &g->trains[g->n++];

	t->seg = *seg;
	t->ip = *seg->ip;
	t->tail = seg->p;
	number(seg->p, seg);
}

static void join(struct tcp_train *t, const struct tcp_seg *seg)
{
	number(seg->p, seg);
	t->tail->next = seg->p;
	t->tail = seg->p;
	t->seg.end = seg->end;
	t->seg.len += seg->len;
	t->seg.n++;
}

/* One by one, as they came; only PSH is lost, which a receiver does not look at. */
static void apart(struct stack *st, const struct tcp_seg *train)
{
	struct pktbuf *p = train->p, *next;
	struct tcp_seg seg;

	for (; p; p = next) {
		next = p->next;
		seg = *train;
		seg.p = p;
		seg.h.seq = seg.seq = p->tcp.seq;
		seg.end = p->tcp.seq_end;
		seg.len = seg.size = p->len;
		seg.n = 1;
		tcp_seg_in(st, &seg);
	}
}

static void up(struct stack *st, struct tcp_train *t)
{
	t->seg.ip = &t->ip;
	if (t->seg.n == 1)
		tcp_seg_in(st, &t->seg);
	else if (!tcp_train_in(st, &t->seg))
		apart(st, &t->seg);
}

/* Its place is free then, or another's. */
static void take_up(struct stack *st, struct tcp_gro *g, struct tcp_train *t)
{
	up(st, t);
	if (t != &g->trains[--g->n])
		*t = g->trains[g->n];
}

void tcp_gro_in(struct stack *st, struct tcp_seg *seg)
{
	struct tcp_gro *g = &st->tcp->gro;
	struct tcp_train *t = find(g, seg);

	if (t && joins(t, seg)) {
		join(t, seg);
		/* A short one, too, is the last of what the peer wrote. */
		if (seg->h.flags & TCP_PSH || seg->len < t->seg.size || t->seg.n == TRAIN_MAX)
			take_up(st, g, t);
		return;
	}
	if (t)
		take_up(st, g, t);
	/* A piece, of whose flow nothing has gathered, is looked at as long as it is known of what.
	 */
	if (st->piece.of || !may_begin(seg)) {
		tcp_seg_in(st, seg);
		return;
	}
	if (g->n == TCP_TRAINS)
		take_up(st, g, &g->trains[0]);
	begin(g, seg);
}

void tcp_gro_flush(struct stack *st)
{
	struct tcp_gro *g = &st->tcp->gro;
	uint32_t i;

	for (i = 0; i < g->n; i++)
		up(st, &g->trains[i]);
	g->n = 0;
}
