/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens when a connection's time is up: retransmission (RFC 6298 with Linux's bounds), zero
 * window probes (RFC 9293 3.8.6.1), delayed ACKs, keepalive (RFC 1122 4.2.3.6), FIN-WAIT-2 without
 * an owner, TIME-WAIT. Called by timer.c; tail probes and reordering go on to tcp_out.c and
 * tcp_recovery.c.
 */
#include <errno.h>

#include "tcpip/tcp.h"

#define RECOVERY_PROBES 3u

#define PCB_OF(t, member) ((struct tcp_pcb *)((uint8_t *)(t)-offsetof(struct tcp_pcb, member)))

uint64_t tcp_rto_ns(const struct tcp_pcb *pcb)
{
	uint64_t us = (uint64_t)pcb->rto_us << (pcb->backoff > 16 ? 16 : pcb->backoff);

	return (us > TCP_RTO_MAX_US ? TCP_RTO_MAX_US : us) * TCP_US;
}

void tcp_rexmit_arm(struct tcp_pcb *pcb, enum tcp_rexmit_kind kind, uint64_t delay_ns)
{
	pcb->rexmit_kind = (uint8_t)kind;
	if (kind == TCP_T_RTO)
		pcb->rto_at = pcb->st->now + delay_ns;
	timer_set(&pcb->st->timers, &pcb->rexmit, pcb->st->now + delay_ns);
}

void tcp_rexmit_stop(struct tcp_pcb *pcb)
{
	pcb->rexmit_kind = TCP_T_NONE;
	timer_cancel(&pcb->st->timers, &pcb->rexmit);
}

/* In recovery a retransmission that is lost as well leaves nothing behind it whose ACK would tell
 * (RFC 8985 6 sees it only by later ones), where the window is small. RFC 8985 has no probe there
 * and waits for RTO, on short paths ten round trips and more. RFC 9002 6.2 has: after two round
 * trips and the variation, twice as long each time, until RTO comes. 0: none is due. */
static uint64_t recovery_probe_us(const struct tcp_pcb *pcb)
{
	if (pcb->ca_state < TCP_CA_RECOVERY || !pcb->retrans_out || !pcb->sack_ok ||
	    !pcb->srtt_us || pcb->backoff || pcb->rec_probes == RECOVERY_PROBES ||
	    !pcb->st->tcp->set.recovery_probes)
		return 0;
	return (2ull * pcb->srtt_us + 4ull * pcb->rttvar_us + 2000) << pcb->rec_probes;
}

void tcp_rto_rearm(struct tcp_pcb *pcb)
{
	uint64_t now = pcb->st->now, left, probe;

	if (!pcb->packets_out) {
		tcp_rexmit_stop(pcb);
		return;
	}
	left = pcb->rto_at > now ? pcb->rto_at - now : TCP_MS;
	/* RFC 8985 7.2: a probe after two round trips where nothing else would show the loss of the
	 * last segments; one alone may be waiting for a delayed ACK. It takes the place of a
	 * timeout that would come first. */
	if (pcb->sack_ok && pcb->srtt_us && !pcb->tlp_high_seq && !pcb->backoff &&
	    (pcb->ca_state == TCP_CA_OPEN || pcb->ca_state == TCP_CA_CWR)) {
		probe = 2ull * pcb->srtt_us * TCP_US;
		probe += pcb->packets_out == 1 ? TCP_RTO_MIN_US * TCP_US : 2 * TCP_MS;
		tcp_rexmit_arm(pcb, TCP_T_PROBE, probe < left ? probe : left);
		return;
	}
	probe = recovery_probe_us(pcb) * TCP_US;
	if (probe && probe < left) {
		tcp_rexmit_arm(pcb, TCP_T_PROBE, probe);
		return;
	}
	tcp_rexmit_arm(pcb, TCP_T_RTO, left);
}

void tcp_rto_restart(struct tcp_pcb *pcb)
{
	pcb->rto_at = pcb->st->now + tcp_rto_ns(pcb);
	tcp_rto_rearm(pcb);
}

void tcp_delack_arm(struct tcp_pcb *pcb)
{
	if (!timer_armed(&pcb->delack))
		timer_set(&pcb->st->timers, &pcb->delack, pcb->st->now + TCP_DELACK_MIN);
}

