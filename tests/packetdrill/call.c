/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes the calls of a script through the table and compares what they bring: values, events, the
 * bytes of a stream. And %{ assert ... }% on TCP_INFO. Called by drive.c, by either thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include "tcpip/tcp_abi.h"
#include "tests/packetdrill/drive.h"

#define LOCAL_PORT 8080
#define DATA_MOST  (16u << 20)

/* ---- arguments ---- */

static long number(struct play *p, const struct event *e, unsigned i)
{
	const char *a = i < e->call.n_args ? e->call.args[i] : "";
	char text[64];
	long v = 0;

	snprintf(text, sizeof(text), "%s", *a == '[' ? a + 1 : a);
	text[strcspn(text, "]")] = 0;
	if (!number_of(text, &v))
		play_fail(p, e->line, "argument %u of %s: %s?", i + 1, e->call.name, a);
	return v;
}

static bool open_ended(const struct event *e, unsigned i)
{
	return i < e->call.n_args && strcmp(e->call.args[i], "...") == 0;
}

static int fd_arg(struct play *p, const struct event *e, unsigned i)
{
	long fd = number(p, e, i);

	return fd >= 0 && fd < FDS_MOST && p->fds[fd] >= 0 ? p->fds[fd] : -1;
}

/* The value of `key=` in {key=value, ...}. */
static bool field(const char *text, const char *key, long *value)
{
	const char *at = strstr(text, key);
	char word[64];

	if (!at)
		return false;
	at += strlen(key);
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, ",}]"), at);
	return number_of(word, value);
}

static void learn_fd(struct play *p, const struct event *e, long live)
{
	long fd = e->call.result;

	if (live < 0 || fd < 0 || fd >= FDS_MOST)
		return;
	p->fds[fd] = (int)live;
	p->sent[fd] = p->got[fd] = 0;
}

/* ---- names ---- */

/* ip NULL: the wildcard. Returns the length of the name. */
static socklen_t make_name(const struct play *p, struct sockaddr_storage *out, const char *ip,
			   uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (ip && p->version == IPV4)
		inet_pton(AF_INET, ip, &in.sin_addr);
	else if (ip)
		inet_pton(AF_INET6, ip, &in6.sin6_addr);
	if (p->version == IPV4)
		memcpy(out, &in, sizeof(in));
	else
		memcpy(out, &in6, sizeof(in6));
	return p->version == IPV4 ? sizeof(in) : sizeof(in6);
}

static const char *remote_ip(const struct play *p)
{
	static const char *const ips[] = {REMOTE_IP, ("::ffff:" REMOTE_IP), REMOTE_IP6};

	return ips[p->version];
}

/* The name a connection goes to: another port at each socket's first call. */
static socklen_t remote_name(struct play *p, const struct event *e, struct sockaddr_storage *a)
{
	if (p->under_test != number(p, e, 0) || !p->connect_port)
		p->connect_port = p->next_port++;
	p->under_test = (int)number(p, e, 0);
	return make_name(p, a, remote_ip(p), p->connect_port);
}

static long do_connect(struct play *p, const struct event *e)
{
	struct sockaddr_storage a;
	socklen_t len = remote_name(p, e, &a);

	return p->t.connect(p->t.userdata, fd_arg(p, e, 0), (struct sockaddr *)&a, len);
}

static long do_bind(struct play *p, const struct event *e)
{
	struct sockaddr_storage a;
	socklen_t len = make_name(p, &a, NULL, LOCAL_PORT);

	return p->t.bind(p->t.userdata, fd_arg(p, e, 0), (struct sockaddr *)&a, len);
}

/* The peer's name is that of the connection's packets. */
static void check_name(struct play *p, const struct event *e, const struct sockaddr_storage *got,
		       socklen_t got_len)
{
	struct sockaddr_storage want = {0};
	socklen_t len = make_name(p, &want, remote_ip(p), p->c.remote_port);

	if (p->c.passive && (got_len != len || memcmp(got, &want, len) != 0))
		play_fail(p, e->line, "accept told another name");
}

static long do_accept(struct play *p, const struct event *e)
{
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof(a);
	long fd = p->t.accept(p->t.userdata, fd_arg(p, e, 0), (struct sockaddr *)&a, &len);

	learn_fd(p, e, fd);
	if (fd >= 0)
		check_name(p, e, &a, len);
	if (fd >= 0)
		p->under_test = (int)e->call.result;
	return fd >= 0 ? e->call.result : fd;
}

