/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address conflict detection, RFC 5227: asks before an address is used, tells when it is, and
 * answers who uses it as well. Called by dhcp4.c and arp.c; calls arp.c. Addresses that an
 * administrator gave are not asked for, but defended.
 */
#include "tcpip/acd.h"

#define MS_NS 1000000ull

/* RFC 5227 1.1 */
#define PROBE_WAIT	  1000u /* ms */
#define PROBE_NUM	  3u
#define PROBE_MIN	  1000u
#define PROBE_MAX	  2000u
#define ANNOUNCE_WAIT	  2000u
#define ANNOUNCE_NUM	  2u
#define ANNOUNCE_INTERVAL 2000u
#define DEFEND_INTERVAL	  10000u

enum { STEP_ANNOUNCE = PROBE_NUM + 1 }; /* below: so many probes were sent */

static void arm(struct stack *st, struct acd *a, uint32_t min, uint32_t max)
{
	uint32_t ms = min + (max > min ? stack_random(st) % (max - min) : 0);

	timer_set(&st->timers, &a->timer, st->now + ms * MS_NS);
}

static void unlink_acd(struct stack *st, struct acd *a)
{
	struct acd **at = &st->acds;

	while (*at && *at != a)
		at = &(*at)->next;
	if (*at)
		*at = a->next;
}

void acd_stop(struct stack *st, struct acd *a)
{
	timer_cancel(&st->timers, &a->timer);
	unlink_acd(st, a);
}

static void finish(struct stack *st, struct acd *a, bool conflict)
{
	acd_stop(st, a);
	a->done(st, a, conflict);
}

static void announce_step(struct stack *st, struct acd *a)
{
	arp_announce(st, a->port, a->addr);
	if (++a->step < STEP_ANNOUNCE + ANNOUNCE_NUM)
		arm(st, a, ANNOUNCE_INTERVAL, ANNOUNCE_INTERVAL);
}

static void step(struct stack *st, struct timer *t)
{
	struct acd *a = (struct acd *)t;

	if (a->step >= STEP_ANNOUNCE) {
		announce_step(st, a);
	} else if (a->step == PROBE_NUM) {
		finish(st, a, false);
	} else {
		arp_probe(st, a->port, a->addr);
		if (++a->step < PROBE_NUM)
			arm(st, a, PROBE_MIN, PROBE_MAX);
		else
			arm(st, a, ANNOUNCE_WAIT, ANNOUNCE_WAIT);
	}
}

void acd_start(struct stack *st, struct acd *a, struct port *port, uint32_t addr)
{
	acd_stop(st, a);
	a->port = port;
	a->addr = addr;
	a->step = 0;
	a->next = st->acds;
	st->acds = a;
	a->timer.fn = step;
	arm(st, a, 0, PROBE_WAIT);
}

void acd_announce(struct stack *st, struct acd *a)
{
	a->step = STEP_ANNOUNCE;
	a->timer.fn = step;
	announce_step(st, a);
}

void acd_heard(struct stack *st, struct port *port, const struct arp_msg *m)
{
	struct acd *a = st->acds;

	/* 2.1.1: it is used, or somebody else asks for it as well. */
	while (a && (a->port != port || (m->spa != a->addr && (m->spa || m->tpa != a->addr))))
		a = a->next;
	if (a) {
		COUNT(st, ArpConflicts);
		finish(st, a, true);
	}
}

void acd_defend(struct stack *st, struct port *port, uint32_t addr)
{
	struct local_addr *l = addr_find4(st, addr);

	COUNT(st, ArpConflicts);
	if (!l || l->port != port ||
	    (l->defended && st->now - l->defended < DEFEND_INTERVAL * MS_NS))
		return;
	l->defended = st->now;
	arp_announce(st, port, addr);
}
