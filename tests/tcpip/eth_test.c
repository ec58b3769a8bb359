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
			       frames_too_short_for_a_header_are_dropped,
			       a_group_address_or_ours_as_source_is_dropped),
			 setup, teardown);
}
