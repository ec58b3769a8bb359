/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMPv6 (RFC 4443): echo, errors out under icmp.c's limit, errors in to the flow they quote, "too
 * big" to the path's MTU (RFC 8201); neighbour discovery and group messages to their files. To the
 * transports an error is the ICMP error that means the same, by icmp_errno().
 * Called by ip6.c, icmp.c (for packets of IPv6), neigh.c; calls udp.c, tcp_in.c, nd.c, mld.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "tcpip/ip6.h"
#include "tcpip/socket.h"

/* ---- errors in ---------------------------------------------------------------------------- */

/* What ICMP calls it; false: not an error that a flow should hear of. */
static bool translate(struct icmp_quote *q)
{
	static const uint8_t unreach[] = {
		[ICMP6_NO_ROUTE] = ICMP4_NET_UNREACH,
		[ICMP6_PROHIBITED] = ICMP4_PROHIBITED6,
		[ICMP6_BEYOND_SCOPE] = ICMP4_HOST_UNREACH,
		[ICMP6_NO_ADDRESS] = ICMP4_HOST_UNREACH,
		[ICMP6_NO_PORT] = ICMP4_PORT_UNREACH,
		[5] = ICMP4_PROHIBITED6, /* source failed policy */
		[6] = ICMP4_PROHIBITED6, /* reject route */
	};

	switch (q->wire_type) {
	case ICMP6_UNREACH:
		q->type = ICMP4_DEST_UNREACH;
		q->code =
			q->wire_code < sizeof(unreach) ? unreach[q->wire_code] : ICMP4_HOST_UNREACH;
		return true;
	case ICMP6_TOO_BIG: /* in IPv4's measure, see ip4_mtu */
		q->type = ICMP4_DEST_UNREACH;
		q->code = ICMP4_FRAG_NEEDED;
		q->rest -= IP6_HDR_LEN - IP4_HDR_LEN;
		return true;
	case ICMP6_TIME:
		q->type = ICMP4_TIME_EXCEEDED;
		return true;
	case ICMP6_PARAM:
		q->type = ICMP4_PARAM_PROBLEM;
		return true;
	default:
		return false;
	}
}

/* data: the quoted packet, as much of it as there is. */
static void hand_to_flow(struct stack *st, struct port *port, uint32_t from, const uint8_t *data,
			 size_t len, const struct icmp_hdr *m)
{
	struct ip4_hdr like = {.hdr_len = IP4_HDR_LEN, .df = true};
	struct icmp_quote q = {
		.ip = &like,
		.code = m->code,
		.rest = m->rest,
		.wire_type = m->type,
		.wire_code = m->code,
		.from = from,
	};
	const struct ip6_addr *own;
	struct ip6_hdr h;
	struct ip6_ext e;

	if (ip6_parse_quoted(&h, data, len) < 0 || ip6_walk(&e, &h, data, len) < 0 ||
	    (e.fragment && e.frag_off) || len < IP6_HDR_LEN + e.len + 8u)
		goto bad;
	own = addr6_find(st, port, h.src);
	if (!own || own->state != IP6_VALID)
		goto bad;
	like.src = own->ip;
	like.dst = ip6_handle(st, h.dst, ip6_scope(h.dst, own->port));
	like.protocol = e.next == IP6_ICMP ? IPPROTO_ICMP : e.next;
	if (!like.dst)
		return;
	/* TCP believes only what quotes a sequence number of its own, and remembers it itself. */
	if (m->type == ICMP6_TOO_BIG && (m->rest < IP6_MTU_MIN || m->rest > UINT16_MAX))
		return;
	if (!translate(&q))
		return;
	q.l4 = data + IP6_HDR_LEN + e.len;
	q.l4_len = len - IP6_HDR_LEN - e.len;
	if (like.protocol == IPPROTO_TCP)
		tcp_icmp_error(st, &q);
	else if (like.protocol == IPPROTO_UDP || like.protocol == IPPROTO_ICMP)
		udp_icmp_error(st, &q);
	return;
bad:
	COUNT(st, Icmp6InErrors);
}

void icmp6_local_error(struct stack *st, struct pktbuf *p, uint8_t type, uint8_t code)
{
	hand_to_flow(st, NULL, 0, pktbuf_data(p), p->len,
		     &(struct icmp_hdr){.type = type, .code = code});
}

/* ---- input -------------------------------------------------------------------------------- */

static void icmp6_send(struct stack *st, struct pktbuf *p, const struct icmp_hdr *h,
		       const struct ip4_args *args)
{
	icmp_build(pktbuf_data(p), h);
	p->flags = 0;
	COUNT(st, Icmp6OutMsgs);
	ip4_out(st, p, args);
}

/* RFC 4443 4.2. Who asks a group is answered by each with its own address, under the limit for
 * errors, so that a forged source does not get all of them. */
