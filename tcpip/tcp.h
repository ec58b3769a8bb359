/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TCP control block, field by field in RFC names, and the calls between the tcp_*.c files.
 * Private to tcpip/. Reading order: lookup.c (whose is it), tcp_in.c (a segment arrives), tcp_gro.c
 * (those that follow one another go on as one), tcp_ack.c, tcp_sack.c, tcp_recovery.c (what an ACK
 * means), tcp_rcv.c (data), tcp_ooo.c (out of order), tcp_out.c (what may be sent), tcp_tso.c,
 * tcp_pace.c, tcp_mtu.c (in segments of which size), tcp_timer.c, tcp_listen.c, tcp_syncookie.c,
 * tcp_pcb.c (birth and death), tcp_user.c, tcp_sockopt.c, tcp_settings.c; beside them tcp_ecn.c,
 * tcp_urg.c, tcp_tune.c (buffer sizes) and tcp_info.c.
 *
 * The send queue is one list of buffers in sequence order, one segment each, though on a wide link
 * several may leave as one (tcp_tso.c):
 *
 *	snd_head ... sent, not yet acknowledged ... | snd_next ... not yet sent ... snd_tail
 *	^ snd_una				      ^ snd_nxt			    ^ snd_end
 *
 * Segments in flight are counted, as RACK and PRR want it, by marks on the buffers (enum tcp_mark):
 * flight = packets_out - sacked_out - lost_out + retrans_out.
 */
#ifndef TCPIP_TCP_H
#define TCPIP_TCP_H

#include "tcpip/cc.h"
#include "tcpip/socket.h"
#include "tcpip/stack.h"
#include "tcpip/tcp_abi.h"

#define TCP_US		  1000ull /* ns */
#define TCP_MS		  1000000ull
#define TCP_S		  1000000000ull
#define TCP_RTO_INIT_US	  1000000u   /* RFC 6298 2.1 */
#define TCP_RTO_MIN_US	  200000u    /* Linux's; RFC 6298 says 1 s, which no modern stack keeps */
#define TCP_RTO_MAX_US	  120000000u /* RFC 6298 2.5 allows a bound of 60 s or more */
#define TCP_DELACK_MIN	  (40 * TCP_MS)
#define TCP_TIME_WAIT_LEN (60 * TCP_S)
#define TCP_R1		  3		    /* timeouts after which IP is told (RFC 9293 3.8.3) */
#define TCP_GIVE_UP	  (924600 * TCP_MS) /* what Linux's tcp_retries2 = 15 amounts to */
#define TCP_GIVE_UP_DEAD  (102 * TCP_S)	    /* the same once the application has gone: 8 retries */
#define TCP_SYN_RETRIES	  6
#define TCP_SYNACK_TRIES  5
#define TCP_OOW_ACK_GAP	  (500 * TCP_MS) /* between ACKs that answer unacceptable segments */
#define TCP_IW		  10u		 /* RFC 6928 */
#define TCP_DUPTHRESH	  3u
#define TCP_MSS_DEFAULT	  536u
#define TCP_MSS_MIN	  48u
#define TCP_MSS_MAX	  (PKTBUF_SIZE - PKTBUF_HEADROOM) /* payload of a buffer */
#define TCP_WSCALE	  8u
#define TCP_OUT_BURST	  64u /* segments per connection and call; then others get their turn */
#define TCP_BUF_DEFAULT	  (128u << 10) /* of each kind; half of it is the window; both grow */
#define TCP_RMEM_MAX	  (6u << 20)   /* what tuning makes of it, as Linux's tcp_rmem[2] */
#define TCP_WMEM_MAX	  (6u << 20)   /* tcp_wmem[2], 4 MiB, of payload: 1,448 bytes in 2,048 */
#define TCP_CWND_MAX	  65535u
#define TCP_SSTHRESH_INF  0x7fffffffu
#define TCP_PORT_FIRST	  32768u
#define TCP_PORT_LAST	  60999u

/* As in struct tcp_info. */
enum tcp_state {
	TCPS_ESTABLISHED = 1,
	TCPS_SYN_SENT,
	TCPS_SYN_RCVD,
	TCPS_FIN_WAIT_1,
	TCPS_FIN_WAIT_2,
	TCPS_TIME_WAIT,
	TCPS_CLOSED,
	TCPS_CLOSE_WAIT,
	TCPS_LAST_ACK,
	TCPS_LISTEN,
	TCPS_CLOSING,
};

/* IP_MTU_DISCOVER, as in Linux's in.h. */
enum { PMTUDISC_DONT, PMTUDISC_WANT, PMTUDISC_DO, PMTUDISC_PROBE, PMTUDISC_INTERFACE };

/* Sets of states: bit (1 << state). */
#define TCPS_IN(s, set) (((1u << (s)) & (set)) != 0)
#define TCPS_CAN_SEND	((1u << TCPS_ESTABLISHED) | (1u << TCPS_CLOSE_WAIT))
#define TCPS_HAS_SENT                                                                              \
	(TCPS_CAN_SEND | (1u << TCPS_FIN_WAIT_1) | (1u << TCPS_CLOSING) | (1u << TCPS_LAST_ACK))
#define TCPS_CAN_RCV ((1u << TCPS_ESTABLISHED) | (1u << TCPS_FIN_WAIT_1) | (1u << TCPS_FIN_WAIT_2))
#define TCPS_SYNCED  (TCPS_HAS_SENT | (1u << TCPS_FIN_WAIT_2) | (1u << TCPS_TIME_WAIT))

/* Marks on a sent buffer (pktbuf.tcp.sacked). */
enum tcp_mark {
	TCP_SACKED = 1,	 /* the peer has it, above snd_una */
	TCP_LOST = 2,	 /* given up for lost */
	TCP_RETRANS = 4, /* sent again, that copy is in flight */
	TCP_EVER = 8,	 /* was sent more than once (Karn) */
};

/* Beside the header's eight flags in tcp_emit's argument: the packet may be marked (RFC 3168). */
#define TCP_EMIT_ECT 0x100u

