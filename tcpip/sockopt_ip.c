/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What IPPROTO_IP and IPPROTO_IPV6 know, with Linux's numbers, lengths and errors. Called by
 * sockopt.c, by way of the table at the end; calls member.c for groups.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/ip6.h"
#include "tcpip/sockopt.h"
#include "tcpip/tcp.h"

#define DEFAULT_TTL 64
#define TOS_ECN	    3 /* the two bits TCP keeps for itself, RFC 3168 5 */

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

#define IP  .level = IPPROTO_IP, .name
#define IP6 .level = IPPROTO_IPV6, .name

static const struct option options[] = {
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

const struct options ip_options = {options, sizeof(options) / sizeof(options[0])};
