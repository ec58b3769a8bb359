/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IGMPv3 (RFC 3376), and versions 2 (RFC 2236) and 1 (RFC 1112) where a router speaks only those:
 * reports of the IPv4 groups that ports hear, and routers' queries. When to report what is
 * group_report.c's business, which calls this; ip4.c calls igmp_in; calls neigh.c.
 */
#include "tcpip/group.h"

#include <string.h>

#define TOS_CONTROL 0xc0 /* RFC 3376 4: internetwork control */

static uint32_t all_hosts(void)
{
	return wire_addr4(224, 0, 0, 1);
}

/* RFC 3376 5: all but "all hosts", in which everybody is anyway. */
static bool reported(struct stack *st, const struct port *port, const uint8_t group[16])
{
	(void)st;
	return !(port->caps & PORT_CAP_RAW_IP) && group_addr4(group) != all_hosts();
}

/* Takes over p, whose data is the message. Source 0.0.0.0 before there is an address: 4.2.13. */
static void send_message(struct stack *st, struct port *port, struct pktbuf *p, uint32_t dst)
{
	struct ip4_hdr ip = {
		.tos = TOS_CONTROL,
		.ttl = 1,
		.protocol = IPPROTO_IGMP,
		.df = true,
		.src = addr4_source(st, port),
		.dst = dst,
	};
	uint16_t sum = csum_fold(csum_add(0, pktbuf_data(p), p->len));

	memcpy(pktbuf_data(p) + 2, &sum, 2);
	ip.total_len = (uint16_t)(p->len + IP4_ALERT_HDR_LEN);
	ip4_build_alert(pktbuf_push(p, IP4_ALERT_HDR_LEN), &ip);
	p->flags = 0;
	p->time = st->now;
	COUNT(st, IpOutRequests);
	COUNT(st, IgmpOutReports);
	neigh_out(st, port, dst, p);
}

static unsigned record(uint8_t *data, uint8_t type, const uint8_t group[16])
{
	return igmp_record_build(data, type, group_addr4(group));
}

static unsigned source(uint8_t *data, const uint8_t source[16])
{
	return igmp_record_source(data, group_addr4(source));
}

static void send_report(struct stack *st, struct port *port, struct pktbuf *p, unsigned n)
{
	igmp_report_build(pktbuf_data(p), n);
	send_message(st, port, p, wire_addr4(224, 0, 0, 22));
}

/* RFC 2236 3: a report goes to the group, a leave to the routers; version 1 leaves in silence. */
static void send_old(struct stack *st, struct port *port, enum group_version version, uint8_t type,
		     const uint8_t group[16])
{
	bool leave = type == CHANGE_TO_INCLUDE;
	uint32_t addr = group_addr4(group);
	struct pktbuf *p;

	if (leave && version == GROUP_V1)
		return;
	p = pktbuf_alloc(st->pool);
	if (!p)
		return;
	p->len = (uint16_t)igmp_old_build(pktbuf_data(p),
					  leave			? IGMP_LEAVE
					  : version == GROUP_V1 ? IGMP_V1_REPORT
								: IGMP_V2_REPORT,
					  addr);
	send_message(st, port, p, leave ? wire_addr4(224, 0, 0, 2) : addr);
}

/* RFC 3376 9.1: nothing a router may have passed on; from version 2 on, what asks routers to look.
 * A query for all goes to all. */
static bool query_ok(const struct pktbuf *p, const struct ip4_hdr *ip, struct igmp_query *q)
{
	if (ip->ttl != 1 || igmp_query_parse(q, pktbuf_data(p), p->len) < 0)
		return false;
	if (q->version > 1 && !ip4_router_alert(p->buf + p->l3_off, ip->hdr_len))
		return false;
	return q->group ? addr_multicast4(q->group) : ip->dst == all_hosts();
}

static void query_in(struct stack *st, struct port *port, const uint8_t *data,
		     const struct igmp_query *q)
{
	static const enum group_version versions[] = {GROUP_V1, GROUP_V1, GROUP_V2, GROUP_V3};
	struct group_query gq = {
		.version = versions[q->version], .within_ms = q->max_ms, .n_sources = q->n_sources};
	uint8_t group[16];
	unsigned i;

	group_of4(group, q->group);
	if (q->group)
		gq.group = group;
	for (i = 0; i < q->n_sources && i < GROUP_SOURCE_MAX; i++)
		group_of4(gq.source[i], igmp_query_source(data, i));
	group_queried(st, port, GROUP_4, &gq);
}

void igmp_in(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip)
{
	struct igmp_query q;

	if (p->more || p->len < IGMP_LEN || csum_fold(csum_add(0, pktbuf_data(p), p->len)) != 0) {
		COUNT(st, IgmpInErrors);
	} else if (pktbuf_data(p)[0] == IGMP_QUERY) { /* what other members say is their business */
		if (query_ok(p, ip, &q)) {
			COUNT(st, IgmpInQueries);
			query_in(st, port, pktbuf_data(p), &q);
		} else {
			COUNT(st, IgmpInErrors);
		}
	}
	pktbuf_free(p);
}

const struct group_ops igmp_groups = {
	.headers = IP4_ALERT_HDR_LEN + IGMP_LEN,
	.record_len = IGMP_RECORD_LEN,
	.source_len = IGMP_SOURCE_LEN,
	.reported = reported,
	.record = record,
	.source = source,
	.send = send_report,
	.send_old = send_old,
};
