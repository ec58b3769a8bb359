/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library's end of server and direct mode descriptors; pair_fd.h has the whole story. Called by
 * mode_server.c and mode_direct.c, api.c, api_io.c, wait.c, fdtable.c, the shim; asks the daemon
 * through control_client.c.
 */
#include "upcall/pair_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "upcall/client.h"
#include "upcall/raw.h"
#include "upcall/sandwire.h"

bool pair_take_bytes(int fd, bool urgent)
{
	char bytes[256];
	bool any = false;
	long n;

	/* A receive ends where the urgent byte was, even when it is taken. */
	urgent = urgent && RAW6(SYS_recvfrom, fd, bytes, 1, MSG_OOB | MSG_DONTWAIT, 0, 0) == 1;
	do {
		n = RAW6(SYS_recvfrom, fd, bytes, sizeof(bytes), MSG_DONTWAIT, 0, 0);
		any |= n > 0;
	} while (n == (long)sizeof(bytes) || n == -EINTR || (urgent && n > 0));
	return any || urgent;
}

static void fill(int fd)
{
	static const char zeros[PAIR_FILL];

	/* EAGAIN: it is full already; EPIPE cannot be: the daemon never stops reading. */
	RAW6(SYS_sendto, fd, zeros, sizeof(zeros), MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
}

static void announce(int fd, uint32_t events)
{
	struct call c;

	if (call_begin(&c, fd, CALL_EVENTS))
		return;
	c.slot->arg[0] = events;
	call_go(&c);
	call_end(&c);
}

void pair_clear_in(int fd, bool urgent)
{
	if (pair_take_bytes(fd, urgent))
		announce(fd, POLLIN | POLLPRI);
}

void pair_clear_out(int fd)
{
	fill(fd);
	announce(fd, POLLOUT);
}

/* ---- urgent data ---------------------------------------------------------------------------- */

bool pair_has_urgent(int fd)
{
	char c;

	return RAW6(SYS_recvfrom, fd, &c, 1, MSG_OOB | MSG_PEEK | MSG_DONTWAIT, 0, 0) == 1;
}

/* Once a socket; a poll may run on a small stack. */
__attribute__((noinline)) static int have_it_said(struct attachment *at, int fd)
{
	char reply[CONTROL_MAX];

	return control_ask(at, "{\"cmd\":\"urgent\"}", fd, reply, NULL);
}

bool pair_ask_urgent(int fd)
{
	uint64_t word = fd_get(fd);
	struct attachment *at;
	int saved = errno;

	if (FD_KIND(word) != FD_SOCK && FD_KIND(word) != FD_UNKNOWN)
		return false;
	word = fd_resolve(fd);
	at = FD_KIND(word) == FD_SOCK ? attach_get() : NULL;
	errno = saved;
	if (!at || !at->ops->pairs || word & FD_DGRAM)
		return false;
	if (!(word & FD_URGENT) && !have_it_said(at, fd))
		fd_change(fd, word, word | FD_URGENT);
	return true;
}

bool pair_readable(int fd)
{
	int events = sandwire_events(fd);

	/* Taken by another process, which did not know that the descriptor says it. */
	if (events >= 0 && !(events & POLLPRI))
		pair_clear_in(fd, true);
	return events < 0 || events & POLLIN;
}

bool pair_poll_ask(const struct pollfd *fds, uint64_t n)
{
	struct attachment *at = attach_peek();
	bool any = false;

	/* What cannot be read, or is no number of descriptors, is refused by the call itself. */
	if ((at && !at->ops->pairs) || n > INT_MAX || !raw_readable(fds, n))
		return false;
	for (uint64_t i = 0; i < n; i++)
		if (fds[i].events & POLLPRI && pair_ask_urgent(fds[i].fd))
			any = true;
	return any;
}

/* POLLPRI stays: no entry becomes empty. */
int pair_poll_settle(struct pollfd *fds, uint64_t n, int ret)
{
	for (uint64_t i = 0; ret > 0 && i < n; i++)
		if (fds[i].revents & POLLPRI && FD_KIND(fd_get(fds[i].fd)) == FD_SOCK &&
		    !pair_readable(fds[i].fd))
			fds[i].revents &= (short)~(POLLIN | POLLRDNORM);
	return ret;
}

/* ---- what the daemon is asked -------------------------------------------------------------- */

/* Before it answers a hello the daemon hears of all that was closed. */
void pair_await_closes(struct attachment *at)
{
	char reply[CONTROL_MAX];

	control_ask(at, "{\"cmd\":\"hello\"}", -1, reply, NULL);
}

int pair_prove(struct attachment *at, int fd, uint32_t *id, uint64_t *flags)
{
	char reply[CONTROL_MAX];
	uint64_t value;
	int ret = control_ask(at, "{\"cmd\":\"prove\"}", fd, reply, NULL);

	if (ret)
		return ret == -EPERM ? -ENOTSOCK : ret;
	if (!json_u64(reply, "sock", &value))
		return -ENOTSOCK;
	*id = (uint32_t)value;
	*flags = json_u64(reply, "urgent", &value) && value ? FD_URGENT : 0;
	return 0;
}

int pair_get(struct attachment *at, uint32_t id, int sock_flags)
{
	char packet[64], reply[CONTROL_MAX];
	int fd, ret;

	snprintf(packet, sizeof(packet), "{\"cmd\":\"sockfd\",\"sock\":%u}", id);
	ret = control_ask(at, packet, -1, reply, &fd);
	if (ret)
		return ret;
	if (fd < 0)
		return -EMFILE; /* the kernel had no number for it: the socket is gone */
	/* It comes with close-on-exec set and blocking. */
	if (!(sock_flags & SOCK_CLOEXEC))
		RAW3(SYS_fcntl, fd, F_SETFD, 0);
	if (sock_flags & SOCK_NONBLOCK) {
		long flags = RAW3(SYS_fcntl, fd, F_GETFL, 0);

		RAW3(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK);
	}
	return fd;
}
