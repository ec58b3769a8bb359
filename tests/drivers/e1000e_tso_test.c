// SPDX-License-Identifier: BSD-3-Clause
/* Frames that the 82574 cuts up, against the model: all shapes, full rings, contexts, buffers. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/drivers/bench.h"
#include "tests/drivers/tso_frames.h"

#define RING 128u
#define TDT  0x3818u

void reg_hook_write(volatile uint8_t *regs, uint32_t off, uint32_t value);

static struct bench *b;
static const struct tso_shape *shape; /* of what the far end expects now */
static unsigned seen;		      /* segments of it */

static void start(uint16_t ring, bool offload, bool no_tso)
{
	b->port.conf.tx_ring = ring;
	b->port.conf.offload = offload;
	b->port.conf.no_tso = no_tso;
	ck_assert_int_eq(bench_start(b), 0);
}

static void setup(void)
{
	b = bench_new();
	start(RING, true, false);
	seen = 0;
}

static void teardown(void)
{
	bench_close(b);
}

static void each(const uint8_t *frame, size_t len)
{
	tso_expect(shape, seen, frame, len);
	seen = (seen + 1) % shape->segments;
}

static void send(struct pktbuf *p)
{
	ck_assert_ptr_nonnull(p);
	port_send(&b->port, p);
}

/* A plain frame that leaves its checksum at this place to the device. */
static void send_summed(uint16_t at, uint16_t offset)
{
	struct pktbuf *p = bench_frame(b, 0, 200);

	p->flags = PKTBUF_TX_L4_CSUM;
	p->csum_start = at;
	p->csum_offset = offset;
	send(p);
}

static bool sum_is_right(uint16_t at)
{
	uint32_t sum = 0;

	for (size_t i = at; i < b->out_len; i++)
		sum += (uint32_t)b->out[i] << ((i - at) % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* Takes back what the device has done. */
static void reclaim(void)
{
	struct pktbuf *batch[PORT_BATCH];

	ck_assert_uint_eq(port_rx(&b->port, batch, PORT_BATCH), 0);
}

START_TEST(a_frame_of_each_shape_goes_out_in_segments)
{
	const struct tso_shape *s = &tso_shapes[_i];
	uint64_t octets = 0;
	unsigned held = bench_held(b);

	shape = s;
	b->each = each;
	for (unsigned i = 0; i < 50; i++) {
		send(tso_frame(&b->pool, s));
		port_flush(&b->port);
		octets += s->segments * tso_headers(s) + (s->segments - 1) * s->gso + s->last;
		ck_assert_uint_eq(b->out_count, (i + 1) * s->segments);
	}
	ck_assert_uint_eq(b->nic.cut_up, 50);
	ck_assert_uint_eq(b->port.stats.out_packets, b->out_count);
	ck_assert_uint_eq(b->port.stats.out_octets, octets);
	ck_assert_uint_eq(b->port.stats.out_errors, 0);
	ck_assert(port_pending(&b->port));
	reclaim();
	ck_assert(!port_pending(&b->port));
	ck_assert_uint_eq(bench_held(b), held);
}
END_TEST

START_TEST(how_many_segments_is_a_matter_of_the_ring)
{
	static const struct {
		uint16_t ring;
		bool offload, no_tso;
		unsigned max;
	} want[] = {{64, true, false, 0},    {128, true, false, 32}, {256, true, false, 42},
		    {1024, true, false, 42}, {512, false, false, 0}, {512, true, true, 0}};

	for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct bench *first = b;

		b = bench_new();
		start(want[i].ring, want[i].offload, want[i].no_tso);
		ck_assert_uint_eq(b->port.tso_max, want[i].max);
		send(tso_frame(&b->pool, &tso_shapes[0]));
		port_flush(&b->port);
		ck_assert_uint_eq(b->out_count, want[i].max ? 2 : 0);
		ck_assert_uint_eq(b->port.stats.out_errors, want[i].max ? 0 : 1);
		teardown();
		b = first;
	}
}
END_TEST

START_TEST(the_largest_frame_goes_round_the_ring)
{
	struct tso_shape s = {.gso = 1460, .last = 1460, .segments = RING / 4, .flags = TSO_ACK};

	shape = &s;
	b->each = each;
	for (unsigned i = 0; i < 200; i++) {
		send(tso_frame(&b->pool, &s));
		port_flush(&b->port);
	}
	ck_assert_uint_eq(b->out_count, 200 * s.segments);
	s.segments++;
	send(tso_frame(&b->pool, &s));
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.stats.out_errors, 1);
	ck_assert_uint_eq(b->out_count, 200 * (s.segments - 1));
}
END_TEST

