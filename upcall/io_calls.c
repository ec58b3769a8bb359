/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Send and receive: the payload goes between application memory and packet buffers in one copy,
 * made with no lock held, as a page fault there can be made to last for ever. Called by calls.c.
 *
 *	send:	lock: reserve room and buffers, unlock; copy in; lock: commit and send, unlock
 *	recv:	lock: take references, unlock; copy out; lock: give back, or put back what was
 *		not copied
 *
 * Between the sections another thread may close the socket: it is looked up again each time.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "upcall/app_copy.h"
#include "upcall/calls.h"

/* Bytes a call moves at most, so that a section under the lock stays short. The library goes on. */
#define SEND_MAX 262144u
#define RECV_MAX (SOCK_SLICES * PKTBUF_SIZE)

bool call_in_reach(const struct call *c, uint64_t at, uint64_t n)
{
	if (c->where == CALL_DATA_STAGED)
		return at <= CHANNEL_DATA_SIZE && n <= CHANNEL_DATA_SIZE - at;
	return app_range_ok(at, n);
}

int call_copy_in(const struct call *c, void *to, uint64_t at, uint64_t n)
{
	if (c->where != CALL_DATA_STAGED)
		return app_copy_in(to, at, n);
	memcpy(to, c->area + at, n);
	return 0;
}

int call_copy_out(const struct call *c, uint64_t at, const void *from, uint64_t n)
{
	if (c->where != CALL_DATA_STAGED)
		return app_copy_out(at, from, n);
	memcpy(c->area + at, from, n);
	return 0;
}

/* Walks the vectors of a call. */
struct walk {
	struct call *c;
	const struct call_iov *iov;
	unsigned n;    /* vectors left */
	uint64_t done; /* bytes of the first that are done */
};

/* Checks the vectors and sums them up: bytes, or -EFAULT, -EINVAL. */
static int64_t walk_init(struct walk *w, struct call *c)
{
	const struct call_io *io = (const struct call_io *)c->in.inl;
	uint64_t total = 0;

	if (c->in.arg[1] > (c->in.arg[3] ? CALL_NOTE_IOV : CHANNEL_IOV_MAX))
		return -EINVAL;
	*w = (struct walk){.c = c, .iov = io->iov, .n = (unsigned)c->in.arg[1]};
	for (unsigned i = 0; i < w->n; i++) {
		uint64_t base = io->iov[i].base, len = io->iov[i].len;

		if (len > INT64_MAX - total)
			return -EINVAL;
		total += len;
		if (!call_in_reach(c, base, len))
			return -EFAULT;
	}
	return (int64_t)total;
}

/* The next piece of at most `max` bytes: its length, and where it is. Not called at the end. */
static size_t walk_piece(struct walk *w, size_t max, uint64_t *at)
{
	uint64_t left;

	while (w->n && w->iov->len == w->done) {
		w->iov++;
		w->n--;
		w->done = 0;
	}
	if (!w->n)
		return 0;
	left = w->iov->len - w->done;
	*at = w->iov->base + w->done;
	if (left > max)
		left = max;
	w->done += left;
	return left;
}

/* n bytes in; 0 or -EFAULT. */
static int walk_in(struct walk *w, uint8_t *to, size_t n)
{
	while (n) {
		uint64_t at = 0;
		size_t piece = walk_piece(w, n, &at);

		if (!piece)
			return -EFAULT;
		if (call_copy_in(w->c, to, at, piece))
			return -EFAULT;
		to += piece;
		n -= piece;
	}
	return 0;
}

static int walk_out(struct walk *w, const uint8_t *from, size_t n)
{
	while (n) {
		uint64_t at = 0;
		size_t piece = walk_piece(w, n, &at);

		if (!piece)
			return -EFAULT;
		if (call_copy_out(w->c, at, from, piece))
			return -EFAULT;
		from += piece;
		n -= piece;
	}
	return 0;
}

/* ---- send ---------------------------------------------------------------------------------- */

struct sending {
	const struct sock_addr *to;
	struct sock_addr addr;
	int flags;
	struct pktbuf *list;
	struct sock_note note; /* with what the call brings */
};

static int64_t reserve(struct call *c, struct sending *s, uint64_t total)
{
	int64_t ret = call_begin(c);

	if (ret)
		return ret;
	ret = sock_send_reserve(c->so, total, s->to, s->flags, &s->list);
	if (call_retry(ret))
		ret = sock_send_reserve(c->so, total, s->to, s->flags, &s->list);
	call_end(c);
	return ret;
}

static int64_t drop(struct call *c, struct sending *s, int64_t ret)
{
	if (!s->list)
		return ret;
	turn_begin(&sandbox, c->ctx);
	pktbuf_free_list(s->list);
	turn_end(&sandbox, c->ctx);
	return ret;
}

