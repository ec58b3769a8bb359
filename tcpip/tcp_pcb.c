/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Birth, states and death of a connection's control block.
 *
 * A block dies in two steps, so that nobody has to ask after each call whether it still exists:
 * tcp_done() takes it out of all tables and puts it on the dead list if no socket holds it;
 * tcp_reap() frees it at the end of the entry (segment, timer, call) that killed it.
 * TIME-WAIT keeps the whole block, in a list by age of which the oldest is given up for a new one.
 */
#include <errno.h>
#include <string.h>

#include "tcpip/tcp.h"

static void queue_unlink(struct tcp_pcb *pcb)
{
	if (!pcb->queue_pprev)
		return;
	*pcb->queue_pprev = pcb->queue_next;
	if (pcb->queue_next)
		pcb->queue_next->queue_pprev = pcb->queue_pprev;
	pcb->queue_pprev = NULL;
	pcb->queue_next = NULL;
}

bool tcp_pool_low(const struct stack *st)
{
	return st->pool->avail < st->pool->count / 16;
}

bool tcp_pool_out(const struct stack *st)
{
	return st->pool->avail < st->pool->count / 32;
}

struct tcp_pcb *tcp_pcb_alloc(struct stack *st, uint8_t owner)
{
	struct tcp_pcb *pcb;

	if (!quota_pcb(st, owner))
		return NULL;
	pcb = pool_get(&st->tcp_pcbs);
	while (!pcb && tcp_time_wait_recycle(st)) {
		tcp_reap(st);
		pcb = pool_get(&st->tcp_pcbs);
	}
	if (!pcb)
		return NULL;
	pcb->st = st;
	pcb->owner = owner;
	st->users[owner].pcbs++;
	pcb->state = TCPS_CLOSED;
	pcb->accept_tail = &pcb->accept_q;
	pktbuf_queue_init(&pcb->rcvq);
	pcb->cc = tcp_cc_default();
	pcb->rto_us = TCP_RTO_INIT_US;
	pcb->min_rtt_us = UINT32_MAX;
	pcb->cwnd = TCP_IW;
	pcb->ssthresh = TCP_SSTHRESH_INF;
	pcb->reo_wnd_mult = 1;
	pcb->reordering = TCP_DUPTHRESH;
	pcb->peer_mss = TCP_MSS_DEFAULT;
	pcb->snd_mss = TCP_MSS_DEFAULT;
	pcb->rcv_mss = TCP_MSS_DEFAULT;
	pcb->syn_retries = TCP_SYN_RETRIES;
	pcb->keep_idle_s = 7200;
	pcb->keep_intvl_s = 75;
	pcb->keep_cnt = 9;
	tcp_timers_init(pcb);
	return pcb;
}

void tcp_set_state(struct tcp_pcb *pcb, enum tcp_state state)
{
	pcb->state = (uint8_t)state;
}

void tcp_wake(struct tcp_pcb *pcb)
{
	if (pcb->so)
		sock_ready(pcb->so, true);
}

void tcp_wake_later(struct tcp_pcb *pcb)
{
	pcb->wake_owed = true;
	tcp_mark_pending(pcb);
}

void tcp_established(struct tcp_pcb *pcb)
{
	struct stack *st = pcb->st;

	tcp_set_state(pcb, TCPS_ESTABLISHED);
	tcp_rexmit_stop(pcb);
	pcb->backoff = 0;
	pcb->stuck_since = 0;
	pcb->snd_time = 0;
	tcp_rto_over(pcb);
	tcp_mtu_start(pcb);
	tcp_sync_mss(pcb);
	/* A lost SYN says as much about the path as a lost segment (RFC 5681 3.1). */
	pcb->cwnd = pcb->total_retrans ? 1 : TCP_IW;
	if (!pcb->srtt_us && pcb->total_retrans)
		pcb->rto_us = 3000000; /* RFC 6298 5.7 */
	pcb->cc->init(pcb);
	pcb->quick_acks = 16;
	pcb->high_seq = pcb->rack_fack = pcb->high_sacked = pcb->cwnd_used_seq = pcb->snd_una;
	pcb->heard_time = st->now;
	tcp_keep_arm(pcb);
}

void tcp_purge_send(struct tcp_pcb *pcb)
{
	struct pktbuf *p;

	while ((p = pcb->snd_head)) {
		pcb->snd_head = p->tcp.link;
		pktbuf_free(p);
	}
	pcb->snd_head = pcb->snd_next = pcb->snd_tail = NULL;
	pcb->snd_bufs = 0;
	pcb->packets_out = pcb->sacked_out = pcb->lost_out = pcb->retrans_out = 0;
	pcb->fin_owed = false;
}

