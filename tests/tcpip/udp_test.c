/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/socket.h"
#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

#define PEER ip(10, 0, 0, 9)
#define US   ip(10, 0, 0, 1)
#define ALL  ip(10, 0, 0, 255)

static struct desk d;
static struct packet pk;
static struct socket *so;
static char buf[2048];

static void setup(void)
{
	desk_open(&d);
	desk_know(&d, PEER);
	so = desk_socket(&d, SOCK_DGRAM, 0);
}

static void teardown(void)
{
	desk_close(&d);
}

static struct socket *udp(void)
{
	return desk_socket(&d, SOCK_DGRAM, IPPROTO_UDP);
}

static void on(struct socket *s, int name)
{
	int one = 1;

	ck_assert_int_eq(sock_setopt(s, SOL_SOCKET, name, &one, sizeof(one)), 0);
}

static int64_t got(struct socket *s)
{
	return desk_recv(s, buf, sizeof(buf), 0, NULL, NULL);
}

static void in(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport)
{
	desk_udp(&d, src, sport, dst, dport, "datagram", 8);
}

/* ---- in */

START_TEST(a_datagram_comes_with_its_sender)
{
	struct sock_addr from;
	uint64_t full;

	desk_bind(so, 0, 53);
	in(PEER, 999, US, 53);
	ck_assert_int_eq(desk_recv(so, buf, sizeof(buf), 0, &from, &full), 8);
	ck_assert_mem_eq(buf, "datagram", 8);
	ck_assert_uint_eq(full, 8);
	ck_assert_uint_eq(from.family, AF_INET);
	ck_assert_uint_eq(from.port, 999);
	ck_assert_mem_eq(from.addr, &(uint32_t){PEER}, 4);
}
END_TEST

START_TEST(datagrams_keep_their_order_and_bounds)
{
	desk_bind(so, 0, 53);
	desk_udp(&d, PEER, 9, US, 53, "one", 3);
	desk_udp(&d, PEER, 9, US, 53, "", 0);
	desk_udp(&d, PEER, 9, US, 53, "three", 5);
	ck_assert_int_eq(sock_readable(so), 3);
	ck_assert_int_eq(got(so), 3);
	ck_assert_int_eq(sock_readable(so), 0);
	ck_assert_uint_eq(sock_events(so) & POLLIN, POLLIN);
	ck_assert_int_eq(got(so), 0);
	ck_assert_int_eq(got(so), 5);
	ck_assert_int_eq(got(so), -EAGAIN);
	ck_assert_uint_eq(sock_events(so) & POLLIN, 0);
}
END_TEST

START_TEST(a_short_buffer_cuts_the_datagram_and_says_its_length)
{
	uint64_t full;

	desk_bind(so, 0, 53);
	in(PEER, 9, US, 53);
	in(PEER, 9, US, 53);
	ck_assert_int_eq(desk_recv(so, buf, 3, 0, NULL, &full), 3);
	ck_assert_uint_eq(full, 8);
	ck_assert_int_eq(desk_recv(so, buf, 0, 0, NULL, &full), 0);
	ck_assert_uint_eq(full, 8);
	ck_assert_int_eq(got(so), -EAGAIN);
}
END_TEST

START_TEST(a_datagram_that_was_not_delivered_is_the_next_again)
{
	struct sock_slice s;
	uint64_t full;
	unsigned n;

	desk_bind(so, 0, 53);
	desk_udp(&d, PEER, 9, US, 53, "first", 5);
	desk_udp(&d, PEER, 9, US, 53, "2nd", 3);
	ck_assert_int_eq(sock_recv_take(so, 2, 0, &s, &n, NULL, &full), 2);
	sock_recv_undo(so, 0, &s, n);
	ck_assert_int_eq(sock_readable(so), 5);
	ck_assert_int_eq(got(so), 5);
	ck_assert_mem_eq(buf, "first", 5);
	ck_assert_int_eq(sock_recv_take(so, 9, 0, &s, &n, NULL, &full), 3);
	sock_recv_undo(so, 0, &s, n);
	desk_udp(&d, PEER, 9, US, 53, "third", 5);
	ck_assert_int_eq(got(so), 3);
	ck_assert_int_eq(got(so), 5);
	ck_assert_int_eq(got(so), -EAGAIN);
}
END_TEST

