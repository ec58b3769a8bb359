/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls of programs, inside the sandbox: takes the call block out of the caller's slot once,
 * checks, acts under the stack lock, hands the result back. Called by entry.c (upcalls and plain
 * calls) and by admin_calls.c (a slot served for a client); calls the socket verbs of
 * tcpip/tcpip.h. What is believed of a caller: its client id and, in an upcall, its socket id (the
 * module's word); nothing in the block.
 */
#include "upcall/calls.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define SOCK_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC) /* as numbers O_NONBLOCK and O_CLOEXEC */

struct sandbox sandbox;

/* ---- sections under the lock --------------------------------------------------------------- */

int call_begin(struct call *c)
{
	struct sandbox *sb = &sandbox;

	turn_begin(sb, c->ctx);
	if (!c->sock || !grants_have(&grants, c->client, c->sock))
		c->so = NULL;
	else
		c->so = sock_get(sb->stack, c->sock);
	if (c->so)
		return 0;
	turn_end(sb, c->ctx);
	return -EBADF;
}

void call_end(struct call *c)
{
	c->in.events = sock_events(c->so) | CALL_EVENTS_KNOWN;
	c->so = NULL;
	turn_end(&sandbox, c->ctx);
}

bool call_retry(int64_t ret)
{
	if (ret != -EAGAIN || !turn_pending(&sandbox))
		return false;
	turn_poll(&sandbox);
	return true;
}

/* What was sent may have brought something back already: cheaper now than in the next crossing. */
static void poll_after(void)
{
	if (turn_pending(&sandbox))
		turn_poll(&sandbox);
}

/* ---- addresses ----------------------------------------------------------------------------- */

static void addr_to(struct call *c, const struct sock_addr *from)
{
	*(struct call_addr *)c->in.inl = call_addr_out(from);
	c->inl_out = sizeof(struct call_addr);
}

static void ip_from(struct ip_addr *to, const struct call *c)
{
	const struct call_addr *from = (const struct call_addr *)c->in.inl;

	memset(to, 0, sizeof(*to));
	to->family =
		from->family == AF_INET || from->family == AF_INET6 ? (uint8_t)from->family : 0;
	to->prefix = from->family == AF_INET6 ? 128 : 32;
	memcpy(to->bytes, from->addr, from->family == AF_INET6 ? 16 : 4);
}

/* ---- calls without a socket ---------------------------------------------------------------- */

__attribute__((hot)) static int64_t call_null(struct call *c)
{
	return 0;
}

static int64_t call_turn(struct call *c)
{
	int64_t frames;

	turn_begin(&sandbox, c->ctx);
	frames = turn_poll(&sandbox);
	turn_end(&sandbox, c->ctx);
	return frames;
}

/* A new socket: known to its maker, its readiness known outside before anybody sleeps on it. */
static void made(struct call *c, struct socket *so, uint64_t flags)
{
	c->made = sock_id(so);
	c->made_flags = (uint32_t)flags & SOCK_FLAGS;
	grants_add(&grants, c->client, c->made);
	sock_ready_publish(&sandbox, c->made, sock_events(so), false);
}

static int64_t call_socket(struct call *c)
{
	uint64_t type = c->in.arg[1];
	struct socket *so = NULL;
	int ret;

	if ((type & ~(uint64_t)(0xf | SOCK_FLAGS)) || c->in.arg[0] > UINT16_MAX ||
	    c->in.arg[2] > UINT16_MAX)
		return -EINVAL;
	turn_begin(&sandbox, c->ctx);
	ret = sock_create(sandbox.stack, (int)c->in.arg[0], (int)(type & 0xf), (int)c->in.arg[2],
			  c->client, &so);
	if (!ret) {
		made(c, so, type);
		c->in.events = sock_events(so) | CALL_EVENTS_KNOWN;
	}
	turn_end(&sandbox, c->ctx);
	return ret;
}

static int64_t call_route(struct call *c)
{
	struct ip_addr dst, src = {0};
	struct sock_addr out = {0};
	int ret;

	ip_from(&dst, c);
	turn_begin(&sandbox, c->ctx);
	ret = stack_route_lookup(sandbox.stack, &dst, &src);
	turn_end(&sandbox, c->ctx);
	if (ret)
		return ret;
	out.family = src.family;
	memcpy(out.addr, src.bytes, sizeof(out.addr));
	addr_to(c, &out);
	return 0;
}

static int64_t call_is_local(struct call *c)
{
	struct ip_addr addr;
	bool local;

	ip_from(&addr, c);
	turn_begin(&sandbox, c->ctx);
	local = stack_addr_is_local(sandbox.stack, &addr);
	turn_end(&sandbox, c->ctx);
	return local;
}

/* ---- whole filters of sources -------------------------------------------------------------- */

/* Linux's form of struct call_filter. */
struct whole_filter {
	struct group_filter head;
	struct sockaddr_storage more[CALL_FILTER_MAX - 1];
};

static bool is_filter(const struct call *c)
{
	int level = (int)c->in.arg[0];

	return (int)c->in.arg[1] == MCAST_MSFILTER &&
	       (level == IPPROTO_IP || level == IPPROTO_IPV6);
}

static void put_name(void *to, uint32_t family, const uint8_t addr[16])
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
	struct sockaddr_in sin = {.sin_family = (sa_family_t)family};

	memcpy(&sin6.sin6_addr, addr, 16);
	memcpy(&sin.sin_addr, addr, 4);
	if (family == AF_INET6)
		memcpy(to, &sin6, sizeof(sin6));
	else
		memcpy(to, &sin, sizeof(sin));
}

