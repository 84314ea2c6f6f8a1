/* CO-RE questions of every kind. The local layouts are wrong on purpose: nothing is where it says. */
#include "bpf.h"

struct list {
	struct list *next;
} KERNEL;

struct task_struct___mine {
	u8 padding[3];
	int tgid;
	struct task_struct___mine *group_leader;
	unsigned sched_reset_on_fork : 1;
	char comm[16];
	struct task_struct___mine *real_parent;
	int pid;
	struct {
		int inside;
		struct signal___mine *signal;
	};
	struct {
		struct task_struct___mine *next, *prev;
	} children;
	int no_such_field;
} KERNEL;

struct signal_struct___mine {
	int nr_threads;
} KERNEL;

/* Narrower and wider than the kernel's: the load must follow. */
struct task_struct___wide {
	u64 rcu_read_lock_nesting_unknown;
	u64 flags; /* unsigned int in the kernel */
} KERNEL;

struct no_such_type___local {
	int x;
} KERNEL;

enum bpf_map_type___mine {
	BPF_MAP_TYPE_ARRAY___mine = 40,
	BPF_MAP_TYPE_RINGBUF___mine = 41,
	BPF_MAP_TYPE_NONSENSE___mine = 42,
};

struct answers {
	u32 pid, tgid, leader, parent;
	char comm[16];
	char third;
	u8 bit, comm_exists, missing_exists, type_exists, missing_type_exists;
	u8 enum_exists, missing_enum_exists;
	u32 type_size, comm_size, enum_value, pid_signed, btf_pid;
	u32 local_id, target_id, comm_offset;
	u64 flags;
	u32 dead;
} answers;

static NOINLINE u32 parent_of(struct task_struct___mine *task)
{
	struct task_struct___mine *parent = READ(task->real_parent);

	return READ(parent->tgid);
}

SEC("raw_tp") int fields(void *ctx)
{
	struct task_struct___mine *task = get_current_task(), *leader;

	answers.pid = READ(task->pid);
	answers.tgid = READ(task->tgid);
	leader = READ(task->group_leader);
	answers.leader = READ(leader->pid);
	answers.parent = parent_of(task);
	probe_read_kernel(answers.comm, sizeof(answers.comm), &task->comm);
	answers.third = READ(task->comm[2]);
	return 0;
}

SEC("raw_tp") int bits(void *ctx)
{
	struct task_struct___mine *task = get_current_task();
	u64 word = 0;
	u32 size = __builtin_preserve_field_info(task->sched_reset_on_fork, BYTE_SIZE);

	if (size > 8)
		return 1;
	probe_read_kernel(&word, size,
		(void *)task + __builtin_preserve_field_info(task->sched_reset_on_fork, BYTE_OFFSET));
	word <<= __builtin_preserve_field_info(task->sched_reset_on_fork, LSHIFT);
	word >>= __builtin_preserve_field_info(task->sched_reset_on_fork, RSHIFT);
	answers.bit = word;
	return 0;
}

SEC("raw_tp") int facts(void *ctx)
{
	struct task_struct___mine *task = 0;

	answers.comm_exists = __builtin_preserve_field_info(task->comm, EXISTS);
	answers.missing_exists = __builtin_preserve_field_info(task->no_such_field, EXISTS);
	answers.comm_size = __builtin_preserve_field_info(task->comm, BYTE_SIZE);
	answers.comm_offset = __builtin_preserve_field_info(task->comm, BYTE_OFFSET);
	answers.pid_signed = __builtin_preserve_field_info(task->pid, SIGNED_);
	answers.type_exists = __builtin_preserve_type_info(*(struct task_struct___mine *)0, 0);
	answers.missing_type_exists = __builtin_preserve_type_info(*(struct no_such_type___local *)0, 0);
	answers.type_size = __builtin_preserve_type_info(*(struct task_struct___mine *)0, 1);
	answers.enum_exists = __builtin_preserve_enum_value(*(enum bpf_map_type___mine *)BPF_MAP_TYPE_ARRAY___mine, 0);
	answers.missing_enum_exists = __builtin_preserve_enum_value(*(enum bpf_map_type___mine *)BPF_MAP_TYPE_NONSENSE___mine, 0);
	answers.enum_value = __builtin_preserve_enum_value(*(enum bpf_map_type___mine *)BPF_MAP_TYPE_RINGBUF___mine, 1);
	answers.local_id = __builtin_btf_type_id(*(struct task_struct___mine *)0, 0);
	answers.target_id = __builtin_btf_type_id(*(struct task_struct___mine *)0, 1);
	return 0;
}

SEC("?raw_tp") int direct(void *ctx)
{
	struct task_struct___mine *task = get_current_task_btf();
	struct task_struct___wide *wide = (void *)task;

	answers.btf_pid = task->group_leader->pid;
	answers.flags = wide->flags;
	return 0;
}

SEC("?raw_tp") int dead(void *ctx)
{
	struct task_struct___mine *task = get_current_task_btf();

	if (__builtin_preserve_field_info(task->no_such_field, EXISTS))
		answers.dead = task->no_such_field;
	else
		answers.dead = 55;
	return 0;
}

SEC("?raw_tp") int alive(void *ctx)
{
	struct task_struct___mine *task = get_current_task_btf();

	answers.dead = task->no_such_field;
	return 0;
}
