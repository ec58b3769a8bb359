/* SPDX-License-Identifier: BSD-3-Clause */
/* What routers say: addresses, default routes, their ends, and what a hostile one cannot do. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/desk6.h"

static struct desk d;
static struct packet6 pk;

static void setup(void)
{
	desk6_open_conf(&d, 0, true);
	desk_pass(&d, SEC_NS);
}

static void teardown(void)
{
	desk_close(&d);
}

static struct nd_msg router(uint16_t lifetime)
{
	struct nd_msg m = {.type = ICMP6_RA, .lifetime = lifetime, .has_slla = true};

	mac6(m.slla, 99);
	return m;
}

static void add_prefix(struct nd_msg *m, const char *prefix, uint32_t valid, uint32_t preferred)
{
	struct nd_prefix *p = &m->prefix[m->n_prefix++];

	*p = (struct nd_prefix){.len = 64, .on_link = true, .autonomous = true};
	p->valid = valid;
	p->preferred = preferred;
	ip6(p->prefix, prefix);
}

static unsigned addrs(struct addr_row *last)
{
	uint32_t cursor = 0;
	struct addr_row row;
	unsigned n = 0;

	while (stack_addr_row(d.st, &cursor, &row))
		if (row.dynamic) {
			*last = row;
			n++;
		}
	return n;
}

static unsigned routes(struct route_row *last)
{
	uint32_t cursor = 0;
	struct route_row row;
	unsigned n = 0;

	while (stack_route_row(d.st, &cursor, &row))
		if (row.from_router) {
			*last = row;
			n++;
		}
	return n;
}

START_TEST(routers_are_asked_for_three_times_and_not_after_one_answered)
{
	struct nd_msg m = router(1800);
	unsigned n = 0;

	desk_pass(&d, 60 * SEC_NS);
	while (desk6_sent(&d, &pk))
		if (pk.ext.next == IP6_ICMP && pk.icmp.type == ICMP6_RS) {
			ck_assert_uint_eq(pk.ip.hop_limit, 255);
			ck_assert_uint_eq(pk.ip.src[0], 0xfe);
			n++;
		}
	ck_assert_uint_eq(n, 3);
	desk_close(&d);
	setup();
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	desk_drop_sent(&d, 0);
	desk_pass(&d, 60 * SEC_NS);
	while (desk6_sent(&d, &pk))
		ck_assert(pk.ext.next != IP6_ICMP || pk.icmp.type != ICMP6_RS);
}
END_TEST

START_TEST(a_prefix_becomes_an_address_and_a_route_and_the_router_a_gateway)
{
	struct nd_msg m = router(1800);
	struct ip_addr src, dst = {.family = AF_INET6, .prefix = 128};
	struct addr_row a;
	struct route_row r;

	add_prefix(&m, "2001:db8:1::", 7200, 3600);
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	ck_assert_uint_eq(addrs(&a), 1);
	ck_assert_uint_eq(a.valid_s, 7200);
	ck_assert_uint_eq(a.preferred_s, 3600);
	ck_assert_uint_eq(routes(&r), 2);
	ip6(dst.bytes, "2a00::1");
	ck_assert_int_eq(stack_route_lookup(d.st, &dst, &src), 0);
	ck_assert_mem_eq(src.bytes, a.addr.bytes, 16);
}
END_TEST

/* RFC 7217 5: the same net, the same address; another net or another secret, another. */
START_TEST(an_address_is_the_same_on_its_net_and_tells_nothing_on_another)
{
	struct nd_msg m = router(0);
	struct addr_row a, b;
	uint8_t mac[6];

	add_prefix(&m, "2001:db8:1::", 7200, 3600);
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	addrs(&a);
	memcpy(mac, a.addr.bytes + 8, 3);
	memcpy(mac + 3, a.addr.bytes + 13, 3);
	ck_assert_mem_ne(mac + 3, d.port[0].port.mac + 3, 3); /* not made of the MAC */
	desk_close(&d);
	setup();
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	addrs(&b);
	ck_assert_mem_eq(a.addr.bytes, b.addr.bytes, 16);
	m.n_prefix = 0;
	add_prefix(&m, "2001:db8:2::", 7200, 3600);
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	ck_assert_uint_eq(addrs(&b), 2);
	ck_assert_mem_ne(a.addr.bytes + 8, b.addr.bytes + 8, 8);
}
END_TEST

