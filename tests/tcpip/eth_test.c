/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <string.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

static struct desk d;
static uint8_t frame[64];

static void setup(void)
{
	struct eth_hdr e = {.src = {2, 9}, .type = ETH_TYPE_IP4};

	desk_open(&d);
	memset(frame, 0, sizeof(frame));
	memcpy(e.dst, d.port[0].port.mac, 6);
	eth_build(frame, &e);
}

static void teardown(void)
{
	desk_close(&d);
}

START_TEST(a_frame_for_another_host_is_dropped)
{
	frame[5] = 99;
	desk_frame(&d, 0, frame, sizeof(frame));
	ck_assert_uint_eq(desk_count(&d, "EthInUnknown"), 1);
	ck_assert_uint_eq(desk_count(&d, "IpInReceives"), 0);
}
END_TEST

START_TEST(a_frame_for_us_goes_up_to_ip)
{
	desk_frame(&d, 0, frame, sizeof(frame));
	ck_assert_uint_eq(desk_count(&d, "IpInReceives"), 1);
}
END_TEST

START_TEST(a_tagged_frame_is_dropped_and_counted)
{
	wire_put16(frame + 12, ETH_TYPE_VLAN);
	desk_frame(&d, 0, frame, sizeof(frame));
	ck_assert_uint_eq(desk_count(&d, "EthInUnknown"), 1);
}
END_TEST

/* The frame with a tag behind its addresses. */
static void tagged(uint16_t tci)
{
	uint8_t with[sizeof(frame) + VLAN_TAG_LEN];

	memcpy(with, frame, 12);
	wire_put16(with + 12, ETH_TYPE_VLAN);
	wire_put16(with + 14, tci);
	memcpy(with + 16, frame + 12, sizeof(frame) - 12);
	desk_frame(&d, 0, with, sizeof(with));
}

START_TEST(a_port_in_a_vlan_hears_that_alone)
{
	d.port[0].port.conf.vlan = 7;
	tagged(7);
	tagged(5 << 13 | 7); /* with a priority */
	ck_assert_uint_eq(desk_count(&d, "IpInReceives"), 2);
	tagged(8);
	tagged(0);
	desk_frame(&d, 0, frame, sizeof(frame));
	ck_assert_uint_eq(desk_count(&d, "IpInReceives"), 2);
	ck_assert_uint_eq(desk_count(&d, "EthInUnknown"), 3);
}
END_TEST

START_TEST(a_priority_alone_is_no_vlan)
{
	tagged(3 << 13);
	ck_assert_uint_eq(desk_count(&d, "IpInReceives"), 1);
}
END_TEST

START_TEST(a_tag_that_is_cut_off_is_dropped)
{
	wire_put16(frame + 12, ETH_TYPE_VLAN);
	d.port[0].port.conf.vlan = 7;
	for (size_t len = ETH_HDR_LEN; len < ETH_HDR_LEN + VLAN_TAG_LEN; len++)
		desk_frame(&d, 0, frame, len);
	ck_assert_uint_eq(desk_count(&d, "EthInUnknown"), VLAN_TAG_LEN);
}
END_TEST

START_TEST(what_a_port_in_a_vlan_sends_is_tagged)
{
	const struct test_frame *f;
	struct vlan_tag t;
	struct eth_hdr e;

	d.port[0].port.conf.vlan = 7;
	arp_probe(d.st, &d.port[0].port, ip(10, 0, 0, 9));
	desk_flush(&d);
	f = test_port_sent(&d.port[0]);
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(eth_parse(&e, f->data, f->len), 0);
	ck_assert_uint_eq(e.type, ETH_TYPE_VLAN);
	ck_assert_int_eq(vlan_parse(&t, f->data + ETH_HDR_LEN, f->len - ETH_HDR_LEN), 0);
	ck_assert_uint_eq(t.vid, 7);
	ck_assert_uint_eq(t.type, ETH_TYPE_ARP);
	ck_assert_uint_ge(f->len, ETH_HDR_LEN + VLAN_TAG_LEN + ARP_LEN);
}
END_TEST

/* RFC 1042's, as Linux. */
START_TEST(a_frame_of_802_3_is_dropped)
{
	wire_put16(frame + 12, 46);
	memcpy(frame + 14, "\xaa\xaa\3\0\0\0\x8\0", 8);
	desk_frame(&d, 0, frame, sizeof(frame));
	ck_assert_uint_eq(desk_count(&d, "EthInUnknown"), 1);
	ck_assert_uint_eq(desk_count(&d, "IpInReceives"), 0);
}
END_TEST

START_TEST(frames_too_short_for_a_header_are_dropped)
{
	for (size_t len = 0; len < ETH_HDR_LEN; len++)
		desk_frame(&d, 0, frame, len);
	ck_assert_uint_eq(desk_count(&d, "EthInErrors"), ETH_HDR_LEN);
}
END_TEST

START_TEST(a_group_address_or_ours_as_source_is_dropped)
{
	frame[6] = 1;
	desk_frame(&d, 0, frame, sizeof(frame));
	memcpy(frame + 6, d.port[0].port.mac, 6);
	desk_frame(&d, 0, frame, sizeof(frame));
	ck_assert_uint_eq(desk_count(&d, "EthInErrors"), 2);
}
END_TEST

int main(void)
{
	return run_cases("eth",
			 CASES(a_frame_for_another_host_is_dropped, a_frame_for_us_goes_up_to_ip,
			       a_tagged_frame_is_dropped_and_counted,
			       a_port_in_a_vlan_hears_that_alone, a_priority_alone_is_no_vlan,
			       a_tag_that_is_cut_off_is_dropped,
			       what_a_port_in_a_vlan_sends_is_tagged, a_frame_of_802_3_is_dropped,
			       frames_too_short_for_a_header_are_dropped,
			       a_group_address_or_ours_as_source_is_dropped),
			 setup, teardown);
}
