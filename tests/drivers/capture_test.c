// SPDX-License-Identifier: BSD-3-Clause
/* Captures: the ring's wrap and overflow, two sides that distrust each other, taps on a port. */
#include "drivers/capture.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/drivers/bench.h"
#include "tests/drivers/tso_frames.h"

#define BYTES (CAPTURE_DATA_OFF + 8192u)

static struct bench *b;
static uint8_t *memory;
static struct capture_writer w;
static struct capture_reader r;

static void setup(void)
{
	b = bench_new();
	memory = aligned_alloc(4096, BYTES + 4096);
	memset(memory, 0x5a, BYTES + 4096);
	ck_assert_int_eq(capture_writer_init(&w, memory, BYTES, 0), 0);
	ck_assert_int_eq(capture_reader_init(&r, memory, BYTES), 0);
}

static void teardown(void)
{
	/* Nobody wrote behind the ring. */
	for (unsigned i = 0; i < 4096; i++)
		ck_assert_uint_eq(memory[BYTES + i], 0x5a);
	free(memory);
	bench_free(b);
}

static void put(uint32_t serial, uint16_t len)
{
	struct pktbuf *p = bench_frame(b, serial, len);

	capture_write(&w, 3, p, CAPTURE_OUT, 1000 + serial);
	pktbuf_free(p);
}

static void expect(uint32_t serial, uint16_t len)
{
	struct capture_record rec;
	uint8_t buf[CAPTURE_CAPLEN_MAX];

	ck_assert_int_eq(capture_next(&r, &rec, buf), 1);
	ck_assert_uint_eq(rec.ns, 1000 + serial);
	ck_assert_uint_eq(rec.len, len);
	ck_assert_uint_eq(rec.port, 3);
	ck_assert_uint_eq(rec.direction, CAPTURE_OUT);
	ck_assert(bench_is(buf, rec.caplen, serial, len));
}

static int next(void)
{
	struct capture_record rec;
	uint8_t buf[CAPTURE_CAPLEN_MAX];

	return capture_next(&r, &rec, buf);
}

START_TEST(frames_come_out_as_they_went_in_round_and_round)
{
	for (uint32_t i = 0; i < 3000; i++) {
		put(i, (uint16_t)(60 + i % 1459));
		expect(i, (uint16_t)(60 + i % 1459));
	}
	ck_assert_int_eq(next(), 0);
	ck_assert_uint_eq(capture_dropped(&r), 0);
	ck_assert_uint_eq(w.ring->captured, 3000);
}
END_TEST

START_TEST(what_does_not_fit_is_counted_and_the_rest_stays_in_order)
{
	unsigned fit = 8192 / capture_record_size(1000);

	for (unsigned round = 0; round < 50; round++) {
		uint64_t dropped = capture_dropped(&r);

		for (uint32_t i = 0; i < 20; i++)
			put(i, 1000);
		ck_assert_uint_eq(capture_dropped(&r), dropped + 20 - fit);
		for (uint32_t i = 0; i < fit; i++)
			expect(i, 1000);
		ck_assert_int_eq(next(), 0);
	}
}
END_TEST

START_TEST(a_ring_can_be_filled_to_the_last_byte)
{
	for (uint32_t i = 0; i < 8; i++)
		put(i, 1000); /* 8 records of 1024 bytes */
	ck_assert_uint_eq(capture_dropped(&r), 0);
	put(9, 20);
	ck_assert_uint_eq(capture_dropped(&r), 1);
	for (uint32_t i = 0; i < 8; i++)
		expect(i, 1000);
}
END_TEST

START_TEST(a_frame_in_pieces_is_one_record)
{
	struct pktbuf *p = bench_frame(b, 5, 1400), *whole = bench_frame(b, 5, 1400);
	struct capture_record rec;
	uint8_t buf[CAPTURE_CAPLEN_MAX];

	p->more = pktbuf_alloc(&b->pool);
	p->more->len = 400;
	memcpy(pktbuf_data(p->more), pktbuf_data(whole) + 1000, 400);
	p->len = 1000;
	for (uint32_t i = 0; i < 20; i++) { /* it wraps in either piece */
		capture_write(&w, 3, p, CAPTURE_OUT, 1005);
		expect(5, 1400);
	}
	w.snaplen = 1001;
	capture_write(&w, 3, p, CAPTURE_OUT, 1005);
	ck_assert_int_eq(capture_next(&r, &rec, buf), 1);
	ck_assert_uint_eq(rec.caplen, 1001);
	ck_assert_uint_eq(rec.len, 1400);
	ck_assert_mem_eq(buf, pktbuf_data(whole), 1001);
	pktbuf_free(whole);
	pktbuf_free(p);
}
END_TEST

