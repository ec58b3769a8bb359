/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Socket options: one table of what SOL_SOCKET and IPPROTO_IP know, with Linux's numbers, lengths
 * and errors; IPPROTO_TCP goes to tcp_sockopt.c. Called by upcall/calls.c and tests.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/ip6.h"
#include "tcpip/socket.h"
#include "tcpip/tcp.h"

#define BUF_MAX	       (4u << 20) /* as asked for; the socket gets twice that, as on Linux */
#define RCVBUF_MIN     2304u	  /* Linux's SOCK_MIN_RCVBUF, SOCK_MIN_SNDBUF */
#define SNDBUF_MIN     4608u
#define PRIORITY_MAX   6 /* more needs a privilege */
#define DEFAULT_TTL    64
#define TOS_ECN	       3 /* the two bits TCP keeps for itself, RFC 3168 5 */
#define SO_TIMEO_NEW_R 66
#define SO_TIMEO_NEW_S 67
#define MEMINFO_WORDS  9

/* What lies at `off` in struct socket. FORM_CALL and FORM_RAW: functions do it. FORM_OFF: it is 0
 * and stays so, anything else is refused with `err`. */
enum form { FORM_BOOL, FORM_U8, FORM_CALL, FORM_RAW, FORM_OFF };

struct option {
	int level, name;
	enum form form;
	uint16_t off;
	int min, max; /* outside: EINVAL */
	int err;
	/* FORM_CALL: an int each way; a missing one is ENOPROTOOPT. */
	int (*set)(struct socket *so, int value);
	int (*get)(struct socket *so, int *value);
	/* FORM_RAW: a struct, `*len` of it at most. */
	int (*set_raw)(struct socket *so, const void *value, uint32_t len);
	int (*get_raw)(struct socket *so, void *value, uint32_t *len);
};

/* ---- SOL_SOCKET --------------------------------------------------------------------------- */

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

