/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Better gateways to single hosts, as a gateway said (redirects: RFC 1122 3.2.2.2, 3.3.1.2; RFC
 * 4861 8), of both families. One host a place, found by a keyed hash, as pmtu.c's: nobody chooses
 * whose place he takes. An entry counts only while the routes lead to the gateway that began it, so
 * it ends with them; with a gateway that is found dead; and after five minutes.
 * Who learns has made sure that the message is sound. Called by route.c and route6.c on lookup,
 * icmp.c, nd.c, neigh.c; calls route.c.
 */
#include <stddef.h>

#include "tcpip/ip6.h"

#define LIFE_NS (300 * 1000000000ull) /* Linux's gc_timeout */

/* Packets come in trains: the host asked for last is not hashed again. */
static struct redirect *place_of(struct stack *st, uint32_t dst)
{
	if (st->redirect_asked != dst) {
		st->redirect_asked = dst;
		st->redirect_place =
			&st->redirects[siphash24(st->secret, &dst, sizeof(dst)) % STACK_REDIRECTS];
	}
	return st->redirect_place;
}

void redirect_apply(struct stack *st, uint32_t dst, struct route_hit *hit)
{
	const struct redirect *r = place_of(st, dst);

	if (r->dst == dst && r->from == hit->next_hop && r->port == hit->port)
		hit->next_hop = r->gateway;
}

static void forget(struct stack *st, struct redirect *r)
{
	ip_set(st, &r->dst, 0);
	ip_set(st, &r->from, 0);
	ip_set(st, &r->gateway, 0);
	r->port = NULL;
	st->n_redirects--;
}

static void redirect_timer(struct stack *st, struct timer *t)
{
	uint64_t next = UINT64_MAX;
	struct redirect *r;

	for (r = st->redirects; r < st->redirects + STACK_REDIRECTS; r++) {
		if (r->dst && r->until <= st->now)
			forget(st, r);
		else if (r->dst && r->until < next)
			next = r->until;
	}
	if (next != UINT64_MAX)
		timer_set(&st->timers, t, next);
}

static void remember(struct stack *st, struct redirect *r, struct port *port, uint32_t dst,
		     uint32_t from, uint32_t gateway)
{
	if (r->dst)
		forget(st, r);
	ip_set(st, &r->dst, dst);
	ip_set(st, &r->from, from);
	ip_set(st, &r->gateway, gateway);
	r->port = port;
	r->until = st->now + LIFE_NS;
	st->n_redirects++;
	st->redirect_timer.fn = redirect_timer;
	if (!timer_armed(&st->redirect_timer))
		timer_set(&st->timers, &st->redirect_timer, r->until);
}

bool redirect_learn(struct stack *st, struct port *port, uint32_t dst, uint32_t from,
		    uint32_t gateway)
{
	struct route_hit hit;
	struct redirect *r;

	if (from == dst || from == gateway || addr_local(st, gateway))
		return false;
	if (route_lookup(st, dst, &hit) < 0 || hit.local || hit.port != port ||
	    hit.next_hop != from)
		return false; /* not who it is sent to now */
	r = place_of(st, dst);
	if (r->dst == dst) { /* one who was not the first said so: what do the routes alone say? */
		forget(st, r);
		(void)route_lookup(st, dst, &hit);
	}
	if (hit.next_hop != gateway) /* else it is as it was */
		remember(st, r, port, dst, hit.next_hop, gateway);
	return true;
}

bool redirect_lost(struct stack *st, const struct port *port, uint32_t ip, bool as_router)
{
	struct redirect *r;
	bool any = false;

	if (!st->n_redirects)
		return false;
	for (r = st->redirects; r < st->redirects + STACK_REDIRECTS; r++) {
		if (!r->dst || r->port != port || r->gateway != ip || (as_router && r->dst == ip))
			continue;
		forget(st, r);
		any = true;
	}
	return any;
}

void redirect_flush_port(struct stack *st, const struct port *port)
{
	struct redirect *r;

	for (r = st->redirects; r < st->redirects + STACK_REDIRECTS; r++)
		if (r->dst && r->port == port)
			forget(st, r);
}
