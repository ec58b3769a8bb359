/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv4's groups: heard while somebody is in them, told to routers of three versions, heard here
 * too. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "tcpip/group.h"
#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

#define GROUP ip(239, 1, 2, 3)

static struct desk d;
static struct packet pk;

static void setup(void)
{
	desk_open(&d);
}

static void teardown(void)
{
	desk_close(&d);
}

static struct socket *udp(uint16_t port)
{
	struct socket *so = desk_socket(&d, SOCK_DGRAM, 0);
	int on = 1;

	sock_setopt(so, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(desk_bind(so, 0, port), 0);
	return so;
}

static int member(struct socket *so, int name, uint32_t group, uint32_t address)
{
	struct ip_mreq req = {{group}, {address}};

	return sock_setopt(so, IPPROTO_IP, name, &req, sizeof(req));
}

static int join(struct socket *so, uint32_t group)
{
	return member(so, IP_ADD_MEMBERSHIP, group, ip(10, 0, 0, 1));
}

static int leave(struct socket *so, uint32_t group)
{
	return member(so, IP_DROP_MEMBERSHIP, group, ip(10, 0, 0, 1));
}

/* The next IGMP message that port 0 sent, by its type; 0: none. */
static uint8_t message(void)
{
	while (desk_sent(&d, 0, &pk)) {
		if (pk.ip.protocol != IPPROTO_IGMP)
			continue;
		ck_assert(ip4_router_alert(pk.l3, pk.ip.hdr_len));
		ck_assert_uint_eq(pk.ip.ttl, 1);
		ck_assert_uint_eq(pk.ip.tos, 0xc0);
		ck_assert_uint_eq(pk.ip.src, ip(10, 0, 0, 1));
		ck_assert_uint_eq(csum_fold(csum_add(0, pk.l4, pk.l4_len)), 0);
		return pk.l4[0];
	}
	return 0;
}

/* The record of version 3 that is sent for a group, and how often; 0: none. */
static uint8_t record_of(uint32_t group, unsigned *times)
{
	uint8_t type = 0;
	unsigned i;

	*times = 0;
	while (message()) {
		ck_assert_uint_eq(pk.l4[0], IGMP_V3_REPORT);
		ck_assert_uint_eq(pk.ip.dst, ip(224, 0, 0, 22));
		ck_assert_uint_eq(pk.l4_len, 8 + wire_get16(pk.l4 + 6) * 8u);
		for (i = 0; i < wire_get16(pk.l4 + 6); i++)
			if (memcmp(pk.l4 + 8 + i * 8 + 4, &group, 4) == 0) {
				type = pk.l4[8 + i * 8];
				++*times;
			}
	}
	return type;
}

struct query {
	uint8_t code, ttl, len;
	uint32_t src, dst, group;
	bool no_alert;
};

static void query(const struct query *q)
{
	uint8_t frame[ETH_HDR_LEN + IP4_ALERT_HDR_LEN + 12] = {0};
	uint8_t *l3 = frame + ETH_HDR_LEN, *l4 = l3 + IP4_ALERT_HDR_LEN;
	struct eth_hdr eth = {.dst = {1, 0, 0x5e, 0, 0, 1}, .type = ETH_TYPE_IP4};
	struct ip4_hdr h = {.ttl = q->ttl, .protocol = IPPROTO_IGMP, .src = q->src, .dst = q->dst};
	uint16_t sum;

	mac_of(ip(10, 0, 0, 9), eth.src);
	eth_build(frame, &eth);
	h.total_len = (uint16_t)(IP4_ALERT_HDR_LEN + q->len);
	ip4_build_alert(l3, &h);
	if (q->no_alert) { /* no-operations in its place */
		memset(l3 + IP4_HDR_LEN, 1, 4);
		memset(l3 + 10, 0, 2);
		sum = csum_fold(csum_add(0, l3, IP4_ALERT_HDR_LEN));
		memcpy(l3 + 10, &sum, 2);
	}
	l4[0] = IGMP_QUERY;
	l4[1] = q->code;
	memcpy(l4 + 4, &q->group, 4);
	sum = csum_fold(csum_add(0, l4, q->len));
	memcpy(l4 + 2, &sum, 2);
	desk_frame(&d, 0, frame, (size_t)(ETH_HDR_LEN + IP4_ALERT_HDR_LEN + q->len));
}

static struct query general(uint8_t len, uint8_t code)
{
	return (struct query){.code = code,
			      .ttl = 1,
			      .len = len,
			      .src = ip(10, 0, 0, 9),
			      .dst = ip(224, 0, 0, 1)};
}

START_TEST(a_join_is_reported_twice_and_a_leave_too)
{
	struct socket *so = udp(700);
	unsigned times;

	ck_assert_int_eq(join(so, GROUP), 0);
	ck_assert_int_eq(join(so, GROUP), -EADDRINUSE);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert_uint_eq(record_of(GROUP, &times), CHANGE_TO_EXCLUDE);
	ck_assert_uint_eq(times, 2);
	ck_assert_int_eq(leave(so, GROUP), 0);
	ck_assert_int_eq(leave(so, GROUP), -EADDRNOTAVAIL);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert_uint_eq(record_of(GROUP, &times), CHANGE_TO_INCLUDE);
	ck_assert_uint_eq(times, 2);
}
END_TEST

START_TEST(a_query_is_answered_within_its_time_but_not_for_all_hosts)
{
	struct socket *so = udp(700);
	struct query q = general(12, 20);
	unsigned times;

	ck_assert_int_eq(join(so, GROUP), 0);
	desk_pass(&d, 5 * SEC_NS);
	desk_drop_sent(&d, 0);
	query(&q);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_eq(record_of(GROUP, &times), MODE_IS_EXCLUDE);
	ck_assert_uint_eq(times, 1);
	query(&q);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_eq(record_of(ip(224, 0, 0, 1), &times), 0);
	q.group = GROUP;
	q.dst = GROUP;
	query(&q);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_eq(record_of(GROUP, &times), MODE_IS_EXCLUDE);
	q.src = 0; /* a switch without an address */
	query(&q);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_eq(record_of(GROUP, &times), MODE_IS_EXCLUDE);
	ck_assert_uint_eq(desk_count(&d, "IgmpInQueries"), 4);
}
END_TEST

START_TEST(what_no_router_of_the_link_asks_is_not_answered)
{
	struct socket *so = udp(700);
	struct query q;
	unsigned times;

	ck_assert_int_eq(join(so, GROUP), 0);
	desk_pass(&d, 5 * SEC_NS);
	desk_drop_sent(&d, 0);
	q = general(12, 10), q.ttl = 2, query(&q);
	q = general(12, 10), q.no_alert = true, query(&q);
	q = general(12, 10), q.dst = GROUP, query(&q); /* to all, but not to all hosts */
	q = general(12, 10), q.group = ip(10, 0, 0, 7), query(&q);
	q = general(10, 10), query(&q);
	desk_pass(&d, 3 * SEC_NS);
	ck_assert_uint_eq(record_of(GROUP, &times), 0);
	ck_assert_uint_eq(desk_count(&d, "IgmpInErrors"), 5);
	q = general(12, 10), q.group = q.dst = ip(239, 9, 9, 9), query(&q);
	desk_pass(&d, 3 * SEC_NS);
	ck_assert_uint_eq(record_of(GROUP, &times), 0);
}
END_TEST

START_TEST(older_routers_are_spoken_to_in_their_way_for_260_seconds)
{
	struct socket *so = udp(700);
	struct query v2 = general(8, 10), v1 = general(8, 0);
	unsigned times;

	query(&v2);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_int_eq(join(so, GROUP), 0);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert_uint_eq(message(), IGMP_V2_REPORT);
	ck_assert_uint_eq(pk.ip.dst, GROUP);
	ck_assert_uint_eq(pk.l4_len, 8);
	ck_assert_int_eq(leave(so, GROUP), 0);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert_uint_eq(message(), IGMP_V2_REPORT); /* the second of the join */
	ck_assert_uint_eq(message(), IGMP_LEAVE);
	ck_assert_uint_eq(pk.ip.dst, ip(224, 0, 0, 2));
	v1.no_alert = true; /* version 1 has none */
	query(&v1);
	desk_pass(&d, 10 * SEC_NS);
	desk_drop_sent(&d, 0);
	ck_assert_int_eq(join(so, GROUP), 0);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert_uint_eq(message(), IGMP_V1_REPORT);
	desk_drop_sent(&d, 0);
	ck_assert_int_eq(leave(so, GROUP), 0);
	desk_pass(&d, 260 * SEC_NS);
	ck_assert_uint_eq(message(), 0);
	ck_assert_int_eq(join(so, GROUP), 0);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert_uint_eq(record_of(GROUP, &times), CHANGE_TO_EXCLUDE);
}
END_TEST

static int64_t heard(struct socket *so)
{
	struct sock_addr from;
	uint64_t full;
	char buf[8];

	return desk_recv(so, buf, sizeof(buf), 0, &from, &full);
}

START_TEST(a_datagram_to_a_group_is_heard_by_all_bound_and_only_while_one_is_in_it)
{
	struct socket *a = udp(700), *b = udp(700), *c = desk_socket(&d, SOCK_DGRAM, 0);
	int on = 1, off = 0;

	sock_setopt(c, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(desk_bind(c, GROUP, 700), 0); /* this group alone */
	desk_udp(&d, ip(10, 0, 0, 9), 5, GROUP, 700, "x", 1);
	ck_assert_int_eq(heard(a), -EAGAIN);
	ck_assert_int_eq(join(a, GROUP), 0);
	ck_assert_int_eq(join(a, ip(239, 9, 9, 9)), 0);
	desk_udp(&d, ip(10, 0, 0, 9), 5, GROUP, 700, "x", 1);
	ck_assert_int_eq(heard(a), 1);
	ck_assert_int_eq(heard(b), 1);
	ck_assert_int_eq(heard(c), 1);
	desk_udp(&d, ip(10, 0, 0, 9), 5, ip(239, 9, 9, 9), 700, "x", 1);
	ck_assert_int_eq(heard(a), 1);
	ck_assert_int_eq(heard(b), 1);
	ck_assert_int_eq(heard(c), -EAGAIN);
	ck_assert_int_eq(sock_setopt(b, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off)), 0);
	desk_udp(&d, ip(10, 0, 0, 9), 5, GROUP, 700, "x", 1);
	ck_assert_int_eq(heard(b), -EAGAIN);
	ck_assert_int_eq(join(b, GROUP), 0);
	desk_udp(&d, ip(10, 0, 0, 9), 5, GROUP, 700, "x", 1);
	ck_assert_int_eq(heard(b), 1);
	sock_close(a);
	sock_close(b);
	desk_udp(&d, ip(10, 0, 0, 9), 5, GROUP, 700, "x", 1);
	ck_assert_int_eq(heard(c), 1); /* of the one before */
	ck_assert_int_eq(heard(c), 1);
	ck_assert_int_eq(heard(c), -EAGAIN);
}
END_TEST

START_TEST(nobody_is_told_of_errors_of_a_datagram_to_a_group)
{
	struct socket *so = udp(700);

	ck_assert_int_eq(join(so, GROUP), 0);
	desk_pass(&d, 5 * SEC_NS);
	desk_drop_sent(&d, 0);
	desk_udp(&d, ip(10, 0, 0, 9), 5, GROUP, 701, "x", 1);
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 0);
}
END_TEST

