/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs: bind, listen, accept, shutdown, close, readiness, options. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/peer_case.h"

static struct socket *listening(uint16_t port, bool reuse)
{
	struct socket *so = desk_socket(&d, SOCK_STREAM, 0);
	int on = reuse;

	sock_setopt(so, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(desk_bind(so, 0, port), 0);
	ck_assert_int_eq(sock_listen(so, 2), 0);
	return so;
}

START_TEST(a_port_has_one_owner_unless_both_agree)
{
	struct socket *a = desk_socket(&d, SOCK_STREAM, 0), *b = desk_socket(&d, SOCK_STREAM, 0);
	int on = 1;

	ck_assert_int_eq(desk_bind(a, 0, 80), 0);
	ck_assert_int_eq(desk_bind(a, 0, 81), -EINVAL);
	ck_assert_int_eq(desk_bind(b, ip(10, 0, 0, 1), 80), -EADDRINUSE);
	sock_setopt(b, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(desk_bind(b, ip(10, 0, 0, 1), 80), -EADDRINUSE);
	sock_setopt(a, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(desk_bind(b, ip(10, 0, 0, 1), 80), 0);
	ck_assert_int_eq(sock_listen(a, 1), 0);
	ck_assert_int_eq(sock_listen(b, 1), -EADDRINUSE);
}
END_TEST

START_TEST(different_addresses_do_not_meet)
{
	struct socket *a = desk_socket(&d, SOCK_STREAM, 0), *b = desk_socket(&d, SOCK_STREAM, 0);

	ck_assert_int_eq(desk_bind(a, ip(10, 0, 0, 1), 80), 0);
	ck_assert_int_eq(desk_bind(b, ip(192, 168, 5, 1), 80), 0);
}
END_TEST

static struct socket *sharing(uint32_t addr, uint16_t port)
{
	struct socket *so = desk_socket(&d, SOCK_STREAM, 0);
	int on = 1;

	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	ck_assert_int_eq(desk_bind(so, addr, port), 0);
	return so;
}

/* SYNs from n ports of the peer's. */
static void knock(unsigned n)
{
	while (n-- > 0) {
		peer_send(&p, TCP_SYN, 0, 0, 0);
		p.port++;
	}
	desk_drop_sent(&d, 0);
}

/* RFC 9293 3.9.1.1, MUST-42. */
START_TEST(two_may_listen_on_one_port_by_address_or_by_agreement)
{
	struct ip_addr more = {AF_INET, 24, {10, 0, 0, 2}};
	struct socket *a, *b = desk_socket(&d, SOCK_STREAM, 0);

	ck_assert_int_eq(stack_addr_add(d.st, &d.port[0].port, &more), 0);
	a = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(desk_bind(a, ip(10, 0, 0, 1), 80), 0);
	ck_assert_int_eq(desk_bind(b, ip(10, 0, 0, 2), 80), 0);
	ck_assert_int_eq(sock_listen(a, 30), 0);
	ck_assert_int_eq(sock_listen(b, 30), 0);
	knock(20);
	ck_assert_uint_eq(a->tcp->syn_n, 20);
	ck_assert_ptr_eq(tcp_lookup_listener(d.st, ip(10, 0, 0, 2), 80, ip(10, 0, 0, 9), 1),
			 b->tcp);
	a = sharing(0, 81);
	b = sharing(0, 81);
	ck_assert_int_eq(sock_listen(a, 30), 0);
	ck_assert_int_eq(sock_listen(b, 30), 0);
	p.stack_port = 81;
	knock(20);
	ck_assert_uint_gt(a->tcp->syn_n, 0);
	ck_assert_uint_gt(b->tcp->syn_n, 0);
	ck_assert_uint_eq(a->tcp->syn_n + b->tcp->syn_n, 20);
}
END_TEST

static struct tcp_pcb *found(uint32_t lip, unsigned flow)
{
	return tcp_lookup_listener(d.st, lip, 80, ip(10, 0, flow >> 8, flow & 255), 4000);
}

START_TEST(reuseport_spreads_flows_and_keeps_each_in_place)
{
	struct socket *so[5], *exact;
	unsigned got[5] = {0}, i, j;

	for (i = 0; i < 5; i++) {
		so[i] = sharing(0, 80);
		ck_assert_int_eq(sock_listen(so[i], 30), 0);
	}
	for (i = 0; i < 5000; i++) {
		for (j = 0; j < 5 && so[j]->tcp != found(ip(10, 0, 0, 1), i); j++)
			;
		ck_assert_uint_lt(j, 5);
		ck_assert_ptr_eq(found(ip(10, 0, 0, 1), i), so[j]->tcp);
		got[j]++;
	}
	for (j = 0; j < 5; j++) { /* 1,000 each, five times what chance makes of it */
		ck_assert_uint_gt(got[j], 860);
		ck_assert_uint_lt(got[j], 1140);
	}
	sock_close(so[2]);
	for (i = 0; i < 1000; i++)
		ck_assert_ptr_nonnull(found(ip(10, 0, 0, 1), i));
	exact = sharing(ip(10, 0, 0, 1), 80);
	ck_assert_int_eq(sock_listen(exact, 30), 0);
	for (i = 0; i < 1000; i++)
		ck_assert_ptr_eq(found(ip(10, 0, 0, 1), i), exact->tcp);
}
END_TEST

/* How many sockets a lookup may meet on its way to other ports' than theirs. */
static unsigned in_the_way(void)
{
	unsigned n = 0;
	uint32_t i;

	for (i = 0; i < d.st->tcp_pcbs.high; i++) {
		const struct tcp_pcb *pcb = pool_at(&d.st->tcp_pcbs, i);

		n += pcb->state == TCPS_LISTEN && pcb->hash_pprev;
	}
	return n;
}

START_TEST(a_crowd_of_listeners_is_bounded_and_in_no_other_ports_way)
{
	struct socket *so[SOCK_PORT_MAX + 1], *other;
	unsigned i;

	stack_client_add(d.st, 1, 1001);
	d.st->quota = 95;
	for (i = 0; i <= SOCK_PORT_MAX; i++) {
		so[i] = sharing(0, 80);
		ck_assert_int_eq(sock_listen(so[i], 1), i < SOCK_PORT_MAX ? 0 : -EADDRINUSE);
	}
	other = listening(80 + TCP_LISTEN_SLOTS, false);
	ck_assert_uint_eq(in_the_way(), 2);
	ck_assert_ptr_eq(tcp_lookup_listener(d.st, ip(10, 0, 0, 1), 80 + TCP_LISTEN_SLOTS,
					     ip(10, 0, 0, 9), 1),
			 other->tcp);
	/* The first goes, one in the midst, and the last. */
	sock_close(so[0]);
	sock_close(so[SOCK_PORT_MAX / 2]);
	sock_close(so[SOCK_PORT_MAX - 1]);
	ck_assert_uint_eq(in_the_way(), 2);
	ck_assert_int_eq(sock_listen(so[SOCK_PORT_MAX], 1), 0);
	for (i = 1; i <= SOCK_PORT_MAX; i++) {
		if (i == SOCK_PORT_MAX / 2 || i == SOCK_PORT_MAX - 1)
			continue;
		ck_assert_ptr_nonnull(found(ip(10, 0, 0, 1), i));
		sock_close(so[i]);
	}
	ck_assert_ptr_null(found(ip(10, 0, 0, 1), 1));
	ck_assert_uint_eq(in_the_way(), 1);
}
END_TEST

START_TEST(root_may_have_any_crowd_of_listeners)
{
	unsigned i;

	for (i = 0; i <= SOCK_PORT_MAX; i++)
		ck_assert_int_eq(sock_listen(sharing(0, 80), 1), 0);
}
END_TEST

START_TEST(a_server_restarts_over_time_wait_with_reuseaddr)
{
	struct socket *so;

	p.listener = listening(80, true);
	peer_accepted(&p);
	sock_close(p.so);
	sock_close(p.listener);
	desk_flush(&d);
	peer_send(&p, A | TCP_FIN, 1, 2, 0);
	peer_drain(&p);
	ck_assert_uint_eq(desk_count(&d, "TcpTimeWaits"), 1);
	so = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(desk_bind(so, 0, 80), -EADDRINUSE);
	(void)listening(80, true);
}
END_TEST

/* As on Linux: else whoever then binds to it without SO_REUSEADDR finds it taken. */
START_TEST(a_chosen_port_is_shared_with_nobody)
{
	const uint8_t seed[32] = {7};
	struct socket *so[2];
	int on = 1;

	for (int i = 0; i < 2; i++) {
		so[i] = desk_socket(&d, SOCK_STREAM, 0);
		sock_setopt(so[i], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		stack_random_seed(d.st, seed); /* the search begins at the same port */
		ck_assert_int_eq(desk_bind(so[i], 0, 0), 0);
	}
	ck_assert_uint_eq(so[1]->local_port, so[0]->local_port + 1);
}
END_TEST

static struct socket *bound_without_port(void)
{
	struct socket *so = desk_socket(&d, SOCK_STREAM, 0);
	int on = 1;

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)), 0);
	ck_assert_int_eq(desk_bind(so, ip(192, 168, 5, 1), 0), 0);
	return so;
}

START_TEST(an_address_may_be_bound_without_a_port)
{
	struct socket *a = bound_without_port(), *b = bound_without_port(), *c;
	struct sock_addr us;

	ck_assert_int_eq(sock_name(a, &us), 0);
	ck_assert_uint_eq(us.port, 0);
	ck_assert_mem_eq(us.addr, ((uint8_t[]){192, 168, 5, 1}), 4);
	ck_assert_int_eq(desk_connect(a, ip(10, 0, 0, 9), 1), -EINPROGRESS);
	ck_assert_uint_eq(a->local_ip, ip(192, 168, 5, 1));
	ck_assert_uint_ge(a->local_port, 32768);
	/* The same port to another peer: had it been taken by the bind, it could not be. */
	for (unsigned i = 0; i < 30000 && b->local_port != a->local_port; i++) {
		sock_close(b);
		b = bound_without_port();
		ck_assert_int_eq(desk_connect(b, ip(10, 0, 0, 8), 1), -EINPROGRESS);
	}
	ck_assert_uint_eq(b->local_port, a->local_port);
	c = bound_without_port();
	ck_assert_int_eq(sock_listen(c, 1), 0);
	ck_assert_uint_eq(c->local_ip, ip(192, 168, 5, 1));
	ck_assert_uint_ge(c->local_port, 32768);
	desk_drop_sent(&d, 0);
}
END_TEST

START_TEST(an_address_bound_without_a_port_is_kept_for_the_next_attempt)
{
	struct socket *so = bound_without_port();
	struct sock_addr other = name(ip(10, 0, 0, 9), 1);

	ck_assert_int_eq(sock_connect(so, &other), -EINPROGRESS);
	tcp_done(so->tcp, ECONNREFUSED);
	ck_assert_int_eq(sock_connect(so, &other), -ECONNREFUSED);
	ck_assert_int_eq(sock_connect(so, &other), -EINPROGRESS);
	ck_assert_uint_eq(so->local_ip, ip(192, 168, 5, 1));
	desk_drop_sent(&d, 0);
}
END_TEST

START_TEST(chosen_ports_are_in_linux_range_and_differ)
{
	struct socket *a = desk_socket(&d, SOCK_STREAM, 0), *b = desk_socket(&d, SOCK_STREAM, 0);

	ck_assert_int_eq(desk_bind(a, 0, 0), 0);
	ck_assert_uint_ge(a->local_port, 32768);
	ck_assert_uint_le(a->local_port, 60999);
	ck_assert_int_eq(desk_connect(b, ip(10, 0, 0, 9), 1), -EINPROGRESS);
	ck_assert_uint_ge(b->local_port, 32768);
	ck_assert_uint_ne(a->local_port, b->local_port);
	ck_assert_uint_eq(b->local_ip, ip(10, 0, 0, 1));
}
END_TEST

static uint16_t port_to(uint32_t addr, uint16_t port)
{
	struct socket *so = desk_socket(&d, SOCK_STREAM, 0);

	ck_assert_int_eq(desk_connect(so, addr, port), -EINPROGRESS);
	return so->local_port;
}

static unsigned steps(uint16_t from, uint16_t to)
{
	unsigned n = TCP_PORT_LAST - TCP_PORT_FIRST + 1;

	return (to + n - from) % n;
}

/* RFC 6056 3.3.3. A counter alone tells everybody the next, chance alone soon uses one again. */
START_TEST(ports_to_one_peer_follow_each_other_and_tell_nothing_of_anothers)
{
	uint16_t last = port_to(ip(10, 0, 0, 9), 1), next;
	unsigned near = 0, same = 0, i, jump[8];

	for (i = 0; i < 8; i++, last = next) {
		next = port_to(ip(10, 0, 0, 9), 1);
		ck_assert_uint_eq(steps(last, next), 1);
	}
	for (i = 0; i < 8; i++, last = next) {
		next = port_to(ip(10, 0, 0, 9 + i % 2), (uint16_t)(2 + i));
		jump[i] = steps(last, next);
		near += jump[i] < 50;
	}
	ck_assert_uint_le(near, 1);
	d.st->secret[0] ^= 1; /* another host's ports */
	for (i = 0; i < 8; i++, last = next) {
		next = port_to(ip(10, 0, 0, 9 + i % 2), (uint16_t)(2 + i));
		same += jump[i] == steps(last, next);
	}
	ck_assert_uint_le(same, 1);
}
END_TEST

START_TEST(the_backlog_bounds_both_queues)
{
	struct sock_addr from;
	struct socket *so;
	unsigned i;

	p.listener = listening(80, false); /* 2: Linux lets one more in */
	for (i = 0; i < 5; i++) {
		p.port = (uint16_t)(4000 + i);
		peer_send(&p, TCP_SYN, 0, 0, 0);
		if (i < 3) {
			peer_expect(&p, TCP_SYN | A, 0, 1, 0);
			peer_send(&p, A, 1, 1, 0);
		} else {
			peer_quiet(&p);
		}
	}
	ck_assert_uint_eq(desk_count(&d, "TcpListenOverflows"), 2);
	ck_assert(sock_events(p.listener) & POLLIN);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(sock_accept(p.listener, &so, &from), 0);
	ck_assert_int_eq(sock_accept(p.listener, &so, &from), -EAGAIN);
}
END_TEST

START_TEST(a_flood_of_syns_costs_no_more_than_the_backlog)
{
	unsigned i;

	p.listener = listening(80, false);
	for (i = 0; i < 1000; i++) {
		p.port = (uint16_t)(1000 + i);
		peer_send(&p, TCP_SYN, 0, 0, 0);
		desk_drop_sent(&d, 0);
	}
	ck_assert_uint_le(d.st->tcp_pcbs.used, 4);
	desk_pass(&d, 100 * SEC_NS);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 1);
}
END_TEST

