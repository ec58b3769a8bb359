/* SPDX-License-Identifier: BSD-3-Clause */
/* What one user gets of what all share, and that every unit is charged to somebody exactly once. */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/group.h"
#include "tests/tcpip/cases.h"
#include "tests/tcpip/tcp_peer.h"

#define A      TCP_ACK
#define HOG    1u /* clients: desk_socket's is 1 */
#define VICTIM 2u
#define ALL    256u /* sockets and blocks of the desk */

static struct desk d;
static struct peer p;

/* Each count against the objects themselves. */
static void exact(void)
{
	uint32_t sockets[PKTBUF_OWNERS] = {0}, pcbs[PKTBUF_OWNERS] = {0};
	uint32_t bufs[PKTBUF_OWNERS] = {0}, idle = 0, wrong = 0, i;

	for (i = 0; i < d.st->sockets.high; i++) {
		const struct socket *so = pool_at(&d.st->sockets, i);

		if (so->kind)
			sockets[so->owner]++;
	}
	for (i = 0; i < d.st->tcp_pcbs.high; i++) {
		const struct tcp_pcb *pcb = pool_at(&d.st->tcp_pcbs, i);

		if (pcb->st != d.st || !pcb->state) /* free: the list's link, or never used */
			continue;
		pcbs[pcb->owner]++;
		idle += pcb->idle;
	}
	for (i = 0; i < d.pool.count; i++)
		if (d.pool.all[i].refs)
			bufs[d.pool.all[i].owner]++;
	ck_assert_uint_eq(d.st->idle_pcbs, idle);
	for (i = 0; i < PKTBUF_OWNERS; i++) {
		wrong += d.st->users[i].sockets != sockets[i];
		wrong += d.st->users[i].pcbs != pcbs[i];
		wrong += i && d.pool.held[i] != bufs[i];
	}
	ck_assert_uint_eq(wrong, 0);
}

static void setup(void)
{
	peer_desk_open(&d);
	p = peer_make(&d);
	stack_client_add(d.st, HOG, 1001);
	stack_client_add(d.st, VICTIM, 1002);
}

static void teardown(void)
{
	exact();
	peer_desk_close(&d);
}

static int make(uint32_t client, int type, struct socket **so)
{
	return sock_create(d.st, AF_INET, type, 0, client, so);
}

/* Until it is refused: how many there were, and with what it ended. */
static unsigned make_all(uint32_t client, int type, int *err)
{
	struct socket *so;
	unsigned n = 0;

	while ((*err = make(client, type, &so)) == 0)
		n++;
	return n;
}

static uint32_t held(uint32_t client)
{
	return d.pool.held[d.st->client_owner[client]];
}

START_TEST(one_user_gets_half_of_the_sockets)
{
	int err;

	ck_assert_uint_eq(make_all(HOG, SOCK_DGRAM, &err), ALL / 2);
	ck_assert_int_eq(err, -EMFILE);
	ck_assert_uint_eq(desk_count(&d, "QuotaSockets"), 1);
	ck_assert_uint_eq(make_all(VICTIM, SOCK_DGRAM, &err), ALL / 4);
	stack_client_add(d.st, 3, 1003);
	ck_assert_uint_eq(make_all(3, SOCK_STREAM, &err), ALL / 8);
	ck_assert_uint_eq(make_all(4, SOCK_DGRAM, &err), ALL / 8); /* root, or nobody knows */
	ck_assert_int_eq(err, -ENFILE);
}
END_TEST

START_TEST(more_processes_are_not_more_share)
{
	int err;

	stack_client_add(d.st, 3, 1001);
	ck_assert_uint_eq(make_all(HOG, SOCK_STREAM, &err), ALL / 2);
	ck_assert_uint_eq(make_all(3, SOCK_STREAM, &err), 0);
	ck_assert_uint_eq(make_all(3, SOCK_DGRAM, &err), 0);
}
END_TEST

