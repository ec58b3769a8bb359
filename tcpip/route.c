/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which port and next hop a destination has, and which addresses are ours. Called by ip4.c, arp.c,
 * the transports when they choose a source, and the daemon (stack_addr_*, stack_route_*); calls
 * redirect.c. RFC 1122 3.3.1 (routing), 3.2.1.3 (addresses); strict host model (3.3.4.2).
 * An address brings the route to its subnet with it, as in Linux.
 */
#include "tcpip/group.h"
#include "tcpip/ip6.h"
#include "tcpip/stack.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static uint32_t ip4_of(const struct ip_addr *a)
{
	uint32_t v;

	memcpy(&v, a->bytes, 4);
	return v;
}

static uint32_t mask_of(uint8_t prefix)
{
	uint32_t host = prefix ? ~0u << (32 - prefix) : 0, net;
	uint8_t b[4];

	wire_put32(b, host);
	memcpy(&net, b, 4);
	return net;
}

static int check_addr(const struct ip_addr *a)
{
	if (a->family != AF_INET)
		return -EAFNOSUPPORT;
	/* 240/8 is reserved, RFC 1112 4, and used inside: ip6.h. */
	return a->prefix > 32 || ip_is6(ip4_of(a)) ? -EINVAL : 0;
}

bool addr_multicast4(uint32_t addr)
{
	uint8_t b[4];

	memcpy(b, &addr, 4);
	return b[0] >> 4 == 14;
}

struct port *addr_port4(const struct stack *st, uint32_t addr)
{
	uint32_t i;

	for (i = 0; i < st->n_addrs; i++)
		if (ip4_of(&st->addrs[i].addr) == addr)
			return st->addrs[i].port;
	return NULL;
}

struct local_addr *addr_find4(struct stack *st, uint32_t addr)
{
	uint32_t i;

	for (i = 0; i < st->n_addrs; i++)
		if (ip4_of(&st->addrs[i].addr) == addr)
			return &st->addrs[i];
	return NULL;
}

bool addr_local4(const struct stack *st, uint32_t addr)
{
	return addr_port4(st, addr) != NULL;
}

/* All ones, or the last address of a subnet of ours; /31 and /32 have none (RFC 3021). */
bool addr_broadcast4(const struct stack *st, uint32_t addr)
{
	uint32_t i, mask;

	if (addr == 0xffffffffu)
		return true;
	for (i = 0; i < st->n_addrs; i++) {
		if (st->addrs[i].addr.prefix > 30)
			continue;
		mask = mask_of(st->addrs[i].addr.prefix);
		if (addr == (ip4_of(&st->addrs[i].addr) | ~mask))
			return true;
	}
	return false;
}

/* Of the port's addresses the one whose subnet the next hop is in, else its first, else (a port
 * without any) the first of all. */
static uint32_t source_on(const struct stack *st, const struct port *port, uint32_t next_hop)
{
	uint32_t i, a, first = 0;

	for (i = 0; i < st->n_addrs; i++) {
		if (st->addrs[i].port != port)
			continue;
		a = ip4_of(&st->addrs[i].addr);
		if (((a ^ next_hop) & mask_of(st->addrs[i].addr.prefix)) == 0)
			return a;
		if (first == 0)
			first = a;
	}
	if (first == 0 && st->n_addrs > 0)
		first = ip4_of(&st->addrs[0].addr);
	return first;
}

static const struct route *best_route(const struct stack *st, uint32_t dst)
{
	const struct route *r, *best = NULL;

	for (r = st->routes; r < st->routes + st->n_routes; r++) {
		if ((r->net ^ dst) & r->mask)
			continue;
		if (!best || r->prefix > best->prefix ||
		    (r->prefix == best->prefix && r->rank < best->rank))
			best = r;
	}
	return best;
}

/* RFC 1122 3.2.1.3 a, g: 0/8 is this net, 127/8 this host; neither is anywhere else. */
static bool never_leaves(uint32_t dst)
{
	uint8_t top = (uint8_t)dst; /* its first byte: network byte order */

	return top == 0 || top == 127;
}

int route_lookup4(struct stack *st, uint32_t dst, struct route_hit *hit)
{
	const struct route *r;

	hit->port = addr_port4(st, dst);
	hit->next_hop = dst;
	hit->src = dst;
	hit->local = hit->port != NULL;
	if (hit->local)
		return 0;
	if (never_leaves(dst))
		return -ENETUNREACH;
	r = best_route(st, dst);
	if (r) {
		hit->port = r->port;
		/* Groups and "everybody here" are on the link, whatever route leads there. */
		if (r->gateway && dst != 0xffffffffu && !addr_multicast4(dst))
			hit->next_hop = r->gateway;
	} else if (dst == 0xffffffffu && st->n_addrs > 0) {
		hit->port = st->addrs[0].port; /* RFC 919: this net, whichever that is */
	} else {
		return -ENETUNREACH;
	}
	if (st->n_redirects)
		redirect_apply(st, dst, hit);
	hit->src = source_on(st, hit->port, hit->next_hop);
	return hit->src ? 0 : -ENETUNREACH;
}

