// SPDX-License-Identifier: BSD-3-Clause
/*
 * upcall/calls.c, io_calls.c, grants.c, entry.c, app_copy.S over a fake stack: what a hostile
 * caller may say in a call block, and what becomes of it. The test stands for the kernel module: a
 * fault in a copy goes on at app_fault_fixup.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "sandbox/lock.h"
#include "tests/upcall/fake_stack.h"
#include "upcall/app_copy.h"
#include "upcall/calls.h"
#include "upcall/entry.h"

#define SLOT_START SEG_BASE
#define SLOT_END   (SEG_BASE + SEG_SLOT_SIZE)

static struct seg_header hdr;
static struct seg_kshared ks;
static struct ctx app = {.id = 9};
static struct call_slot slot;
static uint64_t may[FAKE_SOCKETS][SEG_CLIENT_MAX / 64];

/* Not called by these tests: the daemon's calls are tested on the real image (image_test.c). */
int64_t admin_call(struct ctx *ctx, struct call_slot *s)
{
	return 4711;
}

static void setup(void)
{
	fake_faults(&app);
	memset(&hdr, 0, sizeof(hdr));
	memset(&ks, 0, sizeof(ks));
	memset(&slot, 0, sizeof(slot));
	memset(may, 0, sizeof(may));
	grants = (struct grants){0};
	fake_stack_init(&sandbox);
	sandbox = (struct sandbox){.hdr = &hdr,
				   .ks = &ks,
				   .ops = &fake_ops,
				   .stack = &fake,
				   .relax = sandbox_relax,
				   .daemon_wakes_at = UINT64_MAX};
	for (unsigned i = 0; i < 2; i++)
		fake.so[i] = (struct socket){.id = FAKE_ID(i), .open = true, .events = POLLOUT};
}

static void teardown(void)
{
	ck_assert_uint_eq(stack_lock_owner(&sandbox), UINT32_MAX);
	ck_assert_uint_eq(fake.pool.avail, 16); /* no buffer lost on any way */
}

static int64_t call_as(uint32_t client, uint32_t nr, uint32_t sock)
{
	slot.nr = nr;
	slot.sock = sock;
	return image_plain_call(&app, client, &slot);
}

static int64_t call(uint32_t nr)
{
	return call_as(1, nr, FAKE_ID(0));
}

static struct call_io *io(void)
{
	return (struct call_io *)slot.inl;
}

static void iov(unsigned i, const void *base, uint64_t len)
{
	io()->iov[i] = (struct call_iov){.base = (uint64_t)(uintptr_t)base, .len = len};
	if (slot.arg[1] <= i)
		slot.arg[1] = i + 1;
}

static void iov_at(uint64_t base, uint64_t len)
{
	iov(0, (void *)(uintptr_t)base, len);
}

/* ---- dispatch ------------------------------------------------------------------------------ */

START_TEST(unknown_numbers_are_refused)
{
	ck_assert_int_eq(call(CALL_MAX), -ENOSYS);
	ck_assert_int_eq(call(UINT32_MAX), -ENOSYS);
	ck_assert_int_eq(call(ADMIN_INIT), -ENOSYS); /* client 1 */
	ck_assert_int_eq(call_as(0, ADMIN_INIT, 0), 4711);
	ck_assert_int_eq(call(CALL_NULL), 0);
	ck_assert_uint_eq(fake.turns, 0);
}
END_TEST

START_TEST(a_broken_net_answers_with_its_error)
{
	hdr.failed = ENETDOWN;
	for (uint32_t nr = 0; nr < CALL_MAX; nr++)
		ck_assert_int_eq(call(nr), -ENETDOWN);
	sandbox.stack = NULL;
	ck_assert_int_eq(call(CALL_NULL), -ENETDOWN);
}
END_TEST

START_TEST(a_stale_socket_is_refused_by_every_call_on_one)
{
	for (uint32_t nr = 0; nr < CALL_MAX; nr++) {
		if (nr == CALL_NULL || nr == CALL_TURN || nr == CALL_SOCKET || nr == CALL_ROUTE ||
		    nr == CALL_IS_LOCAL || nr == CALL_SERVICE || nr == CALL_SERVICE_NAME)
			continue;
		ck_assert_int_eq(call_as(1, nr, FAKE_ID(0) + (1u << SEG_SOCK_BITS)), -EBADF);
		ck_assert_int_eq(call_as(1, nr, FAKE_ID(3)), -EBADF);
		ck_assert_int_eq(call_as(1, nr, 0), -EBADF);
		ck_assert_uint_eq(slot.events, 0);
	}
}
END_TEST

