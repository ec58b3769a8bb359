// SPDX-License-Identifier: BSD-3-Clause
/* The frame rings by themselves, and the port on top of them: a pump plays the daemon. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/frame_ring.h"
#include "tests/drivers/bench.h"
#include "tests/drivers/tso_frames.h"

#define COUNT 8u

static struct bench *b;
static struct frame_rings *rings;
static struct frame_end in, out; /* the pump's ends: towards the sandbox, and away from it */

static void open_rings(uint16_t mtu)
{
	uint32_t slot = frame_slot_size(mtu);
	size_t size = frame_rings_size(COUNT, slot);

	rings = aligned_alloc(64, size + 64);
	memset(rings, 0x5a, size + 64);
	ck_assert_int_eq(frame_rings_init(rings, COUNT, slot), 0);
	in = frame_rings_rx(rings, COUNT, slot);
	out = frame_rings_tx(rings, COUNT, slot);
	b->port.conf.shared = rings;
	b->port.conf.mtu = mtu;
	ck_assert_int_eq(bench_start_kind(b, "tap"), 0);
}

static void setup(void)
{
	b = bench_new();
	open_rings(1500);
}

static void setup_jumbo(void)
{
	b = bench_new();
	open_rings(9000);
}

static void teardown(void)
{
	for (unsigned i = 0; i < 64; i++)
		ck_assert_uint_eq(((uint8_t *)rings)[frame_rings_size(COUNT, in.slot_size) + i],
				  0x5a);
	port_stop(&b->port);
	ck_assert_uint_eq(bench_held(b), 0);
	free(rings);
	bench_free(b);
}

static struct frame_slot *slot_of(const struct frame_end *e, uint32_t pos)
{
	struct frame_end at = *e;

	at.pos = pos;
	return frame_slot_at(&at);
}

static bool arrives(uint32_t serial, uint16_t len)
{
	struct pktbuf *p = bench_frame(b, serial, len);
	int err = frame_ring_put(&in, pktbuf_data(p), len);

	pktbuf_free(p);
	return err == 0;
}

START_TEST(frames_move_both_ways_round_and_round)
{
	for (uint32_t i = 0; i < 500; i++) {
		uint16_t len = (uint16_t)(60 + i * 3 % 1400);
		uint8_t buf[FRAME_LEN_MAX];
		struct pktbuf *batch[4];

		ck_assert(!port_pending(&b->port));
		ck_assert(arrives(i, len));
		ck_assert(port_pending(&b->port));
		ck_assert_uint_eq(port_rx(&b->port, batch, 4), 1);
		ck_assert(bench_is(pktbuf_data(batch[0]), batch[0]->len, i, len));
		port_send(&b->port, batch[0]);
		port_flush(&b->port);
		ck_assert_int_eq(frame_ring_get(&out, buf, sizeof(buf)), len);
		ck_assert(bench_is(buf, len, i, len));
		ck_assert_int_eq(frame_ring_get(&out, buf, sizeof(buf)), 0);
	}
	ck_assert_uint_eq(b->port.stats.in_packets, 500);
	ck_assert_uint_eq(b->port.stats.out_packets, 500);
}
END_TEST

START_TEST(it_has_an_address_and_a_link)
{
	static const uint8_t mine[6] = {2, 1, 2, 3, 4, 5}, none[6] = {2, 'S', 'W', 0, 0, 3};

	ck_assert(b->port.link_up);
	port_stop(&b->port);
	memcpy(b->port.conf.mac, mine, 6);
	ck_assert_int_eq(port_start(&b->port, &ring_port_ops, b->port.priv), 0);
	ck_assert_mem_eq(b->port.mac, mine, 6);
	port_stop(&b->port);
	memset(b->port.conf.mac, 0, 6);
	b->port.index = 3;
	ck_assert_int_eq(port_start(&b->port, &ring_port_ops, b->port.priv), 0);
	ck_assert_mem_eq(b->port.mac, none, 6);
	rings->link_up = 0;
	port_watch(&b->port, bench_now += 2000000000);
	ck_assert(!b->port.link_up);
}
END_TEST

START_TEST(full_rings_refuse_and_lose_nothing)
{
	uint8_t buf[FRAME_LEN_MAX];
	struct pktbuf *batch[COUNT + 1];

	for (unsigned i = 0; i < COUNT; i++)
		ck_assert(arrives(i, 100));
	ck_assert(!arrives(9, 100));
	ck_assert_uint_eq(port_rx(&b->port, batch, COUNT + 1), COUNT);
	for (unsigned i = 0; i < COUNT; i++)
		pktbuf_free(batch[i]);
	for (unsigned i = 0; i < COUNT + 5; i++)
		port_send(&b->port, bench_frame(b, i, 100));
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.txq.count, 5);
	for (unsigned i = 0; i < COUNT + 5; i++) {
		ck_assert_int_eq(frame_ring_get(&out, buf, sizeof(buf)), 100);
		ck_assert(bench_is(buf, 100, i, 100));
		port_flush(&b->port);
	}
	ck_assert_int_eq(frame_ring_get(&out, buf, sizeof(buf)), 0);
}
END_TEST

