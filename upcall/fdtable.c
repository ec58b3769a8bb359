/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known about each descriptor: one 64-bit word, read without a lock, for any number there
 * can be. Only a cache: the kernel knows better, and a program has many ways to change a descriptor
 * unseen (fclose, close_range by system call, vfork children, fd passing). What is unknown is
 * looked at; what is stale shows itself: in upcall mode the crossing fails with ENOTTY, in server
 * and direct mode the inode is compared before each call. Called by api.c and the shim.
 *
 *	word	63..32 socket id, or the options set on an unconverted socket
 *		31..16 epoch of the attachment that proved the socket
 *		15..4  FD_ flags	3..0 enum fd_kind
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "upcall/client.h"
#include "upcall/kmod/sandwire_uapi.h"
#include "upcall/raw.h"

#define CHUNK_BITS 12
#define CHUNK	   (1 << CHUNK_BITS)
#define CHUNKS	   (1 << (30 - CHUNK_BITS)) /* the kernel allows no more than 2^30 descriptors */

struct entry {
	_Atomic uint64_t word;
	_Atomic uint32_t inode; /* FD_SOCK of server and direct mode */
};

/* 2 MiB of address space, of which a page or two are ever touched. */
static _Atomic(struct entry *) chunks[CHUNKS];
static _Atomic int limit;
static _Atomic bool any_sock;

static struct entry *lookup(int fd)
{
	struct entry *chunk;

	if (fd < 0 || fd >= 1 << 30)
		return NULL;
	/* acquire: pairs with the publication in make() */
	chunk = atomic_load_explicit(&chunks[fd >> CHUNK_BITS], memory_order_acquire);
	return chunk ? &chunk[fd & (CHUNK - 1)] : NULL;
}

/* NULL without memory: then the descriptor stays unknown, which is slow but right. */
static struct entry *make(int fd)
{
	struct entry *e = lookup(fd), *none = NULL;
	long map;

	if (e || fd < 0 || fd >= 1 << 30)
		return e;
	map = RAW6(SYS_mmap, 0, CHUNK * sizeof(struct entry), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map < 0 && map > -4096)
		return NULL;
	if (!atomic_compare_exchange_strong(&chunks[fd >> CHUNK_BITS], &none, (struct entry *)map))
		RAW3(SYS_munmap, map, CHUNK * sizeof(struct entry), 0);
	return lookup(fd);
}

uint64_t fd_get(int fd)
{
	struct entry *e = lookup(fd);

	if (fd < 0)
		return FD_KERNEL;
	return e ? atomic_load_explicit(&e->word, memory_order_acquire) : FD_UNKNOWN;
}

void fd_set_word(int fd, uint64_t word)
{
	struct entry *e = make(fd);
	int seen = atomic_load_explicit(&limit, memory_order_relaxed);

	if (!e)
		return;
	while (fd >= seen && !atomic_compare_exchange_weak(&limit, &seen, fd + 1))
		;
	if (FD_KIND(word) == FD_SOCK)
		atomic_store_explicit(&any_sock, true, memory_order_relaxed);
	atomic_store_explicit(&e->word, word, memory_order_release);
}

bool fd_change(int fd, uint64_t from, uint64_t to)
{
	struct entry *e = lookup(fd);

	return e && atomic_compare_exchange_strong(&e->word, &from, to);
}

void fd_forget(int fd)
{
	struct entry *e = lookup(fd);

	if (e)
		atomic_store_explicit(&e->word, FD_UNKNOWN, memory_order_release);
}

void fd_copy(int from, int to)
{
	struct entry *e = lookup(from), *copy = make(to);

	if (e && copy)
		atomic_store_explicit(&copy->inode, atomic_load(&e->inode), memory_order_relaxed);
	fd_set_word(to, fd_get(from));
}

int fd_limit(void)
{
	return atomic_load_explicit(&limit, memory_order_relaxed);
}

bool fd_any_sock(void)
{
	return atomic_load_explicit(&any_sock, memory_order_relaxed);
}

/* The inode goes first: whoever sees the word (acquire in fd_get) sees it. 0 stands for none. */
void fd_note_sock(int fd, uint64_t word)
{
	struct attachment *at = attach_peek();
	struct entry *e = make(fd);
	struct stat st = {0};

	if (e && at && at->ops->pairs && RAW3(SYS_fstat, fd, &st, 0) == 0)
		atomic_store_explicit(&e->inode, (uint32_t)st.st_ino, memory_order_relaxed);
	fd_set_word(fd, word);
}