START_TEST(what_goes_to_a_group_has_its_own_ttl_and_port)
{
	struct socket *so = udp(0);
	struct sock_addr to = name(GROUP, 9);
	struct ip_mreqn by = {.imr_ifindex = 2};
	struct in_addr at = {ip(10, 0, 0, 1)};
	uint32_t len = sizeof(at);
	int v = 9;
	uint8_t byte = 7;

	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to),
			 -ENETUNREACH); /* no route, no port named */
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MULTICAST_IF, &at, sizeof(at)), 0);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_TTL, &v, sizeof(v)), 0);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), 1);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(pk.csum_ok);
	ck_assert_uint_eq(pk.ip.ttl, 1);
	ck_assert_uint_eq(pk.ip.src, ip(10, 0, 0, 1));
	ck_assert_mem_eq(pk.eth.dst, ((uint8_t[]){1, 0, 0x5e, 1, 2, 3}), 6);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MULTICAST_TTL, &byte, 1), 0);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)), 0);
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IP, IP_MULTICAST_IF, &at, &len), 0);
	ck_assert_uint_eq(at.s_addr, ip(192, 168, 5, 1));
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), 1);
	ck_assert(!desk_sent(&d, 0, &pk));
	ck_assert(desk_sent(&d, 1, &pk));
	ck_assert_uint_eq(pk.ip.ttl, 7);
	ck_assert_uint_eq(pk.ip.src, ip(192, 168, 5, 1));
	at.s_addr = ip(10, 0, 0, 99);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MULTICAST_IF, &at, sizeof(at)),
			 -EADDRNOTAVAIL);
	v = 256;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MULTICAST_TTL, &v, sizeof(v)), -EINVAL);
}
END_TEST

