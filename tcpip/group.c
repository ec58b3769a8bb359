/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups a port hears, and when they are reported to routers (RFC 3376, RFC 3810): joins and leaves
 * are said twice, a query is answered once, after a random while, with all there is. No source
 * lists: a group is heard from everybody (EXCLUDE of nobody) or not at all. While a router of an
 * older version is there, its messages are used (RFC 3376 7.2.1, RFC 3810 8.2.1); what other
 * members report is not listened to: that suppression is a saving, not a duty of version 3. Called
 * by route.c, addr6.c, slaac.c, member.c, igmp.c, mld.c; calls the latter two and the port's
 * filter.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "tcpip/group.h"
#include "tcpip/ip6.h"

#define MS	   1000000ull
#define ROBUSTNESS 2u		    /* RFC 3376 8.1 */
#define UNASKED_MS 1000u	    /* 8.11 */
#define OLD_ROUTER (260000ull * MS) /* 8.12, 8.13: two query intervals and a response's */

static const struct group_ops *const families[GROUP_FAMILIES] = {
	[GROUP_4] = &igmp_groups,
	[GROUP_6] = &mld_groups,
};

/* ---- addresses ---------------------------------------------------------------------------- */

void group_of4(uint8_t group[16], uint32_t addr)
{
	memset(group, 0, 16);
	group[10] = group[11] = 0xff;
	memcpy(group + 12, &addr, 4);
}

uint32_t group_addr4(const uint8_t group[16])
{
	uint32_t addr;

	memcpy(&addr, group + 12, 4);
	return addr;
}

void group_mac(uint8_t mac[6], const uint8_t group[16])
{
	static const uint8_t four[3] = {0x01, 0x00, 0x5e};

	ip6_group_mac(mac, group);
	if (group_family(group) == GROUP_4) {
		memcpy(mac, four, sizeof(four));
		mac[3] &= 0x7f;
	}
}

/* ---- the table ---------------------------------------------------------------------------- */

int group_create(struct stack *st)
{
	st->groups = arena_take(st->arena, sizeof(*st->groups), 64);
	return st->groups ? 0 : -ENOMEM;
}

static struct group *find(const struct stack *st, const struct port *port, const uint8_t group[16])
{
	struct group *g;

	for (g = st->groups->group; g < st->groups->group + GROUP_MAX; g++)
		if (g->port == port && memcmp(g->addr, group, 16) == 0)
			return g;
	return NULL;
}

bool group_heard(const struct stack *st, const struct port *port, const uint8_t group[16])
{
	const struct group *g = find(st, port, group);

	return g && g->refs > 0;
}

/* The card's filter holds a MAC once, and groups can have the same. */
static bool mac_shared(const struct stack *st, const struct group *g, const uint8_t mac[6])
{
	const struct group *o;
	uint8_t other[6];

	for (o = st->groups->group; o < st->groups->group + GROUP_MAX; o++) {
		if (o == g || o->port != g->port || o->refs == 0)
			continue;
		group_mac(other, o->addr);
		if (memcmp(other, mac, 6) == 0)
			return true;
	}
	return false;
}

static void filter(const struct stack *st, const struct group *g, bool on)
{
	uint8_t mac[6];

	group_mac(mac, g->addr);
	if (!g->port->ops || !g->port->ops->filter || mac_shared(st, g, mac))
		return;
	(void)g->port->ops->filter(g->port, mac, on); /* full: that of the driver says what then */
}

/* ---- reports ------------------------------------------------------------------------------ */

/* Newer than the oldest router heard of late: RFC 3376 7.2.1's table. */
static enum group_version version_of(const struct stack *st, const struct group_link *l)
{
	if (st->now < l->old_until[GROUP_V1])
		return GROUP_V1;
	return st->now < l->old_until[GROUP_V2] ? GROUP_V2 : GROUP_V3;
}

/* The record `g` needs now, or 0. */
static uint8_t due(struct group *g, bool all)
{
	if (g->reports) {
		g->reports--;
		return g->refs ? CHANGE_TO_EXCLUDE : CHANGE_TO_INCLUDE;
	}
	return all && g->refs ? MODE_IS_EXCLUDE : 0;
}

/* A report being filled. */
struct draft {
	struct pktbuf *p;
	unsigned n;
};

static void send_draft(struct stack *st, const struct group_link *l, const struct group_ops *ops,
		       struct draft *d)
{
	if (d->p)
		ops->send(st, l->port, d->p, d->n);
	*d = (struct draft){NULL, 0};
}

static void say(struct stack *st, const struct group_link *l, const struct group_ops *ops,
		struct draft *d, uint8_t type, const uint8_t group[16])
{
	enum group_version version = version_of(st, l);

