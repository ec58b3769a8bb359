/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups that sockets joined (IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP of RFC 3493 5.2, MCAST_JOIN_GROUP
 * of RFC 3678 5.1): remembered so that closing leaves them. As on Linux, a datagram to a group of
 * the port reaches every socket bound to its port, not only members, unless IP_MULTICAST_ALL is
 * off. Called by sockopt.c, socket.c, udp.c; calls group.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "tcpip/group.h"
#include "tcpip/ip6.h"
#include "tcpip/socket.h"

/* Whatever form it came in; 0 or an error of the kind Linux gives. */
struct request {
	struct port *port;
	uint8_t group[16];
};

/* The interface of a group: by number, by an address of it, by the route (Linux's
 * ip_mc_find_dev). */
static struct port *port_for(struct stack *st, uint32_t scope, uint32_t addr, uint32_t group)
{
	struct route_hit hit;

	if (scope)
		return stack_port(st, scope);
	if (addr)
		return addr_port4(st, addr);
	return route_lookup4(st, group, &hit) == 0 ? hit.port : NULL;
}

static int request4(struct socket *so, uint32_t group, uint32_t addr, uint32_t scope,
		    struct request *r)
{
	if (!addr_multicast4(group))
		return -EINVAL;
	group_of4(r->group, group);
	r->port = port_for(so->st, scope, addr, group);
	return r->port ? 0 : -ENODEV;
}

static int request6(struct socket *so, const struct in6_addr *group, uint32_t scope,
		    struct request *r)
{
	memcpy(r->group, group, 16);
	if (!ip6_is_multicast(r->group))
		return -EINVAL;
	r->port = ip6_port_by_scope(so->st, scope);
	return r->port ? 0 : -ENODEV;
}

/* struct ip_mreq, or ip_mreqn, which has an interface's number behind. */
static int parse_mreq(struct socket *so, const void *value, uint32_t len, struct request *r)
{
	struct ip_mreqn req = {.imr_ifindex = 0};

	if (len < sizeof(struct ip_mreq))
		return -EINVAL;
	memcpy(&req, value, len < sizeof(req) ? sizeof(struct ip_mreq) : sizeof(req));
	return request4(so, req.imr_multiaddr.s_addr, req.imr_address.s_addr,
			(uint32_t)req.imr_ifindex, r);
}

static int parse_mreq6(struct socket *so, const void *value, uint32_t len, struct request *r)
{
	struct ipv6_mreq req;

	if (len < sizeof(req))
		return -EINVAL;
	memcpy(&req, value, sizeof(req));
	return request6(so, &req.ipv6mr_multiaddr, (uint32_t)req.ipv6mr_interface, r);
}

/* Of the protocol-independent options; the family is the address's. */
static int parse_req(struct socket *so, const void *value, uint32_t len, struct request *r)
{
	struct group_req req;
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;

	if (len < sizeof(req))
		return -EINVAL;
	memcpy(&req, value, sizeof(req));
	if (req.gr_group.ss_family == AF_INET && so->domain == AF_INET) {
		memcpy(&sin, &req.gr_group, sizeof(sin));
		return request4(so, sin.sin_addr.s_addr, 0, req.gr_interface, r);
	}
	if (req.gr_group.ss_family != AF_INET6 || so->domain != AF_INET6)
		return -EADDRNOTAVAIL;
	memcpy(&sin6, &req.gr_group, sizeof(sin6));
	return request6(so, &sin6.sin6_addr, req.gr_interface, r);
}

static struct group_member *find(struct stack *st, uint32_t sock, const struct request *r)
{
	struct group_member *m = st->groups->member;

	for (; m < st->groups->member + GROUP_MEMBER_MAX; m++)
		if (m->port == r->port && m->sock == sock && memcmp(m->group, r->group, 16) == 0)
			return m;
	return NULL;
}

static int join(struct socket *so, const struct request *q)
{
	struct group_member *m = so->st->groups->member;
	int r;

	if (so->kind == SOCK_KIND_TCP)
		return -EPROTO;
	if (find(so->st, so->id, q))
		return -EADDRINUSE;
	for (; m->port; m++)
		if (m + 1 == so->st->groups->member + GROUP_MEMBER_MAX)
			return -ENOBUFS;
	if (so->groups == GROUP_SOCK_MAX)
		return -ENOBUFS;
	r = group_join(so->st, q->port, q->group);
	if (r < 0)
		return r;
	*m = (struct group_member){.port = q->port, .sock = so->id};
	memcpy(m->group, q->group, 16);
	so->groups++;
	return 0;
}

static void leave(struct socket *so, struct group_member *m)
{
	group_leave(so->st, m->port, m->group);
	m->port = NULL;
	so->groups--;
}

static int leave_by(struct socket *so, const struct request *q)
{
	struct group_member *m = find(so->st, so->id, q);

	if (!m)
		return -EADDRNOTAVAIL;
	leave(so, m);
	return 0;
}

/* An option: what it names, by its own form, and what is done with it. */
static int by(struct socket *so, const void *value, uint32_t len,
	      int (*parse)(struct socket *so, const void *value, uint32_t len, struct request *r),
	      int (*act)(struct socket *so, const struct request *r))
{
	struct request q;
	int r = parse(so, value, len, &q);

	return r < 0 ? r : act(so, &q);
}

int member_join4(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_mreq, join);
}

int member_leave4(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_mreq, leave_by);
}

int member_join6(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_mreq6, join);
}

int member_leave6(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_mreq6, leave_by);
}

int member_join(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_req, join);
}

int member_leave(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_req, leave_by);
}

bool member_wants(const struct socket *so, struct port *port, const uint8_t group[16])
{
	struct request q = {.port = port};

	if (so->mcast_all)
		return true;
	memcpy(q.group, group, 16);
	return so->groups && find(so->st, so->id, &q);
}

void member_close(struct socket *so)
{
	struct group_member *m = so->st->groups->member;

	for (; m < so->st->groups->member + GROUP_MEMBER_MAX; m++)
		if (m->port && m->sock == so->id)
			leave(so, m);
}
