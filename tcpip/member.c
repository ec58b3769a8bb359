/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups that sockets joined (IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP of RFC 3493 5.2, MCAST_JOIN_GROUP
 * of RFC 3678 5.1), remembered so that closing leaves them, and whom they hear there (the options
 * of RFC 3678 4 and 5): with Linux's errors. As there, a datagram to a group of the port reaches
 * every socket bound to its port, not only members, unless IP_MULTICAST_ALL is off; a member's
 * filter is heeded always. Called by sockopt_ip.c, socket.c, udp.c; calls group.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "tcpip/group.h"
#include "tcpip/ip6.h"
#include "tcpip/socket.h"

#define MSFILTER_LEN	 offsetof(struct ip_msfilter, imsf_slist)
#define GROUP_FILTER_LEN offsetof(struct group_filter, gf_slist)

/* Whatever form it came in; 0 or an error of the kind Linux gives. */
struct request {
	struct port *port;
	bool named; /* the interface was, else the routes chose it */
	uint8_t group[16], source[16];
};

/* ---- forms -------------------------------------------------------------------------------- */

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
	r->named = scope || addr;
	r->port = port_for(so->st, scope, addr, group);
	return r->port ? 0 : -ENODEV;
}

static int request6(struct socket *so, const struct in6_addr *group, uint32_t scope,
		    struct request *r)
{
	memcpy(r->group, group, 16);
	if (!ip6_is_multicast(r->group))
		return -EINVAL;
	r->named = scope;
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

/* Of the protocol-independent options; the family is the group's. */
static int request_of(struct socket *so, const struct sockaddr_storage *group, uint32_t scope,
		      struct request *r)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;

	if (group->ss_family == AF_INET && so->domain == AF_INET) {
		memcpy(&sin, group, sizeof(sin));
		return request4(so, sin.sin_addr.s_addr, 0, scope, r);
	}
	if (group->ss_family != AF_INET6 || so->domain != AF_INET6)
		return -EADDRNOTAVAIL;
	memcpy(&sin6, group, sizeof(sin6));
	return request6(so, &sin6.sin6_addr, scope, r);
}

/* A source is of the socket's family, as its group is. */
static int source_of(const struct socket *so, const struct sockaddr_storage *from, uint8_t out[16])
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;

	if (from->ss_family != so->domain)
		return -EADDRNOTAVAIL;
	if (so->domain == AF_INET) {
		memcpy(&sin, from, sizeof(sin));
		group_of4(out, sin.sin_addr.s_addr);
	} else {
		memcpy(&sin6, from, sizeof(sin6));
		memcpy(out, &sin6.sin6_addr, 16);
	}
	return 0;
}

static int parse_req(struct socket *so, const void *value, uint32_t len, struct request *r)
{
	struct group_req req;

	if (len < sizeof(req))
		return -EINVAL;
	memcpy(&req, value, sizeof(req));
	return request_of(so, &req.gr_group, req.gr_interface, r);
}

static int parse_mreq_source(struct socket *so, const void *value, uint32_t len, struct request *r)
{
	struct ip_mreq_source req;

	if (len < sizeof(req))
		return -EINVAL;
	memcpy(&req, value, sizeof(req));
	group_of4(r->source, req.imr_sourceaddr.s_addr);
	return request4(so, req.imr_multiaddr.s_addr, req.imr_interface.s_addr, 0, r);
}

static int parse_source_req(struct socket *so, const void *value, uint32_t len, struct request *r)
{
	struct group_source_req req;
	int err;

	if (len < sizeof(req))
		return -EINVAL;
	memcpy(&req, value, sizeof(req));
	err = source_of(so, &req.gsr_source, r->source);
	return err < 0 ? err : request_of(so, &req.gsr_group, req.gsr_interface, r);
}

/* ---- memberships -------------------------------------------------------------------------- */

static struct group_member *find(struct stack *st, uint32_t sock, const struct request *r)
{
	struct group_member *m = st->groups->member;

