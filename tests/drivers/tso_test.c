// SPDX-License-Identifier: BSD-3-Clause
/* Frames to be cut up: which are none, and the segments of those that are. */
#include "drivers/tso.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/drivers/bench.h"
#include "tests/drivers/tso_frames.h"

static struct bench *b;

static void setup(void)
{
	b = bench_new();
}

static void teardown(void)
{
	ck_assert_uint_eq(bench_held(b), 0);
	bench_free(b);
}

START_TEST(each_segment_has_headers_of_its_own)
{
	const struct tso_shape *s = &tso_shapes[_i];
	struct pktbuf *p = tso_frame(&b->pool, s);
	const struct pktbuf *piece = p->more;
	struct tso t;

	ck_assert(tso_parse(&t, p, s->segments));
	ck_assert_uint_eq(t.segments, s->segments);
	ck_assert_uint_eq(t.payload, (s->segments - 1) * s->gso + s->last);
	for (unsigned n = 0; n < s->segments; n++, piece = piece->more) {
		uint8_t bytes[PKTBUF_SIZE];

		tso_expect(s, n, bytes, tso_segment(&t, n, piece, bytes));
	}
	ck_assert(!tso_parse(&t, p, s->segments - 1));
	pktbuf_free(p);
}
END_TEST

START_TEST(a_reduced_window_is_told_once)
{
	const struct tso_shape s = {
		.gso = 100, .last = 100, .segments = 3, .flags = TSO_ACK | TSO_CWR};
	struct pktbuf *p = tso_frame(&b->pool, &s);
	const struct pktbuf *piece = p->more;
	struct tso t;

	ck_assert(tso_parse(&t, p, 42));
	for (unsigned n = 0; n < 3; n++, piece = piece->more) {
		uint8_t bytes[PKTBUF_SIZE];

		tso_segment(&t, n, piece, bytes);
		ck_assert_uint_eq(bytes[34 + 13], n ? TSO_ACK : TSO_ACK | TSO_CWR);
	}
	pktbuf_free(p);
}
END_TEST

/* ---- What is no such frame ---- */

static const struct tso_shape plain = {.gso = 1460, .last = 500, .segments = 4, .flags = TSO_ACK};

static bool good(struct pktbuf *p)
{
	struct tso t;
	bool is = tso_parse(&t, p, 42);

	pktbuf_free(p);
	return is;
}

/* The frame with one byte of its headers, from `plain` or with a change to it. */
static bool good_with(const struct tso_shape *s, unsigned at, uint8_t value)
{
	struct pktbuf *p = tso_frame(&b->pool, s);

	pktbuf_data(p)[at] = value;
	return good(p);
}

START_TEST(headers_that_do_not_fit_are_refused)
{
	struct tso_shape six = plain, tagged = plain;

	six.ip6 = tagged.vlan = true;
	six.gso = 1440;
	tagged.ip_options = 4;
	ck_assert(good_with(&plain, 0, 9) && good_with(&six, 0, 9) && good_with(&tagged, 0, 9));
	ck_assert(!good_with(&plain, 12, 9));	  /* not IP */
	ck_assert(!good_with(&plain, 13, 6));	  /* ARP */
	ck_assert(!good_with(&tagged, 16, 0x81)); /* tagged twice */
	ck_assert(!good_with(&plain, 14, 0x65));  /* versions and lengths of IP */
	ck_assert(!good_with(&plain, 14, 0x44));
	ck_assert(!good_with(&plain, 14, 0x46));
	ck_assert(!good_with(&plain, 14, 0x4f));
	ck_assert(!good_with(&tagged, 18, 0x45));
	ck_assert(!good_with(&six, 14, 0x45));
	ck_assert(!good_with(&plain, 23, 17)); /* UDP */
	ck_assert(!good_with(&six, 20, 17));
	ck_assert(!good_with(&six, 20, 0));	   /* an extension header */
	ck_assert(!good_with(&plain, 46, 4 << 4)); /* lengths of TCP's header */
	ck_assert(!good_with(&plain, 46, 6 << 4));
	ck_assert(!good_with(&plain, 46, 15 << 4));
	ck_assert(!good_with(&plain, 47, TSO_ACK | 2));	   /* SYN */
	ck_assert(!good_with(&plain, 47, TSO_ACK | 4));	   /* RST */
	ck_assert(!good_with(&plain, 47, TSO_ACK | 0x20)); /* URG */
}
END_TEST