void tcp_keep_arm(struct tcp_pcb *pcb)
{
	struct timer_wheel *w = &pcb->st->timers;
	uint64_t now = pcb->st->now;

	if (pcb->state == TCPS_TIME_WAIT)
		timer_set(w, &pcb->keep, now + TCP_TIME_WAIT_LEN);
	else if (pcb->state == TCPS_FIN_WAIT_2 && !pcb->so)
		timer_set(w, &pcb->keep,
			  now + (pcb->linger2_s > 0 ? (uint64_t)pcb->linger2_s : 60) * TCP_S);
	else if (pcb->keepalive && TCPS_IN(pcb->state, TCPS_SYNCED))
		timer_set(w, &pcb->keep, now + (uint64_t)pcb->keep_idle_s * TCP_S);
	else
		timer_cancel(w, &pcb->keep);
}

/* Has the peer been silent for longer than we are willing to try? */
static bool given_up(const struct tcp_pcb *pcb)
{
	uint64_t now = pcb->st->now, since = pcb->stuck_since, limit;

	if (!since)
		return false;
	/* A peer that answers but keeps its window shut is alive. */
	if (pcb->snd_wnd == 0 && pcb->heard_time > since && pcb->so)
		since = pcb->heard_time;
	limit = pcb->so ? TCP_GIVE_UP : TCP_GIVE_UP_DEAD;
	if (pcb->user_timeout_ms)
		limit = pcb->user_timeout_ms * TCP_MS;
	return now - since >= limit;
}

/* The next timeout, but not later than the end of TCP_USER_TIMEOUT. */
static uint64_t clamp_to_user_timeout(const struct tcp_pcb *pcb, uint64_t delay)
{
	uint64_t left, end;

	if (!pcb->user_timeout_ms || !pcb->stuck_since)
		return delay;
	end = pcb->stuck_since + pcb->user_timeout_ms * TCP_MS;
	left = end > pcb->st->now ? end - pcb->st->now : TCP_MS;
	return delay < left ? delay : left;
}

static void syn_timeout(struct tcp_pcb *pcb)
{
	uint8_t tries = pcb->passive ? TCP_SYNACK_TRIES : pcb->syn_retries;

	if (!pcb->stuck_since)
		pcb->stuck_since = pcb->st->now;
	if (pcb->syn_tries >= tries || (pcb->user_timeout_ms && given_up(pcb))) {
		COUNT(pcb->st, TcpAttemptFails);
		tcp_done(pcb, pcb->soft_error ? pcb->soft_error : ETIMEDOUT);
		return;
	}
	pcb->syn_tries++;
	if (pcb->state == TCPS_SYN_SENT && pcb->fo_pending)
		tcp_fo_syn_lost(pcb);
	pcb->backoff++;
	pcb->total_retrans++;
	tcp_rto_note(pcb);
	COUNT(pcb->st, TcpTimeouts);
	COUNT(pcb->st, TcpRetransSegs);
	(void)tcp_send_syn(pcb);
	tcp_rexmit_arm(pcb, TCP_T_RTO, clamp_to_user_timeout(pcb, tcp_rto_ns(pcb)));
}

static void rto_timeout(struct tcp_pcb *pcb)
{
	struct pktbuf *p = pcb->snd_head;

	if (!pcb->packets_out)
		return;
	/* Not lost: it has not even left yet. But a driver may be slow to notice that it has. */
	if (p->refs > 1 && pcb->held < 2) {
		pcb->held++;
		tcp_rexmit_arm(pcb, TCP_T_RTO, tcp_rto_ns(pcb));
		return;
	}
	pcb->held = 0;
	if (given_up(pcb)) {
		tcp_abort(pcb, pcb->soft_error ? pcb->soft_error : ETIMEDOUT);
		return;
	}
	if (!pcb->stuck_since)
		pcb->stuck_since = pcb->st->now;
	COUNT(pcb->st, TcpTimeouts);
	tcp_rto_note(pcb);
	tcp_enter_loss(pcb);
	tcp_mtu_timeout(pcb);
	(void)tcp_retransmit(pcb, p);
	if (pcb->backoff < 32)
		pcb->backoff++;
	if (pcb->backoff >= TCP_R1)
		pcb->hop_hint = PKTBUF_TX_DOUBTED;
	tcp_rexmit_arm(pcb, TCP_T_RTO, clamp_to_user_timeout(pcb, tcp_rto_ns(pcb)));
}

