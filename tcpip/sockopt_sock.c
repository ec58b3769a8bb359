/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What SOL_SOCKET knows, with Linux's numbers, lengths and errors. Called by sockopt.c, by way of
 * the table at the end.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/sockopt.h"
#include "tcpip/tcp.h"

#define BUF_MAX	       (4u << 20) /* as asked for; the socket gets twice that, as on Linux */
#define RCVBUF_MIN     2304u	  /* Linux's SOCK_MIN_RCVBUF, SOCK_MIN_SNDBUF */
#define SNDBUF_MIN     4608u
#define PRIORITY_MAX   6 /* more needs a privilege */
#define SO_TIMEO_NEW_R 66
#define SO_TIMEO_NEW_S 67
#define MEMINFO_WORDS  9

static uint32_t doubled(int value, uint32_t min)
{
	uint32_t v = value < 0 ? BUF_MAX : (uint32_t)value; /* Linux compares unsigned */

	if (v > BUF_MAX)
		v = BUF_MAX;
	return 2 * v < min ? min : 2 * v;
}

static int set_rcvbuf(struct socket *so, int value)
{
	so->rcvbuf = doubled(value, RCVBUF_MIN);
	so->rcvbuf_set = true; /* from now on it does not tune itself */
	return 0;
}

static int set_sndbuf(struct socket *so, int value)
{
	so->sndbuf = doubled(value, SNDBUF_MIN);
	so->sndbuf_set = true;
	return 0;
}

static int get_rcvbuf(struct socket *so, int *value)
{
	*value = (int)(so->kind == SOCK_KIND_TCP ? so->tcp->rcvbuf : so->rcvbuf);
	return 0;
}

static int get_sndbuf(struct socket *so, int *value)
{
	*value = (int)(so->kind == SOCK_KIND_TCP ? so->tcp->sndbuf : so->sndbuf);
	return 0;
}

static int set_privileged(struct socket *so, int value)
{
	(void)so;
	(void)value;
	return -EPERM;
}

static int set_priority(struct socket *so, int value)
{
	if (value < 0 || value > PRIORITY_MAX)
		return -EPERM;
	so->priority = (uint32_t)value;
	return 0;
}

static int get_priority(struct socket *so, int *value)
{
	*value = (int)so->priority;
	return 0;
}

static int get_mark(struct socket *so, int *value)
{
	*value = (int)so->mark;
	return 0;
}

static int set_rcvlowat(struct socket *so, int value)
{
	so->rcvlowat = value < 0 ? INT_MAX : value == 0 ? 1 : value;
	return 0;
}

static int get_rcvlowat(struct socket *so, int *value)
{
	*value = so->rcvlowat;
	return 0;
}

static int get_one(struct socket *so, int *value)
{
	(void)so;
	*value = 1;
	return 0;
}

/* Of no CPU: whoever runs the stack does it on its own. */
static int get_incoming_cpu(struct socket *so, int *value)
{
	(void)so;
	*value = -1;
	return 0;
}

/* Names of devices are the kernel's: no port of the net has one. */
static int set_device(struct socket *so, const void *value, uint32_t len)
{
	(void)so;
	return len && *(const char *)value ? -ENODEV : 0;
}

static int get_device(struct socket *so, void *value, uint32_t *len)
{
	(void)so;
	(void)value;
	*len = 0;
	return 0;
}

static int get_error(struct socket *so, int *value)
{
	*value = so->error;
	so->error = 0;
	sock_ready(so, false);
	return 0;
}

static int get_type(struct socket *so, int *value)
{
	*value = so->kind == SOCK_KIND_TCP ? SOCK_STREAM : SOCK_DGRAM;
	return 0;
}

static int get_protocol(struct socket *so, int *value)
{
	*value = so->kind == SOCK_KIND_TCP   ? IPPROTO_TCP
		 : so->kind == SOCK_KIND_UDP ? IPPROTO_UDP
		 : so->domain == AF_INET6    ? IPPROTO_ICMPV6
					     : IPPROTO_ICMP;
	return 0;
}

static int get_domain(struct socket *so, int *value)
{
	*value = so->domain;
	return 0;
}

static int get_acceptconn(struct socket *so, int *value)
{
	*value = so->kind == SOCK_KIND_TCP && so->tcp->state == TCPS_LISTEN;
	return 0;
}

static int set_linger(struct socket *so, const void *value, uint32_t len)
{
	struct linger l;

	if (len < sizeof(l))
		return -EINVAL;
	memcpy(&l, value, sizeof(l));
	so->linger_on = l.l_onoff != 0;
	if (so->linger_on)
		so->linger_s = l.l_linger < 0 ? INT_MAX : (uint32_t)l.l_linger;
	return 0;
}

static int get_linger(struct socket *so, void *value, uint32_t *len)
{
	struct linger l = {.l_onoff = so->linger_on, .l_linger = (int)so->linger_s};

	return put_raw(value, len, &l, sizeof(l));
}

/* struct timeval of x86-64; no header of ours has it without dragging in <time.h>. */
struct seconds {
	int64_t sec, usec;
};

static int set_timeout(int64_t *us, const void *value, uint32_t len)
{
	struct seconds t;

	if (len < sizeof(t))
		return -EINVAL;
	memcpy(&t, value, sizeof(t));
	if (t.usec < 0 || t.usec >= 1000000)
		return -EDOM;
	if (t.sec < 0)
		*us = 1; /* Linux does not wait at all then; 0 would be for ever */
	else if (t.sec >= INT64_MAX / 1000000 - 1)
		*us = 0; /* longer than anybody waits: for ever */
	else
		*us = t.sec * 1000000 + t.usec;
	return 0;
}

