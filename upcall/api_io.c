/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The verbs that carry data or wait: connect, accept, send, receive. Each tries the call; what
 * would block is tried again for a short spin, then sleeps on the descriptor (wait.c). Called by
 * programs and the shim. Restarting and time limits as in socket(7) and signal(7).
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "upcall/client.h"
#include "upcall/note.h"
#include "upcall/pair_fd.h"
#include "upcall/raw.h"
#include "upcall/sandwire.h"
#include "upcall/vectors.h"

/* Bytes a receive call hands over at least, if they are there: the sandbox takes up to 64 buffers.
 */
#define RECV_FULL    1024u
#define DATAGRAM_MAX 65536u /* more than there is of one */

/* Puts the vectors and what is sent beside them into the call's arguments; false: a datagram that
 * does not fit in one call. */
static bool stage(struct call *c, const struct cursor *cur, struct call_io *io, bool sending,
		  const struct call_note *note)
{
	bool dgram = c->word & FD_DGRAM;
	size_t total = 0;
	unsigned n;

	memset(io, 0, sizeof(*io));
	c->slot->arg[3] = note != NULL;
	if (note && sending)
		io->note = *note;
	if (!c->at->ops->staged) {
		n = cursor_vectors(cur, io->iov, note ? CALL_NOTE_IOV : CHANNEL_IOV_MAX);
		for (unsigned i = 0; i < n; i++)
			total += io->iov[i].len;
		c->slot->arg[1] = n;
		return !dgram || total == cur->left;
	}
	total = cur->left < CHANNEL_DATA_SIZE ? cur->left : CHANNEL_DATA_SIZE;
	if (sending)
		cursor_copy(cur, c->at->data + (size_t)c->n * CHANNEL_DATA_SIZE, total, true);
	io->iov[0].len = total;
	c->slot->arg[1] = total ? 1 : 0;
	return !sending || !dgram || total == cur->left;
}

/* A datagram crosses in one call, with so many vectors: one of more by way of a single one. */
static bool too_many(int fd, size_t n)
{
	uint64_t word = n > CALL_NOTE_IOV ? fd_resolve(fd) : 0;

	return FD_KIND(word) == FD_SOCK && word & FD_DGRAM;
}

/* ---- pair descriptors ---------------------------------------------------------------------- */

static bool is_pair(int fd)
{
	struct attachment *at = attach_peek();

	return at && at->ops->pairs;
}

static bool says_urgent(int fd)
{
	return fd_get(fd) & FD_URGENT;
}

/* ---- trying and waiting -------------------------------------------------------------------- */

/*
 * From the first EAGAIN of a call that may wait, signals are blocked but for the sleep itself, so
 * that one that comes meanwhile interrupts the sleep, as it would in the kernel.
 */
struct attempt {
	struct wait wait;
	struct spin spin;
	uint64_t mask; /* the caller's */
	bool nonblock, asked, pair_cleared, blocked;
};

static void attempt_init(struct attempt *a, int fd, short events, int flags)
{
	*a = (struct attempt){
		.wait = {.fd = fd,
			 .events = events,
			 .timeo_option = events == POLLIN ? SO_RCVTIMEO : SO_SNDTIMEO},
		.nonblock = flags & MSG_DONTWAIT,
		.asked = flags & MSG_DONTWAIT,
	};
}

static void attempt_end(struct attempt *a)
{
	if (a->blocked)
		raw_restore_signals(a->mask);
}

/*
 * The call said EAGAIN. 0: try it again; else what to return. Where descriptors are pairs, a byte
 * may say "readable" that was for data taken since: it is cleared before the last try.
 */
static int attempt_again(struct attempt *a)
{
	int fd = a->wait.fd, ret;
	bool pair = is_pair(fd);

	if (!a->asked) {
		a->asked = true;
		a->nonblock = fd_nonblocking(fd);
	}
	if (!a->nonblock && !a->blocked) {
		a->mask = raw_block_signals();
		a->wait.mask = &a->mask;
		a->blocked = true;
		return 0;
	}
	if (!a->nonblock && spin_again(&a->spin, false))
		return 0;
	if (pair && !a->pair_cleared) {
		a->pair_cleared = true;
		if (a->wait.events == POLLOUT) {
			pair_clear_out(fd);
		} else if (pair_take_bytes(fd, says_urgent(fd))) {
			return 0;
		}
	}
	if (a->nonblock)
		return -EAGAIN;
	ret = wait_ready(&a->wait);
	a->spin.until = 0;
	a->pair_cleared = false;
	return ret;
}

