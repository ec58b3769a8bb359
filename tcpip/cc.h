/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Congestion control: one table of functions a kind, chosen per socket with TCP_CONGESTION.
 * tcp_recovery.c decides when to reduce and keeps the window during recovery (PRR); a kind says how
 * far to reduce and how to grow. Windows are in segments. No floating point.
 */
#ifndef TCPIP_CC_H
#define TCPIP_CC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tcp_pcb;

#define TCP_CC_NAME_MAX 16u

struct tcp_cc {
	const char *name;
	/* Clears cc_priv; called when a connection is established and when the kind is chosen. */
	void (*init)(struct tcp_pcb *pcb);
	/* The slow start threshold after a congestion event; at least 2. */
	uint32_t (*ssthresh)(struct tcp_pcb *pcb);
	/* `acked` segments were delivered while the window was in full use: may raise cwnd. */
	void (*grow)(struct tcp_pcb *pcb, uint32_t acked);
	/* The window to go back to after a needless reduction. */
	uint32_t (*undo)(struct tcp_pcb *pcb);
	/* The retransmission timer fired. Optional. */
	void (*timeout)(struct tcp_pcb *pcb);
	/* Sending starts again after `idle` ns of nothing in flight. Optional. */
	void (*restart)(struct tcp_pcb *pcb, uint64_t idle);
};

extern const struct tcp_cc tcp_cc_newreno, tcp_cc_cubic;

/* By name ("reno", "cubic"); NULL: unknown. */
const struct tcp_cc *tcp_cc_find(const char *name, size_t len);
const struct tcp_cc *tcp_cc_default(void);
/* Exponential growth to ssthresh, or until round trips grow longer; returns what is left of acked
 * (RFC 5681 3.1). */
uint32_t tcp_cc_slow_start(struct tcp_pcb *pcb, uint32_t acked);
/* One segment more for each `per` acknowledged. */
void tcp_cc_add(struct tcp_pcb *pcb, uint32_t per, uint32_t acked);

/* cc_hystart.c: of `acked` segments, how many the window may grow by in the first slow start; may
 * end it, by ssthresh. */
uint32_t tcp_hystart(struct tcp_pcb *pcb, uint32_t acked);

#endif
