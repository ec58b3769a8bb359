/* SPDX-License-Identifier: BSD-3-Clause */
/* Lives and deaths: descriptors closed in mid-call, windows, image faults, the daemon, the module.
 */
#include "tests/upcall/kmod/harness.h"

static int fd_of;

static void *closer(void *unused)
{
	usleep(20000);
	dup2(open("/dev/null", O_RDWR), fd_of);
	return NULL;
}

static int closed_in_call(void *unused)
{
	int keep;
	pthread_t t;
	long r;

	fd_of = attach();
	keep = dup(fd_of);
	r = up(fd_of, T_BADEXIT, 9999, 1000, 0);
	CHECK("a bad descriptor at EXIT: the exit page", r > 0, "%ld", r);
	pthread_create(&t, NULL, closer, NULL);
	r = up(fd_of, T_SPIN, 10000000, 0, 0);
	pthread_join(t, NULL);
	CHECK("the descriptor replaced in mid-call: the exit page too", r > 0, "%ld", r);
	CHECK("and the client lives on", up(keep, T_INC, 0, 0, 0) > 0, "no");
	r = up(keep, T_BYPAGE, 1, 70000, 0);
	CHECK("the exit page makes descriptors too", r >= 0 && fcntl((int)r, F_GETFD) == 0, "%ld",
	      r);
	return 0;
}

static int ioctls(void *unused)
{
	int fd = attach(), fresh = open(SW_DEVICE, O_RDWR);
	long r = up(fresh, T_INC, 0, 0, 0);
	struct sw_net_create c = {0};

	CHECK("EXIT and YIELD outside an upcall are refused",
	      lseek(fd, (off_t)SW_SEEK_EXIT, SEEK_SET) == -1 && errno == EPERM &&
		      ioctl(fd, SW_IOC_YIELD) && errno == EPERM,
	      "no");
	CHECK("a client file is not seekable",
	      lseek(fd, 0, SEEK_CUR) == -1 && errno == ESPIPE &&
		      lseek(fd, (off_t)SW_SEEK_ENTER, SEEK_END) == -1 && errno == ESPIPE,
	      "%d", errno);
	CHECK("a file that nobody admitted does nothing", r == -ENOTCONN, "%ld", r);
	CHECK("a net needs a sane description",
	      ioctl(fresh, SW_IOC_NET_CREATE, &c) && errno == EINVAL, "no");
	if (setuid(65534))
		return 1;
	CHECK("and CAP_NET_ADMIN", ioctl(fresh, SW_IOC_NET_CREATE, &c) && errno == EPERM, "no");
	return 0;
}

static void maps(void)
{
	struct sw_net_map m = {.addr = SEG_BASE + T_HEAP_OFF, .len = 4096, .prot = PROT_READ};
	bool bad = false;

	bad |= !ioctl(net_fd, SW_IOC_NET_MAP, &m) || errno != EEXIST;
	m.prot = PROT_READ | PROT_WRITE | PROT_EXEC;
	bad |= !ioctl(net_fd, SW_IOC_NET_MAP, &m) || errno != EINVAL;
	m = (struct sw_net_map){.addr = SEG_BASE + SW_EXIT_OFF, .len = 4096, .prot = PROT_READ};
	bad |= !ioctl(net_fd, SW_IOC_NET_MAP, &m) || errno != EINVAL;
	m = (struct sw_net_map){
		.addr = SEG_BASE + SEG_SLOT_SIZE - 4096, .len = 8192, .prot = PROT_READ};
	bad |= !ioctl(net_fd, SW_IOC_NET_MAP, &m) || errno != EINVAL;
	m = (struct sw_net_map){.addr = SEG_BASE + (100ull << 30), .len = 4096, .prot = PROT_READ};
	bad |= !ioctl(net_fd, SW_IOC_NET_MAP, &m) || errno != EFAULT;
	CHECK("mapping is refused: twice, W with X, the exit page, beyond the slot, nothing there",
	      !bad, "%s", strerror(errno));
	m = (struct sw_net_map){
		.addr = SEG_BASE + T_HEAP_OFF + 4096, .len = 4096, .prot = PROT_READ};
	bad = !ioctl(net_fd, SW_IOC_NET_UNMAP, &m) || errno != EINVAL;
	CHECK("a huge page is unmapped whole", !bad, "not so");
}

static int peek(void *addr)
{
	return (int)up(attach(), T_READ, (uint64_t)addr, 4096, 0);
}

