/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/dump_pcap.c and dump_text.c: records to a pcap file that libpcap reads back, and to text.
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tcpip/wire6.h"
#include "tools/dump_pcap.h"

static struct dump_out out;
static struct failure f;
static uint8_t frame[256];

static uint32_t ip(const char *text)
{
	return inet_addr(text);
}

static void ether(uint16_t type)
{
	struct eth_hdr h = {.dst = {2, 0, 0, 0, 0, 2}, .src = {2, 0, 0, 0, 0, 1}, .type = type};

	memset(frame, 0, sizeof(frame));
	eth_build(frame, &h);
}

/* An IPv4 frame with `len` bytes of transport header and data already in place behind it. */
static unsigned ip4(uint8_t protocol, unsigned len)
{
	struct ip4_hdr h = {.hdr_len = 20,
			    .ttl = 64,
			    .protocol = protocol,
			    .total_len = (uint16_t)(20 + len),
			    .src = ip("10.0.0.1"),
			    .dst = ip("10.0.0.2")};

	ip4_build(frame + 14, &h);
	return 34 + len;
}

static unsigned tcp_frame(void)
{
	struct tcp_hdr h = {.sport = 1234,
			    .dport = 80,
			    .seq = 1000,
			    .ack = 77,
			    .hdr_len = 20,
			    .flags = TCP_PSH | TCP_ACK,
			    .window = 512};

	ether(ETH_TYPE_IP4);
	tcp_build(frame + 34, &h);
	memcpy(frame + 54, "hello", 5);
	return ip4(6, 25);
}

static unsigned arp_frame(void)
{
	struct arp_msg m = {
		.op = 1, .sha = {2, 0, 0, 0, 0, 1}, .spa = ip("10.0.0.1"), .tpa = ip("10.0.0.2")};

	ether(ETH_TYPE_ARP);
	arp_build(frame + 14, &m);
	return 42;
}

static struct capture_record record(unsigned len, uint64_t ns)
{
	return (struct capture_record){
		.ns = ns, .caplen = len, .len = len, .direction = CAPTURE_OUT};
}

static int put(unsigned len, uint64_t ns)
{
	struct capture_record r = record(len, ns);

	return dump_record(&out, &r, frame, &f);
}

START_TEST(file_reads_back_as_it_was_captured)
{
	char path[] = "/tmp/sandwire-dump-XXXXXX", err[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	const u_char *data;
	pcap_t *in;

	close(mkstemp(path));
	ck_assert_int_eq(dump_filter(&out, 65535, "", &f), 0);
	ck_assert_int_eq(dump_open(&out, path, &f), 0);
	out.realtime = 1700000000ll * 1000000000;
	ck_assert_int_eq(put(arp_frame(), 1), 1);
	ck_assert_int_eq(put(tcp_frame(), 1500000007), 1);
	ck_assert_int_eq(dump_flush(&out, &f), 0);
	dump_close(&out);
	in = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, err);
	ck_assert_ptr_nonnull(in);
	ck_assert_int_eq(pcap_datalink(in), DLT_EN10MB);
	ck_assert_int_eq(pcap_next_ex(in, &h, &data), 1);
	ck_assert_uint_eq(h->caplen, 42);
	ck_assert_int_eq(h->ts.tv_sec, 1700000000);
	ck_assert_int_eq(h->ts.tv_usec, 1);
	ck_assert_int_eq(pcap_next_ex(in, &h, &data), 1);
	ck_assert_int_eq(h->ts.tv_sec, 1700000001);
	ck_assert_int_eq(h->ts.tv_usec, 500000007);
	ck_assert_uint_eq(h->caplen, tcp_frame());
	ck_assert_mem_eq(data, frame, h->caplen);
	ck_assert_int_eq(pcap_next_ex(in, &h, &data), PCAP_ERROR_BREAK);
	pcap_close(in);
	unlink(path);
}
END_TEST

START_TEST(filter_chooses)
{
	ck_assert_int_eq(dump_filter(&out, 65535, "tcp port 80", &f), 0);
	ck_assert_int_eq(dump_open(&out, "/dev/null", &f), 0);
	ck_assert_int_eq(put(arp_frame(), 1), 0);
	ck_assert_int_eq(put(tcp_frame(), 1), 1);
	ck_assert_uint_eq(out.frames, 1);
	dump_close(&out);
}
END_TEST

START_TEST(broken_filter_and_unwritable_file_are_errors)
{
	ck_assert_int_eq(dump_filter(&out, 65535, "tcp prot 80 and", &f), -1);
	ck_assert_str_eq(f.what, "filter");
	ck_assert_int_eq(f.status, 1);
	ck_assert_int_eq(dump_filter(&out, 65535, "", &f), 0);
	ck_assert_int_eq(dump_open(&out, "/proc/nosuch/file", &f), -1);
	ck_assert_str_eq(f.what, "/proc/nosuch/file");
	dump_close(&out);
}
END_TEST

START_TEST(full_disk_is_an_error)
{
	if (access("/dev/full", W_OK))
		return;
	ck_assert_int_eq(dump_filter(&out, 65535, "", &f), 0);
	ck_assert_int_eq(dump_open(&out, "/dev/full", &f), 0);
	put(arp_frame(), 1);
	ck_assert_int_eq(dump_flush(&out, &f), -1);
	ck_assert_str_eq(f.what, "/dev/full");
	dump_close(&out);
}
END_TEST

