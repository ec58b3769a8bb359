/* SPDX-License-Identifier: BSD-3-Clause */
/* Transfers over the simulated network: what is sent is a function of its place, so that each byte
 * is checked as it arrives. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/sim/sim.h"

static uint8_t byte_at(uint32_t key, uint64_t i)
{
	uint64_t z = (i / 8 + key) * 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 29)) * 0xbf58476d1ce4e5b9ull;
	return (uint8_t)(z >> (i % 8 * 8));
}

struct sock_addr sim_addr(const struct sim *s, int host, uint16_t port)
{
	struct sock_addr a = {.family = (uint16_t)s->family, .port = port};

	if (s->family == AF_INET6) {
		memcpy(a.addr, sim_net6, sizeof(sim_net6));
		a.addr[15] = (uint8_t)(host + 1);
	} else {
		memcpy(a.addr, &s->host[host].ip, 4);
	}
	return a;
}

void sim_flow_open(struct sim_flow *f, struct sim *s, uint16_t port, uint64_t up, uint64_t down)
{
	sim_flow_between(f, s, 0, 1, port, up, down);
}

void sim_flow_between(struct sim_flow *f, struct sim *s, int from, int to, uint16_t port,
		      uint64_t up, uint64_t down)
{
	struct sock_addr any = {.family = (uint16_t)s->family, .port = port};
	int i;

	memset(f, 0, sizeof(*f));
	f->sim = s;
	f->host[0] = from;
	f->host[1] = to;
	f->port = port;
	f->key = (uint32_t)sim_random(s);
	f->end[0].to_send = f->end[1].to_get = up;
	f->end[1].to_send = f->end[0].to_get = down;
	for (i = 0; i < 2; i++)
		f->end[i].max_write = f->end[i].max_read = 65536;
	if (sock_create(s->host[to].st, s->family, SOCK_STREAM, 0, 1, &f->listener) < 0 ||
	    sock_create(s->host[from].st, s->family, SOCK_STREAM, 0, 1, &f->end[0].so) < 0)
		abort();
	if (sock_bind(f->listener, &any) < 0 || sock_listen(f->listener, 8) < 0)
		abort();
	f->started = s->now;
}

static int send_some(struct sim_flow *f, int i)
{
	struct sim_end *e = &f->end[i];
	struct pktbuf *list, *p;
	uint64_t want, at;
	int64_t n;
	uint16_t k;

	while (e->sent < e->to_send) {
		want = 1 + sim_below(f->sim, e->max_write);
		if (want > e->to_send - e->sent)
			want = e->to_send - e->sent;
		n = sock_send_reserve(e->so, want, NULL, 0, &list);
		if (n < 0)
			return (int)n;
		at = e->sent;
		for (p = list; p; p = p->next)
			for (k = 0; k < p->len; k++)
				pktbuf_data(p)[k] = byte_at(f->key + (uint32_t)i, at++);
		n = sock_send_commit(e->so, list, (uint64_t)n, NULL, 0);
		if (n < 0)
			return (int)n;
		e->sent += (uint64_t)n;
	}
	if (!e->shut) {
		e->shut = true;
		(void)sock_shutdown(e->so, 1);
	}
	return 0;
}

static int get_some(struct sim_flow *f, int i)
{
	struct sim_end *e = &f->end[i];
	struct sock_slice slices[SOCK_SLICES];
	unsigned n, j;
	uint64_t full;
	uint32_t k;
	int64_t r;

	while (!e->eof && f->sim->now >= e->pause_until) {
		r = sock_recv_take(e->so, 1 + sim_below(f->sim, e->max_read), 0, slices, &n, NULL,
				   &full);
		if (r < 0)
			return (int)r;
		if (r == 0)
			e->eof = true;
		for (j = 0; j < n; j++)
			for (k = 0; k < slices[j].len; k++)
				if (slices[j].data[k] != byte_at(f->key + (uint32_t)!i, e->got++)) {
					fprintf(stderr, "byte %lu differs\n",
						(unsigned long)e->got - 1);
					return -EBADMSG;
				}
		sock_recv_done(e->so, slices, n);
		if (e->pause)
			e->pause_until = f->sim->now + e->pause;
	}
	return 0;
}

static void pump_end(struct sim_flow *f, int i)
{
	struct sim_end *e = &f->end[i];
	int r;

	if (!e->so || e->error)
		return;
	r = get_some(f, i);
	if (r < 0 && r != -EAGAIN)
		e->error = r;
	r = send_some(f, i);
	if (r < 0 && r != -EAGAIN)
		e->error = r;
}

bool sim_flow_pump(struct sim_flow *f)
{
	struct sock_addr a = sim_addr(f->sim, f->host[1], f->port);
	int r;

	if (!f->connected) {
		r = sock_connect(f->end[0].so, &a);
		if (r == 0)
			f->connected = true;
		else if (r != -EINPROGRESS && r != -EALREADY)
			f->end[0].error = r;
	}
	if (!f->end[1].so && f->listener) {
		(void)sock_accept(f->listener, &f->end[1].so, NULL);
	}
	if (f->connected)
		pump_end(f, 0);
	pump_end(f, 1);
	sim_flush(f->sim);
	return (f->end[0].eof && f->end[1].eof && f->end[0].shut && f->end[1].shut) ||
	       f->end[0].error || f->end[1].error;
}

void sim_flow_close(struct sim_flow *f)
{
	int i;

	for (i = 0; i < 2; i++)
		if (f->end[i].so)
			sock_close(f->end[i].so);
	if (f->listener)
		sock_close(f->listener);
	f->end[0].so = f->end[1].so = f->listener = NULL;
	sim_flush(f->sim);
}

bool sim_dirty(struct sim *s)
{
	bool dirty = false;
	uint32_t i;

	for (i = 0; i < s->n_hosts; i++) {
		dirty |= s->host[i].dirty;
		s->host[i].dirty = false;
	}
	return dirty;
}

/* All of them; when a reader that takes its time wants to go on. */
static bool pump_all(struct sim_flow *f, unsigned n, uint64_t *until)
{
	struct sim *s = f->sim;
	bool done = true;
	unsigned i, k;

	for (i = 0; i < n; i++) {
		if (!f[i].finished && sim_flow_pump(&f[i]))
			f[i].finished = s->now;
		done &= f[i].finished != 0;
		for (k = 0; k < 2; k++)
			if (f[i].end[k].pause_until > s->now && f[i].end[k].pause_until < *until)
				*until = f[i].end[k].pause_until;
	}
	return done;
}

