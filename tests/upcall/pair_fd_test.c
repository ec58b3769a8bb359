/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * upcall/pair_fd.c and who calls it: urgent data on descriptors of server and direct mode. The test
 * holds both ends of the pair; the daemon's answers lie ready in the control socket.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/upcall/fake_attachment.h"
#include "upcall/sandwire.h"

static int a, b, control[2];
static uint32_t events;	   /* what the socket is ready for after a call */
static uint64_t announced; /* what the daemon is to say anew; UINT64_MAX: nothing */
static int64_t received;   /* by a receive */

static int64_t sandbox(struct call *c)
{
	c->slot->events = events | CALL_EVENTS_KNOWN;
	if (c->slot->nr == CALL_EVENTS && c->slot->arg[0])
		announced = c->slot->arg[0];
	return c->slot->nr == CALL_RECV ? received : (int64_t)events;
}

static void noted_as(uint64_t flags)
{
	fd_note_sock(a, FD_WORD(FD_SOCK, flags, 1, 1));
}

static void start(void)
{
	static struct mode_ops pairs;
	struct attachment *at = fake_attach(sandbox, false);
	int fd[2];

	pairs = *at->ops;
	pairs.pairs = true;
	at->ops = &pairs;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, control), 0);
	at->control_fd = control[0];
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	a = fd[0];
	b = fd[1];
	noted_as(0);
	events = 0;
	announced = UINT64_MAX;
	received = 1;
}

static void stop(void)
{
	close(a);
	close(b);
	close(control[0]);
	close(control[1]);
}

static void daemon_says(const char *answer)
{
	ck_assert_int_eq(control_send(control[1], answer, -1), 0);
}

