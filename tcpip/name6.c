/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handles for IPv6 addresses (ip6.h says why): a hash table of addresses, counted by holders. Those
 * that nobody holds are kept in the order they fell free, and the oldest is given to the next new
 * address; so addresses invented by a sender push each other out, never one in use.
 * Called by whoever sees an address of IPv6; calls random.c.
 */
#include <errno.h>
#include <string.h>

#include "tcpip/ip6.h"

#define INDEX_MAX 0xfffffeu /* 24 bits, without all ones */

const uint8_t ip6_all_nodes[16] = {0xff, 2, [15] = 1};

/* ---- addresses by their bits -------------------------------------------------------------- */

bool ip6_is_unspecified(const uint8_t a[16])
{
	static const uint8_t zero[16];

	return memcmp(a, zero, 16) == 0;
}

bool ip6_is_mapped(const uint8_t a[16])
{
	static const uint8_t head[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(a, head, 12) == 0;
}

bool ip6_is_martian(const uint8_t a[16])
{
	static const uint8_t loopback[16] = {[15] = 1};

	return memcmp(a, loopback, 16) == 0 || ip6_is_mapped(a);
}

bool ip6_prefix_match(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

void ip6_solicited_node(uint8_t out[16], const uint8_t addr[16])
{
	static const uint8_t head[13] = {0xff, 2, [11] = 1, [12] = 0xff};

	memcpy(out, head, 13);
	memcpy(out + 13, addr + 13, 3);
}

void ip6_group_mac(uint8_t mac[6], const uint8_t group[16]) /* RFC 2464 7 */
{
	mac[0] = mac[1] = 0x33;
	memcpy(mac + 2, group + 12, 4);
}

/* Link-local addresses, and groups of interface or link scope. */
bool ip6_of_link(const uint8_t a[16])
{
	return ip6_is_link_local(a) || (ip6_is_multicast(a) && (a[1] & 0xf) <= 2);
}

uint32_t ip6_scope(const uint8_t a[16], const struct port *port)
{
	return port && ip6_of_link(a) ? port->index + 1 : 0;
}

/* ---- the table ---------------------------------------------------------------------------- */

int ip6_create(struct stack *st, uint32_t holders)
{
	uint32_t n = holders + 2 * NAME6_SPARE, buckets = 64;
	struct ip6_table *t;

	if (n > INDEX_MAX)
		return -EINVAL;
	t = arena_take(st->arena, sizeof(*t), 64);
	if (!t)
		return -ENOMEM;
	while (buckets < n)
		buckets <<= 1;
	t->n_names = n;
	t->mask = buckets - 1;
	t->name = arena_take(st->arena, n * sizeof(*t->name), 64);
	t->bucket = arena_take(st->arena, buckets * sizeof(*t->bucket), 64);
	if (!t->name || !t->bucket)
		return -ENOMEM;
	st->ip6 = t;
	return 0;
}

static uint32_t handle_of(uint32_t at)
{
	uint8_t b[4];
	uint32_t ip;

	wire_put32(b, IP6_HANDLE_NET << 24 | at);
	memcpy(&ip, b, 4);
	return ip;
}

static uint32_t at_of(uint32_t ip)
{
	uint8_t b[4];

	memcpy(b, &ip, 4);
	return wire_get32(b) & 0xffffff;
}

struct ip6_name *ip6_name(const struct stack *st, uint32_t ip)
{
	return &st->ip6->name[at_of(ip) - 1];
}

/* ---- those nobody holds ------------------------------------------------------------------- */

static void spare_put(struct ip6_table *t, uint32_t at)
{
	struct ip6_name *n = &t->name[at - 1];

	n->newer = 0;
	n->older = t->newest;
	if (t->newest)
		t->name[t->newest - 1].newer = at;
	else
		t->oldest = at;
	t->newest = at;
	t->spare++;
}

static void spare_take(struct ip6_table *t, uint32_t at)
{
	struct ip6_name *n = &t->name[at - 1];

	if (n->older)
		t->name[n->older - 1].newer = n->newer;
	else
		t->oldest = n->newer;
	if (n->newer)
		t->name[n->newer - 1].older = n->older;
	else
		t->newest = n->older;
	t->spare--;
}

void ip6_hold(struct stack *st, uint32_t ip)
{
	if (ip6_name(st, ip)->refs++ == 0)
		spare_take(st->ip6, at_of(ip));
}

void ip6_drop(struct stack *st, uint32_t ip)
{
	if (--ip6_name(st, ip)->refs == 0)
		spare_put(st->ip6, at_of(ip));
}

/* ---- finding and making ------------------------------------------------------------------- */

static void unhash(struct ip6_table *t, uint32_t at)
{
	uint32_t *link = &t->bucket[t->name[at - 1].hash & t->mask];

	while (*link != at)
		link = &t->name[*link - 1].hash_next;
	*link = t->name[at - 1].hash_next;
}

/* A place for a new name: one never used, else the one longest unheld. 0: all are held. */
static uint32_t place(struct ip6_table *t)
{
	uint32_t at = t->oldest;

	if (t->high < t->n_names)
		return ++t->high;
	if (t->spare < NAME6_SPARE)
		return 0;
	spare_take(t, at);
	unhash(t, at);
	return at;
}

uint32_t ip6_handle(struct stack *st, const uint8_t addr[16], uint32_t scope)
{
	struct ip6_table *t = st->ip6;
	struct ip6_name *n;
	uint8_t key[20];
	uint64_t hash;
	uint32_t at;

	memcpy(key, addr, 16);
	memcpy(key + 16, &scope, 4);
	hash = siphash24(st->secret, key, sizeof(key));
	for (at = t->bucket[hash & t->mask]; at; at = n->hash_next) {
		n = &t->name[at - 1];
		if (n->scope == scope && memcmp(n->addr, addr, 16) == 0)
			break;
	}
	if (at) {
		if (n->refs == 0) { /* the newest again: it is in use now */
			spare_take(t, at);
			spare_put(t, at);
		}
		return handle_of(at);
	}
	at = place(t);
	if (!at)
		return 0;
	n = &t->name[at - 1];
	memset(n, 0, sizeof(*n));
	memcpy(n->addr, addr, 16);
	n->scope = scope;
	n->hash = hash;
	n->hash_next = t->bucket[hash & t->mask];
	t->bucket[hash & t->mask] = at;
	spare_put(t, at);
	return handle_of(at);
}
