/* SPDX-License-Identifier: BSD-3-Clause */
/* The DHCP client against a server that the test plays, at 10.0.0.2. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/dhcp4.h"
#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

#define SERVER ip(10, 0, 0, 2)
#define LEASED ip(10, 0, 0, 50)

static struct desk d;
static struct packet pk;
static struct dhcp_msg got;

static void setup(void)
{
	struct ip_addr a = {.family = AF_INET, .prefix = 24, .bytes = {10, 0, 0, 1}};

	desk_open(&d);
	ck_assert_int_eq(stack_addr_del(d.st, &d.port[0].port, &a), 0);
}

static void teardown(void)
{
	desk_close(&d);
}

static struct dhcp_row row(void)
{
	struct dhcp_row r;
	uint32_t cursor = 0;

	ck_assert(stack_dhcp_row(d.st, &cursor, &r));
	return r;
}

/* The client's next message, if it sent one; ARP between is passed over. */
static bool sent(void)
{
	while (desk_sent(&d, 0, &pk))
		if (pk.eth.type == ETH_TYPE_IP4) {
			ck_assert(pk.csum_ok);
			ck_assert_uint_eq(pk.ip.protocol, IPPROTO_UDP);
			ck_assert_uint_eq(pk.udp.sport, 68);
			ck_assert_uint_eq(pk.udp.dport, 67);
			ck_assert_int_eq(dhcp_parse(&got, pk.payload, pk.payload_len), 0);
			ck_assert_mem_eq(got.chaddr, d.port[0].port.mac, 6);
			return true;
		}
	return false;
}

/* Lets time pass until it says something; how long that was. */
static uint64_t wait_sent(uint64_t at_most)
{
	uint64_t began = d.now;

	while (!sent()) {
		ck_assert_msg(d.now - began <= at_most, "nothing in %llu ms",
			      (unsigned long long)(at_most / MS_NS));
		desk_pass(&d, 10 * MS_NS);
	}
	return d.now - began;
}

static uint8_t *option(uint8_t *p, uint8_t code, const void *value, uint8_t len)
{
	p[0] = code;
	p[1] = len;
	memcpy(p + 2, value, len);
	return p + 2 + len;
}

/* What the server answers; to the address it offers, as the client can hear that. */
static struct {
	uint32_t yiaddr, server, lease, mask, router, to, xid;
	uint16_t sport;
} say;

static void offer_50(void)
{
	say.yiaddr = say.to = LEASED;
	say.server = SERVER;
	say.lease = 3600;
	say.mask = ip(255, 255, 255, 0);
	say.router = ip(10, 0, 0, 254);
	say.xid = got.xid;
	say.sport = 67;
}

static void answer(enum dhcp_type type)
{
	uint8_t msg[300] = {2, 1, 6}, lease[4], t = (uint8_t)type, *p;

	wire_put32(msg + 4, say.xid);
	memcpy(msg + 16, &say.yiaddr, 4);
	memcpy(msg + 28, d.port[0].port.mac, 6);
	wire_put32(msg + 236, 0x63825363);
	p = option(msg + 240, 53, &t, 1);
	p = option(p, 54, &say.server, 4);
	wire_put32(lease, say.lease);
	p = option(p, 51, lease, 4);
	p = option(p, 1, &say.mask, 4);
	p = option(p, 3, &say.router, 4);
	*p = 255;
	desk_udp(&d, SERVER, say.sport, say.to, 68, msg, sizeof(msg));
}

/* From nothing to an ACK that is being probed. */
static void acknowledged(void)
{
	ck_assert_int_eq(stack_dhcp_start(d.st, &d.port[0].port), 0);
	desk_flush(&d);
	ck_assert(sent());
	offer_50();
	answer(DHCP_OFFER);
	ck_assert(sent());
	answer(DHCP_ACK);
	ck_assert_int_eq(row().state, DHCP_PROBING);
}

static void bound(void)
{
	acknowledged();
	desk_pass(&d, 8 * SEC_NS);
	ck_assert_int_eq(row().state, DHCP_BOUND);
	desk_drop_sent(&d, 0);
}

/* Until it asks its server to renew; the server is a known neighbour then. */
static void renewing(void)
{
	bound();
	desk_pass(&d, 1780 * SEC_NS);
	ck_assert(!sent());
	desk_arp(&d, 1, SERVER, LEASED);
	desk_drop_sent(&d, 0);
	wait_sent(20 * SEC_NS);
}

