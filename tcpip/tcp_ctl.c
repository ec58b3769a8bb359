/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers and options of outgoing segments, and the segments that carry no data: ACK, SYN, RST,
 * probes, challenge ACKs (RFC 5961). Called by tcp_in.c, tcp_out.c, tcp_timer.c; calls ip4_out(),
 * which adds the checksum.
 */
#include <errno.h>
#include <string.h>

#include "tcpip/tcp.h"

#define CHALLENGE_PER_S 1000u

static void sack_options(const struct tcp_pcb *pcb, struct tcp_opts *o, uint32_t room)
{
	uint32_t max = pcb->ts_ok ? 3 : 4, i;

	if (room < 12)
		return;
	if (max > (room - 4) / 8)
		max = (room - 4) / 8;
	if (pcb->has_dsack) /* RFC 2883 4: first */
		o->sack[o->n_sack++] = pcb->dsack;
	for (i = 0; i < pcb->n_sack && o->n_sack < max; i++)
		o->sack[o->n_sack++] = pcb->sack[i];
}

/* What the longest segment leaves free, of the kind that p is of. */
static uint32_t sack_room(const struct tcp_pcb *pcb, const struct pktbuf *p)
{
	uint32_t len = pktbuf_total(p), most = p->more ? pcb->wire_mss : pcb->snd_mss;

	return len < most ? most - len : 0;
}

/* MSS option: what one datagram of the path's MTU holds (RFC 6691: no options taken off). */
uint16_t tcp_mss_to_announce(struct tcp_pcb *pcb)
{
	uint32_t mtu = ip4_mtu(pcb->st, pcb->remote_ip), mss = TCP_MSS_DEFAULT;

	if (mtu > IP4_HDR_LEN + TCP_HDR_LEN + TCP_MSS_MIN)
		mss = mtu - IP4_HDR_LEN - TCP_HDR_LEN;
	if (pcb->user_mss && mss > pcb->user_mss)
		mss = pcb->user_mss;
	pcb->adv_mss = (uint16_t)mss;
	return pcb->adv_mss;
}

static void syn_options(struct tcp_pcb *pcb, struct tcp_opts *o)
{
	bool offer = pcb->state == TCPS_SYN_SENT; /* everything; an answer, what was offered */
	const struct tcp_settings *set = &pcb->st->tcp->set;

	o->has_mss = true;
	o->mss = tcp_mss_to_announce(pcb);
	o->sack_ok = offer ? set->sack : pcb->sack_ok;
	o->has_wscale = offer ? set->window_scaling : pcb->wscale_ok;
	o->wscale = TCP_WSCALE;
	o->has_ts = offer ? set->timestamps : pcb->ts_ok;
	if (pcb->fo_tell && !pcb->syn_tries)
		tcp_fo_options(pcb, o);
}

static void ack_was_sent(struct tcp_pcb *pcb)
{
	pcb->rcv_wup = pcb->rcv_nxt;
	pcb->has_dsack = false;
	pcb->ack_owed = TCP_ACK_NONE;
	if (timer_armed(&pcb->delack))
		timer_cancel(&pcb->st->timers, &pcb->delack);
}

static void send_frame(struct tcp_pcb *pcb, struct pktbuf *p, bool ect)
{
	struct ip4_args to = {
		.src = pcb->local_ip,
		.dst = pcb->remote_ip,
		.protocol = 6,
		.ttl = pcb->ttl,
		.tos = (uint8_t)((pcb->tos & ~3) | (ect ? IP_ECT0 : 0)),
		.df = pcb->mtu_discover != PMTUDISC_DONT && pcb->mtu_discover < PMTUDISC_INTERFACE,
	};

	pcb->segs_out++;
	COUNT(pcb->st, TcpOutSegs);
	/* Not sent is lost on the way: timers repair both. */
	if (ip4_out(pcb->st, p, &to) == -EMSGSIZE)
		tcp_sync_mss(pcb);
}

void tcp_emit(struct tcp_pcb *pcb, struct pktbuf *p, uint32_t seq, unsigned flags)
{
	uint32_t wnd = tcp_rcv_window(pcb);
	struct tcp_hdr h;
	unsigned len;

	memset(&h, 0, offsetof(struct tcp_hdr, opts.sack)); /* which n_sack counts */
	h.sport = pcb->local_port;
	h.dport = pcb->remote_port;
	h.seq = seq;
	h.ack = flags & TCP_ACK ? pcb->rcv_nxt : 0;
	h.flags = (uint8_t)flags;
	if (pcb->ecn_ok || (flags & TCP_SYN))
		h.flags |= tcp_ecn_flags(pcb, flags);
	if (pcb->snd_urg)
		tcp_urg_out(pcb, seq, &h);
	if (flags & TCP_SYN) {
		syn_options(pcb, &h.opts);
		h.window = (uint16_t)(wnd > 65535 ? 65535 : wnd);
	} else {
		h.opts.has_ts = pcb->ts_ok;
		if (pcb->sack_ok && (pcb->n_sack || pcb->has_dsack))
			sack_options(pcb, &h.opts, sack_room(pcb, p));
		h.window = (uint16_t)(wnd >> pcb->rcv_wscale);
	}
	if (h.opts.has_ts) {
		h.opts.ts_val = tcp_ts_now(pcb);
		h.opts.ts_ecr = flags & TCP_ACK ? pcb->ts_recent : 0;
	}
	if (flags & TCP_ACK)
		ack_was_sent(pcb);
	p->flags = (p->flags & PKTBUF_TX_TSO) | pcb->hop_hint;
	pcb->hop_hint = 0;
	/* What nearly every segment has, without asking. */
	len = (flags & TCP_SYN) || h.opts.n_sack ? tcp_build_len(&h)
						 : TCP_HDR_LEN + (h.opts.has_ts ? TCP_TS_ROOM : 0);
	(void)pktbuf_push(p, (uint16_t)len);
	(void)tcp_build(pktbuf_data(p), &h);
	send_frame(pcb, p, pcb->ecn_ok && (flags & TCP_EMIT_ECT));
}

