/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DHCPv4 client, RFC 2131 4.4: one a port, its states those of figure 5. Without memory of
 * earlier leases (no INIT-REBOOT); the first DISCOVER goes at once, not after 1 to 10 s, since
 * somebody waits for it; the address is asked for with RFC 5227's probes before it is used. What
 * comes with it (routes, MTU) goes with it.
 *
 * Called by udp.c and ip4.c on input, and the daemon (stack_dhcp_*); calls acd.c, route.c, ip4.c.
 */
#include "tcpip/dhcp4.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define S_NS	      1000000000ull
#define FOREVER	      0xffffffffu /* a lease without end */
#define RETRY_FIRST   4u	  /* s, doubled up to RETRY_LAST, each -1..+1: 4.1 */
#define RETRY_LAST    64u
#define REQUEST_TRIES 4u
#define RENEW_MIN     60u /* s, 4.4.5 */
#define DECLINE_WAIT  10u /* s, 3.1.5 */
#define BROADCAST     0xffffffffu

struct dhcp_client {
	struct acd acd; /* first: its `done` finds the client */
	struct timer timer;
	struct port *port;	/* NULL: off */
	uint8_t state;		/* enum dhcp_state */
	uint8_t tries, refused; /* of this exchange; NAKs and conflicts on end */
	uint32_t xid;
	uint64_t began, asked; /* ns: the exchange; its last REQUEST */
	struct dhcp_msg lease; /* offered, then acknowledged */
	uint64_t t1, t2, end;  /* ns */
	struct ip_addr addr;   /* in use; family 0: none */
	uint16_t port_mtu;     /* before the lease had a word about it; 0: it had none */
	struct dhcp_route routes[DHCP_ROUTES];
	uint8_t n_routes;
};

static struct dhcp_client *of_timer(struct timer *t)
{
	return (struct dhcp_client *)((char *)t - offsetof(struct dhcp_client, timer));
}

int dhcp4_create(struct stack *st)
{
	st->dhcp = arena_take(st->arena, sizeof(*st->dhcp) * PORT_MAX, 64);
	return st->dhcp ? 0 : -ENOMEM;
}

static struct dhcp_client *client_of(const struct stack *st, const struct port *port)
{
	struct dhcp_client *c = &st->dhcp[port->index];

	return c->port == port ? c : NULL;
}

static void arm(struct stack *st, struct dhcp_client *c, uint64_t at)
{
	timer_set(&st->timers, &c->timer, at);
}

/* ---- output ------------------------------------------------------------------------------- */

/* Before there is an address, and to everybody: no route leads there. */
static void send_broadcast(struct stack *st, struct dhcp_client *c, struct pktbuf *p, uint32_t src)
{
	struct ip4_hdr ip = {.ttl = 64, .protocol = IPPROTO_UDP, .src = src, .dst = BROADCAST};
	uint16_t sum = csum_fold(csum_add(csum_pseudo4(src, BROADCAST, IPPROTO_UDP, p->len),
					  pktbuf_data(p), p->len));

	sum = sum ? sum : 0xffff;
	memcpy(pktbuf_data(p) + 6, &sum, 2);
	ip.total_len = (uint16_t)(p->len + IP4_HDR_LEN);
	ip.id = (uint16_t)stack_random(st);
	ip4_build(pktbuf_push(p, IP4_HDR_LEN), &ip);
	p->time = st->now;
	p->flags = 0;
	eth_out(st, c->port, NULL, ETH_TYPE_IP4, p);
}

static uint32_t own(const struct dhcp_client *c)
{
	uint32_t v = 0;

	if (c->addr.family)
		memcpy(&v, c->addr.bytes, 4);
	return v;
}

/* Table 5 of 4.4.1: which fields a message has, by its type and state. */
static void transmit(struct stack *st, struct dhcp_client *c, enum dhcp_type type)
{
	bool unicast = type == DHCP_RELEASE || c->state == DHCP_RENEWING;
	struct dhcp_msg m = {.type = (uint8_t)type, .xid = c->xid, .ciaddr = own(c)};
	struct udp_hdr udp = {DHCP_CLIENT_PORT, DHCP_SERVER_PORT, UDP_HDR_LEN + DHCP_MSG_LEN, 0};
	struct ip4_args args = {.src = own(c), .dst = c->lease.server, .protocol = IPPROTO_UDP};
	uint64_t secs = (st->now - c->began) / S_NS;
	struct pktbuf *p = pktbuf_alloc(st->pool);

	if (!p)
		return; /* the timer tries again */
	memcpy(m.chaddr, c->port->mac, 6);
	if (type == DHCP_DISCOVER || type == DHCP_REQUEST)
		m.secs = (uint16_t)(secs < 0xffff ? secs : 0xffff);
	if (c->state == DHCP_REQUESTING || type == DHCP_DECLINE)
		m.requested = c->lease.yiaddr;
	if (c->state == DHCP_REQUESTING || type == DHCP_DECLINE || type == DHCP_RELEASE)
		m.server = c->lease.server;
	dhcp_build(pktbuf_data(p), &m);
	p->len = DHCP_MSG_LEN;
	udp_build(pktbuf_push(p, UDP_HDR_LEN), &udp);
	COUNT(st, DhcpOutMsgs);
	if (unicast)
		ip4_out(st, p, &args);
	else
		send_broadcast(st, c, p, own(c));
}

