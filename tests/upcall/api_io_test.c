/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * upcall/api_io.c and wait.c against a sandbox of a few lines: what is short, what blocks, what a
 * signal interrupts. The descriptor is an eventfd that the test makes readable.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/upcall/fake_attachment.h"
#include "upcall/sandwire.h"

/* The far end: bytes to be read, at most `grain` a call; room for what is written. */
static struct {
	char in[65536], out[65536];
	size_t in_len, out_len, room, grain;
	_Atomic int ready;
	bool eof, staged, tells, starts; /* starts: the first send begins a connection */
	struct call_addr from;
	uint32_t msg_flags;
	int sends, recvs;
} far;
static int fd;

static int64_t do_send(struct call *c, const struct call_io *io)
{
	int64_t total = 0;

	far.sends++;
	if (far.starts && far.sends == 1)
		return -EINPROGRESS;
	for (unsigned i = 0; i < c->slot->arg[1]; i++) {
		size_t len = io->iov[i].len;
		const char *base = far.staged ? (char *)c->at->data + c->n * CHANNEL_DATA_SIZE +
							io->iov[i].base
					      : (const char *)(uintptr_t)io->iov[i].base;

		if (len > far.room)
			len = far.room;
		memcpy(far.out + far.out_len, base, len);
		far.out_len += len;
		far.room -= len;
		total += (int64_t)len;
	}
	return total ? total : -EAGAIN;
}

static int64_t do_recv(struct call *c, const struct call_io *io)
{
	size_t left = far.in_len < far.grain ? far.in_len : far.grain, total = 0;

	far.recvs++;
	((struct call_io *)c->slot->inl)->addr = far.from;
	((struct call_io *)c->slot->inl)->msg_flags = far.msg_flags;
	if (!left)
		return far.eof ? 0 : -EAGAIN;
	for (unsigned i = 0; i < c->slot->arg[1]; i++) {
		size_t len = io->iov[i].len < left ? io->iov[i].len : left;
		char *base = far.staged ? (char *)c->at->data + c->n * CHANNEL_DATA_SIZE
					: (char *)(uintptr_t)io->iov[i].base;

		memcpy(base, far.in + total, len);
		total += len;
		left -= len;
	}
	memmove(far.in, far.in + total, far.in_len - total);
	far.in_len -= total;
	if (far.tells)
		c->slot->events = CALL_EVENTS_KNOWN | (far.in_len ? POLLIN : 0);
	return (int64_t)total;
}

static int64_t sandbox(struct call *c)
{
	struct call_io io;
	struct timeval tv = {.tv_usec = 30000};

	memcpy(&io, c->slot->inl, sizeof(io));
	switch (c->slot->nr) {
	case CALL_SEND:
		return do_send(c, &io);
	case CALL_RECV:
		return do_recv(c, &io);
	case CALL_GETSOCKOPT:
		memcpy(c->slot->inl, &tv, sizeof(tv));
		return sizeof(tv);
	}
	return 0;
}

static void reset(bool staged)
{
	memset(&far, 0, sizeof(far));
	far.grain = far.room = sizeof(far.in);
	far.staged = staged;
	fake_attach(sandbox, staged);
	fd = eventfd(0, 0);
	fake_socket(fd, 0);
}

static void start(void)
{
	reset(false);
}

static void *later(void *arg)
{
	uint64_t one = 1;

	usleep(20000);
	memcpy(far.in, arg, strlen(arg));
	far.in_len = strlen(arg);
	if (write(fd, &one, sizeof(one)) != sizeof(one))
		abort();
	return NULL;
}

START_TEST(a_long_send_goes_on_until_it_is_full)
{
	char data[100];

	memset(data, 'x', sizeof(data));
	far.room = 60;
	ck_assert_int_eq(sandwire_send(fd, data, sizeof(data), MSG_DONTWAIT), 60);
	ck_assert_int_eq(far.sends, 2);
	ck_assert_int_eq(sandwire_send(fd, data, sizeof(data), MSG_DONTWAIT), -EAGAIN);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	ck_assert_int_eq(sandwire_send(fd, data, sizeof(data), 0), -EAGAIN);
}
END_TEST