/* ---- connect and accept -------------------------------------------------------------------- */

static int socket_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);
	int ret = sandwire_getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);

	return ret ? ret : -err;
}

static int connect_once(int fd, const struct call_addr *to)
{
	struct call c;
	int64_t ret = call_begin(&c, fd, CALL_CONNECT);

	if (ret)
		return (int)ret;
	memcpy(c.slot->inl, to, sizeof(*to));
	ret = call_go(&c);
	call_end(&c);
	return (int)ret;
}

int sandwire_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct call_addr to;
	struct attempt a;
	int ret, again = 0;

	if (!addr_in(addr, len, &to))
		return -EINVAL;
	ret = connect_once(fd, &to);
	if (ret != -EINPROGRESS && ret != -EALREADY)
		return ret;
	attempt_init(&a, fd, POLLOUT, 0);
	/* Not blocking, but quicker than the caller may expect: it will see it in poll. */
	a.asked = true;
	a.nonblock = fd_nonblocking(fd);
	while (!again && !(sandwire_events(fd) & (POLLOUT | POLLERR | POLLHUP)))
		again = attempt_again(&a);
	attempt_end(&a);
	if (a.nonblock)
		return ret;
	if (again == -EAGAIN) /* SO_SNDTIMEO is up */
		return -EINPROGRESS;
	return again ? again : socket_error(fd);
}

int sandwire_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct call_addr peer;
	struct attempt a;
	struct call c;
	int again = 0;
	int64_t ret;

	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	attempt_init(&a, fd, POLLIN, 0);
	do {
		uint32_t events;

		ret = call_begin(&c, fd, CALL_ACCEPT);
		if (ret)
			break;
		c.sock_flags = flags;
		c.slot->arg[0] = (uint64_t)flags;
		ret = call_new_socket(&c, call_go(&c), c.word & FD_TIMEO);
		memcpy(&peer, c.slot->inl, sizeof(peer));
		events = c.slot->events;
		call_end(&c);
		if (ret >= 0 && c.at->ops->pairs && events & CALL_EVENTS_KNOWN &&
		    !(events & POLLIN))
			pair_clear_in(fd, false);
		if (ret == -EAGAIN)
			again = attempt_again(&a);
	} while (ret == -EAGAIN && !again);
	attempt_end(&a);
	if (ret == -EAGAIN)
		return again;
	if (ret >= 0)
		addr_out(&peer, addr, len);
	return (int)ret;
}

/* ---- sending ------------------------------------------------------------------------------- */

/* What a send takes beside the data. */
struct sent {
	const struct call_addr *to;   /* NULL: the peer */
	const struct call_note *note; /* NULL: none; streams have none */
};

static int64_t send_once(int fd, struct cursor *cur, const struct sent *s, int flags, bool *dgram)
{
	struct call c;
	struct call_io io;
	int64_t ret = call_begin(&c, fd, CALL_SEND);

	if (ret)
		return ret;
	*dgram = c.word & FD_DGRAM;
	if (stage(&c, cur, &io, true, *dgram ? s->note : NULL)) {
		if (s->to)
			io.addr = *s->to;
		c.slot->arg[0] = (uint64_t)(flags | MSG_NOSIGNAL);
		c.slot->arg[2] = s->to ? 1 : 0;
		memcpy(c.slot->inl, &io, sizeof(io));
		ret = call_go(&c);
	} else {
		ret = -EMSGSIZE;
	}
	call_end(&c);
	return ret;
}

/*
 * A stream's call sends what there is room for; the rest follows, until EAGAIN: a program that
 * waits for edges counts on "short means full". A datagram goes whole.
 */
static ssize_t send_all(int fd, struct cursor *cur, const struct sent *s, int flags)
{
	struct attempt a;
	ssize_t total = 0;
	bool dgram = false;

	attempt_init(&a, fd, POLLOUT, flags);
	for (;;) {
		int64_t ret = send_once(fd, cur, s, flags & ~MSG_DONTWAIT, &dgram);

		if (ret >= 0) {
			total += ret;
			if (dgram || (size_t)ret >= cur->left)
				break;
			cursor_advance(cur, (size_t)ret);
			a.pair_cleared = false;
			continue;
		}
		if (ret == -EAGAIN || ret == -EINPROGRESS) {
			int again = attempt_again(&a);

			if (!again)
				continue;
			/* In progress: a SYN of Fast Open left without the data, which waits for
			 * the handshake, as Linux has it. */
			ret = again == -EAGAIN ? ret : again;
		}
		total = total ? total : ret;
		break;
	}
	attempt_end(&a);
	return total;
}

