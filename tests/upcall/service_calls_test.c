// SPDX-License-Identifier: BSD-3-Clause
/*
 * upcall/service_calls.c and sandbox/ext.c over a fake stack: what a hostile caller may say about
 * the blocks of a service call, and what a service may rely on. The test stands for the kernel
 * module, as in caller.h.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sandbox/ext_host.h"
#include "sandbox/lock.h"
#include "tests/upcall/fake_stack.h"
#include "upcall/app_copy.h"
#include "upcall/calls.h"
#include "upcall/entry.h"

static struct seg_header hdr;
static struct seg_kshared ks;
static struct ctx app = {.id = 9};
static struct call_slot slot;
static uint8_t pool[1 << 20] __attribute__((aligned(4096)));
static const char *clash;
static unsigned runs, gone;
static int64_t answer;
static uint8_t big[SERVICE_BLOCK_MAX + 1];

int64_t admin_call(struct ctx *ctx, struct call_slot *s)
{
	return 4711;
}

/* ---- an extension -------------------------------------------------------------------------- */

/* Turns each byte round, so that a result is no argument. */
static int64_t turn_round(struct ext_call *call)
{
	ck_assert_uint_eq(stack_lock_owner(&sandbox), UINT32_MAX);
	ck_assert_uint_ne(app.in_ext, 0);
	for (uint32_t i = 0; i < call->size; i++)
		call->block[i] = (uint8_t)~call->block[i];
	runs++;
	return answer ? answer : call->size;
}

static int64_t lock_it(struct ext_call *call)
{
	ext_lock(call);
	ck_assert_uint_eq(stack_lock_owner(&sandbox), app.id);
	++*(uint64_t *)ext_client(call->ext, call->client);
	ext_unlock(call);
	return 0;
}

static void count_gone(struct ext *ext, uint32_t client, const void *data)
{
	gone += data ? (unsigned)*(const uint64_t *)data : 1000;
}

static int refuse(struct ext *ext)
{
	return -EDOM;
}

static const struct ext_desc desc = {
	.magic = EXT_MAGIC,
	.abi = EXT_ABI,
	.client_size = 8,
	.pool = 4096,
	.name = "test",
	.client_gone = count_gone,
	.service = {{"turn", turn_round}, {"lock", lock_it}},
};

static int add(unsigned place, const struct ext_desc *d, uint64_t gen)
{
	return ext_add(&sandbox, place, d, pool + place * (sizeof(pool) / 4), sizeof(pool) / 4, gen,
		       &clash);
}

static void setup(void)
{
	fake_faults(&app);
	fake_stack_init(&sandbox);
	sandbox = (struct sandbox){.hdr = &hdr,
				   .ks = &ks,
				   .ops = &fake_ops,
				   .stack = &fake,
				   .relax = sandbox_relax,
				   .daemon_wakes_at = UINT64_MAX};
	ck_assert_int_eq(add(1, &desc, 5), 0);
}

static void teardown(void)
{
	ck_assert_uint_eq(stack_lock_owner(&sandbox), UINT32_MAX);
	ck_assert_uint_eq(app.in_ext, 0);
}

/* ---- a caller ------------------------------------------------------------------------------ */

static struct call_service *io(void)
{
	return (struct call_service *)slot.inl;
}

static void name(const char *service)
{
	memset(io()->name, 0, sizeof(io()->name));
	memcpy(io()->name, service, strlen(service));
}

static int64_t call(uint64_t size, uint64_t room)
{
	slot.nr = CALL_SERVICE;
	slot.arg[0] = size;
	slot.arg[1] = room;
	slot.arg[2] = 5;
	return image_plain_call(&app, 3, &slot);
}

static void places(const void *arg, const void *result)
{
	io()->arg_at = (uint64_t)(uintptr_t)arg;
	io()->result_at = (uint64_t)(uintptr_t)result;
}

START_TEST(small_blocks_travel_in_the_slot)
{
	name("turn");
	memset(io()->block, 0x0f, SERVICE_INLINE);
	ck_assert_int_eq(call(SERVICE_INLINE, SERVICE_INLINE), SERVICE_INLINE);
	for (unsigned i = 0; i < SERVICE_INLINE; i++)
		ck_assert_uint_eq(io()->block[i], 0xf0);
	ck_assert_int_eq(call(0, 0), 0);
	/* No more than the result comes back. */
	memset(io()->block, 0xff, SERVICE_INLINE);
	ck_assert_int_eq(call(2, 100), 2);
	ck_assert_uint_eq(io()->block[1], 0);
	ck_assert_uint_eq(io()->block[2], 0xff);
}
END_TEST

