/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors in server and direct mode, the daemon's side of the protocol that upcall/pair_fd.h
 * describes. Called by control_attach.c (make, prove, urgent), turn.c (wakes), owners.c (a signal)
 * and the loop (last close).
 */
#include "tools/sandwired/pair_fd.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/sandwired/image.h"
#include "tools/sandwired/log.h"
#include "tools/sandwired/net.h"
#include "upcall/pair_fd.h"

struct pair {
	struct watch b;
	struct net *net;
	struct pair *next; /* of its bucket */
	uint64_t cookie;
	uint32_t sock;
	bool stream, shut;
	bool urgent; /* somebody waits for POLLPRI on A */
	bool told;   /* and has it: an urgent byte was sent, which may be taken */
};

static void some_closed(void *arg, uint32_t events)
{
	(void)events;
	loop_poll(&((struct net *)arg)->pairs.closes);
}

void pairs_hear(struct net *net)
{
	some_closed(net, 0);
}

int pairs_init(struct net *net)
{
	struct pair_table *t = &net->pairs;
	int r = loop_init(&t->closes);

	t->heard.fd = -1;
	t->by_index = calloc(SEG_SOCK_COUNT, sizeof(struct pair *));
	t->made = calloc(SEG_SOCK_COUNT, sizeof(struct pair_made));
	if (!r && !(t->by_index && t->made))
		r = -ENOMEM;
	if (!r)
		r = loop_add(&net->loop, &t->heard, t->closes.epoll_fd, EPOLLIN, some_closed, net);
	if (r)
		pairs_free(net);
	return r;
}

static struct pair **bucket(struct net *net, uint64_t cookie)
{
	return &net->pairs.by_cookie[cookie % PAIR_BUCKETS];
}

static void pair_free(struct pair *p)
{
	struct net *net = p->net;
	struct pair **at = bucket(net, p->cookie);
	int fd = p->b.fd;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	net->pairs.by_index[SEG_SOCK_INDEX(p->sock)] = NULL;
	net->pairs.count--;
	loop_del(&net->pairs.closes, &p->b);
	close(fd);
	free(p);
}

void pairs_free(struct net *net)
{
	for (unsigned i = 0; net->pairs.by_index && i < SEG_SOCK_COUNT; i++)
		if (net->pairs.by_index[i])
			pair_free(net->pairs.by_index[i]);
	free(net->pairs.by_index);
	free(net->pairs.made);
	net->pairs.by_index = NULL;
	net->pairs.made = NULL;
	loop_del(&net->loop, &net->pairs.heard);
	loop_free(&net->pairs.closes);
}

/* The daemon is the closed ring's only producer where there is no module. */
static void closed_put(uint32_t sock)
{
	struct seg_kshared *ks = image_kshared();
	uint32_t head = ks->closed_head;

	ks->closed[head & (SEG_SOCK_COUNT - 1)] = sock;
	/* release: pairs with the acquire load of closed_head in turn_begin() */
	__atomic_store_n(&ks->closed_head, head + 1, __ATOMIC_RELEASE);
}

/* The last end A is closed. The turn after this batch of events tells the stack. */
static void last_close(void *arg, uint32_t events)
{
	struct pair *p = arg;

	(void)events;
	closed_put(p->sock);
	pair_free(p);
}

static struct seg_ready *ready_of(uint32_t sock)
{
	return &image_kshared()->ready[SEG_SOCK_INDEX(sock)];
}

static bool send_byte(struct pair *p, int flags)
{
	return send(p->b.fd, "", 1, flags | MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

/* May the last urgent byte lie in A still? Before anything else is sent. */
static bool urgent_lies(struct pair *p)
{
	int bytes = 0;

	return p->told && !ioctl(p->b.fd, SIOCOUTQ, &bytes) && bytes;
}

/* What the bits mean for the kernel's readiness of end A. */
static void pair_signal(struct pair *p)
{
	static char sink[65536];
	struct seg_ready *r = ready_of(p->sock);
	bool lies = urgent_lies(p);
	uint32_t events;

	/* exchange, then load: pairs with sock_ready_publish (layout.h, "Sleep and wake") */
	__atomic_store_n(&r->waiters, 1, __ATOMIC_SEQ_CST);
	events = __atomic_load_n(&r->events, __ATOMIC_SEQ_CST);
	if (!(events & POLLPRI))
		p->told = false;
	else if (p->urgent && !lies)
		p->told = send_byte(p, MSG_OOB); /* first: it says both at once */
	if (!p->shut && events & (POLLIN | POLLRDHUP | POLLERR))
		send_byte(p, 0);
	if (events & (POLLOUT | POLLERR | POLLRDHUP))
		for (unsigned i = 0; i < 16; i++)
			if (recv(p->b.fd, sink, sizeof(sink), MSG_DONTWAIT) <= 0)
				break;
	/* The peer's end is no end of ours: room is still told about afterwards. */
	if (p->stream && !p->shut &&
	    ((events & POLLRDHUP) || (events & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP))) {
		shutdown(p->b.fd, SHUT_WR);
		p->shut = true;
	}
}

static int make_ends(struct pair *p, int *a)
{
	socklen_t len = sizeof(p->cookie);
	int fd[2], least = 1, r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return -errno;
	if (setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)) ||
	    getsockopt(fd[0], SOL_SOCKET, SO_COOKIE, &p->cookie, &len))
		r = -errno;
	else
		r = loop_add(&p->net->pairs.closes, &p->b, fd[1], EPOLLRDHUP, last_close, p);
	if (r) {
		close(fd[0]);
		close(fd[1]);
		return r;
	}
	*a = fd[0];
	return 0;
}

