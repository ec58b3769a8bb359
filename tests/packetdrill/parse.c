/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a packetdrill script into a list of events. One event is a line, or several while a
 * parenthesis or a %{ }% block is open. Called by drive.c.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/packetdrill/drive.h"

#define TOLERANCE 4000 /* us, the tool's own */

static const struct {
	const char *name;
	long value;
} constants[] = {
#define C(name)                                                                                    \
	{                                                                                          \
#name, name                                                                        \
	}
	C(AF_INET),
	C(AF_INET6),
	C(PF_INET),
	C(SOCK_STREAM),
	C(SOCK_DGRAM),
	C(SOCK_NONBLOCK),
	C(IPPROTO_IP),
	C(IPPROTO_TCP),
	C(IPPROTO_UDP),
	C(SOL_SOCKET),
	C(SOL_IP),
	C(SOL_TCP),
	C(SO_REUSEADDR),
	C(SO_SNDBUF),
	C(SO_RCVBUF),
	C(SO_ERROR),
	C(SO_KEEPALIVE),
	C(SO_LINGER),
	C(SO_RCVTIMEO),
	C(SO_SNDTIMEO),
	C(SO_REUSEPORT),
	C(TCP_NODELAY),
	C(TCP_CORK),
	C(TCP_MAXSEG),
	C(TCP_USER_TIMEOUT),
	C(TCP_LINGER2),
	C(TCP_CONGESTION),
	C(TCP_KEEPIDLE),
	C(TCP_KEEPINTVL),
	C(TCP_KEEPCNT),
	C(TCP_SYNCNT),
	C(TCP_QUICKACK),
	C(TCP_DEFER_ACCEPT),
	C(TCP_WINDOW_CLAMP),
	C(TCP_FASTOPEN),
	C(TCP_NOTSENT_LOWAT),
	C(IP_TOS),
	C(IP_TTL),
	C(IP_MTU_DISCOVER),
	C(IP_PMTUDISC_DONT),
	C(IP_PMTUDISC_WANT),
	C(IP_PMTUDISC_DO),
	C(IP_RECVERR),
	C(IPPROTO_IPV6),
	C(SOL_IPV6),
	C(IPV6_V6ONLY),
	C(IPV6_TCLASS),
	C(IPV6_UNICAST_HOPS),
	C(IPV6_MTU_DISCOVER),
	C(IPV6_PMTUDISC_DONT),
	C(IPV6_PMTUDISC_DO),
	C(IPV6_RECVERR),
	C(SHUT_RD),
	C(SHUT_WR),
	C(SHUT_RDWR),
	C(F_GETFL),
	C(F_SETFL),
	C(O_RDWR),
	C(O_RDONLY),
	C(O_WRONLY),
	C(O_NONBLOCK),
	C(MSG_DONTWAIT),
	C(MSG_PEEK),
	C(MSG_MORE),
	C(MSG_OOB),
	C(MSG_NOSIGNAL),
	C(MSG_WAITALL),
	C(MSG_TRUNC),
	C(MSG_FASTOPEN),
	C(MSG_EOR),
	C(POLLIN),
	C(POLLOUT),
	C(POLLERR),
	C(POLLHUP),
	C(POLLRDHUP),
	C(POLLPRI),
	C(EPOLLIN),
	C(EPOLLOUT),
	C(EPOLLERR),
	C(EPOLLHUP),
	C(EPOLLRDHUP),
	C(EPOLLET),
	C(EPOLLONESHOT),
	C(EPOLL_CTL_ADD),
	C(EPOLL_CTL_MOD),
	C(EPOLL_CTL_DEL),
	{"SIOCINQ", FIONREAD},
	C(SIOCOUTQ),
	C(FIONREAD),
	C(ECONNREFUSED),
	C(ECONNRESET),
	C(EHOSTUNREACH),
	C(ETIMEDOUT),
#undef C
};

