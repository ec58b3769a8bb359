/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors come and go: socket, close, dup and their kin. The kernel does it; here the table
 * follows. What happens unseen (fclose, vfork children, system calls by hand) the table survives:
 * upcall/fdtable.c. Called by programs in place of libc.
 */
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>

#include "upcall/shim/shim.h"

static bool is_echo(int domain, int protocol)
{
	return protocol == (domain == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static bool could_be_ours(int domain, int type, int protocol)
{
	if (domain != AF_INET && domain != AF_INET6)
		return false;
	if (type == SOCK_STREAM)
		return protocol == 0 || protocol == IPPROTO_TCP;
	return type == SOCK_DGRAM &&
	       (protocol == 0 || protocol == IPPROTO_UDP || is_echo(domain, protocol));
}

INTERCEPT int socket(int domain, int type, int protocol)
{
	int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), fd;
	bool ours = could_be_ours(domain, kind, protocol);

	if (!ours && shim_strict() && (domain == AF_INET || domain == AF_INET6)) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	fd = REAL(socket)(domain, type, protocol);
	/* The kernel grants ping sockets to few (net.ipv4.ping_group_range), the net to all. */
	if (fd < 0 && ours && is_echo(domain, protocol) && (errno == EACCES || errno == EPERM) &&
	    shim_accelerated()) {
		fd = (int)SHIM_CALL(sandwire_socket(domain, type, protocol));
		return fd < 0 ? -1 : fd;
	}
	if (fd < 0 || attach_in_vfork_child())
		return fd;
	if (ours && (shim_accelerated() || shim_strict()))
		fd_set_word(fd, FD_WORD(FD_INET, kind == SOCK_DGRAM ? FD_DGRAM : 0, 0, 0));
	else
		fd_set_word(fd, FD_KERNEL);
	return fd;
}

/* Before the number is free: afterwards another thread may have it. */
static void going(int fd)
{
	if (fd < 0 || attach_in_vfork_child())
		return;
	if (fd_get(fd) & FD_WATCHED && FD_KIND(fd_get(fd)) == FD_INET)
		watch_forget(fd);
	fd_forget(fd);
}

INTERCEPT int close(int fd)
{
	/* Programs that close all they did not open find nothing there. */
	if (attach_owns_fd(fd)) {
		errno = EBADF;
		return -1;
	}
	if (fd_get(fd) != FD_UNKNOWN)
		going(fd);
	return REAL(close)(fd);
}

INTERCEPT int close_range(unsigned first, unsigned last, int flags)
{
	unsigned end = last < (unsigned)fd_limit() ? last + 1 : (unsigned)fd_limit();

	/* Not CLOSE_RANGE_CLOEXEC (4), which leaves them open. */
	for (unsigned fd = first; !(flags & 4) && fd < end; fd++)
		if (fd_get((int)fd) != FD_UNKNOWN)
			going((int)fd);
	/* In pieces between the library's own, which are few and high. */
	for (unsigned fd = first; fd <= last && fd < 1u << 20; fd++) {
		if (!attach_owns_fd((int)fd))
			continue;
		if (fd > first && REAL(close_range)(first, fd - 1, flags))
			return -1;
		if (fd == last)
			return 0;
		first = fd + 1;
	}
	return REAL(close_range)(first, last, flags);
}

INTERCEPT void closefrom(int first)
{
	int saved = errno;

	close_range(first < 0 ? 0 : (unsigned)first, UINT_MAX, 0);
	errno = saved;
}

/* ---- further numbers of the same file ------------------------------------------------------- */

static void duplicated(int from, int to)
{
	uint64_t word = fd_get(from);

	if (attach_in_vfork_child())
		return;
	if (FD_KIND(word) == FD_INET) {
		word = (word | FD_DUPED) & ~FD_WATCHED;
		fd_set_word(to, word);
		fd_change(from, fd_get(from), fd_get(from) | FD_DUPED);
		return;
	}
	fd_copy(from, to);
}

INTERCEPT int dup(int fd)
{
	int ret = REAL(dup)(fd);

	if (ret >= 0)
		duplicated(fd, ret);
	return ret;
}

INTERCEPT int dup3(int from, int to, int flags)
{
	int ret;

	if (from != to && attach_owns_fd(to))
		attach_vacate_fd(to);
	if (from != to)
		going(to);
	ret = REAL(dup3)(from, to, flags);
	if (ret >= 0)
		duplicated(from, ret);
	return ret;
}

INTERCEPT int dup2(int from, int to)
{
	if (from == to || to < 0)
		return REAL(dup2)(from, to);
	return dup3(from, to, 0);
}

INTERCEPT int fcntl(int fd, int command, ...)
{
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, command);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (command == F_SETOWN)
		SHIM_TRY(fd, shim_set_owner(fd, (int)(intptr_t)arg));
	if (command == F_SETOWN_EX)
		SHIM_TRY(fd, sandwire_setown(fd, arg));
	ret = REAL(fcntl)(fd, command, arg);
	if (ret >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC))
		duplicated(fd, ret);
	return ret;
}

INTERCEPT int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));
