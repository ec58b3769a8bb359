/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbour discovery's messages (RFC 4861), beside arp.c: solicitations and advertisements in and
 * out, router solicitations out, redirects in; advertisements of routers go to slaac.c. It keeps no
 * state: neigh.c, addr6.c and redirect.c do.
 * Called by icmp6.c (nd_in), neigh.c (nd_solicit), addr6.c, slaac.c; calls neigh.c, redirect.c,
 * ip6.c.
 */
#include <string.h>

#include "tcpip/ip6.h"

#define HOP_LIMIT 255 /* what no router has passed on: 4861 7.1 */

static const uint8_t all_routers[16] = {0xff, 2, [15] = 2};

static void nd_send(struct stack *st, struct port *port, const struct nd_msg *m,
		    const uint8_t src[16], const uint8_t dst[16], const uint8_t mac[6])
{
	struct ip6_hdr h = {.next = IP6_ICMP, .hop_limit = HOP_LIMIT};
	struct pktbuf *p = pktbuf_alloc(st->pool);

	if (!p)
		return;
	p->len = (uint16_t)nd_build(pktbuf_data(p), m);
	memcpy(h.src, src, 16);
	memcpy(h.dst, dst, 16);
	ip6_send(st, port, p, &h, mac);
}

/* ---- out ---------------------------------------------------------------------------------- */

/* dst_mac NULL: to the target's group; else a probe of what is known (RFC 4861 7.3.3). */
void nd_solicit(struct stack *st, struct port *port, uint32_t target, const uint8_t *dst_mac)
{
	struct nd_msg m = {.type = ICMP6_NS, .has_slla = true};
	const uint8_t *to = ip6_name(st, target)->addr;
	uint32_t src = addr6_source(st, port, to);
	uint8_t group[16];

	if (!src)
		return;
	memcpy(m.target, to, 16);
	memcpy(m.slla, port->mac, 6);
	ip6_solicited_node(group, to);
	COUNT(st, NdOutSolicits);
	nd_send(st, port, &m, ip6_name(st, src)->addr, dst_mac ? m.target : group, dst_mac);
}

/* RFC 4862 5.4.2: from nobody. */
void nd_probe(struct stack *st, struct ip6_addr *a)
{
	static const uint8_t nobody[16];
	struct nd_msg m = {.type = ICMP6_NS};
	uint8_t group[16];

	memcpy(m.target, a->bytes, 16);
	ip6_solicited_node(group, a->bytes);
	COUNT(st, NdOutSolicits);
	nd_send(st, a->port, &m, nobody, group, NULL);
}

static void advertise(struct stack *st, const struct ip6_addr *a, const uint8_t dst[16],
		      uint8_t flags, const uint8_t *mac)
{
	struct nd_msg m = {.type = ICMP6_NA, .flags = flags, .has_tlla = true};

	memcpy(m.target, a->bytes, 16);
	memcpy(m.tlla, a->port->mac, 6);
	COUNT(st, NdOutAdverts);
	nd_send(st, a->port, &m, a->bytes, dst, mac);
}

/* Unasked, when an address becomes ours (RFC 4861 7.2.6): who knew another MAC for it learns. */
void nd_announce(struct stack *st, struct ip6_addr *a)
{
	advertise(st, a, ip6_all_nodes, ND_NA_OVERRIDE, NULL);
}

void nd_router_solicit(struct stack *st, struct port *port)
{
	struct nd_msg m = {.type = ICMP6_RS, .has_slla = true};
	uint32_t src = addr6_source(st, port, all_routers);

	if (!src)
		return;
	memcpy(m.slla, port->mac, 6);
	nd_send(st, port, &m, ip6_name(st, src)->addr, all_routers, NULL);
}

/* ---- in ----------------------------------------------------------------------------------- */

/* A MAC that cannot be a neighbour's: a group, none, ours. As arp.c's sender_bad. */
static bool mac_bad(const struct port *port, const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return mac[0] & 1 || memcmp(mac, zero, 6) == 0 || memcmp(mac, port->mac, 6) == 0;
}

