/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An Internet socket begins as the kernel's, for only its first address tells to whom it belongs.
 * When that is the net, a Sandwire socket takes its number: with the options set so far, the
 * descriptor flags, the owner, the port, the epoll registrations. Called by intercept.c and
 * transfer.c.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "upcall/raw.h"
#include "upcall/shim/shim.h"

/* Bit i of an unconverted socket's word: option i was set. The last bit is that of the rarer ones
 * from there on together: of them those are carried over that an untouched socket has otherwise. */
#define SHARED 31u
static const struct {
	int level, name;
	bool halve; /* the kernel doubles what it is told, and tells the double */
} options[] = {
	{SOL_SOCKET, SO_REUSEADDR, false},
	{SOL_SOCKET, SO_REUSEPORT, false},
	{SOL_SOCKET, SO_KEEPALIVE, false},
	{SOL_SOCKET, SO_BROADCAST, false},
	{SOL_SOCKET, SO_LINGER, false},
	{SOL_SOCKET, SO_SNDBUF, true},
	{SOL_SOCKET, SO_RCVBUF, true},
	{SOL_SOCKET, SO_RCVTIMEO, false},
	{SOL_SOCKET, SO_SNDTIMEO, false},
	{SOL_SOCKET, SO_OOBINLINE, false},
	{SOL_SOCKET, SO_PRIORITY, false},
	{SOL_SOCKET, SO_MARK, false},
	{SOL_SOCKET, SO_TIMESTAMP, false},
	{SOL_SOCKET, SO_DONTROUTE, false},
	{SOL_SOCKET, SO_RCVLOWAT, false},
	{IPPROTO_IP, IP_TOS, false},
	{IPPROTO_IP, IP_TTL, false},
	{IPPROTO_IP, IP_MTU_DISCOVER, false},
	{IPPROTO_IP, IP_RECVERR, false},
	{IPPROTO_IP, IP_PKTINFO, false},
	{IPPROTO_TCP, TCP_NODELAY, false},
	{IPPROTO_TCP, TCP_MAXSEG, false},
	{IPPROTO_TCP, TCP_CORK, false},
	{IPPROTO_TCP, TCP_KEEPIDLE, false},
	{IPPROTO_TCP, TCP_KEEPINTVL, false},
	{IPPROTO_TCP, TCP_KEEPCNT, false},
	{IPPROTO_TCP, TCP_SYNCNT, false},
	{IPPROTO_TCP, TCP_LINGER2, false},
	{IPPROTO_TCP, TCP_DEFER_ACCEPT, false},
	{IPPROTO_TCP, TCP_QUICKACK, false},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, false},
	{IPPROTO_TCP, TCP_CONGESTION, false},
	{IPPROTO_TCP, TCP_FASTOPEN, false},
	{IPPROTO_TCP, TCP_FASTOPEN_CONNECT, false},
	{IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, false},
	{IPPROTO_TCP, TCP_NOTSENT_LOWAT, false},
	{IPPROTO_TCP, TCP_SAVE_SYN, false},
	{IPPROTO_TCP, TCP_INQ, false},
	{IPPROTO_TCP, TCP_WINDOW_CLAMP, false},
	{SOL_SOCKET, SO_MAX_PACING_RATE, false},
	{SOL_SOCKET, SO_TIMESTAMPNS, false},
	{IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, false},
	{IPPROTO_IPV6, IPV6_UNICAST_HOPS, false},
	{IPPROTO_IPV6, IPV6_MTU_DISCOVER, false},
	{IPPROTO_IPV6, IPV6_MULTICAST_ALL, false},
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static uint32_t bit_of(unsigned i)
{
	return 1u << (i < SHARED ? i : SHARED);
}

uint32_t option_bit(int level, int name)
{
	for (unsigned i = 0; i < N_OPTIONS; i++)
		if (options[i].level == level && options[i].name == name)
			return bit_of(i);
	return 0;
}

void options_replay(int from, int to, uint32_t mask, int fresh)
{
	for (unsigned i = 0; i < N_OPTIONS; i++) {
		union {
			int number;
			char bytes[32];
		} value, untouched;
		socklen_t len = sizeof(value), fresh_len = sizeof(untouched);
		bool compare = fresh >= 0 && (i >= SHARED || mask == ~0u);

		if (!(mask & bit_of(i)) ||
		    REAL(getsockopt)(from, options[i].level, options[i].name, &value, &len))
			continue;
		if (compare &&
		    !REAL(getsockopt)(fresh, options[i].level, options[i].name, &untouched,
				      &fresh_len) &&
		    len == fresh_len && !memcmp(&value, &untouched, len))
			continue;
		if (options[i].halve)
			value.number /= 2;
		/* What the stack does not know it would have refused at the time; too late now. */
		sandwire_setsockopt(to, options[i].level, options[i].name, &value, len);
	}
}

