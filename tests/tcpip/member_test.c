/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom sockets hear in a group (RFC 3678), with Linux's errors. IPv6's side is in mld_test.c. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "tcpip/group.h"
#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

#define GROUP ip(239, 1, 2, 3)

static struct desk d;

static void setup(void)
{
	desk_open(&d);
}

static void teardown(void)
{
	desk_close(&d);
}

static struct socket *udp(void)
{
	struct socket *so = desk_socket(&d, SOCK_DGRAM, 0);
	int on = 1;

	sock_setopt(so, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(desk_bind(so, 0, 700), 0);
	return so;
}

static int whole(struct socket *so, int option)
{
	struct ip_mreq req = {{GROUP}, {ip(10, 0, 0, 1)}};

	return sock_setopt(so, IPPROTO_IP, option, &req, sizeof(req));
}

/* Of 10.0.0.source. */
static int one(struct socket *so, int option, unsigned source)
{
	struct ip_mreq_source req = {{GROUP}, {ip(10, 0, 0, 1)}, {ip(10, 0, 0, source)}};

	return sock_setopt(so, IPPROTO_IP, option, &req, sizeof(req));
}

struct whole_filter {
	struct ip_msfilter head;
	struct in_addr more[GROUP_FILTER_MAX + 1];
};

/* Those from 10.0.0.first on. */
static struct whole_filter filter_of(uint32_t mode, unsigned first, unsigned n)
{
	struct whole_filter f = {.head = {{GROUP}, {ip(10, 0, 0, 1)}, mode, n, {{0}}}};
	struct in_addr from;
	unsigned i;

	for (i = 0; i < n; i++) {
		from.s_addr = ip(10, 0, 0, first + i);
		memcpy((uint8_t *)&f + IP_MSFILTER_SIZE(i), &from, sizeof(from));
	}
	return f;
}

static int set_filter(struct socket *so, uint32_t mode, unsigned first, unsigned n)
{
	struct whole_filter f = filter_of(mode, first, n);

	return sock_setopt(so, IPPROTO_IP, IP_MSFILTER, &f, IP_MSFILTER_SIZE(n));
}

/* How many datagrams wait; they go. */
static unsigned heard(struct socket *so)
{
	struct sock_addr from;
	uint64_t full;
	char buf[8];
	unsigned n = 0;

	while (desk_recv(so, buf, sizeof(buf), 0, &from, &full) >= 0)
		n++;
	return n;
}

static void say(unsigned source)
{
	desk_udp(&d, ip(10, 0, 0, source), 5, GROUP, 700, "x", 1);
}

START_TEST(who_joins_a_source_hears_it_alone_until_it_leaves_it)
{
	struct socket *so = udp();

	ck_assert_int_eq(one(so, IP_DROP_SOURCE_MEMBERSHIP, 9), -EINVAL);
	ck_assert_int_eq(one(so, IP_ADD_SOURCE_MEMBERSHIP, 9), 0);
	ck_assert_int_eq(one(so, IP_ADD_SOURCE_MEMBERSHIP, 9), -EADDRNOTAVAIL);
	ck_assert_int_eq(whole(so, IP_ADD_MEMBERSHIP), -EADDRINUSE);
	say(9), say(8);
	ck_assert_uint_eq(heard(so), 1);
	ck_assert_int_eq(one(so, IP_ADD_SOURCE_MEMBERSHIP, 8), 0);
	say(9), say(8), say(7);
	ck_assert_uint_eq(heard(so), 2);
	ck_assert_int_eq(one(so, IP_BLOCK_SOURCE, 7), -EINVAL); /* it is not heard anyway */
	ck_assert_int_eq(one(so, IP_DROP_SOURCE_MEMBERSHIP, 7), -EADDRNOTAVAIL);
	ck_assert_int_eq(one(so, IP_DROP_SOURCE_MEMBERSHIP, 9), 0);
	say(9), say(8);
	ck_assert_uint_eq(heard(so), 1);
	ck_assert_int_eq(one(so, IP_DROP_SOURCE_MEMBERSHIP, 8), 0); /* with the last, the group */
	ck_assert_int_eq(one(so, IP_DROP_SOURCE_MEMBERSHIP, 8), -EINVAL);
	ck_assert_int_eq(whole(so, IP_DROP_MEMBERSHIP), -EADDRNOTAVAIL);
	say(8);
	ck_assert_uint_eq(heard(so), 0);
}
END_TEST

START_TEST(who_names_no_interface_leaves_on_any)
{
	struct ip_addr groups = {AF_INET, 4, {224}};
	struct ip_mreqn second = {{GROUP}, {0}, 2}, none = {{GROUP}, {0}, 0};
	struct socket *so = udp(), *other = udp();

	ck_assert_int_eq(stack_route_add(d.st, &groups, NULL, &d.port[0].port, 0), 0);
	ck_assert_int_eq(sock_setopt(other, IPPROTO_IP, IP_ADD_MEMBERSHIP, &second, sizeof(second)),
			 0);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_ADD_MEMBERSHIP, &second, sizeof(second)),
			 0);
	ck_assert_int_eq(whole(so, IP_DROP_MEMBERSHIP), -EADDRNOTAVAIL); /* there it is not in */
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_DROP_MEMBERSHIP, &none, sizeof(none)), 0);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_DROP_MEMBERSHIP, &none, sizeof(none)),
			 -EADDRNOTAVAIL);
	ck_assert_int_eq(
		sock_setopt(other, IPPROTO_IP, IP_DROP_MEMBERSHIP, &second, sizeof(second)), 0);
}
END_TEST