static void take_name(uint8_t addr[16], const void *from)
{
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;

	memcpy(&sin6, from, sizeof(sin6));
	memcpy(&sin, from, sizeof(sin));
	if (sin.sin_family == AF_INET6)
		memcpy(addr, &sin6.sin6_addr, 16);
	else
		memcpy(addr, &sin.sin_addr, 4);
}

static int64_t set_filter(struct call *c)
{
	struct call_filter f;
	struct whole_filter w;

	if (c->in.arg[2] != sizeof(f))
		return -EINVAL;
	memcpy(&f, c->in.inl, sizeof(f));
	if (f.n > CALL_FILTER_MAX)
		return -ENOBUFS;
	memset(&w, 0, sizeof(w));
	w.head.gf_interface = f.interface;
	w.head.gf_fmode = f.mode;
	w.head.gf_numsrc = f.n;
	put_name(&w.head.gf_group, f.family, f.group);
	for (uint32_t i = 0; i < f.n; i++)
		put_name((uint8_t *)&w + GROUP_FILTER_SIZE(i), f.family, f.source[i]);
	return sock_setopt(c->so, (int)c->in.arg[0], (int)c->in.arg[1], &w,
			   (uint32_t)GROUP_FILTER_SIZE(f.n));
}

static int64_t get_filter(struct call *c)
{
	struct call_filter f;
	struct whole_filter w;
	uint32_t len = sizeof(w);
	int ret;

	if (c->in.arg[2] != sizeof(f))
		return -EINVAL;
	memcpy(&f, c->in.inl, sizeof(f));
	memset(&w, 0, sizeof(w));
	w.head.gf_interface = f.interface;
	w.head.gf_numsrc = CALL_FILTER_MAX;
	put_name(&w.head.gf_group, f.family, f.group);
	ret = sock_getopt(c->so, (int)c->in.arg[0], (int)c->in.arg[1], &w, &len);
	if (ret)
		return ret;
	f.mode = w.head.gf_fmode;
	f.n = w.head.gf_numsrc;
	memset(f.source, 0, sizeof(f.source));
	for (uint32_t i = 0; i < f.n && i < CALL_FILTER_MAX; i++)
		take_name(f.source[i], (uint8_t *)&w + GROUP_FILTER_SIZE(i));
	memcpy(c->in.inl, &f, sizeof(f));
	c->inl_out = sizeof(f);
	return sizeof(f);
}

/* ---- calls on a socket, between call_begin and call_end ------------------------------------ */

