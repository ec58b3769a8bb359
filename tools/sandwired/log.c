/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One line an event, with local time. The log of a net stops growing at LOG_MAX: a hostile program
 * must not fill /run. Called by everything in the daemon.
 */
#include "tools/sandwired/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_MAX (4u << 20)

static struct {
	int fd;
	bool to_stderr;
	enum log_level level;
	unsigned long written;
} the_log = {.fd = -1, .level = LOG_INFO};

void log_open(int fd, bool to_stderr, enum log_level level)
{
	the_log.fd = fd;
	the_log.to_stderr = to_stderr;
	the_log.level = level;
	the_log.written = 0;
}

void log_set_level(enum log_level level)
{
	the_log.level = level;
}

void log_close(void)
{
	if (the_log.fd >= 0)
		close(the_log.fd);
	the_log.fd = -1;
}

void log_write(enum log_level level, const char *text, ...)
{
	static const char *const names[] = {"error", "info", "debug"};
	char line[640];
	struct timespec now;
	struct tm tm;
	size_t n;
	va_list ap;

	if (level > the_log.level || (the_log.fd < 0 && !the_log.to_stderr))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%Y-%m-%d %H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ld %s: ", now.tv_nsec / 1000000,
			      names[level]);
	va_start(ap, text);
	vsnprintf(line + n, sizeof(line) - n - 1, text, ap);
	va_end(ap);
	n = strlen(line);
	line[n++] = '\n';
	if (the_log.to_stderr && write(STDERR_FILENO, line, n) < 0)
		the_log.to_stderr = false;
	if (the_log.fd < 0 || the_log.written + n > LOG_MAX)
		return;
	if (write(the_log.fd, line, n) > 0)
		the_log.written += n;
}
