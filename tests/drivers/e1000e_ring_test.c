// SPDX-License-Identifier: BSD-3-Clause
/* The e1000e driver's rings against the model: wrap, full, empty pools, lies, checksums. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/drivers/bench.h"

#define DD  (1ull << 32)
#define EOP (1ull << 33)

static struct bench *b;

static void setup(void)
{
	b = bench_new();
	b->port.conf.offload = true;
	ck_assert_int_eq(bench_start(b), 0);
}

static void teardown(void)
{
	bench_close(b);
}

/* Receives what is there, checks that it is frames first, first + 1, ... of len bytes. */
static unsigned take(uint32_t first, uint16_t len)
{
	struct pktbuf *batch[PORT_BATCH];
	unsigned n = port_rx(&b->port, batch, PORT_BATCH);

	for (unsigned i = 0; i < n; i++) {
		ck_assert(bench_is(pktbuf_data(batch[i]), batch[i]->len, first + i, len));
		ck_assert_uint_eq(batch[i]->off, PKTBUF_HEADROOM);
		pktbuf_free(batch[i]);
	}
	return n;
}

START_TEST(receiving_goes_round_the_ring_many_times)
{
	uint32_t serial = 0, got = 0;

	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i < 1 + round % 40; i++)
			ck_assert(bench_arrives(b, serial++, 60 + round));
		got += take(got, 60 + round);
		ck_assert_uint_eq(got, serial);
		ck_assert_uint_eq(b->port.rx_held, bench_held(b));
	}
	ck_assert_uint_eq(b->port.stats.in_packets, serial);
	ck_assert_uint_eq(bench_held(b), BENCH_RING - 1);
}
END_TEST

START_TEST(the_largest_frame_fits_behind_the_headroom)
{
	ck_assert(bench_arrives(b, 7, 1518));
	ck_assert_uint_eq(take(7, 1518), 1);
	ck_assert(!bench_arrives(b, 8, 1519));
	ck_assert_uint_eq(b->port.stats.in_octets, 1518);
}
END_TEST

START_TEST(a_full_receive_ring_loses_frames_and_recovers)
{
	unsigned arrived = 0;

	for (unsigned i = 0; i < 2 * BENCH_RING; i++)
		arrived += bench_arrives(b, i, 100);
	ck_assert_uint_eq(arrived, BENCH_RING - 1);
	ck_assert_uint_eq(take(0, 100), BENCH_RING - 1);
	bench_now += 1000000000;
	port_watch(&b->port, bench_now);
	ck_assert_uint_eq(b->port.stats.in_missed, BENCH_RING + 1);
	ck_assert(bench_arrives(b, 500, 100));
	ck_assert_uint_eq(take(500, 100), 1);
}
END_TEST

START_TEST(a_batch_is_no_larger_than_asked)
{
	struct pktbuf *batch[PORT_BATCH];

	for (unsigned i = 0; i < 50; i++)
		ck_assert(bench_arrives(b, i, 100));
	for (unsigned i = 0; i < 50; i += 10) {
		ck_assert_uint_eq(port_rx(&b->port, batch, 10), 10);
		for (unsigned k = 0; k < 10; k++) {
			ck_assert(bench_is(pktbuf_data(batch[k]), batch[k]->len, i + k, 100));
			pktbuf_free(batch[k]);
		}
	}
	ck_assert(!port_pending(&b->port));
}
END_TEST

START_TEST(with_an_empty_pool_what_has_arrived_still_comes_up)
{
	struct pktbuf *all = NULL, *p;
	uint32_t serial = 0, got = 0;

	while ((p = pktbuf_alloc(&b->pool))) {
		p->next = all;
		all = p;
	}
	/* Frames that are consumed give their buffers back: the ring never dies. */
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 20; i++)
			ck_assert(bench_arrives(b, serial++, 100));
		got += take(got, 100);
	}
	ck_assert_uint_eq(got, serial);
	/* Frames that are kept empty it, and it fills again when they are released. */
	p = NULL;
	for (bool arrived = true; arrived;) {
		struct pktbuf *batch[PORT_BATCH];
		unsigned n;

		arrived = bench_arrives(b, serial++, 100);
		n = port_rx(&b->port, batch, PORT_BATCH);
		for (unsigned i = 0; i < n; i++) {
			batch[i]->next = p;
			p = batch[i];
		}
	}
	ck_assert_uint_gt(b->port.stats.in_no_buffer, 0);
	ck_assert(!bench_arrives(b, 1, 100));
	pktbuf_free_list(p);
	pktbuf_free_list(all);
	ck_assert_uint_eq(take(0, 100), 0);
	ck_assert(bench_arrives(b, 1, 100));
	ck_assert_uint_eq(take(1, 100), 1);
}
END_TEST

