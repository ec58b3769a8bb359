/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What loss means for the congestion window: fast recovery with PRR (RFC 6937), NewReno without
 * SACK (RFC 6582), the retransmission timeout (RFC 5681 3.1), and taking a reduction back that
 * proved needless (Eifel RFC 4015, DSACK RFC 3708). Which segments are lost is tcp_sack.c's
 * business; how far to reduce and grow, the congestion control's. Called by tcp_ack.c and
 * tcp_timer.c.
 */
#include "tcpip/tcp.h"

static void remember_for_undo(struct tcp_pcb *pcb)
{
	pcb->prior_cwnd = pcb->cwnd;
	pcb->prior_ssthresh = pcb->ssthresh;
	pcb->undo_marker = pcb->snd_una;
	pcb->undo_on = true;
	pcb->undo_sent = false;
	pcb->undo_retrans = 0;
	pcb->retrans_stamp = 0;
}

static void start_reduction(struct tcp_pcb *pcb, enum tcp_ca_state state)
{
	if (!tcp_in_reduction(pcb)) {
		remember_for_undo(pcb);
		pcb->ssthresh = pcb->cc->ssthresh(pcb);
		pcb->recover_fs = pcb->cwnd ? pcb->cwnd : 1;
		pcb->prr_delivered = 0;
		pcb->prr_out = 0;
		pcb->cwnd_cnt = 0;
		/* RFC 3168 6.1.2: the peer is told, whatever the cause. */
		pcb->ecn_cwr = pcb->ecn_ok;
	}
	pcb->tlp_high_seq = 0;
	pcb->high_seq = pcb->snd_nxt;
	pcb->ca_state = (uint8_t)state;
}

static void enter_recovery(struct tcp_pcb *pcb)
{
	COUNT(pcb->st, TcpFastRetrans);
	start_reduction(pcb, TCP_CA_RECOVERY);
}

/* RFC 3168 6.1.2: as a loss, once a round trip, but nothing is missing. */
static void congestion_marked(struct tcp_pcb *pcb)
{
	start_reduction(pcb, TCP_CA_CWR);
	pcb->undo_on = false;
}

/* RFC 6937 3. */
static void proportional_rate(struct tcp_pcb *pcb, const struct tcp_ack_result *r)
{
	uint32_t pipe = tcp_flight(pcb);
	int64_t sndcnt, limit;

	if (!r->delivered && pcb->prr_out)
		return;
	pcb->prr_delivered += r->delivered;
	if (pipe > pcb->ssthresh) {
		sndcnt = (int64_t)(((uint64_t)pcb->prr_delivered * pcb->ssthresh + pcb->recover_fs -
				    1) /
				   pcb->recover_fs) -
			 pcb->prr_out;
	} else {
		limit = (int64_t)pcb->prr_delivered - pcb->prr_out;
		if (limit < (int64_t)r->delivered)
			limit = r->delivered;
		if (r->advanced && !r->lost) /* going well: slow start's pace */
			limit++;
		sndcnt = (int64_t)pcb->ssthresh - pipe;
		if (sndcnt > limit)
			sndcnt = limit;
	}
	if (sndcnt < 0)
		sndcnt = 0;
	/* The fast retransmit, and the one that a partial ACK asks for (RFC 6582 3.2 step 3). */
	if (sndcnt == 0 && (!pcb->prr_out || (!pcb->sack_ok && r->lost)))
		sndcnt = 1;
	pcb->cwnd = pipe + (uint32_t)sndcnt;
}

static void to_open(struct tcp_pcb *pcb)
{
	pcb->ca_state = pcb->sacked_out ? TCP_CA_DISORDER : TCP_CA_OPEN;
	if (!pcb->retrans_out)
		pcb->retrans_stamp = 0;
}

static void take_back(struct tcp_pcb *pcb)
{
	uint32_t cwnd = pcb->cc->undo(pcb);

	if (cwnd > pcb->cwnd)
		pcb->cwnd = cwnd;
	if (pcb->prior_ssthresh > pcb->ssthresh)
		pcb->ssthresh = pcb->prior_ssthresh;
	pcb->undo_on = false;
	tcp_unmark_lost(pcb);
	tcp_rto_over(pcb);
	to_open(pcb);
}

/* Was the reduction needless? All retransmissions came as duplicates; or (Eifel) the ACK that moves
 * us on echoes a timestamp from before the first of them. */
static bool was_needless(const struct tcp_pcb *pcb, const struct tcp_ack_result *r)
{
	uint32_t stamp = (uint32_t)(pcb->retrans_stamp / TCP_MS) + pcb->ts_offset;

	if (!pcb->undo_on || !pcb->undo_sent)
		return false;
	if (pcb->undo_retrans == 0)
		return true;
	return r->advanced && pcb->ts_ok && pcb->retrans_stamp && r->ecr && seq_lt(r->ecr, stamp);
}