START_TEST(members_of_this_host_hear_each_other_unless_told_not_to)
{
	struct socket *a = udp(700), *b = udp(0);
	struct sock_addr to = name(GROUP, 700), from;
	struct in_addr at = {ip(10, 0, 0, 1)};
	int off = 0, on = 1;
	char big[4000] = {[3999] = 'z'}, back[4000];
	uint64_t full;

	ck_assert_int_eq(join(a, GROUP), 0);
	desk_pass(&d, 5 * SEC_NS);
	desk_drop_sent(&d, 0);
	ck_assert_int_eq(sock_setopt(b, IPPROTO_IP, IP_MULTICAST_IF, &at, sizeof(at)), 0);
	ck_assert_int_eq(desk_send(&d, b, "x", 1, &to), 1);
	ck_assert_int_eq(heard(a), 1);
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 1);
	ck_assert_int_eq(desk_send(&d, b, big, sizeof(big), &to), sizeof(big)); /* in fragments */
	ck_assert_int_eq(desk_recv(a, back, sizeof(back), 0, &from, &full), sizeof(big));
	ck_assert_mem_eq(big, back, sizeof(big));
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 3);
	ck_assert_int_eq(sock_setopt(b, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off)), 0);
	ck_assert_int_eq(desk_send(&d, b, "x", 1, &to), 1);
	ck_assert_int_eq(heard(a), -EAGAIN);
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 1);
	ck_assert_int_eq(sock_setopt(b, IPPROTO_IP, IP_MULTICAST_TTL, &off, sizeof(off)), 0);
	ck_assert_int_eq(desk_send(&d, b, "x", 1, &to), 1); /* to nobody at all */
	ck_assert_int_eq(sock_setopt(b, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof(on)), 0);
	ck_assert_int_eq(desk_send(&d, b, "x", 1, &to), 1);
	ck_assert_int_eq(heard(a), 1);
	ck_assert_int_eq(heard(a), -EAGAIN);
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 0);
}
END_TEST

