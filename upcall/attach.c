/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process's attachment to its net: made at the first call that needs it, remade in a child of
 * fork, shared by a child of vfork, gone with exec. Called by api.c and the shim; calls
 * control_client.c and the mode's attach.
 *
 * What must be forgotten in a child lies in a page of its own that the kernel wipes at fork; what a
 * child must know to clean up (numbers of inherited descriptors) lies in ordinary memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/layout.h"
#include "upcall/client.h"
#include "upcall/kmod/sandwire_uapi.h"
#include "upcall/raw.h"
#include "upcall/sandwire.h"

_Static_assert(sizeof(struct attachment) <= 4096, "one page");

enum { OWN_CONTROL, OWN_CLIENT, OWN_DOORBELL, OWN_FDS };

static _Atomic(struct attachment *) page;
static _Atomic int own_fd[OWN_FDS] = {-1, -1, -1};
static uint64_t own_ino[OWN_FDS];
static uint16_t epoch;
static int refusal; /* -errno */
static char why[320];
static char chosen_net[108];
static bool uninterrupted;
static _Atomic int daemon_pid = -1;
static const struct mode_ops *const modes[] = {&mode_upcall, &mode_server, &mode_direct};

static uint64_t inode_of(int fd)
{
	struct stat st = {0};

	return RAW3(SYS_fstat, fd, &st, 0) < 0 ? 0 : st.st_ino;
}

/* Out of the way of programs that count on low numbers, or close all low ones. */
static int move_up(int fd)
{
	struct rlimit rl = {0};
	long base = 1000, high;

	if (fd < 0)
		return fd;
	if (RAW6(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &rl, 0, 0) == 0 && rl.rlim_cur < 1024)
		base = (long)rl.rlim_cur - 16;
	high = RAW3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, base > 3 ? base : 3);
	if (high < 0)
		return fd;
	RAW3(SYS_close, fd, 0, 0);
	return (int)high;
}

static int own(int which, int fd)
{
	fd = move_up(fd);
	own_ino[which] = fd < 0 ? 0 : inode_of(fd);
	atomic_store(&own_fd[which], fd);
	return fd;
}

static void disown_all(void)
{
	for (int i = 0; i < OWN_FDS; i++) {
		int fd = atomic_exchange(&own_fd[i], -1);

		/* The program may have closed it behind our back, and the number be in use anew. */
		if (fd >= 0 && own_ino[i] == inode_of(fd))
			RAW3(SYS_close, fd, 0, 0);
	}
}

bool attach_owns_fd(int fd)
{
	for (int i = 0; i < OWN_FDS; i++)
		if (fd >= 0 && atomic_load_explicit(&own_fd[i], memory_order_relaxed) == fd)
			return true;
	return false;
}

void attach_vacate_fd(int fd)
{
	struct attachment *at = attach_peek();

	for (int i = 0; i < OWN_FDS; i++) {
		int old = fd;
		long moved;

		if (atomic_load(&own_fd[i]) != fd)
			continue;
		moved = RAW3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
		if (moved < 0 || !atomic_compare_exchange_strong(&own_fd[i], &old, (int)moved) ||
		    !at)
			continue;
		if (i == OWN_CONTROL)
			at->control_fd = (int)moved;
		else if (i == OWN_CLIENT)
			at->client_fd = (int)moved;
		else
			at->doorbell_fd = (int)moved;
	}
}

/* Once, at start: servers clear their environment, and their children attach after that. */
static void read_environment(void)
{
	const char *env = secure_getenv("SANDWIRE_NET");

	if (!chosen_net[0] && env && strlen(env) < sizeof(chosen_net))
		memcpy(chosen_net, env, strlen(env) + 1);
	control_choose_dir(secure_getenv("SANDWIRE_RUNDIR"));
	env = secure_getenv("SANDWIRE_INTERRUPTS");
	uninterrupted = env && !strcmp(env, "0");
}

