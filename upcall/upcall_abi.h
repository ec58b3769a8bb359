/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The crossing's ABI: call numbers, the call block, and the channel through which a process hands
 * calls to the sandbox. Shared by libsandwire (A), the image (S) and the daemon (D).
 *
 * A channel is shared memory that its process may write at any time. The image and the daemon copy
 * everything out once and then check; offsets, never pointers, except application buffers, which
 * are range-checked against the segment.
 *
 *   channel:  struct channel (header + slots), then in server mode CHANNEL_DATA_SIZE bytes a slot
 *
 * A thread owns a slot while a call is under way (library-side bitmap). Small things (addresses,
 * option values, I/O vectors) travel in the slot itself; bulk data is
 *   upcall, direct: in application memory, copied by the image (upcall/app_copy.S)
 *   server:	     in the slot's data area; iov bases are offsets into it
 */
#ifndef UPCALL_ABI_H
#define UPCALL_ABI_H

#include <stdint.h>

#define CHANNEL_MAGIC	  0x4e414843u /* "CHAN" */
#define CHANNEL_VERSION	  2u
#define CHANNEL_SLOTS	  64u
#define CHANNEL_INLINE	  384u	 /* bytes in a slot for small arguments and results */
#define CHANNEL_IOV_MAX	  16u	 /* vectors a call; the library splits longer lists */
#define CHANNEL_DATA_SIZE 32768u /* server mode: bulk data of one slot */

/*
 * Calls. "a0".."a5" are call_slot.arg; results >= 0 or -errno in call_slot.ret. Calls that name a
 * socket take it from the descriptor (upcall mode: the module's word; server and direct mode:
 * call_slot.sock, checked against the client's grants in server mode).
 */
enum call_nr {
	CALL_NULL = 0, /* returns 0: what a crossing costs */
	CALL_TURN,     /* runs a turn (poll ports, timers, output); ret: frames handled */
	CALL_SOCKET,   /* a0 domain, a1 type (SOCK_NONBLOCK/CLOEXEC allowed), a2 protocol; makes a
			  socket */
	CALL_BIND,     /* inline: struct call_addr */
	CALL_LISTEN,   /* a0 backlog */
	CALL_CONNECT,  /* inline: struct call_addr */
	CALL_ACCEPT,   /* a0 flags SOCK_NONBLOCK/CLOEXEC; makes a socket; inline out: peer call_addr
			*/
	CALL_SEND,     /* a0 MSG_ flags, a1 number of iovs, a2 1: has address, a3 1: has a note;
			  inline: call_io */
	CALL_RECV, /* a0 MSG_ flags, a1 number of iovs, a3 1: wants a note; inline in/out: call_io;
		      ret2: full length */
	CALL_SHUTDOWN,	  /* a0 how */
	CALL_GETSOCKNAME, /* inline out: call_addr */
	CALL_GETPEERNAME, /* inline out: call_addr */
	CALL_SETSOCKOPT,  /* a0 level, a1 name, a2 length <= CHANNEL_INLINE; inline: value, as
			     Linux's but for call_filter */
	CALL_GETSOCKOPT,  /* a0 level, a1 name, a2 room <= CHANNEL_INLINE; inline in: what some
			     options ask with, and out; ret: length */
	CALL_READABLE,	  /* FIONREAD */
	CALL_UNSENT,	  /* SIOCOUTQ; with a0 1 SIOCOUTQNSD */
	CALL_EVENTS, /* ret: poll(2) bits now, after a turn; those also in a0 wake sleepers again
			(upcall/pair_fd.h) */
	CALL_ROUTE, /* inline: call_addr of a destination; ret 0 and inline: source, or -ENETUNREACH
		     */
	CALL_IS_LOCAL, /* inline: call_addr; ret 1 if the address is the net's own */
	CALL_SERVICE, /* a0 bytes of argument, a1 room for the result, a2 direct mode: generation of
			 the extensions mapped; inline in/out: call_service; ret: bytes of result;
			 ret2: 1 with -ESTALE: map them again */
	CALL_SERVICE_NAME, /* a0: i; inline out: the name of the i-th service, or -ENOENT */
	CALL_AT_MARK,	   /* SIOCATMARK: 1 or 0 */
	CALL_SIGNAL, /* a0 1: I shall ask the daemon for SIGURG to the descriptor's owner (owner.c);
			ret: the socket's id to ask with, 0: it never has urgent data. a0 0: no more
			signals */
	CALL_MAX,

