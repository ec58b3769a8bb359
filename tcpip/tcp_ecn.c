/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Explicit congestion notification, RFC 3168: agreeing on it in the handshake, echoing marks to the
 * sender. What a mark does to the window is in tcp_recovery.c. Called by tcp_in.c, tcp_listen.c and
 * tcp_ctl.c.
 *
 * A peer that offers accurate ECN (AE, CWR and ECE on its SYN) gets the answer of RFC 3168, which
 * is how it learns that we do not speak it; we never set AE.
 */
#include "tcpip/tcp.h"

void tcp_ecn_syn_in(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	bool asked = (seg->h.flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR);

	/* 6.1.1: a SYN that could be marked breaks the rules; somebody rewrites these bits. */
	pcb->ecn_ok = asked && pcb->st->tcp->set.ecn && (seg->ip->tos & 3) == IP_NOT_ECT;
}

/* ECE alone agrees; ECE with CWR is our own SYN's, thrown back by a broken peer. */
void tcp_ecn_synack_in(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	pcb->ecn_ok = pcb->st->tcp->set.ecn == 1 && !pcb->syn_tries &&
		      (seg->h.flags & (TCP_ECE | TCP_CWR)) == TCP_ECE;
}

void tcp_ecn_in(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	uint8_t ecn = seg->ip->tos & 3;

	if (seg->h.flags & TCP_CWR)
		pcb->ecn_echo = false;
	pcb->ecn_seen |= ecn != IP_NOT_ECT;
	if (ecn != IP_CE || !seg->len)
		return;
	pcb->ce_in++;
	if (!pcb->ecn_echo && pcb->quick_acks < 2)
		pcb->quick_acks = 2; /* the sender shall know now */
	pcb->pingpong = false;
	pcb->ecn_echo = true;
}

uint8_t tcp_ecn_flags(struct tcp_pcb *pcb, unsigned flags)
{
	uint8_t add = 0;

	if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) /* 6.1.1.1: not on the second try */
		return pcb->st->tcp->set.ecn == 1 && !pcb->syn_tries ? TCP_ECE | TCP_CWR : 0;
	if (!pcb->ecn_ok || (flags & TCP_RST))
		return 0;
	if (flags & TCP_SYN)
		return TCP_ECE;
	if (pcb->ecn_echo)
		add = TCP_ECE;
	if (pcb->ecn_cwr && (flags & TCP_EMIT_ECT)) {
		pcb->ecn_cwr = false;
		add |= TCP_CWR;
	}
	return add;
}
