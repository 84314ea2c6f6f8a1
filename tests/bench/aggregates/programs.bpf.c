// Programs of programs.py in C, as a user of libbpf writes them: a per-CPU value that is simply changed (what an
// interrupt between load and store loses), a hash or an array of slots that all CPUs add to atomically.

typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define MAP(name, kind, value_type, entries) \
	struct { int (*type)[kind]; u32 *key; value_type *value; int (*max_entries)[entries]; } name SEC(".maps")
#define ALWAYS static inline __attribute__((always_inline))
#define TEN(once) once; once; once; once; once; once; once; once; once; once
#define PROGRAM(name, once) \
	SEC("raw_tp/sys_enter") int name(struct ctx *ctx) { u64 value = ctx->args[0]; TEN(once); return 0; }

enum { HASH = 1, ARRAY = 2, PERCPU_HASH = 5, PERCPU_ARRAY = 6, NOEXIST = 1 };

struct ctx { u64 args[12]; };
struct stats { u64 count, total, least, greatest; };
struct row { u64 slots[64]; };

static void *(*const lookup)(void *, const void *) = (void *)1;
static long (*const update)(void *, const void *, const void *, u64) = (void *)2;

MAP(passes, PERCPU_ARRAY, u64, 1);
MAP(calls, HASH, u64, 1024);
MAP(all, PERCPU_ARRAY, struct stats, 1);
MAP(by_key, PERCPU_HASH, struct stats, 1024);
MAP(slots, ARRAY, struct row, 1);
MAP(rows, HASH, struct row, 1024);
MAP(zeros, ARRAY, struct row, 1);

ALWAYS void add(u64 amount)
{
	u32 index = 0;
	u64 *cell = lookup(&passes, &index);
	if (cell)
		*cell += amount;
}

ALWAYS void add_to_key(void)
{
	u32 key = 7;
	u64 one = 1, *cell = lookup(&calls, &key);
	if (cell)
		__sync_fetch_and_add(cell, 1);
	else
		update(&calls, &key, &one, NOEXIST);
}

ALWAYS void note(struct stats *found, u64 value)
{
	found->count++;
	found->total += value;
	if (value < found->least || found->count == 1)
		found->least = value;
	if (value > found->greatest)
		found->greatest = value;
}

ALWAYS void note_all(u64 value)
{
	u32 index = 0;
	struct stats *found = lookup(&all, &index);
	if (found)
		note(found, value);
}

ALWAYS void note_key(u64 value)
{
	u32 key = 7;
	struct stats none = {}, *found = lookup(&by_key, &key);
	if (!found) {
		update(&by_key, &key, &none, NOEXIST);
		found = lookup(&by_key, &key);
	}
	if (found)
		note(found, value);
}

ALWAYS u32 log2_of(u64 value)
{
	u32 slot = 0;
	for (int step = 32; step; step >>= 1)
		if (value >> step) {
			value >>= step;
			slot += step;
		}
	return slot & 63;
}

ALWAYS void count_slot(u64 value)
{
	u32 index = 0;
	struct row *found = lookup(&slots, &index);
	if (found)
		__sync_fetch_and_add(&found->slots[log2_of(value)], 1);
}

ALWAYS void count_slot_of_key(u64 value)
{
	u32 key = 7, index = 0;
	struct row *found = lookup(&rows, &key);
	if (!found) {
		struct row *none = lookup(&zeros, &index);
		if (none)
			update(&rows, &key, none, NOEXIST);
		found = lookup(&rows, &key);
	}
	if (found)
		__sync_fetch_and_add(&found->slots[log2_of(value)], 1);
}

SEC("raw_tp/sys_enter") int nothing(struct ctx *ctx) { return 0; }
PROGRAM(count, add(1))
PROGRAM(count_by_key, add_to_key())
PROGRAM(sums, add(value))
PROGRAM(statistics, note_all(value))
PROGRAM(statistics_by_key, note_key(value))
PROGRAM(log2_hist, count_slot(value))
PROGRAM(log2_hist_by_key, count_slot_of_key(value))

char _license[] SEC("license") = "GPL";