/* What the rexmit timer waits for. */
enum tcp_rexmit_kind {
	TCP_T_NONE,
	TCP_T_RTO,     /* RFC 6298 */
	TCP_T_PERSIST, /* RFC 9293 3.8.6.1 */
	TCP_T_PROBE,   /* RFC 8985 7: tail loss probe; in recovery, a recovery probe */
	TCP_T_REORDER, /* RFC 8985 6: a segment may still be reordered until then */
};

/* As Linux's tcpi_ca_state. */
enum tcp_ca_state { TCP_CA_OPEN, TCP_CA_DISORDER, TCP_CA_CWR, TCP_CA_RECOVERY, TCP_CA_LOSS };

/* The peer's urgent byte: announced, here, taken by a receive with MSG_OOB. */
enum tcp_urg_state { TCP_URG_NONE, TCP_URG_AWAITED, TCP_URG_HERE, TCP_URG_TAKEN };

/* What the sender is doing, as Linux's chronographs have it: nothing queued; something; but the
 * peer's window is in the way; or all is sent and the writer waits for room. */
enum tcp_busy { TCP_IDLE, TCP_BUSY, TCP_RWND_LIMITED, TCP_SNDBUF_LIMITED, TCP_BUSY_KINDS };

/* tcpi_fastopen_client_fail. */
enum tcp_fo_fail { TCP_FO_FAIL_NONE, TCP_FO_NO_COOKIE, TCP_FO_NOT_ACKED, TCP_FO_SYN_AGAIN };

/* An ACK that is owed. */
enum tcp_ack_owed { TCP_ACK_NONE, TCP_ACK_LATER, TCP_ACK_NOW };

struct tcp_pcb {
	/* ---- Who it is. Written by tcp_pcb.c, lookup.c and tcp_user.c. */
	struct stack *st;
	struct socket *so; /* NULL: closed by the application, or not yet accepted */
	struct tcp_pcb *hash_next, **hash_pprev; /* 4-tuple table; the first listener of a port */
	struct tcp_pcb *bind_next, **bind_pprev; /* owners of local_port */
	uint32_t local_ip, remote_ip;		 /* network byte order; or handles, held: ip6.h */
	uint16_t local_port, remote_port;
	uint8_t state;		     /* enum tcp_state */
	uint8_t owner;		     /* whom it and its data are charged to, quota.c */
	uint8_t shut;		     /* bit 0: no more receiving, bit 1: no more sending */
	uint8_t families;	     /* FAMILY_*: what local_ip 0 stands for */
	bool port_chosen;	     /* bind() named the port or the stack chose it for bind() */
	bool idle;		     /* in TIME-WAIT without a socket: no longer charged */
	bool dead;		     /* on the list of blocks to free */
	bool ever_accepted;	     /* or connected: counts as the application's */
	bool passive;		     /* came from a listener */
	bool fin_owed;		     /* shut for sending, but no buffer was there for the FIN yet */
	bool reuse_at_bind;	     /* SO_REUSEADDR when it was bound: outlives the socket */
	bool reuseport_bind;	     /* SO_REUSEPORT likewise */
	bool rcvbuf_set, sndbuf_set; /* by the application: not tuned */
	uint32_t client; /* who owns the socket: SO_REUSEPORT only shares with the same */

	/* ---- The stack's lists. Written by tcp_out.c, tcp_listen.c, tcp_pcb.c. */
	struct tcp_pcb *out_next, **out_pprev; /* has ACKs or data to send; or dead */
	/* SYN or accept queue; TIME-WAIT by age; the other listeners of a port */
	struct tcp_pcb *queue_next, **queue_pprev;
	struct tcp_pcb *listener; /* while in one of its queues */
	/* Of a listener: */
	struct tcp_pcb *syn_q, *accept_q, **accept_tail;
	uint32_t syn_n, accept_n, backlog;
	uint64_t cookie_at; /* ns: last SYN cookie sent; 0: never */

	/* ---- Timers. Written by tcp_timer.c. */
	struct timer rexmit; /* one of enum tcp_rexmit_kind */
	struct timer delack;
	struct timer keep; /* keepalive; FIN-WAIT-2 and TIME-WAIT of their states */
	uint8_t rexmit_kind;
	uint8_t backoff;    /* doublings of RTO or persist interval */
	uint8_t probes_out; /* zero-window or keepalive probes without an answer */
	uint8_t syn_tries;  /* SYNs or SYN-ACKs sent again */
	uint8_t held;	    /* timeouts in a row that found the device still holding the segment */
	uint8_t rec_probes; /* recovery probes since the last progress */
	struct timer pace;  /* the next segment may go, SO_MAX_PACING_RATE */
	uint64_t rto_at;    /* when RTO ends, also while a probe comes first */
	uint64_t stuck_since; /* first unanswered retransmission or probe; 0: none */

	/* ---- Sending. RFC 9293 3.3.1. Written by tcp_ack.c (una, wnd), tcp_out.c (nxt),
	 * tcp_user.c (end). */
	uint32_t iss, snd_una, snd_nxt;
	uint32_t snd_end;     /* one past the last byte (or FIN) queued */
	uint32_t snd_wnd;     /* bytes, scaled */
	uint32_t snd_wl1;     /* SEG.SEQ of the last window update */
	uint32_t max_window;  /* greatest snd_wnd seen */
	uint32_t snd_sml;     /* end of the last small segment sent (Minshall's Nagle) */
	uint32_t pushed;      /* snd_end at the last PSH */
	uint16_t snd_mss;     /* payload bytes per buffer: options already taken off */
	uint16_t wire_mss;    /* more than that: a segment may be of several buffers, so long */
	uint16_t peer_mss;    /* the MSS option; 536 without */
	uint16_t path_mtu;    /* bytes of a packet in IPv4's measure; 0: what the link takes */
	uint64_t path_mtu_at; /* ns: then an ACK wakes the search for a larger one, tcp_mtu.c */
	uint8_t snd_wscale, rcv_wscale;
	bool wscale_ok, ts_ok, sack_ok;
	bool mtu_search; /* a probe goes out when there is occasion */
	struct pktbuf *snd_head, *snd_next, *snd_tail;
	uint32_t snd_bufs;   /* buffers queued: memory is PKTBUF_SIZE each */
	uint16_t train_max;  /* buffers that may leave as one frame; below 2: no trains */
	bool pieces;	     /* the port takes segments of several buffers */
	uint32_t port_scope; /* index + 1 of the port it sends by, as it last looked; 0: none */

