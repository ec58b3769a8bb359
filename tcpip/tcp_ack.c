/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an ACK means: window, data that has arrived, round trip time (RFC 6298, RFC 7323), timers.
 * Called by tcp_in.c (RFC 9293 3.10.7.4, fifth step); calls tcp_sack.c for the scoreboard and
 * tcp_recovery.c for what follows from it.
 */
#include "tcpip/tcp.h"

void tcp_set_rto(struct tcp_pcb *pcb)
{
	uint64_t var = 4ull * pcb->rttvar_us, rto;

	/* The floor is for the variation, as Linux has it: it must cover a delayed ACK. */
	rto = pcb->srtt_us + (var > TCP_RTO_MIN_US ? var : TCP_RTO_MIN_US);
	pcb->rto_us = rto > TCP_RTO_MAX_US ? TCP_RTO_MAX_US : (uint32_t)rto;
}

/* RFC 6298 2. */
void tcp_rtt_sample(struct tcp_pcb *pcb, uint32_t rtt_us)
{
	int32_t delta;

	if (rtt_us == 0)
		rtt_us = 1;
	if (rtt_us > TCP_RTO_MAX_US)
		rtt_us = TCP_RTO_MAX_US;
	pcb->last_rtt_us = rtt_us;
	if (rtt_us < pcb->min_rtt_us)
		pcb->min_rtt_us = rtt_us;
	if (!pcb->srtt_us) {
		pcb->srtt_us = rtt_us;
		pcb->rttvar_us = rtt_us / 2;
	} else {
		delta = (int32_t)rtt_us - (int32_t)pcb->srtt_us;
		pcb->srtt_us = (uint32_t)((int32_t)pcb->srtt_us + delta / 8);
		if (delta < 0)
			delta = -delta;
		pcb->rttvar_us =
			(uint32_t)((int32_t)pcb->rttvar_us + (delta - (int32_t)pcb->rttvar_us) / 4);
		if (!pcb->srtt_us)
			pcb->srtt_us = 1;
	}
	tcp_set_rto(pcb);
}

/* RFC 9293 3.10.7.4: only a segment newer than the last that told may move the window. */
static void update_window(struct tcp_pcb *pcb, const struct tcp_seg *seg, struct tcp_ack_result *r)
{
	uint32_t wnd = (uint32_t)seg->h.window << pcb->snd_wscale;
	uint32_t seq = seg->seq + tcp_before_last(seg);

	if (!(seq_gt(seg->h.ack, pcb->snd_una) || seq_gt(seq, pcb->snd_wl1) ||
	      (seq == pcb->snd_wl1 && (wnd > pcb->snd_wnd || wnd == 0))))
		return;
	r->win_update = wnd != pcb->snd_wnd;
	pcb->snd_wl1 = seq;
	pcb->snd_wnd = wnd;
	if (wnd > pcb->max_window) {
		pcb->max_window = wnd;
		tcp_sync_mss(pcb);
	}
}

/* Drops one wholly acknowledged segment from the head of the queue. */
static void take_acked(struct tcp_pcb *pcb, struct pktbuf *p, struct tcp_ack_result *r)
{
	uint8_t was = p->tcp.sacked;

	if (!(was & TCP_SACKED)) {
		tcp_rack_update(pcb, p);
		r->delivered++;
		/* The first one: it waited longest for a delayed ACK, RTO must allow it. */
		if (!(was & TCP_EVER) && r->rtt_us < 0)
			r->rtt_us = (int64_t)((pcb->st->now - p->time) / TCP_US);
	}
	r->marks |= was;
	pcb->packets_out--;
	pcb->sacked_out -= (was & TCP_SACKED) != 0;
	pcb->lost_out -= (was & TCP_LOST) != 0;
	pcb->retrans_out -= (was & TCP_RETRANS) != 0;
	pcb->snd_head = p->tcp.link;
	if (!pcb->snd_head)
		pcb->snd_tail = NULL;
	pcb->snd_bufs--;
	pktbuf_free(p);
}

static void clean_queue(struct tcp_pcb *pcb, uint32_t ack, struct tcp_ack_result *r)
{
	struct pktbuf *p;
	uint32_t n;

	while ((p = pcb->snd_head) != pcb->snd_next) {
		if (seq_le(p->tcp.seq_end, ack)) {
			take_acked(pcb, p, r);
			continue;
		}
		if (seq_gt(ack, p->tcp.seq)) {
			n = ack - p->tcp.seq;
			p->tcp.seq = ack;
			p->tcp.payload_off += (uint16_t)n;
			p->tcp.payload_len -= (uint16_t)n;
		}
		break;
	}
}