START_TEST(large_blocks_travel_in_application_memory)
{
	name("turn");
	memset(big, 0x0f, sizeof(big));
	places(big, big);
	ck_assert_int_eq(call(SERVICE_BLOCK_MAX, SERVICE_BLOCK_MAX), SERVICE_BLOCK_MAX);
	ck_assert_uint_eq(big[0], 0xf0);
	ck_assert_uint_eq(big[SERVICE_BLOCK_MAX - 1], 0xf0);
	ck_assert_uint_eq(big[SERVICE_BLOCK_MAX], 0x0f);
	/* One in the slot, one not. */
	memset(io()->block, 0, 4);
	places(NULL, big);
	ck_assert_int_eq(call(4, 1000), 4);
	ck_assert_uint_eq(big[3], 0xff);
	ck_assert_uint_eq(big[4], 0); /* the stack shows nothing of itself */
	ck_assert_uint_eq(big[999], 0);
	ck_assert_uint_eq(big[1000], 0xf0);
}
END_TEST

START_TEST(blocks_that_are_too_large_are_refused)
{
	name("turn");
	places(big, big);
	ck_assert_int_eq(call(SERVICE_BLOCK_MAX + 1, 0), -EMSGSIZE);
	ck_assert_int_eq(call(0, SERVICE_BLOCK_MAX + 1), -EMSGSIZE);
	ck_assert_int_eq(call(UINT64_MAX, 8), -EMSGSIZE);
	ck_assert_int_eq(call(8, UINT64_MAX), -EMSGSIZE);
	ck_assert_int_eq(call(1ull << 32, 1ull << 32), -EMSGSIZE);
	ck_assert_uint_eq(runs, 0);
	/* More than the caller takes; he learns it, and nothing is written. */
	memset(io()->block, 0x55, 16);
	ck_assert_int_eq(call(9, 8), -EMSGSIZE);
	ck_assert_uint_eq(io()->block[0], 0x55);
}
END_TEST

START_TEST(wild_places_are_refused_before_the_service_acts)
{
	static const uint64_t wild[] = {0,
					1,
					SEG_BASE,
					SEG_BASE - 8,
					SEG_BASE + SEG_SLOT_SIZE - 8,
					APP_END - 4,
					UINT64_MAX,
					UINT64_MAX - 500,
					1ull << 63};
	uint8_t *half =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(half + 4096, 4096);
	name("turn");
	for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		io()->arg_at = wild[i];
		io()->result_at = (uint64_t)(uintptr_t)big;
		ck_assert_int_eq(call(1000, 1000), -EFAULT);
		io()->arg_at = (uint64_t)(uintptr_t)big;
		io()->result_at = wild[i];
		ck_assert_int_eq(call(1000, 1000), -EFAULT);
	}
	places(half + 3600, big);
	ck_assert_int_eq(call(1000, 1000), -EFAULT);
	places(big, half + 3600);
	ck_assert_int_eq(call(1000, 1000), -EFAULT);
	mprotect(half, 4096, PROT_READ);
	places(half, half);
	ck_assert_int_eq(call(1000, 1000), -EFAULT);
	ck_assert_uint_eq(runs, 0);
}
END_TEST

START_TEST(staged_blocks_stay_in_their_area)
{
	static uint8_t area[CHANNEL_DATA_SIZE + 64];
	struct call c = {.ctx = &app, .client = 3, .where = CALL_DATA_STAGED, .area = area};
	static const uint64_t at[][2] = {{CHANNEL_DATA_SIZE - 999, 0},
					 {0, CHANNEL_DATA_SIZE - 999},
					 {UINT64_MAX, 0},
					 {0, UINT64_MAX - 100}};

	name("turn");
	slot.nr = CALL_SERVICE;
	slot.arg[0] = slot.arg[1] = 1000;
	for (unsigned i = 0; i < 4; i++) {
		io()->arg_at = at[i][0];
		io()->result_at = at[i][1];
		call_take(&c, &slot);
		call_run(&c);
		ck_assert_int_eq(c.in.ret, -EFAULT);
	}
	ck_assert_uint_eq(runs, 0);
	io()->arg_at = CHANNEL_DATA_SIZE - 1000;
	io()->result_at = 8;
	call_take(&c, &slot);
	call_run(&c);
	ck_assert_int_eq(c.in.ret, 1000);
	ck_assert_uint_eq(area[7], 0);
	ck_assert_uint_eq(area[8], 0xff);
	ck_assert_uint_eq(area[1007], 0xff);
	ck_assert_uint_eq(area[1008], 0);
}
END_TEST

START_TEST(services_are_found_by_their_whole_name)
{
	name("turn");
	ck_assert_int_eq(call(0, 0), 0);
	name("tur");
	ck_assert_int_eq(call(0, 0), -ENOENT);
	name("turns");
	ck_assert_int_eq(call(0, 0), -ENOENT);
	name("");
	ck_assert_int_eq(call(0, 0), -ENOENT);
	memset(io()->name, 't', sizeof(io()->name)); /* no end */
	ck_assert_int_eq(call(0, 0), -ENOENT);
	slot.nr = CALL_SERVICE_NAME;
	for (uint64_t i = 0; i < 2; i++) {
		slot.arg[0] = i;
		ck_assert_int_eq(image_plain_call(&app, 3, &slot), 0);
		ck_assert_str_eq((char *)slot.inl, desc.service[i].name);
	}
	slot.arg[0] = 2;
	ck_assert_int_eq(image_plain_call(&app, 3, &slot), -ENOENT);
	slot.arg[0] = UINT64_MAX;
	ck_assert_int_eq(image_plain_call(&app, 3, &slot), -ENOENT);
}
END_TEST

