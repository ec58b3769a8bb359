/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to libsandwire and its shim: what a process keeps of its attachment, the interface of the
 * three modes, the table of descriptors.
 *
 *	api.c, api_io.c	   the verbs: build a call, wait when it would block
 *	api_service.c	   calls of services
 *	attach.c	   who am I attached to; fork
 *	control_client.c   the daemon's control socket
 *	channel_client.c   slots
 *	mode_*.c	   one crossing in each mode
 *	pair_fd.c	   descriptors of server and direct mode
 *	owner.c		   who gets SIGURG
 *	fdtable.c	   what is known about a descriptor
 *	wait.c		   spin, sleep, time limits, interrupted calls
 */
#ifndef UPCALL_CLIENT_H
#define UPCALL_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "upcall/upcall_abi.h"

/* For libsandwire-shim.so of the same build: under a name that no program has. */
#define EXPORT_AS(name) __asm__("swp_" name) __attribute__((visibility("default")))

struct attachment;
struct call;
struct pollfd;

struct mode_ops {
	const char *name;
	bool staged; /* bulk data goes through the slot's data area, not by application address */
	bool drives; /* a crossing runs the stack in this thread: worth spinning with */
	bool pairs;  /* descriptors are pair_fd.h's, sockets are named by id */
	/* After the channel is mapped; *fds: further descriptors of the reply, to be taken (-1) */
	int (*attach)(struct attachment *at, const char *reply, int *fds, unsigned n_fds);
	void (*detach)(struct attachment *at);
	/*
	 * Makes the call in the slot: its result, for a call that makes a socket the new
	 * descriptor. *crossing: 0, or -errno if the call did not take place (then the result means
	 * nothing).
	 */
	int64_t (*cross)(struct call *c, int *crossing);
};
extern const struct mode_ops mode_upcall, mode_server, mode_direct;

enum attach_state { ATTACH_NONE = 0, ATTACH_BUSY, ATTACH_READY, ATTACH_REFUSED };

/*
 * One per address space. The page it lies in is wiped in a child of fork (MADV_WIPEONFORK), which
 * therefore finds ATTACH_NONE; a vfork child shares it with its parent and goes on using it.
 */
struct attachment {
	/* Slots: a set bit is in use. slot_seq counts releases while somebody waits. */
	_Atomic uint64_t slots __attribute__((aligned(64)));
	_Atomic uint32_t slot_seq, slot_waiters;

	_Atomic uint32_t state; /* enum attach_state; futex while ATTACH_BUSY */
	_Atomic int32_t pid;	/* of the process proper: another one is a vfork child */
	uint32_t client;
	const struct mode_ops *ops;
	struct channel *channel;
	uint64_t channel_size;
	uint8_t *data; /* server mode: data areas */
	int control_fd, client_fd, doorbell_fd;
	_Atomic uint32_t control_lock; /* futex: 0 free, 1 held, 2 held and waited for */
	_Atomic uint32_t ext_lock;     /* direct mode: while extensions are being mapped */
	_Atomic uint64_t ext_gen;      /* as of when all extensions are mapped */
	bool uninterrupted;	       /* SANDWIRE_INTERRUPTS=0 at start */
	char net[32];
};

/* attach.c. The attachment, attaching first where needed; NULL: refused (attach_error() says why).
 */
struct attachment *attach_get(void) EXPORT_AS("attach_get");
/* The same, but never attaches: NULL while not attached. */
struct attachment *attach_peek(void) EXPORT_AS("attach_peek");
/* -errno of the last refusal. */
int attach_error(void) EXPORT_AS("attach_error");
/* A child of vfork runs in its parent's memory with descriptors of its own: what it does to
 * descriptors must not be noted. */