static ssize_t send_flat(int fd, struct cursor *cur, const struct sent *s, int flags)
{
	struct iovec flat;
	struct cursor whole;
	ssize_t ret;

	if (cur->left > DATAGRAM_MAX)
		return -EMSGSIZE;
	ret = flat_make(&flat, cur->left);
	if (ret)
		return ret;
	cursor_copy(cur, flat.iov_base, cur->left, true);
	cursor_init(&whole, &flat, 1);
	ret = send_all(fd, &whole, s, flags);
	flat_end(&flat);
	return ret;
}

static ssize_t send_vectors(int fd, const struct iovec *iov, size_t n, int flags,
			    const struct sockaddr *to, socklen_t tolen,
			    const struct call_note *note)
{
	struct sent sent = {.note = note};
	struct call_addr ca;
	struct cursor cur;
	int ret = cursor_init(&cur, iov, n);

	if (ret)
		return ret;
	if (to && tolen) {
		if (!addr_in(to, tolen, &ca))
			return -EINVAL;
		sent.to = &ca;
	}
	return too_many(fd, n) ? send_flat(fd, &cur, &sent, flags)
			       : send_all(fd, &cur, &sent, flags);
}

ssize_t sandwire_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
			socklen_t tolen)
{
	struct iovec iov = {.iov_base = (void *)buf, .iov_len = len};

	return send_vectors(fd, &iov, 1, flags, to, tolen, NULL);
}

ssize_t sandwire_send(int fd, const void *buf, size_t len, int flags)
{
	return sandwire_sendto(fd, buf, len, flags, NULL, 0);
}

ssize_t sandwire_writev(int fd, const struct iovec *iov, int n)
{
	return n < 0 ? -EINVAL : send_vectors(fd, iov, (size_t)n, 0, NULL, 0, NULL);
}

ssize_t sandwire_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct call_note note;
	int has = note_in(msg, &note);

	if (has < 0)
		return has;
	return send_vectors(fd, msg->msg_iov, msg->msg_iovlen, flags, msg->msg_name,
			    msg->msg_namelen, has ? &note : NULL);
}

/* ---- receiving ----------------------------------------------------------------------------- */

struct received {
	struct call_addr from;
	uint32_t msg_flags;
	uint64_t full;	 /* length of the datagram */
	uint32_t events; /* what the socket is ready for afterwards, or 0 */
	bool dgram, pairs;
	struct call_note *note; /* wanted: NULL or where */
};

static int64_t recv_once(int fd, struct cursor *cur, int flags, struct received *r)
{
	struct call c;
	struct call_io io;
	int64_t ret = call_begin(&c, fd, CALL_RECV);

	if (ret)
		return ret;
	r->dgram = c.word & FD_DGRAM;
	r->pairs = c.at->ops->pairs;
	stage(&c, cur, &io, false, r->note);
	c.slot->arg[0] = (uint64_t)flags;
	c.slot->ret2 = 0;
	memcpy(c.slot->inl, &io, sizeof(io));
	ret = call_go(&c);
	memcpy(&io, c.slot->inl, sizeof(io));
	r->from = io.addr;
	r->msg_flags = io.msg_flags;
	r->full = c.slot->ret2;
	r->events = c.slot->events;
	if (ret >= 0 && r->note && io.note_out.have) /* the end of a stream says nothing */
		*r->note = io.note_out;
	if (ret > 0 && c.at->ops->staged)
		cursor_copy(cur, c.at->data + (size_t)c.n * CHANNEL_DATA_SIZE,
			    (size_t)ret < cur->left ? (size_t)ret : cur->left, false);
	call_end(&c);
	return ret;
}

/* Is there more to be had by calling again at once? Without the socket's word for it: a call that
 * brought as much as one call can may have left some. */
static bool more_there(const struct received *r, int64_t ret)
{
	if (r->events & CALL_EVENTS_KNOWN)
		return r->events & POLLIN;
	return ret >= (int64_t)RECV_FULL;
}

/* After data was taken: does the descriptor still say what is true? */
static void settle(int fd, const struct received *r, int flags)
{
	bool urgent = flags & MSG_OOB || says_urgent(fd);
	uint32_t ready = r->events & (urgent ? POLLIN | POLLPRI : POLLIN);

	if (!r->pairs || flags & MSG_PEEK || !(r->events & CALL_EVENTS_KNOWN))
		return;
	if (!ready || (urgent && ready == POLLIN && pair_has_urgent(fd)))
		pair_clear_in(fd, urgent);
}

