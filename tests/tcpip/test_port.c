/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tcpip/test_port.h"

#include "drivers/capture.h"
#include "tests/tcpip/cut.h"
#include "tests/tcpip/test_memory.h"

#include <stdlib.h>
#include <string.h>

static int start(struct port *port)
{
	port->link_up = true;
	return 0;
}

static void stop(struct port *port)
{
	(void)port;
}

static unsigned rx(struct port *port, struct pktbuf **batch, unsigned max)
{
	(void)port;
	(void)batch;
	(void)max;
	return 0; /* the test calls stack_input itself */
}

static struct test_frame *keep_bytes(struct test_port *tp, const uint8_t *bytes, uint16_t len)
{
	struct test_frame *f = &tp->out[(tp->head + tp->count) % TEST_PORT_FRAMES];

	if (tp->count == TEST_PORT_FRAMES) {
		tp->lost++;
		return NULL;
	}
	tp->count++;
	*f = (struct test_frame){.time = *tp->now, .len = len};
	memcpy(f->data, bytes, len);
	return f;
}

static void keep_segment(void *arg, const uint8_t *frame, uint16_t len)
{
	(void)keep_bytes(arg, frame, len);
}

static void keep(struct test_port *tp, struct pktbuf *p)
{
	struct test_frame *f;
	uint8_t frame[TEST_FRAME_MAX];
	uint32_t len = 0;

	if (p->flags & PKTBUF_TX_TSO) {
		tp->trains++;
		cut_train(p,
			  tp->port.caps & PORT_CAP_RAW_IP ? 0
			  : tp->port.conf.vlan		  ? 18
							  : 14,
			  keep_segment, tp);
		return;
	}
	if (tp->finishes)
		capture_checksum(p);
	if (p->more && !(tp->port.caps & PORT_CAP_PIECES))
		abort();
	for (const struct pktbuf *q = p; q; q = q->more) {
		if (len + q->len > sizeof(frame))
			abort();
		memcpy(frame + len, pktbuf_data(q), q->len);
		len += q->len;
	}
	f = keep_bytes(tp, frame, (uint16_t)len);
	if (!f)
		return;
	f->flags = p->flags;
	f->csum_start = p->csum_start;
	f->csum_offset = p->csum_offset;
}

static unsigned tx(struct port *port, struct pktbuf **batch, unsigned n)
{
	struct test_port *tp = (struct test_port *)port;
	unsigned i;

	if (tp->jammed)
		return 0;
	for (i = 0; i < n; i++) {
		keep(tp, batch[i]);
		pktbuf_free(batch[i]);
	}
	return n;
}

static bool pending(struct port *port)
{
	(void)port;
	return false;
}

static bool watch(struct port *port)
{
	(void)port;
	return false;
}

static const struct port_ops test_port_ops = {
	.name = "test",
	.start = start,
	.stop = stop,
	.rx = rx,
	.tx = tx,
	.pending = pending,
	.watch = watch,
};

static uint64_t no_clock(void)
{
	return 0;
}

void test_port_open(struct test_port *tp, struct pktbuf_pool *pool, uint32_t index, uint32_t caps,
		    const uint64_t *now)
{
	memset(tp, 0, sizeof(*tp));
	tp->out = test_memory(TEST_PORT_FRAMES * sizeof(*tp->out));
	tp->now = now;
	tp->port.pool = pool;
	tp->port.index = index;
	tp->port.clock_ns = no_clock;
	if (port_start(&tp->port, &test_port_ops, NULL) < 0)
		abort();
	tp->port.mac[0] = 2;
	tp->port.mac[5] = (uint8_t)(index + 1);
	tp->port.mtu = 1500;
	tp->port.caps = caps;
}

void test_port_close(struct test_port *tp)
{
	port_stop(&tp->port);
	test_memory_free(tp->out, TEST_PORT_FRAMES * sizeof(*tp->out));
	tp->out = NULL;
}

const struct test_frame *test_port_sent(struct test_port *tp)
{
	const struct test_frame *f = &tp->out[tp->head];

	if (tp->count == 0)
		return NULL;
	tp->head = (tp->head + 1) % TEST_PORT_FRAMES;
	tp->count--;
	return f;
}
