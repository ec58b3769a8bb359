/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets of IPv6, and of both families: names, wildcards, TCP on the wire and to ourselves. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/desk6.h"
#include "tests/tcpip/tcp_peer.h"

static struct desk d;
static struct packet6 pk;
static const uint8_t mapped9[16] = {[10] = 0xff, 0xff, 10, 0, 0, 9};

static void setup(void)
{
	desk6_open(&d);
	desk6_know(&d, 9);
	desk_know(&d, ip(10, 0, 0, 9));
}

static void teardown(void)
{
	peer_desk_close(&d);
}

static struct socket *bound(int type, const char *text, uint16_t port, bool v6only)
{
	struct socket *so = socket6(&d, type, 0);
	struct sock_addr a = name6(text, port);
	int on = v6only;

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
	ck_assert_int_eq(sock_bind(so, &a), 0);
	return so;
}

static int64_t got(struct socket *so, struct sock_addr *from)
{
	uint64_t full;
	char buf[2048];

	return desk_recv(so, buf, sizeof(buf), 0, from, &full);
}

START_TEST(a_socket_of_both_families_hears_both_and_names_ipv4_mapped)
{
	struct socket *so = bound(SOCK_DGRAM, "::", 7, false);
	struct sock_addr from;
	struct packet p4;

	desk6_udp(&d, 9, "2001:db8::9", 5, "2001:db8::1", 7, "x", 1);
	ck_assert_int_eq(got(so, &from), 1);
	ck_assert_uint_eq(from.family, AF_INET6);
	ck_assert_uint_eq(from.addr[15], 9);
	ck_assert_uint_eq(from.port, 5);
	desk_udp(&d, ip(10, 0, 0, 9), 6, ip(10, 0, 0, 1), 7, "yy", 2);
	ck_assert_int_eq(got(so, &from), 2);
	ck_assert_uint_eq(from.family, AF_INET6);
	ck_assert_mem_eq(from.addr, mapped9, 16);
	ck_assert_int_eq(desk_send(&d, so, "z", 1, &from), 1);
	ck_assert(desk_sent(&d, 0, &p4));
	ck_assert_uint_eq(p4.ip.dst, ip(10, 0, 0, 9));
	ck_assert_uint_eq(p4.udp.sport, 7);
	ck_assert(p4.csum_ok);
}
END_TEST

START_TEST(a_socket_of_ipv6_alone_hears_it_alone)
{
	struct socket *six = bound(SOCK_DGRAM, "::", 7, true), *four;
	struct sock_addr from, to = {.family = AF_INET6, .port = 9};

	desk_udp(&d, ip(10, 0, 0, 9), 6, ip(10, 0, 0, 1), 7, "yy", 2);
	ck_assert_int_eq(got(six, &from), -EAGAIN);
	four = desk_socket(&d, SOCK_DGRAM, 0);
	ck_assert_int_eq(desk_bind(four, 0, 7), 0); /* they do not meet */
	desk_udp(&d, ip(10, 0, 0, 9), 6, ip(10, 0, 0, 1), 7, "yy", 2);
	ck_assert_int_eq(got(four, &from), 2);
	desk6_udp(&d, 9, "2001:db8::9", 5, "2001:db8::1", 7, "x", 1);
	ck_assert_int_eq(got(six, &from), 1);
	ck_assert_int_eq(got(four, &from), -EAGAIN);
	memcpy(to.addr, mapped9, 16);
	ck_assert_int_eq(sock_connect(six, &to), -ENETUNREACH);
	desk_drop_sent(&d, 0);
}
END_TEST

START_TEST(a_wildcard_of_both_families_and_one_of_ipv4_meet)
{
	struct socket *tcp = bound(SOCK_STREAM, "::", 80, false);
	struct socket *tcp4 = desk_socket(&d, SOCK_STREAM, 0);
	struct socket *udp4 = desk_socket(&d, SOCK_DGRAM, 0);

	(void)tcp;
	(void)bound(SOCK_DGRAM, "::", 80, false);
	ck_assert_int_eq(desk_bind(tcp4, 0, 80), -EADDRINUSE);
	ck_assert_int_eq(desk_bind(udp4, 0, 80), -EADDRINUSE);
	ck_assert_int_eq(desk_bind(tcp4, 0, 81), 0);
}
END_TEST

