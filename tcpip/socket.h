/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A socket: what a descriptor stands for, above TCP, UDP and echo. Private to tcpip/.
 * It dies when its last descriptor is closed; a TCP connection may live on without it.
 */
#ifndef TCPIP_SOCKET_H
#define TCPIP_SOCKET_H

#include "tcpip/stack.h"

struct tcp_pcb;

enum sock_kind { SOCK_KIND_TCP = 1, SOCK_KIND_UDP, SOCK_KIND_PING };

/* Sockets that a user, but root, may have on one port; of TCP, that listen. */
#define SOCK_PORT_MAX 128u

struct socket {
	struct stack *st;
	uint32_t id, client;
	uint8_t owner;	  /* whom it and its data are charged to, quota.c */
	uint8_t kind;	  /* enum sock_kind */
	uint8_t domain;	  /* AF_INET, AF_INET6 */
	uint8_t families; /* FAMILY_*: what local_ip 0 stands for */
	bool v6only;
	/* Groups; the options are those of either family. */
	uint8_t groups;		    /* memberships, member.c */
	uint8_t mcast_ttl;	    /* IP_MULTICAST_TTL; 0: this host */
	uint8_t mcast_scope;	    /* IPV6_MULTICAST_IF: index of the port + 1; 0: the first */
	bool mcast_loop, mcast_all; /* IP_MULTICAST_LOOP, IP_MULTICAST_ALL */
	uint32_t mcast_if;	    /* IP_MULTICAST_IF: an address of the port; 0: by the routes */
	uint8_t shut;	/* bit 0: no more receiving, bit 1: no more sending (UDP; TCP keeps its own)
			 */
	bool bound;	/* UDP and echo: has a local port, is in udp_table */
	bool connected; /* UDP and echo */
	/* By bind(2): disconnecting leaves them. TCP has its own, but for an address without port.
	 */
	bool ip_chosen, port_chosen;
	int error;	 /* SO_ERROR, positive errno; reading clears it */
	uint32_t events; /* last published */

	/* Names; addresses network byte order (or handles, held: ip_set), ports host byte order.
	 * TCP copies them to its PCB.
	 */
	uint32_t local_ip, remote_ip;
	uint16_t local_port, remote_port;

	/* Options every kind has. */
	uint32_t rcvbuf, sndbuf;     /* bytes, already doubled as Linux does */
	bool rcvbuf_set, sndbuf_set; /* by the application; TCP tunes the others (tcp_tune.c) */
	bool reuseaddr, reuseport, broadcast, keepalive, oobinline, dontroute;
	bool timestamp, timestamp_ns; /* SO_TIMESTAMP, SO_TIMESTAMPNS: note.c */
	bool recvttl, recvtos;	      /* control messages: note.c, with pktinfo and timestamp */
	bool bind_no_port;	      /* IP_BIND_ADDRESS_NO_PORT, of TCP */
	int rcvlowat;		      /* stored */
	bool linger_on;
	uint32_t linger_s;
	uint8_t tos, ttl;     /* ttl 0: default */
	uint8_t mtu_discover; /* IP_PMTUDISC_* */
	bool recverr, pktinfo;
	int64_t rcvtimeo_us, sndtimeo_us; /* kept for the library, which does the waiting */
	uint32_t priority, mark;
	uint64_t max_pacing; /* bytes a second; 0: as fast as windows allow */

	struct pktbuf_queue errq; /* IP_RECVERR, note.c */

	/* UDP and echo. */
	struct pktbuf_queue rxq;
	uint32_t rxq_bytes;	  /* PKTBUF_SIZE a buffer: true memory */
	struct socket *hash_next; /* in udp_table: the first of another port */
	struct socket *port_next; /* another of this port */

	struct tcp_pcb *tcp; /* SOCK_KIND_TCP: never NULL while the socket lives */

