/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP: connected and not, cut short, refused, several at once. See behave.h. */
#include "behave.h"

static int udp(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0);
}

static const char *a_datagram_comes_back_from_where_it_went(void)
{
	struct sockaddr_in to = service(SERVICE_UDP), from;
	socklen_t len = sizeof(from);
	char buf[100];
	int fd = udp();

	NEED(sendto(fd, "ping", 4, 0, (struct sockaddr *)&to, sizeof(to)) == 4);
	NEED(recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len) == 4);
	NEED(!memcmp(buf, "ping", 4));
	NEED(len == sizeof(from) && from.sin_port == to.sin_port);
	NEED(from.sin_addr.s_addr == to.sin_addr.s_addr);
	close(fd);
	return NULL;
}

static const char *a_connected_socket_needs_no_address(void)
{
	struct sockaddr_in to = service(SERVICE_UDP);
	char buf[1400], out[1400];
	int fd = udp();

	NEED(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	memset(out, 'd', sizeof(out));
	for (int i = 0; i < 20; i++) {
		NEED(send(fd, out, sizeof(out), 0) == (ssize_t)sizeof(out));
		NEED(recv(fd, buf, sizeof(buf), 0) == (ssize_t)sizeof(buf));
		NEED(!memcmp(buf, out, sizeof(buf)));
	}
	close(fd);
	return NULL;
}

static const char *too_long_is_cut_and_told(void)
{
	struct sockaddr_in to = service(SERVICE_UDP);
	char buf[4];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fd = udp();

	NEED(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	NEED(send(fd, "0123456789", 10, 0) == 10);
	NEED(recvmsg(fd, &msg, 0) == 4 && msg.msg_flags & MSG_TRUNC);
	NEED(send(fd, "0123456789", 10, 0) == 10);
	NEED(recv(fd, buf, sizeof(buf), MSG_TRUNC) == 10);
	NEED(recv(fd, buf, sizeof(buf), MSG_DONTWAIT) == -1 && errno == EAGAIN);
	close(fd);
	return NULL;
}

static const char *nothing_is_a_datagram_too(void)
{
	struct sockaddr_in to = service(SERVICE_UDP);
	char c;
	int fd = udp();

	NEED(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	NEED(send(fd, NULL, 0, 0) == 0);
	NEED(recv(fd, &c, 1, 0) == 0);
	close(fd);
	return NULL;
}

static const char *several_go_and_come_at_once(void)
{
	struct sockaddr_in to = service(SERVICE_UDP);
	struct mmsghdr vec[2] = {{{0}, 0}};
	struct iovec iov[2];
	char data[2][8] = {"one", "two"};
	struct pollfd pfd;
	int fd = udp(), got = 0;

	for (int i = 0; i < 2; i++) {
		iov[i] = (struct iovec){data[i], 3};
		vec[i].msg_hdr = (struct msghdr){.msg_name = &to,
						 .msg_namelen = sizeof(to),
						 .msg_iov = &iov[i],
						 .msg_iovlen = 1};
	}
	NEED(sendmmsg(fd, vec, 2, 0) == 2 && vec[1].msg_len == 3);
	pfd = (struct pollfd){.fd = fd, .events = POLLIN};
	while (got < 2) {
		int n;

		for (int i = 0; i < 2; i++) {
			iov[i] = (struct iovec){data[i], 8};
			vec[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
		}
		NEED(poll(&pfd, 1, 5000) == 1);
		n = recvmmsg(fd, vec, 2, MSG_WAITFORONE, NULL);
		NEED(n > 0 && vec[0].msg_len == 3);
		got += n;
	}
	close(fd);
	return NULL;
}

static const char *readiness_follows_the_queue(void)
{
	struct sockaddr_in to = service(SERVICE_UDP);
	struct pollfd pfd;
	char buf[8];
	int fd = udp(), n = -1;

	NEED(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	pfd = (struct pollfd){.fd = fd, .events = POLLIN | POLLOUT};
	NEED(poll(&pfd, 1, 0) == 1 && pfd.revents == POLLOUT);
	NEED(send(fd, "twice", 5, 0) == 5);
	pfd.events = POLLIN;
	NEED(poll(&pfd, 1, 5000) == 1);
	NEED(ioctl(fd, FIONREAD, &n) == 0 && n == 5);
	NEED(recv(fd, buf, sizeof(buf), 0) == 5);
	NEED(poll(&pfd, 1, 5000) == 1);
	NEED(recv(fd, buf, sizeof(buf), 0) == 5);
	NEED(poll(&pfd, 1, 50) == 0);
	close(fd);
	return NULL;
}

static const char *nobody_there_is_told_to_a_connected_socket(void)
{
	struct sockaddr_in to = service(SERVICE_NONE);
	struct timeval tv = {5, 0};
	char c;
	int fd = udp();

	NEED(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	NEED(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	NEED(send(fd, "x", 1, 0) == 1);
	NEED(recv(fd, &c, 1, 0) == -1 && errno == ECONNREFUSED);
	close(fd);
	return NULL;
}

static const char *without_a_peer_there_is_nowhere_to_send(void)
{
	int fd = udp();

	NEED(send(fd, "x", 1, 0) == -1 && errno == EDESTADDRREQ);
	close(fd);
	return NULL;
}

static const struct behave_case cases[] = {
	{"a_datagram_comes_back_from_where_it_went", a_datagram_comes_back_from_where_it_went},
	{"a_connected_socket_needs_no_address", a_connected_socket_needs_no_address},
	{"too_long_is_cut_and_told", too_long_is_cut_and_told},
	{"nothing_is_a_datagram_too", nothing_is_a_datagram_too},
	{"several_go_and_come_at_once", several_go_and_come_at_once},
	{"readiness_follows_the_queue", readiness_follows_the_queue},
	{"nobody_there_is_told_to_a_connected_socket", nobody_there_is_told_to_a_connected_socket},
	{"without_a_peer_there_is_nowhere_to_send", without_a_peer_there_is_nowhere_to_send},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return behave_main(argc, argv, cases);
}