	/* ---- What is out there. Written by tcp_ack.c, tcp_sack.c, tcp_recovery.c, tcp_out.c. */
	uint32_t packets_out, sacked_out, lost_out, retrans_out;
	uint32_t high_sacked;	/* end of the highest SACKed segment */
	uint32_t high_seq;	/* snd_nxt when recovery began ("RecoveryPoint") */
	uint32_t undo_marker;	/* snd_una when cwnd was reduced */
	uint32_t undo_retrans;	/* retransmissions not yet proven needless by DSACK */
	uint64_t retrans_stamp; /* ns: first retransmission of this episode; 0: none */
	uint32_t tlp_high_seq;	/* snd_nxt at the outstanding tail loss probe; 0: none */
	bool tlp_retrans;
	uint8_t ca_state; /* enum tcp_ca_state */
	bool reord_seen;  /* RFC 8985 5.2: reordering was observed */
	bool undo_on;	  /* the last reduction may still prove needless */
	bool undo_sent;	  /* something was retransmitted since */
	/* RACK, RFC 8985 5.3 */
	uint64_t rack_xmit; /* ns: send time of the most recently sent segment delivered */
	uint32_t rack_end_seq, rack_rtt_us;
	uint32_t rack_fack; /* highest sequence delivered */
	uint8_t reo_wnd_mult, reo_wnd_persist;
	bool rack_advanced;
	bool dsack_round_on;
	uint32_t dsack_round; /* snd_nxt when reo_wnd_mult last grew */

	/* ---- Round trip, RFC 6298. Written by tcp_ack.c. Microseconds. */
	uint32_t srtt_us, rttvar_us, rto_us, min_rtt_us;
	uint32_t last_rtt_us;

	/* ---- Congestion control. Written by tcp_recovery.c and the cc. Segments. */
	const struct tcp_cc *cc;
	uint32_t cwnd, ssthresh, cwnd_cnt, prior_cwnd, prior_ssthresh;
	uint32_t prr_delivered, prr_out, recover_fs; /* RFC 6937 */
	uint32_t cwnd_used;			     /* most in flight since the last look */
	uint32_t cwnd_used_seq;
	bool cwnd_limited;
	uint64_t cc_priv[8];
	struct tcp_hystart {
		uint32_t end;		      /* snd_nxt when this round began */
		uint32_t min_us, last_min_us; /* round trip, of this round and the last; 0: none */
		uint32_t baseline_us;	      /* when CSS began */
		uint8_t samples, css_round;   /* css_round 0: not in CSS */
		bool running;
	} hystart;

	/* ---- The search for path_mtu, RFC 4821. Written by tcp_mtu.c. Sizes as path_mtu's. */
	struct tcp_mtu {
		uint32_t probe_seq, probe_end; /* of the probe in flight */
		uint32_t sent, again; /* data_segs_out, total_retrans when path_mtu was raised */
		/* Since the last loss: bytes in segments of several buffers; of such sent again. */
		uint32_t long_sent, long_again;
		uint16_t probe;	 /* size of the probe in flight; 0: none */
		uint16_t high;	 /* greatest worth a probe; 0: what the link takes */
		uint16_t before; /* path_mtu before it was raised; 0: the raise has proved good */
		bool top;	 /* the next probe is of the greatest size, not the middle */
	} mtu;

	/* ---- ECN, RFC 3168. Written by tcp_ecn.c. */
	bool ecn_ok;		/* both ends agreed */
	bool ecn_echo;		/* a mark came in: ECE on every ACK until the peer's CWR */
	bool ecn_cwr;		/* we reduced: CWR on the next new data */
	bool ecn_seen;		/* a packet came that the path could have marked */
	uint32_t ce_in, ce_out; /* segments marked on the way to us; delivered under ECE */

	/* ---- Receiving. Written by tcp_rcv.c, tcp_ooo.c and tcp_in.c. */
	uint32_t irs, rcv_nxt;
	uint32_t rcv_adv;	  /* right edge of the window announced: never moves left */
	uint32_t rcv_wup;	  /* rcv_nxt when an ACK was last sent (RFC 7323 Last.ACK.sent) */
	uint32_t copied_seq;	  /* next byte the application takes */
	struct pktbuf_queue rcvq; /* in order; off and len are what is left of each */
	struct pktbuf *ooo_head, *ooo_tail;
	uint32_t rcvq_bytes, rcv_bufs; /* buffers in both queues */
	uint16_t rcv_mss;	       /* guess of the size of the peer's full segments */
	uint16_t adv_mss;	       /* our MSS option */
	bool fin_seen;		       /* the peer's FIN is in rcv_nxt */
	bool fin_known;		       /* it arrived, perhaps ahead of data */
	uint32_t fin_at;	       /* its sequence number */
	uint8_t n_sack;
	struct tcp_sack_block sack[4]; /* what ooo holds, most recent first */
	bool has_dsack;
	struct tcp_sack_block dsack; /* to be reported with the next ACK, RFC 2883 */
	/* Tuning the buffer, tcp_tune.c. */
	uint32_t rcv_rtt_us;	       /* round trip as the receiver sees it; 0: not yet */
	uint32_t rcv_rtt_seq;	       /* without timestamps: a window from here is a round trip */
	uint64_t rcv_rtt_at, space_at; /* ns: when that and the count below began */
	uint32_t space_seq, space;     /* copied_seq then; most the application took in one */

	/* ---- Acknowledging. Written by tcp_in.c, tcp_out.c. */
	uint8_t ack_owed;    /* enum tcp_ack_owed */
	uint8_t quick_acks;  /* segments still to be acknowledged at once */
	bool rcv_lossy;	     /* meanwhile: the wire loses, each second segment gets its ACK */
	bool pingpong;	     /* requests and answers alternate: delay ACKs to ride on data */
	bool wake_owed;	     /* data came in this batch: the socket is not told yet */
	bool starved;	     /* a writer was turned away for want of buffers in the stack */
	uint8_t hop_hint;    /* PKTBUF_TX_REACHED or _DOUBTED: the next segment tells the next hop's
				entry */
	uint32_t rcv_ts_val; /* of the last data received, if time stamps are in use */
	uint64_t oow_ack_at; /* ns: when an unacceptable segment was last answered */
	uint64_t rcv_time;   /* ns: last data received */
	uint64_t snd_time;   /* ns: last data sent */
	uint64_t heard_time; /* ns: last acceptable segment */

