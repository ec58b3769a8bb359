/* SPDX-License-Identifier: BSD-3-Clause */
/* A link whose frames no packet buffer holds (MTU 9000): they come in pieces, and leave so. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/desk6.h"

#define PEER ip(10, 0, 0, 9)
#define US   ip(10, 0, 0, 1)
#define MOST 8972u /* of UDP's payload in an IPv4 packet of 9000 bytes */

static struct desk d;
static struct packet pk;
static struct packet6 pk6;
static struct socket *so;
static uint8_t data[70000], got[70000];

static void setup(void)
{
	desk6_open(&d);
	desk_wide(&d);
	desk_know(&d, PEER);
	desk6_know(&d, 9);
	so = desk_socket(&d, SOCK_DGRAM, 0);
	ck_assert_int_eq(desk_bind(so, 0, 7), 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
}

static void teardown(void)
{
	desk_close(&d);
}

static bool arrived(struct socket *s, size_t len)
{
	return desk_recv(s, got, sizeof(got), 0, NULL, NULL) == (int64_t)len &&
	       memcmp(got, data, len) == 0;
}

static int64_t send_to(uint32_t addr, size_t len)
{
	struct sock_addr to = name(addr, 7);

	return desk_send(&d, so, data, len, &to);
}

static struct socket *bound6(void)
{
	struct socket *s = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr any = name6("::", 8);

	ck_assert_int_eq(sock_bind(s, &any), 0);
	return s;
}

static int64_t send_to6(struct socket *s, const char *text, size_t len)
{
	struct sock_addr to = name6(text, 8);

	return desk_send(&d, s, data, len, &to);
}

/* ---- in */

START_TEST(a_datagram_longer_than_a_buffer_arrives_in_one_frame)
{
	static const size_t lens[] = {1877, 1878, 1879, 3797, 3798, 3799, 5000, MOST};

	for (unsigned i = 0; i < 8; i++) {
		desk_udp(&d, PEER, 9, US, 7, data, lens[i]);
		ck_assert(arrived(so, lens[i]));
	}
	ck_assert_uint_eq(desk_count(&d, "IpReasmReqds"), 0);
}
END_TEST

START_TEST(of_ipv6_too)
{
	struct socket *s = bound6();

	desk6_udp(&d, 9, "2001:db8::9", 5, "2001:db8::1", 8, data, 8952);
	ck_assert(arrived(s, 8952));
}
END_TEST

START_TEST(a_damaged_one_is_dropped)
{
	uint8_t l4[6000] = {0, 9, 0, 7, 6000 >> 8, 6000 & 255, 0x12, 0x34};
	struct ip4_hdr h = {.protocol = IPPROTO_UDP, .src = PEER, .dst = US};

	desk_ip4(&d, &h, l4, sizeof(l4));
	ck_assert_int_eq(desk_recv(so, got, sizeof(got), 0, NULL, NULL), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "UdpInCsumErrors"), 1);
}
END_TEST

/* A frame with a datagram of `udp` bytes from its header on, IP's length `total`, and then some. */
static size_t frame_of(uint8_t *frame, uint16_t udp, uint16_t total)
{
	struct eth_hdr e = {.type = ETH_TYPE_IP4, .src = {2, 9}};
	struct ip4_hdr h = {.protocol = IPPROTO_UDP, .src = PEER, .dst = US, .ttl = 64};
	struct udp_hdr u = {.sport = 9, .dport = 7, .len = udp}; /* no checksum */

	h.total_len = total;
	memcpy(e.dst, d.port[0].port.mac, 6);
	eth_build(frame, &e);
	ip4_build(frame + ETH_HDR_LEN, &h);
	udp_build(frame + ETH_HDR_LEN + IP4_HDR_LEN, &u);
	memcpy(frame + 42, data, 8000);
	return 8042;
}

START_TEST(what_a_frame_has_beyond_the_packet_is_cut_off_and_given_back)
{
	static const uint16_t udp[] = {8, 9, 1886, 1887, 1888, 3806, 3807, 8007, 8008};
	static uint8_t frame[9000];

	for (unsigned i = 0; i < 9; i++) {
		uint32_t before = d.pool.avail, pieces = (34u + udp[i] + 1919) / 1920;
		size_t n = frame_of(frame, udp[i], (uint16_t)(udp[i] + IP4_HDR_LEN));

		desk_frame(&d, 0, frame, n);
		ck_assert_uint_eq(before - d.pool.avail, pieces);
		ck_assert(arrived(so, udp[i] - 8u));
	}
}
END_TEST

