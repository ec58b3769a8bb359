// SPDX-License-Identifier: BSD-3-Clause
/* Routes and addresses of a fake host; see fake_rtnetlink.h. */
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "tests/tools/fake_rtnetlink.h"

#define MAX 16

static struct message {
	union {
		struct nlmsghdr head;
		char bytes[256];
	};
} messages[MAX];
static unsigned count;

void fake_rtnetlink_clear(void)
{
	memset(messages, 0, sizeof(messages));
	count = 0;
}

static void *start(int type, size_t body)
{
	struct nlmsghdr *head = &messages[count++].head;

	head->nlmsg_type = (unsigned short)type;
	head->nlmsg_len = (unsigned)NLMSG_LENGTH(body);
	return NLMSG_DATA(head);
}

static void add(unsigned short type, const void *value, size_t len)
{
	struct nlmsghdr *head = &messages[count - 1].head;
	struct rtattr *a = (void *)((char *)head + NLMSG_ALIGN(head->nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), value, len);
	head->nlmsg_len = (unsigned)(NLMSG_ALIGN(head->nlmsg_len) + RTA_SPACE(len));
}

void fake_route(unsigned prefix_len, unsigned ifindex)
{
	struct rtmsg *rt = start(RTM_NEWROUTE, sizeof(*rt));

	rt->rtm_family = AF_INET;
	rt->rtm_dst_len = (unsigned char)prefix_len;
	rt->rtm_type = RTN_UNICAST;
	add(RTA_OIF, &ifindex, sizeof(ifindex));
}

void fake_multipath_route(unsigned ifindex1, unsigned ifindex2)
{
	struct rtnexthop hops[2] = {
		{.rtnh_len = sizeof(*hops), .rtnh_ifindex = (int)ifindex1},
		{.rtnh_len = sizeof(*hops), .rtnh_ifindex = (int)ifindex2},
	};
	struct rtmsg *rt = start(RTM_NEWROUTE, sizeof(*rt));

	rt->rtm_family = AF_INET;
	rt->rtm_type = RTN_UNICAST;
	add(RTA_MULTIPATH, hops, sizeof(hops));
}

void fake_addr(unsigned ifindex, const char *ip)
{
	unsigned char bytes[16];
	int family = strchr(ip, ':') ? AF_INET6 : AF_INET;
	struct ifaddrmsg *ifa = start(RTM_NEWADDR, sizeof(*ifa));

	ifa->ifa_family = (unsigned char)family;
	ifa->ifa_index = ifindex;
	inet_pton(family, ip, bytes);
	add(IFA_ADDRESS, bytes, family == AF_INET ? 4 : 16);
}

int fake_rtnetlink_dump(int type, void (*each)(const struct nlmsghdr *msg, void *arg), void *arg)
{
	for (unsigned i = 0; i < count; i++)
		if ((messages[i].head.nlmsg_type == RTM_NEWROUTE) == (type == RTM_GETROUTE))
			each(&messages[i].head, arg);
	return 0;
}
