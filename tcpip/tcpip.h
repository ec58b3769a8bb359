/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stack's public face: an instance, frames in, time forward, and the socket verbs.
 *
 * The stack does no I/O and has no clock, no thread and no global state: frames come in by
 * stack_input(), go out by port_send(); `now` and the random seed are arguments. Everything here
 * runs under the stack lock (sandbox/lock.h) and does bounded work. Errors are negative errno.
 * Called by sandbox/turn.c (through struct turn_ops) and upcall/calls.c; tests call it directly.
 */
#ifndef TCPIP_TCPIP_H
#define TCPIP_TCPIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/port.h"
#include "sandbox/pktbuf.h"
#include "sandbox/pool.h"

struct stack;
struct socket;

/* What a stack needs from outside. */
struct stack_env {
	/*
	 * The readiness of a socket is now `events` (poll(2) bits). `wake`: something happened that
	 * a sleeper waits for (data arrived, room came, an error): wake it even if the bits are the
	 * same as before, edge-triggered epoll counts on it. Called under the stack lock.
	 */
	void (*ready)(void *arg, uint32_t sock_id, uint32_t events, bool wake);
	/* Somebody is owed a signal: stack_signal_take() says who. NULL: nobody asks. Likewise. */
	void (*signal)(void *arg);
	void *arg;
};

struct stack_conf {
	struct stack_env env;
	struct pktbuf_pool *pool;
	uint64_t now;	      /* ns, any epoch, never goes back */
	uint8_t seed[32];     /* for ISNs, ports, hash keys */
	uint32_t max_sockets; /* power of two <= SEG_SOCK_COUNT; 0: SEG_SOCK_COUNT */
	uint32_t max_pcbs;    /* TCP control blocks; 0: max_sockets */
	uint32_t quota;	      /* percent, quota.c; 0: 50 */
};

/* Carves everything from `arena`; NULL if it is too small. */
struct stack *stack_create(struct arena *arena, const struct stack_conf *conf);

/* ---- frames and time -------------------------------------------------------------------- */

/* The time for all that follows, until the next call. */
void stack_set_now(struct stack *st, uint64_t now);
/* Takes over n frames, PORT_BATCH at most, received on a port (Ethernet, or IP where the port has
 * PORT_CAP_RAW_IP). */
void stack_input(struct stack *st, struct port *port, struct pktbuf **batch, unsigned n);
/* Runs timers that are due; at most `budget` of them. Returns true if more are due. */
bool stack_timers(struct stack *st, unsigned budget);
/* When the next timer is due, ns; UINT64_MAX: none. */
uint64_t stack_deadline(const struct stack *st);
/* Sends ACKs and data held back for the end of a batch. Call before port_flush(). */
void stack_output(struct stack *st);

/* Turns one of TCP's settings, by Linux's name without "tcp_" (the table in tcp_settings.c): 0,
 * -ENOENT, -EINVAL. For connections that begin later. */
int stack_tcp_set(struct stack *st, const char *name, uint32_t value);

/* The key of the Fast Open cookies that servers here give; random until set. Who has the same key
 * and addresses gives the same cookies (RFC 7413 4.1.2), also Linux with its tcp_fastopen_key. */
void stack_tcp_fo_key(struct stack *st, const uint8_t key[16]);

/* ---- ports, addresses, routes, neighbours ------------------------------------------------ */

struct ip_addr {
	uint8_t family;	   /* AF_INET, AF_INET6 */
	uint8_t prefix;	   /* bits, where an interface address or a destination */
	uint8_t bytes[16]; /* network byte order; IPv4 in the first four */
};

void stack_port_add(struct stack *st, struct port *port);
void stack_port_del(struct stack *st, struct port *port);
int stack_addr_add(struct stack *st, struct port *port, const struct ip_addr *addr);
int stack_addr_del(struct stack *st, struct port *port, const struct ip_addr *addr);
/* gateway NULL: on-link. */
int stack_route_add(struct stack *st, const struct ip_addr *dst, const struct ip_addr *gateway,
		    struct port *port, uint32_t metric);
int stack_route_del(struct stack *st, const struct ip_addr *dst, const struct ip_addr *gateway);
/* 0 and the source address the stack would use; -ENETUNREACH when the net does not route dst. */
int stack_route_lookup(struct stack *st, const struct ip_addr *dst, struct ip_addr *src);
bool stack_addr_is_local(struct stack *st, const struct ip_addr *addr);

