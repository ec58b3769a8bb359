/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIGURG: of which sockets the owner is owed one (RFC 9293 3.8.5, MUST-32). The stack knows no
 * processes and sends no signals: it keeps a list, each socket on it once however much urgent data
 * came: a signal that is pending is one signal, however often it was raised. Called by
 * upcall/calls.c and admin_calls.c for those who want signals, tcp_urg.c, socket.c; calls
 * stack_env.signal.
 */
#include <errno.h>
#include <stddef.h>

#include "tcpip/socket.h"

bool sock_signal_ask(struct socket *so, uint32_t client, bool on)
{
	so->signal_client = on ? client : 0;
	if (!on) {
		so->signal_on = false;
		signal_forget(so);
	}
	return on && so->kind == SOCK_KIND_TCP;
}

int stack_signal_start(struct stack *st, uint32_t id, uint32_t client)
{
	struct socket *so = sock_get(st, id);

	if (!so)
		return -EBADF;
	if (!client || so->signal_client != client)
		return -EPERM;
	so->signal_client = 0; /* asked once, done once: the number may be another's one day */
	so->signal_on = true;
	return 0;
}

bool stack_signal_kept(struct stack *st, uint32_t id)
{
	const struct socket *so = sock_get(st, id);

	return so && so->signal_on;
}

uint32_t stack_signal_take(struct stack *st)
{
	struct socket *so = st->signals;

	if (!so)
		return 0;
	signal_forget(so);
	return so->id;
}

void signal_owe(struct socket *so)
{
	struct stack *st = so->st;

	if (!so->signal_on || so->signal_pprev)
		return;
	if (!st->signals)
		st->signals_tail = &st->signals;
	so->signal_next = NULL;
	so->signal_pprev = st->signals_tail;
	*st->signals_tail = so;
	st->signals_tail = &so->signal_next;
	if (st->env.signal)
		st->env.signal(st->env.arg);
}

void signal_forget(struct socket *so)
{
	if (!so->signal_pprev)
		return;
	*so->signal_pprev = so->signal_next;
	if (so->signal_next)
		so->signal_next->signal_pprev = so->signal_pprev;
	else
		so->st->signals_tail = so->signal_pprev;
	so->signal_pprev = NULL;
}