/* Without a segment of our own that was sent once, the timestamp tells (RFC 7323 4). */
static void sample_rtt(struct tcp_pcb *pcb, const struct tcp_seg *seg, struct tcp_ack_result *r)
{
	int64_t rtt = r->rtt_us;

	if (rtt < 0)
		rtt = r->sack_rtt_us;
	if (rtt < 0 && r->advanced && pcb->ts_ok && seg->h.opts.has_ts && seg->h.opts.ts_ecr) {
		uint32_t ms = tcp_ts_now(pcb) - seg->h.opts.ts_ecr;

		if (ms < TCP_RTO_MAX_US / 1000)
			rtt = ms ? (int64_t)ms * 1000 : 1000;
		if (rtt >= 0 && pcb->srtt_us == 0 && pcb->min_rtt_us == UINT32_MAX)
			pcb->min_rtt_us = (uint32_t)rtt;
	}
	if (rtt >= 0)
		tcp_rtt_sample(pcb, (uint32_t)(rtt > TCP_RTO_MAX_US ? TCP_RTO_MAX_US : rtt));
}

/* A zero window that opened, or did not. */
static void after_probe(struct tcp_pcb *pcb)
{
	const struct pktbuf *p = pcb->snd_next;

	if (pcb->packets_out || !p)
		return;
	if (seq_le(p->tcp.seq_end, tcp_wnd_end(pcb))) {
		pcb->backoff = 0;
		pcb->stuck_since = 0;
		tcp_rexmit_stop(pcb);
	}
}

static void progress(struct tcp_pcb *pcb, uint32_t ack, struct tcp_ack_result *r)
{
	r->advanced = true;
	r->data_acked = true;
	pcb->hop_hint = PKTBUF_TX_REACHED;
	pcb->bytes_acked += ack - pcb->snd_una;
	pcb->snd_una = ack;
	pcb->backoff = 0;
	pcb->stuck_since = 0;
	pcb->soft_error = 0;
	pcb->held = 0;
	pcb->rec_probes = 0;
	if (pcb->path_mtu)
		tcp_mtu_acked(pcb, ack);
	clean_queue(pcb, ack, r);
	/* What went once waited for what went again in front of it: its time says nothing. */
	if (r->marks & TCP_EVER)
		r->rtt_us = -1;
	if (seq_lt(pcb->high_sacked, ack))
		pcb->high_sacked = ack;
	if (seq_lt(pcb->snd_sml, ack))
		pcb->snd_sml = ack;
	if (pcb->snd_urg && seq_le(pcb->snd_up, ack))
		pcb->snd_urg = false;
}

bool tcp_ack(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	struct tcp_ack_result r = {.prior_una = pcb->snd_una,
				   .prior_flight = tcp_flight(pcb),
				   .rtt_us = -1,
				   .sack_rtt_us = -1};
	uint32_t ack = seg->h.ack;

	/* RFC 5961 5: an ACK of what was never sent, or far in the past, is nobody's. */
	if (seq_gt(ack, pcb->snd_nxt) || seq_lt(ack, pcb->snd_una - pcb->max_window)) {
		tcp_challenge_ack(pcb);
		return false;
	}
	pcb->probes_out = 0;
	r.ece = pcb->ecn_ok && (seg->h.flags & (TCP_ECE | TCP_SYN)) == TCP_ECE;
	if (pcb->sack_ok && seg->h.opts.n_sack)
		tcp_sack_in(pcb, seg, &r);
	if (seq_ge(ack, pcb->snd_una)) {
		update_window(pcb, seg, &r);
		if (ack != pcb->snd_una)
			progress(pcb, ack, &r);
		else
			r.dup = !seg->len && !r.win_update && !(seg->h.flags & (TCP_SYN | TCP_FIN));
	}
	if (pcb->ts_ok && seg->h.opts.has_ts)
		r.ecr = seg->h.opts.ts_ecr;
	sample_rtt(pcb, seg, &r);
	if (r.advanced)
		tcp_rto_restart(pcb);
	if (pcb->tlp_high_seq)
		tcp_probe_acked(pcb, ack, &r);
	if (r.delivered) {
		pcb->delivered += r.delivered;
		pcb->rate.delivered_at = pcb->st->now;
		if (pcb->rate.on && seq_ge(pcb->rack_fack, pcb->rate.seq))
			tcp_rate_take(pcb);
	}
	pcb->ce_out += r.ece ? r.delivered : 0;
	if (pcb->packets_out || r.advanced || r.dsack)
		tcp_recover(pcb, &r);
	tcp_tune_snd(pcb);
	after_probe(pcb);
	if (pcb->snd_next || pcb->lost_out > pcb->retrans_out || pcb->fin_owed)
		tcp_mark_pending(pcb);
	return true;
}