START_TEST(an_empty_pool_leaves_frames_in_the_ring)
{
	struct pktbuf *all = NULL, *p, *batch[4];

	ck_assert(arrives(1, 100));
	while ((p = pktbuf_alloc(&b->pool))) {
		p->next = all;
		all = p;
	}
	ck_assert_uint_eq(port_rx(&b->port, batch, 4), 0);
	ck_assert_uint_eq(b->port.stats.in_no_buffer, 1);
	pktbuf_free_list(all);
	ck_assert_uint_eq(port_rx(&b->port, batch, 4), 1);
	pktbuf_free(batch[0]);
}
END_TEST

START_TEST(a_sleeping_pump_is_kicked_once)
{
	uint8_t buf[FRAME_LEN_MAX];

	port_send(&b->port, bench_frame(b, 1, 100));
	port_flush(&b->port);
	ck_assert(!port_wants_kick(&b->port)); /* it is awake */
	ck_assert(!frame_rings_sleep(rings, &out));
	ck_assert_int_eq(frame_ring_get(&out, buf, sizeof(buf)), 100);
	ck_assert(frame_rings_sleep(rings, &out));
	for (unsigned i = 0; i < 3; i++) {
		port_send(&b->port, bench_frame(b, i, 100));
		port_flush(&b->port);
		ck_assert_int_eq(port_wants_kick(&b->port), i == 0);
		ck_assert(!port_wants_kick(&b->port));
	}
	frame_rings_awake(rings);
	port_send(&b->port, bench_frame(b, 1, 100));
	port_flush(&b->port);
	ck_assert(!port_wants_kick(&b->port));
}
END_TEST

START_TEST(slots_that_hold_no_frame_are_dropped_and_counted)
{
	static const uint32_t lengths[] = {0, FRAME_SLOT_SIZE - 7, FRAME_LEN_MAX, 0xffffffffu};
	struct pktbuf *batch[4];

	for (unsigned i = 0; i < 4; i++) {
		ck_assert(arrives(i, 100));
		slot_of(&in, in.pos - 1)->len = lengths[i];
		ck_assert_uint_eq(port_rx(&b->port, batch, 4), 0);
		ck_assert_uint_eq(b->port.stats.in_errors, i + 1);
	}
	ck_assert(arrives(7, 100));
	ck_assert_uint_eq(port_rx(&b->port, batch, 4), 1);
	ck_assert(bench_is(pktbuf_data(batch[0]), batch[0]->len, 7, 100));
	pktbuf_free(batch[0]);
}
END_TEST

START_TEST(a_hostile_other_side_cannot_make_us_leave_the_rings)
{
	unsigned seed = 5;
	struct pktbuf *batch[PORT_BATCH];

	for (unsigned i = 0; i < 5000; i++) {
		unsigned n;

		in.ring->head = (uint32_t)rand_r(&seed) << i % 3;
		slot_of(&in, (uint32_t)rand_r(&seed))->len = (uint32_t)rand_r(&seed) % (16u << 10);
		out.ring->tail = (uint32_t)rand_r(&seed) << i % 3;
		rings->count = rings->slot_size = (uint32_t)rand_r(&seed);
		rings->tx_off = rings->rx_off = (uint64_t)rand_r(&seed) << 20;
		n = port_rx(&b->port, batch, PORT_BATCH);
		ck_assert_uint_le(n, PORT_BATCH);
		while (n)
			pktbuf_free(batch[--n]);
		port_send(&b->port, bench_frame(b, i, 100));
		port_flush(&b->port);
	}
}
END_TEST

START_TEST(positions_that_cannot_be_move_nothing)
{
	struct pktbuf *batch[PORT_BATCH];

	for (unsigned i = 0; i < COUNT; i++)
		ck_assert(arrives(i, 100));
	in.ring->head = COUNT + 1;
	ck_assert_uint_eq(port_rx(&b->port, batch, PORT_BATCH), 0);
	ck_assert_uint_eq(b->port.stats.in_errors, 1);
	in.ring->head = COUNT;
	ck_assert_uint_eq(port_rx(&b->port, batch, PORT_BATCH), COUNT);
	for (unsigned i = 0; i < COUNT; i++)
		pktbuf_free(batch[i]);
	out.ring->tail = 5; /* of frames that were never sent */
	port_send(&b->port, bench_frame(b, 1, 100));
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.txq.count, 1);
}
END_TEST