	/* SIGURG, signal.c. */
	bool signal_on;		/* urgent data is told to the owner of the descriptors */
	uint32_t signal_client; /* whose process asked for that, and has it not yet; or 0 */
	struct socket *signal_next, **signal_pprev; /* in stack.signals; pprev NULL: not there */
};

/* socket.c: 0, -EMFILE (the owner's share is used up) or -ENFILE (all are in use). */
int sock_alloc(struct stack *st, int kind, uint32_t client, uint8_t owner, struct socket **out);
void sock_release(struct socket *so); /* back to the pool; the id becomes stale */

/*
 * socket.c: an application's address as the transports know it, 0 the wildcard; valid as long as a
 * handle nobody holds (ip6.h). 0, -EAFNOSUPPORT, -ENETUNREACH (IPv4 by a socket of IPv6 alone, an
 * address that cannot be), -ENODEV (of a link that is none), -ENOBUFS. And back: in the socket's
 * family, IPv4 mapped (RFC 4291 2.5.5.2).
 */
int sock_addr_in(struct socket *so, const struct sock_addr *a, uint32_t *ip);
void sock_addr_out(const struct socket *so, struct sock_addr *a, uint32_t ip, uint16_t port);

/* member.c: value: struct ip_mreq or ip_mreqn; struct ipv6_mreq; struct group_req. */
int member_join4(struct socket *so, const void *value, uint32_t len);
int member_leave4(struct socket *so, const void *value, uint32_t len);
int member_join6(struct socket *so, const void *value, uint32_t len);
int member_leave6(struct socket *so, const void *value, uint32_t len);
int member_join(struct socket *so, const void *value, uint32_t len);
int member_leave(struct socket *so, const void *value, uint32_t len);
/* Sources of a membership: struct ip_mreq_source; struct group_source_req. */
int member_join_source4(struct socket *so, const void *value, uint32_t len);
int member_leave_source4(struct socket *so, const void *value, uint32_t len);
int member_block4(struct socket *so, const void *value, uint32_t len);
int member_unblock4(struct socket *so, const void *value, uint32_t len);
int member_join_source(struct socket *so, const void *value, uint32_t len);
int member_leave_source(struct socket *so, const void *value, uint32_t len);
int member_block(struct socket *so, const void *value, uint32_t len);
int member_unblock(struct socket *so, const void *value, uint32_t len);
/* All of them: struct ip_msfilter; struct group_filter. What get is asked for comes in value. */
int member_set_filter4(struct socket *so, const void *value, uint32_t len);
int member_get_filter4(struct socket *so, void *value, uint32_t *len);
int member_set_filter(struct socket *so, const void *value, uint32_t len);
int member_get_filter(struct socket *so, void *value, uint32_t *len);
/* Shall it hear what came to a group of a port from this source? */
bool member_wants(const struct socket *so, struct port *port, const uint8_t group[16],
		  const uint8_t source[16]);
void member_close(struct socket *so);

/* ready.c: recomputes the poll bits and publishes them. `wake`: see struct stack_env. */
void sock_ready(struct socket *so, bool wake);
void sock_set_error(struct socket *so, int err); /* positive errno; publishes */

/* signal.c: urgent data came; the socket goes (harmless when nothing is owed). */
void signal_owe(struct socket *so);
void signal_forget(struct socket *so);

/* udp.c: verbs socket.c dispatches to for UDP and echo sockets. */
int udp_bind(struct socket *so, uint32_t ip, uint16_t port);
int udp_autobind(struct socket *so); /* where it is not bound: to any port */
int udp_connect(struct socket *so, uint32_t ip, uint16_t port);
int udp_route(struct socket *so, uint32_t ip, struct route_hit *hit); /* as route_lookup */
int udp_disconnect(struct socket *so);				      /* connect(2) to AF_UNSPEC */
int udp_shutdown(struct socket *so, int how);
void udp_close(struct socket *so);
int64_t udp_send_reserve(struct socket *so, uint64_t len, const struct sock_addr *to, int flags,
			 struct pktbuf **out);
