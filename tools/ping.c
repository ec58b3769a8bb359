/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sandwire ping: echo requests from the net, with the statistics of ping(8). An ordinary program of
 * the net: attaches with libsandwire and uses an ICMP datagram socket, as Linux's ping sockets:
 * the stack fills in identifier and checksum, and delivers replies with the ICMP header.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tcpip/wire6.h"
#include "tools/cli.h"
#include "tools/commands.h"
#include "tools/say.h"
#include "upcall/sandwire.h"

static const char usage[] =
	"sandwire ping [--net NAME] [-c N] [-i SECONDS] [-W SECONDS] [-s BYTES] HOST\n"
	"Echo requests from the net. -c: how many; -i: between two (1);\n"
	"-W: wait for an answer (1); -s: bytes of payload (56).\n";

#define PAYLOAD_MAX (65535 - 20 - ICMP_HDR_LEN) /* what a datagram of IPv4 holds */

struct ping {
	const char *net, *host;
	long count, size;
	double interval, wait;
	struct sockaddr_storage to;
	socklen_t to_len;
	bool six;
	char to_text[INET6_ADDRSTRLEN];
	int fd;
	uint16_t seq; /* of the last request */
	uint64_t started, sent_at;
	long sent, received;
	double min, max, sum, sum2; /* ms */
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int real(const char *option, const char *text, double min, double max, double *out,
		struct failure *f)
{
	char *end;

	*out = strtod(text, &end);
	if (*end || end == text || !(*out >= min && *out <= max))
		return misused(f, option, "'%s' is not a number from %g to %g", text, min, max);
	return 0;
}

/* 0, 1 (help was printed) or -1. */
static int options(struct ping *p, int argc, char **argv, struct failure *f)
{
	double v;

	p->interval = p->wait = 1;
	p->size = 56;
	for (int i = 1; i < argc; i++) {
		const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
		int r = 0;

		if (!strcmp(option, "--help") || !strcmp(option, "-h")) {
			fputs(usage, stdout);
			return 1;
		}
		if (!strncmp(option, "--net=", 6)) {
			p->net = option + 6;
			continue;
		}
		if (option[0] != '-') {
			if (p->host)
				return misused(f, option, "one host is enough");
			p->host = option;
			continue;
		}
		if (strcmp(option, "--net") && !(strchr("ciWs", option[1]) && !option[2]))
			return misused(f, option, "there is no such option");
		if (!value)
			return misused(f, option, "wants a value");
		i++;
		if (!strcmp(option, "--net"))
			p->net = value;
		else if (option[1] == 'c' && !(r = real("-c", value, 1, 1e9, &v, f)))
			p->count = (long)v;
		else if (option[1] == 's' && !(r = real("-s", value, 0, PAYLOAD_MAX, &v, f)))
			p->size = (long)v;
		else if (option[1] == 'i')
			r = real("-i", value, 0.001, 3600, &p->interval, f);
		else if (option[1] == 'W')
			r = real("-W", value, 0.001, 3600, &p->wait, f);
		if (r)
			return r;
	}
	if (!p->host) {
		misused(f, "ping", "no host given");
		return failure_hint(f, "sandwire ping --help");
	}
	return 0;
}

static int resolve(struct ping *p, struct failure *f)
{
	struct addrinfo want = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM}, *found;
	int r = getaddrinfo(p->host, NULL, &want, &found);

	if (r) {
		want.ai_family = AF_INET6;
		r = getaddrinfo(p->host, NULL, &want, &found);
	}
	if (r)
		return failed(f, p->host, "%s", gai_strerror(r));
	memcpy(&p->to, found->ai_addr, found->ai_addrlen);
	p->to_len = found->ai_addrlen;
	p->six = found->ai_family == AF_INET6;
	freeaddrinfo(found);
	return getnameinfo((struct sockaddr *)&p->to, p->to_len, p->to_text, sizeof(p->to_text),
			   NULL, 0, NI_NUMERICHOST)
		       ? failed(f, p->host, "has no address")
		       : 0;
}

static int attach(struct ping *p, struct failure *f)
{
	int r = cli_attach(p->net, f);

	if (r)
		return r;
	p->fd = p->six ? sandwire_socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6)
		       : sandwire_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	if (p->fd < 0)
		return failed(f, "ICMP socket", "%s", strerror(-p->fd));
	/* Replies of this destination only; and a wrong route is known at once. */
	r = sandwire_connect(p->fd, (struct sockaddr *)&p->to, p->to_len);
	if (r)
		return failed(f, p->to_text, "%s",
			      r == -ENETUNREACH ? "the net has no route to it" : strerror(-r));
	return 0;
}