bool route4_on_link(struct stack *st, const struct port *port, uint32_t addr)
{
	struct route_hit hit;

	return route_lookup4(st, addr, &hit) == 0 && hit.port == port && hit.next_hop == addr;
}

int route_group4(struct stack *st, uint32_t group, uint32_t via, struct route_hit *hit)
{
	hit->port = via ? addr_port4(st, via) : NULL;
	hit->next_hop = group;
	hit->src = via;
	hit->local = ROUTE_WIRE;
	return hit->port ? 0 : route_lookup4(st, group, hit);
}

uint32_t addr4_source(const struct stack *st, const struct port *port)
{
	uint32_t i;

	for (i = 0; i < st->n_addrs; i++)
		if (st->addrs[i].port == port)
			return ip4_of(&st->addrs[i].addr);
	return 0;
}

/* ---- routes and addresses, set by the daemon ---------------------------------------------- */

/* Of the net that `dst` is in, with its prefix; gateway 0: on-link; port NULL: any. */
static struct route *find_route(struct stack *st, const struct ip_addr *dst, uint32_t gateway,
				const struct port *port)
{
	uint32_t net = ip4_of(dst) & mask_of(dst->prefix);
	struct route *r;

	for (r = st->routes; r < st->routes + st->n_routes; r++)
		if (r->prefix == dst->prefix && r->net == net && r->gateway == gateway &&
		    (!port || r->port == port))
			return r;
	return NULL;
}

static struct ip_addr make_addr(uint32_t ip, uint8_t prefix)
{
	struct ip_addr a = {.family = AF_INET, .prefix = prefix};

	memcpy(a.bytes, &ip, 4);
	return a;
}

int stack_route_add(struct stack *st, const struct ip_addr *dst, const struct ip_addr *gateway,
		    struct port *port, uint32_t metric)
{
	uint32_t via = gateway ? ip4_of(gateway) : 0;
	struct route_hit hit;
	struct route *r;

	if (dst->family == AF_INET6)
		return ip6_route_add(st, dst, gateway, port, metric);
	if (check_addr(dst) < 0)
		return check_addr(dst);
	if (gateway && gateway->family != AF_INET)
		return -EAFNOSUPPORT;
	if (gateway && route_lookup4(st, via, &hit) < 0)
		return -ENETUNREACH; /* a gateway must be on a net of ours */
	if (!port && gateway)
		port = hit.port;
	if (!port || (gateway && addr_local4(st, via)))
		return -EINVAL;
	if (find_route(st, dst, via, port))
		return -EEXIST;
	if (st->n_routes == STACK_ROUTE_MAX)
		return -ENOSPC;
	r = &st->routes[st->n_routes++];
	*r = (struct route){.mask = mask_of(dst->prefix),
			    .gateway = via,
			    .metric = metric,
			    .rank = metric,
			    .port = port,
			    .prefix = dst->prefix};
	r->net = ip4_of(dst) & r->mask;
	return 0;
}

static void remove_route(struct stack *st, struct route *r)
{
	*r = st->routes[--st->n_routes];
	st->routes[st->n_routes].port = NULL;
}

/* gateway NULL: the one on-link, or the first one to dst whatever its gateway. */
int stack_route_del(struct stack *st, const struct ip_addr *dst, const struct ip_addr *gateway)
{
	struct route *r;

	if (dst->family == AF_INET6)
		return ip6_route_del(st, dst, gateway);
	if (check_addr(dst) < 0)
		return check_addr(dst);
	r = find_route(st, dst, gateway ? ip4_of(gateway) : 0, NULL);
	if (!r)
		return -ESRCH;
	remove_route(st, r);
	return 0;
}

/* Each address of a port is in it: RFC 1112 7.2. */
static void hear_all_hosts(struct stack *st, struct port *port, bool on)
{
	uint8_t group[16];

	group_of4(group, wire_addr4(224, 0, 0, 1));
	if (!on)
		group_leave(st, port, group);
	else
		(void)group_join(st, port, group); /* full: queries go unheard, no more */
}

int stack_addr_add(struct stack *st, struct port *port, const struct ip_addr *addr)
{
	uint32_t ip, mask;
	int r;

	if (addr->family == AF_INET6)
		return ip6_addr_add(st, port, addr);
	if (check_addr(addr) < 0)
		return check_addr(addr);
	ip = ip4_of(addr);
	mask = mask_of(addr->prefix);
	if (addr->prefix == 0 || ip == 0 || ip == 0xffffffffu || addr_multicast4(ip) ||
	    (addr->prefix < 31 && ((ip & ~mask) == 0 || (ip & ~mask) == ~mask)))
		return -EINVAL; /* the net itself, its broadcast, a group */
	if (addr_local4(st, ip))
		return -EEXIST;
	if (st->n_addrs == STACK_ADDR_MAX)
		return -ENOSPC;
	r = addr->prefix == 32 ? 0 : stack_route_add(st, addr, NULL, port, 0);
	if (r < 0 && r != -EEXIST)
		return r;
	st->addrs[st->n_addrs++] =
		(struct local_addr){.addr = make_addr(ip, addr->prefix), .port = port};
	st->heard.port = NULL;
	hear_all_hosts(st, port, true);
	return 0;
}

