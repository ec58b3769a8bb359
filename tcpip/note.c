/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes beside datagrams: the notes that recvmsg(2) hands out as control messages, and the
 * queue of errors that IP_RECVERR asks for (ip(7)): each a buffer with as much of the datagram as
 * the error quoted, and its names in the headroom. Of TCP the errors that ended an attempt to
 * connect, as in Linux, quoted from its header on. Called by udp.c, tcp_in.c and the calls; calls
 * route.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/ip6.h"
#include "tcpip/socket.h"

#define ERRORS_MAX   16u /* of a socket */
#define ORIGIN_LOCAL 1u	 /* SO_EE_ORIGIN_*, linux/errqueue.h */
#define ORIGIN_ICMP  2u
#define ORIGIN_ICMP6 3u

/* In a queued error's headroom. */
struct names {
	struct sock_addr at, offender;
};
_Static_assert(sizeof(struct names) <= PKTBUF_HEADROOM, "the names fit");

/* ---- the error queue ---------------------------------------------------------------------- */

/* Room for one more error of `so`, charged to its user; NULL: it goes untold, SO_ERROR says it. */
static struct pktbuf *new_error(struct socket *so, const struct names *names)
{
	struct pktbuf *p = so->errq.count < ERRORS_MAX ? pktbuf_alloc(so->st->pool) : NULL;

	if (!p)
		return NULL;
	if (!udp_charge(so, p)) {
		pktbuf_free(p);
		return NULL;
	}
	memcpy(p->buf, names, sizeof(*names));
	p->time = so->st->now;
	return p;
}

static uint16_t mtu_of(const struct icmp_quote *q)
{
	uint16_t mtu = q->rest & 0xffff;

	return ip_is6(q->ip->dst) ? mtu + (IP6_HDR_LEN - IP4_HDR_LEN) : mtu;
}

void note_icmp(struct socket *so, const struct icmp_quote *q, const struct sock_addr *to, int err)
{
	size_t head = so->kind == SOCK_KIND_UDP ? UDP_HDR_LEN : 0;
	struct names names = {.at = *to};
	struct pktbuf *p;

	sock_addr_out(so, &names.offender, q->from ? q->from : q->ip->src, 0);
	p = new_error(so, &names);
	if (!p)
		return;
	p->len = (uint16_t)(q->l4_len - head);
	if (p->len > PKTBUF_SIZE - PKTBUF_HEADROOM)
		p->len = PKTBUF_SIZE - PKTBUF_HEADROOM;
	memcpy(pktbuf_data(p), q->l4 + head, p->len);
	p->quote.err = (uint32_t)err;
	p->quote.info = err == EMSGSIZE ? mtu_of(q) : 0;
	p->quote.origin = ip_is6(q->ip->dst) ? ORIGIN_ICMP6 : ORIGIN_ICMP;
	p->quote.type = q->wire_type;
	p->quote.code = q->wire_code;
	pktbuf_queue_put(&so->errq, p);
}

/* What this host refused: Linux's ip_local_error. No datagram is quoted: the caller has it. */
void note_local(struct socket *so, const struct sock_addr *to, int err, uint32_t info)
{
	struct names names = {.at = *to};
	struct pktbuf *p = new_error(so, &names);

	if (!p)
		return;
	p->quote.err = (uint32_t)err;
	p->quote.info = info;
	p->quote.origin = ORIGIN_LOCAL;
	p->quote.type = p->quote.code = 0;
	pktbuf_queue_put(&so->errq, p);
	sock_ready(so, true);
}

void note_drop(struct socket *so)
{
	struct pktbuf *p;

	while ((p = pktbuf_queue_take(&so->errq)))
		pktbuf_free(p);
}

int64_t note_take(struct socket *so, uint64_t max, int flags, struct sock_slice *slices,
		  unsigned *n_slices, struct sock_addr *from, uint64_t *full)
{
	struct pktbuf *p = so->errq.head;
	struct names names;

	if (!p)
		return -EAGAIN;
	if (flags & MSG_PEEK) {
		pktbuf_hold(p);
	} else {
		pktbuf_queue_take(&so->errq);
		/* What was told here is not told again by SO_ERROR: that speaks of the next. */
		so->error = so->errq.head ? (int)so->errq.head->quote.err : 0;
		sock_ready(so, false);
	}
	memcpy(&names, p->buf, sizeof(names));
	if (from)
		*from = names.at;
	*full = p->len;
	return udp_slice_up(p, max, slices, n_slices);
}

/* ---- notes -------------------------------------------------------------------------------- */

static void note_error(const struct pktbuf *p, struct sock_note *note)
{
	struct names names;

	memcpy(&names, p->buf, sizeof(names));
	note->have |= NOTE_ERROR;
	note->at = names.at;
	note->offender = names.offender;
	note->err = p->quote.err;
	note->info = p->quote.info;
	note->origin = p->quote.origin;
	note->type = p->quote.type;
	note->code = p->quote.code;
}

/* Linux's fib_compute_spec_dst: of what came to many, an answer's source. */
static uint32_t answer_from(const struct socket *so, const struct pktbuf *p)
{
	const struct port *port = stack_port(so->st, p->udp.port + 1u);
	struct route_hit hit;

	if (addr_local4(so->st, p->udp.dst))
		return p->udp.dst;
	if (route_lookup4(so->st, p->udp.src, &hit) == 0 && hit.port == port)
		return hit.src;
	return port ? addr4_source(so->st, port) : 0;
}

void sock_recv_note(struct socket *so, const struct pktbuf *p, int flags, struct sock_note *note)
{
	note->have = 0;
	if (so->kind == SOCK_KIND_TCP && flags & MSG_OOB)
		return;
	if (so->timestamp || so->timestamp_ns) {
		note->have |= so->timestamp_ns ? NOTE_TIME_NS : NOTE_TIME;
		note->age = so->st->now > p->time ? so->st->now - p->time : 0;
	}
	if (flags & MSG_ERRQUEUE) {
		note_error(p, note);
		return;
	}
	if (so->kind == SOCK_KIND_TCP) {
		tcp_recv_note(so, note);
		return;
	}
	if (so->pktinfo) {
		note->have |= NOTE_PKTINFO;
		note->scope = p->udp.port + 1u;
	}
	if (so->recvttl) {
		note->have |= NOTE_TTL;
		note->ttl = p->udp.ttl;
	}
	if (so->recvtos) {
		note->have |= NOTE_TOS;
		note->tos = p->udp.tos;
	}
	if (note->have == 0)
		return;
	if (ip_is6(p->udp.dst)) { /* the handle may be another's by now: udp_from */
		memset(&note->at, 0, sizeof(note->at));
		note->at.family = AF_INET6;
		memcpy(note->at.addr, p->buf + p->l3_off + 24, 16); /* of the IPv6 header */
	} else {
		sock_addr_out(so, &note->at, p->udp.dst, 0);
		if (so->pktinfo)
			sock_addr_out(so, &note->offender, answer_from(so, p), 0);
	}
}
