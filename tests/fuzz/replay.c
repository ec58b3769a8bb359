/* SPDX-License-Identifier: BSD-3-Clause */
/* main() of a fuzzer without a fuzzing engine: runs each file (or each file of a folder) once. For
 * gcc's build, for AFL++ (afl-clang-fast links it: one @@ file), and to look at a finding. With
 * FUZZ_COUNTS in the environment it says what the stack counted meanwhile. */
#include <dirent.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static int one(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *data = malloc(1u << 20);
	size_t n;

	if (!f || !data) {
		perror(path);
		return 1;
	}
	n = fread(data, 1, 1u << 20, f);
	fclose(f);
	data = realloc(data, n ? n : 1); /* its end is the end of the allocation */
	fprintf(stderr, "%s\n", path);
	(void)LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

static int folder(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort), i, bad = n < 0;
	char file[4096];

	for (i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			bad |= one(file);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return bad;
}

int main(int argc, char **argv)
{
	struct stat st;
	int i, bad = 0;

	for (i = 1; i < argc; i++)
		bad |= stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode) ? folder(argv[i])
								      : one(argv[i]);
	if (getenv("FUZZ_COUNTS"))
		net_counts();
	return bad;
}
