// SPDX-License-Identifier: BSD-3-Clause
/* The e1000e driver with an MTU above 1,500, against the model: frames over several descriptors. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/drivers/bench.h"
#include "tests/drivers/tso_frames.h"

#define MTU	  9000u
#define LARGEST	  (MTU + 18)
#define PIECE	  1024u /* bytes the device is told a buffer has */
#define PIECES(n) (((n) + PIECE - 1) / PIECE)
#define RCTL	  0x100u
#define PBA	  0x1000u
#define DD	  (1ull << 32)
#define EOP	  (1ull << 33)
#define ERRORS	  (1ull << 40 | 1ull << 41 | 1ull << 42 | 1ull << 44 | 1ull << 47)

static struct bench *b;

static void start(uint16_t mtu, uint16_t tx_ring)
{
	b = bench_new();
	b->port.conf.offload = true;
	b->port.conf.mtu = mtu;
	b->port.conf.tx_ring = tx_ring;
	ck_assert_int_eq(bench_start(b), 0);
}

static void setup(void)
{
	start(MTU, BENCH_RING);
}

static void teardown(void)
{
	bench_close(b);
}

/* A frame of which each byte tells where it is; the number is where bench.c looks for it. */
static void make(uint8_t *f, const uint8_t *to, uint32_t serial, size_t len)
{
	for (size_t i = 0; i < len; i++)
		f[i] = (uint8_t)(i * 7 + i / 256 * 13 + serial);
	memcpy(f, to, 6);
	memcpy(f + 6, (const uint8_t[]){2, 0, 0, 0, 0, 1, 0x88, 0xb5}, 8);
	memcpy(f + 14, &serial, sizeof(serial));
}

static bool arrives(uint32_t serial, size_t len)
{
	uint8_t f[NIC_FRAMES];

	make(f, b->nic.mac, serial, len);
	return nic_receive(&b->nic, f, len);
}

/* What pktbuf.h promises of pieces, and those bytes. */
static void expect_frame(const struct pktbuf *p, uint32_t serial, size_t len)
{
	uint8_t want[NIC_FRAMES];
	size_t at = 0;

	make(want, b->nic.mac, serial, len);
	ck_assert_uint_eq(pktbuf_total(p), len);
	if (p->more)
		ck_assert_uint_ge(p->len, PKTBUF_FIRST_MIN + 18);
	for (; p; p = p->more) {
		ck_assert_uint_eq(p->off, PKTBUF_HEADROOM);
		ck_assert_uint_gt(p->len, 0);
		ck_assert(!p->more || p->len % 2 == 0);
		ck_assert_mem_eq(pktbuf_data(p), want + at, p->len);
		at += p->len;
	}
}

/* Receives what is there: frames first, first + 1, ... of len bytes. */
static unsigned take(uint32_t first, size_t len)
{
	struct pktbuf *batch[PORT_BATCH];
	unsigned n = port_rx(&b->port, batch, PORT_BATCH);

	for (unsigned i = 0; i < n; i++) {
		expect_frame(batch[i], first + i, len);
		pktbuf_free(batch[i]);
	}
	return n;
}

/* One more descriptor, of which the device says this. */
static void claim(uint64_t done)
{
	b->nic.rx_lie = done;
	b->nic.lie_count = 1;
	ck_assert(arrives(0, 100));
}

/* ---- Bring-up ---- */

START_TEST(long_frames_are_on_with_buffers_that_end_before_ours)
{
	ck_assert_uint_eq(b->nic.reg[RCTL / 4], 0x4018022);
	ck_assert(b->port.caps & PORT_CAP_PIECES);
	ck_assert_uint_eq(b->port.mtu, MTU);
}
END_TEST

