/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control messages: see note.h. An interface's number is the net's: its port's index
 * plus one. Runs in programs; called by api_io.c, calls api.c's addr_out.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <linux/errqueue.h>

#include "upcall/client.h"
#include "upcall/note.h"

#define SECOND_NS 1000000000ull

/* ---- sending ------------------------------------------------------------------------------- */

/* An int, or, as ip(7) allows, one byte. */
static int number_in(const struct cmsghdr *cmsg, int least, int *value)
{
	size_t len = cmsg->cmsg_len - CMSG_LEN(0);

	if (len == sizeof(*value))
		memcpy(value, CMSG_DATA(cmsg), sizeof(*value));
	else if (len == 1)
		*value = *CMSG_DATA(cmsg);
	else
		return -EINVAL;
	return *value < least || *value > 255 ? -EINVAL : 0;
}

static int pktinfo_in(const struct cmsghdr *cmsg, struct call_note *note)
{
	struct in_pktinfo info;
	struct in6_pktinfo info6;
	size_t len = cmsg->cmsg_len - CMSG_LEN(0);

	if (cmsg->cmsg_level == IPPROTO_IP && len == sizeof(info)) {
		memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
		note->scope = (uint32_t)info.ipi_ifindex;
		note->at.family = AF_INET;
		memcpy(note->at.addr, &info.ipi_spec_dst, sizeof(info.ipi_spec_dst));
	} else if (cmsg->cmsg_level == IPPROTO_IPV6 && len == sizeof(info6)) {
		memcpy(&info6, CMSG_DATA(cmsg), sizeof(info6));
		note->scope = (uint32_t)info6.ipi6_ifindex;
		note->at.family = AF_INET6;
		note->at.scope = note->scope;
		memcpy(note->at.addr, &info6.ipi6_addr, sizeof(info6.ipi6_addr));
	} else {
		return -EINVAL;
	}
	note->have |= CALL_NOTE_PKTINFO;
	return 0;
}

static int mark_in(const struct cmsghdr *cmsg, struct call_note *note)
{
	bool four = cmsg->cmsg_level == IPPROTO_IP;
	int value, ret;

	if (cmsg->cmsg_type == (four ? IP_TTL : IPV6_HOPLIMIT)) {
		ret = number_in(cmsg, four ? 1 : -1, &value);
		if (ret || value < 0) /* -1: the default */
			return ret;
		note->ttl = (uint8_t)value;
		note->have |= CALL_NOTE_TTL;
		return 0;
	}
	if (cmsg->cmsg_type == (four ? IP_TOS : IPV6_TCLASS)) {
		ret = number_in(cmsg, four ? 0 : -1, &value);
		if (ret || value < 0)
			return ret;
		note->tos = (uint8_t)value;
		note->have |= CALL_NOTE_TOS;
		return 0;
	}
	return -EINVAL;
}

int note_in(const struct msghdr *msg, struct call_note *note)
{
	struct cmsghdr *cmsg;
	int ret;

	*note = (struct call_note){.have = 0};
	if (!msg->msg_control || !msg->msg_controllen)
		return 0;
	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR((struct msghdr *)msg, cmsg)) {
		if (cmsg->cmsg_len < CMSG_LEN(0) ||
		    cmsg->cmsg_len >
			    (size_t)((char *)msg->msg_control + msg->msg_controllen - (char *)cmsg))
			return -EINVAL;
		/* The kernel, too, passes over descriptors where the socket cannot take them. */
		if (cmsg->cmsg_level == SOL_SOCKET &&
		    (cmsg->cmsg_type == SCM_RIGHTS || cmsg->cmsg_type == SCM_CREDENTIALS))
			continue;
		if (cmsg->cmsg_level != IPPROTO_IP && cmsg->cmsg_level != IPPROTO_IPV6)
			return -EINVAL;
		if (cmsg->cmsg_type == (cmsg->cmsg_level == IPPROTO_IP ? IP_PKTINFO : IPV6_PKTINFO))
			ret = pktinfo_in(cmsg, note);
		else
			ret = mark_in(cmsg, note);
		if (ret)
			return ret;
	}
	return note->have != 0;
}

/* ---- receiving ----------------------------------------------------------------------------- */

/* The control buffer being filled; the kernel's put_cmsg, to the letter where room is short. */
struct room {
	struct msghdr *msg;
	size_t used, size;
};

