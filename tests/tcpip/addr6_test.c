/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses: found out to be free before they are used, chosen to send from, gone with their port.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/desk6.h"

static struct desk d;
static struct packet6 pk;

static void setup(void)
{
	desk6_open_conf(&d, 1, false);
}

static void teardown(void)
{
	desk_close(&d);
}

static bool row_of(const char *text, struct addr_row *row)
{
	uint32_t cursor = 0;
	uint8_t a[16];

	ip6(a, text);
	while (stack_addr_row(d.st, &cursor, row))
		if (row->addr.family == AF_INET6 && memcmp(row->addr.bytes, a, 16) == 0)
			return true;
	return false;
}

static unsigned sent_of_type(uint8_t type, struct packet6 *last)
{
	unsigned n = 0;
	struct packet6 p;

	while (desk6_sent(&d, &p))
		if (p.ext.next == IP6_ICMP && p.icmp.type == type) {
			*last = p;
			n++;
		}
	return n;
}

START_TEST(an_address_is_asked_for_from_nobody_before_it_is_used)
{
	struct addr_row row;
	struct nd_msg m = {.type = ICMP6_NS};
	uint8_t group[16];

	ck_assert_int_eq(desk6_addr(&d, "2001:db8::1", 64), 0);
	ck_assert(row_of("2001:db8::1", &row) && row.tentative);
	desk_pass(&d, 990 * MS_NS); /* both have sent their probe, neither waited its second */
	ck_assert_uint_eq(sent_of_type(ICMP6_NS, &pk), 2);
	ck_assert(ip6_is_unspecified(pk.ip.src));
	ck_assert(!pk.nd.has_slla);
	ip6(m.target, "2001:db8::1");
	ip6_solicited_node(group, m.target);
	m.has_slla = true;
	mac6(m.slla, 9);
	desk6_nd(&d, 9, "2001:db8::9", group, &m); /* not ours yet: RFC 4862 5.4 */
	ck_assert_uint_eq(sent_of_type(ICMP6_NA, &pk), 0);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert(row_of("2001:db8::1", &row) && !row.tentative);
	ck_assert_uint_eq(sent_of_type(ICMP6_NA, &pk), 2); /* and told to all */
	desk6_nd(&d, 9, "2001:db8::9", group, &m);
	ck_assert_uint_eq(sent_of_type(ICMP6_NA, &pk), 1);
}
END_TEST

START_TEST(an_address_that_somebody_has_is_not_used)
{
	struct nd_msg m = {.type = ICMP6_NA, .flags = ND_NA_OVERRIDE, .has_tlla = true};
	struct addr_row row;
	struct sock_addr a = name6("2001:db8::1", 80);
	struct socket *so = socket6(&d, SOCK_STREAM, 0);

	ck_assert_int_eq(desk6_addr(&d, "2001:db8::1", 64), 0);
	ip6(m.target, "2001:db8::1");
	mac6(m.tlla, 9);
	desk6_nd(&d, 9, "2001:db8::1", ip6_all_nodes, &m);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert(row_of("2001:db8::1", &row) && row.duplicate);
	ck_assert_uint_eq(desk_count(&d, "Ip6DadFailed"), 1);
	ck_assert_int_eq(sock_bind(so, &a), -EADDRNOTAVAIL);
}
END_TEST

START_TEST(two_who_probe_for_one_address_both_give_it_up)
{
	struct nd_msg m = {.type = ICMP6_NS};
	struct addr_row row;
	uint8_t group[16];

	ck_assert_int_eq(desk6_addr(&d, "2001:db8::1", 64), 0);
	ip6(m.target, "2001:db8::1");
	ip6_solicited_node(group, m.target);
	desk6_nd(&d, 9, "::", group, &m);
	ck_assert(row_of("2001:db8::1", &row) && row.duplicate);
}
END_TEST

START_TEST(a_link_local_address_that_somebody_has_is_made_anew_three_times_at_most)
{
	struct nd_msg m = {.type = ICMP6_NA, .flags = ND_NA_OVERRIDE, .has_tlla = true};
	uint8_t a[3][16], last[16];
	unsigned i;

	mac6(m.tlla, 9);
	for (i = 0; i < 3; i++) {
		link_local(&d, a[i]);
		memcpy(m.target, a[i], 16);
		desk6_nd(&d, 9, "2001:db8::9", ip6_all_nodes, &m);
	}
	ck_assert_mem_ne(a[0], a[1], 16);
	ck_assert_mem_ne(a[1], a[2], 16);
	link_local(&d, last);
	ck_assert_mem_eq(last, a[2], 16);
	ck_assert_uint_eq(desk_count(&d, "Ip6DadFailed"), 3);
}
END_TEST

