// SPDX-License-Identifier: BSD-3-Clause
/*
 * The e1000e driver on a device that is not ours: opens a NIC that is bound to vfio-pci, runs the
 * driver by itself, and talks to the kernel of the same PC, whose own NIC is on the same wire.
 * Run in the emulated PC by e1000e_vm.sh; prints "ok WHAT" or "FAIL WHAT" lines.
 *
 *   e1000e_vm ADDR msix|msi|intx COUNT OWN_IP PEER_IP PID
 *
 * PID: a process in the peer's network namespace, whose counters tell what the peer itself dropped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "drivers/drivers.h"
#include "drivers/e1000e.h"
#include "vfio/vfio.h"

#define WINDOW	  0x604000000000ull
#define IOVA	  0x40000000ull
#define RINGS	  65536u
#define BUFFERS	  1500u
#define MEMORY	  (RINGS + (size_t)BUFFERS * PKTBUF_SIZE)
#define SECOND	  1000000000ull
#define UNDER_WAY 16u /* pings at a time */

static struct port port;
static struct pktbuf_pool pool;
static struct pktbuf headers[BUFFERS];
static struct vfio_device *dev;
static uint8_t *memory;
static size_t rings_used;
static int irq_fd;
static enum vfio_irq_kind irq_kind;
static uint64_t irqs;
static uint8_t peer_mac[6];
static uint32_t own_ip, peer_ip;
static int failures;

