// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the host would lose with an interface. Called by bind.c (which then refuses) and doctor
 * (which then does not propose it). Routes and addresses come from rtnetlink, since /proc/net/route
 * has the main table and first next hops only; connections from /proc/net/tcp and tcp6.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/netuse.h"
#include "vfio/vfio.h"

#define DEVS_MAX  32u
#define ADDRS_MAX 1024u

#define TCP_STATE_ESTABLISHED 1

struct addr {
	struct in6_addr ip; /* IPv4 as ::ffff:a.b.c.d */
	bool ours;	    /* on the interface in question, or on one stacked on it */
};

struct search {
	struct netuse *use;
	unsigned ndevs;
	struct {
		char name[16];
		unsigned index;
	} devs[DEVS_MAX];
	unsigned naddrs;
	struct addr addrs[ADDRS_MAX];
};

static void add_dev(struct search *s, const char *name)
{
	char path[PATH_MAX];
	struct dirent *ent;
	DIR *dir;

	if (strlen(name) >= sizeof(s->devs[0].name) || s->ndevs == DEVS_MAX)
		return;
	for (unsigned i = 0; i < s->ndevs; i++)
		if (!strcmp(s->devs[i].name, name))
			return;
	memcpy(s->devs[s->ndevs].name, name, strlen(name) + 1);
	s->devs[s->ndevs].index = (unsigned)host_number(0, "/sys/class/net/%s/ifindex", name);
	s->ndevs++;
	/* Whatever is stacked on it hangs there as upper_NAME. */
	if (host_path(path, sizeof(path), "/sys/class/net/%s", name))
		return;
	dir = opendir(path);
	while (dir && (ent = readdir(dir)))
		if (!strncmp(ent->d_name, "upper_", 6))
			add_dev(s, ent->d_name + 6);
	if (dir)
		closedir(dir);
}

static const char *dev_name(const struct search *s, unsigned index)
{
	for (unsigned i = 0; i < s->ndevs; i++)
		if (index && s->devs[i].index == index)
			return s->devs[i].name;
	return NULL;
}

static void see_next_hop(struct search *s, unsigned index)
{
	const char *name = dev_name(s, index);

	if (!name || s->use->default_route)
		return;
	s->use->default_route = true;
	memcpy(s->use->route_dev, name, strlen(name) + 1);
}

static void see_route(const struct nlmsghdr *msg, void *arg)
{
	const struct rtmsg *rt = NLMSG_DATA(msg);
	struct search *s = arg;
	int len;

	if (msg->nlmsg_type != RTM_NEWROUTE || msg->nlmsg_len < NLMSG_LENGTH(sizeof(*rt)) ||
	    rt->rtm_dst_len != 0 || rt->rtm_type != RTN_UNICAST)
		return;
	len = (int)(msg->nlmsg_len - NLMSG_LENGTH(sizeof(*rt)));
	for (const struct rtattr *a = RTM_RTA(rt); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) >= sizeof(unsigned)) {
			see_next_hop(s, *(const unsigned *)RTA_DATA(a));
		} else if (a->rta_type == RTA_MULTIPATH) {
			const struct rtnexthop *nh = RTA_DATA(a);
			int left = (int)RTA_PAYLOAD(a);
			for (; left >= (int)sizeof(*nh) && RTNH_OK(nh, left);
			     left -= RTNH_ALIGN(nh->rtnh_len), nh = RTNH_NEXT(nh))
				see_next_hop(s, (unsigned)nh->rtnh_ifindex);
		}
	}
}

static bool to_in6(struct in6_addr *out, const void *bytes, size_t len)
{
	memset(out, 0, sizeof(*out));
	if (len == 16) {
		memcpy(out, bytes, 16);
	} else if (len == 4) {
		out->s6_addr[10] = out->s6_addr[11] = 0xff;
		memcpy(&out->s6_addr[12], bytes, 4);
	}
	return len == 16 || len == 4;
}

static void see_addr(const struct nlmsghdr *msg, void *arg)
{
	const struct ifaddrmsg *ifa = NLMSG_DATA(msg);
	const struct rtattr *best = NULL;
	struct search *s = arg;
	int len;

	if (msg->nlmsg_type != RTM_NEWADDR || msg->nlmsg_len < NLMSG_LENGTH(sizeof(*ifa)) ||
	    s->naddrs == ADDRS_MAX)
		return;
	len = (int)(msg->nlmsg_len - NLMSG_LENGTH(sizeof(*ifa)));
	/* On a point-to-point link IFA_ADDRESS is the peer's, IFA_LOCAL ours. */
	for (const struct rtattr *a = IFA_RTA(ifa); RTA_OK(a, len); a = RTA_NEXT(a, len))
		if (a->rta_type == IFA_LOCAL || (a->rta_type == IFA_ADDRESS && !best))
			best = a;
	if (!best || !to_in6(&s->addrs[s->naddrs].ip, RTA_DATA(best), RTA_PAYLOAD(best)))
		return;
	s->addrs[s->naddrs++].ours = dev_name(s, ifa->ifa_index) != NULL;
}