	if (version != GROUP_V3) {
		ops->send_old(st, l->port, version, type, group);
		return;
	}
	if (!d->p)
		d->p = pktbuf_alloc(st->pool);
	if (!d->p)
		return;
	ops->record(pktbuf_data(d->p), d->n++, type, group);
	if (d->n == ops->records)
		send_draft(st, l, ops, d);
}

/* One round over the groups of a port; true: some have more to say. */
static bool report(struct stack *st, struct group_link *l, enum group_family family)
{
	const struct group_ops *ops = families[family];
	struct draft d = {NULL, 0};
	struct group *g;
	bool more = false;
	uint8_t type;

	for (g = st->groups->group; g < st->groups->group + GROUP_MAX; g++) {
		if (g->port != l->port || group_family(g->addr) != family ||
		    !ops->reported(st, l->port, g->addr))
			continue;
		type = due(g, l->all);
		more |= g->reports > 0;
		if (type)
			say(st, l, ops, &d, type, g->addr);
		if (g->refs == 0 && g->reports == 0)
			g->port = NULL;
	}
	send_draft(st, l, ops, &d);
	l->all = false;
	return more;
}

static void soon(struct stack *st, struct group_link *l, uint32_t within_ms)
{
	uint64_t at = st->now + (within_ms ? stack_random(st) % within_ms : 0) * MS;

	if (!timer_armed(&l->timer) || at < l->timer.expires)
		timer_set(&st->timers, &l->timer, at);
}

static void report_timer(struct stack *st, struct timer *t)
{
	struct group_link *l =
		(struct group_link *)((uint8_t *)t - offsetof(struct group_link, timer));

	if (report(st, l, l < st->groups->link[GROUP_6] ? GROUP_4 : GROUP_6))
		soon(st, l, UNASKED_MS);
}

static struct group_link *link_of(struct stack *st, struct port *port, enum group_family family)
{
	struct group_link *l = &st->groups->link[family][port->index];

	l->port = port;
	l->timer.fn = report_timer;
	return l;
}

static void changed(struct stack *st, struct group *g)
{
	enum group_family family = group_family(g->addr);

	if (!families[family]->reported(st, g->port, g->addr)) {
		if (g->refs == 0)
			g->port = NULL;
		return;
	}
	g->reports = ROBUSTNESS;
	soon(st, link_of(st, g->port, family), 1);
}

/* ---- members ------------------------------------------------------------------------------ */

int group_join(struct stack *st, struct port *port, const uint8_t group[16])
{
	struct group *g = find(st, port, group), *all = st->groups->group;

	if (g && g->refs++)
		return 0; /* else it was being left: said anew */
	if (!g) {
		for (g = all; g < all + GROUP_MAX && g->port; g++)
			;
		if (g == all + GROUP_MAX)
			return -ENOBUFS;
		*g = (struct group){.port = port, .refs = 1};
		memcpy(g->addr, group, 16);
	}
	filter(st, g, true);
	changed(st, g);
	return 0;
}

void group_leave(struct stack *st, struct port *port, const uint8_t group[16])
{
	struct group *g = find(st, port, group);

	if (!g || g->refs == 0 || --g->refs)
		return;
	filter(st, g, false);
	changed(st, g);
}

void group_flush(struct stack *st, struct port *port, enum group_family family)
{
	struct group_table *t = st->groups;
	struct group_link *l = &t->link[family][port->index];
	struct group_member *m;
	struct group *g;

	for (m = t->member; m < t->member + GROUP_MEMBER_MAX; m++)
		if (m->port == port && group_family(m->group) == family)
			m->port = NULL;
	for (g = t->group; g < t->group + GROUP_MAX; g++)
		if (g->port == port && group_family(g->addr) == family)
			g->port = NULL;
	timer_cancel(&st->timers, &l->timer);
	*l = (struct group_link){.port = NULL};
}

void group_query(struct stack *st, struct port *port, enum group_family family,
		 const uint8_t *group, enum group_version version, uint32_t within_ms)
{
	struct group_link *l = link_of(st, port, family);

	if (version != GROUP_V3)
		l->old_until[version] = st->now + OLD_ROUTER;
	if (group && !group_heard(st, port, group))
		return;
	l->all = true;
	soon(st, l, within_ms);
}

/* ---- our own ------------------------------------------------------------------------------ */

void group_loop(struct stack *st, struct port *port, const struct pktbuf *p,
		const uint8_t group[16])
{
	struct pktbuf *c;

	if (!group_heard(st, port, group))
		return;
	c = ip_copy(st, p);
	if (!c) {
		COUNT(st, IpOutDiscards);
		return;
	}
	c->udp.port = (uint8_t)port->index;
	ip_loop_put(st, c);
}
