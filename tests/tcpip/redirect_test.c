/* SPDX-License-Identifier: BSD-3-Clause */
/* Redirects: whose are believed, what they change, and for how long. Both families. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/desk6.h"

static struct desk d;
static struct packet6 pk6;
static struct packet pk;
static struct socket *so4;

/* ---- IPv6 --------------------------------------------------------------------------------- */

/* fe80::a is the router, with MAC 10. */
static void setup6(void)
{
	struct nd_msg m = {.type = ICMP6_RA, .lifetime = 1800, .has_slla = true};

	desk6_open(&d);
	mac6(m.slla, 10);
	desk6_nd(&d, 10, "fe80::a", ip6_all_nodes, &m);
}

static void teardown(void)
{
	desk_close(&d);
}

/* Neighbour n says that dst is better reached by target, which has the MAC tlla (0: not said). */
static void redirect6(uint8_t n, const char *src, const char *dst, const char *target, uint8_t tlla)
{
	struct nd_msg m = {.type = ICMP6_REDIRECT, .has_tlla = tlla != 0};
	uint8_t us[16];

	ip6(m.dst, dst);
	ip6(m.target, target);
	mac6(m.tlla, tlla);
	ip6(us, "2001:db8::1");
	desk6_nd(&d, n, src, us, &m);
}

/* By whose MAC a datagram to dst goes; 0: somebody is asked for. */
static unsigned sent_by(const char *dst)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6(dst, 53);

	desk_drop_sent(&d, 0);
	ck_assert_int_eq(desk_send(&d, so, "hi", 2, &to), 2);
	sock_close(so);
	return desk6_sent(&d, &pk6) && pk6.ip.next == IP6_UDP ? pk6.eth.dst[5] : 0;
}

START_TEST(a_router_may_name_a_better_one_for_a_host)
{
	redirect6(10, "fe80::a", "2a00::1", "fe80::b", 11);
	ck_assert_uint_eq(sent_by("2a00::1"), 11);
	ck_assert_uint_eq(sent_by("2a00::2"), 10);
	ck_assert_uint_eq(sent_by("2a00::1"), 11);
	ck_assert_uint_eq(desk_count(&d, "NdInRedirects"), 1);
	ck_assert_uint_eq(desk_count(&d, "NdInErrors"), 0);
}
END_TEST

START_TEST(a_router_may_say_that_a_host_is_a_neighbour)
{
	redirect6(10, "fe80::a", "2a00::1", "2a00::1", 12);
	ck_assert_uint_eq(sent_by("2a00::1"), 12);
	redirect6(10, "fe80::a", "2a00::2", "2a00::2", 0);
	ck_assert_uint_eq(sent_by("2a00::2"), 0);
	ck_assert_uint_eq(pk6.nd.type, ICMP6_NS);
	ck_assert_uint_eq(pk6.nd.target[15], 2);
}
END_TEST

/* RFC 4861 8.1. */
START_TEST(a_redirect_that_is_not_sound_is_not_believed)
{
	struct nd_msg m = {.type = ICMP6_REDIRECT};
	struct ip6_hdr h = {.next = IP6_ICMP, .hop_limit = 254};
	struct ip_addr net = {AF_INET6, 16, {0x2b}}, via = {.family = AF_INET6, .prefix = 128};
	uint8_t own[16], l4[64];
	char text[64];

	redirect6(11, "fe80::b", "2a00::1", "fe80::c", 12);	/* he is not asked */
	redirect6(10, "2001:db8::a", "2a00::1", "fe80::b", 11); /* routers are link-local */
	redirect6(10, "fe80::a", "2a00::1", "2001:db8::b", 11); /* neither here nor there */
	redirect6(10, "fe80::a", "2001:db8::5", "fe80::b", 11); /* a neighbour needs no router */
	redirect6(10, "fe80::a", "2a00::1", "fe80::a", 10);	/* where it goes anyway */
	redirect6(10, "fe80::a", "2001:db8::1", "fe80::b", 11); /* us */
	redirect6(10, "fe80::a", "::ffff:8.8.8.8", "fe80::b", 11);
	redirect6(10, "fe80::a", "ff0e::1", "fe80::b", 11);
	ip6(via.bytes, "2001:db8::a");
	ck_assert_int_eq(stack_route_add(d.st, &net, &via, &d.port[0].port, 0), 0);
	redirect6(10, "2001:db8::a", "2b00::1", "fe80::b", 11); /* a gateway that was set */
	link_local(&d, own);
	snprintf(text, sizeof(text), "fe80::%x:%x:%x:%x", own[8] << 8 | own[9],
		 own[10] << 8 | own[11], own[12] << 8 | own[13], own[14] << 8 | own[15]);
	redirect6(10, "fe80::a", "2a00::1", text, 11);
	ip6(h.src, "fe80::a");
	ip6(h.dst, "2001:db8::1");
	ip6(m.dst, "2a00::1");
	ip6(m.target, "fe80::b");
	desk6_packet(&d, 10, &h, l4, nd_build(l4, &m));
	ck_assert_uint_eq(desk_count(&d, "NdInErrors"), 11);
	ck_assert_uint_eq(sent_by("2a00::1"), 10);
	ck_assert_uint_eq(d.st->n_redirects, 0);
}
END_TEST

