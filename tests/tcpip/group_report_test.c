/* SPDX-License-Identifier: BSD-3-Clause */
/* What routers are told of sources, and when: RFC 3376 4.2.12 and 5. By IGMP; MLD does the same. */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tcpip/group.h"
#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

#define GROUP ip(239, 1, 2, 3)

static struct desk d;
static struct packet pk;
static struct socket *a, *b;

static void setup(void)
{
	desk_open(&d);
	a = desk_socket(&d, SOCK_DGRAM, 0);
	b = desk_socket(&d, SOCK_DGRAM, 0);
}

static void teardown(void)
{
	desk_close(&d);
}

/* ---- members ------------------------------------------------------------------------------ */

static void whole_of(struct socket *so, int option, unsigned group)
{
	struct ip_mreq req = {{ip(239, 1, 2, group)}, {ip(10, 0, 0, 1)}};

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, option, &req, sizeof(req)), 0);
	desk_pass(&d, 2 * MS_NS);
}

static void whole(struct socket *so, int option)
{
	whole_of(so, option, 3);
}

static void one(struct socket *so, int option, unsigned source)
{
	struct ip_mreq_source req = {{GROUP}, {ip(10, 0, 0, 1)}, {ip(10, 0, 0, source)}};

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, option, &req, sizeof(req)), 0);
	desk_pass(&d, 2 * MS_NS);
}

static void set_filter(struct socket *so, uint32_t mode, unsigned first, unsigned n)
{
	uint32_t f[4 + GROUP_FILTER_MAX] = {GROUP, ip(10, 0, 0, 1), mode, n};
	unsigned i;

	for (i = 0; i < n; i++)
		f[4 + i] = ip(10, 0, 0, first + i);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MSFILTER, f, sizeof(f)), 0);
	desk_pass(&d, 2 * MS_NS);
}

/* ---- routers ------------------------------------------------------------------------------ */

/* Within `tenths`; of version 3 with `n` sources, else with n -1 of version 2. */
static void query(unsigned tenths, uint32_t group, int n, ...)
{
	uint8_t frame[ETH_HDR_LEN + IP4_ALERT_HDR_LEN + 12 + 4 * 80] = {0};
	uint8_t *l3 = frame + ETH_HDR_LEN, *l4 = l3 + IP4_ALERT_HDR_LEN;
	struct eth_hdr eth = {.dst = {1, 0, 0x5e, 0, 0, 1}, .type = ETH_TYPE_IP4};
	struct ip4_hdr h = {.ttl = 1,
			    .protocol = IPPROTO_IGMP,
			    .src = ip(10, 0, 0, 200),
			    .dst = group ? group : ip(224, 0, 0, 1)};
	uint16_t len = (uint16_t)(n < 0 ? 8 : 12 + 4 * n), sum;
	uint32_t source;
	va_list ap;
	int i;

	mac_of(h.src, eth.src);
	eth_build(frame, &eth);
	h.total_len = IP4_ALERT_HDR_LEN + len;
	ip4_build_alert(l3, &h);
	l4[0] = IGMP_QUERY;
	l4[1] = (uint8_t)tenths;
	memcpy(l4 + 4, &group, 4);
	if (n > 0)
		wire_put16(l4 + 10, (uint16_t)n);
	va_start(ap, n);
	for (i = 0; i < n; i++) {
		/* More than a few: all up from the first. */
		source = ip(10, 0, 0, n > 4 ? 100u + (unsigned)i : va_arg(ap, unsigned));
		memcpy(l4 + 12 + 4 * i, &source, 4);
	}
	va_end(ap);
	sum = csum_fold(csum_add(0, l4, len));
	memcpy(l4 + 2, &sum, 2);
	desk_frame(&d, 0, frame, ETH_HDR_LEN + IP4_ALERT_HDR_LEN + len);
}

/* ---- what was said ------------------------------------------------------------------------ */

