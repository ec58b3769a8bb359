/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers and layouts of Linux's socket interface that TCP speaks: options, struct tcp_info. */
#ifndef TCPIP_TCP_ABI_H
#define TCPIP_TCP_ABI_H

#include <stdint.h>

enum tcp_sockopt {
	TCPO_NODELAY = 1,
	TCPO_MAXSEG = 2,
	TCPO_CORK = 3,
	TCPO_KEEPIDLE = 4,
	TCPO_KEEPINTVL = 5,
	TCPO_KEEPCNT = 6,
	TCPO_SYNCNT = 7,
	TCPO_LINGER2 = 8,
	TCPO_DEFER_ACCEPT = 9,
	TCPO_WINDOW_CLAMP = 10,
	TCPO_INFO = 11,
	TCPO_QUICKACK = 12,
	TCPO_CONGESTION = 13,
	TCPO_THIN_DUPACK = 17,
	TCPO_USER_TIMEOUT = 18,
	TCPO_REPAIR = 19,
	TCPO_REPAIR_QUEUE = 20,
	TCPO_FASTOPEN = 23,
	TCPO_TIMESTAMP = 24,
	TCPO_NOTSENT_LOWAT = 25,
	TCPO_CC_INFO = 26,
	TCPO_SAVE_SYN = 27,
	TCPO_SAVED_SYN = 28,
	TCPO_REPAIR_WINDOW = 29,
	TCPO_FASTOPEN_CONNECT = 30,
	TCPO_ULP = 31,
	TCPO_FASTOPEN_NO_COOKIE = 34,
	TCPO_INQ = 36,
	TCPO_IS_MPTCP = 43,
};

enum tcp_info_options {
	TCPI_TIMESTAMPS = 1,
	TCPI_SACK = 2,
	TCPI_WSCALE = 4,
	TCPI_ECN = 8,
	TCPI_ECN_SEEN = 16,
	TCPI_SYN_DATA = 32
};

/* struct tcp_info as of Linux 6.12. */
struct tcp_info_abi {
	uint8_t state, ca_state, retransmits, probes, backoff, options;
	uint8_t wscale;	     /* low nibble: the peer's, high: ours */
	uint8_t app_limited; /* bit 0: delivery_rate is; bits 1, 2: why Fast Open failed */
	uint32_t rto, ato, snd_mss, rcv_mss;
	uint32_t unacked, sacked, lost, retrans, fackets;
	uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv; /* ms ago */
	uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
	uint32_t rcv_rtt, rcv_space, total_retrans;
	uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
	uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
	uint64_t delivery_rate, busy_time, rwnd_limited, sndbuf_limited;
	uint32_t delivered, delivered_ce;
	uint64_t bytes_sent, bytes_retrans;
	uint32_t dsack_dups, reord_seen, rcv_ooopack, snd_wnd, rcv_wnd, rehash;
	uint16_t total_rto, total_rto_recoveries;
	uint32_t total_rto_time, received_ce, delivered_e1_bytes, delivered_e0_bytes;
	uint32_t delivered_ce_bytes, received_e1_bytes, received_e0_bytes, received_ce_bytes;
	uint32_t accecn;
};
_Static_assert(sizeof(struct tcp_info_abi) == 280, "what packetdrill asks for");

#endif