void tcp_purge_rcv(struct tcp_pcb *pcb)
{
	struct pktbuf *p;

	while ((p = pktbuf_queue_take(&pcb->rcvq)))
		pktbuf_free(p);
	tcp_ooo_drop(pcb);
	if (pcb->saved_syn)
		pktbuf_free(pcb->saved_syn);
	pcb->saved_syn = NULL;
	pcb->rcvq_bytes = 0;
	pcb->rcv_bufs = 0;
}

static void leave_time_wait(struct tcp_pcb *pcb)
{
	struct tcp_table *t = pcb->st->tcp;

	if (pcb->queue_pprev && !pcb->queue_next)
		t->tw_tail = pcb->queue_pprev;
	queue_unlink(pcb);
	t->tw_n--;
}

void tcp_done(struct tcp_pcb *pcb, int err)
{
	struct tcp_table *t = pcb->st->tcp;

	if (pcb->dead)
		return;
	if (pcb->state == TCPS_TIME_WAIT)
		leave_time_wait(pcb);
	if (pcb->listener)
		tcp_listener_forget(pcb);
	tcp_fo_end(pcb);
	tcp_timers_stop(pcb);
	tcp_unmark_pending(pcb);
	tcp_hash_remove(pcb);
	tcp_bind_remove(pcb);
	tcp_purge_send(pcb);
	tcp_busy_note(pcb);
	tcp_rto_over(pcb);
	tcp_ooo_drop(pcb);
	tcp_set_state(pcb, TCPS_CLOSED);
	pcb->shut = 3;
	pcb->ack_owed = TCP_ACK_NONE;
	if (!pcb->so) {
		tcp_purge_rcv(pcb);
		pcb->dead = true;
		pcb->out_next = t->dead;
		t->dead = pcb;
		return;
	}
	/* What was received may still be read; then the error, then the end. */
	if (err)
		sock_set_error(pcb->so, err);
	tcp_wake(pcb);
}

void tcp_reap(struct stack *st)
{
	struct tcp_pcb *pcb;

	while ((pcb = st->tcp->dead)) {
		st->tcp->dead = pcb->out_next;
		st->users[pcb->owner].pcbs--;
		st->idle_pcbs -= pcb->idle;
		ip_set(st, &pcb->local_ip, 0);
		ip_set(st, &pcb->remote_ip, 0);
		pool_put(&st->tcp_pcbs, pcb);
	}
}

void tcp_abort(struct tcp_pcb *pcb, int err)
{
	if (TCPS_IN(pcb->state, TCPS_SYNCED | (1u << TCPS_SYN_RCVD)) &&
	    pcb->state != TCPS_TIME_WAIT)
		tcp_send_rst(pcb);
	tcp_done(pcb, err);
}

bool tcp_time_wait_recycle(struct stack *st)
{
	if (!st->tcp->tw)
		return false;
	tcp_done(st->tcp->tw, 0);
	return true;
}

static void time_wait_append(struct tcp_pcb *pcb)
{
	struct tcp_table *t = pcb->st->tcp;

	pcb->queue_next = NULL;
	pcb->queue_pprev = t->tw_tail;
	*t->tw_tail = pcb;
	t->tw_tail = &pcb->queue_next;
	t->tw_n++;
}

/* It gives way to any new connection, so its user need not answer for it. */
void tcp_time_wait_idle(struct tcp_pcb *pcb)
{
	struct stack *st = pcb->st;

	st->users[pcb->owner].pcbs--;
	pcb->owner = 0;
	st->users[0].pcbs++;
	pcb->idle = true;
	st->idle_pcbs++;
}

/* RFC 9293 3.10.7.4: both FINs are acknowledged. Data that was sent is of no more use; data
 * received waits for the application. */
void tcp_time_wait(struct tcp_pcb *pcb)
{
	struct stack *st = pcb->st;

	while (st->tcp->tw_n >= st->tcp->tw_max && tcp_time_wait_recycle(st))
		;
	COUNT(st, TcpTimeWaits);
	tcp_timers_stop(pcb);
	tcp_purge_send(pcb);
	tcp_ooo_drop(pcb);
	tcp_set_state(pcb, TCPS_TIME_WAIT);
	pcb->shut = 3;
	time_wait_append(pcb);
	if (!pcb->so)
		tcp_time_wait_idle(pcb);
	tcp_keep_arm(pcb);
	tcp_wake(pcb);
}

void tcp_time_wait_again(struct tcp_pcb *pcb)
{
	leave_time_wait(pcb);
	time_wait_append(pcb);
	tcp_keep_arm(pcb);
}
