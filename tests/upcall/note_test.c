/* SPDX-License-Identifier: BSD-3-Clause */
/* Control messages against the struct that crosses: upcall/note.c. */
#include <check.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "upcall/note.h"

static char control[512] __attribute__((aligned(8)));
static struct msghdr msg;
static struct call_note note;

static void setup(void)
{
	memset(control, 0, sizeof(control));
	msg = (struct msghdr){.msg_control = control};
	note = (struct call_note){.have = 0};
}

static void add(int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(control + msg.msg_controllen);

	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};
	memcpy(CMSG_DATA(c), data, len);
	msg.msg_controllen += CMSG_SPACE(len);
}

START_TEST(what_is_sent_is_read)
{
	struct in_pktinfo info = {.ipi_ifindex = 2, .ipi_spec_dst = {htonl(0x0a000001)}};
	struct in6_pktinfo six = {.ipi6_ifindex = 3, .ipi6_addr = {.s6_addr = {0x20, 1}}};
	int ttl = 9;
	uint8_t tos = 0x10;

	ck_assert_int_eq(note_in(&msg, &note), 0);
	add(SOL_SOCKET, SCM_RIGHTS, &ttl, sizeof(ttl));
	ck_assert_int_eq(note_in(&msg, &note), 0);
	add(IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	add(IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	add(IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	ck_assert_int_eq(note_in(&msg, &note), 1);
	ck_assert_uint_eq(note.have, CALL_NOTE_TTL | CALL_NOTE_TOS | CALL_NOTE_PKTINFO);
	ck_assert_uint_eq(note.ttl, 9);
	ck_assert_uint_eq(note.tos, 0x10);
	ck_assert_uint_eq(note.scope, 2);
	ck_assert_uint_eq(note.at.addr[0], 10);
	setup();
	ttl = -1;
	add(IPPROTO_IPV6, IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	ck_assert_int_eq(note_in(&msg, &note), 0); /* the default */
	add(IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof(six));
	ck_assert_int_eq(note_in(&msg, &note), 1);
	ck_assert_uint_eq(note.at.family, AF_INET6);
	ck_assert_uint_eq(note.at.addr[0], 0x20);
	ck_assert_uint_eq(note.scope, 3);
}
END_TEST

START_TEST(what_is_wrong_is_refused)
{
	static const struct {
		int level, type, value;
		size_t len;
	} rows[] = {
		{IPPROTO_IP, IP_TTL, 0, 4},
		{IPPROTO_IP, IP_TTL, 256, 4},
		{IPPROTO_IP, IP_TTL, 1, 3},
		{IPPROTO_IP, IP_PKTINFO, 1, 4},
		{IPPROTO_IP, 9999, 1, 4},
		{IPPROTO_TCP, 1, 1, 4},
		{IPPROTO_IPV6, IPV6_TCLASS, 256, 4},
		{IPPROTO_IPV6, IPV6_HOPLIMIT, -2, 4},
		{SOL_SOCKET, 9999, 1, 4},
	};
	struct cmsghdr *c = (struct cmsghdr *)control;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setup();
		add(rows[i].level, rows[i].type, &rows[i].value, rows[i].len);
		ck_assert_int_eq(note_in(&msg, &note), -EINVAL);
	}
	setup();
	add(IPPROTO_IP, IP_TTL, &(int){5}, 4);
	c->cmsg_len = 3; /* shorter than its own header */
	ck_assert_int_eq(note_in(&msg, &note), -EINVAL);
	c->cmsg_len = sizeof(control) * 2;
	ck_assert_int_eq(note_in(&msg, &note), -EINVAL);
	c->cmsg_len = (size_t)-1;
	ck_assert_int_eq(note_in(&msg, &note), -EINVAL);
}
END_TEST

static struct cmsghdr *out(size_t room)
{
	memset(control, 0xee, sizeof(control));
	msg.msg_controllen = room;
	msg.msg_flags = 0;
	note_out(&msg, &note);
	ck_assert_uint_le(msg.msg_controllen, room);
	ck_assert_uint_eq((uint8_t)control[room], 0xee);
	return CMSG_FIRSTHDR(&msg);
}

START_TEST(what_came_is_handed_out_as_linux_does)
{
	struct in_pktinfo info;
	struct cmsghdr *c;
	struct timespec now, at;
	int ttl;

	ck_assert_ptr_null(out(100));
	ck_assert_uint_eq(msg.msg_controllen, 0);
	note = (struct call_note){.have = CALL_NOTE_PKTINFO | CALL_NOTE_TTL | CALL_NOTE_TOS |
					  CALL_NOTE_TIME_NS,
				  .scope = 1,
				  .at = {.family = AF_INET, .addr = {10, 0, 0, 255}},
				  .offender = {.family = AF_INET, .addr = {10, 0, 0, 1}},
				  .ttl = 64,
				  .tos = 2,
				  .age = 1000000000};
	c = out(256);
	clock_gettime(CLOCK_REALTIME, &now);
	ck_assert_int_eq(c->cmsg_type, SCM_TIMESTAMPNS);
	memcpy(&at, CMSG_DATA(c), sizeof(at));
	ck_assert_int_le(at.tv_sec, now.tv_sec - 1);
	ck_assert_int_ge(at.tv_sec, now.tv_sec - 5);
	c = CMSG_NXTHDR(&msg, c);
	ck_assert_int_eq(c->cmsg_type, IP_PKTINFO);
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	ck_assert_uint_eq(info.ipi_addr.s_addr, htonl(0x0a0000ff));
	ck_assert_uint_eq(info.ipi_spec_dst.s_addr, htonl(0x0a000001));
	c = CMSG_NXTHDR(&msg, c);
	ck_assert_int_eq(c->cmsg_type, IP_TTL);
	memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
	ck_assert_int_eq(ttl, 64);
	c = CMSG_NXTHDR(&msg, c);
	ck_assert_int_eq(c->cmsg_type, IP_TOS);
	ck_assert_uint_eq(c->cmsg_len, CMSG_LEN(1));
	ck_assert_ptr_null(CMSG_NXTHDR(&msg, c));
	ck_assert_int_eq(msg.msg_flags, 0);
	note.at.family = AF_INET6;
	note.have = CALL_NOTE_PKTINFO | CALL_NOTE_TTL | CALL_NOTE_TOS;
	c = out(256);
	ck_assert_int_eq(c->cmsg_level, IPPROTO_IPV6);
	ck_assert_int_eq(c->cmsg_type, IPV6_PKTINFO);
	c = CMSG_NXTHDR(&msg, c);
	ck_assert_int_eq(c->cmsg_type, IPV6_HOPLIMIT);
	c = CMSG_NXTHDR(&msg, c);
	ck_assert_int_eq(c->cmsg_type, IPV6_TCLASS);
}
END_TEST

START_TEST(any_room_is_filled_and_not_one_byte_more)
{
	size_t room;

	note = (struct call_note){.have = CALL_NOTE_PKTINFO | CALL_NOTE_TTL | CALL_NOTE_TIME,
				  .at = {.family = AF_INET}};
	for (room = 0; room < 120; room++) {
		out(room);
		ck_assert_int_eq(!!(msg.msg_flags & MSG_CTRUNC),
				 room < CMSG_SPACE(16) + CMSG_SPACE(12) + CMSG_LEN(4));
	}
	msg.msg_control = NULL;
	msg.msg_controllen = 100;
	note_out(&msg, &note);
	ck_assert_uint_eq(msg.msg_controllen, 0);
	ck_assert_int_eq(msg.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
}
END_TEST

START_TEST(an_error_says_what_where_and_who)
{
	struct sock_extended_err ee;
	struct sockaddr_in who;
	struct cmsghdr *c;

	note = (struct call_note){.have = CALL_NOTE_ERROR,
				  .at = {.family = AF_INET},
				  .origin = SO_EE_ORIGIN_ICMP,
				  .type = 3,
				  .code = 4,
				  .err = EMSGSIZE,
				  .info = 1400,
				  .offender = {.family = AF_INET, .addr = {10, 0, 0, 254}}};
	c = out(256);
	ck_assert_int_eq(c->cmsg_type, IP_RECVERR);
	ck_assert_uint_eq(c->cmsg_len, CMSG_LEN(sizeof(ee) + sizeof(who)));
	memcpy(&ee, CMSG_DATA(c), sizeof(ee));
	memcpy(&who, CMSG_DATA(c) + sizeof(ee), sizeof(who));
	ck_assert_uint_eq(ee.ee_errno, EMSGSIZE);
	ck_assert_uint_eq(ee.ee_info, 1400);
	ck_assert_uint_eq(ee.ee_code, 4);
	ck_assert_uint_eq(who.sin_addr.s_addr, htonl(0x0a0000fe));
	ck_assert_int_eq(msg.msg_flags, MSG_ERRQUEUE);
	note.at.family = AF_INET6;
	c = out(256);
	ck_assert_int_eq(c->cmsg_level, IPPROTO_IPV6);
	ck_assert_int_eq(c->cmsg_type, IPV6_RECVERR);
}
END_TEST

START_TEST(of_a_stream_the_bytes_left_are_handed_out)
{
	struct cmsghdr *c;
	int left;

	note = (struct call_note){.have = CALL_NOTE_INQ | CALL_NOTE_TIME, .info = 1234};
	c = out(256);
	ck_assert_int_eq(c->cmsg_type, SCM_TIMESTAMP);
	c = CMSG_NXTHDR(&msg, c);
	ck_assert_int_eq(c->cmsg_level, IPPROTO_TCP);
	ck_assert_int_eq(c->cmsg_type, TCP_CM_INQ);
	ck_assert_uint_eq(c->cmsg_len, CMSG_LEN(sizeof(int)));
	memcpy(&left, CMSG_DATA(c), sizeof(left));
	ck_assert_int_eq(left, 1234);
	ck_assert_ptr_null(CMSG_NXTHDR(&msg, c));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("note");
	TCase *tc = tcase_create("control messages");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, what_is_sent_is_read);
	tcase_add_test(tc, what_is_wrong_is_refused);
	tcase_add_test(tc, of_a_stream_the_bytes_left_are_handed_out);
	tcase_add_test(tc, what_came_is_handed_out_as_linux_does);
	tcase_add_test(tc, any_room_is_filled_and_not_one_byte_more);
	tcase_add_test(tc, an_error_says_what_where_and_who);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
