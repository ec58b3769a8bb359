/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bench for drivers: a port with a pool of buffers in "DMA memory", a clock that moves a
 * microsecond each time it is read, and, for the e1000e, a model NIC wired to the port.
 */
#ifndef TESTS_DRIVERS_BENCH_H
#define TESTS_DRIVERS_BENCH_H

#include "drivers/drivers.h"
#include "drivers/port.h"
#include "tests/fake_nic/e1000e_model.h"

#define BENCH_BUFFERS 1500u
#define BENCH_RINGS   65536u
#define BENCH_IOVA    0x40000000ull
#define BENCH_RING    64u

struct bench {
	struct nic_model nic;
	struct port port;
	struct pktbuf_pool pool;
	struct pktbuf headers[BENCH_BUFFERS];
	uint8_t *memory; /* rings, then packet data */
	size_t rings_used;
	unsigned dma_to_free; /* DMA to or from a buffer that nobody holds */
	/* What came out at the far end. */
	uint64_t out_count;
	uint8_t out[NIC_FRAMES];
	size_t out_len;
	uint32_t
		out_serial; /* the last frame's, and how often one did not follow its predecessor */
	unsigned out_disorder;
	bool echo;					/* the far end sends everything back */
	void (*each)(const uint8_t *frame, size_t len); /* it shows every frame to this */
};

extern uint64_t bench_now;
uint64_t bench_clock(void);

struct bench *bench_new(void);
void bench_free(struct bench *b);
/* Stops the port; nothing is lost, the device did nothing it must not; and frees. */
void bench_close(struct bench *b);
/* Fills conf for the model NIC and starts: port_start's result. */
int bench_start(struct bench *b);
/* A software port of this kind. */
int bench_start_kind(struct bench *b, const char *kind);

/* A buffer with an Ethernet frame of len bytes to `to`, numbered. */
struct pktbuf *bench_frame(struct bench *b, uint32_t serial, uint16_t len);
/* The same on the wire, to the port's own address. */
bool bench_arrives(struct bench *b, uint32_t serial, uint16_t len);
/* Does p hold frame `serial` of len bytes, whole? */
bool bench_is(const uint8_t *frame, size_t have, uint32_t serial, uint16_t len);
/* Buffers the pool lacks. */
unsigned bench_held(const struct bench *b);

#endif
