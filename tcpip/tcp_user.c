/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP's socket verbs: open, bind, listen, connect, accept, shutdown, close, readiness and rows.
 * Sending and receiving are in tcp_data.c, options in tcp_sockopt.c. Called by socket.c.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "tcpip/tcp.h"

#define BACKLOG_MAX 4096 /* Linux's somaxconn */

/* ---- open ---- */

void tcp_inherit(struct tcp_pcb *child, const struct tcp_pcb *from)
{
	child->client = from->client;
	child->families = from->families;
	child->rcvbuf = from->rcvbuf;
	child->sndbuf = from->sndbuf;
	child->rcvbuf_set = from->rcvbuf_set;
	child->sndbuf_set = from->sndbuf_set;
	child->linger_on = from->linger_on;
	child->linger_s = from->linger_s;
	child->nodelay = from->nodelay;
	child->cork = from->cork;
	child->keepalive = from->keepalive;
	child->tos = from->tos;
	child->ttl = from->ttl;
	child->syn_retries = from->syn_retries;
	child->user_mss = from->user_mss;
	child->keep_idle_s = from->keep_idle_s;
	child->keep_intvl_s = from->keep_intvl_s;
	child->keep_cnt = from->keep_cnt;
	child->user_timeout_ms = from->user_timeout_ms;
	child->linger2_s = from->linger2_s;
	child->defer_accept_s = from->defer_accept_s;
	child->window_clamp = from->window_clamp;
	child->notsent_lowat = from->notsent_lowat;
	child->reuse_at_bind = from->reuse_at_bind;
	child->reuseport_bind = from->reuseport_bind;
	child->cc = from->cc;
	child->max_pacing = from->max_pacing;
	child->mtu_discover = from->mtu_discover;
	child->oobinline = from->oobinline;
	child->inq = from->inq;
	child->save_syn = from->save_syn;
	child->fo_connect = from->fo_connect;
	child->fo_no_cookie = from->fo_no_cookie;
}

void tcp_sockopt_changed(struct socket *so)
{
	struct tcp_pcb *pcb = so->tcp;
	bool keepalive = pcb->keepalive;

	if (so->rcvbuf_set)
		pcb->rcvbuf = so->rcvbuf;
	if (so->sndbuf_set)
		pcb->sndbuf = so->sndbuf;
	pcb->rcvbuf_set = so->rcvbuf_set;
	pcb->sndbuf_set = so->sndbuf_set;
	pcb->linger_on = so->linger_on;
	pcb->linger_s = so->linger_s;
	pcb->keepalive = so->keepalive;
	pcb->tos = so->tos;
	pcb->ttl = so->ttl;
	pcb->max_pacing = so->max_pacing;
	pcb->mtu_discover = so->mtu_discover;
	pcb->oobinline = so->oobinline;
	pcb->families = so->families;
	pcb->reuse_at_bind = so->reuseaddr;
	pcb->reuseport_bind = so->reuseport;
	if (keepalive != pcb->keepalive)
		tcp_keep_arm(pcb);
	sock_ready(so, false);
}

int tcp_open(struct socket *so)
{
	struct tcp_pcb *pcb = tcp_pcb_alloc(so->st, so->owner);

	if (!pcb)
		return -ENOBUFS;
	pcb->so = so;
	pcb->client = so->client;
	so->tcp = pcb;
	pcb->rcvbuf = so->st->tcp->set.rmem_default;
	pcb->sndbuf = so->st->tcp->set.wmem_default;
	tcp_sockopt_changed(so);
	return 0;
}

/* ---- names ---- */

static void copy_names(struct socket *so)
{
	ip_set(so->st, &so->local_ip, so->tcp->local_ip);
	so->local_port = so->tcp->local_port;
	ip_set(so->st, &so->remote_ip, so->tcp->remote_ip);
	so->remote_port = so->tcp->remote_port;
}

