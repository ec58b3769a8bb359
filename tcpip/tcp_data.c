/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data between the application and TCP's queues: buffers for what it will write, the written put
 * behind the send queue, the received handed out as slices. Called by socket.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/tcp.h"

#define RESERVE_MAX 256u /* buffers a call: the work under the lock is bounded */

/* ---- sending ---- */

static int64_t send_error(struct socket *so)
{
	int err = so->error;

	if (err) {
		so->error = 0;
		sock_ready(so, false);
		return -err;
	}
	return -EPIPE;
}

/* 0, or why nothing can be sent now. */
static int64_t may_send(struct socket *so)
{
	const struct tcp_pcb *pcb = so->tcp;

	if (so->error || (pcb->shut & 2))
		return send_error(so);
	if (pcb->state == TCPS_SYN_RCVD && pcb->fo_pending)
		return 0; /* the peer has shown a cookie */
	if (pcb->state == TCPS_SYN_SENT || pcb->state == TCPS_SYN_RCVD)
		return -EAGAIN;
	return TCPS_IN(pcb->state, TCPS_CAN_SEND) ? 0 : -EPIPE;
}

/* Bytes that the last segment still takes: it has not been sent and nobody else holds it. */
static uint32_t tail_room(const struct tcp_pcb *pcb)
{
	const struct pktbuf *p = pcb->snd_tail;

	if (!pcb->snd_next || p->refs > 1 || (p->tcp.flags & TCP_FIN) ||
	    p->tcp.payload_len >= pcb->snd_mss)
		return 0;
	return pcb->snd_mss - p->tcp.payload_len;
}

uint32_t tcp_send_max(const struct tcp_pcb *pcb)
{
	uint32_t max = pcb->sndbuf / PKTBUF_SIZE, quarter = pcb->st->pool->count / 4;

	/* Whatever was asked for: one queue must not be all there is to send anything with. */
	if (max > quarter)
		max = quarter;
	return max < 2 ? 2 : max;
}

static uint32_t buffers_free(const struct tcp_pcb *pcb)
{
	uint32_t max = tcp_send_max(pcb);

	return max > pcb->snd_bufs ? max - pcb->snd_bufs : 0;
}

/* How many the stack has for it: of the last only one, and only for who has nothing queued. */
static uint32_t stack_has(const struct tcp_pcb *pcb)
{
	const struct pktbuf_pool *pool = pcb->st->pool;
	uint32_t low = pool->count / 16;

	if (pool->avail < low)
		return !pcb->snd_bufs;
	return pool->avail - low + 1;
}

/* All that was written is sent and the congestion window has room: the application is slow. */
static bool ran_dry(const struct tcp_pcb *pcb)
{
	return pcb->snd_end - pcb->snd_nxt < pcb->snd_mss && tcp_flight(pcb) < pcb->cwnd &&
	       pcb->lost_out <= pcb->retrans_out;
}

