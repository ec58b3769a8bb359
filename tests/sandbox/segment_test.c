// SPDX-License-Identifier: BSD-3-Clause
/*
 * sandbox/segment.c, segment_map.c, channel.c: a real segment of 4 KiB pages at its real address,
 * which needs no rights. Under AddressSanitizer that address range is taken: those cases are not
 * run there.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/channel.h"
#include "sandbox/ctx.h"
#include "sandbox/segment.h"
#include "sandbox/segment_map.h"

static struct segment seg;
static struct segment_error err;

static const struct segment_conf small = {
	.size = SEGMENT_SIZE_MIN,
	.page_size = 4096,
	.numa_node = -1,
	.mode = SEG_MODE_DIRECT,
	.net = "test",
};

static void create(void)
{
	int ret = segment_create(&seg, &small, &err);

	ck_assert_msg(!ret, "%s: %s", err.what, err.why);
}

static int open_files(void)
{
	int n = 0;

	for (int fd = 0; fd < 200; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(the_header_says_where_things_are)
{
	create();
	ck_assert_ptr_eq(seg.hdr, (void *)(uintptr_t)SEG_BASE);
	ck_assert_uint_eq(seg.hdr->magic, SEG_MAGIC);
	ck_assert_int_eq(memcmp(&seg.hdr->magic, "SANDWIRE", 8), 0);
	ck_assert_uint_eq(seg.hdr->mode, SEG_MODE_DIRECT);
	ck_assert_uint_eq(seg.hdr->heap_size, SEGMENT_SIZE_MIN);
	ck_assert_uint_eq(seg.hdr->dma_off % (2 << 20), 0);
	ck_assert_uint_eq(seg.hdr->dma_off + seg.hdr->dma_size, SEG_HEAP_OFF + SEGMENT_SIZE_MIN);
	ck_assert_uint_gt(seg.hdr->dma_size, seg.hdr->heap_size / 2 - 1);
	ck_assert_str_eq(seg.hdr->net, "test");
	ck_assert_uint_eq(ctx_at(SEG_CTX_COUNT - 1)->id, SEG_CTX_COUNT - 1);
	ck_assert_str_ne(seg.warn, ""); /* 4 KiB pages */
	segment_destroy(&seg);
}
END_TEST

START_TEST(all_memory_can_be_written)
{
	create();
	for (unsigned i = 0; i < seg.n_regions; i++) {
		volatile uint8_t *p = (uint8_t *)(uintptr_t)(SEG_BASE + seg.region[i].off);

		p[0] = 1;
		p[seg.region[i].len - 1] = 1;
	}
	segment_destroy(&seg);
}
END_TEST

START_TEST(below_each_stack_lies_a_guard)
{
	volatile uint8_t *p =
		(uint8_t *)(uintptr_t)(SEG_BASE + SEG_STACK_OFF + _i * SEG_STACK_STRIDE);

	create();
	p[SEG_STACK_GUARD] = 1; /* the lowest byte of the stack */
	*p = 1;			/* SIGSEGV */
	exit(0);
}
END_TEST

START_TEST(regions_show_the_same_memory_and_nobody_can_shrink_it)
{
	create();
	for (unsigned i = 0; i < seg.n_regions; i++) {
		const struct segment_region *r = &seg.region[i];
		volatile uint32_t *here = (uint32_t *)(uintptr_t)(SEG_BASE + r->off), *there;

		ck_assert((r->prot & (PROT_WRITE | PROT_EXEC)) != (PROT_WRITE | PROT_EXEC));
		there = mmap(NULL, r->len, PROT_READ, MAP_SHARED, r->fd, (off_t)r->fd_off);
		ck_assert_ptr_ne((void *)(uintptr_t)there, MAP_FAILED);
		*here = 0x1000 + i;
		ck_assert_uint_eq(*there, 0x1000 + i);
		munmap((void *)there, r->len);
		ck_assert_int_eq(ftruncate(r->fd, 0), -1);
		ck_assert_int_eq(errno, EPERM);
	}
	segment_destroy(&seg);
}
END_TEST

