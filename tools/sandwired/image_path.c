/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding the sandbox image. The environment counts only where no privilege was gained by exec. */
#include "tools/sandwired/image_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int image_path(char *path, size_t size, struct failure *f)
{
	const char *env = secure_getenv("SANDWIRE_IMAGE");
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (env && *env) {
		snprintf(path, size, "%s", env);
		return 0;
	}
	if (n > 0) {
		self[n] = 0;
		slash = strrchr(self, '/');
		*slash = 0;
		snprintf(path, size, "%s/" IMAGE_BUILD_PATH, self);
		if (!access(path, R_OK))
			return 0;
	}
	snprintf(path, size, "%s", IMAGE_INSTALLED_PATH);
	if (!access(path, R_OK))
		return 0;
	failed(f, "sandbox image", "%s is not there", IMAGE_INSTALLED_PATH);
	return failure_hint(f, "meson install -C build");
}
