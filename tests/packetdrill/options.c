/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Socket options, fcntl and ioctl; and what LD_PRELOAD of this library adds: packetdrill calls the
 * host's close(), getsockopt() (for the values its Python blocks see) and mlockall() itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tcpip/tcp_abi.h"
#include "tests/packetdrill/adapter.h"

#define EXPORT	    __attribute__((visibility("default")))
#define IOC_OUTQNSD 0x894B /* Linux's SIOCOUTQNSD */

static int result(int r)
{
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

static int get(struct world *w, int fd, int level, int name, void *value, socklen_t *len)
{
	struct file *f = file_of(w, fd);
	uint32_t room;
	int r;

	if (!f)
		return -EBADF;
	if (!f->so)
		return -ENOTSOCK;
	if (!value || !len)
		return -EFAULT;
	room = *len;
	r = sock_getopt(f->so, level, name, value, &room);
	if (r == 0)
		*len = room;
	return r;
}

int pd_getsockopt(void *ud, int fd, int level, int name, void *value, socklen_t *len)
{
	struct world *w = ud;
	int r;

	world_enter(w);
	r = get(w, fd, level, name, value, len);
	world_leave(w);
	return result(r);
}

static int set(struct world *w, int fd, int level, int name, const void *value, socklen_t len)
{
	struct file *f = file_of(w, fd);

	if (!f)
		return -EBADF;
	if (!f->so)
		return -ENOTSOCK;
	return value ? sock_setopt(f->so, level, name, value, len) : -EFAULT;
}

static int pd_setsockopt(void *ud, int fd, int level, int name, const void *value, socklen_t len)
{
	struct world *w = ud;
	int r;

	world_enter(w);
	r = set(w, fd, level, name, value, len);
	world_leave(w);
	return result(r);
}

static int control(struct world *w, int fd, int cmd, long arg)
{
	struct file *f = file_of(w, fd);

	if (!f)
		return -EBADF;
	switch (cmd) {
	case F_GETFL:
		return O_RDWR | (f->nonblock ? O_NONBLOCK : 0);
	case F_SETFL:
		f->nonblock = arg & O_NONBLOCK;
		return 0;
	case F_GETFD:
		return FD_CLOEXEC;
	case F_SETFD:
		return 0;
	default:
		return -EINVAL;
	}
}

static int pd_fcntl(void *ud, int fd, int cmd, ...)
{
	struct world *w = ud;
	va_list ap;
	long arg;
	int r;

	va_start(ap, cmd);
	arg = va_arg(ap, long); /* undefined where the script gave none, and then not used */
	va_end(ap);
	if (!file_of(w, fd))
		return (int)syscall(SYS_fcntl, fd, cmd, arg);
	world_enter(w);
	r = control(w, fd, cmd, arg);
	world_leave(w);
	return result(r);
}

static int64_t not_sent(struct socket *so)
{
	struct tcp_info_abi info;
	uint32_t len = sizeof(info);
	int r = sock_getopt(so, IPPROTO_TCP, TCPO_INFO, &info, &len);

	return r < 0 ? r : (int64_t)info.notsent_bytes;
}

static int io_control(struct world *w, int fd, unsigned long request, int *arg)
{
	struct file *f = file_of(w, fd);
	int64_t n;

	if (!f || !f->so)
		return f ? -ENOTTY : -EBADF;
	if (!arg)
		return -EFAULT;
	switch (request) {
	case FIONBIO:
		f->nonblock = *arg;
		return 0;
	case FIONREAD:
		n = sock_readable(f->so);
		break;
	case SIOCOUTQ:
		n = sock_unsent(f->so);
		break;
	case IOC_OUTQNSD:
		n = not_sent(f->so);
		break;
	default:
		return -ENOTTY;
	}
	if (n >= 0)
		*arg = (int)n;
	return n < 0 ? (int)n : 0;
}

static int pd_ioctl(void *ud, int fd, unsigned long request, ...)
{
	struct world *w = ud;
	va_list ap;
	void *arg;
	int r;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	world_enter(w);
	r = io_control(w, fd, request, arg);
	world_leave(w);
	return result(r);
}

void options_fill(struct pd_table *t)
{
	t->getsockopt = pd_getsockopt;
	t->setsockopt = pd_setsockopt;
	t->fcntl = pd_fcntl;
	t->ioctl = pd_ioctl;
}

/* ---- LD_PRELOAD ---- */

EXPORT int close(int fd)
{
	if (file_of(pd_world, fd))
		return pd_close(pd_world, fd);
	return (int)syscall(SYS_close, fd);
}

EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (file_of(pd_world, fd))
		return pd_getsockopt(pd_world, fd, level, name, value, len);
	return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}

/* Without root it would fail, and the tool with it. */
EXPORT int mlockall(int flags)
{
	(void)flags;
	return 0;
}