START_TEST(sending_goes_round_the_ring_in_order)
{
	for (unsigned i = 0; i < 1000; i++) {
		port_send(&b->port, bench_frame(b, i, 60 + i % 1400));
		if (i % 37 == 0)
			port_flush(&b->port);
	}
	port_flush(&b->port);
	ck_assert_uint_eq(b->out_count, 1000);
	ck_assert_uint_eq(b->out_disorder, 0);
	ck_assert_uint_eq(b->port.stats.out_packets, 1000);
	ck_assert_uint_eq(b->port.txq.count, 0);
}
END_TEST

START_TEST(one_flush_rings_the_doorbell_once_a_batch)
{
	unsigned rings = b->nic.tdt_writes;

	for (unsigned i = 0; i < 30; i++)
		port_send(&b->port, bench_frame(b, i, 100));
	ck_assert_uint_eq(b->nic.tdt_writes, rings);
	port_flush(&b->port);
	ck_assert_uint_eq(b->nic.tdt_writes, rings + 1);
	port_flush(&b->port);
	ck_assert_uint_eq(b->nic.tdt_writes, rings + 1);
}
END_TEST

START_TEST(a_full_transmit_ring_keeps_then_drops)
{
	const unsigned fits = BENCH_RING - 2, n = fits + PORT_PENDING + 10;

	b->nic.tx_hangs = true;
	for (unsigned i = 0; i < n; i++) {
		port_send(&b->port, bench_frame(b, i, 100));
		port_flush(&b->port);
	}
	ck_assert_uint_eq(b->port.txq.count, PORT_PENDING);
	ck_assert_uint_eq(b->port.stats.out_dropped, 10);
	ck_assert_uint_eq(b->port.stats.out_packets, fits);
	b->nic.tx_hangs = false;
	nic_serve(&b->nic);
	for (unsigned i = 0; i < PORT_PENDING / fits + 1; i++) /* a ring full a turn */
		port_flush(&b->port);
	ck_assert_uint_eq(b->port.txq.count, 0);
	ck_assert_uint_eq(b->out_count, n - 10);
	ck_assert_uint_eq(b->out_disorder, 0);
}
END_TEST

START_TEST(sent_buffers_come_back_with_the_next_poll)
{
	unsigned held = bench_held(b);

	for (unsigned i = 0; i < 20; i++)
		port_send(&b->port, bench_frame(b, i, 100));
	port_flush(&b->port);
	ck_assert_uint_eq(bench_held(b), held + 20);
	ck_assert(port_pending(&b->port));
	ck_assert_uint_eq(take(0, 100), 0);
	ck_assert_uint_eq(bench_held(b), held);
	ck_assert(!port_pending(&b->port));
}
END_TEST

START_TEST(a_sender_keeps_its_own_reference_and_list)
{
	struct pktbuf *p = bench_frame(b, 1, 100), *q = bench_frame(b, 2, 100);

	p->next = q; /* a retransmission queue */
	for (unsigned i = 0; i < 3; i++) {
		pktbuf_hold(p);
		port_send(&b->port, p);
	}
	pktbuf_hold(q);
	port_send(&b->port, q);
	port_flush(&b->port);
	take(0, 100);
	ck_assert_ptr_eq(p->next, q);
	ck_assert_ptr_null(q->next);
	ck_assert_uint_eq(p->refs, 1);
	ck_assert_uint_eq(q->refs, 1);
	ck_assert_uint_eq(b->out_count, 4);
	pktbuf_free_list(p);
}
END_TEST

