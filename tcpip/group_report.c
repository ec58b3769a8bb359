/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When routers are told of the groups a port hears, and with what records (RFC 3376 4.2, 5; RFC
 * 3810 5.2, 6): each change twice, at once and after a random while; a query once, within its time,
 * with as much as it asked for. Answers to queries about single groups wait together for the first
 * of them to be due. While a router of an older version is there, its messages are used, which know
 * no sources (RFC 3376 7.2.1, RFC 3810 8.2.1); what other members report is not listened to: that
 * suppression is a saving, not a duty of version 3. Called by group.c, igmp.c, mld.c; calls the
 * latter two.
 */
#include <stddef.h>

#include "tcpip/group.h"

#define MS	   1000000ull
#define UNASKED_MS 1000u	    /* RFC 3376 8.11 */
#define OLD_ROUTER (260000ull * MS) /* 8.12, 8.13: two query intervals and a response's */
#define REPORT_MAX 1280u	    /* bytes of a packet: what every port of IPv6 takes */
#define HEADER_LEN 8u		    /* of either family's report */

static const struct group_ops *const families[GROUP_FAMILIES] = {
	[GROUP_4] = &igmp_groups,
	[GROUP_6] = &mld_groups,
};

/* A round over the groups of a link: what is due, and the report being filled. */
struct round {
	struct stack *st;
	struct group_link *link;
	const struct group_ops *ops;
	enum group_version version;
	bool changes, all, asked;
	struct pktbuf *p; /* NULL: none is begun */
	unsigned records;
};

/* Newer than the oldest router heard of late: RFC 3376 7.2.1's table. */
static enum group_version version_of(const struct stack *st, const struct group_link *l)
{
	if (st->now < l->old_until[GROUP_V1])
		return GROUP_V1;
	return st->now < l->old_until[GROUP_V2] ? GROUP_V2 : GROUP_V3;
}

/* ---- records ------------------------------------------------------------------------------ */

/* Which sources a record has. */
enum pick { PICK_LISTED, PICK_ALLOWED, PICK_BLOCKED, PICK_ASKED };

static bool picked(const struct group *g, const struct group_source *s, enum pick pick)
{
	bool heard = s->listed != g->exclude;

	switch (pick) {
	case PICK_ALLOWED:
		return s->reports && heard;
	case PICK_BLOCKED:
		return s->reports && !heard;
	case PICK_ASKED: /* RFC 3376 5.2: A*B where A is included, B-A where it is excluded */
		return s->asked && heard;
	default:
		return s->listed;
	}
}

static unsigned pick_count(struct stack *st, const struct group *g, enum pick pick)
{
	const struct group_source *s = group_sources(st, g), *end = s + GROUP_SOURCE_MAX;
	unsigned n = 0;

	for (; s < end; s++)
		n += picked(g, s, pick);
	return n;
}

/* Does so much more fit? Into an empty report a record with one source always does. */
static bool fits(const struct round *r, unsigned len)
{
	unsigned mtu = r->link->port->mtu, max = mtu < REPORT_MAX ? mtu : REPORT_MAX;

	return r->ops->headers - HEADER_LEN + r->p->len + len <= max;
}

static void send_report(struct round *r)
{
	if (r->p)
		r->ops->send(r->st, r->link->port, r->p, r->records);
	r->p = NULL;
	r->records = 0;
}

/* NULL: no buffer is left; routers ask again. */
static uint8_t *begin_record(struct round *r, uint8_t type, const struct group *g)
{
	uint8_t *record;

	if (!r->p) {
		r->p = pktbuf_alloc(r->st->pool);
		if (!r->p)
			return NULL;
		r->p->len = HEADER_LEN;
	}
	record = pktbuf_data(r->p) + r->p->len;
	r->p->len += (uint16_t)r->ops->record(record, type, g->addr);
	r->records++;
	return record;
}

/* RFC 3376 4.2.16: what is too long for a report goes into several, but of what is excluded the
 * rest is left out: several records would each undo the one before. */
static void say(struct round *r, uint8_t type, const struct group *g, enum pick pick)
{
	const struct group_source *s = group_sources(r->st, g), *end = s + GROUP_SOURCE_MAX;
	unsigned n = pick_count(r->st, g, pick);
	uint8_t *record;

	if (n == 0 && pick != PICK_LISTED)
		return;
	if (r->p && !fits(r, r->ops->record_len + n * r->ops->source_len))
		send_report(r);
	record = begin_record(r, type, g);
	for (; record && s < end; s++) {
		if (!picked(g, s, pick))
			continue;
		if (!fits(r, r->ops->source_len)) {
			if (type == MODE_IS_EXCLUDE || type == CHANGE_TO_EXCLUDE)
				return;
			send_report(r);
			record = begin_record(r, type, g);
			if (!record)
				return;
		}
		r->p->len += (uint16_t)r->ops->source(record, s->addr);
	}
}

/* ---- what is due -------------------------------------------------------------------------- */

static bool pending(struct stack *st, const struct group *g)
{
	const struct group_source *s = group_sources(st, g), *end = s + GROUP_SOURCE_MAX;

	for (; g->reports == 0 && s < end; s++)
		if (s->reports)
			return true;
	return g->reports > 0;
}

static void count_down(struct stack *st, struct group *g)
{
	struct group_source *s = group_sources(st, g), *end = s + GROUP_SOURCE_MAX;

	g->reports -= g->reports > 0;
	for (; s < end; s++)
		s->reports -= s->reports > 0;
}