START_TEST(a_socket_is_charged_for_as_long_as_it_lives)
{
	uint8_t owner = d.st->client_owner[HOG];
	struct user_row row;
	uint32_t cursor = 0;
	struct socket *so;

	ck_assert_int_eq(make(HOG, SOCK_DGRAM, &so), 0);
	stack_client_del(d.st, HOG);
	stack_client_add(d.st, HOG, 1003); /* the number again, for another */
	ck_assert_uint_ne(d.st->client_owner[HOG], owner);
	ck_assert(stack_user_row(d.st, &cursor, &row));
	ck_assert(row.uid == 1001 && row.clients == 0 && row.sockets == 1);
	stack_client_add(d.st, 7, 1001); /* its user again */
	ck_assert_uint_eq(d.st->client_owner[7], owner);
	stack_client_del(d.st, 7);
	sock_close(so);
	stack_client_add(d.st, 8, 1008); /* now it is free for others */
	ck_assert_uint_eq(d.st->client_owner[8], owner);
}
END_TEST

START_TEST(blocks_are_charged_to_the_listener)
{
	int err;

	peer_listener(&p, 4000);
	for (unsigned i = 0; i < ALL; i++) {
		p.port = (uint16_t)(1000 + i);
		peer_send(&p, TCP_SYN, 0, 0, 0);
		(void)peer_drain(&p);
	}
	ck_assert_uint_eq(d.st->users[d.st->client_owner[HOG]].pcbs, 1 + ALL / 4);
	ck_assert_uint_eq(make_all(HOG, SOCK_STREAM, &err), ALL / 2 - 1 - ALL / 4);
	ck_assert_int_eq(err, -ENOBUFS);
	ck_assert_uint_gt(desk_count(&d, "QuotaPcbs"), 0);
	ck_assert_int_eq(make(VICTIM, SOCK_STREAM, &p.so), 0);
}
END_TEST

START_TEST(a_connection_waits_while_its_user_may_have_no_socket)
{
	struct socket *so = NULL, *last = NULL;

	peer_listener(&p, 4);
	peer_send(&p, TCP_SYN, 0, 0, 0);
	(void)peer_get(&p);
	peer_send(&p, A, 1, 1, 0);
	while (make(HOG, SOCK_DGRAM, &so) == 0)
		last = so;
	ck_assert_int_eq(sock_accept(p.listener, &so, NULL), -EMFILE);
	exact();
	sock_close(last);
	ck_assert_int_eq(sock_accept(p.listener, &so, NULL), 0);
	ck_assert_uint_eq(so->owner, p.listener->owner);
}
END_TEST

/* Datagrams that nobody reads, to as many sockets as there need be. */
static void fill_udp(uint32_t client, uint16_t first, unsigned n)
{
	struct socket *so;

	for (unsigned i = 0; i < n; i++) {
		ck_assert_int_eq(make(client, SOCK_DGRAM, &so), 0);
		ck_assert_int_eq(desk_bind(so, 0, (uint16_t)(first + i)), 0);
		for (unsigned k = 0; k < 110; k++)
			desk_udp(&d, ip(10, 0, 0, 9), 9, ip(10, 0, 0, 1), (uint16_t)(first + i),
				 "x", 1);
	}
}

START_TEST(what_is_not_read_is_bounded)
{
	fill_udp(HOG, 2000, 5);
	ck_assert_uint_eq(held(HOG), DESK_PKTBUFS / 2);
	ck_assert_uint_gt(desk_count(&d, "QuotaPktbufs"), 0);
	fill_udp(VICTIM, 3000, 1); /* all that one socket may have */
	ck_assert_uint_eq(held(VICTIM), 212992 / PKTBUF_SIZE);
	exact();
}
END_TEST