START_TEST(closing_a_listener_resets_who_was_not_accepted)
{
	p.listener = listening(80, false);
	peer_send(&p, TCP_SYN, 0, 0, 0);
	peer_expect(&p, TCP_SYN | A, 0, 1, 0);
	peer_send(&p, A, 1, 1, 0);
	sock_close(p.listener);
	desk_flush(&d);
	peer_expect(&p, TCP_RST | A, 1, 1, 0);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 0);
}
END_TEST

START_TEST(closing_with_unread_data_resets)
{
	peer_accepted(&p);
	peer_send(&p, A, 1, 1, 10);
	peer_drain(&p);
	sock_close(p.so);
	desk_flush(&d);
	peer_expect(&p, TCP_RST | A, 1, 11, 0);
}
END_TEST

START_TEST(closing_without_lingering_resets)
{
	struct linger l = {1, 0};

	peer_accepted(&p);
	sock_setopt(p.so, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	sock_close(p.so);
	desk_flush(&d);
	peer_expect(&p, TCP_RST | A, 1, 1, 0);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 1);
}
END_TEST

START_TEST(what_was_written_is_sent_after_close)
{
	peer_accepted(&p);
	peer_write(&p, 20 * 1460);
	sock_close(p.so);
	desk_flush(&d);
	ck_assert_uint_eq(peer_drain(&p), 10);
	peer_send(&p, A, 1, 1 + 10 * 1460, 0);
	ck_assert_uint_eq(peer_drain(&p), 10);
	peer_send(&p, A, 1, 2 + 20 * 1460, 0);
	peer_send(&p, A | TCP_FIN, 1, 2 + 20 * 1460, 0);
	desk_pass(&d, 61 * SEC_NS);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 1);
}
END_TEST