START_TEST(names_are_those_of_the_sockets_family)
{
	struct socket *so = bound(SOCK_DGRAM, "::", 7, false);
	struct sock_addr a, to = {.family = AF_INET6, .port = 9};
	static const uint8_t mapped1[16] = {[10] = 0xff, 0xff, 10, 0, 0, 1};

	ck_assert_int_eq(sock_name(so, &a), 0);
	ck_assert(a.family == AF_INET6 && a.port == 7 && ip6_is_unspecified(a.addr));
	memcpy(to.addr, mapped9, 16);
	ck_assert_int_eq(sock_connect(so, &to), 0);
	ck_assert_int_eq(sock_name(so, &a), 0);
	ck_assert_mem_eq(a.addr, mapped1, 16);
	ck_assert_int_eq(sock_peer(so, &a), 0);
	ck_assert_mem_eq(a.addr, mapped9, 16);
	to = name6("2001:db8::9", 9);
	ck_assert_int_eq(sock_connect(so, &to), 0);
	ck_assert_int_eq(sock_name(so, &a), 0);
	ck_assert_uint_eq(a.addr[15], 1);
	ck_assert_uint_eq(a.addr[0], 0x20);
}
END_TEST

START_TEST(a_link_that_is_none_is_refused)
{
	struct ip_addr any = {.family = AF_INET6}, via = {.family = AF_INET6, .prefix = 128};
	struct socket *so = socket6(&d, SOCK_DGRAM, 0), *tcp = socket6(&d, SOCK_STREAM, 0);
	struct sock_addr to = name6("fe80::9", 5);

	ip6(via.bytes, "2001:db8::fe"); /* to whom all else goes */
	ck_assert_int_eq(stack_route_add(d.st, &any, &via, &d.port[0].port, 0), 0);
	to.scope = 77;
	ck_assert_int_eq(sock_connect(so, &to), -ENODEV);
	ck_assert_int_eq(sock_connect(tcp, &to), -ENODEV);
	ck_assert_int_eq(sock_bind(so, &to), -ENODEV);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), -ENODEV);
	to = name6("ff02::9", 5);
	to.scope = 77;
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), -ENODEV);
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 0);
	to = name6("2001:db8::9", 5);
	to.scope = 77; /* nobody asks */
	ck_assert_int_eq(sock_connect(so, &to), 0);
}
END_TEST

START_TEST(an_address_of_the_wrong_family_is_refused_as_linux_does)
{
	struct socket *four = desk_socket(&d, SOCK_STREAM, 0), *six = socket6(&d, SOCK_STREAM, 0);
	struct sock_addr a6 = name6("2001:db8::9", 9), a4 = name(ip(10, 0, 0, 9), 9);
	struct sock_addr own = name6("2001:db8::1", 0), other = name6("2001:db8::77", 0);
	struct sock_addr mapped = {.family = AF_INET6, .port = 9};
	int on = 1;

	memcpy(mapped.addr, mapped9, 16);
	ck_assert_int_eq(sock_connect(four, &a6), -EAFNOSUPPORT);
	ck_assert_int_eq(sock_connect(six, &a4), -EAFNOSUPPORT);
	ck_assert_int_eq(sock_bind(six, &other), -EADDRNOTAVAIL);
	ck_assert_int_eq(sock_setopt(four, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)),
			 -ENOPROTOOPT);
	ck_assert_int_eq(sock_bind(six, &own), 0);
	ck_assert_int_eq(sock_setopt(six, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), -EINVAL);
	ck_assert_int_eq(sock_connect(six, &mapped), -ENETUNREACH);
}
END_TEST