bool sim_flows_run(struct sim_flow *f, unsigned n, uint64_t limit)
{
	struct sim *s = f->sim;
	uint64_t until, end = s->now + limit;
	bool right = true;
	unsigned i;

	for (until = end; !pump_all(f, n, &until); until = end) {
		if (s->now >= end)
			return false;
		(void)sim_dirty(s);
		while (sim_step(s, until) && !sim_dirty(s))
			;
	}
	for (i = 0; i < n; i++)
		right &= !f[i].end[0].error && !f[i].end[1].error &&
			 f[i].end[0].got == f[i].end[0].to_get &&
			 f[i].end[1].got == f[i].end[1].to_get;
	return right;
}

bool sim_flow_run(struct sim_flow *f, uint64_t limit)
{
	return sim_flows_run(f, 1, limit);
}

void sim_flow_dump(const struct sim_flow *f)
{
	const struct tcp_pcb *p;
	int i;

	for (i = 0; i < 2; i++) {
		if (!f->end[i].so)
			continue;
		p = f->end[i].so->tcp;
		fprintf(stderr,
			"end %d: state %u una +%u nxt +%u end +%u wnd %u mss %u cwnd %u ssthresh "
			"%u\n"
			"  out %u sacked %u lost %u retrans %u ca %u bufs %u timer %u armed %d in "
			"%ld ms "
			"backoff %u rto %u us\n"
			"  rcv_nxt +%u adv +%u queue %u rcv_bufs %u ooo %d rcvbuf %u fin %d/%d "
			"owed %u\n",
			i, p->state, p->snd_una - p->iss, p->snd_nxt - p->iss, p->snd_end - p->iss,
			p->snd_wnd, p->snd_mss, p->cwnd, p->ssthresh, p->packets_out, p->sacked_out,
			p->lost_out, p->retrans_out, p->ca_state, p->snd_bufs, p->rexmit_kind,
			timer_armed(&p->rexmit),
			(long)(p->rexmit.expires - f->sim->now) / (long)SIM_MS, p->backoff,
			p->rto_us, p->rcv_nxt - p->irs, p->rcv_adv - p->irs, p->rcvq_bytes,
			p->rcv_bufs, p->ooo_head != NULL, p->rcvbuf, p->fin_known, p->fin_seen,
			p->ack_owed);
	}
}
