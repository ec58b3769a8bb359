/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP (RFC 792, 1122 3.2.2): echo answered, errors made for bad packets and handed to the flow
 * they quote, echo replies handed to echo sockets, redirects to redirect.c. Called by ip4.c, udp.c,
 * neigh.c; calls udp_icmp_error, tcp_icmp_error, ping_deliver, redirect.c, ip4_out. Source quench
 * is ignored (RFC 6633).
 */
#include "tcpip/ip6.h"
#include "tcpip/socket.h"
#include "tcpip/stack.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define ERROR_MAX   576u  /* bytes of IP packet: RFC 1812 4.3.2.3 */
#define ERROR_RATE  1000u /* a second, all together, as Linux's icmp_msgs_per_sec */
#define ERROR_BURST 50u
#define HOST_BURST  6u		 /* and to one host, as Linux's icmp_ratelimit */
#define HOST_NS	    (1000 * MS)	 /* in the mean, between errors to it */
#define PLACE_NS    (64000 * MS) /* how long two hosts share a limit, if they do */
#define MS	    1000000ull
#define TOS_CONTROL 0xc0 /* internetwork control: RFC 1812 4.3.2.5 */

/* ---- what an error means ------------------------------------------------------------------ */

/* Linux's icmp_err_convert, by code of "destination unreachable". */
static const struct {
	uint8_t err;
	bool hard;
} unreach[] = {
	{ENETUNREACH, false},  {EHOSTUNREACH, false}, {ENOPROTOOPT, true},  {ECONNREFUSED, true},
	{EMSGSIZE, false},     {EOPNOTSUPP, false},   {ENETUNREACH, true},  {EHOSTDOWN, true},
	{ENONET, true},	       {ENETUNREACH, true},   {EHOSTUNREACH, true}, {ENETUNREACH, false},
	{EHOSTUNREACH, false}, {EHOSTUNREACH, true},  {EHOSTUNREACH, true}, {EHOSTUNREACH, true},
	{EACCES, true}, /* ICMP4_PROHIBITED6 */
};

int icmp_errno(uint8_t type, uint8_t code, bool *hard)
{
	*hard = false;
	switch (type) {
	case ICMP4_DEST_UNREACH:
		if (code >= sizeof(unreach) / sizeof(unreach[0]))
			return EHOSTUNREACH;
		*hard = unreach[code].hard;
		return unreach[code].err;
	case ICMP4_TIME_EXCEEDED:
		return EHOSTUNREACH;
	case ICMP4_PARAM_PROBLEM:
		*hard = true;
		return EPROTO;
	default:
		return 0;
	}
}

/* data: the quoted packet, of which RFC 792 promises the IP header and 8 bytes. Whom it was for; 0:
 * it was none of ours. */
static uint32_t hand_to_flow(struct stack *st, uint32_t from, const uint8_t *data, size_t len,
			     const struct icmp_hdr *h)
{
	bool ours = false;
	struct ip4_hdr ip;
	struct icmp_quote q = {
		.ip = &ip,
		.type = h->type,
		.code = h->code,
		.rest = h->rest,
		.wire_type = h->type,
		.wire_code = h->code,
		.from = from,
	};

	if (ip4_parse_quoted(&ip, data, len) < 0 || len < (size_t)ip.hdr_len + 8 || ip.frag_off ||
	    !addr_local4(st, ip.src) || ip_is6(ip.dst)) {
		COUNT(st, IcmpInErrors);
		return 0;
	}
	q.l4 = data + ip.hdr_len;
	q.l4_len = len - ip.hdr_len;
	if (q.l4_len > (size_t)(ip.total_len - ip.hdr_len)) /* what follows is not ours */
		q.l4_len = (size_t)(ip.total_len - ip.hdr_len);
	if (q.l4_len < 8)
		return 0;
	if (ip.protocol == IPPROTO_TCP)
		ours = tcp_icmp_error(st, &q);
	else if (ip.protocol == IPPROTO_UDP || ip.protocol == IPPROTO_ICMP)
		ours = udp_icmp_error(st, &q);
	return ours ? ip.dst : 0;
}

void icmp_local_error(struct stack *st, struct pktbuf *p, uint8_t type, uint8_t code)
{
	if (pktbuf_data(p)[0] >> 4 == 6) { /* the one that is made here: nobody at that address */
		icmp6_local_error(st, p, ICMP6_UNREACH, ICMP6_NO_ADDRESS);
		return;
	}
	(void)hand_to_flow(st, 0, pktbuf_data(p), p->len,
			   &(struct icmp_hdr){.type = type, .code = code});
}