	for (; m < st->groups->member + GROUP_MEMBER_MAX; m++)
		if (m->port == r->port && m->sock == sock && memcmp(m->group, r->group, 16) == 0)
			return m;
	return NULL;
}

static struct member_filter *filter_of(struct stack *st, const struct group_member *m)
{
	return &st->groups->filter[m - st->groups->member];
}

static int set_filter(struct socket *so, struct group_member *m, const struct member_filter *f)
{
	struct member_filter *at = filter_of(so->st, m), old = *at;
	int r;

	*at = *f;
	r = group_update(so->st, m->port, m->group);
	if (r < 0)
		*at = old;
	return r;
}

/* NULL: none is left, or the socket's user has its share. */
static struct group_member *free_member(const struct socket *so)
{
	struct group_member *all = so->st->groups->member, *m, *empty = NULL;
	uint32_t left = 0, own = 0;

	for (m = all; m < all + GROUP_MEMBER_MAX; m++) {
		if (!m->port) {
			empty = m;
			left++;
		} else {
			own += m->owner == so->owner;
		}
	}
	return quota_member(so->st, so->owner, own, left) ? empty : NULL;
}

static int join_with(struct socket *so, const struct request *q, const struct member_filter *f)
{
	struct group_member *m;
	int r;

	if (so->kind == SOCK_KIND_TCP)
		return -EPROTO;
	m = so->groups < GROUP_SOCK_MAX ? free_member(so) : NULL;
	if (!m)
		return -ENOBUFS;
	*m = (struct group_member){.port = q->port, .sock = so->id, .owner = so->owner};
	memcpy(m->group, q->group, 16);
	r = set_filter(so, m, f);
	if (r < 0)
		m->port = NULL;
	else
		so->groups++;
	return r;
}

static int join(struct socket *so, const struct request *q)
{
	static const struct member_filter everybody = {.exclude = true};

	return find(so->st, so->id, q) ? -EADDRINUSE : join_with(so, q, &everybody);
}

static void leave(struct socket *so, struct group_member *m)
{
	struct port *port = m->port;

	m->port = NULL;
	(void)group_update(so->st, port, m->group); /* who wants less is not refused */
	so->groups--;
}

/* Who names no interface leaves on any, as in Linux. */
static int leave_by(struct socket *so, const struct request *q)
{
	struct group_member *m = find(so->st, so->id, q), *all = so->st->groups->member;

	if (!m && !q->named)
		for (m = all; m < all + GROUP_MEMBER_MAX; m++)
			if (m->port && m->sock == so->id && memcmp(m->group, q->group, 16) == 0)
				break;
	if (!m || m == all + GROUP_MEMBER_MAX)
		return -EADDRNOTAVAIL;
	leave(so, m);
	return 0;
}

/* ---- sources ------------------------------------------------------------------------------ */

static int source_add(struct member_filter *f, const uint8_t source[16])
{
	if (f->n == GROUP_FILTER_MAX)
		return -ENOBUFS;
	if (member_filter_passes(f, source) != f->exclude) /* it is there */
		return -EADDRNOTAVAIL;
	memcpy(f->source[f->n++], source, 16);
	return 0;
}

static int source_drop(struct member_filter *f, const uint8_t source[16])
{
	unsigned i;

	for (i = 0; i < f->n; i++) {
		if (memcmp(f->source[i], source, 16) != 0)
			continue;
		f->n--;
		memmove(f->source[i], f->source[f->n], 16); /* the last one fills the gap */
		return 0;
	}
	return -EADDRNOTAVAIL;
}

/* A list that is empty may become one of the other kind; one that includes nobody is left. */
static int edit(struct socket *so, const struct request *q, bool exclude,
		int (*change)(struct member_filter *f, const uint8_t source[16]))
{
	struct group_member *m = find(so->st, so->id, q);
	struct member_filter f;
	int r;

	if (!m)
		return -EINVAL;
	f = *filter_of(so->st, m);
	if (f.exclude != exclude && f.n)
		return -EINVAL;
	f.exclude = exclude;
	r = change(&f, q->source);
	if (r < 0)
		return r;
	if (!f.exclude && f.n == 0) {
		leave(so, m);
		return 0;
	}
	return set_filter(so, m, &f);
}

