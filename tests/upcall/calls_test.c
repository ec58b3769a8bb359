// SPDX-License-Identifier: BSD-3-Clause
/*
 * upcall/calls.c and entry.c over a fake stack: what a hostile caller may say in a call block, and
 * what becomes of it. Data goes through io_calls_test.c.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/upcall/caller.h"
#include "upcall/entry.h"

/* ---- dispatch ------------------------------------------------------------------------------ */

START_TEST(unknown_numbers_are_refused)
{
	ck_assert_int_eq(call(CALL_MAX), -ENOSYS);
	ck_assert_int_eq(call(UINT32_MAX), -ENOSYS);
	ck_assert_int_eq(call(ADMIN_INIT), -ENOSYS); /* client 1 */
	ck_assert_int_eq(call_as(0, ADMIN_INIT, 0), 4711);
	ck_assert_int_eq(call(CALL_NULL), 0);
	ck_assert_uint_eq(fake.turns, 0);
}
END_TEST

START_TEST(a_broken_net_answers_with_its_error)
{
	hdr.failed = ENETDOWN;
	for (uint32_t nr = 0; nr < CALL_MAX; nr++)
		ck_assert_int_eq(call(nr), -ENETDOWN);
	sandbox.stack = NULL;
	ck_assert_int_eq(call(CALL_NULL), -ENETDOWN);
}
END_TEST

START_TEST(a_stale_socket_is_refused_by_every_call_on_one)
{
	for (uint32_t nr = 0; nr < CALL_MAX; nr++) {
		if (nr == CALL_NULL || nr == CALL_TURN || nr == CALL_SOCKET || nr == CALL_ROUTE ||
		    nr == CALL_IS_LOCAL || nr == CALL_SERVICE || nr == CALL_SERVICE_NAME)
			continue;
		ck_assert_int_eq(call_as(1, nr, FAKE_ID(0) + (1u << SEG_SOCK_BITS)), -EBADF);
		ck_assert_int_eq(call_as(1, nr, FAKE_ID(3)), -EBADF);
		ck_assert_int_eq(call_as(1, nr, 0), -EBADF);
		ck_assert_uint_eq(slot.events, 0);
	}
}
END_TEST

START_TEST(upcalls_from_strangers_and_with_wild_slots_are_refused)
{
	ck_assert_int_eq(upcall_main(&app, 0, FAKE_ID(0), 0, 3).ret, -EPERM);
	ck_assert_int_eq(upcall_main(&app, SEG_CLIENT_MAX, 0, 0, 3).ret, -EPERM);
	ck_assert_int_eq(upcall_main(&app, UINT32_MAX, 0, 0, 3).ret, -EPERM);
	ck_assert_int_eq(upcall_main(&app, 1, 0, CHANNEL_SLOTS, 3).ret, -EINVAL);
	ck_assert_int_eq(upcall_main(&app, 1, 0, UINT32_MAX, 3).ret, -EINVAL);
	ck_assert_uint_eq(upcall_main(&app, 1, 0, UINT64_MAX, 3).made, 0);
	ck_assert_uint_eq(app.kind, CTX_UPCALL);
	ck_assert_uint_eq(app.fd, 3);
}
END_TEST

START_TEST(indices_are_clamped)
{
	ck_assert_uint_eq(index_nospec(0, 64), 0);
	ck_assert_uint_eq(index_nospec(63, 64), 63);
	ck_assert_uint_eq(index_nospec(64, 64), 0);
	ck_assert_uint_eq(index_nospec(UINT64_MAX, 64), 0);
}
END_TEST

START_TEST(the_call_block_is_copied_once)
{
	struct call c = {.ctx = &app};
	struct call_addr *addr = (struct call_addr *)slot.inl;

	addr->port = 80;
	slot.nr = CALL_BIND;
	slot.sock = FAKE_ID(1);
	c.sock = call_take(&c, &slot);
	memset(&slot, 0xff, sizeof(slot)); /* the caller's other thread */
	call_run(&c);
	ck_assert_int_eq(c.in.ret, 0);
	ck_assert_uint_eq(fake.so[1].to.port, 80);
}
END_TEST