START_TEST(a_packet_longer_than_its_pieces_is_dropped)
{
	static uint8_t frame[9000];

	desk_frame(&d, 0, frame, frame_of(frame, 8009, 8029));
	ck_assert_uint_eq(desk_count(&d, "IpInHdrErrors"), 1);
	desk_frame(&d, 0, frame, frame_of(frame, 8009, 8028)); /* UDP's, by one */
	ck_assert_uint_eq(desk_count(&d, "UdpInErrors"), 1);
	ck_assert_int_eq(desk_recv(so, got, sizeof(got), 0, NULL, NULL), -EAGAIN);
}
END_TEST

/* Pieces of the lengths given, zero-terminated, of frame_of()'s frame. */
static void hand_in(const uint16_t *lens)
{
	static uint8_t frame[9000];
	struct pktbuf *p = NULL, **at = &p;
	uint16_t total = 0;
	unsigned i;

	for (i = 0; i == 0 || lens[i]; i++)
		total = (uint16_t)(total + lens[i]);
	(void)frame_of(frame, (uint16_t)(total - 34), (uint16_t)(total - ETH_HDR_LEN));
	for (i = total = 0; i == 0 || lens[i]; at = &(*at)->more, i++) {
		*at = pktbuf_alloc(&d.pool);
		(*at)->len = lens[i];
		memcpy(pktbuf_data(*at), frame + total, lens[i]);
		total = (uint16_t)(total + lens[i]);
	}
	stack_input(d.st, &d.port[0].port, &p, 1);
	desk_flush(&d);
}

START_TEST(pieces_that_no_driver_makes_are_refused)
{
	static const uint16_t good[] = {PKTBUF_FIRST_MIN + ETH_HDR_LEN, 2, 400, 3, 0};
	static const uint16_t bad[][5] = {
		{PKTBUF_FIRST_MIN + ETH_HDR_LEN - 2, 100},
		{60, 1000},
		{301, 301},
		{400, 301, 200},
	};

	hand_in(good);
	ck_assert(arrived(so, PKTBUF_FIRST_MIN + ETH_HDR_LEN + 405 - 42));
	for (unsigned i = 0; i < 4; i++)
		hand_in(bad[i]);
	ck_assert_int_eq(desk_recv(so, got, sizeof(got), 0, NULL, NULL), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "IpInHdrErrors"), 4);
}
END_TEST

START_TEST(a_closed_port_is_said_and_quotes_the_beginning)
{
	desk_udp(&d, PEER, 9, US, 99, data, 8000);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.icmp.type, ICMP4_DEST_UNREACH);
	ck_assert_uint_eq(pk.ip.total_len, 576);
	ck_assert_mem_eq(pk.payload + 28, data, 520);
	desk6_udp(&d, 9, "2001:db8::9", 5, "2001:db8::1", 99, data, 8000);
	ck_assert(desk6_sent(&d, &pk6));
	ck_assert_uint_eq(pk6.icmp.type, ICMP6_UNREACH);
	ck_assert_uint_eq(pk6.ip.payload_len, 1240);
}
END_TEST

START_TEST(neighbour_discovery_and_group_queries_in_pieces_are_not_believed)
{
	static uint8_t l4[4000];
	struct ip6_hdr h = {.next = IP6_ICMP, .hop_limit = 255};
	struct ip4_hdr h4 = {.protocol = IPPROTO_IGMP, .src = PEER, .dst = US};

	l4[0] = ICMP6_RA;
	ip6(h.src, "fe80::9");
	ip6(h.dst, "ff02::1");
	desk6_packet(&d, 9, &h, l4, sizeof(l4));
	ck_assert_uint_eq(desk_count(&d, "NdInErrors"), 1);
	l4[0] = IGMP_QUERY;
	desk_ip4(&d, &h4, l4, sizeof(l4));
	ck_assert_uint_eq(desk_count(&d, "IgmpInErrors"), 1);
}
END_TEST

/* ---- fragments in */

static void fragment(uint16_t from, uint16_t to, bool last)
{
	struct ip4_hdr h = {.protocol = IPPROTO_UDP, .src = PEER, .dst = US, .id = 5, .mf = !last};
	static uint8_t whole[30000];
	struct udp_hdr u = {.sport = 9, .dport = 7, .len = 30000};

	udp_build(whole, &u); /* no checksum */
	memcpy(whole + UDP_HDR_LEN, data, sizeof(whole) - UDP_HDR_LEN);
	h.frag_off = from;
	desk_ip4(&d, &h, whole + from, (size_t)(to - from));
}

