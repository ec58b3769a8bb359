/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The owner of a socket, who gets SIGURG (fcntl(2)): kept by the kernel in the descriptor's own
 * file, where F_GETOWN finds it, and once more in a file of the daemon's, from which the signal
 * comes (tools/sandwired/owners.h). The kernel checks both. Called by programs and the shim.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "upcall/client.h"
#include "upcall/raw.h"
#include "upcall/sandwire.h"

/* The socket's id, to ask the daemon with; 0: there is nothing to ask for; or -errno. */
static int64_t ask_stack(int fd, bool on)
{
	struct call c;
	int64_t ret = call_begin(&c, fd, CALL_SIGNAL);

	if (ret)
		return ret;
	c.slot->arg[0] = on;
	ret = call_go(&c);
	call_end(&c);
	return ret;
}

static int tell_daemon(uint32_t id, const struct f_owner_ex *owner)
{
	char packet[64], reply[CONTROL_MAX];
	struct attachment *at = attach_get();
	int fd, ret;

	if (!at)
		return attach_error();
	snprintf(packet, sizeof(packet), "{\"cmd\":\"signals\",\"sock\":%u}", id);
	ret = control_ask(at, packet, -1, reply, &fd);
	if (ret)
		return ret;
	if (fd < 0)
		return -EMFILE;
	ret = (int)RAW3(SYS_fcntl, fd, F_SETOWN_EX, owner);
	RAW3(SYS_close, fd, 0, 0);
	return ret;
}

int sandwire_setown(int fd, const struct f_owner_ex *owner)
{
	int64_t id;
	int ret;

	if (!sandwire_is_socket(fd))
		return -ENOTSOCK;
	/* First, as nothing has changed yet where the kernel says no: ESRCH, EINVAL, EFAULT. */
	ret = (int)RAW3(SYS_fcntl, fd, F_SETOWN_EX, owner);
	if (ret)
		return ret;
	id = ask_stack(fd, owner->pid != 0);
	if (id <= 0)
		return (int)id;
	ret = tell_daemon((uint32_t)id, owner);
	if (ret)
		RAW3(SYS_fcntl, fd, F_SETOWN, 0);
	return ret;
}
