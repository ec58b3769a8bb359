// SPDX-License-Identifier: BSD-3-Clause
/* vfio/device.c and open_group.c as far as they go without a device: what is refused, and how. The
 * parsers of the kernel's answers (bar.c, dma.c). The rest is tests/vfio/vfio_vm.c's. */
#include <check.h>
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vfio/fake_host.h"
#include "vfio/device.h"

static void setup(void)
{
	fake_host_new();
}

static int open_named(const char *name, struct vfio_error *err)
{
	struct vfio_device *dev = (void *)1;
	int code = vfio_open(&dev, name, err);

	ck_assert_ptr_null(dev);
	ck_assert_str_ne(err->what, "");
	ck_assert_str_ne(err->why, "");
	return code;
}

START_TEST(an_unbound_device_names_the_command)
{
	struct vfio_error err;

	fake_pci(
		&(struct fake_pci){"0000:00:10.0", 0x8086, 0x10d3, .driver = "e1000e", .group = 4});
	ck_assert_int_eq(open_named("00:10.0", &err), -ENODEV);
	ck_assert_str_eq(err.what, "0000:00:10.0");
	ck_assert_str_eq(err.why, "not bound to vfio-pci, but to e1000e");
	ck_assert_str_eq(err.hint, "sandwire bind 0000:00:10.0");
}
END_TEST

START_TEST(a_device_that_is_not_there_is_refused)
{
	struct vfio_error err;

	ck_assert_int_eq(open_named("00:1e.0", &err), -ENODEV);
	ck_assert_str_eq(err.what, "00:1e.0");
}
END_TEST

START_TEST(without_an_iommu_the_kernel_arguments_are_named)
{
	struct vfio_error err;

	fake_pci(&(struct fake_pci){"0000:00:10.0", 0x8086, 0x10d3, .driver = "vfio-pci"});
	ck_assert_int_eq(open_named("00:10.0", &err), -ENOTSUP);
	ck_assert_ptr_nonnull(strstr(err.hint, "intel_iommu=on"));
}
END_TEST

START_TEST(no_iommu_mode_does_not_pass_for_an_iommu)
{
	struct vfio_error err;

	fake_pci(&(struct fake_pci){"0000:00:10.0", 0x8086, 0x10d3, .driver = "vfio-pci",
				    .group = 3});
	fake_file("vfio-noiommu\n", "/sys/kernel/iommu_groups/3/name");
	ck_assert_int_eq(open_named("00:10.0", &err), -ENOTSUP);
}
END_TEST

START_TEST(a_missing_vfio_names_the_module)
{
	struct vfio_error err;

	fake_pci(&(struct fake_pci){"0000:00:10.0", 0x8086, 0x10d3, .driver = "vfio-pci",
				    .group = 4});
	ck_assert_int_eq(open_named("00:10.0", &err), -ENOENT);
	ck_assert_str_eq(err.hint, "modprobe vfio-pci");
	/* A file that is no VFIO is not taken for one. */
	fake_file("", "/dev/vfio/vfio");
	ck_assert_int_eq(open_named("00:10.0", &err), -EOPNOTSUPP);
}
END_TEST

START_TEST(errors_may_be_unwanted)
{
	struct vfio_device *dev;

	ck_assert_int_eq(vfio_open(&dev, "00:1e.0", NULL), -ENODEV);
	vfio_close(NULL);
}
END_TEST

START_TEST(a_plain_region_is_one_area)
{
	struct vfio_region_info info = {.argsz = sizeof(info),
					.flags = VFIO_REGION_INFO_FLAG_MMAP,
					.size = 0x20000,
					.offset = 1ull << 40};
	struct vfio_area area;

	ck_assert_int_eq(vfio_areas_parse(&info, &area, 1), 1);
	ck_assert(area.bar_off == 0 && area.len == 0x20000 && area.fd_off == 1ull << 40);
	info.flags = VFIO_REGION_INFO_FLAG_READ;
	ck_assert_int_eq(vfio_areas_parse(&info, &area, 1), -EOPNOTSUPP);
	info.size = 0;
	ck_assert_int_eq(vfio_areas_parse(&info, &area, 1), 0);
}
END_TEST

struct sparse_answer {
	struct vfio_region_info info;
	struct vfio_info_cap_header other;
	/* struct vfio_region_info_cap_sparse_mmap, without its open end. */
	struct {
		struct vfio_info_cap_header header;
		uint32_t nr_areas, reserved;
	} sparse;
	struct vfio_region_sparse_mmap_area areas[3];
};

