/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fast Open, RFC 7413: data on the SYN, for peers that have shown a cookie we gave them before.
 *
 * Server (TCP_FASTOPEN on a listener): the cookie is a keyed hash of both addresses, nothing is
 * remembered. With the right one the SYN's data is queued and the connection accepted at once; what
 * the program writes goes without waiting for the handshake's end, a FIN waits. Client (sendto with
 * MSG_FASTOPEN): the first time asks for a cookie and connects; later ones put up to one segment on
 * the SYN. With TCP_FASTOPEN_CONNECT connect() does the same: where there is a cookie the SYN is
 * deferred, and leaves with the first write. A SYN without an answer goes again bare, and that
 * server is left alone for an hour (4.1.3.1).
 *
 * Called by tcp_listen.c, tcp_in.c, tcp_ctl.c, tcp_timer.c, tcp_user.c, tcp_data.c and socket.c.
 */
#include <errno.h>
#include <string.h>

#include "tcpip/tcp.h"

#define COOKIE_LEN  8u
#define BROKEN_TIME (3600 * TCP_S)

enum { CLIENT = 1, SERVER = 2 }; /* of the setting */

/* ---- server ---- */

static void pend(struct tcp_pcb *pcb, struct tcp_pcb *l)
{
	pcb->fo_pending = true;
	pcb->st->tcp->fo_n++;
	l->fo_n++;
	pcb->fo_listener = l;
	pcb->fo_next = l->fo_next;
	if (pcb->fo_next)
		pcb->fo_next->fo_pprev = &pcb->fo_next;
	pcb->fo_pprev = &l->fo_next;
	l->fo_next = pcb;
}

static void leave(struct tcp_pcb *listener, struct tcp_pcb *pcb)
{
	listener->fo_n--;
	pcb->fo_listener = NULL;
	*pcb->fo_pprev = pcb->fo_next;
	if (pcb->fo_next)
		pcb->fo_next->fo_pprev = pcb->fo_pprev;
	pcb->fo_next = NULL;
}

void tcp_fo_listen_stop(struct tcp_pcb *listener)
{
	while (listener->fo_next)
		leave(listener, listener->fo_next);
}

/* 5.1: a bound for each listener, else spoofed SYNs exhaust us; all together have that of
 * handshakes, which these are no longer counted among. */
static bool room_for(const struct tcp_table *t, const struct tcp_pcb *l)
{
	return l->fo_n < l->fo_max && t->fo_n < t->syn_max;
}

/* The data as if it had come after the handshake; then the program may have it. */
static void accept_now(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	pend(pcb, pcb->listener);
	COUNT(pcb->st, TcpFastOpenPassive);
	pcb->max_window = pcb->snd_wnd;
	pcb->snd_sml = pcb->snd_una; /* a SYN-ACK is no small segment */
	tcp_sync_mss(pcb);
	if (seg->len) {
		pcb->syn_data = true;
		seg->seq++;
		tcp_rcv_data(pcb, seg);
		seg->seq--;
	}
	tcp_accept_enqueue(pcb);
}

void tcp_fo_syn_in(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	struct tcp_table *t = pcb->st->tcp;
	const struct tcp_opts *o = &seg->h.opts;
	uint64_t cookie = tcp_fo_cookie(pcb->st, pcb->local_ip, pcb->remote_ip);
	bool asked = !pcb->listener->fo_no_cookie;

	if (!(t->set.fastopen & SERVER))
		return;
	pcb->fo_exp = o->fo_exp; /* clients of before the RFC are answered in theirs */
	memcpy(pcb->fo_cookie, &cookie, COOKIE_LEN);
	pcb->fo_cookie_len = COOKIE_LEN;
	if (asked && (o->fo_len != COOKIE_LEN || memcmp(o->fo, &cookie, COOKIE_LEN) != 0)) {
		if (o->fo_len)
			COUNT(pcb->st, TcpFastOpenPassiveFail);
		pcb->fo_tell = true;
		return;
	}
	if (room_for(t, pcb->listener))
		accept_now(pcb, seg);
	else
		COUNT(pcb->st, TcpFastOpenPassiveFail);
}