/* A channel that comes and goes; reads by the copy range, so that a fault is an EFAULT. */
static void channel(void)
{
	struct sw_net_map m = {.addr = SEG_BASE + SEG_CHANNEL_OFF + SEG_CHANNEL_STRIDE,
			       .len = 65536,
			       .prot = PROT_READ | PROT_WRITE};
	char *p = mmap((void *)m.addr, m.len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	int st[3];

	madvise(p, m.len, MADV_DONTFORK);
	p[0] = 42;
	st[0] = ioctl(net_fd, SW_IOC_NET_MAP, &m) ? -1 : WEXITSTATUS(wait_child(child(peek, p)));
	p[0] = 43;
	st[1] = WEXITSTATUS(wait_child(child(peek, p)));
	st[2] = ioctl(net_fd, SW_IOC_NET_UNMAP, &m) ? -1 : WEXITSTATUS(wait_child(child(peek, p)));
	CHECK("memory can be added and taken away",
	      st[0] == 42 && st[1] == 43 && st[2] == (-EFAULT & 255), "%d %d %d", st[0], st[1],
	      st[2]);
	munmap(p, m.len);
}

/* The first NIC's registers through a sysfs resource file: VM_PFNMAP, as vfio's. */
static void window(void)
{
	const char *nic = getenv("SW_NIC0");
	struct sw_net_map m = {
		.addr = SEG_BASE + SEG_WINDOW_OFF, .len = 0x20000, .prot = PROT_READ | PROT_WRITE};
	char path[256];
	int fd, st[2], mac;
	char *p;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/enable", nic ? nic : "none");
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "1", 1) != 1) {
		printf("# no NIC for the window test\n");
		return;
	}
	close(fd);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", nic);
	fd = open(path, O_RDWR);
	p = mmap((void *)m.addr, m.len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		 fd, 0);
	if (p == MAP_FAILED) {
		CHECK("registers in the daemon", false, "%s", strerror(errno));
		return;
	}
	madvise(p, m.len, MADV_DONTFORK);
	mac = *(volatile uint32_t *)(p + 0x5400) & 255; /* RAL0: 52:... */
	st[0] = ioctl(net_fd, SW_IOC_NET_MAP, &m)
			? -errno
			: WEXITSTATUS(wait_child(child(peek, p + 0x5400)));
	CHECK("device registers are read in an upcall", st[0] == mac && mac == 0x52,
	      "%d, natively 0x%x", st[0], mac);
	munmap(p, m.len);
	st[1] = WEXITSTATUS(wait_child(child(peek, p + 0x5400)));
	CHECK("and are gone when the daemon's mapping goes", st[1] == (-EFAULT & 255), "%d", st[1]);
	st[1] = ioctl(net_fd, SW_IOC_NET_UNMAP, &m);
	CHECK("the window's place can be used again", st[1] == 0, "%s", strerror(errno));
	close(fd);
}

static int rmmod(void)
{
	return (int)syscall(SYS_delete_module, "sandwire", O_NONBLOCK) ? errno : 0;
}

static int in_a_long_one(void *unused)
{
	int fd = attach();

	close(0);
	sh->words[20] = 1;
	return up(fd, T_SPIN, 40000000, 0, 0) > 0 ? 0 : 5;
}

static int survivor(void *unused)
{
	int fd = attach(), s;
	struct pollfd p = {0};
	long r;

	s = (int)up(fd, T_SOCK, 123456, 0, 0);
	p = (struct pollfd){s, POLLIN, 0};
	atomic_fetch_add(&sh->words[21], 1);
	r = poll(&p, 1, 10000);
	if (r != 1 || !(p.revents & POLLHUP) || !(p.revents & POLLERR))
		return 1;
	r = up(fd, T_INC, 0, 0, 0);
	if (r != -ENETDOWN)
		return 2;
	r = up(s, T_INC, 0, 0, 0);
	return r == -ENETDOWN ? 0 : 3;
}

static int crasher(void *how)
{
	int fd = attach();
	long r = up(fd, (enum t_op)(long)how, 0, 0, 0);

	return r == -ENETDOWN ? 0 : 4;
}

static bool faulted(void)
{
	return atomic_load(&events[SW_EVENT_FAULT]);
}