START_TEST(a_send_that_began_a_connection_waits_for_it_unless_told_not_to)
{
	far.starts = true;
	ck_assert_int_eq(sandwire_send(fd, "x", 1, MSG_DONTWAIT), -EINPROGRESS);
	far.sends = 0;
	ck_assert_int_eq(sandwire_send(fd, "x", 1, 0), 1);
	ck_assert_int_eq(far.out_len, 1);
}
END_TEST

START_TEST(many_vectors_go_in_several_calls)
{
	struct iovec iov[100];
	char data[100], back[100];

	for (int i = 0; i < 100; i++) {
		data[i] = (char)i;
		iov[i] = (struct iovec){.iov_base = &data[i], .iov_len = 1};
	}
	ck_assert_int_eq(sandwire_writev(fd, iov, 100), 100);
	ck_assert_mem_eq(far.out, data, 100);
	ck_assert_int_eq(far.sends, 7);
	memcpy(far.in, data, 100);
	far.in_len = 100;
	far.tells = true;
	for (int i = 0; i < 100; i++)
		iov[i].iov_base = &back[i];
	ck_assert_int_eq(sandwire_readv(fd, iov, 100), 100);
	ck_assert_mem_eq(back, data, 100);
}
END_TEST

START_TEST(many_vectors_of_a_datagram_go_in_one_call)
{
	struct iovec iov[100];
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 100};
	char data[100], back[100] = {0}, control[64];

	fake_socket(fd, FD_DGRAM);
	for (int i = 0; i < 100; i++) {
		data[i] = (char)i;
		iov[i] = (struct iovec){.iov_base = &data[i], .iov_len = 1};
	}
	ck_assert_int_eq(sandwire_sendmsg(fd, &msg, 0), 100);
	ck_assert_mem_eq(far.out, data, 100);
	ck_assert_int_eq(far.sends, 1);
	for (int i = 0; i < 100; i++)
		iov[i].iov_base = &back[i];
	memcpy(far.in, data, 100);
	far.in_len = 90;
	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	ck_assert_int_eq(sandwire_recvmsg(fd, &msg, 0), 90);
	ck_assert_mem_eq(back, data, 90);
	ck_assert_int_eq(back[90], 0);
	ck_assert_int_eq(far.recvs, 1);
	msg.msg_iovlen = 12; /* with room for a note less than without */
	memset(back, 0, sizeof(back));
	far.in_len = 12;
	memcpy(far.in, data, 12);
	ck_assert_int_eq(sandwire_recvmsg(fd, &msg, 0), 12);
	ck_assert_mem_eq(back, data, 12);
}
END_TEST

START_TEST(staged_data_is_copied_in_pieces)
{
	static char data[60000], back[60000];
	struct iovec iov[2] = {{data, 1000}, {data + 1000, 59000}};

	reset(true);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7);
	ck_assert_int_eq(sandwire_writev(fd, iov, 2), 60000);
	ck_assert_int_eq(far.sends, 2);
	ck_assert_mem_eq(far.out, data, sizeof(data));
	memcpy(far.in, data, sizeof(data));
	far.in_len = sizeof(data);
	far.tells = true;
	iov[0].iov_base = back;
	iov[1].iov_base = back + 1000;
	ck_assert_int_eq(sandwire_readv(fd, iov, 2), 60000);
	ck_assert_mem_eq(back, data, sizeof(data));
}
END_TEST

START_TEST(a_receive_takes_all_there_is)
{
	char buf[1000];

	far.in_len = 500;
	far.grain = 64;
	far.tells = true;
	ck_assert_int_eq(sandwire_recv(fd, buf, sizeof(buf), 0), 500);
}
END_TEST

START_TEST(a_receive_returns_what_is_there_without_waiting_for_more)
{
	char buf[1000];

	far.in_len = 5;
	ck_assert_int_eq(sandwire_recv(fd, buf, sizeof(buf), 0), 5);
	far.eof = true;
	ck_assert_int_eq(sandwire_recv(fd, buf, sizeof(buf), 0), 0);
}
END_TEST

