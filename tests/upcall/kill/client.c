/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of the kill campaign: threads that call services, send datagrams and streams and make
 * sockets, until they die. Ordinary socket calls, through the shim. What a thread is about to do
 * and has done it writes into its row.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/upcall/kill/client.h"
#include "tests/upcall/kill/kill.h"
#include "upcall/sandwire.h"

const struct sockaddr_in *peer_address(void)
{
	static struct sockaddr_in a = {.sin_family = AF_INET};

	a.sin_port = htons(PORT);
	a.sin_addr.s_addr = inet_addr("10.77.0.2"); /* tests/apps/lab */
	return &a;
}

/* ---- services ------------------------------------------------------------------------------ */

void call_ledger(struct worker *w)
{
	struct ledger_entry e = {w->number, atomic_load(&w->row->calls_begun) + 1};
	uint32_t out_of_turn = 0;
	ssize_t n;

	atomic_store(&w->row->calls_begun, e.number);
	n = sandwire_call("ledger", &e, sizeof(e), &out_of_turn, sizeof(out_of_turn));
	if (n != sizeof(out_of_turn) || out_of_turn)
		failure("ledger: call %u of row %u: %zd, %u out of turn", e.number, e.row, n,
			out_of_turn);
	atomic_store(&w->row->calls_told, e.number);
}

void call_counter(struct worker *w)
{
	unsigned long long total, own;
	char text[64];
	ssize_t n;

	atomic_fetch_add(&w->row->adds_begun, 1);
	n = sandwire_call("counter", "add 1", 5, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	if (sscanf(text, "%llu %llu", &total, &own) != 2 || total <= w->total)
		failure("counter: row %u: %zd, \"%s\" after %llu", w->number, n, text, w->total);
	else
		w->total = total;
	atomic_fetch_add(&w->row->adds_told, 1);
}

/* ---- datagrams ----------------------------------------------------------------------------- */

void datagram_send(struct worker *w)
{
	struct head h = {w->number, atomic_load(&w->row->datagrams) + 1, 0};
	struct sockaddr_in own = {0};
	socklen_t len = sizeof(own);
	ssize_t n;

	if (!w->udp) {
		w->udp = socket(AF_INET, SOCK_DGRAM, 0);
		if (w->udp < 0 ||
		    connect(w->udp, (const struct sockaddr *)peer_address(),
			    sizeof(struct sockaddr_in)) ||
		    getsockname(w->udp, (struct sockaddr *)&own, &len))
			failure("datagram socket: %s", strerror(errno));
		atomic_store(&w->row->port, own.sin_port);
	}
	atomic_store(&w->row->datagrams, h.number);
	n = send(w->udp, &h, sizeof(h), 0);
	if (n != sizeof(h) && errno != ENOBUFS)
		failure("datagram: %zd, %s", n, strerror(errno));
}

/* An answer that was under way when its process died: it had this port, which is ours now. */
static bool of_the_dead(const struct worker *w, uint32_t row)
{
	return row < ROWS && row / THREADS != w->number / THREADS &&
	       atomic_load(&sh->row[row].port) == atomic_load(&w->row->port);
}

/* Of those that come, none twice and none that was not sent. */
bool datagram_take(struct worker *w)
{
	struct head h = {0};
	ssize_t n = recv(w->udp, &h, sizeof(h), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n == sizeof(h) && of_the_dead(w, h.row))
		return true;
	if (n != sizeof(h) || h.row != w->number || h.number > atomic_load(&w->row->datagrams) ||
	    !see(&w->answered, h.number, &sh->overtaken))
		failure("datagram: answer %zd, row %u for %u, number %u after %u of %u", n, h.row,
			w->number, h.number, w->answered.highest, atomic_load(&w->row->datagrams));
	return true;
}

static void datagram(struct worker *w)
{
	struct pollfd p = {.events = POLLIN};

	datagram_send(w);
	p.fd = w->udp;
	if (poll(&p, 1, 20) > 0)
		while (datagram_take(w))
			;
}

/* ---- streams ------------------------------------------------------------------------------- */

static bool stream_wait(int fd, short events, const struct head *h, uint32_t at)
{
	struct pollfd p = {.fd = fd, .events = events};

	if (poll(&p, 1, PATIENCE_MS) == 1)
		return true;
	failure("stream %u of row %u: nothing for %d s at %u of %u", h->number, h->row,
		PATIENCE_MS / 1000, at, h->length);
	return false;
}

/* Sends all while taking what comes back, then waits for the peer's end. */
static bool stream_run(struct worker *w, int fd, const struct head *h)
{
	uint32_t sent = 0, back = 0, fill, n_max;
	bool ended = false;

	while (!ended) {
		ssize_t n;

		if (sent < h->length) {
			n_max = 1 + roll(&w->random, BLOCK);
			if (n_max > h->length - sent)
				n_max = h->length - sent;
			for (fill = 0; fill < n_max; fill++)
				w->out[fill] = pattern(h, sent + fill);
			n = send(fd, w->out, n_max, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (n < 0 && errno != EAGAIN) {
				failure("stream %u of row %u: send at %u of %u: %s", h->number,
					h->row, sent, h->length, strerror(errno));
				return false;
			}
			sent += n > 0 ? (uint32_t)n : 0;
			if (n < 0 && back == sent && !stream_wait(fd, POLLOUT, h, sent))
				return false;
			if (n < 0 && back < sent && !stream_wait(fd, POLLIN | POLLOUT, h, sent))
				return false;
		} else if (!stream_wait(fd, POLLIN, h, back)) {
			return false;
		}
		if (!roll(&w->random, 8)) /* the copy meets pages that are not there */
			madvise(w->in, BLOCK, MADV_DONTNEED);
		n = recv(fd, w->in, BLOCK, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0 || (!n && back != h->length) || back + (uint32_t)n > sent) {
			failure("stream %u of row %u: recv %zd at %u of %u: %s", h->number, h->row,
				n, back, h->length, n < 0 ? strerror(errno) : "the end");
			return false;
		}
		for (ssize_t i = 0; i < n; i++)
			if (w->in[i] != pattern(h, back + (uint32_t)i)) {
				failure("stream %u of row %u: not the byte at %u of %u", h->number,
					h->row, back + (uint32_t)i, h->length);
				return false;
			}
		back += (uint32_t)n;
		ended = !n;
	}
	return true;
}

static void stream(struct worker *w)
{
	struct head h = {w->number, atomic_load(&w->row->streams_begun) + 1, 0};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	h.length = 1 + roll(&w->random, roll(&w->random, 8) ? 16384 : 262144);
	atomic_store(&w->row->streams_begun, h.number);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)peer_address(), sizeof(struct sockaddr_in)))
		failure("stream: %s", strerror(errno));
	else if (send(fd, &h, sizeof(h), MSG_NOSIGNAL) != sizeof(h))
		failure("stream: the head is not taken: %s", strerror(errno));
	else if (stream_run(w, fd, &h))
		atomic_store(&w->row->streams_done, h.number);
	close(fd);
}

