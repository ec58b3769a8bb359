/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A caller of the image over the fake stack (fake_stack.h): one call block, one context, and the
 * calls in a line. It stands for the kernel module too: a fault in a copy goes on at
 * app_fault_fixup. For the tests of upcall/calls.c, io_calls.c and grants.c.
 */
#ifndef TESTS_UPCALL_CALLER_H
#define TESTS_UPCALL_CALLER_H

#include "tests/upcall/fake_stack.h"
#include "upcall/calls.h"

extern struct seg_header hdr;
extern struct seg_kshared ks;
extern struct ctx app;
extern struct call_slot slot;
extern uint64_t may[FAKE_SOCKETS][SEG_CLIENT_MAX / 64]; /* for grants */
extern uint8_t area[CHANNEL_DATA_SIZE];			/* what staged() moves data through */

/* Each case's, checked: nothing granted, two open sockets; no lock and no buffer lost after it. */
void caller_open(void);
void caller_close(void);

/* The result of call nr with what is in slot; call(): client 1, the first socket. */
int64_t call_as(uint32_t client, uint32_t nr, uint32_t sock);
int64_t call(uint32_t nr);
/* The same in server mode. */
int64_t staged(uint32_t nr, uint32_t client, uint32_t sock);

/* The slot as CALL_SEND's and CALL_RECV's; vector i of it, or the only one at an address. */
struct call_io *io(void);
void iov(unsigned i, const void *base, uint64_t len);
void iov_at(uint64_t base, uint64_t len);

#endif