static int64_t call_bind(struct call *c)
{
	struct sock_addr addr = call_addr_in((const struct call_addr *)c->in.inl);

	return sock_bind(c->so, &addr);
}

static int64_t call_listen(struct call *c)
{
	int64_t backlog = (int64_t)c->in.arg[0];

	return sock_listen(c->so, backlog < 0 || backlog > INT16_MAX ? INT16_MAX : (int)backlog);
}

static int64_t call_connect(struct call *c)
{
	struct sock_addr addr = call_addr_in((const struct call_addr *)c->in.inl);
	int64_t ret = sock_connect(c->so, &addr);

	poll_after();
	return ret;
}

static int64_t call_accept(struct call *c)
{
	struct socket *so = NULL;
	struct sock_addr peer = {0};
	int64_t ret;

	if (c->in.arg[0] & ~(uint64_t)SOCK_FLAGS)
		return -EINVAL;
	ret = sock_accept(c->so, &so, &peer);
	if (call_retry(ret))
		ret = sock_accept(c->so, &so, &peer);
	if (ret)
		return ret;
	made(c, so, c->in.arg[0]);
	addr_to(c, &peer);
	return 0;
}

static int64_t call_shutdown(struct call *c)
{
	return c->in.arg[0] > SHUT_RDWR ? -EINVAL : sock_shutdown(c->so, (int)c->in.arg[0]);
}

static int64_t call_getsockname(struct call *c)
{
	struct sock_addr addr = {0};
	int ret = sock_name(c->so, &addr);

	if (!ret)
		addr_to(c, &addr);
	return ret;
}

static int64_t call_getpeername(struct call *c)
{
	struct sock_addr addr = {0};
	int ret = sock_peer(c->so, &addr);

	if (!ret)
		addr_to(c, &addr);
	return ret;
}

static int64_t call_setsockopt(struct call *c)
{
	if (c->in.arg[2] > CHANNEL_INLINE)
		return -EINVAL;
	if (is_filter(c))
		return set_filter(c);
	return sock_setopt(c->so, (int)c->in.arg[0], (int)c->in.arg[1], c->in.inl,
			   (uint32_t)c->in.arg[2]);
}

static int64_t call_getsockopt(struct call *c)
{
	uint32_t len = (uint32_t)c->in.arg[2];
	int ret;

	if (c->in.arg[2] > CHANNEL_INLINE)
		return -EINVAL;
	if (is_filter(c))
		return get_filter(c);
	ret = sock_getopt(c->so, (int)c->in.arg[0], (int)c->in.arg[1], c->in.inl, &len);
	if (ret)
		return ret;
	if (len > CHANNEL_INLINE)
		len = CHANNEL_INLINE;
	c->inl_out = len;
	return len;
}

static int64_t call_readable(struct call *c)
{
	return sock_readable(c->so);
}

static int64_t call_unsent(struct call *c)
{
	return c->in.arg[0] ? sock_not_sent(c->so) : sock_unsent(c->so);
}

static int64_t call_at_mark(struct call *c)
{
	return sock_at_mark(c->so);
}

static int64_t call_signal(struct call *c)
{
	return sock_signal_ask(c->so, c->client, c->in.arg[0]) ? c->sock : 0;
}

static int64_t call_events(struct call *c)
{
	uint32_t events;

	poll_after();
	events = sock_events(c->so);
	if (events & c->in.arg[0])
		sock_ready_publish(&sandbox, c->sock, events, true);
	return events;
}

/* ---- dispatch ------------------------------------------------------------------------------ */

/*
 * `locked`: on c->so, between call_begin and call_end. Others take the lock themselves. `inl`: what
 * a call takes of its inline block.
 */