START_TEST(upcalls_from_strangers_and_with_wild_slots_are_refused)
{
	ck_assert_int_eq(upcall_main(&app, 0, FAKE_ID(0), 0, 3).ret, -EPERM);
	ck_assert_int_eq(upcall_main(&app, SEG_CLIENT_MAX, 0, 0, 3).ret, -EPERM);
	ck_assert_int_eq(upcall_main(&app, UINT32_MAX, 0, 0, 3).ret, -EPERM);
	ck_assert_int_eq(upcall_main(&app, 1, 0, CHANNEL_SLOTS, 3).ret, -EINVAL);
	ck_assert_int_eq(upcall_main(&app, 1, 0, UINT32_MAX, 3).ret, -EINVAL);
	ck_assert_uint_eq(upcall_main(&app, 1, 0, UINT64_MAX, 3).made, 0);
	ck_assert_uint_eq(app.kind, CTX_UPCALL);
	ck_assert_uint_eq(app.fd, 3);
}
END_TEST

START_TEST(indices_are_clamped)
{
	ck_assert_uint_eq(index_nospec(0, 64), 0);
	ck_assert_uint_eq(index_nospec(63, 64), 63);
	ck_assert_uint_eq(index_nospec(64, 64), 0);
	ck_assert_uint_eq(index_nospec(UINT64_MAX, 64), 0);
}
END_TEST

START_TEST(the_call_block_is_copied_once)
{
	struct call c = {.ctx = &app};
	struct call_addr *addr = (struct call_addr *)slot.inl;

	addr->port = 80;
	slot.nr = CALL_BIND;
	slot.sock = FAKE_ID(1);
	c.sock = call_take(&c, &slot);
	memset(&slot, 0xff, sizeof(slot)); /* the caller's other thread */
	call_run(&c);
	ck_assert_int_eq(c.in.ret, 0);
	ck_assert_uint_eq(fake.so[1].to.port, 80);
}
END_TEST

START_TEST(results_come_back_and_nothing_else)
{
	fake.so[0].to = (struct sock_addr){.family = AF_INET, .port = 4711, .addr = {10, 1, 2, 3}};
	memset(slot.inl, 0xee, sizeof(slot.inl));
	ck_assert_int_eq(call(CALL_GETSOCKNAME), 0);
	ck_assert_uint_eq(((struct call_addr *)slot.inl)->port, 4711);
	for (size_t i = sizeof(struct call_addr); i < CHANNEL_INLINE; i++)
		ck_assert_uint_eq(slot.inl[i], 0xee);
	ck_assert_uint_eq(slot.events, POLLOUT | CALL_EVENTS_KNOWN);
	ck_assert_uint_eq(slot.sock, 0);
	ck_assert_int_eq(slot.ret, 0);
}
END_TEST

START_TEST(questions_about_queues_and_the_mark_are_answered)
{
	fake.so[0].n_queue = 3;
	fake.so[0].n_sent = 5;
	fake.answer = 2;
	ck_assert_int_eq(call(CALL_READABLE), 3);
	ck_assert_int_eq(call(CALL_UNSENT), 5);
	slot.arg[0] = 1;
	ck_assert_int_eq(call(CALL_UNSENT), 2);
	ck_assert_int_eq(call(CALL_AT_MARK), 0);
	fake.so[0].at_mark = true;
	ck_assert_int_eq(call(CALL_AT_MARK), 1);
}
END_TEST

START_TEST(who_asks_for_signals_learns_what_to_name_and_is_noted)
{
	slot.arg[0] = 1;
	ck_assert_int_eq(call_as(5, CALL_SIGNAL, FAKE_ID(1)), FAKE_ID(1));
	ck_assert_uint_eq(fake.so[1].signal_client, 5);
	fake.so[0].plain = true;
	slot.arg[0] = 1;
	ck_assert_int_eq(call(CALL_SIGNAL), 0);
	slot.arg[0] = 0;
	ck_assert_int_eq(call_as(6, CALL_SIGNAL, FAKE_ID(1)), 0);
	ck_assert_uint_eq(fake.so[1].signal_client, 0);
}
END_TEST

START_TEST(a_receive_that_ends_at_the_mark_says_so)
{
	static char b[8];

	fake.so[0].n_queue = 5;
	iov(0, b, 4);
	ck_assert_int_eq(call(CALL_RECV), 4);
	ck_assert_uint_eq(io()->msg_flags, 0);
	fake.so[0].at_mark = true;
	iov(0, b, 4);
	ck_assert_int_eq(call(CALL_RECV), 1);
	ck_assert_uint_eq(io()->msg_flags, MSG_OOB);
}
END_TEST

/* ---- application ranges -------------------------------------------------------------------- */

