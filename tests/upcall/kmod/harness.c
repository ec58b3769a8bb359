/* SPDX-License-Identifier: BSD-3-Clause */
/* See harness.h. */
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "tests/upcall/kmod/harness.h"

struct shared *sh;
struct t_req *reqs;
int net_fd = -1;
atomic_bool adopting;
atomic_uint events[8], last_gone;

static int admit_sock[2];
static pthread_t daemon_thread;
static atomic_bool daemon_stop;

static void die(const char *what)
{
	printf("FAIL harness: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	exit(1);
}

void result(const char *name, bool good, const char *fmt, ...)
{
	va_list ap;

	if (!good)
		atomic_fetch_add(&sh->failed, 1);
	va_start(ap, fmt);
	say_result(name, good, fmt, ap);
	va_end(ap);
}

struct sw_info stats(void)
{
	struct sw_info i = {0};
	int fd = open(SW_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, SW_IOC_INFO, &i))
		die("SW_IOC_INFO");
	close(fd);
	return i;
}

/* ---- the daemon ---------------------------------------------------------------------------- */

static void area(uint64_t off, uint64_t len, uint32_t prot, bool guard)
{
	struct sw_net_map m = {.addr = SEG_BASE + off, .len = len, .prot = prot};

	if (guard) {
		m.addr += SEG_STACK_GUARD;
		m.len -= SEG_STACK_GUARD;
	}
	if (ioctl(net_fd, SW_IOC_NET_MAP, &m))
		die("SW_IOC_NET_MAP");
}

static void *memory(uint64_t off, uint64_t len, int prot, int fd)
{
	void *want = (void *)(SEG_BASE + off);
	int m = fd >= 0 ? fd : memfd_create("test", MFD_CLOEXEC);

	if (m < 0 || (fd < 0 && ftruncate(m, (off_t)len)))
		die("memfd");
	if (mmap(want, len, prot, MAP_SHARED | MAP_FIXED_NOREPLACE, m, 0) != want)
		die("mmap of the segment");
	madvise(want, len, MADV_DONTFORK);
	if (fd < 0)
		close(m);
	return want;
}

static uint64_t load_image(const char *file, const char *symbol)
{
	char cmd[512], line[256];
	uint64_t addr = 0;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "nm '%s'", file);
	f = popen(cmd, "r");
	while (f && fgets(line, sizeof(line), f)) {
		char name[128];
		unsigned long long a;

		if (sscanf(line, "%llx %*c %127s", &a, name) == 2 && !strcmp(name, symbol))
			addr = a;
	}
	if (f)
		pclose(f);
	if (!addr)
		die(symbol);
	return addr;
}

static void make_segment(const char *image)
{
	char bin[512];
	int fd, text;

	snprintf(bin, sizeof(bin), "%s.bin", image);
	fd = open(bin, O_RDONLY);
	text = memfd_create("text", MFD_CLOEXEC);
	if (fd < 0 || text < 0 || ftruncate(text, T_TEXT_SIZE))
		die(bin);
	for (char buf[4096];;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n <= 0)
			break;
		if (write(text, buf, (size_t)n) != n)
			die("image");
	}
	close(fd);
	memory(T_TEXT_OFF, T_TEXT_SIZE, PROT_READ | PROT_EXEC, text);
	close(text);
	memory(T_DATA_OFF, T_DATA_SIZE, PROT_READ | PROT_WRITE, -1);
	memory(SEG_KSHARED_OFF, SEG_CTX_OFF - SEG_KSHARED_OFF, PROT_READ | PROT_WRITE, -1);
	memory(SEG_CTX_OFF, SEG_CTX_COUNT * SEG_CTX_STRIDE, PROT_READ | PROT_WRITE, -1);
	memory(SEG_STACK_OFF, SEG_CTX_COUNT * SEG_STACK_STRIDE, PROT_READ | PROT_WRITE, -1);
	/* The requests twice: in the segment, and where clients see them. */
	fd = memfd_create("requests", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, T_REQ_SIZE))
		die("requests");
	memory(T_REQ_OFF, T_REQ_SIZE, PROT_READ | PROT_WRITE, fd);
	reqs = mmap(NULL, T_REQ_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
}