START_TEST(four_messages_and_three_probes_make_a_lease)
{
	struct ip_addr far = {.family = AF_INET, .bytes = {8, 8, 8, 8}}, src;
	struct dhcp_row r;

	ck_assert_int_eq(stack_dhcp_start(d.st, &d.port[0].port), 0);
	ck_assert_int_eq(stack_dhcp_start(d.st, &d.port[0].port), -EALREADY);
	desk_flush(&d);
	ck_assert(sent());
	ck_assert_uint_eq(got.type, DHCP_DISCOVER);
	ck_assert_uint_eq(pk.eth.dst[0], 0xff);
	ck_assert_uint_eq(pk.ip.src, 0);
	ck_assert_uint_eq(pk.ip.dst, 0xffffffffu);
	ck_assert_uint_eq(got.ciaddr, 0);
	offer_50();
	answer(DHCP_OFFER);
	ck_assert(sent());
	ck_assert_uint_eq(got.type, DHCP_REQUEST);
	ck_assert_uint_eq(pk.ip.src, 0);
	ck_assert_uint_eq(pk.ip.dst, 0xffffffffu);
	ck_assert_uint_eq(got.requested, LEASED);
	ck_assert_uint_eq(got.server, SERVER);
	ck_assert_uint_eq(got.ciaddr, 0);
	ck_assert_uint_eq(got.xid, say.xid);
	answer(DHCP_ACK);
	ck_assert_int_eq(row().addr.family, 0);
	for (unsigned probes = 0; probes < 3; probes++) {
		while (!desk_sent(&d, 0, &pk))
			desk_pass(&d, 10 * MS_NS);
		ck_assert_uint_eq(pk.arp.tpa, LEASED);
		ck_assert_uint_eq(pk.arp.spa, 0);
	}
	desk_pass(&d, 3 * SEC_NS);
	ck_assert(desk_sent(&d, 0, &pk)); /* announced */
	ck_assert_uint_eq(pk.arp.spa, LEASED);
	r = row();
	ck_assert_int_eq(r.state, DHCP_BOUND);
	ck_assert_mem_eq(r.addr.bytes, ((uint8_t[]){10, 0, 0, 50}), 4);
	ck_assert_uint_eq(r.addr.prefix, 24);
	ck_assert(r.left_s < 3600 && r.left_s > 3580);
	ck_assert_int_eq(stack_route_lookup(d.st, &far, &src), 0);
	ck_assert_mem_eq(src.bytes, ((uint8_t[]){10, 0, 0, 50}), 4);
}
END_TEST

START_TEST(silence_is_asked_again_after_4_8_16_32_64_seconds)
{
	static const unsigned after[] = {4, 8, 16, 32, 64, 64};

	ck_assert_int_eq(stack_dhcp_start(d.st, &d.port[0].port), 0);
	desk_flush(&d);
	ck_assert(sent());
	for (unsigned i = 0; i < 6; i++) {
		uint64_t s = wait_sent(70 * SEC_NS);

		ck_assert_uint_eq(got.type, DHCP_DISCOVER);
		ck_assert(s >= (after[i] - 1) * SEC_NS &&
			  s <= (after[i] + 1) * SEC_NS + 20 * MS_NS);
	}
	ck_assert_uint_ge(got.secs, 120);
}
END_TEST

START_TEST(a_server_that_goes_silent_is_left_for_another)
{
	ck_assert_int_eq(stack_dhcp_start(d.st, &d.port[0].port), 0);
	desk_flush(&d);
	ck_assert(sent());
	offer_50();
	answer(DHCP_OFFER);
	for (unsigned i = 0; i < 4; i++) {
		wait_sent(70 * SEC_NS);
		ck_assert_uint_eq(got.type, DHCP_REQUEST);
	}
	wait_sent(70 * SEC_NS);
	ck_assert_uint_eq(got.type, DHCP_DISCOVER);
}
END_TEST