static int64_t commit(struct call *c, struct sending *s, uint64_t len)
{
	int64_t ret = call_begin(c);

	if (ret)
		return drop(c, s, ret);
	ret = sock_send_noted(c->so, s->list, len, s->to, s->flags, c->in.arg[3] ? &s->note : NULL);
	if (turn_pending(&sandbox)) /* ACKs make room, and the next crossing cheaper */
		turn_poll(&sandbox);
	call_end(c);
	return ret;
}

int64_t call_send(struct call *c)
{
	const struct call_io *io = (const struct call_io *)c->in.inl;
	struct sending s = {.flags = (int)c->in.arg[0]};
	struct walk w;
	int64_t total = walk_init(&w, c), len;

	if (total < 0)
		return total;
	if (c->in.arg[2]) {
		s.addr = call_addr_in(&io->addr);
		s.to = &s.addr;
	}
	if (c->in.arg[3]) {
		s.note.have = io->note.have;
		s.note.scope = io->note.scope;
		s.note.at = call_addr_in(&io->note.at);
		s.note.ttl = io->note.ttl;
		s.note.tos = io->note.tos;
	}
	len = reserve(c, &s, total < SEND_MAX ? (uint64_t)total : SEND_MAX);
	if (len < 0 || (!len && !s.list))
		return drop(c, &s, len);
	for (struct pktbuf *p = s.list; p; p = p->next)
		if (walk_in(&w, pktbuf_data(p), p->len))
			return drop(c, &s, -EFAULT);
	return commit(c, &s, (uint64_t)len);
}

/* ---- receive ------------------------------------------------------------------------------- */

struct receiving {
	struct sock_slice slices[SOCK_SLICES];
	unsigned n;
	struct sock_addr from;
	uint64_t full;
	bool mark;	       /* it ends at the urgent byte */
	struct sock_note note; /* if the call wants one */
};

static int64_t take(struct call *c, struct receiving *r, uint64_t max)
{
	int64_t ret = call_begin(c);
	int flags = (int)c->in.arg[0];

	if (ret)
		return ret;
	ret = sock_recv_take(c->so, max, flags, r->slices, &r->n, &r->from, &r->full);
	if (call_retry(ret))
		ret = sock_recv_take(c->so, max, flags, r->slices, &r->n, &r->from, &r->full);
	r->mark = ret > 0 && sock_at_mark(c->so) > 0;
	if (ret >= 0 && r->n && c->in.arg[3])
		sock_recv_note(c->so, r->slices[0].buf, flags, &r->note);
	call_end(c);
	return ret;
}

static void put_note(struct call_io *io, const struct sock_note *n)
{
	io->note_out = (struct call_note){
		.have = n->have,
		.scope = n->scope,
		.at = call_addr_out(&n->at),
		.ttl = n->ttl,
		.tos = n->tos,
		.origin = n->origin,
		.type = n->type,
		.code = n->code,
		.err = n->err,
		.info = n->info,
		.offender = call_addr_out(&n->offender),
		.age = n->age,
	};
}

/* After a copy that was cut off, by missing memory or a stop of the thread: nothing is consumed. */
static void give_back(struct call *c, struct receiving *r, bool copied)
{
	if (!call_begin(c)) {
		if (copied)
			sock_recv_done(c->so, r->slices, r->n);
		else
			sock_recv_undo(c->so, (int)c->in.arg[0], r->slices, r->n);
		call_end(c);
		return;
	}
	/* Closed meanwhile: the buffers outlive the socket. */
	turn_begin(&sandbox, c->ctx);
	for (unsigned i = 0; i < r->n; i++)
		pktbuf_free(r->slices[i].buf);
	turn_end(&sandbox, c->ctx);
}

int64_t call_recv(struct call *c)
{
	struct call_io *io = (struct call_io *)c->in.inl;
	struct receiving r;
	struct walk w;
	int64_t total = walk_init(&w, c), ret;
	uint64_t max;
	int fault = 0;

	if (total < 0)
		return total;
	max = total < (int64_t)RECV_MAX ? (uint64_t)total : RECV_MAX;
	r.n = 0;
	r.full = 0;
	r.mark = false;
	if (c->in.arg[3])
		memset(&r.note, 0, sizeof(r.note));
	memset(&r.from, 0, sizeof(r.from));
	ret = take(c, &r, max);
	if (ret < 0)
		return ret;
	for (unsigned i = 0; i < r.n && !fault; i++)
		fault = walk_out(&w, r.slices[i].data, r.slices[i].len);
	if (r.n)
		give_back(c, &r, !fault);
	if (fault)
		return -EFAULT;
	io->addr = call_addr_out(&r.from);
	io->msg_flags = (r.full > (uint64_t)ret ? MSG_TRUNC : 0) | (r.mark ? MSG_OOB : 0);
	c->inl_out = offsetof(struct call_io, iov);
	if (c->in.arg[3]) {
		put_note(io, &r.note);
		c->inl_out += sizeof(io->note_out);
	}
	c->in.ret2 = r.full > (uint64_t)ret ? r.full : (uint64_t)ret;
	return ret;
}
