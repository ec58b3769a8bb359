/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The read-only view: rows for `sandwire addr, route, neigh, ss, stat`. Called by upcall/calls.c
 * and tests; calls neigh.c and tcp for their columns. A cursor is a place in a table, so a table
 * that changes between two calls may show a row twice or not at all, never a wrong one.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/ip6.h"
#include "tcpip/socket.h"

static struct ip_addr addr6_out(const uint8_t bytes[16], uint8_t prefix)
{
	struct ip_addr a = {.family = AF_INET6, .prefix = prefix};

	memcpy(a.bytes, bytes, 16);
	return a;
}

static uint32_t life_left(const struct stack *st, uint64_t end)
{
	if (end == IP6_FOREVER)
		return UINT32_MAX;
	return end > st->now ? (uint32_t)((end - st->now) / 1000000000) : 0;
}

/* Rows of IPv6 follow those of IPv4; the cursor counts on. */
static bool ip6_addr_row(const struct stack *st, uint32_t *cursor, struct addr_row *row)
{
	const struct ip6_addr *a;

	while (*cursor - st->n_addrs < IP6_ADDR_MAX) {
		a = &st->ip6->addr[(*cursor)++ - st->n_addrs];
		if (!a->port)
			continue;
		memset(row, 0, sizeof(*row));
		row->addr = addr6_out(a->bytes, a->prefix);
		row->port_index = a->port->index;
		row->tentative = a->state == IP6_TENTATIVE;
		row->duplicate = a->state == IP6_DUPLICATE;
		row->dynamic = a->origin == IP6_AUTO;
		row->valid_s = life_left(st, a->valid);
		row->preferred_s = life_left(st, a->preferred);
		return true;
	}
	return false;
}

static bool ip6_route_row(const struct stack *st, uint32_t *cursor, struct route_row *row)
{
	const struct ip6_route *r;

	while (*cursor - st->n_routes < IP6_ROUTE_MAX) {
		r = &st->ip6->route[(*cursor)++ - st->n_routes];
		if (!r->port)
			continue;
		memset(row, 0, sizeof(*row));
		row->dst = addr6_out(r->dst, r->prefix);
		if (r->gateway)
			row->gateway = addr_out(st, r->gateway, AF_INET6);
		row->port_index = r->port->index;
		row->metric = r->metric;
		row->from_router = r->from_ra;
		return true;
	}
	return false;
}

bool stack_addr_row(struct stack *st, uint32_t *cursor, struct addr_row *row)
{
	const struct local_addr *a;

	if (*cursor >= st->n_addrs)
		return ip6_addr_row(st, cursor, row);
	a = &st->addrs[(*cursor)++];
	memset(row, 0, sizeof(*row));
	row->addr = a->addr;
	row->port_index = a->port->index;
	return true;
}

bool stack_route_row(struct stack *st, uint32_t *cursor, struct route_row *row)
{
	const struct route *r;

	if (*cursor >= st->n_routes)
		return ip6_route_row(st, cursor, row);
	r = &st->routes[(*cursor)++];
	memset(row, 0, sizeof(*row));
	row->dst = addr_out(st, r->net, AF_INET);
	row->dst.prefix = r->prefix;
	if (r->gateway)
		row->gateway = addr_out(st, r->gateway, AF_INET);
	row->port_index = r->port->index;
	row->metric = r->metric;
	return true;
}

bool stack_neigh_row(struct stack *st, uint32_t *cursor, struct neigh_row *row)
{
	return neigh_row(st, cursor, row);
}

static void fill_row(const struct socket *so, struct sock_row *row)
{
	memset(row, 0, sizeof(*row));
	row->id = so->id;
	row->client = so->client;
	row->type = so->kind == SOCK_KIND_TCP ? SOCK_STREAM : SOCK_DGRAM;
	row->protocol = so->kind == SOCK_KIND_TCP   ? IPPROTO_TCP
			: so->kind == SOCK_KIND_UDP ? IPPROTO_UDP
			: so->domain == AF_INET6    ? IPPROTO_ICMPV6
						    : IPPROTO_ICMP;
	row->local = addr_out(so->st, so->local_ip, so->domain);
	row->remote = addr_out(so->st, so->remote_ip, so->domain);
	row->local_port = so->local_port;
	row->remote_port = so->remote_port;
	if (so->kind == SOCK_KIND_TCP) {
		tcp_row(so, row);
	} else {
		row->recv_q = so->rxq_bytes;
		row->tcp_state = so->connected ? 1 : 7; /* ESTABLISHED or CLOSE, as ss shows UDP */
	}
}

/* Sockets by index, then what TCP still holds without one. */
bool stack_sock_row(struct stack *st, uint32_t *cursor, struct sock_row *row)
{
	uint32_t n = st->sockets.count, orphan;
	const struct socket *so;
	bool more;

	while (*cursor < st->sockets.high) {
		so = pool_at(&st->sockets, (*cursor)++);
		if (!so->kind)
			continue;
		fill_row(so, row);
		return true;
	}
	orphan = *cursor > n ? *cursor - n : 0;
	memset(row, 0, sizeof(*row));
	more = tcp_orphan_row(st, &orphan, row);
	*cursor = n + orphan;
	return more;
}

bool stack_pool_row(struct stack *st, uint32_t *cursor, struct pool_row *row)
{
	const struct pool *pools[] = {&st->sockets, &st->tcp_pcbs, neigh_pool(st), reass_pool(st)};
	uint32_t i = (*cursor)++, n = sizeof(pools) / sizeof(pools[0]);
	const struct pktbuf_pool *b = st->pool;

	if (i < n) {
		memcpy(row->name, pools[i]->name, sizeof(row->name));
		row->size = pools[i]->size;
		row->count = pools[i]->count;
		row->used = pools[i]->used;
		row->high = pools[i]->high;
		return true;
	}
	if (i > n)
		return false;
	*row = (struct pool_row){.name = "pktbufs", .size = PKTBUF_SIZE, .count = b->count};
	row->used = b->count - b->avail;
	row->high = b->count - b->low_water;
	return true;
}

const char *stack_counter(const struct stack *st, uint32_t i, uint64_t *value)
{
	static const char *const names[] = {
#define X(name) #name,
		STACK_COUNTERS(X)
#undef X
	};

	if (i >= CNT_COUNT)
		return NULL;
	*value = st->counters[i];
	return names[i];
}
