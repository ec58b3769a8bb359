/* SPDX-License-Identifier: BSD-3-Clause */
/* The application's I/O vectors, and how far a call got with them. For api_io.c. */
#ifndef UPCALL_VECTORS_H
#define UPCALL_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "upcall/upcall_abi.h"

struct cursor {
	const struct iovec *iov;
	size_t n;    /* vectors left */
	size_t done; /* of the first */
	size_t left; /* bytes in all */
};

/* 0, -EMSGSIZE or -EINVAL, as readv(2) and sendmsg(2). */
int cursor_init(struct cursor *cur, const struct iovec *iov, size_t n);
void cursor_advance(struct cursor *cur, size_t bytes);
/* The next part as addresses, `most` at most: number of vectors. */
unsigned cursor_vectors(const struct cursor *cur, struct call_iov *out, unsigned most);
/* Copies between the vectors, from the cursor on, and an area; out: into the area. */
void cursor_copy(const struct cursor *cur, uint8_t *area, size_t bytes, bool out);

/* One vector of `len` bytes of its own, 0 or -ENOBUFS; and its end. No malloc: signal handlers. */
int flat_make(struct iovec *flat, size_t len);
void flat_end(struct iovec *flat);

#endif