START_TEST(a_peek_leaves_the_datagram)
{
	desk_bind(so, 0, 53);
	in(PEER, 9, US, 53);
	ck_assert_int_eq(desk_recv(so, buf, 2, MSG_PEEK, NULL, NULL), 2);
	ck_assert_int_eq(desk_recv(so, buf, 2048, MSG_PEEK, NULL, NULL), 8);
	ck_assert_int_eq(got(so), 8);
}
END_TEST

START_TEST(a_closed_port_is_answered_with_port_unreachable)
{
	in(PEER, 999, US, 53);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(pk.csum_ok);
	ck_assert_uint_eq(pk.icmp.type, 3);
	ck_assert_uint_eq(pk.icmp.code, 3);
	ck_assert_uint_eq(pk.payload_len, 20 + 8 + 8);
	ck_assert_uint_eq(wire_get16(pk.payload + 20), 999);
	ck_assert_uint_eq(wire_get16(pk.payload + 22), 53);
	ck_assert_uint_eq(desk_count(&d, "UdpNoPorts"), 1);
}
END_TEST

START_TEST(a_broadcast_to_a_closed_port_is_not_answered)
{
	in(PEER, 999, ALL, 53);
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

START_TEST(a_wrong_checksum_is_dropped_and_none_is_accepted)
{
	struct ip4_hdr h = {.protocol = IPPROTO_UDP, .src = PEER, .dst = US};

	desk_bind(so, 0, 53);
	desk_ip4(&d, &h, "\0\x09\0\x35\0\x09\x12\x34x", 9);
	ck_assert_int_eq(got(so), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "UdpInCsumErrors"), 1);
	desk_ip4(&d, &h, "\0\x09\0\x35\0\x09\0\0x", 9);
	ck_assert_int_eq(got(so), 1);
}
END_TEST

START_TEST(lengths_that_disagree_with_ip_are_dropped_or_cut)
{
	struct ip4_hdr h = {.protocol = IPPROTO_UDP, .src = PEER, .dst = US};

	desk_bind(so, 0, 53);
	desk_ip4(&d, &h, "\0\x09\0\x35\0\x0a\0\0x", 9);
	desk_ip4(&d, &h, "\0\x09\0\x35\0\x07\0\0x", 9);
	desk_ip4(&d, &h, "\0\x09\0\x35\0\x09\0", 7);
	ck_assert_int_eq(got(so), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "UdpInErrors"), 3);
	desk_ip4(&d, &h, "\0\x09\0\x35\0\x09\0\0xyz", 11);
	ck_assert_int_eq(got(so), 1);
}
END_TEST

START_TEST(a_full_receive_buffer_drops_and_counts)
{
	int small = 8192, n = 0; /* doubled: eight buffers of 2 KiB */

	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_RCVBUF, &small, 4), 0);
	desk_bind(so, 0, 53);
	for (int i = 0; i < 20; i++)
		in(PEER, 9, US, 53);
	while (got(so) == 8)
		n++;
	ck_assert_int_eq(n, 8);
	ck_assert_uint_eq(desk_count(&d, "UdpRcvbufErrors"), 12);
}
END_TEST

START_TEST(the_last_buffers_are_not_for_datagrams)
{
	for (uint16_t i = 0; i < 8; i++)
		desk_bind(i ? udp() : so, 0, (uint16_t)(100 + i));
	for (int i = 0; i < 100; i++)
		for (uint16_t port = 100; port < 108; port++)
			in(PEER, 9, US, port);
	ck_assert_uint_ge(d.pool.avail, DESK_PKTBUFS / 8 - 1);
}
END_TEST

/* ---- who gets it */