	/* ---- Fast Open, tcp_fastopen.c. */
	bool fo_pending; /* accepted on the SYN alone; or: data went out on our SYN */
	bool fo_tell;	 /* the SYN-ACK brings the peer a cookie; our SYN asks for one or has it */
	bool fo_connect, fo_no_cookie; /* TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE */
	bool fo_exp;		       /* the cookie goes in the experimental option */
	bool fo_deferred;	       /* SYN-SENT, but the SYN waits for the first data */
	bool syn_data;		       /* the SYN's data was taken, either way: for TCP_INFO */
	uint8_t fo_cookie_len, fo_cookie[16];
	uint32_t fo_max; /* of a listener: connections that may be pending so; 0: off */
	uint32_t fo_n;	 /* and that are */
	/* The listener of one that is pending, until it stops; its others, from its own fo_next. */
	struct tcp_pcb *fo_listener, *fo_next, **fo_pprev;

	/* ---- TCP_SAVE_SYN: of a listener; a child's, from IP's header to TCP's end, until read.
	 */
	bool save_syn;
	struct pktbuf *saved_syn;

	/* ---- Urgent data, tcp_urg.c. */
	uint8_t urg_state; /* enum tcp_urg_state */
	uint8_t urg_byte;
	bool snd_urg;	  /* snd_up is ahead of snd_una */
	uint32_t urg_seq; /* of the urgent byte */
	uint32_t snd_up;  /* one past the urgent byte we sent */

	/* ---- Timestamps, RFC 7323. */
	uint32_t ts_recent, ts_offset;
	uint64_t ts_recent_time; /* ns; 0: ts_recent invalid */

	/* ---- What the application set. Written by tcp_sockopt.c, inherited from a listener. */
	uint32_t rcvbuf, sndbuf; /* bytes of true memory */
	uint32_t linger_s;
	bool linger_on, nodelay, cork, more, keepalive, quickack_set; /* more: MSG_MORE was last */
	uint8_t tos, ttl, syn_retries;
	uint16_t user_mss;
	uint32_t keep_idle_s, keep_intvl_s, keep_cnt;
	uint32_t user_timeout_ms;
	int32_t linger2_s;
	uint32_t defer_accept_s, window_clamp, notsent_lowat;
	uint64_t max_pacing;  /* bytes a second; 0: not paced */
	uint64_t pace_at;     /* ns: when what was sent has gone at that rate */
	uint8_t mtu_discover; /* IP_PMTUDISC_* */
	bool oobinline, inq;
	int soft_error; /* last ICMP error, positive errno, told when giving up */

	/* ---- For TCP_INFO. */
	uint64_t bytes_acked, bytes_received, bytes_sent, bytes_retrans;
	uint32_t segs_in, segs_out, data_segs_in, data_segs_out, total_retrans;
	uint32_t delivered, reord_count, dsack_dups, rcv_ooopack;
	uint16_t reordering; /* segments that one was passed by, 3 at least */
	uint16_t total_rto, total_rto_recoveries;
	uint8_t fo_fail;		  /* enum tcp_fo_fail */
	uint8_t busy;			  /* enum tcp_busy, since busy_at */
	bool writer_waits;		  /* it was told that its own queue is full */
	uint64_t busy_at;		  /* ns */
	uint64_t busy_ns[TCP_BUSY_KINDS]; /* until then */
	uint64_t rto_since, rto_ns;	  /* the first timeout of this recovery; of those before */
	struct tcp_rate {
		uint64_t delivered_at;	/* ns: when `delivered` grew last */
		uint64_t began_at;	/* ns: when sending began with nothing in flight */
		uint64_t from_at;	/* of the sample that runs: delivered_at at its start */
		uint64_t sent_ns;	/* what sending took that it covers */
		uint32_t seq, from;	/* end of its segment; `delivered` at its start */
		uint32_t dry_end;	/* `delivered` when what the application kept low is past */
		uint32_t delivered, us; /* the last sample: segments in so long; us 0: none */
		bool on, on_limited, dry, limited;
	} rate;
};

/* What an administrator may turn, a stack; defaults are Linux's. See tcp_settings.c. */
struct tcp_settings {
	uint32_t syncookies; /* 0: never, 1: when a SYN queue is full, 2: always */
	uint32_t ecn;	     /* 0: no, 1: ask for it too, 2: when the peer asks */
	uint32_t fastopen;   /* bit 0: clients, bit 1: servers; both only where the program asks */
	uint32_t recovery_probes; /* 0: a lost retransmission may wait for RTO, as in Linux */
	uint32_t mtu_probing; /* 0: no, 1: where something was too long, 2: from base_mss on up */
	uint32_t base_mss;    /* bytes: what nearly every path takes, RFC 4821 7.2 */
	uint32_t probe_interval;  /* s: until a larger size is tried again, RFC 4821 7.3 */
	uint32_t probe_threshold; /* bytes: closer is not searched for */
	uint32_t sack, timestamps, window_scaling, slow_start_after_idle;
	uint32_t rmem_default, rmem_max, wmem_default, wmem_max; /* bytes */
};

/* What a server gave us, RFC 7413 4.1.3. */
struct tcp_fo_entry {
	uint64_t who; /* keyed hash of its address, as a handle is another's one day; 0: free */
	uint16_t mss;
	uint8_t len, cookie[16];
	uint64_t broken_at; /* ns: data on a SYN got no answer; 0: never */
};
#define TCP_FO_ENTRIES 64u

/* A segment as it arrived; or a train of them, tcp_gro.c, that has the headers of each. */
struct tcp_seg {
	struct pktbuf *p; /* data is the payload; NULL once somebody took it over */
	const struct ip4_hdr *ip;
	struct tcp_hdr h;
	uint32_t seq, end; /* end counts SYN and FIN */
	uint32_t len;	   /* payload */
	uint32_t n;	   /* segments: where more than one, p is the first, linked by `next` */
	uint32_t size;	   /* payload of each but the last, which may be shorter; n is 1: len */
};