static int take_port(struct socket *so, uint32_t ip, uint16_t port)
{
	struct tcp_pcb *pcb = so->tcp;
	int r = tcp_port_claim(pcb, ip, &port);

	if (r < 0)
		return r;
	ip_set(so->st, &pcb->local_ip, ip);
	pcb->local_port = port;
	pcb->port_chosen = true;
	tcp_bind_insert(pcb);
	so->bound = true;
	copy_names(so);
	return 0;
}

int tcp_bind(struct socket *so, uint32_t ip, uint16_t port)
{
	struct tcp_pcb *pcb = so->tcp;

	if (pcb->state != TCPS_CLOSED || pcb->local_port)
		return -EINVAL;
	if (port || !so->bind_no_port)
		return take_port(so, ip, port);
	/* connect() chooses it: other connections may have it too, to other peers. */
	ip_set(so->st, &pcb->local_ip, ip);
	so->ip_chosen = ip != 0;
	copy_names(so);
	return 0;
}

int tcp_listen(struct socket *so, int backlog)
{
	struct tcp_pcb *pcb = so->tcp;
	uint32_t n = backlog < 0 || backlog > BACKLOG_MAX ? BACKLOG_MAX : (uint32_t)backlog;
	int r;

	if (pcb->state != TCPS_CLOSED && pcb->state != TCPS_LISTEN)
		return -EINVAL;
	pcb->backlog = n;
	if (pcb->state == TCPS_LISTEN)
		return 0;
	if (!pcb->local_port) {
		r = take_port(so, pcb->local_ip, 0);
		if (r < 0)
			return r;
	} else if (tcp_port_conflict(pcb, pcb->local_ip, pcb->local_port)) {
		return -EADDRINUSE;
	}
	if (tcp_listen_crowded(pcb))
		return -EADDRINUSE;
	pcb->shut = 0;
	tcp_set_state(pcb, TCPS_LISTEN);
	tcp_listen_insert(pcb);
	sock_ready(so, false);
	return 0;
}

/* ---- connect ---- */

/* A socket whose connection ended may be connected again: it gets a new block. */
static int renew(struct socket *so)
{
	struct tcp_pcb *old = so->tcp, *pcb;

	if (!old->shut)
		return 0;
	pcb = tcp_pcb_alloc(so->st, so->owner);
	if (!pcb)
		return -ENOBUFS;
	tcp_inherit(pcb, old);
	if (old->port_chosen) {
		ip_set(so->st, &pcb->local_ip, old->local_ip);
		pcb->local_port = old->local_port;
		pcb->port_chosen = true;
		tcp_bind_insert(pcb);
	} else if (so->ip_chosen) {
		ip_set(so->st, &pcb->local_ip, old->local_ip);
	}
	pcb->so = so;
	so->tcp = pcb;
	so->connected = false;
	old->so = NULL;
	tcp_done(old, 0);
	tcp_reap(so->st);
	return 0;
}

/* The 4-tuple must be free; TIME-WAIT gives way when timestamps keep the two apart (RFC 6191). */
static int claim_tuple(struct tcp_pcb *pcb)
{
	struct stack *st = pcb->st;
	struct tcp_pcb *other;
	int r;

	pcb->iss = 0;
	if (!pcb->local_port) {
		r = tcp_port_ephemeral(pcb);
		if (r < 0)
			return r;
		tcp_bind_insert(pcb);
	} else {
		other = tcp_lookup(st, pcb->local_ip, pcb->local_port, pcb->remote_ip,
				   pcb->remote_port);
		if (other) {
			if (other->state != TCPS_TIME_WAIT || !other->ts_ok || other->so ||
			    st->now - other->ts_recent_time < TCP_S)
				return -EADDRNOTAVAIL;
			pcb->iss = other->snd_nxt + 65537;
			tcp_done(other, 0);
			tcp_reap(st);
		}
	}
	if (!pcb->iss)
		pcb->iss = tcp_iss(pcb);
	return 0;
}

