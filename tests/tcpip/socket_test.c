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
	ck_assert_int_eq(create(AF_INET6, SOCK_DGRAM, IPPROTO_ICMP), -EPROTONOSUPPORT);
	ck_assert_int_eq(create(AF_INET6, SOCK_STREAM, 0), 0);
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

/* ---- streams, as far as the layers around TCP are concerned */

START_TEST(connecting_to_a_neighbour_that_is_not_there_fails_with_ehostunreach)
{
	struct socket *so = desk_socket(&d, SOCK_STREAM, 0);
	int err = 0;
	uint32_t len = sizeof(err);

	ck_assert_int_eq(desk_connect(so, ip(10, 0, 0, 77), 80), -EINPROGRESS);
	desk_pass(&d, 4 * SEC_NS);
	ck_assert_uint_eq(sock_events(so) & POLLERR, POLLERR);
	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	ck_assert_int_eq(err, EHOSTUNREACH);
}
END_TEST

START_TEST(connecting_without_a_route_fails_at_once)
{
	ck_assert_int_eq(desk_connect(desk_socket(&d, SOCK_STREAM, 0), ip(8, 8, 8, 8), 80),
			 -ENETUNREACH);
}
END_TEST

START_TEST(a_stream_to_ourselves_carries_data_and_ends)
{
	struct socket *l = desk_socket(&d, SOCK_STREAM, 0), *c = desk_socket(&d, SOCK_STREAM, 0);
	struct socket *s;
	struct sock_addr peer, name_of_c;
	static char out[50000], in[50000];
	size_t sent = 0, got = 0;
	int64_t n;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 251);
	ck_assert_int_eq(desk_bind(l, 0, 80), 0);
	ck_assert_int_eq(sock_listen(l, 5), 0);
	ck_assert_int_eq(desk_connect(c, ip(10, 0, 0, 1), 80), -EINPROGRESS);
	desk_pass(&d, 10 * MS_NS);
	ck_assert_int_eq(sock_accept(l, &s, &peer), 0);
	sock_name(c, &name_of_c);
	ck_assert_uint_eq(peer.port, name_of_c.port);
	ck_assert_int_eq(sock_peer(c, &peer), 0);
	for (int round = 0; round < 10000 && got < sizeof(out); round++) {
		n = sent < sizeof(out) ? desk_send(&d, c, out + sent, sizeof(out) - sent, NULL) : 0;
		if (n > 0)
			sent += (size_t)n;
		desk_pass(&d, MS_NS);
		n = desk_recv(s, in + got, sizeof(in) - got, 0, NULL, NULL);
		if (n > 0)
			got += (size_t)n;
	}
	ck_assert_uint_eq(got, sizeof(out));
	ck_assert_mem_eq(in, out, sizeof(out));
	sock_close(c);
	desk_pass(&d, 100 * MS_NS);
	ck_assert_int_eq(desk_recv(s, in, 1, 0, NULL, NULL), 0);
	sock_close(s);
	sock_close(l);
	desk_pass(&d, 130 * SEC_NS);
	ck_assert_uint_eq(d.st->sockets.used, 0);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 0);
}
END_TEST

START_TEST(a_packet_to_a_closed_port_of_ours_is_refused)
{
	struct socket *c = desk_socket(&d, SOCK_STREAM, 0);
	int err = 0;
	uint32_t len = sizeof(err);

	desk_connect(c, ip(10, 0, 0, 1), 81);
	desk_pass(&d, 10 * MS_NS);
	ck_assert_int_eq(sock_getopt(c, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	ck_assert_int_eq(err, ECONNREFUSED);
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
		      the_out_queue_of_a_datagram_socket_is_empty,
		      connecting_to_a_neighbour_that_is_not_there_fails_with_ehostunreach,
		      connecting_without_a_route_fails_at_once,
		      a_stream_to_ourselves_carries_data_and_ends,
		      a_packet_to_a_closed_port_of_ours_is_refused),
		setup, teardown);
}
