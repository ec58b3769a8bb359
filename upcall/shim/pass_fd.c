/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that come in a message of an AF_UNIX socket: any of them may be a Sandwire socket of
 * another process. Their numbers may have been other files before, so what the table knows is
 * dropped; the first use looks. Called by transfer.c.
 */
#include <string.h>

#include "upcall/shim/shim.h"

void received_fds(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			fd_forget(fd);
		}
	}
}
