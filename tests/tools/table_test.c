/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/table.c: what the lists look like. */
#include <check.h>
#include <stdlib.h>

#include "tools/cli.h"

static char *print(struct table *t)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	table_print(t, out);
	fclose(out);
	table_free(t);
	return text;
}

static const struct column columns[] = {{"NAME", COL_TEXT}, {"N", COL_NUMBER}, {"LAST", COL_TEXT}};

START_TEST(columns_are_as_wide_as_their_widest_cell)
{
	struct table *t = table_new(columns, 3);
	char *text;

	table_cell(t, "a");
	table_cell(t, "%d", 12345);
	table_cell(t, "x");
	table_cell(t, "longer");
	table_cell(t, "%d", 7);
	table_cell(t, "yz");
	text = print(t);
	ck_assert_str_eq(text, "NAME        N  LAST\n"
			       "a       12345  x\n"
			       "longer      7  yz\n");
	free(text);
}
END_TEST

START_TEST(empty_table_is_its_head)
{
	char *text = print(table_new(columns, 3));

	ck_assert_str_eq(text, "NAME  N  LAST\n");
	free(text);
}
END_TEST

START_TEST(control_characters_do_not_reach_the_terminal)
{
	struct table *t = table_new(columns, 3);
	char *text;

	table_cell(t, "\033[2Jx");
	table_cell(t, "1");
	table_cell(t, "a\nb");
	text = print(t);
	ck_assert_str_eq(text, "NAME   N  LAST\n?[2Jx  1  a?b\n");
	free(text);
}
END_TEST

START_TEST(many_rows_fit)
{
	struct table *t = table_new(columns, 3);
	unsigned lines = 0;
	char *text;

	for (unsigned i = 0; i < 5000; i++) {
		table_cell(t, "r%u", i);
		table_cell(t, "%u", i);
		table_cell(t, "z");
	}
	text = print(t);
	for (char *p = text; *p; p++)
		lines += *p == '\n';
	ck_assert_uint_eq(lines, 5001);
	free(text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("table");
	TCase *t = tcase_create("table");
	SRunner *r;
	int bad;

	tcase_add_test(t, columns_are_as_wide_as_their_widest_cell);
	tcase_add_test(t, empty_table_is_its_head);
	tcase_add_test(t, control_characters_do_not_reach_the_terminal);
	tcase_add_test(t, many_rows_fit);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
