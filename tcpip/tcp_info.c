/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What TCP_INFO tells, as Linux defines it, and what is measured for it alone: the rate at which
 * data arrives (draft-cheng-iccrg-delivery-rate-estimation), what keeps the sender from more, and
 * how long timeouts cost. Called where these change (tcp_out.c, tcp_ack.c, tcp_data.c, tcp_timer.c)
 * and by tcp_sockopt.c.
 *
 * The draft takes a sample at each ACK and keeps for it three numbers with each segment. We take
 * one a round trip: of the last segment that a call sent while no sample ran. So a segment costs
 * nothing, and the sample still covers a whole flight.
 */
#include <string.h>

#include "tcpip/tcp.h"

/* ---- the delivery rate ---- */

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* 3.2: how far delivery had come when this segment went, and when the newest that had arrived by
 * then was sent. */
void tcp_rate_start(struct tcp_pcb *pcb)
{
	struct tcp_rate *r = &pcb->rate;

	r->on = true;
	r->seq = pcb->snd_nxt;
	r->from = pcb->delivered;
	r->from_at = later(r->delivered_at, r->began_at);
	r->sent_ns = pcb->st->now - later(pcb->rack_xmit, r->began_at);
	if (r->dry && seq_gt(pcb->delivered, r->dry_end))
		r->dry = false;
	r->on_limited = r->dry;
}

/* 3.3: over the longer of the times it took to send and to acknowledge, as ACKs may come in
 * clumps. What takes less than a round trip is such a clump. */
void tcp_rate_take(struct tcp_pcb *pcb)
{
	struct tcp_rate *r = &pcb->rate;
	uint64_t us = later(r->sent_ns, pcb->st->now - r->from_at) / TCP_US;
	uint32_t n = pcb->delivered - r->from;

	r->on = false;
	if (us == 0 || us < pcb->min_rtt_us || us > UINT32_MAX)
		return;
	/* A sample that the application kept low counts only if it is no lower than the last. */
	if (r->on_limited && (uint64_t)n * r->us < (uint64_t)r->delivered * us)
		return;
	r->delivered = n;
	r->us = (uint32_t)us;
	r->limited = r->on_limited;
}

/* 3.4: the application writes, and what it wrote before has run out while more could have been in
 * flight: what is in flight now says nothing about the path, nor what is sent before it arrived. */
void tcp_rate_dry(struct tcp_pcb *pcb)
{
	struct tcp_rate *r = &pcb->rate;

	r->dry = true;
	r->dry_end = pcb->delivered + tcp_flight(pcb);
}

/* ---- what keeps the sender from more ---- */

/* Is it the peer's window that holds the next segment? */
static bool window_holds(const struct tcp_pcb *pcb)
{
	const struct pktbuf *p = pcb->snd_next;
	uint32_t len = p->tcp.seq_end - p->tcp.seq;

	if (len > pcb->snd_mss)
		len = pcb->snd_mss;
	return seq_gt(p->tcp.seq + len, tcp_wnd_end(pcb)) && tcp_flight(pcb) < pcb->cwnd;
}

static enum tcp_busy busy_with(struct tcp_pcb *pcb)
{
	if (pcb->writer_waits && tcp_has_room(pcb))
		pcb->writer_waits = false;
	if (!pcb->snd_head)
		return TCP_IDLE;
	if (pcb->snd_next)
		return window_holds(pcb) ? TCP_RWND_LIMITED : TCP_BUSY;
	return pcb->writer_waits ? TCP_SNDBUF_LIMITED : TCP_BUSY;
}

void tcp_busy_note(struct tcp_pcb *pcb)
{
	uint64_t now = pcb->st->now;
	enum tcp_busy kind = busy_with(pcb);

	if (kind == pcb->busy)
		return;
	pcb->busy_ns[pcb->busy] += now - pcb->busy_at;
	pcb->busy = (uint8_t)kind;
	pcb->busy_at = now;
}

/* ---- timeouts ---- */

void tcp_rto_note(struct tcp_pcb *pcb)
{
	if (pcb->total_rto < UINT16_MAX)
		pcb->total_rto++;
	if (pcb->rto_since)
		return;
	pcb->rto_since = pcb->st->now;
	if (pcb->total_rto_recoveries < UINT16_MAX)
		pcb->total_rto_recoveries++;
}

static uint64_t rto_ns(const struct tcp_pcb *pcb)
{
	return pcb->rto_ns + (pcb->rto_since ? pcb->st->now - pcb->rto_since : 0);
}

void tcp_rto_over(struct tcp_pcb *pcb)
{
	pcb->rto_ns = rto_ns(pcb);
	pcb->rto_since = 0;
}

/* ---- all of it ---- */

static uint32_t ms_since(const struct tcp_pcb *pcb, uint64_t t)
{
	return t ? (uint32_t)((pcb->st->now - t) / TCP_MS) : 0;
}