static void put(struct room *r, int level, int type, const void *data, size_t len)
{
	struct cmsghdr head = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};
	size_t left = r->size - r->used;
	char *at = (char *)r->msg->msg_control + r->used;

	if (left < sizeof(head)) {
		r->msg->msg_flags |= MSG_CTRUNC;
		return;
	}
	if (left < head.cmsg_len) {
		r->msg->msg_flags |= MSG_CTRUNC;
		head.cmsg_len = left;
	}
	memcpy(at, &head, sizeof(head));
	memcpy(at + CMSG_LEN(0), data, head.cmsg_len - CMSG_LEN(0));
	r->used += left < CMSG_SPACE(len) ? left : CMSG_SPACE(len);
}

static void put_time(struct room *r, const struct call_note *note)
{
	struct timespec now;
	uint64_t ns;

	clock_gettime(CLOCK_REALTIME, &now);
	ns = (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec - note->age;
	if (note->have & CALL_NOTE_TIME) {
		struct timeval tv = {(time_t)(ns / SECOND_NS),
				     (suseconds_t)(ns % SECOND_NS / 1000)};

		put(r, SOL_SOCKET, SCM_TIMESTAMP, &tv, sizeof(tv));
	} else {
		struct timespec ts = {(time_t)(ns / SECOND_NS), (long)(ns % SECOND_NS)};

		put(r, SOL_SOCKET, SCM_TIMESTAMPNS, &ts, sizeof(ts));
	}
}

static void put_error(struct room *r, const struct call_note *note)
{
	bool six = note->at.family == AF_INET6;
	struct {
		struct sock_extended_err ee;
		union {
			struct sockaddr sa;
			struct sockaddr_in sin;
			struct sockaddr_in6 sin6;
		} offender;
	} e = {
		.ee = {.ee_errno = note->err,
		       .ee_origin = note->origin,
		       .ee_type = note->type,
		       .ee_code = note->code,
		       .ee_info = note->info},
	};
	uint32_t len = sizeof(e.offender);

	addr_out(&note->offender, &e.offender.sa, &len);
	put(r, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVERR : IP_RECVERR, &e,
	    sizeof(e.ee) + (six ? sizeof(e.offender.sin6) : sizeof(e.offender.sin)));
	r->msg->msg_flags |= MSG_ERRQUEUE;
}

static void put4(struct room *r, const struct call_note *note)
{
	struct in_pktinfo info = {.ipi_ifindex = (int)note->scope};
	int ttl = note->ttl;

	if (note->have & CALL_NOTE_PKTINFO) {
		memcpy(&info.ipi_addr, note->at.addr, sizeof(info.ipi_addr));
		memcpy(&info.ipi_spec_dst, note->offender.addr, sizeof(info.ipi_spec_dst));
		put(r, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	}
	if (note->have & CALL_NOTE_TTL)
		put(r, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (note->have & CALL_NOTE_TOS)
		put(r, IPPROTO_IP, IP_TOS, &note->tos, sizeof(note->tos));
}

static void put6(struct room *r, const struct call_note *note)
{
	struct in6_pktinfo info = {.ipi6_ifindex = note->scope};
	int ttl = note->ttl, tos = note->tos;

	if (note->have & CALL_NOTE_PKTINFO) {
		memcpy(&info.ipi6_addr, note->at.addr, sizeof(info.ipi6_addr));
		put(r, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
	if (note->have & CALL_NOTE_TTL)
		put(r, IPPROTO_IPV6, IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	if (note->have & CALL_NOTE_TOS)
		put(r, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
}

void note_out(struct msghdr *msg, const struct call_note *note)
{
	struct room r = {.msg = msg, .size = msg->msg_control ? msg->msg_controllen : 0};

	if (note->have & (CALL_NOTE_TIME | CALL_NOTE_TIME_NS))
		put_time(&r, note);
	if (note->have & CALL_NOTE_INQ)
		put(&r, IPPROTO_TCP, TCP_CM_INQ, &note->info, sizeof(int));
	if (note->have & CALL_NOTE_ERROR)
		put_error(&r, note);
	else if (note->at.family == AF_INET6)
		put6(&r, note);
	else if (note->at.family == AF_INET)
		put4(&r, note);
	msg->msg_controllen = r.used;
}