bool attach_in_vfork_child(void) EXPORT_AS("attach_in_vfork_child");
/* Library-owned descriptors, which a program that closes everything must not hit. */
bool attach_owns_fd(int fd) EXPORT_AS("attach_owns_fd");
/* Moves a library-owned descriptor out of the way of dup2(.., fd). */
void attach_vacate_fd(int fd) EXPORT_AS("attach_vacate_fd");
/* Counts attachments of this process and its ancestors: a grant of an earlier one is void. */
uint16_t attach_epoch(void);
/* The daemon's process id, for recognising its descriptors; 0: no net. Does not attach. */
int attach_daemon_pid(void);

/* control_client.c */
void control_choose_dir(const char *dir); /* instead of /run/sandwire; NULL: no */
#define CONTROL_FDS 20
#define CONTROL_MAX 16384
int control_connect(const char *net); /* a descriptor or -errno */
/* Sends a packet (with send_fd unless -1). */
int control_send(int control, const char *packet, int send_fd);
/* Receives one: bytes or -errno; fds of it. reply holds CONTROL_MAX bytes. */
int control_recv(int control, char *reply, int *fds, unsigned *n_fds);
/* Both, under the attachment's lock. -errno of the daemon's "error" where it has "errno". */
int control_ask(struct attachment *at, const char *packet, int send_fd, char *reply, int *fd);
/* A futex word: 0 free, 1 held, 2 held and waited for. Signals are blocked meanwhile. */
void client_lock(_Atomic uint32_t *word);
void client_unlock(_Atomic uint32_t *word);
/* Reply fields: false if absent or of another type. Strings are cut to size. */
bool json_u64(const char *object, const char *key, uint64_t *value);
bool json_string(const char *object, const char *key, char *value, size_t size);
/* Element i of the array `key`, as a pointer to its first character; NULL at the end. */
const char *json_element(const char *object, const char *key, unsigned i);

/* channel_client.c: waits while all slots are in use. */
unsigned slot_claim(struct attachment *at);
void slot_release(struct attachment *at, unsigned slot);

/* fdtable.c: one 64-bit word a descriptor; see there. */
enum fd_kind {
	FD_UNKNOWN = 0, /* look at the descriptor itself */
	FD_KERNEL = 1,	/* none of our business */
	FD_INET = 2,	/* an Internet socket of the kernel that may yet become ours (shim) */
	FD_SOCK = 3,	/* a Sandwire socket */
};
#define FD_KIND(w)  ((enum fd_kind)((w)&0xf))
#define FD_DGRAM    0x0010ull
#define FD_TIMEO    0x0020ull /* may have SO_RCVTIMEO or SO_SNDTIMEO */
#define FD_BOUND    0x0040ull /* FD_INET: bound to any address, port chosen by the kernel */
#define FD_USED	    0x0080ull /* FD_INET: the kernel has sent from it: stays there */
#define FD_DUPED    0x0100ull /* FD_INET: may have other numbers */
#define FD_WATCHED  0x0200ull /* FD_INET: registered with epoll */
#define FD_URGENT   0x0400ull /* FD_SOCK: its descriptors say POLLPRI (pair_fd.h) */
#define FD_EPOCH(w) ((uint16_t)((w) >> 16))
#define FD_ID(w)    ((uint32_t)((w) >> 32)) /* FD_SOCK: socket id; FD_INET: options set */
#define FD_WORD(kind, flags, epoch, id)                                                            \
	((uint64_t)(kind) | (flags) | (uint64_t)(uint16_t)(epoch) << 16 | (uint64_t)(id) << 32)

uint64_t fd_get(int fd) EXPORT_AS("fd_get");
void fd_set_word(int fd, uint64_t word) EXPORT_AS("fd_set_word");
bool fd_change(int fd, uint64_t from, uint64_t to) EXPORT_AS("fd_change");
void fd_forget(int fd) EXPORT_AS("fd_forget");
void fd_copy(int from, int to) EXPORT_AS("fd_copy");
int fd_limit(void) EXPORT_AS("fd_limit"); /* no number above it was ever noted */
/* fd_get, but looks at the descriptor when nothing is known. */
uint64_t fd_resolve(int fd) EXPORT_AS("fd_resolve");
/* Was a Sandwire socket ever noted in this process or its ancestors? */
bool fd_any_sock(void) EXPORT_AS("fd_any_sock");
void fd_note_sock(int fd, uint64_t word);
uint32_t fd_inode(int fd); /* as noted with the word; 0: none */
/* Still the file that the entry was made for? (server and direct mode) */
bool fd_same_file(int fd);