/* Made and gone: descriptors and ports of the dead come back. */
static void sockets(struct worker *w)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	int fd[4], n = 1 + (int)roll(&w->random, 4);

	for (int i = 0; i < n; i++) {
		fd[i] = socket(AF_INET, i & 1 ? SOCK_DGRAM : SOCK_STREAM, 0);
		any.sin_addr.s_addr = inet_addr("10.77.0.1");
		if (fd[i] < 0 || bind(fd[i], (struct sockaddr *)&any, sizeof(any)) ||
		    (!(i & 1) && listen(fd[i], 4)))
			failure("sockets: %s", strerror(errno));
	}
	while (n--)
		close(fd[n]);
}

/* ---- life ---------------------------------------------------------------------------------- */

void worker_init(struct worker *w, uint32_t number, uint64_t seed)
{
	w->number = number;
	w->row = &sh->row[number];
	w->random = seed ^ (uint64_t)number << 32 ^ number;
	w->in = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	w->out = w->in + BLOCK;
	atomic_store(&w->row->tid, (int)syscall(SYS_gettid));
}

static struct worker workers[THREADS];

static void *work(void *arg)
{
	struct worker *w = arg;

	worker_init(w, w->number, w->random);
	while (!atomic_load(&sh->stop)) {
		uint32_t what = roll(&w->random, 16);

		if (what < 6)
			call_ledger(w);
		else if (what < 9)
			call_counter(w);
		else if (what < 12)
			datagram(w);
		else if (what < 15)
			stream(w);
		else
			sockets(w);
	}
	return NULL;
}

/* What the killer asks for, in the thread that it asks. */
static void end_all(int sig)
{
	_exit(sig == SIGUSR1 ? 0 : 1);
}

static void end_one(int sig)
{
	syscall(SYS_exit, 0 * sig);
}

void client(uint32_t incarnation, uint64_t seed)
{
	struct sigaction all = {.sa_handler = end_all}, one = {.sa_handler = end_one};
	pthread_t t[THREADS];

	sigaction(SIGUSR1, &all, NULL);
	sigaction(SIGUSR2, &one, NULL);
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i].number = incarnation * THREADS + i;
		workers[i].random = seed;
		if (i)
			pthread_create(&t[i], NULL, work, &workers[i]);
	}
	work(&workers[0]);
	for (uint32_t i = 1; i < THREADS; i++)
		pthread_join(t[i], NULL);
	_exit(0);
}
