/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP: connected and not, cut short, refused, several at once. See behave.h. */
#include "behave.h"

#include <linux/errqueue.h> /* wants struct timespec */

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

/* The address that this host has towards the peer; port 0. */
static struct sockaddr_in own_address(void)
{
	struct sockaddr_in to = service(SERVICE_UDP), own = {0};
	socklen_t len = sizeof(own);
	int fd = udp();

	if (!connect(fd, (struct sockaddr *)&to, sizeof(to)))
		getsockname(fd, (struct sockaddr *)&own, &len);
	own.sin_port = 0;
	close(fd);
	return own;
}

/* The control message of a kind, or NULL. */
static void *note_of(struct msghdr *msg, int level, int type)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == level && c->cmsg_type == type)
			return CMSG_DATA(c);
	return NULL;
}

static const char *a_datagram_brings_what_was_asked_for(void)
{
	struct sockaddr_in to = service(SERVICE_UDP), own = own_address();
	struct in_pktinfo info;
	struct timespec at, now;
	char buf[8], control[256];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
	int fd = udp(), on = 1, ttl;

	NEED(!setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)));
	NEED(!setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)));
	NEED(!setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)));
	NEED(!setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)));
	NEED(sendto(fd, "ping", 4, 0, (struct sockaddr *)&to, sizeof(to)) == 4);
	msg.msg_controllen = sizeof(control);
	NEED(recvmsg(fd, &msg, 0) == 4 && !(msg.msg_flags & MSG_CTRUNC));
	NEED(note_of(&msg, IPPROTO_IP, IP_PKTINFO) && note_of(&msg, IPPROTO_IP, IP_TTL) &&
	     note_of(&msg, IPPROTO_IP, IP_TOS) && note_of(&msg, SOL_SOCKET, SCM_TIMESTAMPNS));
	memcpy(&info, note_of(&msg, IPPROTO_IP, IP_PKTINFO), sizeof(info));
	NEED(info.ipi_addr.s_addr == own.sin_addr.s_addr && info.ipi_ifindex > 0);
	memcpy(&ttl, note_of(&msg, IPPROTO_IP, IP_TTL), sizeof(ttl));
	NEED(ttl == 64);
	NEED(*(unsigned char *)note_of(&msg, IPPROTO_IP, IP_TOS) == 0);
	memcpy(&at, note_of(&msg, SOL_SOCKET, SCM_TIMESTAMPNS), sizeof(at));
	clock_gettime(CLOCK_REALTIME, &now);
	NEED(at.tv_sec <= now.tv_sec && at.tv_sec >= now.tv_sec - 5);
	/* Less room than that. */
	NEED(sendto(fd, "ping", 4, 0, (struct sockaddr *)&to, sizeof(to)) == 4);
	msg.msg_controllen = CMSG_LEN(2);
	NEED(recvmsg(fd, &msg, 0) == 4 && msg.msg_flags & MSG_CTRUNC);
	NEED(msg.msg_controllen == CMSG_LEN(2));
	close(fd);
	return NULL;
}

/* One control message beside "ping" to the echo service: what sendmsg said. */
static ssize_t send_with(int fd, int level, int type, const void *data, size_t len)
{
	struct sockaddr_in to = service(SERVICE_UDP);
	char control[128] __attribute__((aligned(8))) = {0};
	struct iovec iov = {"ping", 4};
	struct msghdr msg = {.msg_name = &to,
			     .msg_namelen = sizeof(to),
			     .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = CMSG_SPACE(len)};
	struct cmsghdr *c = (struct cmsghdr *)control;

	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};
	memcpy(CMSG_DATA(c), data, len);
	return sendmsg(fd, &msg, 0);
}

static const char *a_datagram_can_be_sent_with_a_mark_or_a_source_of_its_own(void)
{
	struct in_pktinfo info = {.ipi_spec_dst = own_address().sin_addr};
	struct in_pktinfo wrong = {.ipi_spec_dst = {htonl(0xc6336401)}}; /* 198.51.100.1 */
	int fd = udp(), ttl = 32, none = 0;
	char buf[8];

	NEED(send_with(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) == 4);
	NEED(recv(fd, buf, sizeof(buf), 0) == 4);
	NEED(send_with(fd, IPPROTO_IP, IP_TOS, &ttl, sizeof(ttl)) == 4);
	NEED(recv(fd, buf, sizeof(buf), 0) == 4);
	NEED(send_with(fd, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info)) == 4);
	NEED(recv(fd, buf, sizeof(buf), 0) == 4);
	NEED(send_with(fd, IPPROTO_IP, IP_PKTINFO, &wrong, sizeof(wrong)) == -1 &&
	     (errno == EINVAL || errno == ENETUNREACH));
	NEED(send_with(fd, IPPROTO_IP, IP_TTL, &none, sizeof(none)) == -1 && errno == EINVAL);
	NEED(send_with(fd, IPPROTO_IP, 9999, &none, sizeof(none)) == -1 && errno == EINVAL);
	close(fd);
	return NULL;
}

