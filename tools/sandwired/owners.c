/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Owners of sockets, and SIGURG to them: owners.h says how. Called by control_attach.c (a process
 * asks), turn.c (signals are owed) and net_up.c; asks the stack, tcpip/signal.c, who is owed one.
 */
#include "tools/sandwired/owners.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/sandwired/image.h"
#include "tools/sandwired/net.h"

#define SIGNALS_MAX 64u		  /* a pass; the next goes on */
#define LOOK_EVERY  1000000000ull /* ns */

int owner_open(struct owner *o)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return -errno;
	o->a = fd[0];
	o->b = fd[1];
	/* At once and both ways: what were sent into A, descriptors too, would lie in B. */
	if (!shutdown(o->b, SHUT_RDWR) && !fcntl(o->a, F_SETSIG, SIGURG) &&
	    !fcntl(o->a, F_SETFL, O_ASYNC))
		return 0;
	owner_close(o);
	return -errno;
}

void owner_close(struct owner *o)
{
	int err = errno;

	close(o->a);
	close(o->b);
	errno = err;
}

void owner_signal(const struct owner *o)
{
	shutdown(o->b, SHUT_WR);
}

static struct owner *find(struct owners *t, uint32_t sock)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->of[i].sock == sock)
			return &t->of[i];
	return NULL;
}

static void forget(struct owners *t, struct owner *o)
{
	owner_close(o);
	*o = t->of[--t->n];
}

/* Of sockets that are closed, or whose owner shall hear no more. */
static void forget_stale(struct net *net)
{
	struct owners *t = &net->owners;

	t->looked = net_now(net);
	for (unsigned i = t->n; i-- > 0;)
		if (image_admin(ADMIN_SIGNAL_KEPT, t->of[i].sock, 0, 0, 0) <= 0)
			forget(t, &t->of[i]);
}

static bool may_have_more(const struct owners *t, uid_t uid)
{
	unsigned same = 0;

	for (unsigned i = 0; uid && i < t->n; i++)
		same += t->of[i].uid == uid;
	return t->n < OWNERS_MAX && same < OWNERS_UID;
}

int owners_make(struct net *net, uint32_t client, uid_t uid, uint32_t sock, struct failure *f)
{
	struct owners *t = &net->owners;
	struct owner o = {.sock = sock, .uid = uid}, *old;
	int64_t r = image_admin(ADMIN_SIGNAL_ON, client, sock, 0, 0);

	if (r < 0)
		return failed_errno(f, "signals", (int)-r);
	old = find(t, sock);
	if (old)
		forget(t, old);
	if (!may_have_more(t, uid))
		forget_stale(net);
	if (!may_have_more(t, uid))
		return failed_errno(f, "signals", EMFILE);
	r = owner_open(&o);
	if (r < 0)
		return failed_errno(f, "signals", (int)-r);
	t->of[t->n++] = o;
	return o.a;
}

static bool signals_taken(void)
{
	uint32_t *owed = &image_kshared()->signals_owed;

	/* Before the stack is asked: what is owed from then on is said anew (signal_owed). */
	return __atomic_load_n(owed, __ATOMIC_RELAXED) &&
	       __atomic_exchange_n(owed, 0, __ATOMIC_ACQUIRE);
}

static unsigned signal_owed(struct net *net)
{
	struct owners *t = &net->owners;
	unsigned n = 0;

	for (; n < SIGNALS_MAX; n++) {
		int64_t sock = image_admin(ADMIN_SIGNAL_TAKE, 0, 0, 0, 0);
		const struct owner *o;

		if (sock <= 0)
			return n;
		o = find(t, (uint32_t)sock);
		/* One signal, not two: what polls as POLLPRI signals by itself. */
		if (o && !pair_signal_urgent(net, (uint32_t)sock))
			owner_signal(o);
	}
	__atomic_store_n(&image_kshared()->signals_owed, 1, __ATOMIC_RELAXED); /* perhaps more */
	return n;
}

unsigned owners_signal(struct net *net)
{
	struct owners *t = &net->owners;
	unsigned n = 0;

	if (!t->n)
		return 0;
	if (signals_taken())
		n = signal_owed(net);
	if (net_now(net) - t->looked >= LOOK_EVERY)
		forget_stale(net);
	return n;
}

void owners_free(struct net *net)
{
	while (net->owners.n)
		forget(&net->owners, net->owners.of);
}
