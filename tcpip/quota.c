/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a user may take of what all share: sockets, TCP's control blocks, packet buffers,
 * memberships of groups. Called where each of them is made (socket.c, tcp_pcb.c, member.c, and
 * where a buffer is queued for a socket), by upcall/admin_calls.c when a process comes or goes.
 *
 * A user may take one more of a pool while
 *
 *	what it has  <  what is free * quota / (100 - quota)
 *
 * which with 50 percent is "not more than is still free": alone it gets a half, each of two who
 * want all a third, and whoever comes later always finds as much as the greediest has. No list of
 * users is gone through, nothing is set aside for who does not come. Root is trusted.
 *
 * A socket is charged to the user of the process that made it, an accepted one to its listener's,
 * wherever its descriptor travels and whoever dies; a connection in TIME-WAIT that nobody has a
 * descriptor of to nobody, as it gives way to any new one; a buffer from when it is queued for or
 * reserved by a socket until it is freed, be it in a queue, at the device, with a neighbour that
 * does not answer or in a call that stands still. Buffers of ACKs, of retransmissions in flight
 * and of the rings are nobody's.
 */
#include "tcpip/stack.h"

#include <string.h>

#define OWNERS PKTBUF_OWNERS

uint32_t quota_left(const struct stack *st, uint8_t owner, uint32_t used, uint32_t left)
{
	uint64_t may = (uint64_t)left * st->quota, has = (uint64_t)used * (100 - st->quota);

	/* Where nothing is left it is the pool that says so. */
	if (!owner || !left)
		return UINT32_MAX;
	/* Each one that is taken adds to what it has and is missing from what is free. */
	return has < may ? (uint32_t)((may - has - 1) / 100 + 1) : 0;
}

static bool refused(struct stack *st, uint8_t owner)
{
	st->users[owner].refused++;
	return false;
}

bool quota_socket(struct stack *st, uint8_t owner)
{
	const struct pool *p = &st->sockets;

	if (quota_left(st, owner, st->users[owner].sockets, p->count - p->used))
		return true;
	COUNT(st, QuotaSockets);
	return refused(st, owner);
}

bool quota_pcb(struct stack *st, uint8_t owner)
{
	const struct pool *p = &st->tcp_pcbs;

	if (quota_left(st, owner, st->users[owner].pcbs, p->count - p->used + st->idle_pcbs))
		return true;
	COUNT(st, QuotaPcbs);
	return refused(st, owner);
}

bool quota_pktbuf(struct stack *st, uint8_t owner)
{
	if (!quota_pktbufs_out(st, owner))
		return true;
	COUNT(st, QuotaPktbufs);
	return refused(st, owner);
}

bool quota_member(struct stack *st, uint8_t owner, uint32_t used, uint32_t left)
{
	if (quota_left(st, owner, used, left))
		return true;
	COUNT(st, QuotaMembers);
	return refused(st, owner);
}

/* ---- users -------------------------------------------------------------------------------- */

static bool in_use(const struct stack *st, unsigned i)
{
	const struct quota_user *u = &st->users[i];

	return u->clients || u->sockets || u->pcbs || st->pool->held[i];
}

/* The user's account, or a free one; if there is none, two users share one. */
static uint8_t owner_of(struct stack *st, uint32_t uid)
{
	unsigned i, free = 0;

	if (!uid)
		return 0;
	for (i = OWNERS - 1; i; i--) {
		if (!in_use(st, i))
			free = i;
		else if (st->users[i].uid == uid)
			return (uint8_t)i;
	}
	if (!free)
		return (uint8_t)(1 + uid % (OWNERS - 1));
	st->users[free] = (struct quota_user){.uid = uid};
	return (uint8_t)free;
}

void stack_client_add(struct stack *st, uint32_t client, uint32_t uid)
{
	if (client >= SEG_CLIENT_MAX)
		return;
	stack_client_del(st, client);
	st->client_owner[client] = owner_of(st, uid);
	if (st->client_owner[client])
		st->users[st->client_owner[client]].clients++;
}

void stack_client_del(struct stack *st, uint32_t client)
{
	if (client >= SEG_CLIENT_MAX || !st->client_owner[client])
		return;
	st->users[st->client_owner[client]].clients--;
	st->client_owner[client] = 0;
}

bool stack_user_row(struct stack *st, uint32_t *cursor, struct user_row *row)
{
	while (++*cursor < OWNERS) {
		const struct quota_user *u = &st->users[*cursor];

		if (!in_use(st, *cursor))
			continue;
		*row = (struct user_row){
			u->uid,	   u->clients, u->sockets, u->pcbs, st->pool->held[*cursor],
			u->refused};
		return true;
	}
	return false;
}
