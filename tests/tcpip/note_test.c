/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes beside datagrams: notes, the queue of errors, and what paths take. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

#define US     ip(10, 0, 0, 1)
#define PEER   ip(10, 0, 0, 9)
#define ROUTER ip(10, 0, 0, 254)

static struct desk d;
static struct packet pk;

static void setup(void)
{
	desk_open(&d);
	desk_know(&d, PEER);
}

static void teardown(void)
{
	desk_close(&d);
}

static struct socket *udp(uint16_t port)
{
	struct socket *so = desk_socket(&d, SOCK_DGRAM, 0);

	ck_assert_int_eq(desk_bind(so, 0, port), 0);
	return so;
}

static void on(struct socket *so, int name)
{
	int one = 1;

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, name, &one, sizeof(one)), 0);
}

/* An error of the router about the packet sent last. */
static void router_says(uint8_t type, uint8_t code, uint32_t rest)
{
	struct icmp_hdr h = {.type = type, .code = code, .rest = rest};
	uint8_t quote[600];
	size_t len = pk.ip.total_len < sizeof(quote) ? pk.ip.total_len : sizeof(quote);

	memcpy(quote, pk.l3, len);
	desk_icmp(&d, ROUTER, US, &h, quote, len);
}

/* Takes what is first in a queue: its length or an error; what goes beside it in *note. */
static int64_t take(struct socket *so, int flags, struct sock_note *note, struct sock_addr *from)
{
	struct sock_slice slices[SOCK_SLICES];
	unsigned n;
	uint64_t full;
	int64_t r = sock_recv_take(so, 2000, flags, slices, &n, from, &full);

	memset(note, 0, sizeof(*note));
	if (r < 0)
		return r;
	sock_recv_note(so, slices[0].buf, flags, note);
	sock_recv_done(so, slices, n);
	return r;
}

START_TEST(a_note_has_what_the_options_ask_for)
{
	struct socket *so = udp(700);
	struct ip4_hdr h = {.protocol = IPPROTO_UDP, .src = PEER, .dst = US, .ttl = 7, .tos = 0x12};
	uint8_t l4[9] = {0, 5, 700 >> 8, 700 & 255, 0, 9, 0, 0, 'x'};
	struct sock_note note;
	struct sock_addr from;
	int one = 1;

	desk_ip4(&d, &h, l4, sizeof(l4));
	ck_assert_int_eq(take(so, 0, &note, &from), 1);
	ck_assert_uint_eq(note.have, 0);
	on(so, IP_PKTINFO);
	on(so, IP_RECVTTL);
	on(so, IP_RECVTOS);
	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof(one)), 0);
	desk_ip4(&d, &h, l4, sizeof(l4));
	desk_pass(&d, 30 * MS_NS);
	ck_assert_int_eq(take(so, 0, &note, &from), 1);
	ck_assert_uint_eq(note.have, NOTE_PKTINFO | NOTE_TTL | NOTE_TOS | NOTE_TIME);
	ck_assert_uint_eq(note.ttl, 7);
	ck_assert_uint_eq(note.tos, 0x12);
	ck_assert_uint_eq(note.scope, 1);
	ck_assert_uint_eq(note.at.family, AF_INET);
	ck_assert_mem_eq(note.at.addr, ((uint8_t[]){10, 0, 0, 1}), 4);
	ck_assert_uint_eq(note.age, 30 * MS_NS);
	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)), 0);
	desk_ip4(&d, &h, l4, sizeof(l4));
	ck_assert_int_eq(take(so, 0, &note, &from), 1);
	ck_assert_uint_eq(note.have & (NOTE_TIME | NOTE_TIME_NS), NOTE_TIME_NS);
}
END_TEST