START_TEST(the_best_match_gets_the_datagram)
{
	struct socket *addressed = udp(), *both = udp(), *other = udp();

	on(so, SO_REUSEADDR);
	on(addressed, SO_REUSEADDR);
	on(both, SO_REUSEADDR);
	on(other, SO_REUSEADDR);
	ck_assert_int_eq(desk_bind(so, 0, 53), 0);
	ck_assert_int_eq(desk_bind(addressed, US, 53), 0);
	ck_assert_int_eq(desk_bind(both, 0, 53), 0);
	ck_assert_int_eq(desk_connect(both, PEER, 9), 0);
	ck_assert_int_eq(desk_bind(other, 0, 54), 0);
	in(PEER, 9, US, 53);
	ck_assert_int_eq(got(both), 8);
	in(PEER, 10, US, 53);
	ck_assert_int_eq(got(addressed), 8);
	sock_close(addressed);
	in(PEER, 10, US, 53);
	ck_assert_int_eq(got(so), 8);
	ck_assert_int_eq(got(both), -EAGAIN);
	ck_assert_int_eq(got(other), -EAGAIN);
}
END_TEST

START_TEST(a_connected_socket_hears_its_peer_alone)
{
	desk_bind(so, 0, 53);
	ck_assert_int_eq(desk_connect(so, PEER, 9), 0);
	in(PEER, 10, US, 53);
	in(ip(10, 0, 0, 8), 9, US, 53);
	ck_assert_int_eq(got(so), -EAGAIN);
	in(PEER, 9, US, 53);
	ck_assert_int_eq(got(so), 8);
}
END_TEST

START_TEST(a_broadcast_reaches_every_socket_it_fits)
{
	struct socket *second = udp(), *addressed = udp();

	on(so, SO_REUSEADDR);
	on(second, SO_REUSEADDR);
	on(addressed, SO_REUSEADDR);
	desk_bind(so, 0, 53);
	desk_bind(second, ALL, 53);
	desk_bind(addressed, US, 53);
	in(PEER, 9, ALL, 53);
	ck_assert_int_eq(got(so), 8);
	ck_assert_int_eq(got(second), 8);
	ck_assert_mem_eq(buf, "datagram", 8);
	ck_assert_int_eq(got(addressed), -EAGAIN);
}
END_TEST

START_TEST(reuseport_spreads_flows_and_keeps_each_in_place)
{
	struct socket *s[4];
	unsigned total = 0;

	for (int i = 0; i < 4; i++) {
		s[i] = udp();
		on(s[i], SO_REUSEPORT);
		ck_assert_int_eq(desk_bind(s[i], 0, 53), 0);
	}
	for (int round = 0; round < 2; round++)
		for (uint16_t port = 1000; port < 1064; port++)
			in(PEER, port, US, 53);
	for (int i = 0; i < 4; i++) {
		unsigned seen[64] = {0}, n = 0;
		struct sock_addr from;

		while (desk_recv(s[i], buf, sizeof(buf), 0, &from, NULL) == 8) {
			seen[from.port - 1000]++;
			n++;
		}
		for (int j = 0; j < 64; j++)
			ck_assert(seen[j] == 0 || seen[j] == 2);
		ck_assert_uint_ge(n, 8);
		total += n;
	}
	ck_assert_uint_eq(total, 128);
}
END_TEST

/* ---- names */

static struct socket *sharing(uint32_t client, uint16_t port, int want)
{
	struct socket *s;

	ck_assert_int_eq(sock_create(d.st, AF_INET, SOCK_DGRAM, 0, client, &s), 0);
	on(s, SO_REUSEADDR);
	ck_assert_int_eq(desk_bind(s, 0, port), want);
	return s;
}

/* How many sockets have those of another port behind them in their bucket. */
static unsigned in_the_way(void)
{
	unsigned n = 0;
	uint32_t i;

	for (i = 0; i < d.st->sockets.high; i++) {
		const struct socket *s = pool_at(&d.st->sockets, i);

		n += s->kind && s->hash_next;
	}
	return n;
}