void tcp_send_ack(struct tcp_pcb *pcb)
{
	struct pktbuf *p = pktbuf_alloc(pcb->st->pool);

	if (!p) { /* again when buffers may be back */
		pcb->ack_owed = TCP_ACK_LATER;
		tcp_delack_arm(pcb);
		return;
	}
	if (pcb->quick_acks && !--pcb->quick_acks)
		pcb->rcv_lossy = false;
	tcp_emit(pcb, p, pcb->snd_nxt, TCP_ACK);
}

void tcp_send_probe(struct tcp_pcb *pcb)
{
	struct pktbuf *p = pktbuf_alloc(pcb->st->pool);

	if (p)
		tcp_emit(pcb, p, pcb->snd_una - 1, TCP_ACK);
}

int tcp_send_syn(struct tcp_pcb *pcb)
{
	struct pktbuf *p;

	/* It may wait for a neighbour that does not exist. */
	if (!quota_pktbuf(pcb->st, pcb->owner))
		return -ENOBUFS;
	p = pktbuf_alloc(pcb->st->pool);
	if (!p)
		return -ENOBUFS;
	pktbuf_charge(p, pcb->owner);
	if (pcb->state == TCPS_SYN_SENT && pcb->fo_pending && !pcb->syn_tries) {
		p->len = pcb->snd_head->tcp.payload_len;
		memcpy(pktbuf_data(p), pcb->snd_head->buf + pcb->snd_head->tcp.payload_off, p->len);
	}
	tcp_emit(pcb, p, pcb->iss, pcb->state == TCPS_SYN_RCVD ? TCP_SYN | TCP_ACK : TCP_SYN);
	return 0;
}

void tcp_send_rst(struct tcp_pcb *pcb)
{
	struct pktbuf *p = pktbuf_alloc(pcb->st->pool);

	if (!p)
		return;
	COUNT(pcb->st, TcpOutRsts);
	tcp_emit(pcb, p, pcb->snd_nxt, TCP_RST | TCP_ACK);
}

/* RFC 9293 3.10.7.1: believable to the sender of the segment, whatever it is. */
void tcp_answer_rst(struct stack *st, const struct tcp_seg *seg)
{
	struct ip4_args to = {.src = seg->ip->dst, .dst = seg->ip->src, .protocol = 6, .df = true};
	struct tcp_hdr h = {.sport = seg->h.dport, .dport = seg->h.sport, .flags = TCP_RST};
	struct pktbuf *p;

	if (seg->h.flags & TCP_RST || st->piece.follows) /* one answer a segment */
		return;
	p = pktbuf_alloc(st->pool);
	if (!p)
		return;
	if (seg->h.flags & TCP_ACK) {
		h.seq = seg->h.ack;
	} else {
		h.ack = seg->end;
		h.flags |= TCP_ACK;
	}
	(void)pktbuf_push(p, (uint16_t)tcp_build_len(&h));
	(void)tcp_build(pktbuf_data(p), &h);
	COUNT(st, TcpOutRsts);
	COUNT(st, TcpOutSegs);
	(void)ip4_out(st, p, &to);
}

/* RFC 5961 5 and 7: an ACK that lets a true peer repeat itself with the right number; no more a
 * second than an attacker could use to count them. */
void tcp_challenge_ack(struct tcp_pcb *pcb)
{
	struct stack *st = pcb->st;

	if (st->now - st->challenge_refill >= TCP_S) {
		st->challenge_refill = st->now;
		st->challenge_tokens = CHALLENGE_PER_S / 2 + stack_random(st) % CHALLENGE_PER_S;
	}
	if (!st->challenge_tokens)
		return;
	st->challenge_tokens--;
	COUNT(st, TcpChallengeAcks);
	tcp_send_ack(pcb);
}

/* Two ends that find each other's segments unacceptable must not answer each other for ever. */
void tcp_oow_ack(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	uint64_t now = pcb->st->now;

	if (seg->len == 0 && pcb->oow_ack_at && now - pcb->oow_ack_at < TCP_OOW_ACK_GAP)
		return;
	if (seg->len == 0)
		pcb->oow_ack_at = now;
	if (!pcb->st->piece.follows)
		tcp_send_ack(pcb);
}
