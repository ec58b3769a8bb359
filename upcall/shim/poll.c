/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poll and select. Descriptors are real, so the kernel waits on all kinds together; we only do the
 * net's work in this thread before it sleeps, and spin for the length of a wake-up. Called by
 * programs in place of libc.
 */
#include <string.h>

#include "upcall/raw.h"
#include "upcall/shim/shim.h"

bool drive_wanted(void)
{
	struct attachment *at = attach_peek();

	return at && at->ops->drives && fd_any_sock();
}

bool drive_again(struct drive *d)
{
	if (d->begun)
		return spin_again(&d->spin, true);
	d->begun = true;
	sandwire_turn();
	return true;
}

INTERCEPT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		    const sigset_t *mask)
{
	bool urgent;
	long ret;

	if (!drive_wanted()) {
		urgent = pair_poll_ask(fds, n);
		ret = REAL(ppoll)(fds, n, timeout, mask);
		return urgent ? pair_poll_settle(fds, n, (int)ret) : (int)ret;
	}
	ret = SHIM_CALL(sandwire_poll(fds, n, timeout, mask));
	return ret < 0 ? -1 : (int)ret;
}

INTERCEPT int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct timespec ts = {.tv_sec = timeout / 1000, .tv_nsec = timeout % 1000 * 1000000l};
	bool urgent;
	int ret;

	if (!drive_wanted()) {
		urgent = pair_poll_ask(fds, n);
		ret = REAL(poll)(fds, n, timeout);
		return urgent ? pair_poll_settle(fds, n, ret) : ret;
	}
	return ppoll(fds, n, timeout < 0 ? NULL : &ts, NULL);
}

/* ---- select --------------------------------------------------------------------------------- */

#define SET_MAX 1024 /* beyond it no looking first: the sets would not fit on the stack */

/* Programs name more numbers than there are; the sets need not be as long. */
static int set_end(int n)
{
	int end = fd_limit() > FD_SETSIZE ? fd_limit() : FD_SETSIZE;

	return n < end ? n : end;
}

/* Else the kernel refuses the call. */
static bool set_readable(const fd_set *set, int n)
{
	int end = set_end(n);

	return !set || end <= 0 || raw_readable(set, (end + 63ull) / 64);
}

struct sets {
	unsigned long bits[3][SET_MAX / 64];
};

static void sets_copy(struct sets *to, int n, fd_set *const in[3])
{
	for (int i = 0; i < 3; i++)
		if (in[i])
			memcpy(to->bits[i], in[i], (size_t)(n + 63) / 64 * 8);
}

static void sets_give(fd_set *const out[3], int n, const struct sets *from)
{
	for (int i = 0; i < 3; i++)
		if (out[i])
			memcpy(out[i], from->bits[i], (size_t)(n + 63) / 64 * 8);
}

struct select_mask {
	const void *mask;
	size_t size;
};

/* select without waiting: above 0 and the sets filled, or 0 and the sets as they were; -errno. */
static long select_look(int n, fd_set *const sets[3], const void *mask)
{
	struct select_mask sm = {mask, 8};
	struct sets s;
	struct timespec zero = {0};
	fd_set *p[3];
	long ret;

	sets_copy(&s, n, sets);
	for (int i = 0; i < 3; i++)
		p[i] = sets[i] ? (fd_set *)s.bits[i] : NULL;
	ret = RAW6(SYS_pselect6, n, p[0], p[1], p[2], &zero, &sm);
	if (ret > 0)
		sets_give(sets, n, &s);
	return ret;
}

/* Looks, and works a while; 0: sleep now. */
static long select_drive(int n, fd_set *const sets[3])
{
	struct drive d = {0};
	long found = 0;

	while (!found && drive_again(&d))
		found = select_look(n, sets, NULL);
	return found;
}

/* As sandwire_poll(): signals stay out from the first look that finds nothing to the sleep. */
static int select_driven(int n, fd_set *const sets[3], const struct timespec *timeout,
			 const sigset_t *mask)
{
	bool look = timeout && !timeout->tv_sec && !timeout->tv_nsec;
	long found = select_look(n, sets, mask);
	sigset_t old;
	int saved;

	if (found) {
		if (found < 0)
			errno = (int)-found;
		return found < 0 ? -1 : (int)found;
	}
	sigemptyset(&old);
	*(uint64_t *)&old = raw_block_signals();
	found = look ? (sandwire_turn(), 0) : select_drive(n, sets);
	if (found <= 0) {
		found = REAL(pselect)(n, sets[0], sets[1], sets[2], timeout, mask ? mask : &old);
		saved = errno;
		raw_restore_signals(*(uint64_t *)&old);
		errno = saved;
		return (int)found;
	}
	raw_restore_signals(*(uint64_t *)&old);
	return (int)found;
}

static bool select_wanted(int n, fd_set *const sets[3])
{
	return drive_wanted() && n >= 0 && n <= SET_MAX && set_readable(sets[0], n) &&
	       set_readable(sets[1], n) && set_readable(sets[2], n);
}

/* Exceptional is what poll calls POLLPRI: upcall/client.h, pair_fd.c. */
static bool select_ask(int n, const fd_set *e)
{
	struct attachment *at = attach_peek();
	bool any = false;

	if (!e || (at && !at->ops->pairs) || !set_readable(e, n))
		return false;
	for (int fd = 0; fd < set_end(n); fd++)
		if (FD_ISSET(fd, e) && pair_ask_urgent(fd))
			any = true;
	return any;
}

static int select_settle(int n, fd_set *r, const fd_set *e, int ret)
{
	for (int fd = 0; ret > 0 && r && fd < set_end(n); fd++) {
		if (!FD_ISSET(fd, e) || !FD_ISSET(fd, r) || !shim_is_sock(fd) || pair_readable(fd))
			continue;
		FD_CLR(fd, r);
		ret--;
	}
	return ret;
}

static int select_timed(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
	fd_set *const sets[3] = {r, w, e};
	struct timespec ts, start, end;
	int64_t left;
	int ret;

	if (!select_wanted(n, sets) || (timeout && timeout->tv_sec < 0))
		return REAL(select)(n, r, w, e, timeout);
	if (!timeout)
		return select_driven(n, sets, NULL, NULL);
	/* Linux's select takes off its time limit what it slept; programs count on it. */
	ts.tv_sec = timeout->tv_sec + timeout->tv_usec / 1000000;
	ts.tv_nsec = timeout->tv_usec % 1000000 * 1000;
	clock_gettime(CLOCK_MONOTONIC, &start);
	ret = select_driven(n, sets, &ts, NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	left = (ts.tv_sec - (end.tv_sec - start.tv_sec)) * 1000000ll +
	       (ts.tv_nsec - (end.tv_nsec - start.tv_nsec)) / 1000;
	if (left < 0 || ret == 0)
		left = 0;
	timeout->tv_sec = left / 1000000;
	timeout->tv_usec = left % 1000000;
	return ret;
}

INTERCEPT int select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
	bool urgent = select_ask(n, e);
	int ret = select_timed(n, r, w, e, timeout);

	return urgent ? select_settle(n, r, e, ret) : ret;
}

INTERCEPT int pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
		      const sigset_t *mask)
{
	fd_set *const sets[3] = {r, w, e};
	bool urgent = select_ask(n, e);
	int ret;

	if (!select_wanted(n, sets))
		ret = REAL(pselect)(n, r, w, e, timeout, mask);
	else
		ret = select_driven(n, sets, timeout, mask);
	return urgent ? select_settle(n, r, e, ret) : ret;
}
