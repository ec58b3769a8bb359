/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MLDv2 (RFC 3810), and version 1 (RFC 2710) where a router speaks only that: reports of the groups
 * that ports hear, and routers' queries. When to report what is group_report.c's business, which
 * calls this; icmp6.c calls mld_query_in; calls ip6.c.
 */
#include <string.h>

#include "tcpip/group.h"
#include "tcpip/ip6.h"

#define ALERT_LEN 8u /* the hop-by-hop header with the router alert option */

static const uint8_t all_routers[16] = {0xff, 2, [15] = 2};
static const uint8_t all_mld_routers[16] = {0xff, 2, [15] = 0x16};

/* RFC 3810 6: never for all nodes, nor for groups that end at the interface. */
static bool reported(struct stack *st, const struct port *port, const uint8_t group[16])
{
	return ip6_port(st, port) && !(port->caps & PORT_CAP_RAW_IP) && (group[1] & 0xf) >= 2 &&
	       memcmp(group, ip6_all_nodes, 16) != 0;
}

static void send_message(struct stack *st, struct port *port, struct pktbuf *p,
			 const uint8_t dst[16])
{
	struct ip6_hdr h = {.next = IP6_HOPOPTS, .hop_limit = 1};
	static const uint8_t alert[ALERT_LEN] = {IP6_ICMP, 0, 5, 2, 0, 0, 1, 0};
	uint32_t src = addr6_source(st, port, all_mld_routers);
	uint16_t sum;

	/* Before the link-local address is ours: from nobody, RFC 3590 4. From another, which may
	 * be ours sooner, routers do not hear it: RFC 3810 5.2.13. */
	if (src && ip6_is_link_local(ip6_name(st, src)->addr))
		memcpy(h.src, ip6_name(st, src)->addr, 16);
	memcpy(h.dst, dst, 16);
	sum = csum_fold(
		csum_add(csum_pseudo6(h.src, h.dst, IP6_ICMP, p->len), pktbuf_data(p), p->len));
	memcpy(pktbuf_data(p) + 2, &sum, 2);
	memcpy(pktbuf_push(p, ALERT_LEN), alert, ALERT_LEN);
	COUNT(st, MldOutReports);
	ip6_send(st, port, p, &h, NULL);
}

static void send_report(struct stack *st, struct port *port, struct pktbuf *p, unsigned n)
{
	mld_report_build(pktbuf_data(p), n);
	send_message(st, port, p, all_mld_routers);
}

/* RFC 2710 3.4: a report goes to the group, "done" to the routers. */
static void send_old(struct stack *st, struct port *port, enum group_version version, uint8_t type,
		     const uint8_t group[16])
{
	bool done = type == CHANGE_TO_INCLUDE;
	struct pktbuf *p = pktbuf_alloc(st->pool);

	(void)version; /* there is one */
	if (!p)
		return;
	p->len = (uint16_t)mld1_build(pktbuf_data(p), done ? ICMP6_MLD_DONE : ICMP6_MLD_REPORT,
				      group);
	send_message(st, port, p, done ? all_routers : group);
}

/* RFC 3810 6.2: from a router of this link, and so that routers look at it. */
void mld_query_in(struct stack *st, struct port *port, const struct pktbuf *p,
		  const struct ip6_hdr *h)
{
	struct group_query gq;
	struct mld_query q;
	struct ip6_ext e;
	unsigned i;

	if (!ip6_port(st, port) || h->hop_limit != 1 || !ip6_is_link_local(h->src) ||
	    ip6_walk(&e, h, p->buf + p->l3_off, (size_t)(p->off - p->l3_off) + p->len) < 0 ||
	    !e.router_alert || mld_query_parse(&q, pktbuf_data(p), p->len) < 0) {
		COUNT(st, MldInErrors);
		return;
	}
	COUNT(st, MldInQueries);
	gq = (struct group_query){.version = q.old ? GROUP_V2 : GROUP_V3,
				  .within_ms = q.max_ms,
				  .group = ip6_is_unspecified(q.group) ? NULL : q.group,
				  .n_sources = q.n_sources};
	for (i = 0; i < q.n_sources && i < GROUP_SOURCE_MAX; i++)
		memcpy(gq.source[i], mld_query_source(pktbuf_data(p), i), 16);
	group_queried(st, port, GROUP_6, &gq);
}

const struct group_ops mld_groups = {
	.headers = IP6_HDR_LEN + ALERT_LEN + 8,
	.record_len = MLD_RECORD_LEN,
	.source_len = MLD_SOURCE_LEN,
	.reported = reported,
	.record = mld_record_build,
	.source = mld_record_source,
	.send = send_report,
	.send_old = send_old,
};