START_TEST(what_was_not_acknowledged_or_not_even_sent_is_told)
{
	struct socket *udp = desk_socket(&d, SOCK_DGRAM, 0);

	peer_accepted(&p);
	ck_assert_int_eq(sock_not_sent(p.so), 0);
	peer_write(&p, 20 * 1460);
	ck_assert_uint_eq(peer_drain(&p), 10);
	ck_assert_int_eq(sock_unsent(p.so), 20 * 1460);
	ck_assert_int_eq(sock_not_sent(p.so), 10 * 1460);
	ck_assert_int_eq(sock_not_sent(p.listener), -EINVAL);
	ck_assert_int_eq(sock_not_sent(udp), -ENOTTY);
}
END_TEST

START_TEST(a_new_socket_polls_as_on_linux)
{
	p.so = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_uint_eq(sock_events(p.so), POLLOUT | POLLWRNORM | POLLHUP);
	ck_assert_int_eq(peer_write(&p, 1), -EPIPE);
	ck_assert_int_eq(peer_read(&p, 1), -ENOTCONN);
	ck_assert_int_eq(sock_shutdown(p.so, SHUT_WR), -ENOTCONN);
}
END_TEST

START_TEST(shutting_down_reading_ends_reads)
{
	peer_accepted(&p);
	ck_assert_int_eq(sock_shutdown(p.so, SHUT_RD), 0);
	ck_assert_int_eq(peer_read(&p, 10), 0);
	ck_assert(sock_events(p.so) & POLLRDHUP);
	ck_assert_int_eq(peer_write(&p, 10), 10);
}
END_TEST