static int put_raw(void *value, uint32_t *len, const void *src, uint32_t size)
{
	if (*len > size)
		*len = size;
	memcpy(value, src, *len);
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

/* ---- IPPROTO_IP --------------------------------------------------------------------------- */

static int set_tos(struct socket *so, int value)
{
	if (so->kind == SOCK_KIND_TCP)
		value = (value & ~TOS_ECN) | (so->tos & TOS_ECN);
	so->tos = (uint8_t)value;
	return 0;
}

static int get_tos(struct socket *so, int *value)
{
	*value = so->tos;
	return 0;
}

static int set_recverr(struct socket *so, int value)
{
	so->recverr = value != 0;
	if (!so->recverr) {
		note_drop(so);
		sock_ready(so, false);
	}
	return 0;
}

static int get_recverr(struct socket *so, int *value)
{
	*value = so->recverr;
	return 0;
}

static int set_ttl(struct socket *so, int value)
{
	if (value != -1 && (value < 1 || value > 255))
		return -EINVAL;
	so->ttl = value == -1 ? 0 : (uint8_t)value;
	return 0;
}

static int get_ttl(struct socket *so, int *value)
{
	*value = so->ttl ? so->ttl : DEFAULT_TTL;
	return 0;
}

static int get_mtu(struct socket *so, int *value)
{
	bool connected = so->connected;

	if (so->kind == SOCK_KIND_TCP)
		connected = so->tcp->state != TCPS_CLOSED && so->tcp->state != TCPS_LISTEN;
	if (!connected)
		return -ENOTCONN;
	*value = ip4_mtu(so->st, so->remote_ip);
	return 0;
}

/* -1 is the default, 1; 0 keeps it in this host (RFC 1112 6.1, RFC 3493 5.2). */
static int set_mcast_ttl(struct socket *so, int value)
{
	if (so->kind == SOCK_KIND_TCP || value < -1 || value > 255)
		return -EINVAL;
	so->mcast_ttl = value == -1 ? 1 : (uint8_t)value;
	return 0;
}

static int get_mcast_ttl(struct socket *so, int *value)
{
	*value = so->mcast_ttl;
	return 0;
}

/* An address alone, struct ip_mreq or ip_mreqn: the last field of each that there is says most. */
static int set_mcast_if4(struct socket *so, const void *value, uint32_t len)
{
	struct ip_mreqn req = {.imr_ifindex = 0};
	const struct port *port;

	if (so->kind == SOCK_KIND_TCP || len < sizeof(req.imr_address))
		return -EINVAL;
	if (len < sizeof(struct ip_mreq))
		memcpy(&req.imr_address, value, sizeof(req.imr_address));
	else
		memcpy(&req, value, len < sizeof(req) ? sizeof(struct ip_mreq) : sizeof(req));
	if (req.imr_ifindex) {
		port = stack_port(so->st, (uint32_t)req.imr_ifindex);
		if (port)
			req.imr_address.s_addr = addr4_source(so->st, port);
		if (!port || !req.imr_address.s_addr)
			return -EADDRNOTAVAIL;
	} else if (req.imr_address.s_addr && !addr_local4(so->st, req.imr_address.s_addr)) {
		return -EADDRNOTAVAIL;
	}
	so->mcast_if = req.imr_address.s_addr;
	return 0;
}

static int get_mcast_if4(struct socket *so, void *value, uint32_t *len)
{
	return put_raw(value, len, &so->mcast_if, sizeof(so->mcast_if));
}

/* ---- IPPROTO_IPV6 ------------------------------------------------------------------------- */

static int set_v6only(struct socket *so, int value)
{
	if (so->bound || so->local_port)
		return -EINVAL;
	if (so->kind != SOCK_KIND_PING) {
		so->v6only = value != 0;
		so->families = value ? FAMILY_6 : FAMILY_4 | FAMILY_6;
	}
	return 0;
}

static int get_v6only(struct socket *so, int *value)
{
	*value = so->v6only;
	return 0;
}

static int set_tclass(struct socket *so, int value)
{
	if (value < -1 || value > 255)
		return -EINVAL;
	return set_tos(so, value == -1 ? 0 : value);
}

static int set_mcast_if(struct socket *so, int value)
{
	if (value < 0 || (value && !ip6_port_by_scope(so->st, (uint32_t)value)))
		return -ENODEV;
	so->mcast_scope = (uint8_t)value;
	return 0;
}

static int get_mcast_if(struct socket *so, int *value)
{
	*value = so->mcast_scope;
	return 0;
}

static int get_mtu6(struct socket *so, int *value)
{
	int r = get_mtu(so, value);

	if (r == 0 && ip_is6(so->remote_ip))
		*value = ip6_mtu(so->st, so->remote_ip);
	return r;
}

/* ---- the table ---------------------------------------------------------------------------- */

#define AT(field)   .off = offsetof(struct socket, field)
#define BOOL(field) .form = FORM_BOOL, AT(field)
#define CALL(s, g)  .form = FORM_CALL, .set = (s), .get = (g)
#define RAW(s, g)   .form = FORM_RAW, .set_raw = (s), .get_raw = (g)
#define OFF(e)	    .form = FORM_OFF, .err = (e)
#define SOL	    .level = SOL_SOCKET, .name
#define IP	    .level = IPPROTO_IP, .name
#define IP6	    .level = IPPROTO_IPV6, .name

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
	{IP = IP_TOS, CALL(set_tos, get_tos)},
	{IP = IP_TTL, CALL(set_ttl, get_ttl)},
	{IP = IP_MTU, CALL(NULL, get_mtu)},
	{IP = IP_MTU_DISCOVER, .form = FORM_U8, AT(mtu_discover), .max = IP_PMTUDISC_OMIT},
	{IP = IP_RECVERR, CALL(set_recverr, get_recverr)},
	{IP = IP_PKTINFO, BOOL(pktinfo)},
	{IP = IP_RECVTTL, BOOL(recvttl)},
	{IP = IP_RECVTOS, BOOL(recvtos)},
	{IP = IP_BIND_ADDRESS_NO_PORT, BOOL(bind_no_port)},
	{IP = IP_MULTICAST_TTL, CALL(set_mcast_ttl, get_mcast_ttl)},
	{IP = IP_MULTICAST_IF, RAW(set_mcast_if4, get_mcast_if4)},
	{IP = IP_MULTICAST_LOOP, BOOL(mcast_loop)},
	{IP = IP_MULTICAST_ALL, BOOL(mcast_all)},
	{IP = IP_ADD_MEMBERSHIP, RAW(member_join4, NULL)},
	{IP = IP_DROP_MEMBERSHIP, RAW(member_leave4, NULL)},
	{IP = MCAST_JOIN_GROUP, RAW(member_join, NULL)},
	{IP = MCAST_LEAVE_GROUP, RAW(member_leave, NULL)},
	{IP = IP_ADD_SOURCE_MEMBERSHIP, RAW(member_join_source4, NULL)},
	{IP = IP_DROP_SOURCE_MEMBERSHIP, RAW(member_leave_source4, NULL)},
	{IP = IP_BLOCK_SOURCE, RAW(member_block4, NULL)},
	{IP = IP_UNBLOCK_SOURCE, RAW(member_unblock4, NULL)},
	{IP = IP_MSFILTER, RAW(member_set_filter4, member_get_filter4)},
	{IP = MCAST_JOIN_SOURCE_GROUP, RAW(member_join_source, NULL)},
	{IP = MCAST_LEAVE_SOURCE_GROUP, RAW(member_leave_source, NULL)},
	{IP = MCAST_BLOCK_SOURCE, RAW(member_block, NULL)},
	{IP = MCAST_UNBLOCK_SOURCE, RAW(member_unblock, NULL)},
	{IP = MCAST_MSFILTER, RAW(member_set_filter, member_get_filter)},
	{IP6 = IPV6_V6ONLY, CALL(set_v6only, get_v6only)},
	{IP6 = IPV6_UNICAST_HOPS, CALL(set_ttl, get_ttl)},
	{IP6 = IPV6_MULTICAST_HOPS, CALL(set_mcast_ttl, get_mcast_ttl)},
	{IP6 = IPV6_MULTICAST_LOOP, BOOL(mcast_loop)},
	{IP6 = IPV6_MULTICAST_ALL, BOOL(mcast_all)},
	{IP6 = IPV6_MULTICAST_IF, CALL(set_mcast_if, get_mcast_if)},
	{IP6 = IPV6_TCLASS, CALL(set_tclass, get_tos)},
	{IP6 = IPV6_MTU, CALL(NULL, get_mtu6)},
	{IP6 = IPV6_MTU_DISCOVER, .form = FORM_U8, AT(mtu_discover), .max = IPV6_PMTUDISC_OMIT},
	{IP6 = IPV6_RECVERR, CALL(set_recverr, get_recverr)},
	{IP6 = IPV6_RECVPKTINFO, BOOL(pktinfo)},
	{IP6 = IPV6_RECVHOPLIMIT, BOOL(recvttl)},
	{IP6 = IPV6_RECVTCLASS, BOOL(recvtos)},
	{IP6 = IPV6_JOIN_GROUP, RAW(member_join6, NULL)},
	{IP6 = IPV6_LEAVE_GROUP, RAW(member_leave6, NULL)},
	{IP6 = MCAST_JOIN_GROUP, RAW(member_join, NULL)},
	{IP6 = MCAST_LEAVE_GROUP, RAW(member_leave, NULL)},
	{IP6 = MCAST_JOIN_SOURCE_GROUP, RAW(member_join_source, NULL)},
	{IP6 = MCAST_LEAVE_SOURCE_GROUP, RAW(member_leave_source, NULL)},
	{IP6 = MCAST_BLOCK_SOURCE, RAW(member_block, NULL)},
	{IP6 = MCAST_UNBLOCK_SOURCE, RAW(member_unblock, NULL)},
	{IP6 = MCAST_MSFILTER, RAW(member_set_filter, member_get_filter)},
};

