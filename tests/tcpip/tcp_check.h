/* SPDX-License-Identifier: BSD-3-Clause */
/* What must always hold of a connection, for tests that try everything. */
#ifndef TESTS_TCPIP_TCP_CHECK_H
#define TESTS_TCPIP_TCP_CHECK_H

#include "tcpip/tcp.h"

/* The counters are those of the marks, the queues are in order, the memory is accounted, a timer
 * runs where something waits: NULL, or what is not so. */
const char *tcp_check(const struct tcp_pcb *pcb);
const char *tcp_check_all(const struct stack *st);

#endif
