/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libsandwire: sockets of a Sandwire net, for programs that call it by name.
 *
 * Every function returns 0 or a count, or a negative errno; errno itself is left alone. Sockets are
 * real kernel descriptors: close() them, dup, poll, select, epoll, pass and inherit them as any
 * other; O_NONBLOCK is set with fcntl(). Only what a Sandwire socket does beyond that is here.
 * Functions may be called from any thread and from signal handlers. SIGPIPE is never raised.
 *
 * A process belongs to one net. It attaches at the first call that needs it, or with
 * sandwire_attach(); a child after fork() attaches by itself and may use inherited sockets.
 */
#ifndef SANDWIRE_H
#define SANDWIRE_H

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/*
 * Attaches to `net`: a name, or a directory that holds a control socket; NULL: SANDWIRE_NET of the
 * environment at start, else "default". 0 if it is attached already. -EBUSY: to another net.
 */
int sandwire_attach(const char *net);
/* The sockets' descriptors stay, but cannot be used until the process attaches again. Other threads
 * must not be in a call. */
int sandwire_detach(void);
/* Why attaching failed, one line "WHAT: WHY" for people; "" if it did not. */
const char *sandwire_why(void);
/* "upcall", "server" or "direct"; NULL while not attached. */
const char *sandwire_mode(void);

/* Is fd a Sandwire socket? 1 or 0. */
int sandwire_is_socket(int fd);

/* The calls of socket(2) and so on. All but _socket: -ENOTSOCK if fd is not a Sandwire socket. */
int sandwire_socket(int domain, int type, int protocol);
int sandwire_bind(int fd, const struct sockaddr *addr, socklen_t len);
int sandwire_listen(int fd, int backlog);
int sandwire_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int sandwire_connect(int fd, const struct sockaddr *addr, socklen_t len);
int sandwire_shutdown(int fd, int how);
int sandwire_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int sandwire_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
int sandwire_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int sandwire_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

ssize_t sandwire_send(int fd, const void *buf, size_t len, int flags);
ssize_t sandwire_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
			socklen_t tolen);
ssize_t sandwire_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t sandwire_writev(int fd, const struct iovec *iov, int n);
ssize_t sandwire_recv(int fd, void *buf, size_t len, int flags);
ssize_t sandwire_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from,
			  socklen_t *fromlen);
ssize_t sandwire_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t sandwire_readv(int fd, const struct iovec *iov, int n);

/* Bytes that may be read now (FIONREAD); bytes not yet acknowledged by the peer (SIOCOUTQ); of
 * these, bytes not yet sent (SIOCOUTQNSD). */
int sandwire_readable(int fd);
int sandwire_unsent(int fd);
int sandwire_not_sent(int fd);
/* Is the urgent byte next (SIOCATMARK)? 1 or 0. */
int sandwire_at_mark(int fd);
/* poll(2) bits now. */
int sandwire_events(int fd);

/*
 * F_SETOWN_EX of fcntl(2): who gets SIGURG when urgent data comes; nobody, at first and with pid 0.
 * As there it is kept with the socket, not with this process, and the kernel decides whether this
 * process may signal that one. F_SETOWN by fcntl() itself sends no signals; F_GETOWN is its own.
 * -ESRCH, -EINVAL as there; -EMFILE: there are too many sockets with an owner.
 */
struct f_owner_ex;
int sandwire_setown(int fd, const struct f_owner_ex *owner);

/*
 * ppoll(2) on any descriptors. Better than the system's own: it runs the net's work in this thread
 * first and spins briefly before it sleeps, so that an answer on its way needs no wake-up.
 */
int sandwire_poll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		  const sigset_t *mask);

/* Runs a turn of the net's work in this thread: frames handled. */
int sandwire_turn(void);
/* A crossing that does nothing: 0. For measurements. */
int sandwire_null(void);

/*
 * Calls the service of this name, which an extension of the net registered: hands it an argument
 * block, gets a result block of at most `room` bytes. Bytes of result, or
 *   -ENOENT	 there is no such service	-ESHUTDOWN  it is being unloaded
 *   -EMSGSIZE	 an argument of more than SANDWIRE_BLOCK_MAX bytes, or a result of more than `room`
 *   -EINTR	 this thread was stopped in mid-call, and `room` was more than SANDWIRE_BLOCK_SMALL:
 *		 the call was made or not
 *   or what the service says. What is in `result` after an error means nothing.
 */
#define SANDWIRE_SERVICE_NAME 32   /* bytes, with the zero */
#define SANDWIRE_BLOCK_MAX    2048 /* bytes */
#define SANDWIRE_BLOCK_SMALL  336
ssize_t sandwire_call(const char *service, const void *arg, size_t len, void *result, size_t room);
/* The name of the i-th service there is now: 0, or -ENOENT. */
int sandwire_service(unsigned i, char name[SANDWIRE_SERVICE_NAME]);

/*
 * May interrupts of the net's devices borrow the calling thread, to receive what came while it
 * computes? They may, unless told otherwise (0), in mode upcall only; it notices nothing but the
 * time. SANDWIRE_INTERRUPTS=0 in the environment: no thread of the process. 0 or -errno.
 */
int sandwire_interrupts(int on);

/* Does the net route `dst`? 0 and, where src is not NULL, the source address it would use (port 0);
 * -ENETUNREACH if not. */
int sandwire_route(const struct sockaddr *dst, socklen_t len, struct sockaddr_storage *src);
/* 1 if the address is one of the net's own, else 0. */
int sandwire_is_local(const struct sockaddr *addr, socklen_t len);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
