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

static bool internet(const struct sockaddr *sa, socklen_t len)
{
	return sa && len >= sizeof(struct sockaddr_in) && sa->sa_family == AF_INET;
}

int decide_destination(const struct decider *d, const struct sockaddr *dst, socklen_t len)
{
	struct sockaddr_in sin;
	uint32_t ip;

	if (!internet(dst, len))
		return GOES_KERNEL; /* AF_UNSPEC dissolves a connection; what else is wrong it says
				     */
	memcpy(&sin, dst, sizeof(sin));
	ip = ntohl(sin.sin_addr.s_addr);
	/* 127/8, and 0.0.0.0, which means this host. */
	if (ip >> 24 != 127 && ip != INADDR_ANY && d->accelerated && d->route(dst, len, NULL) == 0)
		return GOES_NET;
	return d->strict ? -ENETUNREACH : GOES_KERNEL;
}

int decide_bind(const struct decider *d, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_in sin;

	if (!internet(addr, len))
		return GOES_KERNEL;
	memcpy(&sin, addr, sizeof(sin));
	if (!d->accelerated)
		return d->strict ? -EADDRNOTAVAIL : GOES_KERNEL;
	if (sin.sin_addr.s_addr == htonl(INADDR_ANY)) {
		/* Any address, any port is what a client binds to that has no wish: its first
		 * destination says more. With a port it is a server's. */
		return sin.sin_port ? GOES_NET : GOES_LATER;
	}
	if (d->is_local(addr, len))
		return GOES_NET;
	return d->strict ? -EADDRNOTAVAIL : GOES_KERNEL;
}