static struct sparse_answer sparse_answer(void)
{
	return (struct sparse_answer){
		.info = {.argsz = sizeof(struct sparse_answer),
			 .flags = VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS,
			 .cap_offset = offsetof(struct sparse_answer, other),
			 .size = 0x10000,
			 .offset = 0x100000},
		.other = {.id = 99, .next = offsetof(struct sparse_answer, sparse)},
		.sparse = {.header = {.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP}, .nr_areas = 3},
		.areas = {{0, 0x2000}, {0x3000, 0xd000}, {0xf000, 0x2000}},
	};
}

START_TEST(sparse_areas_leave_the_msix_table_out)
{
	struct sparse_answer a = sparse_answer();
	struct vfio_area areas[4];

	/* The third reaches beyond the region and is not believed. */
	ck_assert_int_eq(vfio_areas_parse(&a.info, areas, 4), 2);
	ck_assert(areas[1].bar_off == 0x3000 && areas[1].fd_off == 0x103000 &&
		  areas[1].len == 0xd000);
	ck_assert_int_eq(vfio_areas_parse(&a.info, areas, 1), 2);
}
END_TEST

START_TEST(a_circle_of_capabilities_ends)
{
	struct sparse_answer a = sparse_answer();
	struct vfio_area areas[4];

	a.other.next = a.info.cap_offset;
	ck_assert_int_eq(vfio_areas_parse(&a.info, areas, 4), 1);
	a.other.next = sizeof(a) - 2;
	ck_assert_int_eq(vfio_areas_parse(&a.info, areas, 4), 1);
}
END_TEST

START_TEST(usable_addresses_are_read_from_the_answer)
{
	struct {
		struct vfio_iommu_type1_info info;
		struct {
			struct vfio_info_cap_header header;
			uint32_t nr_iovas, reserved;
		} cap;
		struct vfio_iova_range ranges[2];
	} a = {
		.info = {.argsz = sizeof(a),
			 .flags = VFIO_IOMMU_INFO_CAPS,
			 .cap_offset = offsetof(__typeof__(a), cap)},
		.cap = {.header = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE}, .nr_iovas = 2},
		.ranges = {{0, 0xfedfffff}, {0xfef00000, 0x7fffffffff}},
	};
	struct vfio_space space = {0};

	vfio_ranges_parse(&space, &a.info);
	ck_assert_uint_eq(space.nranges, 2);
	ck_assert_uint_eq(space.ranges[1].last, 0x7fffffffff);
	/* More ranges promised than the answer has room for. */
	a.cap.nr_iovas = 1000;
	vfio_ranges_parse(&space, &a.info);
	ck_assert_uint_eq(space.nranges, 2);
	a.info.flags = 0;
	vfio_ranges_parse(&space, &a.info);
	ck_assert_uint_eq(space.nranges, 0);
}
END_TEST

START_TEST(the_first_hole_in_a_mapping_is_named)
{
	struct vfio_space space = {
		.nranges = 3,
		.ranges = {{0, 0xfedfffff}, {0xfef00000, 0xffffffff}, {0x100000000, 0x7fffffffff}}};
	struct vfio_range hole = {0};

	ck_assert(vfio_ranges_hold(&space, 0x40000000, 128 << 20, &hole));
	ck_assert(vfio_ranges_hold(&space, 0, 0xfee00000, &hole));
	/* Two ranges that touch are one. */
	ck_assert(vfio_ranges_hold(&space, 0xfef00000, 0x7f00000000, &hole));
	ck_assert(!vfio_ranges_hold(&space, 0x40000000, 0x100000000, &hole));
	ck_assert(hole.first == 0xfee00000 && hole.last == 0xfeefffff);
	ck_assert(!vfio_ranges_hold(&space, 0x7ffffff000, 0x2000, &hole));
	ck_assert(hole.first == 0x8000000000 && hole.last == 0x8000000fff);
	ck_assert(!vfio_ranges_hold(&space, UINT64_MAX - 10, 100, &hole));
	space.nranges = 0;
	ck_assert(vfio_ranges_hold(&space, 0xfee00000, 4096, &hole));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("device");
	TCase *tc = tcase_create("device");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, fake_host_free);
	tcase_add_test(tc, an_unbound_device_names_the_command);
	tcase_add_test(tc, a_device_that_is_not_there_is_refused);
	tcase_add_test(tc, without_an_iommu_the_kernel_arguments_are_named);
	tcase_add_test(tc, no_iommu_mode_does_not_pass_for_an_iommu);
	tcase_add_test(tc, a_missing_vfio_names_the_module);
	tcase_add_test(tc, errors_may_be_unwanted);
	tcase_add_test(tc, a_plain_region_is_one_area);
	tcase_add_test(tc, sparse_areas_leave_the_msix_table_out);
	tcase_add_test(tc, a_circle_of_capabilities_ends);
	tcase_add_test(tc, usable_addresses_are_read_from_the_answer);
	tcase_add_test(tc, the_first_hole_in_a_mapping_is_named);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
