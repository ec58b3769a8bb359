/* SPDX-License-Identifier: BSD-3-Clause */
/* See attack.h. */
#include "tests/upcall/attack/attack.h"

#include <arpa/inet.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <stdarg.h>

#include "tests/upcall/attack/canary.h"
#include "upcall/client.h"

const char *net;
uint32_t net_ip, peer_ip;
bool thorough;

static const struct canary *canary;
static struct shared {
	atomic_uint failed;
} * shared;

int status_of(pid_t pid)
{
	int st = 0;

	while (waitpid(pid, &st, __WALL) < 0 && errno == EINTR)
		;
	return st;
}

int cpus(void)
{
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

void expect(bool good, const char *what, const char *fmt, ...)
{
	va_list ap;

	if (!good)
		atomic_fetch_add(&shared->failed, 1);
	va_start(ap, fmt);
	say_result(what, good, fmt, ap);
	va_end(ap);
}

static void die(const char *what, int err)
{
	expect(false, what, "%s", strerror(err));
	_exit(9);
}

/* Two more transfers from their beginning to their end, all exact. */
void bystander(const char *what)
{
	uint64_t rounds = atomic_load(&canary->rounds), come = atomic_load(&canary->newcomers);
	double end = now() + 20;
	struct timespec ms = {.tv_nsec = 2000000};
	bool good = false;

	/* The first that ends may have begun before. */
	for (; !good && now() < end; nanosleep(&ms, NULL))
		good = atomic_load(&canary->rounds) >= rounds + 2 &&
		       atomic_load(&canary->newcomers) >= come + 2;
	expect(good && !atomic_load(&canary->wrong), what,
	       "the bystander: %lu transfers since, %lu by newcomers, %lu wrong",
	       (unsigned long)(atomic_load(&canary->rounds) - rounds),
	       (unsigned long)(atomic_load(&canary->newcomers) - come),
	       (unsigned long)atomic_load(&canary->wrong));
}

static void run(const struct attack *at)
{
	char what[160];
	double began = now();
	int st, sig;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		at->run();
		fflush(stdout);
		_exit(0);
	}
	st = status_of(pid);
	sig = WIFSIGNALED(st) ? WTERMSIG(st) : 0;
	snprintf(what, sizeof(what), "%s: ends as it should", at->name);
	if (sig != at->signal || (!sig && WEXITSTATUS(st)))
		expect(false, what, "status 0x%x", (unsigned)st);
	snprintf(what, sizeof(what), "%s: hurts nobody", at->name);
	bystander(what);
	printf("# %s took %.1f s\n", at->name, now() - began);
}

int attack_main(int argc, char **argv, const struct attack *list)
{
	int fd;

	if (argc < 5) {
		fprintf(stderr, "usage: %s NET NET-IP PEER-IP CANARY [ATTACK]\n", argv[0]);
		return 2;
	}
	net = argv[1];
	net_ip = inet_addr(argv[2]);
	peer_ip = inet_addr(argv[3]);
	thorough = getenv("SW_FULL") && *getenv("SW_FULL");
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd = open(argv[4], O_RDONLY | O_CLOEXEC);
	canary = mmap(NULL, sizeof(*canary), PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || canary == MAP_FAILED) {
		fprintf(stderr, "%s: %s\n", argv[4], strerror(errno));
		return 2;
	}
	close(fd);
	for (; list->name; list++)
		if (argc < 6 || !strcmp(argv[5], list->name))
			run(list);
	return atomic_load(&shared->failed) != 0;
}

/* ---- joining -------------------------------------------------------------------------------- */

int reserve_slot(int fd)
{
	void *want = (void *)SEG_BASE;

	return mmap(want, SEG_SLOT_SIZE, PROT_NONE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) == want
		       ? 0
		       : -errno;
}