static void handle_event(const struct sw_event *e)
{
	atomic_fetch_add(&events[e->type], 1);
	if (e->type == SW_EVENT_CLIENT_GONE)
		atomic_store(&last_gone, e->id);
	if (e->type == SW_EVENT_ORPHAN && ioctl(net_fd, SW_IOC_NET_ADOPT) && errno != ENOENT &&
	    errno != EAGAIN)
		printf("# adopt: %s\n", strerror(errno));
}

/* A request brings the client file and a socket for the answer: its sender may die at any time. */
static void admit_one(void)
{
	char byte, ctl[CMSG_SPACE(2 * sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof(ctl)};
	struct sw_net_admit a = {0};
	int rc, fds[2];

	if (recvmsg(admit_sock[0], &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0 || !CMSG_FIRSTHDR(&m))
		return;
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fds));
	a.client_fd = fds[0];
	a.client_id = atomic_fetch_add(&sh->next_client, 1);
	a.share = a.client_id % SW_SHARES;
	rc = ioctl(net_fd, SW_IOC_NET_ADMIT, &a) ? -errno : (int)a.client_id;
	close(fds[0]);
	send(fds[1], &rc, sizeof(rc), MSG_NOSIGNAL);
	close(fds[1]);
}

static void *daemon_main(void *unused)
{
	struct sched_param p = {2};

	/* As sandwired: what it adopts others wait for. */
	if (sched_setscheduler(0, SCHED_FIFO, &p))
		die("SCHED_FIFO");
	while (!atomic_load(&daemon_stop)) {
		struct pollfd p[2] = {{admit_sock[0], POLLIN, 0}, {net_fd, POLLIN, 0}};
		struct sw_event e;

		/* An orphan nobody adopts keeps the net file readable: look only now and then. */
		poll(p, atomic_load(&adopting) ? 2 : 1, 10);
		admit_one();
		if (!atomic_load(&adopting))
			continue;
		while (!ioctl(net_fd, SW_IOC_NET_EVENT, &e) && e.type != SW_EVENT_NONE)
			handle_event(&e);
	}
	return NULL;
}

void net_up(const char *image)
{
	struct sw_net_create c = {
		.slot_base = SEG_BASE,
		.entry = load_image(image, "image_entry"),
		.fault_fixup = load_image(image, "copy_fixup"),
		.copy_start = load_image(image, "copy_start"),
		.copy_end = load_image(image, "copy_end"),
		.ctx_addr = SEG_BASE + SEG_CTX_OFF + SEG_CTX_STRIDE, /* 0 is the daemon's */
		.ctx_stride = SEG_CTX_STRIDE,
		.stack_addr = SEG_BASE + SEG_STACK_OFF + SEG_STACK_STRIDE,
		.stack_stride = SEG_STACK_STRIDE,
		.kshared_addr = SEG_BASE + SEG_KSHARED_OFF,
		.ctx_count = SEG_CTX_COUNT - 1,
		.sock_count = SEG_SOCK_COUNT,
		.wake_entries = SEG_WAKE_ENTRIES,
		.wake_head_off = offsetof(struct seg_kshared, wake_head),
		.wake_tail_off = offsetof(struct seg_kshared, wake_tail),
		.wake_overflow_off = offsetof(struct seg_kshared, wake_overflow),
		.wake_off = offsetof(struct seg_kshared, wake),
		.closed_head_off = offsetof(struct seg_kshared, closed_head),
		.closed_tail_off = offsetof(struct seg_kshared, closed_tail),
		.closed_off = offsetof(struct seg_kshared, closed),
		.ready_off = offsetof(struct seg_kshared, ready),
		.name = "test",
	};
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!sh) {
		sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			  0);
		atomic_store(&sh->next_client, 1);
		make_segment(image);
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, admit_sock))
			die("socketpair");
	}
	fd = memfd_create("heap", MFD_CLOEXEC | MFD_HUGETLB);
	if (fd < 0 || ftruncate(fd, T_HEAP_SIZE))
		die("huge pages");
	memory(T_HEAP_OFF, T_HEAP_SIZE, PROT_READ | PROT_WRITE, fd);
	close(fd);
	net_fd = open(SW_DEVICE, O_RDWR | O_CLOEXEC);
	if (net_fd < 0)
		die(SW_DEVICE);
	if (ioctl(net_fd, SW_IOC_NET_CREATE, &c))
		die("SW_IOC_NET_CREATE");
	area(T_TEXT_OFF, T_TEXT_SIZE, PROT_READ | PROT_EXEC, false);
	area(T_DATA_OFF, T_DATA_SIZE, PROT_READ | PROT_WRITE, false);
	area(SEG_KSHARED_OFF, SEG_CTX_OFF - SEG_KSHARED_OFF, PROT_READ | PROT_WRITE, false);
	area(SEG_CTX_OFF, SEG_CTX_COUNT * SEG_CTX_STRIDE, PROT_READ | PROT_WRITE, false);
	for (unsigned i = 0; i < SEG_CTX_COUNT; i++)
		area(SEG_STACK_OFF + i * SEG_STACK_STRIDE, SEG_STACK_STRIDE, PROT_READ | PROT_WRITE,
		     true);
	area(T_HEAP_OFF, T_HEAP_SIZE, PROT_READ | PROT_WRITE, false);
	area(T_REQ_OFF, T_REQ_SIZE, PROT_READ | PROT_WRITE, false);
	atomic_store(&adopting, true);
	atomic_store(&daemon_stop, false);
	if (pthread_create(&daemon_thread, NULL, daemon_main, NULL))
		die("thread");
}

