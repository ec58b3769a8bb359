/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's parsers: requests of the control protocol, settings, ports, addresses.
 *
 *	input: which, then its text
 */
#include "tests/fuzz/fuzz.h"
#include "tools/cidr.h"
#include "tools/sandwired/config.h"
#include "tools/sandwired/request.h"

static void request(const char *text, size_t n)
{
	static const char *const keys[] = {"abi", "cursor", "sock", "len", "slot", "client"};
	struct failure f = {0};
	json_t *req = request_parse(text, n, &f), *answer;
	uint64_t v;
	size_t i;

	if (!req) {
		answer = answer_failure(&f);
		FUZZ_MUST(answer != NULL);
		json_decref(answer);
		return;
	}
	FUZZ_MUST(request_cmd(req) != NULL);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (request_number(req, keys[i], 1000, &v, &f) == 0)
			FUZZ_MUST(v <= 1000);
		(void)request_text(req, keys[i]);
	}
	json_decref(req);
}

static void setting(char *text)
{
	struct config c;
	struct failure f = {0};
	char *value = strchr(text, '=');

	if (!value)
		return;
	*value++ = 0;
	config_defaults(&c);
	if (config_set(&c, text, value, &f) == 0)
		(void)config_check(&c, &f);
	FUZZ_MUST(memchr(c.name, 0, sizeof(c.name)) && memchr(c.file, 0, sizeof(c.file)));
	FUZZ_MUST(c.n_ports <= PORT_MAX && c.n_addrs <= CONFIG_ADDR_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct port_spec spec;
	struct ip_addr addr;
	struct failure f = {0};
	char *text;
	uint8_t mac[6];

	if (size < 1 || size > REQUEST_MAX + 10)
		return -1;
	text = calloc(1, size);
	memcpy(text, data + 1, size - 1);
	switch (data[0] % 4) {
	case 0:
		request(text, size - 1);
		break;
	case 1:
		setting(text);
		break;
	case 2:
		if (port_spec_parse(text, &spec, &f) == 0)
			FUZZ_MUST(memchr(spec.name, 0, sizeof(spec.name)) != NULL);
		break;
	default:
		if (cidr_parse(text, &addr) == 0)
			FUZZ_MUST(addr.prefix <= 128);
		(void)cidr_parse_addr(text, &addr);
		(void)cidr_parse_dst(text, &addr);
		(void)cidr_parse_mac(text, mac);
		break;
	}
	free(text);
	return 0;
}