/* ---- data ---- */

static long do_send(struct play *p, const struct event *e)
{
	const char *name = e->call.name;
	long script_fd = number(p, e, 0), n = number(p, e, 2), r, i;
	int fd = fd_arg(p, e, 0), flags = e->call.n_args > 3 ? (int)number(p, e, 3) : 0;
	struct sockaddr_storage to;
	socklen_t len = 0;
	uint8_t *data = NULL;

	if (flags & MSG_FASTOPEN)
		len = remote_name(p, e, &to);
	if (n < 0 || n > (long)DATA_MOST || script_fd < 0 || script_fd >= FDS_MOST)
		return -1;
	if (strcmp(e->call.args[1], "NULL") != 0) {
		data = malloc((size_t)n + 1);
		for (i = 0; i < n; i++)
			data[i] = stream_byte(p->sent[script_fd] + (uint64_t)i);
	}
	if (strcmp(name, "write") == 0)
		r = p->t.write(p->t.userdata, fd, data, (size_t)n);
	else if (strcmp(name, "send") == 0)
		r = p->t.send(p->t.userdata, fd, data, (size_t)n, flags);
	else
		r = p->t.sendto(p->t.userdata, fd, data, (size_t)n, flags,
				len ? (struct sockaddr *)&to : NULL, len);
	if (r > 0)
		p->sent[script_fd] += (uint64_t)r;
	i = errno;
	free(data);
	errno = (int)i;
	return r;
}

static long do_recv(struct play *p, const struct event *e)
{
	const char *name = e->call.name;
	long script_fd = number(p, e, 0), n = number(p, e, 2), r, i;
	int fd = fd_arg(p, e, 0), flags = e->call.n_args > 3 ? (int)number(p, e, 3) : 0;
	uint8_t *data;

	if (n < 0 || n > (long)DATA_MOST || script_fd < 0 || script_fd >= FDS_MOST)
		return -1;
	data = strcmp(e->call.args[1], "NULL") == 0 ? NULL : malloc((size_t)n + 1);
	if (strcmp(name, "read") == 0)
		r = p->t.read(p->t.userdata, fd, data, (size_t)n);
	else if (strcmp(name, "recv") == 0)
		r = p->t.recv(p->t.userdata, fd, data, (size_t)n, flags);
	else
		r = p->t.recvfrom(p->t.userdata, fd, data, (size_t)n, flags, NULL, NULL);
	for (i = 0; data && i < r && !(flags & MSG_OOB); i++)
		if (data[i] != stream_byte(p->got[script_fd] + (uint64_t)i)) {
			play_fail(p, e->line, "byte %ld of what was read is not what was sent", i);
			break;
		}
	if (r > 0 && !(flags & (MSG_PEEK | MSG_OOB)))
		p->got[script_fd] += (uint64_t)r;
	i = errno;
	free(data);
	errno = (int)i;
	return r;
}

/* ---- options ---- */

static long do_setsockopt(struct play *p, const struct event *e)
{
	const char *text = e->call.args[3];
	long a, b;
	struct linger linger;
	struct timeval tv;
	char name[32];
	int v, fd = fd_arg(p, e, 0), level = (int)number(p, e, 1), opt = (int)number(p, e, 2);

	if (field(text, "onoff=", &a) && field(text, "linger=", &b)) {
		linger = (struct linger){(int)a, (int)b};
		return p->t.setsockopt(p->t.userdata, fd, level, opt, &linger, sizeof(linger));
	}
	if (field(text, "tv_sec=", &a) && field(text, "tv_usec=", &b)) {
		tv = (struct timeval){a, b};
		return p->t.setsockopt(p->t.userdata, fd, level, opt, &tv, sizeof(tv));
	}
	if (strchr(text, '"')) {
		snprintf(name, sizeof(name), "%s", strchr(text, '"') + 1);
		name[strcspn(name, "\"")] = 0;
		return p->t.setsockopt(p->t.userdata, fd, level, opt, name,
				       (socklen_t)strlen(name));
	}
	v = (int)number(p, e, 3);
	return p->t.setsockopt(p->t.userdata, fd, level, opt, &v, (socklen_t)number(p, e, 4));
}

