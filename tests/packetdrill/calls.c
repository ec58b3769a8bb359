/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket calls: descriptors, names, data. What may block tries, and waits in threads.c until
 * something happened. Each socket holds a descriptor of the host (/dev/null), because packetdrill
 * itself closes what a script left open. Fills the table for adapter.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tcpip/ip6.h"
#include "tests/packetdrill/adapter.h"

#define IOV_MOST 1024

/* ---- descriptors ---- */

struct file *file_of(struct world *w, int fd)
{
	return w && fd >= 0 && fd < PD_FDS ? w->files[fd] : NULL;
}

int file_new(struct world *w, struct file **out)
{
	/* Not by libc: this library has a close of its own, and may be preloaded. */
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0 || fd >= PD_FDS)
		abort();
	*out = w->files[fd] = calloc(1, sizeof(**out));
	if (!*out)
		abort();
	return fd;
}

int file_close(struct world *w, int fd)
{
	struct file *f = w->files[fd];

	watch_forget(w, fd);
	watches_free(f);
	if (f->so)
		sock_close(f->so);
	free(f);
	w->files[fd] = NULL;
	return (int)syscall(SYS_close, fd);
}

static int64_t result(int64_t r)
{
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

/* The socket of fd, or -EBADF, -ENOTSOCK. */
static int sock_of(struct world *w, int fd, struct file **f)
{
	*f = file_of(w, fd);
	if (!*f)
		return -EBADF;
	return (*f)->so ? 0 : -ENOTSOCK;
}

static uint64_t until(const struct world *w, int64_t timeout_us)
{
	return timeout_us ? w->now + (uint64_t)timeout_us * 1000u : PD_NEVER;
}

/* ---- names ---- */

static int name_in(const struct sockaddr *addr, socklen_t len, struct sock_addr *out)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (!addr)
		return -EFAULT;
	if (len < sizeof(sa_family_t))
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	out->family = addr->sa_family;
	if (len < (addr->sa_family == AF_INET6	? sizeof(in6)
		   : addr->sa_family == AF_INET ? sizeof(in)
						: 0))
		return -EINVAL;
	if (addr->sa_family == AF_INET) {
		memcpy(&in, addr, sizeof(in));
		out->port = ntohs(in.sin_port);
		memcpy(out->addr, &in.sin_addr, 4);
	} else if (addr->sa_family == AF_INET6) {
		memcpy(&in6, addr, sizeof(in6));
		out->port = ntohs(in6.sin6_port);
		memcpy(out->addr, &in6.sin6_addr, 16);
		out->scope = in6.sin6_scope_id;
	}
	return 0;
}

static void name_out(const struct sock_addr *a, struct sockaddr *addr, socklen_t *len)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
	socklen_t full = a->family == AF_INET6 ? sizeof(in6) : sizeof(in);

	if (!addr || !len)
		return;
	memcpy(&in.sin_addr, a->addr, 4);
	memcpy(&in6.sin6_addr, a->addr, 16);
	in6.sin6_scope_id = a->scope;
	memcpy(addr, full == sizeof(in) ? (void *)&in : (void *)&in6, *len < full ? *len : full);
	*len = full;
}

/* The stack has each address that is bound. */
static void own_addr(struct world *w, const struct sock_addr *a)
{
	bool mapped = a->family == AF_INET6 && ip6_is_mapped(a->addr);

	if (w->any_ip && (a->family == AF_INET || a->family == AF_INET6))
		world_add_addr(w, mapped ? AF_INET : a->family, a->addr + (mapped ? 12 : 0));
}

static int do_socket(struct world *w, int domain, int type, int protocol)
{
	struct socket *so;
	struct file *f;
	int r = sock_create(w->st, domain, type, protocol, 1, &so), fd;

	if (r < 0)
		return r;
	r = knobs_apply(w, so);
	if (r < 0) {
		sock_close(so);
		return r;
	}
	fd = file_new(w, &f);
	f->so = so;
	f->nonblock = type & SOCK_NONBLOCK;
	return fd;
}

static int pd_socket(void *ud, int domain, int type, int protocol)
{
	struct world *w = ud;
	int r;

	world_enter(w);
	r = do_socket(w, domain, type, protocol);
	world_leave(w);
	return (int)result(r);
}

static int pd_bind(void *ud, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct world *w = ud;
	struct sock_addr a;
	struct file *f;
	int r;

	world_enter(w);
	r = sock_of(w, fd, &f);
	if (r == 0)
		r = name_in(addr, len, &a);
	if (r == 0) {
		own_addr(w, &a);
		r = sock_bind(f->so, &a);
	}
	world_leave(w);
	return (int)result(r);
}