START_TEST(results_come_back_and_nothing_else)
{
	fake.so[0].to = (struct sock_addr){.family = AF_INET, .port = 4711, .addr = {10, 1, 2, 3}};
	memset(slot.inl, 0xee, sizeof(slot.inl));
	ck_assert_int_eq(call(CALL_GETSOCKNAME), 0);
	ck_assert_uint_eq(((struct call_addr *)slot.inl)->port, 4711);
	for (size_t i = sizeof(struct call_addr); i < CHANNEL_INLINE; i++)
		ck_assert_uint_eq(slot.inl[i], 0xee);
	ck_assert_uint_eq(slot.events, POLLOUT | CALL_EVENTS_KNOWN);
	ck_assert_uint_eq(slot.sock, 0);
	ck_assert_int_eq(slot.ret, 0);
}
END_TEST

START_TEST(questions_about_queues_and_the_mark_are_answered)
{
	fake.so[0].n_queue = 3;
	fake.so[0].n_sent = 5;
	fake.answer = 2;
	ck_assert_int_eq(call(CALL_READABLE), 3);
	ck_assert_int_eq(call(CALL_UNSENT), 5);
	slot.arg[0] = 1;
	ck_assert_int_eq(call(CALL_UNSENT), 2);
	ck_assert_int_eq(call(CALL_AT_MARK), 0);
	fake.so[0].at_mark = true;
	ck_assert_int_eq(call(CALL_AT_MARK), 1);
}
END_TEST

START_TEST(who_asks_for_signals_learns_what_to_name_and_is_noted)
{
	slot.arg[0] = 1;
	ck_assert_int_eq(call_as(5, CALL_SIGNAL, FAKE_ID(1)), FAKE_ID(1));
	ck_assert_uint_eq(fake.so[1].signal_client, 5);
	fake.so[0].plain = true;
	slot.arg[0] = 1;
	ck_assert_int_eq(call(CALL_SIGNAL), 0);
	slot.arg[0] = 0;
	ck_assert_int_eq(call_as(6, CALL_SIGNAL, FAKE_ID(1)), 0);
	ck_assert_uint_eq(fake.so[1].signal_client, 0);
}
END_TEST

/* ---- new sockets, options, events ---------------------------------------------------------- */