START_TEST(a_blocked_source_is_not_heard_until_it_is_unblocked)
{
	struct socket *so = udp();

	ck_assert_int_eq(one(so, IP_BLOCK_SOURCE, 9), -EINVAL);
	ck_assert_int_eq(whole(so, IP_ADD_MEMBERSHIP), 0);
	ck_assert_int_eq(one(so, IP_UNBLOCK_SOURCE, 9), -EADDRNOTAVAIL);
	ck_assert_int_eq(one(so, IP_BLOCK_SOURCE, 9), 0);
	ck_assert_int_eq(one(so, IP_BLOCK_SOURCE, 9), -EADDRNOTAVAIL);
	ck_assert_int_eq(one(so, IP_ADD_SOURCE_MEMBERSHIP, 8), -EINVAL);
	say(9), say(8);
	ck_assert_uint_eq(heard(so), 1);
	ck_assert_int_eq(one(so, IP_UNBLOCK_SOURCE, 9), 0);
	say(9), say(8);
	ck_assert_uint_eq(heard(so), 2);
	ck_assert_int_eq(one(so, IP_ADD_SOURCE_MEMBERSHIP, 8), 0); /* an empty list has no kind */
	say(9), say(8);
	ck_assert_uint_eq(heard(so), 1);
	ck_assert_int_eq(whole(so, IP_DROP_MEMBERSHIP), 0);
	ck_assert_int_eq(whole(so, IP_DROP_MEMBERSHIP), -EADDRNOTAVAIL);
}
END_TEST

START_TEST(each_socket_hears_by_its_own_filter_and_the_port_what_any_of_them_wants)
{
	struct socket *a = udp(), *b = udp(), *bound = udp();
	uint64_t unwanted = desk_count(&d, "IpInAddrErrors");

	ck_assert_int_eq(one(a, IP_ADD_SOURCE_MEMBERSHIP, 9), 0);
	say(9), say(8);
	ck_assert_uint_eq(heard(a), 1);
	ck_assert_uint_eq(heard(bound), 1); /* no member: hears what the port hears */
	ck_assert_uint_eq(desk_count(&d, "IpInAddrErrors"), unwanted + 1);
	ck_assert_int_eq(whole(b, IP_ADD_MEMBERSHIP), 0);
	ck_assert_int_eq(one(b, IP_BLOCK_SOURCE, 9), 0);
	ck_assert_int_eq(one(b, IP_BLOCK_SOURCE, 7), 0);
	ck_assert_uint_eq(heard(b), 1); /* of the time before it was a member */
	say(9), say(8), say(7);
	ck_assert_uint_eq(heard(a), 1);
	ck_assert_uint_eq(heard(b), 1);
	ck_assert_uint_eq(heard(bound), 2);
	ck_assert_uint_eq(desk_count(&d, "IpInAddrErrors"), unwanted + 2);
	sock_close(a);
	say(9), say(8);
	ck_assert_uint_eq(heard(b), 1);
	ck_assert_uint_eq(heard(bound), 1);
	sock_close(b);
	say(8);
	ck_assert_uint_eq(heard(bound), 0);
}
END_TEST

