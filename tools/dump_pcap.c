/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captured records as pcap packets with nanosecond time stamps, by libpcap: its filter language and
 * its file format. Called by dump.c. Stamps are CLOCK_MONOTONIC in the ring, wall clock here.
 */
#include "tools/dump_pcap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int dump_filter(struct dump_out *out, int snaplen, const char *filter, struct failure *f)
{
	memset(out, 0, sizeof(*out));
	out->pcap = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, snaplen,
							 PCAP_TSTAMP_PRECISION_NANO);
	if (!out->pcap)
		return failed_errno(f, "libpcap", ENOMEM);
	if (!*filter)
		return 0;
	if (pcap_compile(out->pcap, &out->filter, filter, 1, PCAP_NETMASK_UNKNOWN)) {
		failed(f, "filter", "%s", pcap_geterr(out->pcap));
		pcap_close(out->pcap);
		out->pcap = NULL;
		return -1;
	}
	out->filtered = true;
	return 0;
}

int dump_open(struct dump_out *out, const char *file, struct failure *f)
{
	FILE *stream = strcmp(file, "-") ? fopen(file, "we") : stdout;

	out->name = strcmp(file, "-") ? file : "standard output";
	if (!stream)
		return failed(f, file, "%s", strerror(errno));
	if (stream == stdout && isatty(STDOUT_FILENO))
		return misused(f, "-w -", "a capture is no text; send it to a pipe or a file");
	out->file = pcap_dump_fopen(out->pcap, stream);
	if (!out->file) {
		if (stream != stdout)
			fclose(stream);
		return failed(f, out->name, "%s", pcap_geterr(out->pcap));
	}
	return 0;
}

void dump_clock(struct dump_out *out)
{
	struct timespec mono, real;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &real);
	out->realtime =
		(int64_t)(real.tv_sec - mono.tv_sec) * 1000000000 + real.tv_nsec - mono.tv_nsec;
}

int dump_record(struct dump_out *out, const struct capture_record *rec, const uint8_t *data,
		struct failure *f)
{
	int64_t ns = (int64_t)rec->ns + out->realtime;
	struct pcap_pkthdr h = {.caplen = rec->caplen, .len = rec->len};
	char line[512];

	h.ts.tv_sec = ns / 1000000000;
	h.ts.tv_usec = ns % 1000000000; /* nanoseconds: the handle was opened so */
	if (out->filtered && !pcap_offline_filter(&out->filter, &h, data))
		return 0;
	out->frames++;
	if (out->file) {
		pcap_dump((u_char *)out->file, &h, data);
		return 1;
	}
	dump_text(line, sizeof(line), &h, rec->direction == CAPTURE_IN, data);
	if (puts(line) < 0)
		return failed_errno(f, "standard output", errno);
	return 1;
}

int dump_flush(struct dump_out *out, struct failure *f)
{
	bool bad = out->file ? pcap_dump_flush(out->file) || ferror(pcap_dump_file(out->file))
			     : fflush(stdout) || ferror(stdout);

	return bad ? failed_errno(f, out->name ? out->name : "standard output", errno ? errno : EIO)
		   : 0;
}

void dump_close(struct dump_out *out)
{
	if (out->file)
		pcap_dump_close(out->file);
	if (out->filtered)
		pcap_freecode(&out->filter);
	if (out->pcap)
		pcap_close(out->pcap);
	memset(out, 0, sizeof(*out));
}
