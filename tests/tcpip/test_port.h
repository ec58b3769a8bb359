/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port whose wire is the test: it keeps the frames sent and hands in what it is given. Under it
 * is drivers/port.c as in the product.
 */
#ifndef TESTS_TCPIP_TEST_PORT_H
#define TESTS_TCPIP_TEST_PORT_H

#include "drivers/port.h"

#define TEST_PORT_FRAMES 2048u
#define TEST_FRAME_MAX	 9216u

struct test_frame {
	uint64_t time; /* ns, of the test's clock when the driver got it */
	uint16_t len, flags, csum_start, csum_offset;
	uint8_t data[TEST_FRAME_MAX];
};

struct test_port {
	struct port port;
	const uint64_t *now;
	struct test_frame *out; /* ring of TEST_PORT_FRAMES */
	unsigned head, count;
	unsigned lost;	 /* did not fit */
	bool jammed;	 /* takes nothing, as a device whose ring is full */
	bool finishes;	 /* checksums that were left to the port, as a device does */
	unsigned trains; /* frames that were cut up: port.tso_max allows them */
};

/* A running port with MAC 02:00:00:00:00:<index + 1>, MTU 1500. */
void test_port_open(struct test_port *tp, struct pktbuf_pool *pool, uint32_t index, uint32_t caps,
		    const uint64_t *now);
void test_port_close(struct test_port *tp);
/* The oldest frame sent and not yet looked at; NULL: none. Valid until as many more are sent. */
const struct test_frame *test_port_sent(struct test_port *tp);

#endif
