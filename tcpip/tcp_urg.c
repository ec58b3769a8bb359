/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Urgent data (RFC 9293 3.8.5, RFC 6093) as Linux treats it: one byte, the last before the urgent
 * pointer, is kept apart from the stream and read with MSG_OOB, or left in it with SO_OOBINLINE; in
 * both cases an ordinary read stops before it once. A newer urgent byte replaces one not yet taken.
 * Readiness is POLLPRI; the owner is told by signal.c. Called by tcp_in.c, tcp_data.c, tcp_ctl.c.
 */
#include <errno.h>
#include <sys/socket.h>

#include "tcpip/tcp.h"

/* Takes the urgent byte out of the head of the queue: it is no part of the stream. */
static void drop_head_byte(struct tcp_pcb *pcb)
{
	struct pktbuf *p = pcb->rcvq.head;

	(void)pktbuf_pull(p, 1);
	pcb->rcvq_bytes--;
	pcb->copied_seq++;
	if (p->len)
		return;
	pcb->rcv_bufs--;
	pktbuf_free(pktbuf_queue_take(&pcb->rcvq));
}

static void announced(struct tcp_pcb *pcb, uint32_t at)
{
	/* Read already, or no newer than what is known. */
	if (seq_lt(at, pcb->copied_seq) || seq_lt(at, pcb->rcv_nxt))
		return;
	if (pcb->urg_state && !seq_gt(at, pcb->urg_seq))
		return;
	if (pcb->so)
		signal_owe(pcb->so);
	/* Nobody took the last one and it is next: it goes, else the mark would not be seen. */
	if (pcb->urg_state && pcb->urg_seq == pcb->copied_seq && !pcb->oobinline &&
	    pcb->rcvq.head && pcb->copied_seq != pcb->rcv_nxt)
		drop_head_byte(pcb);
	pcb->urg_state = TCP_URG_AWAITED;
	pcb->urg_seq = at;
	tcp_wake_later(pcb);
}

void tcp_urg_in(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	uint32_t off;

	if (!TCPS_IN(pcb->state, TCPS_CAN_RCV))
		return;
	/* The pointer names the byte behind; Linux and all others take the one before. */
	if (seg->h.flags & TCP_URG)
		announced(pcb, seg->seq + seg->h.urgent - (seg->h.urgent != 0));
	off = pcb->urg_seq - seg->seq;
	if (pcb->urg_state != TCP_URG_AWAITED || off >= seg->len ||
	    seq_ge(pcb->urg_seq, pcb->rcv_adv))
		return;
	pcb->urg_byte = pktbuf_data(seg->p)[off];
	pcb->urg_state = TCP_URG_HERE;
	tcp_wake_later(pcb);
}

uint32_t tcp_urg_limit(struct tcp_pcb *pcb, uint32_t len, bool taking)
{
	uint32_t ahead = pcb->urg_seq - pcb->copied_seq;

	if (ahead == 0 && len) { /* the mark was stopped at before: on */
		if (pcb->oobinline)
			return len;
		if (taking) {
			drop_head_byte(pcb);
			return len < pcb->rcvq_bytes ? len : pcb->rcvq_bytes;
		}
		return 0;
	}
	return ahead < len ? ahead : len;
}

void tcp_urg_passed(struct tcp_pcb *pcb)
{
	if (seq_gt(pcb->copied_seq, pcb->urg_seq))
		pcb->urg_state = TCP_URG_NONE;
}

int64_t tcp_urg_take(struct socket *so, bool room, int flags, struct sock_slice *slices,
		     unsigned *n_slices)
{
	struct tcp_pcb *pcb = so->tcp;
	struct pktbuf *p;

	if (pcb->oobinline || pcb->urg_state == TCP_URG_NONE || pcb->urg_state == TCP_URG_TAKEN)
		return -EINVAL;
	if (pcb->state == TCPS_CLOSED)
		return -ENOTCONN;
	if (pcb->urg_state == TCP_URG_AWAITED)
		return -EAGAIN;
	if (!room) { /* taken all the same, as in Linux */
		if (!(flags & MSG_PEEK))
			pcb->urg_state = TCP_URG_TAKEN;
		sock_ready(so, false);
		return 0;
	}
	p = pktbuf_alloc(so->st->pool);
	if (!p)
		return -ENOBUFS;
	pktbuf_charge(p, pcb->owner);
	*pktbuf_data(p) = pcb->urg_byte;
	p->len = 1;
	slices[0] = (struct sock_slice){p, pktbuf_data(p), 1};
	*n_slices = 1;
	if (!(flags & MSG_PEEK))
		pcb->urg_state = TCP_URG_TAKEN;
	sock_ready(so, false);
	return 1;
}

void tcp_urg_undo(struct socket *so)
{
	if (so->tcp->urg_state == TCP_URG_TAKEN)
		so->tcp->urg_state = TCP_URG_HERE;
}

/* Told in every segment up to the urgent byte, also where the pointer does not reach it yet. */
void tcp_urg_out(struct tcp_pcb *pcb, uint32_t seq, struct tcp_hdr *h)
{
	uint32_t ahead = pcb->snd_up - seq;

	if (!seq_lt(seq, pcb->snd_up) || (h->flags & (TCP_SYN | TCP_RST)))
		return;
	h->flags |= TCP_URG;
	h->urgent = (uint16_t)(ahead > 0xffff ? 0xffff : ahead);
}