static const struct {
	int64_t (*run)(struct call *c);
	bool locked;
	uint16_t inl;
} table[CALL_MAX] = {
	[CALL_NULL] = {call_null, false, 0},
	[CALL_TURN] = {call_turn, false, 0},
	[CALL_SOCKET] = {call_socket, false, 0},
	[CALL_BIND] = {call_bind, true, sizeof(struct call_addr)},
	[CALL_LISTEN] = {call_listen, true, 0},
	[CALL_CONNECT] = {call_connect, true, sizeof(struct call_addr)},
	[CALL_ACCEPT] = {call_accept, true, 0},
	[CALL_SEND] = {call_send, false, sizeof(struct call_io)},
	[CALL_RECV] = {call_recv, false, sizeof(struct call_io)},
	[CALL_SHUTDOWN] = {call_shutdown, true, 0},
	[CALL_GETSOCKNAME] = {call_getsockname, true, 0},
	[CALL_GETPEERNAME] = {call_getpeername, true, 0},
	[CALL_SETSOCKOPT] = {call_setsockopt, true, CHANNEL_INLINE},
	[CALL_GETSOCKOPT] = {call_getsockopt, true, CHANNEL_INLINE},
	[CALL_READABLE] = {call_readable, true, 0},
	[CALL_UNSENT] = {call_unsent, true, 0},
	[CALL_EVENTS] = {call_events, true, 0},
	[CALL_ROUTE] = {call_route, false, sizeof(struct call_addr)},
	[CALL_IS_LOCAL] = {call_is_local, false, sizeof(struct call_addr)},
	[CALL_SERVICE] = {call_service, false, sizeof(struct call_service)},
	[CALL_SERVICE_NAME] = {call_service_name, false, 0},
	[CALL_AT_MARK] = {call_at_mark, true, 0},
	[CALL_SIGNAL] = {call_signal, true, 0},
};

/* ---- the call block ------------------------------------------------------------------------ */

__attribute__((hot)) uint32_t call_take(struct call *c, const struct call_slot *slot)
{
	uint32_t claimed;

	/* Once: the slot may change under our eyes, the copy may not. */
	memcpy(&c->in, slot, offsetof(struct call_slot, inl));
	__asm__ volatile("" ::: "memory");
	if (c->in.nr < CALL_MAX)
		memcpy(c->in.inl, slot->inl, table[index_nospec(c->in.nr, CALL_MAX)].inl);
	__asm__ volatile("" ::: "memory");
	claimed = c->in.sock;
	c->in.ret2 = 0;
	c->in.events = 0;
	c->inl_out = 0;
	c->made = 0;
	return claimed;
}

__attribute__((hot)) void call_give(const struct call *c, struct call_slot *slot)
{
	if (c->inl_out)
		memcpy(slot->inl, c->in.inl, c->inl_out);
	slot->ret2 = c->in.ret2;
	slot->events = c->in.events;
	slot->sock = c->made;
	slot->ret = c->in.ret;
}

__attribute__((hot)) void call_run(struct call *c)
{
	uint64_t nr = c->in.nr;

	if (!sandbox.stack || sandbox.hdr->failed) {
		c->in.ret = sandbox.stack ? -(int64_t)sandbox.hdr->failed : -ENETDOWN;
		return;
	}
	if (nr >= CALL_MAX || !table[index_nospec(nr, CALL_MAX)].run) {
		c->in.ret = -ENOSYS;
		return;
	}
	nr = index_nospec(nr, CALL_MAX);
	if (!table[nr].locked) {
		c->in.ret = table[nr].run(c);
		return;
	}
	c->in.ret = call_begin(c);
	if (c->in.ret)
		return;
	c->in.ret = table[nr].run(c);
	call_end(c);
}

void call_unmake(struct ctx *ctx, uint32_t id)
{
	struct socket *so, *listener;

	turn_begin(&sandbox, ctx);
	so = sock_get(sandbox.stack, id);
	listener = ctx->listener ? sock_get(sandbox.stack, ctx->listener) : NULL;
	if (so && listener && !sock_unaccept(listener, so))
		grants_drop_socket(&grants, id);
	else
		call_closed(sandbox.stack, id);
	turn_end(&sandbox, ctx);
}

void call_closed(void *stack, uint32_t id)
{
	struct socket *so = sock_get(stack, id);

	if (!so)
		return;
	grants_drop_socket(&grants, id);
	sock_close(so);
}