START_TEST(rings_that_are_none_are_refused)
{
	static const uint32_t counts[] = {0, 1, 3, 100, 131072, ~0u};
	void *priv = b->port.priv;

	port_stop(&b->port);
	for (unsigned i = 0; i < 6; i++) {
		ck_assert_int_eq(frame_rings_init(rings, counts[i], FRAME_SLOT_SIZE), -EINVAL);
		rings->count = counts[i];
		ck_assert_int_eq(port_start(&b->port, &ring_port_ops, priv), -EINVAL);
	}
	rings->count = COUNT;
	rings->slot_size = 4096;
	ck_assert_int_eq(frame_rings_init(rings, COUNT, 4096), -EINVAL);
	ck_assert_int_eq(port_start(&b->port, &ring_port_ops, priv), -EINVAL);
	rings->slot_size = FRAME_SLOT_SIZE;
	b->port.conf.mtu = 9000; /* of which they hold no frame */
	ck_assert_int_eq(port_start(&b->port, &ring_port_ops, priv), -EINVAL);
	b->port.conf.mtu = 1500;
	b->port.conf.shared = NULL;
	ck_assert_int_eq(port_start(&b->port, &ring_port_ops, priv), -EINVAL);
	rings->magic = 0;
	b->port.conf.shared = rings;
	ck_assert_int_eq(port_start(&b->port, &ring_port_ops, priv), -EINVAL);
	b->port.priv = priv;
}
END_TEST

START_TEST(a_frame_longer_than_a_slot_is_not_sent)
{
	struct pktbuf *p = bench_frame(b, 1, 100);

	p->off = 0;
	p->len = PKTBUF_SIZE;
	port_send(&b->port, p);
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.stats.out_errors, 1);
	ck_assert(frame_ring_empty(&out));
}
END_TEST

/* A frame in pieces of `piece` bytes, each byte telling where it is. */
static struct pktbuf *in_pieces(uint32_t len, uint16_t piece)
{
	struct pktbuf *head = NULL, **at = &head;

	for (uint32_t done = 0; done < len; at = &(*at)->more) {
		struct pktbuf *p = *at = pktbuf_alloc(&b->pool);

		p->len = (uint16_t)(len - done < piece ? len - done : piece);
		for (uint32_t i = 0; i < p->len; i++, done++)
			pktbuf_data(p)[i] = (uint8_t)(done * 7 + done / 251);
	}
	return head;
}

static void same_bytes(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	uint32_t same = 0;

	while (same < len && bytes[same] == (uint8_t)((from + same) * 7 + (from + same) / 251))
		same++;
	ck_assert_uint_eq(same, len);
}

START_TEST(a_frame_of_9018_bytes_goes_both_ways_in_pieces)
{
	uint8_t buf[FRAME_LEN_MAX];
	struct pktbuf *batch[4], *p;
	uint32_t at = 0;

	port_send(&b->port, in_pieces(9018, 1000));
	port_flush(&b->port);
	ck_assert_int_eq(frame_ring_get(&out, buf, sizeof(buf)), 9018);
	same_bytes(buf, 0, 9018);
	ck_assert_int_eq(frame_ring_put(&in, buf, 9018), 0);
	ck_assert_uint_eq(port_rx(&b->port, batch, 4), 1);
	ck_assert_uint_eq(pktbuf_pieces(batch[0]), 5);
	ck_assert_uint_eq(b->port.stats.in_octets, 9018);
	ck_assert_uint_eq(b->port.stats.out_octets, 9018);
	for (p = batch[0]; p; p = p->more) {
		ck_assert(!p->more || (p->len % 2 == 0 && p->len >= PKTBUF_FIRST_MIN));
		same_bytes(pktbuf_data(p), at, p->len);
		at += p->len;
	}
	ck_assert_uint_eq(at, 9018);
	pktbuf_free(batch[0]);
}
END_TEST

START_TEST(a_frame_for_which_buffers_are_short_waits_in_the_ring)
{
	uint8_t buf[9018] = {1};
	struct pktbuf *all = NULL, *p, *batch[4];

	ck_assert_int_eq(frame_ring_put(&in, buf, sizeof(buf)), 0);
	while (b->pool.avail > 4) {
		p = pktbuf_alloc(&b->pool);
		p->next = all;
		all = p;
	}
	ck_assert_uint_eq(port_rx(&b->port, batch, 4), 0);
	ck_assert_uint_eq(b->port.stats.in_no_buffer, 1);
	ck_assert_uint_eq(b->pool.avail, 4);
	pktbuf_free_list(all);
	ck_assert_uint_eq(port_rx(&b->port, batch, 4), 1);
	ck_assert_uint_eq(pktbuf_total(batch[0]), 9018);
	pktbuf_free(batch[0]);
}
END_TEST