bool fd_same_file(int fd)
{
	struct entry *e = lookup(fd);
	struct stat st = {0};

	return e && RAW3(SYS_fstat, fd, &st, 0) == 0 && S_ISSOCK(st.st_mode) &&
	       (uint32_t)st.st_ino == atomic_load_explicit(&e->inode, memory_order_relaxed);
}

static int get_int_option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return RAW6(SYS_getsockopt, fd, level, name, &value, &len, 0) < 0 ? -1 : value;
}

/* The module's socket files are anonymous inodes: no type bits. */
static uint64_t probe_module(int fd)
{
	struct sw_sock_info info;
	struct attachment *at;

	memset(&info, 0, sizeof(info));
	if (RAW3(SYS_ioctl, fd, SW_IOC_SOCK_INFO, &info) < 0 || !info.sock_id)
		return FD_KERNEL;
	at = attach_get();
	if (!at || at->ops->pairs || strncmp(info.net, at->net, sizeof(at->net)) != 0)
		return FD_UNKNOWN; /* of another net, or of one that refused us: look again */
	return FD_WORD(FD_SOCK, FD_TIMEO, attach_epoch(), info.sock_id);
}

static uint64_t probe_unix(int fd)
{
	struct attachment *at;
	struct {
		int32_t pid;
		uint32_t uid, gid;
	} cred = {0};
	socklen_t len = sizeof(cred);
	uint64_t flags = 0;
	uint32_t id = 0;
	int ret;

	/* Both ends of a socketpair carry their maker's id. */
	if (RAW6(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &cred, &len, 0) < 0 || !cred.pid ||
	    cred.pid != attach_daemon_pid())
		return FD_KERNEL;
	at = attach_get();
	if (!at || !at->ops->pairs || attach_owns_fd(fd))
		return FD_KERNEL;
	ret = pair_prove(at, fd, &id, &flags);
	if (ret)
		return ret == -ENOTSOCK ? FD_KERNEL : FD_UNKNOWN;
	return FD_WORD(FD_SOCK, FD_TIMEO | flags, attach_epoch(), id);
}

static uint64_t probe_socket(int fd)
{
	int domain = get_int_option(fd, SOL_SOCKET, SO_DOMAIN);
	int type = get_int_option(fd, SOL_SOCKET, SO_TYPE);

	if (domain == AF_UNIX && type == SOCK_STREAM)
		return probe_unix(fd);
	if ((domain != AF_INET && domain != AF_INET6) ||
	    (type != SOCK_STREAM && type != SOCK_DGRAM))
		return FD_KERNEL;
	/* It came from elsewhere: all its options may be set, and it may have other numbers. */
	return FD_WORD(FD_INET, FD_DUPED | (type == SOCK_DGRAM ? FD_DGRAM : 0), 0, ~0u);
}

/* Streams and datagrams are read differently; only the socket itself can tell which it is. */
static uint64_t note_type(int fd, uint64_t word)
{
	struct call c;
	int64_t ret;
	int type = 0;

	fd_note_sock(fd, word);
	if (call_begin(&c, fd, CALL_GETSOCKOPT))
		return word;
	c.slot->arg[0] = SOL_SOCKET;
	c.slot->arg[1] = SO_TYPE;
	c.slot->arg[2] = sizeof(type);
	ret = call_go(&c);
	if (ret >= 0)
		memcpy(&type, c.slot->inl, sizeof(type));
	call_end(&c);
	if (type == SOCK_DGRAM) {
		word |= FD_DGRAM;
		fd_set_word(fd, word);
	}
	return word;
}

uint64_t fd_resolve(int fd)
{
	uint64_t word = fd_get(fd);
	struct stat st = {0};
	struct attachment *at;

	if (FD_KIND(word) == FD_SOCK) {
		at = attach_peek();
		/* Noted by another file, or proven by the parent before a fork. */
		if (!at || !at->ops->pairs ||
		    (FD_EPOCH(word) == attach_epoch() && fd_same_file(fd)))
			return word;
		fd_forget(fd);
		word = FD_UNKNOWN;
	}
	if (FD_KIND(word) != FD_UNKNOWN)
		return word;
	if (RAW3(SYS_fstat, fd, &st, 0) < 0)
		return FD_KERNEL; /* not open: the real call says EBADF */
	if (S_ISSOCK(st.st_mode))
		word = probe_socket(fd);
	else
		word = st.st_mode & S_IFMT ? FD_KERNEL : probe_module(fd);
	if (FD_KIND(word) == FD_SOCK)
		return note_type(fd, word);
	if (FD_KIND(word) != FD_UNKNOWN && !attach_in_vfork_child())
		fd_set_word(fd, word);
	return FD_KIND(word) == FD_UNKNOWN ? FD_KERNEL : word;
}