/* All that was in flight when the episode began is acknowledged. */
static void leave(struct tcp_pcb *pcb)
{
	if (tcp_in_reduction(pcb) && pcb->ssthresh < TCP_SSTHRESH_INF)
		pcb->cwnd = pcb->ssthresh > 1 ? pcb->ssthresh : 2;
	/* RFC 8985 6.2 step 4: 16 recoveries without a DSACK end the longer window. */
	if (pcb->reo_wnd_persist && --pcb->reo_wnd_persist == 0)
		pcb->reo_wnd_mult = 1;
	if (!pcb->sack_ok)
		pcb->sacked_out = 0;
	tcp_rto_over(pcb);
	to_open(pcb);
}

/* Without SACK each duplicate ACK says that one segment more has left the network; sacked_out
 * counts them, which is limited transmit (RFC 3042) and window inflation (RFC 6582) in one. */
static void count_dup_acks(struct tcp_pcb *pcb, struct tcp_ack_result *r)
{
	uint32_t most, acked = r->delivered;

	if (r->advanced && acked) { /* all but one of these had been counted */
		r->delivered = acked > pcb->sacked_out ? acked - pcb->sacked_out : 1;
		pcb->sacked_out = acked > pcb->sacked_out ? 0 : pcb->sacked_out - (acked - 1);
	}
	most = pcb->packets_out > pcb->lost_out ? pcb->packets_out - pcb->lost_out : 0;
	if (r->dup && pcb->sacked_out < most) {
		pcb->sacked_out++;
		r->delivered++;
	}
	if (pcb->sacked_out > most)
		pcb->sacked_out = most;
}

static void find_lost(struct tcp_pcb *pcb, struct tcp_ack_result *r)
{
	uint32_t before = pcb->lost_out;
	uint64_t wait;

	if (!pcb->packets_out)
		return;
	if (pcb->sack_ok) {
		if (!pcb->rack_advanced)
			return;
		wait = tcp_rack_detect(pcb);
		if (wait)
			tcp_rexmit_arm(pcb, TCP_T_REORDER, wait + 2 * TCP_MS);
	} else if (pcb->ca_state < TCP_CA_RECOVERY) {
		/* RFC 6582 3.2 step 2: duplicates of what an earlier recovery sent do not count. */
		if (pcb->sacked_out >= TCP_DUPTHRESH && seq_ge(pcb->snd_una, pcb->high_seq))
			tcp_mark_lost(pcb, pcb->snd_head);
	} else if (r->advanced && pcb->ca_state == TCP_CA_RECOVERY) {
		tcp_mark_lost(pcb, pcb->snd_head); /* a partial ACK: the next one is missing too */
	}
	if (pcb->lost_out > before)
		r->lost = pcb->lost_out - before;
}

/* A window that is not in full use is not tested by the path: it does not grow (RFC 7661). */
static bool window_used(const struct tcp_pcb *pcb)
{
	if (pcb->cwnd < pcb->ssthresh)
		return pcb->cwnd < 2 * pcb->cwnd_used;
	return pcb->cwnd_limited;
}

/* After a mark, only when something sent later is acknowledged: the CWR must have arrived, else the
 * echo of that same mark would reduce again. */
static bool episode_over(const struct tcp_pcb *pcb)
{
	if (pcb->ca_state == TCP_CA_CWR && pcb->snd_next)
		return seq_gt(pcb->snd_una, pcb->high_seq);
	return seq_ge(pcb->snd_una, pcb->high_seq);
}

void tcp_recover(struct tcp_pcb *pcb, struct tcp_ack_result *r)
{
	if (!pcb->sack_ok)
		count_dup_acks(pcb, r);
	if ((pcb->ca_state >= TCP_CA_RECOVERY || r->dsack) && was_needless(pcb, r))
		take_back(pcb);
	if (pcb->ca_state >= TCP_CA_CWR && episode_over(pcb))
		leave(pcb);
	find_lost(pcb, r);
	if (pcb->ca_state < TCP_CA_RECOVERY && pcb->lost_out && !tcp_mtu_lost(pcb))
		enter_recovery(pcb);
	else if (r->ece && pcb->ca_state < TCP_CA_CWR)
		congestion_marked(pcb);
	if (pcb->ca_state <= TCP_CA_DISORDER)
		to_open(pcb);
	if (tcp_in_reduction(pcb)) {
		proportional_rate(pcb, r);
	} else if (r->data_acked && r->delivered && window_used(pcb)) {
		pcb->cc->grow(pcb, r->delivered);
		if (pcb->cwnd > TCP_CWND_MAX)
			pcb->cwnd = TCP_CWND_MAX;
	}
	/* Keeps the number near, so that comparisons do not wrap on a long quiet connection. */
	if (pcb->ca_state == TCP_CA_OPEN && pcb->snd_una - pcb->high_seq > 1u << 30)
		pcb->high_seq = pcb->snd_una;
}