/* IPv6 on a port: its link-local address, neighbour discovery, and, with accept_ra, what routers
 * say (RFC 4862). Without it frames of IPv6 are dropped there. */
struct stack_ip6_conf {
	uint8_t secret[16];    /* RFC 7217: the same at each start, so addresses stay the same */
	uint8_t dad_transmits; /* probes before an address is used; 0: none, as in Linux */
	bool accept_ra;
};
/* 0, -EEXIST (it is up), -EINVAL (MTU below 1280), -ENOSPC. */
int stack_ip6_up(struct stack *st, struct port *port, const struct stack_ip6_conf *conf);

/*
 * DHCPv4 on a port (dhcp4.c): an address, its routes and MTU come and go by themselves. 0,
 * -EALREADY, -EOPNOTSUPP (no Ethernet). stop gives the address back; -ENOENT.
 */
int stack_dhcp_start(struct stack *st, struct port *port);
int stack_dhcp_stop(struct stack *st, struct port *port);

/* ---- introspection: rows for stat, ss, addr, route, neigh --------------------------------- */

struct addr_row {
	struct ip_addr addr;
	uint32_t port_index;
	bool tentative, duplicate;     /* IPv6: not in use, RFC 4862 5.4 */
	bool dynamic;		       /* IPv6: from a router */
	uint32_t valid_s, preferred_s; /* IPv6: all ones: for ever */
};
struct route_row {
	struct ip_addr dst, gateway; /* gateway.family 0: on-link */
	uint32_t port_index, metric;
	bool from_router; /* IPv6 */
};
/* States of a neighbour (RFC 4861 7.3.2, and FAILED as in Linux). */
enum neigh_state {
	NEIGH_INCOMPLETE = 1,
	NEIGH_REACHABLE,
	NEIGH_STALE,
	NEIGH_DELAY,
	NEIGH_PROBE,
	NEIGH_FAILED,
};
struct neigh_row {
	struct ip_addr addr;
	uint8_t mac[6];
	uint8_t state; /* enum neigh_state */
	uint32_t port_index, age_ms, queued;
};
/* RFC 2131 figure 5; PROBING: RFC 5227; WAITING: to begin anew after a refusal or a conflict. */
enum dhcp_state {
	DHCP_WAITING,
	DHCP_SELECTING,
	DHCP_REQUESTING,
	DHCP_PROBING,
	DHCP_BOUND,
	DHCP_RENEWING,
	DHCP_REBINDING,
};
#define DHCP_DNS_MAX	3u
#define DHCP_DOMAIN_MAX 64u
struct dhcp_row {
	uint32_t port_index;
	enum dhcp_state state;
	uint32_t changes; /* of the stack's addresses by DHCP so far */
	/* with an address only; else addr.family is 0 */
	struct ip_addr addr, server, dns[DHCP_DNS_MAX];
	uint32_t n_dns;
	uint32_t lease_s, left_s; /* UINT32_MAX: for ever */
	char domain[DHCP_DOMAIN_MAX];
};
struct sock_row {
	uint32_t id, client; /* client: who created it */
	uint16_t type;	     /* SOCK_STREAM, SOCK_DGRAM */
	uint8_t protocol;    /* IPPROTO_TCP, _UDP, _ICMP */
	uint8_t tcp_state;   /* as in struct tcp_info: TCP_ESTABLISHED = 1 ... */
	struct ip_addr local, remote;
	uint16_t local_port, remote_port; /* host byte order */
	uint32_t recv_q, send_q;	  /* bytes; for a listener: accept queue, backlog */
	uint32_t rtt_us, cwnd, mss, retrans;
};
struct pool_row {
	char name[16];
	uint32_t size, count, used, high;
};
/* Copy row number *cursor and move it on; false at the end. Start with 0. */
bool stack_addr_row(struct stack *st, uint32_t *cursor, struct addr_row *row);
bool stack_route_row(struct stack *st, uint32_t *cursor, struct route_row *row);
bool stack_neigh_row(struct stack *st, uint32_t *cursor, struct neigh_row *row);
bool stack_dhcp_row(struct stack *st, uint32_t *cursor, struct dhcp_row *row); /* one a client */
bool stack_sock_row(struct stack *st, uint32_t *cursor, struct sock_row *row);
bool stack_pool_row(struct stack *st, uint32_t *cursor, struct pool_row *row);
/* Counter number i: its name (as in RFC 4293/4022/4113: "IpInReceives"...) and value; NULL at end.
 */