static void expect(bool good, const char *what, long long got)
{
	printf("%s %s %s (%lld)\n", good ? "ok" : "FAIL", port.conf.name, what, got);
	failures += !good;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static struct dma_mem dma_alloc(void *arg, size_t size)
{
	size_t at = rings_used;

	rings_used += (size + 4095) & ~(size_t)4095;
	if (rings_used > RINGS)
		return (struct dma_mem){0};
	return (struct dma_mem){memory + at, IOVA + at, size};
}

/* ---- Frames ---- */

static uint16_t fold(const uint8_t *at, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)at[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static struct pktbuf *ip_frame(uint8_t proto, size_t payload)
{
	struct pktbuf *p = pktbuf_alloc(&pool);
	uint8_t *f;

	if (!p)
		abort();
	f = pktbuf_data(p);
	memcpy(f, peer_mac, 6);
	memcpy(f + 6, port.mac, 6);
	memcpy(f + 12, (const uint8_t[]){8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, proto, 0, 0}, 14);
	put16(f + 16, 20 + (uint32_t)payload);
	memcpy(f + 26, &own_ip, 4);
	memcpy(f + 30, &peer_ip, 4);
	put16(f + 24, (uint16_t)~fold(f + 14, 20, 0));
	p->len = (uint16_t)(34 + payload);
	return p;
}

static uint16_t ping_size(uint32_t serial)
{
	return (uint16_t)(16 + serial * 7 % 1457); /* payload up to a full frame */
}

static struct pktbuf *ping(uint32_t serial)
{
	uint16_t size = ping_size(serial);
	struct pktbuf *p = ip_frame(1, 8u + size);
	uint8_t *icmp = pktbuf_data(p) + 34;

	memset(icmp, 0, 8);
	icmp[0] = 8;
	put16(icmp + 4, 0x5344);
	memset(icmp + 8, (int)(serial & 0xff), size);
	memcpy(icmp + 8, &serial, 4);
	put16(icmp + 2, (uint16_t)~fold(icmp, 8u + size, 0));
	return p;
}

/* The serial number of a whole and right echo reply, or -1. */
static long long pong(const struct pktbuf *p)
{
	const uint8_t *f = pktbuf_data(p);
	uint32_t serial;

	if (p->len < 34 + 12 || f[12] != 8 || f[23] != 1 || f[34] != 0)
		return -1;
	memcpy(&serial, f + 42, 4);
	if (p->len < 42u + ping_size(serial) || fold(f + 34, 8u + ping_size(serial), 0) != 0xffff)
		return -1;
	for (unsigned i = 4; i < ping_size(serial); i++)
		if (f[42 + i] != (serial & 0xff))
			return -1;
	return serial;
}

/* ---- Waiting ---- */

static bool poll_irq(int ms)
{
	struct pollfd p = {.fd = irq_fd, .events = POLLIN};
	uint64_t count;

	if (poll(&p, 1, ms) != 1 || read(irq_fd, &count, sizeof(count)) != sizeof(count))
		return false;
	irqs += count;
	return true;
}

/* Sleeps until the device interrupts or ms have passed: true if frames may be there. */
static bool sleep_for_frames(int ms)
{
	port.ops->irq(&port, true);
	if (irq_kind == VFIO_IRQ_INTX)
		(void)vfio_irq_unmask_intx(dev);
	if (port_pending(&port))
		return true;
	poll_irq(ms);
	return port_pending(&port);
}

/* Calls `each` for what arrives until it returns true or ms have passed. */
static bool receive(bool (*each)(struct pktbuf *), int ms)
{
	uint64_t until = now_ns() + (uint64_t)ms * 1000000;

	do {
		struct pktbuf *batch[PORT_BATCH];
		unsigned n = port_rx(&port, batch, PORT_BATCH);
		bool done = false;

		for (unsigned i = 0; i < n; i++) {
			done |= each(batch[i]);
			pktbuf_free(batch[i]);
		}
		port_flush(&port);
		port_watch(&port, now_ns());
		if (done)
			return true;
		if (!n)
			sleep_for_frames(50);
	} while (now_ns() < until);
	return false;
}

/* ---- Exercises ---- */

static bool is_arp_reply(struct pktbuf *p)
{
	const uint8_t *f = pktbuf_data(p);

	if (p->len < 42 || f[12] != 8 || f[13] != 6 || f[21] != 2 || memcmp(f + 28, &peer_ip, 4))
		return false;
	memcpy(peer_mac, f + 22, 6);
	return true;
}

static bool arp(void)
{
	struct pktbuf *p = pktbuf_alloc(&pool);
	uint8_t *f = pktbuf_data(p);

	memset(f, 0xff, 6);
	memcpy(f + 6, port.mac, 6);
	memcpy(f + 12, (const uint8_t[]){8, 6, 0, 1, 8, 0, 6, 4, 0, 1}, 10);
	memcpy(f + 22, port.mac, 6);
	memcpy(f + 28, &own_ip, 4);
	memset(f + 32, 0, 6);
	memcpy(f + 38, &peer_ip, 4);
	p->len = 42;
	port_send(&port, p);
	port_flush(&port);
	return receive(is_arp_reply, 500);
}

static uint32_t sent, next, lost, wanted;

static void send_pings(void)
{
	while (sent < wanted && sent - next < UNDER_WAY)
		port_send(&port, ping(sent++));
}

static bool is_pong(struct pktbuf *p)
{
	long long serial = pong(p);

	if (serial >= next && serial < sent) {
		lost += (uint32_t)serial - next;
		next = (uint32_t)serial + 1;
	}
	send_pings();
	return next >= wanted;
}

/* What the peer's kernel received but did not answer: its ICMP socket's buffer was full. */
static unsigned long peer_discards(const char *pid)
{
	char path[64], names[1024], values[1024], *n, *v, *at_n = NULL, *at_v = NULL;
	unsigned long discards = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/net/snmp", pid);
	f = fopen(path, "r");
	if (!f || !fgets(names, sizeof(names), f) || !fgets(values, sizeof(values), f))
		abort();
	fclose(f);
	n = strtok_r(names, " ", &at_n);
	v = strtok_r(values, " ", &at_v);
	for (; n && v; n = strtok_r(NULL, " ", &at_n), v = strtok_r(NULL, " ", &at_v))
		if (!strcmp(n, "OutDiscards"))
			discards = strtoul(v, NULL, 10);
	return discards;
}

static void pings(uint32_t count, const char *peer_pid)
{
	uint64_t start = now_ns(), irqs_before = irqs, in = port.stats.in_packets, took;
	unsigned long discards = peer_discards(peer_pid);
	uint32_t before = 0;

	sent = next = lost = 0;
	wanted = count;
	send_pings();
	port_flush(&port);
	for (; !receive(is_pong, 1000) && now_ns() - start < 60 * SECOND; before = next) {
		if (next != before)
			continue; /* slow, but they come */
		lost += sent - next;
		next = sent;
		send_pings();
		port_flush(&port);
	}
	took = now_ns() - start;
	discards = peer_discards(peer_pid) - discards;
	expect(sent == wanted && next == wanted && lost == discards && lost < count / 10,
	       "pings come back in order, byte for byte, but for those the peer dropped", lost);
	expect(irqs > irqs_before, "interrupts arrived", (long long)(irqs - irqs_before));
	printf("   %u each way in %.2f s: %.0f frames/s; %llu interrupts for %llu frames, %llu as "
	       "the driver counts\n",
	       count, (double)took / 1e9, 2.0 * count * 1e9 / (double)took,
	       (unsigned long long)(irqs - irqs_before),
	       (unsigned long long)(port.stats.in_packets - in),
	       (unsigned long long)port.stats.interrupts);
}

/* One ping after a sleep: nothing polls, so only the interrupt can bring it. */
static void waking(void)
{
	struct pktbuf *batch[4];
	unsigned woken = 0;

	for (unsigned i = 0; i < 20 && woken == i; i++) {
		unsigned n;

		while ((n = port_rx(&port, batch, 4)))
			while (n)
				pktbuf_free(batch[--n]);
		do /* until no cause is left over from frames that were polled */
			n = (unsigned)irqs;
		while (sleep_for_frames(20) || n != (unsigned)irqs);
		port_send(&port, ping(i));
		port_flush(&port);
		if (!poll_irq(2000))
			break;
		n = port_rx(&port, batch, 4);
		woken += n > 0 && pong(batch[0]) == i;
		while (n)
			pktbuf_free(batch[--n]);
	}
	expect(woken == 20, "a sleeper is woken by each frame", woken);
}

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

/* Our end of a connection, and what was heard last for it. */
static struct {
	uint16_t sport, dport;
	uint32_t seq, ack; /* of what is sent next */
	uint8_t heard_flags;
	uint16_t heard_pktbuf, heard_window;
	uint32_t heard_seq, heard_ack;
} tcp;

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Headers alone, the checksum left to the device; `length`: what the pseudo header says. */
static struct pktbuf *tcp_frame(uint8_t flags, uint32_t length)
{
	struct pktbuf *p = ip_frame(6, 20);
	uint8_t *at = pktbuf_data(p) + 34;

	memset(at, 0, 20);
	put16(at, tcp.sport);
	put16(at + 2, tcp.dport);
	put32(at + 4, tcp.seq);
	put32(at + 8, tcp.ack);
	at[12] = 5 << 4;
	at[13] = flags;
	put16(at + 14, 1000);
	put16(at + 16, fold(pktbuf_data(p) + 26, 8, 6 + length));
	p->flags = PKTBUF_TX_L4_CSUM;
	p->csum_start = 34;
	p->csum_offset = 16;
	tcp.heard_flags = 0;
	return p;
}

static void send_tcp(struct pktbuf *p)
{
	port_send(&port, p);
	port_flush(&port);
}

static bool is_tcp(struct pktbuf *p)
{
	const uint8_t *f = pktbuf_data(p);

	if (p->len < 54 || f[12] != 8 || f[23] != 6 ||
	    (get32(f + 34) != ((uint32_t)tcp.dport << 16 | tcp.sport)))
		return false;
	tcp.heard_pktbuf = p->flags;
	tcp.heard_seq = get32(f + 38);
	tcp.heard_ack = get32(f + 42);
	tcp.heard_flags = f[47];
	tcp.heard_window = (uint16_t)get32(f + 46);
	return true;
}

static bool is_tcp_reset(struct pktbuf *p)
{
	return is_tcp(p) && tcp.heard_flags & RST;
}

/* A SYN whose checksum the device must add, or the kernel would not answer. */
static void offload(void)
{
	tcp.sport = 40000;
	tcp.dport = 9;
	send_tcp(tcp_frame(SYN, 20));
	expect(receive(is_tcp_reset, 3000), "a checksum is added by the device", 0);
	expect(tcp.heard_pktbuf == (PKTBUF_RX_IP_CSUM_OK | PKTBUF_RX_L4_CSUM_OK),
	       "and those of the answer are checked by it", tcp.heard_pktbuf);
}

/* A socket of the peer's kernel, at `dport`. */
static int peer_listens(const char *pid)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(tcp.dport), .sin_addr.s_addr = peer_ip};
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), theirs, fd;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	theirs = open(path, O_RDONLY | O_CLOEXEC);
	if (own < 0 || theirs < 0 || setns(theirs, CLONE_NEWNET))
		abort();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 1) ||
	    setns(own, CLONE_NEWNET))
		abort();
	close(own);
	close(theirs);
	return fd;
}

