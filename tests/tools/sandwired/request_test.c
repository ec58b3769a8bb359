/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/sandwired/request.c: what a hostile program may send over the control socket. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sandwired/request.h"

static struct failure f;

static json_t *parse(const char *text)
{
	memset(&f, 0, sizeof(f));
	return request_parse(text, strlen(text), &f);
}

START_TEST(good_request_is_read)
{
	json_t *r = parse("{\"cmd\":\"sockfd\",\"sock\":4294967295,\"name\":\"x\"}");
	uint64_t n;

	ck_assert_ptr_nonnull(r);
	ck_assert_str_eq(request_cmd(r), "sockfd");
	ck_assert_int_eq(request_number(r, "sock", UINT32_MAX, &n, &f), 0);
	ck_assert_uint_eq(n, UINT32_MAX);
	ck_assert_str_eq(request_text(r, "name"), "x");
	ck_assert_ptr_null(request_text(r, "sock"));
	ck_assert_int_eq(request_number_or(r, "absent", 7, 10, &n, &f), 0);
	ck_assert_uint_eq(n, 7);
	json_decref(r);
}
END_TEST

START_TEST(hostile_packets_get_an_error)
{
	static const char *const bad[] = {"",
					  " ",
					  "{",
					  "}",
					  "null",
					  "[]",
					  "17",
					  "\"cmd\"",
					  "{}",
					  "{\"cmd\":1}",
					  "{\"cmd\":null}",
					  "{\"cmd\":\"a\"",
					  "{\"cmd\":\"a\"} trailing",
					  "{\"cmd\":\"a\",\"cmd\":\"b\"}",
					  "{\"cmd\":[\"a\"]}",
					  "{cmd:'a'}",
					  "{\"cmd\":\"\\ud800\"}",
					  "{\"cmd\":\"\xff\xfe\"}",
					  "{\"cmd\":\"a\\u0000b\"}",
					  "[[[[[[[[[[[[[[[[[[[[",
					  "{\"cmd\":\"a\",\"x\":1e999}",
					  "{\"cmd\":\"a\",\"x\":99999999999999999999999}"};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *r = parse(bad[i]);

		ck_assert_msg(!r, "'%s' was taken", bad[i]);
		ck_assert_msg(f.why[0] != 0, "'%s' without a reason", bad[i]);
	}
}
END_TEST

START_TEST(deep_nesting_does_not_reach_the_parser)
{
	static char deep[REQUEST_MAX];

	memset(deep, '[', sizeof(deep));
	ck_assert_ptr_null(request_parse(deep, sizeof(deep), &f));
	ck_assert_ptr_nonnull(strstr(f.why, "deep"));
}
END_TEST

START_TEST(binary_rubbish_is_refused)
{
	char data[256];

	srand(1);
	for (unsigned round = 0; round < 2000; round++) {
		json_t *r;

		for (unsigned i = 0; i < sizeof(data); i++)
			data[i] = (char)rand();
		if (round % 2)
			memcpy(data, "{\"cmd\":\"", 8);
		r = request_parse(data, (size_t)rand() % sizeof(data), &f);
		ck_assert_ptr_null(r);
	}
}
END_TEST

START_TEST(numbers_out_of_range_are_refused)
{
	static const char *const bad[] = {
		"{\"cmd\":\"a\",\"n\":-1}",   "{\"cmd\":\"a\",\"n\":101}",
		"{\"cmd\":\"a\",\"n\":1.5}",  "{\"cmd\":\"a\",\"n\":\"5\"}",
		"{\"cmd\":\"a\",\"n\":null}", "{\"cmd\":\"a\",\"n\":[5]}",
		"{\"cmd\":\"a\",\"n\":true}", "{\"cmd\":\"a\",\"n\":-9223372036854775808}"};
	uint64_t n = 0;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *r = parse(bad[i]);

		ck_assert_msg(r != NULL, "%s", bad[i]);
		ck_assert_msg(request_number_or(r, "n", 0, 100, &n, &f) == -1, "%s", bad[i]);
		json_decref(r);
	}
}
END_TEST

START_TEST(error_answer_carries_everything_and_no_ok)
{
	json_t *a;

	failed(&f, "net web", "is not \"up\"");
	failure_hint(&f, "sandwire up");
	f.error = 111;
	a = answer_failure(&f);
	ck_assert_ptr_null(json_object_get(a, "ok")); /* the library looks for its presence */
	ck_assert_str_eq(json_string_value(json_object_get(a, "error")), "net web: is not \"up\"");
	ck_assert_str_eq(json_string_value(json_object_get(a, "hint")), "sandwire up");
	ck_assert_int_eq(json_integer_value(json_object_get(a, "errno")), 111);
	json_decref(a);
}
END_TEST

START_TEST(error_answer_survives_text_that_is_no_utf8)
{
	json_t *a;

	failed(&f, "\xff\xfe", "bad \xc3");
	a = answer_failure(&f);
	ck_assert(json_is_string(json_object_get(a, "error")));
	json_decref(a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("request");
	TCase *t = tcase_create("request");
	SRunner *r;
	int bad;

	tcase_add_test(t, good_request_is_read);
	tcase_add_test(t, hostile_packets_get_an_error);
	tcase_add_test(t, deep_nesting_does_not_reach_the_parser);
	tcase_add_test(t, binary_rubbish_is_refused);
	tcase_add_test(t, numbers_out_of_range_are_refused);
	tcase_add_test(t, error_answer_carries_everything_and_no_ok);
	tcase_add_test(t, error_answer_survives_text_that_is_no_utf8);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