/* RFC 4861 8.1: "the current first-hop router". */
START_TEST(then_the_better_router_is_asked_and_may_send_on_or_back)
{
	redirect6(10, "fe80::a", "2a00::1", "fe80::b", 11);
	redirect6(10, "fe80::a", "2a00::1", "fe80::c", 12);
	ck_assert_uint_eq(sent_by("2a00::1"), 11);
	redirect6(11, "fe80::b", "2a00::1", "fe80::c", 12);
	ck_assert_uint_eq(sent_by("2a00::1"), 12);
	redirect6(12, "fe80::c", "2a00::1", "fe80::a", 10);
	ck_assert_uint_eq(sent_by("2a00::1"), 10);
	ck_assert_uint_eq(d.st->n_redirects, 0);
}
END_TEST

START_TEST(a_better_router_that_is_dead_is_forgotten_and_nothing_that_waited_is_lost)
{
	redirect6(10, "fe80::a", "2a00::1", "fe80::b", 11);
	ck_assert_uint_eq(sent_by("2a00::1"), 11);
	desk_pass(&d, 9 * SEC_NS);
	ck_assert_uint_eq(sent_by("2a00::1"), 10);
	redirect6(10, "fe80::a", "2a00::1", "fe80::c", 0);
	ck_assert_uint_eq(sent_by("2a00::1"), 0);
	desk_pass(&d, 4 * SEC_NS);
	while (desk6_sent(&d, &pk6) && pk6.ip.next != IP6_UDP)
		;
	ck_assert_uint_eq(pk6.ip.next, IP6_UDP);
	ck_assert_uint_eq(pk6.eth.dst[5], 10);
}
END_TEST

START_TEST(a_redirect_is_forgotten_after_five_minutes)
{
	redirect6(10, "fe80::a", "2a00::1", "2a00::1", 11);
	desk_pass(&d, 200 * SEC_NS);
	redirect6(10, "fe80::a", "2a00::2", "2a00::2", 12);
	desk_pass(&d, 99 * SEC_NS);
	ck_assert_uint_eq(sent_by("2a00::1"), 11);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_eq(d.st->n_redirects, 1);
	ck_assert_uint_eq(sent_by("2a00::1"), 10);
	desk_pass(&d, 200 * SEC_NS);
	ck_assert_uint_eq(d.st->n_redirects, 0);
}
END_TEST

START_TEST(a_redirect_counts_as_long_as_the_routes_lead_to_who_sent_it)
{
	struct ip_addr net = {AF_INET6, 16, {0x2a}}, via = {.family = AF_INET6, .prefix = 128};

	redirect6(10, "fe80::a", "2a00::1", "fe80::b", 11);
	ip6(via.bytes, "fe80::d");
	ck_assert_int_eq(stack_route_add(d.st, &net, &via, &d.port[0].port, 0), 0);
	ck_assert_uint_eq(sent_by("2a00::1"), 0);
	ck_assert_int_eq(stack_route_del(d.st, &net, &via), 0);
	ck_assert_uint_eq(sent_by("2a00::1"), 11);
}
END_TEST

START_TEST(a_better_router_that_says_it_is_a_host_is_forgotten)
{
	struct nd_msg m = {.type = ICMP6_NA, .flags = ND_NA_OVERRIDE};

	redirect6(10, "fe80::a", "2a00::1", "fe80::b", 11);
	redirect6(10, "fe80::a", "2a00::2", "2a00::2", 12);
	ip6(m.target, "fe80::b");
	desk6_nd(&d, 11, "fe80::b", ip6_all_nodes, &m);
	ck_assert_uint_eq(sent_by("2a00::1"), 10);
	ip6(m.target, "2a00::2"); /* a host it is */
	desk6_nd(&d, 12, "2a00::2", ip6_all_nodes, &m);
	ck_assert_uint_eq(sent_by("2a00::2"), 12);
}
END_TEST

