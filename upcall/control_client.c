/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The application's side of the daemon's control socket, /run/sandwire/NET/control: SOCK_SEQPACKET,
 * one JSON object a packet, descriptors by SCM_RIGHTS. Called by attach.c and pair_fd.c.
 *
 *	{"cmd":"hello"}			{"ok":true,"mode":M,"net":N,"pid":P}
 *	{"cmd":"attach","abi":1} + fd	{"ok":true,"mode":M,"client":I,"channel_size":S,...} + fds
 *	{"cmd":"sockfd","sock":I}	{"ok":true} + fd
 *	{"cmd":"prove"} + fd		{"ok":true,"sock":I}
 *	{"cmd":"ext-map","place":I}	{"ok":true,"gen":G,"regions":[...]} + fd
 *	anything			{"error":"WHAT: WHY","hint":H,"errno":E}
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/futex.h>

#include "upcall/client.h"
#include "upcall/raw.h"

#define RUN_DIR "/run/sandwire"

static char run_dir[80] = RUN_DIR;

void control_choose_dir(const char *dir)
{
	if (dir && *dir && strlen(dir) < sizeof(run_dir))
		memcpy(run_dir, dir, strlen(dir) + 1);
}

int control_connect(const char *net)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	long n, fd, ret;

	if (strchr(net, '/'))
		n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/control", net);
	else
		n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s/control", run_dir, net);
	if (n >= (long)sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	fd = RAW3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (int)fd;
	do {
		ret = RAW3(SYS_connect, fd, &sun, sizeof(sun));
	} while (ret == -EINTR);
	if (ret < 0) {
		RAW3(SYS_close, fd, 0, 0);
		return (int)ret;
	}
	return (int)fd;
}

int control_send(int control, const char *packet, int send_fd)
{
	struct iovec iov = {.iov_base = (void *)packet, .iov_len = strlen(packet)};
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = {{0}};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	long ret;

	if (send_fd >= 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = u.space;
		msg.msg_controllen = sizeof(u.space);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &send_fd, sizeof(int));
	}
	do {
		ret = RAW3(SYS_sendmsg, control, &msg, MSG_NOSIGNAL);
	} while (ret == -EINTR);
	/* A daemon that refuses says why and hangs up, before it is asked: control_recv has it. */
	return ret < 0 && ret != -EPIPE ? (int)ret : 0;
}

int control_recv(int control, char *reply, int *fds, unsigned *n_fds)
{
	struct iovec iov = {.iov_base = reply, .iov_len = CONTROL_MAX - 1};
	union {
		char space[CMSG_SPACE(sizeof(int) * CONTROL_FDS)];
		struct cmsghdr align;
	} u = {{0}};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.space,
		.msg_controllen = sizeof(u.space),
	};
	struct cmsghdr *cmsg;
	long ret;

	*n_fds = 0;
	/* ECONNRESET comes once, ahead of what was said before. */
	for (int resets = 0; (ret = RAW3(SYS_recvmsg, control, &msg, MSG_CMSG_CLOEXEC)) < 0;)
		if (ret != -EINTR && (ret != -ECONNRESET || resets++))
			break;
	if (ret < 0)
		return (int)ret;
	reply[ret] = 0;
	for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		unsigned n = (unsigned)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (unsigned i = 0; i < n; i++)
			memcpy(&fds[(*n_fds)++], CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
	}
	return ret ? (int)ret : -ECONNRESET;
}

void client_lock(_Atomic uint32_t *word)
{
	uint32_t zero = 0;

	/* acquire; pairs with the exchange of client_unlock() */
	if (atomic_compare_exchange_strong(word, &zero, 1))
		return;
	while (atomic_exchange(word, 2) != 0)
		RAW6(SYS_futex, word, FUTEX_WAIT_PRIVATE, 2, 0, 0, 0);
}

void client_unlock(_Atomic uint32_t *word)
{
	if (atomic_exchange(word, 0) == 2)
		RAW6(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

/* Signals stay blocked while the lock is held: a handler may need the socket too. */
int control_ask(struct attachment *at, const char *packet, int send_fd, char *reply, int *fd)
{
	uint64_t mask = raw_block_signals(), value;
	int fds[CONTROL_FDS], ret;
	unsigned n = 0;

	client_lock(&at->control_lock);
	ret = control_send(at->control_fd, packet, send_fd);
	if (!ret)
		ret = control_recv(at->control_fd, reply, fds, &n);
	client_unlock(&at->control_lock);
	raw_restore_signals(mask);

	if (fd)
		*fd = n ? fds[0] : -1;
	for (unsigned i = fd ? 1 : 0; i < n; i++)
		RAW3(SYS_close, fds[i], 0, 0);
	if (ret == -EPIPE || ret == -ECONNRESET || ret == -ENOTCONN)
		return -ENETDOWN;
	if (ret < 0)
		return ret;
	if (json_u64(reply, "ok", &value))
		return 0;
	if (fd && *fd >= 0)
		RAW3(SYS_close, *fd, 0, 0);
	return json_u64(reply, "errno", &value) && value && value < 4096 ? -(int)value : -EPERM;
}
