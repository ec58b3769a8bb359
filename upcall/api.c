/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The verbs of sandwire.h that do not carry data, and the common course of a call: claim a slot,
 * fill it, cross, read the results, release it. Called by programs and the shim; calls
 * channel_client.c and the mode's cross. Waiting verbs are in api_io.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "upcall/client.h"
#include "upcall/filter.h"
#include "upcall/sandwire.h"

/* ---- the course of a call ------------------------------------------------------------------ */

__attribute__((hot)) int call_begin(struct call *c, int fd, uint32_t nr)
{
	c->fd = fd;
	c->word = 0;
	c->sock_flags = 0;
	if (fd != NO_FD) {
		c->word = fd_resolve(fd);
		if (FD_KIND(c->word) != FD_SOCK)
			return -ENOTSOCK;
	}
	c->at = attach_get();
	if (!c->at) {
		int ret = attach_error();

		return ret ? ret : -ENETDOWN;
	}
	/* Attaching just now voids what a parent of ours had proven. */
	if (fd >= 0 && c->at->ops->pairs && FD_EPOCH(c->word) != attach_epoch()) {
		c->word = fd_resolve(fd);
		if (FD_KIND(c->word) != FD_SOCK)
			return -ENOTSOCK;
	}
	c->n = slot_claim(c->at);
	c->slot = &c->at->channel->slot[c->n];
	c->slot->nr = nr;
	c->slot->events = 0;
	return 0;
}

__attribute__((hot)) int64_t call_go(struct call *c)
{
	int crossing;
	int64_t ret = c->at->ops->cross(c, &crossing);

	if (!crossing)
		return ret;
	/* The number stands for another file by now. */
	if (c->fd >= 0 && (crossing == -ENOTTY || crossing == -EBADF)) {
		fd_forget(c->fd);
		return crossing == -EBADF ? -EBADF : -ENOTSOCK;
	}
	return crossing;
}

__attribute__((hot)) void call_end(struct call *c)
{
	slot_release(c->at, c->n);
}

int call_new_socket(struct call *c, int64_t ret, uint64_t flags)
{
	if (ret >= 0)
		fd_note_sock((int)ret, FD_WORD(FD_SOCK, flags, attach_epoch(), c->slot->sock));
	return (int)ret;
}

/* A call whose arguments are three numbers. */
static int simple(int fd, uint32_t nr, uint64_t a0)
{
	struct call c;
	int64_t ret = call_begin(&c, fd, nr);

	if (ret)
		return (int)ret;
	c.slot->arg[0] = a0;
	ret = call_go(&c);
	call_end(&c);
	return (int)ret;
}

/* ---- addresses ----------------------------------------------------------------------------- */

bool addr_in(const struct sockaddr *sa, uint32_t len, struct call_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (!sa || len < sizeof(sa->sa_family))
		return false;
	out->family = sa->sa_family;
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in sin;

		if (len < sizeof(sin))
			return false;
		memcpy(&sin, sa, sizeof(sin));
		out->port = ntohs(sin.sin_port);
		memcpy(out->addr, &sin.sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 sin6;

		if (len < sizeof(sin6))
			return false;
		memcpy(&sin6, sa, sizeof(sin6));
		out->port = ntohs(sin6.sin6_port);
		memcpy(out->addr, &sin6.sin6_addr, 16);
		out->scope = sin6.sin6_scope_id;
	}
	return true;
}

void addr_out(const struct call_addr *in, struct sockaddr *sa, uint32_t *len)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(in->port)};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(in->port)};
	const void *from = &sin;
	uint32_t full = sizeof(sin);

	if (!sa || !len)
		return;
	memcpy(&sin.sin_addr, in->addr, 4);
	if (in->family == AF_INET6) {
		memcpy(&sin6.sin6_addr, in->addr, 16);
		sin6.sin6_scope_id = in->scope;
		from = &sin6;
		full = sizeof(sin6);
	} else if (in->family != AF_INET) {
		full = 0;
	}
	memcpy(sa, from, *len < full ? *len : full);
	*len = full;
}

