/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures: a slot of the segment's capture area for a connection, whose ring the tool reads by
 * itself; a capture ends with the connection that started it. Called by control.c.
 */
#include <errno.h>
#include <string.h>

#include "tools/sandwired/control.h"
#include "tools/sandwired/image.h"
#include "tools/sandwired/net.h"
#include "tools/sandwired/request.h"

static const struct segment_region *ring_region(const struct net *net, unsigned slot)
{
	uint64_t off = SEG_CAPTURE_OFF + (uint64_t)slot * SEG_CAPTURE_SIZE;

	for (unsigned i = 0; i < net->seg.n_regions; i++) {
		const struct segment_region *r = &net->seg.region[i];

		if (off >= r->off && off + SEG_CAPTURE_SIZE <= r->off + r->len)
			return r;
	}
	return NULL;
}

static void stop_slot(struct net *net, unsigned slot)
{
	image_admin(ADMIN_CAPTURE_STOP, slot, 0, 0, 0);
	net->captures &= ~(1u << slot);
}

static json_t *start(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	struct net *net = c->net;
	const char *name = request_text(req, "port");
	const struct segment_region *r;
	struct net_port *p = NULL;
	uint64_t snaplen, off;
	unsigned slot = 0;
	int64_t e;

	if (request_number_or(req, "snaplen", 65535, 65535, &snaplen, f))
		return NULL;
	if (name && !(p = ports_find(net, name, f)))
		return NULL;
	while (slot < SEG_CAPTURE_COUNT && (net->captures & (1u << slot)))
		slot++;
	r = slot < SEG_CAPTURE_COUNT ? ring_region(net, slot) : NULL;
	if (!r) {
		failed(f, "capture", "%u captures are running already, there is no room for more",
		       SEG_CAPTURE_COUNT);
		return NULL;
	}
	e = image_admin(ADMIN_CAPTURE_START, slot, p ? (uint64_t)p->index : (uint64_t)-1, snaplen,
			0);
	if (e < 0) {
		failed(f, "capture", "%s", strerror((int)-e));
		return NULL;
	}
	net->captures |= 1u << slot;
	c->captures |= 1u << slot;
	out->own[out->n_fds] = false;
	out->fds[out->n_fds++] = r->fd;
	off = SEG_CAPTURE_OFF + (uint64_t)slot * SEG_CAPTURE_SIZE;
	return json_pack("{s:b,s:i,s:I,s:I}", "ok", 1, "slot", (int)slot, "fd_off",
			 (json_int_t)(r->fd_off + off - r->off), "size",
			 (json_int_t)SEG_CAPTURE_SIZE);
}

static json_t *stop(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	uint64_t slot;

	(void)out;
	if (request_number(req, "slot", SEG_CAPTURE_COUNT - 1, &slot, f))
		return NULL;
	if (!(c->captures & (1u << slot))) {
		failed(f, "capture", "%u is not this connection's", (unsigned)slot);
		return NULL;
	}
	c->captures &= ~(1u << slot);
	stop_slot(c->net, (unsigned)slot);
	return answer_ok();
}

void capture_conn_closed(struct conn *c)
{
	for (unsigned slot = 0; slot < SEG_CAPTURE_COUNT; slot++)
		if (c->captures & (1u << slot))
			stop_slot(c->net, slot);
	c->captures = 0;
}

const struct control_command control_capture_commands[] = {
	{"capture-start", true, start},
	{"capture-stop", true, stop},
	{NULL, false, NULL},
};