START_TEST(a_flood_of_redirects_ends_at_the_limit_and_the_port_takes_them_along)
{
	char dst[40];
	unsigned i;

	for (i = 0; i < 2000; i++) {
		snprintf(dst, sizeof(dst), "2a00::%x", i + 1);
		redirect6(10, "fe80::a", dst, "fe80::b", 11);
		ck_assert_uint_eq(sent_by(dst), 11);
	}
	ck_assert_uint_le(d.st->n_redirects, STACK_REDIRECTS);
	ck_assert_uint_ge(d.st->n_redirects, STACK_REDIRECTS / 2);
	stack_port_del(d.st, &d.port[0].port);
	ck_assert_uint_eq(d.st->n_redirects, 0);
}
END_TEST

/* ---- IPv4 --------------------------------------------------------------------------------- */

#define FAR	ip(8, 8, 8, 8)
#define GATEWAY ip(10, 0, 0, 254)
#define BETTER	ip(10, 0, 0, 253)

static void setup4(void)
{
	struct ip_addr any = {.family = AF_INET}, via = {AF_INET, 32, {10, 0, 0, 254}};

	desk_open(&d);
	ck_assert_int_eq(stack_route_add(d.st, &any, &via, NULL, 0), 0);
	desk_know(&d, GATEWAY);
	desk_know(&d, BETTER);
	so4 = desk_socket(&d, SOCK_DGRAM, 0);
}

/* The gateway that a datagram to dst goes to; it is in pk. */
static uint32_t sent_by4(uint32_t dst)
{
	struct sock_addr to = name(dst, 7);
	uint32_t gateway;

	desk_drop_sent(&d, 0);
	ck_assert_int_eq(desk_send(&d, so4, "hi", 2, &to), 2);
	ck_assert(desk_sent(&d, 0, &pk));
	memcpy(&gateway, pk.eth.dst + 2, 4); /* as mac_of() has it */
	return gateway;
}

/* `from` says that what is quoted, 28 bytes of it, better goes to `gateway`. */
static void redirect4(uint8_t code, uint32_t from, uint32_t gateway, const uint8_t *quote)
{
	struct icmp_hdr h = {
		.type = 5, .code = code, .rest = wire_get32((const uint8_t *)&gateway)};

	desk_icmp(&d, from, ip(10, 0, 0, 1), &h, quote, 28);
}

START_TEST(a_gateway_may_name_a_better_one_for_a_host_whatever_the_code)
{
	uint8_t code;

	for (code = 0; code <= 3; code++) { /* also the host's last byte */
		ck_assert_uint_eq(sent_by4(ip(8, 8, 8, code)), GATEWAY);
		redirect4(code, GATEWAY, BETTER, pk.l3);
		ck_assert_uint_eq(sent_by4(ip(8, 8, 8, code)), BETTER);
		ck_assert_uint_eq(pk.ip.dst, ip(8, 8, 8, code));
	}
	ck_assert_uint_eq(sent_by4(ip(8, 8, 8, code)),
			  GATEWAY); /* a net's, too, is for the host alone */
	ck_assert_uint_eq(desk_count(&d, "IcmpInRedirects"), 4);
	ck_assert_uint_eq(desk_count(&d, "IcmpInErrors"), 0);
}
END_TEST

START_TEST(a_redirect_of_ipv4_that_is_not_sound_is_not_believed)
{
	uint8_t quote[28], bad[28];

	ck_assert_uint_eq(sent_by4(FAR), GATEWAY);
	memcpy(quote, pk.l3, 28);
	redirect4(1, BETTER, ip(10, 0, 0, 7), quote);	      /* he is not asked */
	redirect4(1, GATEWAY, ip(192, 168, 5, 7), quote);     /* on the other port */
	redirect4(1, GATEWAY, ip(77, 0, 0, 1), quote);	      /* far away */
	redirect4(1, GATEWAY, ip(10, 0, 0, 1), quote);	      /* us */
	redirect4(1, GATEWAY, GATEWAY, quote);		      /* where it goes anyway */
	redirect4(1, GATEWAY, ip(10, 0, 0, 255), quote);      /* everybody */
	redirect4(1, GATEWAY, ip(224, 0, 0, 2), quote);	      /* a group */
	redirect4(1, GATEWAY, ip(240, 255, 255, 255), quote); /* nobody */
	redirect4(4, GATEWAY, BETTER, quote);		      /* no such code */
	memcpy(bad, quote, 28);
	bad[12] ^= 1; /* not from us */
	redirect4(1, GATEWAY, BETTER, bad);
	memcpy(bad, quote, 28);
	bad[20] ^= 1; /* nobody here has that port */
	redirect4(1, GATEWAY, BETTER, bad);
	ck_assert_uint_eq(desk_count(&d, "IcmpInErrors"), 10);
	ck_assert_uint_eq(d.st->n_redirects, 0);
	ck_assert_uint_eq(sent_by4(FAR), GATEWAY);
}
END_TEST

