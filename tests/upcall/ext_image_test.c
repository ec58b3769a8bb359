// SPDX-License-Identifier: BSD-3-Clause
/*
 * Extensions in the real sandbox image, in a real segment: loaded, called by several threads at
 * once, closed with callers inside, unloaded and loaded anew. The arguments: the image, the folder
 * of the tree's extensions, that of the tests' (hold.o).
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/elf_file.h"
#include "sandbox/ext_load.h"
#include "sandbox/image_load.h"
#include "sandbox/segment_map.h"
#include "upcall/image_call.h"

static const char *image_path, *good_dir, *test_dir;
static struct segment seg;
static struct segment_error err;
static uint64_t gen;

#define P(p)	((uint64_t)(uintptr_t)(p))
#define THREADS 4
#define ROUNDS	5000

static int64_t admin(uint32_t nr, uint64_t a0, uint64_t a1)
{
	struct call_slot s = {.nr = nr, .arg = {a0, a1}};

	return image_call(ctx_at(0), 0, &s);
}

static uint64_t resolve(const char *name)
{
	uint64_t addr = 0;

	ck_assert_int_eq(admin(ADMIN_EXT_SYMBOL, P(name), P(&addr)), 0);
	return addr;
}

static void up(void)
{
	struct segment_conf conf = {.size = 32 << 20,
				    .page_size = 4096,
				    .numa_node = -1,
				    .mode = SEG_MODE_DIRECT,
				    .net = "test"};
	struct admin_init init = {.seed = {1, 2, 3}, .max_sockets = 64};

	ck_assert_msg(!segment_create(&seg, &conf, &err), "%s: %s", err.what, err.why);
	ck_assert_msg(!image_load(&seg, image_path, &err), "%s: %s", err.what, err.why);
	ck_assert_int_eq(admin(ADMIN_INIT, P(&init), 0), 0);
	gen = 0;
}

static void down(void)
{
	segment_destroy(&seg);
}

static int load(unsigned place, const char *dir, const char *name)
{
	uint64_t off = SEG_EXT_OFF + place * SEG_EXT_STRIDE;
	struct admin_ext a = {.place = place, .gen = gen + 1};
	struct ext_plan plan;
	char path[512];
	size_t size;
	void *file;
	int fd;

	snprintf(path, sizeof(path), "%s/%s.o", dir, name);
	file = elf_read_file(path, &size);
	ck_assert_ptr_nonnull(file);
	ck_assert_msg(!ext_link(file, size, SEG_BASE + off, resolve, &plan, &err), "%s", err.why);
	free(file);
	fd = ext_place(&plan, off);
	ck_assert_int_ge(fd, 0);
	close(fd);
	a.desc = &plan.desc;
	a.pool = (void *)(uintptr_t)(SEG_BASE + off + plan.pool_off);
	a.pool_size = plan.pool_size;
	fd = (int)admin(ADMIN_EXT_ADD, P(&a), 0);
	ext_plan_free(&plan);
	gen += !fd;
	return fd;
}

/* The n-th context and client calls; the result stays in s. */
static int64_t call(struct call_slot *s, unsigned n, const char *service, const char *text)
{
	struct call_service *io = (struct call_service *)s->inl;

	memset(s, 0, sizeof(*s));
	s->nr = CALL_SERVICE;
	s->arg[0] = strlen(text);
	s->arg[1] = SERVICE_INLINE;
	s->arg[2] = gen;
	memcpy(io->name, service, strlen(service));
	memcpy(io->block, text, strlen(text));
	return image_call(ctx_at(n), n, s);
}

static const char *answer(const struct call_slot *s)
{
	return (const char *)((const struct call_service *)s->inl)->block;
}

static void says(unsigned n, const char *service, const char *text, const char *want)
{
	struct call_slot s;
	int64_t ret = call(&s, n, service, text);

	ck_assert_msg(ret == (int64_t)strlen(want) && !memcmp(answer(&s), want, strlen(want)),
		      "%s %s: %d, \"%.*s\", not \"%s\"", service, text, (int)ret,
		      ret > 0 ? (int)ret : 0, answer(&s), want);
}

