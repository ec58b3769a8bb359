// SPDX-License-Identifier: BSD-3-Clause
/* The e1000e driver against the model: bring-up, link, interrupts, filter, statistics, stop. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/drivers/bench.h"

#define SECOND 1000000000ull

static struct bench *b;

static void setup(void)
{
	b = bench_new();
}

static void teardown(void)
{
	ck_assert_str_eq(b->nic.fault, "");
	ck_assert_uint_eq(b->dma_to_free, 0);
	bench_free(b);
}

static void watch(void)
{
	bench_now += SECOND;
	port_watch(&b->port, bench_now);
}

/* A frame each way. */
static void expect_traffic(uint32_t serial)
{
	struct pktbuf *batch[4];
	uint64_t before = b->out_count;

	port_send(&b->port, bench_frame(b, serial, 100));
	port_flush(&b->port);
	ck_assert_uint_eq(b->out_count, before + 1);
	ck_assert(bench_is(b->out, b->out_len, serial, 100));
	ck_assert(bench_arrives(b, serial, 200));
	ck_assert(port_pending(&b->port));
	ck_assert_uint_eq(port_rx(&b->port, batch, 4), 1);
	ck_assert(bench_is(pktbuf_data(batch[0]), batch[0]->len, serial, 200));
	pktbuf_free(batch[0]);
}

START_TEST(it_comes_up_and_moves_frames)
{
	ck_assert_int_eq(bench_start(b), 0);
	ck_assert(b->port.running);
	ck_assert(b->port.link_up);
	ck_assert_uint_eq(b->port.link_mbps, 1000);
	ck_assert_mem_eq(b->port.mac, b->nic.mac, 6);
	ck_assert_uint_eq(b->nic.resets, 1);
	ck_assert(b->port.caps & PORT_CAP_IRQ);
	expect_traffic(1);
	port_stop(&b->port);
}
END_TEST

START_TEST(it_is_found_by_its_pci_identity)
{
	ck_assert_ptr_eq(port_driver_pci(0x8086, 0x10d3), &e1000e_ops);
	ck_assert_ptr_null(port_driver_pci(0x8086, 0x1521));
	ck_assert_ptr_null(port_driver_kind("e1000e"));
}
END_TEST

START_TEST(stopping_returns_every_buffer)
{
	for (unsigned round = 0; round < 3; round++) {
		ck_assert_int_eq(bench_start(b), 0);
		ck_assert_uint_eq(bench_held(b), BENCH_RING - 1);
		b->nic.tx_hangs = true;
		for (unsigned i = 0; i < 200; i++)
			port_send(&b->port, bench_frame(b, i, 100));
		port_flush(&b->port);
		ck_assert(bench_arrives(b, 1, 100));
		port_stop(&b->port);
		port_stop(&b->port);
		ck_assert_uint_eq(bench_held(b), 0);
		b->nic.tx_hangs = false;
		free(b->port.priv);
		b->port.priv = NULL;
	}
}
END_TEST

START_TEST(after_stop_the_device_reaches_no_memory)
{
	ck_assert_int_eq(bench_start(b), 0);
	port_stop(&b->port);
	ck_assert(!bench_arrives(b, 1, 100));
	ck_assert_uint_eq(b->nic.frames_in, 0);
}
END_TEST

START_TEST(a_second_start_uses_the_same_ring_memory)
{
	size_t used;

	ck_assert_int_eq(bench_start(b), 0);
	used = b->rings_used;
	port_stop(&b->port);
	ck_assert_int_eq(port_start(&b->port, &e1000e_ops, b->port.priv), 0);
	ck_assert_uint_eq(b->rings_used, used);
	expect_traffic(3);
	port_stop(&b->port);
}
END_TEST

START_TEST(an_address_that_is_none_is_refused)
{
	b->nic.mac[0] = 0x01;
	ck_assert_int_eq(bench_start(b), -EADDRNOTAVAIL);
	ck_assert_uint_eq(bench_held(b), 0);
	ck_assert(!b->port.running);
}
END_TEST

