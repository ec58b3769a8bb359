/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pump HOST PORT THREADS: each thread connects, then sends and receives as fast as it can, again
 * and again until killed. A victim for tests/apps/kill: at any moment some thread is in a call.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in server;

static void *pump(void *arg)
{
	static char block[65536];
	long rounds = 0;

	(void)arg;
	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0) {
			if (fd >= 0)
				close(fd);
			usleep(10000);
			continue;
		}
		for (int i = 0; i < 64; i++) {
			char back[4096];

			if (send(fd, block, sizeof(block), MSG_NOSIGNAL) < 0)
				break;
			while (recv(fd, back, sizeof(back), MSG_DONTWAIT) > 0)
				;
		}
		close(fd);
		if (++rounds == 1) {
			puts("pumping");
			fflush(stdout);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 4) {
		fprintf(stderr, "usage: pump HOST PORT THREADS\n");
		return 2;
	}
	server.sin_family = AF_INET;
	server.sin_port = htons((unsigned short)atoi(argv[2]));
	if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
		return 2;
	for (int i = 1; i < atoi(argv[3]); i++)
		if (pthread_create(&thread, NULL, pump, NULL))
			return 1;
	pump(NULL);
}
