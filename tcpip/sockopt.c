/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Socket options: looks an option up in the tables, takes its value apart and puts it together as
 * Linux does; IPPROTO_TCP goes to tcp_sockopt.c. Called by upcall/calls.c and tests; calls
 * sockopt_sock.c and sockopt_ip.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/sockopt.h"

static const struct option *find(int level, int name)
{
	const struct options *in = level == SOL_SOCKET ? &sock_options : &ip_options;
	const struct option *o;

	for (o = in->first; o < in->first + in->n; o++)
		if (o->level == level && o->name == name)
			return o;
	return NULL;
}

/* ---- set ---------------------------------------------------------------------------------- */

/* Linux's IP options also take one byte, or nothing for 0; SOL_SOCKET wants an int. */
static int int_value(const struct option *o, const void *value, uint32_t len, int *out)
{
	*out = 0;
	if (len >= sizeof(int))
		memcpy(out, value, sizeof(int));
	else if (o->level == SOL_SOCKET)
		return -EINVAL;
	else if (len > 0)
		*out = *(const uint8_t *)value;
	return 0;
}

static int set_int(struct socket *so, const struct option *o, int v)
{
	uint8_t *at = (uint8_t *)so + o->off;
	bool on = v != 0;
	uint8_t byte = (uint8_t)v;

	switch (o->form) {
	case FORM_BOOL:
		memcpy(at, &on, sizeof(on));
		return 0;
	case FORM_U8:
		if (v < o->min || v > o->max)
			return -EINVAL;
		memcpy(at, &byte, 1);
		return 0;
	case FORM_OFF:
		return v ? o->err : 0;
	default:
		return o->set ? o->set(so, v) : -ENOPROTOOPT;
	}
}

int sock_setopt(struct socket *so, int level, int name, const void *value, uint32_t len)
{
	const struct option *o;
	int r, v;

	if (level == IPPROTO_TCP && so->kind == SOCK_KIND_TCP)
		return tcp_setopt(so, name, value, len);
	o = find(level, name);
	if (!o || (level == IPPROTO_IPV6 && so->domain != AF_INET6))
		return -ENOPROTOOPT;
	if (o->form == FORM_RAW) {
		r = o->set_raw ? o->set_raw(so, value, len) : -ENOPROTOOPT;
	} else {
		r = int_value(o, value, len, &v);
		if (r == 0)
			r = set_int(so, o, v);
	}
	if (r == 0 && so->kind == SOCK_KIND_TCP)
		tcp_sockopt_changed(so);
	return r;
}

/* ---- get ---------------------------------------------------------------------------------- */

static int get_int(struct socket *so, const struct option *o, int *v)
{
	const uint8_t *at = (const uint8_t *)so + o->off;

	switch (o->form) {
	case FORM_BOOL:
	case FORM_U8:
		*v = *at;
		return 0;
	case FORM_OFF:
		*v = 0;
		return 0;
	default:
		return o->get ? o->get(so, v) : -ENOPROTOOPT;
	}
}

int sock_getopt(struct socket *so, int level, int name, void *value, uint32_t *len)
{
	const struct option *o;
	uint8_t byte;
	int r, v = 0;

	if (level == IPPROTO_TCP && so->kind == SOCK_KIND_TCP)
		return tcp_getopt(so, name, value, len);
	o = find(level, name);
	if (!o || (level == IPPROTO_IPV6 && so->domain != AF_INET6))
		return -ENOPROTOOPT;
	if (o->form == FORM_RAW)
		return o->get_raw ? o->get_raw(so, value, len) : -ENOPROTOOPT;
	r = get_int(so, o, &v);
	if (r < 0)
		return r;
	if (level == IPPROTO_IP && *len > 0 && *len < sizeof(int) && v >= 0 && v <= 255) {
		byte = (uint8_t)v; /* ip(7): an option that fits a byte may be asked for as one */
		return put_raw(value, len, &byte, 1);
	}
	return put_raw(value, len, &v, sizeof(v));
}
