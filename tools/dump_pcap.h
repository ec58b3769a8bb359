/* SPDX-License-Identifier: BSD-3-Clause */
/* From records of a capture ring to pcap packets: filter, file, text line. */
#ifndef TOOLS_DUMP_PCAP_H
#define TOOLS_DUMP_PCAP_H

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/capture_ring.h"
#include "tools/failure.h"

struct dump_out {
	pcap_t *pcap; /* dead: link type, snap length, nanoseconds */
	bool filtered;
	struct bpf_program filter;
	pcap_dumper_t *file; /* NULL: text lines */
	const char *name;    /* of the file */
	int64_t realtime;    /* ns to add to CLOCK_MONOTONIC */
	uint64_t frames;     /* that passed the filter */
};

/* Compiles the filter ("": none); then, with a file name, opens the file ("-": standard output).
 * 0 or -1 with f filled and nothing left behind. */
int dump_filter(struct dump_out *out, int snaplen, const char *filter, struct failure *f);
int dump_open(struct dump_out *out, const char *file, struct failure *f);
/* Notes by how much the two clocks differ now. */
void dump_clock(struct dump_out *out);
/* Writes or prints one record if it passes: 1, 0, or -1 (f filled: the file cannot be written). */
int dump_record(struct dump_out *out, const struct capture_record *rec, const uint8_t *data,
		struct failure *f);
/* What was written is in the file: 0 or -1. */
int dump_flush(struct dump_out *out, struct failure *f);
void dump_close(struct dump_out *out);

/* One line as tcpdump would say it, without the newline: dump_text.c. */
void dump_text(char *line, size_t size, const struct pcap_pkthdr *h, bool incoming,
	       const uint8_t *data);

#endif