START_TEST(fragments_in_pieces_become_the_datagram_in_any_order)
{
	static const uint16_t cut[] = {0, 8976, 17952, 26928, 30000};
	static const uint8_t order[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}};

	for (unsigned i = 0; i < 3; i++) {
		for (unsigned k = 0; k < 4; k++)
			fragment(cut[order[i][k]], cut[order[i][k] + 1], order[i][k] == 3);
		ck_assert(arrived(so, 30000 - UDP_HDR_LEN));
	}
	ck_assert_uint_eq(desk_count(&d, "IpReasmReqds"), 12);
	ck_assert_uint_eq(desk_count(&d, "IpReasmOKs"), 3);
}
END_TEST

START_TEST(one_that_was_there_in_part_is_an_overlap_and_one_that_was_there_is_not)
{
	fragment(8976, 17952, false);
	fragment(8976, 17952, false);
	ck_assert_uint_eq(desk_count(&d, "IpReasmOverlaps"), 0);
	fragment(0, 8984, false);
	ck_assert_uint_eq(desk_count(&d, "IpReasmOverlaps"), 1);
	ck_assert_uint_eq(desk_count(&d, "IpReasmFails"), 1);
	fragment(17952, 30000 - 5000, true);
	fragment(0, 8976, false);
	fragment(8976, 17952, false);
	ck_assert_int_eq(desk_recv(so, got, sizeof(got), 0, NULL, NULL), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "UdpInErrors"), 1); /* complete, but UDP's length lies */
}
END_TEST

/* ---- out */

START_TEST(a_datagram_that_fits_the_link_leaves_in_one_frame)
{
	static const size_t lens[] = {1920, 1921, 5000, MOST};

	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(send_to(PEER, lens[i]), (int64_t)lens[i]);
		ck_assert(desk_sent(&d, 0, &pk));
		ck_assert(pk.csum_ok && pk.ip.df && !pk.ip.mf);
		ck_assert_uint_eq(pk.payload_len, lens[i]);
		ck_assert_mem_eq(pk.payload, data, lens[i]);
		ck_assert(!desk_sent(&d, 0, &pk));
	}
	ck_assert_uint_eq(desk_count(&d, "IpFragCreates"), 0);
}
END_TEST

START_TEST(of_ipv6_a_frame_of_its_own_too)
{
	struct socket *s = bound6();

	ck_assert_int_eq(send_to6(s, "2001:db8::9", 8952), 8952);
	ck_assert(desk6_sent(&d, &pk6));
	ck_assert(pk6.csum_ok && !pk6.ext.fragment);
	ck_assert_mem_eq(pk6.l4 + UDP_HDR_LEN, data, 8952);
	ck_assert_int_eq(send_to6(s, "2001:db8::9", 8953), 8953);
	ck_assert(desk6_sent(&d, &pk6));
	ck_assert(pk6.ext.fragment);
}
END_TEST

START_TEST(who_wants_no_fragments_may_send_what_the_link_takes)
{
	int how = IP_PMTUDISC_DO;

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how)), 0);
	ck_assert_int_eq(send_to(PEER, MOST), MOST);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_int_eq(send_to(PEER, MOST + 1), -EMSGSIZE);
}
END_TEST

START_TEST(where_the_port_takes_single_buffers_fragments_fit_one)
{
	size_t len = 0;

	d.port[0].port.caps &= ~(uint32_t)PORT_CAP_PIECES;
	ck_assert_int_eq(send_to(PEER, MOST), MOST);
	while (desk_sent(&d, 0, &pk)) {
		ck_assert_uint_eq(pk.ip.frag_off, len);
		ck_assert(!pk.ip.df);
		ck_assert_uint_le(pk.ip.total_len, 1940);
		memcpy(got + len, pk.l4, pk.l4_len);
		len += pk.l4_len;
	}
	ck_assert_uint_eq(len, MOST + UDP_HDR_LEN);
	ck_assert_mem_eq(got + UDP_HDR_LEN, data, MOST);
}
END_TEST

