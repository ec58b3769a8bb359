/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls that name addresses and options: bind, connect, listen, accept, shutdown, names,
 * socket options. Here an Internet socket's first address decides which stack it belongs to. Called
 * by programs in place of libc; calls libsandwire, or libc.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <string.h>
#include <unistd.h>

#include "upcall/raw.h"
#include "upcall/shim/shim.h"

/* ---- the process's net ---------------------------------------------------------------------- */

bool shim_strict(void)
{
	static _Atomic int strict = -1;
	int value = strict;

	if (value < 0) {
		const char *env = secure_getenv("SANDWIRE_STRICT");

		value = env && *env && strcmp(env, "0") != 0;
		strict = value;
	}
	return value;
}

/* Servers clear their environment. */
__attribute__((constructor)) static void read_environment(void)
{
	shim_strict();
}

static void say_why_not(void)
{
	static _Atomic bool said;
	char line[512];
	int n;

	if (said || attach_in_vfork_child())
		return;
	said = true;
	n = snprintf(line, sizeof(line), "sandwire: %s: not accelerated: %s\n",
		     program_invocation_short_name, sandwire_why());
	if (n > (int)sizeof(line))
		n = sizeof(line);
	RAW3(SYS_write, STDERR_FILENO, line, n);
}

bool shim_accelerated(void)
{
	int saved = errno;
	struct attachment *at = attach_get();

	if (!at)
		say_why_not();
	errno = saved;
	return at && !at->channel->net_down;
}

static struct decider this_net(void)
{
	return (struct decider){.strict = shim_strict(),
				.accelerated = shim_accelerated(),
				.route = sandwire_route,
				.is_local = sandwire_is_local};
}

int shim_destination(const struct sockaddr *dst, socklen_t len)
{
	struct decider d = this_net();

	return decide_destination(&d, dst, len);
}

int shim_bind_address(const struct sockaddr *addr, socklen_t len)
{
	struct decider d = this_net();

	return decide_bind(&d, addr, len);
}

static int fail(int err)
{
	errno = -err;
	return -1;
}

static bool is_inet(int fd)
{
	return !shim_is_sock(fd) && FD_KIND(fd_get(fd)) == FD_INET;
}

static void add_flag(int fd, uint64_t flag)
{
	uint64_t word;

	do {
		word = fd_get(fd);
	} while (FD_KIND(word) == FD_INET && !fd_change(fd, word, word | flag));
}

/* ---- addresses ------------------------------------------------------------------------------ */

INTERCEPT int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	if (is_inet(fd)) {
		int saved = errno, ret = shim_bind_address(addr.__sockaddr__, len);

		if (ret == GOES_NET)
			ret = convert(fd);
		else if (ret == GOES_KERNEL)
			fd_set_word(fd, FD_KERNEL);
		else if (ret == GOES_LATER)
			add_flag(fd, FD_BOUND);
		if (ret < 0 && ret != -ENOTSOCK)
			return fail(ret);
		errno = saved;
	}
	SHIM_TRY(fd, sandwire_bind(fd, addr.__sockaddr__, len));
	return REAL(bind)(fd, addr.__sockaddr__, len);
}

INTERCEPT int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	if (is_inet(fd)) {
		int saved = errno, ret = shim_destination(addr.__sockaddr__, len);

		if (ret == GOES_NET)
			ret = convert(fd);
		else if (ret == GOES_KERNEL && addr.__sockaddr__ &&
			 addr.__sockaddr__->sa_family != AF_UNSPEC && !(fd_get(fd) & FD_DGRAM))
			fd_set_word(fd, FD_KERNEL);
		if (ret < 0 && ret != -ENOTSOCK)
			return fail(ret);
		errno = saved;
	}
	SHIM_TRY(fd, sandwire_connect(fd, addr.__sockaddr__, len));
	return REAL(connect)(fd, addr.__sockaddr__, len);
}

/* Unbound, or bound to any address: it listens on the net, as bind() would have had it. */
INTERCEPT int listen(int fd, int backlog)
{
	if (is_inet(fd) && !(fd_get(fd) & FD_DGRAM)) {
		int saved = errno, ret = GOES_KERNEL;

		if (shim_accelerated())
			ret = convert(fd);
		else if (shim_strict())
			ret = -EADDRNOTAVAIL;
		if (ret < 0 && ret != -ENOTSOCK)
			return fail(ret);
		errno = saved;
	}
	SHIM_TRY(fd, sandwire_listen(fd, backlog));
	return REAL(listen)(fd, backlog);
}

INTERCEPT int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags)
{
	int ret;

	SHIM_TRY(fd, sandwire_accept4(fd, addr.__sockaddr__, len, flags));
	ret = REAL(accept4)(fd, addr.__sockaddr__, len, flags);
	if (ret >= 0 && !attach_in_vfork_child())
		fd_set_word(ret, FD_KERNEL);
	return ret;
}

INTERCEPT int accept(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
	return accept4(fd, addr, len, 0);
}

INTERCEPT int shutdown(int fd, int how)
{
	SHIM_TRY(fd, sandwire_shutdown(fd, how));
	return REAL(shutdown)(fd, how);
}

INTERCEPT int getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
	SHIM_TRY(fd, sandwire_getsockname(fd, addr.__sockaddr__, len));
	return REAL(getsockname)(fd, addr.__sockaddr__, len);
}