static char *skip(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

static bool one_number(const char *text, size_t n, long *value)
{
	char word[40], *end;
	size_t i;

	if (n == 0 || n >= sizeof(word))
		return false;
	memcpy(word, text, n);
	word[n] = 0;
	*value = strtol(word, &end, 0);
	if (*end == 0)
		return true;
	for (i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
		if (strcmp(word, constants[i].name) == 0) {
			*value = constants[i].value;
			return true;
		}
	return false;
}

bool number_of(const char *text, long *value)
{
	long one, sum = 0;
	size_t n;

	for (;; text += n + 1) {
		text += strspn(text, " \t\n");
		n = strcspn(text, "|");
		while (n && isspace((unsigned char)text[n - 1]))
			n--;
		if (!one_number(text, n, &one))
			return false;
		sum |= one;
		n = strcspn(text, "|");
		if (!text[n])
			break;
	}
	*value = sum;
	return true;
}

/* ---- time ---- */

static bool seconds(char **s, int64_t *us)
{
	char *end;
	double t = strtod(*s, &end);

	if (end == *s || t < 0)
		return false;
	*us = (int64_t)(t * 1e6 + 0.5);
	*s = end;
	return true;
}

/* strtod would take "0..." for "0." and leave "..". */
static bool plain_seconds(char **s, int64_t *us)
{
	char *dots = strstr(*s, "..."), keep = 0;
	bool ok;

	if (dots) {
		keep = *dots;
		*dots = 0;
	}
	ok = seconds(s, us);
	if (dots)
		*dots = keep;
	return ok;
}

static bool read_time(struct event *e, char **s)
{
	e->end = -1;
	if (**s == '*') {
		e->any_time = true;
		*s = skip(*s + 1);
		return true;
	}
	if (**s == '+') {
		e->relative = true;
		(*s)++;
	}
	if (!plain_seconds(s, &e->at))
		return false;
	e->late = e->at;
	*s = skip(*s);
	if (**s == '~') {
		*s = skip(*s + 1);
		*s += **s == '+';
		if (!plain_seconds(s, &e->late) || e->late < e->at)
			return false;
	} else if (strncmp(*s, "...", 3) == 0) {
		*s += 3;
		if (!seconds(s, &e->end) || e->end < e->at)
			return false;
	}
	*s = skip(*s);
	return true;
}

/* ---- packets ---- */

static bool word(char **s, const char *w)
{
	size_t n = strlen(w);

	if (strncmp(*s, w, n) != 0 || isalnum((unsigned char)(*s)[n]))
		return false;
	*s = skip(*s + n);
	return true;
}

static bool u32(char **s, uint32_t *v)
{
	char *end;

	*v = (uint32_t)strtoul(*s, &end, 0);
	if (end == *s)
		return false;
	*s = skip(end);
	return true;
}

static bool sack_option(struct opt *o, char **s)
{
	while (isdigit((unsigned char)**s)) {
		if (o->n == 4 || !u32(s, &o->sack[2 * o->n]) || **s != ':')
			return false;
		(*s)++;
		if (!u32(s, &o->sack[2 * o->n + 1]))
			return false;
		o->n++;
	}
	return o->n > 0;
}

static bool cookie(struct opt *o, uint8_t kind, char **s)
{
	size_t n = strspn(*s, "0123456789abcdef");

	o->kind = kind;
	if (n % 2 || n >= sizeof(o->hex))
		return false;
	memcpy(o->hex, *s, n);
	*s = skip(*s + n);
	return true;
}

static bool option(struct opt *o, char **s)
{
	memset(o, 0, sizeof(*o));
	if (word(s, "nop"))
		o->kind = 1;
	else if (word(s, "eol"))
		o->kind = 0;
	else if (word(s, "sackOK"))
		o->kind = 4;
	else if (word(s, "mss"))
		return o->kind = 2, u32(s, &o->a);
	else if (word(s, "wscale"))
		return o->kind = 3, u32(s, &o->a);
	else if (word(s, "sack"))
		return o->kind = 5, sack_option(o, s);
	else if (word(s, "TS"))
		return o->kind = 8,
		       word(s, "val") && u32(s, &o->a) && word(s, "ecr") && u32(s, &o->b);
	else if (word(s, "FO"))
		return cookie(o, 34, s);
	else if (word(s, "FOEXP"))
		return cookie(o, 254, s);
	else
		return false;
	return true;
}

static bool options(struct packet_spec *p, char **s)
{
	if (strncmp(*s, "...", 3) == 0) {
		p->any_opts = true;
		*s = skip(*s + 3);
	}
	while (**s && **s != '>') {
		if (p->n_opts == OPTS_MOST || !option(&p->opts[p->n_opts++], s))
			return false;
		if (**s == ',')
			*s = skip(*s + 1);
	}
	if (**s != '>')
		return false;
	*s = skip(*s + 1);
	return true;
}

/* 1:1001(1000) */
static bool sequence(struct packet_spec *p, char **s)
{
	uint32_t end;

	if (!u32(s, &p->seq) || *(*s)++ != ':' || !u32(s, &end) || *(*s)++ != '(' ||
	    !u32(s, &p->len) || *(*s)++ != ')')
		return false;
	*s = skip(*s);
	return end == p->seq + p->len;
}

static bool icmp_packet(struct packet_spec *p, char **s)
{
	static const char *const codes[] = {"net_unreachable", "host_unreachable",
					    "protocol_unreachable", "port_unreachable",
					    "frag_needed"};

	p->icmp = true;
	if (!word(s, "unreachable"))
		return false;
	for (p->icmp_code = 0; p->icmp_code < 5; p->icmp_code++)
		if (word(s, codes[p->icmp_code]))
			break;
	if (p->icmp_code == 5 || (word(s, "mtu") && !u32(s, &p->mtu)) || *(*s)++ != '[')
		return false;
	if (!sequence(p, s) || *(*s)++ != ']')
		return false;
	*s = skip(*s);
	return true;
}

static bool tcp_flags(struct packet_spec *p, char **s)
{
	static const char letters[] = "FSRP.UEW";
	const char *at;

	for (; **s && !isspace((unsigned char)**s); (*s)++) {
		if (**s == '-')
			continue;
		at = strchr(letters, **s);
		if (!at)
			return false;
		p->flags |= (uint8_t)(1u << (at - letters));
	}
	*s = skip(*s);
	return true;
}

static bool packet(struct event *e, char *s)
{
	static const char *const ecn[] = {"[noecn]", "[ect1]", "[ect0]", "[ce]"};
	struct packet_spec *p = &e->packet;
	int i;

	e->kind = *s == '<' ? EV_IN : EV_OUT;
	s = skip(s + 1);
	p->ecn = -1;
	for (i = 0; i < 4; i++)
		if (strncmp(s, ecn[i], strlen(ecn[i])) == 0) {
			p->ecn = i;
			s = skip(s + strlen(ecn[i]));
		}
	if (word(&s, "icmp"))
		return icmp_packet(p, &s) && *s == 0;
	if (!tcp_flags(p, &s) || !sequence(p, &s))
		return false;
	p->has_ack = word(&s, "ack");
	if (p->has_ack && !u32(&s, &p->ack))
		return false;
	p->has_win = word(&s, "win");
	if (p->has_win && !u32(&s, &p->win))
		return false;
	p->has_urg = word(&s, "urg");
	if (p->has_urg && !u32(&s, &p->urg))
		return false;
	if (*s == '<') {
		s = skip(s + 1);
		if (!options(p, &s))
			return false;
	}
	if (((p->flags & 16) != 0) != p->has_ack || (e->kind == EV_IN && !p->has_win))
		return false;
	return *s == 0;
}

/* ---- calls ---- */

/* Ends the text at the bracket that closes the one before it, and returns what comes after. */
static char *close_bracket(char *s)
{
	int depth = 1;

	for (; *s; s++) {
		depth += strchr("([{", *s) != NULL;
		depth -= strchr(")]}", *s) != NULL;
		if (depth == 0) {
			*s = 0;
			return s + 1;
		}
	}
	return NULL;
}

static bool arguments(struct call_spec *c, char *s)
{
	int depth = 0;
	char *from;

	for (from = s = skip(s); *from; s++) {
		if (*s && strchr("([{", *s))
			depth++;
		if (*s && strchr(")]}", *s))
			depth--;
		if (*s && (*s != ',' || depth))
			continue;
		if (c->n_args == ARGS_MOST)
			return false;
		c->args[c->n_args++] = strndup(from, (size_t)(s - from));
		if (!*s)
			break;
		from = skip(s + 1);
		s = from - 1;
	}
	return true;
}

static bool call(struct event *e, char *s)
{
	struct call_spec *c = &e->call;
	size_t n = strcspn(s, "(");
	char *after, text[40];

	e->kind = EV_CALL;
	if (!s[n] || n >= sizeof(c->name))
		return false;
	memcpy(c->name, s, n);
	after = close_bracket(s + n + 1);
	if (!after || !arguments(c, s + n + 1))
		return false;
	after = skip(after);
	if (*after++ != '=')
		return false;
	after = skip(after);
	if (strncmp(after, "...", 3) == 0) {
		c->any_result = true;
		return true;
	}
	n = strcspn(after, " \t");
	if (n >= sizeof(text))
		return false;
	memcpy(text, after, n);
	text[n] = 0;
	if (!number_of(text, &c->result))
		return false;
	after = skip(after + n);
	n = strcspn(after, " (");
	if (n >= sizeof(c->err))
		return false;
	memcpy(c->err, after, n);
	return true;
}

/* ---- lines ---- */

/* The text without comments, line numbers kept. */
static char *load(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL, *c, *end;
	size_t n = 0;

	if (!f)
		return NULL;
	if (getdelim(&text, &n, 0, f) < 0) {
		free(text);
		text = NULL;
	}
	fclose(f);
	for (c = text; c && *c; c++) {
		if (strncmp(c, "/*", 2) == 0) {
			end = strstr(c, "*/");
			for (end = end ? end + 2 : c + strlen(c); c < end; c++)
				if (*c != '\n')
					*c = ' ';
		}
		if (strncmp(c, "//", 2) == 0 || (*c == '#' && (c == text || c[-1] == '\n')))
			while (*c && *c != '\n')
				*c++ = ' ';
		if (!*c)
			break;
	}
	return text;
}

/* Where the statement that begins at s ends: brackets and %{ }% may span lines. */
static char *statement_end(char *s, int *line)
{
	bool code = strstr(s, "%{") && strstr(s, "%{") < s + strcspn(s, "\n");
	int depth = 0;

	for (; *s; s++) {
		if (code && strncmp(s, "}%", 2) == 0)
			code = false;
		depth += *s == '(' ? 1 : *s == ')' ? -1 : 0;
		if (*s == '\n' && !code && depth <= 0)
			break;
		*line += *s == '\n';
	}
	return s;
}

static bool statement(struct event *e, char *s)
{
	char *end;

	if (strncmp(s, "%{", 2) == 0) { /* at the time of the event before */
		e->relative = true;
		e->end = -1;
	} else if (!read_time(e, &s)) {
		return false;
	}
	if (*s == '<' || *s == '>')
		return packet(e, s);
	if (strncmp(s, "%{", 2) != 0)
		return call(e, s);
	end = strstr(s, "}%");
	e->kind = EV_CODE;
	e->code = strndup(s + 2, end ? (size_t)(end - s - 2) : 0);
	return end != NULL;
}

int script_read(struct script *s, const char *path)
{
	char *text = load(path), *at = text, *end, *from;
	struct event **tail = &s->events;
	int line = 1, bad = 0, first;

	*s = (struct script){.path = path, .tolerance = TOLERANCE};
	if (!text) {
		fprintf(stderr, "drive: %s: %s\n", path, strerror(errno));
		return -1;
	}
	for (; *at && !bad; at = end + (*end != 0), line++) {
		first = line;
		from = at + strspn(at, " \t");
		end = statement_end(from, &line);
		if (end == from || strncmp(from, "--", 2) == 0 || *from == '`') {
			(void)sscanf(from, "--tolerance_usecs=%ld", &s->tolerance);
			continue;
		}
		*tail = calloc(1, sizeof(**tail));
		(*tail)->line = first;
		from = strndup(from, (size_t)(end - from));
		while (*from && isspace((unsigned char)from[strlen(from) - 1]))
			from[strlen(from) - 1] = 0;
		if (*from && !statement(*tail, from)) {
			fprintf(stderr, "drive: %s:%d: not understood\n", path, first);
			bad = -1;
		}
		if (*from) {
			tail = &(*tail)->next;
		} else {
			free(*tail);
			*tail = NULL;
		}
		free(from);
	}
	free(text);
	return bad;
}

void script_free(struct script *s)
{
	struct event *e;
	unsigned i;

	while ((e = s->events)) {
		s->events = e->next;
		for (i = 0; i < e->call.n_args; i++)
			free(e->call.args[i]);
		free(e->code);
		free(e);
	}
}
