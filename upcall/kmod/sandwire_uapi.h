/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/sandwire: what user space and sandwire.ko say to each other. The only header they share.
 *
 * Three kinds of file:
 *   net file     an open /dev/sandwire on which the daemon did SW_IOC_NET_CREATE
 *   client file  an open /dev/sandwire of an attached process, bound to the mm that opened it
 *   socket file  made by EXIT with a socket id; dup, fork, exec and SCM_RIGHTS keep their
 *		  meaning; poll, select and epoll work on it; the last close puts its id into the
 *		  net's closed ring
 *
 * A crossing, ENTER: lseek(fd, SW_SEEK_ENTER | slot, SEEK_SET) on a client or socket file. (Of the
 * system calls on a descriptor lseek goes straight to the file's method, where security modules
 * look at the path of each ioctl's. Any other lseek is ESPIPE, as on every socket.) The module
 * saves the caller's registers, blocks signals, opens the sandbox for this thread alone and goes on
 * at the net's entry point with
 *   rdi = address of the upcall context   rsi = client id
 *   rdx = socket id (0: client file)	   r9  = slot (low 32 bits) | SW_ENTER_* flags
 *   r8  = fd the caller used		   rsp = top of the context's stack, 16-byte aligned - 8
 *   rcx = the entry point, r11 = flags, as SYSRET leaves them
 * and every other general register zero; DF, TF, AC, NT clear. The image leaves with
 * EXIT: lseek(fd, SW_SEEK_EXIT, SEEK_SET) with r9 = result, r10 = socket id to make a descriptor
 * for or 0, r8 = O_CLOEXEC/O_NONBLOCK for it. The caller's ENTER then returns: rax = SW_CROSSED or
 * -errno of the crossing itself, rdx = the 64-bit result (the new descriptor or -errno where one
 * was asked for). All other registers are the caller's own. Anything else in rax: the file is not
 * the module's (/dev/null says 0, a regular file EINVAL). The fd given to EXIT need not be valid
 * for the thread to leave: a write to slot_base + SW_EXIT_OFF with the same registers leaves as
 * well.
 *
 * ENTER needs a reserved mapping of the caller's: mmap(slot_base, 512 GiB, MAP_SHARED, a client
 * file of this process, 0). One serves every net with that slot. It cannot be split, moved or
 * changed; munmap ends the client, and the upcalls that are running then end as usual.
 *
 * ENTER's -errno (of EXIT's result nothing is known then, rdx is 0 or as it was):
 *   EAGAIN	no upcall context is free for it  ENOTCONN  no client of that net in this process
 *   EBUSY	already in an upcall		  ENXIO	    no reservation, or the client is dead
 *   EPERM	the thread is traced or has a tracer's watchpoints, has used io_uring, cannot read
 *		the TSC, dispatches its system calls or has a shadow stack; or it is not 64-bit code
 *   ESTALE	another process's client file (after fork): attach again
 *   ENETDOWN	the daemon is gone or the image faulted
 *   EINTR	the thread was stopped, traced, frozen or took a signal in mid-upcall, or got no CPU
 *		while others waited for a lock of its: the daemon finishes the upcall. Do NOT
 *		repeat it.
 */
#ifndef SANDWIRE_UAPI_H
#define SANDWIRE_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SW_DEVICE      "/dev/sandwire"
#define SW_ABI_VERSION 4

/* Flags in r9 at entry. */
#define SW_ENTER_NONBLOCK  (1ull << 32) /* the socket file has O_NONBLOCK */
#define SW_ENTER_INTERRUPT (1ull << 33) /* see SW_IOC_NET_IRQ */

/* Events of a net file, taken by the daemon. */
enum sw_event_type {
	SW_EVENT_NONE = 0,
	SW_EVENT_ORPHAN = 1, /* an upcall is half done: SW_IOC_NET_ADOPT; said until none is left */
	SW_EVENT_CLIENT_GONE = 2, /* client `id` is gone: process ended or exec'd, reservation or
				     last descriptor gone; its upcalls are over, orphans too */
	SW_EVENT_CLOSED = 3,	  /* the closed ring has entries */
	SW_EVENT_KICK = 4,	  /* the image asked for the daemon (wake ring) */
	SW_EVENT_FAULT = 5, /* the image faulted in an upcall of client `id`: the net is dead */
	SW_EVENT_IRQ = 6,   /* an interrupt came and no thread does its work, or not all of it */
};

struct sw_event {
	__u32 type;
	__u32 id;
};

struct sw_info {
	__u32 abi_version;
	__u32 flags; /* SW_INFO_* */
	__u64 enters, exits, orphans, adopted, heals, resyncs, sockets, clients;
};
#define SW_INFO_LA57 1u
#define SW_INFO_PCID 2u

/* Addresses are user addresses in the slot; the daemon must have mapped them with NET_MAP. */
struct sw_net_create {
	__u64 slot_base;		/* SEG_BASE */
	__u64 entry;			/* first instruction of an upcall */
	__u64 fault_fixup;		/* where a faulting app-memory copy goes on, or 0 */
	__u64 copy_start, copy_end;	/* code that may touch app memory */
	__u64 ctx_addr, ctx_stride;	/* upcall contexts, all handed out */
	__u64 stack_addr, stack_stride; /* stack i is [addr + i*stride, addr + (i+1)*stride) */
	__u64 kshared_addr;		/* struct seg_kshared */
	__u32 ctx_count;
	__u32 sock_count, wake_entries; /* powers of two, as in seg_kshared */
	/* byte offsets in seg_kshared */
	__u32 wake_head_off, wake_tail_off, wake_overflow_off, wake_off;
	__u32 closed_head_off, closed_tail_off, closed_off, ready_off;
	char name[32];
};

