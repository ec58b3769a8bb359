// SPDX-License-Identifier: BSD-3-Clause
/*
 * Small files of this host (/sys, /proc, /dev, /run) below a root that tests replace by a tree of
 * their own. Called by pci.c, open_group.c, and by tools/ for doctor and bind.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vfio/vfio.h"

const char *host_root = "";

__attribute__((format(printf, 3, 0))) static int path_format(char *buf, size_t size,
							     const char *fmt, va_list args)
{
	int root_len = snprintf(buf, size, "%s", host_root);
	int n;

	if (root_len < 0 || (size_t)root_len >= size)
		return -ENAMETOOLONG;
	n = vsnprintf(buf + root_len, size - (size_t)root_len, fmt, args);
	if (n < 0 || (size_t)n >= size - (size_t)root_len)
		return -ENAMETOOLONG;
	return 0;
}

int host_path(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = path_format(buf, size, fmt, args);
	va_end(args);
	return err;
}

static int read_whole(const char *path, char *buf, size_t size)
{
	size_t len = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	while (len + 1 < size) {
		ssize_t n = read(fd, buf + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = -errno;
			close(fd);
			buf[0] = '\0';
			return err;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	while (len > 0 && strchr(" \t\n", buf[len - 1]))
		len--;
	buf[len] = '\0';
	return (int)len;
}

int host_read(char *buf, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list args;
	int err;

	va_start(args, fmt);
	err = path_format(path, sizeof(path), fmt, args);
	va_end(args);
	buf[0] = '\0';
	return err ? err : read_whole(path, buf, size);
}

long long host_number(long long absent, const char *fmt, ...)
{
	char path[PATH_MAX], text[64], *end;
	long long value;
	va_list args;
	int err;

	va_start(args, fmt);
	err = path_format(path, sizeof(path), fmt, args);
	va_end(args);
	if (err || read_whole(path, text, sizeof(text)) <= 0)
		return absent;
	value = strtoll(text, &end, 0);
	return end == text ? absent : value;
}

int host_write(const char *text, const char *fmt, ...)
{
	char path[PATH_MAX];
	size_t len = strlen(text);
	va_list args;
	ssize_t n;
	int fd, err;

	va_start(args, fmt);
	err = path_format(path, sizeof(path), fmt, args);
	va_end(args);
	if (err)
		return err;
	/* O_TRUNC is for the fake trees and state files; sysfs ignores it. */
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* One write: each write to a sysfs file is one command. */
	n = write(fd, text, len);
	err = n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
	close(fd);
	return err;
}

int host_link(char *buf, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *last;
	va_list args;
	ssize_t n;
	int err;

	va_start(args, fmt);
	err = path_format(path, sizeof(path), fmt, args);
	va_end(args);
	buf[0] = '\0';
	if (err)
		return err;
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (strlen(last) >= size)
		return -ENAMETOOLONG;
	memcpy(buf, last, strlen(last) + 1);
	return 0;
}

bool host_exists(const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list args;
	int err;

	va_start(args, fmt);
	err = path_format(path, sizeof(path), fmt, args);
	va_end(args);
	return !err && access(path, F_OK) == 0;
}
