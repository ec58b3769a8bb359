// SPDX-License-Identifier: BSD-3-Clause
/* upcall/grants.c over a fake stack: in server mode, who may name which socket. */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/upcall/caller.h"

START_TEST(a_client_may_name_only_sockets_granted_to_it)
{
	grants = (struct grants){.may = may, .sockets = FAKE_SOCKETS};
	ck_assert_int_eq(staged(CALL_EVENTS, 1, FAKE_ID(0)), -EBADF);
	grants_add(&grants, 1, FAKE_ID(0));
	ck_assert_int_eq(staged(CALL_EVENTS, 1, FAKE_ID(0)), POLLOUT);
	ck_assert_int_eq(staged(CALL_EVENTS, 2, FAKE_ID(0)), -EBADF);
	ck_assert_int_eq(staged(CALL_EVENTS, 1, FAKE_ID(1)), -EBADF);
	ck_assert_int_eq(staged(CALL_EVENTS, 1 + 64, FAKE_ID(0)), -EBADF);
	grants_drop_client(&grants, 2);
	ck_assert_int_eq(staged(CALL_EVENTS, 1, FAKE_ID(0)), POLLOUT);
	grants_drop_client(&grants, 1);
	ck_assert_int_eq(staged(CALL_EVENTS, 1, FAKE_ID(0)), -EBADF);
}
END_TEST

START_TEST(who_makes_a_socket_may_use_it_until_it_is_closed)
{
	grants = (struct grants){.may = may, .sockets = FAKE_SOCKETS};
	slot.arg[0] = AF_INET;
	slot.arg[1] = SOCK_STREAM;
	ck_assert_int_eq(staged(CALL_SOCKET, 7, 0), 0);
	ck_assert_uint_eq(slot.sock, FAKE_ID(2));
	ck_assert_int_eq(staged(CALL_EVENTS, 7, FAKE_ID(2)), 0);
	ck_assert_int_eq(staged(CALL_EVENTS, 8, FAKE_ID(2)), -EBADF);
	turn_begin(&sandbox, &app);
	call_closed(&fake, FAKE_ID(2) + (1u << SEG_SOCK_BITS)); /* another of that index */
	ck_assert(grants_have(&grants, 7, FAKE_ID(2)));
	call_closed(&fake, FAKE_ID(2));
	ck_assert(!grants_have(&grants, 7, FAKE_ID(2)));
	turn_end(&sandbox, &app);
	ck_assert_int_eq(staged(CALL_EVENTS, 7, FAKE_ID(2)), -EBADF);
}
END_TEST

START_TEST(grants_out_of_range_are_none)
{
	grants = (struct grants){.may = may, .sockets = FAKE_SOCKETS};
	grants_add(&grants, SEG_CLIENT_MAX, FAKE_ID(0));
	grants_add(&grants, 1, FAKE_ID(FAKE_SOCKETS));
	ck_assert(!grants_have(&grants, SEG_CLIENT_MAX, FAKE_ID(0)));
	ck_assert(!grants_have(&grants, 1, FAKE_ID(FAKE_SOCKETS)));
	grants_drop_socket(&grants, FAKE_ID(SEG_SOCK_COUNT - 1));
	grants_drop_client(&grants, UINT32_MAX);
	ck_assert(grants_have(&grants, 0, FAKE_ID(0))); /* the daemon */
}
END_TEST

int main(void)
{
	return run_cases("grants",
			 CASES(a_client_may_name_only_sockets_granted_to_it,
			       who_makes_a_socket_may_use_it_until_it_is_closed,
			       grants_out_of_range_are_none),
			 caller_open, caller_close);
}
