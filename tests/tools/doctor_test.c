// SPDX-License-Identifier: BSD-3-Clause
/* tools/doctor*.c: what is found on hosts made of files, and that each thing missing names its
 * cure. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/fake_rtnetlink.h"
#include "tests/vfio/fake_host.h"
#include "tools/commands.h"
#include "tools/doctor.h"
#include "vfio/vfio.h"

#define NIC "0000:00:10.0"

static struct doctor_cpu cpu;
static struct doctor d;

static void fake_cpu(struct doctor_cpu *out)
{
	*out = cpu;
}

/* A host on which nothing is missing. */
static void setup(void)
{
	fake_host_new();
	fake_rtnetlink_clear();
	netuse_dump = fake_rtnetlink_dump;
	doctor_cpu = fake_cpu;
	cpu = (struct doctor_cpu){0};
	fake_file("6.1.0-56-amd64\n", "/proc/sys/kernel/osrelease");
	fake_file("sandwire 1 0 - Live\n", "/proc/modules");
	fake_file("0\n", "/proc/sys/kernel/modules_disabled");
	fake_folder("/sys/module/sandwire");
	fake_file("", "/dev/sandwire");
	fake_file("sandwire:x:998:\n", "/etc/group");
	fake_file("Not affected\n", "/sys/devices/system/cpu/vulnerabilities/meltdown");
	fake_file("tsc\n", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	fake_file("vendor_id\t: GenuineIntel\nflags\t\t: fpu constant_tsc nonstop_tsc\n",
		  "/proc/cpuinfo");
	fake_file("80\n", "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
	fake_file("80\n", "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
	fake_file("", "/dev/vfio/vfio");
	fake_file("", "/dev/vfio/4");
	fake_file("", "/dev/net/tun");
	fake_pci(&(struct fake_pci){NIC, 0x8086, 0x10d3, .driver = "vfio-pci", .group = 4});
}

static const struct finding *find(const char *topic, enum finding_status status)
{
	for (unsigned i = 0; i < d.count; i++)
		if (!strcmp(d.findings[i].topic, topic) && d.findings[i].status == status)
			return &d.findings[i];
	return NULL;
}

/* Examines, and holds every thing that is missing to its promise of a cure. */
static unsigned missing(void)
{
	doctor_examine(&d);
	for (unsigned i = 0; i < d.count; i++)
		if (d.findings[i].status == FINDING_MISSING)
			ck_assert_msg(d.findings[i].fix[0], "%s: %s: no cure", d.findings[i].topic,
				      d.findings[i].text);
	return doctor_count(&d, FINDING_MISSING);
}

static void expect_cure(const char *topic, const char *cure)
{
	const struct finding *f = find(topic, FINDING_MISSING);

	ck_assert_msg(f != NULL, "%s is not missing", topic);
	ck_assert_msg(strstr(f->fix, cure) != NULL, "%s: the cure is: %s", topic, f->fix);
}

START_TEST(on_a_ready_host_nothing_is_missing)
{
	char *argv[] = {"doctor", NULL};

	ck_assert_uint_eq(missing(), 0);
	ck_assert(d.upcall.usable && d.server.usable && d.direct.usable);
	ck_assert(d.pci.usable && d.tap.usable);
	ck_assert_int_eq(cmd_doctor(1, argv), 0);
}
END_TEST

START_TEST(without_modules_and_iommu_server_direct_and_tap_work)
{
	char *argv[] = {"doctor", NULL};

	fake_remove("/proc/modules");
	fake_remove("/sys/module/sandwire");
	fake_remove("/dev/sandwire");
	fake_remove("/sys/kernel/iommu_groups");
	fake_remove("/sys/bus/pci");
	fake_remove("/sys/devices/pci0000:00");
	fake_remove("/dev/vfio");
	fake_pci(&(struct fake_pci){"0000:00:03.0", 0x1af4, 0x1041, .driver = "virtio-pci",
				    .netdev = "eth0", .virtio = "virtio0"});
	missing();
	expect_cure("modules", "linux-image-amd64");
	expect_cure("sandwire.ko", "--mode server");
	expect_cure("vfio-pci", "linux-image-amd64");
	expect_cure("iommu", "intel_iommu=on");
	expect_cure("nic", "--port tap:");
	ck_assert(!d.upcall.usable && !d.pci.usable);
	ck_assert(d.server.usable && d.direct.usable && d.tap.usable);
	ck_assert_int_eq(cmd_doctor(1, argv), 1);
}
END_TEST

START_TEST(a_module_that_is_installed_is_loaded_by_modprobe)
{
	fake_remove("/sys/module/sandwire");
	fake_file("kernel/net/foo.ko.xz:\nupdates/dkms/sandwire.ko.xz: kernel/net/foo.ko.xz\n",
		  "/lib/modules/6.1.0-56-amd64/modules.dep");
	ck_assert_uint_eq(missing(), 1);
	expect_cure("sandwire.ko", "modprobe sandwire");
	ck_assert(!d.upcall.usable);
}
END_TEST

START_TEST(a_module_that_is_not_installed_names_the_headers)
{
	fake_remove("/sys/module/sandwire");
	fake_file("updates/sandwire_not.ko:\n", "/lib/modules/6.1.0-56-amd64/modules.dep");
	ck_assert_uint_eq(missing(), 1);
	expect_cure("sandwire.ko", "linux-headers-6.1.0-56-amd64");
}
END_TEST

START_TEST(vfio_pci_is_found_under_either_spelling)
{
	fake_remove("/sys/bus/pci/drivers/vfio-pci");
	fake_remove("/sys/devices/pci0000:00/" NIC "/driver");
	fake_file("kernel/drivers/vfio/pci/vfio-pci-core.ko.xz:\n",
		  "/lib/modules/6.1.0-56-amd64/modules.dep");
	missing();
	expect_cure("vfio-pci", "linux-image-amd64");
	fake_file("kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/drivers/vfio/vfio.ko.xz\n",
		  "/lib/modules/6.1.0-56-amd64/modules.dep");
	missing();
	ck_assert_ptr_nonnull(find("vfio-pci", FINDING_OK));
	fake_remove("/lib/modules/6.1.0-56-amd64/modules.dep");
	fake_file("kernel/drivers/vfio/pci/vfio_pci.ko\n",
		  "/lib/modules/6.1.0-56-amd64/modules.builtin");
	missing();
	ck_assert_ptr_nonnull(find("vfio-pci", FINDING_OK));
}
END_TEST

START_TEST(what_makes_the_module_refuse_is_named)
{
	fake_file("Mitigation: PTI\n", "/sys/devices/system/cpu/vulnerabilities/meltdown");
	ck_assert_uint_eq(missing(), 1);
	expect_cure("cpu", "pti=off");
	ck_assert(!d.upcall.usable && d.server.usable);
	fake_file("Not affected\n", "/sys/devices/system/cpu/vulnerabilities/meltdown");

	fake_file("xen\n", "/sys/hypervisor/type");
	fake_file("PV\n", "/sys/hypervisor/guest_type");
	ck_assert_uint_eq(missing(), 1);
	expect_cure("cpu", "PVH");
	fake_file("PVH\n", "/sys/hypervisor/guest_type");
	ck_assert_uint_eq(missing(), 0);

	cpu = (struct doctor_cpu){"Microsoft Hv", true};
	ck_assert_uint_eq(missing(), 1);
	expect_cure("cpu", "--mode server");
}
END_TEST

START_TEST(huge_pages_are_counted_and_the_command_adds_to_those_in_use)
{
	static const char *const dir = "/sys/kernel/mm/hugepages/hugepages-";

	fake_file("10\n", "%s2048kB/nr_hugepages", dir);
	fake_file("4\n", "%s2048kB/free_hugepages", dir);
	ck_assert_uint_eq(missing(), 1);
	expect_cure("huge pages", "sysctl -w vm.nr_hugepages=70 ");
	ck_assert_ptr_nonnull(
		strstr(find("huge pages", FINDING_MISSING)->text, "4 of 10 free, a net wants 64"));
	ck_assert_str_eq(d.server.why, "only with --pages 4K");

	fake_file("1\n", "%s1048576kB/nr_hugepages", dir);
	fake_file("1\n", "%s1048576kB/free_hugepages", dir);
	ck_assert_uint_eq(missing(), 0);
	ck_assert_ptr_nonnull(find("huge pages", FINDING_WARN));

	fake_remove("/sys/kernel/mm/hugepages");
	ck_assert_uint_eq(missing(), 1);
	expect_cure("huge pages", "--pages 4K");
}
END_TEST

START_TEST(a_group_that_is_shared_is_not_ready)
{
	fake_pci(&(struct fake_pci){"0000:00:11.0", 0x8086, 0x1533, .driver = "igb", .group = 4,
				    .netdev = "eth3"});
	ck_assert_uint_eq(missing(), 2);
	ck_assert_ptr_nonnull(
		strstr(find("nic", FINDING_MISSING)->text, "also held by 0000:00:11.0 (igb)"));
	ck_assert(!d.pci.usable);
}
END_TEST

START_TEST(a_nic_the_host_can_spare_is_proposed)
{
	fake_remove("/sys/devices/pci0000:00/" NIC "/driver");
	fake_pci(&(struct fake_pci){"0000:00:03.0", 0x8086, 0x10d3, .driver = "e1000e", .group = 2,
				    .netdev = "eth0"});
	fake_file("2\n", "/sys/class/net/eth0/ifindex");
	fake_route(0, 2);
	ck_assert_uint_eq(missing(), 1);
	expect_cure("nic", "sandwire bind " NIC);
	ck_assert_ptr_nonnull(find("nic", FINDING_OK));
	ck_assert_ptr_nonnull(
		strstr(find("nic", FINDING_OK)->text, "eth0 carries a default route"));
}
END_TEST

START_TEST(a_nic_we_do_not_drive_is_not_proposed)
{
	fake_remove("/sys/devices/pci0000:00/" NIC);
	fake_remove("/sys/bus/pci/devices/" NIC);
	fake_pci(&(struct fake_pci){"0000:00:12.0", 0x8086, 0x1533, .driver = "igb", .group = 5,
				    .netdev = "eth3"});
	fake_pci(&(struct fake_pci){"0000:00:1f.2", 0x8086, 0x2922, .class_code = 0x010601});
	ck_assert_uint_eq(missing(), 1);
	expect_cure("nic", "--port tap:");
	ck_assert_ptr_nonnull(strstr(find("nic", FINDING_OK)->text, "0000:00:12.0 8086:1533"));
}
END_TEST

START_TEST(the_way_to_an_iommu_depends_on_the_machine)
{
	fake_remove("/sys/kernel/iommu_groups");
	fake_file("root=/dev/sda1 quiet\n", "/proc/cmdline");
	missing();
	expect_cure("iommu", "GRUB_CMDLINE_LINUX");
	fake_file("root=/dev/sda1 intel_iommu=on\n", "/proc/cmdline");
	missing();
	expect_cure("iommu", "VT-d in the firmware");
	fake_file("root=/dev/sda1 intel_iommu=off\n", "/proc/cmdline");
	missing();
	expect_cure("iommu", "take intel_iommu=off");
	fake_file("root=/dev/sda1\n", "/proc/cmdline");
	fake_file("vendor_id : AuthenticAMD\n", "/proc/cpuinfo");
	missing();
	expect_cure("iommu", "AMD-Vi");
	strcpy(cpu.hypervisor, "KVMKVMKVM");
	missing();
	expect_cure("iommu", "-device intel-iommu");
}
END_TEST

START_TEST(lesser_things_are_warnings)
{
	fake_file("hpet\n", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	fake_file("flags : fpu\n", "/proc/cpuinfo");
	fake_file("root:x:0:\n", "/etc/group");
	fake_file("5.10.0-30-amd64\n", "/proc/sys/kernel/osrelease");
	fake_remove("/dev/net/tun");
	ck_assert_uint_eq(missing(), 0);
	ck_assert_ptr_nonnull(find("clock", FINDING_WARN));
	ck_assert_ptr_nonnull(find("permissions", FINDING_WARN));
	ck_assert_ptr_nonnull(find("kernel", FINDING_WARN));
	ck_assert_ptr_nonnull(find("tap", FINDING_WARN));
	ck_assert(!d.tap.usable);
}
END_TEST

START_TEST(lockdown_is_told_before_the_module_is_refused)
{
	fake_remove("/sys/module/sandwire");
	fake_file("[none] integrity confidentiality\n", "/sys/kernel/security/lockdown");
	missing();
	ck_assert_ptr_null(find("lockdown", FINDING_WARN));
	fake_file("none [integrity] confidentiality\n", "/sys/kernel/security/lockdown");
	missing();
	ck_assert_ptr_nonnull(find("lockdown", FINDING_WARN));
}
END_TEST

START_TEST(an_empty_host_is_survived)
{
	fake_host_new();
	ck_assert_uint_gt(missing(), 3);
}
END_TEST

START_TEST(hundreds_of_nics_are_survived)
{
	for (unsigned i = 0; i < 200; i++) {
		char addr[16];
		snprintf(addr, sizeof(addr), "0000:%02x:%02x.0", 1 + i / 32, i % 32);
		fake_pci(&(struct fake_pci){addr, 0x8086, 0x1533, .group = 5});
	}
	missing();
	ck_assert_uint_eq(d.count, DOCTOR_FINDINGS_MAX);
}
END_TEST

START_TEST(json_says_the_same)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	json_t *all, *findings;

	fake_remove("/sys/module/sandwire");
	ck_assert_uint_eq(missing(), 1);
	ck_assert_int_eq(doctor_print_json(&d, f), 0);
	fclose(f);
	all = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(all);
	ck_assert(json_is_false(json_object_get(all, "ok")));
	findings = json_object_get(all, "findings");
	ck_assert_uint_eq(json_array_size(findings), d.count);
	for (size_t i = 0; i < d.count; i++) {
		json_t *j = json_array_get(findings, i);
		ck_assert_str_eq(json_string_value(json_object_get(j, "text")), d.findings[i].text);
	}
	ck_assert_uint_eq(json_array_size(json_object_get(all, "modes")), 3);
	json_decref(all);
	free(text);
}
END_TEST

START_TEST(unknown_words_are_a_misuse)
{
	char *option[] = {"doctor", "--frob", NULL};
	char *word[] = {"doctor", "frob", NULL};
	char *json[] = {"doctor", "--json", NULL};

	ck_assert_int_eq(cmd_doctor(2, option), 2);
	ck_assert_int_eq(cmd_doctor(2, word), 2);
	ck_assert_int_eq(cmd_doctor(2, json), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("doctor");
	TCase *tc = tcase_create("doctor");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, fake_host_free);
	tcase_add_test(tc, on_a_ready_host_nothing_is_missing);
	tcase_add_test(tc, without_modules_and_iommu_server_direct_and_tap_work);
	tcase_add_test(tc, a_module_that_is_installed_is_loaded_by_modprobe);
	tcase_add_test(tc, a_module_that_is_not_installed_names_the_headers);
	tcase_add_test(tc, vfio_pci_is_found_under_either_spelling);
	tcase_add_test(tc, what_makes_the_module_refuse_is_named);
	tcase_add_test(tc, huge_pages_are_counted_and_the_command_adds_to_those_in_use);
	tcase_add_test(tc, a_group_that_is_shared_is_not_ready);
	tcase_add_test(tc, a_nic_the_host_can_spare_is_proposed);
	tcase_add_test(tc, a_nic_we_do_not_drive_is_not_proposed);
	tcase_add_test(tc, the_way_to_an_iommu_depends_on_the_machine);
	tcase_add_test(tc, lesser_things_are_warnings);
	tcase_add_test(tc, lockdown_is_told_before_the_module_is_refused);
	tcase_add_test(tc, an_empty_host_is_survived);
	tcase_add_test(tc, hundreds_of_nics_are_survived);
	tcase_add_test(tc, json_says_the_same);
	tcase_add_test(tc, unknown_words_are_a_misuse);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
