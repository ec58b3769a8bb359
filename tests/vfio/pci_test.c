// SPDX-License-Identifier: BSD-3-Clause
/* vfio/pci.c: identity and group viability, against hosts made of files. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/vfio/fake_host.h"
#include "vfio/vfio.h"

static void setup(void)
{
	fake_host_new();
	fake_pci(&(struct fake_pci){"0000:00:10.0", 0x8086, 0x10d3, .driver = "e1000e", .group = 4,
				    .netdev = "eth1"});
	fake_pci(&(struct fake_pci){"0000:00:11.0", 0x8086, 0x10d3, .driver = "e1000e", .group = 4,
				    .netdev = "eth2"});
	fake_pci(&(struct fake_pci){"0000:00:03.0", 0x1af4, 0x1041, .driver = "virtio-pci",
				    .netdev = "eth0", .virtio = "virtio2"});
	fake_pci(&(struct fake_pci){"10000:e1:00.0", 0x8086, 0x0a54, .class_code = 0x010802});
	fake_folder("/sys/devices/virtual/net/br0");
	fake_link("/sys/devices/virtual/net/br0", "/sys/class/net/br0");
}

START_TEST(an_address_names_its_device)
{
	struct pci_device pci;

	ck_assert_int_eq(pci_identify(&pci, "0000:00:10.0"), 0);
	ck_assert_str_eq(pci.addr, "0000:00:10.0");
	ck_assert_uint_eq(pci.vendor, 0x8086);
	ck_assert_uint_eq(pci.device, 0x10d3);
	ck_assert_str_eq(pci.driver, "e1000e");
	ck_assert_str_eq(pci.netdev, "eth1");
	ck_assert_int_eq(pci.iommu_group, 4);
	ck_assert_int_eq(pci.numa_node, -1);
	ck_assert(pci_is_nic(&pci));
}
END_TEST

START_TEST(an_address_may_lack_its_domain_and_leading_zeros)
{
	struct pci_device pci;

	ck_assert_int_eq(pci_identify(&pci, "00:10.0"), 0);
	ck_assert_str_eq(pci.addr, "0000:00:10.0");
	ck_assert_int_eq(pci_identify(&pci, "0:3.0"), 0);
	ck_assert_str_eq(pci.addr, "0000:00:03.0");
}
END_TEST

START_TEST(a_domain_may_be_longer_than_four_digits)
{
	struct pci_device pci;

	ck_assert_int_eq(pci_identify(&pci, "10000:e1:00.0"), 0);
	ck_assert_str_eq(pci.addr, "10000:e1:00.0");
	ck_assert(!pci_is_nic(&pci));
	ck_assert_str_eq(pci.driver, "");
	ck_assert_int_eq(pci.iommu_group, -1);
}
END_TEST

START_TEST(an_interface_names_its_device)
{
	struct pci_device pci;

	ck_assert_int_eq(pci_identify(&pci, "eth2"), 0);
	ck_assert_str_eq(pci.addr, "0000:00:11.0");
	ck_assert_int_eq(pci_identify(&pci, "eth0"), 0);
	ck_assert_str_eq(pci.addr, "0000:00:03.0");
	ck_assert_str_eq(pci.netdev, "eth0");
}
END_TEST

START_TEST(what_is_no_device_is_told_apart)
{
	static const struct {
		const char *name;
		int code;
	} cases[] = {
		{"0000:00:1f.7", -ENODEV},
		{"nosuchif", -ENODEV},
		{"br0", -ENXIO},
		{"", -EINVAL},
		{"../../etc", -EINVAL},
		{"00:20.0", -EINVAL},
		{"00:10.8", -EINVAL},
		{"00:10.0x", -EINVAL},
		{"00:10", -EINVAL},
		{"..", -EINVAL},
		{"g:10.0", -EINVAL},
		{"100:00.0", -EINVAL},
		{"0000:00:10.0.1", -EINVAL},
		{"averyveryverylonginterface", -EINVAL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pci_device pci;
		struct vfio_error err;
		int code = pci_identify(&pci, cases[i].name);

		ck_assert_msg(code == cases[i].code, "%s: %d", cases[i].name, code);
		ck_assert_int_eq(pci_identify_error(&err, cases[i].name, code), code);
		ck_assert_str_ne(err.why, "");
		ck_assert_str_ne(err.hint, "");
	}
}
END_TEST

START_TEST(all_devices_are_listed_in_order)
{
	struct pci_device list[8];

	ck_assert_int_eq(pci_list(list, 8), 4);
	ck_assert_str_eq(list[0].addr, "0000:00:03.0");
	ck_assert_str_eq(list[2].addr, "0000:00:11.0");
	ck_assert_int_eq(pci_list(list, 2), 4);
	ck_assert_int_eq(pci_list_group(4, list, 8), 2);
	ck_assert_int_lt(pci_list_group(5, list, 8), 0);
}
END_TEST

START_TEST(another_driver_in_the_group_blocks_it)
{
	struct pci_device pci;
	char names[100];

	ck_assert_int_eq(pci_identify(&pci, "eth1"), 0);
	ck_assert_int_eq(pci_group_blockers(&pci, names, sizeof(names)), 1);
	ck_assert_str_eq(names, "0000:00:11.0 (e1000e)");
}
END_TEST

START_TEST(bridges_and_vfio_drivers_do_not_block_a_group)
{
	static const char *const fine[] = {"pcieport", "vfio-pci", "mlx5_vfio_pci", "pci-stub",
					   NULL};
	struct pci_device pci;
	char names[100];

	for (unsigned i = 0; i < 5; i++) {
		char addr[16];
		snprintf(addr, sizeof(addr), "0000:01:00.%u", i);
		fake_pci(&(struct fake_pci){addr, 1, 1, .driver = fine[i], .group = 9});
	}
	ck_assert_int_eq(pci_identify(&pci, "01:00.0"), 0);
	ck_assert_int_eq(pci_group_blockers(&pci, names, sizeof(names)), 0);
	ck_assert_str_eq(names, "");
}
END_TEST

START_TEST(more_blockers_than_fit_are_still_counted)
{
	struct pci_device pci;
	char names[30];

	for (unsigned i = 0; i < 8; i++) {
		char addr[16];
		snprintf(addr, sizeof(addr), "0000:02:00.%u", i);
		fake_pci(&(struct fake_pci){addr, 1, 1, .driver = "igb", .group = 10});
	}
	ck_assert_int_eq(pci_identify(&pci, "02:00.0"), 0);
	ck_assert_int_eq(pci_group_blockers(&pci, names, sizeof(names)), 7);
	ck_assert_str_eq(names, "0000:02:00.1 (igb)");
}
END_TEST

START_TEST(a_group_without_translation_is_told_apart)
{
	fake_file("vfio-noiommu\n", "/sys/kernel/iommu_groups/7/name");
	ck_assert(pci_group_is_noiommu(7));
	ck_assert(!pci_group_is_noiommu(4));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pci");
	TCase *tc = tcase_create("pci");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, fake_host_free);
	tcase_add_test(tc, an_address_names_its_device);
	tcase_add_test(tc, an_address_may_lack_its_domain_and_leading_zeros);
	tcase_add_test(tc, a_domain_may_be_longer_than_four_digits);
	tcase_add_test(tc, an_interface_names_its_device);
	tcase_add_test(tc, what_is_no_device_is_told_apart);
	tcase_add_test(tc, all_devices_are_listed_in_order);
	tcase_add_test(tc, another_driver_in_the_group_blocks_it);
	tcase_add_test(tc, bridges_and_vfio_drivers_do_not_block_a_group);
	tcase_add_test(tc, more_blockers_than_fit_are_still_counted);
	tcase_add_test(tc, a_group_without_translation_is_told_apart);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