START_TEST(destroy_leaves_nothing_and_can_be_repeated)
{
	int files = open_files();

	for (int i = 0; i < 3; i++) {
		create();
		segment_destroy(&seg);
		segment_destroy(&seg);
		ck_assert_ptr_null(seg.hdr);
	}
	ck_assert_int_eq(open_files(), files);
	ck_assert_int_eq(segment_reserve(), 0); /* the range is free again */
	segment_unreserve();
}
END_TEST

START_TEST(a_taken_address_range_is_refused)
{
	int files = open_files();

	ck_assert_int_eq(segment_reserve(), 0);
	ck_assert_int_eq(segment_create(&seg, &small, &err), -EEXIST);
	ck_assert_str_eq(err.what, "segment");
	ck_assert_ptr_nonnull(strstr(err.why, "taken"));
	ck_assert_int_eq(open_files(), files);
	segment_unreserve();
}
END_TEST

START_TEST(sizes_out_of_range_are_refused)
{
	struct segment_conf conf = small;

	conf.size = 4096;
	ck_assert_int_eq(segment_create(&seg, &conf, &err), -EINVAL);
	conf.size = SEG_HEAP_MAX + 1;
	ck_assert_int_eq(segment_create(&seg, &conf, &err), -EINVAL);
	conf.size = 0;
	conf.page_size = 8192;
	ck_assert_int_eq(segment_create(&seg, &conf, &err), -EINVAL);
	ck_assert_int_eq(segment_create(&seg, &conf, NULL), -EINVAL);
}
END_TEST

/* Where the machine has them, there is nothing to see. */
START_TEST(too_few_huge_pages_say_how_many_and_how_to_get_them)
{
	struct segment_conf conf = small;
	int files = open_files(), ret;

	conf.page_size = 2 << 20;
	conf.size = 64ull << 30;
	ret = segment_create(&seg, &conf, &err);
	if (!ret) {
		segment_destroy(&seg);
		return;
	}
	ck_assert_int_eq(open_files(), files);
	ck_assert_str_eq(err.what, "segment");
	ck_assert_msg(strstr(err.why, "32768 huge pages of 2 MiB wanted") ||
			      strstr(err.why, "no huge pages"),
		      "%s", err.why);
	ck_assert_msg(strstr(err.hint, "nr_hugepages") || strstr(err.hint, "--pages"), "%s",
		      err.hint);
	ck_assert_int_eq(segment_reserve(), 0);
	segment_unreserve();
}
END_TEST

START_TEST(more_small_pages_than_there_are_is_an_error_and_no_disaster)
{
	struct segment_conf conf = small;

	conf.size = SEG_HEAP_MAX;
	if ((uint64_t)sysconf(_SC_PHYS_PAGES) * 4096 > SEG_HEAP_MAX / 2)
		return; /* this machine might have it */
	ck_assert_int_eq(segment_create(&seg, &conf, &err), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(err.why, "261120 MiB of memory wanted, "));
}
END_TEST

START_TEST(regions_do_not_overlap_and_go_away)
{
	struct segment_region r = {.off = SEG_WINDOW_OFF, .len = 8192, .prot = PROT_READ, .fd = -1};
	unsigned n;

	create();
	n = seg.n_regions;
	ck_assert_int_eq(segment_region_add(&seg, &r), 0);
	ck_assert_int_eq(segment_region_add(&seg, &r), -EINVAL);
	r.off += 4096;
	ck_assert_int_eq(segment_region_add(&seg, &r), -EINVAL);
	r.off += 4096;
	ck_assert_int_eq(segment_region_add(&seg, &r), 0);
	r.off = SEG_SLOT_SIZE - 4096;
	ck_assert_int_eq(segment_region_add(&seg, &r), -EINVAL);
	r.off = SEG_WINDOW_OFF + 100;
	ck_assert_int_eq(segment_region_add(&seg, &r), -EINVAL);
	segment_region_del(&seg, SEG_WINDOW_OFF);
	ck_assert_uint_eq(seg.n_regions, n + 1);
	ck_assert_uint_eq(seg.region[n].off, SEG_WINDOW_OFF + 8192);
	segment_destroy(&seg);
}
END_TEST