START_TEST(a_buffer_is_not_free_before_the_device_says_so)
{
	unsigned held = bench_held(b);

	b->nic.tx_no_done = true;
	port_send(&b->port, bench_frame(b, 1, 100));
	port_flush(&b->port);
	take(0, 100);
	ck_assert_uint_eq(b->out_count, 1);
	ck_assert_uint_eq(bench_held(b), held + 1);
}
END_TEST

START_TEST(frames_of_impossible_size_are_not_sent)
{
	static const uint16_t bad[] = {0, 1, 16, 1519, 1900};

	for (unsigned i = 0; i < 5; i++) {
		struct pktbuf *p = bench_frame(b, i, 100);

		p->len = bad[i];
		port_send(&b->port, p);
	}
	port_send(&b->port, bench_frame(b, 9, 1518));
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.stats.out_errors, 5);
	ck_assert_uint_eq(b->out_count, 1);
	ck_assert(bench_is(b->out, b->out_len, 9, 1518));
}
END_TEST

/* ---- Lies ---- */

static void lie(uint64_t done, unsigned count)
{
	b->nic.rx_lie = done;
	b->nic.lie_count = count;
}

START_TEST(lengths_that_cannot_be_are_dropped)
{
	static const uint32_t lengths[] = {0, 1, 13, 1519, 1920, 2048, 4096, 65535};

	for (unsigned i = 0; i < 8; i++) {
		lie(DD | EOP | lengths[i], 1);
		ck_assert(bench_arrives(b, i, 100));
		ck_assert_uint_eq(take(0, 100), 0);
		ck_assert_uint_eq(b->port.stats.in_errors, i + 1);
	}
	ck_assert(bench_arrives(b, 5, 100));
	ck_assert_uint_eq(take(5, 100), 1);
}
END_TEST

START_TEST(frames_with_error_bits_are_dropped)
{
	static const unsigned bits[] = {40, 41, 42, 44, 47};

	for (unsigned i = 0; i < 5; i++) {
		lie(DD | EOP | 100 | 1ull << bits[i], 1);
		ck_assert(bench_arrives(b, i, 100));
		ck_assert_uint_eq(take(0, 100), 0);
		ck_assert_uint_eq(b->port.stats.in_errors, i + 1);
	}
}
END_TEST

START_TEST(a_frame_in_pieces_is_dropped_and_counted_once)
{
	lie(DD | 100, 5);
	for (unsigned i = 0; i < 5; i++)
		ck_assert(bench_arrives(b, i, 100));
	ck_assert(bench_arrives(b, 5, 100)); /* has EOP: the last piece */
	ck_assert_uint_eq(take(0, 100), 0);
	ck_assert_uint_eq(b->port.stats.in_errors, 1);
	ck_assert(bench_arrives(b, 6, 100));
	ck_assert_uint_eq(take(6, 100), 1);
	ck_assert_uint_eq(b->port.stats.in_errors, 1);
}
END_TEST

START_TEST(a_device_that_says_all_is_done_gives_no_more_than_was_given)
{
	struct pktbuf *batch[PORT_BATCH];
	uint8_t *ring = b->memory; /* the first ring taken */
	unsigned total = 0;

	/* All descriptors claim to hold a frame, for ever again. */
	for (unsigned round = 0; round < 10; round++) {
		unsigned n;

		for (unsigned i = 0; i < BENCH_RING; i++)
			memcpy(ring + 16 * i + 8, &(uint64_t){DD | EOP | 1000}, 8);
		n = port_rx(&b->port, batch, PORT_BATCH);
		ck_assert_uint_le(n, BENCH_RING - 1);
		total += n;
		while (n)
			pktbuf_free(batch[--n]);
		ck_assert_uint_eq(bench_held(b), BENCH_RING - 1);
	}
	ck_assert_uint_gt(total, 0);
}
END_TEST

