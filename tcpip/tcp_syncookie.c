/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies, RFC 4987 3.6: while a listener's SYN queue is full, what a handshake must remember
 * goes out in the SYN-ACK and comes back with the ACK, so that a flood of SYNs costs no memory.
 * Called by tcp_listen.c.
 *
 *	sequence number   31..27 time in steps of 64 s | 26..24 MSS by table, both under a keyed
 *			  mask | 23..0 keyed hash
 *	timestamp	  5 ECN asked for | 4 SACK permitted | 3..0 the peer's window scale, or 15
 *
 * Without timestamps the connection does without scale, SACK and ECN, as on Linux. A cookie is good
 * for 64 to 128 s; one is looked for only while some were sent lately. Of the 2^32 numbers 16 are
 * good for one handshake at a time (2 steps, 8 sizes), and as the mask is the handshake's own, who
 * knows the time and the size knows no more of them: a guess succeeds with 2^-28. Without it he had
 * to guess the hash alone, 2^-24. (Linux, with 4 sizes and a mask of all bits: 2^-29.)
 */
#include "tcpip/tcp.h"

#define STEP	 (64 * TCP_S)
#define STEPS	 2u
#define NO_SCALE 15u
#define BIT_SACK 16u
#define BIT_ECN	 32u
#define TS_BITS	 63u
#define MASK	 0xff000000u

static const uint16_t mss_of[8] = {TCP_MSS_MIN, 216, 536, 1220, 1360, 1440, 1452, 1460};

static uint32_t mss_index(const struct tcp_opts *o)
{
	uint32_t mss = o->has_mss ? o->mss : TCP_MSS_DEFAULT, i = 7;

	while (i && mss_of[i] > mss)
		i--;
	return i;
}

/* The salt is no step's for another thousand years. */
static uint32_t mask(const struct stack *st, const struct tcp_seg *seg, uint32_t irs)
{
	return tcp_cookie_hash(st, seg, irs, UINT32_MAX) & MASK;
}

/* Before the mask. */
static uint32_t cookie(const struct stack *st, const struct tcp_seg *seg, uint32_t irs,
		       uint32_t step, uint32_t index)
{
	uint32_t hash = tcp_cookie_hash(st, seg, irs, step << 3 | index);

	return (step & 31) << 27 | index << 24 | (hash & ~MASK);
}

/* The clock of the connection, its low bits given to what the SYN offered; never ahead of it. */
static uint32_t stamp(const struct stack *st, const struct tcp_seg *seg, bool ecn)
{
	const struct tcp_settings *set = &st->tcp->set;
	const struct tcp_opts *o = &seg->h.opts;
	uint32_t now = (uint32_t)(st->now / TCP_MS), ts, bits = NO_SCALE;

	if (o->has_wscale && set->window_scaling)
		bits = o->wscale > 14 ? 14 : o->wscale;
	bits |= o->sack_ok && set->sack ? BIT_SACK : 0;
	bits |= ecn ? BIT_ECN : 0;
	now += tcp_ts_offset(st, seg->ip->dst, seg->ip->src);
	ts = (now & ~TS_BITS) | bits;
	return seq_gt(ts, now) ? ts - TS_BITS - 1 : ts;
}

/* The SYN-ACK of a connection that does not exist. */
void tcp_cookie_send(struct tcp_pcb *l, const struct tcp_seg *seg)
{
	struct stack *st = l->st;
	struct tcp_pcb like = {.st = st, .passive = true}; /* what a child would say */
	struct ip4_args to = {
		.src = seg->ip->dst,
		.dst = seg->ip->src,
		.protocol = 6,
		.ttl = l->ttl,
		.tos = l->tos,
		.df = true,
	};
	struct tcp_hdr h = {.sport = seg->h.dport, .dport = seg->h.sport, .ack = seg->seq + 1};
	struct pktbuf *p = pktbuf_alloc(st->pool);
	bool ts = seg->h.opts.has_ts && st->tcp->set.timestamps;

	if (!p)
		return;
	like.remote_ip = seg->ip->src;
	like.rcvbuf = l->rcvbuf;
	like.window_clamp = l->window_clamp;
	like.user_mss = l->user_mss;
	if (ts) /* else there is nowhere to remember that ECN was agreed upon */
		tcp_ecn_syn_in(&like, seg);
	tcp_rcv_init(&like);
	h.flags = (uint8_t)(TCP_SYN | TCP_ACK | (like.ecn_ok ? TCP_ECE : 0));
	h.seq = cookie(st, seg, seg->seq, (uint32_t)(st->now / STEP), mss_index(&seg->h.opts)) ^
		mask(st, seg, seg->seq);
	h.window = (uint16_t)(like.rcv_adv - like.rcv_nxt);
	h.opts.has_mss = true;
	h.opts.mss = tcp_mss_to_announce(&like);
	if (ts) {
		h.opts.has_ts = true;
		h.opts.ts_val = stamp(st, seg, like.ecn_ok);
		h.opts.ts_ecr = seg->h.opts.ts_val;
		h.opts.sack_ok = seg->h.opts.sack_ok && st->tcp->set.sack;
		h.opts.has_wscale = seg->h.opts.has_wscale && st->tcp->set.window_scaling;
		h.opts.wscale = TCP_WSCALE;
	}
	(void)pktbuf_push(p, (uint16_t)tcp_build_len(&h));
	(void)tcp_build(pktbuf_data(p), &h);
	l->cookie_at = st->now;
	COUNT(st, TcpSyncookiesSent);
	COUNT(st, TcpOutSegs);
	(void)ip4_out(st, p, &to);
}

/* The options of the SYN that we answered, as far as they came back. */
static void remembered(const struct tcp_seg *seg, uint32_t index, struct tcp_hdr *syn)
{
	uint32_t bits = seg->h.opts.ts_ecr;

	syn->opts = (struct tcp_opts){.has_mss = true, .mss = mss_of[index]};
	if (!seg->h.opts.has_ts)
		return;
	syn->opts.has_ts = true;
	syn->opts.ts_val = seg->h.opts.ts_val;
	syn->opts.sack_ok = bits & BIT_SACK;
	syn->opts.has_wscale = (bits & 15) != NO_SCALE;
	syn->opts.wscale = bits & 15;
}

bool tcp_cookie_in(struct tcp_pcb *l, const struct tcp_seg *seg, struct tcp_pcb **out)
{
	struct stack *st = l->st;
	uint32_t iss = seg->h.ack - 1, irs = seg->seq - 1, step = (uint32_t)(st->now / STEP);
	uint32_t bare, index, age;
	struct tcp_hdr syn = {0};
	struct tcp_pcb *pcb;

	*out = NULL;
	if (!l->cookie_at || st->now - l->cookie_at > STEPS * STEP)
		return false;
	bare = iss ^ mask(st, seg, irs);
	index = bare >> 24 & 7;
	age = (step - (bare >> 27)) & 31;
	if (age >= STEPS || cookie(st, seg, irs, step - age, index) != bare) {
		COUNT(st, TcpSyncookiesFailed);
		return false;
	}
	if (tcp_accept_full(l)) { /* no timer to try again: the peer's data will */
		COUNT(st, TcpListenOverflows);
		return true;
	}
	remembered(seg, index, &syn);
	pcb = tcp_listen_child(l, seg, &syn, irs, iss);
	if (!pcb)
		return true;
	COUNT(st, TcpSyncookiesRecv);
	if (syn.opts.has_ts && st->tcp->set.ecn)
		pcb->ecn_ok = seg->h.opts.ts_ecr & BIT_ECN;
	*out = pcb;
	return true;
}