START_TEST(wrong_settings_are_refused_before_the_device_is_touched)
{
	static const uint16_t sizes[] = {1, 32, 100, 2048, 65535};

	for (unsigned i = 0; i < 5; i++) {
		b->port.conf.tx_ring = sizes[i];
		ck_assert_int_eq(bench_start(b), -EINVAL);
	}
	b->port.conf.tx_ring = BENCH_RING;
	b->port.conf.mtu = 9001;
	ck_assert_int_eq(bench_start(b), -EMSGSIZE);
	ck_assert_uint_eq(b->nic.resets, 0);
}
END_TEST

START_TEST(too_small_a_window_is_refused)
{
	void *priv = calloc(1, e1000e_ops.priv_size);

	b->port.conf.bar[0] = (volatile uint8_t *)&b->nic;
	b->port.conf.bar_size[0] = 4096;
	ck_assert_int_eq(port_start(&b->port, &e1000e_ops, priv), -EINVAL);
	b->port.conf.bar[0] = NULL;
	ck_assert_int_eq(port_start(&b->port, &e1000e_ops, priv), -EINVAL);
	free(priv);
}
END_TEST

START_TEST(a_device_that_is_gone_is_refused)
{
	b->nic.gone = true;
	ck_assert_int_eq(bench_start(b), -ENODEV);
	ck_assert_uint_eq(bench_held(b), 0);
}
END_TEST

START_TEST(a_reset_that_never_ends_is_given_up)
{
	uint64_t before = bench_now;

	b->nic.reset_hangs = true;
	ck_assert_int_eq(bench_start(b), -EIO);
	ck_assert_uint_lt(bench_now - before, SECOND);
	ck_assert_uint_eq(bench_held(b), 0);
}
END_TEST

START_TEST(a_bus_that_does_not_get_quiet_does_not_stop_the_reset)
{
	b->nic.busy_forever = true;
	ck_assert_int_eq(bench_start(b), 0);
	port_stop(&b->port);
}
END_TEST