START_TEST(memberships_are_bounded_and_what_is_no_group_is_refused)
{
	struct socket *so = udp(700), *tcp = desk_socket(&d, SOCK_STREAM, 0);
	struct group_req req = {.gr_interface = 2};
	struct sockaddr_in group = {.sin_family = AF_INET, .sin_addr = {GROUP}};
	unsigned i, n = 0;

	ck_assert_int_eq(join(so, ip(10, 0, 0, 5)), -EINVAL);
	ck_assert_int_eq(member(so, IP_ADD_MEMBERSHIP, GROUP, ip(10, 0, 0, 99)), -ENODEV);
	ck_assert_int_eq(member(so, IP_ADD_MEMBERSHIP, GROUP, 0), -ENODEV); /* no route */
	ck_assert_int_eq(join(tcp, GROUP), -EPROTO);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, 7), -EINVAL);
	memcpy(&req.gr_group, &group, sizeof(group));
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, MCAST_JOIN_GROUP, &req, sizeof(req)), 0);
	ck_assert(group_heard(d.st, &d.port[1].port, (uint8_t[16]){[10] = 255, 255, 239, 1, 2, 3}));
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, MCAST_LEAVE_GROUP, &req, sizeof(req)), 0);
	req.gr_interface = 3;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, MCAST_JOIN_GROUP, &req, sizeof(req)), -ENODEV);
	for (i = 0; i < 40; i++)
		n += join(so, ip(239, 0, 1, i)) == 0;
	ck_assert_uint_eq(n, GROUP_SOCK_MAX);
	ck_assert_int_eq(join(so, GROUP), -ENOBUFS);
	for (i = 0; i < 400; i++)
		n += join(i % 20 ? so : (so = udp(700)), ip(239, 0, 2 + i / 256, i % 256)) == 0;
	ck_assert_uint_ge(GROUP_MAX, n);
	ck_assert_uint_gt(n, 200);
	ck_assert_int_eq(join(udp(700), GROUP), -ENOBUFS);
}
END_TEST

int main(void)
{
	return run_cases(
		"igmp",
		CASES(a_join_is_reported_twice_and_a_leave_too,
		      a_query_is_answered_within_its_time_but_not_for_all_hosts,
		      what_no_router_of_the_link_asks_is_not_answered,
		      older_routers_are_spoken_to_in_their_way_for_260_seconds,
		      a_datagram_to_a_group_is_heard_by_all_bound_and_only_while_one_is_in_it,
		      nobody_is_told_of_errors_of_a_datagram_to_a_group,
		      what_goes_to_a_group_has_its_own_ttl_and_port,
		      members_of_this_host_hear_each_other_unless_told_not_to,
		      memberships_are_bounded_and_what_is_no_group_is_refused),
		setup, teardown);
}