START_TEST(an_address_ends_with_its_life_and_a_route_with_its_router)
{
	struct nd_msg m = router(100);
	struct addr_row a;
	struct route_row r;

	add_prefix(&m, "2001:db8:1::", 200, 100);
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	ck_assert_uint_eq(routes(&r), 2);
	desk_pass(&d, 101 * SEC_NS);
	ck_assert_uint_eq(routes(&r), 1);
	ck_assert_uint_eq(addrs(&a), 1);
	ck_assert_uint_eq(a.preferred_s, 0);
	desk_pass(&d, 100 * SEC_NS);
	ck_assert_uint_eq(routes(&r), 0);
	ck_assert_uint_eq(addrs(&a), 0);
}
END_TEST

/* RFC 4862 5.5.4: not even for its own prefix, where there is another. */
START_TEST(a_deprecated_address_stays_but_is_not_chosen)
{
	struct ip_addr src, dst = {.family = AF_INET6, .prefix = 128};
	struct nd_msg m = router(1800);
	struct addr_row a;
	uint8_t net[16];

	add_prefix(&m, "2001:db8:1::", 7200, 100);
	add_prefix(&m, "2001:db8:2::", 7200, 3600);
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	desk_pass(&d, 5 * SEC_NS);
	ip6(dst.bytes, "2001:db8:1::55");
	ip6(net, "2001:db8:1::");
	ck_assert_int_eq(stack_route_lookup(d.st, &dst, &src), 0);
	ck_assert_mem_eq(src.bytes, net, 8);
	desk_pass(&d, 100 * SEC_NS);
	ck_assert_uint_eq(addrs(&a), 2);
	ip6(net, "2001:db8:2::");
	ck_assert_int_eq(stack_route_lookup(d.st, &dst, &src), 0);
	ck_assert_mem_eq(src.bytes, net, 8);
}
END_TEST

START_TEST(an_address_that_somebody_has_ends_with_its_life_too)
{
	struct nd_msg m = router(100), na = {.type = ICMP6_NA, .flags = ND_NA_OVERRIDE};
	struct addr_row a;
	unsigned i;

	desk_close(&d);
	desk6_open_conf(&d, 1, true);
	desk_pass(&d, 3 * SEC_NS);
	add_prefix(&m, "2001:db8:1::", 200, 100);
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	na.has_tlla = true;
	mac6(na.tlla, 9);
	for (i = 0; i < 3; i++) { /* as often as there is another one to try */
		ck_assert_uint_eq(addrs(&a), 1);
		memcpy(na.target, a.addr.bytes, 16);
		desk6_nd(&d, 9, "2001:db8:1::9", ip6_all_nodes, &na);
	}
	ck_assert_uint_eq(addrs(&a), 1);
	ck_assert(a.duplicate);
	desk_pass(&d, 150 * SEC_NS);
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	desk_pass(&d, 150 * SEC_NS);
	ck_assert_uint_eq(addrs(&a), 1);
	desk_pass(&d, 51 * SEC_NS);
	ck_assert_uint_eq(addrs(&a), 0);
}
END_TEST

START_TEST(a_router_that_resigns_is_no_gateway_any_more)
{
	struct nd_msg m = router(1800);
	struct route_row r;

	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	ck_assert_uint_eq(routes(&r), 1);
	m.lifetime = 0;
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	ck_assert_uint_eq(routes(&r), 0);
}
END_TEST