/*
 * Streams: returns with what is there, but all of what is there, so that "short means empty" holds;
 * with MSG_WAITALL not before the buffers are full; in any case not beyond the urgent byte.
 * Datagrams: one.
 */
static ssize_t recv_all(int fd, struct cursor *cur, int flags, struct received *r)
{
	struct attempt a;
	ssize_t total = 0;

	attempt_init(&a, fd, POLLIN, flags);
	for (;;) {
		struct received next = {.note = r->note};
		int64_t ret = recv_once(fd, cur, flags & ~(MSG_DONTWAIT | MSG_WAITALL), &next);

		if (ret > 0 || (!total && ret == 0)) {
			*r = next;
			total += ret;
			if (ret == 0 || next.dgram || flags & (MSG_PEEK | MSG_ERRQUEUE) ||
			    (size_t)ret >= cur->left)
				break;
			cursor_advance(cur, (size_t)ret);
			if (!(next.msg_flags & MSG_OOB) &&
			    (flags & MSG_WAITALL || more_there(&next, ret)))
				continue;
			break;
		}
		if (total && !(flags & MSG_WAITALL && ret == -EAGAIN)) {
			if (ret == -EAGAIN)
				r->events = CALL_EVENTS_KNOWN;
			break; /* an error or the end shows at the next call */
		}
		/* Nobody waits for errors or the urgent byte, and of the queue it says nothing. */
		if (ret == -EAGAIN && !(flags & (MSG_ERRQUEUE | MSG_OOB)))
			ret = attempt_again(&a);
		if (ret) {
			r->events = next.events;
			r->pairs = next.pairs;
			total = total ? total : ret;
			break;
		}
	}
	if (total >= 0 || flags & MSG_OOB)
		settle(fd, r, flags);
	attempt_end(&a);
	return total;
}

static ssize_t recv_flat(int fd, struct cursor *cur, int flags, struct received *r)
{
	struct iovec flat;
	struct cursor whole;
	ssize_t ret = flat_make(&flat, cur->left < DATAGRAM_MAX ? cur->left : DATAGRAM_MAX);

	if (ret)
		return ret;
	cursor_init(&whole, &flat, 1);
	ret = recv_all(fd, &whole, flags, r);
	if (ret > 0)
		cursor_copy(cur, flat.iov_base, (size_t)ret, false);
	flat_end(&flat);
	return ret;
}

static ssize_t recv_vectors(int fd, const struct iovec *iov, size_t n, int flags,
			    struct received *r)
{
	struct cursor cur;
	int ret = cursor_init(&cur, iov, n);
	ssize_t got;

	*r = (struct received){.note = r->note};
	if (ret)
		return ret;
	got = too_many(fd, n) ? recv_flat(fd, &cur, flags, r) : recv_all(fd, &cur, flags, r);
	if (got >= 0 && r->dgram && r->full > (uint64_t)got) {
		r->msg_flags |= MSG_TRUNC;
		if (flags & MSG_TRUNC)
			got = (ssize_t)r->full;
	}
	return got;
}

ssize_t sandwire_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from,
			  socklen_t *fromlen)
{
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct received r = {.note = NULL};
	ssize_t ret = recv_vectors(fd, &iov, 1, flags, &r);

	if (ret >= 0 && (r.dgram || flags & MSG_ERRQUEUE))
		addr_out(&r.from, from, fromlen);
	else if (ret >= 0 && fromlen)
		*fromlen = 0; /* as tcp_recvmsg() */
	return ret;
}

ssize_t sandwire_recv(int fd, void *buf, size_t len, int flags)
{
	return sandwire_recvfrom(fd, buf, len, flags, NULL, NULL);
}

ssize_t sandwire_readv(int fd, const struct iovec *iov, int n)
{
	struct received r = {.note = NULL};

	return n < 0 ? -EINVAL : recv_vectors(fd, iov, (size_t)n, 0, &r);
}

ssize_t sandwire_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct call_note note = {.have = 0};
	struct received r = {.note = msg->msg_control && msg->msg_controllen ? &note : NULL};
	ssize_t ret = recv_vectors(fd, msg->msg_iov, msg->msg_iovlen, flags, &r);

	if (ret < 0)
		return ret;
	if ((r.dgram || flags & MSG_ERRQUEUE) && msg->msg_name)
		addr_out(&r.from, msg->msg_name, &msg->msg_namelen);
	else
		msg->msg_namelen = 0;
	msg->msg_flags = (int)(r.msg_flags & ~MSG_OOB) | (flags & (MSG_ERRQUEUE | MSG_OOB));
	note_out(msg, &note);
	return ret;
}