static void say_change(struct round *r, const struct group *g)
{
	if (g->reports) {
		say(r, g->exclude ? CHANGE_TO_EXCLUDE : CHANGE_TO_INCLUDE, g, PICK_LISTED);
		return;
	}
	say(r, ALLOW_NEW_SOURCES, g, PICK_ALLOWED);
	say(r, BLOCK_OLD_SOURCES, g, PICK_BLOCKED);
}

static void say_state(struct round *r, const struct group *g)
{
	if (r->all || g->asked)
		say(r, g->exclude ? MODE_IS_EXCLUDE : MODE_IS_INCLUDE, g, PICK_LISTED);
	else
		say(r, MODE_IS_INCLUDE, g, PICK_ASKED);
}

static bool take_asked(struct stack *st, struct group *g)
{
	struct group_source *s = group_sources(st, g), *end = s + GROUP_SOURCE_MAX;
	bool asked = g->asked;

	g->asked = false;
	for (; s < end; s++) {
		asked |= s->asked;
		s->asked = false;
	}
	return asked;
}

static void tell(struct round *r, struct group *g)
{
	bool change = r->changes && pending(r->st, g);
	bool whole = change && g->reports; /* then the change says it all */
	bool state = (r->all || r->asked) && group_open(g) && !whole;

	if (r->version == GROUP_V3) {
		if (change)
			say_change(r, g);
		if (state)
			say_state(r, g);
	}
	if (r->all || r->asked)
		state &= take_asked(r->st, g) || r->all;
	if (r->version != GROUP_V3 && (change || state))
		r->ops->send_old(r->st, r->link->port, r->version,
				 group_open(g) ? MODE_IS_EXCLUDE : CHANGE_TO_INCLUDE, g->addr);
	if (change)
		count_down(r->st, g);
}

/* ---- when --------------------------------------------------------------------------------- */

static uint64_t within(struct stack *st, uint32_t ms)
{
	return st->now + (ms ? stack_random(st) % ms : 0) * MS;
}

static void no_later(uint64_t *at, uint64_t than)
{
	if (*at == 0 || than < *at)
		*at = than ? than : 1; /* a clock may begin at 0 */
}

static bool take_due(const struct stack *st, uint64_t *at)
{
	if (*at == 0 || st->now < *at)
		return false;
	*at = 0;
	return true;
}

static void schedule(struct stack *st, struct group_link *l)
{
	uint64_t at[] = {l->change_at, l->all_at, l->asked_at}, first = 0;
	unsigned i;

	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		if (at[i])
			no_later(&first, at[i]);
	if (first)
		timer_set(&st->timers, &l->timer, first);
	else
		timer_cancel(&st->timers, &l->timer);
}

static void report_timer(struct stack *st, struct timer *t)
{
	struct group_link *l =
		(struct group_link *)((uint8_t *)t - offsetof(struct group_link, timer));
	enum group_family family = l < st->groups->link[GROUP_6] ? GROUP_4 : GROUP_6;
	struct round r = {
		.st = st, .link = l, .ops = families[family], .version = version_of(st, l)};
	struct group *g;
	bool more = false;

	r.changes = take_due(st, &l->change_at);
	r.all = take_due(st, &l->all_at);
	r.asked = take_due(st, &l->asked_at);
	for (g = st->groups->group; g < st->groups->group + GROUP_MAX; g++) {
		if (g->port != l->port || group_family(g->addr) != family ||
		    !r.ops->reported(st, l->port, g->addr))
			continue;
		tell(&r, g);
		more |= pending(st, g);
		group_settle(st, g);
	}
	send_report(&r);
	if (more && !l->change_at)
		l->change_at = within(st, UNASKED_MS);
	schedule(st, l);
}

static struct group_link *link_of(struct stack *st, struct port *port, enum group_family family)
{
	struct group_link *l = &st->groups->link[family][port->index];

	l->port = port;
	l->timer.fn = report_timer;
	return l;
}

void group_changed(struct stack *st, struct group *g)
{
	enum group_family family = group_family(g->addr);
	struct group_link *l = link_of(st, g->port, family);

	if (!families[family]->reported(st, g->port, g->addr)) {
		while (pending(st, g))
			count_down(st, g);
		return;
	}
	no_later(&l->change_at, st->now);
	schedule(st, l);
}

/* RFC 3376 5.2: asked for all of it once, or for more sources than there is room for, it is told
 * as a whole. */
static void ask(struct stack *st, struct group *g, const struct group_query *q)
{
	struct group_source *s;
	unsigned i;

	if (q->n_sources == 0 || q->n_sources > GROUP_SOURCE_MAX)
		g->asked = true;
	for (i = 0; !g->asked && i < q->n_sources; i++) {
		s = group_source_put(st, g, q->source[i]);
		if (s)
			s->asked = true;
		else
			g->asked = true;
	}
}

void group_queried(struct stack *st, struct port *port, enum group_family family,
		   const struct group_query *q)
{
	struct group_link *l = link_of(st, port, family);
	struct group *g = q->group ? group_find(st, port, q->group) : NULL;
	uint64_t at = within(st, q->within_ms);

	if (q->version != GROUP_V3)
		l->old_until[q->version] = st->now + OLD_ROUTER;
	if (!q->group) {
		no_later(&l->all_at, at);
	} else if (g && group_open(g)) {
		ask(st, g, q); /* if the answer to all is sooner, it answers this too */
		no_later(&l->asked_at, at);
	}
	schedule(st, l);
}

void group_quiet(struct stack *st, struct group_link *l)
{
	timer_cancel(&st->timers, &l->timer);
	*l = (struct group_link){.port = NULL};
}