START_TEST(a_device_that_says_all_is_sent_frees_only_what_was_sent)
{
	uint8_t *ring = b->memory + 4096;
	unsigned held = bench_held(b);

	b->nic.tx_hangs = true;
	for (unsigned i = 0; i < 10; i++)
		port_send(&b->port, bench_frame(b, i, 100));
	port_flush(&b->port);
	for (unsigned i = 0; i < BENCH_RING; i++)
		memset(ring + 16 * i + 8, 0xff, 8);
	take(0, 100);
	take(0, 100);
	ck_assert_uint_eq(bench_held(b), held);
}
END_TEST

START_TEST(noise_in_the_rings_breaks_nothing)
{
	unsigned seed = 1;

	for (unsigned round = 0; round < 2000; round++) {
		struct pktbuf *batch[PORT_BATCH];
		unsigned n;

		for (unsigned i = 0; i < 8; i++) {
			uint64_t noise =
				(uint64_t)(unsigned)rand_r(&seed) << 20 ^ (unsigned)rand_r(&seed);

			memcpy(b->memory + (rand_r(&seed) % 2 ? 0 : 4096) +
				       (size_t)(rand_r(&seed) % BENCH_RING) * 16 + 8,
			       &noise, 8);
		}
		b->nic.tx_hangs = true; /* what is in the transmit ring is noise now */
		port_send(&b->port, bench_frame(b, round, 100));
		port_flush(&b->port);
		n = port_rx(&b->port, batch, PORT_BATCH);
		for (unsigned i = 0; i < n; i++) {
			ck_assert_uint_le(batch[i]->len, 1518);
			ck_assert_uint_ge(batch[i]->len, 14);
			pktbuf_free(batch[i]);
		}
		ck_assert_uint_le(bench_held(b), 2 * BENCH_RING + b->port.txq.count);
	}
}
END_TEST

/* ---- Checksums ---- */

