/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many connections: 10,000 idle ones in less than 64 MiB of everything, and 100,000 that come and
 * go and leave nothing. The stack talks to itself over its own address, so both ends are real; each
 * connection is two blocks and two sockets.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/ip6.h"
#include "tcpip/tcp.h"
#include "tests/tcpip/test_memory.h"
#include "tests/tcpip/test_port.h"

#define MIB	(1u << 20)
#define SEGMENT (64 * MIB)
#define PKTBUFS 2048u
#define S_NS	1000000000ull

static struct {
	struct stack *st;
	struct test_port port;
	struct pktbuf_pool pool;
	struct arena arena;
	uint8_t *memory;
	size_t size, data_size;
	uint64_t now;
} host;

static const uint8_t own6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};

static void host_ip6(void)
{
	struct stack_ip6_conf conf = {.secret = {7}};
	struct ip_addr a = {.family = AF_INET6, .prefix = 64};

	memcpy(a.bytes, own6, 16);
	ck_assert_int_eq(stack_ip6_up(host.st, &host.port.port, &conf), 0);
	ck_assert_int_eq(stack_addr_add(host.st, &host.port.port, &a), 0);
}

/* Everything of one stack out of one piece of memory: what a segment's heap holds. */
static void host_open(size_t size, uint32_t sockets, uint32_t caps)
{
	struct stack_conf conf = {.max_sockets = sockets, .max_pcbs = sockets};
	struct ip_addr a = {.family = AF_INET, .prefix = 24, .bytes = {10, 0, 0, 1}};

	memset(&host, 0, sizeof(host));
	host.now = 1000 * S_NS;
	host.memory = test_memory(host.size = size);
	host.data_size = PKTBUFS * PKTBUF_SIZE;
	host.arena.base = host.memory + host.data_size;
	host.arena.size = size - host.data_size;
	pktbuf_pool_init(&host.pool, arena_take(&host.arena, PKTBUFS * sizeof(struct pktbuf), 64),
			 host.memory, 0, PKTBUFS);
	conf.pool = &host.pool;
	conf.now = host.now;
	host.st = stack_create(&host.arena, &conf);
	ck_assert_ptr_nonnull(host.st);
	test_port_open(&host.port, &host.pool, 0, caps, &host.now);
	stack_port_add(host.st, &host.port.port);
	ck_assert_int_eq(stack_addr_add(host.st, &host.port.port, &a), 0);
}

static void host_close(void)
{
	stack_port_del(host.st, &host.port.port);
	test_port_close(&host.port);
	test_memory_free(host.memory, host.size);
}

static void pass(uint64_t ns)
{
	uint64_t end = host.now + ns, next;

	while ((next = stack_deadline(host.st)) <= end) {
		host.now = next > host.now ? next : host.now;
		stack_set_now(host.st, host.now);
		(void)stack_timers(host.st, 64);
		stack_output(host.st);
	}
	host.now = end;
	stack_set_now(host.st, end);
	port_flush(&host.port.port);
}

static struct sock_addr at(uint16_t family, uint16_t port)
{
	struct sock_addr a = {.family = family, .port = port, .addr = {10, 0, 0, 1}};

	if (family == AF_INET6)
		memcpy(a.addr, own6, 16);
	return a;
}

/* Sockets are user 1's, whom a client of that number brings. */
#define CLIENT 1u

static struct socket *listening(uint16_t family, uint16_t port)
{
	struct sock_addr a = at(family, port);
	struct socket *so;

	ck_assert_int_eq(sock_create(host.st, family, SOCK_STREAM, 0, CLIENT, &so), 0);
	ck_assert_int_eq(sock_bind(so, &a), 0);
	ck_assert_int_eq(sock_listen(so, 128), 0);
	return so;
}

static void connected(struct socket *listener, uint16_t port, struct socket **client,
		      struct socket **server)
{
	struct sock_addr a = at(listener->domain, port), from;

	ck_assert_int_eq(sock_create(host.st, listener->domain, SOCK_STREAM, 0, CLIENT, client), 0);
	ck_assert_int_eq(sock_connect(*client, &a), -EINPROGRESS);
	stack_output(host.st);
	ck_assert_int_eq(sock_accept(listener, server, &from), 0);
	ck_assert_int_eq(sock_connect(*client, &a), 0);
}

static void talk(struct socket *from, struct socket *to, uint32_t len)
{
	struct sock_slice slices[SOCK_SLICES];
	struct pktbuf *list;
	uint64_t full;
	unsigned n;

	ck_assert_int_eq(sock_send_reserve(from, len, NULL, 0, &list), len);
	ck_assert_int_eq(sock_send_commit(from, list, len, NULL, 0), len);
	stack_output(host.st);
	ck_assert_int_eq(sock_recv_take(to, len, 0, slices, &n, NULL, &full), len);
	sock_recv_done(to, slices, n);
	stack_output(host.st);
}

