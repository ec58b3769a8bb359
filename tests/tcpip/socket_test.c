/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

static struct desk d;

static void setup(void)
{
	desk_open(&d);
}

static void teardown(void)
{
	desk_close(&d);
}

static int create(int domain, int type, int protocol)
{
	struct socket *so;

	return sock_create(d.st, domain, type, protocol, 1, &so);
}

START_TEST(what_cannot_be_made_is_refused_as_linux_does)
{
	ck_assert_int_eq(create(AF_INET6, SOCK_STREAM, 0), -EAFNOSUPPORT);
	ck_assert_int_eq(create(AF_UNIX, SOCK_STREAM, 0), -EAFNOSUPPORT);
	ck_assert_int_eq(create(AF_INET, SOCK_RAW, IPPROTO_ICMP), -ESOCKTNOSUPPORT);
	ck_assert_int_eq(create(AF_INET, SOCK_SEQPACKET, 0), -ESOCKTNOSUPPORT);
	ck_assert_int_eq(create(AF_INET, 15, 0), -EINVAL);
	ck_assert_int_eq(create(AF_INET, SOCK_STREAM, IPPROTO_UDP), -EPROTONOSUPPORT);
	ck_assert_int_eq(create(AF_INET, SOCK_DGRAM, IPPROTO_TCP), -EPROTONOSUPPORT);
	ck_assert_int_eq(create(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 0);
	ck_assert_int_eq(create(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), 0);
}
END_TEST

START_TEST(a_dead_sockets_id_never_names_another)
{
	struct socket *so = desk_socket(&d, SOCK_DGRAM, 0), *next;
	uint32_t id = sock_id(so);

	ck_assert_ptr_eq(sock_get(d.st, id), so);
	sock_close(so);
	ck_assert_ptr_null(sock_get(d.st, id));
	next = desk_socket(&d, SOCK_DGRAM, 0);
	ck_assert_ptr_eq(next, so); /* the same memory */
	ck_assert_ptr_null(sock_get(d.st, id));
	ck_assert_uint_ne(sock_id(next), id);
}
END_TEST

START_TEST(ids_that_never_were_name_nothing)
{
	desk_socket(&d, SOCK_DGRAM, 0);
	for (uint32_t i = 0; i < 4096; i++)
		ck_assert_ptr_null(sock_get(d.st, i));
	ck_assert_ptr_null(sock_get(d.st, 0xffffffffu));
	ck_assert_ptr_null(sock_get(d.st, 0x80008000u));
}
END_TEST

START_TEST(a_full_table_says_enfile_and_recovers)
{
	struct socket *last = NULL, *so;
	int n = 0, r;

	while ((r = sock_create(d.st, AF_INET, SOCK_DGRAM, 0, 1, &so)) == 0) {
		last = so;
		n++;
	}
	ck_assert_int_eq(r, -ENFILE);
	ck_assert_int_eq(n, 256);
	sock_close(last);
	ck_assert_int_eq(create(AF_INET, SOCK_DGRAM, 0), 0);
}
END_TEST

START_TEST(binding_to_an_address_that_is_not_ours_is_refused)
{
	struct socket *tcp = desk_socket(&d, SOCK_STREAM, 0);
	struct socket *udp = desk_socket(&d, SOCK_DGRAM, 0);
	struct sock_addr six = {.family = AF_INET6}, any = {.family = AF_UNSPEC, .port = 9};
	struct sock_addr odd = name(ip(10, 0, 0, 1), 9);

	odd.family = AF_UNSPEC;
	ck_assert_int_eq(desk_bind(tcp, ip(10, 0, 0, 2), 9), -EADDRNOTAVAIL);
	ck_assert_int_eq(desk_bind(udp, ip(127, 0, 0, 1), 9), -EADDRNOTAVAIL);
	ck_assert_int_eq(desk_bind(tcp, ip(10, 0, 0, 255), 9), -EADDRNOTAVAIL);
	ck_assert_int_eq(sock_bind(udp, &six), -EAFNOSUPPORT);
	ck_assert_int_eq(sock_bind(udp, &odd), -EAFNOSUPPORT);
	ck_assert_int_eq(sock_bind(udp, &any), 0);
}
END_TEST

START_TEST(datagram_sockets_do_not_listen_or_accept)
{
	struct socket *so = desk_socket(&d, SOCK_DGRAM, 0), *out;
	struct sock_addr peer;

	ck_assert_int_eq(sock_listen(so, 5), -EOPNOTSUPP);
	ck_assert_int_eq(sock_accept(so, &out, &peer), -EOPNOTSUPP);
}
END_TEST

START_TEST(accepting_on_a_socket_that_does_not_listen_leaves_nothing)
{
	struct socket *so = desk_socket(&d, SOCK_STREAM, 0), *out;
	struct sock_addr peer;
	uint32_t used = d.st->sockets.used;

	ck_assert_int_eq(sock_accept(so, &out, &peer), -EINVAL);
	ck_assert_uint_eq(d.st->sockets.used, used);
}
END_TEST

START_TEST(a_stream_does_not_connect_to_many)
{
	struct socket *so = desk_socket(&d, SOCK_STREAM, 0);
	struct sock_addr six = {.family = AF_INET6};

	ck_assert_int_eq(desk_connect(so, ip(10, 0, 0, 255), 9), -ENETUNREACH);
	ck_assert_int_eq(desk_connect(so, ip(224, 0, 0, 1), 9), -ENETUNREACH);
	ck_assert_int_eq(sock_connect(so, &six), -EAFNOSUPPORT);
}
END_TEST

START_TEST(a_new_socket_says_what_it_is_ready_for)
{
	struct socket *so = desk_socket(&d, SOCK_DGRAM, 0);

	ck_assert_uint_eq(d.ready_id, sock_id(so));
	ck_assert_uint_eq(d.ready_events, POLLOUT | POLLWRNORM | POLLWRBAND);
	ck_assert_uint_eq(sock_client(so), 1);
}
END_TEST

START_TEST(the_out_queue_of_a_datagram_socket_is_empty)
{
	ck_assert_int_eq(sock_unsent(desk_socket(&d, SOCK_DGRAM, 0)), 0);
}
END_TEST

int main(void)
{
	return run_cases(
		"socket",
		CASES(what_cannot_be_made_is_refused_as_linux_does,
		      a_dead_sockets_id_never_names_another, ids_that_never_were_name_nothing,
		      a_full_table_says_enfile_and_recovers,
		      binding_to_an_address_that_is_not_ours_is_refused,
		      datagram_sockets_do_not_listen_or_accept,
		      accepting_on_a_socket_that_does_not_listen_leaves_nothing,
		      a_stream_does_not_connect_to_many, a_new_socket_says_what_it_is_ready_for,
		      the_out_queue_of_a_datagram_socket_is_empty),
		setup, teardown);
}
