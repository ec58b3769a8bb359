// SPDX-License-Identifier: BSD-3-Clause
/* The framework around a driver: a driver made of knobs, and the skeleton's two kinds. */
#include "drivers/port.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/drivers/bench.h"
#include "tests/drivers/tso_frames.h"

static struct bench *b;

/* ---- A driver that does as it is told ---- */

static struct {
	int start_result;
	unsigned starts, stops, watches, room, calls, got;
	uint32_t serial[2 * PORT_PENDING];
	uint32_t caps;
	bool stalled;
} knob;

static int knob_start(struct port *port)
{
	knob.starts++;
	port->caps = knob.caps;
	if (!knob.start_result)
		port_link(port, true, 10);
	return knob.start_result;
}

static void knob_stop(struct port *port)
{
	knob.stops++;
}

static unsigned knob_rx(struct port *port, struct pktbuf **batch, unsigned max)
{
	ck_assert_uint_le(max, PORT_BATCH);
	for (unsigned i = 0; i < max; i++)
		batch[i] = bench_frame(b, i, 100);
	return max;
}

static unsigned knob_tx(struct port *port, struct pktbuf **batch, unsigned n)
{
	unsigned i;

	ck_assert_uint_le(n, PORT_BATCH);
	knob.calls++;
	for (i = 0; i < n && knob.room; i++, knob.room--) {
		memcpy(&knob.serial[knob.got++], pktbuf_data(batch[i]) + 14, 4);
		pktbuf_free(batch[i]);
	}
	return i;
}

static bool knob_pending(struct port *port)
{
	return true;
}

static bool knob_watch(struct port *port)
{
	knob.watches++;
	return knob.stalled;
}

static const struct port_ops knob_ops = {
	.name = "knob",
	.start = knob_start,
	.stop = knob_stop,
	.rx = knob_rx,
	.tx = knob_tx,
	.pending = knob_pending,
	.watch = knob_watch,
};

static void setup(void)
{
	b = bench_new();
	memset(&knob, 0, sizeof(knob));
}

static void teardown(void)
{
	port_stop(&b->port);
	ck_assert_uint_eq(bench_held(b), 0);
	bench_free(b);
}

START_TEST(a_failed_start_leaves_nothing)
{
	knob.start_result = -EIO;
	ck_assert_int_eq(port_start(&b->port, &knob_ops, NULL), -EIO);
	ck_assert_ptr_null(b->port.ops);
	ck_assert(!b->port.running);
	ck_assert_uint_eq(knob.stops, 0);
	ck_assert(!port_pending(&b->port));
	port_send(&b->port, bench_frame(b, 1, 60));
	port_flush(&b->port);
	port_watch(&b->port, bench_now);
	ck_assert_uint_eq(b->port.stats.out_dropped, 1);
	knob.start_result = 0;
	ck_assert_int_eq(port_start(&b->port, &knob_ops, NULL), 0);
	ck_assert_uint_eq(b->port.mtu, 1500);
	ck_assert(port_pending(&b->port));
}
END_TEST

START_TEST(an_mtu_above_a_buffers_is_for_drivers_of_pieces)
{
	b->port.conf.mtu = 1501;
	ck_assert_int_eq(port_start(&b->port, &knob_ops, NULL), -EMSGSIZE);
	ck_assert_ptr_null(b->port.ops);
	ck_assert(!b->port.link_up);
	ck_assert_uint_eq(knob.stops, 1);
	knob.caps = PORT_CAP_PIECES;
	ck_assert_int_eq(port_start(&b->port, &knob_ops, NULL), 0);
	ck_assert_uint_eq(b->port.mtu, 1501);
}
END_TEST

