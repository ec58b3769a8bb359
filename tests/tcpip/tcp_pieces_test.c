/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP segments that arrive as IP fragments, as QEMU's e1000e sends what it was to segment. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/tcp_peer.h"

static struct desk d;
static struct peer p;
static uint8_t l4[9000], got[9000];

static void setup(void)
{
	peer_desk_open(&d);
	p = peer_make(&d);
	peer_accepted(&p);
}

static void teardown(void)
{
	peer_desk_close(&d);
}

/* From the peer, sequence number 1 on, cut at 1480 bytes of IP payload. */
static void send_cut(uint8_t flags, size_t len, bool damaged)
{
	struct tcp_hdr h = {.sport = p.port, .dport = p.stack_port, .flags = flags};
	struct ip4_hdr ih = {.protocol = 6, .src = ip(10, 0, 0, 9), .dst = ip(10, 0, 0, 1)};
	size_t n, at, to;
	uint16_t sum;

	h.seq = p.iss + 1;
	h.ack = p.stack_iss + 1;
	h.window = 65535;
	n = tcp_build(l4, &h);
	for (size_t i = 0; i < len; i++)
		l4[n + i] = (uint8_t)(i * 13 + i / 300);
	sum = csum_fold(
		csum_add(csum_pseudo4(ih.src, ih.dst, 6, (uint16_t)(n + len)), l4, n + len));
	memcpy(l4 + 16, &sum, 2);
	l4[3000] ^= damaged;
	ih.id = 77;
	for (at = 0; at < n + len; at = to) {
		to = at + 1480 < n + len ? at + 1480 : n + len;
		ih.frag_off = (uint16_t)at;
		ih.mf = to < n + len;
		desk_ip4(&d, &ih, l4 + at, to - at);
	}
}

START_TEST(a_segment_in_fragments_is_received_and_acknowledged)
{
	struct segment s;
	uint32_t acked = 0;

	send_cut(TCP_ACK | TCP_PSH | TCP_FIN, 8000, false);
	ck_assert_int_eq(desk_recv(p.so, got, sizeof(got), 0, NULL, NULL), 8000);
	ck_assert_mem_eq(got, l4 + TCP_HDR_LEN, 8000);
	ck_assert_int_eq(desk_recv(p.so, got, sizeof(got), 0, NULL, NULL), 0);
	desk_pass(&d, 50 * MS_NS);
	while (peer_got(&p, &s))
		acked = s.ack;
	ck_assert_uint_eq(acked, 8002);
}
END_TEST

START_TEST(a_damaged_one_is_dropped)
{
	send_cut(TCP_ACK | TCP_PSH, 8000, true);
	ck_assert_int_eq(desk_recv(p.so, got, sizeof(got), 0, NULL, NULL), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "TcpInErrs"), 1);
}
END_TEST

START_TEST(a_syn_in_fragments_is_nobodys)
{
	send_cut(TCP_SYN | TCP_ACK, 8000, false);
	ck_assert_int_eq(desk_recv(p.so, got, sizeof(got), 0, NULL, NULL), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "TcpInErrs"), 1);
	peer_quiet(&p);
}
END_TEST

int main(void)
{
	return run_cases("tcp_pieces",
			 CASES(a_segment_in_fragments_is_received_and_acknowledged,
			       a_damaged_one_is_dropped, a_syn_in_fragments_is_nobodys),
			 setup, teardown);
}