START_TEST(what_came_to_many_is_copied_for_64_sockets_of_a_user)
{
	struct socket *so[100], *other;
	unsigned i, heard = 0;
	int on = 1;

	ck_assert_int_eq(make(VICTIM, SOCK_DGRAM, &other), 0);
	ck_assert_int_eq(sock_setopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	ck_assert_int_eq(desk_bind(other, 0, 700), 0);
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(make(HOG, SOCK_DGRAM, &so[i]), 0);
		ck_assert_int_eq(sock_setopt(so[i], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
		ck_assert_int_eq(desk_bind(so[i], 0, 700), 0);
	}
	desk_udp(&d, ip(10, 0, 0, 9), 5, ip(10, 0, 0, 255), 700, "x", 1);
	for (i = 0; i < 100; i++)
		heard += sock_readable(so[i]) == 1;
	ck_assert_uint_eq(heard, 64);
	ck_assert_int_eq(sock_readable(other), 1);
}
END_TEST

START_TEST(segments_that_are_not_read_are_bounded)
{
	struct peer v;
	unsigned before;

	peer_accepted(&p);
	fill_udp(HOG, 2000, 5);
	peer_send(&p, A, 1, 1, 1000); /* in order, and yet */
	(void)peer_drain(&p);
	ck_assert_uint_eq(held(HOG), DESK_PKTBUFS / 2);
	ck_assert_int_eq(peer_read(&p, 1000), -EAGAIN);
	peer_send(&p, A, 3000, 1, 1000);
	(void)peer_drain(&p);
	ck_assert_ptr_null(p.so->tcp->ooo_head);
	before = held(VICTIM);
	v = peer_make(&d);
	v.port = 4001;
	v.stack_port = 81;
	ck_assert_int_eq(make(VICTIM, SOCK_STREAM, &v.listener), 0);
	ck_assert_int_eq(desk_bind(v.listener, 0, 81), 0);
	ck_assert_int_eq(sock_listen(v.listener, 4), 0);
	peer_send(&v, TCP_SYN, 0, 0, 0);
	(void)peer_get(&v);
	peer_send(&v, A, 1, 1, 0);
	ck_assert_int_eq(sock_accept(v.listener, &v.so, NULL), 0);
	peer_send(&v, A, 1, 1, 1000);
	ck_assert_uint_eq(held(VICTIM), before + 1);
	ck_assert_int_eq(peer_read(&v, 1000), 1000);
	ck_assert_uint_eq(held(VICTIM), before);
	(void)peer_drain(&v);
}
END_TEST

START_TEST(a_gap_is_filled_before_what_waits_behind_it)
{
	uint8_t owner;

	peer_accepted(&p);
	owner = p.so->owner;
	peer_send(&p, A, 3000, 1, 1000); /* behind a gap */
	(void)peer_drain(&p);
	d.pool.held[owner] += DESK_PKTBUFS / 2; /* as if it had more */
	d.pool.held[owner] -= 2;
	while (!quota_pktbufs_out(d.st, owner))
		d.pool.held[owner]++;
	p.so->tcp->quick_acks = 0;
	peer_send(&p, A, 1, 1, 1000);
	(void)peer_drain(&p);
	ck_assert_ptr_null(p.so->tcp->ooo_head);
	ck_assert_int_eq(peer_read(&p, 1000), 1000);
	d.pool.held[owner] = 0;
}
END_TEST

START_TEST(what_is_reserved_or_sent_and_not_acknowledged_is_bounded)
{
	struct pktbuf *list[8];
	int size = 1 << 20;
	unsigned n = 0;
	int64_t r;

	peer_accepted(&p);
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	while (n < 8 && (r = sock_send_reserve(p.so, 1 << 20, NULL, 0, &list[n])) > 0)
		n++; /* as calls that stand still in their copy */
	ck_assert_uint_le(n, 7);
	ck_assert_int_eq(r, -ENOBUFS);
	ck_assert_uint_eq(held(HOG), DESK_PKTBUFS / 2);
	exact();
	ck_assert_int_eq(sock_send_commit(p.so, list[--n], 100, NULL, 0), 100);
	while (n < 8 && (r = sock_send_reserve(p.so, 1 << 20, NULL, 0, &list[n])) > 0)
		n++;
	ck_assert_int_eq(r, -EAGAIN); /* the ACK of what is queued will wake it */
	ck_assert_uint_gt(desk_count(&d, "QuotaPktbufs"), 1);
	while (n)
		pktbuf_free_list(list[--n]);
	ck_assert_uint_eq(held(HOG), 1);
	ck_assert_int_gt(peer_write(&p, 100), 0);
	(void)peer_drain(&p);
}
END_TEST

START_TEST(what_a_reader_in_mid_call_holds_is_charged)
{
	struct sock_slice slices[SOCK_SLICES];
	struct sock_addr from;
	uint64_t full;
	unsigned n;
	struct socket *so;

	fill_udp(HOG, 2000, 1);
	so = pool_at(&d.st->sockets, 0);
	ck_assert_int_eq(sock_recv_take(so, 100, 0, slices, &n, &from, &full), 1);
	ck_assert_uint_eq(held(HOG), 212992 / PKTBUF_SIZE);
	sock_close(so);
	ck_assert_uint_eq(held(HOG), 1);
	pktbuf_free(slices[0].buf);
	ck_assert_uint_eq(held(HOG), 0);
}
END_TEST

START_TEST(time_wait_is_nobodys)
{
	uint8_t owner;

	peer_accepted(&p);
	owner = p.so->owner;
	ck_assert_int_eq(sock_shutdown(p.so, SHUT_WR), 0);
	desk_flush(&d);
	(void)peer_drain(&p);
	peer_send(&p, A | TCP_FIN, 1, 2, 0);
	(void)peer_drain(&p);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_TIME_WAIT);
	ck_assert_uint_eq(d.st->users[owner].pcbs, 2); /* it has a descriptor of it */
	exact();
	sock_close(p.so);
	ck_assert_uint_eq(d.st->users[owner].pcbs, 1);
	ck_assert_uint_eq(d.st->idle_pcbs, 1);
	exact();
	desk_pass(&d, 70 * SEC_NS);
	ck_assert_uint_eq(d.st->idle_pcbs, 0);
}
END_TEST

/* Memberships of a user, until one is refused: of different groups, 16 a socket. */
static unsigned join_all(uint32_t client)
{
	struct socket *so;
	unsigned n;

	for (n = 0; n < 2 * ALL; n++) {
		struct ip_mreq req = {{ip(239, 1, n / 16, client << 4 | n % 16)},
				      {ip(10, 0, 0, 1)}};

		if (n % 16 == 0)
			ck_assert_int_eq(make(client, SOCK_DGRAM, &so), 0);
		if (sock_setopt(so, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req)) == -ENOBUFS)
			break;
	}
	return n;
}