void tcp_start_syn(struct tcp_pcb *pcb)
{
	pcb->fo_deferred = false;
	pcb->snd_time = pcb->st->now;
	COUNT(pcb->st, TcpActiveOpens);
	(void)tcp_send_syn(pcb); /* no buffer: the timer tries again */
	tcp_rexmit_arm(pcb, TCP_T_RTO, tcp_rto_ns(pcb));
	sock_ready(pcb->so, false);
}

int tcp_start(struct socket *so, uint32_t ip, uint16_t port)
{
	struct tcp_pcb *pcb = so->tcp;
	struct stack *st = so->st;
	struct route_hit hit;
	int r = route_lookup(st, ip, &hit);

	if (r < 0)
		return r;
	if (pcb->local_ip && ip_is6(pcb->local_ip) != ip_is6(ip))
		return -ENETUNREACH; /* bound to an address of the other family */
	if (!pcb->local_ip)
		ip_set(st, &pcb->local_ip, hit.src);
	ip_set(st, &pcb->remote_ip, ip);
	pcb->remote_port = port;
	r = claim_tuple(pcb);
	if (r < 0)
		return r;
	pcb->ts_offset = tcp_ts_offset(st, pcb->local_ip, pcb->remote_ip);
	pcb->snd_una = pcb->iss;
	pcb->snd_nxt = pcb->snd_end = pcb->pushed = pcb->snd_sml = pcb->iss + 1;
	tcp_set_state(pcb, TCPS_SYN_SENT);
	tcp_rcv_init(pcb);
	tcp_hash_insert(pcb);
	copy_names(so);
	if (pcb->fo_deferred)
		return 0;
	tcp_start_syn(pcb);
	return -EINPROGRESS;
}

static int take_error(struct socket *so)
{
	int err = so->error;

	so->error = 0;
	sock_ready(so, false);
	return -err;
}

int tcp_connect(struct socket *so, uint32_t ip, uint16_t port)
{
	int r;

	switch (so->tcp->state) {
	case TCPS_CLOSED:
		if (so->error)
			return take_error(so);
		r = renew(so);
		if (r == 0) {
			so->tcp->fo_deferred = so->tcp->fo_connect && tcp_fo_prepare(so->tcp, ip);
			r = tcp_start(so, ip, port);
		}
		sock_ready(so, false); /* a start that failed still began anew */
		return r;
	case TCPS_SYN_SENT:
	case TCPS_SYN_RCVD:
		return so->tcp->fo_deferred ? -EISCONN : -EALREADY;
	case TCPS_LISTEN:
		return -EISCONN;
	default:
		/* The first call after the handshake learns that it succeeded. */
		if (so->connected)
			return -EISCONN;
		so->connected = true;
		return 0;
	}
}

/* ---- accept ---- */

bool tcp_accept_ready(const struct socket *so)
{
	return so->tcp->state == TCPS_LISTEN && so->tcp->accept_q;
}

int tcp_accept(struct socket *listener, struct socket *so)
{
	struct tcp_pcb *pcb;

	if (listener->tcp->state != TCPS_LISTEN)
		return -EINVAL;
	pcb = listener->tcp->accept_q;
	if (!pcb)
		return -EAGAIN;
	tcp_listener_forget(pcb);
	pcb->so = so;
	pcb->client = so->client;
	so->tcp = pcb;
	so->connected = true;
	so->bound = true;
	so->reuseaddr = listener->reuseaddr;
	so->reuseport = listener->reuseport;
	so->oobinline = listener->oobinline;
	so->dontroute = listener->dontroute;
	so->priority = listener->priority;
	so->mark = listener->mark;
	so->mtu_discover = listener->mtu_discover;
	so->recverr = listener->recverr;
	so->timestamp = listener->timestamp;
	so->timestamp_ns = listener->timestamp_ns;
	so->max_pacing = pcb->max_pacing;
	so->rcvtimeo_us = listener->rcvtimeo_us;
	so->sndtimeo_us = listener->sndtimeo_us;
	so->rcvlowat = listener->rcvlowat;
	so->rcvbuf = pcb->rcvbuf;
	so->sndbuf = pcb->sndbuf;
	so->rcvbuf_set = pcb->rcvbuf_set;
	so->sndbuf_set = pcb->sndbuf_set;
	so->keepalive = pcb->keepalive;
	so->linger_on = pcb->linger_on;
	so->linger_s = pcb->linger_s;
	so->tos = pcb->tos;
	so->ttl = pcb->ttl;
	copy_names(so);
	sock_ready(listener, false);
	return 0;
}