/* ---- the states --------------------------------------------------------------------------- */

static void retry_later(struct stack *st, struct dhcp_client *c)
{
	uint32_t s = RETRY_FIRST << (c->tries < 4 ? c->tries : 4);

	c->tries++;
	arm(st, c, st->now + (s - 1) * S_NS + stack_random(st) % 2000 * (S_NS / 1000));
}

static void new_exchange(struct stack *st, struct dhcp_client *c)
{
	uint64_t what[2] = {st->now, c->port->index};

	c->xid = (uint32_t)siphash24(st->secret, what, sizeof(what));
	c->began = st->now;
	c->tries = 0;
}

static void discover(struct stack *st, struct dhcp_client *c)
{
	new_exchange(st, c);
	c->state = DHCP_SELECTING;
	transmit(st, c, DHCP_DISCOVER);
	retry_later(st, c);
}

static void request(struct stack *st, struct dhcp_client *c)
{
	c->asked = st->now;
	transmit(st, c, DHCP_REQUEST);
	retry_later(st, c);
}

/* Half of what is left to `until`, but not more often than once a minute: 4.4.5. */
static void ask_again(struct stack *st, struct dhcp_client *c, uint64_t until)
{
	uint64_t half = (until - st->now) / 2, at;

	at = st->now + (half > RENEW_MIN * S_NS ? half : RENEW_MIN * S_NS);
	if (c->tries == 0)
		c->asked = st->now; /* the earliest an answer can be counted from */
	c->tries++;
	transmit(st, c, DHCP_REQUEST);
	arm(st, c, at < until ? at : until);
}

/* No server wants us, or somebody has the address: later, and ever later if it goes on. */
static void start_over(struct stack *st, struct dhcp_client *c, uint32_t s)
{
	uint32_t more = 1u << (c->refused < 6 ? c->refused : 6);

	c->state = DHCP_WAITING;
	c->refused++;
	arm(st, c, st->now + (s > more ? s : more) * S_NS);
}

/* ---- what a lease brings ------------------------------------------------------------------ */

static struct ip_addr ip_of(uint32_t addr, uint8_t prefix)
{
	struct ip_addr a = {.family = AF_INET, .prefix = prefix};

	memcpy(a.bytes, &addr, 4);
	return a;
}

/* Without a mask that is one, the address's class (RFC 791's) says. */
static uint8_t prefix_of(const struct dhcp_msg *m)
{
	uint8_t b[4], n = 0;
	uint32_t mask;

	memcpy(b, &m->mask, 4);
	mask = wire_get32(b);
	while (n < 32 && mask << n & 0x80000000u)
		n++;
	if (n && (n == 32 || !(mask << n)))
		return n;
	memcpy(b, &m->yiaddr, 4);
	return b[0] < 128 ? 8 : b[0] < 192 ? 16 : 24;
}

/* A route or nothing: a server's mistake is not ours to pass on. On-link ones come first. */
static void add_routes(struct stack *st, struct dhcp_client *c, bool on_link)
{
	const struct dhcp_msg *m = &c->lease;
	unsigned i;

	for (i = 0; i < m->n_routes; i++) {
		const struct dhcp_route *r = &m->routes[i];
		struct ip_addr dst = ip_of(r->dst, r->prefix), via = ip_of(r->gateway, 32);

		if ((r->gateway == 0) == on_link &&
		    stack_route_add(st, &dst, on_link ? NULL : &via, c->port, 0) == 0)
			c->routes[c->n_routes++] = *r;
	}
}

static int install(struct stack *st, struct dhcp_client *c)
{
	struct ip_addr addr = ip_of(c->lease.yiaddr, prefix_of(&c->lease));
	int r = stack_addr_add(st, c->port, &addr);

	if (r < 0)
		return r;
	c->addr = addr;
	c->n_routes = 0;
	add_routes(st, c, true);
	add_routes(st, c, false);
	if (c->lease.mtu >= 576 && c->lease.mtu < c->port->mtu) {
		c->port_mtu = c->port->mtu;
		c->port->mtu = c->lease.mtu;
	}
	st->dhcp_changes++;
	return 0;
}

