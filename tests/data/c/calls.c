/* Functions of every kind: static and global, in .text and beside the program, and as callbacks. */
#include "bpf.h"

u64 result;
u64 sum;

static NOINLINE u64 twice(u64 x)
{
	return x * 2 + (sum & 1);
}

static NOINLINE u64 deep(u64 x)
{
	return twice(x) + 1;
}

NOINLINE int visible(u64 x)
{
	return deep(x) + 100;
}

__attribute__((visibility("hidden"))) NOINLINE int hidden(u64 *x)
{
	return *x + 1000;
}

static int add(u32 index, void *ctx)
{
	sum += twice(index);
	return 0;
}

SEC("?raw_tp") NOINLINE u64 beside(u64 x)
{
	return x * x + (sum & 1);
}

static SEC("raw_tp") NOINLINE u64 static_beside(u64 x)
{
	return x * 7 + (sum & 1);
}

SEC("raw_tp") int calls(void *ctx)
{
	u64 five = 5;

	result = visible(10) + twice(4) + static_beside(3) + beside(2) + hidden(&five);
	return 0;
}

SEC("?raw_tp") int callback(void *ctx)
{
	sum = 0;
	loop(10, add, 0, 0);
	result = sum;
	return 0;
}

SEC("?raw_tp") int only_if_asked(void *ctx)
{
	return 17;
}