/* RFC 1122 3.2.2.2. What is said of a net is taken for the host alone, as its mask is not known
 * (3.3.1.2). That the packet quoted is one of ours is more than the RFC asks: an address is easily
 * forged. */
static void redirected(struct stack *st, struct port *port, const struct pktbuf *p, uint32_t from,
		       const struct icmp_hdr *h)
{
	uint32_t dst =
		hand_to_flow(st, from, pktbuf_data(p) + ICMP_HDR_LEN, p->len - ICMP_HDR_LEN, h);
	uint32_t gateway;
	uint8_t b[4];

	wire_put32(b, h->rest);
	memcpy(&gateway, b, 4);
	COUNT(st, IcmpInRedirects);
	if (!dst)
		return;
	if (h->code > ICMP4_REDIRECT_LAST || ip_is6(gateway) || addr_to_many(st, gateway) ||
	    !route4_on_link(st, port, gateway) || !redirect_learn(st, port, dst, from, gateway))
		COUNT(st, IcmpInErrors);
}

/* ---- input -------------------------------------------------------------------------------- */

static void icmp_send(struct stack *st, struct pktbuf *p, const struct icmp_hdr *h,
		      const struct ip4_args *args)
{
	uint16_t sum;

	icmp_build(pktbuf_data(p), h);
	sum = csum_fold(csum_packet(0, p));
	memcpy(pktbuf_data(p) + 2, &sum, 2);
	p->flags = 0;
	COUNT(st, IcmpOutMsgs);
	ip4_out(st, p, args);
}

/* The request turns round in its own buffer. RFC 1122 3.2.2.6; not to broadcasts (smurf). */
static void echo_reply(struct stack *st, struct pktbuf *p, const struct ip4_hdr *ip,
		       const struct icmp_hdr *request)
{
	struct ip4_args args = {
		.src = ip->dst, .dst = ip->src, .protocol = IPPROTO_ICMP, .tos = ip->tos};
	struct icmp_hdr h = {.type = ICMP4_ECHO_REPLY, .rest = request->rest};

	COUNT(st, IcmpOutEchoReps);
	icmp_send(st, p, &h, &args);
}

void icmp_in(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip)
{
	bool broadcast = addr_to_many(st, ip->dst);
	struct icmp_hdr h;

	COUNT(st, IcmpInMsgs);
	if (icmp_parse(&h, pktbuf_data(p), p->len) < 0 || csum_fold(csum_packet(0, p)) != 0) {
		COUNT(st, IcmpInErrors);
		goto out;
	}
	if (broadcast) /* no one has business with all of us here */
		goto out;
	switch (h.type) {
	case ICMP4_ECHO:
		COUNT(st, IcmpInEchos);
		echo_reply(st, p, ip, &h);
		return;
	case ICMP4_ECHO_REPLY:
		COUNT(st, IcmpInEchoReps);
		if (ping_deliver(st, port, p, ip))
			return;
		break;
	case ICMP4_DEST_UNREACH:
		COUNT(st, IcmpInDestUnreachs);
		if (h.code >= ICMP4_PROHIBITED6) /* no code of ICMP: as unknown */
			h.code = ICMP4_HOST_UNREACH;
		/* fall through */
	case ICMP4_TIME_EXCEEDED:
	case ICMP4_PARAM_PROBLEM:
		(void)hand_to_flow(st, ip->src, pktbuf_data(p) + ICMP_HDR_LEN,
				   p->len - ICMP_HDR_LEN, &h);
		break;
	case ICMP4_REDIRECT:
		redirected(st, port, p, ip->src, &h);
		break;
	default:
		break;
	}
out:
	pktbuf_free(p);
}

/* ---- errors we send ----------------------------------------------------------------------- */

/*
 * Who counts the errors that this host may still send learns which of its ports answered somebody
 * else with one (CVE-2020-25705). So what an error costs is not to be guessed, nor known from what
 * stack_random() gave to headers.
 */
static uint32_t secret_random(struct stack *st)
{
	uint64_t in[3] = {st->now, ++st->icmp_asked};

	return (uint32_t)siphash24(st->secret, in, sizeof(in));
}

