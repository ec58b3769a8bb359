/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP over Ethernet: RFC 826. Called by eth.c (arp_in), neigh.c (arp_request) and acd.c; calls
 * acd.c, neigh.c and eth.c. It keeps no state: they do.
 */
#include "tcpip/acd.h"

#include <string.h>

enum arp_op { ARP_REQUEST = 1, ARP_REPLY = 2 };

static void arp_send(struct stack *st, struct port *port, const struct arp_msg *m,
		     const uint8_t *dst_mac)
{
	struct pktbuf *p = pktbuf_alloc(st->pool);

	if (!p)
		return;
	p->len = ARP_LEN;
	arp_build(pktbuf_data(p), m);
	eth_out(st, port, dst_mac, ETH_TYPE_ARP, p);
}

/* The address of this port that the target would know: on its subnet where there is one. */
static uint32_t source_for(struct stack *st, struct port *port, uint32_t target)
{
	struct route_hit hit;
	uint32_t i, a;

	if (route_lookup4(st, target, &hit) == 0 && hit.port == port)
		return hit.src;
	for (i = 0; i < st->n_addrs; i++) {
		if (st->addrs[i].port == port) {
			memcpy(&a, st->addrs[i].addr.bytes, 4);
			return a;
		}
	}
	return 0;
}

/* dst_mac NULL: to everybody. */
void arp_request(struct stack *st, struct port *port, uint32_t target, const uint8_t *dst_mac)
{
	struct arp_msg m = {.op = ARP_REQUEST, .tpa = target};

	m.spa = source_for(st, port, target);
	memcpy(m.sha, port->mac, 6);
	COUNT(st, ArpOutRequests);
	arp_send(st, port, &m, dst_mac);
}

void arp_probe(struct stack *st, struct port *port, uint32_t addr)
{
	struct arp_msg m = {.op = ARP_REQUEST, .tpa = addr};

	memcpy(m.sha, port->mac, 6);
	COUNT(st, ArpOutRequests);
	arp_send(st, port, &m, NULL);
}

void arp_announce(struct stack *st, struct port *port, uint32_t addr)
{
	struct arp_msg m = {.op = ARP_REQUEST, .spa = addr, .tpa = addr};

	memcpy(m.sha, port->mac, 6);
	COUNT(st, ArpOutRequests);
	arp_send(st, port, &m, NULL);
}

static void arp_reply(struct stack *st, struct port *port, const struct arp_msg *request)
{
	struct arp_msg m = {.op = ARP_REPLY, .spa = request->tpa, .tpa = request->spa};

	memcpy(m.sha, port->mac, 6);
	memcpy(m.tha, request->sha, 6);
	COUNT(st, ArpOutReplies);
	arp_send(st, port, &m, request->sha);
}

/* A sender that cannot be somebody's: group MAC, ours, or an address no host may have. */
static bool sender_bad(struct stack *st, struct port *port, const struct arp_msg *m)
{
	static const uint8_t zero[6];

	return m->sha[0] & 1 || memcmp(m->sha, zero, 6) == 0 || memcmp(m->sha, port->mac, 6) == 0 ||
	       addr_broadcast4(st, m->spa) || addr_multicast4(m->spa);
}

/*
 * RFC 826, "Packet Reception": merge first, then answer. An entry is made only for a neighbour who
 * asks for us, so that noise on the wire cannot fill the table (a gratuitous ARP only updates).
 */
void arp_in(struct stack *st, struct port *port, struct pktbuf *p)
{
	struct arp_msg m;
	bool for_us;

	if (arp_parse(&m, pktbuf_data(p), p->len) < 0 || sender_bad(st, port, &m) ||
	    (m.op != ARP_REQUEST && m.op != ARP_REPLY)) {
		COUNT(st, ArpInErrors);
		goto out;
	}
	acd_heard(st, port, &m);
	if (addr_local4(st, m.spa)) { /* somebody uses an address of ours */
		COUNT(st, ArpInErrors);
		acd_defend(st, port, m.spa);
		goto out;
	}
	for_us = addr_port4(st, m.tpa) == port;
	if (m.op == ARP_REQUEST) {
		COUNT(st, ArpInRequests);
		if (m.spa != 0) /* 0: a probe, RFC 5227 2.1.1 */
			neigh_learn(st, port, m.spa, m.sha, false,
				    for_us && route4_on_link(st, port, m.spa));
		if (for_us)
			arp_reply(st, port, &m);
	} else {
		COUNT(st, ArpInReplies);
		if (m.spa != 0)
			neigh_learn(st, port, m.spa, m.sha,
				    for_us && !(p->flags & PKTBUF_BROADCAST), false);
	}
out:
	pktbuf_free(p);
}