START_TEST(up_to_1500_bytes_they_are_off)
{
	teardown();
	start(1500, BENCH_RING);
	ck_assert_uint_eq(b->nic.reg[RCTL / 4], 0x4008002);
	ck_assert(!(b->port.caps & PORT_CAP_PIECES));
	ck_assert(!arrives(1, 1519));
	claim(DD | PIECE);
	claim(DD | EOP | 100);
	ck_assert_uint_eq(take(0, 0), 0);
	ck_assert_uint_eq(b->port.stats.in_errors, 1);
}
END_TEST

/* As Linux's driver leaves it: 32 KiB to receive, 8 to send from. */
START_TEST(the_packet_buffer_is_shared_such_that_the_largest_frame_goes)
{
	for (unsigned weak = 0; weak < 2; weak++) {
		uint8_t f[NIC_FRAMES];
		struct pktbuf *p, *q;

		teardown();
		b = bench_new();
		b->nic.reg[PBA / 4] = 32;
		b->nic.reset_weak = weak;
		b->port.conf.mtu = MTU;
		ck_assert_int_eq(bench_start(b), 0);
		make(f, b->nic.mac, 1, LARGEST);
		p = q = pktbuf_alloc(&b->pool);
		for (unsigned at = 0; at < LARGEST; at += q->len) {
			if (at)
				q = q->more = pktbuf_alloc(&b->pool);
			q->len = 1920;
			pktbuf_trim(q, (uint16_t)(LARGEST - at));
			memcpy(pktbuf_data(q), f + at, q->len);
		}
		port_send(&b->port, p);
		port_flush(&b->port);
		ck_assert_uint_eq(b->out_count, 1);
		ck_assert_mem_eq(b->out, f, LARGEST);
		ck_assert(arrives(2, LARGEST));
		ck_assert_uint_eq(take(2, LARGEST), 1);
	}
}
END_TEST

/* ---- Receive ---- */

START_TEST(frames_of_each_size_come_whole)
{
	static const size_t sizes[] = {60,   1023, 1024, 1025, 1026, 1518,
				       1519, 2047, 2048, 2049, 9017, LARGEST};
	uint64_t octets = 0;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ck_assert(arrives(i, sizes[i]));
		ck_assert(port_pending(&b->port));
		ck_assert_uint_eq(take(i, sizes[i]), 1);
		ck_assert(!port_pending(&b->port));
		octets += sizes[i];
		ck_assert_uint_eq(b->port.stats.in_octets, octets);
		ck_assert_uint_eq(b->port.stats.in_packets, i + 1);
	}
	ck_assert_uint_eq(b->port.stats.in_errors, 0);
}
END_TEST

START_TEST(frames_above_the_mtu_are_dropped)
{
	static const uint16_t mtus[] = {1501, 2000, 4000, MTU};

	for (unsigned i = 0; i < 4; i++) {
		teardown();
		start(mtus[i], BENCH_RING);
		ck_assert(arrives(1, mtus[i] + 18u));
		ck_assert_uint_eq(take(1, mtus[i] + 18u), 1);
		ck_assert(arrives(2, mtus[i] + 19u));
		ck_assert_uint_eq(take(2, 0), 0);
		ck_assert_uint_eq(b->port.stats.in_errors, 1);
		ck_assert(arrives(3, 100));
		ck_assert_uint_eq(take(3, 100), 1);
		ck_assert_uint_eq(b->port.stats.in_errors, 1);
	}
}
END_TEST

START_TEST(receiving_goes_round_the_ring_many_times)
{
	uint32_t serial = 0, got = 0;

	for (unsigned round = 0; round < 300; round++) {
		size_t len = 60 + round * 31 % 8950;

		for (unsigned i = 0; i < 40 / PIECES(len); i++)
			ck_assert(arrives(serial++, len));
		got += take(got, len);
		ck_assert_uint_eq(got, serial);
		ck_assert_uint_eq(b->port.rx_held, bench_held(b));
	}
	ck_assert_uint_eq(bench_held(b), BENCH_RING - 1);
}
END_TEST