static int join_source(struct socket *so, const struct request *q)
{
	struct member_filter f = {.n = 1};

	if (find(so->st, so->id, q))
		return edit(so, q, false, source_add);
	memcpy(f.source[0], q->source, 16);
	return join_with(so, q, &f);
}

static int leave_source(struct socket *so, const struct request *q)
{
	return edit(so, q, false, source_drop);
}

static int block(struct socket *so, const struct request *q)
{
	return edit(so, q, true, source_add);
}

static int unblock(struct socket *so, const struct request *q)
{
	return edit(so, q, true, source_drop);
}

/* ---- whole filters ------------------------------------------------------------------------ */

static int mode_of(uint32_t mode, struct member_filter *f)
{
	if (mode != MCAST_INCLUDE && mode != MCAST_EXCLUDE)
		return -EINVAL;
	f->exclude = mode == MCAST_EXCLUDE;
	return 0;
}

static int replace(struct socket *so, const struct request *q, const struct member_filter *f)
{
	struct group_member *m = find(so->st, so->id, q);

	if (!f->exclude && f->n == 0)
		return leave_by(so, q);
	return m ? set_filter(so, m, f) : -EINVAL;
}

/* NULL: not a member. */
static const struct member_filter *asked_for(struct socket *so, const struct request *q)
{
	const struct group_member *m = find(so->st, so->id, q);

	return m ? filter_of(so->st, m) : NULL;
}

int member_set_filter4(struct socket *so, const void *value, uint32_t len)
{
	struct member_filter f = {.n = 0};
	struct ip_msfilter head;
	struct in_addr from;
	struct request q;
	unsigned i;
	int r;

	if (len < MSFILTER_LEN)
		return -EINVAL;
	memcpy(&head, value, MSFILTER_LEN);
	if (head.imsf_numsrc > GROUP_FILTER_MAX)
		return -ENOBUFS;
	if (len < IP_MSFILTER_SIZE(head.imsf_numsrc) || mode_of(head.imsf_fmode, &f) < 0)
		return -EINVAL;
	r = request4(so, head.imsf_multiaddr.s_addr, head.imsf_interface.s_addr, 0, &q);
	for (i = 0; r == 0 && i < head.imsf_numsrc; i++) {
		memcpy(&from, (const uint8_t *)value + IP_MSFILTER_SIZE(i), sizeof(from));
		group_of4(q.source, from.s_addr);
		(void)source_add(&f, q.source); /* twice is once */
	}
	return r < 0 ? r : replace(so, &q, &f);
}

int member_get_filter4(struct socket *so, void *value, uint32_t *len)
{
	const struct member_filter *f;
	struct ip_msfilter head;
	struct request q;
	struct in_addr from;
	uint32_t i, room;
	int r;

	if (*len < MSFILTER_LEN)
		return -EINVAL;
	memcpy(&head, value, MSFILTER_LEN);
	r = request4(so, head.imsf_multiaddr.s_addr, head.imsf_interface.s_addr, 0, &q);
	if (r < 0)
		return r;
	f = asked_for(so, &q);
	if (!f)
		return -EADDRNOTAVAIL;
	room = (uint32_t)((*len - MSFILTER_LEN) / sizeof(from));
	for (i = 0; i < f->n && i < head.imsf_numsrc && i < room; i++) {
		from.s_addr = group_addr4(f->source[i]);
		memcpy((uint8_t *)value + IP_MSFILTER_SIZE(i), &from, sizeof(from));
	}
	*len = (uint32_t)IP_MSFILTER_SIZE(i);
	head.imsf_fmode = f->exclude ? MCAST_EXCLUDE : MCAST_INCLUDE;
	head.imsf_numsrc = f->n;
	memcpy(value, &head, MSFILTER_LEN);
	return 0;
}