START_TEST(frames_wait_for_room_in_order_across_the_wrap)
{
	uint32_t next = 0;

	ck_assert_int_eq(port_start(&b->port, &knob_ops, NULL), 0);
	for (unsigned round = 0; round < 40; round++) {
		knob.got = 0;
		for (unsigned i = 0; i < 100; i++)
			port_send(&b->port, bench_frame(b, round * 100 + i, 60));
		for (unsigned k = 0; knob.got < 100 && k < 20; k++) {
			knob.room = 7 + round % 70;
			port_flush(&b->port);
		}
		for (unsigned i = 0; i < knob.got; i++)
			ck_assert_uint_eq(knob.serial[i], next++);
	}
	ck_assert_uint_eq(b->port.stats.out_packets, next);
	ck_assert_uint_eq(b->port.stats.out_octets, next * 60);
	ck_assert_uint_eq(next, 4000);
}
END_TEST

START_TEST(a_full_queue_drops_the_newest)
{
	ck_assert_int_eq(port_start(&b->port, &knob_ops, NULL), 0);
	for (unsigned i = 0; i < PORT_PENDING + 3; i++)
		port_send(&b->port, bench_frame(b, i, 60));
	ck_assert_uint_eq(b->port.stats.out_dropped, 3);
	knob.room = 10000;
	port_flush(&b->port);
	ck_assert_uint_eq(knob.got, PORT_PENDING);
	ck_assert_uint_eq(knob.serial[PORT_PENDING - 1], PORT_PENDING - 1);
}
END_TEST

START_TEST(a_full_device_is_asked_once_a_flush)
{
	ck_assert_int_eq(port_start(&b->port, &knob_ops, NULL), 0);
	for (unsigned i = 0; i < 200; i++)
		port_send(&b->port, bench_frame(b, i, 60));
	port_flush(&b->port);
	ck_assert_uint_eq(knob.calls, 1);
}
END_TEST

START_TEST(stopping_frees_what_waits)
{
	ck_assert_int_eq(port_start(&b->port, &knob_ops, NULL), 0);
	for (unsigned i = 0; i < 20; i++)
		port_send(&b->port, bench_frame(b, i, 60));
	port_stop(&b->port);
	port_stop(&b->port);
	ck_assert_uint_eq(knob.stops, 1);
	ck_assert_uint_eq(bench_held(b), 0);
	ck_assert_uint_eq(b->port.stats.out_dropped, 20);
}
END_TEST

START_TEST(batches_are_counted_and_bounded)
{
	struct pktbuf *batch[2 * PORT_BATCH];
	unsigned n;

	ck_assert_int_eq(port_start(&b->port, &knob_ops, NULL), 0);
	n = port_rx(&b->port, batch, 2 * PORT_BATCH);
	ck_assert_uint_eq(n, PORT_BATCH);
	ck_assert_uint_eq(b->port.stats.in_packets, PORT_BATCH);
	ck_assert_uint_eq(b->port.stats.in_octets, PORT_BATCH * 100);
	while (n)
		pktbuf_free(batch[--n]);
}
END_TEST

START_TEST(a_stall_resets_and_what_waited_goes_out)
{
	ck_assert_int_eq(port_start(&b->port, &knob_ops, NULL), 0);
	port_send(&b->port, bench_frame(b, 1, 60));
	port_watch(&b->port, 1);
	ck_assert_uint_eq(b->port.stats.resets, 0);
	knob.stalled = true;
	port_watch(&b->port, 2000000000);
	ck_assert_uint_eq(b->port.stats.tx_stalls, 1);
	ck_assert_uint_eq(b->port.stats.resets, 1);
	ck_assert_uint_eq(knob.starts, 2);
	ck_assert_uint_eq(knob.stops, 1);
	knob.room = 5;
	port_flush(&b->port);
	ck_assert_uint_eq(knob.got, 1);
}
END_TEST