int pair_make(struct net *net, uint32_t client, uint32_t sock, struct failure *f)
{
	int type = image_sock_type(client, sock), a = -1, r;
	struct pair *p, **at = &net->pairs.by_index[SEG_SOCK_INDEX(sock)];

	if (type < 0)
		return failed_errno(f, "sockfd", -type);
	if (*at)
		return failed_errno(f, "sockfd", EEXIST);
	p = calloc(1, sizeof(*p));
	if (!p)
		return failed_errno(f, "sockfd", ENOMEM);
	p->net = net;
	p->sock = sock;
	p->stream = type == SOCK_STREAM;
	r = make_ends(p, &a);
	if (r) {
		free(p);
		return failed_errno(f, "sockfd", -r);
	}
	*at = p;
	net->pairs.made[SEG_SOCK_INDEX(sock)].client = 0;
	p->next = *bucket(net, p->cookie);
	*bucket(net, p->cookie) = p;
	net->pairs.count++;
	pair_signal(p); /* an accepted socket may have data before it has a pair */
	return a;
}

static struct pair *pair_of(struct net *net, int fd)
{
	struct pair *p;
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len))
		return NULL;
	for (p = *bucket(net, cookie); p && p->cookie != cookie; p = p->next)
		;
	return p;
}

uint32_t pair_prove(struct net *net, int fd, bool *urgent)
{
	const struct pair *p = pair_of(net, fd);

	*urgent = p && p->urgent;
	return p ? p->sock : 0;
}

bool pair_want_urgent(struct net *net, int fd)
{
	struct pair *p = pair_of(net, fd);

	if (!p)
		return false;
	p->urgent = p->stream;
	pair_signal(p); /* it may have come before */
	return true;
}

bool pair_signal_urgent(struct net *net, uint32_t sock)
{
	struct pair *p = net->pairs.by_index ? net->pairs.by_index[SEG_SOCK_INDEX(sock)] : NULL;

	if (!p || p->sock != sock || !p->urgent ||
	    !(__atomic_load_n(&ready_of(sock)->events, __ATOMIC_RELAXED) & POLLPRI))
		return false;
	p->told = send_byte(p, MSG_OOB);
	return p->told;
}

void pairs_wake(struct net *net)
{
	struct seg_kshared *ks = image_kshared();
	/* acquire: pairs with the release store of wake_head in sandbox/turn.c */
	uint32_t head = __atomic_load_n(&ks->wake_head, __ATOMIC_ACQUIRE), tail = ks->wake_tail;

	while (tail != head) {
		uint32_t sock = ks->wake[tail++ & (SEG_WAKE_ENTRIES - 1)];
		struct pair *p;

		if (sock == SEG_WAKE_DAEMON)
			continue;
		p = net->pairs.by_index[SEG_SOCK_INDEX(sock)];
		if (p && p->sock == sock)
			pair_signal(p);
	}
	__atomic_store_n(&ks->wake_tail, tail, __ATOMIC_RELEASE);
	if (!__atomic_load_n(&ks->wake_overflow, __ATOMIC_RELAXED) ||
	    !__atomic_exchange_n(&ks->wake_overflow, 0, __ATOMIC_SEQ_CST))
		return;
	for (unsigned i = 0; i < SEG_SOCK_COUNT; i++)
		if (net->pairs.by_index[i])
			pair_signal(net->pairs.by_index[i]);
}

void pairs_made(struct net *net, uint32_t client, uint32_t sock)
{
	net->pairs.made[SEG_SOCK_INDEX(sock)] = (struct pair_made){sock, client};
}

/* Server mode: the daemon saw who made what; an accepted socket's row names the listener's maker.
 */
static void close_made(struct net *net, uint32_t client)
{
	for (unsigned i = 0; i < SEG_SOCK_COUNT; i++) {
		struct pair_made *m = &net->pairs.made[i];

		if (m->client == client && !net->pairs.by_index[i])
			closed_put(m->sock);
		if (m->client == client)
			m->client = 0;
	}
}

void pairs_client_gone(struct net *net, uint32_t client)
{
	uint32_t cursor = 0;
	struct sock_row row;

	if (net->mode == SEG_MODE_SERVER) {
		close_made(net, client);
		return;
	}
	while (image_admin(ADMIN_SOCK_ROW, IMAGE_PTR(&cursor), IMAGE_PTR(&row), 0, 0) == 1) {
		struct pair *p = net->pairs.by_index[SEG_SOCK_INDEX(row.id)];

		if (row.id && row.client == client && (!p || p->sock != row.id))
			closed_put(row.id);
	}
}