START_TEST(without_room_for_all_of_it_a_frame_waits_in_its_place)
{
	const struct tso_shape s = {.gso = 100, .last = 9, .segments = 30, .flags = TSO_ACK};
	unsigned held = bench_held(b);
	uint64_t octets = 29 * 100 + 9 + 30 * 54;

	b->nic.tx_hangs = true;
	for (unsigned i = 0; i < 5; i++)
		send(tso_frame(&b->pool, &s));
	send(bench_frame(b, 7, 90));
	port_flush(&b->port);
	/* 127 slots, 32 each. */
	ck_assert_uint_eq(b->port.txq.count, 3);
	ck_assert_uint_eq(b->port.stats.out_packets, 3 * 30);
	ck_assert_uint_eq(b->port.stats.out_octets, 3 * octets);
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.txq.count, 3);
	b->nic.tx_hangs = false;
	nic_serve(&b->nic);
	ck_assert_uint_eq(b->out_count, 3 * 30);
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.txq.count, 0);
	ck_assert_uint_eq(b->out_count, 5 * 30 + 1);
	ck_assert(bench_is(b->out, b->out_len, 7, 90));
	ck_assert_uint_eq(b->port.stats.out_octets, 5 * octets + 90);
	reclaim();
	ck_assert_uint_eq(bench_held(b), held);
}
END_TEST

START_TEST(sums_around_it_have_contexts_of_their_own)
{
	unsigned contexts = b->nic.contexts;

	for (unsigned i = 0; i < 20; i++) {
		/* At the very places that the frame to be cut up names. */
		send_summed(34, 16);
		port_flush(&b->port);
		ck_assert(sum_is_right(34));
		send(tso_frame(&b->pool, &tso_shapes[0]));
		send_summed(34, 16);
		port_flush(&b->port);
		ck_assert(sum_is_right(34));
		ck_assert_uint_eq(b->nic.contexts, contexts + 3 + 2 * i);
	}
	ck_assert_uint_eq(b->out_count, 20 * 4);
}
END_TEST

START_TEST(nothing_is_free_before_the_device_has_done_all_of_it)
{
	unsigned held = bench_held(b);

	b->nic.tx_no_done = true;
	send(tso_frame(&b->pool, &tso_shapes[1]));
	port_flush(&b->port);
	ck_assert_uint_eq(b->out_count, tso_shapes[1].segments);
	reclaim();
	ck_assert(!port_pending(&b->port));
	ck_assert_uint_eq(bench_held(b), held + 1 + tso_shapes[1].segments);
}
END_TEST

START_TEST(stopping_gives_back_what_the_device_still_had)
{
	b->nic.tx_hangs = true;
	for (unsigned i = 0; i < 12; i++) /* some in the ring, the rest waits */
		send(tso_frame(&b->pool, &tso_shapes[1]));
	port_flush(&b->port);
	ck_assert_uint_gt(b->port.txq.count, 0);
	port_stop(&b->port);
	ck_assert_uint_eq(bench_held(b), 0);
	ck_assert_uint_eq(b->port.stats.out_dropped + b->port.stats.out_packets,
			  12 * tso_shapes[1].segments);
}
END_TEST

START_TEST(a_stall_is_seen_and_what_waited_goes_out)
{
	b->nic.tx_hangs = true;
	for (unsigned i = 0; i < 12; i++)
		send(tso_frame(&b->pool, &tso_shapes[1]));
	port_flush(&b->port);
	for (unsigned i = 0; i < 3; i++) {
		bench_now += 1100000000;
		port_watch(&b->port, bench_now);
	}
	ck_assert_uint_eq(b->port.stats.tx_stalls, 1);
	b->nic.tx_hangs = false;
	ck_assert_uint_eq(b->port.tso_max, RING / 4);
	shape = &tso_shapes[1];
	b->each = each;
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.txq.count, 0);
	ck_assert_uint_ge(b->out_count, tso_shapes[1].segments);
}
END_TEST

START_TEST(pieces_that_the_sender_keeps_stay_its_own)
{
	struct pktbuf *p = tso_frame(&b->pool, &tso_shapes[0]), *kept[2] = {p->more, p->more->more};
	uint8_t first[2][4];

	for (unsigned i = 0; i < 2; i++) {
		pktbuf_hold(kept[i]);
		memcpy(first[i], pktbuf_data(kept[i]), 4);
	}
	send(p);
	port_flush(&b->port);
	reclaim();
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(kept[i]->refs, 1);
		ck_assert_ptr_null(kept[i]->more);
		ck_assert_uint_eq(kept[i]->len, 1460);
		ck_assert_mem_eq(first[i], pktbuf_data(kept[i]), 4);
		pktbuf_free(kept[i]);
	}
}
END_TEST