START_TEST(a_note_says_which_address_answers_what_came_to_many)
{
	struct socket *so = udp(700);
	struct sock_note note;
	struct sock_addr from;

	on(so, IP_PKTINFO);
	desk_udp(&d, PEER, 5, US, 700, "x", 1);
	ck_assert_int_eq(take(so, 0, &note, &from), 1);
	ck_assert_mem_eq(note.offender.addr, ((uint8_t[]){10, 0, 0, 1}), 4);
	desk_udp(&d, PEER, 5, ip(10, 0, 0, 255), 700, "x", 1);
	ck_assert_int_eq(take(so, 0, &note, &from), 1);
	ck_assert_mem_eq(note.at.addr, ((uint8_t[]){10, 0, 0, 255}), 4);
	ck_assert_mem_eq(note.offender.addr, ((uint8_t[]){10, 0, 0, 1}), 4);
	desk_udp(&d, ip(172, 16, 0, 1), 5, ip(10, 0, 0, 255), 700, "x", 1); /* no way back */
	ck_assert_int_eq(take(so, 0, &note, &from), 1);
	ck_assert_mem_eq(note.offender.addr, ((uint8_t[]){10, 0, 0, 1}), 4);
}
END_TEST

static int64_t send_noted(struct socket *so, const struct sock_note *note)
{
	struct sock_addr to = name(PEER, 9);
	struct pktbuf *list;
	int64_t r = sock_send_reserve(so, 4, &to, 0, &list);

	ck_assert_int_eq(r, 4);
	memcpy(pktbuf_data(list), "abcd", 4);
	r = sock_send_noted(so, list, 4, &to, 0, note);
	desk_flush(&d);
	return r;
}

START_TEST(a_note_beats_the_sockets_own_marks_and_source)
{
	struct socket *so = udp(700);
	struct sock_note note = {.have = NOTE_TTL | NOTE_TOS, .ttl = 3, .tos = 0x28};
	struct ip_addr second = {.family = AF_INET, .prefix = 24, .bytes = {10, 0, 0, 2}};

	ck_assert_int_eq(send_noted(so, &note), 4);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.ip.ttl, 3);
	ck_assert_uint_eq(pk.ip.tos, 0x28);
	ck_assert_int_eq(stack_addr_add(d.st, &d.port[0].port, &second), 0);
	note = (struct sock_note){.have = NOTE_PKTINFO, .at = name(ip(10, 0, 0, 2), 0)};
	ck_assert_int_eq(send_noted(so, &note), 4);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(pk.csum_ok);
	ck_assert_uint_eq(pk.ip.src, ip(10, 0, 0, 2));
	note.at = name(PEER, 0);
	ck_assert_int_eq(send_noted(so, &note), -EINVAL);
	note.at = name(0, 0);
	note.scope = 9;
	ck_assert_int_eq(send_noted(so, &note), -ENODEV);
}
END_TEST

START_TEST(an_error_is_queued_with_what_it_quoted)
{
	struct socket *so = udp(700);
	struct sock_addr to = name(PEER, 9), from;
	struct sock_note note;
	char buf[4];
	uint64_t full;
	unsigned i;

	on(so, IP_RECVERR);
	ck_assert_int_eq(take(so, MSG_ERRQUEUE, &note, &from), -EAGAIN);
	ck_assert_int_eq(desk_send(&d, so, "lost", 4, &to), 4);
	ck_assert(desk_sent(&d, 0, &pk));
	router_says(3, 1, 0);
	ck_assert_uint_eq(sock_events(so) & POLLERR, POLLERR);
	ck_assert_int_eq(take(so, MSG_ERRQUEUE | MSG_PEEK, &note, &from), 4);
	ck_assert_int_eq(take(so, MSG_ERRQUEUE, &note, &from), 4);
	ck_assert_uint_eq(note.have, NOTE_ERROR);
	ck_assert_uint_eq(note.err, EHOSTUNREACH);
	ck_assert_uint_eq(note.origin, 2);
	ck_assert_uint_eq(note.type, 3);
	ck_assert_uint_eq(note.code, 1);
	ck_assert_mem_eq(note.offender.addr, ((uint8_t[]){10, 0, 0, 254}), 4);
	ck_assert_mem_eq(from.addr, ((uint8_t[]){10, 0, 0, 9}), 4);
	ck_assert_uint_eq(from.port, 9);
	ck_assert_uint_eq(sock_events(so) & POLLERR, 0);
	ck_assert_int_eq(desk_recv(so, buf, 4, 0, NULL, &full), -EAGAIN); /* told once */
	for (i = 0; i < 40; i++)
		router_says(3, 1, 0);
	for (i = 0; take(so, MSG_ERRQUEUE, &note, &from) == 4; i++)
		;
	ck_assert_uint_eq(i, 16); /* no more are kept */
	router_says(3, 1, 0);	  /* what is left in the queue goes with the socket */
}
END_TEST