START_TEST(a_users_crowd_on_a_port_is_bounded_and_in_no_other_ports_way)
{
	struct socket *s[SOCK_PORT_MAX], *other[2], *friend, *most;
	unsigned i;

	stack_client_add(d.st, 1, 1001);
	stack_client_add(d.st, 2, 1002);
	d.st->quota = 95;
	other[0] = sharing(2, 53 + 4096, 0);
	for (i = 0; i < SOCK_PORT_MAX; i++)
		s[i] = sharing(1, 53, 0);
	most = sharing(1, 53, -EADDRINUSE);
	other[1] = sharing(2, 53 + 2 * 4096, 0);
	friend = sharing(2, 53, 0); /* another's share is his own */
	ck_assert_uint_eq(in_the_way(), 2);
	in(PEER, 9, US, 53 + 4096);
	in(PEER, 9, US, 53 + 2 * 4096);
	ck_assert_int_eq(got(other[0]), 8);
	ck_assert_int_eq(got(other[1]), 8);
	in(PEER, 9, US, 53);
	ck_assert_int_eq(got(friend), 8); /* the last bound */
	/* The first goes, one in the midst, and the last. */
	sock_close(friend);
	sock_close(s[SOCK_PORT_MAX / 2]);
	sock_close(s[0]);
	ck_assert_uint_eq(in_the_way(), 2);
	ck_assert_int_eq(desk_bind(most, 0, 53), 0);
	in(PEER, 9, US, 53);
	ck_assert_int_eq(got(most), 8);
	sock_close(most);
	for (i = 1; i < SOCK_PORT_MAX; i++)
		if (i != SOCK_PORT_MAX / 2)
			sock_close(s[i]);
	ck_assert_uint_eq(in_the_way(), 1);
	in(PEER, 9, US, 53 + 2 * 4096);
	ck_assert_int_eq(got(other[1]), 8);
	ck_assert_uint_eq(desk_count(&d, "UdpNoPorts"), 0);
	in(PEER, 9, US, 53);
	ck_assert_uint_eq(desk_count(&d, "UdpNoPorts"), 1);
}
END_TEST

START_TEST(root_may_have_any_crowd_on_a_port)
{
	unsigned i;

	for (i = 0; i <= SOCK_PORT_MAX; i++)
		(void)sharing(1, 53, 0);
}
END_TEST

START_TEST(a_port_taken_is_refused_unless_both_agreed)
{
	struct socket *second = udp(), *third = udp(), *fourth = udp();

	ck_assert_int_eq(desk_bind(so, 0, 53), 0);
	ck_assert_int_eq(desk_bind(second, 0, 53), -EADDRINUSE);
	ck_assert_int_eq(desk_bind(second, US, 53), -EADDRINUSE);
	on(second, SO_REUSEADDR);
	ck_assert_int_eq(desk_bind(second, 0, 53), -EADDRINUSE);
	on(so, SO_REUSEADDR);
	ck_assert_int_eq(desk_bind(second, 0, 53), 0);
	on(third, SO_REUSEPORT);
	ck_assert_int_eq(desk_bind(third, 0, 53), -EADDRINUSE);
	ck_assert_int_eq(desk_bind(third, US, 60), 0);
	ck_assert_int_eq(desk_bind(fourth, ip(192, 168, 5, 1), 60), 0);
}
END_TEST

START_TEST(reuseport_does_not_share_with_another_client)
{
	struct socket *stranger;

	on(so, SO_REUSEPORT);
	ck_assert_int_eq(desk_bind(so, 0, 53), 0);
	ck_assert_int_eq(sock_create(d.st, AF_INET, SOCK_DGRAM, 0, 2, &stranger), 0);
	on(stranger, SO_REUSEPORT);
	ck_assert_int_eq(desk_bind(stranger, 0, 53), -EADDRINUSE);
}
END_TEST

START_TEST(a_second_bind_is_refused)
{
	ck_assert_int_eq(desk_bind(so, 0, 53), 0);
	ck_assert_int_eq(desk_bind(so, 0, 54), -EINVAL);
}
END_TEST