START_TEST(echo_gives_back_what_it_got)
{
	struct call_slot s;

	ck_assert_int_eq(call(&s, 1, "echo", "x"), -ENOENT);
	ck_assert_int_eq(load(0, good_dir, "echo"), 0);
	says(1, "echo", "hello", "hello");
	says(1, "echo", "", "");
	ck_assert_int_eq(load(1, good_dir, "echo"), -EEXIST);
	ck_assert_int_eq(admin(ADMIN_EXT_CALLS, 0, 0), 2);
}
END_TEST

START_TEST(the_counter_counts_for_all_and_for_each)
{
	struct call_slot s;

	ck_assert_int_eq(load(3, good_dir, "counter"), 0);
	says(1, "counter", "add 5", "5 5\n");
	says(2, "counter", "add 7", "12 7\n");
	says(1, "counter", "add 1", "13 6\n");
	says(1, "counter", "stats",
	     "total 13 adds 3\nlive 2 sum 13\ndead 0 sum 0\nclient 1 6 2\nclient 2 7 1\n");
	says(1, "counter", "stats 2",
	     "total 13 adds 3\nlive 2 sum 13\ndead 0 sum 0\nclient 2 7 1\n");
	ck_assert_int_eq(admin(ADMIN_CLIENT_GONE, 1, 0), 0);
	says(2, "counter", "stats", "total 13 adds 3\nlive 1 sum 7\ndead 1 sum 6\nclient 2 7 1\n");
	ck_assert_int_eq(call(&s, 2, "counter", "add"), -EINVAL);
	ck_assert_int_eq(call(&s, 2, "counter", "add -1"), -EINVAL);
	ck_assert_int_eq(call(&s, 2, "counter", "add 1x"), -EINVAL);
	ck_assert_int_eq(call(&s, 2, "counter", "add 18446744073709551616"), -EINVAL);
	ck_assert_int_eq(call(&s, 2, "counter", "adds 1"), -EINVAL);
	ck_assert_int_eq(call(&s, 2, "counter", ""), -EINVAL);
	ck_assert_int_eq(call(&s, 2, "counter", "add 18446744073709551610"), -ERANGE);
	says(2, "counter", "add 0", "13 7\n");
	says(2, "counter", "stats 9999", "total 13 adds 4\nlive 1 sum 7\ndead 1 sum 6\n");
}
END_TEST

START_TEST(long_lists_go_on)
{
	struct call_slot s;
	unsigned next = 1, seen = 0;
	int64_t ret;

	ck_assert_int_eq(load(0, good_dir, "counter"), 0);
	for (unsigned n = 1; n <= 60; n++)
		ck_assert_int_gt(call(&s, n, "counter", "add 1000000"), 0);
	while (next) {
		char ask[32], text[SERVICE_INLINE + 1], *more;

		snprintf(ask, sizeof(ask), "stats %u", next);
		ret = call(&s, 1, "counter", ask);
		ck_assert_int_gt(ret, 0);
		snprintf(text, sizeof(text), "%.*s", (int)ret, answer(&s));
		for (more = text; (more = strstr(more, "client ")); more++)
			seen++;
		more = strstr(text, "more ");
		next = more ? (unsigned)atoi(more + 5) : 0;
	}
	ck_assert_uint_eq(seen, 60);
}
END_TEST

static void *adder(void *arg)
{
	unsigned n = 10 + (unsigned)(uintptr_t)arg;
	uint64_t wrong = 0, before = 0;
	struct call_slot s;

	for (uint64_t i = 1; i <= ROUNDS; i++) {
		unsigned long long total = 0, own = 0;

		wrong += call(&s, n, "counter", "add 1") <= 0;
		wrong += sscanf(answer(&s), "%llu %llu", &total, &own) != 2;
		wrong += total <= before || own != i;
		before = total;
	}
	return (void *)(uintptr_t)wrong;
}

