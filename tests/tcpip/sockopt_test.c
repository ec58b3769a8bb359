/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "tcpip/socket.h"
#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

static struct desk d;
static struct socket *so;

static void setup(void)
{
	desk_open(&d);
	so = desk_socket(&d, SOCK_DGRAM, 0);
}

static void teardown(void)
{
	desk_close(&d);
}

static int set(int level, int opt, int v)
{
	return sock_setopt(so, level, opt, &v, sizeof(v));
}

static int get(int level, int opt)
{
	int v = -1;
	uint32_t len = sizeof(v);
	int r = sock_getopt(so, level, opt, &v, &len);

	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(len, 4);
	return v;
}

START_TEST(flags_are_kept_as_zero_and_one)
{
	static const int names[] = {SO_REUSEADDR, SO_REUSEPORT, SO_BROADCAST, SO_KEEPALIVE,
				    SO_OOBINLINE, SO_DONTROUTE, SO_TIMESTAMP};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ck_assert_int_eq(get(SOL_SOCKET, names[i]), 0);
		ck_assert_int_eq(set(SOL_SOCKET, names[i], 77), 0);
		ck_assert_int_eq(get(SOL_SOCKET, names[i]), 1);
		ck_assert_int_eq(set(SOL_SOCKET, names[i], 0), 0);
		ck_assert_int_eq(get(SOL_SOCKET, names[i]), 0);
	}
}
END_TEST

START_TEST(buffer_sizes_are_doubled_within_limits)
{
	ck_assert_int_eq(set(SOL_SOCKET, SO_RCVBUF, 10000), 0);
	ck_assert_int_eq(get(SOL_SOCKET, SO_RCVBUF), 20000);
	ck_assert_int_eq(set(SOL_SOCKET, SO_SNDBUF, 1), 0);
	ck_assert_int_eq(get(SOL_SOCKET, SO_SNDBUF), 4608);
	ck_assert_int_eq(set(SOL_SOCKET, SO_RCVBUF, 0), 0);
	ck_assert_int_eq(get(SOL_SOCKET, SO_RCVBUF), 2304);
	ck_assert_int_eq(set(SOL_SOCKET, SO_SNDBUF, 1 << 30), 0);
	ck_assert_int_eq(get(SOL_SOCKET, SO_SNDBUF), 8 << 20);
	ck_assert_int_eq(set(SOL_SOCKET, SO_RCVBUF, -1), 0);
	ck_assert_int_eq(get(SOL_SOCKET, SO_RCVBUF), 8 << 20);
}
END_TEST

START_TEST(what_a_socket_is_can_be_asked)
{
	ck_assert_int_eq(get(SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
	ck_assert_int_eq(get(SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDP);
	ck_assert_int_eq(get(SOL_SOCKET, SO_DOMAIN), AF_INET);
	ck_assert_int_eq(get(SOL_SOCKET, SO_ACCEPTCONN), 0);
	so = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(get(SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	ck_assert_int_eq(get(SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	ck_assert_int_eq(get(SOL_SOCKET, SO_ACCEPTCONN), 0);
	ck_assert_int_eq(set(SOL_SOCKET, SO_TYPE, 1), -ENOPROTOOPT);
	ck_assert_int_eq(set(SOL_SOCKET, SO_ERROR, 1), -ENOPROTOOPT);
}
END_TEST

START_TEST(so_error_is_read_once)
{
	sock_set_error(so, ECONNREFUSED);
	ck_assert_int_eq(get(SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	ck_assert_int_eq(get(SOL_SOCKET, SO_ERROR), 0);
}
END_TEST

START_TEST(short_values_are_refused)
{
	int one = 1;
	struct linger l = {1, 5};
	struct timeval tv = {1, 0};

	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_REUSEADDR, &one, 3), -EINVAL);
	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_LINGER, &l, 7), -EINVAL);
	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_RCVTIMEO, &tv, 8), -EINVAL);
}
END_TEST

START_TEST(a_short_answer_is_cut)
{
	uint8_t v[4] = {9, 9, 9, 9};
	uint32_t len = 2;

	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_TYPE, v, &len), 0);
	ck_assert_uint_eq(len, 2);
	ck_assert_uint_eq(v[0], SOCK_DGRAM);
	ck_assert_uint_eq(v[2], 9);
	len = 0;
	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_TYPE, v, &len), 0);
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(options_nobody_knows_are_refused)
{
	int v = 1;
	uint32_t len = 4;

	ck_assert_int_eq(set(SOL_SOCKET, 4711, 1), -ENOPROTOOPT);
	ck_assert_int_eq(set(IPPROTO_IP, 4711, 1), -ENOPROTOOPT);
	ck_assert_int_eq(set(IPPROTO_TCP, 1, 1), -ENOPROTOOPT); /* on UDP */
	ck_assert_int_eq(set(IPPROTO_IPV6, 1, 1), -ENOPROTOOPT);
	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, 4711, &v, &len), -ENOPROTOOPT);
	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_RCVBUFFORCE, &v, &len), -ENOPROTOOPT);
}
END_TEST

START_TEST(what_needs_a_privilege_is_refused)
{
	ck_assert_int_eq(set(SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24), -EPERM);
	ck_assert_int_eq(set(SOL_SOCKET, SO_SNDBUFFORCE, 1 << 24), -EPERM);
	ck_assert_int_eq(set(SOL_SOCKET, SO_MARK, 1), -EPERM);
	ck_assert_int_eq(set(SOL_SOCKET, SO_PRIORITY, 7), -EPERM);
	ck_assert_int_eq(set(SOL_SOCKET, SO_PRIORITY, 6), 0);
	ck_assert_int_eq(get(SOL_SOCKET, SO_PRIORITY), 6);
}
END_TEST

