/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The format of DHCP's messages: RFC 2131 2, options of RFC 2132, 3396 (long ones in parts) and
 * 3442 (routes). Called by dhcp4.c; nobody else touches their bytes.
 */
#include "tcpip/dhcp4.h"

#include <errno.h>
#include <string.h>

enum option {
	OPT_PAD = 0,
	OPT_MASK = 1,
	OPT_ROUTER = 3,
	OPT_DNS = 6,
	OPT_DOMAIN = 15,
	OPT_MTU = 26,
	OPT_REQUESTED = 50,
	OPT_LEASE = 51,
	OPT_OVERLOAD = 52,
	OPT_TYPE = 53,
	OPT_SERVER = 54,
	OPT_PARAMETERS = 55,
	OPT_MAX_SIZE = 57,
	OPT_T1 = 58,
	OPT_T2 = 59,
	OPT_CLIENT_ID = 61,
	OPT_ROUTES = 121,
	OPT_END = 255,
};

#define OFF_SNAME 44u
#define OFF_FILE  108u
#define OFF_MAGIC 236u
#define MAGIC	  0x63825363u

/* Option 121, which may come in parts. */
struct long_option {
	uint8_t bytes[255];
	unsigned len;
};

static uint32_t addr_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static void read_domain(struct dhcp_msg *m, const uint8_t *p, uint8_t len)
{
	unsigned i;

	if (len >= sizeof(m->domain))
		return;
	for (i = 0; i < len && p[i]; i++)
		if (p[i] <= ' ' || p[i] > '~')
			return;
	memcpy(m->domain, p, i);
	m->domain[i] = 0;
}

static void read_option(struct dhcp_msg *m, uint8_t code, const uint8_t *p, uint8_t len,
			struct long_option *routes, uint32_t *router)
{
	uint32_t *number = code == OPT_LEASE ? &m->lease : code == OPT_T1 ? &m->t1 : &m->t2;
	uint32_t *addr = code == OPT_MASK     ? &m->mask
			 : code == OPT_SERVER ? &m->server
					      : &m->requested;

	switch (code) {
	case OPT_TYPE:
		if (len == 1)
			m->type = *p;
		break;
	case OPT_MASK:
	case OPT_SERVER:
	case OPT_REQUESTED:
		if (len == 4)
			*addr = addr_at(p);
		break;
	case OPT_LEASE:
	case OPT_T1:
	case OPT_T2:
		if (len == 4)
			*number = wire_get32(p);
		break;
	case OPT_ROUTER:
		if (len >= 4 && len % 4 == 0)
			*router = addr_at(p);
		break;
	case OPT_DNS:
		for (; len >= 4 && m->n_dns < DHCP_DNS_MAX; len -= 4, p += 4)
			m->dns[m->n_dns++] = addr_at(p);
		break;
	case OPT_DOMAIN:
		read_domain(m, p, len);
		break;
	case OPT_MTU:
		if (len == 2)
			m->mtu = wire_get16(p);
		break;
	case OPT_ROUTES:
		if (len <= sizeof(routes->bytes) - routes->len) {
			memcpy(routes->bytes + routes->len, p, len);
			routes->len += len;
		}
		break;
	default:
		break;
	}
}

/* One field of options; *overload is option 52's, which only the first may have. */
static void read_options(struct dhcp_msg *m, const uint8_t *p, size_t len, uint8_t *overload,
			 struct long_option *routes, uint32_t *router)
{
	while (len) {
		uint8_t code = p[0], n;

		if (code == OPT_END)
			return;
		if (code == OPT_PAD) {
			p++;
			len--;
			continue;
		}
		if (len < 2 || (n = p[1]) > len - 2)
			return;
		if (code == OPT_OVERLOAD && overload && n == 1)
			*overload = p[2];
		else
			read_option(m, code, p + 2, n, routes, router);
		p += 2 + n;
		len -= 2u + n;
	}
}