/* RFC 4862 5.5.3 e. */
START_TEST(one_message_shortens_a_life_to_two_hours_and_not_further)
{
	struct nd_msg m = router(0);
	struct addr_row a;

	add_prefix(&m, "2001:db8:1::", 86400, 3600);
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	m.prefix[0].valid = 10;
	m.prefix[0].preferred = 5;
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	addrs(&a);
	ck_assert_uint_eq(a.valid_s, 7200);
	ck_assert_uint_eq(a.preferred_s, 5);
	desk_pass(&d, 3600 * SEC_NS);
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	addrs(&a);
	ck_assert_uint_eq(a.valid_s, 3600);
	m.prefix[0].valid = 9000; /* longer is always believed */
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	addrs(&a);
	ck_assert_uint_eq(a.valid_s, 9000);
}
END_TEST

START_TEST(a_router_by_a_global_address_or_with_a_bad_prefix_is_not_believed)
{
	struct nd_msg m = router(1800);
	struct addr_row a;
	struct route_row r;

	add_prefix(&m, "2001:db8:1::", 7200, 3600);
	desk6_nd(&d, 99, "2001:db8::99", ip6_all_nodes, &m);
	ck_assert_uint_eq(addrs(&a) + routes(&r), 0);
	m = router(0);
	add_prefix(&m, "fe80::", 7200, 3600);
	add_prefix(&m, "2001:db8:1::", 3600, 7200); /* preferred longer than valid */
	add_prefix(&m, "2001:db8:2::", 7200, 3600);
	m.prefix[2].len = 65;
	m.prefix[2].on_link = false;
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	ck_assert_uint_eq(addrs(&a) + routes(&r), 0);
}
END_TEST

START_TEST(a_flood_of_routers_and_prefixes_ends_at_the_limits)
{
	char src[40], prefix[40];
	struct addr_row a;
	struct route_row r;
	unsigned i;

	for (i = 0; i < 300; i++) {
		struct nd_msg m = router(1800);

		snprintf(src, sizeof(src), "fe80::%x", i + 2);
		snprintf(prefix, sizeof(prefix), "2001:db8:%x::", i);
		add_prefix(&m, prefix, 7200, 3600);
		desk6_nd(&d, 99, src, ip6_all_nodes, &m);
	}
	ck_assert_uint_eq(addrs(&a), IP6_PORT_ADDRS);
	ck_assert_uint_eq(routes(&r), IP6_ROUTER_MAX + IP6_PREFIX_MAX);
	ck_assert_int_eq(desk6_addr(&d, "2001:db9::1", 64), 0); /* room for what is told */
}
END_TEST

START_TEST(a_net_that_does_not_listen_to_routers_does_not)
{
	struct nd_msg m = router(1800);
	struct addr_row a;
	struct route_row r;

	desk_close(&d);
	desk6_open_conf(&d, 0, false);
	add_prefix(&m, "2001:db8:1::", 7200, 3600);
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	ck_assert_uint_eq(addrs(&a) + routes(&r), 0);
}
END_TEST

START_TEST(hop_limit_and_mtu_are_the_routers)
{
	struct nd_msg m = router(1800);
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6("fe80::99", 53);
	uint8_t data[1400] = {0};
	int how = IPV6_PMTUDISC_DO;

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &how, sizeof(how)), 0);
	m.hop_limit = 33;
	m.mtu = 1400;
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	desk_drop_sent(&d, 0);
	ck_assert_int_eq(desk_send(&d, so, data, 1352, &to), 1352);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.ip.hop_limit, 33);
	ck_assert_int_eq(desk_send(&d, so, data, 1353, &to), -EMSGSIZE);
	m.mtu = 1279; /* RFC 4861 6.3.4: not below what IPv6 asks, nor above the link's */
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	m.mtu = 9000;
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	ck_assert_int_eq(desk_send(&d, so, data, 1353, &to), -EMSGSIZE);
}
END_TEST