/* A verb of the stack that takes a number. */
static int on_sock(struct world *w, int fd, int (*verb)(struct socket *so, int n), int n)
{
	struct file *f;
	int r;

	world_enter(w);
	r = sock_of(w, fd, &f);
	if (r == 0)
		r = verb(f->so, n);
	world_leave(w);
	return (int)result(r);
}

static int pd_listen(void *ud, int fd, int backlog)
{
	struct world *w = ud;
	struct file *f;
	int r;

	world_enter(w);
	r = sock_of(w, fd, &f);
	if (r == 0 && f->so->kind == SOCK_KIND_TCP) {
		knobs_read_proc(w);
		knobs_fastopen_server(w, f->so, backlog);
	}
	if (r == 0)
		r = sock_listen(f->so, backlog);
	world_leave(w);
	return (int)result(r);
}

static int do_accept(struct world *w, int fd, struct sock_addr *peer)
{
	struct file *f, *new_file;
	struct socket *so = NULL;
	int r = sock_of(w, fd, &f);
	uint64_t end = r == 0 ? until(w, f->so->rcvtimeo_us) : 0;

	while (r == 0) {
		r = sock_accept(f->so, &so, peer);
		if (r != -EAGAIN || f->nonblock || w->now >= end)
			break;
		r = world_wait(w, end);
		if (file_of(w, fd) != f)
			return -EBADF;
	}
	if (r < 0)
		return r;
	fd = file_new(w, &new_file);
	new_file->so = so;
	return fd;
}

static int pd_accept(void *ud, int fd, struct sockaddr *addr, socklen_t *len)
{
	struct world *w = ud;
	struct sock_addr peer;
	int r;

	world_enter(w);
	r = do_accept(w, fd, &peer);
	if (r >= 0)
		name_out(&peer, addr, len);
	world_leave(w);
	return (int)result(r);
}

static int do_connect(struct world *w, int fd, const struct sock_addr *a)
{
	struct file *f;
	int r = sock_of(w, fd, &f);
	uint64_t end;

	if (r < 0)
		return r;
	end = until(w, f->so->sndtimeo_us);
	knobs_read_proc(w);
	r = sock_connect(f->so, a);
	while ((r == -EINPROGRESS || r == -EALREADY) && !f->nonblock && w->now < end) {
		r = world_wait(w, end);
		if (r == 0)
			r = file_of(w, fd) == f ? sock_connect(f->so, a) : -EBADF;
	}
	return r;
}

static int pd_connect(void *ud, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct world *w = ud;
	struct sock_addr a;
	int r = name_in(addr, len, &a);

	world_enter(w);
	if (r == 0)
		r = do_connect(w, fd, &a);
	world_leave(w);
	return (int)result(r);
}

int pd_close(void *ud, int fd)
{
	struct world *w = ud;
	int r = -EBADF;

	world_enter(w);
	if (file_of(w, fd))
		r = file_close(w, fd);
	world_leave(w);
	return (int)result(r);
}

static int pd_shutdown(void *ud, int fd, int how)
{
	return on_sock(ud, fd, sock_shutdown, how);
}

/* ---- data ---- */

/* Walks application memory. */
struct cursor {
	const struct iovec *iov;
	size_t n, done; /* vectors left; bytes of the first that are done */
};

static int64_t cursor_init(struct cursor *c, const struct iovec *iov, size_t n)
{
	int64_t total = 0;
	size_t i;

	if (n > IOV_MOST)
		return -EINVAL;
	*c = (struct cursor){.iov = iov, .n = n};
	for (i = 0; i < n; i++) {
		if (!iov[i].iov_base && iov[i].iov_len)
			return -EFAULT;
		total += (int64_t)iov[i].iov_len;
	}
	return total;
}

static void cursor_copy(struct cursor *c, uint8_t *buf, size_t n, bool out)
{
	size_t k;
	uint8_t *at;

	while (n) {
		k = c->iov->iov_len - c->done;
		if (k == 0) {
			c->iov++;
			c->n--;
			c->done = 0;
			continue;
		}
		if (k > n)
			k = n;
		at = (uint8_t *)c->iov->iov_base + c->done;
		if (out)
			memcpy(at, buf, k);
		else
			memcpy(buf, at, k);
		c->done += k;
		buf += k;
		n -= k;
	}
}