START_TEST(registers_that_a_reset_leaves_are_set_right)
{
	static const uint32_t regs[] = {0x100,	0x400,	0x2820, 0x282c, 0x5000, 0x5008, 0x5818,
					0x3820, 0x382c, 0x3840, 0xe0,	0xdc,	0x28,	0x30};

	b->nic.reset_weak = true;
	for (unsigned round = 0; round < 2; round++) {
		ck_assert_int_eq(bench_start(b), 0);
		expect_traffic(round);
		port_stop(&b->port);
		free(b->port.priv);
		b->port.priv = NULL;
		for (unsigned i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
			b->nic.reg[regs[i] / 4] = round ? ~0u : 0;
		b->nic.reg[0x18 / 4] = ~0u;
		b->nic.reg[0] |= 1u << 30 | 1u << 11; /* tags taken out, speed forced */
	}
	ck_assert_int_eq(bench_start(b), 0);
	ck_assert_uint_eq(b->nic.reg[0] & (1u << 30 | 1u << 11), 0);
	ck_assert_uint_eq(b->nic.reg[0x5000 / 4], 0);
	ck_assert_uint_eq(b->nic.reg[0x5008 / 4] & 1u << 15, 0);
	ck_assert_uint_eq(b->nic.reg[0x100 / 4], 0x4008002);
	expect_traffic(9);
	port_stop(&b->port);
}
END_TEST

START_TEST(firmware_that_keeps_the_phy_is_an_error)
{
	uint64_t before = bench_now;

	b->nic.no_mdio = true;
	ck_assert_int_eq(bench_start(b), -EBUSY);
	ck_assert_uint_lt(bench_now - before, SECOND);
}
END_TEST

START_TEST(a_phy_left_powered_down_is_woken)
{
	b->nic.phy[0] = 0x0800;
	ck_assert_int_eq(bench_start(b), 0);
	ck_assert_uint_eq(b->nic.phy[0], 0x1200);
	ck_assert(b->port.link_up);
	port_stop(&b->port);
}
END_TEST

START_TEST(a_phy_that_negotiates_is_left_alone)
{
	ck_assert_int_eq(bench_start(b), 0);
	ck_assert_uint_eq(b->nic.phy[0], 0x1140);
	port_stop(&b->port);
}
END_TEST

START_TEST(an_empty_pool_is_refused)
{
	struct pktbuf *all = NULL, *p;

	while ((p = pktbuf_alloc(&b->pool))) {
		p->next = all;
		all = p;
	}
	ck_assert_int_eq(bench_start(b), -ENOBUFS);
	ck_assert(!b->port.running);
	pktbuf_free_list(all);
	ck_assert_uint_eq(bench_held(b), 0);
}
END_TEST

START_TEST(a_full_heap_is_refused)
{
	b->rings_used = BENCH_RINGS - 4096;
	ck_assert_int_eq(bench_start(b), -ENOMEM);
	ck_assert_uint_eq(b->nic.resets, 0);
}
END_TEST

START_TEST(the_link_goes_and_comes)
{
	b->nic.cable = false;
	ck_assert_int_eq(bench_start(b), 0);
	ck_assert(!b->port.link_up);
	ck_assert_uint_eq(b->port.stats.link_changes, 0);
	for (unsigned i = 1; i <= 4; i++) {
		nic_link(&b->nic, i % 2);
		watch();
		ck_assert_int_eq(b->port.link_up, i % 2);
		ck_assert_uint_eq(b->port.link_mbps, i % 2 ? 1000 : 0);
		ck_assert_uint_eq(b->port.stats.link_changes, i);
	}
	nic_link(&b->nic, true);
	watch();
	expect_traffic(1);
	port_stop(&b->port);
}
END_TEST

START_TEST(the_link_is_not_watched_more_than_once_a_second)
{
	ck_assert_int_eq(bench_start(b), 0);
	port_watch(&b->port, bench_now);
	nic_link(&b->nic, false);
	port_watch(&b->port, bench_now + SECOND / 2);
	ck_assert(b->port.link_up);
	port_watch(&b->port, bench_now + 2 * SECOND);
	ck_assert(!b->port.link_up);
	port_stop(&b->port);
}
END_TEST

START_TEST(a_device_pulled_out_is_a_link_gone)
{
	ck_assert_int_eq(bench_start(b), 0);
	b->nic.gone = true;
	watch();
	watch();
	ck_assert(!b->port.link_up);
	ck_assert_uint_eq(b->port.stats.resets, 0);
	ck_assert_uint_eq(b->port.stats.in_errors, 0);
	port_stop(&b->port);
	ck_assert_uint_eq(bench_held(b), 0);
}
END_TEST

START_TEST(message_interrupts_read_no_register)
{
	unsigned reads;

	b->nic.msix = true;
	b->port.conf.irq_vectors = 1;
	ck_assert_int_eq(bench_start(b), 0);
	reads = b->nic.icr_reads;
	ck_assert(bench_arrives(b, 1, 100));
	ck_assert_uint_eq(b->nic.interrupts, 0); /* not armed yet */
	b->port.ops->irq(&b->port, true);
	ck_assert_uint_eq(b->nic.interrupts, 1); /* it was waiting */
	for (unsigned i = 0; i < 20; i++) {
		struct pktbuf *batch[4];
		unsigned n = port_rx(&b->port, batch, 4);

		ck_assert_uint_ge(n, 1);
		while (n)
			pktbuf_free(batch[--n]);
		ck_assert(bench_arrives(b, i, 100));
		ck_assert_uint_eq(b->nic.interrupts, i + 1); /* masked since the message */
		b->port.ops->irq(&b->port, true);
		ck_assert_uint_eq(b->nic.interrupts, i + 2);
	}
	ck_assert_uint_eq(b->nic.icr_reads, reads);
	ck_assert_uint_eq(b->port.stats.interrupts, 20);
	port_stop(&b->port);
}
END_TEST

START_TEST(a_link_change_interrupts_and_is_seen_when_rearmed)
{
	for (unsigned msix = 0; msix < 2; msix++) {
		b->nic.msix = msix;
		b->port.conf.irq_vectors = msix ? 5 : 0;
		ck_assert_int_eq(bench_start(b), 0);
		b->port.ops->irq(&b->port, true);
		b->nic.interrupts = 0;
		nic_link(&b->nic, false);
		ck_assert_uint_eq(b->nic.interrupts, 1);
		b->port.ops->irq(&b->port, true);
		ck_assert(!b->port.link_up);
		ck_assert_uint_eq(b->nic.interrupts, 1); /* no storm */
		nic_link(&b->nic, true);
		ck_assert_uint_eq(b->nic.interrupts, 2);
		b->port.ops->irq(&b->port, true);
		ck_assert(b->port.link_up);
		port_stop(&b->port);
		free(b->port.priv);
		b->port.priv = NULL;
	}
}
END_TEST

START_TEST(line_interrupts_are_acknowledged_by_reading)
{
	struct pktbuf *batch[4];

	ck_assert_int_eq(bench_start(b), 0);
	b->port.ops->irq(&b->port, true);
	for (unsigned i = 1; i <= 5; i++) {
		ck_assert(bench_arrives(b, i, 100));
		ck_assert_uint_eq(b->nic.interrupts, i);
		ck_assert_uint_eq(port_rx(&b->port, batch, 4), 1);
		pktbuf_free(batch[0]);
		b->port.ops->irq(&b->port, true);
		ck_assert_uint_eq(b->port.stats.interrupts, i);
	}
	b->port.ops->irq(&b->port, false);
	ck_assert(bench_arrives(b, 9, 100));
	ck_assert_uint_eq(b->nic.interrupts, 5);
	port_stop(&b->port);
}
END_TEST

START_TEST(sent_frames_interrupt_only_when_others_wait)
{
	for (unsigned msix = 0; msix < 2; msix++) {
		b->nic.msix = msix;
		b->port.conf.irq_vectors = (uint16_t)msix;
		ck_assert_int_eq(bench_start(b), 0);
		b->nic.interrupts = 0;
		b->port.ops->irq(&b->port, true);
		expect_traffic(1);
		b->port.ops->irq(&b->port, false);
		b->port.ops->irq(&b->port, true);
		b->nic.interrupts = 0;
		port_send(&b->port, bench_frame(b, 1, 100));
		port_flush(&b->port);
		ck_assert_uint_eq(b->nic.interrupts, 0);
		b->nic.tx_hangs = true;
		for (unsigned i = 0; i < 2 * BENCH_RING; i++)
			port_send(&b->port, bench_frame(b, i, 100));
		port_flush(&b->port);
		ck_assert_uint_gt(b->port.txq.count, 0);
		b->port.ops->irq(&b->port, true);
		b->nic.tx_hangs = false;
		nic_serve(&b->nic);
		ck_assert_uint_ge(b->nic.interrupts, 1);
		port_flush(&b->port);
		ck_assert_uint_gt(b->nic.frames_out, BENCH_RING);
		port_stop(&b->port);
		free(b->port.priv);
		b->port.priv = NULL;
		ck_assert_uint_eq(bench_held(b), 0);
	}
}
END_TEST

static bool multicast_arrives(const uint8_t *mac)
{
	uint8_t frame[60] = {0};
	struct pktbuf *batch[2];

	memcpy(frame, mac, 6);
	if (!nic_receive(&b->nic, frame, sizeof(frame)))
		return false;
	ck_assert_uint_eq(port_rx(&b->port, batch, 2), 1);
	pktbuf_free(batch[0]);
	return true;
}

START_TEST(multicast_is_joined_and_left)
{
	static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 0xfb};
	static const uint8_t other[6] = {2, 9, 9, 9, 9, 9};
	static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};
	int (*filter)(struct port *, const uint8_t *, bool) = e1000e_ops.filter;

	ck_assert_int_eq(bench_start(b), 0);
	ck_assert(multicast_arrives(everybody));
	ck_assert(!multicast_arrives(group));
	ck_assert_int_eq(filter(&b->port, group, true), 0);
	ck_assert_int_eq(filter(&b->port, group, true), 0);
	ck_assert(multicast_arrives(group));
	ck_assert_int_eq(filter(&b->port, group, false), 0);
	ck_assert(multicast_arrives(group));
	ck_assert_int_eq(filter(&b->port, group, false), 0);
	ck_assert(!multicast_arrives(group));
	ck_assert_int_eq(filter(&b->port, group, false), -ENOENT);
	ck_assert(!multicast_arrives(other));
	ck_assert_int_eq(filter(&b->port, NULL, true), 0);
	ck_assert(multicast_arrives(other));
	ck_assert_int_eq(filter(&b->port, NULL, false), 0);
	ck_assert(!multicast_arrives(other));
	ck_assert_int_eq(filter(&b->port, NULL, false), -ENOENT);
	port_stop(&b->port);
}
END_TEST