START_TEST(a_reset_that_fails_is_repeated_each_second)
{
	ck_assert_int_eq(port_start(&b->port, &knob_ops, NULL), 0);
	knob.stalled = true;
	knob.start_result = -EIO;
	for (uint64_t t = 1; t <= 5; t++) {
		port_watch(&b->port, t * 1000000000);
		port_watch(&b->port, t * 1000000000 + 500000000);
	}
	ck_assert_uint_eq(knob.starts, 6);
	ck_assert_uint_eq(knob.stops, 1);
	ck_assert(b->port.broken && !b->port.running && !b->port.link_up);
	knob.start_result = 0;
	port_watch(&b->port, 7000000000);
	ck_assert(!b->port.broken && b->port.running && b->port.link_up);
	ck_assert_uint_eq(b->port.stats.resets, 1);
	ck_assert_uint_eq(b->port.stats.tx_stalls, 1);
}
END_TEST

START_TEST(watching_is_cheap_between_seconds)
{
	ck_assert_int_eq(port_start(&b->port, &knob_ops, NULL), 0);
	for (uint64_t t = 0; t < 3000; t++)
		port_watch(&b->port, 5000000000 + t * 1000000);
	ck_assert_uint_eq(knob.watches, 3);
}
END_TEST

/* Of 3 and 5 segments in turn. */
static struct pktbuf *cut_up(unsigned i)
{
	const struct tso_shape s = {.gso = 1000, .last = 10, .segments = i % 2 ? 5 : 3};

	return tso_frame(&b->pool, &s);
}

START_TEST(segments_are_packets_on_the_wire)
{
	ck_assert_int_eq(port_start(&b->port, &knob_ops, NULL), 0);
	ck_assert_uint_eq(b->port.tso_max, 0);
	port_send(&b->port, cut_up(0));
	port_send(&b->port, bench_frame(b, 1, 60));
	port_send(&b->port, cut_up(1));
	port_send(&b->port, cut_up(2));
	knob.room = 2;
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.stats.out_packets, 3 + 1);
	ck_assert_uint_eq(b->port.stats.out_octets, 2010 + 3 * 54 + 60);
	knob.room = 1;
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.stats.out_packets, 3 + 1 + 5);
	ck_assert_uint_eq(b->port.stats.out_octets, 2010 + 3 * 54 + 60 + 4010 + 5 * 54);
	port_flush(&b->port);
	port_stop(&b->port);
	ck_assert_uint_eq(b->port.stats.out_packets, 3 + 1 + 5);
	ck_assert_uint_eq(b->port.stats.out_dropped, 3);
	port_send(&b->port, cut_up(1));
	ck_assert_uint_eq(b->port.stats.out_dropped, 3 + 5);
}
END_TEST

START_TEST(kinds_are_found_by_name)
{
	ck_assert_ptr_eq(port_driver_kind("tap"), &ring_port_ops);
	ck_assert_ptr_eq(port_driver_kind("null"), &null_ops);
	ck_assert_ptr_eq(port_driver_kind("loop"), &loop_ops);
	ck_assert_ptr_null(port_driver_kind("ta"));
	ck_assert_ptr_null(port_driver_kind("taps"));
	ck_assert_ptr_null(port_driver_kind(""));
	ck_assert_ptr_null(port_driver_pci(0, 0));
}
END_TEST

/* ---- The skeleton ---- */

START_TEST(the_loop_returns_what_is_sent)
{
	struct pktbuf *batch[PORT_BATCH], *kept = bench_frame(b, 77, 200);

	ck_assert_int_eq(bench_start_kind(b, "loop"), 0);
	ck_assert(b->port.link_up);
	pktbuf_hold(kept);
	port_send(&b->port, kept);
	for (unsigned i = 1; i < 10; i++)
		port_send(&b->port, bench_frame(b, 77 + i, 200));
	ck_assert(!port_pending(&b->port));
	port_flush(&b->port);
	ck_assert(port_pending(&b->port));
	ck_assert_uint_eq(kept->refs, 1);
	ck_assert_uint_eq(port_rx(&b->port, batch, PORT_BATCH), 10);
	for (unsigned i = 0; i < 10; i++) {
		ck_assert_ptr_ne(batch[i], kept);
		ck_assert(bench_is(pktbuf_data(batch[i]), batch[i]->len, 77 + i, 200));
		pktbuf_free(batch[i]);
	}
	pktbuf_free(kept);
	port_stop(&b->port);
	free(b->port.priv);
	b->port.priv = NULL;
}
END_TEST

