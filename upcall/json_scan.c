/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads single fields of the daemon's replies in place. libsandwire is preloaded into programs that
 * bring a JSON library of their own, or none, and calls it where malloc may not be: so it has just
 * this. The daemon is trusted; a reply that makes no sense gives "absent". RFC 8259.
 * Called by control_client.c and mode_direct.c.
 */
#include <stdlib.h>
#include <string.h>

#include "upcall/client.h"

static const char *skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return p;
}

/* p at the opening quote; result after the closing one, or at the terminating zero. */
static const char *skip_string(const char *p)
{
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
	}
	return *p ? p + 1 : p;
}

static const char *skip_value(const char *p)
{
	unsigned depth = 0;

	p = skip_space(p);
	do {
		if (*p == '"') {
			p = skip_string(p);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && depth)
			depth--;
		else if (!depth && (*p == ',' || *p == '}' || *p == ']'))
			return p;
		if (*p)
			p++;
	} while (*p && (depth || (*p != ',' && *p != '}' && *p != ']')));
	return p;
}

/* The value of `key` in the object at p, or NULL. Keys with escapes are not found. */
static const char *find(const char *p, const char *key)
{
	size_t len = strlen(key);

	p = skip_space(p);
	if (*p++ != '{')
		return NULL;
	for (;;) {
		const char *name = skip_space(p);
		bool match;

		if (*name != '"')
			return NULL;
		p = skip_string(name);
		match = (size_t)(p - name) == len + 2 && !memcmp(name + 1, key, len);
		p = skip_space(p);
		if (*p++ != ':')
			return NULL;
		if (match)
			return skip_space(p);
		p = skip_space(skip_value(p));
		if (*p++ != ',')
			return NULL;
	}
}

bool json_u64(const char *object, const char *key, uint64_t *value)
{
	const char *p = find(object, key);

	if (p && !strncmp(p, "true", 4)) {
		*value = 1;
		return true;
	}
	if (!p || *p < '0' || *p > '9')
		return false;
	*value = 0;
	for (; *p >= '0' && *p <= '9'; p++)
		*value = *value * 10 + (uint64_t)(*p - '0');
	return true;
}

bool json_string(const char *object, const char *key, char *value, size_t size)
{
	const char *p = find(object, key);
	size_t n = 0;

	if (!p || *p != '"')
		return false;
	for (p++; *p && *p != '"'; p++) {
		char c = *p;

		if (c == '\\' && p[1]) {
			c = *++p;
			if (c == 'n' || c == 't' || c == 'r')
				c = ' ';
			if (c == 'u') { /* people's text only: any such character becomes '?' */
				for (int i = 0; i < 4 && p[1]; i++)
					p++;
				c = '?';
			}
		}
		if (n + 1 < size)
			value[n++] = c;
	}
	value[n] = 0;
	return true;
}

const char *json_element(const char *object, const char *key, unsigned i)
{
	const char *p = find(object, key);

	if (!p || *p++ != '[')
		return NULL;
	p = skip_space(p);
	if (*p == ']')
		return NULL;
	while (i--) {
		p = skip_space(skip_value(p));
		if (*p++ != ',')
			return NULL;
	}
	p = skip_space(p);
	return *p ? p : NULL;
}
