// SPDX-License-Identifier: BSD-3-Clause
/*
 * crowd ADDRESS N: N connections to a listener of its own, both ends held, a byte each way over
 * every one at the end; prints how many there were. IPv4 or IPv6. Fails if they are fewer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PORT 7000

static struct sockaddr_storage name;
static socklen_t name_len;

static int named(const char *text)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&name;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&name;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(PORT);
		name_len = sizeof(*v4);
		return 0;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(PORT);
	name_len = sizeof(*v6);
	return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1 ? 0 : -1;
}

/* Both ends of one more; 0 or a negative errno. */
static int one_more(int listener, int ends[2])
{
	ends[0] = socket(name.ss_family, SOCK_STREAM, 0);
	if (ends[0] < 0 || connect(ends[0], (struct sockaddr *)&name, name_len))
		return -errno;
	ends[1] = accept(listener, NULL, NULL);
	return ends[1] < 0 ? -errno : 0;
}

static int speaks(const int ends[2])
{
	char c = 0;

	return write(ends[0], "x", 1) == 1 && read(ends[1], &c, 1) == 1 && c == 'x' &&
	       write(ends[1], "y", 1) == 1 && read(ends[0], &c, 1) == 1 && c == 'y';
}

int main(int argc, char **argv)
{
	unsigned want = argc > 2 ? (unsigned)atoi(argv[2]) : 0, n = 0, i;
	struct rlimit files = {2ul * want + 64, 2ul * want + 64};
	int(*ends)[2] = calloc(want ? want : 1, sizeof(*ends)), listener, r = 0;

	if (!want || named(argv[1]) || setrlimit(RLIMIT_NOFILE, &files) || !ends)
		return 2;
	listener = socket(name.ss_family, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&name, name_len) ||
	    listen(listener, 128)) {
		perror("crowd");
		return 2;
	}
	while (n < want && (r = one_more(listener, ends[n])) == 0)
		n++;
	for (i = 0; i < n; i++)
		if (!speaks(ends[i]))
			break;
	printf("%u connections, %u speak%s%s\n", n, i, r ? ", then: " : "", r ? strerror(-r) : "");
	return n == want && i == n ? 0 : 1;
}
