// SPDX-License-Identifier: BSD-3-Clause
/* tools/bind.c: what is refused, what is written where, what is remembered; on a host made of files
 * whose kernel is `fake_write`. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/fake_rtnetlink.h"
#include "tests/vfio/fake_host.h"
#include "tools/bind.h"
#include "tools/commands.h"

#define NIC "0000:00:10.0"

static char writes[2048]; /* "TEXT>FILE;" each */
static char modules[256];
static const char *fail_path; /* a write there fails with EINVAL */
static bool probe_takes = true;

/* What the kernel does on these writes, as far as bind can see it. */
static int fake_write(const char *text, const char *path)
{
	char link[] = "/sys/devices/pci0000:00/" NIC "/driver", driver[128], override[64];
	int code = host_write(text, "%s", path);
	size_t len = strlen(writes);

	snprintf(writes + len, sizeof(writes) - len, "%s>%s;", text, strrchr(path, '/') + 1);
	if (fail_path && strstr(path, fail_path))
		return -EINVAL;
	if (strstr(path, "/unbind")) {
		fake_remove(link);
	} else if (strstr(path, "/drivers_probe")) {
		host_read(override, sizeof(override), "/sys/bus/pci/devices/%s/driver_override",
			  text);
		if (!probe_takes || !override[0])
			return 0;
		snprintf(driver, sizeof(driver), "/sys/bus/pci/drivers/%s", override);
		fake_link(driver, link);
	} else if (sscanf(path, "/sys/bus/pci/drivers/%31[^/]/bind", override) == 1) {
		snprintf(driver, sizeof(driver), "/sys/bus/pci/drivers/%s", override);
		fake_link(driver, link);
	}
	return code;
}

static int fake_modprobe(const char *module)
{
	strcat(strcat(modules, module), " ");
	if (!strcmp(module, "vfio-pci"))
		fake_file("", "/sys/bus/pci/drivers/vfio-pci/unbind");
	return 0;
}

static int no_modprobe(const char *module)
{
	(void)module;
	return -ENOENT;
}

static void setup(void)
{
	fake_host_new();
	fake_rtnetlink_clear();
	netuse_dump = fake_rtnetlink_dump;
	bind_sysfs_write = fake_write;
	bind_modprobe = fake_modprobe;
	writes[0] = modules[0] = '\0';
	fail_path = NULL;
	probe_takes = true;
	fake_pci(&(struct fake_pci){NIC, 0x8086, 0x10d3, .driver = "e1000e", .group = 4,
				    .netdev = "eth1"});
	fake_file("7\n", "/sys/class/net/eth1/ifindex");
	fake_file("", "/sys/bus/pci/drivers/e1000e/bind");
	fake_file("", "/sys/bus/pci/drivers_probe");
	fake_file("", "/proc/modules");
	fake_folder("/run");
}

static int try_bind(bool force, struct vfio_error *err)
{
	struct pci_device pci;

	memset(err, 0, sizeof(*err));
	return bind_device(&pci, NIC, force, err);
}

START_TEST(bind_then_unbind_restores_driver_and_override)
{
	struct vfio_error err;
	struct bind_state former;
	struct pci_device pci;
	char text[200];

	fake_folder("/sys/module/e1000e_mod");
	fake_link("/sys/module/e1000e_mod", "/sys/bus/pci/drivers/e1000e/module");
	fake_file("chosen\n", "/sys/bus/pci/devices/" NIC "/driver_override");
	ck_assert_int_eq(try_bind(false, &err), 0);
	ck_assert_str_eq(modules, "vfio-pci vfio_iommu_type1 ");
	ck_assert_str_eq(writes, "vfio-pci>driver_override;" NIC ">unbind;" NIC ">drivers_probe;");
	ck_assert_int_gt(host_read(text, sizeof(text), BIND_STATE_DIR "/" NIC), 0);
	ck_assert_str_eq(text, "driver=e1000e\nmodule=e1000e_mod\nnetdev=eth1\noverride=chosen");

	writes[0] = '\0';
	ck_assert_int_eq(unbind_device(&pci, NIC, &former, &err), 0);
	ck_assert_str_eq(writes, "chosen>driver_override;" NIC ">unbind;" NIC ">bind;");
	ck_assert_int_eq(pci_identify(&pci, NIC), 0);
	ck_assert_str_eq(pci.driver, "e1000e");
	ck_assert(!host_exists(BIND_STATE_DIR));
}
END_TEST