int tcp_unaccept(struct socket *listener, struct socket *so)
{
	struct tcp_pcb *pcb = so->tcp;

	if (!listener->tcp || listener->tcp->state != TCPS_LISTEN || !pcb ||
	    pcb->state == TCPS_CLOSED || !pcb->ever_accepted || pcb->listener)
		return -EINVAL;
	so->tcp = NULL;
	pcb->so = NULL;
	tcp_accept_return(listener->tcp, pcb);
	return 0;
}

/* ---- shutdown and close ---- */

int tcp_shutdown(struct socket *so, int how)
{
	struct tcp_pcb *pcb = so->tcp;
	uint8_t bits = how == 0 ? 1 : how == 1 ? 2 : 3;

	switch (pcb->state) {
	case TCPS_CLOSED:
	case TCPS_TIME_WAIT:
		tcp_wake(pcb);
		return -ENOTCONN;
	case TCPS_LISTEN:
		if (bits & 1) {
			tcp_listen_stop(pcb);
			tcp_done(pcb, 0);
			tcp_reap(so->st);
		}
		return 0;
	case TCPS_SYN_SENT:
		tcp_done(pcb, 0);
		return 0;
	default:
		break;
	}
	pcb->shut |= bits;
	if ((bits & 2) && TCPS_IN(pcb->state, TCPS_CAN_SEND | (1u << TCPS_SYN_RCVD)) &&
	    !pcb->fin_owed) {
		pcb->more = false;
		tcp_send_fin(pcb);
		tcp_output(pcb);
	}
	tcp_wake(pcb);
	return 0;
}

/* Nobody is left to read or write. RFC 9293 3.10.4, RFC 1122 4.2.2.13, RFC 2525 2.17. */
static void orphan(struct tcp_pcb *pcb)
{
	bool unread = pcb->rcvq_bytes > 0;

	tcp_purge_rcv(pcb);
	if (pcb->state == TCPS_TIME_WAIT) {
		tcp_time_wait_idle(pcb);
		return;
	}
	if ((pcb->state == TCPS_SYN_RCVD && !pcb->fo_pending) ||
	    (unread && pcb->state != TCPS_CLOSED) || (pcb->linger_on && pcb->linger_s == 0)) {
		tcp_abort(pcb, 0); /* what was not read was not delivered: the peer must know */
		return;
	}
	pcb->shut = 3;
	pcb->cork = pcb->more = false;
	if (TCPS_IN(pcb->state, TCPS_CAN_SEND | (1u << TCPS_SYN_RCVD)) && !pcb->fin_owed)
		tcp_send_fin(pcb);
	if (pcb->state == TCPS_FIN_WAIT_2 && pcb->linger2_s < 0)
		tcp_abort(pcb, 0);
	else
		tcp_keep_arm(pcb);
	/* From now on the shorter patience counts, from now. */
	if (pcb->stuck_since)
		pcb->stuck_since = pcb->st->now;
	tcp_output(pcb);
}

void tcp_close(struct socket *so)
{
	struct tcp_pcb *pcb = so->tcp;

	so->tcp = NULL;
	pcb->so = NULL;
	pcb->ever_accepted = true;
	switch (pcb->state) {
	case TCPS_LISTEN:
		tcp_listen_stop(pcb);
		tcp_done(pcb, 0);
		break;
	case TCPS_CLOSED:
	case TCPS_SYN_SENT:
		tcp_done(pcb, 0);
		break;
	default:
		orphan(pcb);
		break;
	}
	tcp_reap(so->st);
}