struct sw_net_map {
	/* Page aligned, inside the slot, mapped by the caller at that address (memfd, MAP_SHARED;
	 * or device registers). seg_kshared comes in one call. UNMAP takes windows and huge pages
	 * whole. */
	__u64 addr, len;
	__u32 prot;  /* PROT_READ | PROT_WRITE | PROT_EXEC; W and X together are refused */
	__u32 flags; /* 0 */
};

struct sw_net_admit {
	__s32 client_fd; /* an open client file, as received from the process */
	__u32 client_id; /* 1 .. */
	__u32 share;	 /* below SW_SHARES; clients of one share (the daemon gives each user one)
			  * together hold no more upcall contexts than are free */
	__u32 spare;
};
#define SW_SHARES 256

/*
 * An interrupt, as the file that it makes readable (VFIO's eventfd). Where it comes on a CPU that
 * runs a thread of a client's, and that is in no system call, that thread makes an upcall with
 *   rdx = frames | time_us << 32   r9 = cookie | SW_ENTER_INTERRUPT   r8 = -1 (no descriptor)
 * which may make no system call and leaves by the exit page: r9 = 0, or 1 for the daemon to go on.
 * The thread finds its registers as they were. The daemon gets SW_EVENT_IRQ if there is no such
 * thread, and if it leaves the CPU before the upcall is over (then both do the work). What comes
 * while it is in the upcall makes that begin once more, up to time_us after the first.
 */
struct sw_net_irq {
	__s32 fd;
	__u32 cookie;
	__u32 frames, time_us; /* the budget of one interruption */
};

enum sw_interrupts { SW_INTERRUPTS_OFF, SW_INTERRUPTS_ON, SW_INTERRUPTS_NEVER };

struct sw_sock_info {
	__u32 sock_id;
	__u32 client_id; /* of the calling process in that net, or 0 */
	char net[32];
};

#define SW_IOC_MAGIC 'W'
/* any file */
#define SW_IOC_INFO _IOR(SW_IOC_MAGIC, 0, struct sw_info)
/* fresh file, CAP_NET_ADMIN: becomes a net file. NET_MAP first needs NET_CREATE. */
#define SW_IOC_NET_CREATE _IOW(SW_IOC_MAGIC, 1, struct sw_net_create)
#define SW_IOC_NET_MAP	  _IOW(SW_IOC_MAGIC, 2, struct sw_net_map)
#define SW_IOC_NET_UNMAP  _IOW(SW_IOC_MAGIC, 3, struct sw_net_map)
#define SW_IOC_NET_ADMIT  _IOW(SW_IOC_MAGIC, 4, struct sw_net_admit)
/* Takes one event; type SW_EVENT_NONE if there is none. The net file polls readable meanwhile. */
#define SW_IOC_NET_EVENT _IOR(SW_IOC_MAGIC, 5, struct sw_event)
/*
 * Finishes one orphan in the calling thread, which must be of the process that made the net; 0, or
 * -ENOENT when there is none, -EAGAIN when it went back because it did YIELD, waiting for a lock,
 * and there are other orphans. The adopted upcall sees the slot and no app memory at all: a copy
 * fails with fault_fixup. Its EXIT may come with any descriptor; one that asks for a socket fails
 * with -ECANCELED and stays inside (by the exit page it leaves, and the socket is in the closed
 * ring). The argument is as of YIELD, for a daemon that waits for a lock.
 */
#define SW_IOC_NET_ADOPT _IO(SW_IOC_MAGIC, 6)
/* Drains the wake ring (the daemon runs the image by plain calls, without EXIT). */
#define SW_IOC_NET_WAKE _IO(SW_IOC_MAGIC, 7)
/* Until the net file is closed. */
#define SW_IOC_NET_IRQ _IOW(SW_IOC_MAGIC, 8, struct sw_net_irq)
/* client or socket file, outside an upcall */
#define SW_IOC_SOCK_INFO _IOR(SW_IOC_MAGIC, 17, struct sw_sock_info)
/* client file; enum sw_interrupts: whether interrupts may use this thread (they may); NEVER: no
 * thread of the process, for good. A child after fork starts anew. */
#define SW_IOC_INTERRUPTS _IO(SW_IOC_MAGIC, 18)
/*
 * Inside an upcall only, by any file of the module.
 * A lock is held by somebody else: lets others run. The argument is 1 + the number of the context
 * that holds it, 0 if that is not an upcall's: if that context's thread has been off the CPU for
 * some milliseconds, its upcall becomes an orphan.
 */
#define SW_IOC_YIELD _IO(SW_IOC_MAGIC, 19)

/* Offsets for lseek, all negative: no file has such a place. ENTER's low 32 bits are the slot. */
#define SW_SEEK_MASK  0xffffffff00000000ull
#define SW_SEEK_ENTER 0x8057524500000000ull
#define SW_SEEK_EXIT  0x8057524600000000ull
#define SW_CROSSED    0x5357524500000000ll /* ENTER's rax where the upcall came to its end */

/* A page of the slot that is never mapped; a write to it by image code leaves the upcall. */
#define SW_EXIT_OFF 0x1ff000ull

#endif