static const char *text(unsigned len, unsigned caplen)
{
	static char line[512];
	struct pcap_pkthdr h = {.len = len, .caplen = caplen};

	dump_text(line, sizeof(line), &h, true, frame);
	return strstr(line, "In ") + 4;
}

START_TEST(lines_are_in_tcpdumps_words)
{
	setenv("TZ", "UTC", 1);
	tzset();
	ck_assert_str_eq(text(42, arp_frame()),
			 "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28");
	ck_assert_str_eq(
		text(59, tcp_frame()),
		"IP 10.0.0.1.1234 > 10.0.0.2.80: Flags [P.], seq 1000:1005, ack 77, win 512, "
		"length 5");
	ether(ETH_TYPE_IP4);
	udp_build(frame + 34, &(struct udp_hdr){53, 5353, 12, 0});
	ck_assert_str_eq(text(46, ip4(17, 12)), "IP 10.0.0.1.53 > 10.0.0.2.5353: UDP, length 4");
	ether(ETH_TYPE_IP4);
	icmp_build(frame + 34, &(struct icmp_hdr){.type = 8, .rest = 7u << 16 | 3});
	ck_assert_str_eq(text(98, ip4(1, 64)),
			 "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 3, length 64");
}
END_TEST

/* 2001::1 to 2001::2, with what was built in `l4`. */
static uint8_t l4[128];

static unsigned ip6(uint8_t next, uint16_t len)
{
	struct ip6_hdr h = {.next = next, .hop_limit = 255, .payload_len = len};

	h.src[0] = h.dst[0] = 0x20;
	h.src[1] = h.dst[1] = 1;
	h.src[15] = 1;
	h.dst[15] = 2;
	ether(ETH_TYPE_IP6);
	ip6_build(frame + 14, &h);
	memcpy(frame + 54, l4, len);
	return 54u + len;
}

static unsigned solicitation_frame(void)
{
	struct nd_msg m = {.type = ICMP6_NS, .has_slla = true, .target = {0x20, 1, [15] = 9}};

	return ip6(IP6_ICMP, (uint16_t)nd_build(l4, &m));
}

START_TEST(lines_of_ipv6_too)
{
	unsigned len = solicitation_frame();
	struct tcp_hdr tcp = {.sport = 1, .dport = 80, .seq = 5, .flags = TCP_SYN, .window = 9};

	ck_assert_str_eq(text(len, len), "IP6 2001::1 > 2001::2: ICMP6, neighbor solicitation, who "
					 "has 2001::9, length 32");
	icmp_build(l4, &(struct icmp_hdr){.type = ICMP6_ECHO_ASK, .rest = 7u << 16 | 3});
	len = ip6(IP6_ICMP, 64);
	ck_assert_str_eq(text(len, len),
			 "IP6 2001::1 > 2001::2: ICMP6, echo request, id 7, seq 3, length 64");
	len = ip6(IP6_TCP, (uint16_t)tcp_build(l4, &tcp));
	ck_assert_str_eq(text(len, len),
			 "IP6 2001::1.1 > 2001::2.80: Flags [S], seq 5, win 9, length 0");
	udp_build(l4, &(struct udp_hdr){53, 5353, 12, 0});
	len = ip6(IP6_UDP, 12);
	ck_assert_str_eq(text(len, len), "IP6 2001::1.53 > 2001::2.5353: UDP, length 4");
}
END_TEST

START_TEST(frames_cut_anywhere_are_survived)
{
	unsigned (*const make[])(void) = {tcp_frame, arp_frame, solicitation_frame};

	for (unsigned m = 0; m < 3; m++) {
		unsigned len = make[m]();

		for (unsigned cut = 0; cut <= len; cut++) {
			/* memory of exactly that size: the sanitizer sees what is read beyond */
			struct pcap_pkthdr h = {.len = len, .caplen = cut};
			uint8_t *copy = malloc(cut ? cut : 1);
			char line[512];

			memcpy(copy, frame, cut);
			dump_text(line, sizeof(line), &h, false, copy);
			ck_assert_uint_gt(strlen(line), 10);
			free(copy);
		}
	}
}
END_TEST

START_TEST(rubbish_is_survived)
{
	char line[512];

	srand(2);
	for (unsigned round = 0; round < 20000; round++) {
		struct pcap_pkthdr h = {.len = sizeof(frame), .caplen = (unsigned)rand() % 200};

		tcp_frame();
		for (unsigned i = 0; i < 8; i++)
			frame[12 + rand() % 60] = (uint8_t)rand();
		dump_text(line, sizeof(line), &h, false, frame);
		solicitation_frame();
		for (unsigned i = 0; i < 8; i++)
			frame[12 + rand() % 100] = (uint8_t)rand();
		dump_text(line, sizeof(line), &h, false, frame);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("dump");
	TCase *t = tcase_create("dump");
	SRunner *r;
	int bad;

	tcase_add_test(t, file_reads_back_as_it_was_captured);
	tcase_add_test(t, filter_chooses);
	tcase_add_test(t, broken_filter_and_unwritable_file_are_errors);
	tcase_add_test(t, full_disk_is_an_error);
	tcase_add_test(t, lines_are_in_tcpdumps_words);
	tcase_add_test(t, lines_of_ipv6_too);
	tcase_add_test(t, frames_cut_anywhere_are_survived);
	tcase_add_test(t, rubbish_is_survived);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