const char *stack_counter(const struct stack *st, uint32_t i, uint64_t *value);

/* ---- quotas, quota.c ---------------------------------------------------------------------- */

/* A process of user `uid` is from now on the client of that number: what it makes is charged to the
 * user. Sockets of unknown clients and of root are not limited. */
void stack_client_add(struct stack *st, uint32_t client, uint32_t uid);
/* It is gone; what it made may live on, and is charged while it does. */
void stack_client_del(struct stack *st, uint32_t client);

struct user_row {
	uint32_t uid;
	uint32_t clients, sockets, pcbs, pktbufs; /* now */
	uint64_t refused;
};
bool stack_user_row(struct stack *st, uint32_t *cursor, struct user_row *row);

/* ---- socket verbs ------------------------------------------------------------------------- */

struct sock_addr {
	uint16_t family;  /* AF_INET, AF_INET6 */
	uint16_t port;	  /* host byte order */
	uint8_t addr[16]; /* network byte order; IPv4 in the first four */
	uint32_t scope;	  /* link-local: index of the port + 1; 0: the first with IPv6 */
};

/* 0 and a socket owned by `client`, or -EAFNOSUPPORT, -EPROTONOSUPPORT, -ESOCKTNOSUPPORT,
 * -ENFILE, -EMFILE or -ENOBUFS (the user's share is used up). SOCK_STREAM/TCP, SOCK_DGRAM/UDP,
 * SOCK_DGRAM/ICMP (echo, as Linux's ping sockets; ICMPv6 with AF_INET6). An AF_INET6 socket speaks
 * IPv4 too, by mapped addresses, unless IPV6_V6ONLY was set. */
int sock_create(struct stack *st, int domain, int type, int protocol, uint32_t client,
		struct socket **out);
struct socket *sock_get(struct stack *st, uint32_t id); /* NULL: stale or never was */
uint32_t sock_id(const struct socket *so);
uint32_t sock_client(const struct socket *so);
/* The last descriptor is gone: close in TCP's manner (FIN, or RST with unread data or linger 0). */
void sock_close(struct socket *so);

int sock_bind(struct socket *so, const struct sock_addr *addr);
int sock_listen(struct socket *so, int backlog);
/* 0 (connected), -EINPROGRESS (started), -EALREADY, -EISCONN, -ECONNREFUSED, ...: connect(2). */
int sock_connect(struct socket *so, const struct sock_addr *addr);
/* A connected socket from the accept queue, or -EAGAIN, -EINVAL, -ENFILE, -EMFILE. */
int sock_accept(struct socket *so, struct socket **out, struct sock_addr *peer);
/* Nobody came to have `so` after sock_accept: its connection is the listener's next one again and
 * so is gone; or -EINVAL: it listens no more, or the connection is over. */
int sock_unaccept(struct socket *listener, struct socket *so);
int sock_shutdown(struct socket *so, int how);
int sock_name(struct socket *so, struct sock_addr *local);
int sock_peer(struct socket *so, struct sock_addr *remote);

/*
 * Sending, in two steps so that the payload can be copied from the application with no lock held.
 * sock_send_reserve: how much of `len` may be sent now and a list of `*out` buffers for it, each
 * with off set and len already the bytes it shall hold (at most one segment each; one datagram is
 * one buffer). Result: bytes reserved > 0 (0 only for an empty datagram), or -EAGAIN, -EPIPE,
 * -EMSGSIZE, -ENOTCONN, -EDESTADDRREQ, -ENETUNREACH, the pending error, ... The list belongs to the
 * caller until sock_send_commit takes it over (even in failure), or pktbuf_free_list drops it.
 * `to` may be NULL. flags: MSG_MORE, MSG_OOB, MSG_NOSIGNAL ... (Linux values).
 */
int64_t sock_send_reserve(struct socket *so, uint64_t len, const struct sock_addr *to, int flags,
			  struct pktbuf **out);
int64_t sock_send_commit(struct socket *so, struct pktbuf *list, uint64_t len,
			 const struct sock_addr *to, int flags);

