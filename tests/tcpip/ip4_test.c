/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

#define PEER ip(10, 0, 0, 9)
#define US   ip(10, 0, 0, 1)

static struct desk d;
static struct packet pk;
static struct socket *so;

static void open_with(uint32_t caps)
{
	desk_open_caps(&d, caps);
	so = desk_socket(&d, SOCK_DGRAM, 0);
	ck_assert_int_eq(desk_bind(so, 0, 7), 0);
}

static void setup(void)
{
	open_with(0);
	desk_know(&d, PEER);
}

static void teardown(void)
{
	desk_close(&d);
}

/* A datagram of 4 bytes to port 7, with no UDP checksum, whose IP header the case makes wrong. */
static const uint8_t datagram[] = {0, 9, 0, 7, 0, 12, 0, 0, 'd', 'a', 't', 'a'};

static bool arrives(const struct ip4_hdr *h)
{
	char buf[16];

	desk_ip4(&d, h, datagram, sizeof(datagram));
	return desk_recv(so, buf, sizeof(buf), 0, NULL, NULL) == 4;
}

static struct ip4_hdr good(void)
{
	return (struct ip4_hdr){.protocol = IPPROTO_UDP, .src = PEER, .dst = US};
}

START_TEST(a_packet_for_us_is_delivered)
{
	struct ip4_hdr h = good();

	ck_assert(arrives(&h));
	ck_assert_uint_eq(desk_count(&d, "IpInDelivers"), 1);
}
END_TEST

START_TEST(packets_for_others_are_not_forwarded)
{
	struct ip4_hdr h = good();

	h.dst = ip(10, 0, 0, 3);
	ck_assert(!arrives(&h));
	h.dst = ip(8, 8, 8, 8);
	ck_assert(!arrives(&h));
	ck_assert_uint_eq(desk_count(&d, "IpInAddrErrors"), 2);
	ck_assert(!desk_sent(&d, 0, &pk) && !desk_sent(&d, 1, &pk));
}
END_TEST

START_TEST(another_ports_address_is_not_ours_here)
{
	struct ip4_hdr h = good();

	h.dst = ip(192, 168, 5, 1);
	ck_assert(!arrives(&h));
}
END_TEST

START_TEST(sources_no_host_may_have_are_dropped)
{
	const uint32_t bad[] = {
		0,  ip(127, 0, 0, 1),	ip(224, 0, 0, 1), ip(255, 255, 255, 255), ip(10, 0, 0, 255),
		US, ip(192, 168, 5, 1), ip(0, 0, 0, 9),	  ip(240, 0, 0, 1)};
	struct ip4_hdr h = good();

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		h.src = bad[i];
		ck_assert_msg(!arrives(&h), "source number %u", i);
	}
	h.protocol = 253; /* nor answered */
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		h.src = bad[i];
		desk_ip4(&d, &h, datagram, sizeof(datagram));
	}
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

START_TEST(addresses_found_good_are_looked_at_again_where_that_may_have_changed)
{
	struct ip_addr a = {.family = AF_INET, .prefix = 24}, peer = a;
	struct sock_addr us = name(US, 7);
	struct ip4_hdr h = good();

	memcpy(a.bytes, &h.dst, 4);
	memcpy(peer.bytes, &h.src, 4);
	ck_assert(arrives(&h) && arrives(&h));
	ck_assert_int_eq(stack_addr_add(d.st, &d.port[1].port, &peer), 0);
	ck_assert(!arrives(&h)); /* from ourselves, it says */
	ck_assert_int_eq(stack_addr_del(d.st, &d.port[1].port, &peer), 0);
	ck_assert(arrives(&h));
	ck_assert_int_eq(stack_addr_del(d.st, &d.port[0].port, &a), 0);
	ck_assert(!arrives(&h));
	ck_assert_int_eq(stack_addr_add(d.st, &d.port[0].port, &a), 0);
	ck_assert_int_eq(desk_send(&d, so, "data", 4, &us), 4); /* by the loop */
	ck_assert_int_eq(desk_recv(so, &a, 4, 0, NULL, NULL), 4);
	h.src = US;
	ck_assert(!arrives(&h));
}
END_TEST

