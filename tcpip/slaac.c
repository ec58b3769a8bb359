/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6 on a port: its link-local address, routers asked for (RFC 4861 6.3.7) and believed (6.3.4),
 * addresses from their prefixes (RFC 4862 5.5) with interface identifiers that stay the same on a
 * net and tell nothing on another (RFC 7217 5).
 * What keeps a hostile router out of memory: IP6_PORT_ADDRS addresses and IP6_ROUTER_MAX routers a
 * port, IP6_PREFIX_MAX prefixes in all; nothing of it can take a place of the administrator's.
 * Called by the daemon (stack_ip6_up), nd.c, addr6.c; calls addr6.c, route6.c, nd.c, mld.c.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "tcpip/group.h"
#include "tcpip/ip6.h"

#define SEC	     1000000000ull
#define MS	     1000000ull
#define SOLICITS     3u /* RFC 4861 10 */
#define SOLICIT_WAIT (4 * SEC)
#define TWO_HOURS    (7200 * SEC)
#define METRIC_RA    1024u /* Linux's, for routes of routers */
#define FOR_EVER_S   0xffffffffu
/* ms: RFC 4861 10's times, and what a router may set: the most of 6.2.1, the least of Linux. */
#define REACHABLE     30000u
#define REACHABLE_MAX 3600000u
#define RETRANS	      1000u
#define RETRANS_MAX   10000u
#define TIMES_MIN     100u
#define HOP_LIMIT_MIN 32u /* of a router's; see believed_hops */

static const uint8_t link_local_net[16] = {0xfe, 0x80};

struct ip6_port *ip6_port(struct stack *st, const struct port *port)
{
	struct ip6_port *i = &st->ip6->port[port->index];

	return i->port == port ? i : NULL;
}

/* ---- interface identifiers ---------------------------------------------------------------- */

