/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups a port hears, and MLDv2's reports of them (RFC 3810): joins and leaves are said twice,
 * a query is answered once, after a random while. No source lists: a group is heard from everybody
 * (EXCLUDE of nobody) or not at all. A query of version 1 is answered in version 2's way.
 * Called by addr6.c, slaac.c, sockets; calls ip6.c and the port's filter.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "tcpip/ip6.h"

#define MS	   1000000ull
#define ROBUSTNESS 2u	 /* RFC 3810 9.1 */
#define UNASKED_MS 1000u /* 9.11 */
#define RECORDS	   50u	 /* a report: fits 1280 bytes */

enum record { MODE_IS_EXCLUDE = 2, CHANGE_TO_INCLUDE = 3, CHANGE_TO_EXCLUDE = 4 };

static const uint8_t all_mld_routers[16] = {0xff, 2, [15] = 0x16};

static struct ip6_group *find(const struct stack *st, const struct port *port,
			      const uint8_t group[16])
{
	struct ip6_group *g;

	for (g = st->ip6->group; g < st->ip6->group + IP6_GROUP_MAX; g++)
		if (g->port == port && memcmp(g->addr, group, 16) == 0)
			return g;
	return NULL;
}

bool mld_member(const struct stack *st, const struct port *port, const uint8_t group[16])
{
	const struct ip6_group *g = find(st, port, group);

	return g && g->refs > 0;
}

/* RFC 3810 6: never for all nodes, nor for groups that end at the interface. */
static bool reported(const uint8_t group[16])
{
	return (group[1] & 0xf) >= 2 && memcmp(group, ip6_all_nodes, 16) != 0;
}

/* The card's filter holds a MAC once, and two groups can have the same. */
static bool mac_shared(const struct stack *st, const struct ip6_group *g)
{
	const struct ip6_group *o;

	for (o = st->ip6->group; o < st->ip6->group + IP6_GROUP_MAX; o++)
		if (o != g && o->port == g->port && o->refs &&
		    !memcmp(o->addr + 12, g->addr + 12, 4))
			return true;
	return false;
}

static void filter(const struct stack *st, const struct ip6_group *g, bool on)
{
	uint8_t mac[6];

	if (!g->port->ops || !g->port->ops->filter || mac_shared(st, g))
		return;
	ip6_group_mac(mac, g->addr);
	(void)g->port->ops->filter(g->port, mac, on); /* full: that of the driver says what then */
}

/* ---- reports ------------------------------------------------------------------------------ */

static void send_report(struct stack *st, struct port *port, struct pktbuf *p, unsigned n)
{
	struct ip6_hdr h = {.next = IP6_HOPOPTS, .hop_limit = 1};
	static const uint8_t alert[8] = {IP6_ICMP, 0, 5, 2, 0, 0, 1, 0};
	uint32_t src = addr6_source(st, port, all_mld_routers);
	uint16_t sum;

	/* Before the link-local address is ours: from nobody, RFC 3590 4. */
	if (src)
		memcpy(h.src, ip6_name(st, src)->addr, 16);
	memcpy(h.dst, all_mld_routers, 16);
	p->len = (uint16_t)mld_report_build(pktbuf_data(p), n);
	sum = csum_fold(
		csum_add(csum_pseudo6(h.src, h.dst, IP6_ICMP, p->len), pktbuf_data(p), p->len));
	memcpy(pktbuf_data(p) + 2, &sum, 2);
	memcpy(pktbuf_push(p, 8), alert, 8);
	COUNT(st, MldOutReports);
	ip6_send(st, port, p, &h, NULL);
}

/* The record `g` needs now, or 0. */
static uint8_t due(struct ip6_group *g, bool all)
{
	if (g->reports) {
		g->reports--;
		return g->refs ? CHANGE_TO_EXCLUDE : CHANGE_TO_INCLUDE;
	}
	return all && g->refs ? MODE_IS_EXCLUDE : 0;
}

