/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/sandwired/config.c and port_spec.c: the command line, the file, the grammar of a port. */
#include <check.h>
#include <sys/socket.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/sandwired/config.h"

static struct config c;
static struct failure f;

/* Words separated by single blanks. */
static int read_words(const char *words)
{
	static char copy[1024];
	char *argv[32] = {(char *)"up"}, *rest = copy, *word;
	int argc = 1;

	strcpy(copy, words);
	while (*copy && (word = strsep(&rest, " ")))
		argv[argc++] = word;
	memset(&f, 0, sizeof(f));
	return config_read(&c, argc, argv, &f);
}

START_TEST(defaults_work)
{
	ck_assert_int_eq(read_words("--port null"), 0);
	ck_assert_str_eq(c.name, "default");
	ck_assert_uint_eq(c.mtu, 1500);
	ck_assert_uint_eq(c.mode, 0);
	ck_assert_uint_eq(config_page_size(&c), 2u << 20);
}
END_TEST

START_TEST(options_are_read_in_both_forms)
{
	ck_assert_int_eq(
		read_words("web --port pci:0000:00:03.0,ring=512,offload=off --port=tap:sw0,vlan=7 "
			   "--port null:x,offload=csum "
			   "--addr 10.0.0.1/24 --addr=10.1.0.1/24 --gateway 10.0.0.254 "
			   "--mtu 1400 --mode server --pages 4K --mem=64 --quota 25 --foreground"),
		0);
	ck_assert_str_eq(c.name, "web");
	ck_assert_uint_eq(c.n_ports, 3);
	ck_assert_int_eq(c.ports[0].kind, PORT_PCI);
	ck_assert_str_eq(c.ports[0].name, "0000:00:03.0");
	ck_assert_str_eq(c.ports[0].text, "pci:0000:00:03.0");
	ck_assert_uint_eq(c.ports[0].ring, 512);
	ck_assert(!c.ports[0].offload);
	ck_assert_str_eq(c.ports[1].name, "sw0");
	ck_assert(c.ports[1].offload && !c.ports[1].no_tso);
	ck_assert(c.ports[2].offload && c.ports[2].no_tso);
	ck_assert_uint_eq(c.ports[0].vlan, 0);
	ck_assert_uint_eq(c.ports[1].vlan, 7);
	ck_assert_uint_eq(c.n_addrs, 2);
	ck_assert_uint_eq(c.mode, SEG_MODE_SERVER);
	ck_assert_uint_eq(config_page_size(&c), 4096);
	ck_assert_uint_eq(c.mem, 64);
	ck_assert_uint_eq(c.quota, 25);
	ck_assert_uint_eq(c.foreground, 1);
}
END_TEST

START_TEST(addresses_and_gateways_may_be_of_both_families)
{
	ck_assert_int_eq(read_words("--port null --addr 10.0.0.1/24 --addr 2001:db8::1/64 "
				    "--gateway 10.0.0.254 --gateway 2001:db8::fe --ipv6 on"),
			 0);
	ck_assert_uint_eq(c.n_addrs, 2);
	ck_assert_int_eq(c.addrs[1].family, AF_INET6);
	ck_assert_uint_eq(c.addrs[1].prefix, 64);
	ck_assert_int_eq(c.gateway.family, AF_INET);
	ck_assert_int_eq(c.gateway6.family, AF_INET6);
	ck_assert_uint_eq(c.ipv6, IPV6_ON);
	ck_assert_int_eq(read_words("--port null --addr 2001:db8::1/64 --gateway fe80::1"), 0);
	ck_assert_uint_eq(c.ipv6, IPV6_AUTO);
}
END_TEST