static struct attachment *get_page(void)
{
	struct attachment *at = atomic_load_explicit(&page, memory_order_acquire), *none = NULL;

	if (at)
		return at;
	read_environment();
	at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	madvise(at, 4096, MADV_WIPEONFORK);
	atomic_store(&at->pid, getpid());
	if (!atomic_compare_exchange_strong(&page, &none, at)) {
		munmap(at, 4096);
		at = none;
	}
	return at;
}

/* In the child of fork(): the page is empty again, the parent's descriptors are not ours. */
static void forked(void)
{
	struct attachment *at = atomic_load(&page);

	disown_all();
	if (at)
		atomic_store(&at->pid, getpid());
}

__attribute__((constructor)) static void prepare(void)
{
	get_page();
	pthread_atfork(NULL, NULL, forked);
}

bool attach_in_vfork_child(void)
{
	struct attachment *at = atomic_load_explicit(&page, memory_order_acquire);
	int pid = at ? atomic_load_explicit(&at->pid, memory_order_relaxed) : 0;

	return pid && pid != (int)RAW3(SYS_getpid, 0, 0, 0);
}

uint16_t attach_epoch(void)
{
	return epoch;
}

static const char *net_name(void)
{
	return chosen_net[0] ? chosen_net : "default";
}

static int refuse(int err, const char *text, const char *hint)
{
	snprintf(why, sizeof(why), "net %s: %s%s%s", net_name(), text, hint && *hint ? "; " : "",
		 hint ? hint : "");
	return err;
}

static int refuse_errno(int err, const char *doing)
{
	char text[160];

	snprintf(text, sizeof(text), "%s: %s", doing, strerror(-err));
	return refuse(err, text, NULL);
}

static int connect_control(void)
{
	int fd = control_connect(net_name());

	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return refuse(-ENETDOWN, "it is not up", "sandwire up");
	if (fd == -EACCES || fd == -EPERM)
		return refuse(fd, "not permitted", "be root or in the group sandwire");
	return fd < 0 ? refuse_errno(fd, "control socket") : fd;
}

static int refused_by_daemon(const char *reply)
{
	char text[160] = "the daemon's answer makes no sense", hint[120] = "";

	json_string(reply, "error", text, sizeof(text));
	json_string(reply, "hint", hint, sizeof(hint));
	return refuse(-EPERM, text, hint);
}

static int ask(int control, const char *packet, int send_fd, char *reply, int *fds, unsigned *n)
{
	uint64_t ok;
	int ret = control_send(control, packet, send_fd);

	*n = 0;
	if (!ret)
		ret = control_recv(control, reply, fds, n);
	if (ret < 0)
		return refuse_errno(ret, "control socket");
	return json_u64(reply, "ok", &ok) ? 0 : refused_by_daemon(reply);
}

/* Upcall mode: opens the module's device and puts the reservation over the segment's slot. */
static int open_device(void)
{
	long fd = RAW6(SYS_openat, AT_FDCWD, "/dev/sandwire", O_RDWR | O_CLOEXEC, 0, 0, 0), map;

	if (fd == -EACCES)
		return refuse(-EACCES, "/dev/sandwire: not permitted",
			      "be root or in the group sandwire");
	if (fd < 0)
		return refuse_errno((int)fd, "/dev/sandwire");
	map = RAW6(SYS_mmap, SEG_BASE, SEG_SLOT_SIZE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	if (map != (long)SEG_BASE) {
		RAW3(SYS_close, fd, 0, 0);
		return refuse_errno(map < 0 ? (int)map : -EEXIST, "address range of the segment");
	}
	return (int)fd;
}

static int map_channel(struct attachment *at, int fd)
{
	long map = RAW6(SYS_mmap, 0, at->channel_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map < 0 && map > -4096)
		return refuse_errno((int)map, "channel");
	/* A child gets a channel of its own; scribbling over the parent's would be easy. */
	madvise((void *)map, at->channel_size, MADV_DONTFORK);
	at->channel = (struct channel *)map;
	if (at->channel->magic != CHANNEL_MAGIC || at->channel->version != CHANNEL_VERSION)
		return refuse(-EPROTO, "the daemon is of another version", NULL);
	return 0;
}

static int read_reply(struct attachment *at, const char *reply)
{
	uint64_t client, size;

	if (!json_u64(reply, "client", &client) || !json_u64(reply, "channel_size", &size) ||
	    size < CHANNEL_SIZE || size > SEG_CHANNEL_STRIDE)
		return refuse(-EPROTO, "the daemon's answer makes no sense", NULL);
	at->client = (uint32_t)client;
	at->channel_size = size;
	return 0;
}

static const struct mode_ops *find_mode(const char *reply)
{
	char mode[16];

	if (!json_string(reply, "mode", mode, sizeof(mode)))
		return NULL;
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i]->name, mode))
			return modes[i];
	return NULL;
}