/* 5,000 connections to ourselves have 10,000 ends here. */
START_TEST(ten_thousand_idle_connections_fit_in_64_mib)
{
	enum { PAIRS = 5000, SOCKETS = 16384 };
	struct socket *listener, *client, *server;
	unsigned i;

	host_open(SEGMENT, SOCKETS, PORT_CAP_RAW_IP);
	host_ip6();
	listener = listening(_i ? AF_INET6 : AF_INET, 80);
	for (i = 0; i < PAIRS; i++) {
		connected(listener, 80, &client, &server);
		talk(client, server, 1000);
		talk(server, client, 1000);
	}
	pass(S_NS); /* delayed ACKs */
	ck_assert_uint_eq(host.st->tcp_pcbs.used, 2 * PAIRS + 1);
	ck_assert_uint_eq(host.pool.avail, host.pool.count);
	printf("10,000 idle connections of IPv%c: %u bytes a block, %u a socket, no packet "
	       "buffer; all pools and tables for %u of them and %u packet buffers: %.1f MiB\n",
	       _i ? '6' : '4', host.st->tcp_pcbs.size, host.st->sockets.size, SOCKETS, PKTBUFS,
	       (double)(host.arena.used + host.data_size) / MIB);
	ck_assert_uint_le(host.arena.used + host.data_size, SEGMENT);
	host_close();
}
END_TEST

struct counts {
	uint32_t pcbs, sockets, bufs, timers, handles, neighbours;
	uint32_t user_sockets, user_pcbs, user_bufs;
};

static struct counts counts(void)
{
	uint8_t owner = host.st->client_owner[CLIENT];
	struct counts c = {
		.pcbs = host.st->tcp_pcbs.used,
		.sockets = host.st->sockets.used,
		.bufs = host.pool.avail,
		.timers = host.st->timers.armed,
		.user_sockets = host.st->users[owner].sockets,
		.user_pcbs = host.st->users[owner].pcbs,
		.user_bufs = host.pool.held[owner],
	};
	struct neigh_row row;
	uint32_t i;

	ck_assert_uint_ne(owner, 0); /* else nothing would be charged */
	for (i = 0; i < host.st->ip6->high; i++)
		c.handles += host.st->ip6->name[i].refs > 0;
	for (i = 0; neigh_row(host.st, &i, &row);)
		c.neighbours++;
	return c;
}

/* A neighbour that does not answer is asked for, and given up. */
static void to_nobody(uint16_t family, unsigned i)
{
	struct sock_addr a = at(family, 80);
	struct socket *so;

	a.addr[family == AF_INET6 ? 15 : 3] = (uint8_t)(2 + i % 200);
	ck_assert_int_eq(sock_create(host.st, family, SOCK_STREAM, 0, CLIENT, &so), 0);
	ck_assert_int_eq(sock_connect(so, &a), -EINPROGRESS);
	stack_output(host.st);
	sock_close(so);
}

static void come_and_go(struct socket *listener, unsigned i)
{
	struct socket *client, *server;
	int linger[2] = {1, 0};

	connected(listener, 80, &client, &server);
	if (i % 3 == 0)
		talk(client, server, 1 + i % 5000);
	if (i % 7 == 0) /* some end with a reset */
		(void)sock_setopt(client, SOL_SOCKET, SO_LINGER, linger, sizeof(linger));
	if (i % 100 == 50)
		to_nobody(listener->domain, i / 100);
	sock_close(i % 2 ? client : server);
	stack_output(host.st);
	sock_close(i % 2 ? server : client);
	stack_output(host.st);
	pass(i % 100 ? 1000 : 10 * S_NS);
}

/* The last third over IPv6. */
START_TEST(a_hundred_thousand_that_come_and_go_leave_nothing)
{
	struct socket *v4, *v6;
	struct counts before, after, most;
	unsigned i;

	host_open(SEGMENT, 1024, 0);
	stack_client_add(host.st, CLIENT, 1001);
	host_ip6();
	pass(20 * S_NS); /* reports of groups, solicitations */
	v4 = listening(AF_INET, 80);
	v6 = listening(AF_INET6, 80);
	before = counts();
	for (i = 0; i < 100000; i++)
		come_and_go(i < 66666 ? v4 : v6, i);
	most = counts();
	pass(130 * S_NS);
	after = counts();
	ck_assert_uint_gt(most.neighbours, before.neighbours);
	ck_assert_uint_gt(most.handles, before.handles);
	ck_assert_mem_eq(&after, &before, sizeof(after));
	ck_assert_uint_le(host.st->tcp_pcbs.high, 1024);
	ck_assert_uint_eq(host.st->tcp->tw_n, 0);
	ck_assert_uint_eq(host.st->tcp->syn_n, 0);
	sock_close(v4);
	sock_close(v6);
	ck_assert_uint_eq(counts().user_sockets + counts().user_pcbs, 0);
	host_close();
}
END_TEST

int main(void)
{
	Suite *su = suite_create("many connections");
	TCase *tc = tcase_create("many");
	SRunner *sr = srunner_create(su);
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_loop_test(tc, ten_thousand_idle_connections_fit_in_64_mib, 0, 2);
	tcase_add_test(tc, a_hundred_thousand_that_come_and_go_leave_nothing);
	suite_add_tcase(su, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
