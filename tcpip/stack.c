/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The instance: made from an arena, fed with frames, moved forward in time. Called by
 * sandbox/turn.c through struct turn_ops and by tests; calls eth.c on input, tcp_gro.c, timer.c,
 * tcp_out.c and ip4.c at the end of a batch.
 */
#include "tcpip/stack.h"

#include <errno.h>
#include <string.h>

#include "sandbox/layout.h"
#include "tcpip/dhcp4.h"
#include "tcpip/group.h"
#include "tcpip/ip6.h"
#include "tcpip/socket.h"
#include "tcpip/tcp.h"

static int make_tables(struct stack *st, uint32_t max_sockets, uint32_t max_pcbs)
{
	int r;

	st->sock_gen = arena_take(st->arena, sizeof(*st->sock_gen) * max_sockets, 64);
	if (!st->sock_gen)
		return -ENOMEM;
	r = pool_init(&st->sockets, st->arena, "sockets", sizeof(struct socket), max_sockets);
	if (r == 0)
		r = pool_init(&st->tcp_pcbs, st->arena, "tcp_pcbs", sizeof(struct tcp_pcb),
			      max_pcbs);
	if (r == 0)
		r = neigh_create(st);
	if (r == 0) /* each may hold one address of its own, and those of neighbours */
		r = ip6_create(st, max_sockets + max_pcbs + 1024 + 256 + 3 * STACK_REDIRECTS);
	if (r == 0)
		r = group_create(st);
	if (r == 0)
		r = reass_create(st);
	if (r == 0)
		r = dhcp4_create(st);
	if (r == 0)
		r = udp_create_table(st);
	if (r == 0)
		r = tcp_create_table(st, max_pcbs);
	return r;
}

struct stack *stack_create(struct arena *arena, const struct stack_conf *conf)
{
	uint32_t max_sockets = conf->max_sockets ? conf->max_sockets : SEG_SOCK_COUNT;
	uint32_t max_pcbs = conf->max_pcbs ? conf->max_pcbs : max_sockets;
	struct stack *st;

	if (max_sockets > SEG_SOCK_COUNT)
		return NULL;
	st = arena_take(arena, sizeof(*st), 64);
	if (!st)
		return NULL;
	st->arena = arena;
	st->env = conf->env;
	st->pool = conf->pool;
	st->now = conf->now;
	st->quota = conf->quota ? conf->quota : 50;
	pktbuf_queue_init(&st->loop);
	stack_random_seed(st, conf->seed);
	timer_wheel_init(&st->timers, conf->now);
	return make_tables(st, max_sockets, max_pcbs) == 0 ? st : NULL;
}

void stack_set_now(struct stack *st, uint64_t now)
{
	st->now = now;
}

void stack_input(struct stack *st, struct port *port, struct pktbuf **batch, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		eth_in(st, port, batch[i]);
	tcp_gro_flush(st);
}

bool stack_timers(struct stack *st, unsigned budget)
{
	return timer_run(st, &st->timers, st->now, budget);
}

/* Packets to ourselves are due at once. */
uint64_t stack_deadline(const struct stack *st)
{
	return st->loop.head ? st->now : timer_next(&st->timers);
}

/* What comes back in may make TCP want to send again: a few rounds, the rest at the next turn. */
void stack_output(struct stack *st)
{
	int round = 0;

	tcp_flush(st);
	while (st->loop.head && round++ < 4) {
		ip4_loop(st);
		tcp_flush(st);
	}
}

/* ---- ports -------------------------------------------------------------------------------- */

void stack_port_add(struct stack *st, struct port *port)
{
	struct port **at = &st->ports;

	while (*at)
		at = &(*at)->next;
	port->next = NULL;
	*at = port;
}

struct port *stack_port(const struct stack *st, uint32_t scope)
{
	struct port *p = st->ports;

	while (p && p->index + 1 != scope)
		p = p->next;
	return p;
}

/* Addresses, routes and neighbours of the port go with it, and half a datagram. */
void stack_port_del(struct stack *st, struct port *port)
{
	struct port **at = &st->ports;

	while (*at && *at != port)
		at = &(*at)->next;
	if (*at)
		*at = port->next;
	dhcp4_flush_port(st, port);
	reass_drop_all(st);
	neigh_flush_port(st, port);
	route_flush_port(st, port);
	group_flush(st, port, GROUP_4);
}