START_TEST(snaplen_cuts_but_the_length_is_told)
{
	struct capture_record rec;
	uint8_t buf[CAPTURE_CAPLEN_MAX];

	ck_assert_int_eq(capture_writer_init(&w, memory, BYTES, 96), 0);
	ck_assert_int_eq(capture_reader_init(&r, memory, BYTES), 0);
	put(1, 1000);
	put(2, 60);
	ck_assert_int_eq(capture_next(&r, &rec, buf), 1);
	ck_assert_uint_eq(rec.caplen, 96);
	ck_assert_uint_eq(rec.len, 1000);
	ck_assert_int_eq(capture_next(&r, &rec, buf), 1);
	ck_assert_uint_eq(rec.caplen, 60);
}
END_TEST

START_TEST(a_hostile_reader_harms_nobody_but_itself)
{
	static const uint64_t tails[] = {1, 8, 8191, 8192, 1ull << 32, 1ull << 63, ~0ull, ~7ull};
	unsigned seed = 3;

	for (unsigned i = 0; i < 20000; i++) {
		w.ring->tail = i % 3 ? tails[i % 8] : (uint64_t)rand_r(&seed) << (i % 34);
		w.ring->head = ~w.ring->tail;
		w.ring->size = 1ull << 40;
		w.ring->snaplen = 1u << 31;
		w.ring->magic = 0;
		put(i, (uint16_t)(60 + i % 1400));
	}
	ck_assert_uint_eq(w.captured + w.dropped, 20000); /* and see teardown */
}
END_TEST

START_TEST(a_tail_that_cannot_be_is_a_full_ring)
{
	for (unsigned i = 0; i < 8; i++) {
		w.ring->tail = i < 4 ? w.head + 1 + i : w.head - 8193 - i;
		put(i, 100);
		ck_assert_uint_eq(w.dropped, i + 1);
	}
	w.ring->tail = w.head;
	put(9, 100);
	ck_assert_uint_eq(w.captured, 1);
}
END_TEST

START_TEST(a_hostile_writer_is_found_out)
{
	struct capture_record *rec = (struct capture_record *)(memory + CAPTURE_DATA_OFF);
	static const uint64_t heads[] = {8193, 16384, 1ull << 40, ~0ull, 8, 23};

	put(1, 100);
	rec->caplen = 100000;
	rec->len = 100000;
	ck_assert_int_eq(next(), -EPROTO);
	rec->caplen = rec->len = CAPTURE_CAPLEN_MAX; /* more than head says there is */
	ck_assert_int_eq(next(), -EPROTO);
	rec->caplen = 100;
	rec->len = 60;
	ck_assert_int_eq(next(), -EPROTO);
	rec->len = 100;
	ck_assert_int_eq(next(), 1);
	for (unsigned i = 0; i < 6; i++) {
		put(2,
		    100); /* a good record, but head says more than there can be, or half of it */
		w.ring->head = r.tail + heads[i];
		ck_assert_int_eq(next(), -EPROTO);
		w.ring->head = w.head;
		ck_assert_int_eq(next(), 1);
	}
}
END_TEST

START_TEST(what_is_no_ring_is_refused)
{
	ck_assert_int_eq(capture_writer_init(&w, memory, CAPTURE_DATA_OFF, 0), -EINVAL);
	ck_assert_int_eq(capture_reader_init(&r, memory, 4096), -EPROTO);
	ck_assert_int_eq(capture_reader_init(&r, memory, BYTES - 8), -EPROTO);
	w.ring->size = 0;
	ck_assert_int_eq(capture_reader_init(&r, memory, BYTES), -EPROTO);
	w.ring->size = 4097;
	ck_assert_int_eq(capture_reader_init(&r, memory, BYTES), -EPROTO);
	w.ring->size = 8192;
	w.ring->magic++;
	ck_assert_int_eq(capture_reader_init(&r, memory, BYTES), -EPROTO);
}
END_TEST

#define RACE 200000u

static void *race_writer(void *arg)
{
	struct pktbuf *p = arg;

	for (uint32_t i = 0; i < RACE; i++) {
		p->len = (uint16_t)(60 + i % 500);
		memset(pktbuf_data(p) + 14, (int)(i & 0xff), p->len - 14u);
		memcpy(pktbuf_data(p) + 14, &i, sizeof(i));
		capture_write(&w, 3, p, CAPTURE_IN, i);
	}
	return NULL;
}