START_TEST(a_nic_without_driver_is_left_without_one)
{
	struct vfio_error err;
	struct bind_state former;
	struct pci_device pci;

	fake_remove("/sys/devices/pci0000:00/" NIC "/driver");
	ck_assert_int_eq(try_bind(false, &err), 0);
	ck_assert_str_eq(writes, "vfio-pci>driver_override;" NIC ">drivers_probe;");
	writes[0] = '\0';
	ck_assert_int_eq(unbind_device(&pci, NIC, &former, &err), 0);
	ck_assert_str_eq(writes, "\n>driver_override;" NIC ">unbind;");
}
END_TEST

START_TEST(binding_twice_keeps_what_is_remembered)
{
	struct vfio_error err;
	char before[200], after[200];

	ck_assert_int_eq(try_bind(false, &err), 0);
	host_read(before, sizeof(before), BIND_STATE_DIR "/" NIC);
	ck_assert_int_eq(try_bind(false, &err), 1);
	host_read(after, sizeof(after), BIND_STATE_DIR "/" NIC);
	ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(a_device_that_vfio_does_not_take_goes_back)
{
	struct vfio_error err;
	struct pci_device pci;

	probe_takes = false;
	ck_assert_int_lt(try_bind(false, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.why, "vfio-pci does not take it"));
	ck_assert_int_eq(pci_identify(&pci, NIC), 0);
	ck_assert_str_eq(pci.driver, "e1000e");
	ck_assert(!host_exists(BIND_STATE_DIR "/" NIC));
	/* And one that its driver keeps is not left with an override. */
	writes[0] = '\0';
	fail_path = "e1000e/unbind";
	ck_assert_int_eq(try_bind(false, &err), -EINVAL);
	ck_assert_str_eq(writes, "vfio-pci>driver_override;" NIC ">unbind;\n>driver_override;");
}
END_TEST

START_TEST(a_driver_that_cannot_be_remembered_is_not_taken)
{
	struct vfio_error err;

	fake_remove("/run");
	ck_assert_int_eq(try_bind(false, &err), -ENOENT);
	ck_assert_str_eq(writes, "");
}
END_TEST

START_TEST(a_default_route_refuses_unless_forced)
{
	struct vfio_error err;

	fake_route(0, 7);
	ck_assert_int_eq(try_bind(false, &err), -EBUSY);
	ck_assert_str_eq(err.what, NIC);
	ck_assert_str_eq(err.why, "eth1 carries a default route");
	ck_assert_str_ne(err.hint, "");
	ck_assert_str_eq(writes, "");
	ck_assert_int_eq(try_bind(true, &err), 0);
}
END_TEST

START_TEST(a_default_route_elsewhere_does_not_refuse)
{
	struct vfio_error err;

	fake_route(0, 2);
	fake_route(24, 7);
	ck_assert_int_eq(try_bind(false, &err), 0);
}
END_TEST

START_TEST(a_default_route_over_a_bridge_on_it_refuses)
{
	struct vfio_error err;

	fake_folder("/sys/devices/virtual/net/br0");
	fake_link("/sys/devices/virtual/net/br0", "/sys/class/net/br0");
	fake_file("9\n", "/sys/class/net/br0/ifindex");
	fake_link("/sys/devices/virtual/net/br0", "/sys/class/net/eth1/upper_br0");
	fake_route(0, 9);
	ck_assert_int_eq(try_bind(false, &err), -EBUSY);
	ck_assert_str_eq(err.why, "eth1 carries a default route through br0");
}
END_TEST

START_TEST(one_of_several_next_hops_refuses)
{
	struct vfio_error err;

	fake_multipath_route(2, 7);
	ck_assert_int_eq(try_bind(false, &err), -EBUSY);
	ck_assert_str_eq(err.why, "eth1 carries a default route");
}
END_TEST

static const char tcp_head[] = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
			       "retrnsmt   uid  timeout inode\n";

START_TEST(an_established_login_refuses)
{
	struct vfio_error err;
	char tcp[600];

	fake_addr(7, "192.0.2.1");
	snprintf(tcp, sizeof(tcp),
		 "%s   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 0 0 0 1\n"
		 "   1: 010200C0:0016 4D0200C0:C822 01 00000000:00000000 00:00000000 0 0 0 2\n",
		 tcp_head);
	fake_file(tcp, "/proc/net/tcp");
	ck_assert_int_eq(try_bind(false, &err), -EBUSY);
	ck_assert_str_eq(err.why, "eth1 carries 1 established connection: 192.0.2.1:22 with "
				  "192.0.2.77:51234");
	ck_assert_int_eq(try_bind(true, &err), 0);
}
END_TEST

START_TEST(a_login_over_ipv6_refuses_mapped_or_not)
{
	struct vfio_error err;
	char tcp[600];

	fake_addr(7, "2001:db8::1");
	fake_addr(7, "192.0.2.1");
	snprintf(tcp, sizeof(tcp),
		 "%s   0: B80D0120000000000000000001000000:0016 "
		 "B80D0120000000000000000002000000:C822 01 0:0 00:0 0 0 0 2\n"
		 "   1: 0000000000000000FFFF0000010200C0:0016 "
		 "0000000000000000FFFF00004D0200C0:C822 01 0:0 00:0 0 0 0 2\n",
		 tcp_head);
	fake_file(tcp, "/proc/net/tcp6");
	ck_assert_int_eq(try_bind(false, &err), -EBUSY);
	ck_assert_str_eq(err.why, "eth1 carries 2 established connections, one is: "
				  "[2001:db8::1]:22 with [2001:db8::2]:51234");
}
END_TEST

START_TEST(connections_of_the_host_with_itself_and_of_others_do_not_refuse)
{
	struct vfio_error err;
	char tcp[600];

	fake_addr(7, "192.0.2.1");
	fake_addr(2, "198.51.100.1");
	snprintf(tcp, sizeof(tcp),
		 "%s   0: 010200C0:0016 010200C0:C822 01 0:0 00:0 0 0 0 2\n"
		 "   1: 016433C6:0016 4D0200C0:C822 01 0:0 00:0 0 0 0 2\n"
		 "   2: 010200C0:0016 4D0200C0:C822 06 0:0 00:0 0 0 0 2\n"
		 "   3: garbage\n",
		 tcp_head);
	fake_file(tcp, "/proc/net/tcp");
	ck_assert_int_eq(try_bind(false, &err), 0);
}
END_TEST

START_TEST(others_of_the_group_refuse_unless_forced)
{
	struct vfio_error err;

	fake_pci(&(struct fake_pci){"0000:00:11.0", 0x8086, 0x10d3, .driver = "igb", .group = 4});
	ck_assert_int_eq(try_bind(false, &err), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err.why, "0000:00:11.0 (igb)"));
	ck_assert_int_eq(try_bind(true, &err), 0);
}
END_TEST

