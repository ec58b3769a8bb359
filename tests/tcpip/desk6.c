/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tcpip/desk6.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void ip6(uint8_t out[16], const char *text)
{
	ck_assert_int_eq(inet_pton(AF_INET6, text, out), 1);
}

void mac6(uint8_t mac[6], uint8_t n)
{
	const uint8_t m[6] = {2, 0x66, 0, 0, 0, n};

	memcpy(mac, m, 6);
}

int desk6_addr(struct desk *d, const char *text, uint8_t prefix)
{
	struct ip_addr a = {.family = AF_INET6, .prefix = prefix};

	ip6(a.bytes, text);
	return stack_addr_add(d->st, &d->port[0].port, &a);
}

void desk6_open_conf(struct desk *d, uint8_t dad_transmits, bool accept_ra)
{
	struct stack_ip6_conf conf = {.dad_transmits = dad_transmits, .accept_ra = accept_ra};

	memset(conf.secret, 7, sizeof(conf.secret));
	desk_open(d);
	ck_assert_int_eq(stack_ip6_up(d->st, &d->port[0].port, &conf), 0);
}

void desk6_open(struct desk *d)
{
	desk6_open_conf(d, 0, true);
	ck_assert_int_eq(desk6_addr(d, "2001:db8::1", 64), 0);
	desk_pass(d, 20 * SEC_NS); /* reports, solicitations */
	desk_drop_sent(d, 0);
}

void link_local(struct desk *d, uint8_t out[16])
{
	uint32_t cursor = 0;
	struct addr_row row;

	while (stack_addr_row(d->st, &cursor, &row)) {
		if (row.addr.family != AF_INET6 || row.addr.bytes[0] != 0xfe)
			continue;
		memcpy(out, row.addr.bytes, 16);
		return;
	}
	ck_abort_msg("no link-local address");
}

static void put_checksum(const struct ip6_hdr *h, uint8_t *l4, size_t len)
{
	size_t at = h->next == IP6_TCP ? 16 : h->next == IP6_UDP ? 6 : 2;
	uint16_t sum;

	if ((h->next != IP6_TCP && h->next != IP6_UDP && h->next != IP6_ICMP) || len < at + 2)
		return;
	memset(l4 + at, 0, 2);
	sum = csum_fold(csum_add(csum_pseudo6(h->src, h->dst, h->next, (uint32_t)len), l4, len));
	memcpy(l4 + at, &sum, 2);
}

void desk6_packet_on(struct desk *d, unsigned port, uint8_t n, const struct ip6_hdr *h,
		     const void *l4, size_t len)
{
	uint8_t frame[TEST_FRAME_MAX] = {0};
	struct eth_hdr e = {.type = ETH_TYPE_IP6};
	struct ip6_hdr out = *h;

	mac6(e.src, n);
	if (h->dst[0] == 0xff)
		ip6_group_mac(e.dst, h->dst);
	else
		memcpy(e.dst, d->port[port].port.mac, 6);
	out.payload_len = (uint16_t)len;
	if (out.hop_limit == 0)
		out.hop_limit = 64;
	eth_build(frame, &e);
	ip6_build(frame + ETH_HDR_LEN, &out);
	memcpy(frame + ETH_HDR_LEN + IP6_HDR_LEN, l4, len);
	put_checksum(&out, frame + ETH_HDR_LEN + IP6_HDR_LEN, len);
	desk_frame(d, port, frame, ETH_HDR_LEN + IP6_HDR_LEN + len);
}

void desk6_packet(struct desk *d, uint8_t n, const struct ip6_hdr *h, const void *l4, size_t len)
{
	desk6_packet_on(d, 0, n, h, l4, len);
}

void desk6_nd(struct desk *d, uint8_t n, const char *src, const uint8_t dst[16],
	      const struct nd_msg *m)
{
	struct ip6_hdr h = {.next = IP6_ICMP, .hop_limit = 255};
	uint8_t l4[512];

	ip6(h.src, src);
	memcpy(h.dst, dst, 16);
	desk6_packet(d, n, &h, l4, nd_build(l4, m));
}

void desk6_know(struct desk *d, uint8_t n)
{
	struct nd_msg m = {.type = ICMP6_NS, .has_slla = true};
	char text[32];
	uint8_t dst[16];

	snprintf(text, sizeof(text), "2001:db8::%x", n);
	ip6(m.target, "2001:db8::1");
	mac6(m.slla, n);
	ip6_solicited_node(dst, m.target);
	desk6_nd(d, n, text, dst, &m);
	desk_drop_sent(d, 0);
}

void desk6_udp(struct desk *d, uint8_t n, const char *src, uint16_t sport, const char *dst,
	       uint16_t dport, const void *data, size_t len)
{
	struct ip6_hdr h = {.next = IP6_UDP};
	struct udp_hdr u = {.sport = sport, .dport = dport, .len = (uint16_t)(len + UDP_HDR_LEN)};
	uint8_t l4[TEST_FRAME_MAX];

	ip6(h.src, src);
	ip6(h.dst, dst);
	udp_build(l4, &u);
	if (len)
		memcpy(l4 + UDP_HDR_LEN, data, len);
	desk6_packet(d, n, &h, l4, u.len);
}

bool desk6_sent_on(struct desk *d, unsigned port, struct packet6 *pk)
{
	const struct test_frame *f = test_port_sent(&d->port[port]);
	uint64_t pseudo;

	memset(pk, 0, sizeof(*pk));
	if (!f)
		return false;
	ck_assert_int_eq(eth_parse(&pk->eth, f->data, f->len), 0);
	ck_assert_uint_eq(pk->eth.type, ETH_TYPE_IP6);
	pk->l3 = f->data + ETH_HDR_LEN;
	ck_assert_int_eq(ip6_parse(&pk->ip, pk->l3, f->len - ETH_HDR_LEN), 0);
	ck_assert_uint_eq(pk->ip.payload_len + IP6_HDR_LEN, f->len - ETH_HDR_LEN);
	ck_assert_int_eq(ip6_walk(&pk->ext, &pk->ip, pk->l3, f->len - ETH_HDR_LEN), 0);
	pk->l4 = pk->l3 + IP6_HDR_LEN + pk->ext.len;
	pk->l4_len = (uint16_t)(pk->ip.payload_len - pk->ext.len);
	pseudo = csum_pseudo6(pk->ip.src, pk->ip.dst, pk->ext.next, pk->l4_len);
	pk->csum_ok = csum_fold(csum_add(pseudo, pk->l4, pk->l4_len)) == 0;
	if (pk->ext.next == IP6_ICMP) {
		ck_assert_int_eq(icmp_parse(&pk->icmp, pk->l4, pk->l4_len), 0);
		(void)nd_parse(&pk->nd, pk->l4, pk->l4_len);
	}
	return true;
}

bool desk6_sent(struct desk *d, struct packet6 *pk)
{
	return desk6_sent_on(d, 0, pk);
}

struct sock_addr name6(const char *text, uint16_t port)
{
	struct sock_addr a = {.family = AF_INET6, .port = port};

	ip6(a.addr, text);
	return a;
}

struct socket *socket6(struct desk *d, int type, int protocol)
{
	struct socket *so;

	ck_assert_int_eq(sock_create(d->st, AF_INET6, type, protocol, 1, &so), 0);
	return so;
}
