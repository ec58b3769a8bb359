/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our own player of packetdrill scripts, over the table a library fills: a subset of the language,
 * enough to run the scripts beside it where the tool is not installed. README.md says which.
 * drive.c plays, parse.c reads scripts, packet.c makes and compares packets, call.c makes calls.
 */
#ifndef TESTS_PACKETDRILL_DRIVE_H
#define TESTS_PACKETDRILL_DRIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/packetdrill/table.h"

#define ARGS_MOST   8
#define OPTS_MOST   16
#define FDS_MOST    64
#define PACKET_MOST 65535u

/* Sockets and packets of IPv4; sockets of IPv6 and packets of IPv4; both of IPv6. */
enum ip_version { IPV4, IPV4_MAPPED, IPV6 };

enum event_kind { EV_IN, EV_OUT, EV_CALL, EV_CODE };

struct opt { /* of TCP, in the script's order and padding */
	uint8_t kind;
	uint8_t n; /* SACK blocks */
	uint32_t a, b;
	uint32_t sack[8];
	char hex[36]; /* a Fast Open cookie */
};

struct packet_spec {
	bool icmp, any_opts, has_ack, has_win, has_urg;
	int ecn; /* -1: not written */
	uint8_t flags, icmp_code;
	uint32_t seq, len, ack, win, urg, mtu;
	struct opt opts[OPTS_MOST];
	unsigned n_opts;
};

struct call_spec {
	char name[24], err[24];
	char *args[ARGS_MOST];
	unsigned n_args;
	long result;
	bool any_result;
};

struct event {
	struct event *next;
	int line;
	enum event_kind kind;
	bool relative, any_time;
	int64_t at, late; /* us; late: end of a range, or at */
	int64_t end;	  /* of a blocking call, as `at`; -1: it does not block */
	struct packet_spec packet;
	struct call_spec call;
	char *code;
};

struct script {
	const char *path;
	struct event *events;
	int64_t tolerance; /* us */
};

/* The connection the packets of a script belong to. Sequence numbers: live = script + the delta. */
struct conn {
	bool open, passive, answered;	     /* passive; its SYN was answered and acknowledged */
	uint8_t local_ip[16], remote_ip[16]; /* IPv4's: the first four */
	uint16_t local_port, remote_port;
	uint32_t local_delta, remote_delta; /* ours: the stack's side; the script's side */
	uint32_t local_first, remote_first; /* script number of the first byte after the SYN */
	bool local_known, ts_known;
	uint32_t ts_delta;
};

struct play {
	struct pd_table t;
	enum ip_version version;
	struct conn c;
	uint16_t next_port, connect_port;
	int fds[FDS_MOST];			/* live descriptor of a script's; -1: none */
	uint64_t sent[FDS_MOST], got[FDS_MOST]; /* bytes of the stream so far */
	int under_test;				/* script's descriptor of the connection */
	char why[512];				/* first failure; empty: none */
};

/* parse.c: 0, or -1 with a line on stderr. */
int script_read(struct script *s, const char *path);
void script_free(struct script *s);
bool number_of(const char *text, long *value); /* numbers, constants, a|b */

/* Notes the first failure. */
void play_fail(struct play *p, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* What byte number i of a stream is, either way. */
static inline uint8_t stream_byte(uint64_t i)
{
	return (uint8_t)(i * 7 + (i >> 8) + 1);
}

/* packet.c */
#define LOCAL_IP   "192.168.0.1"
#define REMOTE_IP  "192.0.2.1"
#define LOCAL_IP6  "fd3d:fa7b:d17d::1"
#define REMOTE_IP6 "2001:db8::1"
void packet_in(struct play *p, const struct event *e);
/* As the tool does: segments in a row count as the one that the script has. */
size_t packet_payload(const uint8_t *ip, size_t n); /* bytes of TCP's */
/* Puts next behind ip; mss: the payload of the first. NULL, or what does not fit. */
const char *packet_join(uint8_t *ip, size_t *n, const uint8_t *next, size_t m, size_t mss);
void packet_out(struct play *p, const struct event *e, const uint8_t *ip, size_t n);
/* Does it belong to the connection of the script? Learns an active opener's names. */
bool packet_ours(struct play *p, const uint8_t *ip, size_t n);
void packet_reset(struct play *p); /* the script is over: the connection too */

/* call.c */
long call_make(struct play *p, const struct event *e, int *err); /* compares what it brought */
void code_run(struct play *p, const struct event *e);

#endif