START_TEST(more_groups_than_the_table_holds_all_arrive)
{
	uint8_t group[6] = {1, 0, 0x5e, 1, 0, 0};

	ck_assert_int_eq(bench_start(b), 0);
	for (unsigned i = 0; i < 40; i++) {
		group[5] = (uint8_t)i;
		ck_assert_int_eq(e1000e_ops.filter(&b->port, group, true), 0);
	}
	for (unsigned i = 0; i < 40; i++) {
		group[5] = (uint8_t)i;
		ck_assert(multicast_arrives(group));
		ck_assert_int_eq(e1000e_ops.filter(&b->port, group, false), 0);
	}
	group[4] = 0x99;
	ck_assert(!multicast_arrives(group));
	port_stop(&b->port);
}
END_TEST

START_TEST(device_counters_are_gathered_once)
{
	ck_assert_int_eq(bench_start(b), 0);
	nic_count(&b->nic, 0x4000, 3); /* CRC errors */
	nic_count(&b->nic, 0x4010, 5); /* missed packets */
	nic_count(&b->nic, 0x40a0, 7); /* no buffer */
	nic_count(&b->nic, 0x4018, 2); /* excessive collisions */
	watch();
	watch();
	ck_assert_uint_eq(b->port.stats.in_errors, 3);
	ck_assert_uint_eq(b->port.stats.in_missed, 5);
	ck_assert_uint_eq(b->port.stats.in_no_buffer, 7);
	ck_assert_uint_eq(b->port.stats.out_errors, 2);
	port_stop(&b->port);
}
END_TEST

