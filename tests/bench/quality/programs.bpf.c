// The programs of programs.py in C, as a user of libbpf writes them; without its headers.
// With -DLOSSES they count what is lost, as those in Python do.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

#define SEC(name) __attribute__((section(name), used))
#define RAW SEC("raw_tp/sys_enter")
#define MAP(name, kind, key_type, value_type, entries) \
	struct { int (*type)[kind]; key_type *key; value_type *value; int (*max_entries)[entries]; } name SEC(".maps")
#define MAPPED(name, key_type, value_type, entries) \
	struct { int (*type)[2]; int (*map_flags)[1024]; key_type *key; value_type *value; int (*max_entries)[entries]; } name SEC(".maps")

static void *(*const lookup)(void *, const void *) = (void *)1;
static long (*const update)(void *, const void *, const void *, u64) = (void *)2;
static long (*const delete)(void *, const void *) = (void *)3;
static u64 (*const ktime_get_ns)(void) = (void *)5;
static u64 (*const pid_tgid)(void) = (void *)14;
static long (*const get_comm)(void *, u32) = (void *)16;
static void *(*const ringbuf_reserve)(void *, u64, u64) = (void *)131;
static void (*const ringbuf_submit)(void *, u64) = (void *)132;
static void *(*const current_task_btf)(void) = (void *)158;

enum { HASH = 1, ARRAY = 2, ANY = 0, NOEXIST = 1 };

struct pair { u32 a, b; };
struct stats { u64 count, total, least, greatest; };
struct call { u64 time; u32 pid; i32 ret; char comm[16]; };
struct row { u64 slots[64]; };
struct few { u64 slots[16]; };
struct ctx { u64 args[12]; };
struct task_struct { struct task_struct *real_parent; int tgid; } __attribute__((preserve_access_index));

MAPPED(cells, u32, u64, 64);
MAPPED(sums, u32, u16, 1);
MAP(counts, HASH, u32, u64, 1024);
MAP(pairs, HASH, struct pair, u64, 1024);
MAP(began, HASH, u32, u64, 1024);
MAP(began_too, HASH, u32, u64, 1024);
MAP(errors, HASH, i32, u64, 1024);
MAP(stats, HASH, u32, struct stats, 1024);
MAPPED(latency, u32, struct row, 1);
MAPPED(sizes, u32, struct row, 1);
MAPPED(steps, u32, struct few, 1);
struct { int (*type)[27]; int (*max_entries)[8192 * 4096]; } emitted SEC(".maps");
struct { int (*type)[27]; int (*max_entries)[8192 * 4096]; } reserved SEC(".maps");

#ifdef LOSSES
u64 lost[16];
#define LOST(number) __sync_fetch_and_add(&lost[number], 1)
#else
#define LOST(number) ((void)0)
#endif

static inline __attribute__((always_inline)) void bump(u32 index)
{
	u64 *cell = lookup(&cells, &index);
	if (cell)
		__sync_fetch_and_add(cell, 1);
}

static inline __attribute__((always_inline)) void count(void *map, void *key, u32 number)
{
	u64 one = 1, *value = lookup(map, key);
	if (!value) {
		if (!update(map, key, &one, NOEXIST))
			return;
		value = lookup(map, key);
		if (!value) {
			LOST(number);
			return;
		}
	}
	__sync_fetch_and_add(value, 1);
}

static inline __attribute__((always_inline)) u32 log2(u64 v)
{
	u32 shift, r;
	u32 hi = v >> 32;
	u32 base = 0, w = v;
	if (hi) { base = 32; w = hi; }
	r = (w > 0xFFFF) << 4; w >>= r;
	shift = (w > 0xFF) << 3; w >>= shift; r |= shift;
	shift = (w > 0xF) << 2; w >>= shift; r |= shift;
	shift = (w > 0x3) << 1; w >>= shift; r |= shift;
	r |= w >> 1;
	return r + base;
}

static inline __attribute__((always_inline)) void observe(void *map, u64 value)
{
	u32 zero = 0, slot = log2(value);
	struct row *row = lookup(map, &zero);
	if (!row)
		return;
	if (slot >= 64)
		slot = 63;
	__sync_fetch_and_add(&row->slots[slot], 1);
}

RAW int q01_count(struct ctx *ctx) { bump(0); return 0; }

RAW int q02_by_process(struct ctx *ctx)
{
	u32 pid = pid_tgid() >> 32;
	count(&counts, &pid, 2);
	return 0;
}

RAW int q03_by_pair(struct ctx *ctx)
{
	struct pair key = { ctx->args[0], ctx->args[1] };
	count(&pairs, &key, 3);
	return 0;
}

RAW int q04_begin(struct ctx *ctx)
{
	u32 tid = pid_tgid();
	u64 now = ktime_get_ns();
	if (update(&began, &tid, &now, ANY))
		LOST(4);
	return 0;
}

RAW int q05_begin_and_end(struct ctx *ctx)
{
	u32 tid = pid_tgid();
	u64 now = ktime_get_ns(), *start, at;
	if (update(&began_too, &tid, &now, ANY))
		LOST(5);
	start = lookup(&began_too, &tid);
	if (!start)
		return 0;
	at = *start;
	delete(&began_too, &tid);
	observe(&latency, ktime_get_ns() - at);
	return 0;
}