int64_t tcp_send_reserve(struct socket *so, uint64_t len, int flags, struct pktbuf **out)
{
	struct tcp_pcb *pcb = so->tcp;
	struct pktbuf_pool *pool = so->st->pool;
	uint32_t room = tail_room(pcb), n = buffers_free(pcb), has, quota, chunk;
	uint32_t *held = &pool->held[pcb->owner];
	struct pktbuf *p, **at = out;
	int64_t sum = 0, r = may_send(so);

	*out = NULL;
	if (r == -EAGAIN && pcb->fo_deferred)
		return tcp_fo_first_reserve(so, len, out);
	if (r == -EAGAIN && (flags & MSG_FASTOPEN) && pcb->state == TCPS_SYN_SENT)
		return -EALREADY; /* it is connect(2) too */
	if (r < 0 || len == 0)
		return r;
	if (room && n == 0)
		n = 1; /* costs nothing: it is copied into the last segment */
	if (n > RESERVE_MAX)
		n = RESERVE_MAX;
	quota = quota_left(so->st, pcb->owner, *held, pool->avail);
	if (n && !quota) {
		(void)quota_pktbuf(so->st, pcb->owner);
		sock_ready(so, false);
		/* With nothing queued no ACK will tell when there is room again. */
		return pcb->snd_bufs ? -EAGAIN : -ENOBUFS;
	}
	has = stack_has(pcb);
	if (has > quota)
		has = quota;
	for (; n && has && len; n--, has--) {
		p = pktbuf_alloc(pool);
		if (!p)
			break;
		p->owner = pcb->owner; /* pktbuf_charge of a new one */
		++*held;
		chunk = room ? room : pcb->snd_mss;
		room = 0;
		if (chunk > len)
			chunk = (uint32_t)len;
		p->len = (uint16_t)chunk;
		p->next = NULL;
		*at = p;
		at = &p->next;
		len -= chunk;
		sum += chunk;
	}
	if (sum)
		return sum;
	if (n) { /* the stack, not this connection, is out of buffers */
		pcb->starved = true;
		tcp_mark_pending(pcb);
	} else {
		pcb->writer_waits = true;
		tcp_busy_note(pcb);
	}
	sock_ready(so, false);
	return -EAGAIN;
}

void tcp_append(struct tcp_pcb *pcb, struct pktbuf *p)
{
	struct pktbuf *tail = pcb->snd_tail;
	uint32_t len = p->len;

	pcb->snd_end += len;
	if (tail_room(pcb) >= len &&
	    PKTBUF_SIZE - tail->tcp.payload_off - tail->tcp.payload_len >= len) {
		memcpy(tail->buf + tail->tcp.payload_off + tail->tcp.payload_len, pktbuf_data(p),
		       len);
		tail->tcp.payload_len += (uint16_t)len;
		tail->tcp.seq_end = pcb->snd_end;
		pktbuf_free(p);
		return;
	}
	p->tcp.seq = pcb->snd_end - len;
	p->tcp.seq_end = pcb->snd_end;
	p->tcp.flags = p->tcp.sacked = p->tcp.tx_count = p->tcp.pieces = 0;
	p->tcp.payload_off = p->off;
	p->tcp.payload_len = (uint16_t)len;
	p->tcp.link = NULL;
	if (tail)
		tail->tcp.link = p;
	else
		pcb->snd_head = p;
	pcb->snd_tail = p;
	if (!pcb->snd_next)
		pcb->snd_next = p;
	pcb->snd_bufs++;
}

int64_t tcp_send_commit(struct socket *so, struct pktbuf *list, uint64_t len, int flags)
{
	struct tcp_pcb *pcb = so->tcp;
	struct pktbuf *p;
	int64_t sum = 0, r = may_send(so);
	/* The peer's window without a PSH: let it read meanwhile. Twice the segments that half of
	 * it takes, as Linux, so that trains end there anyway. */
	uint32_t unpushed = pcb->max_window / 2 / pcb->snd_mss * pcb->snd_mss * 2;

	if (r < 0) {
		if (r == -EAGAIN && pcb->fo_deferred)
			return tcp_fo_first_commit(so, list, len);
		pktbuf_free_list(list);
		return r;
	}
	if (ran_dry(pcb))
		tcp_rate_dry(pcb);
	if (list && pcb->snd_next) /* what waits goes on: it ends with what is written now */
		pcb->snd_tail->tcp.flags &= (uint8_t)~TCP_PSH;
	while ((p = list) && len) {
		list = p->next;
		p->next = NULL;
		if (p->len > len)
			p->len = (uint16_t)len;
		len -= p->len;
		sum += p->len;
		tcp_append(pcb, p);
		if (pcb->snd_end - pcb->pushed >= unpushed) {
			pcb->snd_tail->tcp.flags |= TCP_PSH;
			pcb->pushed = pcb->snd_end;
		}
	}
	pktbuf_free_list(list);
	if (sum && (flags & MSG_OOB)) {
		pcb->snd_urg = true;
		pcb->snd_up = pcb->snd_end;
	}
	pcb->more = flags & MSG_MORE;
	if (sum && !pcb->more) {
		pcb->snd_tail->tcp.flags |= TCP_PSH;
		pcb->pushed = pcb->snd_end;
	}
	tcp_output(pcb);
	sock_ready(so, false);
	return sum;
}