static const uint8_t *put_record(char **at, char *end, const uint8_t *record)
{
	static const char *const types[] = {"?",     "IS_IN", "IS_EX", "TO_IN",
					    "TO_EX", "ALLOW", "BLOCK"};
	unsigned n = wire_get16(record + 2), i;

	ck_assert_uint_le(record[0], BLOCK_OLD_SOURCES);
	ck_assert_uint_eq(record[1], 0);
	*at += snprintf(*at, (size_t)(end - *at), "%s", types[record[0]]);
	if (record[7] != 3)
		*at += snprintf(*at, (size_t)(end - *at), " %u", record[7]);
	for (i = 0; i < n; i++)
		*at += snprintf(*at, (size_t)(end - *at), " .%u", record[8 + i * 4 + 3]);
	return record + 8 + 4 * n;
}

/* All reports sent so far: "TYPE .source .source, TYPE; ", reports divided by semicolons; the
 * group's last byte where it is not the usual one. */
static const char *said(void)
{
	static char text[8192];
	char *at = text, *end = text + sizeof(text);
	const uint8_t *record;
	unsigned i;

	*at = '\0';
	while (desk_sent(&d, 0, &pk)) {
		if (pk.ip.protocol != IPPROTO_IGMP)
			continue;
		ck_assert_uint_eq(csum_fold(csum_add(0, pk.l4, pk.l4_len)), 0);
		ck_assert_uint_le(pk.ip.total_len, d.port[0].port.mtu);
		if (at != text)
			at += snprintf(at, (size_t)(end - at), "; ");
		if (pk.l4[0] != IGMP_V3_REPORT) {
			at += snprintf(at, (size_t)(end - at), "%s",
				       pk.l4[0] == IGMP_LEAVE ? "leave" : "report");
			continue;
		}
		record = pk.l4 + 8;
		for (i = 0; i < wire_get16(pk.l4 + 6); i++) {
			if (i > 0)
				at += snprintf(at, (size_t)(end - at), ", ");
			record = put_record(&at, end, record);
		}
		ck_assert_ptr_eq(record, pk.l4 + pk.l4_len);
	}
	return text;
}

static const char *said_in(unsigned seconds)
{
	desk_pass(&d, seconds * SEC_NS);
	return said();
}

/* ---- changes ------------------------------------------------------------------------------ */

START_TEST(sources_that_come_and_go_are_told_twice)
{
	one(a, IP_ADD_SOURCE_MEMBERSHIP, 9);
	ck_assert_str_eq(said(), "ALLOW .9"); /* at once */
	ck_assert_str_eq(said_in(5), "ALLOW .9");
	set_filter(a, MCAST_INCLUDE, 8, 1);
	ck_assert_str_eq(said_in(5), "ALLOW .8, BLOCK .9; ALLOW .8, BLOCK .9");
	one(a, IP_DROP_SOURCE_MEMBERSHIP, 8);
	ck_assert_str_eq(said_in(5), "BLOCK .8; BLOCK .8");
	whole(a, IP_ADD_MEMBERSHIP);
	ck_assert_str_eq(said_in(5), "TO_EX; TO_EX");
	one(a, IP_BLOCK_SOURCE, 7);
	ck_assert_str_eq(said_in(5), "BLOCK .7; BLOCK .7");
	one(a, IP_UNBLOCK_SOURCE, 7);
	ck_assert_str_eq(said_in(5), "ALLOW .7; ALLOW .7");
	whole(a, IP_DROP_MEMBERSHIP);
	ck_assert_str_eq(said_in(5), "TO_IN; TO_IN");
	ck_assert_str_eq(said_in(20), "");
}
END_TEST