START_TEST(a_batch_may_end_in_the_middle_of_a_frame)
{
	for (unsigned max = 1; max < 12; max++) {
		struct pktbuf *batch[12];
		unsigned got = 0;

		for (unsigned i = 0; i < 3; i++)
			ck_assert(arrives(i, LARGEST));
		for (unsigned calls = 0; got < 3; calls++) {
			unsigned n = port_rx(&b->port, batch, max);

			ck_assert_uint_le(calls, 3 * PIECES(LARGEST) / max);
			for (unsigned i = 0; i < n; i++) {
				expect_frame(batch[i], got++, LARGEST);
				pktbuf_free(batch[i]);
			}
			ck_assert(got == 3 || port_pending(&b->port));
		}
		ck_assert(!port_pending(&b->port));
	}
}
END_TEST

START_TEST(pieces_that_are_not_written_back_yet_are_waited_for)
{
	uint8_t *ring = b->memory; /* the first ring taken */
	uint64_t done[PIECES(LARGEST)];

	ck_assert(arrives(1, LARGEST));
	for (unsigned i = 0; i < PIECES(LARGEST); i++) {
		memcpy(&done[i], ring + 16 * i + 8, 8);
		memset(ring + 16 * i + 8, 0, 8);
	}
	for (unsigned i = 0; i < PIECES(LARGEST); i++) {
		ck_assert(!port_pending(&b->port));
		ck_assert_uint_eq(take(1, LARGEST), 0);
		memcpy(ring + 16 * i + 8, &done[i], 8);
		ck_assert(port_pending(&b->port));
		ck_assert_uint_eq(take(1, LARGEST), i == PIECES(LARGEST) - 1);
	}
	ck_assert_uint_eq(b->port.stats.in_errors, 0);
}
END_TEST

START_TEST(a_crc_with_a_buffer_to_itself_leaves_no_empty_piece)
{
	b->nic.crc_spills = true;
	for (size_t len = 60; len <= LARGEST; len += len % PIECE == 5 ? PIECE - 15 : 1) {
		ck_assert(arrives((uint32_t)len, len));
		ck_assert_uint_eq(take((uint32_t)len, len), 1);
	}
	ck_assert_uint_eq(b->port.stats.in_errors, 0);
	ck_assert_uint_eq(bench_held(b), b->port.rx_held);
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
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 2; i++)
			ck_assert(arrives(serial++, LARGEST));
		got += take(got, LARGEST);
	}
	ck_assert_uint_eq(got, serial);
	pktbuf_free_list(all);
}
END_TEST

START_TEST(stopping_in_the_middle_of_a_frame_returns_every_buffer)
{
	struct pktbuf *batch[4];

	ck_assert(arrives(1, LARGEST));
	ck_assert_uint_eq(port_rx(&b->port, batch, 4), 0);
	port_stop(&b->port);
	ck_assert_uint_eq(bench_held(b), 0);
	ck_assert_int_eq(port_start(&b->port, &e1000e_ops, b->port.priv), 0);
	ck_assert(arrives(2, LARGEST)); /* is not taken for the rest of that one */
	ck_assert_uint_eq(take(2, LARGEST), 1);
}
END_TEST

