/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds libc's own functions, once, before main; or earlier, when another library's constructor
 * makes a call. Nothing here allocates: dlsym() of a name that exists does not.
 */
#include <dlfcn.h>

#include "upcall/shim/shim.h"

#define REAL_FUNCTION(result, name, arguments)                                                     \
	result(*real_##name) arguments; /* NOLINT(bugprone-macro-parentheses) */
#include "upcall/shim/real_list.inc"
#undef REAL_FUNCTION

/* What an old libc lacks answers as an old kernel would. */
static long missing(void)
{
	errno = ENOSYS;
	return -1;
}

void real_find(void)
{
	void *found;

#define REAL_FUNCTION(result, name, arguments)                                                     \
	found = dlsym(RTLD_NEXT, #name);                                                           \
	__atomic_store_n(&real_##name, (__typeof__(real_##name))(found ? found : (void *)missing), \
			 __ATOMIC_RELAXED);
#include "upcall/shim/real_list.inc"
#undef REAL_FUNCTION
}

__attribute__((constructor)) static void find_early(void)
{
	if (!real_vdprintf)
		real_find();
}