START_TEST(one_user_gets_half_of_the_memberships_and_this_hosts_own_always_fit)
{
	struct ip_addr addr = {AF_INET, 24, {10, 9, 0, 1}};
	const uint8_t all_hosts[16] = {[10] = 0xff, 0xff, 224, 0, 0, 1};

	ck_assert_uint_eq(join_all(HOG), GROUP_MEMBER_MAX / 2);
	ck_assert_uint_eq(desk_count(&d, "QuotaMembers"), 1);
	ck_assert_uint_eq(join_all(VICTIM), GROUP_MEMBER_MAX / 4);
	ck_assert_uint_eq(join_all(4), GROUP_MEMBER_MAX / 4); /* root, or nobody knows */
	group_leave(d.st, &d.port[1].port, all_hosts);
	ck_assert(!group_heard(d.st, &d.port[1].port, all_hosts));
	ck_assert_int_eq(stack_addr_add(d.st, &d.port[1].port, &addr), 0);
	ck_assert(group_heard(d.st, &d.port[1].port, all_hosts));
}
END_TEST

START_TEST(groups_that_were_left_take_no_place_from_others)
{
	struct ip_mreq req = {{0}, {ip(10, 0, 0, 1)}};
	struct socket *so;
	unsigned i;

	ck_assert_int_eq(make(HOG, SOCK_DGRAM, &so), 0);
	for (i = 0; i < 2 * GROUP_MAX; i++) { /* routers are not told of all that yet */
		req.imr_multiaddr.s_addr = ip(239, 2, i >> 8, i & 255);
		ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req)),
				 0);
		ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_DROP_MEMBERSHIP, &req, sizeof(req)),
				 0);
	}
}
END_TEST

START_TEST(more_users_than_accounts_share)
{
	for (uint32_t i = 0; i < 400; i++)
		stack_client_add(d.st, 10 + i, 5000 + i);
	for (uint32_t i = 0; i < 400; i++)
		ck_assert_uint_ne(d.st->client_owner[10 + i], 0);
	for (uint32_t i = 0; i < 400; i++)
		stack_client_del(d.st, 10 + i);
	stack_client_add(d.st, SEG_CLIENT_MAX, 7);
	stack_client_del(d.st, SEG_CLIENT_MAX);
	for (unsigned i = 1; i < PKTBUF_OWNERS; i++)
		ck_assert_uint_eq(d.st->users[i].clients, i <= 2);
}
END_TEST