START_TEST(the_loop_fills_and_stops_clean)
{
	ck_assert_int_eq(bench_start_kind(b, "loop"), 0);
	for (unsigned i = 0; i < BENCH_RING + 30; i++)
		port_send(&b->port, bench_frame(b, i, 60));
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.txq.count, 30);
	ck_assert_uint_eq(bench_held(b), BENCH_RING + 30);
}
END_TEST

START_TEST(null_swallows)
{
	ck_assert_int_eq(bench_start_kind(b, "null"), 0);
	for (unsigned i = 0; i < 1000; i++) {
		port_send(&b->port, bench_frame(b, i, 60));
		port_flush(&b->port);
	}
	ck_assert(!port_pending(&b->port));
	ck_assert_uint_eq(b->port.stats.out_packets, 1000);
	ck_assert_uint_eq(bench_held(b), 0);
}
END_TEST

START_TEST(a_frame_without_a_header_is_an_error)
{
	ck_assert_int_eq(bench_start_kind(b, "null"), 0);
	port_send(&b->port, bench_frame(b, 1, 13));
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.stats.out_errors, 1);
}
END_TEST

START_TEST(no_software_port_takes_a_frame_to_be_cut_up)
{
	static const char *const kind[] = {"loop", "null"};

	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(bench_start_kind(b, kind[i]), 0);
		ck_assert_uint_eq(b->port.tso_max, 0);
		port_send(&b->port, cut_up(i));
		port_flush(&b->port);
		ck_assert_uint_eq(b->port.stats.out_errors, i + 1);
		ck_assert(!port_pending(&b->port));
		ck_assert_uint_eq(bench_held(b), 0);
		port_stop(&b->port);
		free(b->port.priv);
		b->port.priv = NULL;
	}
}
END_TEST

START_TEST(the_skeleton_refuses_odd_rings)
{
	static const uint16_t bad[] = {1, 63, 2048};

	for (unsigned i = 0; i < 3; i++) {
		b->port.conf.rx_ring = bad[i];
		ck_assert_int_eq(bench_start_kind(b, "loop"), -EINVAL);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("port");
	TCase *tc = tcase_create("framework"), *skeleton = tcase_create("skeleton");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_failed_start_leaves_nothing);
	tcase_add_test(tc, an_mtu_above_a_buffers_is_for_drivers_of_pieces);
	tcase_add_test(tc, frames_wait_for_room_in_order_across_the_wrap);
	tcase_add_test(tc, a_full_queue_drops_the_newest);
	tcase_add_test(tc, a_full_device_is_asked_once_a_flush);
	tcase_add_test(tc, stopping_frees_what_waits);
	tcase_add_test(tc, batches_are_counted_and_bounded);
	tcase_add_test(tc, a_stall_resets_and_what_waited_goes_out);
	tcase_add_test(tc, a_reset_that_fails_is_repeated_each_second);
	tcase_add_test(tc, watching_is_cheap_between_seconds);
	tcase_add_test(tc, segments_are_packets_on_the_wire);
	tcase_add_test(tc, kinds_are_found_by_name);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(skeleton, setup, teardown);
	tcase_add_test(skeleton, the_loop_returns_what_is_sent);
	tcase_add_test(skeleton, the_loop_fills_and_stops_clean);
	tcase_add_test(skeleton, null_swallows);
	tcase_add_test(skeleton, a_frame_without_a_header_is_an_error);
	tcase_add_test(skeleton, no_software_port_takes_a_frame_to_be_cut_up);
	tcase_add_test(skeleton, the_skeleton_refuses_odd_rings);
	suite_add_tcase(suite, skeleton);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
