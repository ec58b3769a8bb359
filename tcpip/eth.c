/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ethernet II: which protocol a frame is for, and the header in front of an outgoing one. Called by
 * stack_input and neigh.c; calls arp.c, ip4.c, ip6.c, port_send. Ports of raw IP packets pass
 * through here without a header. A port is in one VLAN (802.1Q) or in none: other frames are
 * dropped.
 */
#include "tcpip/ip6.h"
#include "tcpip/stack.h"

#include <string.h>

static const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void drop(struct stack *st, struct pktbuf *p)
{
	COUNT(st, EthInUnknown);
	pktbuf_free(p);
}

static void raw_ip_in(struct stack *st, struct port *port, struct pktbuf *p)
{
	uint8_t version = p->len ? pktbuf_data(p)[0] >> 4 : 0;

	p->l3_off = p->off;
	if (version == 4)
		ip4_in(st, port, p);
	else if (version == 6)
		ip6_in(st, port, p);
	else
		drop(st, p);
}

/* Is the frame, from behind its header on, of the port's VLAN? A tag is taken off. A priority alone
 * (802.1Q 6.9) is no VLAN. */
static bool vlan_in(const struct port *port, struct pktbuf *p, uint16_t *type)
{
	struct vlan_tag t;

	if (*type != ETH_TYPE_VLAN)
		return port->conf.vlan == 0;
	if (vlan_parse(&t, pktbuf_data(p), p->len) < 0 || t.vid != port->conf.vlan)
		return false;
	pktbuf_pull(p, VLAN_TAG_LEN);
	*type = t.type;
	return true;
}

void eth_in(struct stack *st, struct port *port, struct pktbuf *p)
{
	struct eth_hdr h;

	COUNT(st, EthInFrames);
	p->flags &= PKTBUF_RX_IP_CSUM_OK | PKTBUF_RX_L4_CSUM_OK;
	p->time = st->now;
	if (port->caps & PORT_CAP_RAW_IP) {
		raw_ip_in(st, port, p);
		return;
	}
	if (eth_parse(&h, pktbuf_data(p), p->len) < 0) {
		COUNT(st, EthInErrors);
		pktbuf_free(p);
		return;
	}
	if (h.dst[0] & 1) {
		p->flags |= PKTBUF_BROADCAST;
	} else if (memcmp(h.dst, port->mac, 6) != 0) {
		drop(st, p);
		return;
	}
	/* A group address as source is never right, our own is a frame that came back. */
	if (h.src[0] & 1 || memcmp(h.src, port->mac, 6) == 0) {
		COUNT(st, EthInErrors);
		pktbuf_free(p);
		return;
	}
	pktbuf_pull(p, ETH_HDR_LEN);
	if ((port->conf.vlan || h.type == ETH_TYPE_VLAN) && !vlan_in(port, p, &h.type)) {
		drop(st, p);
		return;
	}
	p->l3_off = p->off;
	switch (h.type) {
	case ETH_TYPE_IP4:
		ip4_in(st, port, p);
		break;
	case ETH_TYPE_IP6:
		ip6_in(st, port, p);
		break;
	case ETH_TYPE_ARP:
		arp_in(st, port, p);
		break;
	default:
		drop(st, p);
	}
}

void eth_out(struct stack *st, struct port *port, const uint8_t dst[6], uint16_t type,
	     struct pktbuf *p)
{
	struct eth_hdr h = {.type = type};
	struct vlan_tag tag = {.vid = port->conf.vlan, .type = type};

	if (!(port->caps & PORT_CAP_RAW_IP)) {
		if (tag.vid) {
			vlan_build(pktbuf_push(p, VLAN_TAG_LEN), &tag);
			p->csum_start += VLAN_TAG_LEN;
			h.type = ETH_TYPE_VLAN;
		}
		memcpy(h.dst, dst ? dst : broadcast_mac, 6);
		memcpy(h.src, port->mac, 6);
		eth_build(pktbuf_push(p, ETH_HDR_LEN), &h);
		p->csum_start += ETH_HDR_LEN;
	}
	port_send(port, p);
}