START_TEST(the_share_can_be_set)
{
	int err;

	d.st->quota = 25;
	ck_assert_uint_eq(make_all(HOG, SOCK_DGRAM, &err), ALL / 4);
	d.st->quota = 100;
	ck_assert_uint_eq(make_all(VICTIM, SOCK_DGRAM, &err), ALL - ALL / 4);
	ck_assert_int_eq(err, -ENFILE);
}
END_TEST

/* All that can happen to what is charged, in any order; after each step every count is exact. */
START_TEST(any_order_is_exact)
{
	struct socket *so[64] = {NULL};
	uint64_t rng = 88172645463325252ull;
	char byte[2000] = {0};

	for (unsigned step = 0; step < 6000; step++) {
		unsigned i, client;
		struct sock_addr to;
		struct socket *s;

		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		i = rng >> 8 & 63;
		client = 1 + (rng >> 16 & 3);
		s = so[i];
		to = name(rng >> 20 & 1 ? ip(10, 0, 0, 1) : ip(10, 0, 0, 9),
			  (uint16_t)(2000 + (rng >> 24 & 15)));
		switch (rng >> 32 & 15) {
		case 0:
		case 1:
			if (!s && make(client, rng >> 40 & 1 ? SOCK_STREAM : SOCK_DGRAM, &s) == 0)
				so[i] = s;
			break;
		case 2:
			if (s)
				sock_close(s);
			so[i] = NULL;
			break;
		case 3:
		case 4:
			if (s)
				(void)desk_bind(s, 0, (uint16_t)(2000 + (rng >> 24 & 15)));
			break;
		case 5:
			if (s)
				(void)sock_listen(s, 3);
			break;
		case 6:
		case 7:
			if (s)
				(void)sock_connect(s, &to);
			break;
		case 8:
			if (s && !so[(i + 1) % 64])
				(void)sock_accept(s, &so[(i + 1) % 64], NULL);
			break;
		case 9:
		case 10:
		case 11:
			if (s)
				(void)desk_send(&d, s, byte, rng >> 40 & 1023, &to);
			break;
		case 12:
			if (s)
				(void)desk_recv(s, byte, rng >> 40 & 1023, 0, NULL, NULL);
			break;
		case 13:
			if (s)
				(void)sock_shutdown(s, (int)(rng >> 40 & 1) + 1);
			break;
		case 14:
			stack_client_add(d.st, client, 1000 + (rng >> 40 & 7));
			break;
		default:
			desk_pass(&d, (rng >> 40 & 63) * 100 * MS_NS);
		}
		desk_flush(&d);
		(void)desk_drop_sent(&d, 0);
		exact();
	}
	ck_assert_uint_gt(desk_count(&d, "TcpPassiveOpens"), 5);
	ck_assert_uint_gt(desk_count(&d, "UdpInDatagrams"), 5);
	ck_assert_uint_gt(desk_count(&d, "TcpTimeWaits"), 0);
	for (unsigned i = 0; i < 64; i++)
		if (so[i])
			sock_close(so[i]);
	desk_pass(&d, 2000 * SEC_NS);
	exact();
	for (unsigned i = 1; i < PKTBUF_OWNERS; i++)
		ck_assert_uint_eq(d.st->users[i].sockets + d.st->users[i].pcbs + d.pool.held[i], 0);
}
END_TEST

int main(void)
{
	return run_cases("quota",
			 CASES(one_user_gets_half_of_the_sockets, more_processes_are_not_more_share,
			       a_socket_is_charged_for_as_long_as_it_lives,
			       blocks_are_charged_to_the_listener,
			       a_connection_waits_while_its_user_may_have_no_socket,
			       what_is_not_read_is_bounded,
			       what_came_to_many_is_copied_for_64_sockets_of_a_user,
			       segments_that_are_not_read_are_bounded,
			       a_gap_is_filled_before_what_waits_behind_it,
			       what_is_reserved_or_sent_and_not_acknowledged_is_bounded,
			       what_a_reader_in_mid_call_holds_is_charged, time_wait_is_nobodys,
			       one_user_gets_half_of_the_memberships_and_this_hosts_own_always_fit,
			       groups_that_were_left_take_no_place_from_others,
			       more_users_than_accounts_share, the_share_can_be_set,
			       any_order_is_exact),
			 setup, teardown);
}