START_TEST(application_ranges_end_before_the_segment_and_the_kernel)
{
	ck_assert(app_range_ok(0, 0));
	ck_assert(app_range_ok(4096, 1 << 20));
	ck_assert(app_range_ok(SLOT_START - 1, 1));
	ck_assert(!app_range_ok(SLOT_START - 1, 2));
	ck_assert(!app_range_ok(SLOT_START, 1));
	ck_assert(!app_range_ok(SLOT_END - 1, 1));
	ck_assert(app_range_ok(SLOT_END, 1));
	ck_assert(!app_range_ok(0x1000, SLOT_END)); /* over all of it */
	ck_assert(app_range_ok(APP_END - 1, 1));
	ck_assert(!app_range_ok(APP_END - 1, 2));
	ck_assert(!app_range_ok(APP_END + 1, 0));
	ck_assert(!app_range_ok(0xffff888000000000, 8));
	ck_assert(!app_range_ok(UINT64_MAX, 1));
	ck_assert(!app_range_ok(4096, UINT64_MAX));
	ck_assert(!app_range_ok(4096, UINT64_MAX - 4095));
}
END_TEST

static const uint64_t wild[][2] = {
	{SLOT_START, 8},	 {SLOT_END - 8, 8},	 {SLOT_START - 8, 16},
	{0xffffffff81000000, 8}, {UINT64_MAX - 7, 8},	 {UINT64_MAX, INT64_MAX},
	{0x1000, SLOT_END},	 {SLOT_START + 4096, 1}, {0x800000000000, 1},
};

START_TEST(wild_buffers_are_refused_before_anything_is_done)
{
	for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		iov_at(wild[i][0], wild[i][1]);
		ck_assert_int_eq(call(CALL_SEND), -EFAULT);
		fake.so[0].n_queue = 8;
		iov_at(wild[i][0], wild[i][1]);
		ck_assert_int_eq(call(CALL_RECV), -EFAULT);
	}
	ck_assert_uint_eq(fake.turns + fake.reserved + fake.taken + fake.faults, 0);
}
END_TEST

START_TEST(vector_counts_and_sums_are_checked)
{
	static char b[8];

	iov(0, b, 8);
	slot.arg[1] = CHANNEL_IOV_MAX + 1;
	ck_assert_int_eq(call(CALL_SEND), -EINVAL);
	slot.arg[1] = UINT64_MAX;
	ck_assert_int_eq(call(CALL_RECV), -EINVAL);
	slot.arg[1] = 2;
	io()->iov[0].len = io()->iov[1].len = INT64_MAX;
	io()->iov[0].base = io()->iov[1].base = 0;
	ck_assert_int_lt(call(CALL_SEND), 0);
	io()->iov[0].len = 8;
	io()->iov[0].base = (uint64_t)(uintptr_t)b;
	io()->iov[1].len = UINT64_MAX - 4;
	ck_assert_int_eq(call(CALL_SEND), -EINVAL);
	ck_assert_uint_eq(fake.reserved, 0);
}
END_TEST

/* ---- send ---------------------------------------------------------------------------------- */

static uint8_t bytes[6000];

static void fill(void)
{
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31 + i / 251);
}

START_TEST(send_gathers_vectors_into_buffers)
{
	fill();
	iov(0, bytes, 1);
	iov(1, NULL, 0);
	iov(2, bytes + 1, 1500);
	iov(3, bytes + 1501, 999);
	slot.arg[0] = MSG_NOSIGNAL;
	slot.arg[2] = 1;
	io()->addr = (struct call_addr){.family = AF_INET, .port = 53, .addr = {10, 0, 0, 9}};
	ck_assert_int_eq(call(CALL_SEND), 2500);
	ck_assert_uint_eq(fake.so[0].n_sent, 2500);
	ck_assert_mem_eq(fake.so[0].sent, bytes, 2500);
	ck_assert(fake.so[0].had_to);
	ck_assert_uint_eq(fake.so[0].to.port, 53);
	ck_assert_int_eq(fake.so[0].flags, MSG_NOSIGNAL);
	ck_assert_uint_eq(slot.events, POLLOUT | CALL_EVENTS_KNOWN);
}
END_TEST

START_TEST(a_note_goes_along_and_takes_the_place_of_vectors)
{
	struct sock_note *note = &fake.so[0].note;

	fill();
	iov(0, bytes, 100);
	slot.arg[3] = 1;
	io()->note = (struct call_note){.have = CALL_NOTE_TTL | CALL_NOTE_PKTINFO,
					.scope = 2,
					.at = {.family = AF_INET, .addr = {10, 0, 0, 1}},
					.ttl = 9};
	ck_assert_int_eq(call(CALL_SEND), 100);
	ck_assert_uint_eq(note->have, NOTE_TTL | NOTE_PKTINFO);
	ck_assert_uint_eq(note->ttl, 9);
	ck_assert_uint_eq(note->scope, 2);
	ck_assert_uint_eq(note->at.addr[3], 1);
	slot.arg[1] = CALL_NOTE_IOV + 1;
	ck_assert_int_eq(call(CALL_SEND), -EINVAL);
	slot.arg[1] = 1;
	slot.arg[3] = 0;
	ck_assert_int_eq(call(CALL_SEND), 100);
	ck_assert_uint_eq(note->have, 0);
}
END_TEST

