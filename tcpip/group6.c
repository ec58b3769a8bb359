/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups that sockets joined (IPV6_JOIN_GROUP, RFC 3493 5.2): remembered so that closing leaves
 * them. As on Linux, a datagram to a group of the port reaches every socket bound to its port, not
 * only members. Called by sockopt.c, socket.c; calls mld.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "tcpip/ip6.h"
#include "tcpip/socket.h"

static int parse(struct socket *so, const void *value, uint32_t len, struct ip6_member *m)
{
	struct ipv6_mreq req;

	if (len < sizeof(req))
		return -EINVAL;
	memcpy(&req, value, sizeof(req));
	memset(m, 0, sizeof(*m));
	m->sock = so->id;
	memcpy(m->group, &req.ipv6mr_multiaddr, 16);
	if (!ip6_is_multicast(m->group))
		return -EINVAL;
	m->port = ip6_port_by_scope(so->st, (uint32_t)req.ipv6mr_interface);
	return m->port ? 0 : -ENODEV;
}

static struct ip6_member *find(struct stack *st, const struct ip6_member *like)
{
	struct ip6_member *m = st->ip6->member;

	for (; m < st->ip6->member + IP6_MEMBER_MAX; m++)
		if (m->port == like->port && m->sock == like->sock &&
		    memcmp(m->group, like->group, 16) == 0)
			return m;
	return NULL;
}

int group6_join(struct socket *so, const void *value, uint32_t len)
{
	struct ip6_member like, *m;
	int r = parse(so, value, len, &like);

	if (r < 0)
		return r;
	if (so->kind == SOCK_KIND_TCP)
		return -EPROTO;
	if (find(so->st, &like))
		return -EADDRINUSE;
	for (m = so->st->ip6->member; m->port; m++)
		if (m + 1 == so->st->ip6->member + IP6_MEMBER_MAX)
			return -ENOBUFS;
	if (so->groups6 == IP6_SOCK_GROUPS)
		return -ENOBUFS;
	r = mld_join(so->st, like.port, like.group);
	if (r < 0)
		return r;
	*m = like;
	so->groups6++;
	return 0;
}

static void leave(struct socket *so, struct ip6_member *m)
{
	mld_leave(so->st, m->port, m->group);
	m->port = NULL;
	so->groups6--;
}

int group6_leave(struct socket *so, const void *value, uint32_t len)
{
	struct ip6_member like, *m;
	int r = parse(so, value, len, &like);

	if (r < 0)
		return r;
	m = find(so->st, &like);
	if (!m)
		return -EADDRNOTAVAIL;
	leave(so, m);
	return 0;
}

void group6_close(struct socket *so)
{
	struct ip6_member *m = so->st->ip6->member;

	for (; m < so->st->ip6->member + IP6_MEMBER_MAX; m++)
		if (m->port && m->sock == so->id)
			leave(so, m);
}
