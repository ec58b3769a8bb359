/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll. It watches files, not numbers: when an Internet socket of the kernel becomes a Sandwire
 * socket, what was registered for it is gone with the old file. So registrations of sockets that
 * may yet change are noted, and made again. Waiting is as in poll.c. Called by programs in place of
 * libc, and by convert.c.
 */
#include <string.h>

#include "upcall/raw.h"
#include "upcall/shim/shim.h"

struct watch {
	int epfd, fd; /* fd -1: free */
	struct epoll_event event;
};

/* Between socket() and connect() or listen(): rarely more than a few at a time. */
#define WATCHES 1024
static struct watch watches[WATCHES];
static unsigned n_watches; /* entries ever used */
static _Atomic uint32_t watch_lock;

/* Signals are blocked meanwhile: a handler may register sockets too. A child of fork could inherit
 * the lock held; fork is rare and the section short, and the worst is a stale entry: so it is
 * broken after long enough. */
static uint64_t lock(void)
{
	uint64_t mask = raw_block_signals();

	for (unsigned tries = 0; atomic_exchange_explicit(&watch_lock, 1, memory_order_acquire);) {
		if (++tries > 100000)
			break;
		RAW3(SYS_sched_yield, 0, 0, 0);
	}
	return mask;
}

static void unlock(uint64_t mask)
{
	atomic_store_explicit(&watch_lock, 0, memory_order_release);
	raw_restore_signals(mask);
}

static struct watch *find(int epfd, int fd, bool make)
{
	struct watch *free = NULL;

	for (unsigned i = 0; i < n_watches; i++) {
		if (watches[i].fd == fd && watches[i].epfd == epfd)
			return &watches[i];
		if (watches[i].fd < 0)
			free = &watches[i];
	}
	if (make && !free && n_watches < WATCHES)
		free = &watches[n_watches++];
	if (!make || !free)
		return NULL;
	*free = (struct watch){.epfd = epfd, .fd = fd};
	return free;
}

void watch_forget(int fd)
{
	uint64_t mask = lock();

	for (unsigned i = 0; i < n_watches; i++)
		if (watches[i].fd == fd)
			watches[i].fd = -1;
	unlock(mask);
}

void watch_replay(int fd)
{
	uint64_t mask = lock();
	bool urgent = false;

	for (unsigned i = 0; i < n_watches; i++) {
		struct watch *w = &watches[i];

		if (w->fd != fd)
			continue;
		/* The old file lives on if it has another number: then so does its registration. */
		RAW6(SYS_epoll_ctl, w->epfd, EPOLL_CTL_ADD, fd, &w->event, 0, 0);
		urgent |= w->event.events & EPOLLPRI;
		w->fd = -1;
	}
	unlock(mask);
	if (urgent)
		pair_ask_urgent(fd);
}

static void note(int epfd, int op, int fd, const struct epoll_event *event)
{
	uint64_t mask = lock(), word;
	struct watch *w = find(epfd, fd, op != EPOLL_CTL_DEL);

	if (w && op == EPOLL_CTL_DEL)
		w->fd = -1;
	else if (w)
		w->event = *event;
	unlock(mask);
	do {
		word = fd_get(fd);
	} while (FD_KIND(word) == FD_INET && !fd_change(fd, word, word | FD_WATCHED));
}

INTERCEPT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	int ret = REAL(epoll_ctl)(epfd, op, fd, event);

	if (!ret && op != EPOLL_CTL_DEL && event && event->events & EPOLLPRI)
		pair_ask_urgent(fd);
	if (!ret && (event || op == EPOLL_CTL_DEL) && !shim_is_sock(fd) &&
	    FD_KIND(fd_get(fd)) == FD_INET)
		note(epfd, op, fd, event);
	return ret;
}

static long look(int epfd, struct epoll_event *events, int max, const void *mask)
{
	return RAW6(SYS_epoll_pwait, epfd, events, max, 0, mask, 8);
}

/*
 * Looks, works a while, looks again. True: *ret is the result. Else signals are blocked, and the
 * caller sleeps with the mask in *inside, then restores it: one that came meanwhile interrupts it.
 */
static bool driven(int epfd, struct epoll_event *events, int max, bool once, const sigset_t *mask,
		   uint64_t *old, sigset_t *inside, int *ret)
{
	struct drive d = {0};
	long found = look(epfd, events, max, mask);

	if (!found) {
		*old = raw_block_signals();
		do {
			if (!drive_again(&d))
				break;
			found = look(epfd, events, max, NULL);
		} while (!found && !once);
		if (!found && !once) {
			sigemptyset(inside);
			memcpy(inside, old, sizeof(*old));
			if (mask)
				*inside = *mask;
			return false;
		}
		raw_restore_signals(*old);
	}
	if (found < 0)
		errno = (int)-found;
	*ret = found < 0 ? -1 : (int)found;
	return true;
}

static int slept(int ret, uint64_t old)
{
	int saved = errno;

	raw_restore_signals(old);
	errno = saved;
	return ret;
}

INTERCEPT int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout,
			  const sigset_t *mask)
{
	uint64_t old;
	sigset_t inside;
	int ret;

	if (!drive_wanted())
		return REAL(epoll_pwait)(epfd, events, max, timeout, mask);
	if (driven(epfd, events, max, !timeout, mask, &old, &inside, &ret))
		return ret;
	return slept(REAL(epoll_pwait)(epfd, events, max, timeout, &inside), old);
}

INTERCEPT int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	if (!drive_wanted())
		return REAL(epoll_wait)(epfd, events, max, timeout);
	return epoll_pwait(epfd, events, max, timeout, NULL);
}

INTERCEPT int epoll_pwait2(int epfd, struct epoll_event *events, int max,
			   const struct timespec *timeout, const sigset_t *mask)
{
	bool once = timeout && !timeout->tv_sec && !timeout->tv_nsec;
	uint64_t old;
	sigset_t inside;
	int ret;

	if (!drive_wanted())
		return REAL(epoll_pwait2)(epfd, events, max, timeout, mask);
	if (driven(epfd, events, max, once, mask, &old, &inside, &ret))
		return ret;
	return slept(REAL(epoll_pwait2)(epfd, events, max, timeout, &inside), old);
}