static size_t build(uint8_t *frame, unsigned options)
{
	struct eth_hdr e = {.type = ETH_TYPE_IP4};
	struct ip4_hdr h = good();
	uint16_t sum;
	uint8_t *l3 = frame + ETH_HDR_LEN;

	memcpy(e.dst, d.port[0].port.mac, 6);
	mac_of(PEER, e.src);
	eth_build(frame, &e);
	h.ttl = 64;
	h.total_len = (uint16_t)(20 + options + sizeof(datagram));
	ip4_build(l3, &h);
	l3[0] = (uint8_t)(0x40 | (5 + options / 4));
	memset(l3 + 20, 1, options);
	memset(l3 + 10, 0, 2);
	sum = csum_fold(csum_add(0, l3, 20 + options));
	memcpy(l3 + 10, &sum, 2);
	memcpy(l3 + 20 + options, datagram, sizeof(datagram));
	return ETH_HDR_LEN + h.total_len;
}

START_TEST(options_are_skipped)
{
	uint8_t frame[200];
	char buf[8];

	desk_frame(&d, 0, frame, build(frame, 40));
	ck_assert_int_eq(desk_recv(so, buf, 8, 0, NULL, NULL), 4);
	ck_assert_mem_eq(buf, "data", 4);
}
END_TEST

/* The datagram with those options, to a multiple of 4 bytes: is it heard? */
static bool heard_with(const uint8_t *options, unsigned n)
{
	uint8_t frame[200], *l3 = frame + ETH_HDR_LEN;
	unsigned room = (n + 3) & ~3u;
	size_t len = build(frame, room);
	uint16_t sum;
	char buf[8];

	memset(l3 + 20, 0, room);
	memcpy(l3 + 20, options, n);
	memset(l3 + 10, 0, 2);
	sum = csum_fold(csum_add(0, l3, 20 + room));
	memcpy(l3 + 10, &sum, 2);
	desk_frame(&d, 0, frame, len);
	return desk_recv(so, buf, 8, 0, NULL, NULL) == 4 && memcmp(buf, "data", 4) == 0;
}

/* RFC 1122 3.2.1.8. */
START_TEST(options_that_nobody_knows_are_skipped)
{
	static const uint8_t unknown[] = {0x5e, 6, 1, 2, 3, 4, 1, 0xde, 2}, alone[] = {0xfe, 2};
	static const uint8_t record[] = {7, 7, 4, 0, 0, 0, 0}, after_end[] = {0, 131, 3, 4};

	ck_assert(heard_with(unknown, sizeof(unknown)));
	ck_assert(heard_with(alone, sizeof(alone)));
	ck_assert(heard_with(record, sizeof(record)));
	ck_assert(heard_with(after_end, sizeof(after_end))); /* no option any more */
	ck_assert_uint_eq(desk_count(&d, "IpInHdrErrors"), 0);
}
END_TEST