/* An IPv4 frame with `proto`, its sums right. */
static size_t ip_frame(uint8_t *f, uint8_t proto, size_t payload)
{
	size_t total = 20 + payload;
	uint32_t sum = 0;

	memset(f, 0x11, 14 + total);
	memcpy(f, b->nic.mac, 6);
	memcpy(f + 12, (const uint8_t[]){8,
					 0,
					 0x45,
					 0,
					 (uint8_t)(total >> 8),
					 (uint8_t)total,
					 0,
					 1,
					 0,
					 0,
					 64,
					 proto,
					 0,
					 0,
					 10,
					 0,
					 0,
					 1,
					 10,
					 0,
					 0,
					 2},
	       22);
	for (unsigned i = 14; i < 34; i += 2)
		sum += (uint32_t)f[i] << 8 | f[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	f[24] = (uint8_t)(~sum >> 8);
	f[25] = (uint8_t)~sum;
	return 14 + total;
}

static uint16_t l4_sum(const uint8_t *f, size_t len)
{
	uint32_t sum = f[23] + (uint32_t)(len - 34);

	for (size_t i = 26; i < len; i++)
		sum += (uint32_t)f[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint16_t flags_of(const uint8_t *f, size_t len)
{
	struct pktbuf *p;
	uint16_t flags;

	ck_assert(nic_receive(&b->nic, f, len));
	ck_assert_uint_eq(port_rx(&b->port, &p, 1), 1);
	flags = p->flags;
	pktbuf_free(p);
	return flags;
}

START_TEST(checked_sums_are_reported)
{
	uint8_t f[1600];
	size_t len = ip_frame(f, 6, 101);
	uint16_t sum;

	f[34 + 16] = f[34 + 17] = 0;
	sum = (uint16_t)~l4_sum(f, len);
	f[34 + 16] = (uint8_t)(sum >> 8);
	f[34 + 17] = (uint8_t)sum;
	ck_assert_uint_eq(flags_of(f, len), PKTBUF_RX_IP_CSUM_OK | PKTBUF_RX_L4_CSUM_OK);
	f[60] ^= 1;
	ck_assert_uint_eq(flags_of(f, len), PKTBUF_RX_IP_CSUM_OK);
	f[20] ^= 1;
	ck_assert_uint_eq(flags_of(f, len), 0);
	len = ip_frame(f, 17, 100);
	ck_assert_uint_eq(flags_of(f, len), PKTBUF_RX_IP_CSUM_OK);
	/* "Ignore checksum" with all good bits. */
	lie(DD | EOP | 1ull << 34 | 1ull << 37 | 1ull << 38 | 134, 1);
	ck_assert_uint_eq(flags_of(f, len), 0);
}
END_TEST

START_TEST(the_device_inserts_sums)
{
	unsigned contexts = b->nic.contexts;

	for (unsigned i = 0; i < 200; i++) {
		bool tcp = i % 50 < 25;
		struct pktbuf *p = pktbuf_alloc(&b->pool);
		size_t len = ip_frame(pktbuf_data(p), tcp ? 6 : 17, 60 + i);
		uint16_t field = tcp ? 16 : 6, seed;
		uint32_t pseudo = (tcp ? 6 : 17) + (uint32_t)(len - 34);

		for (unsigned k = 26; k < 34; k += 2)
			pseudo += (uint32_t)pktbuf_data(p)[k] << 8 | pktbuf_data(p)[k + 1];
		seed = (uint16_t)((pseudo & 0xffff) + (pseudo >> 16));
		pktbuf_data(p)[34 + field] = (uint8_t)(seed >> 8);
		pktbuf_data(p)[34 + field + 1] = (uint8_t)seed;
		p->len = (uint16_t)len;
		p->flags = PKTBUF_TX_L4_CSUM;
		p->csum_start = 34;
		p->csum_offset = field;
		port_send(&b->port, p);
		port_flush(&b->port);
		ck_assert_uint_eq(b->out_count, i + 1);
		ck_assert_uint_eq(l4_sum(b->out, b->out_len), 0xffff);
	}
	ck_assert_uint_eq(b->nic.contexts, contexts + 8); /* one a change of kind */
}
END_TEST

START_TEST(sums_at_impossible_places_are_not_sent)
{
	static const uint16_t places[][2] = {{34, 1000}, {255, 2}, {90, 9}, {65535, 65535}};

	for (unsigned i = 0; i < 4; i++) {
		struct pktbuf *p = bench_frame(b, i, 100);

		p->flags = PKTBUF_TX_L4_CSUM;
		p->csum_start = places[i][0];
		p->csum_offset = places[i][1];
		port_send(&b->port, p);
	}
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.stats.out_errors, 4);
	ck_assert_uint_eq(b->out_count, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("e1000e_ring");
	TCase *tc = tcase_create("rings");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, receiving_goes_round_the_ring_many_times);
	tcase_add_test(tc, the_largest_frame_fits_behind_the_headroom);
	tcase_add_test(tc, a_full_receive_ring_loses_frames_and_recovers);
	tcase_add_test(tc, a_batch_is_no_larger_than_asked);
	tcase_add_test(tc, with_an_empty_pool_what_has_arrived_still_comes_up);
	tcase_add_test(tc, sending_goes_round_the_ring_in_order);
	tcase_add_test(tc, one_flush_rings_the_doorbell_once_a_batch);
	tcase_add_test(tc, a_full_transmit_ring_keeps_then_drops);
	tcase_add_test(tc, sent_buffers_come_back_with_the_next_poll);
	tcase_add_test(tc, a_sender_keeps_its_own_reference_and_list);
	tcase_add_test(tc, a_buffer_is_not_free_before_the_device_says_so);
	tcase_add_test(tc, frames_of_impossible_size_are_not_sent);
	tcase_add_test(tc, lengths_that_cannot_be_are_dropped);
	tcase_add_test(tc, frames_with_error_bits_are_dropped);
	tcase_add_test(tc, a_frame_in_pieces_is_dropped_and_counted_once);
	tcase_add_test(tc, a_device_that_says_all_is_done_gives_no_more_than_was_given);
	tcase_add_test(tc, a_device_that_says_all_is_sent_frees_only_what_was_sent);
	tcase_add_test(tc, noise_in_the_rings_breaks_nothing);
	tcase_add_test(tc, checked_sums_are_reported);
	tcase_add_test(tc, the_device_inserts_sums);
	tcase_add_test(tc, sums_at_impossible_places_are_not_sent);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