START_TEST(the_address_to_send_from_has_the_destinations_scope_then_the_longest_prefix)
{
	struct ip_addr src, dst = {.family = AF_INET6, .prefix = 128};
	uint8_t want[16];

	ck_assert_int_eq(desk6_addr(&d, "2001:db8::1", 64), 0);
	ck_assert_int_eq(desk6_addr(&d, "2001:db8:7::1", 64), 0);
	desk_pass(&d, 3 * SEC_NS);
	ip6(dst.bytes, "2001:db8:7::55");
	ck_assert_int_eq(stack_route_lookup(d.st, &dst, &src), 0);
	ip6(want, "2001:db8:7::1");
	ck_assert_mem_eq(src.bytes, want, 16);
	ip6(dst.bytes, "fe80::9");
	ck_assert_int_eq(stack_route_lookup(d.st, &dst, &src), 0);
	link_local(&d, want);
	ck_assert_mem_eq(src.bytes, want, 16);
	ip6(dst.bytes, "2001:db9::1");
	ck_assert_int_eq(stack_route_lookup(d.st, &dst, &src), -ENETUNREACH);
}
END_TEST

/* RFC 6724's labels: Teredo's, 6to4's, unique local ones are for their like. */
START_TEST(the_address_to_send_from_has_the_destinations_label_before_the_longest_prefix)
{
	static const char *const pairs[][2] = {
		{"2001:db8::9", "2600::1"}, /* by its bits Teredo's is nearer */
		{"2001:0:9::9", "2001:0:5::1"}, {"2002:c058::1", "2002:a00::1"},
		{"fd12::9", "fd99::1"},		{"fb00::1", "2600::1"},
	};
	struct ip_addr any = {.family = AF_INET6}, via = {.family = AF_INET6, .prefix = 128};
	struct ip_addr src, dst = {.family = AF_INET6, .prefix = 128};
	uint8_t want[16];
	unsigned i;

	ip6(via.bytes, "fe80::a");
	ck_assert_int_eq(stack_route_add(d.st, &any, &via, &d.port[0].port, 0), 0);
	ck_assert_int_eq(desk6_addr(&d, "2001:0:5::1", 64), 0);
	ck_assert_int_eq(desk6_addr(&d, "fd99::1", 64), 0);
	ck_assert_int_eq(desk6_addr(&d, "2002:a00::1", 64), 0);
	ck_assert_int_eq(desk6_addr(&d, "2600::1", 64), 0);
	desk_pass(&d, 3 * SEC_NS);
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		ip6(dst.bytes, pairs[i][0]);
		ck_assert_int_eq(stack_route_lookup(d.st, &dst, &src), 0);
		ip6(want, pairs[i][1]);
		ck_assert_mem_eq(src.bytes, want, 16);
	}
}
END_TEST

START_TEST(of_two_addresses_of_one_prefix_the_interface_identifier_decides_nothing)
{
	struct ip_addr src, dst = {.family = AF_INET6, .prefix = 128};
	uint8_t want[16];

	ck_assert_int_eq(desk6_addr(&d, "2001:db8::1", 64), 0);
	ck_assert_int_eq(desk6_addr(&d, "2001:db8::5500", 64), 0);
	desk_pass(&d, 3 * SEC_NS);
	ip6(dst.bytes, "2001:db8::5501");
	ck_assert_int_eq(stack_route_lookup(d.st, &dst, &src), 0);
	ip6(want, "2001:db8::1");
	ck_assert_mem_eq(src.bytes, want, 16);
}
END_TEST

START_TEST(addresses_that_no_host_can_have_are_refused)
{
	ck_assert_int_eq(desk6_addr(&d, "ff02::5", 64), -EINVAL);
	ck_assert_int_eq(desk6_addr(&d, "::", 64), -EINVAL);
	ck_assert_int_eq(desk6_addr(&d, "::1", 128), -EINVAL);
	ck_assert_int_eq(desk6_addr(&d, "::ffff:10.0.0.1", 128), -EINVAL);
	ck_assert_int_eq(desk6_addr(&d, "2001:db8::1", 129), -EINVAL);
	ck_assert_int_eq(desk6_addr(&d, "2001:db8::1", 64), 0);
	ck_assert_int_eq(desk6_addr(&d, "2001:db8::1", 64), -EEXIST);
}
END_TEST

START_TEST(the_table_is_bounded_and_empty_after_the_port_went)
{
	struct addr_row row;
	uint32_t cursor = 0;
	char text[40];
	unsigned i, n = 0;

	for (i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "2001:db8::%x", i + 1);
		n += desk6_addr(&d, text, 64) == 0;
	}
	ck_assert_uint_eq(n, IP6_ADDR_MAX - 1);
	stack_port_del(d.st, &d.port[0].port);
	while (stack_addr_row(d.st, &cursor, &row))
		ck_assert_uint_eq(row.addr.family, AF_INET);
	ck_assert_uint_eq(d.st->ip6->spare, d.st->ip6->high);
	stack_port_add(d.st, &d.port[0].port);
}
END_TEST

int main(void)
{
	return run_cases(
		"addr6",
		CASES(an_address_is_asked_for_from_nobody_before_it_is_used,
		      an_address_that_somebody_has_is_not_used,
		      two_who_probe_for_one_address_both_give_it_up,
		      a_link_local_address_that_somebody_has_is_made_anew_three_times_at_most,
		      the_address_to_send_from_has_the_destinations_scope_then_the_longest_prefix,
		      the_address_to_send_from_has_the_destinations_label_before_the_longest_prefix,
		      of_two_addresses_of_one_prefix_the_interface_identifier_decides_nothing,
		      addresses_that_no_host_can_have_are_refused,
		      the_table_is_bounded_and_empty_after_the_port_went),
		setup, teardown);
}