START_TEST(lengths_flags_and_positions_that_do_not_fit_are_refused)
{
	static const struct {
		uint16_t len, start, offset, gso;
		uint8_t flags;
	} bad[] = {
		{54, 34, 16, 1460, PKTBUF_TX_TSO},
		{54, 34, 16, 1460, PKTBUF_TX_L4_CSUM},
		{54, 34, 16, 1460, 0},
		{0, 34, 16, 1460, PKTBUF_TX_TSO | PKTBUF_TX_L4_CSUM},
		{53, 34, 16, 1460, PKTBUF_TX_TSO | PKTBUF_TX_L4_CSUM},
		{55, 34, 16, 1460, PKTBUF_TX_TSO | PKTBUF_TX_L4_CSUM},
		{54, 35, 16, 1460, PKTBUF_TX_TSO | PKTBUF_TX_L4_CSUM},
		{54, 65535, 16, 1460, PKTBUF_TX_TSO | PKTBUF_TX_L4_CSUM},
		{54, 34, 6, 1460, PKTBUF_TX_TSO | PKTBUF_TX_L4_CSUM},
		{54, 34, 16, 1459, PKTBUF_TX_TSO | PKTBUF_TX_L4_CSUM},
		{54, 34, 16, 1461, PKTBUF_TX_TSO | PKTBUF_TX_L4_CSUM},
		{54, 34, 16, 0, PKTBUF_TX_TSO | PKTBUF_TX_L4_CSUM},
		{54, 34, 16, 65535, PKTBUF_TX_TSO | PKTBUF_TX_L4_CSUM},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pktbuf *p = tso_frame(&b->pool, &plain);

		p->len = bad[i].len;
		p->csum_start = bad[i].start;
		p->csum_offset = bad[i].offset;
		p->gso_size = bad[i].gso;
		p->flags = bad[i].flags;
		ck_assert(!good(p));
	}
}
END_TEST

START_TEST(pieces_that_do_not_fit_are_refused)
{
	struct tso_shape s = plain;
	struct pktbuf *p = tso_frame(&b->pool, &plain);

	p->more->more->len--;
	ck_assert(!good(p));
	p = tso_frame(&b->pool, &plain);
	p->more->more->more->more->len = 0;
	ck_assert(!good(p));
	p = tso_frame(&b->pool, &plain);
	p->more->more->more->more->len = 1461;
	ck_assert(!good(p));
	s.segments = 0;
	ck_assert(!good(tso_frame(&b->pool, &s)));
	s.segments = 42;
	ck_assert(good(tso_frame(&b->pool, &s)));
	s.segments = 43;
	ck_assert(!good(tso_frame(&b->pool, &s)));
	/* A segment larger than a buffer, a packet larger than IP's length can say. */
	s = (struct tso_shape){.gso = PKTBUF_SIZE - PKTBUF_HEADROOM - 2, .last = 1, .segments = 3};
	ck_assert(good(tso_frame(&b->pool, &s)));
	s.tcp_options = s.ip_options = 40;
	ck_assert(!good(tso_frame(&b->pool, &s)));
	s = (struct tso_shape){.gso = 1600, .last = 1455, .segments = 41};
	s.last = 65535 - 40 - 40 * 1600;
	ck_assert(good(tso_frame(&b->pool, &s)));
	s.last++;
	ck_assert(!good(tso_frame(&b->pool, &s)));
}
END_TEST

START_TEST(a_list_without_end_is_looked_through_once)
{
	struct pktbuf *p = tso_frame(&b->pool, &plain);
	struct pktbuf *last = p->more->more->more->more;
	struct tso t;

	last->len = 1460;
	last->more = p->more;
	ck_assert(!tso_parse(&t, p, 65535));
	last->more = NULL;
	pktbuf_free(p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tso");
	TCase *tc = tcase_create("frames");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, each_segment_has_headers_of_its_own, 0, TSO_SHAPES);
	tcase_add_test(tc, a_reduced_window_is_told_once);
	tcase_add_test(tc, headers_that_do_not_fit_are_refused);
	tcase_add_test(tc, lengths_flags_and_positions_that_do_not_fit_are_refused);
	tcase_add_test(tc, pieces_that_do_not_fit_are_refused);
	tcase_add_test(tc, a_list_without_end_is_looked_through_once);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