START_TEST(maps_outside_the_slot_or_writable_and_executable_are_refused)
{
	const int rwx = PROT_READ | PROT_WRITE | PROT_EXEC;

	create();
	ck_assert_int_eq(segment_map(SEG_SLOT_SIZE, 4096, PROT_READ, seg.fd[0], 0), -EINVAL);
	ck_assert_int_eq(segment_map(0, SEG_SLOT_SIZE + 4096, PROT_READ, seg.fd[0], 0), -EINVAL);
	ck_assert_int_eq(segment_map(UINT64_MAX - 4095, 8192, PROT_READ, seg.fd[0], 0), -EINVAL);
	ck_assert_int_eq(segment_map(SEG_WINDOW_OFF, 4096, rwx, seg.fd[0], 0), -EINVAL);
	ck_assert_int_eq(segment_map(SEG_WINDOW_OFF + 1, 4096, PROT_READ, seg.fd[0], 0), -EINVAL);
	ck_assert_int_eq(segment_map(SEG_WINDOW_OFF, 4096, PROT_READ, -1, 0), -EBADF);
	ck_assert_int_eq(segment_check(), 0);
	seg.hdr->version++;
	ck_assert_int_eq(segment_check(), -EPROTO);
	segment_destroy(&seg);
}
END_TEST

START_TEST(a_channel_is_at_its_place_and_sealed)
{
	struct channel_memory ch;
	int files;
	uint8_t *p;

	create();
	files = open_files();
	ck_assert_int_eq(channel_create(&ch, 3, 5000), 0);
	ck_assert_uint_eq(ch.size, 8192);
	ck_assert_ptr_eq(ch.addr,
			 (void *)(uintptr_t)(SEG_BASE + SEG_CHANNEL_OFF + 3 * SEG_CHANNEL_STRIDE));
	p = mmap(NULL, ch.size, PROT_READ | PROT_WRITE, MAP_SHARED, ch.fd, 0);
	ck_assert_ptr_ne(p, MAP_FAILED);
	p[8191] = 42;
	ck_assert_uint_eq(((uint8_t *)ch.addr)[8191], 42);
	ck_assert_int_eq(ftruncate(ch.fd, 0), -1);
	ck_assert_int_eq(ftruncate(ch.fd, 1 << 20), -1);
	channel_destroy(&ch);
	channel_destroy(&ch);
	ck_assert_int_eq(open_files(), files);
	ck_assert_int_eq(channel_create(&ch, 0, 4096), -EINVAL);
	ck_assert_int_eq(channel_create(&ch, SEG_CLIENT_MAX, 4096), -EINVAL);
	ck_assert_int_eq(channel_create(&ch, 1, SEG_CHANNEL_STRIDE + 1), -EINVAL);
	channel_destroy(&ch);
	segment_destroy(&seg);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("segment");
	TCase *c = tcase_create("segment");
	SRunner *r = srunner_create(s);
	int failed, ret = segment_reserve();

	tcase_add_test(c, sizes_out_of_range_are_refused);
	if (!ret) {
		segment_unreserve();
		tcase_add_test(c, the_header_says_where_things_are);
		tcase_add_test(c, all_memory_can_be_written);
		tcase_add_loop_test_raise_signal(c, below_each_stack_lies_a_guard, SIGSEGV, 0, 3);
		tcase_add_test(c, regions_show_the_same_memory_and_nobody_can_shrink_it);
		tcase_add_test(c, destroy_leaves_nothing_and_can_be_repeated);
		tcase_add_test(c, a_taken_address_range_is_refused);
		tcase_add_test(c, too_few_huge_pages_say_how_many_and_how_to_get_them);
		tcase_add_test(c, more_small_pages_than_there_are_is_an_error_and_no_disaster);
		tcase_add_test(c, regions_do_not_overlap_and_go_away);
		tcase_add_test(c, maps_outside_the_slot_or_writable_and_executable_are_refused);
		tcase_add_test(c, a_channel_is_at_its_place_and_sealed);
	}
	tcase_set_timeout(c, 30);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