/* RFC 3442: prefix, its bytes that count, gateway. A list that does not fit together is none. */
static void read_routes(struct dhcp_msg *m, const struct long_option *o)
{
	unsigned at = 0, n = 0;

	while (at < o->len) {
		struct dhcp_route r = {.prefix = o->bytes[at]};
		unsigned bytes = (r.prefix + 7u) / 8;

		if (r.prefix > 32 || o->len - at < 1 + bytes + 4)
			return;
		memcpy(&r.dst, o->bytes + at + 1, bytes);
		memcpy(&r.gateway, o->bytes + at + 1 + bytes, 4);
		if (n < DHCP_ROUTES)
			m->routes[n++] = r;
		at += 1 + bytes + 4;
	}
	m->n_routes = (uint8_t)n;
}

int dhcp_parse(struct dhcp_msg *m, const uint8_t *data, size_t len)
{
	struct long_option routes = {.len = 0};
	uint32_t router = 0;
	uint8_t overload = 0;

	memset(m, 0, sizeof(*m));
	if (len < DHCP_MSG_MIN || data[0] < 1 || data[0] > 2 || data[1] != 1 || data[2] != 6 ||
	    wire_get32(data + OFF_MAGIC) != MAGIC)
		return -EBADMSG;
	m->reply = data[0] == 2;
	m->xid = wire_get32(data + 4);
	m->secs = wire_get16(data + 8);
	m->ciaddr = addr_at(data + 12);
	m->yiaddr = addr_at(data + 16);
	memcpy(m->chaddr, data + 28, 6);
	read_options(m, data + DHCP_MSG_MIN, len - DHCP_MSG_MIN, &overload, &routes, &router);
	if (overload & 1)
		read_options(m, data + OFF_FILE, OFF_MAGIC - OFF_FILE, NULL, &routes, &router);
	if (overload & 2)
		read_options(m, data + OFF_SNAME, OFF_FILE - OFF_SNAME, NULL, &routes, &router);
	read_routes(m, &routes);
	if (!m->n_routes && router)
		m->routes[m->n_routes++] = (struct dhcp_route){.gateway = router};
	return m->type ? 0 : -EBADMSG;
}

static uint8_t *put(uint8_t *p, uint8_t code, const void *value, uint8_t len)
{
	p[0] = code;
	p[1] = len;
	memcpy(p + 2, value, len);
	return p + 2 + len;
}

static uint8_t *put_addr(uint8_t *p, uint8_t code, uint32_t addr)
{
	return addr ? put(p, code, &addr, 4) : p;
}

void dhcp_build(uint8_t *data, const struct dhcp_msg *m)
{
	static const uint8_t wanted[] = {OPT_MASK,   OPT_ROUTES, OPT_ROUTER, OPT_DNS,
					 OPT_DOMAIN, OPT_MTU,	 OPT_T1,     OPT_T2};
	bool asks = m->type == DHCP_DISCOVER || m->type == DHCP_REQUEST;
	uint8_t id[7] = {1}, size[2], *p;

	memset(data, 0, DHCP_MSG_LEN);
	data[0] = m->reply ? 2 : 1;
	data[1] = 1; /* Ethernet */
	data[2] = 6;
	wire_put32(data + 4, m->xid);
	wire_put16(data + 8, m->secs);
	memcpy(data + 12, &m->ciaddr, 4);
	memcpy(data + 16, &m->yiaddr, 4);
	memcpy(data + 28, m->chaddr, 6);
	wire_put32(data + OFF_MAGIC, MAGIC);
	p = put(data + DHCP_MSG_MIN, OPT_TYPE, &m->type, 1);
	memcpy(id + 1, m->chaddr, 6);
	p = put(p, OPT_CLIENT_ID, id, sizeof(id));
	p = put_addr(p, OPT_REQUESTED, m->requested);
	p = put_addr(p, OPT_SERVER, m->server);
	if (asks) {
		wire_put16(size, 1500);
		p = put(p, OPT_MAX_SIZE, size, 2);
		p = put(p, OPT_PARAMETERS, wanted, sizeof(wanted));
	}
	*p = OPT_END;
}
