/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to libsandwire-shim.so, which stands before libc's socket calls of unmodified programs.
 * README.md has the picture.
 *
 *	intercept.c	names: bind, connect, listen, accept, options; who gets a call
 *	transfer.c	read, write, send, receive
 *	open_close.c	socket, close, dup, fcntl, ioctl
 *	poll.c epoll.c	waiting
 *	stdio.c		fdopen, dprintf
 *	decide.c	which stack an address belongs to
 *	convert.c	kernel socket -> Sandwire socket
 *	pass_fd.c	descriptors that come by message
 *	real.c		libc's own functions
 */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "upcall/client.h"
#include "upcall/sandwire.h"

#define INTERCEPT __attribute__((visibility("default")))

/* ---- real.c: REAL(name)(arguments) is what the program would have called without us --------- */
#define REAL_FUNCTION(result, name, arguments)                                                     \
	extern result(*real_##name) arguments; /* NOLINT(bugprone-macro-parentheses) */
#include "upcall/shim/real_list.inc"
#undef REAL_FUNCTION
void real_find(void);
#define REAL(name)                                                                                 \
	(*({                                                                                       \
		__typeof__(real_##name) real = __atomic_load_n(&real_##name, __ATOMIC_RELAXED);    \
		real ? real : (real_find(), real_##name);                                          \
	}))

/* ---- intercept.c ---------------------------------------------------------------------------- */
/* SANDWIRE_STRICT: no Internet socket may go to the kernel. */
bool shim_strict(void);
/* Is there a net for this process? Attaches; says on stderr, once, why not. */
bool shim_accelerated(void);
/* A descriptor that the calls of libsandwire shall have; errno is kept. */
static inline bool shim_is_sock(int fd)
{
	uint64_t word = fd_get(fd);

	if (__builtin_expect(FD_KIND(word) == FD_UNKNOWN, 0)) {
		int saved = errno;

		word = fd_resolve(fd);
		errno = saved;
	}
	return FD_KIND(word) == FD_SOCK;
}
/* libsandwire's result as libc's: -1 and errno, or the result and errno as it was at the start. */
#define SHIM_CALL(call)                                                                            \
	({                                                                                         \
		int saved_errno = errno;                                                           \
		long shim_ret = (call);                                                            \
		errno = shim_ret < 0 ? (int)-shim_ret : saved_errno;                               \
		shim_ret;                                                                          \
	})
/*
 * The usual course of an intercepted call: our socket, unless libsandwire finds that the number
 * stands for something else by now (-ENOTSOCK); else libc's own function.
 */
#define SHIM_TRY(fd, call)                                                                         \
	do {                                                                                       \
		if (shim_is_sock(fd)) {                                                            \
			int saved = errno;                                                         \
			long shim_result = SHIM_CALL(call);                                        \
			if (shim_result != -ENOTSOCK)                                              \
				return shim_result < 0 ? -1 : shim_result;                         \
			errno = saved;                                                             \
		}                                                                                  \
	} while (0)

/* F_SETOWN: a process, minus a group, or 0: nobody. As SHIM_TRY wants it. */
long shim_set_owner(int fd, int who);

/* ---- decide.c ------------------------------------------------------------------------------- */
enum verdict { GOES_KERNEL = 0, GOES_NET = 1, GOES_LATER = 2 }; /* or -errno: strict refuses */
struct decider {
	bool strict, accelerated;
	int (*route)(const struct sockaddr *dst, socklen_t len, struct sockaddr_storage *src);
	int (*is_local)(const struct sockaddr *addr, socklen_t len);
};
int decide_destination(const struct decider *d, const struct sockaddr *dst, socklen_t len);
int decide_bind(const struct decider *d, const struct sockaddr *addr, socklen_t len);
/* Membership of a group, or the interface for groups, says whose a socket is: GOES_LATER if not. */
int decide_option(const struct decider *d, int level, int name, const void *value, socklen_t len);
/* With the net of this process. */
int shim_destination(const struct sockaddr *dst, socklen_t len);
int shim_bind_address(const struct sockaddr *addr, socklen_t len);

/* ---- convert.c ------------------------------------------------------------------------------ */
/* Bit of an option in an unconverted socket's word; 0: not one that is carried over. */
uint32_t option_bit(int level, int name);
/* Carries the options of the mask over from `from` to the Sandwire socket `to`. Of all (~0) and of
 * those that share a bit, not the values that `fresh` (or -1), an untouched socket, has as well. */
void options_replay(int from, int to, uint32_t mask, int fresh);
/* Puts a Sandwire socket under the number, and all numbers of the same socket: 0 or -errno. */
int convert(int fd);

/* ---- epoll.c -------------------------------------------------------------------------------- */
void watch_forget(int fd); /* a number is closed or reused */
void watch_replay(int fd); /* the number got another file: registers it anew */

/* ---- poll.c --------------------------------------------------------------------------------- */
/* Should waiting begin with work of our own? */
bool drive_wanted(void);
struct drive {
	struct spin spin;
	bool begun;
};
/* Does a turn; false: nothing came of it for long enough, sleep. */
bool drive_again(struct drive *d);

/* ---- pass_fd.c ------------------------------------------------------------------------------ */
void received_fds(struct msghdr *msg);

#endif