static int get_int(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return REAL(getsockopt)(fd, SOL_SOCKET, name, &value, &len) ? -1 : value;
}

/* The others of IPv6, those of groups and of control messages have no bit: they are read and said
 * each time. Before the bind: IPV6_V6ONLY. */
static void options_copy(int from, int to, int domain, int type)
{
	static const struct {
		int domain, type, level, name;
	} each[] = {
		{AF_INET6, 0, IPPROTO_IPV6, IPV6_V6ONLY},
		{AF_INET6, 0, IPPROTO_IPV6, IPV6_TCLASS},
		{AF_INET6, 0, IPPROTO_IPV6, IPV6_RECVERR},
		{AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_MULTICAST_HOPS},
		{AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_MULTICAST_LOOP},
		{AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_TTL},
		{AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_LOOP},
		{AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_ALL},
		{AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_RECVTTL},
		{AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_RECVTOS},
		{AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_RECVPKTINFO},
		{AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_RECVHOPLIMIT},
		{AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_RECVTCLASS},
	};

	for (unsigned i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		int value;
		socklen_t len = sizeof(value);

		if (each[i].domain == domain && (!each[i].type || each[i].type == type) &&
		    !REAL(getsockopt)(from, each[i].level, each[i].name, &value, &len))
			sandwire_setsockopt(to, each[i].level, each[i].name, &value, len);
	}
}

static ino_t inode_of(int fd)
{
	struct stat st = {0};

	return RAW3(SYS_fstat, fd, &st, 0) < 0 || !S_ISSOCK(st.st_mode) ? 0 : st.st_ino;
}

/* The port that a bind to any address, any port gave: the program may have asked for it. */
static void keep_port(int from, int to)
{
	struct sockaddr_storage name = {0};
	socklen_t len = sizeof(name);
	in_port_t port;

	/* The port lies at one place in both families. */
	_Static_assert(offsetof(struct sockaddr_in, sin_port) ==
			       offsetof(struct sockaddr_in6, sin6_port),
		       "one place");
	if (REAL(getsockname)(from, (struct sockaddr *)&name, &len))
		return;
	memcpy(&port, (char *)&name + offsetof(struct sockaddr_in, sin_port), sizeof(port));
	if (port)
		sandwire_bind(to, (struct sockaddr *)&name, len);
}

/* And SIGIO, in whatever the kernel makes of it: README.md, "Not done". */
static void owner_copy(int from, int to)
{
	long flags = RAW3(SYS_fcntl, from, F_GETFL, 0), sig = RAW3(SYS_fcntl, from, F_GETSIG, 0);
	struct f_owner_ex owner = {0};

	if (!RAW3(SYS_fcntl, from, F_GETOWN_EX, &owner) && owner.pid)
		sandwire_setown(to, &owner);
	if (sig > 0)
		RAW3(SYS_fcntl, to, F_SETSIG, sig);
	if (flags > 0 && flags & O_ASYNC)
		RAW3(SYS_fcntl, to, F_SETFL, flags);
}

static void take_number(int sock, int fd)
{
	bool cloexec = RAW3(SYS_fcntl, fd, F_GETFD, 0) & FD_CLOEXEC;

	if (RAW3(SYS_dup3, sock, fd, cloexec ? O_CLOEXEC : 0) < 0)
		return;
	fd_copy(sock, fd);
	watch_replay(fd);
}

int convert(int fd)
{
	uint64_t word = fd_get(fd);
	int type = get_int(fd, SO_TYPE), protocol = get_int(fd, SO_PROTOCOL), sock, fresh = -1;
	int domain = get_int(fd, SO_DOMAIN);
	ino_t inode = inode_of(fd);
	long flags = RAW3(SYS_fcntl, fd, F_GETFL, 0);

	/* The number may stand for something else by now: then it is the kernel's to judge. */
	if (type < 0 || (domain != AF_INET && domain != AF_INET6) || !inode)
		return -ENOTSOCK;
	sock = sandwire_socket(
		domain, type | SOCK_CLOEXEC | (flags & O_NONBLOCK ? SOCK_NONBLOCK : 0), protocol);
	if (sock < 0)
		return sock;
	if (FD_ID(word) & bit_of(SHARED))
		fresh = REAL(socket)(domain, type | SOCK_CLOEXEC, protocol);
	options_replay(fd, sock, FD_ID(word), fresh);
	options_copy(fd, sock, domain, type);
	if (fresh >= 0)
		RAW3(SYS_close, fresh, 0, 0);
	owner_copy(fd, sock);
	if (word & FD_BOUND)
		keep_port(fd, sock);
	if (word & FD_DUPED) {
		for (int other = 0; other < fd_limit(); other++)
			if (other != fd && FD_KIND(fd_get(other)) == FD_INET &&
			    inode_of(other) == inode)
				take_number(sock, other);
	}
	take_number(sock, fd);
	fd_forget(sock);
	RAW3(SYS_close, sock, 0, 0);
	return 0;
}