static int64_t send_once(struct file *f, struct cursor *c, uint64_t len, const struct sock_addr *to,
			 int flags)
{
	struct pktbuf *list, *p;
	int64_t n = sock_send_reserve(f->so, len, to, flags, &list);

	if (n < 0)
		return n;
	for (p = list; p; p = p->next)
		cursor_copy(c, pktbuf_data(p), p->len, false);
	return sock_send_commit(f->so, list, (uint64_t)n, to, flags);
}

/* A send that connects (MSG_FASTOPEN) goes on when that is done. */
static bool shall_wait(const struct file *f, int64_t r, int flags)
{
	bool connects = (flags & MSG_FASTOPEN) && (r == -EINPROGRESS || r == -EALREADY);

	return (r == -EAGAIN || connects) && !f->nonblock && !(flags & MSG_DONTWAIT);
}

/* A blocking send of a stream is over when all is queued. */
static int64_t do_send(struct world *w, int fd, const struct iovec *iov, size_t n,
		       const struct sock_addr *to, int flags)
{
	struct cursor c;
	struct file *f;
	int64_t total = cursor_init(&c, iov, n), sent = 0, r = sock_of(w, fd, &f);
	uint64_t end;

	if (r < 0 || total < 0)
		return r < 0 ? r : total;
	end = until(w, f->so->sndtimeo_us);
	if (flags & MSG_FASTOPEN) {
		knobs_read_proc(w);
		knobs_fastopen_client(w, f->so);
	}
	for (;;) {
		r = send_once(f, &c, (uint64_t)(total - sent), to, flags);
		if (r >= 0)
			sent += r;
		if (r >= 0 && sent < total && f->so->kind == SOCK_KIND_TCP)
			continue;
		if (!shall_wait(f, r, flags) || w->now >= end)
			break;
		w->fast_opening += (flags & MSG_FASTOPEN) != 0;
		r = world_wait(w, end);
		w->fast_opening -= (flags & MSG_FASTOPEN) != 0;
		if (r < 0 || file_of(w, fd) != f)
			break;
	}
	return sent ? sent : r;
}

static ssize_t send_iov(void *ud, int fd, const struct iovec *iov, size_t n,
			const struct sockaddr *addr, socklen_t len, int flags)
{
	struct world *w = ud;
	struct sock_addr to;
	int64_t r = addr ? name_in(addr, len, &to) : 0;

	world_enter(w);
	if (r == 0)
		r = do_send(w, fd, iov, n, addr ? &to : NULL, flags);
	world_leave(w);
	return (ssize_t)result(r);
}

static int64_t recv_once(struct file *f, struct cursor *c, uint64_t max, int flags,
			 struct sock_addr *from, uint64_t *full)
{
	struct sock_slice slices[SOCK_SLICES];
	unsigned n = 0, i;
	int64_t r = sock_recv_take(f->so, max, flags, slices, &n, from, full);

	for (i = 0; i < n; i++)
		cursor_copy(c, (uint8_t *)slices[i].data, slices[i].len, true);
	if (n)
		sock_recv_done(f->so, slices, n);
	return r;
}

static int64_t do_recv(struct world *w, int fd, const struct iovec *iov, size_t n, int flags,
		       struct sock_addr *from, uint64_t *full)
{
	struct cursor c;
	struct file *f;
	int64_t total = cursor_init(&c, iov, n), got = 0, r = sock_of(w, fd, &f);
	uint64_t end;

	if (r < 0 || total < 0)
		return r < 0 ? r : total;
	end = until(w, f->so->rcvtimeo_us);
	for (;;) {
		r = recv_once(f, &c, (uint64_t)(total - got), flags, from, full);
		if (r > 0)
			got += r;
		/* One take is SOCK_SLICES buffers at most. */
		if (r > 0 && got < total && f->so->kind == SOCK_KIND_TCP && !(flags & MSG_PEEK))
			continue;
		if (r == -EAGAIN && (!got || ((flags & MSG_WAITALL) && got < total)) &&
		    !f->nonblock && !(flags & MSG_DONTWAIT) && w->now < end) {
			r = world_wait(w, end);
			if (r == 0 && file_of(w, fd) == f)
				continue;
		}
		return got ? got : r;
	}
}

static ssize_t recv_iov(void *ud, int fd, const struct iovec *iov, size_t n, int flags,
			struct sock_addr *from, uint64_t *full)
{
	struct world *w = ud;
	int64_t r;

