/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6 addresses of ports: duplicate address detection (RFC 4862 5.4) before one is used, the end
 * of its life (5.5.4), and which to send from (RFC 6724 5). An address brings the route to its
 * subnet, its solicited-node group, and, while tentative, its probes.
 * Called by route.c (stack_addr_*), slaac.c, nd.c, ip6.c; calls route6.c, nd.c, mld.c.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "tcpip/group.h"
#include "tcpip/ip6.h"

#define MS	    1000000ull
#define CONFLICTS   3u /* addresses of ours tried for a prefix: RFC 7217 6's IDGEN_RETRIES */
#define METRIC_LINK 256u

static void addr_timer(struct stack *st, struct timer *t);

struct ip6_addr *addr6_of(struct stack *st, uint32_t ip)
{
	struct ip6_table *t = st->ip6;
	uint32_t i;

	for (i = 0; i < t->n_addrs; i++)
		if (t->addr[i].ip == ip && t->addr[i].port && t->addr[i].state == IP6_VALID)
			return &t->addr[i];
	return NULL;
}

/* In whatever state; port NULL: of any. */
struct ip6_addr *addr6_find(struct stack *st, const struct port *port, const uint8_t bytes[16])
{
	struct ip6_table *t = st->ip6;
	struct ip6_addr *a;

	for (a = t->addr; a < t->addr + t->n_addrs; a++)
		if (a->port && (!port || a->port == port) && memcmp(a->bytes, bytes, 16) == 0)
			return a;
	return NULL;
}

static struct ip6_addr *free_slot(struct ip6_table *t)
{
	uint32_t i;

	for (i = 0; i < IP6_ADDR_MAX; i++) {
		if (t->addr[i].port)
			continue;
		if (i >= t->n_addrs)
			t->n_addrs = i + 1;
		return &t->addr[i];
	}
	return NULL;
}

/* Is the subnet that `a` brought along still wanted by another address of its port? */
static bool subnet_shared(struct stack *st, const struct ip6_addr *a)
{
	const struct ip6_table *t = st->ip6;
	const struct ip6_addr *b;

	for (b = t->addr; b < t->addr + t->n_addrs; b++)
		if (b != a && b->port == a->port && b->prefix == a->prefix &&
		    ip6_prefix_match(a->bytes, b->bytes, a->prefix))
			return true;
	return false;
}

static struct ip6_route subnet_of(const struct ip6_addr *a)
{
	struct ip6_route r = {.port = a->port, .prefix = a->prefix, .metric = METRIC_LINK};

	memcpy(r.dst, a->bytes, 16);
	r.until = IP6_FOREVER;
	return r;
}

/* ---- duplicate address detection ---------------------------------------------------------- */

static void watch_life(struct stack *st, struct ip6_addr *a)
{
	if (a->valid == IP6_FOREVER)
		timer_cancel(&st->timers, &a->timer);
	else
		timer_set(&st->timers, &a->timer, a->valid);
}

static void become_valid(struct stack *st, struct ip6_addr *a)
{
	a->state = IP6_VALID;
	watch_life(st, a);
	if (a->probes) /* it was asked about, so a link is there to be told (RFC 9131's use) */
		nd_announce(st, a);
	if (a->origin == IP6_LINK_LOCAL)
		slaac_link_ready(st, a->port);
}

/* RFC 4862 5.4.2: a first probe some time within a second, so that hosts that start together do not
 * all speak at once. */
static void begin(struct stack *st, struct ip6_addr *a)
{
	const struct ip6_port *ip6 = ip6_port(st, a->port);

	a->probes = 0;
	if (!ip6 || ip6->conf.dad_transmits == 0 || a->port->caps & PORT_CAP_RAW_IP) {
		become_valid(st, a);
		return;
	}
	a->state = IP6_TENTATIVE;
	timer_set(&st->timers, &a->timer, st->now + stack_random(st) % 1000 * MS);
}

static void dad_step(struct stack *st, struct ip6_addr *a)
{
	const struct ip6_port *ip6 = ip6_port(st, a->port);

	if (!ip6 || a->probes >= ip6->conf.dad_transmits) {
		become_valid(st, a);
		return;
	}
	a->probes++;
	nd_probe(st, a);
	timer_set(&st->timers, &a->timer, st->now + slaac_retrans(st, a->port));
}

static void addr_timer(struct stack *st, struct timer *t)
{
	struct ip6_addr *a = (struct ip6_addr *)((uint8_t *)t - offsetof(struct ip6_addr, timer));

	if (a->state == IP6_TENTATIVE)
		dad_step(st, a);
	else if (a->valid <= st->now)
		addr6_remove(st, a);
	else
		watch_life(st, a);
}

/* Of an address that we made up, the next one (RFC 7217 6); of one we were told, the end. */
void addr6_conflict(struct stack *st, struct ip6_addr *a)
{
	struct ip6_addr like = *a;

	COUNT(st, Ip6DadFailed);
	a->state = IP6_DUPLICATE;
	watch_life(st, a); /* it has a slot no longer than if it were ours */
	if (a->origin == IP6_STATIC || a->dad_counter + 1u >= CONFLICTS)
		return;
	like.dad_counter++;
	slaac_address(st, a->port, a->bytes, like.dad_counter, like.bytes);
	addr6_remove(st, a);
	(void)addr6_add(st, like.port, &like);
}

