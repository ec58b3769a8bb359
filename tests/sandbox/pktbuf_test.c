// SPDX-License-Identifier: BSD-3-Clause
/* Packet buffers: the pool, references, room around the data, queues. */
#include "sandbox/pktbuf.h"

#include <check.h>
#include <stdlib.h>

#define COUNT 8u
#define IOVA  0x41000000ull

static struct pktbuf_pool pool;
static struct pktbuf headers[COUNT];
static uint8_t data[COUNT * PKTBUF_SIZE];

static void setup(void)
{
	pktbuf_pool_init(&pool, headers, data, IOVA, COUNT);
}

START_TEST(the_pool_gives_each_buffer_once)
{
	struct pktbuf *got[COUNT];

	for (unsigned i = 0; i < COUNT; i++) {
		got[i] = pktbuf_alloc(&pool);
		ck_assert_ptr_nonnull(got[i]);
		for (unsigned j = 0; j < i; j++)
			ck_assert_ptr_ne(got[i]->buf, got[j]->buf);
	}
	ck_assert_ptr_null(pktbuf_alloc(&pool));
	ck_assert_uint_eq(pool.avail, 0);
	for (unsigned i = 0; i < COUNT; i++)
		pktbuf_free(got[i]);
	ck_assert_uint_eq(pool.avail, COUNT);
	ck_assert_uint_eq(pool.low_water, 0);
}
END_TEST

START_TEST(device_addresses_go_with_the_data)
{
	for (unsigned i = 0; i < COUNT; i++) {
		struct pktbuf *p = pktbuf_alloc(&pool);

		ck_assert_uint_eq(p->iova - IOVA, (uint64_t)(p->buf - data));
		ck_assert_uint_eq(p->iova % PKTBUF_SIZE, 0);
	}
}
END_TEST

START_TEST(a_buffer_comes_back_as_new)
{
	struct pktbuf *p = pktbuf_alloc(&pool), *again;

	pktbuf_push(p, 100);
	p->flags = 0xff;
	p->csum_start = p->csum_offset = p->l3_off = p->l4_off = 7;
	p->time = 7;
	pktbuf_free(p);
	again = pktbuf_alloc(&pool);
	ck_assert_ptr_eq(p, again);
	ck_assert_uint_eq(p->off, PKTBUF_HEADROOM);
	ck_assert_uint_eq(p->len, 0);
	ck_assert_uint_eq(p->refs, 1);
	ck_assert_uint_eq(p->flags | p->csum_start | p->csum_offset | p->l3_off | p->l4_off, 0);
	ck_assert_uint_eq(p->time, 0);
	ck_assert_ptr_null(p->next);
}
END_TEST

START_TEST(the_last_reference_returns_it)
{
	struct pktbuf *p = pktbuf_alloc(&pool);

	pktbuf_hold(p);
	pktbuf_free(p);
	ck_assert_uint_eq(pool.avail, COUNT - 1);
	pktbuf_free(p);
	ck_assert_uint_eq(pool.avail, COUNT);
}
END_TEST

START_TEST(a_free_too_many_does_not_give_a_buffer_to_two_owners)
{
	struct pktbuf *p = pktbuf_alloc(&pool);

	pktbuf_free(p);
	pktbuf_free(p);
	ck_assert_uint_eq(pool.avail, COUNT);
	ck_assert_ptr_ne(pktbuf_alloc(&pool), pktbuf_alloc(&pool));
}
END_TEST

START_TEST(room_moves_between_front_data_and_tail)
{
	struct pktbuf *p = pktbuf_alloc(&pool);

	ck_assert_ptr_eq(pktbuf_data(p), p->buf + PKTBUF_HEADROOM);
	ck_assert_uint_eq(pktbuf_tailroom(p), PKTBUF_SIZE - PKTBUF_HEADROOM);
	p->len = 1000;
	ck_assert_uint_eq(pktbuf_tailroom(p), PKTBUF_SIZE - PKTBUF_HEADROOM - 1000);
	ck_assert_ptr_eq(pktbuf_push(p, PKTBUF_HEADROOM), p->buf);
	ck_assert_uint_eq(p->len, 1000 + PKTBUF_HEADROOM);
	ck_assert_ptr_eq(pktbuf_pull(p, 14), p->buf + 14);
	ck_assert_uint_eq(p->len, 1000 + PKTBUF_HEADROOM - 14);
	pktbuf_trim(p, 60);
	ck_assert_uint_eq(p->len, 60);
	pktbuf_trim(p, 61);
	ck_assert_uint_eq(p->len, 60);
}
END_TEST

