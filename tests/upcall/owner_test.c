/* SPDX-License-Identifier: BSD-3-Clause */
/* upcall/owner.c: who is asked in which order, and what stands where one of them says no. The
 * daemon's answers lie ready in the control socket. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/upcall/fake_attachment.h"
#include "upcall/sandwire.h"

static int fd, control[2], end[2];
static int64_t id;
static uint64_t asked;

static int64_t sandbox(struct call *c)
{
	ck_assert_uint_eq(c->slot->nr, CALL_SIGNAL);
	asked = c->slot->arg[0];
	return asked ? id : 0;
}

static void start(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, control), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, end), 0);
	fake_attach(sandbox, false)->control_fd = control[0];
	fd = eventfd(0, 0);
	fake_socket(fd, 0);
	id = 0x18003;
	asked = 99;
}

static void stop(void)
{
	close(fd);
	for (unsigned i = 0; i < 2; i++) {
		close(control[i]);
		close(end[i]);
	}
}

static void daemon_says(const char *answer, int with_fd)
{
	ck_assert_int_eq(control_send(control[1], answer, with_fd), 0);
}

/* What the daemon was asked; "" if nothing. */
static const char *daemon_heard(void)
{
	static char text[128];
	ssize_t n = recv(control[1], text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static int set_owner(pid_t pid)
{
	struct f_owner_ex owner = {F_OWNER_PID, pid};

	return sandwire_setown(fd, &owner);
}

START_TEST(the_owner_is_said_on_the_daemons_end_too)
{
	daemon_says("{\"ok\":true}", end[0]);
	ck_assert_int_eq(set_owner(getpid()), 0);
	ck_assert_uint_eq(asked, 1);
	ck_assert_str_eq(daemon_heard(), "{\"cmd\":\"signals\",\"sock\":98307}");
	ck_assert_int_eq(fcntl(fd, F_GETOWN), getpid());
	ck_assert_int_eq(fcntl(end[0], F_GETOWN), getpid());
}
END_TEST

START_TEST(nobody_needs_no_daemon)
{
	ck_assert_int_eq(set_owner(0), 0);
	ck_assert_uint_eq(asked, 0);
	id = 0; /* a datagram socket: nothing is urgent there */
	ck_assert_int_eq(set_owner(getpid()), 0);
	ck_assert_uint_eq(asked, 1);
	ck_assert_int_eq(fcntl(fd, F_GETOWN), getpid());
	ck_assert_str_eq(daemon_heard(), "");
}
END_TEST

START_TEST(what_the_kernel_refuses_goes_no_further)
{
	struct f_owner_ex odd = {77, getpid()};
	pid_t gone = fork();

	if (!gone)
		_exit(0);
	waitpid(gone, NULL, 0);
	ck_assert_int_eq(set_owner(gone), -ESRCH);
	ck_assert_int_eq(sandwire_setown(fd, &odd), -EINVAL);
	ck_assert_int_eq(sandwire_setown(fd, (struct f_owner_ex *)8), -EFAULT);
	ck_assert_int_eq(sandwire_setown(control[0], &odd), -ENOTSOCK);
	ck_assert_uint_eq(asked, 99);
}
END_TEST

START_TEST(where_the_daemon_refuses_there_is_no_owner)
{
	daemon_says("{\"error\":\"signals: x\",\"errno\":24}", -1);
	ck_assert_int_eq(set_owner(getpid()), -EMFILE);
	ck_assert_int_eq(fcntl(fd, F_GETOWN), 0);
	daemon_says("{\"ok\":true}", -1); /* this process had no number for it */
	ck_assert_int_eq(set_owner(getpid()), -EMFILE);
	ck_assert_int_eq(fcntl(fd, F_GETOWN), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("owner");
	TCase *tc = tcase_create("owner");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, the_owner_is_said_on_the_daemons_end_too);
	tcase_add_test(tc, nobody_needs_no_daemon);
	tcase_add_test(tc, what_the_kernel_refuses_goes_no_further);
	tcase_add_test(tc, where_the_daemon_refuses_there_is_no_owner);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