/* A segment from 2001:db8::9. */
static void segment(uint16_t sport, uint8_t flags, uint32_t seq, uint32_t ack, const void *data,
		    size_t len)
{
	struct ip6_hdr h = {.next = IP6_TCP};
	struct tcp_hdr t = {.sport = sport, .dport = 80, .seq = seq, .ack = ack, .flags = flags};
	uint8_t l4[1500];
	unsigned n;

	t.window = 60000;
	if (flags & TCP_SYN) {
		t.opts.has_mss = true;
		t.opts.mss = 1440;
	}
	ip6(h.src, "2001:db8::9");
	ip6(h.dst, "2001:db8::1");
	n = tcp_build(l4, &t);
	if (len)
		memcpy(l4 + n, data, len);
	desk6_packet(&d, 9, &h, l4, n + len);
}

static struct tcp_hdr answer(void)
{
	struct tcp_hdr t;

	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.ip.next, IP6_TCP);
	ck_assert(pk.csum_ok);
	ck_assert_int_eq(tcp_parse(&t, pk.l4, pk.l4_len), 0);
	return t;
}

START_TEST(a_connection_over_the_wire_is_accepted_carries_data_and_ends)
{
	struct socket *l = bound(SOCK_STREAM, "::", 80, false), *so;
	struct sock_addr peer, local;
	struct tcp_hdr t;
	uint64_t full;
	char buf[16];

	ck_assert_int_eq(sock_listen(l, 5), 0);
	segment(4000, TCP_SYN, 100, 0, NULL, 0);
	t = answer();
	ck_assert_uint_eq(t.flags, TCP_SYN | TCP_ACK);
	ck_assert_uint_eq(t.opts.mss, 1440); /* 1500 - 40 - 20 */
	segment(4000, TCP_ACK, 101, t.seq + 1, NULL, 0);
	ck_assert_int_eq(sock_accept(l, &so, &peer), 0);
	ck_assert(peer.family == AF_INET6 && peer.addr[15] == 9 && peer.port == 4000);
	ck_assert_int_eq(sock_name(so, &local), 0);
	ck_assert(local.family == AF_INET6 && local.addr[0] == 0x20 && local.port == 80);
	segment(4000, TCP_ACK | TCP_PSH, 101, t.seq + 1, "hello", 5);
	ck_assert_int_eq(desk_recv(so, buf, sizeof(buf), 0, NULL, &full), 5);
	ck_assert_mem_eq(buf, "hello", 5);
	desk_drop_sent(&d, 0);
	ck_assert_int_eq(desk_send(&d, so, "world!", 6, NULL), 6);
	t = answer();
	ck_assert_uint_eq(pk.l4_len - t.hdr_len, 6);
	segment(4000, TCP_RST | TCP_ACK, 106, t.seq + 6, NULL, 0);
	ck_assert(sock_events(so) & POLLHUP);
}
END_TEST

/* A connection that was accepted and has sent 4,000 bytes. */
static struct socket *writer(void)
{
	struct socket *l = bound(SOCK_STREAM, "::", 80, false), *so;
	static uint8_t data[4000];
	struct tcp_hdr t;

	ck_assert_int_eq(sock_listen(l, 5), 0);
	segment(4000, TCP_SYN, 100, 0, NULL, 0);
	t = answer();
	segment(4000, TCP_ACK, 101, t.seq + 1, NULL, 0);
	ck_assert_int_eq(sock_accept(l, &so, NULL), 0);
	ck_assert_int_gt(desk_send(&d, so, data, sizeof(data), NULL), 0);
	return so;
}

START_TEST(a_segment_is_no_longer_than_the_path_takes)
{
	uint8_t quoted[1300];
	struct ip6_hdr h = {.next = IP6_ICMP};
	struct icmp_hdr m = {.type = ICMP6_TOO_BIG, .rest = 1300};
	uint8_t l4[1400];
	struct tcp_hdr t;

	(void)writer();
	t = answer();
	ck_assert_uint_eq(pk.l4_len - t.hdr_len, 1440);
	memcpy(quoted, pk.l3, sizeof(quoted));
	desk_drop_sent(&d, 0);
	ip6(h.src, "2001:db8::9");
	ip6(h.dst, "2001:db8::1");
	icmp_build(l4, &m);
	memcpy(l4 + 8, quoted, 1200);
	desk6_packet(&d, 9, &h, l4, 1208);
	desk_pass(&d, 2 * SEC_NS);
	t = answer();
	ck_assert_uint_eq(pk.l4_len - t.hdr_len, 1300 - 60);
}
END_TEST