	/* Only client 0 (the daemon), by plain call; pointers are the daemon's own memory. */
	ADMIN_INIT = 0x1000, /* a0: const struct admin_init *; builds the sandbox in the heap */
	ADMIN_PORT_ADD,	     /* a0: struct port_conf *; ret: port index */
	ADMIN_PORT_DEL,	     /* a0: port index */
	ADMIN_PORT_IRQ,	     /* a0: port index, a1: on */
	ADMIN_PORT_ROW,	     /* a0: index, a1: struct admin_port_row * */
	ADMIN_ADDR_ADD,	     /* a0: port index, a1: const struct ip_addr * */
	ADMIN_ADDR_DEL,
	ADMIN_ROUTE_ADD, /* a0: dst *, a1: gateway * or 0, a2: port index, a3: metric */
	ADMIN_ROUTE_DEL, /* a0: dst *, a1: gateway * or 0 */
	ADMIN_ADDR_ROW,	 /* a0: cursor *, a1: row *; ret 1 while there are rows; likewise: */
	ADMIN_ROUTE_ROW,
	ADMIN_NEIGH_ROW,
	ADMIN_SOCK_ROW,
	ADMIN_POOL_ROW,
	ADMIN_USER_ROW,
	ADMIN_DHCP_START,    /* a0: port index */
	ADMIN_DHCP_ROW,	     /* as ADMIN_ADDR_ROW */
	ADMIN_COUNTER,	     /* a0: i, a1: const char **name, a2: uint64_t *value */
	ADMIN_CAPTURE_START, /* a0: capture slot, a1: port index or -1 (all), a2: snaplen */
	ADMIN_CAPTURE_STOP,  /* a0: capture slot */
	ADMIN_TURN,	     /* as CALL_TURN; a0: uint64_t *: out, ns of the next deadline */
	ADMIN_SERVE,	     /* server mode: a0: client id, a1: struct channel *, a2: slot number */
	ADMIN_GRANT, /* a0: client id, a1: socket id: the client proved it holds a descriptor */
	ADMIN_CLIENT_ADD,  /* a0: client id, a1: user id: before it makes its first call */
	ADMIN_CLIENT_GONE, /* a0: client id */
	ADMIN_CLOCK,	   /* a0: const struct seg_clock *: newer calibration */
	ADMIN_SHUTDOWN,	   /* RST to all connections, stop all ports */
	ADMIN_EXT_ADD,	   /* a0: struct admin_ext * */
	ADMIN_EXT_CLOSE,   /* a0: place; ret: callers still inside; 0: it is gone */
	ADMIN_EXT_REOPEN,  /* a0: place: let callers in again */
	ADMIN_EXT_CALLS,   /* a0: place; ret: calls so far */
	ADMIN_EXT_SYMBOL,  /* a0: const char *name, a1: uint64_t *address, 0: not one of ours */
	ADMIN_SIGNAL_ON,   /* a0: client id, a1: socket id: it did CALL_SIGNAL, signals begin */
	ADMIN_SIGNAL_KEPT, /* a0: socket id; ret: 1: they still shall be sent */
	ADMIN_SIGNAL_TAKE, /* ret: id of a socket whose owner is owed SIGURG, or 0 */
	ADMIN_IP6_UP,	   /* a0: port index, a1: const struct stack_ip6_conf * */
	ADMIN_MAX,
};

struct call_addr {
	uint16_t family; /* AF_INET, AF_INET6; 0: none */
	uint16_t port;	 /* host byte order */
	uint8_t addr[16];
	uint32_t scope; /* of a link-local address: index of the net's port + 1; 0: the first */
};

struct call_iov {
	uint64_t base; /* address in the application, or offset in the slot's data area */
	uint64_t len;
};

/* Control messages; the fields are those of struct sock_note (tcpip/tcpip.h). */
enum call_note_have {
	CALL_NOTE_PKTINFO = 1u << 0,
	CALL_NOTE_TTL = 1u << 1,
	CALL_NOTE_TOS = 1u << 2,
	CALL_NOTE_TIME = 1u << 3,
	CALL_NOTE_TIME_NS = 1u << 4,
	CALL_NOTE_ERROR = 1u << 5,
	CALL_NOTE_INQ = 1u << 6,
};
struct call_note {
	uint32_t have; /* enum call_note_have */
	uint32_t scope;
	struct call_addr at;
	uint8_t ttl, tos, origin, type, code, spare[3];
	uint32_t err, info;
	struct call_addr offender;
	uint64_t age;
};