/* Trains on their way up, of as many flows at once. */
#define TCP_TRAINS 8u
struct tcp_gro {
	struct tcp_train {
		struct tcp_seg seg;
		struct ip4_hdr ip;
		struct pktbuf *tail;
	} trains[TCP_TRAINS]; /* the first n */
	uint32_t n;
};

/* 4-tuples, listeners, bound ports, and the lists of a stack's connections. */
struct tcp_table {
	struct tcp_settings set;
	uint32_t mask;
	struct tcp_pcb **conn;	 /* by 4-tuple, SipHash with the stack's secret */
	struct tcp_pcb **bound;	 /* by local port, TCP_BOUND_SLOTS */
	struct tcp_pcb **listen; /* by local port, TCP_LISTEN_SLOTS; the first of each */
	struct tcp_pcb *last;	 /* found last in conn; NULL: none */
	struct tcp_pcb *pending; /* have something to send */
	struct tcp_pcb **pending_tail;
	struct tcp_pcb *dead;	       /* to be freed when nobody looks at them any more */
	struct tcp_pcb *tw, **tw_tail; /* TIME-WAIT, oldest first */
	uint32_t tw_n, tw_max;
	uint32_t port_counter;			/* RFC 6056 algorithm 3 */
	struct timer more;			/* a pass left connections with more to send */
	uint32_t syn_n;				/* embryonic connections of all listeners */
	struct tcp_fo_entry fo[TCP_FO_ENTRIES]; /* by a keyed hash of the address; newer wins */
	uint8_t fo_key[16];			/* of the cookies we give */
	uint32_t fo_n; /* connections accepted on their SYN, not yet confirmed; syn_max at most */
	uint32_t syn_max; /* at most so many: then cookies */
	struct tcp_gro gro;
};
#define TCP_BOUND_SLOTS	 4096u
#define TCP_LISTEN_SLOTS 4096u

/* What one ACK brought. */
struct tcp_ack_result {
	uint32_t prior_una, prior_flight;
	uint32_t delivered; /* segments newly ACKed or SACKed */
	uint32_t lost;	    /* newly marked lost */
	bool advanced, sacked, dsack, win_update, dup, data_acked, ece;
	uint32_t ecr;	     /* echoed timestamp, 0: none */
	uint8_t marks;	     /* enum tcp_mark, of all that was acknowledged */
	int64_t rtt_us;	     /* -1: none */
	int64_t sack_rtt_us; /* -1: none */
};

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}
static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}
static inline bool seq_gt(uint32_t a, uint32_t b)
{
	return seq_lt(b, a);
}
static inline bool seq_ge(uint32_t a, uint32_t b)
{
	return seq_le(b, a);
}
static inline uint32_t tcp_flight(const struct tcp_pcb *pcb)
{
	uint32_t gone = pcb->sacked_out + pcb->lost_out;
	uint32_t out = pcb->packets_out + pcb->retrans_out;

	return out > gone ? out - gone : 0;
}
/* What follows p on the send queue; behind the first of a run of SACKed segments, what follows the
 * run as far as it is known (tcp_sack.c). */
static inline struct pktbuf *tcp_snd_after(const struct pktbuf *p)
{
	if ((p->tcp.sacked & TCP_SACKED) && p->tcp.run)
		p = p->tcp.run;
	return p->tcp.link;
}
static inline uint32_t tcp_wnd_end(const struct tcp_pcb *pcb)
{
	return pcb->snd_una + pcb->snd_wnd;
}
static inline bool tcp_in_reduction(const struct tcp_pcb *pcb)
{
	return pcb->ca_state == TCP_CA_CWR || pcb->ca_state == TCP_CA_RECOVERY;
}
/* Nagle (RFC 9293 3.7.4, Minshall's variant) and cork: may p, not yet sent, leave? */
static inline bool tcp_nagle_allows(const struct tcp_pcb *pcb, const struct pktbuf *p)
{
	if (p->tcp.link || (p->tcp.flags & TCP_FIN) || p->tcp.payload_len >= pcb->snd_mss)
		return true;
	if (pcb->cork || pcb->more)
		return false;
	if (pcb->nodelay || !pcb->packets_out || pcb->snd_urg)
		return true;
	/* Minshall: only a small segment in flight holds back the next small one. */
	return !(seq_gt(pcb->snd_sml, pcb->snd_una) && seq_le(pcb->snd_sml, pcb->snd_nxt));
}
static inline uint32_t tcp_ts_now(const struct tcp_pcb *pcb)
{
	return (uint32_t)(pcb->st->now / TCP_MS) + pcb->ts_offset;
}

/* Bytes of a train in front of its last segment. */
static inline uint32_t tcp_before_last(const struct tcp_seg *seg)
{
	return (seg->n - 1) * seg->size;
}

/* ---- lookup.c */
struct tcp_pcb *tcp_lookup(struct stack *st, uint32_t lip, uint16_t lport, uint32_t rip,
			   uint16_t rport);
struct tcp_pcb *tcp_lookup_listener(struct stack *st, uint32_t lip, uint16_t lport, uint32_t rip,
				    uint16_t rport);
void tcp_hash_insert(struct tcp_pcb *pcb); /* by its 4-tuple */
void tcp_listen_insert(struct tcp_pcb *pcb);
/* Has its user as many listeners on its port as one may have? */
bool tcp_listen_crowded(const struct tcp_pcb *pcb);
void tcp_hash_remove(struct tcp_pcb *pcb); /* either; harmless when in neither */
void tcp_bind_insert(struct tcp_pcb *pcb);
void tcp_bind_remove(struct tcp_pcb *pcb);
/* 0 or -EADDRINUSE; port 0 chooses one. */
int tcp_port_claim(struct tcp_pcb *pcb, uint32_t ip, uint16_t *port);
bool tcp_port_conflict(const struct tcp_pcb *pcb, uint32_t ip, uint16_t port);
/* A local port for pcb's local_ip and remote pair: 0 or -EADDRNOTAVAIL. */
int tcp_port_ephemeral(struct tcp_pcb *pcb);
uint32_t tcp_iss(struct tcp_pcb *pcb); /* RFC 6528 */
/* RFC 7323 5.4: clocks unrelated between pairs of hosts. */
uint32_t tcp_ts_offset(const struct stack *st, uint32_t lip, uint32_t rip);
/* RFC 7413 4.1.2: what a Fast Open cookie for rip is. With lip 0: where rip's own is kept. */
uint64_t tcp_fo_hash(const struct stack *st, uint32_t lip, uint32_t rip);
/* RFC 7413 4.1.2: what the peer shows, as it lies in memory. */
uint64_t tcp_fo_cookie(const struct stack *st, uint32_t lip, uint32_t rip);
/* What a SYN cookie (RFC 4987) signs: the 4-tuple, the peer's number, time and MSS. */
uint32_t tcp_cookie_hash(const struct stack *st, const struct tcp_seg *seg, uint32_t irs,
			 uint32_t salt);