START_TEST(options_are_inherited)
{
	int v = 0, on = 1;
	uint32_t len = sizeof(v);

	p.listener = listening(80, false);
	sock_setopt(p.listener, IPPROTO_TCP, TCPO_NODELAY, &on, sizeof(on));
	sock_setopt(p.listener, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	peer_accepted(&p);
	ck_assert_int_eq(sock_getopt(p.so, IPPROTO_TCP, TCPO_NODELAY, &v, &len), 0);
	ck_assert_int_eq(v, 1);
	ck_assert_int_eq(sock_getopt(p.so, SOL_SOCKET, SO_KEEPALIVE, &v, &len), 0);
	ck_assert_int_eq(v, 1);
}
END_TEST

static int saved_syn(struct socket *so, void *out, uint32_t *len)
{
	return sock_getopt(so, IPPROTO_TCP, TCPO_SAVED_SYN, out, len);
}

START_TEST(the_peers_syn_can_be_had_once)
{
	uint8_t syn[128];
	uint32_t len = sizeof(syn), free_before;
	struct ip4_hdr iph;
	struct tcp_hdr h;
	int v = 1;

	p.listener = listening(80, false);
	peer_accepted(&p);
	ck_assert_int_eq(saved_syn(p.so, syn, &len), 0); /* nobody asked for it */
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(sock_setopt(p.listener, IPPROTO_TCP, TCPO_SAVE_SYN, &v, sizeof(v)), 0);
	free_before = d.pool.avail;
	p.port++;
	peer_accepted(&p);
	ck_assert_uint_eq(d.pool.avail, free_before - 1);
	len = 20;
	ck_assert_int_eq(saved_syn(p.so, syn, &len), -EINVAL);
	len = sizeof(syn);
	ck_assert_int_eq(saved_syn(p.so, syn, &len), 0);
	ck_assert_int_eq(ip4_parse(&iph, syn, len), 0);
	ck_assert_uint_eq(iph.src, ip(10, 0, 0, 9));
	ck_assert_int_eq(tcp_parse(&h, syn + iph.hdr_len, len - iph.hdr_len), 0);
	ck_assert_uint_eq(h.flags, TCP_SYN);
	ck_assert_uint_eq(h.sport, p.port);
	ck_assert_uint_eq(h.opts.mss, 1460);
	ck_assert_uint_eq(len, iph.hdr_len + h.hdr_len);
	len = sizeof(syn);
	ck_assert_int_eq(saved_syn(p.so, syn, &len), 0);
	ck_assert_uint_eq(len, 0);
	ck_assert_uint_eq(d.pool.avail, free_before);
	p.port++;
	peer_accepted(&p); /* never read: it goes with the connection */
}
END_TEST

START_TEST(no_syn_is_saved_while_buffers_are_short)
{
	struct pktbuf *hog[DESK_PKTBUFS];
	uint8_t syn[128];
	uint32_t len = sizeof(syn), n = 0;
	int v = 1;

	p.listener = listening(80, false);
	ck_assert_int_eq(sock_setopt(p.listener, IPPROTO_TCP, TCPO_SAVE_SYN, &v, sizeof(v)), 0);
	while (d.pool.avail > DESK_PKTBUFS / 16)
		hog[n++] = pktbuf_alloc(&d.pool);
	peer_accepted(&p);
	ck_assert_int_eq(saved_syn(p.so, syn, &len), 0);
	ck_assert_uint_eq(len, 0);
	while (n)
		pktbuf_free(hog[--n]);
}
END_TEST

/* Reads with what goes beside the data. */
static int64_t read_noted(uint32_t len, int flags, struct sock_note *note)
{
	struct sock_slice slices[SOCK_SLICES];
	uint64_t full;
	unsigned n;
	int64_t r = sock_recv_take(p.so, len, flags, slices, &n, NULL, &full);

	memset(note, 0, sizeof(*note));
	if (r <= 0)
		return r;
	sock_recv_note(p.so, slices[0].buf, flags, note);
	sock_recv_done(p.so, slices, n);
	return r;
}

START_TEST(what_is_left_and_when_it_came_is_told_beside_the_data)
{
	struct sock_note note;
	int on = 1;

	peer_accepted(&p);
	peer_send(&p, A, 1, 1, 10);
	ck_assert_int_eq(read_noted(4, 0, &note), 4);
	ck_assert_uint_eq(note.have, 0);
	peer_option(&p, TCPO_INQ, 1);
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)), 0);
	desk_pass(&d, 30 * MS_NS);
	ck_assert_int_eq(read_noted(2, 0, &note), 2);
	ck_assert_uint_eq(note.have, NOTE_INQ | NOTE_TIME);
	ck_assert_uint_eq(note.info, 4);
	ck_assert_uint_eq(note.age, 30 * MS_NS);
	peer_send(&p, A | TCP_FIN, 11, 1, 0);
	ck_assert_int_eq(read_noted(3, MSG_PEEK, &note), 3);
	ck_assert_uint_eq(note.info, 4);
	ck_assert_int_eq(read_noted(9, 0, &note), 4);
	ck_assert_uint_eq(note.info, 1); /* the end is still to be read */
	on = 2;
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_TCP, TCPO_INQ, &on, sizeof(on)), -EINVAL);
	desk_drop_sent(&d, 0);
}
END_TEST