INTERCEPT int getpeername(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
	SHIM_TRY(fd, sandwire_getpeername(fd, addr.__sockaddr__, len));
	return REAL(getpeername)(fd, addr.__sockaddr__, len);
}

/* ---- options -------------------------------------------------------------------------------- */

/* Who joins a group of the net belongs to it, as who binds to an address of it does. */
static int option_net(int fd, int level, int name, const void *value, socklen_t len)
{
	struct decider d;
	int saved = errno, ret;

	if (!is_inet(fd) || !(fd_get(fd) & FD_DGRAM) ||
	    (level != IPPROTO_IP && level != IPPROTO_IPV6))
		return 0;
	d = this_net();
	ret = decide_option(&d, level, name, value, len);
	ret = ret == GOES_NET ? convert(fd) : 0;
	errno = saved;
	return ret == -ENOTSOCK ? 0 : ret;
}

INTERCEPT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int ret = option_net(fd, level, name, value, len);

	if (ret < 0)
		return fail(ret);
	SHIM_TRY(fd, sandwire_setsockopt(fd, level, name, value, len));
	ret = REAL(setsockopt)(fd, level, name, value, len);
	if (!ret && FD_KIND(fd_get(fd)) == FD_INET)
		add_flag(fd, (uint64_t)option_bit(level, name) << 32);
	return ret;
}

INTERCEPT int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	SHIM_TRY(fd, sandwire_getsockopt(fd, level, name, value, len));
	return REAL(getsockopt)(fd, level, name, value, len);
}

/* ---- ioctl ---------------------------------------------------------------------------------- */

/* Questions about interfaces and the like (SIOCGIF..) that any Internet socket answers. */
static int ask_kernel(unsigned long request, void *arg)
{
	int fd = REAL(socket)(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret, saved;

	if (fd < 0)
		return -1;
	ret = REAL(ioctl)(fd, request, arg);
	saved = errno;
	RAW3(SYS_close, fd, 0, 0);
	errno = saved;
	return ret;
}

/*
 * The program's pointer may be a wild one. As in upcall/owner.c the kernel is the judge: it writes
 * there, or reads from there, on behalf of the library's own socket; -EFAULT is all that counts.
 */
static long put_int(int *to, int value)
{
	struct attachment *at = attach_get();

	if (at && RAW3(SYS_ioctl, at->control_fd, FIONREAD, to) == -EFAULT)
		return -EFAULT;
	*to = value;
	return 0;
}

static long get_int(const int *from, int *value)
{
	struct attachment *at = attach_get();

	/* An option that nobody can set, which is said only after the value was read. */
	if (at && RAW6(SYS_setsockopt, at->control_fd, SOL_SOCKET, SO_TYPE, from, sizeof(*from),
		       0) == -EFAULT)
		return -EFAULT;
	*value = *from;
	return 0;
}

static long sock_count(int (*ask)(int), int fd, int *count)
{
	int ret = ask(fd);

	return ret < 0 ? ret : put_int(count, ret);
}

long shim_set_owner(int fd, int who)
{
	struct f_owner_ex owner = {.type = F_OWNER_PID, .pid = who};

	if (who == INT_MIN)
		return -EINVAL;
	if (who < 0)
		owner = (struct f_owner_ex){.type = F_OWNER_PGRP, .pid = -who};
	return sandwire_setown(fd, &owner);
}

static long set_owner_at(int fd, const int *who)
{
	int value;
	long ret = get_int(who, &value);

	return ret ? ret : shim_set_owner(fd, value);
}

static long get_owner(int fd, int *who)
{
	struct f_owner_ex owner = {0};
	long ret = RAW3(SYS_fcntl, fd, F_GETOWN_EX, &owner);

	if (ret)
		return ret;
	return put_int(who, owner.type == F_OWNER_PGRP ? -owner.pid : owner.pid);
}

INTERCEPT int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	switch (request) {
	case SIOCINQ: /* FIONREAD */
		SHIM_TRY(fd, sock_count(sandwire_readable, fd, arg));
		break;
	case SIOCOUTQ: /* TIOCOUTQ */
		SHIM_TRY(fd, sock_count(sandwire_unsent, fd, arg));
		break;
	case SIOCOUTQNSD:
		SHIM_TRY(fd, sock_count(sandwire_not_sent, fd, arg));
		break;
	case SIOCATMARK:
		SHIM_TRY(fd, sock_count(sandwire_at_mark, fd, arg));
		break;
	case FIOSETOWN:
	case SIOCSPGRP:
		SHIM_TRY(fd, set_owner_at(fd, arg));
		break;
	case FIOGETOWN:
	case SIOCGPGRP:
		SHIM_TRY(fd, get_owner(fd, arg));
		break;
	default:
		/* FIONBIO, FIOCLEX and their like are the descriptor's own. */
		if (request >= 0x8900 && request < 0x8a00 && shim_is_sock(fd))
			return ask_kernel(request, arg);
	}
	return REAL(ioctl)(fd, request, arg);
}

/* libc asks by an ioctl of its own, which nobody can stand before. */
INTERCEPT int sockatmark(int fd)
{
	int mark;

	return ioctl(fd, SIOCATMARK, &mark) ? -1 : mark;
}
