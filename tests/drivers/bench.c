// SPDX-License-Identifier: BSD-3-Clause
/* The bench of bench.h: memory, clock, frames that can be told apart, the far end of the wire. */
#include "tests/drivers/bench.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

uint64_t bench_now = 1000000000;

uint64_t bench_clock(void)
{
	return bench_now += 1000;
}

#define MEMORY (BENCH_RINGS + (size_t)BENCH_BUFFERS * PKTBUF_SIZE)

/* What an IOMMU and a suspicious mind would let the device reach. */
static uint8_t *dma(void *arg, uint64_t iova, size_t len, bool write)
{
	struct bench *b = arg;
	uint64_t off = iova - BENCH_IOVA;

	if (iova < BENCH_IOVA || off >= MEMORY || len > MEMORY - off)
		return NULL;
	if (off >= BENCH_RINGS) {
		uint64_t at = off - BENCH_RINGS;
		const struct pktbuf *p = &b->headers[at / PKTBUF_SIZE];

		if (!p->refs)
			b->dma_to_free++;
		if (at % PKTBUF_SIZE < (write ? PKTBUF_HEADROOM : 1) ||
		    at % PKTBUF_SIZE + len > PKTBUF_SIZE)
			return NULL;
	}
	return b->memory + off;
}

static void put_serial(uint8_t *frame, uint32_t serial)
{
	memcpy(frame + 14, &serial, sizeof(serial));
}

static void fill(uint8_t *frame, const uint8_t *to, uint32_t serial, uint16_t len)
{
	memset(frame, (int)(serial & 0xff), len);
	memcpy(frame, to, 6);
	memcpy(frame + 6, (const uint8_t[]){2, 0, 0, 0, 0, 1, 0x88, 0xb5}, 8);
	if (len >= 18)
		put_serial(frame, serial);
}

bool bench_is(const uint8_t *frame, size_t have, uint32_t serial, uint16_t len)
{
	uint32_t got;

	if (have != len)
		return false;
	memcpy(&got, frame + 14, sizeof(got));
	for (unsigned i = 18; i < len; i++)
		if (frame[i] != (serial & 0xff))
			return false;
	return got == serial;
}

static void sent(void *arg, const uint8_t *frame, size_t len)
{
	struct bench *b = arg;
	uint32_t serial = 0;

	if (len >= 18)
		memcpy(&serial, frame + 14, sizeof(serial));
	if (b->out_count && serial != b->out_serial + 1)
		b->out_disorder++;
	b->out_serial = serial;
	b->out_count++;
	memcpy(b->out, frame, len);
	b->out_len = len;
	if (b->each)
		b->each(frame, len);
	if (b->echo) {
		uint8_t back[NIC_FRAMES];

		memcpy(back, frame, len);
		memcpy(back, b->nic.mac, 6);
		nic_receive(&b->nic, back, len);
	}
}

static struct dma_mem dma_alloc(void *arg, size_t size)
{
	struct bench *b = arg;
	size_t at = b->rings_used;

	size = (size + 4095) & ~(size_t)4095;
	if (size > BENCH_RINGS - at)
		return (struct dma_mem){0};
	b->rings_used += size;
	return (struct dma_mem){b->memory + at, BENCH_IOVA + at, size};
}

struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	if (!b)
		abort();
	b->memory = aligned_alloc(4096, MEMORY);
	if (!b->memory)
		abort();
	memset(b->memory, 0xa5, MEMORY);
	pktbuf_pool_init(&b->pool, b->headers, b->memory + BENCH_RINGS, BENCH_IOVA + BENCH_RINGS,
			 BENCH_BUFFERS);
	nic_init(&b->nic);
	b->nic.dma = dma;
	b->nic.sent = sent;
	b->nic.arg = b;
	b->port.pool = &b->pool;
	b->port.dma_alloc = dma_alloc;
	b->port.dma_arg = b;
	b->port.clock_ns = bench_clock;
	b->port.conf.rx_ring = b->port.conf.tx_ring = BENCH_RING;
	return b;
}

void bench_free(struct bench *b)
{
	free(b->port.priv);
	free(b->memory);
	free(b);
}

void bench_close(struct bench *b)
{
	port_stop(&b->port);
	ck_assert_uint_eq(bench_held(b), 0);
	ck_assert_str_eq(b->nic.fault, "");
	ck_assert_uint_eq(b->dma_to_free, 0);
	bench_free(b);
}

static int start(struct bench *b, const struct port_ops *ops)
{
	void *priv = calloc(1, ops->priv_size);
	int err;

	if (!priv)
		abort();
	err = port_start(&b->port, ops, priv);
	if (err)
		free(priv);
	return err;
}

int bench_start(struct bench *b)
{
	b->port.conf.bar[0] = (volatile uint8_t *)&b->nic;
	b->port.conf.bar_size[0] = NIC_REGS;
	return start(b, port_driver_pci(0x8086, 0x10d3));
}

int bench_start_kind(struct bench *b, const char *kind)
{
	return start(b, port_driver_kind(kind));
}

struct pktbuf *bench_frame(struct bench *b, uint32_t serial, uint16_t len)
{
	struct pktbuf *p = pktbuf_alloc(&b->pool);

	if (!p)
		return NULL;
	fill(pktbuf_data(p), (const uint8_t[]){2, 0, 0, 0, 0, 9}, serial, len);
	p->len = len;
	return p;
}

bool bench_arrives(struct bench *b, uint32_t serial, uint16_t len)
{
	uint8_t frame[NIC_FRAMES];

	fill(frame, b->nic.mac, serial, len);
	return nic_receive(&b->nic, frame, len);
}

unsigned bench_held(const struct bench *b)
{
	return b->pool.count - b->pool.avail;
}
