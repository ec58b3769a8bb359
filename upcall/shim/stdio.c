/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stdio on sockets. libc's streams read and write by calls that nobody can stand before; a stream
 * over a Sandwire socket is therefore made with functions of ours (fopencookie). Called by programs
 * in place of libc.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "upcall/shim/shim.h"

static ssize_t cookie_read(void *cookie, char *buf, size_t n)
{
	return read((int)(intptr_t)cookie, buf, n);
}

/* 0, not -1, is how a cookie's write function says it failed. */
static ssize_t cookie_write(void *cookie, const char *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t ret = write((int)(intptr_t)cookie, buf + done, n - done);

		if (ret < 0)
			break;
		done += (size_t)ret;
	}
	return (ssize_t)done;
}

static int cookie_close(void *cookie)
{
	return close((int)(intptr_t)cookie);
}

INTERCEPT FILE *fdopen(int fd, const char *mode)
{
	static const cookie_io_functions_t functions = {
		.read = cookie_read,
		.write = cookie_write,
		.close = cookie_close,
	};
	FILE *file;

	if (!shim_is_sock(fd))
		return REAL(fdopen)(fd, mode);
	file = fopencookie((void *)(intptr_t)fd, mode, functions);
	if (file)
		file->_fileno = fd; /* for fileno(); the functions do not look at it */
	return file;
}

INTERCEPT int vdprintf(int fd, const char *format, va_list ap)
{
	char *text;
	int len;
	ssize_t ret = 0;

	if (!shim_is_sock(fd))
		return REAL(vdprintf)(fd, format, ap);
	len = vasprintf(&text, format, ap);
	if (len < 0)
		return -1;
	for (int done = 0; done < len && ret >= 0; done += (int)ret)
		ret = write(fd, text + done, (size_t)(len - done));
	free(text);
	return ret < 0 ? -1 : len;
}

INTERCEPT int dprintf(int fd, const char *format, ...)
{
	va_list ap;
	int ret;

	va_start(ap, format);
	ret = vdprintf(fd, format, ap);
	va_end(ap);
	return ret;
}
