/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readiness, computed from a socket's state alone, in poll(2)'s bits, and told outside when it
 * changes or a sleeper must look again. Called by everything that changes a socket; calls
 * stack_env.ready. The rules are those of Linux's datagram_poll; TCP's are in tcp_events().
 */
#include <poll.h>
#include <stddef.h>

#include "tcpip/socket.h"

#define SHUT_NO_RECV 1u
#define SHUT_NO_SEND 2u

/* A datagram can always be sent: it waits for nothing here, and a full device drops it. An error
 * also makes the socket readable, for who watches IN alone: a receive would not block. */
static uint32_t datagram_events(const struct socket *so)
{
	uint32_t ev = POLLOUT | POLLWRNORM | POLLWRBAND;

	if (so->error)
		ev |= POLLERR | POLLIN | POLLRDNORM;
	if (so->errq.head)
		ev |= POLLERR;
	if (so->shut & SHUT_NO_RECV)
		ev |= POLLRDHUP | POLLIN | POLLRDNORM;
	if ((so->shut & (SHUT_NO_RECV | SHUT_NO_SEND)) == (SHUT_NO_RECV | SHUT_NO_SEND))
		ev |= POLLHUP;
	if (so->rxq.head)
		ev |= POLLIN | POLLRDNORM;
	return ev;
}

uint32_t sock_events(struct socket *so)
{
	return so->kind == SOCK_KIND_TCP ? tcp_events(so) : datagram_events(so);
}

void sock_ready(struct socket *so, bool wake)
{
	uint32_t ev = sock_events(so);

	if (ev == so->events && !wake)
		return;
	so->events = ev;
	if (so->st->env.ready)
		so->st->env.ready(so->st->env.arg, so->id, ev, wake);
}

void sock_set_error(struct socket *so, int err)
{
	so->error = err;
	sock_ready(so, true);
}