/* RFC 4821 7.7: nobody need take less. */
START_TEST(a_path_that_swallows_all_is_thought_to_take_1280)
{
	struct socket *so = writer();

	desk_pass(&d, 60 * SEC_NS);
	ck_assert_uint_eq(so->tcp->snd_mss, 1280 - 60);
	ck_assert_uint_eq(desk_count(&d, "TcpBlackHoles"), 1);
	desk_pass(&d, 120 * SEC_NS);
	ck_assert_uint_eq(so->tcp->snd_mss, 1280 - 60);
	desk_drop_sent(&d, 0);
}
END_TEST

START_TEST(a_connection_to_nobody_is_refused_with_a_reset)
{
	struct tcp_hdr t;

	segment(4000, TCP_SYN, 100, 0, NULL, 0);
	t = answer();
	ck_assert_uint_eq(t.flags, TCP_RST | TCP_ACK);
	ck_assert_uint_eq(t.ack, 101);
}
END_TEST

/* The state of a cookie is the 4-tuple itself, by address and not by handle. */
START_TEST(a_cookie_is_good_after_its_handle_was_forgotten)
{
	struct socket *l = bound(SOCK_STREAM, "::", 80, false), *so;
	uint32_t i;
	struct tcp_hdr t = {0};
	uint8_t a[16] = {0x20, 2};

	ck_assert_int_eq(sock_listen(l, 1), 0);
	for (i = 0; i < 40; i++) { /* more than the queue takes */
		segment((uint16_t)(5000 + i), TCP_SYN, 100, 0, NULL, 0);
		t = answer();
	}
	ck_assert_uint_gt(desk_count(&d, "TcpSyncookiesSent"), 0);
	for (i = 0; i < 9000; i++) {
		memcpy(a + 12, &i, 4);
		(void)ip6_handle(d.st, a, 0);
	}
	segment(5039, TCP_ACK, 101, t.seq + 1, NULL, 0);
	ck_assert_uint_eq(desk_count(&d, "TcpSyncookiesRecv"), 1);
	ck_assert_int_eq(sock_accept(l, &so, NULL), 0);
	desk_drop_sent(&d, 0);
}
END_TEST

START_TEST(an_error_that_ended_an_attempt_is_queued_as_ipv6s)
{
	struct socket *so = socket6(&d, SOCK_STREAM, 0);
	struct sock_addr to = name6("2001:db8::9", 80), from;
	struct ip6_hdr h = {.next = IP6_ICMP};
	struct icmp_hdr m = {.type = ICMP6_UNREACH, .code = 1}; /* prohibited */
	struct sock_slice slices[SOCK_SLICES];
	struct sock_note note;
	uint8_t l4[200];
	uint64_t full;
	unsigned n;
	int on = 1;

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on)), 0);
	ck_assert_int_eq(sock_connect(so, &to), -EINPROGRESS);
	desk_flush(&d);
	(void)answer();
	icmp_build(l4, &m);
	memcpy(l4 + 8, pk.l3, 60);
	ip6(h.src, "2001:db8::9");
	ip6(h.dst, "2001:db8::1");
	desk6_packet(&d, 9, &h, l4, 68);
	ck_assert_int_eq(so->error, EACCES);
	ck_assert_int_eq(sock_recv_take(so, 100, MSG_ERRQUEUE, slices, &n, &from, &full), 20);
	sock_recv_note(so, slices[0].buf, MSG_ERRQUEUE, &note);
	sock_recv_done(so, slices, n);
	ck_assert_uint_eq(note.origin, 3);
	ck_assert_uint_eq(note.type, ICMP6_UNREACH);
	ck_assert_uint_eq(note.code, 1);
	ck_assert_mem_eq(note.offender.addr, to.addr, 16);
	ck_assert_mem_eq(from.addr, to.addr, 16);
}
END_TEST