int join_net(struct attacker *a, bool reserve)
{
	int fd = open(SW_DEVICE, O_RDWR | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = reserve ? reserve_slot(fd) : 0;
	return ret ? ret : join_with(a, fd);
}

int join_with(struct attacker *a, int fd)
{
	char reply[CONTROL_MAX];
	int fds[CONTROL_FDS], ret;
	unsigned n = 0;
	uint64_t v = 0, size = 0;

	*a = (struct attacker){.fd = fd, .control = control_connect(net)};
	if (a->control < 0)
		return a->control;
	ret = control_send(a->control, "{\"cmd\":\"attach\",\"abi\":1}", a->fd);
	if (ret)
		return ret;
	ret = control_recv(a->control, reply, fds, &n);
	if (ret < 0)
		return ret;
	if (!json_u64(reply, "client", &v) || !json_u64(reply, "channel_size", &size) || n < 1) {
		json_string(reply, "error", a->why, sizeof(a->why));
		return json_u64(reply, "errno", &v) && v ? -(int)v : -EPERM;
	}
	a->id = (uint32_t)v;
	a->channel = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	while (n)
		close(fds[--n]);
	return a->channel == MAP_FAILED ? -ENOMEM : 0;
}

struct attacker *join(void)
{
	struct attacker *a = malloc(sizeof(*a));
	int ret = a ? join_net(a, true) : -ENOMEM;

	if (ret)
		die("joining the net", -ret);
	return a;
}

/* ---- calls ---------------------------------------------------------------------------------- */

unsigned my_slot_number(void)
{
	static atomic_uint next;
	static _Thread_local unsigned mine;

	if (!mine)
		mine = 1 + atomic_fetch_add(&next, 1) % (CHANNEL_SLOTS - 1);
	return mine;
}

struct call_slot *my_slot(struct attacker *a)
{
	return &a->channel->slot[my_slot_number()];
}

bool finished_elsewhere(const struct call_slot *s, int64_t *result)
{
	for (int i = 0; i < 1000 && __atomic_load_n(&s->state, __ATOMIC_ACQUIRE) != CALL_DONE;
	     i++) {
		struct timespec ms = {.tv_nsec = 1000000};

		nanosleep(&ms, NULL);
	}
	*result = s->ret;
	return __atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == CALL_DONE && s->ret != -EFAULT;
}

int64_t call(struct attacker *a, int fd, uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
	struct call_slot *s = my_slot(a);
	int64_t res = 0;
	long rc;

	do {
		s->nr = nr;
		s->arg[0] = a0;
		s->arg[1] = a1;
		s->arg[2] = a2;
		__atomic_store_n(&s->state, CALL_POSTED, __ATOMIC_RELEASE);
		rc = raw_enter(fd, my_slot_number(), &res);
		if (rc == -EINTR && finished_elsewhere(s, &res))
			rc = 0;
	} while (!rc && res == -ERESTART); /* as mode_upcall.c does */
	return rc ? rc : res;
}

int udp_socket(struct attacker *a)
{
	int64_t fd = call(a, a->fd, CALL_SOCKET, AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		die("a socket", (int)-fd);
	return (int)fd;
}

int udp_bind_any(struct attacker *a, int fd, uint16_t port)
{
	*(struct call_addr *)my_slot(a)->inl = (struct call_addr){.family = AF_INET, .port = port};
	return (int)call(a, fd, CALL_BIND, 0, 0, 0);
}

struct call_io *io_to(struct attacker *a, uint32_t ip, uint16_t port)
{
	struct call_io *io = (struct call_io *)my_slot(a)->inl;

	*io = (struct call_io){.addr = {.family = AF_INET, .port = port}};
	memcpy(io->addr.addr, &ip, 4);
	return io;
}

int64_t udp_io_once(struct attacker *a, int fd, uint32_t nr, uint64_t base, uint64_t len,
		    uint32_t ip, uint16_t port)
{
	io_to(a, ip, port)->iov[0] = (struct call_iov){base, len};
	return call(a, fd, nr, 0, 1, nr == CALL_SEND);
}

int64_t udp_io(struct attacker *a, int fd, uint32_t nr, uint64_t base, uint64_t len, uint32_t ip,
	       uint16_t port)
{
	int64_t r;

	do
		r = udp_io_once(a, fd, nr, base, len, ip, port);
	while (r == -EINTR);
	return r;
}

bool works(struct attacker *a)
{
	return call(a, a->fd, CALL_NULL, 0, 0, 0) == 0 && call(a, a->fd, CALL_TURN, 0, 0, 0) >= 0;
}

/* ---- probes --------------------------------------------------------------------------------- */

static _Thread_local sigjmp_buf back;

static void on_signal(int sig)
{
	siglongjmp(back, sig);
}

int probe(enum probe how, uint64_t addr)
{
	static const int caught[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
	int sig;

	for (unsigned i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		signal(caught[i], on_signal);
	sig = sigsetjmp(back, 1);
	if (sig)
		return sig;
	if (how == PROBE_READ)
		(void)*(volatile char *)addr;
	else if (how == PROBE_WRITE)
		*(volatile char *)addr = 1;
	else
		((void (*)(void))addr)();
	return 0;
}

/* Of each part its beginning and some of what lies further in. */
static const struct {
	uint64_t off, step;
	unsigned n;
} parts[] = {
	{SEG_HEADER_OFF, 0x1000, 2},
	{SEG_IMAGE_OFF, 0x4000, 40}, /* text, constants, data */
	{SW_EXIT_OFF, 0, 1},
	{SEG_KSHARED_OFF, 0x8000, 16},
	{SEG_CTX_OFF, 0x2000, 32},
	{SEG_STACK_OFF + 0x4000, SEG_STACK_STRIDE * 8, 32},
	{SEG_STACK_OFF, SEG_STACK_STRIDE * 32, 8}, /* guard pages */
	{SEG_CAPTURE_OFF, SEG_CAPTURE_SIZE, SEG_CAPTURE_COUNT},
	{SEG_HEAP_OFF, 2 << 20, 64},		   /* objects, rings, packets */
	{SEG_WINDOW_OFF, 0x1000, 32},		   /* device registers */
	{SEG_CHANNEL_OFF, SEG_CHANNEL_STRIDE, 16}, /* other clients' */
	{SEG_SLOT_SIZE - 4096, 0, 1},
};

unsigned part_count(void)
{
	unsigned n = 1;

	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		n += parts[i].n;
	return n;
}

uint64_t part_addr(const struct attacker *a, unsigned i)
{
	for (unsigned k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
		if (i < parts[k].n)
			return SEG_BASE + parts[k].off + parts[k].step * i;
		i -= parts[k].n;
	}
	return SEG_BASE + SEG_CHANNEL_OFF + a->id * SEG_CHANNEL_STRIDE; /* its own */
}

unsigned probe_all(const struct attacker *a, unsigned *n)
{
	unsigned through = 0;

	for (unsigned i = 0; i < part_count(); i++)
		for (enum probe how = PROBE_READ; how <= PROBE_EXEC; how++, ++*n)
			through += !probe(how, part_addr(a, i));
	return through;
}

/* ---- standing still in mid-call ------------------------------------------------------------- */

char *uffd_page(int *uffd)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register reg = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	reg.range.start = (uint64_t)(uintptr_t)page;
	reg.range.len = 4096;
	*uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (*uffd < 0 || ioctl(*uffd, UFFDIO_API, &api) || ioctl(*uffd, UFFDIO_REGISTER, &reg))
		die("userfaultfd", errno);
	return page;
}

bool uffd_wait(int uffd, int ms)
{
	struct pollfd p = {.fd = uffd, .events = POLLIN};
	struct uffd_msg msg;

	return poll(&p, 1, ms) == 1 && read(uffd, &msg, sizeof(msg)) == sizeof(msg);
}

void uffd_give(int uffd, char *page)
{
	struct uffdio_zeropage z = {.range = {(uint64_t)(uintptr_t)page, 4096}};

	if (ioctl(uffd, UFFDIO_ZEROPAGE, &z)) /* taken away meanwhile */
		ioctl(uffd, UFFDIO_WAKE, &z.range);
}

static void *parked(void *arg)
{
	struct park *p = arg;

	atomic_store(&p->tid, (int)syscall(SYS_gettid));
	do { /* again where the daemon took it over before it stood still */
		p->result = udp_io_once(p->a, p->sock, p->nr, (uint64_t)(uintptr_t)p->page, 100,
					p->nr == CALL_SEND ? peer_ip : 0, 9);
	} while (p->result == -EINTR && !atomic_load(&p->stands));
	atomic_store(&p->over, true);
	return NULL;
}

void park(struct park *p, struct attacker *a, uint32_t nr)
{
	static atomic_uint port = 20000;
	static const char bytes[100];

	*p = (struct park){.a = a, .nr = nr, .sock = udp_socket(a)};
	if (nr == CALL_RECV) { /* only who has something to receive touches the buffer */
		uint16_t at = (uint16_t)atomic_fetch_add(&port, 1);
		int64_t r;

		while (udp_bind_any(a, p->sock, at))
			at = (uint16_t)atomic_fetch_add(&port, 1);
		r = udp_io(a, p->sock, CALL_SEND, (uint64_t)(uintptr_t)bytes, sizeof(bytes), net_ip,
			   at);
		if (r != sizeof(bytes))
			die("a datagram to oneself", (int)-r);
	}
	p->page = uffd_page(&p->uffd);
	if (pthread_create(&p->thread, NULL, parked, p))
		die("a thread", EAGAIN);
	if (!uffd_wait(p->uffd, 10000))
		die("standing still in mid-call",
		    atomic_load(&p->over) ? (int)-p->result : ETIMEDOUT);
	atomic_store(&p->stands, true);
}

void park_release(struct park *p)
{
	uffd_give(p->uffd, p->page);
}

int64_t unpark(struct park *p)
{
	park_release(p);
	pthread_join(p->thread, NULL);
	close(p->sock);
	close(p->uffd);
	munmap(p->page, 4096);
	return p->result;
}
