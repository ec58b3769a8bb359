/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tools/sandwired/pair_fd.c: urgent data. What end A polls is the kernel's word; the stack behind
 * is what the test writes in the shared area.
 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/tools/sandwired/fake_image.h"
#include "tools/sandwired/net.h"
#include "tools/sandwired/pair_fd.h"

#define SOCK 0x18003u

static struct net net;
static struct seg_kshared *ks;
static int type, a;

static int64_t stack(struct ctx *ctx, uint32_t client, struct call_slot *s)
{
	ck_assert_uint_eq(s->nr, CALL_GETSOCKOPT);
	memcpy(s->inl, &type, sizeof(type));
	return sizeof(type);
}

static void make(int sock_type)
{
	struct failure f;

	type = sock_type;
	a = pair_make(&net, 1, SOCK, &f);
	ck_assert_int_ge(a, 0);
}

static void setup(void)
{
	sigset_t urg;

	sigemptyset(&urg);
	sigaddset(&urg, SIGURG);
	sigprocmask(SIG_BLOCK, &urg, NULL);
	memset(&net, 0, sizeof(net));
	ks = fake_image_up(stack);
	ck_assert_int_eq(loop_init(&net.loop), 0);
	ck_assert_int_eq(pairs_init(&net), 0);
	make(SOCK_STREAM);
}

static void teardown(void)
{
	close(a);
	pairs_free(&net);
	loop_free(&net.loop);
	fake_image_down();
}

/* The socket is ready for this now, and whoever sleeps on it shall look again. */
static void wake(uint32_t events)
{
	ks->ready[SEG_SOCK_INDEX(SOCK)].events = events;
	ks->wake[ks->wake_head++ % SEG_WAKE_ENTRIES] = SOCK;
	pairs_wake(&net);
}

static int polled(void)
{
	struct pollfd pfd = {.fd = a, .events = POLLIN | POLLPRI | POLLRDHUP};

	ck_assert_int_ge(poll(&pfd, 1, 0), 0);
	return pfd.revents;
}

/* As a program does it that takes the urgent byte: that, then all others; how many. */
static unsigned take_all(void)
{
	char c;
	unsigned n = 0;

	ck_assert_int_eq(recv(a, &c, 1, MSG_OOB | MSG_DONTWAIT), 1);
	while (recv(a, &c, 1, MSG_DONTWAIT) == 1)
		n++;
	return n;
}

static bool signalled(void)
{
	struct timespec none = {0};
	sigset_t urg;

	sigemptyset(&urg);
	sigaddset(&urg, SIGURG);
	return sigtimedwait(&urg, NULL, &none) == SIGURG;
}

START_TEST(who_did_not_ask_for_urgent_data_does_not_see_it)
{
	wake(POLLPRI | POLLOUT);
	ck_assert_int_eq(polled(), 0);
	wake(POLLPRI | POLLIN);
	ck_assert_int_eq(polled(), POLLIN);
	ck_assert(!pair_signal_urgent(&net, SOCK));
}
END_TEST

START_TEST(who_asked_sees_what_was_there_and_what_comes)
{
	bool urgent = true;

	ck_assert_uint_eq(pair_prove(&net, a, &urgent), SOCK);
	ck_assert(!urgent);
	wake(POLLPRI);
	ck_assert(pair_want_urgent(&net, a));
	ck_assert(polled() & POLLPRI);
	ck_assert_uint_eq(pair_prove(&net, a, &urgent), SOCK);
	ck_assert(urgent); /* for others, who prove that they hold it */
	take_all();
	wake(POLLOUT);
	ck_assert_int_eq(polled(), 0);
	wake(POLLPRI | POLLIN);
	ck_assert_int_eq(polled(), POLLPRI | POLLIN);
}
END_TEST

START_TEST(it_is_said_once_until_it_is_taken)
{
	ck_assert(pair_want_urgent(&net, a));
	wake(POLLPRI | POLLIN);
	wake(POLLPRI | POLLIN);
	wake(POLLPRI | POLLIN);
	ck_assert_uint_eq(take_all(), 3); /* a byte for POLLIN each time, and nothing else */
	wake(POLLPRI | POLLIN);		  /* a newer one, for all the daemon can see */
	ck_assert_int_eq(polled(), POLLPRI | POLLIN);
}
END_TEST

START_TEST(it_outlives_the_end_that_comes_with_it)
{
	ck_assert(pair_want_urgent(&net, a));
	wake(POLLPRI | POLLIN | POLLRDHUP);
	ck_assert_int_eq(polled(), POLLPRI | POLLIN | POLLRDHUP);
}
END_TEST

START_TEST(the_owner_of_a_descriptor_that_says_it_has_one_signal)
{
	ck_assert_int_eq(fcntl(a, F_SETOWN, getpid()), 0);
	ck_assert(pair_want_urgent(&net, a));
	ks->ready[SEG_SOCK_INDEX(SOCK)].events = POLLIN;
	ck_assert(!pair_signal_urgent(&net, SOCK)); /* announced, not here yet */
	ks->ready[SEG_SOCK_INDEX(SOCK)].events = POLLPRI;
	ck_assert(!pair_signal_urgent(&net, SOCK + SEG_SOCK_COUNT)); /* whose number it has now */
	ck_assert(!signalled());
	ck_assert(pair_signal_urgent(&net, SOCK));
	ck_assert(signalled());
	wake(POLLPRI);
	ck_assert(polled() & POLLPRI);
	ck_assert(!signalled());
}
END_TEST

START_TEST(datagrams_have_none_and_other_files_are_no_end)
{
	int other[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
	ck_assert(!pair_want_urgent(&net, other[0]));
	close(other[0]);
	close(other[1]);
	close(a);
	pairs_hear(&net);
	make(SOCK_DGRAM);
	ck_assert(pair_want_urgent(&net, a));
	wake(POLLPRI);
	ck_assert_int_eq(polled(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pair_fd");
	TCase *c = tcase_create("urgent");
	SRunner *sr;
	int failed;

	if (!fake_image_fits()) {
		printf("the segment's addresses are taken (AddressSanitizer has its heap there)\n");
		return 77;
	}
	sr = srunner_create(s);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, who_did_not_ask_for_urgent_data_does_not_see_it);
	tcase_add_test(c, who_asked_sees_what_was_there_and_what_comes);
	tcase_add_test(c, it_is_said_once_until_it_is_taken);
	tcase_add_test(c, it_outlives_the_end_that_comes_with_it);
	tcase_add_test(c, the_owner_of_a_descriptor_that_says_it_has_one_signal);
	tcase_add_test(c, datagrams_have_none_and_other_files_are_no_end);
	suite_add_tcase(s, c);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