/* A SYN with Fast Open to 2001:db8::9; *t is what left. */
static int64_t fast_open(struct socket *so, struct tcp_hdr *t)
{
	struct sock_addr to = name6("2001:db8::9", 80);
	struct pktbuf *list;
	int64_t n = sock_send_reserve(so, 5, &to, MSG_FASTOPEN, &list);

	if (n > 0) {
		memcpy(pktbuf_data(list), "hello", (size_t)n);
		n = sock_send_commit(so, list, (uint64_t)n, &to, MSG_FASTOPEN);
	}
	desk_flush(&d);
	*t = answer();
	return n;
}

static void syn_ack(const struct tcp_hdr *syn)
{
	static const uint8_t cookie[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct ip6_hdr h = {.next = IP6_TCP};
	struct tcp_hdr t = {.sport = 80, .dport = syn->sport, .ack = syn->seq + 1, .window = 60000};
	uint8_t l4[100];

	t.flags = TCP_SYN | TCP_ACK;
	t.opts.has_mss = true;
	t.opts.mss = 1440;
	t.opts.fo = cookie;
	t.opts.fo_len = sizeof(cookie);
	ip6(h.src, "2001:db8::9");
	ip6(h.dst, "2001:db8::1");
	desk6_packet(&d, 9, &h, l4, tcp_build(l4, &t));
}

START_TEST(a_fast_open_cookie_is_kept_by_address_and_outlives_its_handle)
{
	struct socket *so = socket6(&d, SOCK_STREAM, 0);
	uint32_t first, again, i;
	struct tcp_hdr t;
	uint8_t a[16] = {0x20, 2}, nine[16];

	ck_assert_int_eq(fast_open(so, &t), -EINPROGRESS);
	ck_assert_ptr_nonnull(t.opts.fo);
	ck_assert_uint_eq(t.opts.fo_len, 0);
	first = so->remote_ip;
	syn_ack(&t);
	tcp_abort(so->tcp, 0);
	sock_close(so);
	desk_drop_sent(&d, 0);
	neigh_flush_port(d.st, &d.port[0].port); /* the last that held the handle */
	for (i = 0; i < 9000; i++) {
		memcpy(a + 12, &i, 4);
		(void)ip6_handle(d.st, a, 0);
	}
	ip6(nine, "2001:db8::9");
	again = ip6_handle(d.st, nine, 0);
	ck_assert_uint_ne(again, first);
	desk6_know(&d, 9);
	ck_assert_int_eq(fast_open(socket6(&d, SOCK_STREAM, 0), &t), 5);
	ck_assert_uint_eq(t.opts.fo_len, 8);
	ck_assert_uint_eq(pk.l4_len - t.hdr_len, 5);
	desk_drop_sent(&d, 0);
}
END_TEST

START_TEST(we_connect_to_ourselves_and_to_mapped_addresses)
{
	struct socket *l = bound(SOCK_STREAM, "::", 80, false);
	struct socket *c = socket6(&d, SOCK_STREAM, 0), *c4 = socket6(&d, SOCK_STREAM, 0), *so;
	struct sock_addr to = name6("2001:db8::1", 80), peer;
	static const uint8_t mapped1[16] = {[10] = 0xff, 0xff, 10, 0, 0, 1};
	uint64_t full;
	char buf[16];

	ck_assert_int_eq(sock_listen(l, 5), 0);
	ck_assert_int_eq(sock_connect(c, &to), -EINPROGRESS);
	desk_flush(&d);
	ck_assert_int_eq(sock_accept(l, &so, &peer), 0);
	ck_assert_uint_eq(peer.addr[0], 0x20);
	ck_assert_int_eq(desk_send(&d, c, "abc", 3, NULL), 3);
	ck_assert_int_eq(desk_recv(so, buf, sizeof(buf), 0, NULL, &full), 3);
	memcpy(to.addr, mapped1, 16);
	ck_assert_int_eq(sock_connect(c4, &to), -EINPROGRESS);
	desk_flush(&d);
	ck_assert_int_eq(sock_accept(l, &so, &peer), 0);
	ck_assert_mem_eq(peer.addr, mapped1, 16);
}
END_TEST

START_TEST(rows_show_addresses_as_they_are)
{
	struct sock_row row;
	struct socket *so = bound(SOCK_DGRAM, "2001:db8::1", 7, false);
	uint32_t cursor = 0;
	bool seen = false;

	while (stack_sock_row(d.st, &cursor, &row))
		if (row.id == sock_id(so)) {
			ck_assert_uint_eq(row.local.family, AF_INET6);
			ck_assert_uint_eq(row.local.bytes[15], 1);
			ck_assert_uint_eq(row.remote.family, AF_INET6);
			seen = true;
		}
	ck_assert(seen);
}
END_TEST

START_TEST(options_of_ipv6_have_linuxs_numbers_and_limits)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6("2001:db8::9", 53);
	int v = 77, domain = 0;
	uint32_t len = sizeof(v);

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &v, sizeof(v)), 0);
	v = 0xb8;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, IPV6_TCLASS, &v, sizeof(v)), 0);
	v = 256;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, IPV6_TCLASS, &v, sizeof(v)), -EINVAL);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), 1);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.ip.hop_limit, 77);
	ck_assert_uint_eq(pk.ip.tclass, 0xb8);
	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_DOMAIN, &domain, &len), 0);
	ck_assert_int_eq(domain, AF_INET6);
}
END_TEST