START_TEST(an_error_of_a_stream_is_one_call_and_has_a_name)
{
	char buf[4000];
	struct sockaddr_in from = {0};
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = sizeof(from)};

	far.in_len = 3000;
	far.grain = 1500;
	far.tells = true;
	far.from = (struct call_addr){.family = AF_INET, .port = 80, .addr = {10, 0, 0, 9}};
	ck_assert_int_eq(sandwire_recvmsg(fd, &msg, MSG_ERRQUEUE), 1500);
	ck_assert_uint_eq(msg.msg_namelen, sizeof(from));
	ck_assert_uint_eq(ntohs(from.sin_port), 80);
	far.in_len = 0; /* nobody waits for errors */
	ck_assert_int_eq(sandwire_recvmsg(fd, &msg, MSG_ERRQUEUE), -EAGAIN);
}
END_TEST

START_TEST(no_receive_goes_on_beyond_the_mark)
{
	char buf[1000];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	far.in_len = 500;
	far.grain = 64;
	far.tells = true;
	far.msg_flags = MSG_OOB;
	ck_assert_int_eq(sandwire_recv(fd, buf, sizeof(buf), 0), 64);
	ck_assert_int_eq(sandwire_recv(fd, buf, sizeof(buf), MSG_WAITALL), 64);
	ck_assert_int_eq(sandwire_recvmsg(fd, &msg, 0), 64);
	ck_assert_int_eq(msg.msg_flags, 0);
}
END_TEST

START_TEST(waitall_waits_for_the_rest)
{
	char buf[10];
	pthread_t thread;

	memcpy(far.in, "hello", 5);
	far.in_len = 5;
	pthread_create(&thread, NULL, later, "world");
	ck_assert_int_eq(sandwire_recv(fd, buf, sizeof(buf), MSG_WAITALL), 10);
	ck_assert_mem_eq(buf, "helloworld", 10);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(waitall_is_cut_short_by_the_end)
{
	char buf[10];

	far.in_len = 5;
	far.eof = true;
	ck_assert_int_eq(sandwire_recv(fd, buf, sizeof(buf), MSG_WAITALL), 5);
}
END_TEST

START_TEST(a_receive_sleeps_until_there_is_something)
{
	char buf[10];
	pthread_t thread;

	pthread_create(&thread, NULL, later, "late");
	ck_assert_int_eq(sandwire_recv(fd, buf, sizeof(buf), 0), 4);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(nobody_waits_for_errors_or_the_urgent_byte)
{
	char buf[10];

	ck_assert_int_eq(sandwire_recv(fd, buf, sizeof(buf), MSG_OOB), -EAGAIN);
	ck_assert_int_eq(sandwire_recv(fd, buf, sizeof(buf), MSG_ERRQUEUE), -EAGAIN);
	ck_assert_int_eq(far.recvs, 2);
}
END_TEST

START_TEST(a_negative_length_of_an_option_is_refused)
{
	int v = 1;
	socklen_t len = (socklen_t)-1;

	ck_assert_int_eq(sandwire_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &v, len), -EINVAL);
	ck_assert_int_eq(sandwire_getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &v, &len), -EINVAL);
}
END_TEST

START_TEST(a_time_limit_ends_the_wait)
{
	char buf[10];
	struct timespec a, b;

	fake_socket(fd, FD_TIMEO);
	clock_gettime(CLOCK_MONOTONIC, &a);
	ck_assert_int_eq(sandwire_recv(fd, buf, sizeof(buf), 0), -EAGAIN);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ck_assert_int_ge((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000, 29);
}
END_TEST

static _Atomic int signals;
static void on_alarm(int sig)
{
	uint64_t one = 1;

	if (++signals == 3) {
		memcpy(far.in, "x", 1);
		far.in_len = 1;
		if (write(fd, &one, sizeof(one)) != sizeof(one))
			abort();
	}
}

static int interrupted(int flags)
{
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = flags};
	struct itimerval every = {{0, 10000}, {0, 10000}}, off = {{0, 0}, {0, 0}};
	char buf[4];
	ssize_t ret;

	/* The test runner's own handlers restart nothing. */
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	signals = 0;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	ret = sandwire_recv(fd, buf, sizeof(buf), 0);
	setitimer(ITIMER_REAL, &off, NULL);
	return (int)ret;
}

