/* SPDX-License-Identifier: BSD-3-Clause */
/* upcall/json_scan.c: fields of the daemon's replies, and garbage. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "upcall/client.h"

START_TEST(fields_are_found_at_the_top_only)
{
	static const char reply[] =
		"{\"a\": {\"client\": 1, \"x\": [\"}\", \"\\\"\"]}, \"ok\": true ,"
		"\"client\":  42,\"mode\":\"upcall\",\"list\":[[1,2],3]}";
	uint64_t value;
	char mode[16];

	ck_assert(json_u64(reply, "client", &value));
	ck_assert_uint_eq(value, 42);
	ck_assert(json_u64(reply, "ok", &value));
	ck_assert_uint_eq(value, 1);
	ck_assert(json_string(reply, "mode", mode, sizeof(mode)));
	ck_assert_str_eq(mode, "upcall");
	ck_assert(!json_u64(reply, "x", &value));
	ck_assert(!json_u64(reply, "mode", &value));
	ck_assert(!json_string(reply, "client", mode, sizeof(mode)));
}
END_TEST

START_TEST(refusals_read_as_refusals)
{
	uint64_t value;

	ck_assert(!json_u64("{\"ok\":false,\"errno\":88}", "ok", &value));
	ck_assert(json_u64("{\"ok\":false,\"errno\":88}", "errno", &value));
	ck_assert_uint_eq(value, 88);
}
END_TEST

START_TEST(elements_are_counted_off)
{
	static const char reply[] =
		"{\"regions\":[{\"off\":1,\"in\":[1,2,{}]} , {\"off\":2}],\"e\":[]}";
	const char *second = json_element(reply, "regions", 1);
	uint64_t value;

	ck_assert(json_element(reply, "regions", 0) != NULL);
	ck_assert(second && json_u64(second, "off", &value));
	ck_assert_uint_eq(value, 2);
	ck_assert(json_element(reply, "regions", 2) == NULL);
	ck_assert(json_element(reply, "e", 0) == NULL);
	ck_assert(json_element(reply, "none", 0) == NULL);
}
END_TEST

START_TEST(strings_are_cut_and_escapes_made_harmless)
{
	char text[8];

	ck_assert(json_string("{\"e\":\"a\\n\\u00e9\\\"b\\\\c long\"}", "e", text, sizeof(text)));
	ck_assert_str_eq(text, "a ?\"b\\c");
}
END_TEST

START_TEST(every_cut_of_a_reply_ends)
{
	static const char reply[] = "{\"ok\":true,\"regions\":[{\"off\":1,\"s\":\"a\\\\\\\"b\"},[[]"
				    "]],\"m\":\"x\\u0041\"}";
	char cut[sizeof(reply)], text[8];
	uint64_t value;

	for (size_t len = 0; len < sizeof(reply); len++) {
		memcpy(cut, reply, len);
		cut[len] = 0;
		json_u64(cut, "none", &value);
		json_string(cut, "m", text, sizeof(text));
		for (unsigned i = 0; i < 4; i++)
			json_element(cut, "regions", i);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("json_scan");
	TCase *tc = tcase_create("replies");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, fields_are_found_at_the_top_only);
	tcase_add_test(tc, refusals_read_as_refusals);
	tcase_add_test(tc, elements_are_counted_off);
	tcase_add_test(tc, strings_are_cut_and_escapes_made_harmless);
	tcase_add_test(tc, every_cut_of_a_reply_ends);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
