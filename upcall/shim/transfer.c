/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data in and out: the read, write, send and receive families, sendfile. Called by programs in
 * place of libc (and by fortify.c, stdio.c); calls libsandwire for its sockets, libc for the rest.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "upcall/raw.h"
#include "upcall/shim/shim.h"

/* SIGPIPE to this thread, as the kernel does it. */
static long broken(int fd, long ret, int flags)
{
	if (ret == -EPIPE && !(flags & MSG_NOSIGNAL) && !(fd_get(fd) & FD_DGRAM))
		RAW3(SYS_tgkill, RAW3(SYS_getpid, 0, 0, 0), RAW3(SYS_gettid, 0, 0, 0), SIGPIPE);
	return ret;
}

/*
 * A socket without a peer, of datagrams or for Fast Open: this destination decides whose it is. 0:
 * go on; else fail with it. Once the kernel has sent from a socket, answers come to the kernel's
 * port: it stays there.
 */
static int destined(int fd, const struct sockaddr *to, socklen_t len, int flags)
{
	uint64_t word = fd_get(fd);
	int ret;

	if (FD_KIND(word) != FD_INET || !to || !(word & FD_DGRAM || flags & MSG_FASTOPEN))
		return 0;
	ret = word & FD_USED && !shim_strict() ? GOES_KERNEL : shim_destination(to, len);
	if (ret == GOES_NET) {
		ret = convert(fd);
		return ret == -ENOTSOCK ? 0 : ret;
	}
	if (ret == GOES_KERNEL && !(word & FD_DGRAM))
		fd_set_word(fd, FD_KERNEL);
	else if (ret == GOES_KERNEL && !(word & FD_USED))
		fd_change(fd, word, word | FD_USED);
	return ret;
}

/* ---- in ------------------------------------------------------------------------------------- */

INTERCEPT ssize_t read(int fd, void *buf, size_t n)
{
	if (n) /* of nothing: 0 whatever the socket, without waiting */
		SHIM_TRY(fd, sandwire_recv(fd, buf, n, 0));
	else if (shim_is_sock(fd))
		return 0;
	return REAL(read)(fd, buf, n);
}

INTERCEPT ssize_t readv(int fd, const struct iovec *iov, int n)
{
	SHIM_TRY(fd, sandwire_readv(fd, iov, n));
	return REAL(readv)(fd, iov, n);
}

INTERCEPT ssize_t recv(int fd, void *buf, size_t n, int flags)
{
	SHIM_TRY(fd, sandwire_recv(fd, buf, n, flags));
	return REAL(recv)(fd, buf, n, flags);
}

INTERCEPT ssize_t recvfrom(int fd, void *buf, size_t n, int flags, __SOCKADDR_ARG from,
			   socklen_t *len)
{
	SHIM_TRY(fd, sandwire_recvfrom(fd, buf, n, flags, from.__sockaddr__, len));
	return REAL(recvfrom)(fd, buf, n, flags, from.__sockaddr__, len);
}

INTERCEPT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t ret;

	SHIM_TRY(fd, sandwire_recvmsg(fd, msg, flags));
	ret = REAL(recvmsg)(fd, msg, flags);
	if (ret >= 0 && msg->msg_controllen)
		received_fds(msg);
	return ret;
}

static long recv_many(int fd, struct mmsghdr *vec, unsigned n, int flags, struct timespec *timeout)
{
	struct timespec now, end = {0};
	unsigned i;

	if (timeout) {
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec += timeout->tv_sec;
		end.tv_nsec += timeout->tv_nsec;
	}
	for (i = 0; i < n; i++) {
		ssize_t ret = sandwire_recvmsg(fd, &vec[i].msg_hdr, flags & ~MSG_WAITFORONE);

		if (ret < 0)
			return i ? (long)i : ret;
		vec[i].msg_len = (unsigned)ret;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (!timeout)
			continue;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec ||
		    (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec))
			return (long)i + 1;
	}
	return (long)i;
}

INTERCEPT int recvmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags, struct timespec *timeout)
{
	int ret;

	SHIM_TRY(fd, recv_many(fd, vec, n, flags, timeout));
	ret = REAL(recvmmsg)(fd, vec, n, flags, timeout);
	for (int i = 0; i < ret; i++)
		if (vec[i].msg_hdr.msg_controllen)
			received_fds(&vec[i].msg_hdr);
	return ret;
}