static const char *errors_queue_where_they_are_asked_for(void)
{
	struct sockaddr_in to = service(SERVICE_NONE), from = {0}, offender;
	struct sock_extended_err ee;
	struct pollfd pfd;
	char buf[8], control[256];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_name = &from,
			     .msg_namelen = sizeof(from),
			     .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	int fd = udp(), on = 1, err = -1;
	socklen_t len = sizeof(err);
	char *note;

	NEED(!setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)));
	NEED(recvmsg(fd, &msg, MSG_ERRQUEUE) == -1 && errno == EAGAIN);
	NEED(sendto(fd, "lost", 4, 0, (struct sockaddr *)&to, sizeof(to)) == 4);
	pfd = (struct pollfd){.fd = fd, .events = POLLIN};
	NEED(poll(&pfd, 1, 5000) == 1 && pfd.revents & (POLLERR | POLLIN));
	msg.msg_controllen = sizeof(control);
	msg.msg_namelen = sizeof(from);
	NEED(recvmsg(fd, &msg, MSG_ERRQUEUE) == 4 && msg.msg_flags & MSG_ERRQUEUE);
	NEED(!memcmp(buf, "lost", 4));
	NEED(from.sin_port == to.sin_port && from.sin_addr.s_addr == to.sin_addr.s_addr);
	note = note_of(&msg, IPPROTO_IP, IP_RECVERR);
	NEED(note != NULL);
	memcpy(&ee, note, sizeof(ee));
	memcpy(&offender, note + sizeof(ee), sizeof(offender));
	NEED(ee.ee_errno == ECONNREFUSED && ee.ee_origin == SO_EE_ORIGIN_ICMP);
	NEED(ee.ee_type == 3 && ee.ee_code == 3);
	NEED(offender.sin_addr.s_addr == to.sin_addr.s_addr);
	NEED(recvmsg(fd, &msg, MSG_ERRQUEUE) == -1 && errno == EAGAIN);
	NEED(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) && err == 0);
	close(fd);
	return NULL;
}

static const char *asking_for_errors_leaves_data_readable(void)
{
	struct sockaddr_in to = service(SERVICE_UDP);
	struct msghdr msg = {0};
	struct pollfd pfd;
	char c;
	int fd = udp(), on = 1;

	NEED(!setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)));
	NEED(sendto(fd, "d", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1);
	pfd = (struct pollfd){.fd = fd, .events = POLLIN};
	NEED(poll(&pfd, 1, 5000) == 1);
	NEED(recvmsg(fd, &msg, MSG_ERRQUEUE) == -1 && errno == EAGAIN);
	NEED(poll(&pfd, 1, 0) == 1);
	NEED(read(fd, &c, 1) == 1);
	close(fd);
	return NULL;
}

/* A socket bound to the port that hears the group; -1: an error. */
static int hears(const struct in_addr *group, const struct in_addr *own, struct sockaddr_in *at)
{
	struct ip_mreq req = {*group, *own};
	socklen_t len = sizeof(*at);
	int fd = udp(), on = 1;

	at->sin_family = AF_INET;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req)) ||
	    bind(fd, (struct sockaddr *)at, sizeof(*at)) ||
	    getsockname(fd, (struct sockaddr *)at, &len))
		return -1;
	return fd;
}