static const struct option *find(int level, int name)
{
	const struct option *o;

	for (o = options; o < options + sizeof(options) / sizeof(options[0]); o++)
		if (o->level == level && o->name == name)
			return o;
	return NULL;
}

/* ---- set ---------------------------------------------------------------------------------- */

/* Linux's IP options also take one byte, or nothing for 0; SOL_SOCKET wants an int. */
static int int_value(const struct option *o, const void *value, uint32_t len, int *out)
{
	*out = 0;
	if (len >= sizeof(int))
		memcpy(out, value, sizeof(int));
	else if (o->level == SOL_SOCKET)
		return -EINVAL;
	else if (len > 0)
		*out = *(const uint8_t *)value;
	return 0;
}

static int set_int(struct socket *so, const struct option *o, int v)
{
	uint8_t *at = (uint8_t *)so + o->off;
	bool on = v != 0;
	uint8_t byte = (uint8_t)v;

	switch (o->form) {
	case FORM_BOOL:
		memcpy(at, &on, sizeof(on));
		return 0;
	case FORM_U8:
		if (v < o->min || v > o->max)
			return -EINVAL;
		memcpy(at, &byte, 1);
		return 0;
	case FORM_OFF:
		return v ? o->err : 0;
	default:
		return o->set ? o->set(so, v) : -ENOPROTOOPT;
	}
}