START_TEST(virtual_functions_and_a_missing_iommu_refuse)
{
	struct vfio_error err;

	fake_file("4\n", "/sys/bus/pci/devices/" NIC "/sriov_numvfs");
	ck_assert_int_eq(try_bind(false, &err), -EBUSY);
	ck_assert_str_eq(err.why, "4 virtual functions hang on it");
	fake_remove("/sys/devices/pci0000:00/" NIC "/iommu_group");
	ck_assert_int_eq(try_bind(false, &err), -ENOTSUP);
	ck_assert_ptr_nonnull(strstr(err.hint, "intel_iommu=on"));
}
END_TEST

START_TEST(what_is_no_nic_is_refused_even_by_force)
{
	struct vfio_error err = {0};
	struct pci_device pci;

	fake_pci(&(struct fake_pci){"0000:00:1f.2", 0x8086, 0x2922, .class_code = 0x010601,
				    .driver = "ahci", .group = 5});
	ck_assert_int_eq(bind_device(&pci, "00:1f.2", true, &err), -ENOTSUP);
	ck_assert_str_eq(writes, "");
}
END_TEST

START_TEST(a_kernel_without_modules_is_named)
{
	struct vfio_error err;

	fake_remove("/proc/modules");
	fake_remove("/sys/bus/pci/drivers/vfio-pci");
	bind_modprobe = no_modprobe;
	ck_assert_int_eq(try_bind(false, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.why, "loads no modules"));
	ck_assert_str_eq(writes, "");
}
END_TEST