static void solicited(struct stack *st, struct port *port, const struct ip6_hdr *h,
		      const struct nd_msg *m)
{
	struct ip6_addr *a = addr6_find(st, port, m->target);
	bool probe = ip6_is_unspecified(h->src);
	uint32_t src;

	COUNT(st, NdInSolicits);
	if (probe && (m->has_slla || h->dst[0] != 0xff || h->dst[11] != 1 || h->dst[12] != 0xff)) {
		COUNT(st, NdInErrors); /* 4861 7.1.1 */
		return;
	}
	if (!a)
		return;
	if (a->state != IP6_VALID) { /* RFC 4862 5.4.3: two who probe for it at once */
		if (probe && a->state == IP6_TENTATIVE)
			addr6_conflict(st, a);
		return;
	}
	if (probe) {
		advertise(st, a, ip6_all_nodes, ND_NA_OVERRIDE, NULL);
		return;
	}
	src = ip6_handle(st, h->src, ip6_scope(h->src, port));
	if (!src)
		return;
	/* Entries are made for neighbours that ask for us alone, as arp.c's. */
	if (m->has_slla)
		neigh_learn(st, port, src, m->slla, false, route6_on_link(st, port, src));
	advertise(st, a, h->src, ND_NA_SOLICITED | ND_NA_OVERRIDE, m->has_slla ? m->slla : NULL);
}

static void advertised(struct stack *st, struct port *port, const struct ip6_hdr *h,
		       const struct nd_msg *m)
{
	struct ip6_addr *a = addr6_find(st, port, m->target);
	uint32_t ip;

	COUNT(st, NdInAdverts);
	if ((ip6_is_multicast(h->dst) && m->flags & ND_NA_SOLICITED) || /* 4861 7.1.2 */
	    ip6_is_unspecified(h->src)) {
		COUNT(st, NdInErrors);
		return;
	}
	if (a) { /* RFC 4862 5.4.4 */
		if (a->state == IP6_TENTATIVE)
			addr6_conflict(st, a);
		else
			COUNT(st, NdInErrors);
		return;
	}
	ip = ip6_handle(st, m->target, ip6_scope(m->target, port));
	if (ip)
		neigh_advert(st, port, ip, m->has_tlla ? m->tlla : NULL, m->flags);
}

/* RFC 4861 8.1, 8.3. A target other than the destination is a router, whom one knows by his
 * link-local address. */
static void redirected(struct stack *st, struct port *port, const struct ip6_hdr *h,
		       const struct nd_msg *m)
{
	uint32_t from, dst, target;

	COUNT(st, NdInRedirects);
	if (!ip6_is_link_local(h->src) ||
	    (!ip6_is_link_local(m->target) && memcmp(m->target, m->dst, 16) != 0))
		goto bad;
	from = ip6_handle(st, h->src, ip6_scope(h->src, port));
	dst = ip6_handle(st, m->dst, ip6_scope(m->dst, port));
	target = ip6_handle(st, m->target, ip6_scope(m->target, port));
	if (!from || !dst || !target || !redirect_learn(st, port, dst, from, target))
		goto bad;
	if (m->has_tlla)
		neigh_learn(st, port, target, m->tlla, false, true);
	return;
bad:
	COUNT(st, NdInErrors);
}

/* Takes over p, whose data is the ICMPv6 message, its checksum right. */
void nd_in(struct stack *st, struct port *port, struct pktbuf *p, const struct ip6_hdr *h)
{
	struct nd_msg m;

	/* In pieces: larger than a router has reason to make it. */
	if (p->more || h->hop_limit != HOP_LIMIT || port->caps & PORT_CAP_RAW_IP ||
	    nd_parse(&m, pktbuf_data(p), p->len) < 0 || (m.has_slla && mac_bad(port, m.slla)) ||
	    (m.has_tlla && mac_bad(port, m.tlla)))
		COUNT(st, NdInErrors);
	else if (m.type == ICMP6_NS)
		solicited(st, port, h, &m);
	else if (m.type == ICMP6_NA)
		advertised(st, port, h, &m);
	else if (m.type == ICMP6_RA)
		slaac_ra(st, port, h, &m);
	else if (m.type == ICMP6_REDIRECT)
		redirected(st, port, h, &m);
	pktbuf_free(p);
}