	world_enter(w);
	r = do_recv(w, fd, iov, n, flags, from, full);
	world_leave(w);
	return (ssize_t)result(r);
}

static ssize_t pd_readv(void *ud, int fd, const struct iovec *iov, int n)
{
	uint64_t full;

	if (!file_of(ud, fd)) /* a pipe's */
		return syscall(SYS_readv, fd, iov, n);
	return recv_iov(ud, fd, iov, (size_t)n, 0, NULL, &full);
}

static ssize_t pd_read(void *ud, int fd, void *buf, size_t n)
{
	struct iovec iov = {.iov_base = buf, .iov_len = n};

	return pd_readv(ud, fd, &iov, 1);
}

static ssize_t pd_recvfrom(void *ud, int fd, void *buf, size_t n, int flags, struct sockaddr *from,
			   socklen_t *len)
{
	struct iovec iov = {.iov_base = buf, .iov_len = n};
	struct sock_addr a;
	uint64_t full;
	ssize_t r = recv_iov(ud, fd, &iov, 1, flags, &a, &full);

	if (r >= 0)
		name_out(&a, from, len);
	return r;
}

static ssize_t pd_recv(void *ud, int fd, void *buf, size_t n, int flags)
{
	return pd_recvfrom(ud, fd, buf, n, flags, NULL, NULL);
}

static ssize_t pd_recvmsg(void *ud, int fd, struct msghdr *msg, int flags)
{
	struct sock_addr a;
	uint64_t full;
	ssize_t r;

	if (!msg) {
		errno = EFAULT;
		return -1;
	}
	r = recv_iov(ud, fd, msg->msg_iov, msg->msg_iovlen, flags, &a, &full);
	if (r < 0)
		return r;
	if (msg->msg_name && a.family)
		name_out(&a, msg->msg_name, &msg->msg_namelen);
	msg->msg_flags = full > (uint64_t)r && !(flags & MSG_PEEK) ? MSG_TRUNC : 0;
	msg->msg_controllen = 0;
	return r;
}

static ssize_t pd_writev(void *ud, int fd, const struct iovec *iov, int n)
{
	if (!file_of(ud, fd))
		return syscall(SYS_writev, fd, iov, n);
	return send_iov(ud, fd, iov, (size_t)n, NULL, 0, 0);
}

static ssize_t pd_write(void *ud, int fd, const void *buf, size_t n)
{
	struct iovec iov = {.iov_base = (void *)buf, .iov_len = n};

	return pd_writev(ud, fd, &iov, 1);
}

static ssize_t pd_sendto(void *ud, int fd, const void *buf, size_t n, int flags,
			 const struct sockaddr *to, socklen_t len)
{
	struct iovec iov = {.iov_base = (void *)buf, .iov_len = n};

	return send_iov(ud, fd, &iov, 1, to, len, flags);
}

static ssize_t pd_send(void *ud, int fd, const void *buf, size_t n, int flags)
{
	return pd_sendto(ud, fd, buf, n, flags, NULL, 0);
}

static ssize_t pd_sendmsg(void *ud, int fd, const struct msghdr *msg, int flags)
{
	if (!msg) {
		errno = EFAULT;
		return -1;
	}
	return send_iov(ud, fd, msg->msg_iov, msg->msg_iovlen, msg->msg_name, msg->msg_namelen,
			flags);
}

static int pd_pipe(void *ud, int fds[2])
{
	(void)ud;
	return (int)syscall(SYS_pipe2, fds, 0);
}

/* packetdrill passes pointers to its offsets. Sockets of ours cannot be spliced. */
static int pd_splice(void *ud, int in, loff_t *off_in, int out, loff_t *off_out, size_t n,
		     unsigned flags)
{
	if (file_of(ud, in) || file_of(ud, out)) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_splice, in, off_in, out, off_out, n, flags);
}

void calls_fill(struct pd_table *t)
{
	t->socket = pd_socket;
	t->bind = pd_bind;
	t->listen = pd_listen;
	t->accept = pd_accept;
	t->connect = pd_connect;
	t->read = pd_read;
	t->readv = pd_readv;
	t->recv = pd_recv;
	t->recvfrom = pd_recvfrom;
	t->recvmsg = pd_recvmsg;
	t->write = pd_write;
	t->writev = pd_writev;
	t->send = pd_send;
	t->sendto = pd_sendto;
	t->sendmsg = pd_sendmsg;
	t->close = pd_close;
	t->shutdown = pd_shutdown;
	t->pipe = pd_pipe;
	t->splice = pd_splice;
}
