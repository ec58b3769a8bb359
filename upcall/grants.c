/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Server mode: which client may name which socket. There a client says a number, not a descriptor,
 * so it must have made the socket or have proved to the daemon that it holds a descriptor of it.
 * A bit for each pair: taking one is one look, forgetting a socket is 256 bytes.
 * Called by calls.c and admin_calls.c.
 */
#include <errno.h>
#include <string.h>

#include "upcall/calls.h"

struct grants grants;

int grants_init(struct grants *g, struct arena *arena, uint32_t sockets)
{
	g->may = arena_take(arena, sizeof(*g->may) * sockets, SEG_CACHE_LINE);
	g->sockets = g->may ? sockets : 0;
	return g->may ? 0 : -ENOMEM;
}

static bool in_range(const struct grants *g, uint32_t client, uint32_t sock_id)
{
	return client < SEG_CLIENT_MAX && SEG_SOCK_INDEX(sock_id) < g->sockets;
}

void grants_add(struct grants *g, uint32_t client, uint32_t sock_id)
{
	if (g->may && in_range(g, client, sock_id))
		g->may[SEG_SOCK_INDEX(sock_id)][client / 64] |= 1ull << client % 64;
}

bool grants_have(const struct grants *g, uint32_t client, uint32_t sock_id)
{
	uint64_t i;

	if (!g->may || !client) /* no ids from strangers: a descriptor, or no protection */
		return true;
	if (!in_range(g, client, sock_id))
		return false;
	i = index_nospec(SEG_SOCK_INDEX(sock_id), g->sockets);
	return g->may[i][client / 64] >> client % 64 & 1;
}

void grants_drop_socket(struct grants *g, uint32_t sock_id)
{
	if (g->may && SEG_SOCK_INDEX(sock_id) < g->sockets)
		memset(g->may[SEG_SOCK_INDEX(sock_id)], 0, sizeof(*g->may));
}

void grants_drop_client(struct grants *g, uint32_t client)
{
	if (!g->may || client >= SEG_CLIENT_MAX)
		return;
	for (uint32_t i = 0; i < g->sockets; i++)
		g->may[i][client / 64] &= ~(1ull << client % 64);
}
