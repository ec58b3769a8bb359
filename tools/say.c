// SPDX-License-Identifier: BSD-3-Clause
/* How every tool speaks of an error; see say.h. Called by all of tools/. */
#include <stdarg.h>
#include <stdio.h>

#include "tools/say.h"
#include "vfio/vfio.h"

/* A message may quote bytes that came from elsewhere: a terminal must not obey them, and one error
 * stays one line. */
static void say_line(const char *prefix, const char *what, const char *fmt, va_list args)
{
	char text[1024];
	int len = snprintf(text, sizeof(text), "%s%s%s", prefix, what, what[0] ? ": " : "");

	if (len < 0)
		return;
	if ((size_t)len < sizeof(text))
		vsnprintf(text + len, sizeof(text) - (size_t)len, fmt, args);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	fprintf(stderr, "%s\n", text);
}

void say_error(const char *what, const char *why, ...)
{
	va_list args;

	va_start(args, why);
	say_line("sandwire: ", what, why, args);
	va_end(args);
}

void say_hint(const char *hint, ...)
{
	va_list args;

	va_start(args, hint);
	say_line("hint: ", "", hint, args);
	va_end(args);
}

void say_vfio_error(const struct vfio_error *err)
{
	say_error(err->what, "%s", err->why);
	if (err->hint[0])
		say_hint("%s", err->hint);
}
