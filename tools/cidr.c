/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses between text and struct ip_addr. Called by the daemon's settings and control protocol.
 * RFC 4632 for prefixes; inet_pton(3) for the strict dotted form (no octal, no short forms).
 */
#include "tools/cidr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cidr_parse_addr(const char *text, struct ip_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, out->bytes) == 1)
		out->family = AF_INET;
	else if (inet_pton(AF_INET6, text, out->bytes) == 1)
		out->family = AF_INET6;
	out->prefix = out->family == AF_INET6 ? 128 : 32;
	return out->family ? 0 : -EINVAL;
}

int cidr_parse(const char *text, struct ip_addr *out)
{
	char addr[CIDR_TEXT];
	const char *slash = strchr(text, '/');
	unsigned prefix = 0;
	int r;

	if (!slash || (size_t)(slash - text) >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = 0;
	r = cidr_parse_addr(addr, out);
	if (r)
		return r;
	if (!slash[1] || strlen(slash + 1) > (out->family == AF_INET6 ? 3 : 2))
		return -EINVAL;
	for (const char *p = slash + 1; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		prefix = prefix * 10 + (unsigned)(*p - '0');
	}
	if (prefix > out->prefix)
		return -EINVAL;
	out->prefix = (uint8_t)prefix;
	return 0;
}

static uint32_t host_bits(const struct ip_addr *a)
{
	uint32_t v;

	memcpy(&v, a->bytes, 4);
	return ntohl(v) & (a->prefix ? (1u << (32 - a->prefix)) - 1 : ~0u) &
	       (a->prefix < 32 ? ~0u : 0);
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned from, unsigned to)
{
	for (unsigned bit = from; bit < to; bit++)
		if ((a[bit / 8] ^ b[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

bool cidr_holds(const struct ip_addr *net, const struct ip_addr *addr)
{
	return net->family == addr->family && same_bits(net->bytes, addr->bytes, 0, net->prefix);
}

int cidr_parse_dst(const char *text, struct ip_addr *out)
{
	static const uint8_t none[16];
	int r;

	if (!strcmp(text, "default"))
		text = "0.0.0.0/0";
	r = strchr(text, '/') ? cidr_parse(text, out) : cidr_parse_addr(text, out);
	if (r)
		return r;
	return same_bits(out->bytes, none, out->prefix, out->family == AF_INET6 ? 128 : 32) ? 0
											    : -EDOM;
}

int cidr_parse_mac(const char *text, uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++) {
		unsigned v = 0;

		for (unsigned d = 0; d < 2; d++, text++) {
			static const char hex[] = "0123456789abcdef";
			const char *at = *text ? strchr(hex, *text | 0x20) : NULL;

			if (!at || !*at)
				return -EINVAL;
			v = v * 16 + (unsigned)(at - hex);
		}
		mac[i] = (uint8_t)v;
		if (*text++ != (i < 5 ? ':' : 0))
			return -EINVAL;
	}
	return mac[0] & 1 ? -EINVAL : 0; /* a group address is nobody's */
}

/* Not ::, ::1, v4-mapped, nor a group. */
static bool host6(const uint8_t bytes[16])
{
	struct in6_addr a;

	memcpy(&a, bytes, sizeof(a));
	return !IN6_IS_ADDR_UNSPECIFIED(&a) && !IN6_IS_ADDR_LOOPBACK(&a) &&
	       !IN6_IS_ADDR_V4MAPPED(&a) && !IN6_IS_ADDR_MULTICAST(&a);
}

int cidr_is_host(const struct ip_addr *addr)
{
	uint8_t first = addr->bytes[0];
	uint32_t host, all;

	if (addr->family == AF_INET6)
		return host6(addr->bytes);
	host = host_bits(addr);
	all = addr->prefix ? (1u << (32 - addr->prefix)) - 1 : ~0u;
	if (first == 0 || first == 127 || first >= 224)
		return 0;
	/* RFC 3021: /31 has neither network nor broadcast address */
	return addr->prefix >= 31 || (host != 0 && host != all);
}

const char *cidr_addr_text(const struct ip_addr *addr, char *buf, size_t size)
{
	if (!addr->family || !inet_ntop(addr->family, addr->bytes, buf, (socklen_t)size))
		snprintf(buf, size, "*");
	return buf;
}

const char *cidr_text(const struct ip_addr *addr, char *buf, size_t size)
{
	char a[CIDR_TEXT];

	snprintf(buf, size, "%s/%u", cidr_addr_text(addr, a, sizeof(a)), addr->prefix);
	return buf;
}

const char *cidr_mac_text(const uint8_t m[6], char *buf, size_t size)
{
	snprintf(buf, size, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return buf;
}