static const char *who_joins_a_group_hears_it_and_who_left_does_not(void)
{
	struct sockaddr_in own = own_address(), at = {.sin_addr = {INADDR_ANY}}, to;
	struct ip_mreq req = {{htonl(0xef070707)}, own.sin_addr}; /* 239.7.7.7 */
	struct in_addr by = {0};
	socklen_t len = sizeof(by);
	int a = hears(&req.imr_multiaddr, &own.sin_addr, &at), b, out = udp(), off = 0;
	unsigned char ttl = 0;
	char buf[8];

	NEED(a >= 0);
	b = hears(&req.imr_multiaddr, &own.sin_addr, &at);
	NEED(b >= 0);
	to = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = at.sin_port, .sin_addr = req.imr_multiaddr};
	NEED(!setsockopt(out, IPPROTO_IP, IP_MULTICAST_IF, &own.sin_addr, sizeof(own.sin_addr)));
	NEED(!getsockopt(out, IPPROTO_IP, IP_MULTICAST_IF, &by, &len) &&
	     by.s_addr == own.sin_addr.s_addr);
	NEED(!setsockopt(out, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)));
	NEED(sendto(out, "all", 3, 0, (struct sockaddr *)&to, sizeof(to)) == 3);
	NEED(recv(a, buf, sizeof(buf), 0) == 3 && recv(b, buf, sizeof(buf), 0) == 3);
	NEED(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req)) == -1 &&
	     errno == EADDRINUSE);
	NEED(!setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &req, sizeof(req)));
	NEED(setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &req, sizeof(req)) == -1 &&
	     errno == EADDRNOTAVAIL);
	NEED(!setsockopt(a, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off)));
	NEED(sendto(out, "rest", 4, 0, (struct sockaddr *)&to, sizeof(to)) == 4);
	NEED(recv(b, buf, sizeof(buf), 0) == 4);
	NEED(recv(a, buf, sizeof(buf), MSG_DONTWAIT) == -1 && errno == EAGAIN);
	NEED(!setsockopt(out, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off)));
	NEED(sendto(out, "none", 4, 0, (struct sockaddr *)&to, sizeof(to)) == 4);
	usleep(50000);
	if (ntohl(own.sin_addr.s_addr) >> 24 != 127) /* where the wire itself is a loop */
		NEED(recv(b, buf, sizeof(buf), MSG_DONTWAIT) == -1 && errno == EAGAIN);
	close(a);
	close(b);
	close(out);
	return NULL;
}

static int source(int fd, int option, const struct ip_mreq_source *req)
{
	return setsockopt(fd, IPPROTO_IP, option, req, sizeof(*req));
}

static const char *who_joins_a_source_hears_it_alone(void)
{
	struct sockaddr_in own = own_address(), at = {.sin_family = AF_INET}, to;
	struct ip_mreq_source req = {{htonl(0xef070708)}, own.sin_addr, own.sin_addr};
	struct ip_mreq_source other = req; /* 239.7.7.8, of somebody who does not speak */
	struct ip_msfilter f = {req.imr_multiaddr, own.sin_addr, 9, 1, {{0}}};
	struct ip_mreq whole = {req.imr_multiaddr, own.sin_addr};
	socklen_t len = sizeof(at);
	int in = udp(), out = udp();
	unsigned char ttl = 0;
	char buf[8];

	other.imr_sourceaddr.s_addr ^= htonl(0x55);
	NEED(source(in, IP_BLOCK_SOURCE, &req) == -1 && errno == EINVAL);
	NEED(!source(in, IP_ADD_SOURCE_MEMBERSHIP, &other));
	NEED(source(in, IP_ADD_SOURCE_MEMBERSHIP, &other) == -1 && errno == EADDRNOTAVAIL);
	NEED(!bind(in, (struct sockaddr *)&at, sizeof(at)));
	NEED(!getsockname(in, (struct sockaddr *)&at, &len));
	to = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = at.sin_port, .sin_addr = req.imr_multiaddr};
	NEED(!setsockopt(out, IPPROTO_IP, IP_MULTICAST_IF, &own.sin_addr, sizeof(own.sin_addr)));
	NEED(!setsockopt(out, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)));
	NEED(sendto(out, "lost", 4, 0, (struct sockaddr *)&to, sizeof(to)) == 4);
	NEED(!source(in, IP_ADD_SOURCE_MEMBERSHIP, &req));
	NEED(sendto(out, "got", 3, 0, (struct sockaddr *)&to, sizeof(to)) == 3);
	NEED(recv(in, buf, sizeof(buf), 0) == 3);
	NEED(!source(in, IP_DROP_SOURCE_MEMBERSHIP, &other));
	len = sizeof(f);
	NEED(!getsockopt(in, IPPROTO_IP, IP_MSFILTER, &f, &len) && len == IP_MSFILTER_SIZE(1));
	NEED(f.imsf_fmode == MCAST_INCLUDE && f.imsf_numsrc == 1);
	NEED(f.imsf_slist[0].s_addr == own.sin_addr.s_addr);
	NEED(!source(in, IP_DROP_SOURCE_MEMBERSHIP, &req)); /* with the last, the group */
	NEED(source(in, IP_DROP_SOURCE_MEMBERSHIP, &req) == -1 && errno == EINVAL);
	NEED(!setsockopt(in, IPPROTO_IP, IP_ADD_MEMBERSHIP, &whole, sizeof(whole)));
	NEED(!source(in, IP_BLOCK_SOURCE, &req));
	NEED(source(in, IP_BLOCK_SOURCE, &req) == -1 && errno == EADDRNOTAVAIL);
	NEED(source(in, IP_ADD_SOURCE_MEMBERSHIP, &other) == -1 && errno == EINVAL);
	NEED(sendto(out, "lost", 4, 0, (struct sockaddr *)&to, sizeof(to)) == 4);
	NEED(!source(in, IP_UNBLOCK_SOURCE, &req));
	NEED(source(in, IP_UNBLOCK_SOURCE, &req) == -1 && errno == EADDRNOTAVAIL);
	NEED(sendto(out, "got", 3, 0, (struct sockaddr *)&to, sizeof(to)) == 3);
	NEED(recv(in, buf, sizeof(buf), 0) == 3);
	close(in);
	close(out);
	return NULL;
}