START_TEST(what_is_more_than_the_link_takes_leaves_in_fragments_of_a_buffer)
{
	size_t len = 0;

	ck_assert_int_eq(send_to(PEER, 60000), 60000);
	while (desk_sent(&d, 0, &pk)) {
		ck_assert_uint_eq(pk.ip.frag_off, len);
		memcpy(got + len, pk.l4, pk.l4_len);
		len += pk.l4_len;
	}
	ck_assert_mem_eq(got + UDP_HDR_LEN, data, 60000);
}
END_TEST

START_TEST(to_an_unknown_neighbour_it_waits_whole)
{
	ck_assert_int_eq(send_to(ip(10, 0, 0, 8), 8000), 8000);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.eth.type, ETH_TYPE_ARP);
	desk_arp(&d, 2, ip(10, 0, 0, 8), US);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.payload_len, 8000);
	ck_assert_mem_eq(pk.payload, data, 8000);
}
END_TEST

START_TEST(to_ourselves_it_comes_back_without_the_wire)
{
	struct socket *s = bound6();

	ck_assert_int_eq(send_to(US, 8000), 8000);
	ck_assert(arrived(so, 8000));
	ck_assert_int_eq(send_to6(s, "2001:db8::1", 8000), 8000);
	ck_assert(arrived(s, 8000));
	ck_assert(!desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(desk_count(&d, "IpReasmReqds") + desk_count(&d, "Ip6ReasmReqds"), 0);
}
END_TEST

START_TEST(to_a_group_it_leaves_in_fragments_and_members_here_hear_it)
{
	struct ip_mreq req = {.imr_multiaddr = {ip(239, 0, 0, 1)}, .imr_interface = {US}};

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MULTICAST_IF, &req, sizeof(req)), 0);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req)), 0);
	desk_pass(&d, SEC_NS);
	desk_drop_sent(&d, 0);
	ck_assert_int_eq(send_to(ip(239, 0, 0, 1), 8000), 8000);
	ck_assert(arrived(so, 8000));
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(pk.ip.mf);
}
END_TEST

START_TEST(an_echo_of_9000_bytes_is_answered_in_one_frame)
{
	struct icmp_hdr h = {.type = ICMP4_ECHO, .rest = 0x10002};
	struct ip6_hdr h6 = {.next = IP6_ICMP};
	static uint8_t ask[8960] = {ICMP6_ECHO_ASK};

	desk_icmp(&d, PEER, US, &h, data, 8972);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.icmp.type, ICMP4_ECHO_REPLY);
	ck_assert(pk.csum_ok && pk.payload_len == 8972);
	ck_assert_mem_eq(pk.payload, data, 8972);
	ip6(h6.src, "2001:db8::9");
	ip6(h6.dst, "2001:db8::1");
	memcpy(ask + 8, data, 8952);
	desk6_packet(&d, 9, &h6, ask, sizeof(ask));
	ck_assert(desk6_sent(&d, &pk6));
	ck_assert_uint_eq(pk6.icmp.type, ICMP6_ECHO_ANSWER);
	ck_assert(pk6.csum_ok && pk6.l4_len == 8960);
	ck_assert_mem_eq(pk6.l4 + 8, data, 8952);
}
END_TEST

int main(void)
{
	return run_cases(
		"jumbo",
		CASES(a_datagram_longer_than_a_buffer_arrives_in_one_frame, of_ipv6_too,
		      a_damaged_one_is_dropped,
		      what_a_frame_has_beyond_the_packet_is_cut_off_and_given_back,
		      a_packet_longer_than_its_pieces_is_dropped,
		      pieces_that_no_driver_makes_are_refused,
		      a_closed_port_is_said_and_quotes_the_beginning,
		      neighbour_discovery_and_group_queries_in_pieces_are_not_believed,
		      fragments_in_pieces_become_the_datagram_in_any_order,
		      one_that_was_there_in_part_is_an_overlap_and_one_that_was_there_is_not,
		      a_datagram_that_fits_the_link_leaves_in_one_frame,
		      of_ipv6_a_frame_of_its_own_too,
		      who_wants_no_fragments_may_send_what_the_link_takes,
		      where_the_port_takes_single_buffers_fragments_fit_one,
		      what_is_more_than_the_link_takes_leaves_in_fragments_of_a_buffer,
		      to_an_unknown_neighbour_it_waits_whole,
		      to_ourselves_it_comes_back_without_the_wire,
		      to_a_group_it_leaves_in_fragments_and_members_here_hear_it,
		      an_echo_of_9000_bytes_is_answered_in_one_frame),
		setup, teardown);
}