/* RFC 5681 3.1 and 6298 5. */
void tcp_enter_loss(struct tcp_pcb *pcb)
{
	struct pktbuf *p = pcb->snd_head;
	uint64_t recent = pcb->rack_rtt_us * TCP_US;

	/* A second timeout for the same segments does not reduce ssthresh again. */
	if (pcb->ca_state <= TCP_CA_DISORDER || seq_ge(pcb->snd_una, pcb->high_seq) ||
	    (pcb->ca_state != TCP_CA_LOSS && !pcb->backoff)) {
		if (!tcp_in_reduction(pcb)) {
			remember_for_undo(pcb);
			pcb->ssthresh = pcb->cc->ssthresh(pcb);
			pcb->ecn_cwr = pcb->ecn_ok;
		}
		if (pcb->cc->timeout)
			pcb->cc->timeout(pcb);
	}
	/* RFC 2018 8: the peer may have thrown away what it SACKed; here it shows. */
	if (p->tcp.sacked & TCP_SACKED)
		tcp_sack_forget(pcb);
	if (!pcb->sack_ok)
		pcb->sacked_out = 0;
	tcp_mark_lost(pcb, p);
	for (p = p->tcp.link; p != pcb->snd_next; p = p->tcp.link)
		if (!pcb->sack_ok || p->time + recent <= pcb->st->now)
			tcp_mark_lost(pcb, p);
	pcb->cwnd = tcp_flight(pcb) + 1;
	pcb->cwnd_cnt = 0;
	pcb->ca_state = TCP_CA_LOSS;
	pcb->high_seq = pcb->snd_nxt;
	pcb->tlp_high_seq = 0;
}

void tcp_rack_timeout(struct tcp_pcb *pcb)
{
	struct tcp_ack_result r = {.delivered = 1};
	uint32_t before = pcb->lost_out;
	uint64_t wait;

	if (!pcb->packets_out)
		return;
	wait = tcp_rack_detect(pcb);
	if (pcb->lost_out > before) {
		r.lost = pcb->lost_out - before;
		if (pcb->ca_state < TCP_CA_RECOVERY && !tcp_mtu_lost(pcb))
			enter_recovery(pcb);
		if (tcp_in_reduction(pcb))
			proportional_rate(pcb, &r);
		tcp_output(pcb);
	}
	if (pcb->rexmit_kind == TCP_T_NONE && wait)
		tcp_rexmit_arm(pcb, TCP_T_REORDER, wait + 2 * TCP_MS);
	else if (pcb->rexmit_kind == TCP_T_NONE)
		tcp_rto_rearm(pcb);
}

/* The first that went again and was not heard of goes once more; the window stays as it is: this
 * episode's reduction was made. If it arrived after all, a DSACK says so. */
void tcp_send_recovery_probe(struct tcp_pcb *pcb)
{
	struct pktbuf *p = pcb->snd_head;

	pcb->rec_probes++;
	while (p != pcb->snd_next && !(p->tcp.sacked & TCP_RETRANS))
		p = tcp_snd_after(p);
	if (p != pcb->snd_next && p->refs == 1) {
		tcp_mark_lost(pcb, p);
		if (tcp_retransmit(pcb, p))
			COUNT(pcb->st, TcpRecoveryProbes);
	}
	tcp_rto_rearm(pcb);
}

/* RFC 8985 7.4: did the probe repair a loss that nothing else showed? Then the window pays. */
void tcp_probe_acked(struct tcp_pcb *pcb, uint32_t ack, const struct tcp_ack_result *r)
{
	bool new_data = !pcb->tlp_retrans, past = seq_gt(ack, pcb->tlp_high_seq);
	bool both_arrived = !r->advanced && !r->win_update && !r->sacked && r->dup;

	if (seq_lt(ack, pcb->tlp_high_seq))
		return;
	if (past && !new_data && !r->dsack && pcb->ca_state < TCP_CA_CWR) {
		pcb->ssthresh = pcb->cc->ssthresh(pcb);
		pcb->cwnd = pcb->ssthresh;
		pcb->ecn_cwr = pcb->ecn_ok;
	}
	if (past || new_data || r->dsack || both_arrived)
		pcb->tlp_high_seq = 0;
}