/* CVE-2015-2922. */
START_TEST(a_router_cannot_make_the_hop_limit_so_low_that_nothing_passes)
{
	static const struct {
		uint8_t said, then;
	} steps[] = {{1, 64}, {31, 64}, {32, 32}, {255, 255}, {0, 255}, {2, 255}, {64, 64}};
	struct nd_msg m = router(1800);
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6("fe80::99", 53);
	unsigned i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		m.hop_limit = steps[i].said;
		desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
		desk_drop_sent(&d, 0);
		ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), 1);
		ck_assert(desk6_sent(&d, &pk));
		ck_assert_uint_eq(pk.ip.hop_limit, steps[i].then);
	}
}
END_TEST

/* RFC 4861 6.3.4: how often a neighbour is asked, how long it is believed. */
START_TEST(times_of_neighbour_discovery_are_the_routers)
{
	struct nd_msg m = router(1800), na = {.type = ICMP6_NA, .flags = ND_NA_SOLICITED};
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6("fe80::9", 53);
	struct neigh_row row;
	uint8_t us[16];
	unsigned i;

	link_local(&d, us);
	m.has_slla = false;
	m.reachable = 4000;
	m.retrans = 200;
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	desk_drop_sent(&d, 0);
	ck_assert_int_eq(desk_send(&d, so, "hi", 2, &to), 2);
	desk_pass(&d, 500 * MS_NS);
	for (i = 0; desk6_sent(&d, &pk); i++)
		ck_assert_uint_eq(pk.nd.type, ICMP6_NS);
	ck_assert_uint_eq(i, 3);
	ip6(na.target, "fe80::9");
	na.has_tlla = true;
	mac6(na.tlla, 9);
	desk6_nd(&d, 9, "fe80::9", us, &na);
	desk_neighbours(&d, &row);
	ck_assert_uint_eq(row.state, NEIGH_REACHABLE);
	desk_pass(&d, 1990 * MS_NS);
	desk_neighbours(&d, &row);
	ck_assert_uint_eq(row.state, NEIGH_REACHABLE);
	desk_pass(&d, 4100 * MS_NS);
	desk_neighbours(&d, &row);
	ck_assert_uint_eq(row.state, NEIGH_STALE);
}
END_TEST

/* RFC 4862 5.4: the time between probes is the same. */
START_TEST(an_address_is_asked_for_as_long_as_the_router_says)
{
	struct nd_msg m = router(0);
	struct addr_row a;

	desk_close(&d);
	desk6_open_conf(&d, 1, true);
	desk_pass(&d, 3 * SEC_NS);
	m.retrans = 5000;
	add_prefix(&m, "2001:db8:1::", 7200, 3600);
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	desk_pass(&d, 4900 * MS_NS);
	ck_assert_uint_eq(addrs(&a), 1);
	ck_assert(a.tentative);
	desk_pass(&d, 1200 * MS_NS);
	ck_assert_uint_eq(addrs(&a), 1);
	ck_assert(!a.tentative);
}
END_TEST

/* 6.3.2. */
START_TEST(the_reachable_time_is_half_to_one_and_a_half_of_the_base_and_made_anew)
{
	struct nd_msg m = router(1800);
	const struct port *port = &d.port[0].port;
	uint64_t t, least = UINT64_MAX, most = 0;
	unsigned i;

	for (i = 0; i < 100; i++) {
		m.reachable = 100000 + i % 2;
		desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
		t = slaac_reachable(d.st, port);
		least = t < least ? t : least;
		most = t > most ? t : most;
	}
	ck_assert_uint_ge(least, 50 * SEC_NS);
	ck_assert_uint_lt(least, 60 * SEC_NS);
	ck_assert_uint_le(most, 151 * SEC_NS);
	ck_assert_uint_gt(most, 140 * SEC_NS);
	t = slaac_reachable(d.st, port);
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	ck_assert_uint_eq(slaac_reachable(d.st, port), t);
	m.lifetime = 0;
	desk_pass(&d, 7201 * SEC_NS);
	ck_assert_uint_ne(slaac_reachable(d.st, port), t);
}
END_TEST

