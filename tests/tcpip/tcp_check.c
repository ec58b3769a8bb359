/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tcpip/tcp_check.h"

#define MUST(what)                                                                                 \
	do {                                                                                       \
		if (!(what))                                                                       \
			return #what;                                                              \
	} while (0)

/* What a buffer's run passes over is SACKed; until: the last of the widest run we are in. */
static const char *check_run(const struct pktbuf *b, const struct pktbuf **until)
{
	bool sacked = b->tcp.sacked & TCP_SACKED;

	MUST(!*until || sacked);
	if (sacked && b->tcp.run && (!*until || seq_gt(b->tcp.run->tcp.seq, (*until)->tcp.seq)))
		*until = b->tcp.run;
	if (b == *until)
		*until = NULL;
	return NULL;
}

static const char *check_send(const struct tcp_pcb *pcb)
{
	uint32_t out = 0, sacked = 0, lost = 0, again = 0, bufs = 0;
	const struct pktbuf *b, *until = NULL;
	const char *bad;
	bool sent = true;

	for (b = pcb->snd_head; b; b = b->tcp.link) {
		bad = check_run(b, &until);
		if (bad)
			return bad;
		if (b == pcb->snd_next)
			sent = false;
		bufs++;
		out += sent;
		sacked += sent && (b->tcp.sacked & TCP_SACKED);
		lost += sent && (b->tcp.sacked & TCP_LOST);
		again += sent && (b->tcp.sacked & TCP_RETRANS);
		if (b->tcp.link)
			MUST(b->tcp.seq_end == b->tcp.link->tcp.seq);
		else
			MUST(b == pcb->snd_tail);
	}
	MUST(!until);
	MUST(bufs == pcb->snd_bufs);
	MUST(out == pcb->packets_out);
	MUST(!pcb->sack_ok || sacked == pcb->sacked_out);
	MUST(lost == pcb->lost_out);
	MUST(again == pcb->retrans_out);
	return NULL;
}

static const char *check_receive(const struct tcp_pcb *pcb)
{
	const struct pktbuf *b, *first = NULL;
	uint32_t rcv = 0, bytes = 0;

	for (b = pcb->rcvq.head; b; b = b->next, rcv++)
		bytes += b->len;
	MUST(bytes == pcb->rcvq_bytes);
	for (b = pcb->ooo_head; b; b = b->next, rcv++) {
		MUST(seq_gt(b->tcp.seq, pcb->rcv_nxt));
		MUST(b->len == b->tcp.seq_end - b->tcp.seq);
		if (!first)
			first = b;
		if (b->next)
			MUST(seq_le(b->tcp.seq_end, b->next->tcp.seq));
		else
			MUST(b == pcb->ooo_tail);
		if (!b->next || b->tcp.seq_end != b->next->tcp.seq) { /* a run ends */
			MUST(first->tcp.run == b && b->tcp.link == first);
			first = NULL;
		}
	}
	MUST(rcv == pcb->rcv_bufs);
	return NULL;
}

const char *tcp_check(const struct tcp_pcb *pcb)
{
	const char *bad = check_send(pcb);

	if (!bad)
		bad = check_receive(pcb);
	if (bad)
		return bad;
	/* Something is in flight or waits for the window or its time: then a timer runs. */
	if (TCPS_IN(pcb->state, TCPS_HAS_SENT) && (pcb->packets_out || pcb->snd_next) &&
	    !pcb->out_pprev)
		MUST(timer_armed(&pcb->rexmit) || (!pcb->packets_out && timer_armed(&pcb->pace)));
	return NULL;
}

const char *tcp_check_all(const struct stack *st)
{
	const struct tcp_pcb *pcb;
	const char *bad = NULL;
	uint32_t i;

	for (i = 0; i < st->tcp_pcbs.high && !bad; i++) {
		pcb = pool_at(&st->tcp_pcbs, i);
		if (pcb->state && !pcb->dead)
			bad = tcp_check(pcb);
	}
	return bad;
}