/* Without options; the sums are right. */
static size_t tcp_frame(uint8_t *f, size_t total)
{
	static const char head[] = "\x08\0\x45\0\0\0\0\1\0\0\x40\x06\0\0\x0a\0\0\1\x0a\0\0\2";
	uint32_t sum = 0, pseudo = 6 + (uint32_t)(total - 20);

	make(f, b->nic.mac, 1, 14 + total);
	memcpy(f + 12, head, sizeof(head) - 1);
	f[16] = (uint8_t)(total >> 8);
	f[17] = (uint8_t)total;
	for (size_t i = 14; i < 34; i += 2)
		sum += (uint32_t)f[i] << 8 | f[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	f[24] = (uint8_t)(~sum >> 8);
	f[25] = (uint8_t)~sum;
	f[50] = f[51] = 0;
	for (size_t i = 26; i < 14 + total; i++)
		pseudo += (uint32_t)f[i] << (i % 2 ? 0 : 8);
	while (pseudo >> 16)
		pseudo = (pseudo & 0xffff) + (pseudo >> 16);
	f[50] = (uint8_t)(~pseudo >> 8);
	f[51] = (uint8_t)~pseudo;
	return 14 + total;
}

START_TEST(the_last_descriptor_tells_of_sums)
{
	uint8_t f[NIC_FRAMES];
	size_t len = tcp_frame(f, MTU);
	struct pktbuf *p;

	for (unsigned bad = 0; bad < 2; bad++) {
		ck_assert(nic_receive(&b->nic, f, len));
		ck_assert_uint_eq(port_rx(&b->port, &p, 1), 0);
		ck_assert_uint_eq(port_rx(&b->port, &p, PORT_BATCH), 1);
		ck_assert_uint_eq(p->flags,
				  PKTBUF_RX_IP_CSUM_OK | (bad ? 0 : PKTBUF_RX_L4_CSUM_OK));
		pktbuf_free(p);
		f[len - 1] ^= 1;
	}
}
END_TEST

/* ---- Lies ---- */

/* Nothing but that error, and all is well again after it. */
static void expect_dropped(unsigned errors)
{
	ck_assert_uint_eq(take(0, 0), 0);
	ck_assert_uint_eq(b->port.stats.in_errors, errors);
	ck_assert_uint_eq(bench_held(b), b->port.rx_held);
	ck_assert(arrives(7, LARGEST));
	ck_assert_uint_eq(take(7, LARGEST), 1);
	ck_assert_uint_eq(b->port.stats.in_errors, errors);
}

START_TEST(lengths_that_cannot_be_drop_the_frame)
{
	static const struct {
		uint64_t length[4]; /* up to the first 0xffff; the last has EOP */
	} bad[] = {
		{{0, 0xffff}},
		{{13, 0xffff}},
		{{1025, 0xffff}},
		{{2048, 0xffff}},
		{{65534, 0xffff}},
		{{0, 100, 0xffff}},
		{{5, 0, 0xffff}},
		{{100, 100, 0xffff}},
		{{1022, 2, 0xffff}},
		{{1023, 1, 0xffff}},
		{{1025, 100, 0xffff}},
		{{2048, 100, 0xffff}},
		{{65534, 100, 0xffff}},
		{{1024, 1025, 0xffff}},
		{{1024, 65534, 0xffff}},
		{{1024, 0, 0, 0xffff}},
		{{1024, 0, 100, 0xffff}},
		{{1024, 100, 0, 100}},
		{{1024, 1000, 1024, 100}},
	};
	const unsigned n = sizeof(bad) / sizeof(bad[0]);

	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < 4 && bad[i].length[k] != 0xffff; k++)
			claim(DD | bad[i].length[k] |
			      (k == 3 || bad[i].length[k + 1] == 0xffff ? EOP : 0));
		expect_dropped(i + 1);
	}
}
END_TEST

START_TEST(errors_drop_the_whole_frame)
{
	unsigned errors = 0;

	for (unsigned bit = 40; bit < 48; bit++) {
		if (!(ERRORS & 1ull << bit))
			continue;
		for (unsigned i = 0; i < 5; i++)
			claim(DD | PIECE);
		claim(DD | EOP | 100 | 1ull << bit);
		expect_dropped(++errors);
		claim(DD | PIECE);
		claim(DD | EOP | 1ull << bit); /* the empty one */
		expect_dropped(++errors);
		claim(DD | EOP | 100 | 1ull << bit);
		expect_dropped(++errors);
	}
}
END_TEST