START_TEST(times_that_make_no_sense_are_bounded_and_none_changes_nothing)
{
	struct nd_msg m = router(1800);
	const struct port *port = &d.port[0].port;

	ck_assert_uint_eq(slaac_retrans(d.st, port), SEC_NS);
	m.reachable = m.retrans = 1;
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	ck_assert_uint_eq(slaac_retrans(d.st, port), 100 * MS_NS);
	ck_assert_uint_ge(slaac_reachable(d.st, port), 50 * MS_NS);
	m.reachable = m.retrans = UINT32_MAX;
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	ck_assert_uint_eq(slaac_retrans(d.st, port), 10 * SEC_NS);
	ck_assert_uint_ge(slaac_reachable(d.st, port), 1800 * SEC_NS);
	ck_assert_uint_le(slaac_reachable(d.st, port), 5400 * SEC_NS);
	m.reachable = m.retrans = 0;
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	ck_assert_uint_eq(slaac_retrans(d.st, port), 10 * SEC_NS);
	ck_assert_uint_ge(slaac_reachable(d.st, port), 1800 * SEC_NS);
}
END_TEST

/* Longer than the timing wheel reaches: 12 days. */
START_TEST(a_life_of_thirty_days_lasts_thirty_days)
{
	struct nd_msg m = router(0);
	struct addr_row a;

	add_prefix(&m, "2001:db8:1::", 30 * 86400, 7 * 86400);
	desk6_nd(&d, 99, "fe80::99", ip6_all_nodes, &m);
	desk_pass(&d, 29ull * 86400 * SEC_NS);
	ck_assert_uint_eq(addrs(&a), 1);
	desk_pass(&d, 2ull * 86400 * SEC_NS);
	ck_assert_uint_eq(addrs(&a), 0);
}
END_TEST

START_TEST(a_link_that_is_too_narrow_gets_no_ipv6)
{
	struct stack_ip6_conf conf = {.accept_ra = true};

	d.port[1].port.mtu = 1279;
	ck_assert_int_eq(stack_ip6_up(d.st, &d.port[1].port, &conf), -EINVAL);
	d.port[1].port.mtu = 1280;
	ck_assert_int_eq(stack_ip6_up(d.st, &d.port[1].port, &conf), 0);
	ck_assert_int_eq(stack_ip6_up(d.st, &d.port[1].port, &conf), -EEXIST);
	desk_pass(&d, 20 * SEC_NS);
	desk_drop_sent(&d, 1);
}
END_TEST

int main(void)
{
	return run_cases(
		"slaac",
		CASES(routers_are_asked_for_three_times_and_not_after_one_answered,
		      a_prefix_becomes_an_address_and_a_route_and_the_router_a_gateway,
		      an_address_is_the_same_on_its_net_and_tells_nothing_on_another,
		      an_address_ends_with_its_life_and_a_route_with_its_router,
		      a_deprecated_address_stays_but_is_not_chosen,
		      an_address_that_somebody_has_ends_with_its_life_too,
		      a_router_that_resigns_is_no_gateway_any_more,
		      one_message_shortens_a_life_to_two_hours_and_not_further,
		      a_router_by_a_global_address_or_with_a_bad_prefix_is_not_believed,
		      a_flood_of_routers_and_prefixes_ends_at_the_limits,
		      a_net_that_does_not_listen_to_routers_does_not,
		      hop_limit_and_mtu_are_the_routers,
		      a_router_cannot_make_the_hop_limit_so_low_that_nothing_passes,
		      times_of_neighbour_discovery_are_the_routers,
		      an_address_is_asked_for_as_long_as_the_router_says,
		      the_reachable_time_is_half_to_one_and_a_half_of_the_base_and_made_anew,
		      times_that_make_no_sense_are_bounded_and_none_changes_nothing,
		      a_life_of_thirty_days_lasts_thirty_days,
		      a_link_that_is_too_narrow_gets_no_ipv6),
		setup, teardown);
}