static const struct addr *find_addr(const struct search *s, const struct in6_addr *ip)
{
	for (unsigned i = 0; i < s->naddrs; i++)
		if (!memcmp(&s->addrs[i].ip, ip, sizeof(*ip)))
			return &s->addrs[i];
	return NULL;
}

/* "0100007F" or 32 digits: words of network-order bytes, each printed as the host's integer. */
static bool parse_proc_ip(const char *hex, struct in6_addr *ip)
{
	size_t digits = strlen(hex);
	uint32_t words[4];

	if (digits != 8 && digits != 32)
		return false;
	for (size_t i = 0; i < digits / 8; i++)
		if (sscanf(hex + 8 * i, "%8x", &words[i]) != 1)
			return false;
	return to_in6(ip, words, digits / 2);
}

static void print_ip(char *buf, size_t size, const struct in6_addr *ip, unsigned port)
{
	char text[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_V4MAPPED(ip)) {
		inet_ntop(AF_INET, &ip->s6_addr[12], text, sizeof(text));
		snprintf(buf, size, "%s:%u", text, port);
	} else {
		inet_ntop(AF_INET6, ip, text, sizeof(text));
		snprintf(buf, size, "[%s]:%u", text, port);
	}
}

static void see_connection(struct search *s, const char *line)
{
	char lhex[33], rhex[33], ltext[56], rtext[56];
	struct in6_addr local, remote;
	const struct addr *mine;
	unsigned lport, rport, state;

	if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%x %32[0-9A-Fa-f]:%x %x", lhex, &lport, rhex, &rport,
		   &state) != 5 ||
	    state != TCP_STATE_ESTABLISHED || !parse_proc_ip(lhex, &local) ||
	    !parse_proc_ip(rhex, &remote))
		return;
	mine = find_addr(s, &local);
	/* A connection of this host with itself goes over lo whatever its addresses. */
	if (!mine || !mine->ours || find_addr(s, &remote))
		return;
	if (s->use->connections++)
		return;
	print_ip(ltext, sizeof(ltext), &local, lport);
	print_ip(rtext, sizeof(rtext), &remote, rport);
	snprintf(s->use->example, sizeof(s->use->example), "%s with %s", ltext, rtext);
}

static void see_connections(struct search *s, const char *file)
{
	char path[PATH_MAX], line[512];
	FILE *f;

	if (host_path(path, sizeof(path), "%s", file))
		return;
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		see_connection(s, line);
	if (f)
		fclose(f);
}

/* One batch of answers: 1 when the dump is over, 0 to go on, -errno. */
static int read_batch(int fd, void (*each)(const struct nlmsghdr *msg, void *arg), void *arg)
{
	static _Alignas(struct nlmsghdr) char buf[65536];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);
	size_t left;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	left = (size_t)n;
	for (const struct nlmsghdr *msg = (void *)buf; NLMSG_OK(msg, left);
	     msg = NLMSG_NEXT(msg, left)) {
		if (msg->nlmsg_type == NLMSG_DONE)
			return 1;
		if (msg->nlmsg_type == NLMSG_ERROR)
			return -EIO;
		each(msg, arg);
	}
	return 0;
}

static int dump(int type, void (*each)(const struct nlmsghdr *msg, void *arg), void *arg)
{
	struct {
		struct nlmsghdr head;
		struct rtmsg body; /* all zero (any family), and no shorter than other kinds' */
	} ask = {.head = {.nlmsg_len = sizeof(ask),
			  .nlmsg_type = (uint16_t)type,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (send(fd, &ask, sizeof(ask), 0) < 0)
		err = -errno;
	while (err == 0)
		err = read_batch(fd, each, arg);
	close(fd);
	return err < 0 ? err : 0;
}

int (*netuse_dump)(int, void (*)(const struct nlmsghdr *, void *), void *) = dump;

int netuse_find(const char *netdev, struct netuse *use)
{
	struct search *s = calloc(1, sizeof(*s));
	int err;

	memset(use, 0, sizeof(*use));
	if (!s)
		return -ENOMEM;
	s->use = use;
	add_dev(s, netdev);
	err = netuse_dump(RTM_GETROUTE, see_route, s);
	if (err == 0)
		err = netuse_dump(RTM_GETADDR, see_addr, s);
	if (err == 0) {
		see_connections(s, "/proc/net/tcp");
		see_connections(s, "/proc/net/tcp6");
	}
	free(s);
	return err;
}
