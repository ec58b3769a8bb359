/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A listener's side of the handshake: SYN queue, accept queue, backlog. Called by tcp_in.c for
 * segments that no connection claims and when a handshake ends; by tcp_user.c to stop listening.
 *
 * As on Linux: a SYN is dropped while the accept queue is full (the peer tries again), the SYN
 * queue holds at most `backlog` too and answers with cookies when it does (tcp_syncookie.c), and
 * the last ACK of a handshake is ignored while the accept queue is full (the SYN-ACK is sent
 * again). A handshake costs a whole control block, so all listeners together have a bound as well.
 */
#include <string.h>

#include "tcpip/tcp.h"

bool tcp_accept_full(const struct tcp_pcb *listener)
{
	return listener->accept_n > listener->backlog;
}

static void queue_push(struct tcp_pcb **at, struct tcp_pcb *pcb)
{
	pcb->queue_next = *at;
	if (*at)
		(*at)->queue_pprev = &pcb->queue_next;
	pcb->queue_pprev = at;
	*at = pcb;
}

/* Out of whichever of its listener's queues it is in. */
void tcp_listener_forget(struct tcp_pcb *pcb)
{
	struct tcp_pcb *l = pcb->listener;

	if (!l)
		return;
	if (pcb->queue_pprev) {
		if (l->accept_tail == &pcb->queue_next)
			l->accept_tail = pcb->queue_pprev;
		*pcb->queue_pprev = pcb->queue_next;
		if (pcb->queue_next)
			pcb->queue_next->queue_pprev = pcb->queue_pprev;
	}
	if (pcb->ever_accepted) {
		l->accept_n--;
	} else {
		l->syn_n--;
		pcb->st->tcp->syn_n--;
	}
	pcb->queue_pprev = NULL;
	pcb->queue_next = NULL;
	pcb->listener = NULL;
	if (l->so)
		sock_ready(l->so, false);
}

void tcp_accept_enqueue(struct tcp_pcb *pcb)
{
	struct tcp_pcb *l = pcb->listener;

	tcp_listener_forget(pcb);
	pcb->listener = l;
	pcb->ever_accepted = true;
	pcb->queue_next = NULL;
	pcb->queue_pprev = l->accept_tail;
	*l->accept_tail = pcb;
	l->accept_tail = &pcb->queue_next;
	l->accept_n++;
	COUNT(pcb->st, TcpPassiveOpens);
	tcp_wake(l);
}

void tcp_accept_return(struct tcp_pcb *listener, struct tcp_pcb *pcb)
{
	pcb->listener = listener;
	if (!listener->accept_q)
		listener->accept_tail = &pcb->queue_next;
	queue_push(&listener->accept_q, pcb);
	listener->accept_n++;
	tcp_wake(listener);
}

void tcp_listen_stop(struct tcp_pcb *listener)
{
	struct tcp_pcb *pcb;

	while ((pcb = listener->accept_q))
		tcp_abort(pcb, 0);
	while ((pcb = listener->syn_q))
		tcp_done(pcb, 0); /* silently: the peer's next segment finds nobody */
	tcp_fo_listen_stop(listener);
}

void tcp_parse_syn_opts(struct tcp_pcb *pcb, const struct tcp_hdr *h)
{
	const struct tcp_settings *set = &pcb->st->tcp->set;
	const struct tcp_opts *o = &h->opts;

	pcb->peer_mss = o->has_mss && o->mss ? o->mss : TCP_MSS_DEFAULT;
	pcb->sack_ok = o->sack_ok && set->sack;
	pcb->ts_ok = o->has_ts && set->timestamps;
	pcb->wscale_ok = o->has_wscale && set->window_scaling;
	if (pcb->wscale_ok) { /* RFC 7323 2.3: more than 14 means 14 */
		pcb->snd_wscale = o->wscale > 14 ? 14 : o->wscale;
		pcb->rcv_wscale = TCP_WSCALE;
	}
	if (pcb->ts_ok) {
		pcb->ts_recent = o->ts_val;
		pcb->ts_recent_time = pcb->st->now;
	}
}