static void undo(struct attachment *at)
{
	if (at->ops)
		at->ops->detach(at);
	if (at->client_fd >= 0)
		munmap((void *)SEG_BASE, SEG_SLOT_SIZE);
	if (at->channel)
		munmap(at->channel, at->channel_size);
	at->channel = NULL;
	disown_all();
}

static int attach(struct attachment *at)
{
	char reply[CONTROL_MAX];
	int fds[CONTROL_FDS], ret;
	unsigned n = 0;
	uint64_t pid;

	disown_all(); /* of a parent, where the fork went round pthread_atfork */
	at->control_fd = at->client_fd = at->doorbell_fd = -1;
	at->channel = NULL;
	at->ops = NULL;
	at->uninterrupted = uninterrupted;
	ret = connect_control();
	if (ret < 0)
		return ret;
	at->control_fd = own(OWN_CONTROL, ret);
	ret = ask(at->control_fd, "{\"cmd\":\"hello\"}", -1, reply, fds, &n);
	if (ret)
		goto out;
	if (json_u64(reply, "pid", &pid))
		atomic_store(&daemon_pid, (int)pid);
	json_string(reply, "net", at->net, sizeof(at->net));
	at->ops = find_mode(reply);
	if (!at->ops) {
		ret = refuse(-EPROTO, "the daemon has a mode this library lacks", NULL);
		goto out;
	}
	if (!at->ops->pairs) {
		ret = open_device();
		if (ret < 0)
			goto out;
		at->client_fd = own(OWN_CLIENT, ret);
	}
	ret = ask(at->control_fd, "{\"cmd\":\"attach\",\"abi\":1}", at->client_fd, reply, fds, &n);
	if (!ret)
		ret = read_reply(at, reply);
	if (!ret && !n)
		ret = refuse(-EPROTO, "the daemon sent no channel", NULL);
	if (!ret)
		ret = map_channel(at, fds[0]);
	if (!ret) {
		epoch++;
		ret = at->ops->attach(at, reply, fds + 1, n - 1);
		if (ret)
			refuse_errno(ret, "attach");
	}
	if (!ret && at->doorbell_fd >= 0)
		at->doorbell_fd = own(OWN_DOORBELL, at->doorbell_fd);
	for (unsigned i = 0; i < n; i++)
		if (fds[i] >= 0)
			RAW3(SYS_close, fds[i], 0, 0);
out:
	if (ret)
		undo(at);
	return ret;
}

/* Only one thread attaches, with signals blocked; the others wait for it. */
static struct attachment *attach_slow(struct attachment *at)
{
	uint32_t none = ATTACH_NONE;
	uint64_t mask = raw_block_signals();