/* Either family's, MCAST_MSFILTER. */
int member_set_filter(struct socket *so, const void *value, uint32_t len)
{
	struct member_filter f = {.n = 0};
	struct sockaddr_storage from;
	struct group_filter head;
	struct request q;
	unsigned i;
	int r;

	if (len < GROUP_FILTER_LEN)
		return -EINVAL;
	memcpy(&head, value, GROUP_FILTER_LEN);
	if (head.gf_numsrc > GROUP_FILTER_MAX)
		return -ENOBUFS;
	if (len < GROUP_FILTER_SIZE(head.gf_numsrc) || mode_of(head.gf_fmode, &f) < 0)
		return -EINVAL;
	r = request_of(so, &head.gf_group, head.gf_interface, &q);
	for (i = 0; r == 0 && i < head.gf_numsrc; i++) {
		memcpy(&from, (const uint8_t *)value + GROUP_FILTER_SIZE(i), sizeof(from));
		r = source_of(so, &from, q.source);
		if (r == 0)
			(void)source_add(&f, q.source);
	}
	return r < 0 ? r : replace(so, &q, &f);
}

static void put_source(const struct socket *so, void *value, const uint8_t source[16])
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
	struct sockaddr_in sin = {.sin_family = AF_INET};

	memset(value, 0, sizeof(struct sockaddr_storage));
	if (so->domain == AF_INET) {
		sin.sin_addr.s_addr = group_addr4(source);
		memcpy(value, &sin, sizeof(sin));
	} else {
		memcpy(&sin6.sin6_addr, source, 16);
		memcpy(value, &sin6, sizeof(sin6));
	}
}

int member_get_filter(struct socket *so, void *value, uint32_t *len)
{
	const struct member_filter *f;
	struct group_filter head;
	struct request q;
	uint32_t i, room;
	int r;

	if (*len < GROUP_FILTER_LEN)
		return -EINVAL;
	memcpy(&head, value, GROUP_FILTER_LEN);
	r = request_of(so, &head.gf_group, head.gf_interface, &q);
	if (r < 0)
		return r;
	f = asked_for(so, &q);
	if (!f)
		return -EADDRNOTAVAIL;
	room = (uint32_t)((*len - GROUP_FILTER_LEN) / sizeof(struct sockaddr_storage));
	for (i = 0; i < f->n && i < head.gf_numsrc && i < room; i++)
		put_source(so, (uint8_t *)value + GROUP_FILTER_SIZE(i), f->source[i]);
	*len = (uint32_t)GROUP_FILTER_SIZE(i);
	head.gf_fmode = f->exclude ? MCAST_EXCLUDE : MCAST_INCLUDE;
	head.gf_numsrc = f->n;
	memcpy(value, &head, GROUP_FILTER_LEN);
	return 0;
}

/* ---- options ------------------------------------------------------------------------------ */

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

int member_join_source4(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_mreq_source, join_source);
}

int member_leave_source4(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_mreq_source, leave_source);
}

int member_block4(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_mreq_source, block);
}

int member_unblock4(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_mreq_source, unblock);
}

int member_join_source(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_source_req, join_source);
}

int member_leave_source(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_source_req, leave_source);
}

int member_block(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_source_req, block);
}

int member_unblock(struct socket *so, const void *value, uint32_t len)
{
	return by(so, value, len, parse_source_req, unblock);
}

/* ---- the socket --------------------------------------------------------------------------- */

bool member_wants(const struct socket *so, struct port *port, const uint8_t group[16],
		  const uint8_t source[16])
{
	struct request q = {.port = port};
	const struct group_member *m;

	if (!so->groups)
		return so->mcast_all;
	memcpy(q.group, group, 16);
	m = find(so->st, so->id, &q);
	return m ? member_filter_passes(filter_of(so->st, m), source) : so->mcast_all;
}

void member_close(struct socket *so)
{
	struct group_member *m = so->st->groups->member;

	for (; m < so->st->groups->member + GROUP_MEMBER_MAX; m++)
		if (m->port && m->sock == so->id)
			leave(so, m);
}
