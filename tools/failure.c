/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One line of error and one of hint: filled where it happens, printed by whoever talks to the
 * person. Called by everything in tools/.
 */
#include "tools/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/say.h"

static int fill(struct failure *f, int status, const char *what, const char *why, va_list ap)
{
	f->status = status;
	f->error = 0;
	snprintf(f->what, sizeof(f->what), "%s", what);
	vsnprintf(f->why, sizeof(f->why), why, ap);
	f->hint[0] = 0;
	return -1;
}

int failed(struct failure *f, const char *what, const char *why, ...)
{
	va_list ap;

	va_start(ap, why);
	fill(f, 1, what, why, ap);
	va_end(ap);
	return -1;
}

int misused(struct failure *f, const char *what, const char *why, ...)
{
	va_list ap;

	va_start(ap, why);
	fill(f, 2, what, why, ap);
	va_end(ap);
	return -1;
}

int failed_errno(struct failure *f, const char *what, int error)
{
	failed(f, what, "%s", strerror(error));
	f->error = error;
	return -1;
}

int failure_hint(struct failure *f, const char *hint, ...)
{
	va_list ap;

	va_start(ap, hint);
	vsnprintf(f->hint, sizeof(f->hint), hint, ap);
	va_end(ap);
	return -1;
}

int failure_say(const struct failure *f)
{
	say_error(f->what, "%s", f->why);
	if (f->hint[0])
		say_hint("%s", f->hint);
	return f->status;
}