START_TEST(frames_that_the_device_cannot_cut_up_are_dropped)
{
	struct tso_shape bad[] = {
		{.gso = 16, .last = 16, .segments = 2},	    /* MSS */
		{.gso = 1461, .last = 1461, .segments = 2}, /* over the MTU */
		{.gso = 1441, .last = 1, .segments = 2, .ip6 = true},
		{.gso = 100, .last = 101, .segments = 2}, /* last piece larger */
		{.gso = 100, .last = 1, .segments = 33},  /* tso_max is 32 */
	};
	unsigned held = bench_held(b);
	struct pktbuf *p;

	for (unsigned i = 0; i < 5; i++)
		send(tso_frame(&b->pool, &bad[i]));
	p = tso_frame(&b->pool, &tso_shapes[0]);
	p->more->len = 1459;
	send(p);
	p = tso_frame(&b->pool, &tso_shapes[0]);
	pktbuf_data(p)[23] = 17; /* UDP */
	send(p);
	p = tso_frame(&b->pool, &tso_shapes[0]);
	memmove(p->buf + PKTBUF_SIZE - p->len - 3, pktbuf_data(p), p->len); /* no room behind */
	p->off = (uint16_t)(PKTBUF_SIZE - p->len - 3);
	send(p);
	p = tso_frame(&b->pool, &tso_shapes[0]);
	pktbuf_trim_total(p, p->len); /* nothing to cut up */
	send(p);
	send(bench_frame(b, 5, 60));
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.stats.out_errors, 9);
	ck_assert_uint_eq(b->out_count, 1);
	ck_assert(bench_is(b->out, b->out_len, 5, 60));
	reclaim();
	ck_assert_uint_eq(bench_held(b), held);
}
END_TEST

/* The model is worth something only if it stops at descriptors that ask for too much. */
START_TEST(noise_for_descriptors_leads_the_model_nowhere)
{
	uint8_t *ring = b->memory + 4096;
	unsigned seed = 5;

	for (unsigned round = 0; round < 3000; round++) {
		for (unsigned i = 0; i < RING; i++) {
			uint64_t d[2] = {
				(uint64_t)(unsigned)rand_r(&seed) << 32 ^ (unsigned)rand_r(&seed),
				(uint64_t)(unsigned)rand_r(&seed) << 32 ^ (unsigned)rand_r(&seed)};

			/* Extended, to be cut up, one of the two kinds, mostly from memory. */
			d[1] = (d[1] & ~(14ull << 20)) | 1u << 29 | 1u << 26;
			if (d[1] & 1u << 20) {
				d[0] = BENCH_IOVA + BENCH_RINGS + d[0] % 100000;
				d[1] &= ~0xfff00ull;
			} else if (round % 2) {
				/* Headers as they may be, all else as it comes. */
				d[0] = 34ull << 32 | 50ull << 40 | 33ull << 16 | 24ull << 8 | 14;
				d[1] = (d[1] & ~(0xffffull << 40)) | 1u << 24 | 54ull << 40;
			}
			memcpy(ring + 16 * i, d, 16);
		}
		reg_hook_write((volatile uint8_t *)&b->nic, TDT, (round * 37) % RING);
	}
	ck_assert_uint_gt(b->nic.cut_up, 0);
	ck_assert_uint_gt(b->out_count, 0);
	b->nic.fault[0] = 0;
	b->dma_to_free = 0;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("e1000e_tso");
	TCase *tc = tcase_create("segments");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_frame_of_each_shape_goes_out_in_segments, 0, TSO_SHAPES);
	tcase_add_test(tc, how_many_segments_is_a_matter_of_the_ring);
	tcase_add_test(tc, the_largest_frame_goes_round_the_ring);
	tcase_add_test(tc, without_room_for_all_of_it_a_frame_waits_in_its_place);
	tcase_add_test(tc, sums_around_it_have_contexts_of_their_own);
	tcase_add_test(tc, nothing_is_free_before_the_device_has_done_all_of_it);
	tcase_add_test(tc, stopping_gives_back_what_the_device_still_had);
	tcase_add_test(tc, a_stall_is_seen_and_what_waited_goes_out);
	tcase_add_test(tc, pieces_that_the_sender_keeps_stay_its_own);
	tcase_add_test(tc, frames_that_the_device_cannot_cut_up_are_dropped);
	tcase_add_test(tc, noise_for_descriptors_leads_the_model_nowhere);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