/* RFC 3376 3.2. */
START_TEST(only_what_changes_for_the_port_is_told)
{
	one(a, IP_ADD_SOURCE_MEMBERSHIP, 9);
	said_in(5);
	one(b, IP_ADD_SOURCE_MEMBERSHIP, 9);
	ck_assert_str_eq(said_in(5), "");
	one(b, IP_ADD_SOURCE_MEMBERSHIP, 8);
	ck_assert_str_eq(said_in(5), "ALLOW .8; ALLOW .8");
	set_filter(b, MCAST_EXCLUDE, 8, 2); /* .9 is wanted by a */
	ck_assert_str_eq(said_in(5), "TO_EX .8; TO_EX .8");
	set_filter(a, MCAST_EXCLUDE, 9, 2); /* what both exclude: .9 */
	ck_assert_str_eq(said_in(5), "ALLOW .8, BLOCK .9; ALLOW .8, BLOCK .9");
	one(b, IP_UNBLOCK_SOURCE, 8);
	ck_assert_str_eq(said_in(5), "");
	sock_close(b);
	ck_assert_str_eq(said_in(5), "BLOCK .10; BLOCK .10");
	set_filter(a, MCAST_INCLUDE, 4, 2);
	ck_assert_str_eq(said_in(5), "TO_IN .4 .5; TO_IN .4 .5");
	sock_close(a);
	ck_assert_str_eq(said_in(5), "BLOCK .4 .5; BLOCK .4 .5");
}
END_TEST

START_TEST(a_change_meanwhile_is_told_with_what_is_still_to_be_told)
{
	whole(a, IP_ADD_MEMBERSHIP);
	said_in(5);
	one(a, IP_BLOCK_SOURCE, 9);
	one(a, IP_BLOCK_SOURCE, 8);
	one(a, IP_UNBLOCK_SOURCE, 9);
	ck_assert_str_eq(said_in(5), "BLOCK .9; BLOCK .9 .8; ALLOW .9, BLOCK .8; ALLOW .9");
	one(a, IP_BLOCK_SOURCE, 7); /* a change of mode says all, also what changes after it */
	set_filter(a, MCAST_INCLUDE, 7, 1);
	one(a, IP_ADD_SOURCE_MEMBERSHIP, 6);
	ck_assert_str_eq(said_in(5), "BLOCK .7; TO_IN .7; TO_IN .7 .6; TO_IN .7 .6");
	one(a, IP_DROP_SOURCE_MEMBERSHIP, 6);
	one(a, IP_ADD_SOURCE_MEMBERSHIP, 6);
	ck_assert_str_eq(said_in(5), "BLOCK .6; ALLOW .6; ALLOW .6");
}
END_TEST

/* More of them than the table has slots: those to be told as gone make room. */
START_TEST(too_many_changes_at_once_are_told_as_a_whole)
{
	struct socket *so[4];
	unsigned i;

	for (i = 0; i < 4; i++) {
		so[i] = desk_socket(&d, SOCK_DGRAM, 0);
		one(so[i], IP_ADD_SOURCE_MEMBERSHIP, 10 + 16 * i);
		set_filter(so[i], MCAST_INCLUDE, 10 + 16 * i, 16);
	}
	said_in(5);
	set_filter(so[3], MCAST_INCLUDE, 100, 16);
	ck_assert_str_eq(
		said_in(5),
		"TO_IN .10 .11 .12 .13 .14 .15 .16 .17 .18 .19 .20 .21 .22 .23 .24 .25 .26 .27 "
		".28 .29 .30 .31 .32 .33 .34 .35 .36 .37 .38 .39 .40 .41 .42 .43 .44 .45 .46 "
		".47 .48 .49 .50 .51 .52 .53 .54 .55 .56 .57 .100 .101 .102 .103 .104 .105 .106 "
		".107 .108 .109 .110 .111 .112 .113 .114 .115; "
		"TO_IN .10 .11 .12 .13 .14 .15 .16 .17 .18 .19 .20 .21 .22 .23 .24 .25 .26 .27 "
		".28 .29 .30 .31 .32 .33 .34 .35 .36 .37 .38 .39 .40 .41 .42 .43 .44 .45 .46 "
		".47 .48 .49 .50 .51 .52 .53 .54 .55 .56 .57 .100 .101 .102 .103 .104 .105 .106 "
		".107 .108 .109 .110 .111 .112 .113 .114 .115");
}
END_TEST

/* ---- queries ------------------------------------------------------------------------------ */