static long do_getsockopt(struct play *p, const struct event *e)
{
	int v = 0, fd = fd_arg(p, e, 0), level = (int)number(p, e, 1), opt = (int)number(p, e, 2);
	socklen_t len = sizeof(v);
	long r = p->t.getsockopt(p->t.userdata, fd, level, opt, &v, &len);

	if (r == 0 && !open_ended(e, 3) && v != number(p, e, 3))
		play_fail(p, e->line, "the option is %d", v);
	return r;
}

static long do_ioctl(struct play *p, const struct event *e)
{
	int v = 0;
	long r = p->t.ioctl(p->t.userdata, fd_arg(p, e, 0), (unsigned long)number(p, e, 1), &v);

	if (r == 0 && v != number(p, e, 2))
		play_fail(p, e->line, "ioctl says %d", v);
	return r;
}

static long do_fcntl(struct play *p, const struct event *e)
{
	long arg = e->call.n_args > 2 ? number(p, e, 2) : 0;

	return p->t.fcntl(p->t.userdata, fd_arg(p, e, 0), (int)number(p, e, 1), arg);
}

/* ---- poll ---- */

static int live(struct play *p, long fd)
{
	return fd >= 0 && fd < FDS_MOST ? p->fds[fd] : -1;
}

static long do_poll(struct play *p, const struct event *e)
{
	const char *text = e->call.args[0];
	long fd = -1, events = 0, want = 0, r;
	struct pollfd pfd;

	(void)field(text, "fd=", &fd);
	(void)field(text, " events=", &events);
	(void)field(text, "revents=", &want);
	pfd = (struct pollfd){.fd = live(p, fd), .events = (short)events};
	r = p->t.poll(p->t.userdata, &pfd, 1, (int)number(p, e, 2));
	if (pfd.revents != want)
		play_fail(p, e->line, "poll says %#x", (unsigned)pfd.revents);
	return r;
}

static long do_epoll_ctl(struct play *p, const struct event *e)
{
	struct epoll_event ev = {0};
	long events = 0, fd = 0;

	(void)field(e->call.args[3], "events=", &events);
	(void)field(e->call.args[3], " fd=", &fd);
	ev.events = (uint32_t)events;
	ev.data.fd = (int)fd;
	return p->t.epoll_ctl(p->t.userdata, fd_arg(p, e, 0), (int)number(p, e, 1), fd_arg(p, e, 2),
			      &ev);
}

static long do_epoll_wait(struct play *p, const struct event *e)
{
	struct epoll_event ev = {0};
	long events = 0, r;

	r = p->t.epoll_wait(p->t.userdata, fd_arg(p, e, 0), &ev, 1, (int)number(p, e, 3));
	if (r > 0 && field(e->call.args[1], "events=", &events) && ev.events != (uint32_t)events)
		play_fail(p, e->line, "epoll_wait says %#x", ev.events);
	return r;
}

/* ---- the rest ---- */

static long do_socket(struct play *p, const struct event *e)
{
	int any = p->version == IPV4 ? AF_INET : AF_INET6;
	int domain = open_ended(e, 0) ? any : (int)number(p, e, 0);
	long fd = p->t.socket(p->t.userdata, domain, (int)number(p, e, 1), (int)number(p, e, 2));

	learn_fd(p, e, fd);
	return fd >= 0 ? e->call.result : fd;
}

static long do_epoll_create(struct play *p, const struct event *e)
{
	long fd = p->t.epoll_create(p->t.userdata, (int)number(p, e, 0));

	learn_fd(p, e, fd);
	return fd >= 0 ? e->call.result : fd;
}

static long do_listen(struct play *p, const struct event *e)
{
	return p->t.listen(p->t.userdata, fd_arg(p, e, 0), (int)number(p, e, 1));
}

static long do_shutdown(struct play *p, const struct event *e)
{
	return p->t.shutdown(p->t.userdata, fd_arg(p, e, 0), (int)number(p, e, 1));
}

static long do_close(struct play *p, const struct event *e)
{
	long fd = number(p, e, 0), r = p->t.close(p->t.userdata, fd_arg(p, e, 0));

	if (fd >= 0 && fd < FDS_MOST)
		p->fds[fd] = -1;
	return r;
}

