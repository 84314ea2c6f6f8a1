/* Every form of map declaration, and global data in all its sections. */
#include "bpf.h"

struct key {
	u32 pid;
	char comm[16];
	u8 flag;
	u64 where;
};
struct value {
	u64 count;
	s32 numbers[3];
	_Bool seen;
	struct key *from;
};
union either {
	u32 number;
	char text[4];
};

struct {
	UINT(type, HASH);
	UINT(max_entries, 100);
	UINT(map_flags, 1);
	TYPE(key, struct key);
	TYPE(value, struct value);
} records SEC(".maps");

struct {
	UINT(type, ARRAY);
	UINT(max_entries, 4);
	TYPE(key, u32);
	TYPE(value, union either);
} slots SEC(".maps");

struct {
	UINT(type, PERCPU_ARRAY);
	UINT(max_entries, 1);
	UINT(key_size, 4);
	UINT(value_size, 24);
} scratch SEC(".maps");

struct {
	UINT(type, RINGBUF);
	UINT(max_entries, 4096);
} events SEC(".maps");

struct inner {
	UINT(type, HASH);
	UINT(max_entries, 8);
	TYPE(key, u32);
	TYPE(value, u64);
} first SEC(".maps"), second SEC(".maps");

struct {
	UINT(type, ARRAY_OF_MAPS);
	UINT(max_entries, 3);
	UINT(key_size, 4);
	VALUES(values, struct inner);
} outer SEC(".maps") = { .values = { [0] = &first, [2] = &second } };

int tail(void *ctx);

struct {
	UINT(type, PROG_ARRAY);
	UINT(max_entries, 2);
	UINT(key_size, 4);
	VALUES(values, int(void *));
} targets SEC(".maps") = { .values = { [1] = (void *)&tail } };

const volatile u32 factor = 3;
const volatile char word[8] = "seven";
u64 counter = 40;
static volatile u32 hidden_counter = 5;
u64 result;
u32 results[4];
u32 own SEC(".data.own") = 77;

SEC("raw_tp") int tail(void *ctx)
{
	results[3] = 99;
	return 21;
}

SEC("raw_tp") int work(void *ctx)
{
	struct key key = {};
	struct value value = {};
	u32 zero = 0;
	u64 *percpu = lookup(&scratch, &zero);
	struct value *found;

	key.pid = get_current_pid_tgid() >> 32;
	key.where = 7;
	value.count = factor * 2;
	value.numbers[1] = -4;
	value.seen = 1;
	update(&records, &key, &value, 0);
	found = lookup(&records, &key);
	if (!found || !percpu)
		return 1;
	percpu[1] = found->count;
	counter += found->count;
	hidden_counter += 1;
	result = counter + hidden_counter + word[1];
	results[2] = percpu[1];
	own += 1;
	ringbuf_output(&events, &result, sizeof(result), 0);
	return 0;
}

SEC("raw_tp") int fill(void *ctx)
{
	u32 slot = 2, key = 11;
	u64 value = 1234;
	void *inner = lookup(&outer, &slot);

	if (!inner)
		return 1;
	return update(inner, &key, &value, 0);
}

SEC("raw_tp") int jump(void *ctx)
{
	tail_call(ctx, &targets, 1);
	return 5;
}