static uint8_t stream_byte(uint32_t i)
{
	return (uint8_t)(i * 7 + (i >> 8) * 31);
}

#define GSO 1460u

/* A frame for the device to cut up, with this many bytes of payload. */
static struct pktbuf *tso_frame(uint32_t payload)
{
	struct pktbuf *p = tcp_frame(ACK | PSH, 0), **at = &p->more;

	for (uint32_t done = 0; done < payload; at = &(*at)->more) {
		struct pktbuf *piece = pktbuf_alloc(&pool);

		if (!piece)
			abort();
		piece->len = (uint16_t)(payload - done < GSO ? payload - done : GSO);
		for (unsigned i = 0; i < piece->len; i++)
			pktbuf_data(piece)[i] = stream_byte(done++);
		*at = piece;
	}
	put16(pktbuf_data(p) + 16, 40 + payload);
	p->flags |= PKTBUF_TX_TSO;
	p->gso_size = GSO;
	return p;
}

static bool is_synack(struct pktbuf *p)
{
	return is_tcp(p) && tcp.heard_flags == (SYN | ACK) && tcp.heard_ack == tcp.seq + 1;
}

static uint32_t stream_end;

static bool is_acked(struct pktbuf *p)
{
	return is_tcp(p) && tcp.heard_flags & ACK && tcp.heard_ack == stream_end;
}

