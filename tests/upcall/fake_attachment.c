/* SPDX-License-Identifier: BSD-3-Clause */
/* An attachment without a daemon; see fake_attachment.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/upcall/fake_attachment.h"
#include "upcall/sandwire.h"

int fake_crossing;
unsigned fake_crossings[CALL_MAX];
static struct attachment at;
static fake_sandbox *answer;

static int64_t cross(struct call *c, int *crossing)
{
	*crossing = fake_crossing;
	fake_crossing = 0;
	fake_crossings[c->slot->nr]++;
	return *crossing ? 0 : answer(c);
}

struct attachment *fake_attach(fake_sandbox *sandbox, bool staged)
{
	static struct mode_ops ops;

	ops = (struct mode_ops){.name = "fake", .staged = staged, .cross = cross};
	free(at.channel);
	memset(&at, 0, sizeof(at));
	memset(fake_crossings, 0, sizeof(fake_crossings));
	at.channel = calloc(1, CHANNEL_SIZE_SERVER);
	at.data = (uint8_t *)at.channel + CHANNEL_SIZE;
	at.ops = &ops;
	at.state = ATTACH_READY;
	answer = sandbox;
	return &at;
}

void fake_socket(int fd, uint64_t flags)
{
	fd_set_word(fd, FD_WORD(FD_SOCK, flags, 1, 1));
}

struct attachment *attach_get(void)
{
	return &at;
}

struct attachment *attach_peek(void)
{
	return &at;
}

int attach_error(void)
{
	return 0;
}

bool attach_in_vfork_child(void)
{
	return false;
}

bool attach_owns_fd(int fd)
{
	return false;
}

void attach_vacate_fd(int fd)
{
}

uint16_t attach_epoch(void)
{
	return 1;
}

int attach_daemon_pid(void)
{
	return 0;
}

const char *sandwire_why(void)
{
	return "";
}
