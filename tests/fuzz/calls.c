/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket verbs in any order with any arguments, over the stack's own addresses and to a
 * neighbour that never answers.
 *
 *	input: records: verb, socket, arguments
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/fuzz/fuzz.h"

#define RECORDS 300

static struct sock_addr address(struct input *in)
{
	static const uint8_t ips[8][4] = {{10, 0, 0, 1},	{10, 0, 0, 9},	 {0, 0, 0, 0},
					  {255, 255, 255, 255}, {10, 0, 0, 255}, {224, 0, 0, 1},
					  {127, 0, 0, 1},	{192, 0, 2, 1}};
	static const uint16_t ports[8] = {80, 81, 0, 53, 7, 40000, 65535, 1};
	uint8_t how = in8(in);
	struct sock_addr a = {.family = how < 240 ? AF_INET : in8(in), .port = ports[how >> 3 & 7]};

	memcpy(a.addr, ips[how & 7], 4);
	return a;
}

static void create(struct input *in)
{
	static const int types[] = {SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, 77};
	static const int protocols[] = {0, 0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, 99};
	uint8_t how = in8(in);
	struct socket *so;

	(void)sock_create(fz, how < 250 ? AF_INET : how, types[how % 5], protocols[how / 5 % 6],
			  how & 1, &so);
}

static void options(struct input *in, struct socket *so)
{
	static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, 99};
	uint8_t how = in8(in), name = in8(in), *value;
	uint32_t len = in8(in), room = len;

	value = calloc(1, len + 1); /* of the exact size, but for an empty one */
	if (how & 128) {
		(void)sock_getopt(so, levels[how % 5], name % 80, value, &room);
		FUZZ_MUST(room <= len || len < 4);
	} else {
		(void)in_bytes(in, value, len);
		(void)sock_setopt(so, levels[how % 5], name % 80, value, len);
	}
	free(value);
}

static void rows(void)
{
	struct sock_row row;
	uint32_t cursor = 0, n = 0;

	while (stack_sock_row(fz, &cursor, &row))
		FUZZ_MUST(++n < 1000);
}

/* On and off in turn, and one of those owed is taken now and then. */
static void signals(struct socket *so)
{
	uint32_t id;

	if (sock_signal_ask(so, 1, !so->signal_on)) {
		FUZZ_MUST(stack_signal_start(fz, sock_id(so), 1) == 0);
		return;
	}
	id = stack_signal_take(fz);
	FUZZ_MUST(!id || sock_get(fz, id)->signal_on);
}

static void ask(struct socket *so)
{
	struct sock_addr a;

	(void)sock_name(so, &a);
	(void)sock_peer(so, &a);
	(void)sock_readable(so);
	(void)sock_unsent(so);
	FUZZ_MUST(sock_get(fz, sock_id(so)) == so);
	FUZZ_MUST(sock_events(so) == so->events);
	signals(so);
	rows();
}

static void one(struct input *in, struct socket *so)
{
	struct sock_addr a;
	struct socket *other;
	uint8_t how;

	switch (in8(in) % 12) {
	case 0:
		a = address(in);
		(void)sock_bind(so, &a);
		break;
	case 1:
		(void)sock_listen(so, (int8_t)in8(in));
		break;
	case 2:
	case 3:
		a = address(in);
		(void)sock_connect(so, &a);
		break;
	case 4:
		if (sock_accept(so, &other, &a) == 0)
			ask(other);
		break;
	case 5:
		a = address(in);
		how = in8(in);
		(void)net_send(so, in16(in), how & 1 ? &a : NULL,
			       how & 2	 ? MSG_MORE
			       : how & 4 ? MSG_OOB
					 : 0);
		break;
	case 6:
		how = in8(in);
		(void)net_recv(so, in16(in),
			       how & 1	 ? MSG_PEEK
			       : how & 2 ? MSG_OOB
			       : how & 4 ? MSG_ERRQUEUE
					 : 0);
		break;
	case 7:
		(void)sock_shutdown(so, (int8_t)in8(in));
		break;
	case 8:
		how = in8(in);
		sock_close(so);
		break;
	case 9:
	case 10:
		options(in, so);
		break;
	default:
		ask(so);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct socket *so;
	unsigned n;
	uint8_t op;

	net_open();
	for (n = 0; in.left && n < RECORDS; n++) {
		op = in8(&in);
		so = net_sock(op & 15);
		if (op >= 240)
			net_pass(FUZZ_MS << in8(&in) % 15);
		else if (!so || op >= 224)
			create(&in);
		else
			one(&in, so);
		net_flush();
	}
	net_close();
	return 0;
}