START_TEST(options_that_are_not_there_are_refused_as_linux_does)
{
	static const struct {
		int name, err;
	} rows[] = {
		{TCPO_TIMESTAMP, -EPERM},     {TCPO_REPAIR, -EPERM},
		{TCPO_REPAIR_QUEUE, -EPERM},  {TCPO_REPAIR_WINDOW, -EPERM},
		{14, -ENOPROTOOPT} /* MD5 */, {TCPO_IS_MPTCP, -ENOPROTOOPT},
		{TCPO_THIN_DUPACK, 0},
	};
	char text[16];
	uint32_t len = sizeof(text);
	int v = 1;

	p.so = desk_socket(&d, SOCK_STREAM, 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_int_eq(sock_setopt(p.so, IPPROTO_TCP, rows[i].name, &v, sizeof(v)),
				 rows[i].err);
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_TCP, TCPO_ULP, "tls", 3), -ENOENT);
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_TCP, TCPO_ULP, "", 0), -EINVAL);
	ck_assert_int_eq(sock_getopt(p.so, IPPROTO_TCP, TCPO_ULP, text, &len), 0);
	ck_assert_uint_eq(len, 0);
	len = sizeof(v);
	ck_assert_int_eq(sock_getopt(p.so, IPPROTO_TCP, TCPO_IS_MPTCP, &v, &len), 0);
	ck_assert_int_eq(v, 0);
}
END_TEST