static void image_fault(const char *image, enum t_op op, const char *name)
{
	pid_t other;
	int st, st2;

	atomic_store(&events[SW_EVENT_FAULT], 0);
	atomic_store(&sh->words[21], 0);
	other = child(survivor, NULL);
	while (!sh->words[21])
		usleep(1000);
	usleep(20000);
	st = wait_child(child(crasher, (void *)(long)op));
	st2 = wait_child(other);
	CHECK(name, !st && !st2 && eventually(faulted, 2), "statuses %x %x", st, st2);
	net_down();
	net_up(image);
}

static long pinned(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY);

	if (write(fd, "1", 1) != 1) /* the counters lag behind, a little on each CPU */
		return -1;
	close(fd);
	return proc_number("/proc/vmstat", "nr_foll_pin_acquired") -
	       proc_number("/proc/vmstat", "nr_foll_pin_released");
}

static long pinned_before;

static bool all_back(void)
{
	return pinned() == pinned_before && proc_number("/proc/meminfo", "HugePages_Free") ==
						    proc_number("/proc/meminfo", "HugePages_Total");
}

/* Holds the client file and a socket until it is told to end; `op` first, if not T_NULL. */
static int keeper(void *op)
{
	int fd = attach(), s = (int)up(fd, T_SOCK, 654321, 0, 0);
	struct pollfd p = {s, POLLIN, 0};

	sh->words[22] = 1;
	if (op)
		up(fd, (enum t_op)(long)op, 30000000, 0, 0);
	while (!sh->words[23])
		usleep(1000);
	if (poll(&p, 1, 0) != 1 || p.revents != (POLLERR | POLLHUP))
		return 6;
	return close(s) || up(fd, T_INC, 0, 0, 0) != -ENETDOWN || close(fd) ? 7 : 0;
}

/* The daemon's end gives its memory back while a client lives on with its descriptors. */
static void memory_back(const char *image, enum t_op op, bool stop, const char *name)
{
	bool early, back;
	pid_t pid;
	int st;

	net_up(image);
	atomic_store(&adopting, !stop);
	sh->words[22] = sh->words[23] = 0;
	pid = child(keeper, (void *)(long)op);
	while (!sh->words[22])
		usleep(1000);
	usleep(50000);
	if (stop) {
		kill(pid, SIGSTOP);
		waitpid(pid, &st, WUNTRACED);
	}
	early = pinned() == pinned_before;
	net_down();
	early |= op && !stop && all_back(); /* the upcall still needs it */
	/* Idle, it is back when close returns. */
	back = op && !stop ? eventually(all_back, 10) : all_back();
	if (stop)
		kill(pid, SIGCONT);
	sh->words[23] = 1;
	st = wait_child(pid);
	CHECK(name, back && !early && !st,
	      "early %d pinned %ld of %ld, %ld of %ld huge pages free, status %x", early, pinned(),
	      pinned_before, proc_number("/proc/meminfo", "HugePages_Free"),
	      proc_number("/proc/meminfo", "HugePages_Total"), st);
}

int main(int argc, char **argv)
{
	pid_t a, b;
	int st, st2;

	pinned_before = pinned();
	net_up(argv[1]);
	run_case(closed_in_call, NULL);
	run_case(ioctls, NULL);
	maps();
	channel();
	window();
	CHECK("the module cannot be unloaded while a net is up", rmmod() != 0, "unloaded");

	image_fault(argv[1], T_PEEK, "an image fault fails the net, not the process");
	image_fault(argv[1], T_TRAP, "so does an undefined instruction");
	image_fault(argv[1], T_STACK, "and a stack overflow into the guard page");

	sh->words[20] = sh->words[21] = 0;
	a = child(in_a_long_one, NULL);
	b = child(survivor, NULL);
	while (!sh->words[20] || !sh->words[21])
		usleep(1000);
	usleep(30000);
	net_down();
	CHECK("nor while a thread is in an upcall of a dead net", rmmod() != 0, "unloaded");
	st = wait_child(a);
	st2 = wait_child(b);
	CHECK("when the daemon goes, running upcalls end as usual", !st, "status %x", st);
	CHECK("and sockets hang up, later upcalls are ENETDOWN", !st2, "status %x", st2);

	memory_back(argv[1], T_NULL, false, "the daemon's memory is free at once, clients live on");
	memory_back(argv[1], T_SPIN, false, "or when the last upcall has ended");
	memory_back(argv[1], T_SPIN, true, "upcalls left half done do not keep it");
	return atomic_load(&sh->failed) != 0;
}