START_TEST(a_query_is_answered_with_what_it_asks_for)
{
	one(a, IP_ADD_SOURCE_MEMBERSHIP, 9);
	one(a, IP_ADD_SOURCE_MEMBERSHIP, 8);
	whole_of(b, IP_ADD_MEMBERSHIP, 4);
	said_in(5);
	query(10, 0, 0);
	ck_assert_str_eq(said_in(2), "IS_IN .9 .8, IS_EX 4");
	query(10, ip(239, 1, 2, 4), 0);
	ck_assert_str_eq(said_in(2), "IS_EX 4");
	query(10, GROUP, 0);
	ck_assert_str_eq(said_in(2), "IS_IN .9 .8");
	query(10, GROUP, 2, 8, 7);
	ck_assert_str_eq(said_in(2), "IS_IN .8");
	query(10, GROUP, 2, 6, 7);
	ck_assert_str_eq(said_in(2), "");
	query(10, ip(239, 1, 2, 5), 0);
	ck_assert_str_eq(said_in(2), "");
	set_filter(a, MCAST_EXCLUDE, 7, 2);
	said_in(5);
	query(10, GROUP, 3, 6, 7, 9);
	ck_assert_str_eq(said_in(2), "IS_IN .6 .9");
	query(10, GROUP, 1, 7);
	ck_assert_str_eq(said_in(2), "");
	query(10, 0, 0);
	ck_assert_str_eq(said_in(2), "IS_EX .7 .8, IS_EX 4");
	query(10, GROUP, 65); /* more than are remembered */
	ck_assert_str_eq(said_in(2), "IS_EX .7 .8");
}
END_TEST

/* RFC 3376 5.2's five rules. */
START_TEST(queries_that_wait_for_an_answer_share_it)
{
	whole(a, IP_ADD_MEMBERSHIP);
	set_filter(a, MCAST_EXCLUDE, 7, 1);
	said_in(5);
	query(100, GROUP, 1, 9);
	query(100, GROUP, 1, 8);
	ck_assert_str_eq(said_in(11), "IS_IN .9 .8");
	query(100, GROUP, 1, 9);
	query(100, GROUP, 0);
	query(100, GROUP, 1, 8);
	ck_assert_str_eq(said_in(11), "IS_EX .7");
	query(0, 0, 0);
	query(100, GROUP, 1, 9); /* the answer to all comes sooner */
	ck_assert_str_eq(said_in(11), "IS_EX .7");
	query(100, GROUP, 1, 9);
	query(10, GROUP, 1, 8); /* the sooner counts */
	ck_assert_str_eq(said_in(1), "IS_IN .9 .8");
}
END_TEST

START_TEST(questions_give_way_to_sources_that_are_joined)
{
	one(a, IP_ADD_SOURCE_MEMBERSHIP, 9);
	said_in(5);
	query(100, GROUP, GROUP_SOURCE_MAX - 1); /* the table is full */
	one(a, IP_ADD_SOURCE_MEMBERSHIP, 8);
	ck_assert_str_eq(said_in(11), "TO_IN .9 .8; TO_IN .9 .8; IS_IN .9 .8");
}
END_TEST

START_TEST(a_change_and_an_answer_are_both_given)
{
	one(a, IP_ADD_SOURCE_MEMBERSHIP, 9);
	said_in(5);
	one(a, IP_ADD_SOURCE_MEMBERSHIP, 8);
	query(0, 0, 0);
	ck_assert_str_eq(said_in(5), "ALLOW .8; IS_IN .9 .8; ALLOW .8");
	query(0, 0, 0);
	one(a, IP_ADD_SOURCE_MEMBERSHIP, 7);
	ck_assert_str_eq(said_in(5), "ALLOW .7, IS_IN .9 .8 .7; ALLOW .7");
	query(0, 0, 0);
	set_filter(a, MCAST_EXCLUDE, 6, 1); /* that says it all */
	ck_assert_str_eq(said_in(5), "TO_EX .6; TO_EX .6");
}
END_TEST

/* ---- limits, older routers ---------------------------------------------------------------- */

