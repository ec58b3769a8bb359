// SPDX-License-Identifier: BSD-3-Clause
/*
 * upcall/io_calls.c and app_copy.S over a fake stack: which memory a caller may name, and where
 * its data goes when that memory is not there.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/upcall/caller.h"
#include "upcall/app_copy.h"

#define SLOT_START SEG_BASE
#define SLOT_END   (SEG_BASE + SEG_SLOT_SIZE)

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

int main(void)
{
	return run_cases(
		"io_calls",
		CASES(application_ranges_end_before_the_segment_and_the_kernel,
		      wild_buffers_are_refused_before_anything_is_done,
		      vector_counts_and_sums_are_checked, send_gathers_vectors_into_buffers,
		      a_note_goes_along_and_takes_the_place_of_vectors,
		      send_takes_what_there_are_buffers_for, an_empty_datagram_is_sent,
		      send_errors_come_back, send_from_missing_memory_sends_nothing,
		      a_socket_closed_while_its_data_is_copied_sends_nothing,
		      receive_scatters_over_vectors,
		      a_receive_brings_a_note_only_where_one_is_wanted,
		      a_truncated_datagram_says_so, a_receive_that_ends_at_the_mark_says_so,
		      receive_into_missing_or_read_only_memory_consumes_nothing,
		      missing_memory_behind_what_is_received_does_not_matter,
		      a_socket_closed_while_the_copy_fails_loses_no_buffer,
		      a_socket_closed_while_its_data_is_copied_gives_it_out,
		      staged_data_stays_in_its_area),
		caller_open, caller_close);
}