int sock_setopt(struct socket *so, int level, int name, const void *value, uint32_t len)
{
	const struct option *o;
	int r, v;

	if (level == IPPROTO_TCP && so->kind == SOCK_KIND_TCP)
		return tcp_setopt(so, name, value, len);
	o = find(level, name);
	if (!o || (level == IPPROTO_IPV6 && so->domain != AF_INET6))
		return -ENOPROTOOPT;
	if (o->form == FORM_RAW) {
		r = o->set_raw ? o->set_raw(so, value, len) : -ENOPROTOOPT;
	} else {
		r = int_value(o, value, len, &v);
		if (r == 0)
			r = set_int(so, o, v);
	}
	if (r == 0 && so->kind == SOCK_KIND_TCP)
		tcp_sockopt_changed(so);
	return r;
}

/* ---- get ---------------------------------------------------------------------------------- */

static int get_int(struct socket *so, const struct option *o, int *v)
{
	const uint8_t *at = (const uint8_t *)so + o->off;

	switch (o->form) {
	case FORM_BOOL:
	case FORM_U8:
		*v = *at;
		return 0;
	case FORM_OFF:
		*v = 0;
		return 0;
	default:
		return o->get ? o->get(so, v) : -ENOPROTOOPT;
	}
}

int sock_getopt(struct socket *so, int level, int name, void *value, uint32_t *len)
{
	const struct option *o;
	uint8_t byte;
	int r, v = 0;

	if (level == IPPROTO_TCP && so->kind == SOCK_KIND_TCP)
		return tcp_getopt(so, name, value, len);
	o = find(level, name);
	if (!o || (level == IPPROTO_IPV6 && so->domain != AF_INET6))
		return -ENOPROTOOPT;
	if (o->form == FORM_RAW)
		return o->get_raw ? o->get_raw(so, value, len) : -ENOPROTOOPT;
	r = get_int(so, o, &v);
	if (r < 0)
		return r;
	if (level == IPPROTO_IP && *len > 0 && *len < sizeof(int) && v >= 0 && v <= 255) {
		byte = (uint8_t)v; /* ip(7): an option that fits a byte may be asked for as one */
		return put_raw(value, len, &byte, 1);
	}
	return put_raw(value, len, &v, sizeof(v));
}
