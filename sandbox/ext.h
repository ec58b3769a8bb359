/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A native extension: services that any process attached to a net may call. This header is all
 * that it needs; sandbox/ext/echo.c and counter.c are two. Stands alone.
 *
 *   static int64_t hello(struct ext_call *call) { ...; return bytes of the result; }
 *   SANDWIRE_EXTENSION(.name = "hello", .service = {{"hello", hello}});
 *
 *   cc -c -O2 -ffreestanding -fPIC -fvisibility=hidden -mgeneral-regs-only -fno-stack-protector \
 *	-fcf-protection=none -fno-asynchronous-unwind-tables -Wa,-mx86-used-note=yes hello.c
 *   sandwire ext load hello.o; sandwire call hello
 *
 * A service runs in the caller's own thread (upcall, direct), or in the daemon's (server), on a
 * small stack: at most EXT_STACK bytes of it. It is TRUSTED, its callers are not: a service that
 * faults takes the net down. What it may rely on: `call` and its block are its own and will not
 * change under it; `client` is true, except in direct mode.
 *
 * What it must keep to:
 *   - general registers only, no thread-local data, no FS, no GS, no application memory;
 *   - it may be finished by another thread of another process (its caller was killed, or stopped):
 *     all that matters lies in the extension's memory;
 *   - shared data is touched between ext_lock and ext_unlock, where work is bounded and there is no
 *     system call: others wait;
 *   - outside that it may make system calls (ext_syscall), in the context of whoever runs it: the
 *     caller; the daemon in server mode or when it finishes a dead caller's call, which may make
 *     an interrupted one again. So none that sleep for long, none that must happen exactly once.
 */
#ifndef SANDBOX_EXT_H
#define SANDBOX_EXT_H

#include <stddef.h>
#include <stdint.h>

#define EXT_MAGIC     0x3154584557444e53ull /* "SNDWEXT1" in memory order */
#define EXT_ABI	      1u
#define EXT_NAME      32u /* names, with the zero: letters, digits, "-", "_", "." */
#define EXT_SERVICES  8u
#define EXT_BLOCK_MAX 2048u /* bytes of an argument or result block */
#define EXT_STACK     8192u

struct ext; /* the runtime's */
struct ctx;

/* One call of a service. */
struct ext_call {
	struct ext *ext;
	struct ctx *ctx;
	uint32_t client; /* who calls */
	uint32_t size;	 /* bytes of the argument block */
	uint32_t room;	 /* bytes of result that the caller takes */
	uint8_t *block;	 /* EXT_BLOCK_MAX bytes, 16-byte aligned: the argument, then the result */
};

struct ext_service {
	char name[EXT_NAME];
	/* Bytes of result in call->block, or -errno. More than call->room: the caller gets
	 * -EMSGSIZE. */
	int64_t (*run)(struct ext_call *call);
};

struct ext_desc {
	uint64_t magic;
	uint32_t abi;
	uint32_t client_size; /* bytes of data for each client, 0: none; see ext_client */
	uint64_t pool;	      /* bytes for ext_alloc */
	char name[EXT_NAME];
	/* All optional, all in the daemon, under the lock. init: 0 or -errno, which the loader
	 * reports. client_gone: `data` is what ext_client gave, NULL if it was never asked. */
	int (*init)(struct ext *ext);
	void (*exit)(struct ext *ext);
	void (*client_gone)(struct ext *ext, uint32_t client, const void *data);
	struct ext_service service[EXT_SERVICES]; /* up to the first without a name */
};

#define SANDWIRE_EXTENSION(...)                                                                    \
	const struct ext_desc sandwire_ext                                                         \
		__attribute__((used)) = {.magic = EXT_MAGIC, .abi = EXT_ABI, __VA_ARGS__}
extern const struct ext_desc sandwire_ext;

/* ---- the runtime ---------------------------------------------------------------------------- */

/* The net's one lock: short sections only. Not nested; not held when the service returns. */
void ext_lock(const struct ext_call *call);
void ext_unlock(const struct ext_call *call);
/* CLOCK_MONOTONIC, ns. Under the lock. */
uint64_t ext_now(const struct ext *ext);

/* Zeroed memory of the extension's pool, 16-byte aligned, or NULL. Under the lock. */
void *ext_alloc(struct ext *ext, size_t size);
void ext_free(struct ext *ext, void *mem, size_t size); /* the same size */

/*
 * The client's own data: desc.client_size bytes, zeroed at its first use, gone with the client
 * (after client_gone). NULL: no such client, no client_size. ext_client_find makes none. Clients
 * are 1 .. EXT_CLIENTS - 1. Under the lock.
 */
#define EXT_CLIENTS 2048u
void *ext_client(struct ext *ext, uint32_t client);
void *ext_client_find(const struct ext *ext, uint32_t client);

/* The image's own, which compilers also call unasked. */
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* Outside the lock. Linux's own: a result or -errno. */
static inline long ext_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#endif