/* With a note there is room for fewer vectors. On its way out it lies at their beginning. */
#define CALL_NOTE_IOV (CHANNEL_IOV_MAX - 5u)
struct call_io {
	struct call_addr addr;
	uint32_t msg_flags; /* out: MSG_TRUNC; MSG_OOB: the data ends where the urgent byte is */
	union {
		struct call_iov iov[CHANNEL_IOV_MAX];
		struct {
			struct call_iov iov_before[CALL_NOTE_IOV];
			struct call_note note; /* in, of a send */
		};
		struct call_note note_out;
	};
};
_Static_assert(sizeof(struct call_note) <= 5 * sizeof(struct call_iov), "a note fits");
_Static_assert(sizeof(struct call_io) <= CHANNEL_INLINE, "call_io fits");

/* The value of MCAST_MSFILTER. Out: of all `n` sources those that fit; asked for: none. */
#define CALL_FILTER_MAX 16u /* as many as a membership may name */
struct call_filter {
	uint32_t interface, mode, n; /* as in Linux's struct group_filter */
	uint32_t family;	     /* of the addresses; IPv4's are four bytes, then zeros */
	uint8_t group[16], source[CALL_FILTER_MAX][16];
};
_Static_assert(sizeof(struct call_filter) <= CHANNEL_INLINE, "call_filter fits");

/*
 * A service's blocks are here if they fit, each for itself; else at the two places: addresses in
 * the application, or offsets in the slot's data area.
 */
#define SERVICE_NAME	  32u /* bytes, with the zero */
#define SERVICE_BLOCK_MAX 2048u
#define SERVICE_INLINE	  336u
struct call_service {
	char name[SERVICE_NAME];
	uint64_t arg_at, result_at;
	uint8_t block[SERVICE_INLINE];
};
_Static_assert(sizeof(struct call_service) == CHANNEL_INLINE, "call_service fits");

enum call_state { CALL_FREE = 0, CALL_POSTED = 1, CALL_DONE = 2 }; /* server mode */

#define CALL_EVENTS_KNOWN 0x80000000u

struct call_slot {
	uint32_t state;	 /* enum call_state; futex word in server mode */
	uint32_t nr;	 /* enum call_nr */
	uint32_t sock;	 /* socket id in server and direct mode; out: id of the socket made */
	uint32_t events; /* out: the socket's poll(2) bits after the call | CALL_EVENTS_KNOWN, or 0
			  */
	uint64_t arg[6];
	int64_t ret;
	uint64_t ret2;
	uint8_t inl[CHANNEL_INLINE] __attribute__((aligned(16)));
} __attribute__((aligned(64)));

struct channel {
	uint32_t magic, version; /* daemon, before the channel is handed out */
	uint32_t client_id;	 /* daemon; informative: nobody believes it when read back */
	uint32_t mode;		 /* enum seg_mode; daemon */
	uint32_t size;		 /* bytes; daemon */
	uint32_t routes_gen;	 /* daemon: changes when addresses or routes change */
	uint32_t net_down;	 /* daemon: nonzero when the net went away */
	uint32_t daemon_polling __attribute__((aligned(64))); /* daemon: no doorbell needed now */
	uint64_t posted __attribute__((aligned(64))); /* client sets bits, daemon takes them */
	struct call_slot slot[CHANNEL_SLOTS];
};

#define CHANNEL_SIZE	    ((sizeof(struct channel) + 4095u) & ~4095ull)
#define CHANNEL_DATA_OFF(s) (CHANNEL_SIZE + (uint64_t)(s)*CHANNEL_DATA_SIZE)
#define CHANNEL_SIZE_SERVER CHANNEL_DATA_OFF(CHANNEL_SLOTS)

struct admin_init {
	uint8_t seed[32];
	uint32_t max_sockets; /* 0: the most there can be */
	uint32_t quota;	      /* struct stack_conf.quota */
	uint32_t pktbufs;     /* 0: what the DMA part holds after rings (1 MiB a port kept back) */
};

struct ext_desc;
struct admin_ext {
	uint64_t place, gen; /* sandbox/ext_host.h */
	const struct ext_desc *desc;
	void *pool;
	uint64_t pool_size;
	const char *clash; /* out: with -EEXIST, the name that is taken */
};

/* One port for `stat` and `addr`. */
struct admin_port_row {
	char kind[16], name[48];
	uint8_t mac[6];
	uint16_t mtu;
	uint32_t caps, link_mbps, rx_held;
	uint8_t link_up, running;
	uint64_t stats[16]; /* struct port_stats, in its order */
};

#endif
