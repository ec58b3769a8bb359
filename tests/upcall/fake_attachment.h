/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stands in for upcall/attach.c in unit tests: an attachment whose crossings end in a function of
 * the test. Everything else of libsandwire is the real thing.
 */
#ifndef TESTS_UPCALL_FAKE_ATTACHMENT_H
#define TESTS_UPCALL_FAKE_ATTACHMENT_H

#include "upcall/client.h"

/* The sandbox of the test: fills c->slot, returns the result. */
typedef int64_t fake_sandbox(struct call *c);

/* A fresh attachment; staged: bulk data goes through the slot's data area. */
struct attachment *fake_attach(fake_sandbox *sandbox, bool staged);
/* Notes the descriptor as a Sandwire socket. */
void fake_socket(int fd, uint64_t flags);
/* What the last crossing said about itself: set to -errno to make the next one fail. */
extern int fake_crossing;
extern unsigned fake_crossings[CALL_MAX];

#endif