/* 1,000 connections come and go: every handle is let go of. */
START_TEST(connections_leave_no_handle_held)
{
	struct socket *l = bound(SOCK_STREAM, "::", 80, false), *so;
	uint32_t held, i;
	struct tcp_hdr t;

	ck_assert_int_eq(sock_listen(l, 5), 0);
	held = d.st->ip6->high - d.st->ip6->spare;
	for (i = 0; i < 1000; i++) {
		segment((uint16_t)(2000 + i), TCP_SYN, 100, 0, NULL, 0);
		t = answer();
		segment((uint16_t)(2000 + i), TCP_ACK, 101, t.seq + 1, NULL, 0);
		ck_assert_int_eq(sock_accept(l, &so, NULL), 0);
		segment((uint16_t)(2000 + i), TCP_RST | TCP_ACK, 101, t.seq + 1, NULL, 0);
		sock_close(so);
		desk_drop_sent(&d, 0);
	}
	ck_assert_uint_eq(d.st->ip6->high - d.st->ip6->spare, held);
}
END_TEST

int main(void)
{
	return run_cases("socket6",
			 CASES(a_socket_of_both_families_hears_both_and_names_ipv4_mapped,
			       a_socket_of_ipv6_alone_hears_it_alone,
			       a_wildcard_of_both_families_and_one_of_ipv4_meet,
			       names_are_those_of_the_sockets_family,
			       a_link_that_is_none_is_refused,
			       an_address_of_the_wrong_family_is_refused_as_linux_does,
			       a_connection_over_the_wire_is_accepted_carries_data_and_ends,
			       a_segment_is_no_longer_than_the_path_takes,
			       a_path_that_swallows_all_is_thought_to_take_1280,
			       a_connection_to_nobody_is_refused_with_a_reset,
			       a_cookie_is_good_after_its_handle_was_forgotten,
			       an_error_that_ended_an_attempt_is_queued_as_ipv6s,
			       a_fast_open_cookie_is_kept_by_address_and_outlives_its_handle,
			       we_connect_to_ourselves_and_to_mapped_addresses,
			       rows_show_addresses_as_they_are,
			       options_of_ipv6_have_linuxs_numbers_and_limits,
			       connections_leave_no_handle_held),
			 setup, teardown);
}