static int send_one(struct ping *p)
{
	uint8_t packet[ICMP_HDR_LEN + PAYLOAD_MAX];
	ssize_t r;

	p->seq++;
	icmp_build(packet, &(struct icmp_hdr){.type = p->six ? ICMP6_ECHO_ASK : ICMP4_ECHO,
					      .rest = p->seq});
	for (long i = 0; i < p->size; i++)
		packet[ICMP_HDR_LEN + i] = (uint8_t)i;
	p->sent_at = now_ns();
	p->sent++;
	r = sandwire_send(p->fd, packet, ICMP_HDR_LEN + (size_t)p->size, 0);
	if (r < 0)
		printf("From the net: icmp_seq=%u %s\n", p->seq, strerror((int)-r));
	return r < 0 ? -1 : 0;
}

static void note(struct ping *p, double ms)
{
	p->received++;
	p->sum += ms;
	p->sum2 += ms * ms;
	if (p->received == 1 || ms < p->min)
		p->min = ms;
	if (ms > p->max)
		p->max = ms;
}

/* Takes one datagram: true if it is the answer to the last request. */
static bool take_one(struct ping *p, bool *again)
{
	uint8_t packet[ICMP_HDR_LEN + PAYLOAD_MAX];
	ssize_t n = sandwire_recv(p->fd, packet, sizeof(packet), MSG_DONTWAIT);
	double ms = (double)(now_ns() - p->sent_at) / 1e6;
	struct icmp_hdr h;

	*again = n != -EAGAIN && n != -EINTR;
	if (n < 0) {
		if (*again)
			printf("From the net: icmp_seq=%u %s\n", p->seq, strerror((int)-n));
		return false;
	}
	if (icmp_parse(&h, packet, (size_t)n) ||
	    h.type != (p->six ? ICMP6_ECHO_ANSWER : ICMP4_ECHO_REPLY) ||
	    (h.rest & 0xffff) != p->seq)
		return false;
	printf("%zd bytes from %s: icmp_seq=%u time=%.3f ms\n", n, p->to_text, p->seq, ms);
	note(p, ms);
	return true;
}

/* Waits up to `until`; true when the last request was answered. */
static bool wait_reply(struct ping *p, uint64_t until)
{
	while (!stopped) {
		uint64_t now = now_ns(), left = now < until ? until - now : 0;
		struct timespec ts = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
		struct pollfd fd = {p->fd, POLLIN, 0};
		bool again = true;

		if (sandwire_poll(&fd, 1, &ts, NULL) > 0)
			while (again)
				if (take_one(p, &again))
					return true;
		if (!left)
			return false;
	}
	return false;
}

static void pause_until(uint64_t until)
{
	uint64_t now = now_ns();
	struct timespec ts = {(time_t)((until - now) / 1000000000),
			      (long)((until - now) % 1000000000)};

	if (now < until && !stopped)
		nanosleep(&ts, NULL);
}

static void rounds(struct ping *p)
{
	while (!stopped && (!p->count || p->sent < p->count)) {
		bool sent = !send_one(p), last = p->count && p->sent == p->count;

		if (sent)
			wait_reply(p, p->sent_at + (uint64_t)(p->wait * 1e9));
		fflush(stdout);
		if (!last)
			pause_until(p->sent_at + (uint64_t)(p->interval * 1e9));
	}
}

static void summary(const struct ping *p)
{
	double mean = p->received ? p->sum / (double)p->received : 0;
	double var = p->received ? p->sum2 / (double)p->received - mean * mean : 0;

	printf("\n--- %s ping statistics ---\n", p->host);
	printf("%ld packets transmitted, %ld received, %ld%% packet loss, time %llums\n", p->sent,
	       p->received, p->sent ? (p->sent - p->received) * 100 / p->sent : 0,
	       (unsigned long long)(now_ns() - p->started) / 1000000);
	if (p->received)
		printf("rtt min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms\n", p->min, mean, p->max,
		       sqrt(var > 0 ? var : 0));
}

int cmd_ping(int argc, char **argv)
{
	static struct ping p;
	struct failure f = {.status = 1};
	struct sigaction act = {.sa_handler = on_signal};
	int r = options(&p, argc, argv, &f);

	if (r)
		return r < 0 ? failure_say(&f) : 0;
	if (resolve(&p, &f) || attach(&p, &f))
		return failure_say(&f);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	printf("PING %s (%s) %ld(%ld) bytes of data, mode %s.\n", p.host, p.to_text, p.size,
	       p.size + (p.six ? 48 : 28), sandwire_mode());
	p.started = now_ns();
	rounds(&p);
	summary(&p);
	close(p.fd);
	return p.received ? 0 : 1;
}
