/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * upcall/shim/convert.c with the shim's own socket calls around it: a kernel socket becomes a
 * Sandwire socket under the same number. The sandbox is a few lines here; its descriptors are
 * eventfds.
 */
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/upcall/fake_attachment.h"
#include "upcall/shim/shim.h"

static struct {
	int level, name, number;
	uint64_t len;
} set[64];
static unsigned n_set;
static int made_type, made_fd, connects;
static uint16_t bound_port;

static int64_t sandbox(struct call *c)
{
	struct call_slot *slot = c->slot;
	struct call_addr addr;

	memcpy(&addr, slot->inl, sizeof(addr));
	switch (slot->nr) {
	case CALL_SOCKET:
		made_type = (int)slot->arg[1];
		made_fd = eventfd(1, EFD_CLOEXEC | (made_type & SOCK_NONBLOCK ? EFD_NONBLOCK : 0));
		slot->sock = 77;
		return made_fd;
	case CALL_SETSOCKOPT:
		set[n_set].level = (int)slot->arg[0];
		set[n_set].name = (int)slot->arg[1];
		set[n_set].len = slot->arg[2];
		memcpy(&set[n_set++].number, slot->inl, sizeof(int));
		return 0;
	case CALL_BIND:
		bound_port = addr.port;
		return 0;
	case CALL_ROUTE:
		return addr.addr[0] == 192 ? 0 : -ENETUNREACH;
	case CALL_CONNECT:
		connects++;
		return 0;
	}
	return 0;
}

static void start(void)
{
	fake_attach(sandbox, false);
	n_set = 0;
	connects = 0;
	bound_port = 0;
}

static struct sockaddr_in in4(const char *text, uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};

	inet_pton(AF_INET, text, &sin.sin_addr);
	return sin;
}

static int connect_to(int fd, const char *text)
{
	struct sockaddr_in sin = in4(text, 80);

	return connect(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static bool was_set(int level, int name, int number)
{
	for (unsigned i = 0; i < n_set; i++)
		if (set[i].level == level && set[i].name == name && set[i].number == number)
			return true;
	return false;
}

START_TEST(a_routed_destination_changes_the_stack_under_the_number)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	ck_assert_int_eq(FD_KIND(fd_get(fd)), FD_INET);
	ck_assert_int_eq(connect_to(fd, "192.0.2.2"), 0);
	ck_assert_int_eq(FD_KIND(fd_get(fd)), FD_SOCK);
	ck_assert_uint_eq(FD_ID(fd_get(fd)), 77);
	ck_assert_int_eq(connects, 1);
	ck_assert_int_eq(made_type & 0xf, SOCK_STREAM);
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	ck_assert(!(fcntl(fd, F_GETFD) & FD_CLOEXEC));
	ck_assert_int_eq(FD_KIND(fd_get(made_fd)), FD_UNKNOWN);
	ck_assert_int_eq(close(fd), 0);
	ck_assert_int_eq(FD_KIND(fd_get(fd)), FD_UNKNOWN);
}
END_TEST

START_TEST(another_destination_leaves_it_to_the_kernel)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_eq(connect_to(fd, "127.0.0.1"), 0);
	ck_assert_int_eq(FD_KIND(fd_get(fd)), FD_INET);
	ck_assert_int_eq(connects, 0);
	close(fd);
}
END_TEST

START_TEST(options_set_before_are_carried_over)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, size = 65536, idle = 77;
	struct timeval tv = {3, 0};
	struct linger linger = {1, 5};

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	ck_assert_int_eq(connect_to(fd, "192.0.2.2"), 0);
	ck_assert_uint_eq(n_set, 6);
	ck_assert(was_set(IPPROTO_TCP, TCP_NODELAY, 1));
	ck_assert(was_set(IPPROTO_TCP, TCP_KEEPIDLE, 77));
	ck_assert(was_set(SOL_SOCKET, SO_REUSEADDR, 1));
	ck_assert(was_set(SOL_SOCKET, SO_SNDBUF, 65536));
	ck_assert(was_set(SOL_SOCKET, SO_LINGER, 1));
	ck_assert(fd_get(fd) & FD_TIMEO);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}
END_TEST

START_TEST(of_rarer_options_those_are_carried_over_that_were_set)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	ck_assert_int_eq(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)), 0);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){0}, sizeof(int)); /* said, so carried */
	ck_assert_int_eq(connect_to(fd, "192.0.2.2"), 0);
	ck_assert_uint_eq(n_set, 4);
	ck_assert(was_set(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1));
	ck_assert(was_set(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
	ck_assert(was_set(IPPROTO_TCP, TCP_NODELAY, 1));
	ck_assert(was_set(SOL_SOCKET, SO_KEEPALIVE, 0));
	close(fd);
}
END_TEST

START_TEST(what_ipv6_packets_may_do_is_carried_over)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), hops = 7, probe = IPV6_PMTUDISC_PROBE;

	to.sin6_addr.s6_addr[0] = 192;
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops)), 0);
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof(probe)), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(FD_KIND(fd_get(fd)), FD_SOCK);
	ck_assert(was_set(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 7));
	ck_assert(was_set(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE));
	ck_assert(!was_set(IPPROTO_IPV6, IPV6_MULTICAST_ALL, 1)); /* as it always is */
	close(fd);
}
END_TEST

START_TEST(of_an_inherited_socket_only_what_differs_from_a_fresh_one)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fd_forget(fd);
	ck_assert_int_eq(connect_to(fd, "192.0.2.2"), 0);
	ck_assert_uint_eq(n_set, 1);
	ck_assert(was_set(IPPROTO_TCP, TCP_NODELAY, 1));
	close(fd);
}
END_TEST

