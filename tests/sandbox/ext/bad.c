/* SPDX-License-Identifier: BSD-3-Clause */
/* One extension a way to be refused; which one, -DBAD_... says (meson.build). */
#include "sandbox/ext.h"

#ifdef BAD_UNDEFINED
int printf(const char *fmt, ...);
void sw_nowhere(void);
#endif
#ifdef BAD_TLS
static __thread int own;
#endif
#ifdef BAD_CONSTRUCTOR
static volatile int built;
__attribute__((constructor)) static void build(void)
{
	built = 1;
}
#endif
#ifdef BAD_WX
__asm__(".section .wx, \"awx\"\n\tnop\n\t.text");
#endif
#ifdef BAD_ABSOLUTE
extern int pool[];
int pool[16];
#endif

static int64_t run(struct ext_call *call)
{
#ifdef BAD_UNDEFINED
	sw_nowhere();
	return printf("%d", (int)call->size);
#elif defined(BAD_TLS)
	return own += (int)call->size;
#elif defined(BAD_VECTOR)
	__asm__ volatile("pxor %%xmm0, %%xmm0" ::: "memory");
#elif defined(BAD_ABSOLUTE)
	__asm__ volatile("movl $pool, %%eax" ::: "rax");
#endif
	return 0;
}

#ifdef BAD_NO_DESC
int64_t (*const keep)(struct ext_call *call) = run;
#elif defined(BAD_ABI)
const struct ext_desc sandwire_ext = {
	.magic = EXT_MAGIC, .abi = EXT_ABI + 1, .name = "bad", .service = {{"bad", run}}};
#elif defined(BAD_NAME)
SANDWIRE_EXTENSION(.name = "bad", .service = {{"no good", run}});
#elif defined(BAD_TWICE)
SANDWIRE_EXTENSION(.name = "bad", .service = {{"a", run}, {"a", run}});
#elif defined(BAD_POOL)
SANDWIRE_EXTENSION(.name = "bad", .pool = 1ull << 40, .service = {{"a", run}});
#elif defined(BAD_CLIENTS)
SANDWIRE_EXTENSION(.name = "bad", .client_size = ~0u, .service = {{"a", run}});
#elif defined(BAD_RUN)
SANDWIRE_EXTENSION(.name = "bad",
		   .service = {{"good", run}, {"a", (int64_t(*)(struct ext_call *))0x1000}});
#else
SANDWIRE_EXTENSION(.name = "bad", .service = {{"bad", run}});
#endif
