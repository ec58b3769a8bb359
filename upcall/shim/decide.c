/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which stack does an address belong to? A destination that the net routes and a local address of
 * the net belong to the net, everything else to the kernel. Pure: the net's answers are arguments.
 * Called by intercept.c and transfer.c.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "upcall/shim/shim.h"

/* What an address says about the net: taken apart once. */
struct target {
	bool internet;	/* AF_INET or AF_INET6 and long enough */
	bool any;	/* 0.0.0.0, :: */
	bool host_only; /* 127/8, ::1: never the net's */
	bool on_a_link; /* fe80::/10: which link is the kernel's numbering, so the kernel's */
	bool group;
	in_port_t port;
};

static void take4(struct target *t, const struct in_addr *addr)
{
	t->any = addr->s_addr == htonl(INADDR_ANY);
	t->host_only = ntohl(addr->s_addr) >> 24 == 127;
	t->group = IN_MULTICAST(ntohl(addr->s_addr));
}

static struct target target_of(const struct sockaddr *sa, socklen_t len)
{
	struct target t = {false};
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;
	struct in_addr mapped;

	if (sa && len >= sizeof(sin) && sa->sa_family == AF_INET) {
		memcpy(&sin, sa, sizeof(sin));
		t.internet = true;
		t.port = sin.sin_port;
		take4(&t, &sin.sin_addr);
	} else if (sa && len >= sizeof(sin6) && sa->sa_family == AF_INET6) {
		memcpy(&sin6, sa, sizeof(sin6));
		t.internet = true;
		t.port = sin6.sin6_port;
		if (IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr)) {
			memcpy(&mapped, sin6.sin6_addr.s6_addr + 12, 4);
			take4(&t, &mapped);
		} else {
			t.any = IN6_IS_ADDR_UNSPECIFIED(&sin6.sin6_addr);
			t.group = IN6_IS_ADDR_MULTICAST(&sin6.sin6_addr);
			t.host_only = IN6_IS_ADDR_LOOPBACK(&sin6.sin6_addr);
			t.on_a_link = IN6_IS_ADDR_LINKLOCAL(&sin6.sin6_addr) ||
				      IN6_IS_ADDR_MC_LINKLOCAL(&sin6.sin6_addr);
		}
	}
	return t;
}

int decide_destination(const struct decider *d, const struct sockaddr *dst, socklen_t len)
{
	struct target t = target_of(dst, len);

	if (!t.internet)
		return GOES_KERNEL; /* AF_UNSPEC dissolves a connection; what else is wrong it says
				     */
	/* To any address means this host. */
	if (!t.host_only && !t.any && !t.on_a_link && d->accelerated &&
	    d->route(dst, len, NULL) == 0)
		return GOES_NET;
	return d->strict ? -ENETUNREACH : GOES_KERNEL;
}

int decide_bind(const struct decider *d, const struct sockaddr *addr, socklen_t len)
{
	struct target t = target_of(addr, len);

	if (!t.internet)
		return GOES_KERNEL;
	if (!d->accelerated)
		return d->strict ? -EADDRNOTAVAIL : GOES_KERNEL;
	if (t.any) {
		/* Any address, any port is what a client binds to that has no wish: its first
		 * destination says more. With a port it is a server's. */
		return t.port ? GOES_NET : GOES_LATER;
	}
	if (!t.on_a_link && d->is_local(addr, len))
		return GOES_NET;
	/* Who wants to hear a group alone binds to it. */
	if (t.group && !t.on_a_link && d->route(addr, len, NULL) == 0)
		return GOES_NET;
	return d->strict ? -EADDRNOTAVAIL : GOES_KERNEL;
}

/* A source in a group: asked of the net whose interface it names, even if only to hear that the
 * socket is no member. */
static bool names_source(int name)
{
	return name == IP_ADD_SOURCE_MEMBERSHIP || name == IP_DROP_SOURCE_MEMBERSHIP ||
	       name == IP_BLOCK_SOURCE || name == IP_UNBLOCK_SOURCE;
}

/* A group, or an address of the interface that is meant (with no number: that is the kernel's).
 * What names a source besides begins the same. */
static int decide_mreq(const struct decider *d, int name, const void *value, socklen_t len)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	struct ip_mreqn req = {.imr_ifindex = 0};

	if (names_source(name) && len > sizeof(struct ip_mreq))
		len = sizeof(struct ip_mreq);
	if (name == IP_MULTICAST_IF && len >= sizeof(req.imr_address) &&
	    len < sizeof(struct ip_mreq))
		memcpy(&req.imr_address, value, sizeof(req.imr_address));
	else if (len >= sizeof(struct ip_mreq))
		memcpy(&req, value, len < sizeof(req) ? sizeof(struct ip_mreq) : sizeof(req));
	if (req.imr_ifindex)
		return GOES_KERNEL;
	sin.sin_addr = req.imr_address;
	if (sin.sin_addr.s_addr)
		return d->is_local((struct sockaddr *)&sin, sizeof(sin)) ? GOES_NET : GOES_KERNEL;
	sin.sin_addr = req.imr_multiaddr;
	if (name == IP_MULTICAST_IF || !sin.sin_addr.s_addr)
		return GOES_LATER;
	return decide_destination(d, (struct sockaddr *)&sin, sizeof(sin));
}

static int decide_mreq6(const struct decider *d, const void *value, socklen_t len)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
	struct ipv6_mreq req;

	if (len < sizeof(req))
		return GOES_LATER;
	memcpy(&req, value, sizeof(req));
	if (req.ipv6mr_interface)
		return GOES_KERNEL;
	sin6.sin6_addr = req.ipv6mr_multiaddr;
	return decide_destination(d, (struct sockaddr *)&sin6, sizeof(sin6));
}

static int decide_group_req(const struct decider *d, const void *value, socklen_t len)
{
	struct group_req req;

	if (len < sizeof(req))
		return GOES_LATER;
	memcpy(&req, value, sizeof(req));
	if (req.gr_interface)
		return GOES_KERNEL;
	return decide_destination(d, (struct sockaddr *)&req.gr_group, sizeof(req.gr_group));
}

int decide_option(const struct decider *d, int level, int name, const void *value, socklen_t len)
{
	int ret = GOES_LATER;

	if (!d->accelerated || !value || (level != IPPROTO_IP && level != IPPROTO_IPV6))
		return GOES_LATER;
	if (name == MCAST_JOIN_GROUP || name == MCAST_JOIN_SOURCE_GROUP)
		ret = decide_group_req(d, value, len);
	else if (level == IPPROTO_IP &&
		 (name == IP_ADD_MEMBERSHIP || name == IP_MULTICAST_IF || names_source(name)))
		ret = decide_mreq(d, name, value, len);
	else if (level == IPPROTO_IPV6 && name == IPV6_JOIN_GROUP)
		ret = decide_mreq6(d, value, len);
	return ret < 0 ? GOES_KERNEL : ret; /* the kernel says what is wrong with it */
}