START_TEST(a_filter_heeds_what_this_host_sends_too)
{
	struct socket *in = udp(), *out = desk_socket(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name(GROUP, 700);
	struct in_addr by = {ip(10, 0, 0, 1)};

	ck_assert_int_eq(sock_setopt(out, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)), 0);
	ck_assert_int_eq(one(in, IP_ADD_SOURCE_MEMBERSHIP, 9), 0);
	ck_assert_int_eq(desk_send(&d, out, "x", 1, &to), 1);
	ck_assert_uint_eq(heard(in), 0);
	ck_assert_int_eq(one(in, IP_ADD_SOURCE_MEMBERSHIP, 1), 0);
	ck_assert_int_eq(desk_send(&d, out, "x", 1, &to), 1);
	ck_assert_uint_eq(heard(in), 1);
}
END_TEST

START_TEST(a_whole_filter_is_set_and_read_at_once)
{
	struct socket *so = udp();
	struct whole_filter f;
	uint32_t len;

	ck_assert_int_eq(set_filter(so, MCAST_INCLUDE, 8, 2), -EINVAL); /* no member */
	ck_assert_int_eq(whole(so, IP_ADD_MEMBERSHIP), 0);
	ck_assert_int_eq(set_filter(so, MCAST_INCLUDE, 8, 2), 0);
	say(9), say(8), say(7);
	ck_assert_uint_eq(heard(so), 2);
	f = filter_of(7, 0, 0);
	f.head.imsf_numsrc = 5;
	len = sizeof(f);
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IP, IP_MSFILTER, &f, &len), 0);
	ck_assert_uint_eq(len, IP_MSFILTER_SIZE(2));
	ck_assert_uint_eq(f.head.imsf_fmode, MCAST_INCLUDE);
	ck_assert_uint_eq(f.head.imsf_numsrc, 2);
	ck_assert_uint_eq(f.head.imsf_slist[0].s_addr, ip(10, 0, 0, 8));
	f.head.imsf_numsrc = 1; /* room for one: told that there are two */
	len = sizeof(f);
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IP, IP_MSFILTER, &f, &len), 0);
	ck_assert_uint_eq(len, IP_MSFILTER_SIZE(1));
	ck_assert_uint_eq(f.head.imsf_numsrc, 2);
	len = IP_MSFILTER_SIZE(0);
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IP, IP_MSFILTER, &f, &len), 0);
	ck_assert_uint_eq(len, IP_MSFILTER_SIZE(0));
	ck_assert_int_eq(set_filter(so, MCAST_EXCLUDE, 9, 1), 0);
	say(9), say(8), say(7);
	ck_assert_uint_eq(heard(so), 2);
	ck_assert_int_eq(set_filter(so, MCAST_EXCLUDE, 0, 0), 0);
	say(9);
	ck_assert_uint_eq(heard(so), 1);
	ck_assert_int_eq(set_filter(so, MCAST_INCLUDE, 0, 0), 0); /* nobody: as if it had left */
	ck_assert_int_eq(set_filter(so, MCAST_INCLUDE, 0, 0), -EADDRNOTAVAIL);
	len = sizeof(f);
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IP, IP_MSFILTER, &f, &len), -EADDRNOTAVAIL);
}
END_TEST