START_TEST(option_values_are_checked)
{
	char name[16];
	uint32_t len = sizeof(name);
	int v = 200;

	p.so = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_TCP, TCPO_KEEPCNT, &v, sizeof(v)), -EINVAL);
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_TCP, 999, &v, sizeof(v)), -ENOPROTOOPT);
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_TCP, TCPO_NODELAY, &v, 1), -EINVAL);
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_TCP, TCPO_CONGESTION, "bbr", 3), -ENOENT);
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_TCP, TCPO_CONGESTION, "reno", 4), 0);
	ck_assert_int_eq(sock_getopt(p.so, IPPROTO_TCP, TCPO_CONGESTION, name, &len), 0);
	ck_assert_str_eq(name, "reno");
}
END_TEST

START_TEST(time_wait_gives_way_when_blocks_run_out)
{
	unsigned i;

	p.listener = listening(80, true);
	for (i = 0; i < 400; i++) { /* more than there are blocks */
		p.port = (uint16_t)(4000 + i);
		peer_accepted(&p);
		sock_close(p.so);
		desk_flush(&d);
		peer_send(&p, A | TCP_FIN, 1, 2, 0);
		peer_drain(&p);
	}
	ck_assert_uint_eq(desk_count(&d, "TcpTimeWaits"), 400);
	ck_assert_uint_le(d.st->tcp_pcbs.used, 256);
}
END_TEST