START_TEST(port_zero_chooses_a_free_port_in_the_ephemeral_range)
{
	struct sock_addr a;
	uint16_t last = 0, steps = 0;

	for (int i = 0; i < 100; i++) {
		struct socket *s = udp();

		ck_assert_int_eq(desk_bind(s, 0, 0), 0);
		sock_name(s, &a);
		ck_assert_uint_ge(a.port, 32768);
		ck_assert_uint_le(a.port, 60999);
		steps += a.port == last + 1;
		last = a.port;
	}
	ck_assert_uint_lt(steps, 5); /* not to be guessed from the one before */
}
END_TEST

START_TEST(a_closed_sockets_port_is_free_at_once)
{
	struct socket *second = udp();

	ck_assert_int_eq(desk_bind(so, 0, 53), 0);
	in(PEER, 9, US, 53);
	sock_close(so);
	ck_assert_int_eq(desk_bind(second, 0, 53), 0);
	ck_assert_int_eq(got(second), -EAGAIN);
}
END_TEST

START_TEST(connecting_chooses_the_source_and_disconnecting_forgets_it)
{
	struct sock_addr a, none = {.family = AF_UNSPEC};

	ck_assert_int_eq(sock_peer(so, &a), -ENOTCONN);
	ck_assert_int_eq(desk_connect(so, PEER, 9), 0);
	sock_name(so, &a);
	ck_assert_mem_eq(a.addr, &(uint32_t){US}, 4);
	ck_assert_uint_ne(a.port, 0);
	ck_assert_int_eq(sock_peer(so, &a), 0);
	ck_assert_uint_eq(a.port, 9);
	ck_assert_int_eq(sock_connect(so, &none), 0);
	ck_assert_int_eq(sock_peer(so, &a), -ENOTCONN);
	sock_name(so, &a);
	ck_assert_uint_eq(a.port, 0);
	ck_assert_mem_eq(a.addr, &(uint32_t){0}, 4);
}
END_TEST

START_TEST(disconnecting_keeps_what_was_bound)
{
	struct sock_addr a, none = {.family = AF_UNSPEC};

	desk_bind(so, US, 53);
	ck_assert_int_eq(desk_connect(so, PEER, 9), 0);
	ck_assert_int_eq(sock_connect(so, &none), 0);
	sock_name(so, &a);
	ck_assert_uint_eq(a.port, 53);
	ck_assert_mem_eq(a.addr, &(uint32_t){US}, 4);
}
END_TEST

START_TEST(a_socket_may_connect_again_elsewhere)
{
	ck_assert_int_eq(desk_connect(so, PEER, 9), 0);
	ck_assert_int_eq(desk_connect(so, ip(192, 168, 5, 9), 9), 0);
	ck_assert_uint_eq(so->local_ip, ip(192, 168, 5, 1));
	ck_assert_int_eq(desk_connect(so, ip(8, 8, 8, 8), 9), -ENETUNREACH);
}
END_TEST

/* ---- out */

START_TEST(a_sent_datagram_is_right)
{
	struct sock_addr to = name(PEER, 99);

	desk_bind(so, 0, 53);
	ck_assert_int_eq(desk_send(&d, so, "hello", 5, &to), 5);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(pk.csum_ok);
	ck_assert_uint_eq(pk.udp.sport, 53);
	ck_assert_uint_eq(pk.udp.dport, 99);
	ck_assert_uint_eq(pk.udp.len, 13);
	ck_assert_uint_ne(pk.udp.checksum, 0);
	ck_assert_mem_eq(pk.payload, "hello", 5);
}
END_TEST

START_TEST(an_empty_datagram_can_be_sent)
{
	struct sock_addr to = name(PEER, 99);

	ck_assert_int_eq(desk_send(&d, so, "", 0, &to), 0);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.udp.len, 8);
}
END_TEST

