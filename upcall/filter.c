/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters of sources: see filter.h. Runs in programs; called by api.c. */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "upcall/filter.h"

#define HEAD_LEN offsetof(struct group_filter, gf_slist)

bool filter_option(int level, int name)
{
	return name == MCAST_MSFILTER && (level == IPPROTO_IP || level == IPPROTO_IPV6);
}

static void name_in(uint8_t to[16], const struct sockaddr_storage *from)
{
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;

	memset(to, 0, 16);
	if (from->ss_family == AF_INET6) {
		memcpy(&sin6, from, sizeof(sin6));
		memcpy(to, &sin6.sin6_addr, 16);
	} else {
		memcpy(&sin, from, sizeof(sin));
		memcpy(to, &sin.sin_addr, 4);
	}
}

int filter_in(struct call_filter *filter, const void *value, socklen_t len, bool sources)
{
	struct sockaddr_storage source;
	struct group_filter head;

	if (!value)
		return -EFAULT;
	if (len < HEAD_LEN)
		return -EINVAL;
	memcpy(&head, value, HEAD_LEN);
	if (sources && head.gf_numsrc > CALL_FILTER_MAX)
		return -ENOBUFS;
	if (sources && len < GROUP_FILTER_SIZE(head.gf_numsrc))
		return -EINVAL;
	*filter = (struct call_filter){.interface = head.gf_interface,
				       .mode = head.gf_fmode,
				       .n = head.gf_numsrc,
				       .family = head.gf_group.ss_family};
	name_in(filter->group, &head.gf_group);
	for (uint32_t i = 0; sources && i < head.gf_numsrc; i++) {
		memcpy(&source, (const char *)value + GROUP_FILTER_SIZE(i), sizeof(source));
		if (source.ss_family != filter->family)
			return -EADDRNOTAVAIL;
		name_in(filter->source[i], &source);
	}
	return 0;
}

static void name_out(char *to, const struct call_filter *filter, const uint8_t from[16])
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
	struct sockaddr_in sin = {.sin_family = AF_INET};

	memset(to, 0, sizeof(struct sockaddr_storage));
	memcpy(&sin6.sin6_addr, from, 16);
	memcpy(&sin.sin_addr, from, 4);
	if (filter->family == AF_INET6)
		memcpy(to, &sin6, sizeof(sin6));
	else
		memcpy(to, &sin, sizeof(sin));
}

void filter_out(void *value, socklen_t *len, const struct call_filter *filter)
{
	struct group_filter head;
	uint32_t i, most;

	memcpy(&head, value, HEAD_LEN);
	most = (uint32_t)((*len - HEAD_LEN) / sizeof(struct sockaddr_storage));
	if (most > head.gf_numsrc)
		most = head.gf_numsrc;
	for (i = 0; i < most && i < filter->n && i < CALL_FILTER_MAX; i++)
		name_out((char *)value + GROUP_FILTER_SIZE(i), filter, filter->source[i]);
	head.gf_fmode = filter->mode;
	head.gf_numsrc = filter->n;
	memcpy(value, &head, HEAD_LEN);
	*len = (socklen_t)GROUP_FILTER_SIZE(i);
}