START_TEST(a_handler_without_restart_interrupts)
{
	sigset_t before, after;

	sigprocmask(SIG_SETMASK, NULL, &before);
	ck_assert_int_eq(interrupted(0), -EINTR);
	ck_assert_int_eq(signals, 1);
	sigprocmask(SIG_SETMASK, NULL, &after);
	ck_assert_mem_eq(&before, &after, 8);
}
END_TEST

START_TEST(a_handler_with_restart_does_not)
{
	ck_assert_int_eq(interrupted(SA_RESTART), 1);
	ck_assert_int_ge(signals, 3);
}
END_TEST

START_TEST(a_number_that_stands_for_something_else_is_no_socket)
{
	fake_crossing = -ENOTTY;
	ck_assert_int_eq(sandwire_send(fd, "x", 1, 0), -ENOTSOCK);
	/* and is looked at anew */
	ck_assert_int_eq(sandwire_send(fd, "x", 1, 0), -ENOTSOCK);
	ck_assert_int_eq(sandwire_is_socket(fd), 0);
	ck_assert_int_eq(sandwire_send(-1, "x", 1, 0), -ENOTSOCK);
}
END_TEST

START_TEST(no_slot_is_left_behind)
{
	struct attachment *at = attach_peek();
	char buf[10];

	far.in_len = 3;
	sandwire_recv(fd, buf, sizeof(buf), 0);
	sandwire_recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	sandwire_send(fd, buf, sizeof(buf), 0);
	fake_crossing = -ENETDOWN;
	ck_assert_int_eq(sandwire_send(fd, buf, sizeof(buf), 0), -ENETDOWN);
	ck_assert(at->slots == 0);
}
END_TEST

START_TEST(routes_are_asked_once_a_generation)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001)};
	struct attachment *at = attach_peek();

	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(sandwire_route((struct sockaddr *)&sin, sizeof(sin), NULL), 0);
	ck_assert_uint_eq(fake_crossings[CALL_ROUTE], 1);
	at->channel->routes_gen++;
	sandwire_route((struct sockaddr *)&sin, sizeof(sin), NULL);
	ck_assert_uint_eq(fake_crossings[CALL_ROUTE], 2);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api_io");
	TCase *tc = tcase_create("calls");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, a_long_send_goes_on_until_it_is_full);
	tcase_add_test(tc, a_send_that_began_a_connection_waits_for_it_unless_told_not_to);
	tcase_add_test(tc, many_vectors_go_in_several_calls);
	tcase_add_test(tc, many_vectors_of_a_datagram_go_in_one_call);
	tcase_add_test(tc, staged_data_is_copied_in_pieces);
	tcase_add_test(tc, a_receive_takes_all_there_is);
	tcase_add_test(tc, a_receive_returns_what_is_there_without_waiting_for_more);
	tcase_add_test(tc, an_error_of_a_stream_is_one_call_and_has_a_name);
	tcase_add_test(tc, no_receive_goes_on_beyond_the_mark);
	tcase_add_test(tc, waitall_waits_for_the_rest);
	tcase_add_test(tc, waitall_is_cut_short_by_the_end);
	tcase_add_test(tc, a_receive_sleeps_until_there_is_something);
	tcase_add_test(tc, nobody_waits_for_errors_or_the_urgent_byte);
	tcase_add_test(tc, a_negative_length_of_an_option_is_refused);
	tcase_add_test(tc, a_time_limit_ends_the_wait);
	tcase_add_test(tc, a_handler_without_restart_interrupts);
	tcase_add_test(tc, a_handler_with_restart_does_not);
	tcase_add_test(tc, a_number_that_stands_for_something_else_is_no_socket);
	tcase_add_test(tc, no_slot_is_left_behind);
	tcase_add_test(tc, routes_are_asked_once_a_generation);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
