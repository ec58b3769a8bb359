/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library's end of server and direct mode descriptors; pair_fd.h has the whole story. Called by
 * mode_server.c and mode_direct.c, api.c, api_io.c, fdtable.c; asks the daemon through
 * control_client.c.
 */
#include "upcall/pair_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "upcall/client.h"
#include "upcall/raw.h"

void pair_take_bytes(int fd, bool *any)
{
	char bytes[256];
	long n;

	*any = false;
	do {
		n = RAW6(SYS_recvfrom, fd, bytes, sizeof(bytes), MSG_DONTWAIT, 0, 0);
		if (n > 0)
			*any = true;
	} while (n == (long)sizeof(bytes) || n == -EINTR);
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

void pair_clear_in(int fd)
{
	bool any;

	pair_take_bytes(fd, &any);
	if (any)
		announce(fd, POLLIN);
}

void pair_clear_out(int fd)
{
	fill(fd);
	announce(fd, POLLOUT);
}

/* Before it answers a hello the daemon hears of all that was closed. */
void pair_await_closes(struct attachment *at)
{
	char reply[CONTROL_MAX];

	control_ask(at, "{\"cmd\":\"hello\"}", -1, reply, NULL);
}

int pair_prove(struct attachment *at, int fd, uint32_t *id)
{
	char reply[CONTROL_MAX];
	uint64_t value;
	int ret = control_ask(at, "{\"cmd\":\"prove\"}", fd, reply, NULL);

	if (ret)
		return ret == -EPERM ? -ENOTSOCK : ret;
	if (!json_u64(reply, "sock", &value))
		return -ENOTSOCK;
	*id = (uint32_t)value;
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