/* ---- out ------------------------------------------------------------------------------------ */

INTERCEPT ssize_t write(int fd, const void *buf, size_t n)
{
	SHIM_TRY(fd, broken(fd, sandwire_send(fd, buf, n, 0), 0));
	return REAL(write)(fd, buf, n);
}

INTERCEPT ssize_t writev(int fd, const struct iovec *iov, int n)
{
	SHIM_TRY(fd, broken(fd, sandwire_writev(fd, iov, n), 0));
	return REAL(writev)(fd, iov, n);
}

INTERCEPT ssize_t send(int fd, const void *buf, size_t n, int flags)
{
	SHIM_TRY(fd, broken(fd, sandwire_send(fd, buf, n, flags), flags));
	return REAL(send)(fd, buf, n, flags);
}

INTERCEPT ssize_t sendto(int fd, const void *buf, size_t n, int flags, __CONST_SOCKADDR_ARG to,
			 socklen_t len)
{
	int saved = errno, ret = shim_is_sock(fd) ? 0 : destined(fd, to.__sockaddr__, len, flags);

	errno = ret < 0 ? -ret : saved;
	if (ret < 0)
		return -1;
	SHIM_TRY(fd, broken(fd, sandwire_sendto(fd, buf, n, flags, to.__sockaddr__, len), flags));
	return REAL(sendto)(fd, buf, n, flags, to.__sockaddr__, len);
}

INTERCEPT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	int saved = errno,
	    ret = shim_is_sock(fd) ? 0 : destined(fd, msg->msg_name, msg->msg_namelen, flags);

	errno = ret < 0 ? -ret : saved;
	if (ret < 0)
		return -1;
	SHIM_TRY(fd, broken(fd, sandwire_sendmsg(fd, msg, flags), flags));
	return REAL(sendmsg)(fd, msg, flags);
}

static long send_many(int fd, struct mmsghdr *vec, unsigned n, int flags)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		ssize_t ret = sandwire_sendmsg(fd, &vec[i].msg_hdr, flags);

		if (ret < 0)
			return i ? (long)i : ret;
		vec[i].msg_len = (unsigned)ret;
	}
	return (long)i;
}

INTERCEPT int sendmmsg(int fd, struct mmsghdr *vec, unsigned n, int flags)
{
	int saved = errno, ret = 0;

	if (n && !shim_is_sock(fd))
		ret = destined(fd, vec[0].msg_hdr.msg_name, vec[0].msg_hdr.msg_namelen, flags);
	errno = ret < 0 ? -ret : saved;
	if (ret < 0)
		return -1;
	SHIM_TRY(fd, broken(fd, send_many(fd, vec, n, flags), flags));
	return REAL(sendmmsg)(fd, vec, n, flags);
}

/* ---- sendfile ------------------------------------------------------------------------------- */

/* In pieces through memory of ours; the file's position moves by what was sent, not read. */
static long send_file(int out, int in, off_t *offset, size_t count)
{
	char piece[16384];
	off_t pos = offset ? *offset : RAW3(SYS_lseek, in, 0, SEEK_CUR);
	size_t total = 0;
	long got, sent = 0;

	if (pos < 0)
		return pos == -ESPIPE ? -EINVAL : pos;
	while (total < count) {
		size_t want = count - total < sizeof(piece) ? count - total : sizeof(piece);

		got = RAW6(SYS_pread64, in, piece, want, pos, 0, 0);
		if (got <= 0) {
			sent = got == -ESPIPE ? -EINVAL : got;
			break;
		}
		sent = sandwire_send(out, piece, (size_t)got,
				     total + (size_t)got < count ? MSG_MORE : 0);
		if (sent < 0)
			break;
		total += (size_t)sent;
		pos += sent;
		if (sent < got)
			break;
	}
	if (offset)
		*offset = pos;
	else if (total)
		RAW3(SYS_lseek, in, pos, SEEK_SET);
	return total || sent >= 0 ? (long)total : sent;
}

INTERCEPT ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
	SHIM_TRY(out, broken(out, send_file(out, in, offset, count), 0));
	return REAL(sendfile)(out, in, offset, count);
}

INTERCEPT ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
	__attribute__((alias("sendfile")));
