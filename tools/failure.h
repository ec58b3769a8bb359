/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why something could not be done, told once to a person: "sandwire: WHAT: WHY", then a hint line
 * with the command that mends it where one is known. Used by the daemon and by the subcommands.
 */
#ifndef TOOLS_FAILURE_H
#define TOOLS_FAILURE_H

struct failure {
	int status; /* exit status it deserves: 1 failed, 2 misused */
	int error;  /* errno value for programs that ask; 0: none */
	char what[96];
	char why[320];
	char hint[256];
};

/* Fills f (WHAT, then a format for WHY) with status 1 or 2; always returns -1. */
int failed(struct failure *f, const char *what, const char *why, ...)
	__attribute__((format(printf, 3, 4)));
int misused(struct failure *f, const char *what, const char *why, ...)
	__attribute__((format(printf, 3, 4)));
/* As failed(), with strerror(error) for WHY. */
int failed_errno(struct failure *f, const char *what, int error);
/* Adds the hint; returns -1 as well, so that it can stand in a return. */
int failure_hint(struct failure *f, const char *hint, ...) __attribute__((format(printf, 2, 3)));
/* Says the line or two (say.h), returns f->status. */
int failure_say(const struct failure *f);

#endif
