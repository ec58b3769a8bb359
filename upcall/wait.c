/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting as socket calls wait: a short spin in which this thread does the net's work itself, then
 * real sleep on the descriptor, with the socket's time limits, and with the kernel's rules for
 * calls that a signal interrupts. Called by api_io.c, api.c and the shim.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "upcall/client.h"
#include "upcall/raw.h"
#include "upcall/sandwire.h"

/* What a wake-up costs, about: spinning longer than a sleep would take gains nothing. */
#define SPIN_NS 40000u

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

bool spin_useful(void)
{
	static _Atomic int cpus;
	int n = atomic_load_explicit(&cpus, memory_order_relaxed);

	if (!n) {
		uint64_t set[16] = {0};
		long ret = RAW3(SYS_sched_getaffinity, 0, sizeof(set), set);

		for (long i = 0; i < ret / 8; i++)
			n += __builtin_popcountll(set[i]);
		atomic_store_explicit(&cpus, n ? n : 2, memory_order_relaxed);
	}
	return n != 1;
}

bool spin_again(struct spin *s, bool turn)
{
	struct attachment *at = attach_peek();
	uint64_t now;

	if (!at || !at->ops->drives || !spin_useful())
		return false;
	now = now_ns();
	if (!s->until)
		s->until = now + SPIN_NS;
	else if (now >= s->until)
		return false;
	if (turn)
		sandwire_turn();
	return true;
}

bool fd_nonblocking(int fd)
{
	long flags = RAW3(SYS_fcntl, fd, F_GETFL, 0);

	return flags >= 0 && flags & O_NONBLOCK;
}

/*
 * A kernel socket without a time limit restarts after handlers installed with SA_RESTART. poll(2)
 * never restarts and does not say which handler ran. So: restart if all handlers there are have
 * SA_RESTART; a program with even one that has not must expect EINTR anyway.
 */
bool wait_restarts(void)
{
	struct {
		void (*handler)(int);
		uint64_t flags;
		void *restorer;
		uint64_t mask;
	} act = {0};

	for (int sig = 1; sig <= 64; sig++) {
		if (sig == 32 || sig == 33) /* libc's own, for cancellation and setuid */
			continue;
		if (RAW6(SYS_rt_sigaction, sig, 0, &act, 8, 0, 0) < 0)
			continue;
		if (act.handler != SIG_DFL && act.handler != SIG_IGN && !(act.flags & SA_RESTART))
			return false;
	}
	return true;
}

static uint64_t socket_deadline(int fd, int option)
{
	struct timeval tv = {0};
	socklen_t len = sizeof(tv);

	if (!(fd_get(fd) & FD_TIMEO) || sandwire_getsockopt(fd, SOL_SOCKET, option, &tv, &len) ||
	    (!tv.tv_sec && !tv.tv_usec))
		return UINT64_MAX;
	return now_ns() + (uint64_t)tv.tv_sec * 1000000000u + (uint64_t)tv.tv_usec * 1000u;
}

/* A cancellation point, as the call it stands for: nothing is held here. */
static long sleep_ppoll(struct pollfd *pfd, nfds_t n, const struct timespec *ts, const void *mask)
{
	int type;
	long ret;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	ret = RAW6(SYS_ppoll, pfd, n, ts, mask, 8, 0);
	pthread_setcanceltype(type, NULL);
	return ret;
}

int wait_ready(struct wait *w)
{
	struct pollfd pfd = {.fd = w->fd, .events = w->events};

	if (!w->deadline)
		w->deadline = socket_deadline(w->fd, w->timeo_option);
	for (;;) {
		struct timespec ts = {0}, *limit = NULL;
		long ret;

		if (w->deadline != UINT64_MAX) {
			uint64_t now = now_ns(), left = w->deadline > now ? w->deadline - now : 0;

			ts.tv_sec = (time_t)(left / 1000000000u);
			ts.tv_nsec = (long)(left % 1000000000u);
			limit = &ts;
		}
		ret = sleep_ppoll(&pfd, 1, limit, w->mask);
		if (ret > 0)
			return pfd.revents & POLLNVAL ? -EBADF : 0;
		if (ret == 0)
			return -EAGAIN;
		if (ret != -EINTR)
			return (int)ret;
		if (w->deadline != UINT64_MAX || !wait_restarts())
			return -EINTR;
	}
}

/*
 * Signals are blocked from the first look that finds nothing to the sleep, which lets them in again
 * as poll does: else one that came during the spin would not interrupt the sleep after it.
 */
static long poll_driven(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
			const sigset_t *mask)
{
	static const struct timespec zero;
	struct timespec left;
	struct spin spin = {0};
	struct attachment *at = attach_peek();
	uint64_t old;
	long ret;

	if (timeout)
		left = *timeout;
	if (!at || !at->ops->drives || !fd_any_sock())
		return sleep_ppoll(fds, n, timeout ? &left : NULL, mask);
	ret = RAW6(SYS_ppoll, fds, n, &zero, mask, 8, 0);
	if (ret)
		return ret;
	old = raw_block_signals();
	do {
		sandwire_turn();
		ret = RAW6(SYS_ppoll, fds, n, &zero, 0, 8, 0);
		if (timeout && !timeout->tv_sec && !timeout->tv_nsec)
			break;
	} while (!ret && spin_again(&spin, false));
	if (!ret)
		ret = sleep_ppoll(fds, n, timeout ? &left : NULL, mask ? (const void *)mask : &old);
	raw_restore_signals(old);
	return ret;
}

int sandwire_poll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		  const sigset_t *mask)
{
	bool urgent = pair_poll_ask(fds, n);
	int ret = (int)poll_driven(fds, n, timeout, mask);

	return urgent ? pair_poll_settle(fds, n, ret) : ret;
}
