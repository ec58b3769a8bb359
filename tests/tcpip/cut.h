/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device with TCP segmentation offload does: cuts a train (PKTBUF_TX_TSO) into frames, byte
 * by byte and apart from the stack's own formats, so that a test sees what would be on the wire.
 */
#ifndef TESTS_TCPIP_CUT_H
#define TESTS_TCPIP_CUT_H

#include "sandbox/pktbuf.h"

typedef void cut_fn(void *arg, const uint8_t *frame, uint16_t len);

/* l3: bytes in front of the IP header. Aborts where the train breaks sandbox/pktbuf.h's word. */
void cut_train(const struct pktbuf *train, uint32_t l3, cut_fn *fn, void *arg);

#endif