/* One round over the groups of a port; true: some have more to say. */
static bool report(struct stack *st, struct ip6_port *i)
{
	struct pktbuf *p = NULL;
	struct ip6_group *g;
	bool more = false;
	unsigned n = 0;
	uint8_t type;

	for (g = st->ip6->group; g < st->ip6->group + IP6_GROUP_MAX; g++) {
		if (g->port != i->port || !reported(g->addr))
			continue;
		type = due(g, i->mld_all);
		more |= g->reports > 0;
		if (!p && type) {
			p = pktbuf_alloc(st->pool);
			n = 0;
		}
		if (p && type)
			mld_record_build(pktbuf_data(p), n++, type, g->addr);
		if (g->refs == 0 && g->reports == 0)
			g->port = NULL;
		if (p && n == RECORDS) {
			send_report(st, i->port, p, n);
			p = NULL;
		}
	}
	if (p)
		send_report(st, i->port, p, n);
	i->mld_all = false;
	return more;
}

static void soon(struct stack *st, struct ip6_port *i, uint32_t within_ms)
{
	uint64_t at = st->now + (within_ms ? stack_random(st) % within_ms : 0) * MS;

	if (!timer_armed(&i->mld) || at < i->mld.expires)
		timer_set(&st->timers, &i->mld, at);
}

void mld_timer(struct stack *st, struct timer *t)
{
	struct ip6_port *i = (struct ip6_port *)((uint8_t *)t - offsetof(struct ip6_port, mld));

	if (report(st, i))
		soon(st, i, UNASKED_MS);
}

static void changed(struct stack *st, struct ip6_group *g)
{
	struct ip6_port *i = ip6_port(st, g->port);

	if (!i || !reported(g->addr) || g->port->caps & PORT_CAP_RAW_IP) {
		if (g->refs == 0)
			g->port = NULL;
		return;
	}
	g->reports = ROBUSTNESS;
	soon(st, i, 1);
}

/* ---- members ------------------------------------------------------------------------------ */

int mld_join(struct stack *st, struct port *port, const uint8_t group[16])
{
	struct ip6_group *g = find(st, port, group);

	if (g && g->refs++)
		return 0; /* else it was being left: said anew */
	if (!g) {
		for (g = st->ip6->group; g < st->ip6->group + IP6_GROUP_MAX && g->port; g++)
			;
		if (g == st->ip6->group + IP6_GROUP_MAX)
			return -ENOBUFS;
		*g = (struct ip6_group){.port = port, .refs = 1};
		memcpy(g->addr, group, 16);
	}
	filter(st, g, true);
	changed(st, g);
	return 0;
}

void mld_leave(struct stack *st, struct port *port, const uint8_t group[16])
{
	struct ip6_group *g = find(st, port, group);

	if (!g || g->refs == 0 || --g->refs)
		return;
	filter(st, g, false);
	changed(st, g);
}

void mld_flush_port(struct stack *st, struct port *port)
{
	struct ip6_group *g;

	for (g = st->ip6->group; g < st->ip6->group + IP6_GROUP_MAX; g++)
		if (g->port == port)
			g->port = NULL;
}

/* ---- queries ------------------------------------------------------------------------------ */

/* RFC 3810 6.2: from a router of this link, and so that routers look at it. */
void mld_query_in(struct stack *st, struct port *port, const struct pktbuf *p,
		  const struct ip6_hdr *h)
{
	struct ip6_port *i = ip6_port(st, port);
	struct mld_query q;
	struct ip6_ext e;

	if (!i || h->hop_limit != 1 || !ip6_is_link_local(h->src) ||
	    ip6_walk(&e, h, p->buf + p->l3_off, (size_t)(p->off - p->l3_off) + p->len) < 0 ||
	    !e.router_alert || mld_query_parse(&q, pktbuf_data(p), p->len) < 0) {
		COUNT(st, MldInErrors);
		return;
	}
	COUNT(st, MldInQueries);
	if (!ip6_is_unspecified(q.group) && !mld_member(st, port, q.group))
		return;
	i->mld_all = true;
	soon(st, i, q.max_ms);
}