static int call_with_addr(int fd, uint32_t nr, const struct sockaddr *addr, socklen_t len,
			  struct sockaddr_storage *out)
{
	struct call_addr ca;
	struct call c;
	int64_t ret;

	if (!addr_in(addr, len, &ca))
		return -EINVAL;
	ret = call_begin(&c, fd, nr);
	if (ret)
		return (int)ret;
	memcpy(c.slot->inl, &ca, sizeof(ca));
	ret = call_go(&c);
	if (ret >= 0 && out) {
		uint32_t room = sizeof(*out);

		memcpy(&ca, c.slot->inl, sizeof(ca));
		addr_out(&ca, (struct sockaddr *)out, &room);
	}
	call_end(&c);
	return (int)ret;
}

static int call_for_addr(int fd, uint32_t nr, struct sockaddr *addr, socklen_t *len)
{
	struct call_addr ca;
	struct call c;
	int64_t ret = call_begin(&c, fd, nr);

	if (ret)
		return (int)ret;
	ret = call_go(&c);
	memcpy(&ca, c.slot->inl, sizeof(ca));
	call_end(&c);
	if (ret >= 0)
		addr_out(&ca, addr, len);
	return (int)ret;
}

/* ---- verbs --------------------------------------------------------------------------------- */

int sandwire_is_socket(int fd)
{
	return FD_KIND(fd_resolve(fd)) == FD_SOCK;
}

int sandwire_socket(int domain, int type, int protocol)
{
	uint64_t flags = FD_DGRAM;
	struct call c;
	int ret = call_begin(&c, NO_FD, CALL_SOCKET);

	if (ret)
		return ret;
	if ((type & 0xf) == SOCK_STREAM)
		flags = 0;
	c.sock_flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
	c.slot->arg[0] = (uint64_t)domain;
	c.slot->arg[1] = (uint64_t)type;
	c.slot->arg[2] = (uint64_t)protocol;
	ret = call_new_socket(&c, call_go(&c), flags);
	call_end(&c);
	return ret;
}

int sandwire_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	int ret = call_with_addr(fd, CALL_BIND, addr, len, NULL);
	struct attachment *at = attach_peek();

	/* A descriptor just closed may have held the port, and the daemon not have seen it yet. */
	if (ret == -EADDRINUSE && at && at->ops->pairs) {
		pair_await_closes(at);
		ret = call_with_addr(fd, CALL_BIND, addr, len, NULL);
	}
	return ret;
}

int sandwire_listen(int fd, int backlog)
{
	return simple(fd, CALL_LISTEN, (uint64_t)backlog);
}

int sandwire_shutdown(int fd, int how)
{
	return simple(fd, CALL_SHUTDOWN, (uint64_t)how);
}

int sandwire_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	return call_for_addr(fd, CALL_GETSOCKNAME, addr, len);
}

int sandwire_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	return call_for_addr(fd, CALL_GETPEERNAME, addr, len);
}

static int set_option(int fd, int level, int name, const void *value, socklen_t len)
{
	struct call c;
	int64_t ret;

	if (len && !value)
		return -EFAULT;
	ret = call_begin(&c, fd, CALL_SETSOCKOPT);
	if (ret)
		return (int)ret;
	if (len > CHANNEL_INLINE)
		len = CHANNEL_INLINE; /* no option is longer; what lies behind it is not looked at
				       */
	c.slot->arg[0] = (uint64_t)level;
	c.slot->arg[1] = (uint64_t)name;
	c.slot->arg[2] = len;
	if (len)
		memcpy(c.slot->inl, value, len);
	ret = call_go(&c);
	call_end(&c);
	if (!ret && level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO) &&
	    !(c.word & FD_TIMEO))
		fd_change(fd, c.word, c.word | FD_TIMEO);
	return (int)ret;
}

int sandwire_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct call_filter filter;
	int ret;

	if ((int)len < 0)
		return -EINVAL;
	if (!filter_option(level, name))
		return set_option(fd, level, name, value, len);
	ret = filter_in(&filter, value, len, true);
	return ret ? ret : set_option(fd, level, name, &filter, sizeof(filter));
}