void tcp_fo_end(struct tcp_pcb *pcb)
{
	if (pcb->fo_pending && pcb->passive)
		pcb->st->tcp->fo_n--;
	if (pcb->fo_listener)
		leave(pcb->fo_listener, pcb);
	pcb->fo_pending = pcb->fo_deferred = false;
}

/* ---- client ---- */

/* What is kept of a server; NULL: nothing. */
static struct tcp_fo_entry *known(struct stack *st, uint32_t ip)
{
	uint64_t who = tcp_fo_hash(st, 0, ip);
	struct tcp_fo_entry *e = &st->tcp->fo[who % TCP_FO_ENTRIES];

	return e->who == who ? e : NULL;
}

static bool is_broken(const struct stack *st, const struct tcp_fo_entry *e)
{
	return e && e->broken_at && st->now - e->broken_at < BROKEN_TIME;
}

/* What the SYN will have: a cookie, or the wish for one. May data go with it? */
bool tcp_fo_prepare(struct tcp_pcb *pcb, uint32_t ip)
{
	const struct tcp_fo_entry *e = known(pcb->st, ip);

	pcb->fo_cookie_len = 0;
	pcb->fo_tell = pcb->st->tcp->set.fastopen & CLIENT && !is_broken(pcb->st, e);
	if (!pcb->fo_tell)
		return false;
	if (e && e->len) {
		pcb->peer_mss = e->mss;
		pcb->fo_cookie_len = e->len;
		memcpy(pcb->fo_cookie, e->cookie, e->len);
	}
	if (pcb->fo_no_cookie || pcb->fo_cookie_len)
		return true;
	pcb->fo_fail = TCP_FO_NO_COOKIE;
	return false;
}

#define OPTIONS_MOST 40u

/* A buffer for what goes beside all the options a SYN could have: as much as Linux sends. */
static int64_t take_buffer(struct socket *so, uint32_t ip, uint64_t len, struct pktbuf **out)
{
	uint32_t most = ip4_mtu(so->st, ip), peer = so->tcp->peer_mss;

	if (!quota_pktbuf(so->st, so->owner))
		return -ENOBUFS;
	*out = pktbuf_alloc(so->st->pool);
	if (!*out)
		return -EAGAIN;
	pktbuf_charge(*out, so->owner);
	most = most > 576 ? most - IP4_HDR_LEN - TCP_HDR_LEN : TCP_MSS_DEFAULT;
	most = (peer < most ? peer : most) - OPTIONS_MOST;
	if (most > TCP_MSS_MAX)
		most = TCP_MSS_MAX;
	(*out)->len = (uint16_t)(len < most ? len : most);
	return (*out)->len;
}

int64_t tcp_fo_first_reserve(struct socket *so, uint64_t len, struct pktbuf **out)
{
	int64_t r = len ? take_buffer(so, so->tcp->remote_ip, len, out) : 0;

	if (r > 0)
		return r;
	/* It goes without data, which waits for the handshake. */
	tcp_start_syn(so->tcp);
	return -EINPROGRESS;
}

int64_t tcp_fo_first_commit(struct socket *so, struct pktbuf *list, uint64_t len)
{
	struct tcp_pcb *pcb = so->tcp;

	if (!list || list->next || !len) { /* not what was reserved for this */
		pktbuf_free_list(list);
		return len ? -EAGAIN : 0;
	}
	if (list->len > len)
		list->len = (uint16_t)len;
	len = list->len;
	pcb->fo_pending = true;
	pcb->snd_mss = TCP_MSS_MAX; /* one buffer, whatever the MSS will be */
	tcp_append(pcb, list);
	list->tcp.flags = TCP_PSH; /* if it goes again, and not on a SYN */
	pcb->pushed = pcb->snd_end;
	COUNT(so->st, TcpFastOpenActive);
	tcp_start_syn(pcb);
	return (int64_t)len;
}