/* One a second to one host, and some at once. Hosts may share a place, a minute at a time, so that
 * a flood from everywhere needs no more memory and nobody has a noisy neighbour for ever. */
static bool may_tell(struct stack *st, uint32_t dst)
{
	uint64_t in[4] = {ip_is6(dst) ? ip6_name(st, dst)->hash : dst, st->now / PLACE_NS};
	uint64_t *full = &st->icmp_full[siphash24(st->secret, in, sizeof(in)) % STACK_ICMP_DSTS];
	uint64_t from = *full > st->now ? *full : st->now;

	if (from - st->now > (HOST_BURST - 1) * HOST_NS)
		return false;
	*full = from + HOST_NS / 2 + secret_random(st) % HOST_NS;
	return true;
}

static bool may_tell_anybody(struct stack *st)
{
	uint64_t ms = (st->now - st->icmp_refill) / MS;
	uint64_t add = ms * ERROR_RATE / 1000;
	uint32_t cost;

	if (st->icmp_refill == 0 || add >= ERROR_BURST) {
		st->icmp_tokens = ERROR_BURST;
		st->icmp_refill = st->now;
	} else if (add > 0) {
		st->icmp_tokens += (uint32_t)add;
		if (st->icmp_tokens > ERROR_BURST)
			st->icmp_tokens = ERROR_BURST;
		st->icmp_refill += ms * MS;
	}
	if (st->icmp_tokens == 0)
		return false;
	cost = secret_random(st) % 3; /* one, in the mean */
	st->icmp_tokens -= cost < st->icmp_tokens ? cost : st->icmp_tokens;
	return true;
}

/* The host's own limit comes first: what that refuses takes nothing from others. */
bool icmp_may_send(struct stack *st, uint32_t dst)
{
	if (addr_local(st, dst) || (may_tell(st, dst) && may_tell_anybody(st)))
		return true;
	COUNT(st, IcmpOutRateLimited);
	return false;
}

/* RFC 1122 3.2.2: never about an ICMP error, a fragment but the first, or what one sender sent to
 * many or nobody. Sources that are no host's never come here (ip4.c). */
static bool may_answer(struct stack *st, const struct pktbuf *p, const struct ip4_hdr *ip)
{
	uint8_t type;

	if (ip->frag_off || p->flags & PKTBUF_BROADCAST || !addr_local4(st, ip->dst))
		return false;
	if (ip->protocol != IPPROTO_ICMP)
		return true;
	if (p->len <= ip->hdr_len)
		return false;
	type = pktbuf_data(p)[ip->hdr_len];
	return type == ICMP4_ECHO || type == ICMP4_ECHO_REPLY;
}

void icmp_error(struct stack *st, struct port *port, struct pktbuf *p, uint8_t type, uint8_t code,
		uint32_t rest)
{
	struct icmp_hdr h = {.type = type, .code = code, .rest = rest};
	struct ip4_args args = {.protocol = IPPROTO_ICMP};
	struct ip4_hdr ip;
	struct pktbuf *e;
	uint16_t quote;

	if (pktbuf_data(p)[0] >> 4 == 6) { /* the two that are asked for in common code */
		if (type == ICMP4_TIME_EXCEEDED)
			icmp6_error(st, port, p, ICMP6_TIME, ICMP4_REASS_TIME, 0);
		else
			icmp6_error(st, port, p, ICMP6_UNREACH, ICMP6_NO_PORT, 0);
		return;
	}
	if (ip4_parse(&ip, pktbuf_data(p), pktbuf_total(p)) < 0 || !may_answer(st, p, &ip))
		return;
	if (!icmp_may_send(st, ip.src))
		return;
	e = pktbuf_alloc(st->pool);
	if (!e)
		return;
	quote = p->len;
	if (quote > ERROR_MAX - IP4_HDR_LEN - ICMP_HDR_LEN)
		quote = ERROR_MAX - IP4_HDR_LEN - ICMP_HDR_LEN;
	memcpy(pktbuf_data(e) + ICMP_HDR_LEN, pktbuf_data(p), quote);
	e->len = (uint16_t)(ICMP_HDR_LEN + quote);
	args.src = ip.dst;
	args.dst = ip.src;
	args.tos = (ip.tos & 0x1e) | TOS_CONTROL;
	if (type == ICMP4_DEST_UNREACH)
		COUNT(st, IcmpOutDestUnreachs);
	icmp_send(st, e, &h, &args);
}