/* ---- tcp_in.c: from tcp_gro.c. Takes over seg->p. */
void tcp_seg_in(struct stack *st, struct tcp_seg *seg);
/* A train; false: it must be taken apart, nothing was done. */
bool tcp_train_in(struct stack *st, struct tcp_seg *seg);

/* ---- tcp_gro.c: a sound segment; takes over seg->p. tcp_gro_flush() is in stack.h. */
void tcp_gro_in(struct stack *st, struct tcp_seg *seg);

/* ---- tcp_pcb.c */
struct tcp_pcb *tcp_pcb_alloc(struct stack *st, uint8_t owner);
void tcp_set_state(struct tcp_pcb *pcb, enum tcp_state state);
/* Enters ESTABLISHED's trappings: MSS, windows, congestion control. */
void tcp_established(struct tcp_pcb *pcb);
/* To CLOSED at once: tables, timers and sent data given up; the block itself too if nobody has a
 * descriptor. err: what the socket is told, 0 for nothing. */
void tcp_done(struct tcp_pcb *pcb, int err);
void tcp_abort(struct tcp_pcb *pcb, int err); /* RST if the peer may know us, then tcp_done */
void tcp_time_wait(struct tcp_pcb *pcb);
void tcp_time_wait_idle(struct tcp_pcb *pcb);  /* nobody has a descriptor of it any more */
void tcp_time_wait_again(struct tcp_pcb *pcb); /* 60 s from now */
bool tcp_time_wait_recycle(struct stack *st);  /* the oldest goes; false: there is none */
void tcp_reap(struct stack *st);	       /* frees what is dead; the end of every entry */
void tcp_purge_send(struct tcp_pcb *pcb);
void tcp_purge_rcv(struct tcp_pcb *pcb);
void tcp_wake(struct tcp_pcb *pcb);	   /* sock_ready with wake, if there is a socket */
void tcp_wake_later(struct tcp_pcb *pcb);  /* once for all of a batch, by tcp_flush() */
bool tcp_pool_low(const struct stack *st); /* buffers are nearly out: the least useful go first */
bool tcp_pool_out(const struct stack *st); /* the greedy lose even what is useful */

/* ---- tcp_listen.c */
/* The connection that a SYN cookie came back for, in SYN-RECEIVED: seg goes on to it. Else NULL. */
struct tcp_pcb *tcp_listen_in(struct tcp_pcb *listener, struct tcp_seg *seg);
/* A block for the peer that sent seg, in SYN-RECEIVED and in the listener's queue; or NULL. */
struct tcp_pcb *tcp_listen_child(struct tcp_pcb *listener, const struct tcp_seg *seg,
				 const struct tcp_hdr *syn, uint32_t irs, uint32_t iss);
bool tcp_accept_full(const struct tcp_pcb *listener);
void tcp_accept_enqueue(struct tcp_pcb *pcb); /* from SYN queue to accept queue */
void tcp_accept_return(struct tcp_pcb *listener, struct tcp_pcb *pcb); /* to its head */
void tcp_listener_forget(struct tcp_pcb *pcb);
void tcp_listen_stop(struct tcp_pcb *listener);
void tcp_parse_syn_opts(struct tcp_pcb *pcb, const struct tcp_hdr *h);

/* ---- tcp_syncookie.c */
void tcp_cookie_send(struct tcp_pcb *listener, const struct tcp_seg *seg);
/* False: seg brings no cookie of ours back. `out`: its connection, NULL when there was no room. */
bool tcp_cookie_in(struct tcp_pcb *listener, const struct tcp_seg *seg, struct tcp_pcb **out);

/* ---- tcp_ecn.c */
void tcp_ecn_syn_in(struct tcp_pcb *pcb, const struct tcp_seg *seg);	/* a SYN, from whom */
void tcp_ecn_synack_in(struct tcp_pcb *pcb, const struct tcp_seg *seg); /* the answer to ours */
void tcp_ecn_in(struct tcp_pcb *pcb, const struct tcp_seg *seg);	/* an acceptable segment */
uint8_t tcp_ecn_flags(struct tcp_pcb *pcb, unsigned flags);		/* to add to a header */

/* ---- tcp_tune.c */
void tcp_tune_rtt(struct tcp_pcb *pcb, const struct tcp_seg *seg); /* data came */
void tcp_tune_rcv(struct tcp_pcb *pcb);				   /* the application took some */
void tcp_tune_snd(struct tcp_pcb *pcb);				   /* cwnd may have grown */

/* ---- tcp_fastopen.c */
void tcp_fo_syn_in(struct tcp_pcb *pcb, struct tcp_seg *seg); /* a new child: its data, a cookie */
void tcp_fo_end(struct tcp_pcb *pcb);		   /* confirmed or dead: no longer pending */
void tcp_fo_listen_stop(struct tcp_pcb *listener); /* those that it accepted go on */
/* What the SYN to ip will have of Fast Open; may data go with it? */
bool tcp_fo_prepare(struct tcp_pcb *pcb, uint32_t ip);
/* The first send of a connection that is deferred, in the two steps of every send: the SYN leaves,
 * with the data or, where there is none or no buffer for it, without (-EINPROGRESS). */
