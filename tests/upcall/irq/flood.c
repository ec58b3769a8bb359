/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flood ADDRESS COUNT [PORT]: echo requests, of ICMP (as root) or UDP, each sent when the last was
 * answered or is a second late; COUNT 0: until it is killed. Prints "N sent, N lost, N a second, at
 * most N ms".
 * flood ADDRESS COUNT burst PID: all at once, while process PID is stopped. Prints how many are
 * answered before that goes on, and in all.
 */
#include <arpa/inet.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/upcall/pc_test.h"

static uint16_t checksum(const void *data, size_t len)
{
	const uint16_t *w = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < len / 2; i++)
		sum += w[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static struct {
	struct icmphdr h;
	char data[56];
} packet = {.h.type = ICMP_ECHO};

/* The number of one that is answered, or -1 when it is too late. UDP brings what was sent, a raw
 * socket the IP header before it. */
static int answer(int fd, double until)
{
	for (;;) {
		struct pollfd p = {fd, POLLIN, 0};
		int ms = (int)((until - now()) * 1000) + 1;
		uint8_t buf[256];
		struct icmphdr got;
		ssize_t len;

		if (ms < 1 || poll(&p, 1, ms) <= 0)
			return -1;
		len = recv(fd, buf, sizeof(buf), 0);
		if (len < 20 + (ssize_t)sizeof(got))
			continue;
		memcpy(&got, buf + (buf[0] >> 4 == 4 ? 4 * (buf[0] & 15) : 0), sizeof(got));
		if (got.un.echo.id == packet.h.un.echo.id &&
		    (got.type == ICMP_ECHOREPLY || buf[0] == ICMP_ECHO))
			return ntohs(got.un.echo.sequence);
	}
}

static bool ask(int fd, const struct sockaddr_in *to, unsigned long number)
{
	packet.h.un.echo.sequence = htons((uint16_t)number);
	packet.h.checksum = 0;
	packet.h.checksum = checksum(&packet, sizeof(packet));
	return sendto(fd, &packet, sizeof(packet), 0, (const struct sockaddr *)to, sizeof(*to)) > 0;
}

static int stopped;

static bool is_stopped(void)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", stopped);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(f);
	return state == 'T';
}

static int burst(int fd, const struct sockaddr_in *to, unsigned long count)
{
	unsigned long before, all = 0;
	int failed = kill(stopped, SIGSTOP) || !eventually(is_stopped, 5);

	for (unsigned long i = 0; !failed && i < count; i++)
		failed = !ask(fd, to, i);
	while (!failed && answer(fd, now() + 0.3) >= 0)
		all++;
	before = all;
	failed |= kill(stopped, SIGCONT);
	while (!failed && all < count && answer(fd, now() + 2) >= 0)
		all++;
	printf("%lu %lu\n", before, all);
	return failed;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 0) : 0, sent, lost = 0;
	bool udp = argc == 4;
	int fd = udp ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
		     : socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	double begun = now(), worst = 0;

	if (argc < 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || fd < 0)
		return 2;
	to.sin_port = htons((uint16_t)(udp ? atoi(argv[3]) : 0));
	packet.h.un.echo.id = htons((uint16_t)getpid());
	stopped = argc > 4 ? atoi(argv[4]) : 0;
	if (stopped)
		return burst(fd, &to, count);
	for (sent = 0; !count || sent < count; sent++) {
		double at = now();
		int got;

		if (!ask(fd, &to, sent))
			return 1;
		do
			got = answer(fd, at + 1);
		while (got >= 0 && got != (int)(sent & 0xffff));
		lost += got < 0;
		if (now() - at > worst)
			worst = now() - at;
	}
	printf("%lu sent, %lu lost, %.0f a second, at most %.1f ms\n", sent, lost,
	       (double)sent / (now() - begun), worst * 1000);
	return 0;
}