static void persist_timeout(struct tcp_pcb *pcb)
{
	if (pcb->packets_out || !pcb->snd_next) /* nothing to probe for any more */
		return;
	if (!pcb->stuck_since)
		pcb->stuck_since = pcb->st->now;
	if (pcb->probes_out > 15 || ((!pcb->so || pcb->user_timeout_ms) && given_up(pcb))) {
		tcp_abort(pcb, ETIMEDOUT);
		return;
	}
	tcp_send_window_probe(pcb);
	if (pcb->packets_out) /* a part fitted: its own timer runs */
		return;
	pcb->probes_out++;
	if (pcb->backoff < 32)
		pcb->backoff++;
	tcp_rexmit_arm(pcb, TCP_T_PERSIST, clamp_to_user_timeout(pcb, tcp_rto_ns(pcb)));
}

static void rexmit_fire(struct stack *st, struct timer *t)
{
	struct tcp_pcb *pcb = PCB_OF(t, rexmit);
	enum tcp_rexmit_kind kind = pcb->rexmit_kind;

	pcb->rexmit_kind = TCP_T_NONE;
	if (pcb->state == TCPS_SYN_SENT || pcb->state == TCPS_SYN_RCVD)
		syn_timeout(pcb);
	else if (kind == TCP_T_RTO)
		rto_timeout(pcb);
	else if (kind == TCP_T_PERSIST)
		persist_timeout(pcb);
	else if (kind == TCP_T_PROBE && pcb->ca_state >= TCP_CA_RECOVERY)
		tcp_send_recovery_probe(pcb);
	else if (kind == TCP_T_PROBE)
		tcp_send_tail_probe(pcb);
	else if (kind == TCP_T_REORDER)
		tcp_rack_timeout(pcb);
	tcp_reap(st);
}

static void delack_fire(struct stack *st, struct timer *t)
{
	struct tcp_pcb *pcb = PCB_OF(t, delack);

	if (pcb->ack_owed == TCP_ACK_NONE)
		return;
	COUNT(st, TcpDelayedAcks);
	pcb->pingpong = false; /* the answer it waited for did not come */
	tcp_send_ack(pcb);
}

static void keepalive(struct tcp_pcb *pcb)
{
	uint64_t now = pcb->st->now, idle = now - pcb->heard_time;
	uint64_t wait = (uint64_t)pcb->keep_idle_s * TCP_S;
	bool over;

	if (pcb->packets_out || pcb->snd_next) { /* data asks the same question */
		timer_set(&pcb->st->timers, &pcb->keep, now + wait);
		return;
	}
	if (idle < wait) {
		timer_set(&pcb->st->timers, &pcb->keep, now + wait - idle);
		return;
	}
	over = pcb->user_timeout_ms ? pcb->probes_out && idle >= pcb->user_timeout_ms * TCP_MS
				    : pcb->probes_out >= pcb->keep_cnt;
	if (over) {
		tcp_abort(pcb, pcb->soft_error ? pcb->soft_error : ETIMEDOUT);
		return;
	}
	COUNT(pcb->st, TcpKeepalives);
	tcp_send_probe(pcb);
	pcb->probes_out++;
	timer_set(&pcb->st->timers, &pcb->keep, now + (uint64_t)pcb->keep_intvl_s * TCP_S);
}

static void keep_fire(struct stack *st, struct timer *t)
{
	struct tcp_pcb *pcb = PCB_OF(t, keep);

	if (pcb->state == TCPS_TIME_WAIT || (pcb->state == TCPS_FIN_WAIT_2 && !pcb->so))
		tcp_done(pcb, 0);
	else if (pcb->keepalive && TCPS_IN(pcb->state, TCPS_SYNCED))
		keepalive(pcb);
	tcp_reap(st);
}

static void pace_fire(struct stack *st, struct timer *t)
{
	tcp_mark_pending(PCB_OF(t, pace));
}

void tcp_timers_init(struct tcp_pcb *pcb)
{
	pcb->rexmit.fn = rexmit_fire;
	pcb->delack.fn = delack_fire;
	pcb->keep.fn = keep_fire;
	pcb->pace.fn = pace_fire;
}

void tcp_timers_stop(struct tcp_pcb *pcb)
{
	struct timer_wheel *w = &pcb->st->timers;

	tcp_rexmit_stop(pcb);
	timer_cancel(w, &pcb->delack);
	timer_cancel(w, &pcb->keep);
	timer_cancel(w, &pcb->pace);
}