RAW int q06_log2(struct ctx *ctx) { observe(&sizes, ctx->args[0]); return 0; }

RAW int q07_linear(struct ctx *ctx)
{
	u32 zero = 0;
	u64 slot = ctx->args[0] / 10;
	struct few *row = lookup(&steps, &zero);
	if (!row)
		return 0;
	if (slot > 15)
		slot = 15;
	__sync_fetch_and_add(&row->slots[slot], 1);
	return 0;
}

RAW int q08_filter(struct ctx *ctx)
{
	if (pid_tgid() >> 32 == 1)
		return 0;
	bump(1);
	return 0;
}

RAW int q09_errors(struct ctx *ctx)
{
	i64 ret = ctx->args[1];
	i32 error = -ret;
	if (ret >= 0 || ret <= -4096)
		return 0;
	count(&errors, &error, 9);
	return 0;
}

RAW int q10_record(struct ctx *ctx)
{
	u32 pid = pid_tgid() >> 32;
	u64 size = ctx->args[1];
	struct stats *entry = lookup(&stats, &pid);
	if (!entry) {
		struct stats first = { 1, size, size, size };
		if (update(&stats, &pid, &first, ANY))
			LOST(10);
		return 0;
	}
	__sync_fetch_and_add(&entry->count, 1);
	__sync_fetch_and_add(&entry->total, size);
	if (size < entry->least)
		entry->least = size;
	if (size > entry->greatest)
		entry->greatest = size;
	return 0;
}

RAW int q11_emit(struct ctx *ctx)
{
	struct call *event = ringbuf_reserve(&emitted, sizeof(*event), 0);
	if (!event) {
		LOST(11);
		return 0;
	}
	event->time = ktime_get_ns();
	event->pid = pid_tgid() >> 32;
	event->ret = ctx->args[1];
	__builtin_memset(event->comm, 0, sizeof(event->comm));
	ringbuf_submit(event, 0);
	return 0;
}

RAW int q12_reserve(struct ctx *ctx)
{
	struct call *event = ringbuf_reserve(&reserved, sizeof(*event), 0);
	if (!event) {
		LOST(12);
		return 0;
	}
	event->time = ktime_get_ns();
	event->pid = pid_tgid() >> 32;
	event->ret = ctx->args[1];
	get_comm(event->comm, sizeof(event->comm));
	ringbuf_submit(event, 0);
	return 0;
}

RAW int q13_by_name(struct ctx *ctx)
{
	static const char name[] = "no such name";
	char comm[16];
	get_comm(comm, sizeof(comm));
	for (u32 i = 0; i < sizeof(name); i++)
		if (comm[i] != name[i]) {
			bump(2);
			return 0;
		}
	return 0;
}

RAW int q14_popcount(struct ctx *ctx)
{
	u64 rest = ctx->args[0], ones = 0, *cell;
	u32 index = 3;
	for (int i = 0; i < 64 && rest; i++) {
		rest &= rest - 1;
		ones++;
	}
	cell = lookup(&cells, &index);
	if (cell)
		*cell = ones;
	return 0;
}

RAW int q15_bits(struct ctx *ctx)
{
	u64 flags = ctx->args[0];
	for (u32 bit = 0; bit < 8; bit++)
		if (flags & (1 << bit))
			bump(8 + bit);
	return 0;
}

RAW int q16_fnv(struct ctx *ctx)
{
	u64 value = ctx->args[0];
	u32 result = 0x811C9DC5;
	for (u32 i = 0; i < 8; i++)
		result = (result ^ (value >> 8 * i & 0xFF)) * 0x01000193;
	bump(16 + result % 16);
	return 0;
}

RAW int q17_match(struct ctx *ctx)
{
	u64 nr = ctx->args[1];
	u32 group;
	switch (nr) {
	case 0: case 17: case 19:
		group = 32;
		break;
	case 1: case 18: case 20:
		group = 33;
		break;
	default:
		group = nr >= 1000 ? 34 : 35;
	}
	bump(group);
	return 0;
}

RAW int q18_checksum(struct ctx *ctx)
{
	u64 a = ctx->args[0], b = ctx->args[1], total = 0;
	u32 zero = 0;
	u16 *sum;
	for (u32 shift = 0; shift < 64; shift += 16)
		total += (a >> shift & 0xFFFF) + (b >> shift & 0xFFFF);
	total = (total & 0xFFFF) + (total >> 16);
	total = (total & 0xFFFF) + (total >> 16);
	sum = lookup(&sums, &zero);
	if (sum)
		*sum = ~total;
	return 0;
}

RAW int q19_thresholds(struct ctx *ctx)
{
	static const u64 limits[] = { 10, 100, 1000, 10000 };
	u32 i;
	for (i = 0; i < 4; i++)
		if (ctx->args[1] < limits[i])
			break;
	bump(40 + i);
	return 0;
}

RAW int q20_parent(struct ctx *ctx)
{
	struct task_struct *task = current_task_btf();
	u32 index = 5;
	u64 *cell = lookup(&cells, &index);
	if (cell)
		*cell = task->real_parent->tgid;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
