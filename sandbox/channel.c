// SPDX-License-Identifier: BSD-3-Clause
/*
 * Channel memory. Called by the daemon when a process attaches and when it has gone.
 * 4 KiB pages: it is small, and the process maps it where it likes.
 */
#include "sandbox/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/segment_map.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int channel_create(struct channel_memory *ch, uint32_t client, uint64_t size)
{
	int ret;

	*ch = (struct channel_memory){.client = client, .fd = -1};
	size = (size + 4095) & ~4095ull;
	if (!client || client >= SEG_CLIENT_MAX || !size || size > SEG_CHANNEL_STRIDE)
		return -EINVAL;
	ch->fd = memfd_create("sandwire-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (ch->fd < 0)
		return -errno;
	if (ftruncate(ch->fd, (off_t)size) < 0 ||
	    fcntl(ch->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		ret = -errno;
		goto out;
	}
	ret = segment_map(channel_off(client), size, PROT_READ | PROT_WRITE, ch->fd, 0);
	if (ret)
		goto out;
	ch->addr = channel_at(client);
	ch->size = size;
	/* The image must not fault on it; a kernel before 5.14 takes the pages at first use. */
	if (!madvise(ch->addr, size, MADV_POPULATE_WRITE) || errno == EINVAL)
		return 0;
	ret = -errno;
out:
	channel_destroy(ch);
	return ret;
}

void channel_destroy(struct channel_memory *ch)
{
	if (ch->addr)
		segment_unmap(channel_off(ch->client), ch->size);
	if (ch->fd >= 0)
		close(ch->fd);
	*ch = (struct channel_memory){.fd = -1};
}
