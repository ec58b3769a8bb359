/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which port and next hop an IPv6 destination has: link-local by its scope, else the longest
 * prefix, then a gateway that answers, then the metric (RFC 4861 5.2, 6.3.6). Strict host model: a
 * packet leaves with an address of the port it leaves by. Routes from routers end by themselves.
 * Called by route.c for handles, addr6.c, slaac.c; calls name6.c, addr6.c, redirect.c.
 */
#include <errno.h>
#include <string.h>

#include "tcpip/group.h"
#include "tcpip/ip6.h"

static const struct ip6_route *best_route(const struct stack *st, const uint8_t dst[16])
{
	const struct ip6_route *r, *best = NULL;

	for (r = st->ip6->route; r < st->ip6->route + IP6_ROUTE_MAX; r++) {
		if (!r->port || !ip6_prefix_match(r->dst, dst, r->prefix) || r->until <= st->now)
			continue;
		if (!best || r->prefix > best->prefix ||
		    (r->prefix == best->prefix && r->rank < best->rank))
			best = r;
	}
	return best;
}

/* A group wider than the link that no route names goes out of the first port that has IPv6. */
struct port *ip6_only_port(const struct stack *st)
{
	uint32_t i;

	for (i = 0; i < PORT_MAX; i++)
		if (st->ip6->port[i].port)
			return st->ip6->port[i].port;
	return NULL;
}

struct port *ip6_port_by_scope(const struct stack *st, uint32_t scope)
{
	return scope ? stack_port(st, scope) : ip6_only_port(st);
}

int route6_lookup(struct stack *st, uint32_t dst, struct route_hit *hit)
{
	const struct ip6_name *n = ip6_name(st, dst);
	const struct ip6_addr *own = addr6_of(st, dst);
	const struct ip6_route *r;

	hit->next_hop = dst;
	hit->src = dst;
	hit->port = own ? own->port : NULL;
	hit->local = own ? ROUTE_LOCAL : ROUTE_WIRE;
	if (own)
		return 0;
	if (n->addr[0] == 0 && (ip6_is_unspecified(n->addr) || ip6_is_martian(n->addr)))
		return -ENETUNREACH; /* RFC 4291 2.5.2, 2.5.3 */
	if (n->scope) {
		hit->port = ip6_port_by_scope(st, n->scope);
	} else {
		r = best_route(st, n->addr);
		if (r) {
			hit->port = r->port;
			if (r->gateway && !ip6_is_multicast(n->addr))
				hit->next_hop = r->gateway;
		} else if (ip6_is_multicast(n->addr)) {
			hit->port = ip6_only_port(st);
		}
	}
	if (!hit->port)
		return -ENETUNREACH;
	if (st->n_redirects)
		redirect_apply(st, dst, hit);
	hit->src = addr6_source(st, hit->port, n->addr);
	return hit->src ? 0 : -EADDRNOTAVAIL;
}

/* Is it a neighbour on that port, not somebody behind a router? */
bool route6_on_link(struct stack *st, const struct port *port, uint32_t ip)
{
	const struct ip6_name *n = ip6_name(st, ip);
	const struct ip6_route *r;

	if (n->scope)
		return n->scope == port->index + 1;
	r = best_route(st, n->addr);
	return r && r->port == port && !r->gateway;
}

struct ip6_route *route6_find(struct stack *st, const struct ip6_route *like)
{
	struct ip6_route *r;

	for (r = st->ip6->route; r < st->ip6->route + IP6_ROUTE_MAX; r++)
		if (r->port && (!like->port || r->port == like->port) &&
		    r->prefix == like->prefix && r->gateway == like->gateway &&
		    ip6_prefix_match(r->dst, like->dst, r->prefix))
			return r;
	return NULL;
}

static void mask(uint8_t a[16], unsigned bits)
{
	unsigned i;

	for (i = 0; i<16; i++, bits = bits> 8 ? bits - 8 : 0)
		if (bits < 8)
			a[i] &= (uint8_t)(0xff00u >> bits);
}

/* ---- the end of routes -------------------------------------------------------------------- */

static void routes_timer(struct stack *st, struct timer *t)
{
	uint64_t next = IP6_FOREVER;
	struct ip6_route *r;

	for (r = st->ip6->route; r < st->ip6->route + IP6_ROUTE_MAX; r++) {
		if (!r->port || r->until == IP6_FOREVER)
			continue;
		if (r->until <= st->now)
			route6_remove(st, r);
		else if (r->until < next)
			next = r->until;
	}
	if (next != IP6_FOREVER)
		timer_set(&st->timers, t, next);
}

static void watch(struct stack *st, uint64_t until)
{
	struct timer *t = &st->ip6->routes_timer;

	t->fn = routes_timer;
	if (until != IP6_FOREVER && (!timer_armed(t) || until < t->expires))
		timer_set(&st->timers, t, until);
}

/* ---- the table ---------------------------------------------------------------------------- */

