/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of functions that packetdrill asks of a stack in a shared library (--so_filename): 33
 * pointers, no version. Each takes `userdata` first; the rest is POSIX: -1 and errno. A slot that
 * is NULL is called all the same, so all are filled. Included by the adapter and by drive.c.
 */
#ifndef TESTS_PACKETDRILL_TABLE_H
#define TESTS_PACKETDRILL_TABLE_H

#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

struct pd_table {
	void *userdata;
	void (*free)(void *ud);
	int (*socket)(void *ud, int domain, int type, int protocol);
	int (*bind)(void *ud, int fd, const struct sockaddr *addr, socklen_t len);
	int (*listen)(void *ud, int fd, int backlog);
	int (*accept)(void *ud, int fd, struct sockaddr *addr, socklen_t *len);
	int (*connect)(void *ud, int fd, const struct sockaddr *addr, socklen_t len);
	ssize_t (*read)(void *ud, int fd, void *buf, size_t n);
	ssize_t (*readv)(void *ud, int fd, const struct iovec *iov, int n);
	ssize_t (*recv)(void *ud, int fd, void *buf, size_t n, int flags);
	ssize_t (*recvfrom)(void *ud, int fd, void *buf, size_t n, int flags, struct sockaddr *from,
			    socklen_t *len);
	ssize_t (*recvmsg)(void *ud, int fd, struct msghdr *msg, int flags);
	ssize_t (*write)(void *ud, int fd, const void *buf, size_t n);
	ssize_t (*writev)(void *ud, int fd, const struct iovec *iov, int n);
	ssize_t (*send)(void *ud, int fd, const void *buf, size_t n, int flags);
	ssize_t (*sendto)(void *ud, int fd, const void *buf, size_t n, int flags,
			  const struct sockaddr *to, socklen_t len);
	ssize_t (*sendmsg)(void *ud, int fd, const struct msghdr *msg, int flags);
	int (*fcntl)(void *ud, int fd, int cmd, ...);
	int (*ioctl)(void *ud, int fd, unsigned long request, ...);
	int (*close)(void *ud, int fd);
	int (*shutdown)(void *ud, int fd, int how);
	int (*getsockopt)(void *ud, int fd, int level, int name, void *value, socklen_t *len);
	int (*setsockopt)(void *ud, int fd, int level, int name, const void *value, socklen_t len);
	int (*poll)(void *ud, struct pollfd *fds, nfds_t n, int timeout);
	/* A whole IP packet for the stack. */
	int (*netdev_send)(void *ud, const void *packet, size_t n);
	/* The oldest packet the stack sent: waits for one. *n in: room; *time_us: when it was sent,
	 * on gettimeofday's clock. 0 with *n = 0: there will be none. */
	int (*netdev_receive)(void *ud, void *packet, size_t *n, long long *time_us);
	int (*usleep)(void *ud, useconds_t us);
	int (*gettimeofday)(void *ud, struct timeval *tv, struct timezone *tz);
	int (*epoll_create)(void *ud, int size);
	int (*epoll_ctl)(void *ud, int epfd, int op, int fd, struct epoll_event *ev);
	int (*epoll_wait)(void *ud, int epfd, struct epoll_event *evs, int max, int timeout);
	int (*pipe)(void *ud, int fds[2]);
	int (*splice)(void *ud, int in, loff_t *off_in, int out, loff_t *off_out, size_t n,
		      unsigned flags);
};
_Static_assert(sizeof(struct pd_table) == 264, "33 pointers");

void packetdrill_interface_init(const char *flags, struct pd_table *table);

#endif