START_TEST(a_whole_filter_that_is_not_one_is_refused)
{
	struct socket *so = udp();
	struct whole_filter f = filter_of(MCAST_INCLUDE, 8, 2);
	uint32_t len = IP_MSFILTER_SIZE(0) - 1;

	ck_assert_int_eq(whole(so, IP_ADD_MEMBERSHIP), 0);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MSFILTER, &f, 15), -EINVAL);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MSFILTER, &f, IP_MSFILTER_SIZE(2) - 1),
			 -EINVAL);
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IP, IP_MSFILTER, &f, &len), -EINVAL);
	ck_assert_int_eq(set_filter(so, 2, 8, 1), -EINVAL);
	ck_assert_int_eq(set_filter(so, MCAST_INCLUDE, 8, GROUP_FILTER_MAX + 1), -ENOBUFS);
	f.head.imsf_numsrc = UINT32_MAX;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MSFILTER, &f, sizeof(f)), -ENOBUFS);
	f = filter_of(MCAST_INCLUDE, 8, 2);
	f.head.imsf_interface.s_addr = ip(10, 0, 0, 99);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MSFILTER, &f, sizeof(f)), -ENODEV);
	len = sizeof(f);
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IP, IP_MSFILTER, &f, &len), -ENODEV);
	f.head.imsf_multiaddr.s_addr = ip(10, 0, 0, 9);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MSFILTER, &f, sizeof(f)), -EINVAL);
	len = sizeof(f);
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IP, IP_MSFILTER, &f, &len), -EINVAL);
	say(7);
	ck_assert_uint_eq(heard(so), 1); /* nothing of it was done */
}
END_TEST

static void put_name(struct sockaddr_storage *ss, uint32_t addr)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = {addr}};

	memset(ss, 0, sizeof(*ss));
	memcpy(ss, &sin, sizeof(sin));
}

START_TEST(the_options_of_either_family_do_the_same)
{
	struct socket *so = udp();
	struct group_source_req req = {.gsr_interface = 1};
	struct group_filter f = {.gf_interface = 1, .gf_numsrc = 1};
	uint32_t len = sizeof(f);

	put_name(&req.gsr_group, GROUP);
	put_name(&req.gsr_source, ip(10, 0, 0, 9));
	put_name(&f.gf_group, GROUP);
	put_name(&f.gf_slist[0], ip(10, 0, 0, 8));
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &req, 263), -EINVAL);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &req, sizeof(req)),
			 0);
	say(9), say(8);
	ck_assert_uint_eq(heard(so), 1);
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IP, MCAST_MSFILTER, &f, &len), 0);
	ck_assert_uint_eq(len, GROUP_FILTER_SIZE(1));
	ck_assert_uint_eq(f.gf_fmode, MCAST_INCLUDE);
	ck_assert_mem_eq(&f.gf_slist[0], &req.gsr_source, sizeof(struct sockaddr_in));
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, MCAST_LEAVE_SOURCE_GROUP, &req, sizeof(req)),
			 0);
	ck_assert_int_eq(whole(so, IP_ADD_MEMBERSHIP), 0);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, MCAST_BLOCK_SOURCE, &req, sizeof(req)), 0);
	say(9), say(8);
	ck_assert_uint_eq(heard(so), 1);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, MCAST_UNBLOCK_SOURCE, &req, sizeof(req)), 0);
	f.gf_fmode = MCAST_EXCLUDE;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, MCAST_MSFILTER, &f, sizeof(f)), 0);
	say(9), say(8);
	ck_assert_uint_eq(heard(so), 1);
	f.gf_slist[0].ss_family = AF_INET6;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, MCAST_MSFILTER, &f, sizeof(f)),
			 -EADDRNOTAVAIL);
	req.gsr_source.ss_family = AF_INET6;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, MCAST_BLOCK_SOURCE, &req, sizeof(req)),
			 -EADDRNOTAVAIL);
	f.gf_numsrc = GROUP_FILTER_MAX + 1;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, MCAST_MSFILTER, &f, sizeof(f)), -ENOBUFS);
	f.gf_numsrc = 2;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, MCAST_MSFILTER, &f, sizeof(f)), -EINVAL);
}
END_TEST