/* Of the program's memory crosses only what an option asks with. */
static bool asks(int level, int name)
{
	return filter_option(level, name) || (level == IPPROTO_IP && name == IP_MSFILTER);
}

static int get_option(int fd, int level, int name, void *value, socklen_t *len)
{
	struct call c;
	socklen_t room;
	int64_t ret;

	room = *len < CHANNEL_INLINE ? *len : CHANNEL_INLINE;
	if (room && !value)
		return -EFAULT;
	ret = call_begin(&c, fd, CALL_GETSOCKOPT);
	if (ret)
		return (int)ret;
	c.slot->arg[0] = (uint64_t)level;
	c.slot->arg[1] = (uint64_t)name;
	c.slot->arg[2] = room;
	if (asks(level, name))
		memcpy(c.slot->inl, value, room);
	ret = call_go(&c);
	if (ret >= 0) {
		*len = ret < room ? (socklen_t)ret : room;
		memcpy(value, c.slot->inl, *len);
		ret = 0;
	}
	call_end(&c);
	return (int)ret;
}

int sandwire_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct call_filter filter;
	socklen_t filter_len = sizeof(filter);
	int ret;

	if (!len)
		return -EFAULT;
	if ((int)*len < 0)
		return -EINVAL;
	if (!filter_option(level, name))
		return get_option(fd, level, name, value, len);
	ret = filter_in(&filter, value, *len, false);
	if (!ret)
		ret = get_option(fd, level, name, &filter, &filter_len);
	if (!ret)
		filter_out(value, len, &filter);
	return ret;
}

int sandwire_readable(int fd)
{
	return simple(fd, CALL_READABLE, 0);
}

int sandwire_unsent(int fd)
{
	return simple(fd, CALL_UNSENT, 0);
}

int sandwire_not_sent(int fd)
{
	return simple(fd, CALL_UNSENT, 1);
}

int sandwire_at_mark(int fd)
{
	return simple(fd, CALL_AT_MARK, 0);
}

int sandwire_events(int fd)
{
	return simple(fd, CALL_EVENTS, 0);
}

int sandwire_turn(void)
{
	return simple(NO_FD, CALL_TURN, 0);
}

int sandwire_null(void)
{
	return simple(NO_FD, CALL_NULL, 0);
}

/* ---- routes -------------------------------------------------------------------------------- */

/*
 * A net routes few destinations and is asked on every connect and sendto of an unconverted socket.
 * One word an entry: address, low bits of the generation, 1 routed, 1 valid; so it needs no lock.
 */
static _Atomic uint64_t route_cache[64];

static uint64_t route_key(const struct sockaddr_in *sin, uint32_t gen)
{
	return (uint64_t)sin->sin_addr.s_addr << 32 | (gen & 0x3fffffff) << 2 | 1;
}

int sandwire_route(const struct sockaddr *dst, socklen_t len, struct sockaddr_storage *src)
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)dst;
	struct attachment *at = attach_get();
	_Atomic uint64_t *entry;
	uint64_t key, found;
	int ret;

	if (!at)
		return attach_error();
	if (!dst || len < sizeof(*sin) || dst->sa_family != AF_INET)
		return call_with_addr(NO_FD, CALL_ROUTE, dst, len, src);
	/* The generation is read before the net is asked: an answer is never filed as newer. */
	key = route_key(sin, __atomic_load_n(&at->channel->routes_gen, __ATOMIC_ACQUIRE));
	entry = &route_cache[(sin->sin_addr.s_addr * 2654435761u) >> 26];
	found = atomic_load_explicit(entry, memory_order_relaxed);
	if (!src && (found & ~2ull) == key)
		return found & 2 ? 0 : -ENETUNREACH;
	ret = call_with_addr(NO_FD, CALL_ROUTE, dst, len, src);
	if (ret == 0 || ret == -ENETUNREACH)
		atomic_store_explicit(entry, key | (ret ? 0 : 2), memory_order_relaxed);
	return ret;
}

int sandwire_is_local(const struct sockaddr *addr, socklen_t len)
{
	return call_with_addr(NO_FD, CALL_IS_LOCAL, addr, len, NULL) == 1;
}