START_TEST(a_frame_that_never_ends_is_dropped_once_and_holds_nothing)
{
	for (unsigned i = 0; i < 10 * BENCH_RING; i++) {
		claim(DD | PIECE);
		ck_assert_uint_eq(take(0, 0), 0);
		ck_assert_uint_le(bench_held(b), BENCH_RING - 1 + PIECES(LARGEST));
		ck_assert_uint_eq(b->port.stats.in_errors, i >= LARGEST / PIECE);
	}
	ck_assert_uint_lt(bench_held(b), BENCH_RING);
	claim(DD | EOP | 100);
	ck_assert_uint_eq(take(0, 0), 0);
	ck_assert(arrives(7, LARGEST));
	ck_assert_uint_eq(take(7, LARGEST), 1);
	ck_assert_uint_eq(b->port.stats.in_errors, 1);
}
END_TEST

/* The end of one and the start of the next became one frame, which is too long. */
START_TEST(a_lost_end_costs_no_third_frame)
{
	for (unsigned i = 0; i < LARGEST / PIECE; i++)
		claim(DD | PIECE);
	ck_assert(arrives(1, LARGEST));
	ck_assert(arrives(2, LARGEST));
	ck_assert_uint_eq(take(2, LARGEST), 1);
	ck_assert_uint_eq(b->port.stats.in_errors, 1);
}
END_TEST

START_TEST(noise_in_the_ring_breaks_nothing)
{
	unsigned seed = 1;

	for (unsigned round = 0; round < 4000; round++) {
		struct pktbuf *batch[PORT_BATCH];
		unsigned n;

		for (unsigned i = 0; i < 8; i++) {
			uint64_t noise = DD | (rand_r(&seed) % 4 ? PIECE : rand_r(&seed) % 1100u) |
					 (uint64_t)(rand_r(&seed) % 8 == 0) << 33 |
					 (uint64_t)(rand_r(&seed) % 64 == 0) << 40;

			memcpy(b->memory + (size_t)(rand_r(&seed) % BENCH_RING) * 16 + 8, &noise,
			       8);
		}
		n = port_rx(&b->port, batch, PORT_BATCH);
		for (unsigned i = 0; i < n; i++) {
			ck_assert_uint_le(pktbuf_total(batch[i]), LARGEST);
			ck_assert_uint_ge(pktbuf_total(batch[i]), 14);
			for (struct pktbuf *p = batch[i]; p; p = p->more)
				ck_assert(p->len && (!p->more || p->len == PIECE));
			pktbuf_free(batch[i]);
		}
		ck_assert_uint_le(bench_held(b), BENCH_RING + PIECES(LARGEST));
	}
	ck_assert_uint_gt(b->port.stats.in_packets, 100);
	ck_assert_uint_gt(b->port.stats.in_errors, 100);
}
END_TEST

/* ---- Transmit ---- */

static const uint8_t far[6] = {2, 0, 0, 0, 0, 9};

/* Bytes of f as a frame in pieces of so many, the first of `first`. */
static struct pktbuf *in_pieces(const uint8_t *f, size_t len, size_t first, size_t piece)
{
	struct pktbuf *p = NULL, **at = &p;

	for (size_t done = 0; done < len; at = &(*at)->more) {
		size_t n = done ? piece : first;

		n = n < len - done ? n : len - done;
		*at = pktbuf_alloc(&b->pool);
		ck_assert_ptr_nonnull(*at);
		(*at)->len = (uint16_t)n;
		memcpy(pktbuf_data(*at), f + done, n);
		done += n;
	}
	return p;
}

static struct pktbuf *numbered(uint32_t serial, size_t len, size_t first, size_t piece)
{
	uint8_t f[NIC_FRAMES];

	make(f, far, serial, len);
	return in_pieces(f, len, first, piece);
}

static bool came_out(uint32_t serial, size_t len)
{
	uint8_t want[NIC_FRAMES];

	make(want, far, serial, len);
	return b->out_serial == serial && b->out_len == len && !memcmp(b->out, want, len);
}