START_TEST(a_new_socket_takes_its_flags_along)
{
	struct call c = {.ctx = &app, .client = 1};

	slot.nr = CALL_SOCKET;
	slot.arg[0] = AF_INET;
	slot.arg[1] = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	c.sock = call_take(&c, &slot);
	ks.ready[2].events = 0xffff; /* of the last socket with this index */
	call_run(&c);
	ck_assert_int_eq(c.in.ret, 0);
	ck_assert_uint_eq(c.made, FAKE_ID(2));
	ck_assert_uint_eq(c.made_flags, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ck_assert_uint_eq(ks.ready[2].events, 0);
	slot.arg[1] = SOCK_DGRAM | 0x10000;
	ck_assert_int_eq(call(CALL_SOCKET), -EINVAL);
	slot.arg[0] = UINT64_MAX;
	slot.arg[1] = SOCK_DGRAM;
	ck_assert_int_eq(call(CALL_SOCKET), -EINVAL);
	fake.answer = -ENFILE;
	slot.arg[0] = AF_INET;
	ck_assert_int_eq(call(CALL_SOCKET), -ENFILE);
	ck_assert_uint_eq(slot.sock, 0);
}
END_TEST

START_TEST(accept_makes_a_socket_and_tells_the_peer)
{
	fake.so[0].peer = (struct sock_addr){.family = AF_INET, .port = 1234};
	slot.arg[0] = SOCK_CLOEXEC;
	ck_assert_int_eq(call(CALL_ACCEPT), 0);
	ck_assert_uint_eq(slot.sock, FAKE_ID(2));
	ck_assert_uint_eq(((struct call_addr *)slot.inl)->port, 1234);
	ck_assert_uint_eq(slot.events, POLLOUT | CALL_EVENTS_KNOWN); /* the listener's */
	slot.arg[0] = 1;
	ck_assert_int_eq(call(CALL_ACCEPT), -EINVAL);
	slot.arg[0] = 0;
	fake.answer = -EAGAIN;
	ck_assert_int_eq(call(CALL_ACCEPT), -EAGAIN);
	ck_assert_uint_eq(slot.sock, 0);
}
END_TEST

START_TEST(options_fit_the_slot)
{
	slot.arg[2] = CHANNEL_INLINE + 1;
	ck_assert_int_eq(call(CALL_SETSOCKOPT), -EINVAL);
	ck_assert_int_eq(call(CALL_GETSOCKOPT), -EINVAL);
	slot.arg[2] = UINT64_MAX;
	ck_assert_int_eq(call(CALL_GETSOCKOPT), -EINVAL);
	memset(slot.inl, 7, sizeof(slot.inl));
	slot.arg[2] = CHANNEL_INLINE;
	ck_assert_int_eq(call(CALL_SETSOCKOPT), 0);
	fake.so[0].opt_len = 4;
	memset(slot.inl, 0, sizeof(slot.inl));
	ck_assert_int_eq(call(CALL_GETSOCKOPT), 4);
	ck_assert_uint_eq(slot.inl[3], 7);
	ck_assert_uint_eq(slot.inl[4], 0);
}
END_TEST

/* The fake keeps what was set, and gives it back. */
START_TEST(a_filter_of_sources_crosses_in_a_form_of_its_own)
{
	struct call_filter f = {.interface = 2, .mode = MCAST_EXCLUDE, .n = 16, .family = AF_INET6};
	struct group_filter *made = (struct group_filter *)fake.so[0].opt;
	struct call_filter *back = (struct call_filter *)slot.inl;
	struct sockaddr_in6 last;

	f.group[0] = 0xff;
	f.source[15][15] = 9;
	slot.arg[0] = IPPROTO_IPV6;
	slot.arg[1] = MCAST_MSFILTER;
	slot.arg[2] = sizeof(f);
	memcpy(slot.inl, &f, sizeof(f));
	ck_assert_int_eq(call(CALL_SETSOCKOPT), 0);
	ck_assert_uint_eq(fake.so[0].opt_len, GROUP_FILTER_SIZE(16));
	ck_assert_uint_eq(made->gf_interface, 2);
	memcpy(&last, fake.so[0].opt + GROUP_FILTER_SIZE(15), sizeof(last));
	ck_assert_uint_eq(last.sin6_family, AF_INET6);
	ck_assert_uint_eq(last.sin6_addr.s6_addr[15], 9);
	memset(slot.inl + offsetof(struct call_filter, source), 7, 256);
	ck_assert_int_eq(call(CALL_GETSOCKOPT), sizeof(f));
	ck_assert_mem_eq(back, &f, sizeof(f));
	f.family = AF_INET;
	memcpy(f.source[15], "\x0a\0\0\x09", 4);
	f.source[15][15] = 0;
	memcpy(slot.inl, &f, sizeof(f));
	ck_assert_int_eq(call(CALL_SETSOCKOPT), 0);
	ck_assert_int_eq(call(CALL_GETSOCKOPT), sizeof(f));
	ck_assert_mem_eq(back, &f, sizeof(f));
	f.n = 17;
	memcpy(slot.inl, &f, sizeof(f));
	ck_assert_int_eq(call(CALL_SETSOCKOPT), -ENOBUFS);
	made->gf_numsrc = UINT32_MAX; /* whatever the stack says: not more than there is room for */
	ck_assert_int_eq(call(CALL_GETSOCKOPT), sizeof(f));
	slot.arg[2] = sizeof(f) - 1;
	ck_assert_int_eq(call(CALL_SETSOCKOPT), -EINVAL);
	ck_assert_int_eq(call(CALL_GETSOCKOPT), -EINVAL);
}
END_TEST

START_TEST(an_option_that_asks_with_its_value_has_it)
{
	slot.arg[0] = IPPROTO_IP;
	slot.arg[1] = IP_MSFILTER;
	slot.arg[2] = 16;
	fake.echo = true;
	memset(slot.inl, 5, 16);
	ck_assert_int_eq(call(CALL_GETSOCKOPT), 16);
	ck_assert_uint_eq(slot.inl[15], 6);
}
END_TEST

START_TEST(listen_and_shutdown_take_any_number_without_harm)
{
	slot.arg[0] = UINT64_MAX;
	ck_assert_int_eq(call(CALL_LISTEN), 0);
	ck_assert_int_eq(fake.so[0].backlog, INT16_MAX);
	slot.arg[0] = 5;
	ck_assert_int_eq(call(CALL_LISTEN), 0);
	ck_assert_int_eq(fake.so[0].backlog, 5);
	ck_assert_int_eq(call(CALL_SHUTDOWN), -EINVAL);
}
END_TEST

START_TEST(events_wake_sleepers_again_when_asked)
{
	ck_assert_int_eq(call(CALL_EVENTS), POLLOUT);
	ks.ready[0].waiters = 1;
	slot.arg[0] = POLLIN;
	ck_assert_int_eq(call(CALL_EVENTS), POLLOUT);
	ck_assert_uint_eq(ks.wake_head, 0);
	slot.arg[0] = POLLOUT;
	ck_assert_int_eq(call(CALL_EVENTS), POLLOUT);
	ck_assert_uint_eq(ks.wake_head, 1);
	ck_assert_uint_eq(ks.wake[0], FAKE_ID(0));
}
END_TEST

START_TEST(routes_are_told)
{
	struct call_addr *addr = (struct call_addr *)slot.inl;

	*addr = (struct call_addr){.family = AF_INET, .addr = {10, 0, 0, 9}};
	ck_assert_int_eq(call_as(1, CALL_ROUTE, 0), 0);
	ck_assert_uint_eq(addr->addr[3], 1);
	ck_assert_int_eq(call_as(1, CALL_IS_LOCAL, 0), 1);
	*addr = (struct call_addr){.family = AF_INET, .addr = {11, 0, 0, 9}};
	ck_assert_int_eq(call_as(1, CALL_ROUTE, 0), -ENETUNREACH);
	ck_assert_int_eq(call_as(1, CALL_IS_LOCAL, 0), 0);
	*addr = (struct call_addr){.family = 999, .addr = {10, 0, 0, 9}};
	ck_assert_int_eq(call_as(1, CALL_ROUTE, 0), -ENETUNREACH);
}
END_TEST

int main(void)
{
	return run_cases(
		"calls",
		CASES(unknown_numbers_are_refused, a_broken_net_answers_with_its_error,
		      a_stale_socket_is_refused_by_every_call_on_one,
		      upcalls_from_strangers_and_with_wild_slots_are_refused, indices_are_clamped,
		      the_call_block_is_copied_once, results_come_back_and_nothing_else,
		      questions_about_queues_and_the_mark_are_answered,
		      who_asks_for_signals_learns_what_to_name_and_is_noted,
		      a_new_socket_takes_its_flags_along, accept_makes_a_socket_and_tells_the_peer,
		      options_fit_the_slot, a_filter_of_sources_crosses_in_a_form_of_its_own,
		      an_option_that_asks_with_its_value_has_it,
		      listen_and_shutdown_take_any_number_without_harm,
		      events_wake_sleepers_again_when_asked, routes_are_told),
		caller_open, caller_close);
}