	while (!atomic_compare_exchange_strong(&at->state, &none, ATTACH_BUSY)) {
		if (none != ATTACH_BUSY)
			goto out;
		RAW6(SYS_futex, &at->state, FUTEX_WAIT_PRIVATE, ATTACH_BUSY, 0, 0, 0);
		none = ATTACH_NONE;
	}
	/* A fork that went round pthread_atfork did not note its process id. */
	if (!atomic_load(&at->pid))
		atomic_store(&at->pid, (int)RAW3(SYS_getpid, 0, 0, 0));
	if (attach_in_vfork_child()) {
		/* Descriptors opened here would not exist in the parent, whose memory this is. */
		refusal = -EAGAIN;
		none = ATTACH_NONE;
	} else {
		why[0] = 0;
		refusal = attach(at);
		none = refusal ? ATTACH_REFUSED : ATTACH_READY;
	}
	/* release: pairs with the acquire load in attach_get() */
	atomic_store(&at->state, none);
	RAW6(SYS_futex, &at->state, FUTEX_WAKE_PRIVATE, INT32_MAX, 0, 0, 0);
out:
	raw_restore_signals(mask);
	return atomic_load(&at->state) == ATTACH_READY ? at : NULL;
}

__attribute__((hot)) struct attachment *attach_get(void)
{
	struct attachment *at = get_page();
	uint32_t state;

	if (!at)
		return NULL;
	state = atomic_load_explicit(&at->state, memory_order_acquire);
	if (__builtin_expect(state == ATTACH_READY, 1))
		return at;
	return state == ATTACH_REFUSED ? NULL : attach_slow(at);
}

struct attachment *attach_peek(void)
{
	struct attachment *at = atomic_load_explicit(&page, memory_order_acquire);

	return at && atomic_load_explicit(&at->state, memory_order_acquire) == ATTACH_READY ? at
											    : NULL;
}

int attach_error(void)
{
	return refusal ? refusal : -ENETDOWN;
}

int attach_daemon_pid(void)
{
	char reply[CONTROL_MAX];
	int fds[CONTROL_FDS], fd, pid = atomic_load(&daemon_pid);
	unsigned n = 0;
	uint64_t value;

	if (pid >= 0)
		return pid;
	pid = 0;
	fd = control_connect(net_name());
	if (fd >= 0) {
		if (!control_send(fd, "{\"cmd\":\"hello\"}", -1) &&
		    control_recv(fd, reply, fds, &n) > 0 && json_u64(reply, "pid", &value))
			pid = (int)value;
		RAW3(SYS_close, fd, 0, 0);
	}
	atomic_store(&daemon_pid, pid);
	return pid;
}

int sandwire_attach(const char *net)
{
	struct attachment *at = attach_peek();

	if (net) {
		if (strlen(net) >= sizeof(chosen_net))
			return -ENAMETOOLONG;
		if (at)
			return strcmp(net, net_name()) ? -EBUSY : 0;
		memcpy(chosen_net, net, strlen(net) + 1);
	}
	at = get_page();
	if (!at)
		return -ENOMEM;
	if (atomic_load(&at->state) == ATTACH_REFUSED)
		atomic_store(&at->state, ATTACH_NONE);
	return attach_get() ? 0 : attach_error();
}

int sandwire_detach(void)
{
	struct attachment *at = attach_peek();

	if (!at)
		return -ENOTCONN;
	atomic_store(&at->state, ATTACH_BUSY);
	undo(at);
	atomic_store(&at->slots, 0);
	atomic_store(&at->state, ATTACH_NONE);
	RAW6(SYS_futex, &at->state, FUTEX_WAKE_PRIVATE, INT32_MAX, 0, 0, 0);
	return 0;
}

const char *sandwire_why(void)
{
	return why;
}

const char *sandwire_mode(void)
{
	struct attachment *at = attach_peek();

	return at ? at->ops->name : NULL;
}

int sandwire_interrupts(int on)
{
	struct attachment *at = attach_get();

	if (!at)
		return attach_error();
	if (at->ops != &mode_upcall)
		return 0;
	return (int)RAW3(SYS_ioctl, at->client_fd, SW_IOC_INTERRUPTS,
			 on ? SW_INTERRUPTS_ON : SW_INTERRUPTS_OFF);
}