static void echo(struct stack *st, struct pktbuf *p, const struct ip6_hdr *h,
		 const struct ip4_hdr *ip, const struct icmp_hdr *request)
{
	struct ip4_args args = {
		.src = ip->dst, .dst = ip->src, .protocol = IP6_ICMP, .tos = ip->tos};
	struct icmp_hdr answer = {.type = ICMP6_ECHO_ANSWER, .rest = request->rest};

	COUNT(st, Icmp6InEchos);
	if (ip6_is_unspecified(h->src)) {
		pktbuf_free(p);
		return;
	}
	if (ip6_is_multicast(h->dst)) {
		args.src = 0;
		if (!icmp_may_send(st, ip->src)) {
			pktbuf_free(p);
			return;
		}
	}
	COUNT(st, Icmp6OutEchoReps);
	icmp6_send(st, p, &answer, &args);
}

void icmp6_in(struct stack *st, struct port *port, struct pktbuf *p, const struct ip6_hdr *h,
	      const struct ip4_hdr *ip)
{
	struct icmp_hdr m;

	COUNT(st, Icmp6InMsgs);
	if (icmp_parse(&m, pktbuf_data(p), p->len) < 0 ||
	    csum_fold(csum_packet(csum_pseudo6(h->src, h->dst, IP6_ICMP, pktbuf_total(p)), p)) !=
		    0) {
		COUNT(st, Icmp6InErrors);
		goto out;
	}
	switch (m.type) {
	case ICMP6_ECHO_ASK:
		echo(st, p, h, ip, &m);
		return;
	case ICMP6_ECHO_ANSWER:
		if (!ip6_is_multicast(h->dst) && ping_deliver(st, port, p, ip))
			return;
		break;
	case ICMP6_UNREACH:
	case ICMP6_TOO_BIG:
	case ICMP6_TIME:
	case ICMP6_PARAM:
		if (!ip6_is_multicast(h->dst))
			hand_to_flow(st, port, ip->src, pktbuf_data(p) + ICMP_HDR_LEN,
				     p->len - ICMP_HDR_LEN, &m);
		break;
	case ICMP6_RA:
	case ICMP6_NS:
	case ICMP6_NA:
	case ICMP6_REDIRECT:
		nd_in(st, port, p, h);
		return;
	case ICMP6_MLD_QUERY:
		mld_query_in(st, port, p, h);
		break;
	default: /* informational ones unknown are dropped: RFC 4443 2.4 b; RS is for routers */
		break;
	}
out:
	pktbuf_free(p);
}

/* ---- errors we send ----------------------------------------------------------------------- */

/* RFC 4443 2.4 e: never about an error or a redirect, nor to nobody; about what was sent to many
 * only "too big" and an option that asks for it. */
static bool may_answer(const struct pktbuf *p, const struct ip6_hdr *h, uint8_t type, uint8_t code)
{
	struct ip6_ext e;
	uint8_t about;
	bool many = ip6_is_multicast(h->dst) || p->flags & PKTBUF_BROADCAST;

	if (ip6_is_unspecified(h->src) || ip6_is_multicast(h->src))
		return false;
	if (many && !(type == ICMP6_PARAM && code == ICMP6_BAD_OPTION))
		return false;
	if (ip6_walk(&e, h, pktbuf_data(p), p->len) < 0)
		return h->next != IP6_ICMP; /* the very reason of the answer */
	if (e.next != IP6_ICMP)
		return true;
	if (e.fragment && e.frag_off) /* of what, is not in it */
		return false;
	if (p->len <= IP6_HDR_LEN + e.len)
		return false;
	about = pktbuf_data(p)[IP6_HDR_LEN + e.len];
	return about >= 128 && about != ICMP6_REDIRECT;
}

/* The answer to who has an address of a link alone goes out on that link. */
void icmp6_error(struct stack *st, struct port *port, struct pktbuf *p, uint8_t type, uint8_t code,
		 uint32_t rest)
{
	struct icmp_hdr m = {.type = type, .code = code, .rest = rest};
	struct ip4_args args = {.protocol = IP6_ICMP};
	const struct ip6_addr *own;
	struct ip6_hdr h;
	struct pktbuf *e;
	uint16_t quote = p->len;

	if (!port || ip6_parse_quoted(&h, pktbuf_data(p), p->len) < 0 ||
	    !may_answer(p, &h, type, code))
		return;
	own = addr6_find(st, port, h.dst);
	args.src = own && own->state == IP6_VALID ? own->ip : 0;
	args.dst = ip6_handle(st, h.src, ip6_scope(h.src, port));
	if (!args.dst || !icmp_may_send(st, args.dst))
		return;
	e = pktbuf_alloc(st->pool);
	if (!e)
		return;
	if (quote > IP6_MTU_MIN - IP6_HDR_LEN - ICMP_HDR_LEN)
		quote = IP6_MTU_MIN - IP6_HDR_LEN - ICMP_HDR_LEN;
	memcpy(pktbuf_data(e) + ICMP_HDR_LEN, pktbuf_data(p), quote);
	e->len = (uint16_t)(ICMP_HDR_LEN + quote);
	icmp6_send(st, e, &m, &args);
}
