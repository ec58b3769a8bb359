/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parsers of tcpip/wire.c and wire6.c on bytes that end where the allocation ends; what
 * tcp_build makes of what was read must be read the same way again.
 */
#include <errno.h>

#include "tcpip/wire6.h"
#include "tests/fuzz/fuzz.h"

static void parse6(const uint8_t *data, size_t size)
{
	struct mld_query query;
	struct ip6_hdr ip;
	struct ip6_ext ext;
	struct nd_msg nd;
	int r;

	if (ip6_parse(&ip, data, size) == 0) {
		r = ip6_walk(&ext, &ip, data, size);
		FUZZ_MUST(r < 0 || IP6_HDR_LEN + ext.len <= size);
		FUZZ_MUST(r != -EPROTO || ext.problem_at < size);
		FUZZ_MUST(r < 0 || !ext.fragment || ext.frag_next < IP6_HDR_LEN + ext.len);
	}
	if (nd_parse(&nd, data, size) == 0)
		FUZZ_MUST(nd.n_prefix <= ND_PREFIX_MAX);
	(void)mld_query_parse(&query, data, size);
}

static void round_trip(const struct tcp_hdr *h)
{
	uint8_t out[60];
	struct tcp_hdr again;
	unsigned n = tcp_build_len(h);

	FUZZ_MUST(n >= TCP_HDR_LEN && n <= sizeof(out) && n % 4 == 0);
	FUZZ_MUST(tcp_build(out, h) == n);
	FUZZ_MUST(tcp_parse(&again, out, n) == 0);
	FUZZ_MUST(again.seq == h->seq && again.ack == h->ack && again.flags == h->flags);
	FUZZ_MUST(again.opts.n_sack <= h->opts.n_sack);
	FUZZ_MUST(again.opts.has_ts == h->opts.has_ts && again.opts.ts_val == h->opts.ts_val);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);
	struct eth_hdr eth;
	struct arp_msg arp;
	struct ip4_hdr ip;
	struct udp_hdr udp;
	struct icmp_hdr icmp;
	struct tcp_hdr tcp;

	if (!copy)
		return 0;
	memmove(copy + 1, data, size); /* its end is the end */
	data = copy + 1;
	(void)eth_parse(&eth, data, size);
	(void)arp_parse(&arp, data, size);
	if (ip4_parse(&ip, data, size) == 0)
		FUZZ_MUST(ip.hdr_len >= IP4_HDR_LEN && ip.total_len <= size &&
			  ip.hdr_len <= ip.total_len);
	(void)ip4_parse_quoted(&ip, data, size);
	if (udp_parse(&udp, data, size) == 0)
		FUZZ_MUST(udp.len <= size && udp.len >= UDP_HDR_LEN);
	(void)icmp_parse(&icmp, data, size);
	parse6(data, size);
	if (tcp_parse(&tcp, data, size) == 0) {
		FUZZ_MUST(tcp.hdr_len >= TCP_HDR_LEN && tcp.hdr_len <= size);
		FUZZ_MUST(tcp.opts.n_sack <= 4);
		round_trip(&tcp);
	}
	free(copy);
	return 0;
}