START_TEST(counters_that_do_not_clear_are_gathered_once_too)
{
	nic_count(&b->nic, 0x4010, 1000); /* from before */
	b->nic.counters_stay = b->nic.reset_weak = true;
	ck_assert_int_eq(bench_start(b), 0);
	watch();
	ck_assert_uint_eq(b->port.stats.in_missed, 0);
	for (unsigned i = 1; i < 5; i++) {
		nic_count(&b->nic, 0x4010, 5);
		watch();
		watch();
		ck_assert_uint_eq(b->port.stats.in_missed, 5 * i);
	}
	port_stop(&b->port);
}
END_TEST

START_TEST(a_stalled_transmitter_is_reset_and_traffic_goes_on)
{
	ck_assert_int_eq(bench_start(b), 0);
	expect_traffic(1);
	b->nic.tx_hangs = true;
	for (unsigned i = 0; i < BENCH_RING + 10; i++)
		port_send(&b->port, bench_frame(b, i, 100));
	port_flush(&b->port);
	ck_assert_uint_gt(b->port.txq.count, 0);
	watch();
	ck_assert_uint_eq(b->port.stats.tx_stalls, 0);
	b->nic.tx_hangs = false; /* but the device does not go on by itself */
	watch();
	ck_assert_uint_eq(b->port.stats.tx_stalls, 1);
	ck_assert_uint_eq(b->port.stats.resets, 1);
	ck_assert_uint_eq(b->nic.resets, 3);
	ck_assert(b->port.running);
	port_flush(&b->port);
	ck_assert_uint_eq(b->port.txq.count, 0); /* what waited is sent now */
	expect_traffic(99);
	port_stop(&b->port);
	ck_assert_uint_eq(bench_held(b), 0);
}
END_TEST

START_TEST(groups_are_still_joined_after_a_reset)
{
	static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 0xfb};

	ck_assert_int_eq(bench_start(b), 0);
	ck_assert_int_eq(e1000e_ops.filter(&b->port, group, true), 0);
	b->nic.tx_hangs = true;
	port_send(&b->port, bench_frame(b, 1, 100));
	port_flush(&b->port);
	watch();
	watch();
	ck_assert_uint_eq(b->port.stats.resets, 1);
	ck_assert(multicast_arrives(group));
	port_stop(&b->port);
}
END_TEST