START_TEST(unbind_of_what_is_not_bound_says_so)
{
	struct vfio_error err = {0};
	struct bind_state former;
	struct pci_device pci;

	ck_assert_int_eq(unbind_device(&pci, NIC, &former, &err), -ENODEV);
	ck_assert_str_eq(err.why, "not bound to vfio-pci, but to e1000e");
	ck_assert_int_eq(unbind_device(&pci, "nosuchif", &former, &err), -ENODEV);
}
END_TEST

START_TEST(exit_statuses_are_told_apart)
{
	char *none[] = {"bind", NULL};
	char *two[] = {"bind", "a", "b", NULL};
	char *unknown_option[] = {"bind", "--frob", NIC, NULL};
	char *no_device[] = {"bind", "nosuchif", NULL};
	char *no_name[] = {"bind", "00:zz.0", NULL};
	char *good[] = {"bind", NIC, "--force", NULL};
	char *undo[] = {"unbind", NIC, NULL};
	char *undo_force[] = {"unbind", NIC, "--force", NULL};

	ck_assert_int_eq(cmd_bind(1, none), 2);
	ck_assert_int_eq(cmd_bind(3, two), 2);
	ck_assert_int_eq(cmd_bind(3, unknown_option), 2);
	ck_assert_int_eq(cmd_bind(2, no_device), 1);
	ck_assert_int_eq(cmd_bind(2, no_name), 2);
	ck_assert_int_eq(cmd_bind(3, good), 0);
	ck_assert_int_eq(cmd_unbind(3, undo_force), 2);
	ck_assert_int_eq(cmd_unbind(2, undo), 0);
	ck_assert_int_eq(cmd_unbind(2, undo), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bind");
	TCase *tc = tcase_create("bind");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, fake_host_free);
	tcase_add_test(tc, bind_then_unbind_restores_driver_and_override);
	tcase_add_test(tc, a_nic_without_driver_is_left_without_one);
	tcase_add_test(tc, binding_twice_keeps_what_is_remembered);
	tcase_add_test(tc, a_device_that_vfio_does_not_take_goes_back);
	tcase_add_test(tc, a_driver_that_cannot_be_remembered_is_not_taken);
	tcase_add_test(tc, a_default_route_refuses_unless_forced);
	tcase_add_test(tc, a_default_route_elsewhere_does_not_refuse);
	tcase_add_test(tc, a_default_route_over_a_bridge_on_it_refuses);
	tcase_add_test(tc, one_of_several_next_hops_refuses);
	tcase_add_test(tc, an_established_login_refuses);
	tcase_add_test(tc, a_login_over_ipv6_refuses_mapped_or_not);
	tcase_add_test(tc, connections_of_the_host_with_itself_and_of_others_do_not_refuse);
	tcase_add_test(tc, others_of_the_group_refuse_unless_forced);
	tcase_add_test(tc, virtual_functions_and_a_missing_iommu_refuse);
	tcase_add_test(tc, what_is_no_nic_is_refused_even_by_force);
	tcase_add_test(tc, a_kernel_without_modules_is_named);
	tcase_add_test(tc, unbind_of_what_is_not_bound_says_so);
	tcase_add_test(tc, exit_statuses_are_told_apart);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
