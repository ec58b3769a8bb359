/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A DHCP client and what a server may say to it: messages with the client's number and options of
 * any kind, ARP that disputes the address, time from milliseconds to weeks.
 *
 *	input: records: what, then a message (type, destination, yiaddr, options), ARP, or time
 */
#include <netinet/in.h>

#include "tcpip/dhcp4.h"
#include "tests/fuzz/fuzz.h"

#define RECORDS 60
#define OPTIONS 200

/* From the peer at UDP port 67; everything but the options is as the client wants it, mostly. */
static void message(struct input *in)
{
	static const uint8_t to[3] = {1, 50, 255};
	uint8_t frame[ETH_HDR_LEN + IP4_HDR_LEN + UDP_HDR_LEN + DHCP_MSG_MIN + OPTIONS] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0, 0x45};
	struct udp_hdr udp = {DHCP_SERVER_PORT, DHCP_CLIENT_PORT, 0, 0};
	uint8_t *ip = frame + ETH_HDR_LEN, *m = ip + IP4_HDR_LEN + UDP_HDR_LEN;
	uint8_t odd = in8(in), who = in8(in);
	size_t n = in8(in) % (OPTIONS - 16), len;

	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, &fz_peer, 4);
	memcpy(ip + 16, &fz_us, 4);
	ip[19] = to[who % 3];
	m[0] = odd == 1 ? 1 : 2;
	m[1] = 1;
	m[2] = 6;
	memcpy(m + 4, fz_udp + UDP_HDR_LEN + 4, 4);
	memcpy(m + 16, &fz_us, 4);
	m[19] = who & 0x80 ? 50 : who & 3;
	memcpy(m + 28, frame, 6);
	wire_put32(m + 236, 0x63825363);
	m += DHCP_MSG_MIN;
	m[0] = 53;
	m[1] = 1;
	m[2] = in8(in) % 9;
	m[3] = 54;
	m[4] = 4;
	memcpy(m + 5, &fz_peer, 4);
	m[9] = 51;
	m[10] = 4;
	wire_put32(m + 11, in32(in) >> who % 32);
	n = in_bytes(in, m + 15, n) + 15;
	len = DHCP_MSG_MIN + n;
	if (odd == 2) /* cut short */
		len = in16(in) % len;
	udp.len = (uint16_t)(UDP_HDR_LEN + len);
	udp_build(ip + IP4_HDR_LEN, &udp);
	len += ETH_HDR_LEN + IP4_HDR_LEN + UDP_HDR_LEN;
	net_fix(frame, len, FIX_IP | FIX_L4);
	net_frame(frame, len);
}

/* Somebody has the address, or asks for it, or for ours. */
static void arp(struct input *in)
{
	uint8_t frame[ETH_HDR_LEN + ARP_LEN], bits = in8(in);
	struct eth_hdr eth = {.src = {2, 0, 0, 0, 0, 9}, .type = ETH_TYPE_ARP};
	struct arp_msg m = {.op = 1u + (bits & 1), .sha = {2, 0, 0, 0, 0, 9}};
	uint8_t addr[4] = {10, 0, 0, bits & 2 ? 50 : bits >> 4};

	memset(eth.dst, 0xff, 6);
	memcpy(&m.tpa, addr, 4);
	if (bits & 4)
		m.spa = m.tpa;
	eth_build(frame, &eth);
	arp_build(frame + ETH_HDR_LEN, &m);
	net_frame(frame, sizeof(frame));
}

/* An address that is shown is ours, and no route is left without its port. */
static void check(void)
{
	struct dhcp_row row;
	uint32_t cursor = 0;

	FUZZ_MUST(stack_dhcp_row(fz, &cursor, &row));
	FUZZ_MUST(!row.addr.family || stack_addr_is_local(fz, &row.addr));
	FUZZ_MUST(fz->n_addrs <= 2 && fz->n_routes <= 2 + DHCP_ROUTES);
	FUZZ_MUST(fz->ports->mtu >= 576);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint32_t routes;

	net_open();
	routes = fz->n_routes;
	FUZZ_MUST(stack_dhcp_start(fz, fz->ports) == 0);
	net_flush();
	for (unsigned n = 0; in.left && n < RECORDS; n++) {
		uint8_t what = in8(&in);

		if (what < 160)
			message(&in);
		else if (what < 192)
			arp(&in);
		else
			net_pass(FUZZ_MS << in8(&in) % 31);
		check();
	}
	FUZZ_MUST(stack_dhcp_stop(fz, fz->ports) == 0);
	FUZZ_MUST(fz->n_addrs == 1 && fz->n_routes == routes && !fz->acds);
	net_close();
	return 0;
}