START_TEST(sources_are_bounded_for_a_membership_and_for_a_group)
{
	struct socket *so = udp(), *more[8];
	unsigned i, n;

	for (i = 0; i < GROUP_FILTER_MAX; i++)
		ck_assert_int_eq(one(so, IP_ADD_SOURCE_MEMBERSHIP, 20 + i), 0);
	ck_assert_int_eq(one(so, IP_ADD_SOURCE_MEMBERSHIP, 20 + i), -ENOBUFS);
	for (n = 0; n < 8; n++) {
		more[n] = udp();
		if (one(more[n], IP_ADD_SOURCE_MEMBERSHIP, 40 + 16 * n) < 0)
			break;
		ck_assert_int_eq(set_filter(more[n], MCAST_INCLUDE, 40 + 16 * n, 16), 0);
	}
	ck_assert_uint_eq(n, GROUP_SOURCE_MAX / GROUP_FILTER_MAX - 1);
	ck_assert_int_eq(one(more[n], IP_ADD_SOURCE_MEMBERSHIP, 99), -ENOBUFS);
	ck_assert_int_eq(one(more[n], IP_ADD_SOURCE_MEMBERSHIP, 40), 0); /* known already */
	ck_assert_int_eq(one(more[n], IP_ADD_SOURCE_MEMBERSHIP, 99), -ENOBUFS);
	heard(so);
	say(99), say(20);
	ck_assert_uint_eq(heard(so), 1);
	ck_assert_int_eq(whole(udp(), IP_ADD_MEMBERSHIP), 0); /* that is no list */
	ck_assert_int_eq(set_filter(more[0], MCAST_EXCLUDE, 100, 16), 0);
	ck_assert_int_eq(set_filter(more[1], MCAST_INCLUDE, 120, 16), 0);
	sock_close(so);
	ck_assert_int_eq(one(more[n], IP_ADD_SOURCE_MEMBERSHIP, 99), 0);
}
END_TEST

START_TEST(no_source_is_joined_where_no_group_could_be)
{
	struct socket *so = udp(), *tcp = desk_socket(&d, SOCK_STREAM, 0);
	struct ip_mreq_source req = {{ip(10, 0, 0, 7)}, {ip(10, 0, 0, 1)}, {ip(10, 0, 0, 9)}};
	unsigned i;

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &req, sizeof(req)),
			 -EINVAL);
	ck_assert_int_eq(one(tcp, IP_ADD_SOURCE_MEMBERSHIP, 9), -EPROTO);
	req.imr_multiaddr.s_addr = GROUP;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &req, 11), -EINVAL);
	req.imr_interface.s_addr = ip(10, 0, 0, 99);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &req, sizeof(req)),
			 -ENODEV);
	req.imr_interface.s_addr = ip(10, 0, 0, 1);
	for (i = 0; i < GROUP_SOCK_MAX; i++) {
		req.imr_multiaddr.s_addr = ip(239, 1, 3, i);
		ck_assert_int_eq(
			sock_setopt(so, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &req, sizeof(req)),
			0);
	}
	ck_assert_int_eq(one(so, IP_ADD_SOURCE_MEMBERSHIP, 9), -ENOBUFS);
	ck_assert(
		!group_heard(d.st, &d.port[0].port, (uint8_t[16]){[10] = 255, 255, 239, 1, 2, 3}));
}
END_TEST

int main(void)
{
	return run_cases(
		"member",
		CASES(who_joins_a_source_hears_it_alone_until_it_leaves_it,
		      who_names_no_interface_leaves_on_any,
		      a_blocked_source_is_not_heard_until_it_is_unblocked,
		      each_socket_hears_by_its_own_filter_and_the_port_what_any_of_them_wants,
		      a_filter_heeds_what_this_host_sends_too,
		      a_whole_filter_is_set_and_read_at_once,
		      a_whole_filter_that_is_not_one_is_refused,
		      the_options_of_either_family_do_the_same,
		      sources_are_bounded_for_a_membership_and_for_a_group,
		      no_source_is_joined_where_no_group_could_be),
		setup, teardown);
}