START_TEST(an_option_whose_length_lies_drops_the_packet)
{
	static const uint8_t none[] = {0x5e, 0, 1, 1}, one[] = {1, 0x5e, 1, 1};
	static const uint8_t beyond[] = {0x5e, 5, 1, 1}, nothing[] = {1, 1, 1, 0x5e};
	static const uint8_t huge[] = {0x5e, 255, 1, 1};

	ck_assert(!heard_with(none, 4));
	ck_assert(!heard_with(one, 4));
	ck_assert(!heard_with(beyond, 4));
	ck_assert(!heard_with(nothing, 4));
	ck_assert(!heard_with(huge, 4));
	ck_assert_uint_eq(desk_count(&d, "IpInHdrErrors"), 5);
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

/* RFC 7126 4.3, 4.4. */
START_TEST(a_packet_with_a_source_route_is_dropped_and_counted)
{
	static const uint8_t loose[] = {131, 7, 8, 10, 0, 0, 9},
			     strict[] = {137, 7, 8, 10, 0, 0, 9};
	static const uint8_t hidden[] = {1, 0x5e, 4, 9, 9, 131, 3, 4};

	ck_assert(!heard_with(loose, sizeof(loose))); /* though it has come to its end */
	ck_assert(!heard_with(strict, sizeof(strict)));
	ck_assert(!heard_with(hidden, sizeof(hidden)));
	ck_assert_uint_eq(desk_count(&d, "IpInSourceRoutes"), 3);
	ck_assert_uint_eq(desk_count(&d, "IpInHdrErrors"), 0);
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

/* RFC 1122 3.2.1.7. */
START_TEST(a_packet_at_the_end_of_its_ttl_is_delivered)
{
	uint8_t frame[200], ttl;
	char buf[8];

	for (ttl = 0; ttl < 2; ttl++) {
		size_t len = build(frame, 0);
		uint16_t sum;

		frame[ETH_HDR_LEN + 8] = ttl;
		memset(frame + ETH_HDR_LEN + 10, 0, 2);
		sum = csum_fold(csum_add(0, frame + ETH_HDR_LEN, IP4_HDR_LEN));
		memcpy(frame + ETH_HDR_LEN + 10, &sum, 2);
		desk_frame(&d, 0, frame, len);
		ck_assert_int_eq(desk_recv(so, buf, 8, 0, NULL, NULL), 4);
	}
}
END_TEST

START_TEST(tcp_to_a_broadcast_is_nobodys_in_any_frame)
{
	struct ip4_hdr h = good();
	uint8_t frame[200];
	size_t len = build(frame, 0);

	h.dst = ip(10, 0, 0, 255);
	h.protocol = IPPROTO_TCP;
	h.total_len = (uint16_t)(len - ETH_HDR_LEN);
	ip4_build(frame + ETH_HDR_LEN, &h);
	desk_frame(&d, 0, frame, len);
	desk_frame(&d, 0, frame, len);
	ck_assert_uint_eq(desk_count(&d, "IpInDelivers"), 2);
	ck_assert_uint_eq(desk_count(&d, "TcpInSegs"), 0);
}
END_TEST

START_TEST(a_wrong_header_checksum_is_dropped)
{
	uint8_t frame[200];
	size_t len = build(frame, 0);
	char buf[8];

	frame[ETH_HDR_LEN + 8]--; /* TTL */
	desk_frame(&d, 0, frame, len);
	ck_assert_int_eq(desk_recv(so, buf, 8, 0, NULL, NULL), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "IpInCsumErrors"), 1);
}
END_TEST

START_TEST(every_truncation_of_a_packet_is_dropped)
{
	uint8_t frame[200];
	size_t len = build(frame, 8);
	char buf[8];

	for (size_t n = 0; n < len; n++)
		desk_frame(&d, 0, frame, n);
	ck_assert_int_eq(desk_recv(so, buf, 8, 0, NULL, NULL), -EAGAIN);
}
END_TEST

START_TEST(ethernets_padding_is_cut_off)
{
	uint8_t frame[200];
	size_t len = build(frame, 0);
	char buf[64];

	memset(frame + len, 'x', 18);
	desk_frame(&d, 0, frame, len + 18);
	ck_assert_int_eq(desk_recv(so, buf, 64, 0, NULL, NULL), 4);
}
END_TEST

START_TEST(a_unicast_packet_in_a_broadcast_frame_or_by_another_port_is_dropped)
{
	uint8_t frame[200];
	size_t len = build(frame, 0);
	uint16_t sum;
	char buf[8];

	desk_frame(&d, 0, frame, len); /* the same to our MAC before it */
	ck_assert_int_eq(desk_recv(so, buf, 8, 0, NULL, NULL), 4);
	memset(frame, 0xff, 6);
	desk_frame(&d, 0, frame, len);
	ck_assert_int_eq(desk_recv(so, buf, 8, 0, NULL, NULL), -EAGAIN);
	memcpy(frame, d.port[1].port.mac, 6);
	desk_frame(&d, 1, frame, len);
	ck_assert_int_eq(desk_recv(so, buf, 8, 0, NULL, NULL), -EAGAIN);
	memset(frame, 0xff, 6);
	frame[ETH_HDR_LEN + 9] = 253; /* nor is it answered: RFC 1122 3.2.2 */
	frame[ETH_HDR_LEN + 11] = 0;
	frame[ETH_HDR_LEN + 10] = 0;
	sum = csum_fold(csum_add(0, frame + ETH_HDR_LEN, IP4_HDR_LEN));
	memcpy(frame + ETH_HDR_LEN + 10, &sum, 2);
	desk_frame(&d, 0, frame, len);
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

START_TEST(an_unknown_protocol_is_answered_with_protocol_unreachable)
{
	struct ip4_hdr h = good();

	h.protocol = 253;
	desk_ip4(&d, &h, datagram, sizeof(datagram));
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(pk.csum_ok);
	ck_assert_uint_eq(pk.icmp.type, 3);
	ck_assert_uint_eq(pk.icmp.code, 2);
	ck_assert_uint_eq(pk.payload_len, 20 + sizeof(datagram));
}
END_TEST

START_TEST(random_packets_neither_crash_nor_leak)
{
	uint8_t frame[400];

	srand(3);
	for (int i = 0; i < 20000; i++) {
		size_t len = build(frame, (unsigned)(rand() % 11) * 4), n = (size_t)(rand() % 12);

		while (n-- > 0)
			frame[ETH_HDR_LEN + (size_t)rand() % (len - ETH_HDR_LEN)] = (uint8_t)rand();
		if (rand() % 2) { /* half of them with a right header checksum */
			uint16_t sum = 0;
			unsigned hl = (frame[ETH_HDR_LEN] & 15u) * 4;

			memcpy(frame + ETH_HDR_LEN + 10, &sum, 2);
			if (hl <= len - ETH_HDR_LEN)
				sum = csum_fold(csum_add(0, frame + ETH_HDR_LEN, hl));
			memcpy(frame + ETH_HDR_LEN + 10, &sum, 2);
		}
		desk_frame(&d, 0, frame, len - (rand() % 4 ? 0 : (size_t)rand() % len));
	}
}
END_TEST

/* ---- output */

static int64_t send_to(uint32_t addr, size_t len)
{
	static uint8_t data[3000];
	struct sock_addr to = name(addr, 7);

	return desk_send(&d, so, data, len, &to);
}

START_TEST(a_sent_packet_has_its_header_right)
{
	ck_assert_int_eq(send_to(PEER, 5), 5);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(pk.csum_ok);
	ck_assert_uint_eq(pk.ip.src, US);
	ck_assert_uint_eq(pk.ip.dst, PEER);
	ck_assert_uint_eq(pk.ip.ttl, 64);
	ck_assert_uint_eq(pk.ip.total_len, 33);
	ck_assert(pk.ip.df && !pk.ip.mf && pk.ip.frag_off == 0);
}
END_TEST

START_TEST(what_has_no_route_is_refused)
{
	ck_assert_int_eq(send_to(ip(8, 8, 8, 8), 5), -ENETUNREACH);
	ck_assert_int_eq(send_to(0, 5), -ENETUNREACH);
}
END_TEST

START_TEST(the_largest_datagram_fills_the_mtu)
{
	ck_assert_int_eq(send_to(PEER, 1472), 1472);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.ip.total_len, 1500);
	ck_assert(!pk.ip.mf);
}
END_TEST

START_TEST(a_packet_to_an_address_of_ours_comes_back_in)
{
	char buf[16];
	struct sock_addr from;

	ck_assert_int_eq(send_to(US, 5), 5);
	ck_assert_int_eq(desk_recv(so, buf, 16, 0, &from, NULL), 5);
	ck_assert_mem_eq(from.addr, &(uint32_t){US}, 4);
	ck_assert_int_eq(send_to(ip(192, 168, 5, 1), 6), 6);
	ck_assert_int_eq(desk_recv(so, buf, 16, 0, &from, NULL), 6);
	ck_assert(!desk_sent(&d, 0, &pk) && !desk_sent(&d, 1, &pk));
}
END_TEST

START_TEST(a_looped_packet_that_the_sender_keeps_is_copied)
{
	struct pktbuf *p = pktbuf_alloc(&d.pool);
	struct ip4_args args = {.src = US, .dst = US, .protocol = IPPROTO_UDP};
	char buf[16];

	memcpy(pktbuf_data(p), datagram, sizeof(datagram));
	p->len = sizeof(datagram);
	pktbuf_hold(p);
	ck_assert_int_eq(ip4_out(d.st, p, &args), 0);
	ck_assert_uint_eq(p->refs, 1);
	desk_flush(&d);
	ck_assert_int_eq(desk_recv(so, buf, 16, 0, NULL, NULL), 4);
	ck_assert_mem_eq(p->buf + p->off + p->len - 4, "data", 4);
	pktbuf_free(p);
}
END_TEST

START_TEST(packets_to_ourselves_are_bounded)
{
	struct ip4_args args = {.src = US, .dst = US, .protocol = IPPROTO_UDP};
	struct pktbuf *p;
	int ok = 0;

	for (int i = 0; i < 300; i++) {
		p = pktbuf_alloc(&d.pool);
		p->len = UDP_HDR_LEN;
		memset(pktbuf_data(p), 0, UDP_HDR_LEN);
		ok += ip4_out(d.st, p, &args) == 0;
	}
	ck_assert_int_eq(ok, 256);
	ck_assert_uint_eq(stack_deadline(d.st), d.now);
	desk_flush(&d);
}
END_TEST

START_TEST(a_looped_packet_whose_address_went_away_is_dropped)
{
	struct ip4_args args = {.src = US, .dst = US, .protocol = IPPROTO_UDP};
	struct pktbuf *p = pktbuf_alloc(&d.pool);
	struct ip_addr a = {AF_INET, 24, {10, 0, 0, 1}};

	p->len = sizeof(datagram);
	memcpy(pktbuf_data(p), datagram, sizeof(datagram));
	ck_assert_int_eq(ip4_out(d.st, p, &args), 0);
	ck_assert_int_eq(stack_addr_del(d.st, &d.port[0].port, &a), 0);
	desk_flush(&d);
	ck_assert_uint_eq(desk_count(&d, "UdpInDatagrams"), 0);
}
END_TEST

START_TEST(a_port_that_does_checksums_gets_the_seed)
{
	const struct test_frame *f;
	uint8_t l4[64];
	uint16_t sum;

	desk_close(&d);
	open_with(PORT_CAP_TX_L4_CSUM);
	desk_know(&d, PEER);
	ck_assert_int_eq(send_to(PEER, 5), 5);
	f = test_port_sent(&d.port[0]);
	ck_assert_ptr_nonnull(f);
	ck_assert(f->flags & PKTBUF_TX_L4_CSUM);
	ck_assert_uint_eq(f->csum_start, ETH_HDR_LEN + IP4_HDR_LEN);
	ck_assert_uint_eq(f->csum_offset, 6);
	/* What the device does: sum from csum_start on over the seed, complement, store. */
	memcpy(l4, f->data + f->csum_start, 13);
	sum = csum_fold(csum_add(0, l4, 13));
	memcpy(l4 + 6, &sum, 2);
	ck_assert_uint_eq(csum_fold(csum_add(csum_pseudo4(US, PEER, IPPROTO_UDP, 13), l4, 13)), 0);
}
END_TEST

START_TEST(a_port_of_raw_ip_has_neither_ethernet_nor_arp)
{
	char buf[8];

	desk_close(&d);
	open_with(PORT_CAP_RAW_IP);
	ck_assert_int_eq(send_to(PEER, 5), 5);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(pk.csum_ok);
	ck_assert_uint_eq(pk.ip.dst, PEER);
	desk_udp(&d, PEER, 9, US, 7, "hi", 2);
	ck_assert_int_eq(desk_recv(so, buf, 8, 0, NULL, NULL), 2);
	desk_frame(&d, 0, "\x60", 1);
	desk_frame(&d, 0, "", 0);
	ck_assert_uint_eq(desk_count(&d, "EthInUnknown"), 2);
}
END_TEST

/* More than a new buffer has room for behind its headroom. */
START_TEST(a_packet_that_fills_its_buffer_is_copied_into_one)
{
	struct pktbuf *p = pktbuf_alloc(d.st->pool), *c;

	p->off = 20;
	p->len = PKTBUF_SIZE - 20;
	memset(pktbuf_data(p), 0x5a, p->len);
	c = ip_copy(d.st, p);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->off + c->len, PKTBUF_SIZE);
	ck_assert_mem_eq(pktbuf_data(c), pktbuf_data(p), p->len);
	pktbuf_free(c);
	pktbuf_free(p);
}
END_TEST

