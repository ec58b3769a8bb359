/* SPDX-License-Identifier: BSD-3-Clause */
/* What each case of a program that plays a connection's other end begins and ends with; for that
 * program's main file alone. */
#ifndef TESTS_TCPIP_PEER_CASE_H
#define TESTS_TCPIP_PEER_CASE_H

#include "tests/tcpip/cases.h"
#include "tests/tcpip/tcp_peer.h"

#define A TCP_ACK

static struct desk d;
static struct peer p;

static void setup(void)
{
	peer_desk_open(&d);
	p = peer_make(&d);
}

static void teardown(void)
{
	peer_desk_close(&d);
}

#endif
