/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer FD: the other end of the wire for the kill campaign, on the kernel's own TCP and UDP. Sends
 * back what comes, and compares each byte with what it must be; FD is the memory of kill.h.
 * Whoever was killed left a beginning of a stream: exact as far as it goes. It closes first, so
 * that what remains of a connection remains here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/upcall/kill/kill.h"

#define CONNS 4096

static struct conn {
	bool open;
	struct head head;
	uint32_t head_got, got, from, to; /* [from, to) of the block is to be sent back */
	uint8_t block[BLOCK];
} * conns[CONNS];

static int epfd;
struct shared *sh;

static void wrong(const struct head *h, const char *what, uint32_t at)
{
	atomic_fetch_add(&sh->peer_wrong, 1);
	printf("# peer: row %u, number %u: %s at %u of %u\n", h->row, h->number, what, at,
	       h->length);
	fflush(stdout);
}

static void end(int fd, struct conn *c, bool whole)
{
	static const struct linger reset = {.l_onoff = 1};

	if (c->head_got == sizeof(c->head))
		atomic_fetch_add(whole ? &sh->row[c->head.row].peer_streams
				       : &sh->row[c->head.row].peer_cut,
				 1);
	if (!whole)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	c->open = false;
	atomic_fetch_sub(&sh->peer_open, 1);
}

static void want(int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &e);
}

/* False: the connection is over. */
static bool take(int fd, struct conn *c)
{
	bool heading = c->head_got < sizeof(c->head);
	ssize_t n = heading ? recv(fd, (uint8_t *)&c->head + c->head_got,
				   sizeof(c->head) - c->head_got, MSG_DONTWAIT)
			    : recv(fd, c->block, BLOCK, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0)
		return false;
	if (heading) {
		c->head_got += (uint32_t)n;
		if (c->head_got == sizeof(c->head) && c->head.row >= ROWS) {
			wrong(&c->head, "no such row", 0);
			c->head_got = 0;
			return false;
		}
		return true;
	}
	atomic_fetch_add(&sh->peer_bytes, (unsigned long long)n);
	for (uint32_t i = 0; i < (uint32_t)n; i++)
		if (c->block[i] != pattern(&c->head, c->got + i)) {
			wrong(&c->head, "not the byte", c->got + i);
			return false;
		}
	c->from = 0;
	c->to = (uint32_t)n;
	c->got += (uint32_t)n;
	if (c->got > c->head.length)
		wrong(&c->head, "too much", c->got);
	return c->got <= c->head.length;
}

static void serve(int fd, struct conn *c)
{
	if (c->from == c->to && !take(fd, c)) {
		end(fd, c, false);
		return;
	}
	if (c->from < c->to) {
		ssize_t n =
			send(fd, c->block + c->from, c->to - c->from, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN) {
			end(fd, c, false);
			return;
		}
		c->from += n > 0 ? (uint32_t)n : 0;
	}
	if (c->from == c->to && c->head_got == sizeof(c->head) && c->got == c->head.length)
		end(fd, c, true);
	else
		want(fd, c->from < c->to ? EPOLLOUT : EPOLLIN);
}

static void greet(int listener)
{
	struct epoll_event e = {.events = EPOLLIN};
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (fd >= CONNS || (!conns[fd] && !(conns[fd] = malloc(sizeof(**conns))))) {
		close(fd);
		return;
	}
	memset(conns[fd], 0, sizeof(**conns));
	conns[fd]->open = true;
	atomic_fetch_add(&sh->peer_open, 1);
	e.data.fd = fd;
	epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e);
}

static void datagram(int fd)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct head h;
	ssize_t n = recvfrom(fd, &h, sizeof(h), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	if (n < 0)
		return;
	if (n != sizeof(h) || h.row >= ROWS) {
		wrong(&h, "not a datagram of ours", (uint32_t)n);
		return;
	}
	if (!see(&sh->row[h.row].peer_seen, h.number, &sh->overtaken))
		wrong(&h, "a datagram twice, the last was", sh->row[h.row].peer_seen.highest);
	sendto(fd, &h, sizeof(h), MSG_DONTWAIT, (struct sockaddr *)&from, len);
}

static int bound(int type)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct epoll_event e = {.events = EPOLLIN};
	int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	e.data.fd = fd;
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    (type == SOCK_STREAM && listen(fd, 512)) || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e)) {
		perror("peer");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct epoll_event events[64];
	int tcp, udp;

	sh = argc == 2
		     ? mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[1]), 0)
		     : MAP_FAILED;
	if (sh == MAP_FAILED) {
		fprintf(stderr, "peer: started by the campaign only\n");
		return 2;
	}
	epfd = epoll_create1(0);
	tcp = bound(SOCK_STREAM);
	udp = bound(SOCK_DGRAM);
	atomic_store(&sh->peer_ready, true);
	for (;;) {
		int n = epoll_wait(epfd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == tcp)
				greet(fd);
			else if (fd == udp)
				datagram(fd);
			else if (conns[fd]->open)
				serve(fd, conns[fd]);
		}
	}
}
