/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From bytes that anybody may have sent to checked values. Called by control.c and the handlers in
 * control_*.c. No sockets in here: unit tests feed it.
 */
#include "tools/sandwired/request.h"

#include <errno.h>
#include <stdio.h>

json_t *request_parse(const char *data, size_t len, struct failure *f)
{
	json_error_t err;
	json_t *req;
	unsigned depth = 0;

	/* Requests are flat. Deep nesting is only good for exhausting a parser's stack. */
	for (size_t i = 0; i < len; i++)
		if ((data[i] == '[' || data[i] == '{') && ++depth > 8) {
			failed(f, "control", "the request is nested too deep");
			return NULL;
		}
	req = json_loadb(data, len, JSON_REJECT_DUPLICATES, &err);
	if (!req) {
		failed(f, "control", "not JSON: %.100s", err.text);
		return NULL;
	}
	if (!json_is_object(req) || !json_is_string(json_object_get(req, "cmd"))) {
		json_decref(req);
		failed(f, "control", "not an object with a \"cmd\"");
		return NULL;
	}
	return req;
}

const char *request_cmd(const json_t *req)
{
	return json_string_value(json_object_get(req, "cmd"));
}

int request_number(const json_t *req, const char *key, uint64_t max, uint64_t *out,
		   struct failure *f)
{
	const json_t *v = json_object_get(req, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > max)
		return failed(f, request_cmd(req), "\"%s\" is not a number from 0 to %llu", key,
			      (unsigned long long)max);
	*out = (uint64_t)json_integer_value(v);
	return 0;
}

int request_number_or(const json_t *req, const char *key, uint64_t def, uint64_t max, uint64_t *out,
		      struct failure *f)
{
	if (json_object_get(req, key))
		return request_number(req, key, max, out, f);
	*out = def;
	return 0;
}

const char *request_text(const json_t *req, const char *key)
{
	return json_string_value(json_object_get(req, key));
}

json_t *answer_ok(void)
{
	return json_pack("{s:b}", "ok", 1);
}

json_t *answer_failure(const struct failure *f)
{
	/* Texts may quote what the other side sent; json_pack refuses strings that are not UTF-8.
	 */
	json_t *a =
		json_pack("{s:i,s:i}", "status", f->status, "errno", f->error ? f->error : EINVAL);
	char line[sizeof(f->what) + sizeof(f->why) + 3];

	snprintf(line, sizeof(line), "%s: %s", f->what, f->why);
	if (json_object_set_new(a, "error", json_string(line)))
		json_object_set_new(a, "error", json_string("request: refused"));
	json_object_set_new(a, "what", json_string(f->what));
	json_object_set_new(a, "why", json_string(f->why));
	if (f->hint[0])
		json_object_set_new(a, "hint", json_string(f->hint));
	return a;
}