START_TEST(answers_of_others_and_forged_ones_do_nothing)
{
	ck_assert_int_eq(stack_dhcp_start(d.st, &d.port[0].port), 0);
	desk_flush(&d);
	ck_assert(sent());
	offer_50();
	say.xid++;
	answer(DHCP_OFFER);
	say.xid--;
	say.sport = 1067;
	answer(DHCP_OFFER);
	say.sport = 67;
	say.yiaddr = ip(127, 0, 0, 1);
	answer(DHCP_OFFER);
	say.yiaddr = ip(224, 0, 0, 1);
	answer(DHCP_OFFER);
	say.yiaddr = ip(192, 168, 5, 1); /* ours, on the other port */
	say.to = ip(10, 0, 0, 50);
	answer(DHCP_OFFER);
	say.yiaddr = LEASED;
	say.lease = 0;
	answer(DHCP_OFFER);
	say.lease = 3600;
	say.server = 0;
	answer(DHCP_OFFER);
	answer(DHCP_ACK); /* of nothing that was asked */
	answer(DHCP_NAK);
	ck_assert_int_eq(row().state, DHCP_SELECTING);
	ck_assert(!sent());
	ck_assert_uint_eq(desk_count(&d, "DhcpInErrors"), 2);
}
END_TEST

START_TEST(only_dhcp_reaches_an_address_that_is_not_there_yet)
{
	struct socket *so = desk_socket(&d, SOCK_DGRAM, 0);
	char c;

	ck_assert_int_eq(desk_bind(so, 0, 5000), 0);
	ck_assert_int_eq(stack_dhcp_start(d.st, &d.port[0].port), 0);
	desk_udp(&d, SERVER, 67, LEASED, 5000, "x", 1);
	ck_assert_int_eq(desk_recv(so, &c, 1, 0, NULL, NULL), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "IpInAddrErrors"), 1);
}
END_TEST

START_TEST(an_address_that_somebody_has_is_declined)
{
	acknowledged();
	desk_pass(&d, 1500 * MS_NS);
	desk_arp(&d, 2, LEASED, 0);
	ck_assert(sent());
	ck_assert_uint_eq(got.type, DHCP_DECLINE);
	ck_assert_uint_eq(got.requested, LEASED);
	ck_assert_uint_eq(got.server, SERVER);
	ck_assert_int_eq(row().addr.family, 0);
	ck_assert_uint_ge(wait_sent(20 * SEC_NS), 10 * SEC_NS); /* 3.1.5 */
	ck_assert_uint_eq(got.type, DHCP_DISCOVER);
}
END_TEST

START_TEST(a_refusal_begins_anew_ever_later)
{
	uint64_t last = 0;

	ck_assert_int_eq(stack_dhcp_start(d.st, &d.port[0].port), 0);
	desk_flush(&d);
	ck_assert(sent());
	for (unsigned i = 0; i < 5; i++) {
		uint64_t s;

		offer_50();
		answer(DHCP_OFFER);
		ck_assert(sent());
		say.server = ip(10, 0, 0, 3);
		answer(DHCP_NAK); /* not the one that was asked */
		ck_assert_int_eq(row().state, DHCP_REQUESTING);
		say.server = SERVER;
		answer(DHCP_NAK);
		ck_assert_int_eq(row().state, DHCP_WAITING);
		s = wait_sent(70 * SEC_NS);
		ck_assert_uint_eq(got.type, DHCP_DISCOVER);
		ck_assert_uint_ge(s, last);
		last = s;
	}
	ck_assert_uint_ge(last, 16 * SEC_NS);
}
END_TEST

START_TEST(half_way_it_is_renewed_with_the_server_alone)
{
	uint8_t mac[6];

	renewing();
	mac_of(SERVER, mac);
	ck_assert_mem_eq(pk.eth.dst, mac, 6);
	ck_assert_uint_eq(got.type, DHCP_REQUEST);
	ck_assert_uint_eq(pk.ip.src, LEASED);
	ck_assert_uint_eq(pk.ip.dst, SERVER);
	ck_assert_uint_eq(got.ciaddr, LEASED);
	ck_assert_uint_eq(got.server | got.requested, 0);
	offer_50();
	answer(DHCP_ACK);
	ck_assert_int_eq(row().state, DHCP_BOUND);
	ck_assert_uint_ge(row().left_s, 3598);
	ck_assert_uint_eq(row().changes, 1);
}
END_TEST

