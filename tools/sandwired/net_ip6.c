/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6 on the net's ports, as --ipv6 has it. Called by net_up.c and control_change.c. The secret of
 * its addresses (RFC 7217 5) is the machine's identity, machine-id(5), with the net's name: the
 * same at each start, and nobody else's. It goes no further than a keyed hash.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/cidr.h"
#include "tools/sandwired/image.h"
#include "tools/sandwired/log.h"
#include "tools/sandwired/net.h"

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool machine_id(uint8_t id[16])
{
	char text[32];
	int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (fd >= 0)
		close(fd);
	if (n != (ssize_t)sizeof(text))
		return false;
	for (unsigned i = 0; i < 16; i++) {
		int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		id[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int secret(const struct net *net, uint8_t out[16])
{
	size_t n = strlen(net->conf.name);

	if (!machine_id(out)) {
		log_info("no machine-id: IPv6 addresses will be others at the next start");
		return getrandom(out, 16, 0) == 16 ? 0 : -errno;
	}
	for (size_t i = 0; i < n; i++)
		out[i % 16] ^= (uint8_t)net->conf.name[i];
	return 0;
}

int64_t net_ip6_up(struct net *net, int port)
{
	struct stack_ip6_conf conf = {.dad_transmits = 1, .accept_ra = net->conf.ipv6 == IPV6_ON};
	int64_t r;

	if (net->conf.ipv6 == IPV6_OFF)
		return -EAFNOSUPPORT;
	r = secret(net, conf.secret);
	if (r == 0)
		r = image_admin(ADMIN_IP6_UP, (uint64_t)port, IMAGE_PTR(&conf), 0, 0);
	memset(&conf, 0, sizeof(conf));
	return r == -EEXIST ? 0 : r;
}

int64_t net_addr_add(struct net *net, int port, const struct ip_addr *addr)
{
	int64_t r = addr->family == AF_INET6 ? net_ip6_up(net, port) : 0;

	return r < 0 ? r : image_admin(ADMIN_ADDR_ADD, (uint64_t)port, IMAGE_PTR(addr), 0, 0);
}
