/* Symbols that the kernel would have to supply. */
#include "bpf.h"

extern const int no_such_variable __attribute__((weak, section(".ksyms")));
extern int no_such_function(int x) __attribute__((weak, section(".ksyms")));
extern int CONFIG_HZ __attribute__((section(".kconfig")));

SEC("raw_tp") int weak(void *ctx)
{
	return &no_such_variable ? 1 : 2;
}

SEC("raw_tp") int weak_call(void *ctx)
{
	return no_such_function ? no_such_function(3) : 4;
}

SEC("?raw_tp") int strong(void *ctx)
{
	return CONFIG_HZ;
}