int64_t tcp_fo_first_reserve(struct socket *so, uint64_t len, struct pktbuf **out);
int64_t tcp_fo_first_commit(struct socket *so, struct pktbuf *list, uint64_t len);
/* sendto with MSG_FASTOPEN, likewise. */
int64_t tcp_fo_reserve(struct socket *so, uint32_t ip, uint16_t port, uint64_t len,
		       struct pktbuf **out);
int64_t tcp_fo_commit(struct socket *so, uint32_t ip, uint16_t port, struct pktbuf *list,
		      uint64_t len);
void tcp_fo_options(struct tcp_pcb *pcb, struct tcp_opts *o); /* of a SYN or SYN-ACK */
/* The SYN-ACK: how much of our SYN's data it takes, and a cookie for the next time. */
bool tcp_fo_acked(const struct tcp_pcb *pcb, const struct tcp_seg *seg);
void tcp_fo_answered(struct tcp_pcb *pcb, const struct tcp_seg *seg);
void tcp_fo_syn_lost(struct tcp_pcb *pcb);

/* ---- tcp_urg.c */
void tcp_urg_in(struct tcp_pcb *pcb, const struct tcp_seg *seg); /* before its data is queued */
/* How much of `len` bytes may be read in one go; drops the urgent byte where it is next. */
uint32_t tcp_urg_limit(struct tcp_pcb *pcb, uint32_t len, bool first);
void tcp_urg_passed(struct tcp_pcb *pcb);
/* room: for the byte. */
int64_t tcp_urg_take(struct socket *so, bool room, int flags, struct sock_slice *slices,
		     unsigned *n_slices);
void tcp_urg_undo(struct socket *so);
void tcp_urg_out(struct tcp_pcb *pcb, uint32_t seq, struct tcp_hdr *h); /* URG and pointer */

/* ---- tcp_pace.c: of connections with max_pacing */
uint64_t tcp_pacing_rate(const struct tcp_pcb *pcb); /* bytes a second, as TCP_INFO tells it */
bool tcp_pace_holds(struct tcp_pcb *pcb);	     /* not yet: the timer is armed */
void tcp_pace_sent(struct tcp_pcb *pcb, uint32_t bytes);

/* ---- tcp_info.c */
void tcp_info(const struct tcp_pcb *pcb, struct tcp_info_abi *i);
void tcp_rate_start(struct tcp_pcb *pcb); /* new segments went, up to snd_nxt; no sample runs */
void tcp_rate_take(struct tcp_pcb *pcb);  /* the sample's segment arrived */
void tcp_rate_dry(struct tcp_pcb *pcb);	  /* a write: all before is sent, and cwnd not used up */
void tcp_busy_note(struct tcp_pcb *pcb);  /* enum tcp_busy may be another */
void tcp_rto_note(struct tcp_pcb *pcb);	  /* a timeout */
void tcp_rto_over(struct tcp_pcb *pcb);	  /* what it lost is repaired */

/* ---- tcp_mtu.c */
/* snd_mss, wire_mss, train_max, after what they follow from changed */
void tcp_sync_mss(struct tcp_pcb *pcb);
uint32_t tcp_path_mtu(const struct tcp_pcb *pcb); /* bytes of a packet, of either family */
void tcp_mtu_start(struct tcp_pcb *pcb);	  /* established: options are known */
/* mtu_search: 1: a probe was sent; 0: none; -EAGAIN: one will be when cwnd has room for it, if
 * nothing else goes meanwhile. */
int tcp_mtu_probe(struct tcp_pcb *pcb);
void tcp_mtu_acked(struct tcp_pcb *pcb, uint32_t ack); /* path_mtu: before the queue is cleaned */
/* Something is lost and no recovery began: true if it was just the probe, which is seen to. */
bool tcp_mtu_lost(struct tcp_pcb *pcb);
void tcp_mtu_timeout(struct tcp_pcb *pcb); /* the head of the queue is lost */
/* A router does not take the segment at seq: bytes of IPv4's, any value. */
void tcp_mtu_icmp(struct tcp_pcb *pcb, uint32_t mtu, uint32_t seq);

/* ---- tcp_settings.c */
void tcp_settings_init(struct tcp_settings *set);

/* ---- tcp_ack.c: false: the segment is not to be looked at further */
bool tcp_ack(struct tcp_pcb *pcb, struct tcp_seg *seg);
void tcp_rtt_sample(struct tcp_pcb *pcb, uint32_t rtt_us);
void tcp_set_rto(struct tcp_pcb *pcb);

/* ---- tcp_sack.c: the scoreboard */
void tcp_sack_in(struct tcp_pcb *pcb, const struct tcp_seg *seg, struct tcp_ack_result *r);
void tcp_mark_lost(struct tcp_pcb *pcb, struct pktbuf *p);
void tcp_sack_forget(struct tcp_pcb *pcb); /* the peer reneged */
void tcp_unmark_lost(struct tcp_pcb *pcb);
void tcp_rack_update(struct tcp_pcb *pcb, const struct pktbuf *p); /* p was delivered */
void tcp_rack_dsack(struct tcp_pcb *pcb);
/* Marks what is lost; ns until the next may be, 0: none pending. */
uint64_t tcp_rack_detect(struct tcp_pcb *pcb);

/* ---- tcp_recovery.c: what the scoreboard means for cwnd */
void tcp_recover(struct tcp_pcb *pcb, struct tcp_ack_result *r);
void tcp_enter_loss(struct tcp_pcb *pcb);
void tcp_send_recovery_probe(struct tcp_pcb *pcb);
void tcp_rack_timeout(struct tcp_pcb *pcb);
void tcp_probe_acked(struct tcp_pcb *pcb, uint32_t ack, const struct tcp_ack_result *r);

/* ---- tcp_rcv.c */
void tcp_rcv_data(struct tcp_pcb *pcb, struct tcp_seg *seg); /* payload and FIN; sets fin_seen */
uint32_t tcp_rcv_window(struct tcp_pcb *pcb);		     /* to announce now; moves rcv_adv */
uint32_t tcp_rcv_could(const struct tcp_pcb *pcb);	     /* the same without moving it */
void tcp_rcv_init(struct tcp_pcb *pcb);
/* Behind what is in order; it is in rcv_bufs already if `counted`. Takes p over. */
void tcp_rcv_append(struct tcp_pcb *pcb, struct pktbuf *p, bool counted);
/* Copies p behind `last` and frees it: true, if p follows it and is small, or memory is short. */
bool tcp_rcv_join(struct tcp_pcb *pcb, struct pktbuf *last, struct pktbuf *p);
/* Would each segment of a train be queued and no more? */
bool tcp_rcv_takes(const struct tcp_pcb *pcb, const struct tcp_seg *train);