int64_t tcp_fo_reserve(struct socket *so, uint32_t ip, uint16_t port, uint64_t len,
		       struct pktbuf **out)
{
	struct tcp_pcb *pcb = so->tcp;
	int r;

	if (!(so->st->tcp->set.fastopen & CLIENT))
		return -EOPNOTSUPP;
	if (so->error || pcb->shut)
		return tcp_connect(so, ip, port);
	if (tcp_fo_prepare(pcb, ip) && len)
		return take_buffer(so, ip, len, out);
	r = tcp_connect(so, ip, port);
	return r < 0 ? r : tcp_fo_first_reserve(so, len, out);
}

int64_t tcp_fo_commit(struct socket *so, uint32_t ip, uint16_t port, struct pktbuf *list,
		      uint64_t len)
{
	struct tcp_pcb *pcb = so->tcp;
	int r;

	if (pcb->shut || !tcp_fo_prepare(pcb, ip)) {
		pktbuf_free_list(list);
		return -EAGAIN; /* what was true at the reservation is no more */
	}
	pcb->fo_deferred = true;
	r = tcp_start(so, ip, port);
	if (r < 0) {
		pcb->fo_tell = pcb->fo_deferred = false;
		pktbuf_free_list(list);
		return r;
	}
	return tcp_fo_first_commit(so, list, len);
}

void tcp_fo_options(struct tcp_pcb *pcb, struct tcp_opts *o)
{
	o->fo = pcb->fo_cookie;
	o->fo_len = pcb->fo_cookie_len;
	o->fo_exp = pcb->fo_exp;
}

/* Does it acknowledge some of the SYN's data too? */
bool tcp_fo_acked(const struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	return pcb->fo_pending && seq_gt(seg->h.ack, pcb->iss + 1) &&
	       seq_le(seg->h.ack, pcb->snd_end);
}

static void remember(struct tcp_pcb *pcb, const struct tcp_opts *o)
{
	uint64_t who = tcp_fo_hash(pcb->st, 0, pcb->remote_ip);
	struct tcp_fo_entry *e = &pcb->st->tcp->fo[who % TCP_FO_ENTRIES];

	*e = (struct tcp_fo_entry){.who = who, .mss = pcb->peer_mss, .len = o->fo_len};
	if (e->mss < TCP_MSS_DEFAULT)
		e->len = 0; /* nothing worth a cookie would fit */
	memcpy(e->cookie, o->fo, o->fo_len);
}

void tcp_fo_answered(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	uint32_t taken = seg->h.ack - pcb->iss - 1;
	struct pktbuf *p = pcb->snd_head;

	if (pcb->fo_tell && seg->h.opts.fo && seg->h.opts.fo_len)
		remember(pcb, &seg->h.opts);
	if (pcb->fo_pending && !taken) {
		COUNT(pcb->st, TcpFastOpenActiveFail);
		pcb->fo_fail = pcb->syn_tries ? TCP_FO_SYN_AGAIN : TCP_FO_NOT_ACKED;
	}
	pcb->fo_pending = false;
	if (!taken)
		return; /* it goes as any other data */
	pcb->syn_data = true;
	pcb->snd_nxt = seg->h.ack;
	pcb->bytes_sent += taken;
	if (taken < p->tcp.payload_len) {
		p->tcp.seq += taken;
		p->tcp.payload_off += (uint16_t)taken;
		p->tcp.payload_len -= (uint16_t)taken;
		return;
	}
	pcb->snd_head = pcb->snd_next = p->tcp.link;
	if (!pcb->snd_head)
		pcb->snd_tail = NULL;
	pcb->snd_bufs--;
	pktbuf_free(p);
}

void tcp_fo_syn_lost(struct tcp_pcb *pcb)
{
	struct tcp_fo_entry *e = known(pcb->st, pcb->remote_ip);

	if (e)
		e->broken_at = pcb->st->now;
}