int64_t udp_recv_take(struct socket *so, uint64_t max, int flags, struct sock_slice *slices,
		      unsigned *n_slices, struct sock_addr *from, uint64_t *full);
void udp_recv_undo(struct socket *so, int flags, const struct sock_slice *slices, unsigned n);
int64_t udp_send_commit(struct socket *so, struct pktbuf *p, const struct sock_addr *to, int flags,
			const struct sock_note *note); /* NULL: none */
/* Each piece is its user's; false: that has its share. What was charged is given back by freeing.
 */
bool udp_charge(const struct socket *so, struct pktbuf *p);
/* At most `max` bytes. The first slice has the datagram's reference, each further one its own. */
int64_t udp_slice_up(struct pktbuf *p, uint64_t max, struct sock_slice *slices, unsigned *n_slices);
void udp_from(const struct socket *so, const struct pktbuf *p, struct sock_addr *from);

/* note.c: the error queue (IP_RECVERR): an ICMP error, one of this host's own; what is first. */
void note_icmp(struct socket *so, const struct icmp_quote *q, const struct sock_addr *to, int err);
void note_local(struct socket *so, const struct sock_addr *to, int err, uint32_t info);
void note_drop(struct socket *so); /* all */
int64_t note_take(struct socket *so, uint64_t max, int flags, struct sock_slice *slices,
		  unsigned *n_slices, struct sock_addr *from, uint64_t *full);
/* icmp.c hands echo replies to echo sockets by identifier (local_port). */
bool ping_deliver(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip);

/* ---- what socket.c asks of TCP (tcp_*.c); so->tcp is set up by tcp_open -------------------- */
int tcp_open(struct socket *so);			     /* makes so->tcp in CLOSED; -ENOBUFS */
int tcp_bind(struct socket *so, uint32_t ip, uint16_t port); /* port 0: choose one */
int tcp_listen(struct socket *so, int backlog);
int tcp_connect(struct socket *so, uint32_t ip, uint16_t port);
/* The pcb of the next established connection leaves the accept queue and becomes new_so->tcp
 * (names and inherited options copied); -EAGAIN. */
int tcp_accept(struct socket *listener, struct socket *new_so);
int tcp_unaccept(struct socket *listener, struct socket *so);
bool tcp_accept_ready(const struct socket *listener);
int tcp_shutdown(struct socket *so, int how);
void tcp_close(struct socket *so); /* detaches so->tcp; so is released by the caller */
int64_t tcp_send_reserve(struct socket *so, uint64_t len, int flags, struct pktbuf **out);
int64_t tcp_send_commit(struct socket *so, struct pktbuf *list, uint64_t len, int flags);
int64_t tcp_recv_take(struct socket *so, uint64_t max, int flags, struct sock_slice *slices,
		      unsigned *n_slices);
void tcp_recv_undo(struct socket *so, const struct sock_slice *s); /* the last one first */
void tcp_recv_done(struct socket *so); /* data was consumed: maybe announce the window */
uint32_t tcp_events(const struct socket *so);
int tcp_setopt(struct socket *so, int name, const void *value, uint32_t len); /* IPPROTO_TCP */
int tcp_getopt(struct socket *so, int name, void *value, uint32_t *len);
void tcp_sockopt_changed(
	struct socket *so); /* rcvbuf, sndbuf, keepalive, tos, ttl, linger changed */
int64_t tcp_readable(const struct socket *so);
void tcp_recv_note(const struct socket *so, struct sock_note *note);
int64_t tcp_unsent(const struct socket *so);
int64_t tcp_not_sent(const struct socket *so);
void tcp_row(const struct socket *so, struct sock_row *row); /* fills the TCP columns */
/* Connections without a socket (closing, TIME-WAIT, not yet accepted), for introspect.c. */
bool tcp_orphan_row(struct stack *st, uint32_t *cursor, struct sock_row *row);

#endif