START_TEST(a_datagram_too_long_for_the_path_is_an_error_of_this_host)
{
	struct socket *so = udp(700);
	struct sock_addr to = name(PEER, 9), from;
	struct sock_note note;
	uint8_t data[1600] = {0};
	int how = IP_PMTUDISC_DO;

	on(so, IP_RECVERR);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how)), 0);
	ck_assert_int_eq(desk_send(&d, so, data, sizeof(data), &to), -EMSGSIZE);
	ck_assert_int_eq(take(so, MSG_ERRQUEUE, &note, &from), 0);
	ck_assert_uint_eq(note.origin, 1);
	ck_assert_uint_eq(note.err, EMSGSIZE);
	ck_assert_uint_eq(note.info, 1500);
	ck_assert_uint_eq(from.port, 9);
}
END_TEST

START_TEST(what_a_path_takes_is_known_to_all_for_ten_minutes)
{
	struct socket *so = udp(700), *other = udp(701);
	struct sock_addr to = name(PEER, 9);
	uint8_t data[1472] = {0};
	int mtu = 0;
	uint32_t len = sizeof(mtu);

	ck_assert_int_eq(desk_send(&d, so, data, 1472, &to), 1472);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(pk.ip.df);
	router_says(3, 4, 1000);
	ck_assert_int_eq(sock_connect(other, &to), 0);
	ck_assert_int_eq(sock_getopt(other, IPPROTO_IP, IP_MTU, &mtu, &len), 0);
	ck_assert_int_eq(mtu, 1000);
	ck_assert_int_eq(desk_send(&d, so, data, 1472, &to), 1472); /* in fragments that fit */
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.ip.total_len, 996);
	ck_assert(!pk.ip.df && pk.ip.mf);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(pk.ip.total_len <= 1000 && !pk.ip.mf);
	ck_assert_int_eq(desk_send(&d, so, data, 900, &to), 900);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(pk.ip.df);
	desk_pass(&d, 601 * SEC_NS);
	desk_drop_sent(&d, 0);
	desk_know(&d, PEER);
	ck_assert_int_eq(desk_send(&d, so, data, 1472, &to), 1472);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.ip.total_len, 1500);
}
END_TEST

START_TEST(who_sent_nothing_is_not_believed_nor_more_than_was_known_nor_too_little)
{
	struct socket *so = udp(700);
	struct sock_addr to = name(PEER, 9);
	uint8_t data[1472] = {0};

	ck_assert_int_eq(desk_send(&d, so, data, 1472, &to), 1472);
	ck_assert(desk_sent(&d, 0, &pk));
	sock_close(so);
	router_says(3, 4, 1000); /* nobody has that port */
	ck_assert_uint_eq(ip4_mtu(d.st, PEER), 1500);
	so = udp(700);
	router_says(3, 4, 1000);
	ck_assert_uint_eq(ip4_mtu(d.st, PEER), 1000);
	router_says(3, 4, 1400);
	ck_assert_uint_eq(ip4_mtu(d.st, PEER), 1000);
	router_says(3, 4, 68);
	ck_assert_uint_eq(ip4_mtu(d.st, PEER), 552);
}
END_TEST

int main(void)
{
	return run_cases(
		"note",
		CASES(a_note_has_what_the_options_ask_for,
		      a_note_says_which_address_answers_what_came_to_many,
		      a_note_beats_the_sockets_own_marks_and_source,
		      an_error_is_queued_with_what_it_quoted,
		      a_datagram_too_long_for_the_path_is_an_error_of_this_host,
		      what_a_path_takes_is_known_to_all_for_ten_minutes,
		      who_sent_nothing_is_not_believed_nor_more_than_was_known_nor_too_little),
		setup, teardown);
}
