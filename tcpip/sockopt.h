/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of options, private to sockopt.c and those who fill them: sockopt_sock.c has
 * SOL_SOCKET's, sockopt_ip.c those of IPPROTO_IP and IPPROTO_IPV6. */
#ifndef TCPIP_SOCKOPT_H
#define TCPIP_SOCKOPT_H

#include <stddef.h>

#include "tcpip/socket.h"

/* What lies at `off` in struct socket. FORM_CALL and FORM_RAW: functions do it. FORM_OFF: it is 0
 * and stays so, anything else is refused with `err`. */
enum form { FORM_BOOL, FORM_U8, FORM_CALL, FORM_RAW, FORM_OFF };

struct option {
	int level, name;
	enum form form;
	uint16_t off;
	int min, max; /* outside: EINVAL */
	int err;
	/* FORM_CALL: an int each way; a missing one is ENOPROTOOPT. */
	int (*set)(struct socket *so, int value);
	int (*get)(struct socket *so, int *value);
	/* FORM_RAW: a struct, `*len` of it at most. */
	int (*set_raw)(struct socket *so, const void *value, uint32_t len);
	int (*get_raw)(struct socket *so, void *value, uint32_t *len);
};

#define AT(field)   .off = offsetof(struct socket, field)
#define BOOL(field) .form = FORM_BOOL, AT(field)
#define CALL(s, g)  .form = FORM_CALL, .set = (s), .get = (g)
#define RAW(s, g)   .form = FORM_RAW, .set_raw = (s), .get_raw = (g)
#define OFF(e)	    .form = FORM_OFF, .err = (e)

struct options {
	const struct option *first;
	unsigned n;
};
extern const struct options sock_options, ip_options;

/* FORM_RAW: as much of a struct as there is room for. */
static inline int put_raw(void *value, uint32_t *len, const void *src, uint32_t size)
{
	if (*len > size)
		*len = size;
	memcpy(value, src, *len);
	return 0;
}

#endif