static int get_timeout(int64_t us, void *value, uint32_t *len)
{
	struct seconds t = {.sec = us / 1000000, .usec = us % 1000000};

	return put_raw(value, len, &t, sizeof(t));
}

static int set_rcvtimeo(struct socket *so, const void *value, uint32_t len)
{
	return set_timeout(&so->rcvtimeo_us, value, len);
}

static int set_sndtimeo(struct socket *so, const void *value, uint32_t len)
{
	return set_timeout(&so->sndtimeo_us, value, len);
}

static int get_rcvtimeo(struct socket *so, void *value, uint32_t *len)
{
	return get_timeout(so->rcvtimeo_us, value, len);
}

static int get_sndtimeo(struct socket *so, void *value, uint32_t *len)
{
	return get_timeout(so->sndtimeo_us, value, len);
}

static int get_cookie(struct socket *so, void *value, uint32_t *len)
{
	uint64_t cookie = so->id;

	if (*len < sizeof(cookie))
		return -EINVAL;
	return put_raw(value, len, &cookie, sizeof(cookie));
}

/* SK_MEMINFO_*: receive memory, its limit, send memory, its limit, the rest not kept here. */
static int get_meminfo(struct socket *so, void *value, uint32_t *len)
{
	uint32_t w[MEMINFO_WORDS] = {0};

	w[0] = so->kind == SOCK_KIND_TCP ? (uint32_t)tcp_readable(so) : so->rxq_bytes;
	w[1] = so->rcvbuf;
	w[2] = so->kind == SOCK_KIND_TCP ? (uint32_t)tcp_unsent(so) : 0;
	w[3] = so->sndbuf;
	w[5] = w[2];
	return put_raw(value, len, w, sizeof(w));
}

/* Four bytes or eight; all ones is no limit. */
static int set_pacing(struct socket *so, const void *value, uint32_t len)
{
	uint64_t rate = 0;

	if (len < 4)
		return -EINVAL;
	memcpy(&rate, value, len < 8 ? 4 : 8);
	so->max_pacing = rate == (len < 8 ? UINT32_MAX : UINT64_MAX) ? 0 : rate;
	return 0;
}

static int get_pacing(struct socket *so, void *value, uint32_t *len)
{
	uint64_t rate = so->max_pacing ? so->max_pacing : UINT64_MAX;
	uint32_t low = rate > UINT32_MAX ? UINT32_MAX : (uint32_t)rate;

	return *len < 8 ? put_raw(value, len, &low, sizeof(low))
			: put_raw(value, len, &rate, sizeof(rate));
}

/* ---- the table ---------------------------------------------------------------------------- */

#define SOL .level = SOL_SOCKET, .name

static const struct option options[] = {
	{SOL = SO_REUSEADDR, BOOL(reuseaddr)},
	{SOL = SO_REUSEPORT, BOOL(reuseport)},
	{SOL = SO_BROADCAST, BOOL(broadcast)},
	{SOL = SO_KEEPALIVE, BOOL(keepalive)},
	{SOL = SO_OOBINLINE, BOOL(oobinline)},
	{SOL = SO_DONTROUTE, BOOL(dontroute)},
	{SOL = SO_TIMESTAMP, BOOL(timestamp)},
	{SOL = SO_TIMESTAMPNS, BOOL(timestamp_ns)},
	{SOL = SO_RCVBUF, CALL(set_rcvbuf, get_rcvbuf)},
	{SOL = SO_SNDBUF, CALL(set_sndbuf, get_sndbuf)},
	{SOL = SO_RCVBUFFORCE, CALL(set_privileged, NULL)},
	{SOL = SO_SNDBUFFORCE, CALL(set_privileged, NULL)},
	{SOL = SO_PRIORITY, CALL(set_priority, get_priority)},
	{SOL = SO_MARK, CALL(set_privileged, get_mark)},
	{SOL = SO_RCVLOWAT, CALL(set_rcvlowat, get_rcvlowat)},
	{SOL = SO_SNDLOWAT, CALL(NULL, get_one)},
	{SOL = SO_ERROR, CALL(NULL, get_error)},
	{SOL = SO_TYPE, CALL(NULL, get_type)},
	{SOL = SO_PROTOCOL, CALL(NULL, get_protocol)},
	{SOL = SO_DOMAIN, CALL(NULL, get_domain)},
	{SOL = SO_ACCEPTCONN, CALL(NULL, get_acceptconn)},
	{SOL = SO_LINGER, RAW(set_linger, get_linger)},
	{SOL = SO_RCVTIMEO, RAW(set_rcvtimeo, get_rcvtimeo)},
	{SOL = SO_SNDTIMEO, RAW(set_sndtimeo, get_sndtimeo)},
	{SOL = SO_TIMEO_NEW_R, RAW(set_rcvtimeo, get_rcvtimeo)},
	{SOL = SO_TIMEO_NEW_S, RAW(set_sndtimeo, get_sndtimeo)},
	{SOL = SO_MAX_PACING_RATE, RAW(set_pacing, get_pacing)},
	{SOL = SO_DEBUG, OFF(-EACCES)},
	{SOL = SO_BUSY_POLL, OFF(-EPERM)},
	{SOL = SO_ZEROCOPY, OFF(-EOPNOTSUPP)},
	{SOL = SO_INCOMING_CPU, CALL(NULL, get_incoming_cpu)},
	{SOL = SO_INCOMING_NAPI_ID, OFF(-ENOPROTOOPT)},
	{SOL = SO_BINDTOIFINDEX, OFF(-ENODEV)},
	{SOL = SO_BINDTODEVICE, RAW(set_device, get_device)},
	{SOL = SO_COOKIE, RAW(NULL, get_cookie)},
	{SOL = SO_MEMINFO, RAW(NULL, get_meminfo)},
};

const struct options sock_options = {options, sizeof(options) / sizeof(options[0])};
