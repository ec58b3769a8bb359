/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sandwire dump: captures a net's frames, both directions, with tcpdump's filter language. The
 * daemon only starts the capture and hands over its ring; frames are read out of shared memory
 * here, so a slow disk or terminal loses frames (counted) and never slows the net.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/commands.h"
#include "tools/dump_pcap.h"
#include "tools/say.h"

#define SNAPLEN	   65535
#define IDLE_MS	   10 /* between two looks at an empty ring: holds 4 MiB, at 1 Gbit/s 30 ms */
#define BATCH	   1024u
#define FILTER_MAX 4096

static const char usage[] =
	"sandwire dump [--net NAME] [--port PORT] [-w FILE] [-c N] [-s LEN] [FILTER]\n"
	"Prints the net's frames, or writes them to a pcap file (-w -: to a pipe).\n"
	"  -c N    stop after N frames       -s LEN  bytes of each frame (65535)\n"
	"FILTER is tcpdump's, see pcap-filter(7).\n";

struct dump {
	const char *net, *port, *file;
	long count, snaplen;
	char filter[FILTER_MAX];

	int sock;
	void *memory;
	size_t size;
	long long slot;
	struct capture_reader ring;
	struct dump_out out;
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static int number(const char *option, const char *text, long max, long *out, struct failure *f)
{
	char *end;

	*out = strtol(text, &end, 10);
	if (*end || end == text || *out < 1 || *out > max)
		return misused(f, option, "'%s' is not a number from 1 to %ld", text, max);
	return 0;
}

static int add_word(struct dump *d, const char *word, struct failure *f)
{
	size_t used = strlen(d->filter);

	if (used + strlen(word) + 2 > sizeof(d->filter))
		return misused(f, "filter", "too long");
	if (used)
		strcat(d->filter, " ");
	strcat(d->filter, word);
	return 0;
}

/* 0, 1 (help was printed) or -1. */
static int options(struct dump *d, int argc, char **argv, struct failure *f)
{
	const char *env = getenv("SANDWIRE_NET");

	d->net = env && *env ? env : "default";
	d->snaplen = SNAPLEN;
	for (int i = 1; i < argc; i++) {
		static const char *const with_value[] = {"--net", "--port", "-w", "-c", "-s"};
		const char *value = NULL;
		unsigned k, n = sizeof(with_value) / sizeof(with_value[0]);
		int r = 0;

		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(usage, stdout);
			return 1;
		}
		for (k = 0; k < n; k++) {
			size_t len = strlen(with_value[k]);

			if (!strcmp(argv[i], with_value[k])) {
				value = i + 1 < argc ? argv[++i] : NULL;
				if (!value)
					return misused(f, with_value[k], "wants a value");
				break;
			}
			if (k < 2 && !strncmp(argv[i], with_value[k], len) && argv[i][len] == '=') {
				value = argv[i] + len + 1;
				break;
			}
		}
		if (k == 0)
			d->net = value;
		else if (k == 1)
			d->port = value;
		else if (k == 2)
			d->file = value;
		else if (k == 3)
			r = number("-c", value, 1000000000, &d->count, f);
		else if (k == 4)
			r = number("-s", value, SNAPLEN, &d->snaplen, f);
		else if (argv[i][0] == '-' && argv[i][1] && !d->filter[0])
			return misused(f, argv[i], "there is no such option");
		else
			r = add_word(d, argv[i], f);
		if (r)
			return r;
	}
	return 0;
}

static int start(struct dump *d, struct failure *f)
{
	json_t *answer;
	int fd = -1;

	answer = ask(d->sock,
		     json_pack("{s:s,s:s?,s:I}", "cmd", "capture-start", "port", d->port, "snaplen",
			       (json_int_t)d->snaplen),
		     &fd, f);
	if (!answer)
		return -1;
	d->slot = cli_number(answer, "slot");
	d->size = (size_t)cli_number(answer, "size");
	d->memory = mmap(NULL, d->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 (off_t)cli_number(answer, "fd_off"));
	json_decref(answer);
	if (fd >= 0)
		close(fd);
	if (d->memory == MAP_FAILED)
		return failed_errno(f, "capture ring", errno);
	if (capture_reader_init(&d->ring, d->memory, d->size))
		return failed(f, "capture ring", "is not one");
	return 0;
}

/* Reads what is there. Frames read, or -1. */
static int drain(struct dump *d, struct failure *f)
{
	static uint8_t data[CAPTURE_CAPLEN_MAX];
	struct capture_record rec;
	unsigned n;
	int r = 0;

	dump_clock(&d->out);
	for (n = 0; n < BATCH && !(d->count && d->out.frames >= (uint64_t)d->count); n++) {
		r = capture_next(&d->ring, &rec, data);
		if (r <= 0)
			break;
		if (dump_record(&d->out, &rec, data, f) < 0)
			return -1;
	}
	if (r < 0)
		return failed(f, "capture ring", "holds nonsense");
	if (n && dump_flush(&d->out, f))
		return -1;
	return (int)n;
}

/* Until a signal, the count, or the net's end. */
static int follow(struct dump *d, struct failure *f)
{
	struct pollfd p = {d->sock, POLLIN, 0};

	while (!stopped && !(d->count && d->out.frames >= (uint64_t)d->count)) {
		int n = drain(d, f);

		if (n < 0)
			return -1;
		if (poll(&p, 1, n ? 0 : IDLE_MS) > 0) {
			if (drain(d, f) < 0)
				return -1;
			return failed(f, d->net, "the net went down");
		}
	}
	return 0;
}

static void finish(struct dump *d, int *r, struct failure *f)
{
	struct failure ignored;
	int n = 1;

	/* What was on its way still counts: stop first, then read the rest. */
	if (!*r) {
		json_decref(ask(
			d->sock,
			json_pack("{s:s,s:I}", "cmd", "capture-stop", "slot", (json_int_t)d->slot),
			NULL, &ignored));
		while (n > 0)
			n = drain(d, f);
		if (n < 0)
			*r = -1;
	}
	fprintf(stderr, "%llu packets captured, %llu dropped by the ring\n",
		(unsigned long long)d->out.frames, (unsigned long long)capture_dropped(&d->ring));
}

int cmd_dump(int argc, char **argv)
{
	static struct dump d;
	struct failure f = {.status = 1};
	struct sigaction act = {.sa_handler = on_signal};
	int r = options(&d, argc, argv, &f);

	if (r)
		return r < 0 ? failure_say(&f) : 0;
	if (dump_filter(&d.out, (int)d.snaplen, d.filter, &f))
		return failure_say(&f);
	d.sock = ask_connect(d.net, &f);
	if (d.sock < 0 || (d.file && dump_open(&d.out, d.file, &f)))
		return failure_say(&f);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = start(&d, &f);
	if (!r)
		r = dump_flush(&d.out, &f);
	if (!r) {
		if (!d.file && isatty(STDERR_FILENO))
			fprintf(stderr, "listening on net %s, Ctrl-C ends\n", d.net);
		r = follow(&d, &f);
		finish(&d, &r, &f);
	}
	if (r && f.error == EPIPE) /* the reader of the pipe has seen enough */
		r = 0;
	dump_close(&d.out);
	return r ? failure_say(&f) : 0;
}
