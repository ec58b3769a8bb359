/* SPDX-License-Identifier: BSD-3-Clause */
/* A test program's main in one line: its cases, each between setup and teardown. */
#ifndef TESTS_TCPIP_CASES_H
#define TESTS_TCPIP_CASES_H

#include <check.h>
#include <stdlib.h>

static inline int run_cases(const char *name, const TTest *const *cases, void (*setup)(void),
			    void (*teardown)(void))
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	for (; *cases; cases++)
		tcase_add_test(tc, *cases);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define CASES(...)                                                                                 \
	(const TTest *const[])                                                                     \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

#endif