int route6_add(struct stack *st, const struct ip6_route *like)
{
	struct ip6_route *r = route6_find(st, like);

	if (!r) {
		r = st->ip6->route;
		while (r < st->ip6->route + IP6_ROUTE_MAX && r->port)
			r++;
		if (r == st->ip6->route + IP6_ROUTE_MAX)
			return -ENOSPC;
		*r = *like;
		mask(r->dst, r->prefix);
		r->rank = r->metric;
		r->gateway = 0;
		ip_set(st, &r->gateway, like->gateway);
	} else if (!r->from_ra) {
		return 0; /* what the administrator said does not end */
	}
	r->from_ra = like->from_ra;
	r->until = like->until;
	watch(st, r->until);
	return 0;
}

void route6_remove(struct stack *st, struct ip6_route *r)
{
	ip_set(st, &r->gateway, 0);
	r->port = NULL;
}

void ip6_flush_port(struct stack *st, struct port *port)
{
	struct ip6_table *t = st->ip6;
	uint32_t i;

	for (i = 0; i < IP6_ADDR_MAX; i++)
		if (t->addr[i].port == port)
			addr6_remove(st, &t->addr[i]);
	for (i = 0; i < IP6_ROUTE_MAX; i++)
		if (t->route[i].port == port)
			route6_remove(st, &t->route[i]);
	reass_drop_all(st); /* rare enough to take those of other ports along */
	group_flush(st, port, GROUP_6);
	for (i = 0; i < PORT_MAX; i++)
		if (t->port[i].port == port)
			slaac_port_down(st, &t->port[i]);
}

/* ---- from the administrator (stack_addr_*, stack_route_*) --------------------------------- */

int ip6_addr_add(struct stack *st, struct port *port, const struct ip_addr *addr)
{
	struct ip6_addr like = {
		.prefix = addr->prefix,
		.origin = IP6_STATIC,
		.preferred = IP6_FOREVER,
		.valid = IP6_FOREVER,
	};

	memcpy(like.bytes, addr->bytes, 16);
	if (addr->prefix == 0 || addr->prefix > 128 || ip6_is_multicast(addr->bytes) ||
	    ip6_is_unspecified(addr->bytes) || ip6_is_martian(addr->bytes) ||
	    port->mtu < IP6_MTU_MIN)
		return -EINVAL;
	if (addr6_find(st, ip6_is_link_local(addr->bytes) ? port : NULL, addr->bytes))
		return -EEXIST;
	return addr6_add(st, port, &like);
}

int ip6_addr_del(struct stack *st, struct port *port, const struct ip_addr *addr)
{
	struct ip6_addr *a = addr6_find(st, port, addr->bytes);

	if (!a)
		return -EADDRNOTAVAIL;
	addr6_remove(st, a);
	return 0;
}

/* A link-local gateway is on `port`, any other must be a neighbour by a route we have. */
int ip6_route_add(struct stack *st, const struct ip_addr *dst, const struct ip_addr *gateway,
		  struct port *port, uint32_t metric)
{
	struct ip6_route like = {.prefix = dst->prefix, .metric = metric, .until = IP6_FOREVER};
	struct route_hit hit;

	if (dst->prefix > 128 || (gateway && gateway->family != dst->family))
		return -EINVAL;
	memcpy(like.dst, dst->bytes, 16);
	if (gateway) {
		if (ip6_is_multicast(gateway->bytes) || ip6_is_unspecified(gateway->bytes))
			return -EINVAL;
		like.gateway = ip6_handle(st, gateway->bytes, ip6_scope(gateway->bytes, port));
		if (!like.gateway)
			return -ENOSPC;
		if (ip6_is_link_local(gateway->bytes) && !port)
			return -EINVAL;
		if (addr6_of(st, like.gateway))
			return -EINVAL;
		if (!port) {
			if (route6_lookup(st, like.gateway, &hit) < 0)
				return -ENETUNREACH;
			port = hit.port;
		}
		if (!route6_on_link(st, port, like.gateway))
			return -ENETUNREACH;
	}
	like.port = port;
	if (!port)
		return -EINVAL;
	return route6_find(st, &like) ? -EEXIST : route6_add(st, &like);
}

/* gateway NULL: the one on-link, or the first one to dst whatever its gateway. */
int ip6_route_del(struct stack *st, const struct ip_addr *dst, const struct ip_addr *gateway)
{
	struct ip6_route *r, *any = NULL;
	const uint8_t *via;

	for (r = st->ip6->route; r < st->ip6->route + IP6_ROUTE_MAX; r++) {
		if (!r->port || r->prefix != dst->prefix ||
		    !ip6_prefix_match(r->dst, dst->bytes, r->prefix))
			continue;
		via = r->gateway ? ip6_name(st, r->gateway)->addr : NULL;
		if (gateway ? via && memcmp(via, gateway->bytes, 16) == 0 : !via)
			break;
		if (!gateway)
			any = r;
	}
	if (r == st->ip6->route + IP6_ROUTE_MAX)
		r = any;
	if (!r)
		return -ESRCH;
	route6_remove(st, r);
	return 0;
}