static void uninstall(struct stack *st, struct dhcp_client *c)
{
	if (!c->addr.family)
		return;
	acd_stop(st, &c->acd);
	while (c->n_routes > 0) {
		const struct dhcp_route *r = &c->routes[--c->n_routes];
		struct ip_addr dst = ip_of(r->dst, r->prefix), via = ip_of(r->gateway, 32);

		stack_route_del(st, &dst, r->gateway ? &via : NULL);
	}
	stack_addr_del(st, c->port, &c->addr);
	c->addr.family = 0;
	if (c->port_mtu)
		c->port->mtu = c->port_mtu;
	c->port_mtu = 0;
	st->dhcp_changes++;
}

/* Counted from the request: the server counts from when that came to it. */
static void set_times(struct stack *st, struct dhcp_client *c)
{
	const struct dhcp_msg *m = &c->lease;
	uint64_t t1 = m->t1, t2 = m->t2, lease = m->lease;

	c->state = DHCP_BOUND;
	c->refused = 0;
	COUNT(st, DhcpBinds);
	if (lease == FOREVER) {
		c->end = c->t1 = c->t2 = UINT64_MAX;
		timer_cancel(&st->timers, &c->timer);
		return;
	}
	if (!t2 || t2 >= lease)
		t2 = lease * 7 / 8;
	if (!t1 || t1 >= t2)
		t1 = lease / 2 < t2 ? lease / 2 : t2;
	c->t1 = c->asked + t1 * S_NS;
	c->t2 = c->asked + t2 * S_NS;
	c->end = c->asked + lease * S_NS;
	arm(st, c, c->t1);
}

static void probed(struct stack *st, struct acd *a, bool conflict)
{
	struct dhcp_client *c = (struct dhcp_client *)a;

	if (conflict) {
		COUNT(st, DhcpDeclines);
		transmit(st, c, DHCP_DECLINE);
		start_over(st, c, DECLINE_WAIT);
	} else if (install(st, c) <
		   0) { /* an administrator gave us the same, or no place is left */
		start_over(st, c, DECLINE_WAIT);
	} else {
		acd_announce(st, a);
		set_times(st, c);
	}
}

static void lose(struct stack *st, struct dhcp_client *c)
{
	uninstall(st, c);
	start_over(st, c, 1);
}

static void on_timer(struct stack *st, struct timer *t)
{
	struct dhcp_client *c = of_timer(t);

	switch (c->state) {
	case DHCP_SELECTING:
		transmit(st, c, DHCP_DISCOVER);
		retry_later(st, c);
		return;
	case DHCP_REQUESTING:
		if (c->tries < REQUEST_TRIES)
			request(st, c);
		else
			discover(st, c);
		return;
	case DHCP_BOUND:
		new_exchange(st, c);
		c->state = DHCP_RENEWING;
		break;
	case DHCP_RENEWING:
	case DHCP_REBINDING:
		break;
	default:
		discover(st, c);
		return;
	}
	if (st->now >= c->end) {
		COUNT(st, DhcpExpired);
		lose(st, c);
		return;
	}
	if (c->state == DHCP_RENEWING && st->now >= c->t2) {
		c->state = DHCP_REBINDING;
		c->tries = 0;
	}
	ask_again(st, c, c->state == DHCP_RENEWING ? c->t2 : c->end);
}

/* ---- input -------------------------------------------------------------------------------- */

/* An address that a host may have, and that is not ours by other means. */
static bool lease_good(const struct stack *st, const struct dhcp_client *c,
		       const struct dhcp_msg *m)
{
	uint8_t first;

	memcpy(&first, &m->yiaddr, 1);
	return m->server && m->lease && first && first != 127 && first < 224 &&
	       (m->yiaddr == own(c) || !addr_local4(st, m->yiaddr));
}

static bool same_route(const struct dhcp_route *a, const struct dhcp_route *b)
{
	return a->dst == b->dst && a->gateway == b->gateway && a->prefix == b->prefix;
}

static bool same_net(const struct dhcp_msg *a, const struct dhcp_msg *b)
{
	bool same = a->mask == b->mask && a->mtu == b->mtu && a->n_routes == b->n_routes;

	for (unsigned i = 0; same && i < a->n_routes; i++)
		same = same_route(&a->routes[i], &b->routes[i]);
	return same;
}

static void renewed(struct stack *st, struct dhcp_client *c, const struct dhcp_msg *m)
{
	bool same = same_net(&c->lease, m);

	c->lease = *m;
	if (!same) {
		uninstall(st, c);
		if (install(st, c) < 0) {
			start_over(st, c, DECLINE_WAIT);
			return;
		}
	}
	set_times(st, c);
}