/* Bytes of the send queue from `seq` on. */
static int64_t queued(const struct tcp_pcb *pcb, uint32_t seq)
{
	if (pcb->state == TCPS_LISTEN)
		return -EINVAL;
	if (pcb->state == TCPS_CLOSED || pcb->state == TCPS_SYN_SENT || pcb->state == TCPS_SYN_RCVD)
		return 0;
	return (int32_t)(pcb->snd_end - seq);
}

int64_t tcp_unsent(const struct socket *so)
{
	return queued(so->tcp, so->tcp->snd_una);
}

int64_t tcp_not_sent(const struct socket *so)
{
	return queued(so->tcp, so->tcp->snd_nxt);
}

/* ---- receiving ---- */

int64_t tcp_readable(const struct socket *so)
{
	const struct tcp_pcb *pcb = so->tcp;
	uint32_t ahead = pcb->urg_seq - pcb->copied_seq;

	if (pcb->state == TCPS_LISTEN)
		return -EINVAL;
	/* What a read would return: it stops at the mark. */
	if (pcb->urg_state && !pcb->oobinline && ahead < pcb->rcvq_bytes)
		return ahead;
	return pcb->rcvq_bytes;
}

void tcp_recv_note(const struct socket *so, struct sock_note *note)
{
	const struct tcp_pcb *pcb = so->tcp;

	if (!pcb->inq)
		return;
	note->have |= NOTE_INQ;
	note->info =
		pcb->rcvq_bytes ? pcb->rcvq_bytes : pcb->fin_seen; /* the end is worth a read */
}

/* The queue is empty: an error, the end, or not yet. */
static int64_t nothing_to_read(struct socket *so)
{
	const struct tcp_pcb *pcb = so->tcp;
	int err = so->error;

	if (err) {
		so->error = 0;
		sock_ready(so, false);
		return -err;
	}
	if (pcb->shut & 1)
		return 0;
	return pcb->state == TCPS_CLOSED ? -ENOTCONN : -EAGAIN;
}

static unsigned peek(struct tcp_pcb *pcb, uint64_t max, struct sock_slice *slices)
{
	struct pktbuf *p = pcb->rcvq.head;
	unsigned n = 0;

	if (max > pcb->rcvq_bytes)
		max = pcb->rcvq_bytes;
	if (pcb->urg_state) /* up to the mark, as a true receive would stop there */
		max = tcp_urg_limit(pcb, (uint32_t)max, false);
	for (; p && max && n < SOCK_SLICES; p = p->next, n++) {
		uint32_t len = p->len > max ? (uint32_t)max : p->len;

		pktbuf_hold(p);
		slices[n] = (struct sock_slice){p, pktbuf_data(p), len};
		max -= len;
	}
	return n;
}

static unsigned take(struct tcp_pcb *pcb, uint64_t max, struct sock_slice *slices)
{
	struct pktbuf *p;
	unsigned n = 0;

	if (max > pcb->rcvq_bytes)
		max = pcb->rcvq_bytes;
	if (pcb->urg_state)
		max = tcp_urg_limit(pcb, (uint32_t)max, true);
	for (; (p = pcb->rcvq.head) && max && n < SOCK_SLICES; n++) {
		uint32_t len = p->len > max ? (uint32_t)max : p->len;

		slices[n] = (struct sock_slice){p, pktbuf_data(p), len};
		if (len == p->len) {
			(void)pktbuf_queue_take(&pcb->rcvq); /* its reference goes along */
			pcb->rcv_bufs--;
		} else {
			pktbuf_hold(p);
			(void)pktbuf_pull(p, (uint16_t)len);
		}
		pcb->rcvq_bytes -= len;
		pcb->copied_seq += len;
		max -= len;
	}
	if (pcb->urg_state)
		tcp_urg_passed(pcb);
	return n;
}

