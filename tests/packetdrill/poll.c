/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poll and epoll over the stack's readiness bits, level- and edge-triggered. An edge is what the
 * stack publishes (stack_env.ready). Fills the table for adapter.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/packetdrill/adapter.h"

static uint64_t until_ms(const struct world *w, int timeout)
{
	return timeout < 0 ? PD_NEVER : w->now + (uint64_t)timeout * 1000000u;
}

/* ---- poll ---- */

static int poll_once(struct world *w, struct pollfd *fds, nfds_t n)
{
	struct file *f;
	int ready = 0;
	nfds_t i;

	for (i = 0; i < n; i++) {
		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		f = file_of(w, fds[i].fd);
		if (!f)
			fds[i].revents = POLLNVAL;
		else if (f->so)
			fds[i].revents = (short)(sock_events(f->so) &
						 (uint32_t)(fds[i].events | POLLERR | POLLHUP));
		ready += fds[i].revents != 0;
	}
	return ready;
}

static int pd_poll(void *ud, struct pollfd *fds, nfds_t n, int timeout)
{
	struct world *w = ud;
	uint64_t end;
	int r;

	if (!fds && n) {
		errno = EFAULT;
		return -1;
	}
	world_enter(w);
	end = until_ms(w, timeout);
	while ((r = poll_once(w, fds, n)) == 0 && w->now < end) {
		r = world_wait(w, end);
		if (r < 0)
			break;
	}
	world_leave(w);
	if (r < 0)
		errno = -r;
	return r < 0 ? -1 : r;
}

/* ---- epoll ---- */

void watch_ready(struct world *w, uint32_t sock)
{
	struct watch *a;
	int fd;

	for (fd = 0; fd < PD_FDS; fd++)
		for (a = w->files[fd] ? w->files[fd]->watches : NULL; a; a = a->next)
			if (a->sock == sock)
				a->edge = true;
}

static struct watch **watch_find(struct file *ep, int fd)
{
	struct watch **at = &ep->watches;

	while (*at && (*at)->fd != fd)
		at = &(*at)->next;
	return at;
}

static void watch_drop(struct watch **at)
{
	struct watch *a = *at;

	*at = a->next;
	free(a);
}

void watch_forget(struct world *w, int fd)
{
	struct watch **at;
	int i;

	for (i = 0; i < PD_FDS; i++)
		if (w->files[i] && *(at = watch_find(w->files[i], fd)))
			watch_drop(at);
}

void watches_free(struct file *f)
{
	while (f->watches)
		watch_drop(&f->watches);
}

static int pd_epoll_create(void *ud, int size)
{
	struct world *w = ud;
	struct file *f;
	int fd;

	if (size <= 0) {
		errno = EINVAL;
		return -1;
	}
	world_enter(w);
	fd = file_new(w, &f);
	f->is_epoll = true;
	world_leave(w);
	return fd;
}

static int change(struct world *w, int epfd, int op, int fd, const struct epoll_event *ev)
{
	struct file *ep = file_of(w, epfd), *f = file_of(w, fd);
	struct watch **at;

	if (!ep || !f)
		return -EBADF;
	if (!ep->is_epoll || !f->so)
		return -EINVAL;
	if (!ev && op != EPOLL_CTL_DEL)
		return -EFAULT;
	at = watch_find(ep, fd);
	if (op == EPOLL_CTL_ADD) {
		if (*at)
			return -EEXIST;
		*at = calloc(1, sizeof(**at));
		if (!*at)
			return -ENOMEM;
		(*at)->fd = fd;
		(*at)->sock = sock_id(f->so);
	} else if (!*at) {
		return -ENOENT;
	} else if (op == EPOLL_CTL_DEL) {
		watch_drop(at);
		return 0;
	} else if (op != EPOLL_CTL_MOD) {
		return -EINVAL;
	}
	(*at)->ev = *ev;
	(*at)->edge = true;
	return 0;
}

static int pd_epoll_ctl(void *ud, int epfd, int op, int fd, struct epoll_event *ev)
{
	struct world *w = ud;
	int r;

	world_enter(w);
	r = change(w, epfd, op, fd, ev);
	world_leave(w);
	if (r < 0)
		errno = -r;
	return r < 0 ? -1 : r;
}

static int epoll_once(struct world *w, struct file *ep, struct epoll_event *evs, int max)
{
	struct watch *a;
	uint32_t now;
	int n = 0;

	for (a = ep->watches; a && n < max; a = a->next) {
		now = sock_events(file_of(w, a->fd)->so) & (a->ev.events | EPOLLERR | EPOLLHUP);
		if (!now || ((a->ev.events & EPOLLET) && !a->edge))
			continue;
		evs[n].events = now;
		evs[n++].data = a->ev.data;
		a->edge = false;
		if (a->ev.events & EPOLLONESHOT)
			a->ev.events = 0;
	}
	return n;
}

static int epoll_until(struct world *w, int epfd, struct epoll_event *evs, int max, uint64_t end)
{
	struct file *ep = file_of(w, epfd);
	int r = 0;

	if (!ep)
		return -EBADF;
	if (!ep->is_epoll || max <= 0)
		return -EINVAL;
	while (r == 0 && (r = epoll_once(w, ep, evs, max)) == 0 && w->now < end) {
		r = world_wait(w, end);
		if (r == 0 && file_of(w, epfd) != ep)
			return -EBADF;
	}
	return r;
}

static int pd_epoll_wait(void *ud, int epfd, struct epoll_event *evs, int max, int timeout)
{
	struct world *w = ud;
	int r;

	world_enter(w);
	r = epoll_until(w, epfd, evs, max, until_ms(w, timeout));
	world_leave(w);
	if (r < 0)
		errno = -r;
	return r < 0 ? -1 : r;
}

void poll_fill(struct pd_table *t)
{
	t->poll = pd_poll;
	t->epoll_create = pd_epoll_create;
	t->epoll_ctl = pd_epoll_ctl;
	t->epoll_wait = pd_epoll_wait;
}