START_TEST(send_takes_what_there_are_buffers_for)
{
	static uint8_t big[16 * FAKE_SEG + 500];

	for (unsigned i = 0; i < 8; i++)
		ck_assert_ptr_nonnull(pktbuf_alloc(&fake.pool));
	iov(0, big, sizeof(big));
	ck_assert_int_eq(call(CALL_SEND), 8 * FAKE_SEG);
	for (unsigned i = 0; i < 16; i++)
		if (fake.headers[i].refs)
			pktbuf_free(&fake.headers[i]);
}
END_TEST

START_TEST(an_empty_datagram_is_sent)
{
	ck_assert_int_eq(call(CALL_SEND), 0);
	ck_assert_uint_eq(fake.committed, 1);
}
END_TEST

START_TEST(send_errors_come_back)
{
	iov(0, bytes, 10);
	fake.answer = -EPIPE;
	ck_assert_int_eq(call(CALL_SEND), -EPIPE);
	fake.answer = -EAGAIN;
	ck_assert_int_eq(call(CALL_SEND), -EAGAIN);
	ck_assert_uint_eq(fake.committed, 0);
}
END_TEST

/* Two pages, the second without access. */
static uint8_t *half_mapped(int prot)
{
	uint8_t *p = mmap(NULL, 8192, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	ck_assert_int_eq(mprotect(p + 4096, 4096, PROT_NONE), 0);
	return p;
}

START_TEST(send_from_missing_memory_sends_nothing)
{
	uint8_t *p = half_mapped(PROT_READ);

	iov(0, p + 3000, 2000);
	ck_assert_int_eq(call(CALL_SEND), -EFAULT);
	ck_assert_uint_eq(fake.faults, 1);
	ck_assert_uint_eq(fake.committed, 0);
	ck_assert_uint_eq(fake.so[0].n_sent, 0);
}
END_TEST

START_TEST(a_socket_closed_while_its_data_is_copied_sends_nothing)
{
	iov(0, bytes, 10);
	fake.close_between = true;
	ck_assert_int_eq(call(CALL_SEND), -EBADF);
	ck_assert_uint_eq(fake.committed, 0);
}
END_TEST

/* ---- receive ------------------------------------------------------------------------------- */

static void queue(size_t n)
{
	fill();
	memcpy(fake.so[0].queue, bytes, n);
	fake.so[0].n_queue = n;
	fake.so[0].peer = (struct sock_addr){.family = AF_INET, .port = 99, .addr = {10, 9, 8, 7}};
}

START_TEST(receive_scatters_over_vectors)
{
	static uint8_t a[700], b[3000];

	queue(2500);
	iov(0, a, sizeof(a));
	iov(1, NULL, 0);
	iov(2, b, sizeof(b));
	slot.arg[0] = MSG_PEEK;
	ck_assert_int_eq(call(CALL_RECV), 2500);
	ck_assert_mem_eq(a, bytes, 700);
	ck_assert_mem_eq(b, bytes + 700, 1800);
	ck_assert_uint_eq(b[1800], 0);
	ck_assert_uint_eq(io()->addr.port, 99);
	ck_assert_uint_eq(io()->msg_flags, 0);
	ck_assert_uint_eq(slot.ret2, 2500);
	ck_assert_int_eq(fake.so[0].flags, MSG_PEEK);
	ck_assert_uint_eq(fake.done, 1);
	ck_assert_int_eq(call(CALL_RECV), -EAGAIN);
}
END_TEST

START_TEST(a_receive_brings_a_note_only_where_one_is_wanted)
{
	static uint8_t a[10];
	struct call_note none;

	fake.so[0].note = (struct sock_note){.have = NOTE_TTL | NOTE_ERROR,
					     .ttl = 7,
					     .err = 111,
					     .offender = {.family = AF_INET, .port = 3},
					     .age = 5};
	queue(10);
	iov(0, a, sizeof(a));
	slot.arg[3] = 1;
	ck_assert_int_eq(call(CALL_RECV), 10);
	ck_assert_uint_eq(io()->note_out.have, CALL_NOTE_TTL | CALL_NOTE_ERROR);
	ck_assert_uint_eq(io()->note_out.ttl, 7);
	ck_assert_uint_eq(io()->note_out.err, 111);
	ck_assert_uint_eq(io()->note_out.offender.port, 3);
	ck_assert_uint_eq(io()->note_out.age, 5);
	queue(10);
	memset(slot.inl, 0, sizeof(slot.inl));
	iov(0, a, sizeof(a));
	none = io()->note_out;
	slot.arg[3] = 0;
	ck_assert_int_eq(call(CALL_RECV), 10);
	ck_assert_mem_eq(&none, &io()->note_out, sizeof(none));
}
END_TEST

START_TEST(a_truncated_datagram_says_so)
{
	static uint8_t a[10];

	queue(10);
	fake.full = 1400;
	iov(0, a, sizeof(a));
	ck_assert_int_eq(call(CALL_RECV), 10);
	ck_assert_uint_eq(io()->msg_flags, MSG_TRUNC);
	ck_assert_uint_eq(slot.ret2, 1400);
}
END_TEST

START_TEST(receive_into_missing_or_read_only_memory_consumes_nothing)
{
	uint8_t *p = half_mapped(PROT_READ | PROT_WRITE), *ro = half_mapped(PROT_READ);

	queue(2500);
	iov(0, p + 4000, 2500);
	ck_assert_int_eq(call(CALL_RECV), -EFAULT);
	iov(0, ro, 2500);
	ck_assert_int_eq(call(CALL_RECV), -EFAULT);
	ck_assert_uint_eq(fake.faults, 2);
	ck_assert_uint_eq(fake.undone, 2);
	ck_assert_uint_eq(fake.done, 0);
	ck_assert_uint_eq(fake.so[0].n_queue, 2500);
	iov(0, p, 2500);
	ck_assert_int_eq(call(CALL_RECV), 2500);
	ck_assert_mem_eq(p, bytes, 2500);
}
END_TEST

START_TEST(missing_memory_behind_what_is_received_does_not_matter)
{
	uint8_t *p = half_mapped(PROT_READ | PROT_WRITE);

	queue(100);
	iov(0, p, 8192);
	ck_assert_int_eq(call(CALL_RECV), 100);
	ck_assert_mem_eq(p, bytes, 100);
	ck_assert_uint_eq(fake.faults, 0);
}
END_TEST

START_TEST(a_socket_closed_while_the_copy_fails_loses_no_buffer)
{
	uint32_t avail = fake.pool.avail;

	queue(100);
	fake.close_between = true;
	iov(0, half_mapped(PROT_READ), 100);
	ck_assert_int_eq(call(CALL_RECV), -EFAULT);
	ck_assert_uint_eq(fake.undone, 0);
	ck_assert_uint_eq(fake.pool.avail, avail);
}
END_TEST

START_TEST(a_socket_closed_while_its_data_is_copied_gives_it_out)
{
	static uint8_t a[100];

	queue(100);
	fake.close_between = true;
	iov(0, a, sizeof(a));
	ck_assert_int_eq(call(CALL_RECV), 100);
	ck_assert_uint_eq(fake.done, 0);
	ck_assert_mem_eq(a, bytes, 100);
}
END_TEST

/* ---- staged data (server mode) ------------------------------------------------------------- */

static uint8_t area[CHANNEL_DATA_SIZE];

static int64_t staged(uint32_t nr, uint32_t client, uint32_t sock)
{
	struct call c = {.ctx = &app, .client = client, .where = CALL_DATA_STAGED, .area = area};

	slot.nr = nr;
	slot.sock = sock;
	c.sock = call_take(&c, &slot);
	call_run(&c);
	call_give(&c, &slot);
	return c.in.ret;
}

START_TEST(staged_data_stays_in_its_area)
{
	static const uint64_t bad[][2] = {
		{0, CHANNEL_DATA_SIZE + 1},
		{CHANNEL_DATA_SIZE, 1},
		{CHANNEL_DATA_SIZE + 1, 0},
		{UINT64_MAX, 2},
		{UINT64_MAX - 1, 1},
		{1, CHANNEL_DATA_SIZE},
		{(uint64_t)(uintptr_t)bytes, 8},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		iov_at(bad[i][0], bad[i][1]);
		ck_assert_int_eq(staged(CALL_SEND, 1, FAKE_ID(0)), -EFAULT);
		ck_assert_int_eq(staged(CALL_RECV, 1, FAKE_ID(0)), -EFAULT);
	}
	fill();
	memcpy(area + 100, bytes, 2000);
	iov_at(100, 2000);
	ck_assert_int_eq(staged(CALL_SEND, 1, FAKE_ID(0)), 2000);
	ck_assert_mem_eq(fake.so[0].sent, bytes, 2000);
	queue(1500);
	iov_at(CHANNEL_DATA_SIZE - 1500, 1500);
	ck_assert_int_eq(staged(CALL_RECV, 1, FAKE_ID(0)), 1500);
	ck_assert_mem_eq(area + CHANNEL_DATA_SIZE - 1500, bytes, 1500);
}
END_TEST

START_TEST(a_client_may_name_only_sockets_granted_to_it)
{
	grants = (struct grants){.may = may, .sockets = FAKE_SOCKETS};
	ck_assert_int_eq(staged(CALL_EVENTS, 1, FAKE_ID(0)), -EBADF);
	grants_add(&grants, 1, FAKE_ID(0));
	ck_assert_int_eq(staged(CALL_EVENTS, 1, FAKE_ID(0)), POLLOUT);
	ck_assert_int_eq(staged(CALL_EVENTS, 2, FAKE_ID(0)), -EBADF);
	ck_assert_int_eq(staged(CALL_EVENTS, 1, FAKE_ID(1)), -EBADF);
	ck_assert_int_eq(staged(CALL_EVENTS, 1 + 64, FAKE_ID(0)), -EBADF);
	grants_drop_client(&grants, 2);
	ck_assert_int_eq(staged(CALL_EVENTS, 1, FAKE_ID(0)), POLLOUT);
	grants_drop_client(&grants, 1);
	ck_assert_int_eq(staged(CALL_EVENTS, 1, FAKE_ID(0)), -EBADF);
}
END_TEST

START_TEST(who_makes_a_socket_may_use_it_until_it_is_closed)
{
	grants = (struct grants){.may = may, .sockets = FAKE_SOCKETS};
	slot.arg[0] = AF_INET;
	slot.arg[1] = SOCK_STREAM;
	ck_assert_int_eq(staged(CALL_SOCKET, 7, 0), 0);
	ck_assert_uint_eq(slot.sock, FAKE_ID(2));
	ck_assert_int_eq(staged(CALL_EVENTS, 7, FAKE_ID(2)), 0);
	ck_assert_int_eq(staged(CALL_EVENTS, 8, FAKE_ID(2)), -EBADF);
	turn_begin(&sandbox, &app);
	call_closed(&fake, FAKE_ID(2) + (1u << SEG_SOCK_BITS)); /* another of that index */
	ck_assert(grants_have(&grants, 7, FAKE_ID(2)));
	call_closed(&fake, FAKE_ID(2));
	ck_assert(!grants_have(&grants, 7, FAKE_ID(2)));
	turn_end(&sandbox, &app);
	ck_assert_int_eq(staged(CALL_EVENTS, 7, FAKE_ID(2)), -EBADF);
}
END_TEST

START_TEST(grants_out_of_range_are_none)
{
	grants = (struct grants){.may = may, .sockets = FAKE_SOCKETS};
	grants_add(&grants, SEG_CLIENT_MAX, FAKE_ID(0));
	grants_add(&grants, 1, FAKE_ID(FAKE_SOCKETS));
	ck_assert(!grants_have(&grants, SEG_CLIENT_MAX, FAKE_ID(0)));
	ck_assert(!grants_have(&grants, 1, FAKE_ID(FAKE_SOCKETS)));
	grants_drop_socket(&grants, FAKE_ID(SEG_SOCK_COUNT - 1));
	grants_drop_client(&grants, UINT32_MAX);
	ck_assert(grants_have(&grants, 0, FAKE_ID(0))); /* the daemon */
}
END_TEST

/* ---- new sockets, options, events ---------------------------------------------------------- */

START_TEST(a_new_socket_takes_its_flags_along)
{
	struct call c = {.ctx = &app, .client = 1};

	slot.nr = CALL_SOCKET;
	slot.arg[0] = AF_INET;
	slot.arg[1] = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	c.sock = call_take(&c, &slot);
	ks.ready[2].events = 0xffff; /* of the last socket with this index */
	call_run(&c);
	ck_assert_int_eq(c.in.ret, 0);
	ck_assert_uint_eq(c.made, FAKE_ID(2));
	ck_assert_uint_eq(c.made_flags, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ck_assert_uint_eq(ks.ready[2].events, 0);
	slot.arg[1] = SOCK_DGRAM | 0x10000;
	ck_assert_int_eq(call(CALL_SOCKET), -EINVAL);
	slot.arg[0] = UINT64_MAX;
	slot.arg[1] = SOCK_DGRAM;
	ck_assert_int_eq(call(CALL_SOCKET), -EINVAL);
	fake.answer = -ENFILE;
	slot.arg[0] = AF_INET;
	ck_assert_int_eq(call(CALL_SOCKET), -ENFILE);
	ck_assert_uint_eq(slot.sock, 0);
}
END_TEST

START_TEST(accept_makes_a_socket_and_tells_the_peer)
{
	fake.so[0].peer = (struct sock_addr){.family = AF_INET, .port = 1234};
	slot.arg[0] = SOCK_CLOEXEC;
	ck_assert_int_eq(call(CALL_ACCEPT), 0);
	ck_assert_uint_eq(slot.sock, FAKE_ID(2));
	ck_assert_uint_eq(((struct call_addr *)slot.inl)->port, 1234);
	ck_assert_uint_eq(slot.events, POLLOUT | CALL_EVENTS_KNOWN); /* the listener's */
	slot.arg[0] = 1;
	ck_assert_int_eq(call(CALL_ACCEPT), -EINVAL);
	slot.arg[0] = 0;
	fake.answer = -EAGAIN;
	ck_assert_int_eq(call(CALL_ACCEPT), -EAGAIN);
	ck_assert_uint_eq(slot.sock, 0);
}
END_TEST

START_TEST(options_fit_the_slot)
{
	slot.arg[2] = CHANNEL_INLINE + 1;
	ck_assert_int_eq(call(CALL_SETSOCKOPT), -EINVAL);
	ck_assert_int_eq(call(CALL_GETSOCKOPT), -EINVAL);
	slot.arg[2] = UINT64_MAX;
	ck_assert_int_eq(call(CALL_GETSOCKOPT), -EINVAL);
	memset(slot.inl, 7, sizeof(slot.inl));
	slot.arg[2] = CHANNEL_INLINE;
	ck_assert_int_eq(call(CALL_SETSOCKOPT), 0);
	fake.so[0].opt_len = 4;
	memset(slot.inl, 0, sizeof(slot.inl));
	ck_assert_int_eq(call(CALL_GETSOCKOPT), 4);
	ck_assert_uint_eq(slot.inl[3], 7);
	ck_assert_uint_eq(slot.inl[4], 0);
}
END_TEST

/* The fake keeps what was set, and gives it back. */
START_TEST(a_filter_of_sources_crosses_in_a_form_of_its_own)
{
	struct call_filter f = {.interface = 2, .mode = MCAST_EXCLUDE, .n = 16, .family = AF_INET6};
	struct group_filter *made = (struct group_filter *)fake.so[0].opt;
	struct call_filter *back = (struct call_filter *)slot.inl;
	struct sockaddr_in6 last;

	f.group[0] = 0xff;
	f.source[15][15] = 9;
	slot.arg[0] = IPPROTO_IPV6;
	slot.arg[1] = MCAST_MSFILTER;
	slot.arg[2] = sizeof(f);
	memcpy(slot.inl, &f, sizeof(f));
	ck_assert_int_eq(call(CALL_SETSOCKOPT), 0);
	ck_assert_uint_eq(fake.so[0].opt_len, GROUP_FILTER_SIZE(16));
	ck_assert_uint_eq(made->gf_interface, 2);
	memcpy(&last, fake.so[0].opt + GROUP_FILTER_SIZE(15), sizeof(last));
	ck_assert_uint_eq(last.sin6_family, AF_INET6);
	ck_assert_uint_eq(last.sin6_addr.s6_addr[15], 9);
	memset(slot.inl + offsetof(struct call_filter, source), 7, 256);
	ck_assert_int_eq(call(CALL_GETSOCKOPT), sizeof(f));
	ck_assert_mem_eq(back, &f, sizeof(f));
	f.family = AF_INET;
	memcpy(f.source[15], "\x0a\0\0\x09", 4);
	f.source[15][15] = 0;
	memcpy(slot.inl, &f, sizeof(f));
	ck_assert_int_eq(call(CALL_SETSOCKOPT), 0);
	ck_assert_int_eq(call(CALL_GETSOCKOPT), sizeof(f));
	ck_assert_mem_eq(back, &f, sizeof(f));
	f.n = 17;
	memcpy(slot.inl, &f, sizeof(f));
	ck_assert_int_eq(call(CALL_SETSOCKOPT), -ENOBUFS);
	made->gf_numsrc = UINT32_MAX; /* whatever the stack says: not more than there is room for */
	ck_assert_int_eq(call(CALL_GETSOCKOPT), sizeof(f));
	slot.arg[2] = sizeof(f) - 1;
	ck_assert_int_eq(call(CALL_SETSOCKOPT), -EINVAL);
	ck_assert_int_eq(call(CALL_GETSOCKOPT), -EINVAL);
}
END_TEST

START_TEST(an_option_that_asks_with_its_value_has_it)
{
	slot.arg[0] = IPPROTO_IP;
	slot.arg[1] = IP_MSFILTER;
	slot.arg[2] = 16;
	fake.echo = true;
	memset(slot.inl, 5, 16);
	ck_assert_int_eq(call(CALL_GETSOCKOPT), 16);
	ck_assert_uint_eq(slot.inl[15], 6);
}
END_TEST

START_TEST(listen_and_shutdown_take_any_number_without_harm)
{
	slot.arg[0] = UINT64_MAX;
	ck_assert_int_eq(call(CALL_LISTEN), 0);
	ck_assert_int_eq(fake.so[0].backlog, INT16_MAX);
	slot.arg[0] = 5;
	ck_assert_int_eq(call(CALL_LISTEN), 0);
	ck_assert_int_eq(fake.so[0].backlog, 5);
	ck_assert_int_eq(call(CALL_SHUTDOWN), -EINVAL);
}
END_TEST

START_TEST(events_wake_sleepers_again_when_asked)
{
	ck_assert_int_eq(call(CALL_EVENTS), POLLOUT);
	ks.ready[0].waiters = 1;
	slot.arg[0] = POLLIN;
	ck_assert_int_eq(call(CALL_EVENTS), POLLOUT);
	ck_assert_uint_eq(ks.wake_head, 0);
	slot.arg[0] = POLLOUT;
	ck_assert_int_eq(call(CALL_EVENTS), POLLOUT);
	ck_assert_uint_eq(ks.wake_head, 1);
	ck_assert_uint_eq(ks.wake[0], FAKE_ID(0));
}
END_TEST

START_TEST(routes_are_told)
{
	struct call_addr *addr = (struct call_addr *)slot.inl;

	*addr = (struct call_addr){.family = AF_INET, .addr = {10, 0, 0, 9}};
	ck_assert_int_eq(call_as(1, CALL_ROUTE, 0), 0);
	ck_assert_uint_eq(addr->addr[3], 1);
	ck_assert_int_eq(call_as(1, CALL_IS_LOCAL, 0), 1);
	*addr = (struct call_addr){.family = AF_INET, .addr = {11, 0, 0, 9}};
	ck_assert_int_eq(call_as(1, CALL_ROUTE, 0), -ENETUNREACH);
	ck_assert_int_eq(call_as(1, CALL_IS_LOCAL, 0), 0);
	*addr = (struct call_addr){.family = 999, .addr = {10, 0, 0, 9}};
	ck_assert_int_eq(call_as(1, CALL_ROUTE, 0), -ENETUNREACH);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("calls");
	TCase *c = tcase_create("calls");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, unknown_numbers_are_refused);
	tcase_add_test(c, a_broken_net_answers_with_its_error);
	tcase_add_test(c, a_stale_socket_is_refused_by_every_call_on_one);
	tcase_add_test(c, upcalls_from_strangers_and_with_wild_slots_are_refused);
	tcase_add_test(c, indices_are_clamped);
	tcase_add_test(c, the_call_block_is_copied_once);
	tcase_add_test(c, results_come_back_and_nothing_else);
	tcase_add_test(c, questions_about_queues_and_the_mark_are_answered);
	tcase_add_test(c, who_asks_for_signals_learns_what_to_name_and_is_noted);
	tcase_add_test(c, a_receive_that_ends_at_the_mark_says_so);
	tcase_add_test(c, application_ranges_end_before_the_segment_and_the_kernel);
	tcase_add_test(c, wild_buffers_are_refused_before_anything_is_done);
	tcase_add_test(c, vector_counts_and_sums_are_checked);
	tcase_add_test(c, send_gathers_vectors_into_buffers);
	tcase_add_test(c, a_note_goes_along_and_takes_the_place_of_vectors);
	tcase_add_test(c, a_receive_brings_a_note_only_where_one_is_wanted);
	tcase_add_test(c, send_takes_what_there_are_buffers_for);
	tcase_add_test(c, an_empty_datagram_is_sent);
	tcase_add_test(c, send_errors_come_back);
	tcase_add_test(c, send_from_missing_memory_sends_nothing);
	tcase_add_test(c, a_socket_closed_while_its_data_is_copied_sends_nothing);
	tcase_add_test(c, receive_scatters_over_vectors);
	tcase_add_test(c, a_truncated_datagram_says_so);
	tcase_add_test(c, receive_into_missing_or_read_only_memory_consumes_nothing);
	tcase_add_test(c, a_socket_closed_while_its_data_is_copied_gives_it_out);
	tcase_add_test(c, missing_memory_behind_what_is_received_does_not_matter);
	tcase_add_test(c, a_socket_closed_while_the_copy_fails_loses_no_buffer);
	tcase_add_test(c, staged_data_stays_in_its_area);
	tcase_add_test(c, a_client_may_name_only_sockets_granted_to_it);
	tcase_add_test(c, who_makes_a_socket_may_use_it_until_it_is_closed);
	tcase_add_test(c, grants_out_of_range_are_none);
	tcase_add_test(c, a_new_socket_takes_its_flags_along);
	tcase_add_test(c, accept_makes_a_socket_and_tells_the_peer);
	tcase_add_test(c, options_fit_the_slot);
	tcase_add_test(c, a_filter_of_sources_crosses_in_a_form_of_its_own);
	tcase_add_test(c, an_option_that_asks_with_its_value_has_it);
	tcase_add_test(c, listen_and_shutdown_take_any_number_without_harm);
	tcase_add_test(c, events_wake_sleepers_again_when_asked);
	tcase_add_test(c, routes_are_told);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
