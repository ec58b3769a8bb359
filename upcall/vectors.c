/* SPDX-License-Identifier: BSD-3-Clause */
/* I/O vectors: see vectors.h. Runs in programs; called by api_io.c. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "upcall/raw.h"
#include "upcall/vectors.h"

int cursor_init(struct cursor *cur, const struct iovec *iov, size_t n)
{
	*cur = (struct cursor){.iov = iov, .n = n};
	if (n > IOV_MAX)
		return -EMSGSIZE;
	for (size_t i = 0; i < n; i++) {
		if (iov[i].iov_len > (size_t)SSIZE_MAX - cur->left)
			return -EINVAL;
		cur->left += iov[i].iov_len;
	}
	return 0;
}

void cursor_advance(struct cursor *cur, size_t bytes)
{
	cur->left -= bytes;
	while (cur->n && bytes >= cur->iov->iov_len - cur->done) {
		bytes -= cur->iov->iov_len - cur->done;
		cur->iov++;
		cur->n--;
		cur->done = 0;
	}
	cur->done += bytes;
}

unsigned cursor_vectors(const struct cursor *cur, struct call_iov *out, unsigned most)
{
	unsigned k = 0;
	size_t done = cur->done;

	for (size_t i = 0; i < cur->n && k < most; i++, done = 0) {
		if (cur->iov[i].iov_len == done)
			continue;
		out[k].base = (uint64_t)(uintptr_t)cur->iov[i].iov_base + done;
		out[k++].len = cur->iov[i].iov_len - done;
	}
	return k;
}

void cursor_copy(const struct cursor *cur, uint8_t *area, size_t bytes, bool out)
{
	size_t done = cur->done;

	for (size_t i = 0; i < cur->n && bytes; i++, done = 0) {
		size_t len = cur->iov[i].iov_len - done;
		uint8_t *mem = (uint8_t *)cur->iov[i].iov_base + done;

		if (len > bytes)
			len = bytes;
		if (!len)
			continue;
		if (out)
			memcpy(area, mem, len);
		else
			memcpy(mem, area, len);
		area += len;
		bytes -= len;
	}
}

int flat_make(struct iovec *flat, size_t len)
{
	long at = RAW6(SYS_mmap, 0, len ? len : 1, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at < 0 && at >= -4095)
		return -ENOBUFS;
	*flat = (struct iovec){.iov_base = (void *)at, .iov_len = len};
	return 0;
}

void flat_end(struct iovec *flat)
{
	RAW3(SYS_munmap, flat->iov_base, flat->iov_len ? flat->iov_len : 1, 0);
}