/* What the daemon was asked; "" if nothing. */
static const char *daemon_heard(void)
{
	static char text[128];
	ssize_t n = recv(control[1], text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = 0;
	return text;
}

/* The daemon's bytes: 'i' for POLLIN, 'u' the urgent one. */
static void bytes(const char *s)
{
	for (; *s; s++)
		ck_assert_int_eq(send(b, s, 1, *s == 'u' ? MSG_OOB : 0), 1);
}

static int polled(short what)
{
	struct timespec none = {0};
	struct pollfd pfd = {.fd = a, .events = what};
	int ret = sandwire_poll(&pfd, 1, &none, NULL);

	ck_assert_int_eq(ret, pfd.revents != 0);
	return pfd.revents;
}

/* What the kernel says of the descriptor. */
static int kernel_says(void)
{
	struct pollfd pfd = {.fd = a, .events = POLLIN | POLLPRI};

	return poll(&pfd, 1, 0) < 0 ? -1 : pfd.revents;
}

START_TEST(who_waits_for_urgent_data_has_the_daemon_say_it)
{
	ck_assert_int_eq(polled(POLLIN), 0);
	ck_assert_str_eq(daemon_heard(), "");
	daemon_says("{\"ok\":true}");
	ck_assert_int_eq(polled(POLLIN | POLLPRI), 0);
	ck_assert_str_eq(daemon_heard(), "{\"cmd\":\"urgent\"}");
	ck_assert_int_eq(polled(POLLIN | POLLPRI), 0); /* it is known */
	ck_assert_str_eq(daemon_heard(), "");
	noted_as(FD_DGRAM);
	ck_assert_int_eq(polled(POLLPRI), 0);
	ck_assert_str_eq(daemon_heard(), "");
}
END_TEST

START_TEST(who_was_refused_asks_again)
{
	for (unsigned i = 0; i < 2; i++) {
		daemon_says("{\"error\":\"urgent: x\",\"errno\":88}");
		ck_assert_int_eq(polled(POLLPRI), 0);
		ck_assert_str_eq(daemon_heard(), "{\"cmd\":\"urgent\"}");
	}
}
END_TEST

START_TEST(a_socket_that_came_from_another_may_say_it_already)
{
	uint64_t flags = 99;
	uint32_t id;

	daemon_says("{\"ok\":true,\"sock\":7,\"urgent\":false}");
	ck_assert_int_eq(pair_prove(attach_get(), a, &id, &flags), 0);
	ck_assert_uint_eq(flags, 0);
	daemon_says("{\"ok\":true,\"sock\":7,\"urgent\":true}");
	ck_assert_int_eq(pair_prove(attach_get(), a, &id, &flags), 0);
	ck_assert_uint_eq(flags, FD_URGENT);
	ck_assert_uint_eq(id, 7);
}
END_TEST

START_TEST(the_urgent_byte_does_not_poll_as_readable)
{
	noted_as(FD_URGENT);
	bytes("u");
	events = POLLPRI;
	ck_assert_int_eq(kernel_says(), POLLIN | POLLPRI);
	ck_assert_int_eq(polled(POLLIN | POLLPRI), POLLPRI);
	events = POLLPRI | POLLIN;
	ck_assert_int_eq(polled(POLLIN | POLLPRI), POLLIN | POLLPRI);
}
END_TEST

START_TEST(a_receive_leaves_it_while_it_is_true)
{
	char c;

	noted_as(FD_URGENT);
	bytes("ui");
	events = POLLPRI;
	ck_assert_int_eq(sandwire_recv(a, &c, 1, 0), 1);
	ck_assert_int_eq(kernel_says(), POLLIN | POLLPRI);
	events = POLLPRI | POLLIN;
	ck_assert_int_eq(sandwire_recv(a, &c, 1, 0), 1);
	ck_assert_int_eq(kernel_says(), POLLIN | POLLPRI);
	events = 0;
	ck_assert_int_eq(sandwire_recv(a, &c, 1, MSG_PEEK), 1);
	ck_assert_int_eq(kernel_says(), POLLIN | POLLPRI);
	ck_assert_uint_eq(announced, UINT64_MAX);
}
END_TEST

START_TEST(a_receive_that_leaves_nothing_urgent_takes_it)
{
	static const char *const mixed[] = {"u", "ui", "iu", "iui", "iuiui"};
	char c;

	noted_as(FD_URGENT);
	for (unsigned i = 0; i < sizeof(mixed) / sizeof(mixed[0]); i++) {
		events = i & 1 ? POLLIN : 0; /* all bytes go: the daemon says anew what is true */
		announced = 0;
		bytes(mixed[i]);
		ck_assert_int_eq(sandwire_recv(a, &c, 1, 0), 1);
		ck_assert_int_eq(kernel_says(), 0);
		ck_assert_uint_eq(announced, POLLIN | POLLPRI);
	}
	events = POLLIN;
	announced = UINT64_MAX;
	bytes("i");
	ck_assert_int_eq(sandwire_recv(a, &c, 1, 0), 1);
	ck_assert_int_eq(kernel_says(), POLLIN);
	ck_assert_uint_eq(announced, UINT64_MAX);
}
END_TEST

START_TEST(a_receive_that_finds_nothing_takes_it)
{
	char c;

	noted_as(FD_URGENT);
	bytes("iu");
	received = -EAGAIN;
	ck_assert_int_eq(sandwire_recv(a, &c, 1, MSG_DONTWAIT), -EAGAIN);
	ck_assert_int_eq(kernel_says(), 0);
}
END_TEST

/* It did not know that the descriptor said it. */
START_TEST(what_another_process_has_taken_is_polled_at_most_once)
{
	char c;

	noted_as(FD_URGENT);
	bytes("u");
	ck_assert_int_eq(polled(POLLIN | POLLPRI), POLLPRI);
	ck_assert_int_eq(kernel_says(), 0);
	bytes("u");
	received = -EINVAL;
	ck_assert_int_eq(sandwire_recv(a, &c, 1, MSG_OOB), -EINVAL);
	ck_assert_int_eq(kernel_says(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pair_fd");
	TCase *tc = tcase_create("urgent");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, who_waits_for_urgent_data_has_the_daemon_say_it);
	tcase_add_test(tc, who_was_refused_asks_again);
	tcase_add_test(tc, a_socket_that_came_from_another_may_say_it_already);
	tcase_add_test(tc, the_urgent_byte_does_not_poll_as_readable);
	tcase_add_test(tc, a_receive_leaves_it_while_it_is_true);
	tcase_add_test(tc, a_receive_that_leaves_nothing_urgent_takes_it);
	tcase_add_test(tc, a_receive_that_finds_nothing_takes_it);
	tcase_add_test(tc, what_another_process_has_taken_is_polled_at_most_once);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