START_TEST(a_checksum_of_zero_is_sent_as_all_ones)
{
	struct sock_addr to = name(PEER, 99);
	uint16_t sum;
	uint8_t zero[2] = {0, 0};

	desk_bind(so, 0, 53);
	desk_send(&d, so, zero, 2, &to);
	ck_assert(desk_sent(&d, 0, &pk));
	sum = pk.udp.checksum; /* put into the payload it makes the sum come out as nothing */
	wire_put16(zero, sum);
	desk_send(&d, so, zero, 2, &to);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.udp.checksum, 0xffff);
	ck_assert(pk.csum_ok);
}
END_TEST

START_TEST(sends_that_cannot_be_are_refused_as_linux_does)
{
	struct sock_addr to = name(PEER, 0), six = {.family = AF_INET6, .port = 1};
	struct sock_addr all = name(ALL, 9), ones = name(0xffffffffu, 9), good = name(PEER, 9);
	struct pktbuf *list;

	ck_assert_int_eq(desk_send(&d, so, "x", 1, NULL), -EDESTADDRREQ);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), -EINVAL);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &six), -EAFNOSUPPORT);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &all), -EACCES);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &ones), -EACCES);
	ck_assert_int_eq(sock_send_reserve(so, 70000, &good, 0, &list), -EMSGSIZE);
	ck_assert_int_eq(sock_send_reserve(so, 1, &good, MSG_OOB, &list), -EOPNOTSUPP);
	ck_assert_ptr_null(list);
}
END_TEST

START_TEST(with_so_broadcast_a_broadcast_goes_out)
{
	struct sock_addr all = name(ALL, 9), ones = name(0xffffffffu, 9);

	on(so, SO_BROADCAST);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &all), 1);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.ip.dst, ALL);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &ones), 1);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.ip.dst, 0xffffffffu);
	ck_assert_uint_eq(pk.ip.src, US);
}
END_TEST

START_TEST(a_connected_socket_may_still_send_elsewhere)
{
	struct sock_addr to = name(PEER, 1234);

	ck_assert_int_eq(desk_connect(so, PEER, 9), 0);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, NULL), 1);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.udp.dport, 9);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), 1);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.udp.dport, 1234);
}
END_TEST

START_TEST(ttl_tos_and_df_are_the_sockets)
{
	struct sock_addr to = name(PEER, 9);
	int v;

	v = 5;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_TTL, &v, 4), 0);
	v = 0xb8;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_TOS, &v, 4), 0);
	v = IP_PMTUDISC_DONT;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MTU_DISCOVER, &v, 4), 0);
	desk_send(&d, so, "x", 1, &to);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.ip.ttl, 5);
	ck_assert_uint_eq(pk.ip.tos, 0xb8);
	ck_assert(!pk.ip.df);
}
END_TEST

START_TEST(a_reservation_given_back_leaves_no_trace)
{
	struct sock_addr to = name(PEER, 9);
	struct pktbuf *list;
	uint32_t avail = d.pool.avail;

	ck_assert_int_eq(sock_send_reserve(so, 100, &to, 0, &list), 100);
	ck_assert_uint_eq(list->len, 100);
	pktbuf_free_list(list);
	ck_assert_uint_eq(d.pool.avail, avail);
}
END_TEST

START_TEST(without_buffers_a_send_says_so)
{
	struct sock_addr to = name(PEER, 9);
	struct pktbuf *all = NULL, *p;

	while ((p = pktbuf_alloc(&d.pool))) {
		p->next = all;
		all = p;
	}
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), -ENOBUFS);
	pktbuf_free_list(all);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), 1);
}
END_TEST

START_TEST(an_address_taken_away_cannot_send)
{
	struct ip_addr a = {AF_INET, 24, {10, 0, 0, 1}}, b = {AF_INET, 24, {10, 0, 0, 2}};
	struct sock_addr to = name(PEER, 9);

	desk_bind(so, US, 53);
	ck_assert_int_eq(stack_addr_add(d.st, &d.port[0].port, &b), 0);
	ck_assert_int_eq(stack_addr_del(d.st, &d.port[0].port, &a), 0);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), -EINVAL);
}
END_TEST