int main(void)
{
	return run_cases(
		"ip4",
		CASES(a_packet_that_fills_its_buffer_is_copied_into_one,
		      a_packet_for_us_is_delivered, packets_for_others_are_not_forwarded,
		      another_ports_address_is_not_ours_here, sources_no_host_may_have_are_dropped,
		      addresses_found_good_are_looked_at_again_where_that_may_have_changed,
		      options_are_skipped, options_that_nobody_knows_are_skipped,
		      an_option_whose_length_lies_drops_the_packet,
		      a_packet_with_a_source_route_is_dropped_and_counted,
		      a_packet_at_the_end_of_its_ttl_is_delivered,
		      tcp_to_a_broadcast_is_nobodys_in_any_frame,
		      a_wrong_header_checksum_is_dropped, every_truncation_of_a_packet_is_dropped,
		      ethernets_padding_is_cut_off,
		      a_unicast_packet_in_a_broadcast_frame_or_by_another_port_is_dropped,
		      an_unknown_protocol_is_answered_with_protocol_unreachable,
		      random_packets_neither_crash_nor_leak, a_sent_packet_has_its_header_right,
		      what_has_no_route_is_refused, the_largest_datagram_fills_the_mtu,
		      a_packet_to_an_address_of_ours_comes_back_in,
		      a_looped_packet_that_the_sender_keeps_is_copied,
		      packets_to_ourselves_are_bounded,
		      a_looped_packet_whose_address_went_away_is_dropped,
		      a_port_that_does_checksums_gets_the_seed,
		      a_port_of_raw_ip_has_neither_ethernet_nor_arp),
		setup, teardown);
}