START_TEST(nothing_is_lost_between_threads)
{
	pthread_t t[THREADS];
	char want[128];
	void *wrong;

	ck_assert_int_eq(load(0, good_dir, "counter"), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, adder, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i], &wrong);
		ck_assert_ptr_null(wrong);
	}
	snprintf(want, sizeof(want), "total %u adds %u\nlive %u sum %u\ndead 0 sum 0\n",
		 THREADS * ROUNDS, THREADS * ROUNDS, THREADS, THREADS * ROUNDS);
	says(1, "counter", "stats 2000", want);
}
END_TEST

static void *holder(void *arg)
{
	struct call_slot s;

	return (void *)(intptr_t)call(&s, 20 + (unsigned)(uintptr_t)arg, "hold", "");
}

START_TEST(an_extension_with_callers_is_not_unloaded)
{
	struct call_slot s;
	pthread_t t[2];
	void *ret;

	ck_assert_int_eq(load(0, test_dir, "hold"), 0);
	for (uintptr_t i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, holder, (void *)i), 0);
	do
		ck_assert_int_eq(call(&s, 1, "held", ""), 1);
	while (answer(&s)[0] != '2');
	ck_assert_int_eq(admin(ADMIN_EXT_CLOSE, 0, 0), 2);
	ck_assert_int_eq(call(&s, 1, "held", ""), -ESHUTDOWN);
	ck_assert_int_eq(admin(ADMIN_EXT_CLOSE, 0, 0), 2);
	ck_assert_int_eq(admin(ADMIN_EXT_REOPEN, 0, 0), 0);
	ck_assert_int_eq(call(&s, 1, "release", ""), 0);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(t[i], &ret);
		ck_assert_ptr_null(ret);
	}
	ck_assert_int_eq(admin(ADMIN_EXT_CLOSE, 0, 0), 0);
	ck_assert_int_eq(call(&s, 1, "held", ""), -ENOENT);
	ck_assert_int_eq(admin(ADMIN_EXT_CLOSE, 0, 0), -ENOENT);
	ck_assert_int_eq(admin(ADMIN_EXT_CLOSE, SEG_EXT_COUNT, 0), -ENOENT);
}
END_TEST

START_TEST(a_place_is_used_again)
{
	struct call_slot s;

	for (unsigned i = 0; i < 5; i++) {
		ck_assert_int_eq(load(2, good_dir, i % 2 ? "echo" : "counter"), 0);
		if (i % 2)
			says(1, "echo", "ho", "ho");
		else /* from nothing, each time */
			says(1, "counter", "add 3", "3 3\n");
		ck_assert_int_eq(admin(ADMIN_EXT_CLOSE, 2, 0), 0);
		segment_unmap(SEG_EXT_OFF + 2 * SEG_EXT_STRIDE, SEG_EXT_STRIDE);
		ck_assert_int_eq(call(&s, 1, i % 2 ? "echo" : "counter", "add 1"), -ENOENT);
	}
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("ext_image");
	TCase *c = tcase_create("ext_image");
	SRunner *r = srunner_create(s);
	int failed;

	if (argc != 4)
		return 2;
	image_path = argv[1];
	good_dir = argv[2];
	test_dir = argv[3];
	if (segment_reserve()) {
		printf("the segment's addresses are taken (AddressSanitizer has its heap there)\n");
		return 77;
	}
	segment_unreserve();
	tcase_add_checked_fixture(c, up, down);
	tcase_add_test(c, echo_gives_back_what_it_got);
	tcase_add_test(c, the_counter_counts_for_all_and_for_each);
	tcase_add_test(c, long_lists_go_on);
	tcase_add_test(c, nothing_is_lost_between_threads);
	tcase_add_test(c, an_extension_with_callers_is_not_unloaded);
	tcase_add_test(c, a_place_is_used_again);
	tcase_set_timeout(c, 60);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