/* ---- readiness and shutdown */

START_TEST(a_datagram_wakes_and_reading_it_clears)
{
	unsigned wakes = d.wakes;

	desk_bind(so, 0, 53);
	in(PEER, 9, US, 53);
	ck_assert_uint_eq(d.wakes, wakes + 1);
	ck_assert_uint_eq(d.ready_id, sock_id(so));
	ck_assert_uint_eq(d.ready_events & (POLLIN | POLLOUT), POLLIN | POLLOUT);
	in(PEER, 9, US, 53); /* the bits are the same, a sleeper must still look again */
	ck_assert_uint_eq(d.wakes, wakes + 2);
	got(so);
	ck_assert_uint_eq(d.ready_events & POLLIN, POLLIN);
	got(so);
	ck_assert_uint_eq(d.ready_events & (POLLIN | POLLOUT), POLLOUT);
}
END_TEST

START_TEST(shutdown_ends_each_direction)
{
	ck_assert_int_eq(sock_shutdown(so, SHUT_RD), -ENOTCONN);
	ck_assert_int_eq(sock_shutdown(so, 3), -EINVAL);
	ck_assert_int_eq(desk_connect(so, PEER, 9), 0);
	ck_assert_int_eq(sock_shutdown(so, SHUT_RD), 0);
	ck_assert_int_eq(got(so), 0);
	ck_assert_uint_eq(sock_events(so) & (POLLRDHUP | POLLHUP), POLLRDHUP);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, NULL), 1);
	ck_assert_int_eq(sock_shutdown(so, SHUT_WR), 0);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, NULL), -EPIPE);
	ck_assert_uint_eq(sock_events(so) & POLLHUP, POLLHUP);
}
END_TEST

int main(void)
{
	return run_cases(
		"udp",
		CASES(a_datagram_comes_with_its_sender, datagrams_keep_their_order_and_bounds,
		      a_short_buffer_cuts_the_datagram_and_says_its_length,
		      a_datagram_that_was_not_delivered_is_the_next_again,
		      a_peek_leaves_the_datagram, a_closed_port_is_answered_with_port_unreachable,
		      a_broadcast_to_a_closed_port_is_not_answered,
		      a_wrong_checksum_is_dropped_and_none_is_accepted,
		      lengths_that_disagree_with_ip_are_dropped_or_cut,
		      a_full_receive_buffer_drops_and_counts,
		      the_last_buffers_are_not_for_datagrams, the_best_match_gets_the_datagram,
		      a_connected_socket_hears_its_peer_alone,
		      a_broadcast_reaches_every_socket_it_fits,
		      reuseport_spreads_flows_and_keeps_each_in_place,
		      a_users_crowd_on_a_port_is_bounded_and_in_no_other_ports_way,
		      root_may_have_any_crowd_on_a_port, a_port_taken_is_refused_unless_both_agreed,
		      reuseport_does_not_share_with_another_client, a_second_bind_is_refused,
		      port_zero_chooses_a_free_port_in_the_ephemeral_range,
		      a_closed_sockets_port_is_free_at_once,
		      connecting_chooses_the_source_and_disconnecting_forgets_it,
		      disconnecting_keeps_what_was_bound, a_socket_may_connect_again_elsewhere,
		      a_sent_datagram_is_right, an_empty_datagram_can_be_sent,
		      a_checksum_of_zero_is_sent_as_all_ones,
		      sends_that_cannot_be_are_refused_as_linux_does,
		      with_so_broadcast_a_broadcast_goes_out,
		      a_connected_socket_may_still_send_elsewhere, ttl_tos_and_df_are_the_sockets,
		      a_reservation_given_back_leaves_no_trace, without_buffers_a_send_says_so,
		      an_address_taken_away_cannot_send, a_datagram_wakes_and_reading_it_clears,
		      shutdown_ends_each_direction),
		setup, teardown);
}
