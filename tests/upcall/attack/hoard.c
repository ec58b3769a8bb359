/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Takes all there is of what all share, and keeps it: sockets, control blocks, packet buffers. How
 * much it came to have, `run` sees in the pools.
 */
#include "tests/upcall/attack/attack.h"

#include <netinet/in.h>
#include <sys/resource.h>

#define PROCESSES 6
#define FEW	  16
#define BIG	  65536

static int connect_self(struct attacker *a, int fd, uint16_t port)
{
	struct call_addr *to = (struct call_addr *)my_slot(a)->inl;

	*to = (struct call_addr){.family = AF_INET, .port = port};
	memcpy(to->addr, &net_ip, 4);
	return (int)call(a, fd, CALL_CONNECT, 0, 0, 0);
}

/* Sockets of all kinds until one is refused: how many, and the refusal. */
static unsigned take_sockets(struct attacker *a, int64_t *refusal)
{
	unsigned n = 0;

	for (;; n++) {
		int type = n & 1 ? SOCK_STREAM : SOCK_DGRAM;
		int64_t fd = call(a, a->fd, CALL_SOCKET, AF_INET, (uint64_t)type, 0);

		*refusal = fd;
		if (fd < 0)
			return n;
		if (n % 8 == 1)
			call(a, (int)fd, CALL_LISTEN, 4096, 0, 0);
	}
}

static void more_files(void)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

static void sockets(void)
{
	unsigned total = 0, reports = 0, none = 0;
	pid_t pid[PROCESSES];
	int ready[2];

	if (pipe(ready))
		return;
	more_files();
	for (int i = 0; i < PROCESSES; i++) {
		struct {
			unsigned n;
			int spare;
			int64_t refusal;
		} got = {0};
		struct attacker b;

		pid[i] = fork();
		if (pid[i]) {
			/* One after the other, so that the last are the ones that get nothing, or
			 * a few that the bystander's user has given back meanwhile. */
			if (read(ready[0], &got, sizeof(got)) == sizeof(got)) {
				total += got.n;
				reports++;
				/* Not for want of descriptors of its own. */
				none += got.n < FEW && got.refusal == -EMFILE && got.spare >= 0;
			}
			continue;
		}
		if (join_net(&b, true))
			_exit(1);
		got.n = take_sockets(&b, &got.refusal);
		got.spare = dup(0); /* it was not its descriptors that ran out */
		if (write(ready[1], &got, sizeof(got)) == sizeof(got))
			pause();
		_exit(0);
	}
	expect(reports == PROCESSES && none && total, "a user's processes are refused sockets",
	       "%u tell, %u of them that they got none or a few; %u sockets", reports, none, total);
	bystander("and others open theirs");
	for (int i = 0; i < PROCESSES; i++)
		kill(pid[i], SIGKILL);
	for (int i = 0; i < PROCESSES; i++)
		waitpid(pid[i], NULL, 0);
}

/* Connections to itself, never accepted: both queues fill. */
static unsigned fill_tcp(struct attacker *a, const char *data, unsigned n)
{
	int l = (int)call(a, a->fd, CALL_SOCKET, AF_INET, SOCK_STREAM, 0);
	unsigned queued = 0;

	if (udp_bind_any(a, l, 7000) || call(a, l, CALL_LISTEN, 4096, 0, 0))
		return 0;
	for (unsigned i = 0; i < n; i++) {
		int fd = (int)call(a, a->fd, CALL_SOCKET, AF_INET, SOCK_STREAM, 0);
		int64_t r;

		if (fd < 0 || connect_self(a, fd, 7000) != -EINPROGRESS)
			break;
		while ((r = udp_io(a, fd, CALL_SEND, (uint64_t)(uintptr_t)data, BIG, net_ip,
				   7000)) > 0)
			queued += (unsigned)r;
	}
	return queued;
}

static int64_t send_one(struct attacker *a, int fd, const char *data, uint32_t to, uint16_t port)
{
	return udp_io(a, fd, CALL_SEND, (uint64_t)(uintptr_t)data, 100, to, port);
}

static void buffers(void)
{
	static char data[BIG];
	enum { SOCKETS = 600, DATAGRAMS = 110 };
	struct attacker *a = join();
	int out = udp_socket(a), in[SOCKETS], n;
	struct park p;
	int64_t r = 0;

	more_files();
	expect(fill_tcp(a, data, 40) > 40 * 65536, "connections to itself hold what was sent",
	       "no");
	park(&p, a, CALL_SEND);
	/* Neighbours that are not there, each with a queue. */
	for (uint32_t i = 100; i < 200; i++)
		for (int k = 0; k < 16; k++)
			send_one(a, out, data, (net_ip & htonl(0xffffff00)) | htonl(i), 9);
	for (n = 0; n < SOCKETS && r >= 0; n++) {
		in[n] = udp_socket(a);
		udp_bind_any(a, in[n], (uint16_t)(10000 + n));
		for (int k = 0; k < DATAGRAMS && r >= 0; k++)
			r = send_one(a, out, data, net_ip, (uint16_t)(10000 + n));
	}
	expect(r == -ENOBUFS, "who lets everything lie is refused buffers", "%ld after %d sockets",
	       (long)r, n);
	bystander("and others send and receive");
	/* What waited to go to its own connections takes of the room, too. */
	for (int i = 0; i < n && r < 0; i++) {
		while (udp_io(a, in[i], CALL_RECV, (uint64_t)(uintptr_t)data, 100, 0, 0) > 0)
			;
		r = send_one(a, out, data, net_ip, 10000);
	}
	expect(r == 100, "who reads may send again", "%ld", (long)r);
	expect(unpark(&p) == 100, "a call that stood still has what it reserved", "no");
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {
		{"hoard-sockets", sockets, 0}, {"hoard-buffers", buffers, 0}, {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