START_TEST(two_threads_see_whole_records_only)
{
	struct pktbuf *p = bench_frame(b, 0, 60);
	struct capture_record rec;
	uint8_t buf[CAPTURE_CAPLEN_MAX];
	uint64_t seen = 0, last = 0;
	pthread_t writer;
	bool done = false;

	ck_assert_int_eq(pthread_create(&writer, NULL, race_writer, p), 0);
	for (;;) {
		int got = capture_next(&r, &rec, buf);

		ck_assert_int_ge(got, 0);
		if (!got) {
			if (done)
				break;
			done = pthread_tryjoin_np(writer, NULL) == 0;
			continue;
		}
		ck_assert(!seen || rec.ns > last);
		last = rec.ns;
		ck_assert(
			bench_is(buf, rec.caplen, (uint32_t)rec.ns, (uint16_t)(60 + rec.ns % 500)));
		seen++;
	}
	ck_assert_uint_eq(seen + capture_dropped(&r), RACE);
	ck_assert_uint_gt(seen, 0);
	pktbuf_free(p);
}
END_TEST

START_TEST(a_tap_sees_both_directions_and_goes)
{
	struct capture tap, second;
	struct capture_record rec;
	uint8_t buf[CAPTURE_CAPLEN_MAX];
	struct pktbuf *batch[4];
	uint64_t out_at;

	ck_assert_int_eq(bench_start_kind(b, "loop"), 0);
	b->port.index = 5;
	capture_tap_init(&tap, &w);
	capture_tap_init(&second, &w);
	capture_attach(&b->port, &tap);
	capture_attach(&b->port, &second);
	ck_assert(capture_detach(&b->port, &tap));
	ck_assert(!capture_detach(&b->port, &tap));
	port_send(&b->port, bench_frame(b, 7, 100));
	ck_assert_int_eq(capture_next(&r, &rec, buf), 0); /* not on the wire yet */
	port_flush(&b->port);
	ck_assert_int_eq(capture_next(&r, &rec, buf), 1);
	ck_assert_uint_eq(rec.direction, CAPTURE_OUT);
	ck_assert_uint_eq(rec.port, 5);
	ck_assert(bench_is(buf, rec.caplen, 7, 100));
	out_at = rec.ns;
	ck_assert_uint_eq(port_rx(&b->port, batch, 4), 1);
	pktbuf_free(batch[0]);
	ck_assert_int_eq(capture_next(&r, &rec, buf), 1);
	ck_assert_uint_eq(rec.direction, CAPTURE_IN);
	ck_assert_uint_gt(rec.ns, out_at);
	ck_assert(bench_is(buf, rec.caplen, 7, 100));
	ck_assert(capture_detach(&b->port, &second));
	port_send(&b->port, bench_frame(b, 8, 100));
	port_flush(&b->port);
	ck_assert_int_eq(capture_next(&r, &rec, buf), 0);
	port_stop(&b->port);
	ck_assert_uint_eq(bench_held(b), 0);
}
END_TEST

START_TEST(only_what_the_device_took_is_captured_once)
{
	struct capture tap;
	unsigned seen = 0, taken = BENCH_RING;

	capture_tap_init(&tap, &w);
	capture_attach(&b->port, &tap);
	ck_assert_int_eq(bench_start_kind(b, "loop"), 0);
	for (unsigned i = 0; i < BENCH_RING + 20; i++)
		port_send(&b->port, bench_frame(b, i, 60));
	port_flush(&b->port);
	port_flush(&b->port);
	while (next() == 1)
		seen++;
	ck_assert_uint_eq(seen, taken);
	ck_assert_uint_eq(capture_dropped(&r), 0);
	port_stop(&b->port);
	ck_assert_uint_eq(bench_held(b), 0);
}
END_TEST

START_TEST(a_sum_left_to_the_device_is_right_in_the_capture)
{
	for (uint16_t len = 60; len < 64; len++) {
		struct capture_record rec;
		uint8_t buf[CAPTURE_CAPLEN_MAX];
		struct pktbuf *p = bench_frame(b, len, len);
		uint32_t sum =
			(uint32_t)pktbuf_data(p)[40] << 8 | pktbuf_data(p)[41]; /* the seed */

		p->flags = PKTBUF_TX_L4_CSUM;
		p->csum_start = 34;
		p->csum_offset = 6;
		capture_checksum(p);
		ck_assert_uint_eq(p->flags, 0); /* nothing is left to the device */
		capture_write(&w, 0, p, CAPTURE_OUT, 1);
		ck_assert_int_eq(capture_next(&r, &rec, buf), 1);
		/* The seed counts once, the result is in its place. */
		for (unsigned i = 34; i < len; i++)
			sum += (uint32_t)buf[i] << (i % 2 ? 0 : 8);
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		ck_assert_uint_eq(sum, 0xffff);
		pktbuf_free(p);
	}
}
END_TEST