static const struct {
	const char *name;
	unsigned args;
	long (*make)(struct play *p, const struct event *e);
} calls[] = {
	{"socket", 3, do_socket},
	{"bind", 3, do_bind},
	{"listen", 2, do_listen},
	{"accept", 3, do_accept},
	{"connect", 3, do_connect},
	{"read", 3, do_recv},
	{"recv", 4, do_recv},
	{"recvfrom", 4, do_recv},
	{"write", 3, do_send},
	{"send", 4, do_send},
	{"sendto", 4, do_send},
	{"setsockopt", 5, do_setsockopt},
	{"getsockopt", 5, do_getsockopt},
	{"ioctl", 3, do_ioctl},
	{"fcntl", 2, do_fcntl},
	{"poll", 3, do_poll},
	{"epoll_create", 1, do_epoll_create},
	{"epoll_ctl", 4, do_epoll_ctl},
	{"epoll_wait", 4, do_epoll_wait},
	{"shutdown", 2, do_shutdown},
	{"close", 1, do_close},
};

long call_make(struct play *p, const struct event *e, int *err)
{
	size_t i;
	long r;

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, e->call.name) == 0 && e->call.n_args >= calls[i].args)
			break;
	if (i == sizeof(calls) / sizeof(calls[0])) {
		play_fail(p, e->line, "%s with %u arguments is not known here", e->call.name,
			  e->call.n_args);
		return 0;
	}
	errno = 0;
	r = calls[i].make(p, e);
	*err = errno;
	return r;
}

/* ---- assertions on TCP_INFO ---- */

#define F(name)                                                                                    \
	{                                                                                          \
		"tcpi_" #name, offsetof(struct tcp_info_abi, name),                                \
			sizeof(((struct tcp_info_abi *)0)->name)                                   \
	}
static const struct {
	const char *name;
	size_t off, size;
} fields[] = {
	F(state),      F(ca_state),	 F(retransmits),   F(probes),	      F(backoff),
	F(options),    F(rto),		 F(ato),	   F(snd_mss),	      F(rcv_mss),
	F(unacked),    F(sacked),	 F(lost),	   F(retrans),	      F(pmtu),
	F(rtt),	       F(rttvar),	 F(snd_ssthresh),  F(snd_cwnd),	      F(advmss),
	F(reordering), F(total_retrans), F(bytes_acked),   F(bytes_received), F(segs_out),
	F(segs_in),    F(notsent_bytes), F(min_rtt),	   F(data_segs_in),   F(data_segs_out),
	F(delivered),  F(bytes_sent),	 F(bytes_retrans), F(dsack_dups),     F(reord_seen),
	F(snd_wnd),    F(rcv_wnd),	 F(delivered_ce),
};

static bool operand(const struct tcp_info_abi *info, const char *word, uint64_t *v)
{
	char *end;
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(word, fields[i].name) == 0) {
			*v = 0; /* little-endian */
			memcpy(v, (const char *)info + fields[i].off, fields[i].size);
			return true;
		}
	*v = strtoull(word, &end, 0);
	return end != word && *end == 0;
}

static bool holds(uint64_t a, const char *op, uint64_t b)
{
	return strcmp(op, "==") == 0   ? a == b
	       : strcmp(op, "!=") == 0 ? a != b
	       : strcmp(op, "<") == 0  ? a < b
	       : strcmp(op, ">") == 0  ? a > b
	       : strcmp(op, "<=") == 0 ? a <= b
				       : strcmp(op, ">=") == 0 && a >= b;
}

void code_run(struct play *p, const struct event *e)
{
	char *copy = strdup(e->code), *save = NULL, *line, a[40], op[4], b[40];
	struct tcp_info_abi info = {0};
	socklen_t len = sizeof(info);
	int fd = live(p, p->under_test), r;
	uint64_t x, y;

	/* The tool asks the host: under LD_PRELOAD that is the library too. */
	r = getenv("LD_PRELOAD")
		    ? getsockopt(fd, IPPROTO_TCP, TCPO_INFO, &info, &len)
		    : p->t.getsockopt(p->t.userdata, fd, IPPROTO_TCP, TCPO_INFO, &info, &len);
	if (r < 0 || len < sizeof(info))
		play_fail(p, e->line, "no TCP_INFO");
	for (line = strtok_r(copy, ";\n", &save); line; line = strtok_r(NULL, ";\n", &save)) {
		line += strspn(line, " \t");
		if (!*line)
			continue;
		if (sscanf(line, "assert %39s %3[=!<>] %39[^ ,]", a, op, b) != 3 ||
		    !operand(&info, a, &x) || !operand(&info, b, &y))
			play_fail(p, e->line, "not understood: %s", line);
		else if (!holds(x, op, y))
			play_fail(p, e->line, "%s: it is %llu", line, (unsigned long long)x);
	}
	free(copy);
}