START_TEST(frames_in_pieces_go_out_whole_and_in_order)
{
	unsigned held = bench_held(b);
	uint64_t octets = 0;

	for (unsigned i = 0; i < 1000; i++) {
		size_t len = 60 + i * 37 % (LARGEST - 59);

		port_send(&b->port, numbered(i, len, 54 + i % 3 * 2, 700 + i * 2 % 1200));
		octets += len;
		if (i % 3)
			continue;
		port_flush(&b->port);
		ck_assert_uint_eq(b->port.txq.count, 0);
		ck_assert(came_out(i, len));
		ck_assert_uint_eq(take(0, 0), 0);
		ck_assert_uint_eq(bench_held(b), held);
	}
	ck_assert_uint_eq(b->out_count, 1000);
	ck_assert_uint_eq(b->out_disorder, 0);
	ck_assert_uint_eq(b->port.stats.out_packets, 1000);
	ck_assert_uint_eq(b->port.stats.out_octets, octets);
	ck_assert_uint_eq(b->port.stats.out_errors, 0);
}
END_TEST

START_TEST(a_full_ring_keeps_frames_whole)
{
	unsigned held = bench_held(b);

	b->nic.tx_hangs = true;
	for (unsigned i = 0; i < 40; i++) {
		port_send(&b->port, numbered(i, LARGEST, 128, 1920));
		port_flush(&b->port);
	}
	ck_assert_uint_gt(b->port.txq.count, 10);
	ck_assert_uint_eq(b->out_count, 0);
	b->nic.tx_hangs = false;
	nic_serve(&b->nic);
	for (unsigned i = 0; i < 8; i++)
		port_flush(&b->port);
	ck_assert_uint_eq(b->out_count, 40);
	ck_assert_uint_eq(b->out_disorder, 0);
	ck_assert(came_out(39, LARGEST));
	ck_assert_uint_eq(take(0, 0), 0);
	ck_assert_uint_eq(bench_held(b), held);
}
END_TEST

START_TEST(no_piece_is_free_before_the_device_says_so)
{
	unsigned held = bench_held(b);

	b->nic.tx_no_done = true;
	port_send(&b->port, numbered(1, LARGEST, 128, 1920));
	port_flush(&b->port);
	ck_assert_uint_eq(take(0, 0), 0);
	ck_assert_uint_eq(b->out_count, 1);
	ck_assert_uint_eq(bench_held(b), held + 6);
}
END_TEST

START_TEST(what_came_in_pieces_goes_back_as_it_is)
{
	struct pktbuf *p;

	ck_assert(arrives(5, LARGEST));
	ck_assert_uint_eq(port_rx(&b->port, &p, 64), 1);
	memcpy(pktbuf_data(p), far, 6);
	port_send(&b->port, p);
	port_flush(&b->port);
	ck_assert(came_out(5, LARGEST));
}
END_TEST

START_TEST(the_device_inserts_the_sum_of_all_pieces)
{
	uint8_t f[NIC_FRAMES];
	unsigned contexts = b->nic.contexts;

	for (unsigned i = 0; i < 100; i++) {
		size_t len = tcp_frame(f, 41 + i * 89);
		uint32_t pseudo = 6 + (uint32_t)(len - 34);
		uint8_t want[2];
		struct pktbuf *p;

		memcpy(want, f + 50, 2);
		for (unsigned k = 26; k < 34; k += 2)
			pseudo += (uint32_t)f[k] << 8 | f[k + 1];
		pseudo = (pseudo & 0xffff) + (pseudo >> 16);
		f[50] = (uint8_t)(pseudo >> 8);
		f[51] = (uint8_t)pseudo;
		p = in_pieces(f, len, i % 2 ? 54 : 1920, 1000);
		p->flags = PKTBUF_TX_L4_CSUM;
		p->csum_start = 34;
		p->csum_offset = 16;
		port_send(&b->port, p);
		port_flush(&b->port);
		ck_assert_uint_eq(b->out_count, i + 1);
		memcpy(f + 50, want, 2);
		ck_assert_uint_eq(b->out_len, len);
		ck_assert_mem_eq(b->out, f, len);
	}
	ck_assert_uint_eq(b->nic.contexts, contexts + 1);
}
END_TEST