static struct {
	uint8_t frame[64][PKTBUF_SIZE];
	size_t len[64];
	unsigned count;
} wire;

static void note(const uint8_t *frame, size_t len)
{
	ck_assert_uint_lt(wire.count, 64);
	memcpy(wire.frame[wire.count], frame, len);
	wire.len[wire.count++] = len;
}

/* Both the capture and the model of the device cut it up, each in its own way. */
START_TEST(a_frame_that_the_device_cuts_up_is_captured_as_on_the_wire)
{
	static uint8_t large[CAPTURE_DATA_OFF + 65536] __attribute__((aligned(8)));
	const struct tso_shape *s = &tso_shapes[_i];
	struct capture_record rec;
	uint8_t buf[CAPTURE_CAPLEN_MAX];
	struct capture tap;
	unsigned held;

	ck_assert_int_eq(capture_writer_init(&w, large, sizeof(large), 0), 0);
	ck_assert_int_eq(capture_reader_init(&r, large, sizeof(large)), 0);
	capture_tap_init(&tap, &w);
	capture_attach(&b->port, &tap);
	b->port.conf.tx_ring = 128;
	b->port.conf.offload = true;
	b->each = note;
	ck_assert_int_eq(bench_start(b), 0);
	held = bench_held(b);
	port_send(&b->port, tso_frame(&b->pool, s));
	port_send(&b->port, bench_frame(b, 3, 70));
	port_flush(&b->port);
	ck_assert_uint_eq(wire.count, s->segments + 1);
	for (unsigned n = 0; n <= s->segments; n++) {
		ck_assert_int_eq(capture_next(&r, &rec, buf), 1);
		ck_assert_uint_eq(rec.direction, CAPTURE_OUT);
		ck_assert_uint_eq(rec.len, wire.len[n]);
		ck_assert_uint_eq(rec.caplen, wire.len[n]);
		ck_assert_mem_eq(buf, wire.frame[n], rec.len);
		if (n < s->segments)
			tso_expect(s, n, buf, rec.len);
	}
	ck_assert_int_eq(next(), 0);
	ck_assert_uint_eq(b->port.stats.out_packets, s->segments + 1);
	ck_assert_uint_eq(port_rx(&b->port, (struct pktbuf *[PORT_BATCH]){0}, PORT_BATCH), 0);
	ck_assert_uint_eq(bench_held(b), held);
	port_stop(&b->port);
	ck_assert_str_eq(b->nic.fault, "");
}
END_TEST

START_TEST(a_frame_that_cannot_be_cut_up_is_not_captured)
{
	struct capture tap;
	struct pktbuf *p;

	capture_tap_init(&tap, &w);
	capture_attach(&b->port, &tap);
	b->port.conf.tx_ring = 128;
	b->port.conf.offload = true;
	ck_assert_int_eq(bench_start(b), 0);
	p = tso_frame(&b->pool, &tso_shapes[0]);
	p->more->len = 1;
	port_send(&b->port, p);
	p = tso_frame(&b->pool, &tso_shapes[0]);
	p->len = 3;
	port_send(&b->port, p);
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.stats.out_errors, 2);
	ck_assert_int_eq(next(), 0);
	port_stop(&b->port);
	ck_assert_uint_eq(bench_held(b), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("capture");
	TCase *tc = tcase_create("capture");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, frames_come_out_as_they_went_in_round_and_round);
	tcase_add_test(tc, what_does_not_fit_is_counted_and_the_rest_stays_in_order);
	tcase_add_test(tc, a_ring_can_be_filled_to_the_last_byte);
	tcase_add_test(tc, a_frame_in_pieces_is_one_record);
	tcase_add_test(tc, snaplen_cuts_but_the_length_is_told);
	tcase_add_test(tc, a_hostile_reader_harms_nobody_but_itself);
	tcase_add_test(tc, a_tail_that_cannot_be_is_a_full_ring);
	tcase_add_test(tc, a_hostile_writer_is_found_out);
	tcase_add_test(tc, what_is_no_ring_is_refused);
	tcase_add_test(tc, two_threads_see_whole_records_only);
	tcase_add_test(tc, a_tap_sees_both_directions_and_goes);
	tcase_add_test(tc, only_what_the_device_took_is_captured_once);
	tcase_add_test(tc, a_sum_left_to_the_device_is_right_in_the_capture);
	tcase_add_loop_test(tc, a_frame_that_the_device_cuts_up_is_captured_as_on_the_wire, 0,
			    TSO_SHAPES);
	tcase_add_test(tc, a_frame_that_cannot_be_cut_up_is_not_captured);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