START_TEST(what_a_service_answers_is_cut_to_an_errno)
{
	name("turn");
	answer = -EPERM;
	ck_assert_int_eq(call(0, 8), -EPERM);
	answer = INT64_MIN;
	ck_assert_int_eq(call(0, 8), -EIO);
	answer = INT64_MAX;
	ck_assert_int_eq(call(0, 8), -EMSGSIZE);
}
END_TEST

START_TEST(a_direct_caller_must_have_mapped_the_extension)
{
	name("turn");
	slot.nr = CALL_SERVICE;
	slot.arg[2] = 4; /* loaded as the fifth */
	ck_assert_int_eq(image_plain_call(&app, 3, &slot), -ESTALE);
	ck_assert_uint_eq(slot.ret2, 1);
	ck_assert_uint_eq(runs, 0);
	/* A service's own -ESTALE is its own. */
	answer = -ESTALE;
	ck_assert_int_eq(call(0, 0), -ESTALE);
	ck_assert_uint_eq(slot.ret2, 0);
}
END_TEST

START_TEST(names_are_taken_once)
{
	struct ext_desc other = desc;

	ck_assert_int_eq(add(2, &desc, 6), -EEXIST);
	ck_assert_str_eq(clash, "test");
	memcpy(other.name, "other", 6);
	ck_assert_int_eq(add(2, &other, 6), -EEXIST);
	ck_assert_str_eq(clash, "turn");
	memcpy(other.service[0].name, "else", 5);
	memcpy(other.service[1].name, "what", 5);
	ck_assert_int_eq(add(1, &other, 6), -EBUSY);
	other.init = refuse;
	ck_assert_int_eq(add(2, &other, 6), -EDOM);
	other.init = NULL;
	ck_assert_int_eq(ext_add(&sandbox, 2, &other, pool, 1000, 6, &clash), -ENOMEM);
	ck_assert_int_eq(add(2, &other, 6), 0);
	name("else");
	slot.nr = CALL_SERVICE;
	slot.arg[2] = 6;
	ck_assert_int_eq(image_plain_call(&app, 3, &slot), 0);
}
END_TEST

START_TEST(a_clients_data_goes_with_it)
{
	name("lock");
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(call(0, 0), 0);
	ext_client_gone(3);
	ck_assert_uint_eq(gone, 4);
	/* The next of this number begins anew; one who never called is told of, too. */
	ck_assert_int_eq(call(0, 0), 0);
	ext_client_gone(3);
	ck_assert_uint_eq(gone, 5);
	ext_client_gone(4);
	ck_assert_uint_eq(gone, 1005);
	ext_client_gone(0);
	ext_client_gone(SEG_CLIENT_MAX);
	ck_assert_uint_eq(gone, 1005);
}
END_TEST

START_TEST(the_pool_takes_back_what_it_gave)
{
	struct ext ext = {.pool = {.base = pool, .size = 8192}};
	void *mem[64];
	unsigned n = 0;

	memset(pool, 0xee, sizeof(pool));
	while (n < 64 && (mem[n] = ext_alloc(&ext, 200)))
		ck_assert_mem_eq(mem[n++], (uint8_t[200]){0}, 200);
	ck_assert_uint_eq(n, 8192 / 256);
	memset(mem[3], 0x77, 200);
	ext_free(&ext, mem[3], 200);
	ck_assert_ptr_null(ext_alloc(&ext, 512));
	ck_assert_ptr_eq(ext_alloc(&ext, 129), mem[3]);
	ck_assert_mem_eq(mem[3], (uint8_t[200]){0}, 200);
	ck_assert_ptr_null(ext_alloc(&ext, 200));
	ck_assert_ptr_null(ext_alloc(&ext, SIZE_MAX));
	ext_free(&ext, NULL, 200);
	ck_assert_ptr_null(ext_client(&ext, 3)); /* it wants no data */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("service_calls");
	TCase *c = tcase_create("service_calls");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, small_blocks_travel_in_the_slot);
	tcase_add_test(c, large_blocks_travel_in_application_memory);
	tcase_add_test(c, blocks_that_are_too_large_are_refused);
	tcase_add_test(c, wild_places_are_refused_before_the_service_acts);
	tcase_add_test(c, staged_blocks_stay_in_their_area);
	tcase_add_test(c, services_are_found_by_their_whole_name);
	tcase_add_test(c, what_a_service_answers_is_cut_to_an_errno);
	tcase_add_test(c, a_direct_caller_must_have_mapped_the_extension);
	tcase_add_test(c, names_are_taken_once);
	tcase_add_test(c, a_clients_data_goes_with_it);
	tcase_add_test(c, the_pool_takes_back_what_it_gave);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