START_TEST(reports_fit_the_mtu_however_many_groups_and_sources_there_are)
{
	unsigned i;

	d.port[0].port.mtu = 100; /* 68 bytes for records */
	whole(a, IP_ADD_MEMBERSHIP);
	set_filter(a, MCAST_INCLUDE, 10, 16);
	said_in(5);
	query(1, GROUP, 0);
	ck_assert_str_eq(said_in(2),
			 "IS_IN .10 .11 .12 .13 .14 .15 .16 .17 .18 .19 .20 .21 .22 .23 "
			 ".24; IS_IN .25");
	set_filter(a, MCAST_EXCLUDE, 10, 16);
	said_in(5);
	query(1, GROUP, 0); /* what does not fit is heard rather than the report undone */
	ck_assert_str_eq(said_in(2),
			 "IS_EX .10 .11 .12 .13 .14 .15 .16 .17 .18 .19 .20 .21 .22 .23 "
			 ".24");
	set_filter(a, MCAST_EXCLUDE, 10, 2);
	for (i = 0; i < 10; i++)
		whole_of(b, IP_ADD_MEMBERSHIP, 10 + i);
	said_in(5);
	query(1, 0, 0);
	ck_assert_str_eq(said_in(2),
			 "IS_EX .10 .11, IS_EX 10, IS_EX 11, IS_EX 12, IS_EX 13, IS_EX 14, "
			 "IS_EX 15; IS_EX 16, IS_EX 17, IS_EX 18, IS_EX 19");
	d.port[0].port.mtu = 1500;
	query(1, 0, 0);
	ck_assert_str_eq(said_in(2),
			 "IS_EX .10 .11, IS_EX 10, IS_EX 11, IS_EX 12, IS_EX 13, IS_EX 14, "
			 "IS_EX 15, IS_EX 16, IS_EX 17, IS_EX 18, IS_EX 19");
}
END_TEST

START_TEST(older_routers_are_told_of_groups_not_of_sources)
{
	query(10, 0, -1);
	said_in(2);
	one(a, IP_ADD_SOURCE_MEMBERSHIP, 9);
	ck_assert_str_eq(said_in(5), "report; report");
	query(10, 0, -1);
	ck_assert_str_eq(said_in(2), "report");
	query(10, GROUP, 1, 8); /* of a newer one besides */
	ck_assert_str_eq(said_in(2), "report");
	one(a, IP_DROP_SOURCE_MEMBERSHIP, 9);
	ck_assert_str_eq(said_in(5), "leave; leave");
	said_in(260);
	one(a, IP_ADD_SOURCE_MEMBERSHIP, 9);
	ck_assert_str_eq(said_in(5), "ALLOW .9; ALLOW .9");
}
END_TEST

START_TEST(a_group_that_went_leaves_no_slot_behind)
{
	unsigned i, n;

	for (n = 0; n < 3 * GROUP_MAX; n++) {
		one(a, IP_ADD_SOURCE_MEMBERSHIP, 9);
		query(10, GROUP, 1, 8);
		one(a, IP_DROP_SOURCE_MEMBERSHIP, 9);
		desk_pass(&d, 3 * SEC_NS);
		desk_drop_sent(&d, 0);
	}
	for (i = n = 0; i < GROUP_MAX; i++)
		n += d.st->groups->group[i].port != NULL;
	ck_assert_uint_eq(n, 2); /* all hosts, on two ports */
}
END_TEST

int main(void)
{
	return run_cases("group_report",
			 CASES(sources_that_come_and_go_are_told_twice,
			       only_what_changes_for_the_port_is_told,
			       a_change_meanwhile_is_told_with_what_is_still_to_be_told,
			       too_many_changes_at_once_are_told_as_a_whole,
			       a_query_is_answered_with_what_it_asks_for,
			       queries_that_wait_for_an_answer_share_it,
			       questions_give_way_to_sources_that_are_joined,
			       a_change_and_an_answer_are_both_given,
			       reports_fit_the_mtu_however_many_groups_and_sources_there_are,
			       older_routers_are_told_of_groups_not_of_sources,
			       a_group_that_went_leaves_no_slot_behind),
			 setup, teardown);
}