/*
 * Receiving, likewise. sock_recv_take: up to `max` bytes as a list of slices; each holds a
 * reference to its buffer. Result: bytes (0: end of stream, or an empty datagram), or -EAGAIN,
 * -ENOTCONN, the pending error. For a datagram, `*full` is its whole length (more than the result
 * when truncated). MSG_PEEK leaves the data. The caller copies the slices out, then gives them back
 * with sock_recv_done (which may also announce the new window), or, where they could not be
 * delivered, with sock_recv_undo and the same flags: the data is the next to be read again.
 */
#define SOCK_SLICES 64u
struct sock_slice {
	struct pktbuf *buf;
	const uint8_t *data;
	uint32_t len;
};
int64_t sock_recv_take(struct socket *so, uint64_t max, int flags, struct sock_slice *slices,
		       unsigned *n_slices, struct sock_addr *from, uint64_t *full);
void sock_recv_done(struct socket *so, struct sock_slice *slices, unsigned n);
void sock_recv_undo(struct socket *so, int flags, struct sock_slice *slices, unsigned n);

/*
 * What goes beside the data: control messages. sock_recv_note: of a datagram just taken with these
 * flags, what the socket's options ask for; of a stream the time (when the first byte came) and
 * what is left (TCP_INQ). sock_send_noted: sock_send_commit under
 * other names and marks than the socket's (TTL, TOS, PKTINFO); UDP and echo sockets alone.
 */
enum sock_note_have {
	NOTE_PKTINFO = 1u << 0,
	NOTE_TTL = 1u << 1,
	NOTE_TOS = 1u << 2,
	NOTE_TIME = 1u << 3,	/* as struct timeval */
	NOTE_TIME_NS = 1u << 4, /* as struct timespec */
	NOTE_ERROR = 1u << 5,	/* of the error queue: MSG_ERRQUEUE */
	NOTE_INQ = 1u << 6,
};
struct sock_note {
	uint32_t have;	     /* enum sock_note_have; of the fields below */
	uint32_t scope;	     /* PKTINFO: index of the port + 1; sending: 0: any */
	struct sock_addr at; /* in: whom it was sent to; sending: the source, or all zero */
	uint8_t ttl, tos;
	uint8_t origin, type, code; /* struct sock_extended_err's */
	uint32_t err, info;	    /* positive errno; the MTU, or with INQ bytes */
	/* Of an error: who says so. Received PKTINFO of IPv4: the address of ours to answer from.
	 */
	struct sock_addr offender;
	uint64_t age; /* TIME: ns since it came */
};
void sock_recv_note(struct socket *so, const struct pktbuf *p, int flags, struct sock_note *note);
int64_t sock_send_noted(struct socket *so, struct pktbuf *list, uint64_t len,
			const struct sock_addr *to, int flags, const struct sock_note *note);

/* Values are as in Linux. getsockopt: *len in: room, value: what some ask with; out: bytes written.
 */
int sock_setopt(struct socket *so, int level, int name, const void *value, uint32_t len);
int sock_getopt(struct socket *so, int level, int name, void *value, uint32_t *len);
int64_t sock_readable(struct socket *so); /* FIONREAD: bytes, of a stream up to its mark */
int64_t sock_unsent(struct socket *so);	  /* SIOCOUTQ: bytes not yet acknowledged */
/* The next two are of TCP alone, else -ENOTTY. */
int64_t sock_not_sent(struct socket *so);  /* SIOCOUTQNSD: bytes not yet sent at all */
int sock_at_mark(const struct socket *so); /* SIOCATMARK: 1: the urgent byte is (or was) next */
uint32_t sock_events(struct socket *so);   /* poll(2) bits now */

/* ---- SIGURG, signal.c --------------------------------------------------------------------- */

/*
 * A process that holds a descriptor of `so`, the client of that number, wants the descriptor's
 * owner (fcntl(2), F_SETOWN) signalled of urgent data; that begins with stack_signal_start. `on`
 * false: no more, from now on. Result: is there ever anything to signal (TCP)?
 */
bool sock_signal_ask(struct socket *so, uint32_t client, bool on);
/* Whoever sends the signals is ready for those of socket `id`: 0, -EBADF, or -EPERM: `client` is
 * not the last that asked. */
int stack_signal_start(struct stack *st, uint32_t id, uint32_t client);
/* Is it still wanted (and the socket not closed)? */
bool stack_signal_kept(struct stack *st, uint32_t id);
/* The id of a socket whose urgent pointer moved since it was last taken; 0: there is none. */
uint32_t stack_signal_take(struct stack *st);

#endif