START_TEST(a_neighbour_is_not_sent_elsewhere)
{
	desk_know(&d, ip(10, 0, 0, 9));
	ck_assert_uint_eq(sent_by4(ip(10, 0, 0, 9)), ip(10, 0, 0, 9));
	redirect4(1, GATEWAY, BETTER, pk.l3);
	redirect4(1, ip(10, 0, 0, 9), BETTER, pk.l3);
	ck_assert_uint_eq(sent_by4(ip(10, 0, 0, 9)), ip(10, 0, 0, 9));
}
END_TEST

/* As RFC 5927 has it for errors. */
START_TEST(a_redirect_must_quote_a_segment_in_flight_and_tcp_follows_it)
{
	struct socket *tcp = desk_socket(&d, SOCK_STREAM, 0);
	uint8_t quote[28], mac[6];

	ck_assert_int_eq(desk_connect(tcp, FAR, 80), -EINPROGRESS);
	desk_flush(&d);
	ck_assert(desk_sent(&d, 0, &pk));
	memcpy(quote, pk.l3, 28);
	quote[24] ^= 0x40; /* another sequence number */
	redirect4(1, GATEWAY, BETTER, quote);
	ck_assert_uint_eq(d.st->n_redirects, 0);
	quote[24] ^= 0x40;
	redirect4(1, GATEWAY, BETTER, quote);
	desk_pass(&d, 1100 * MS_NS); /* the SYN goes again */
	ck_assert(desk_sent(&d, 0, &pk));
	mac_of(BETTER, mac);
	ck_assert_uint_eq(pk.ip.dst, FAR);
	ck_assert_mem_eq(pk.eth.dst, mac, 6);
}
END_TEST

START_TEST(a_better_gateway_that_is_dead_is_forgotten)
{
	ck_assert_uint_eq(sent_by4(FAR), GATEWAY);
	redirect4(1, GATEWAY, BETTER, pk.l3);
	ck_assert_uint_eq(sent_by4(FAR), BETTER);
	desk_pass(&d, 9 * SEC_NS); /* DELAY, PROBE; the gateway fails as well, as nobody answers */
	ck_assert_uint_eq(d.st->n_redirects, 0);
	desk_know(&d, GATEWAY);
	ck_assert_uint_eq(sent_by4(FAR), GATEWAY);
}
END_TEST

int main(void)
{
	int r6 = run_cases(
		"redirect6",
		CASES(a_router_may_name_a_better_one_for_a_host,
		      a_router_may_say_that_a_host_is_a_neighbour,
		      a_redirect_that_is_not_sound_is_not_believed,
		      then_the_better_router_is_asked_and_may_send_on_or_back,
		      a_better_router_that_is_dead_is_forgotten_and_nothing_that_waited_is_lost,
		      a_redirect_is_forgotten_after_five_minutes,
		      a_redirect_counts_as_long_as_the_routes_lead_to_who_sent_it,
		      a_better_router_that_says_it_is_a_host_is_forgotten,
		      a_flood_of_redirects_ends_at_the_limit_and_the_port_takes_them_along),
		setup6, teardown);
	int r4 = run_cases("redirect4",
			   CASES(a_gateway_may_name_a_better_one_for_a_host_whatever_the_code,
				 a_redirect_of_ipv4_that_is_not_sound_is_not_believed,
				 a_neighbour_is_not_sent_elsewhere,
				 a_redirect_must_quote_a_segment_in_flight_and_tcp_follows_it,
				 a_better_gateway_that_is_dead_is_forgotten),
			   setup4, teardown);

	return r6 ? r6 : r4;
}