/* pair_fd.c */
/* Takes all bytes out, the urgent one too if it is looked for: were there any? */
bool pair_take_bytes(int fd, bool urgent);
/* The socket has nothing to read, or to take no more: neither shall its descriptor say so. */
void pair_clear_in(int fd, bool urgent);
void pair_clear_out(int fd);
/* An urgent byte lies there? */
bool pair_has_urgent(int fd);
/*
 * For who is about to wait for POLLPRI: if the descriptor is of these it says that from now on, and
 * true is returned. A result then has to be settled, as POLLPRI says POLLIN by itself.
 */
bool pair_ask_urgent(int fd) EXPORT_AS("pair_ask_urgent");
bool pair_readable(int fd) EXPORT_AS("pair_readable"); /* it polled POLLPRI: is POLLIN true? */
/* The same for a call of poll; the second returns the result, `ret` before, that is to be given. */
bool pair_poll_ask(const struct pollfd *fds, uint64_t n) EXPORT_AS("pair_poll_ask");
int pair_poll_settle(struct pollfd *fds, uint64_t n, int ret) EXPORT_AS("pair_poll_settle");
/* Returns when the daemon has seen all closes before the call. */
void pair_await_closes(struct attachment *at);
/* Its socket's id, and flags of its word: 0, -ENOTSOCK, -errno. */
int pair_prove(struct attachment *at, int fd, uint32_t *id, uint64_t *flags);
int pair_get(struct attachment *at, uint32_t id, int sock_flags); /* descriptor or -errno */

/* A call in progress. */
#define NO_FD INT32_MIN
struct call {
	struct attachment *at;
	struct call_slot *slot;
	unsigned n;	/* of the slot */
	int fd;		/* NO_FD: the call is about no socket */
	uint64_t word;	/* the descriptor's */
	int sock_flags; /* SOCK_NONBLOCK, SOCK_CLOEXEC of a socket to be made */
};
/* 0, -ENOTSOCK, -ENETDOWN. */
int call_begin(struct call *c, int fd, uint32_t nr);
int64_t call_go(struct call *c);
void call_end(struct call *c);

/* api.c: false if the address is shorter than its family's. */
struct sockaddr;
bool addr_in(const struct sockaddr *sa, uint32_t len, struct call_addr *out);
/* Cut to *len, which becomes the full length. Both NULL: not wanted. */
void addr_out(const struct call_addr *in, struct sockaddr *sa, uint32_t *len);
/* Notes the descriptor of a socket just made by the call; its number, or -errno. */
int call_new_socket(struct call *c, int64_t ret, uint64_t flags);

/* wait.c */
struct spin {
	uint64_t until; /* ns; 0: not begun */
};
/* Is there a second processor, on which what we wait for may happen meanwhile? */
bool spin_useful(void);
/* True while it is worth looking again before sleeping; runs a turn if `turn`. */
bool spin_again(struct spin *s, bool turn) EXPORT_AS("spin_again");
/* Should a call without a time limit go on after EINTR? */
bool wait_restarts(void);
struct wait {
	int fd;
	short events;	      /* POLLIN or POLLOUT */
	int timeo_option;     /* SO_RCVTIMEO or SO_SNDTIMEO */
	uint64_t deadline;    /* ns; 0: not asked yet; UINT64_MAX: none */
	const uint64_t *mask; /* signals blocked while asleep; NULL: as they are */
};
/* Sleeps until the descriptor may be ready: 0, -EAGAIN (time is up), -EINTR. */
int wait_ready(struct wait *w);
bool fd_nonblocking(int fd);

#endif
