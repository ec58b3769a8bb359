/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
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

START_TEST(every_address_and_route_has_a_row)
{
	struct addr_row a;
	struct route_row r;
	uint32_t cursor = 0;

	ck_assert(stack_addr_row(d.st, &cursor, &a));
	ck_assert_uint_eq(a.addr.prefix, 24);
	ck_assert_uint_eq(a.addr.bytes[0], 10);
	ck_assert(stack_addr_row(d.st, &cursor, &a));
	ck_assert_uint_eq(a.port_index, 1);
	ck_assert(!stack_addr_row(d.st, &cursor, &a));
	cursor = 0;
	ck_assert(stack_route_row(d.st, &cursor, &r));
	ck_assert_uint_eq(r.dst.bytes[3], 0);
	ck_assert_uint_eq(r.gateway.family, 0);
	ck_assert(stack_route_row(d.st, &cursor, &r));
	ck_assert(!stack_route_row(d.st, &cursor, &r));
}
END_TEST

START_TEST(every_socket_has_a_row)
{
	struct socket *a = desk_socket(&d, SOCK_DGRAM, 0), *gone = desk_socket(&d, SOCK_DGRAM, 0);
	struct socket *b = desk_socket(&d, SOCK_DGRAM, IPPROTO_ICMP);
	struct sock_row row;
	uint32_t cursor = 0;

	sock_close(gone);
	desk_bind(a, 0, 53);
	desk_udp(&d, ip(10, 0, 0, 9), 1, ip(10, 0, 0, 1), 53, "x", 1);
	ck_assert(stack_sock_row(d.st, &cursor, &row));
	ck_assert_uint_eq(row.id, sock_id(a));
	ck_assert_uint_eq(row.client, 1);
	ck_assert_uint_eq(row.type, SOCK_DGRAM);
	ck_assert_uint_eq(row.protocol, IPPROTO_UDP);
	ck_assert_uint_eq(row.local_port, 53);
	ck_assert_uint_ne(row.recv_q, 0);
	ck_assert(stack_sock_row(d.st, &cursor, &row));
	ck_assert_uint_eq(row.id, sock_id(b));
	ck_assert_uint_eq(row.protocol, IPPROTO_ICMP);
	ck_assert(!stack_sock_row(d.st, &cursor, &row));
	ck_assert(!stack_sock_row(d.st, &cursor, &row));
}
END_TEST

START_TEST(pools_say_what_is_used)
{
	struct pool_row row;
	uint32_t cursor = 0;
	unsigned n = 0;
	bool sockets = false, buffers = false;

	desk_socket(&d, SOCK_DGRAM, 0);
	while (stack_pool_row(d.st, &cursor, &row)) {
		n++;
		if (strcmp(row.name, "sockets") == 0) {
			sockets = true;
			ck_assert_uint_eq(row.used, 1);
			ck_assert_uint_eq(row.count, 256);
		}
		if (strcmp(row.name, "pktbufs") == 0) {
			buffers = true;
			ck_assert_uint_eq(row.used, 0);
			ck_assert_uint_eq(row.count, DESK_PKTBUFS);
		}
	}
	ck_assert(sockets && buffers);
	ck_assert_uint_ge(n, 4);
}
END_TEST

START_TEST(counters_have_names_and_an_end)
{
	uint64_t v;
	uint32_t i = 0;

	while (stack_counter(d.st, i, &v))
		i++;
	ck_assert_uint_eq(i, CNT_COUNT);
	ck_assert_str_eq(stack_counter(d.st, 0, &v), "EthInFrames");
}
END_TEST

START_TEST(an_arena_too_small_makes_no_stack)
{
	static uint8_t memory[1 << 20] __attribute__((aligned(64)));
	struct stack_conf conf = {.pool = &d.pool, .max_sockets = 256, .max_pcbs = 256};
	struct arena a;

	for (size_t size = 0; size < 80000; size += 4096) {
		a = (struct arena){.base = memory, .size = size};
		ck_assert_ptr_null(stack_create(&a, &conf));
	}
}
END_TEST

int main(void)
{
	return run_cases("introspect",
			 CASES(every_address_and_route_has_a_row, every_socket_has_a_row,
			       pools_say_what_is_used, counters_have_names_and_an_end,
			       an_arena_too_small_makes_no_stack),
			 setup, teardown);
}