/* Is the subnet that address i brought along still wanted by another address of its port? */
static bool subnet_shared(const struct stack *st, uint32_t i)
{
	const struct local_addr *a = &st->addrs[i], *b;
	uint32_t mask = mask_of(a->addr.prefix);

	for (b = st->addrs; b < st->addrs + st->n_addrs; b++)
		if (b != a && b->port == a->port && b->addr.prefix == a->addr.prefix &&
		    ((ip4_of(&a->addr) ^ ip4_of(&b->addr)) & mask) == 0)
			return true;
	return false;
}

static void remove_addr(struct stack *st, uint32_t i)
{
	const struct local_addr *a = &st->addrs[i];
	struct route *r = find_route(st, &a->addr, 0, a->port);

	if (r && !subnet_shared(st, i))
		remove_route(st, r);
	hear_all_hosts(st, a->port, false);
	st->addrs[i] = st->addrs[--st->n_addrs];
	st->addrs[st->n_addrs].port = NULL;
	st->heard.port = NULL;
}

int stack_addr_del(struct stack *st, struct port *port, const struct ip_addr *addr)
{
	uint32_t i;

	if (addr->family == AF_INET6)
		return ip6_addr_del(st, port, addr);
	if (check_addr(addr) < 0)
		return check_addr(addr);
	for (i = 0; i < st->n_addrs; i++) {
		if (st->addrs[i].port == port && ip4_of(&st->addrs[i].addr) == ip4_of(addr)) {
			remove_addr(st, i);
			return 0;
		}
	}
	return -EADDRNOTAVAIL;
}

void route_flush_port(struct stack *st, struct port *port)
{
	uint32_t i;

	for (i = st->n_addrs; i-- > 0;)
		if (st->addrs[i].port == port)
			remove_addr(st, i);
	for (i = st->n_routes; i-- > 0;)
		if (st->routes[i].port == port)
			remove_route(st, &st->routes[i]);
	ip6_flush_port(st, port);
	redirect_flush_port(st, port);
}

/* ---- either family ------------------------------------------------------------------------ */

int route_lookup(struct stack *st, uint32_t dst, struct route_hit *hit)
{
	return ip_is6(dst) ? route6_lookup(st, dst, hit) : route_lookup4(st, dst, hit);
}

bool addr_local(struct stack *st, uint32_t addr)
{
	return ip_is6(addr) ? addr6_of(st, addr) != NULL : addr_local4(st, addr);
}

bool addr_multicast(const struct stack *st, uint32_t addr)
{
	return ip_is6(addr) ? ip6_is_multicast(ip6_name(st, addr)->addr) : addr_multicast4(addr);
}

bool addr_to_many(const struct stack *st, uint32_t addr)
{
	return addr_multicast(st, addr) || (!ip_is6(addr) && addr_broadcast4(st, addr));
}

struct ip_addr addr_out(const struct stack *st, uint32_t addr, uint8_t family)
{
	struct ip_addr a = {.family = AF_INET6, .prefix = 128};

	if (ip_is6(addr))
		memcpy(a.bytes, ip6_name(st, addr)->addr, 16);
	else if (addr || family == AF_INET)
		a = make_addr(addr, 32);
	return a;
}

/* ---- questions from outside --------------------------------------------------------------- */

/* The address as the transports know it; 0: none. */
static uint32_t addr_in(struct stack *st, const struct ip_addr *a)
{
	if (a->family == AF_INET)
		return ip_is6(ip4_of(a)) ? 0 : ip4_of(a);
	if (a->family != AF_INET6)
		return 0;
	if (ip6_is_mapped(a->bytes)) {
		struct ip_addr four = {.family = AF_INET};

		memcpy(four.bytes, a->bytes + 12, 4);
		return addr_in(st, &four);
	}
	return ip6_handle(st, a->bytes, ip6_scope(a->bytes, ip6_only_port(st)));
}

int stack_route_lookup(struct stack *st, const struct ip_addr *dst, struct ip_addr *src)
{
	uint32_t ip = addr_in(st, dst);
	struct route_hit hit;
	int r = ip ? route_lookup(st, ip, &hit) : -ENETUNREACH;

	if (r == 0)
		*src = addr_out(st, hit.src, AF_INET);
	return r < 0 ? -ENETUNREACH : 0;
}

bool stack_addr_is_local(struct stack *st, const struct ip_addr *addr)
{
	uint32_t ip = addr_in(st, addr);

	return ip && addr_local(st, ip);
}