/* How many bytes of the stream came to the peer's program, from the first on. */
static uint32_t arrived(int fd)
{
	static uint8_t got[65536];
	ssize_t n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
	uint32_t good = 0;

	while (n > 0 && good < (uint32_t)n && got[good] == stream_byte(good))
		good++;
	return good;
}

/*
 * A connection by hand to a program of the peer's, and as much in one frame as it may have. On a
 * hub QEMU (7.2) does not cut it into segments but into IP fragments of one, which the peer's
 * kernel puts together; the reader gets what was sent all the same. It does so with IPv6 too, and
 * writes a checksum into the source address: not tried.
 */
static void segments(unsigned round, const char *pid)
{
	uint32_t payload = port.tso_max * GSO - 777;
	int listener, fd;

	expect(port.tso_max > 1, "frames may be cut up", port.tso_max);
	tcp.sport = (uint16_t)(40001 + round);
	tcp.dport = 9000;
	tcp.seq = tcp.ack = 0;
	listener = peer_listens(pid);
	send_tcp(tcp_frame(SYN, 20));
	expect(receive(is_synack, 3000), "a connection is accepted", tcp.heard_flags);
	expect(tcp.heard_window >= payload, "with room for all", tcp.heard_window);
	tcp.seq++;
	tcp.ack = tcp.heard_seq + 1;
	stream_end = tcp.seq + payload;
	send_tcp(tso_frame(payload));
	expect(receive(is_acked, 3000), "a frame for the device to cut up is acknowledged",
	       tcp.heard_ack);
	fd = accept(listener, NULL, NULL);
	expect(arrived(fd) == payload, "and came byte for byte", payload);
	/* Its sum is the device's again, by the other kind of context. */
	tcp.seq = stream_end;
	send_tcp(tcp_frame(RST | ACK, 20));
	for (unsigned i = 0; i < 20 && recv(fd, &(char){0}, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
	     i++)
		receive(is_tcp, 50);
	expect(errno == ECONNRESET, "and what follows it has a checksum of its own", errno);
	close(fd);
	close(listener);
}

/* The transmit queue switched off behind the driver's back is what a hung device looks like. */
static void stall(void)
{
	struct e1000e *e = port.priv;
	uint64_t until = now_ns() + 5 * SECOND;

	reg_write(e->regs, E1000E_TARC0, reg_read(e->regs, E1000E_TARC0) & ~(1u << 10));
	for (unsigned i = 0; i < 10; i++)
		port_send(&port, ping(i));
	port_flush(&port);
	while (!port.stats.resets && now_ns() < until) {
		port_watch(&port, now_ns());
		usleep(10000);
	}
	expect(port.stats.tx_stalls == 1 && port.stats.resets == 1,
	       "a stalled transmitter is seen and reset", (long long)port.stats.tx_stalls);
	for (unsigned i = 0; i < 10 && !port.link_up; i++)
		receive(is_arp_reply, 300);
	expect(port.link_up, "the link comes back", port.link_mbps);
	expect(arp(), "and traffic with it", 0);
}

static bool setup(const char *addr, const char *mode)
{
	static const struct {
		const char *name;
		enum vfio_irq_kind kind;
	} kinds[] = {{"msix", VFIO_IRQ_MSIX}, {"msi", VFIO_IRQ_MSI}, {"intx", VFIO_IRQ_INTX}};
	enum vfio_irq_kind best = VFIO_IRQ_NONE;
	struct vfio_error err;
	int n;

	for (unsigned i = 0; i < 3; i++)
		if (!strcmp(kinds[i].name, mode))
			best = kinds[i].kind;
	snprintf(port.conf.name, sizeof(port.conf.name), "%s:", mode);
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED ||
	    mmap((void *)WINDOW, 1u << 24, PROT_NONE,
		 MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		return false;
	if (vfio_open(&dev, addr, &err) ||
	    vfio_map_dma(dev, memory, (MEMORY + 4095) & ~(size_t)4095, IOVA, &err)) {
		printf("FAIL %s %s: %s\n", mode, err.what, err.why);
		return false;
	}
	if (vfio_map_bar(dev, 0, (void *)WINDOW, &port.conf.bar_size[0]) ||
	    vfio_bus_master(dev, true))
		return false;
	n = vfio_irq_enable(dev, best, 1, &irq_fd, &irq_kind);
	expect(n == 1 && irq_kind == best, "interrupts of the kind asked for", irq_kind);
	pktbuf_pool_init(&pool, headers, memory + RINGS, IOVA + RINGS, BUFFERS);
	port.conf.bar[0] = (volatile uint8_t *)WINDOW;
	port.conf.irq_vectors = irq_kind != VFIO_IRQ_INTX;
	port.conf.irq_msi = irq_kind == VFIO_IRQ_MSI;
	port.conf.offload = true;
	port.pool = &pool;
	port.dma_alloc = dma_alloc;
	port.clock_ns = now_ns;
	return n == 1;
}

int main(int argc, char **argv)
{
	const struct port_ops *ops;
	void *priv;
	int err;

	if (argc != 7)
		return 2;
	own_ip = inet_addr(argv[4]);
	peer_ip = inet_addr(argv[5]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!setup(argv[1], argv[2]))
		return 1;
	ops = port_driver_pci(vfio_pci(dev)->vendor, vfio_pci(dev)->device);
	priv = ops ? calloc(1, ops->priv_size) : NULL;
	if (!priv)
		return 1;
	for (unsigned round = 0; round < 3; round++) {
		uint64_t start = now_ns();

		err = port_start(&port, ops, priv);
		expect(err == 0, "the driver starts", err);
		if (err)
			return 1;
		printf("   in %.1f ms, MAC %02x:%02x:%02x:%02x:%02x:%02x\n",
		       (double)(now_ns() - start) / 1e6, port.mac[0], port.mac[1], port.mac[2],
		       port.mac[3], port.mac[4], port.mac[5]);
		for (unsigned i = 0; i < 20 && !port.link_up; i++)
			receive(is_arp_reply, 300);
		expect(port.link_up && port.link_mbps == 1000, "the link is up", port.link_mbps);
		for (err = 1; err <= 5 && !arp(); err++)
			;
		expect(err <= 5, "ARP is answered", err);
		if (round == 0)
			pings((uint32_t)atoi(argv[3]), argv[6]);
		waking();
		offload();
		segments(round, argv[6]);
		if (round == 1)
			stall();
		port_stop(&port);
		expect(pool.avail == pool.count, "after stop all buffers are back", pool.avail);
		expect(!port.stats.in_errors && !port.stats.out_errors && !port.stats.in_missed,
		       "nothing was wrong or missed", (long long)port.stats.in_errors);
	}
	vfio_close(dev);
	free(priv);
	printf("e1000e_vm %s %s\n", argv[2], failures ? "FAILED" : "done");
	return failures != 0;
}