struct tcp_pcb *tcp_listen_child(struct tcp_pcb *l, const struct tcp_seg *seg,
				 const struct tcp_hdr *syn, uint32_t irs, uint32_t iss)
{
	struct stack *st = l->st;
	struct tcp_pcb *pcb = tcp_pcb_alloc(st, l->owner);

	if (!pcb)
		return NULL;
	pcb->passive = true;
	ip_set(st, &pcb->local_ip, seg->ip->dst);
	ip_set(st, &pcb->remote_ip, seg->ip->src);
	pcb->local_port = seg->h.dport;
	pcb->remote_port = seg->h.sport;
	tcp_inherit(pcb, l);
	tcp_parse_syn_opts(pcb, syn);
	pcb->irs = irs;
	pcb->rcv_nxt = pcb->copied_seq = irs + 1;
	tcp_rcv_init(pcb);
	pcb->iss = iss ? iss : tcp_iss(pcb);
	pcb->ts_offset = tcp_ts_offset(st, pcb->local_ip, pcb->remote_ip);
	pcb->snd_una = pcb->iss;
	pcb->snd_nxt = pcb->snd_end = pcb->pushed = pcb->snd_sml = pcb->iss + 1;
	pcb->snd_wnd = seg->h.window;
	pcb->snd_wl1 = irs;
	tcp_set_state(pcb, TCPS_SYN_RCVD);
	tcp_hash_insert(pcb);
	tcp_bind_insert(pcb);
	pcb->listener = l;
	queue_push(&l->syn_q, pcb);
	l->syn_n++;
	st->tcp->syn_n++;
	return pcb;
}

/* A buffer is dear: not while they are short, nor beyond the user's share. */
static void save_syn(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	const struct pktbuf *p = seg->p;
	uint16_t len = (uint16_t)(p->off - p->l3_off);
	struct pktbuf *copy;

	if (tcp_pool_low(pcb->st) || len > PKTBUF_SIZE - PKTBUF_HEADROOM ||
	    !quota_pktbuf(pcb->st, pcb->owner))
		return;
	copy = pktbuf_alloc(pcb->st->pool);
	if (!copy)
		return;
	pktbuf_charge(copy, pcb->owner);
	copy->len = len;
	memcpy(pktbuf_data(copy), p->buf + p->l3_off, len);
	pcb->saved_syn = copy;
}

static void syn_in(struct tcp_pcb *l, struct tcp_seg *seg)
{
	struct stack *st = l->st;
	const struct tcp_table *t = st->tcp;
	bool full = l->syn_n > l->backlog || t->syn_n >= t->syn_max;
	struct tcp_pcb *pcb = NULL;

	if (tcp_accept_full(l)) {
		COUNT(st, TcpListenOverflows);
		COUNT(st, TcpListenDrops);
		return;
	}
	if (!full && t->set.syncookies < 2)
		pcb = tcp_listen_child(l, seg, &seg->h, seg->seq, 0);
	if (!pcb) {
		if (t->set.syncookies)
			tcp_cookie_send(l, seg);
		else
			COUNT(st, TcpListenDrops);
		return;
	}
	if (l->save_syn)
		save_syn(pcb, seg);
	tcp_ecn_syn_in(pcb, seg);
	pcb->snd_time = st->now;
	if (l->fo_max && (seg->h.opts.fo || (l->fo_no_cookie && seg->len)))
		tcp_fo_syn_in(pcb, seg);
	(void)tcp_send_syn(pcb); /* no buffer: the timer sends it again */
	tcp_rexmit_arm(pcb, TCP_T_RTO, tcp_rto_ns(pcb));
}

/* RFC 9293 3.10.7.2. */
struct tcp_pcb *tcp_listen_in(struct tcp_pcb *l, struct tcp_seg *seg)
{
	struct tcp_pcb *pcb = NULL;

	if (seg->h.flags & TCP_RST)
		return NULL;
	if (seg->h.flags & TCP_ACK) {
		if ((seg->h.flags & TCP_SYN) || !tcp_cookie_in(l, seg, &pcb))
			tcp_answer_rst(l->st, seg);
		return pcb;
	}
	if ((seg->h.flags & (TCP_SYN | TCP_FIN)) == TCP_SYN)
		syn_in(l, seg);
	return NULL;
}