/* ---- the table ---------------------------------------------------------------------------- */

/* Of `like`: bytes, prefix, origin, dad_counter, preferred, valid. */
int addr6_add(struct stack *st, struct port *port, const struct ip6_addr *like)
{
	uint32_t ip = ip6_handle(st, like->bytes, ip6_scope(like->bytes, port));
	struct ip6_addr *a = free_slot(st->ip6);
	uint8_t group[16];
	struct ip6_route net;
	int r;

	if (!ip || !a)
		return -ENOSPC;
	*a = (struct ip6_addr){.port = port,
			       .prefix = like->prefix,
			       .origin = like->origin,
			       .dad_counter = like->dad_counter,
			       .preferred = like->preferred,
			       .valid = like->valid};
	memcpy(a->bytes, like->bytes, 16);
	a->timer.fn = addr_timer;
	net = subnet_of(a);
	/* The prefix of an address from a router is on-link only if the router says so, and then
	 * has a route of its own. A link-local one needs none: its scope says the port. */
	r = a->origin != IP6_STATIC || a->prefix == 128 ? 0 : route6_add(st, &net);
	if (r < 0) {
		a->port = NULL;
		return r;
	}
	ip_set(st, &a->ip, ip);
	ip6_solicited_node(group, a->bytes);
	a->joined = group_join(st, port, group) == 0; /* else heard by those who know us alone */
	begin(st, a);
	return 0;
}

void addr6_remove(struct stack *st, struct ip6_addr *a)
{
	struct ip6_route net = subnet_of(a), *r;
	uint8_t group[16];

	r = a->origin == IP6_STATIC && !subnet_shared(st, a) ? route6_find(st, &net) : NULL;
	if (r && !r->from_ra)
		route6_remove(st, r);
	timer_cancel(&st->timers, &a->timer);
	ip6_solicited_node(group, a->bytes);
	if (a->joined)
		group_leave(st, a->port, group);
	ip_set(st, &a->ip, 0);
	a->port = NULL;
}

void addr6_set_life(struct stack *st, struct ip6_addr *a, uint64_t preferred, uint64_t valid)
{
	a->preferred = preferred;
	a->valid = valid;
	if (a->state != IP6_TENTATIVE)
		watch_life(st, a);
}

/* ---- source selection --------------------------------------------------------------------- */

static unsigned scope_of(const uint8_t a[16])
{
	if (ip6_is_multicast(a))
		return a[1] & 0xf;
	return ip6_is_link_local(a) ? 2 : 14;
}

/* The default policy table of RFC 6724 2.1; the longest prefixes first. */
static unsigned label_of(const uint8_t a[16])
{
	static const struct {
		uint8_t prefix[16], bits, label;
	} policy[] = {
		{{[15] = 1}, 128, 0},		     /* this host */
		{{[10] = 0xff, [11] = 0xff}, 96, 4}, /* IPv4 */
		{{0}, 96, 3},			     /* "IPv4-compatible" */
		{{0x20, 0x01}, 32, 5},		     /* Teredo */
		{{0x20, 0x02}, 16, 2},		     /* 6to4 */
		{{0x3f, 0xfe}, 16, 12},		     /* the 6bone of old */
		{{0xfe, 0xc0}, 10, 11},		     /* site-local, of old */
		{{0xfc}, 7, 13},		     /* unique local, RFC 4193 */
	};
	unsigned i;

	for (i = 0; i < sizeof(policy) / sizeof(policy[0]); i++)
		if (ip6_prefix_match(a, policy[i].prefix, policy[i].bits))
			return policy[i].label;
	return 1;
}

/* RFC 6724 2.2: the interface identifier does not count. */
static unsigned common_bits(const struct ip6_addr *a, const uint8_t b[16])
{
	unsigned i, n = 0;

	for (i = 0; i < 16 && a->bytes[i] == b[i]; i++)
		n += 8;
	if (i < 16)
		n += (unsigned)__builtin_clz((unsigned)(a->bytes[i] ^ b[i])) - 24;
	return n < a->prefix ? n : a->prefix;
}

/* Is a better than b? The rules of RFC 6724 5 that tell addresses of one interface apart. */
static bool better(const struct stack *st, const struct ip6_addr *a, const struct ip6_addr *b,
		   const uint8_t dst[16])
{
	unsigned sa = scope_of(a->bytes), sb = scope_of(b->bytes), sd = scope_of(dst);
	bool da = a->preferred <= st->now, db = b->preferred <= st->now;
	unsigned la, lb, ld;

	if (sa != sb) /* rule 2 */
		return sa < sb ? sa >= sd : sb < sd;
	if (da != db) /* rule 3 */
		return db;
	la = label_of(a->bytes);
	lb = label_of(b->bytes);
	ld = label_of(dst);
	if ((la == ld) != (lb == ld)) /* rule 6 */
		return la == ld;
	return common_bits(a, dst) > common_bits(b, dst); /* rule 8 */
}

uint32_t addr6_source(struct stack *st, const struct port *port, const uint8_t dst[16])
{
	const struct ip6_table *t = st->ip6;
	const struct ip6_addr *a, *best = NULL;

	for (a = t->addr; a < t->addr + t->n_addrs; a++) {
		if (a->port != port || a->state != IP6_VALID)
			continue;
		if (!best || better(st, a, best, dst))
			best = a;
	}
	return best ? best->ip : 0;
}