/* ---- readiness: Linux's tcp_poll ---- */

bool tcp_has_room(const struct tcp_pcb *pcb)
{
	uint32_t used = pcb->snd_bufs * PKTBUF_SIZE;

	if (pcb->notsent_lowat && pcb->snd_end - pcb->snd_nxt >= pcb->notsent_lowat)
		return false;
	return used + used / 2 <= pcb->sndbuf;
}

uint32_t tcp_events(const struct socket *so)
{
	const struct tcp_pcb *pcb = so->tcp;
	uint32_t ev = 0, lowat = so->rcvlowat > 0 ? (uint32_t)so->rcvlowat : 1;

	if (!pcb)
		return 0;
	if (pcb->state == TCPS_LISTEN)
		return pcb->accept_q ? POLLIN | POLLRDNORM : 0;
	if (pcb->state == TCPS_CLOSED || pcb->shut == 3) {
		ev |= POLLHUP;
		if (so->errq.head) /* what ended an attempt is queued, nothing else */
			ev |= POLLERR;
	}
	if (pcb->shut & 1)
		ev |= POLLIN | POLLRDNORM | POLLRDHUP;
	if (pcb->state != TCPS_SYN_SENT && (pcb->state != TCPS_SYN_RCVD || pcb->fo_pending)) {
		/* A window that small can never hold what lowat waits for. */
		if (lowat > pcb->rcvbuf / 4)
			lowat = pcb->rcvbuf / 4 ? pcb->rcvbuf / 4 : 1;
		if (pcb->urg_state != TCP_URG_NONE) {
			ev |= pcb->urg_state == TCP_URG_HERE ? POLLPRI : 0;
			/* Next is the urgent byte, of which a read brings nothing. */
			if (pcb->urg_seq == pcb->copied_seq && !pcb->oobinline)
				lowat++;
		}
		if (pcb->rcvq_bytes >= lowat)
			ev |= POLLIN | POLLRDNORM;
		if ((pcb->shut & 2) || tcp_has_room(pcb))
			ev |= POLLOUT | POLLWRNORM;
	} else if (pcb->fo_deferred) {
		ev |= POLLOUT | POLLWRNORM;
	}
	if (so->error)
		ev |= POLLERR;
	return ev;
}

/* ---- rows ---- */

static void fill_row(const struct tcp_pcb *pcb, struct sock_row *row)
{
	row->tcp_state = pcb->state;
	row->mss = pcb->snd_mss;
	row->rtt_us = pcb->srtt_us;
	row->cwnd = pcb->cwnd;
	row->retrans = pcb->total_retrans;
	if (pcb->state == TCPS_LISTEN) {
		row->recv_q = pcb->accept_n;
		row->send_q = pcb->backlog;
	} else {
		row->recv_q = pcb->rcvq_bytes;
		row->send_q = pcb->snd_end - pcb->snd_una;
	}
}

void tcp_row(const struct socket *so, struct sock_row *row)
{
	fill_row(so->tcp, row);
}

bool tcp_orphan_row(struct stack *st, uint32_t *cursor, struct sock_row *row)
{
	const struct tcp_pcb *pcb;

	while (*cursor < st->tcp_pcbs.high) {
		pcb = pool_at(&st->tcp_pcbs, (*cursor)++);
		if (!pcb->state || pcb->dead || pcb->so || pcb->state == TCPS_CLOSED)
			continue;
		row->type = 1; /* SOCK_STREAM */
		row->protocol = 6;
		row->client = pcb->client;
		row->local = addr_out(st, pcb->local_ip, 2 /* AF_INET */);
		row->remote = addr_out(st, pcb->remote_ip, 2);
		row->local_port = pcb->local_port;
		row->remote_port = pcb->remote_port;
		fill_row(pcb, row);
		return true;
	}
	return false;
}
