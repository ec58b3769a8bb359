// SPDX-License-Identifier: BSD-3-Clause
/*
 * Intel 82574: frames that the device cuts into TCP segments (PKTBUF_TX_TSO). Called by
 * e1000e_ring.c; calls tso.c. Follows the datasheet's 7.2 (descriptors) and 7.3 (TCP segmentation).
 *
 * One frame, its descriptors in the order of the ring:
 *
 *	context		where headers and checksums are, length of headers, of a segment, of all
 *	data		headers and the first bytes of payload, from the frame's own buffer
 *	data		the rest of the first piece
 *	data ...	a piece each; the last has EOP and RS, and holds the frame
 *
 * The device keeps the headers as a prototype (7.3.6.2) and gives each segment its lengths, its
 * identification (one more each), sequence number and checksums; FIN and PSH it leaves to the last.
 * It knows nothing of CWR, which it would put on all: who sends CWR sends it in a frame of its own.
 */
#include "drivers/e1000e.h"

#include <string.h>

#define SEGMENTS_MAX 42u  /* of 1,500 bytes: with headers less than an IP packet of 65,535 */
#define HEADERS_MAX  240u /* 7.3.6.2: what the device keeps of a prototype */
#define MSS_MIN	     17u  /* 7.2: MSS is more than 16 */
/* Payload beside the headers: drivers of other systems give none of this family a first descriptor
 * of headers alone, since some of it (82571 to 82573) stop at one. */
#define BESIDE 4u

/* A quarter of the ring, so that it never stands still for want of room for one; the smallest is
 * better used for frames. */
uint16_t e1000e_tso_max(const struct port *port)
{
	const struct e1000e *e = port->priv;

	if (!(port->caps & PORT_CAP_TX_L4_CSUM) || port->conf.no_tso ||
	    e->tx_count <= E1000E_RING_MIN)
		return 0;
	return (uint16_t)(e->tx_count / 4 < SEGMENTS_MAX ? e->tx_count / 4 : SEGMENTS_MAX);
}

bool e1000e_tso_valid(const struct port *port, const struct pktbuf *p, struct tso *t)
{
	return tso_parse(t, p, port->tso_max) && p->gso_size >= MSS_MIN && p->len <= HEADERS_MAX &&
	       p->len - t->ip + p->gso_size <= port->mtu && pktbuf_tailroom(p) >= BESIDE;
}

/* 7.3.5: the prototype's lengths are 0, and IPv4's checksum, which is added to. TCP's field has the
 * pseudo header's sum, to which the device adds the length of each segment. The buffer with the
 * headers is the frame's own, so it may be written to. */
static void write_prototype(const struct tso *t, struct pktbuf *p)
{
	uint8_t *ip = pktbuf_data(p) + t->ip;

	memset(ip + (t->ip6 ? 4 : 2), 0, 2);
	if (!t->ip6)
		memset(ip + 10, 0, 2);
}

/* 7.2: IPCSE is the checksum's last byte; TUCSE 0 means the end of the segment. For IPv6 the place
 * of the header is all that counts. */
static void put_context(struct e1000e *e, const struct pktbuf *p, const struct tso *t)
{
	uint64_t addr =
		TXC_IPCSS(t->ip) | TXC_TUCSS(t->tcp) | TXC_TUCSO((uint64_t)t->tcp + p->csum_offset);
	uint64_t cmd = TXD_DEXT | TXC_TSE | TXC_TCP | TXC_HDRLEN(p->len) | TXC_MSS(p->gso_size) |
		       TXC_PAYLEN(t->payload);

	if (!t->ip6) {
		addr |= TXC_IPCSO((uint64_t)t->ip + 10) | TXC_IPCSE((uint64_t)t->tcp - 1);
		cmd |= TXC_IP;
	}
	e1000e_tx_put(e, NULL, addr, cmd);
	/* Whether the device keeps another context beside this one does not matter: a frame that
	 * wants a checksum brings its own again. */
	e->csum_start = e->csum_offset = 0;
}

void e1000e_tso_put(struct e1000e *e, struct pktbuf *p, const struct tso *t)
{
	const uint64_t cmd =
		TXD_DTYP_DATA | TXD_DEXT | TXD_TSE | TXD_IFCS | TXD_TXSM | (t->ip6 ? 0 : TXD_IXSM);
	const struct pktbuf *piece = p->more;
	uint32_t beside = piece->len < BESIDE ? piece->len : BESIDE, last;

	put_context(e, p, t);
	write_prototype(t, p);
	memcpy(pktbuf_data(p) + p->len, pktbuf_data(piece), beside);
	e1000e_tx_put(e, NULL, p->iova + p->off, cmd | TXD_LENGTH(p->len + beside));
	for (; piece; piece = piece->more, beside = 0)
		if (piece->len > beside)
			e1000e_tx_put(e, NULL, piece->iova + piece->off + beside,
				      cmd | TXD_LENGTH(piece->len - beside));
	last = (e->tx_next - 1) & (e->tx_count - 1);
	e->tx[last].cmd |= TXD_EOP | TXD_RS;
	e->tx_buf[last] = p;
}