/* RFC 5453: identifiers that no host may give itself. */
static bool reserved(const uint8_t iid[8])
{
	static const uint8_t zero[8], anycast[7] = {0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	return memcmp(iid, zero, 8) == 0 || (memcmp(iid, anycast, 7) == 0 && iid[7] >= 0x80);
}

/* F() of RFC 7217 5 is SipHash under the secret; Net_Iface is the port as it was named (a tap
 * device has another MAC at each start). Reads 8 bytes of prefix. */
void slaac_address(struct stack *st, const struct port *port, const uint8_t prefix[16],
		   uint8_t counter, uint8_t out[16])
{
	const struct ip6_port *i = ip6_port(st, port);
	struct {
		uint8_t prefix[8], counter, again;
		char kind[sizeof(port->conf.kind)], name[sizeof(port->conf.name)];
	} in = {.counter = counter};
	uint64_t h;

	memcpy(in.prefix, prefix, 8);
	memcpy(in.kind, port->conf.kind, sizeof(in.kind));
	memcpy(in.name, port->conf.name, sizeof(in.name));
	memmove(out, prefix, 8);
	do {
		h = siphash24(i ? i->conf.secret : st->secret, &in, sizeof(in));
		memcpy(out + 8, &h, 8);
	} while (reserved(out + 8) && ++in.again);
}

/* ---- up and down -------------------------------------------------------------------------- */

static void rs_timer(struct stack *st, struct timer *t)
{
	struct ip6_port *i = (struct ip6_port *)((uint8_t *)t - offsetof(struct ip6_port, rs));

	if (i->solicits >= SOLICITS)
		return;
	i->solicits++;
	nd_router_solicit(st, i->port);
	timer_set(&st->timers, t, st->now + SOLICIT_WAIT);
}

/* The delay of RFC 4861 6.3.7 was that before the address's probe. */
void slaac_link_ready(struct stack *st, struct port *port)
{
	struct ip6_port *i = ip6_port(st, port);

	if (!i || !i->conf.accept_ra || port->caps & PORT_CAP_RAW_IP || i->solicits)
		return;
	timer_set(&st->timers, &i->rs, st->now);
}

int stack_ip6_up(struct stack *st, struct port *port, const struct stack_ip6_conf *conf)
{
	struct ip6_port *i = &st->ip6->port[port->index];
	struct ip6_addr like = {
		.prefix = 64,
		.origin = IP6_LINK_LOCAL,
		.preferred = IP6_FOREVER,
		.valid = IP6_FOREVER,
	};
	int r;

	if (port->mtu < IP6_MTU_MIN)
		return -EINVAL;
	if (i->port)
		return -EEXIST;
	memset(i, 0, sizeof(*i));
	i->port = port;
	i->conf = *conf;
	i->rs.fn = rs_timer;
	r = group_join(st, port, ip6_all_nodes);
	if (r == 0) {
		slaac_address(st, port, link_local_net, 0, like.bytes);
		r = addr6_add(st, port, &like);
	}
	if (r < 0)
		ip6_flush_port(st, port);
	return r;
}

void slaac_port_down(struct stack *st, struct ip6_port *i)
{
	timer_cancel(&st->timers, &i->rs);
	i->port = NULL;
}

/* ---- times of neighbour discovery --------------------------------------------------------- */

/* Between half and one and a half of the base, lest hosts that started together ask together; made
 * anew "every few hours". */
uint64_t slaac_reachable(struct stack *st, const struct port *port)
{
	struct ip6_port *i = ip6_port(st, port);
	uint64_t base = i && i->base_reachable ? i->base_reachable : REACHABLE;

	if (!i)
		return base * MS;
	if (i->reachable_until <= st->now) {
		i->reachable = base * MS / 1000 * (500 + stack_random(st) % 1001);
		i->reachable_until = st->now + TWO_HOURS;
	}
	return i->reachable;
}

uint64_t slaac_retrans(struct stack *st, const struct port *port)
{
	const struct ip6_port *i = ip6_port(st, port);

	return (i && i->retrans ? i->retrans : RETRANS) * MS;
}

static uint32_t within(uint32_t v, uint32_t least, uint32_t most)
{
	return v < least ? least : v > most ? most : v;
}

/* RFC 4861 6.3.4: 0 says nothing. */
static void take_times(struct ip6_port *i, const struct nd_msg *m)
{
	uint32_t base = within(m->reachable, TIMES_MIN, REACHABLE_MAX);

	if (m->retrans)
		i->retrans = within(m->retrans, TIMES_MIN, RETRANS_MAX);
	if (!m->reachable || base == i->base_reachable)
		return;
	i->base_reachable = base;
	i->reachable_until = 0;
}

/* ---- what a router says ------------------------------------------------------------------- */

static uint64_t end_of(const struct stack *st, uint32_t seconds)
{
	return seconds == FOR_EVER_S ? IP6_FOREVER : st->now + seconds * SEC;
}

/* How many routes of routers there are: to `::/0` by this port, or (port NULL) other prefixes. */
static unsigned count_routes(const struct stack *st, const struct port *port)
{
	const struct ip6_route *r;
	unsigned n = 0;

	for (r = st->ip6->route; r < st->ip6->route + IP6_ROUTE_MAX; r++)
		if (r->port && r->from_ra)
			n += port ? r->port == port && r->prefix == 0 : r->prefix != 0;
	return n;
}

static void set_route(struct stack *st, const struct ip6_route *like, bool gone, bool room)
{
	struct ip6_route *r = route6_find(st, like);

	if (gone) {
		if (r && r->from_ra)
			route6_remove(st, r);
		return;
	}
	if (r || room)
		(void)route6_add(st, like);
}

static void default_router(struct stack *st, struct port *port, uint32_t router, uint16_t lifetime)
{
	struct ip6_route like = {
		.port = port, .from_ra = true, .gateway = router, .metric = METRIC_RA};

	like.until = st->now + lifetime * SEC;
	set_route(st, &like, lifetime == 0, count_routes(st, port) < IP6_ROUTER_MAX);
}

static void on_link(struct stack *st, struct port *port, const struct nd_prefix *p)
{
	struct ip6_route like = {
		.port = port, .prefix = p->len, .from_ra = true, .metric = METRIC_RA};

	memcpy(like.dst, p->prefix, 16);
	like.until = end_of(st, p->valid);
	set_route(st, &like, p->valid == 0, count_routes(st, NULL) < IP6_PREFIX_MAX);
}

static struct ip6_addr *made_from(struct stack *st, const struct port *port, const uint8_t net[16],
				  unsigned *count)
{
	struct ip6_addr *a, *found = NULL;

	*count = 0;
	for (a = st->ip6->addr; a < st->ip6->addr + st->ip6->n_addrs; a++) {
		if (a->port != port || a->origin != IP6_AUTO)
			continue;
		++*count;
		if (ip6_prefix_match(a->bytes, net, 64))
			found = a;
	}
	return found;
}

/* RFC 4862 5.5.3 d and e. A life is not shortened below two hours: nobody can be put off the net by
 * one forged message. */
static void autonomous(struct stack *st, struct port *port, const struct nd_prefix *p)
{
	struct ip6_addr like = {.prefix = 64, .origin = IP6_AUTO}, *a;
	uint64_t valid = end_of(st, p->valid), preferred = end_of(st, p->preferred);
	unsigned count;

	if (p->len != 64)
		return;
	a = made_from(st, port, p->prefix, &count);
	if (!a) {
		if (p->valid == 0 || count >= IP6_PORT_ADDRS)
			return;
		slaac_address(st, port, p->prefix, 0, like.bytes);
		if (addr6_find(st, port, like.bytes))
			return;
		like.preferred = preferred;
		like.valid = valid;
		(void)addr6_add(st, port, &like);
		return;
	}
	if (valid != IP6_FOREVER && valid <= st->now + TWO_HOURS && valid <= a->valid)
		valid = a->valid <= st->now + TWO_HOURS ? a->valid : st->now + TWO_HOURS;
	addr6_set_life(st, a, preferred, valid);
}

static bool usable(const struct nd_prefix *p)
{
	return !ip6_is_link_local(p->prefix) && !ip6_is_multicast(p->prefix) &&
	       !ip6_is_martian(p->prefix) && p->len != 0 && p->preferred <= p->valid;
}

/*
 * With a few hops nothing but the link would be reached: one forged message with 1 puts a host off
 * the net for good, as no router need ever say another (CVE-2015-2922). Linux has a setting for the
 * least it believes (accept_ra_min_hop_limit), 1 by default, which stops nothing; FreeBSD believes
 * no less than it had. Here the least is half of the default, which hosts used for long and which
 * the Internet's paths stay below; less is ignored, and more may be taken back to it.
 */
static bool believed_hops(uint8_t hop_limit)
{
	return hop_limit >= HOP_LIMIT_MIN; /* 0 says nothing */
}

void slaac_ra(struct stack *st, struct port *port, const struct ip6_hdr *h, const struct nd_msg *m)
{
	struct ip6_port *i = ip6_port(st, port);
	uint32_t router;
	unsigned k;

	if (!i || !i->conf.accept_ra)
		return;
	router = ip6_is_link_local(h->src) ? ip6_handle(st, h->src, ip6_scope(h->src, port)) : 0;
	if (!router) {
		COUNT(st, NdInErrors); /* 4861 6.1.2 */
		return;
	}
	COUNT(st, NdInRouterAdverts);
	if (m->lifetime)
		i->solicits = SOLICITS;
	if (believed_hops(m->hop_limit))
		i->hop_limit = m->hop_limit;
	if (m->mtu >= IP6_MTU_MIN && m->mtu <= port->mtu)
		i->mtu = (uint16_t)m->mtu;
	take_times(i, m);
	if (m->has_slla)
		neigh_learn(st, port, router, m->slla, false, true);
	default_router(st, port, router, m->lifetime);
	for (k = 0; k < m->n_prefix; k++) {
		if (!usable(&m->prefix[k]))
			continue;
		if (m->prefix[k].on_link)
			on_link(st, port, &m->prefix[k]);
		if (m->prefix[k].autonomous)
			autonomous(st, port, &m->prefix[k]);
	}
}