START_TEST(pieces_that_are_too_much_for_a_slot_are_not_sent)
{
	port_send(&b->port, in_pieces(FRAME_LEN_MAX + 1, 1920));
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.stats.out_errors, 1);
	ck_assert(frame_ring_empty(&out));
}
END_TEST

#define RACE 100000u

/* A pump that sleeps whenever it may: if a wake-up were ever lost it would sleep for good. */
static uint32_t race_got, race_awake;

static void *race_pump(void *arg)
{
	uint8_t buf[FRAME_LEN_MAX];

	while (race_got < RACE) {
		int len = frame_ring_get(&out, buf, sizeof(buf));

		if (len > 0) {
			if (!bench_is(buf, (size_t)len, race_got, 64))
				return arg;
			race_got++;
			continue;
		}
		__atomic_store_n(&race_awake, 0, __ATOMIC_SEQ_CST);
		if (frame_rings_sleep(rings, &out))
			while (!__atomic_load_n(&race_awake, __ATOMIC_SEQ_CST))
				sched_yield();
	}
	return NULL;
}

START_TEST(a_frame_to_be_cut_up_is_not_sent)
{
	uint8_t buf[FRAME_LEN_MAX];

	ck_assert_uint_eq(b->port.tso_max, 0);
	port_send(&b->port, tso_frame(&b->pool, &tso_shapes[0]));
	port_send(&b->port, bench_frame(b, 2, 100));
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.stats.out_errors, 1);
	ck_assert_int_eq(frame_ring_get(&out, buf, sizeof(buf)), 100);
	ck_assert_int_eq(frame_ring_get(&out, buf, sizeof(buf)), 0);
}
END_TEST

START_TEST(no_wake_up_is_lost)
{
	pthread_t pump;
	void *bad;

	ck_assert_int_eq(pthread_create(&pump, NULL, race_pump, rings), 0);
	for (uint32_t i = 0; i < RACE;) {
		struct pktbuf *p;

		if (b->port.txq.count < PORT_PENDING) {
			p = bench_frame(b, i++, 64);
			port_send(&b->port, p);
		} else {
			sched_yield();
		}
		port_flush(&b->port);
		if (port_wants_kick(&b->port))
			__atomic_store_n(&race_awake, 1, __ATOMIC_SEQ_CST);
	}
	while (b->port.txq.count) {
		port_flush(&b->port);
		if (port_wants_kick(&b->port))
			__atomic_store_n(&race_awake, 1, __ATOMIC_SEQ_CST);
		sched_yield();
	}
	ck_assert_int_eq(pthread_join(pump, &bad), 0);
	ck_assert_ptr_null(bad);
	ck_assert_uint_eq(race_got, RACE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring_port");
	TCase *tc = tcase_create("rings");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, frames_move_both_ways_round_and_round);
	tcase_add_test(tc, it_has_an_address_and_a_link);
	tcase_add_test(tc, full_rings_refuse_and_lose_nothing);
	tcase_add_test(tc, an_empty_pool_leaves_frames_in_the_ring);
	tcase_add_test(tc, a_sleeping_pump_is_kicked_once);
	tcase_add_test(tc, slots_that_hold_no_frame_are_dropped_and_counted);
	tcase_add_test(tc, a_hostile_other_side_cannot_make_us_leave_the_rings);
	tcase_add_test(tc, positions_that_cannot_be_move_nothing);
	tcase_add_test(tc, rings_that_are_none_are_refused);
	tcase_add_test(tc, a_frame_longer_than_a_slot_is_not_sent);
	tcase_add_test(tc, a_frame_to_be_cut_up_is_not_sent);
	tcase_add_test(tc, no_wake_up_is_lost);
	suite_add_tcase(suite, tc);
	tc = tcase_create("jumbo");
	tcase_add_checked_fixture(tc, setup_jumbo, teardown);
	tcase_add_test(tc, a_frame_of_9018_bytes_goes_both_ways_in_pieces);
	tcase_add_test(tc, a_frame_for_which_buffers_are_short_waits_in_the_ring);
	tcase_add_test(tc, pieces_that_are_too_much_for_a_slot_are_not_sent);
	tcase_add_test(tc, a_hostile_other_side_cannot_make_us_leave_the_rings);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
