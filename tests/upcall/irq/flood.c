/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flood ADDRESS COUNT [PORT]: echo requests, of ICMP (as root) or UDP, each sent when the last was
 * answered or is a second late; COUNT 0: until it is killed. Prints "N sent, N lost, N a second, at
 * most N ms".
 */
#include <arpa/inet.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint16_t checksum(const void *data, size_t len)
{
	const uint16_t *w = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < len / 2; i++)
		sum += w[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* UDP brings what was sent, a raw socket the IP header before it. */
static int answered(int fd, const struct icmphdr *sent, double until)
{
	for (;;) {
		struct pollfd p = {fd, POLLIN, 0};
		int ms = (int)((until - now()) * 1000) + 1;
		uint8_t buf[256];
		struct icmphdr got;
		ssize_t len;

		if (ms < 1 || poll(&p, 1, ms) <= 0)
			return 0;
		len = recv(fd, buf, sizeof(buf), 0);
		if (len < 20 + (ssize_t)sizeof(got))
			continue;
		memcpy(&got, buf + (buf[0] >> 4 == 4 ? 4 * (buf[0] & 15) : 0), sizeof(got));
		if (got.un.echo.id == sent->un.echo.id &&
		    got.un.echo.sequence == sent->un.echo.sequence &&
		    (got.type == ICMP_ECHOREPLY || buf[0] == ICMP_ECHO))
			return 1;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct {
		struct icmphdr h;
		char data[56];
	} packet = {.h.type = ICMP_ECHO, .h.un.echo.id = htons((uint16_t)getpid())};
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 0) : 0, sent, lost = 0;
	int fd = argc > 3 ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
			  : socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	double begun = now(), worst = 0;

	if (argc < 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || fd < 0)
		return 2;
	to.sin_port = htons((uint16_t)(argc > 3 ? atoi(argv[3]) : 0));
	for (sent = 0; !count || sent < count; sent++) {
		double at = now();

		packet.h.un.echo.sequence = htons((uint16_t)sent);
		packet.h.checksum = 0;
		packet.h.checksum = checksum(&packet, sizeof(packet));
		if (sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			return 1;
		lost += !answered(fd, &packet.h, at + 1);
		if (now() - at > worst)
			worst = now() - at;
	}
	printf("%lu sent, %lu lost, %.0f a second, at most %.1f ms\n", sent, lost,
	       (double)sent / (now() - begun), worst * 1000);
	return 0;
}