static void answered(struct stack *st, struct dhcp_client *c, const struct dhcp_msg *m)
{
	bool from_ours = m->server == c->lease.server;

	switch (c->state) {
	case DHCP_SELECTING:
		if (m->type != DHCP_OFFER || !lease_good(st, c, m))
			return;
		c->lease = *m;
		c->state = DHCP_REQUESTING;
		c->tries = 0;
		request(st, c);
		return;
	case DHCP_REQUESTING:
		if (m->type == DHCP_ACK && from_ours && lease_good(st, c, m) &&
		    m->yiaddr == c->lease.yiaddr) {
			c->lease = *m;
			c->state = DHCP_PROBING;
			timer_cancel(&st->timers, &c->timer);
			acd_start(st, &c->acd, c->port, m->yiaddr);
			return;
		}
		break;
	case DHCP_RENEWING:
	case DHCP_REBINDING:
		from_ours |= c->state == DHCP_REBINDING;
		if (m->type == DHCP_ACK && from_ours && lease_good(st, c, m) &&
		    m->yiaddr == own(c)) {
			renewed(st, c, m);
			return;
		}
		break;
	default:
		return;
	}
	if (m->type == DHCP_NAK && from_ours) {
		COUNT(st, DhcpNaks);
		lose(st, c);
	}
}

bool dhcp4_in(struct stack *st, struct port *port, struct pktbuf *p)
{
	struct dhcp_client *c = client_of(st, port);
	struct udp_hdr udp;
	struct dhcp_msg m;

	if (!c)
		return false;
	COUNT(st, DhcpInMsgs);
	if (udp_parse(&udp, pktbuf_data(p), p->len) < 0 || udp.sport != DHCP_SERVER_PORT ||
	    dhcp_parse(&m, pktbuf_data(p) + UDP_HDR_LEN, udp.len - UDP_HDR_LEN) < 0 || !m.reply ||
	    m.xid != c->xid || memcmp(m.chaddr, port->mac, 6) != 0)
		COUNT(st, DhcpInErrors); /* or another client's, which went to everybody */
	else
		answered(st, c, &m);
	pktbuf_free(p);
	return true;
}

bool dhcp4_claims(const struct stack *st, const struct port *port, const struct pktbuf *p,
		  const struct ip4_hdr *ip)
{
	const struct dhcp_client *c = client_of(st, port);

	return c && (c->state == DHCP_SELECTING || c->state == DHCP_REQUESTING) &&
	       ip->protocol == IPPROTO_UDP && !ip->mf && !ip->frag_off &&
	       !(p->flags & PKTBUF_BROADCAST) && p->len >= ip->hdr_len + UDP_HDR_LEN &&
	       wire_get16(pktbuf_data(p) + ip->hdr_len + 2) == DHCP_CLIENT_PORT;
}

/* ---- on and off, and what there is to see -------------------------------------------------- */

int stack_dhcp_start(struct stack *st, struct port *port)
{
	struct dhcp_client *c = &st->dhcp[port->index];

	if (port->caps & PORT_CAP_RAW_IP)
		return -EOPNOTSUPP;
	if (c->port)
		return -EALREADY;
	memset(c, 0, sizeof(*c));
	c->port = port;
	c->timer.fn = on_timer;
	c->acd.done = probed;
	discover(st, c);
	return 0;
}

static void off(struct stack *st, struct dhcp_client *c)
{
	timer_cancel(&st->timers, &c->timer);
	acd_stop(st, &c->acd);
	uninstall(st, c);
	c->port = NULL;
}

int stack_dhcp_stop(struct stack *st, struct port *port)
{
	struct dhcp_client *c = client_of(st, port);

	if (!c)
		return -ENOENT;
	if (c->addr.family)
		transmit(st, c, DHCP_RELEASE);
	off(st, c);
	return 0;
}

void dhcp4_flush_port(struct stack *st, struct port *port)
{
	struct dhcp_client *c = client_of(st, port);

	if (c)
		off(st, c);
}

bool stack_dhcp_row(struct stack *st, uint32_t *cursor, struct dhcp_row *row)
{
	const struct dhcp_client *c;
	unsigned i;

	while (*cursor < PORT_MAX && !st->dhcp[*cursor].port)
		(*cursor)++;
	if (*cursor >= PORT_MAX)
		return false;
	c = &st->dhcp[(*cursor)++];
	memset(row, 0, sizeof(*row));
	row->port_index = c->port->index;
	row->state = (enum dhcp_state)c->state;
	row->changes = st->dhcp_changes;
	if (!c->addr.family)
		return true;
	row->addr = c->addr;
	row->server = ip_of(c->lease.server, 32);
	row->lease_s = c->lease.lease;
	row->left_s = c->end == UINT64_MAX ? FOREVER
		      : c->end > st->now   ? (uint32_t)((c->end - st->now) / S_NS)
					   : 0;
	for (i = 0; i < c->lease.n_dns; i++)
		row->dns[i] = ip_of(c->lease.dns[i], 32);
	row->n_dns = c->lease.n_dns;
	memcpy(row->domain, c->lease.domain, sizeof(row->domain));
	return true;
}
