/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gateways that do not answer (RFC 1122 3.3.1.4, 3.3.1.5; RFC 4861 6.3.6, 7.3.3), of both families:
 * of the routes to one net, those by a gateway that neigh.c found dead come after all others, and
 * among themselves the one that failed first comes first, so that each is tried in its turn. All of
 * this is in a route's `rank`, so a lookup compares one number. A gateway is dead as long as its
 * neighbour's entry says so; neigh.c asks for it again, for what is not used does not show that it
 * is back. A gateway without an alternative is left as it is.
 * Called by neigh.c; calls route.c, route6.c, redirect.c, neigh.c.
 */
#include <string.h>

#include "tcpip/ip6.h"

/* ---- the two tables ----------------------------------------------------------------------- */

static bool by4(const struct route *r, const struct port *port, uint32_t ip)
{
	return r->gateway == ip && r->port == port;
}

static bool by6(const struct ip6_route *r, const struct port *port, uint32_t ip)
{
	return r->port == port && r->gateway == ip;
}

static bool dead4(struct stack *st, const struct port *port, uint32_t ip, uint64_t rank)
{
	struct route *r, *other;
	bool lives = false;

	for (r = st->routes; r < st->routes + st->n_routes; r++) {
		if (!by4(r, port, ip))
			continue;
		for (other = st->routes; other < st->routes + st->n_routes; other++) {
			if (other == r || other->net != r->net || other->prefix != r->prefix)
				continue;
			r->rank = rank;
			lives |= other->rank < GATEWAY_DEAD;
		}
	}
	return lives;
}

static bool dead6(struct stack *st, const struct port *port, uint32_t ip, uint64_t rank)
{
	struct ip6_route *all = st->ip6->route, *r, *other;
	bool lives = false;

	for (r = all; r < all + IP6_ROUTE_MAX; r++) {
		if (!by6(r, port, ip))
			continue;
		for (other = all; other < all + IP6_ROUTE_MAX; other++) {
			if (other == r || !other->port || other->prefix != r->prefix ||
			    memcmp(other->dst, r->dst, 16) != 0)
				continue;
			r->rank = rank;
			lives |= other->rank < GATEWAY_DEAD;
		}
	}
	return lives;
}

/* ---- what neigh.c found ------------------------------------------------------------------- */

bool gateway_dead(struct stack *st, struct port *port, uint32_t ip)
{
	uint64_t rank = GATEWAY_DEAD | ++st->gateway_deaths;

	return ip_is6(ip) ? dead6(st, port, ip, rank) : dead4(st, port, ip, rank);
}

void gateway_lives(struct stack *st, const struct port *port, uint32_t ip)
{
	struct route *r;
	struct ip6_route *r6;

	if (ip_is6(ip)) {
		for (r6 = st->ip6->route; r6 < st->ip6->route + IP6_ROUTE_MAX; r6++)
			if (by6(r6, port, ip))
				r6->rank = r6->metric;
		return;
	}
	for (r = st->routes; r < st->routes + st->n_routes; r++)
		if (by4(r, port, ip))
			r->rank = r->metric;
}

bool gateway_is_dead(const struct stack *st, const struct port *port, uint32_t ip)
{
	const struct route *r;
	const struct ip6_route *r6;

	if (ip_is6(ip)) {
		for (r6 = st->ip6->route; r6 < st->ip6->route + IP6_ROUTE_MAX; r6++)
			if (by6(r6, port, ip) && r6->rank >= GATEWAY_DEAD)
				return true;
		return false;
	}
	for (r = st->routes; r < st->routes + st->n_routes; r++)
		if (by4(r, port, ip) && r->rank >= GATEWAY_DEAD)
			return true;
	return false;
}

void gateway_resigned(struct stack *st, const struct port *port, uint32_t ip)
{
	struct ip6_route *r;

	for (r = st->ip6->route; r < st->ip6->route + IP6_ROUTE_MAX; r++)
		if (by6(r, port, ip) && r->from_ra)
			route6_remove(st, r);
	(void)redirect_lost(st, port, ip, true);
}

/* ---- what waited for it ------------------------------------------------------------------- */

/* Where the packet (data at its IP header) is for; 0: nobody can say. */
static uint32_t destination(struct stack *st, const struct port *port, const struct pktbuf *p)
{
	struct ip4_hdr h;
	struct ip6_hdr h6;

	if (ip4_parse_quoted(&h, pktbuf_data(p), p->len) == 0)
		return h.dst;
	if (ip6_parse_quoted(&h6, pktbuf_data(p), p->len) < 0)
		return 0;
	return ip6_handle(st, h6.dst, ip6_scope(h6.dst, port));
}

bool gateway_resend(struct stack *st, struct port *port, uint32_t ip, struct pktbuf *p)
{
	uint32_t dst = destination(st, port, p);
	struct route_hit hit;

	/* By another port its source would be wrong. */
	if (!dst || route_lookup(st, dst, &hit) < 0 || hit.port != port || hit.next_hop == ip)
		return false;
	neigh_out(st, port, hit.next_hop, p);
	return true;
}
