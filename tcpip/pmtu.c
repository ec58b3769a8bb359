/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the paths of IPv4 take (RFC 1191): one host a place, found by a keyed hash, so that nobody
 * chooses whose place he takes; forgotten after ten minutes, as RFC 8201 5.3 and Linux have it. Who
 * learns has made sure that the error quotes something that was sent. TCP keeps its connections'
 * own; they begin with this, and leave here what their probes found. An address of IPv6 has its own
 * with its handle (RFC 8201). Called by ip4.c, udp.c, tcp_mtu.c.
 */
#include "tcpip/ip6.h"
#include "tcpip/stack.h"

#define LIFE_NS (600 * 1000000000ull)
#define LEAST	552u /* Linux's ip_rt_min_pmtu */

static uint32_t place_of(const struct stack *st, uint32_t dst)
{
	return siphash24(st->secret, &dst, sizeof(dst)) % STACK_PMTUS;
}

uint16_t pmtu_of(const struct stack *st, uint32_t dst)
{
	const struct pmtu *p = &st->pmtus[place_of(st, dst)];
	const struct ip6_name *n;

	if (ip_is6(dst)) {
		n = ip6_name(st, dst);
		return st->now < n->pmtu_until ? (uint16_t)(n->pmtu - (IP6_HDR_LEN - IP4_HDR_LEN))
					       : 0;
	}
	return p->dst == dst && st->now < p->until ? p->mtu : 0;
}

/* More than was known is not believed, nor less than anybody has. */
bool pmtu_learn_for(struct stack *st, uint32_t dst, uint32_t mtu, uint64_t ns)
{
	struct ip6_name *n;

	if (!ip_is6(dst) && mtu < LEAST)
		mtu = LEAST;
	if (mtu >= ip4_mtu(st, dst))
		return false;
	if (ip_is6(dst)) {
		n = ip6_name(st, dst);
		n->pmtu = mtu + (IP6_HDR_LEN - IP4_HDR_LEN);
		n->pmtu_until = st->now + ns;
	} else {
		st->pmtus[place_of(st, dst)] =
			(struct pmtu){.dst = dst, .mtu = (uint16_t)mtu, .until = st->now + ns};
	}
	return true;
}

bool pmtu_learn(struct stack *st, uint32_t dst, uint32_t mtu)
{
	return pmtu_learn_for(st, dst, mtu, LIFE_NS);
}