START_TEST(then_any_server_is_asked_and_then_it_is_over)
{
	struct ip_addr a = {.family = AF_INET, .bytes = {10, 0, 0, 50}};
	bool broadcast = false;
	uint64_t began;

	bound();
	began = d.now;
	desk_arp(&d, 1, SERVER, LEASED);
	desk_drop_sent(&d, 0);
	while (row().addr.family) {
		ck_assert_uint_le(d.now - began, 3600 * SEC_NS);
		desk_pass(&d, SEC_NS);
		while (sent()) {
			ck_assert_uint_eq(got.type, DHCP_REQUEST);
			ck_assert_uint_eq(got.ciaddr, LEASED);
			broadcast |= pk.ip.dst == 0xffffffffu;
			/* Before T2 it is the server's own business. */
			ck_assert(broadcast == (d.now - began > 3130 * SEC_NS));
		}
	}
	ck_assert(broadcast);
	ck_assert_uint_ge(d.now - began, 3580 * SEC_NS);
	ck_assert_uint_eq(desk_count(&d, "DhcpExpired"), 1);
	ck_assert(!stack_addr_is_local(d.st, &a));
	wait_sent(2 * SEC_NS);
	ck_assert_uint_eq(got.type, DHCP_DISCOVER);
}
END_TEST

START_TEST(another_router_in_a_renewal_replaces_the_route)
{
	struct route_row r;
	uint32_t cursor = 0;
	unsigned defaults = 0;

	renewing();
	offer_50();
	say.router = ip(10, 0, 0, 253);
	answer(DHCP_ACK);
	while (stack_route_row(d.st, &cursor, &r))
		if (r.dst.prefix == 0) {
			defaults++;
			ck_assert_mem_eq(r.gateway.bytes, ((uint8_t[]){10, 0, 0, 253}), 4);
		}
	ck_assert_uint_eq(defaults, 1);
	ck_assert_uint_eq(row().changes, 3);
}
END_TEST

START_TEST(a_refused_renewal_takes_the_address_away)
{
	renewing();
	offer_50();
	answer(DHCP_NAK);
	ck_assert_int_eq(row().addr.family, 0);
	ck_assert_int_eq(row().state, DHCP_WAITING);
}
END_TEST

START_TEST(stopped_it_gives_the_address_back_and_leaves_nothing)
{
	struct route_row r;
	uint32_t cursor = 0;

	bound();
	desk_arp(&d, 1, SERVER, LEASED);
	desk_drop_sent(&d, 0);
	ck_assert_int_eq(stack_dhcp_stop(d.st, &d.port[0].port), 0);
	desk_flush(&d);
	ck_assert(sent());
	ck_assert_uint_eq(got.type, DHCP_RELEASE);
	ck_assert_uint_eq(got.ciaddr, LEASED);
	ck_assert_uint_eq(got.server, SERVER);
	ck_assert_uint_eq(pk.ip.dst, SERVER);
	while (stack_route_row(d.st, &cursor, &r))
		ck_assert_uint_eq(r.port_index, 1);
	ck_assert_int_eq(stack_dhcp_stop(d.st, &d.port[0].port), -ENOENT);
	desk_pass(&d, 7200 * SEC_NS);
	ck_assert(!sent());
}
END_TEST

START_TEST(a_lease_without_end_is_left_alone)
{
	ck_assert_int_eq(stack_dhcp_start(d.st, &d.port[0].port), 0);
	desk_flush(&d);
	ck_assert(sent());
	offer_50();
	say.lease = 0xffffffff;
	answer(DHCP_OFFER);
	ck_assert(sent());
	answer(DHCP_ACK);
	desk_pass(&d, 12 * SEC_NS);
	ck_assert_int_eq(row().state, DHCP_BOUND);
	desk_drop_sent(&d, 0);
	desk_pass(&d, 1000000 * SEC_NS);
	ck_assert(!desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(row().left_s, UINT32_MAX);
}
END_TEST

int main(void)
{
	return run_cases("dhcp4",
			 CASES(four_messages_and_three_probes_make_a_lease,
			       silence_is_asked_again_after_4_8_16_32_64_seconds,
			       a_server_that_goes_silent_is_left_for_another,
			       answers_of_others_and_forged_ones_do_nothing,
			       only_dhcp_reaches_an_address_that_is_not_there_yet,
			       an_address_that_somebody_has_is_declined,
			       a_refusal_begins_anew_ever_later,
			       half_way_it_is_renewed_with_the_server_alone,
			       then_any_server_is_asked_and_then_it_is_over,
			       another_router_in_a_renewal_replaces_the_route,
			       a_refused_renewal_takes_the_address_away,
			       stopped_it_gives_the_address_back_and_leaves_nothing,
			       a_lease_without_end_is_left_alone),
			 setup, teardown);
}
