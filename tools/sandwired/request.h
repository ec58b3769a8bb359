/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request of the control protocol, checked: one JSON object a packet. What comes is hostile until
 * it is parsed here.
 *
 *	request	 {"cmd": "stat", ...}			(attach, prove, urgent: a descriptor too)
 *	answer	 {"ok": true, ...}			or
 *		 {"error": "WHAT: WHY", "errno": N, "what", "why", "hint", "status"}
 */
#ifndef SANDWIRED_REQUEST_H
#define SANDWIRED_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/failure.h"

#define REQUEST_MAX 4096u   /* bytes of a request */
#define ANSWER_MAX  131072u /* bytes of an answer; longer lists go in parts (cursor) */

/* The object with its "cmd" string, or NULL and why. */
json_t *request_parse(const char *data, size_t len, struct failure *f);
const char *request_cmd(const json_t *req);
/* Typed members: 0, or -1 with f filled. Absent: `def` where the function has one. */
int request_number(const json_t *req, const char *key, uint64_t max, uint64_t *out,
		   struct failure *f);
int request_number_or(const json_t *req, const char *key, uint64_t def, uint64_t max, uint64_t *out,
		      struct failure *f);
/* NULL when absent or no string. */
const char *request_text(const json_t *req, const char *key);

json_t *answer_ok(void);
json_t *answer_failure(const struct failure *f);

#endif