static const char *a_filter_of_many_sources_comes_back_as_it_was_set(void)
{
	struct sockaddr_in own = own_address(), sin = {.sin_family = AF_INET};
	struct ip_mreq whole = {{htonl(0xef070709)}, own.sin_addr}; /* 239.7.7.9 */
	struct {
		struct group_filter head;
		struct sockaddr_storage more[2];
	} f = {.head = {.gf_fmode = MCAST_EXCLUDE, .gf_numsrc = 3}}, back;
	struct ip_msfilter few = {whole.imr_multiaddr, own.sin_addr, 9, 1, {{0}}};
	socklen_t len = sizeof(few);
	int in = udp();

	sin.sin_addr = whole.imr_multiaddr;
	memcpy(&f.head.gf_group, &sin, sizeof(sin));
	for (unsigned i = 0; i < 3; i++) {
		sin.sin_addr.s_addr = htonl(0x0a090901 + i);
		memcpy((char *)&f + GROUP_FILTER_SIZE(i), &sin, sizeof(sin));
	}
	NEED(!setsockopt(in, IPPROTO_IP, IP_ADD_MEMBERSHIP, &whole, sizeof(whole)));
	NEED(!getsockopt(in, IPPROTO_IP, IP_MSFILTER, &few, &len) && len == IP_MSFILTER_SIZE(0));
	/* The interface by the number that the filter of the other option tells nothing of. */
	for (f.head.gf_interface = 1; f.head.gf_interface < 100; f.head.gf_interface++)
		if (!setsockopt(in, IPPROTO_IP, MCAST_MSFILTER, &f, sizeof(f)))
			break;
	NEED(f.head.gf_interface < 100);
	back = f;
	back.head.gf_fmode = 9;
	memset(back.head.gf_slist, 0, sizeof(back.head.gf_slist));
	len = sizeof(back);
	NEED(!getsockopt(in, IPPROTO_IP, MCAST_MSFILTER, &back, &len));
	NEED(len == GROUP_FILTER_SIZE(3) && back.head.gf_fmode == MCAST_EXCLUDE);
	NEED(!memcmp((char *)&back + GROUP_FILTER_SIZE(2), &sin, sizeof(sin)));
	few.imsf_numsrc = 1;
	len = sizeof(few);
	NEED(!getsockopt(in, IPPROTO_IP, IP_MSFILTER, &few, &len) && len == sizeof(few));
	NEED(few.imsf_numsrc == 3 && few.imsf_slist[0].s_addr == htonl(0x0a090901));
	close(in);
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
	{"a_datagram_brings_what_was_asked_for", a_datagram_brings_what_was_asked_for},
	{"a_datagram_can_be_sent_with_a_mark_or_a_source_of_its_own",
	 a_datagram_can_be_sent_with_a_mark_or_a_source_of_its_own},
	{"errors_queue_where_they_are_asked_for", errors_queue_where_they_are_asked_for},
	{"asking_for_errors_leaves_data_readable", asking_for_errors_leaves_data_readable},
	{"who_joins_a_group_hears_it_and_who_left_does_not",
	 who_joins_a_group_hears_it_and_who_left_does_not},
	{"who_joins_a_source_hears_it_alone", who_joins_a_source_hears_it_alone},
	{"a_filter_of_many_sources_comes_back_as_it_was_set",
	 a_filter_of_many_sources_comes_back_as_it_was_set},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return behave_main(argc, argv, cases);
}