START_TEST(a_port_with_itself_talks)
{
	struct socket *l = listening(80, false), *c = desk_socket(&d, SOCK_STREAM, 0), *s;
	struct sock_addr from;
	uint8_t buf[100];
	uint64_t full;

	ck_assert_int_eq(desk_connect(c, ip(10, 0, 0, 1), 80), -EINPROGRESS);
	desk_flush(&d);
	desk_flush(&d);
	ck_assert_int_eq(sock_accept(l, &s, &from), 0);
	ck_assert_int_eq(desk_send(&d, c, "hello", 5, NULL), 5);
	desk_flush(&d);
	ck_assert_int_eq(desk_recv(s, buf, sizeof(buf), 0, NULL, &full), 5);
	ck_assert_mem_eq(buf, "hello", 5);
}
END_TEST

START_TEST(a_connect_that_fails_at_once_publishes_what_changed)
{
	struct socket *so = desk_socket(&d, SOCK_STREAM, 0);

	ck_assert_int_eq(desk_connect(so, ip(10, 0, 0, 1), 99), -EINPROGRESS);
	desk_flush(&d); /* refused by ourselves: readable and hung up */
	ck_assert_int_eq(desk_connect(so, ip(10, 0, 0, 1), 99), -ECONNREFUSED);
	ck_assert(so->events & POLLIN);
	ck_assert_int_eq(desk_connect(so, ip(8, 8, 8, 8), 99), -ENETUNREACH);
	ck_assert(!(so->events & POLLIN));
	ck_assert_uint_eq(so->events, sock_events(so));
}
END_TEST

int main(void)
{
	return run_cases(
		"tcp_user",
		CASES(a_port_has_one_owner_unless_both_agree, different_addresses_do_not_meet,
		      two_may_listen_on_one_port_by_address_or_by_agreement,
		      reuseport_spreads_flows_and_keeps_each_in_place,
		      a_crowd_of_listeners_is_bounded_and_in_no_other_ports_way,
		      root_may_have_any_crowd_of_listeners,
		      a_server_restarts_over_time_wait_with_reuseaddr,
		      a_chosen_port_is_shared_with_nobody, an_address_may_be_bound_without_a_port,
		      an_address_bound_without_a_port_is_kept_for_the_next_attempt,
		      chosen_ports_are_in_linux_range_and_differ,
		      ports_to_one_peer_follow_each_other_and_tell_nothing_of_anothers,
		      the_backlog_bounds_both_queues,
		      a_flood_of_syns_costs_no_more_than_the_backlog,
		      closing_a_listener_resets_who_was_not_accepted,
		      closing_with_unread_data_resets, closing_without_lingering_resets,
		      what_was_written_is_sent_after_close,
		      what_was_not_acknowledged_or_not_even_sent_is_told,
		      a_new_socket_polls_as_on_linux, shutting_down_reading_ends_reads,
		      options_are_inherited, the_peers_syn_can_be_had_once,
		      no_syn_is_saved_while_buffers_are_short,
		      what_is_left_and_when_it_came_is_told_beside_the_data,
		      options_that_are_not_there_are_refused_as_linux_does,
		      option_values_are_checked, time_wait_gives_way_when_blocks_run_out,
		      a_port_with_itself_talks,
		      a_connect_that_fails_at_once_publishes_what_changed),
		setup, teardown);
}