START_TEST(misuse_is_status_2_with_one_clear_line)
{
	static const struct {
		const char *words, *says;
	} t[] = {
		{"", "no port"},
		{"--port null --addr 10.78.0.1/33", "not the address"},
		{"--port null --addr 10.78.0.1", "not the address"},
		{"--port null --addr 2001:db8::1/129", "not the address"},
		{"--port null --addr ff02::1/64", "not the address"},
		{"--port null --addr 2001:db8::1/64 --ipv6 off", "but --ipv6 off"},
		{"--port null --addr 2001:db8::1/64 --gateway 2001:db8:1::1", "not within"},
		{"--port null --addr 10.0.0.1/24 --ipv6 maybe", "not one of"},
		{"--port null --addr 10.0.0.255/24", "not the address"},
		{"--port bogus:x", "there are pci:ADDRESS, tap:INTERFACE and null"},
		{"--port packet:eth0", "not available yet"},
		{"--port tap:", "cannot be the name"},
		{"--port tap:averyveryverylongname", "cannot be the name"},
		{"--port tap:a/b", "cannot be the name"},
		{"--port tap:a%d", "cannot be the name"},
		{"--port pci", "cannot be the name"},
		{"--port null,ring=100", "power of two"},
		{"--port null,ring=", "power of two"},
		{"--port null,ring=-64", "power of two"},
		{"--port null,bogus=1", "no setting"},
		{"--port null,vlan=0", "1 to 4094"},
		{"--port null,vlan=4095", "1 to 4094"},
		{"--port null,ring", "not key=value"},
		{"--port null,queues=4", "not available yet"},
		{"--port null,mac=01:00:00:00:00:01", "group address"},
		{"--port pci:0000:00:03.0,mac=02:00:00:00:00:01", "software port"},
		{"--port tap:a --port tap:a", "given twice"},
		{"--port null --mtu 9001", "not a number from 576 to 9000"},
		{"--port null --mtu 1500x", "not a number"},
		{"--port null --mtu -1", "not a number"},
		{"--port null --mtu 99999999999999999999", "not a number"},
		{"--port null --mode turbo", "not one of"},
		{"--port null --pages 3M", "not one of"},
		{"--port null --dhcp=maybe", "neither yes nor no"},
		{"--port null --gateway 10.0.0.1", "not within"},
		{"--port null --addr 10.0.0.1/24 --gateway 10.0.1.1", "not within"},
		{"--port null --addr 10.0.0.1/24 --addr 10.0.0.1/16", "given twice"},
		{"--port", "wants a value"},
		{"--port null --bogus", "no such option"},
		{"-x", "no such option"},
		{"a b --port null", "one name"},
		{"a/b --port null", "not a net's name"},
		{".. --port null", "not a net's name"},
		{"bind --port null", "not a net's name"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa --port null", "not a net's name"},
	};

	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ck_assert_msg(read_words(t[i].words) == -1, "'%s' was taken", t[i].words);
		ck_assert_msg(f.status == 2, "'%s': status %d", t[i].words, f.status);
		ck_assert_msg(strstr(f.why, t[i].says) != NULL, "'%s' says %s", t[i].words, f.why);
		ck_assert_ptr_null(strchr(f.why, '\n'));
	}
}
END_TEST

START_TEST(too_many_ports_and_addresses_are_refused)
{
	static char words[1024];

	strcpy(words, "--port null");
	for (unsigned i = 0; i < PORT_MAX; i++)
		strcat(words, " --port=null");
	ck_assert_int_eq(read_words(words), -1);
	ck_assert_ptr_nonnull(strstr(f.why, "at most"));
}
END_TEST

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(file_is_read_and_the_command_line_wins)
{
	char path[] = "/tmp/sandwire-config-XXXXXX", words[256];

	close(mkstemp(path));
	write_file(path, "; a net\n[net]\nport = tap:sw0\naddr = 10.0.0.1/24\naddr = 10.0.1.1/24\n"
			 "mtu = 1400\nmode = direct\n");
	snprintf(words, sizeof(words), "--config %s --mtu 1300", path);
	ck_assert_int_eq(read_words(words), 0);
	ck_assert_uint_eq(c.n_ports, 1);
	ck_assert_uint_eq(c.n_addrs, 2);
	ck_assert_uint_eq(c.mtu, 1300);
	ck_assert_uint_eq(c.mode, SEG_MODE_DIRECT);
	snprintf(words, sizeof(words), "--addr 10.9.0.1/24 --config=%s", path);
	ck_assert_int_eq(read_words(words), 0);
	ck_assert_uint_eq(c.n_addrs, 1);
	ck_assert_uint_eq(c.n_ports, 1);
	unlink(path);
}
END_TEST

START_TEST(bad_files_are_refused)
{
	static const struct {
		const char *text, *says;
	} t[] = {
		{"[other]\nport = null\n", "only [net]"},
		{"[net]\nbogus = 1\n", "no such setting"},
		{"[net]\nmtu = big\n", "not a number"},
		{"[net]\nport = null\nthis is no line\n", "line 3"},
		{"[net]\nport = null\nconfig = /etc/x\n", "does not name another"},
		{"[net]\nport = null\nforeground = maybe\n", "neither yes nor no"},
	};
	char path[] = "/tmp/sandwire-config-XXXXXX", words[256];

	close(mkstemp(path));
	snprintf(words, sizeof(words), "--config %s", path);
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		write_file(path, t[i].text);
		ck_assert_msg(read_words(words) == -1, "'%s' was taken", t[i].text);
		ck_assert_msg(strstr(f.why, t[i].says) != NULL, "'%s' says %s", t[i].text, f.why);
	}
	unlink(path);
	ck_assert_int_eq(read_words(words), -1);
	ck_assert_int_eq(f.status, 1);
}
END_TEST

START_TEST(help_names_every_setting_with_range_and_default)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	config_help(out);
	fclose(out);
	ck_assert_ptr_nonnull(strstr(text, "--port PORT"));
	ck_assert_ptr_nonnull(strstr(text, "(576 to 9000 bytes; 1500)"));
	ck_assert_ptr_nonnull(strstr(text, "--mode auto|upcall|server|direct"));
	ck_assert_ptr_nonnull(strstr(text, "(2M)"));
	free(text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");
	SRunner *r;
	int bad;

	tcase_add_test(t, defaults_work);
	tcase_add_test(t, options_are_read_in_both_forms);
	tcase_add_test(t, misuse_is_status_2_with_one_clear_line);
	tcase_add_test(t, addresses_and_gateways_may_be_of_both_families);
	tcase_add_test(t, too_many_ports_and_addresses_are_refused);
	tcase_add_test(t, file_is_read_and_the_command_line_wins);
	tcase_add_test(t, bad_files_are_refused);
	tcase_add_test(t, help_names_every_setting_with_range_and_default);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