START_TEST(frames_that_cannot_be_are_not_sent)
{
	unsigned held = bench_held(b);
	struct pktbuf *p;

	port_send(&b->port, numbered(0, LARGEST + 1, 1920, 1920));
	port_send(&b->port, numbered(0, 16, 8, 8));
	port_send(&b->port, numbered(0, 1600, 100, 100)); /* in more than the ring likes */
	p = numbered(0, 3000, 1000, 1000);
	p->more->len = 0;
	port_send(&b->port, p);
	p = numbered(0, 3000, 60, 1000); /* its sum in the second piece */
	p->flags = PKTBUF_TX_L4_CSUM;
	p->csum_start = 54;
	p->csum_offset = 16;
	port_send(&b->port, p);
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.stats.out_errors, 5);
	ck_assert_uint_eq(b->out_count, 0);
	ck_assert_uint_eq(bench_held(b), held);
	port_send(&b->port, numbered(9, 1500, 100, 100));
	port_flush(&b->port);
	ck_assert(came_out(9, 1500));
}
END_TEST

START_TEST(frames_to_be_cut_up_go_between_them)
{
	teardown();
	start(MTU, 128);
	for (unsigned i = 0; i < 30; i++) {
		port_send(&b->port, numbered(i, LARGEST, 128, 1920));
		port_send(&b->port, tso_frame(&b->pool, &tso_shapes[0]));
		port_flush(&b->port);
		ck_assert_uint_eq(take(0, 0), 0);
	}
	ck_assert_uint_eq(b->out_count, 30 * (1 + tso_shapes[0].segments));
	ck_assert_uint_eq(b->nic.cut_up, 30);
	ck_assert_uint_eq(b->port.stats.out_errors, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("e1000e_jumbo");
	TCase *tc = tcase_create("jumbo");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, long_frames_are_on_with_buffers_that_end_before_ours);
	tcase_add_test(tc, up_to_1500_bytes_they_are_off);
	tcase_add_test(tc, the_packet_buffer_is_shared_such_that_the_largest_frame_goes);
	tcase_add_test(tc, frames_of_each_size_come_whole);
	tcase_add_test(tc, frames_above_the_mtu_are_dropped);
	tcase_add_test(tc, receiving_goes_round_the_ring_many_times);
	tcase_add_test(tc, a_batch_may_end_in_the_middle_of_a_frame);
	tcase_add_test(tc, pieces_that_are_not_written_back_yet_are_waited_for);
	tcase_add_test(tc, a_crc_with_a_buffer_to_itself_leaves_no_empty_piece);
	tcase_add_test(tc, with_an_empty_pool_what_has_arrived_still_comes_up);
	tcase_add_test(tc, stopping_in_the_middle_of_a_frame_returns_every_buffer);
	tcase_add_test(tc, the_last_descriptor_tells_of_sums);
	tcase_add_test(tc, lengths_that_cannot_be_drop_the_frame);
	tcase_add_test(tc, errors_drop_the_whole_frame);
	tcase_add_test(tc, a_frame_that_never_ends_is_dropped_once_and_holds_nothing);
	tcase_add_test(tc, a_lost_end_costs_no_third_frame);
	tcase_add_test(tc, noise_in_the_ring_breaks_nothing);
	tcase_add_test(tc, frames_in_pieces_go_out_whole_and_in_order);
	tcase_add_test(tc, a_full_ring_keeps_frames_whole);
	tcase_add_test(tc, no_piece_is_free_before_the_device_says_so);
	tcase_add_test(tc, what_came_in_pieces_goes_back_as_it_is);
	tcase_add_test(tc, the_device_inserts_the_sum_of_all_pieces);
	tcase_add_test(tc, frames_that_cannot_be_are_not_sent);
	tcase_add_test(tc, frames_to_be_cut_up_go_between_them);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