static void info_counts(const struct tcp_pcb *pcb, struct tcp_info_abi *i)
{
	i->bytes_acked = pcb->bytes_acked;
	i->bytes_received = pcb->bytes_received;
	i->bytes_sent = pcb->bytes_sent;
	i->bytes_retrans = pcb->bytes_retrans;
	i->segs_out = pcb->segs_out;
	i->segs_in = pcb->segs_in;
	i->data_segs_in = pcb->data_segs_in;
	i->data_segs_out = pcb->data_segs_out;
	i->delivered = pcb->delivered;
	i->delivered_ce = pcb->ce_out;
	i->received_ce = pcb->ce_in;
	i->dsack_dups = pcb->dsack_dups;
	i->reord_seen = pcb->reord_count;
	i->rcv_ooopack = pcb->rcv_ooopack;
	i->total_retrans = pcb->total_retrans;
	i->total_rto = pcb->total_rto;
	i->total_rto_recoveries = pcb->total_rto_recoveries;
	i->total_rto_time = (uint32_t)(rto_ns(pcb) / TCP_MS);
}

static void info_rate(const struct tcp_pcb *pcb, struct tcp_info_abi *i)
{
	const struct tcp_rate *r = &pcb->rate;

	i->app_limited = (uint8_t)(r->limited | pcb->fo_fail << 1);
	if (r->us)
		i->delivery_rate = (uint64_t)r->delivered * pcb->snd_mss * 1000000 / r->us;
}

static void info_busy(const struct tcp_pcb *pcb, struct tcp_info_abi *i)
{
	uint64_t us[TCP_BUSY_KINDS], sum = 0;
	unsigned k;

	for (k = TCP_BUSY; k < TCP_BUSY_KINDS; k++) {
		us[k] = pcb->busy_ns[k] / TCP_US;
		if (pcb->busy == k)
			us[k] = (pcb->busy_ns[k] + pcb->st->now - pcb->busy_at) / TCP_US;
		sum += us[k];
	}
	i->busy_time = sum;
	i->rwnd_limited = us[TCP_RWND_LIMITED];
	i->sndbuf_limited = us[TCP_SNDBUF_LIMITED];
}

void tcp_info(const struct tcp_pcb *pcb, struct tcp_info_abi *i)
{
	int32_t wnd = (int32_t)(pcb->rcv_adv - pcb->rcv_nxt);

	memset(i, 0, sizeof(*i));
	i->state = pcb->state;
	i->ca_state = pcb->ca_state;
	i->retransmits = pcb->rexmit_kind == TCP_T_PERSIST ? 0 : pcb->backoff;
	i->probes = pcb->probes_out;
	i->backoff = pcb->backoff;
	i->options = (uint8_t)((pcb->ts_ok ? TCPI_TIMESTAMPS : 0) | (pcb->sack_ok ? TCPI_SACK : 0) |
			       (pcb->wscale_ok ? TCPI_WSCALE : 0) | (pcb->ecn_ok ? TCPI_ECN : 0) |
			       (pcb->syn_data ? TCPI_SYN_DATA : 0) |
			       (pcb->ecn_seen ? TCPI_ECN_SEEN : 0));
	i->wscale = (uint8_t)(pcb->snd_wscale | pcb->rcv_wscale << 4);
	if (pcb->state == TCPS_LISTEN) {
		i->unacked = pcb->accept_n;
		i->sacked = pcb->backlog;
		return;
	}
	i->rto = (uint32_t)(tcp_rto_ns(pcb) / TCP_US);
	i->ato = (uint32_t)(TCP_DELACK_MIN / TCP_US);
	i->snd_mss = pcb->snd_mss;
	i->rcv_mss = pcb->rcv_mss;
	i->unacked = pcb->packets_out;
	i->sacked = pcb->sacked_out;
	i->lost = pcb->lost_out;
	i->retrans = pcb->retrans_out;
	i->last_data_sent = ms_since(pcb, pcb->snd_time);
	i->last_data_recv = ms_since(pcb, pcb->rcv_time);
	i->last_ack_recv = ms_since(pcb, pcb->heard_time);
	i->pmtu = tcp_path_mtu(pcb);
	i->rtt = pcb->srtt_us;
	i->rttvar = pcb->rttvar_us;
	i->snd_ssthresh = pcb->ssthresh;
	i->snd_cwnd = pcb->cwnd;
	i->advmss = pcb->adv_mss;
	i->reordering = pcb->reordering;
	i->rcv_rtt = pcb->rcv_rtt_us;
	i->rcv_space = pcb->space;
	i->rcv_ssthresh = pcb->rcvbuf / 2;
	i->min_rtt = pcb->min_rtt_us;
	i->pacing_rate = tcp_pacing_rate(pcb);
	i->max_pacing_rate = pcb->max_pacing ? pcb->max_pacing : UINT64_MAX;
	i->notsent_bytes = pcb->snd_end - pcb->snd_nxt;
	i->snd_wnd = pcb->snd_wnd;
	i->rcv_wnd = wnd > 0 ? (uint32_t)wnd : 0;
	info_counts(pcb, i);
	info_rate(pcb, i);
	info_busy(pcb, i);
}