START_TEST(what_is_not_there_is_off_and_stays_so)
{
	static const struct {
		int name, err;
	} rows[] = {
		{SO_DEBUG, -EACCES},	     {SO_BUSY_POLL, -EPERM},
		{SO_ZEROCOPY, -EOPNOTSUPP},  {SO_INCOMING_NAPI_ID, -ENOPROTOOPT},
		{SO_BINDTOIFINDEX, -ENODEV},
	};
	char name[16] = "eth0";
	uint32_t len = sizeof(name);

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(set(SOL_SOCKET, rows[i].name, 0), 0);
		ck_assert_int_eq(set(SOL_SOCKET, rows[i].name, 1), rows[i].err);
		ck_assert_int_eq(get(SOL_SOCKET, rows[i].name), 0);
	}
	ck_assert_int_eq(get(SOL_SOCKET, SO_INCOMING_CPU), -1);
	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_BINDTODEVICE, name, 5), -ENODEV);
	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_BINDTODEVICE, "", 1), 0);
	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_BINDTODEVICE, NULL, 0), 0);
	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(linger_is_kept)
{
	struct linger l = {1, 5}, out = {0, 0};
	uint32_t len = sizeof(out);

	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_LINGER, &out, &len), 0);
	ck_assert_int_eq(out.l_onoff, 1);
	ck_assert_int_eq(out.l_linger, 5);
}
END_TEST

START_TEST(timeouts_are_kept_and_checked)
{
	struct timeval tv = {3, 250000}, out;
	uint32_t len = sizeof(out);

	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_RCVTIMEO, &out, &len), 0);
	ck_assert_int_eq(out.tv_sec, 3);
	ck_assert_int_eq(out.tv_usec, 250000);
	ck_assert_int_eq(so->rcvtimeo_us, 3250000);
	tv.tv_usec = 1000000;
	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), -EDOM);
	tv = (struct timeval){INT64_MAX, 0};
	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_int_eq(so->sndtimeo_us, 0);
	tv = (struct timeval){-5, 0};
	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
	ck_assert_int_eq(so->sndtimeo_us, 1);
}
END_TEST

START_TEST(ip_options_take_a_byte_and_give_one)
{
	uint8_t v = 9, out = 0;
	uint32_t len = 1;

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_TTL, &v, 1), 0);
	ck_assert_int_eq(get(IPPROTO_IP, IP_TTL), 9);
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IP, IP_TTL, &out, &len), 0);
	ck_assert_uint_eq(len, 1);
	ck_assert_uint_eq(out, 9);
}
END_TEST

START_TEST(ttl_has_its_range_and_default)
{
	ck_assert_int_eq(get(IPPROTO_IP, IP_TTL), 64);
	ck_assert_int_eq(set(IPPROTO_IP, IP_TTL, 0), -EINVAL);
	ck_assert_int_eq(set(IPPROTO_IP, IP_TTL, 256), -EINVAL);
	ck_assert_int_eq(set(IPPROTO_IP, IP_TTL, 255), 0);
	ck_assert_int_eq(get(IPPROTO_IP, IP_TTL), 255);
	ck_assert_int_eq(set(IPPROTO_IP, IP_TTL, -1), 0);
	ck_assert_int_eq(get(IPPROTO_IP, IP_TTL), 64);
}
END_TEST

START_TEST(tcp_keeps_the_ecn_bits_of_tos_to_itself)
{
	ck_assert_int_eq(set(IPPROTO_IP, IP_TOS, 0xff), 0);
	ck_assert_int_eq(get(IPPROTO_IP, IP_TOS), 0xff);
	so = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(set(IPPROTO_IP, IP_TOS, 0xff), 0);
	ck_assert_int_eq(get(IPPROTO_IP, IP_TOS), 0xfc);
}
END_TEST

START_TEST(path_mtu_options_work_on_a_connected_socket)
{
	int v;
	uint32_t len = 4;

	ck_assert_int_eq(get(IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_WANT);
	ck_assert_int_eq(set(IPPROTO_IP, IP_MTU_DISCOVER, 6), -EINVAL);
	ck_assert_int_eq(set(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO), 0);
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IP, IP_MTU, &v, &len), -ENOTCONN);
	ck_assert_int_eq(desk_connect(so, ip(10, 0, 0, 9), 9), 0);
	ck_assert_int_eq(get(IPPROTO_IP, IP_MTU), 1500);
}
END_TEST

START_TEST(cookie_and_meminfo_have_their_lengths)
{
	uint64_t cookie = 0;
	uint32_t info[9] = {0}, len = 4;

	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_COOKIE, &cookie, &len), -EINVAL);
	len = 8;
	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	ck_assert_uint_eq(cookie, sock_id(so));
	len = sizeof(info);
	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_MEMINFO, info, &len), 0);
	ck_assert_uint_eq(len, 36);
	ck_assert_uint_eq(info[1], so->rcvbuf);
}
END_TEST

int main(void)
{
	return run_cases(
		"sockopt",
		CASES(flags_are_kept_as_zero_and_one, buffer_sizes_are_doubled_within_limits,
		      what_a_socket_is_can_be_asked, so_error_is_read_once,
		      short_values_are_refused, a_short_answer_is_cut,
		      options_nobody_knows_are_refused, what_needs_a_privilege_is_refused,
		      what_is_not_there_is_off_and_stays_so, linger_is_kept,
		      timeouts_are_kept_and_checked, ip_options_take_a_byte_and_give_one,
		      ttl_has_its_range_and_default, tcp_keeps_the_ecn_bits_of_tos_to_itself,
		      path_mtu_options_work_on_a_connected_socket,
		      cookie_and_meminfo_have_their_lengths),
		setup, teardown);
}
