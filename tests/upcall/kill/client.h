/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients and the control client of the kill campaign do; client.c. */
#ifndef TESTS_UPCALL_KILL_CLIENT_H
#define TESTS_UPCALL_KILL_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/upcall/kill/kill.h"

/* One thread of one incarnation. */
struct worker {
	uint32_t number; /* of its row */
	struct row *row;
	uint64_t random;
	int udp;
	struct seen answered;	  /* datagrams that came back */
	unsigned long long total; /* what the counter said last */
	uint8_t *in, *out;	  /* BLOCK bytes each */
};

void worker_init(struct worker *w, uint32_t number, uint64_t seed);
const struct sockaddr_in *peer_address(void);
void call_ledger(struct worker *w);
void call_counter(struct worker *w);
void datagram_send(struct worker *w);
bool datagram_take(struct worker *w); /* false: there is none */

#endif