START_TEST(a_queue_keeps_order)
{
	struct pktbuf_queue q;
	struct pktbuf *p[3];

	pktbuf_queue_init(&q);
	ck_assert_ptr_null(pktbuf_queue_take(&q));
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 3; i++)
			pktbuf_queue_put(&q, p[i] = pktbuf_alloc(&pool));
		ck_assert_uint_eq(q.count, 3);
		for (unsigned i = 0; i < 3; i++)
			ck_assert_ptr_eq(pktbuf_queue_take(&q), p[i]);
		ck_assert_ptr_null(pktbuf_queue_take(&q));
		ck_assert_uint_eq(q.count, 0);
	}
}
END_TEST

START_TEST(a_list_is_freed_whole)
{
	struct pktbuf *list = NULL;

	for (unsigned i = 0; i < COUNT; i++) {
		struct pktbuf *p = pktbuf_alloc(&pool);

		p->next = list;
		list = p;
	}
	pktbuf_free_list(list);
	pktbuf_free_list(NULL);
	ck_assert_uint_eq(pool.avail, COUNT);
}
END_TEST

/* A frame for the device to cut up: headers, and pieces that their sender keeps. */
START_TEST(pieces_that_somebody_else_holds_outlive_their_frame)
{
	struct pktbuf *head = pktbuf_alloc(&pool), *kept = pktbuf_alloc(&pool),
		      *acked = pktbuf_alloc(&pool);

	head->more = kept;
	kept->more = acked;
	pktbuf_hold(kept);
	pktbuf_hold(acked);
	pktbuf_free(acked); /* acknowledged before the device said that it is done */
	ck_assert_uint_eq(pool.avail, COUNT - 3);
	pktbuf_free(head);
	ck_assert_uint_eq(pool.avail, COUNT - 1);
	ck_assert_uint_eq(kept->refs, 1);
	ck_assert_ptr_null(kept->more);
	pktbuf_free(kept);
	ck_assert_uint_eq(pool.avail, COUNT);
}
END_TEST

/* A packet of 3 pieces of 100 bytes. */
static struct pktbuf *three_pieces(void)
{
	struct pktbuf *head = NULL, **at = &head;

	for (unsigned i = 0; i < 3; i++, at = &(*at)->more) {
		*at = pktbuf_alloc(&pool);
		(*at)->len = 100;
	}
	return head;
}

START_TEST(a_packet_in_pieces_is_trimmed_as_one_and_gives_back_the_rest)
{
	static const uint32_t lens[] = {0, 1, 100, 101, 200, 299, 300, 301, 100000};

	for (unsigned i = 0; i < 9; i++) {
		struct pktbuf *p = three_pieces();
		uint32_t len = lens[i] < 300 ? lens[i] : 300;

		pktbuf_trim_total(p, lens[i]);
		ck_assert_uint_eq(pktbuf_total(p), len);
		ck_assert_uint_eq(pktbuf_pieces(p), len > 200 ? 3 : len > 100 ? 2 : 1);
		ck_assert_uint_eq(COUNT - pool.avail, pktbuf_pieces(p));
		pktbuf_free(p);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pktbuf");
	TCase *tc = tcase_create("pktbuf");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, the_pool_gives_each_buffer_once);
	tcase_add_test(tc, device_addresses_go_with_the_data);
	tcase_add_test(tc, a_buffer_comes_back_as_new);
	tcase_add_test(tc, the_last_reference_returns_it);
	tcase_add_test(tc, a_free_too_many_does_not_give_a_buffer_to_two_owners);
	tcase_add_test(tc, room_moves_between_front_data_and_tail);
	tcase_add_test(tc, a_queue_keeps_order);
	tcase_add_test(tc, a_list_is_freed_whole);
	tcase_add_test(tc, pieces_that_somebody_else_holds_outlive_their_frame);
	tcase_add_test(tc, a_packet_in_pieces_is_trimmed_as_one_and_gives_back_the_rest);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