void net_down(void)
{
	atomic_store(&daemon_stop, true);
	pthread_join(daemon_thread, NULL);
	if (net_fd >= 0)
		close(net_fd);
	net_fd = -1;
	munmap((void *)(SEG_BASE + T_HEAP_OFF), T_HEAP_SIZE);
}

/* ---- the client ---------------------------------------------------------------------------- */

pid_t child(int (*fn)(void *), void *arg)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		close(net_fd);
		_exit(fn(arg));
	}
	return pid;
}

int wait_child(pid_t pid)
{
	int st = -1;

	while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
		;
	return st;
}

void run_case(int (*fn)(void *), void *arg)
{
	int st = wait_child(child(fn, arg));

	if (st)
		result("a test's process", false, "ended with status 0x%x", st);
}

int open_client(void)
{
	int fd = open(SW_DEVICE, O_RDWR | O_CLOEXEC), rc = -1, sv[2], fds[2];
	char byte = 0, ctl[CMSG_SPACE(sizeof(fds))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof(ctl)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	if (fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		die(SW_DEVICE);
	fds[0] = fd;
	fds[1] = sv[1];
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(h), fds, sizeof(fds));
	if (sendmsg(admit_sock[1], &m, 0) != 1 || read(sv[0], &rc, sizeof(rc)) != sizeof(rc))
		die("admit");
	close(sv[0]);
	close(sv[1]);
	if (rc < 0) {
		errno = -rc;
		die("SW_IOC_NET_ADMIT");
	}
	return fd;
}

void *reserve(int fd)
{
	return mmap((void *)SEG_BASE, SEG_SLOT_SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE, fd, 0);
}

int attach(void)
{
	int fd = open_client();

	if (reserve(fd) != (void *)SEG_BASE)
		die("reserve");
	return fd;
}

uint32_t my_slot(void)
{
	static _Thread_local uint32_t slot;
	static _Thread_local pid_t owner;

	if (!slot || owner != getpid()) {
		slot = 1 + atomic_fetch_add(&sh->next_slot, 1) % (T_REQ_COUNT - 1);
		owner = getpid();
	}
	return slot;
}

long up(int fd, enum t_op op, uint64_t a, uint64_t b, uint64_t c)
{
	uint32_t slot = my_slot();
	int64_t res;
	long rc;

	reqs[slot] = (struct t_req){.op = op, .a = a, .b = b, .c = c};
	rc = raw_enter(fd, slot, &res);
	return rc ? rc : res;
}

/* ---- probes -------------------------------------------------------------------------------- */

static _Thread_local sigjmp_buf jump;

static void on_signal(int sig)
{
	siglongjmp(jump, sig);
}

static int guarded(int how, uint64_t addr)
{
	int sig;

	signal(SIGSEGV, on_signal);
	signal(SIGBUS, on_signal);
	signal(SIGILL, on_signal);
	sig = sigsetjmp(jump, 1);
	if (sig)
		return sig;
	if (how == 0)
		(void)*(volatile char *)addr;
	else if (how == 1)
		*(volatile char *)addr = 1;
	else
		((void (*)(void))addr)();
	return 0;
}

int probe_read(uint64_t addr)
{
	return guarded(0, addr);
}

int probe_write(uint64_t addr)
{
	return guarded(1, addr);
}

int probe_exec(uint64_t addr)
{
	return guarded(2, addr);
}
