/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups a port hears, and from whom: the filters of all who asked, made one (RFC 3376 3.2, RFC
 * 3810 4.2), and the port's filter of MACs. Called by route.c, addr6.c, slaac.c, member.c, which
 * ask, ip4.c and ip6.c, which look, igmp.c, mld.c; calls group_report.c, which tells routers what
 * changed.
 */
#include <errno.h>
#include <string.h>

#include "tcpip/group.h"
#include "tcpip/ip6.h"

/* ---- addresses ---------------------------------------------------------------------------- */

void group_of4(uint8_t group[16], uint32_t addr)
{
	memset(group, 0, 16);
	group[10] = group[11] = 0xff;
	memcpy(group + 12, &addr, 4);
}

void group_of(const struct stack *st, uint8_t group[16], uint32_t ip)
{
	if (ip_is6(ip))
		memcpy(group, ip6_name(st, ip)->addr, 16);
	else
		group_of4(group, ip);
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

struct group *group_find(const struct stack *st, const struct port *port, const uint8_t group[16])
{
	struct group *g;

	for (g = st->groups->group; g < st->groups->group + GROUP_MAX; g++)
		if (g->port == port && memcmp(g->addr, group, 16) == 0)
			return g;
	return NULL;
}

/* A slot for one more group. When all are taken, of one that nobody is in any more: routers find
 * out, too. NULL: there is none. */
static struct group *free_slot(struct stack *st)
{
	struct group *all = st->groups->group, *g, *left = NULL;

	for (g = all; g < all + GROUP_MAX; g++) {
		if (!g->port)
			return g;
		if (!g->refs && !group_open(g))
			left = g;
	}
	return left;
}

static struct group *find_or_make(struct stack *st, struct port *port, const uint8_t group[16])
{
	struct group *g = group_find(st, port, group);

	if (g)
		return g;
	g = free_slot(st);
	if (!g)
		return NULL;
	*g = (struct group){.port = port};
	memcpy(g->addr, group, 16);
	memset(group_sources(st, g), 0, sizeof(st->groups->source[0]));
	return g;
}

bool group_heard(const struct stack *st, const struct port *port, const uint8_t group[16])
{
	const struct group *g = group_find(st, port, group);

	return g && group_open(g);
}

/* The card's filter holds a MAC once, and groups can have the same. */
static bool mac_shared(const struct stack *st, const struct group *g, const uint8_t mac[6])
{
	const struct group *o;
	uint8_t other[6];

	for (o = st->groups->group; o < st->groups->group + GROUP_MAX; o++) {
		if (o == g || o->port != g->port || !group_open(o))
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

/* ---- sources ------------------------------------------------------------------------------ */

struct group_source *group_sources(struct stack *st, const struct group *g)
{
	return st->groups->source[g - st->groups->group];
}

static bool used(const struct group_source *s)
{
	return s->listed || s->asked || s->reports;
}

struct group_source *group_source_put(struct stack *st, const struct group *g,
				      const uint8_t addr[16])
{
	struct group_source *all = group_sources(st, g), *s, *empty = NULL;

	for (s = all; s < all + GROUP_SOURCE_MAX; s++) {
		if (!used(s))
			empty = empty ? empty : s;
		else if (memcmp(s->addr, addr, 16) == 0)
			return s;
	}
	if (empty)
		memcpy(empty->addr, addr, 16);
	return empty;
}

bool group_hears(const struct stack *st, const struct port *port, const uint8_t group[16],
		 const uint8_t source[16])
{
	const struct group *g = group_find(st, port, group);
	const struct group_source *s;

	if (!g || !g->listed)
		return g && g->exclude;
	s = st->groups->source[g - st->groups->group];
	for (; s < st->groups->source[g - st->groups->group] + GROUP_SOURCE_MAX; s++)
		if (s->listed && memcmp(s->addr, source, 16) == 0)
			return !g->exclude;
	return g->exclude;
}

bool member_filter_passes(const struct member_filter *f, const uint8_t source[16])
{
	unsigned i;

	for (i = 0; i < f->n; i++)
		if (memcmp(f->source[i], source, 16) == 0)
			return !f->exclude;
	return f->exclude;
}

/* ---- what all want together --------------------------------------------------------------- */

struct wish {
	bool exclude;
	unsigned n;
	const uint8_t *source[GROUP_SOURCE_MAX]; /* in members' filters */
};

static bool wish_has(const struct wish *w, const uint8_t source[16])
{
	unsigned i;

	for (i = 0; i < w->n; i++)
		if (memcmp(w->source[i], source, 16) == 0)
			return true;
	return false;
}

static int wish_add(struct wish *w, const uint8_t source[16])
{
	if (wish_has(w, source))
		return 0;
	if (w->n == GROUP_SOURCE_MAX)
		return -ENOBUFS;
	w->source[w->n++] = source;
	return 0;
}

/* The filter of the next membership of the group from *m on; NULL: that was the last. */
static const struct member_filter *next_filter(const struct stack *st, const struct group *g,
					       const struct group_member **m)
{
	const struct group_member *at = *m;

	for (; at < st->groups->member + GROUP_MEMBER_MAX; at++)
		if (at->port == g->port && memcmp(at->group, g->addr, 16) == 0) {
			*m = at + 1;
			return &st->groups->filter[at - st->groups->member];
		}
	return NULL;
}

static bool wanted(const struct stack *st, const struct group *g, const uint8_t source[16])
{
	const struct group_member *m = st->groups->member;
	const struct member_filter *f;

	while ((f = next_filter(st, g, &m)))
		if (member_filter_passes(f, source))
			return true;
	return false;
}

/*
 * Where somebody excludes, what nobody wants is excluded: one such list has all of it. Else what
 * anybody includes is included. That list is made, and refused, also where it is not needed now: so
 * that nobody who leaves or says less can be refused.
 */
static int merge(const struct stack *st, const struct group *g, struct wish *w)
{
	const struct group_member *m = st->groups->member;
	const struct member_filter *f, *excluding = NULL;
	unsigned i;

	*w = (struct wish){.exclude = g->refs > 0};
	while ((f = next_filter(st, g, &m))) {
		if (f->exclude)
			excluding = f;
		for (i = 0; !f->exclude && i < f->n; i++)
			if (wish_add(w, f->source[i]) < 0)
				return -ENOBUFS;
	}
	if (!excluding && !w->exclude)
		return 0;
	*w = (struct wish){.exclude = true};
	for (i = 0; excluding && g->refs == 0 && i < excluding->n; i++)
		if (!wanted(st, g, excluding->source[i]))
			(void)wish_add(w, excluding->source[i]); /* there is room for a filter's */
	return 0;
}

/* ---- from the one filter to the next ------------------------------------------------------ */

/* Routers are told of the whole list, so of no source by itself. */
static void tell_all(struct stack *st, struct group *g)
{
	struct group_source *s = group_sources(st, g), *end = s + GROUP_SOURCE_MAX;

	g->reports = GROUP_ROBUSTNESS;
	for (; s < end; s++)
		s->reports = 0;
}

static void list(struct group *g, struct group_source *s, bool on)
{
	s->listed = on;
	if (g->reports) /* the whole list is being told: that takes it along, from the start */
		g->reports = GROUP_ROBUSTNESS;
	else
		s->reports = GROUP_ROBUSTNESS;
}

/* There is always room for what is listed; what a full table held besides is told as a whole. */
static struct group_source *put_listed(struct stack *st, struct group *g, const uint8_t addr[16])
{
	struct group_source *all = group_sources(st, g), *s = group_source_put(st, g, addr);

	if (s)
		return s;
	for (s = all; s < all + GROUP_SOURCE_MAX; s++)
		g->asked |= s->asked, s->asked = false;
	tell_all(st, g);
	return group_source_put(st, g, addr);
}

/* True: it was another one. */
static bool apply(struct stack *st, struct group *g, const struct wish *w)
{
	struct group_source *all = group_sources(st, g), *s;
	bool changed = g->exclude != w->exclude;
	unsigned i;

	g->exclude = w->exclude;
	if (changed)
		tell_all(st, g);
	for (s = all; s < all + GROUP_SOURCE_MAX; s++)
		if (s->listed && !wish_has(w, s->addr)) {
			list(g, s, false);
			changed = true;
		}
	for (i = 0; i < w->n; i++) {
		s = put_listed(st, g, w->source[i]);
		if (!s->listed) {
			list(g, s, true);
			changed = true;
		}
	}
	g->listed = (uint8_t)w->n;
	return changed;
}

void group_settle(struct stack *st, struct group *g)
{
	struct group_source *all = group_sources(st, g), *s;

	if (g->refs || group_open(g) || g->reports)
		return;
	for (s = all; s < all + GROUP_SOURCE_MAX; s++)
		if (s->reports)
			return;
	g->port = NULL;
}

static int update(struct stack *st, struct group *g)
{
	bool heard = group_open(g);
	struct wish w;
	int r = merge(st, g, &w);

	if (r == 0 && apply(st, g, &w)) {
		if (heard != group_open(g))
			filter(st, g, !heard);
		group_changed(st, g);
	}
	group_settle(st, g);
	return r;
}

/* ---- who asks ----------------------------------------------------------------------------- */

int group_join(struct stack *st, struct port *port, const uint8_t group[16])
{
	struct group *g = find_or_make(st, port, group);

	if (!g)
		return -ENOBUFS;
	g->refs++;
	return update(st, g); /* this asks for no source: it is not refused */
}

void group_leave(struct stack *st, struct port *port, const uint8_t group[16])
{
	struct group *g = group_find(st, port, group);

	if (!g || g->refs == 0)
		return;
	g->refs--;
	(void)update(st, g);
}

int group_update(struct stack *st, struct port *port, const uint8_t group[16])
{
	struct group *g = find_or_make(st, port, group);

	return g ? update(st, g) : -ENOBUFS;
}

void group_flush(struct stack *st, struct port *port, enum group_family family)
{
	struct group_table *t = st->groups;
	struct group_member *m;
	struct group *g;

	for (m = t->member; m < t->member + GROUP_MEMBER_MAX; m++)
		if (m->port == port && group_family(m->group) == family)
			m->port = NULL;
	for (g = t->group; g < t->group + GROUP_MAX; g++)
		if (g->port == port && group_family(g->addr) == family)
			g->port = NULL;
	group_quiet(st, &t->link[family][port->index]);
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