int64_t tcp_recv_take(struct socket *so, uint64_t max, int flags, struct sock_slice *slices,
		      unsigned *n_slices)
{
	struct tcp_pcb *pcb = so->tcp;
	int64_t sum = 0;
	unsigned i;

	*n_slices = 0;
	if (pcb->state == TCPS_LISTEN)
		return -ENOTCONN;
	if (flags & MSG_OOB)
		return tcp_urg_take(so, max > 0, flags, slices, n_slices);
	if (!pcb->rcvq.head)
		return nothing_to_read(so);
	*n_slices = flags & MSG_PEEK ? peek(pcb, max, slices) : take(pcb, max, slices);
	if (!*n_slices) { /* there was the urgent byte and nothing else */
		sock_ready(so, false);
		return nothing_to_read(so);
	}
	for (i = 0; i < *n_slices; i++)
		sum += slices[i].len;
	if (!(flags & MSG_PEEK))
		tcp_tune_rcv(pcb);
	sock_ready(so, false);
	return sum;
}

/* A buffer of its own for a slice whose buffer others hold too; NULL where there is none. */
static struct pktbuf *apart(struct tcp_pcb *pcb, const struct sock_slice *s)
{
	struct pktbuf *p = pktbuf_alloc(pcb->st->pool);

	if (p) {
		pktbuf_charge(p, pcb->owner);
		memcpy(p->buf + (s->data - s->buf->buf), s->data, s->len);
	}
	pktbuf_free(s->buf);
	return p;
}

/*
 * Puts back a slice that could not be delivered. Of the last slice of a take the rest may be at the
 * queue's head, in the same buffer. If another reader holds a part of the buffer, or has taken that
 * rest since, the slice is put apart; then the order is no better than that of the readers.
 */
void tcp_recv_undo(struct socket *so, const struct sock_slice *s)
{
	struct tcp_pcb *pcb = so->tcp;
	struct pktbuf *p = s->buf;

	if (p == pcb->rcvq.head && pktbuf_data(p) == s->data + s->len) {
		(void)pktbuf_push(p, (uint16_t)s->len);
		pktbuf_free(p); /* the queue has its own reference */
	} else {
		uint16_t off = (uint16_t)(s->data - p->buf);

		if (p->refs > 1)
			p = apart(pcb, s);
		if (!p)
			return; /* lost: no buffer is left */
		p->off = off;
		p->len = (uint16_t)s->len;
		pktbuf_queue_put_first(&pcb->rcvq, p);
		pcb->rcv_bufs++;
	}
	pcb->rcvq_bytes += s->len;
	pcb->copied_seq -= s->len;
}

/* The application made room: tell the peer if it is worth a segment (RFC 9293 3.8.6.2.2), and send
 * an ACK that only waited for the reader's answer. */
void tcp_recv_done(struct socket *so)
{
	struct tcp_pcb *pcb = so->tcp;
	int32_t offered = (int32_t)(pcb->rcv_adv - pcb->rcv_nxt);
	uint32_t cur = offered > 0 ? (uint32_t)offered : 0, could;

	if (!TCPS_IN(pcb->state, TCPS_CAN_RCV) || pcb->fin_seen)
		return;
	could = tcp_rcv_could(pcb);
	if ((could > cur && could >= 2 * cur) ||
	    (pcb->ack_owed == TCP_ACK_LATER && pcb->rcv_nxt - pcb->rcv_wup > pcb->rcv_mss)) {
		tcp_send_ack(pcb);
		return;
	}
}
