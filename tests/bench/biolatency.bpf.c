/* The README's program in C, for the time that clang takes. */
#include "bpf.h"

struct request {
	int unused;
} KERNEL;

struct {
	UINT(type, HASH);
	UINT(max_entries, 10240);
	TYPE(key, struct request *);
	TYPE(value, u64);
} started SEC(".maps");

struct {
	UINT(type, PERCPU_ARRAY);
	UINT(max_entries, 64);
	TYPE(key, u32);
	TYPE(value, u64);
} latency SEC(".maps");

static long (*delete)(void *map, const void *key) = (void *)3;

static u32 log2_slot(u64 value)
{
	u32 slot = 0;

	for (int bits = 32; bits; bits /= 2)
		if (value >> bits) {
			value >>= bits;
			slot += bits;
		}
	return slot + (value != 0);
}

SEC("tp_btf/block_rq_issue") int issue(u64 *ctx)
{
	struct request *rq = (void *)ctx[0];
	u64 now = ktime_get_ns();

	update(&started, &rq, &now, 0);
	return 0;
}

SEC("tp_btf/block_rq_complete") int complete(u64 *ctx)
{
	struct request *rq = (void *)ctx[0];
	u64 *begin = lookup(&started, &rq), since;
	u32 slot;
	u64 *count;

	if (!begin)
		return 0;
	since = *begin;
	delete(&started, &rq);
	slot = log2_slot((ktime_get_ns() - since) / 1000);
	count = lookup(&latency, &slot);
	if (count)
		++*count;
	return 0;
}
