/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "tcpip/acd.h"
#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

static struct desk d;
static struct packet pk;
static struct acd acd;
static int done, conflicts;

static void ended(struct stack *st, struct acd *a, bool conflict)
{
	ck_assert_ptr_eq(st, d.st);
	ck_assert_ptr_eq(a, &acd);
	done++;
	conflicts += conflict;
}

static void setup(void)
{
	desk_open(&d);
	memset(&acd, 0, sizeof(acd));
	acd.done = ended;
	done = conflicts = 0;
}

static void teardown(void)
{
	acd_stop(d.st, &acd);
	desk_close(&d);
}

START_TEST(three_probes_and_silence_make_it_free)
{
	static const uint8_t zero[6];
	uint64_t last = d.now, gap;
	unsigned n = 0;

	acd_start(d.st, &acd, &d.port[0].port, ip(10, 0, 0, 7));
	for (; n < 3; n++) {
		while (!desk_sent(&d, 0, &pk))
			desk_pass(&d, MS_NS);
		gap = d.now - last;
		last = d.now;
		ck_assert_uint_eq(pk.eth.dst[0], 0xff);
		ck_assert_uint_eq(pk.arp.op, 1);
		ck_assert_uint_eq(pk.arp.spa, 0);
		ck_assert_uint_eq(pk.arp.tpa, ip(10, 0, 0, 7));
		ck_assert_mem_eq(pk.arp.tha, zero, 6);
		if (n)
			ck_assert(gap >= SEC_NS && gap <= 2 * SEC_NS + 2 * MS_NS);
		else
			ck_assert_uint_le(gap, SEC_NS + 2 * MS_NS);
	}
	desk_pass(&d, 2 * SEC_NS - 2 * MS_NS);
	ck_assert_int_eq(done, 0);
	desk_pass(&d, 4 * MS_NS);
	ck_assert_int_eq(done, 1);
	ck_assert_int_eq(conflicts, 0);
	desk_pass(&d, 60 * SEC_NS);
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

START_TEST(who_has_the_address_ends_it)
{
	acd_start(d.st, &acd, &d.port[0].port, ip(10, 0, 0, 7));
	desk_pass(&d, 1100 * MS_NS);
	desk_arp(&d, 2, ip(10, 0, 0, 7), 0);
	ck_assert_int_eq(conflicts, 1);
	desk_drop_sent(&d, 0);
	desk_pass(&d, 60 * SEC_NS);
	ck_assert_int_eq(done, 1);
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

START_TEST(who_asks_for_it_at_the_same_time_ends_it)
{
	uint8_t frame[60] = {0};
	struct eth_hdr e = {.type = ETH_TYPE_ARP};
	struct arp_msg m = {.op = 1, .tpa = ip(10, 0, 0, 7)};

	mac_of(ip(10, 0, 0, 7), m.sha);
	memcpy(e.src, m.sha, 6);
	memset(e.dst, 0xff, 6);
	eth_build(frame, &e);
	arp_build(frame + ETH_HDR_LEN, &m);
	acd_start(d.st, &acd, &d.port[0].port, ip(10, 0, 0, 7));
	desk_frame(&d, 1, frame, sizeof(frame)); /* on another wire */
	ck_assert_int_eq(done, 0);
	desk_frame(&d, 0, frame, sizeof(frame));
	ck_assert_int_eq(conflicts, 1);
}
END_TEST

START_TEST(who_only_asks_where_it_is_does_not)
{
	acd_start(d.st, &acd, &d.port[0].port, ip(10, 0, 0, 7));
	desk_arp(&d, 1, ip(10, 0, 0, 9), ip(10, 0, 0, 7));
	desk_pass(&d, 60 * SEC_NS);
	ck_assert_int_eq(done, 1);
	ck_assert_int_eq(conflicts, 0);
}
END_TEST

START_TEST(it_is_announced_twice)
{
	acd.port = &d.port[0].port;
	acd.addr = ip(10, 0, 0, 1);
	acd_announce(d.st, &acd);
	desk_flush(&d);
	for (unsigned n = 0; n < 2; n++) {
		ck_assert(desk_sent(&d, 0, &pk));
		ck_assert_uint_eq(pk.arp.op, 1);
		ck_assert_uint_eq(pk.arp.spa, ip(10, 0, 0, 1));
		ck_assert_uint_eq(pk.arp.tpa, ip(10, 0, 0, 1));
		ck_assert(!desk_sent(&d, 0, &pk));
		desk_pass(&d, 2 * SEC_NS + 2 * MS_NS);
	}
	desk_pass(&d, 60 * SEC_NS);
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

START_TEST(an_address_of_ours_is_defended_once_in_ten_seconds)
{
	for (unsigned n = 0; n < 5; n++)
		desk_arp(&d, 1, ip(10, 0, 0, 1), ip(10, 0, 0, 1));
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.arp.op, 1);
	ck_assert_uint_eq(pk.arp.spa, ip(10, 0, 0, 1));
	ck_assert_uint_eq(pk.arp.tpa, ip(10, 0, 0, 1));
	ck_assert_mem_eq(pk.arp.sha, d.port[0].port.mac, 6);
	ck_assert(!desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(desk_count(&d, "ArpConflicts"), 5);
	desk_pass(&d, 10 * SEC_NS);
	desk_arp(&d, 2, ip(10, 0, 0, 1), 0);
	ck_assert(desk_sent(&d, 0, &pk));
}
END_TEST

START_TEST(an_address_of_another_port_is_not_defended_here)
{
	desk_arp(&d, 1, ip(192, 168, 5, 1), ip(192, 168, 5, 1));
	ck_assert(!desk_sent(&d, 0, &pk));
	ck_assert(!desk_sent(&d, 1, &pk));
}
END_TEST

int main(void)
{
	return run_cases("acd",
			 CASES(three_probes_and_silence_make_it_free, who_has_the_address_ends_it,
			       who_asks_for_it_at_the_same_time_ends_it,
			       who_only_asks_where_it_is_does_not, it_is_announced_twice,
			       an_address_of_ours_is_defended_once_in_ten_seconds,
			       an_address_of_another_port_is_not_defended_here),
			 setup, teardown);
}