START_TEST(all_numbers_of_the_socket_change_together)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);
	int twin = dup(fd), third = fcntl(twin, F_DUPFD, 100);

	ck_assert_int_ge(third, 100);
	ck_assert_int_eq(connect_to(twin, "192.0.2.2"), 0);
	ck_assert_int_eq(FD_KIND(fd_get(fd)), FD_SOCK);
	ck_assert_int_eq(FD_KIND(fd_get(twin)), FD_SOCK);
	ck_assert_int_eq(FD_KIND(fd_get(third)), FD_SOCK);
	ck_assert_int_eq(FD_KIND(fd_get(other)), FD_INET);
	close(fd);
	close(twin);
	close(third);
	close(other);
}
END_TEST

START_TEST(epoll_registrations_move_with_the_number)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), ep = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = 1234567890123ull}, got;

	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	ck_assert_int_eq(connect_to(fd, "192.0.2.2"), 0);
	/* The fake socket is an eventfd that is readable from the start. */
	ck_assert_int_eq(epoll_wait(ep, &got, 1, 0), 1);
	ck_assert(got.data.u64 == 1234567890123ull);
	ck_assert_int_eq(epoll_wait(ep, &got, 1, 0), 0);
	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev), 0);
	close(fd);
	close(ep);
}
END_TEST

START_TEST(a_registration_taken_back_does_not_move)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), ep = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN}, got;

	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	ck_assert_int_eq(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL), 0);
	ck_assert_int_eq(connect_to(fd, "192.0.2.2"), 0);
	ck_assert_int_eq(epoll_wait(ep, &got, 1, 0), 0);
	close(fd);
	close(ep);
}
END_TEST

START_TEST(a_port_chosen_before_is_kept)
{
	struct sockaddr_in any = in4("0.0.0.0", 0), name;
	socklen_t len = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	ck_assert_int_eq(FD_KIND(fd_get(fd)), FD_INET);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	ck_assert_int_ne(name.sin_port, 0);
	ck_assert_int_eq(connect_to(fd, "192.0.2.2"), 0);
	ck_assert_uint_eq(bound_port, ntohs(name.sin_port));
	close(fd);
}
END_TEST

START_TEST(the_owner_chosen_before_is_kept)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), who = getpid();

	ck_assert_int_eq(ioctl(fd, FIOSETOWN, &who), 0);
	ck_assert_int_eq(fcntl(fd, F_SETSIG, SIGUSR1), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK), 0);
	ck_assert_int_eq(connect_to(fd, "192.0.2.2"), 0);
	ck_assert_uint_eq(fake_crossings[CALL_SIGNAL], 1);
	ck_assert_int_eq(fcntl(fd, F_GETOWN), who);
	ck_assert_int_eq(fcntl(fd, F_GETSIG), SIGUSR1);
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK); /* an eventfd has no O_ASYNC */
	ck_assert_int_eq(fcntl(fd, F_SETOWN, 0), 0);
	ck_assert_uint_eq(fake_crossings[CALL_SIGNAL], 2);
	who = -getpgrp();
	ck_assert_int_eq(ioctl(fd, SIOCSPGRP, &who), 0);
	who = 0;
	ck_assert_int_eq(ioctl(fd, SIOCGPGRP, &who), 0);
	ck_assert_int_eq(who, -getpgrp());
	ck_assert_int_eq(fcntl(fd, F_GETOWN), -getpgrp());
	ck_assert_uint_eq(fake_crossings[CALL_SIGNAL], 3);
	close(fd);
}
END_TEST

START_TEST(a_datagram_socket_goes_where_its_first_datagram_goes)
{
	struct sockaddr_in net = in4("192.0.2.2", 9), lo = in4("127.0.0.1", 9);
	int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert_int_eq(sendto(a, "x", 1, 0, (struct sockaddr *)&net, sizeof(net)), 0);
	ck_assert_int_eq(FD_KIND(fd_get(a)), FD_SOCK);
	ck_assert_int_eq(sendto(b, "x", 1, 0, (struct sockaddr *)&lo, sizeof(lo)), 1);
	ck_assert_int_eq(FD_KIND(fd_get(b)), FD_INET);
	ck_assert(fd_get(b) & FD_USED);
	close(a);
	close(b);
}
END_TEST

START_TEST(a_stale_word_heals)
{
	int pipes[2];
	char c;

	ck_assert_int_eq(pipe(pipes), 0);
	fake_socket(pipes[0], 0);
	ck_assert_int_eq(write(pipes[1], "x", 1), 1);
	fake_crossing = -ENOTTY;
	errno = 5;
	ck_assert_int_eq(read(pipes[0], &c, 1), 1);
	ck_assert_int_eq(errno, 5);
	ck_assert_int_eq(FD_KIND(fd_get(pipes[0])), FD_UNKNOWN);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("convert");
	TCase *tc = tcase_create("sockets");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, a_routed_destination_changes_the_stack_under_the_number);
	tcase_add_test(tc, another_destination_leaves_it_to_the_kernel);
	tcase_add_test(tc, options_set_before_are_carried_over);
	tcase_add_test(tc, of_rarer_options_those_are_carried_over_that_were_set);
	tcase_add_test(tc, what_ipv6_packets_may_do_is_carried_over);
	tcase_add_test(tc, of_an_inherited_socket_only_what_differs_from_a_fresh_one);
	tcase_add_test(tc, all_numbers_of_the_socket_change_together);
	tcase_add_test(tc, epoll_registrations_move_with_the_number);
	tcase_add_test(tc, a_registration_taken_back_does_not_move);
	tcase_add_test(tc, a_port_chosen_before_is_kept);
	tcase_add_test(tc, the_owner_chosen_before_is_kept);
	tcase_add_test(tc, a_datagram_socket_goes_where_its_first_datagram_goes);
	tcase_add_test(tc, a_stale_word_heals);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