START_TEST(a_slow_transmitter_or_a_missing_link_is_no_stall)
{
	ck_assert_int_eq(bench_start(b), 0);
	for (unsigned i = 0; i < 5; i++) { /* one frame a second */
		b->nic.tx_hangs = true;
		port_send(&b->port, bench_frame(b, i, 100));
		port_flush(&b->port);
		watch();
		b->nic.tx_hangs = false;
		nic_serve(&b->nic);
	}
	ck_assert_uint_eq(b->port.stats.tx_stalls, 0);
	b->nic.tx_hangs = true;
	port_send(&b->port, bench_frame(b, 9, 100));
	port_flush(&b->port);
	nic_link(&b->nic, false);
	for (unsigned i = 0; i < 5; i++)
		watch();
	ck_assert_uint_eq(b->port.stats.tx_stalls, 0);
	port_stop(&b->port);
}
END_TEST

START_TEST(a_reset_that_fails_is_tried_again)
{
	struct pktbuf *batch[2];

	ck_assert_int_eq(bench_start(b), 0);
	b->nic.tx_hangs = true;
	port_send(&b->port, bench_frame(b, 1, 100));
	port_flush(&b->port);
	watch();
	b->nic.no_mdio = true;
	watch();
	ck_assert(b->port.broken);
	ck_assert(!b->port.link_up);
	ck_assert_uint_eq(bench_held(b), 0);
	port_send(&b->port, bench_frame(b, 1, 100)); /* dropped */
	port_flush(&b->port);
	ck_assert_uint_eq(port_rx(&b->port, batch, 2), 0);
	ck_assert(!port_pending(&b->port));
	ck_assert_uint_eq(b->port.stats.out_dropped, 1);
	b->nic.no_mdio = b->nic.tx_hangs = false;
	watch();
	ck_assert(!b->port.broken);
	ck_assert_uint_eq(b->port.stats.resets, 1);
	expect_traffic(5);
	port_stop(&b->port);
	ck_assert_uint_eq(bench_held(b), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("e1000e");
	TCase *tc = tcase_create("bring-up"), *run = tcase_create("running");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, it_comes_up_and_moves_frames);
	tcase_add_test(tc, it_is_found_by_its_pci_identity);
	tcase_add_test(tc, stopping_returns_every_buffer);
	tcase_add_test(tc, after_stop_the_device_reaches_no_memory);
	tcase_add_test(tc, a_second_start_uses_the_same_ring_memory);
	tcase_add_test(tc, an_address_that_is_none_is_refused);
	tcase_add_test(tc, wrong_settings_are_refused_before_the_device_is_touched);
	tcase_add_test(tc, too_small_a_window_is_refused);
	tcase_add_test(tc, a_device_that_is_gone_is_refused);
	tcase_add_test(tc, a_reset_that_never_ends_is_given_up);
	tcase_add_test(tc, a_bus_that_does_not_get_quiet_does_not_stop_the_reset);
	tcase_add_test(tc, registers_that_a_reset_leaves_are_set_right);
	tcase_add_test(tc, firmware_that_keeps_the_phy_is_an_error);
	tcase_add_test(tc, a_phy_left_powered_down_is_woken);
	tcase_add_test(tc, a_phy_that_negotiates_is_left_alone);
	tcase_add_test(tc, an_empty_pool_is_refused);
	tcase_add_test(tc, a_full_heap_is_refused);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(run, setup, teardown);
	tcase_add_test(run, the_link_goes_and_comes);
	tcase_add_test(run, the_link_is_not_watched_more_than_once_a_second);
	tcase_add_test(run, a_device_pulled_out_is_a_link_gone);
	tcase_add_test(run, message_interrupts_read_no_register);
	tcase_add_test(run, a_link_change_interrupts_and_is_seen_when_rearmed);
	tcase_add_test(run, line_interrupts_are_acknowledged_by_reading);
	tcase_add_test(run, sent_frames_interrupt_only_when_others_wait);
	tcase_add_test(run, multicast_is_joined_and_left);
	tcase_add_test(run, more_groups_than_the_table_holds_all_arrive);
	tcase_add_test(run, device_counters_are_gathered_once);
	tcase_add_test(run, counters_that_do_not_clear_are_gathered_once_too);
	tcase_add_test(run, a_stalled_transmitter_is_reset_and_traffic_goes_on);
	tcase_add_test(run, groups_are_still_joined_after_a_reset);
	tcase_add_test(run, a_slow_transmitter_or_a_missing_link_is_no_stall);
	tcase_add_test(run, a_reset_that_fails_is_tried_again);
	suite_add_tcase(suite, run);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