/* ---- tcp_ooo.c */
void tcp_ooo_insert(struct tcp_pcb *pcb,
		    struct pktbuf *p);	/* until the gap closes; takes it over */
void tcp_ooo_take(struct tcp_pcb *pcb); /* rcv_nxt moved: what it reaches follows in order */
void tcp_ooo_drop(struct tcp_pcb *pcb); /* all: the peer still has it */
void tcp_sack_note(struct tcp_pcb *pcb, uint32_t start, uint32_t end); /* to be reported */
void tcp_dsack_set(struct tcp_pcb *pcb, uint32_t start, uint32_t end);
/* What comes before, behind seq goes, which lies inside the buffer or outside on the other side. */
static inline void tcp_cut_front(struct pktbuf *p, uint32_t seq)
{
	if (seq_lt(p->tcp.seq, seq)) {
		(void)pktbuf_pull(p, (uint16_t)(seq - p->tcp.seq));
		p->tcp.seq = seq;
	}
}
static inline void tcp_cut_back(struct pktbuf *p, uint32_t seq)
{
	if (seq_gt(p->tcp.seq_end, seq)) {
		pktbuf_trim(p, (uint16_t)(seq - p->tcp.seq));
		p->tcp.seq_end = seq;
	}
}

/* ---- tcp_out.c */
void tcp_output(struct tcp_pcb *pcb);
void tcp_mark_pending(struct tcp_pcb *pcb);
void tcp_unmark_pending(struct tcp_pcb *pcb);
void tcp_send_fin(struct tcp_pcb *pcb);
bool tcp_retransmit(struct tcp_pcb *pcb, struct pktbuf *p);
void tcp_send_lost(struct tcp_pcb *pcb); /* what is marked lost, as cwnd allows */
void tcp_send_tail_probe(struct tcp_pcb *pcb);
void tcp_send_window_probe(struct tcp_pcb *pcb);
void tcp_send_long(struct tcp_pcb *pcb); /* snd_next, whatever its length */
/* Counts p, which is snd_next and about to be sent, as sent. */
static inline void tcp_note_new(struct tcp_pcb *pcb, struct pktbuf *p)
{
	if (p->tcp.payload_len && p->tcp.payload_len < pcb->snd_mss)
		pcb->snd_sml = p->tcp.seq_end;
	pcb->snd_next = p->tcp.link;
	pcb->snd_nxt = p->tcp.seq_end;
	p->tcp.sacked = 0;
	pcb->packets_out++;
}

/* ---- tcp_tso.c */
/* New data, at most `budget` buffers, several to a frame; what is left of it. */
uint32_t tcp_send_trains(struct tcp_pcb *pcb, uint32_t budget);
/* cwnd has no room for a whole segment of several buffers, but soon will: nothing goes before. */
bool tcp_train_waits(const struct tcp_pcb *pcb);
/* The next n buffers as one segment; false: no buffer for its headers. */
bool tcp_send_as_one(struct tcp_pcb *pcb, uint32_t n);
bool tcp_split(struct tcp_pcb *pcb, struct pktbuf *p, uint32_t len);

/* ---- tcp_ctl.c: headers, and segments without data */
/* Puts the TCP header in front of p's data and sends it; takes over one reference. */
void tcp_emit(struct tcp_pcb *pcb, struct pktbuf *p, uint32_t seq, unsigned flags);
uint16_t tcp_mss_to_announce(struct tcp_pcb *pcb); /* the MSS option of a SYN */
void tcp_send_ack(struct tcp_pcb *pcb);
void tcp_send_probe(struct tcp_pcb *pcb); /* an old byte: the answer shows life and window */
int tcp_send_syn(struct tcp_pcb *pcb);	  /* SYN, or SYN-ACK in SYN-RECEIVED */
void tcp_send_rst(struct tcp_pcb *pcb);	  /* of a connection */
void tcp_answer_rst(struct stack *st, const struct tcp_seg *seg); /* to a segment nobody knows */
void tcp_challenge_ack(struct tcp_pcb *pcb);			  /* RFC 5961, limited */
/* To a segment outside the window: at most one in TCP_OOW_ACK_GAP. */
void tcp_oow_ack(struct tcp_pcb *pcb, const struct tcp_seg *seg);

/* ---- tcp_timer.c */
void tcp_timers_init(struct tcp_pcb *pcb);
void tcp_timers_stop(struct tcp_pcb *pcb);
void tcp_rexmit_arm(struct tcp_pcb *pcb, enum tcp_rexmit_kind kind, uint64_t delay_ns);
void tcp_rexmit_stop(struct tcp_pcb *pcb);
void tcp_delack_arm(struct tcp_pcb *pcb);
void tcp_keep_arm(struct tcp_pcb *pcb);		/* as state and options want it */
uint64_t tcp_rto_ns(const struct tcp_pcb *pcb); /* with backoff */
void tcp_rto_restart(struct tcp_pcb *pcb);	/* RTO or tail probe from now, or none */
void tcp_rto_rearm(struct tcp_pcb *pcb);	/* the same, the RTO not later than before */

/* ---- tcp_data.c */
void tcp_append(struct tcp_pcb *pcb, struct pktbuf *p); /* behind the send queue; takes it over */
uint32_t tcp_send_max(const struct tcp_pcb *pcb);	/* buffers that the application may fill */

/* ---- tcp_user.c */
/* -EINPROGRESS, 0 (fo_deferred: nothing was sent yet) or why not. */
int tcp_start(struct socket *so, uint32_t ip, uint16_t port);
void tcp_start_syn(struct tcp_pcb *pcb); /* the SYN leaves */
void tcp_inherit(struct tcp_pcb *child, const struct tcp_pcb *from);
bool tcp_has_room(const struct tcp_pcb *pcb); /* worth waking a writer */

#endif
