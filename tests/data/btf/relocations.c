/* What libbpf and this package must answer alike: every kind of relocation, on layouts that are not
 * the kernel's and on types and fields that no kernel has. The verifier always refuses the program,
 * since some answers are missing; the answers are read from the log. */
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned char u8;
typedef unsigned short u16;
#define KERNEL __attribute__((preserve_access_index))

struct list_head {
	struct list_head *next, *prev;
} KERNEL;
struct qstr {
	u32 len;
} KERNEL;
struct dentry {
	struct qstr d_name;
} KERNEL;
struct path {
	struct dentry *dentry;
} KERNEL;
struct file {
	struct path f_path;
	u32 f_flags;
	u64 no_such_field;
} KERNEL;
struct request {
	void *q;
	u32 cmd_flags;
	u64 tag; /* int in the kernel */
	u64 timeout; /* unsigned int in the kernel */
	struct list_head queuelist;
	u32 state; /* an enum in the kernel */
} KERNEL;
struct request___old {
	u64 rq_disk;
	u32 __data_len;
} KERNEL;
struct task_struct {
	int pid;
	char comm[16];
	u32 sched_reset_on_fork : 1;
	u32 sched_remote_wakeup : 1;
	unsigned long utime;
	u64 start_time;
} KERNEL;
struct task_struct___mine {
	long state;
	int sched_reset_on_fork; /* a bitfield in the kernel */
} KERNEL;
struct no_such_struct {
	int a;
} KERNEL;
struct bpf_insn {
	u8 code;
	u8 dst_reg : 4;
	u8 src_reg : 4;
	short off;
	int imm;
} KERNEL;
struct tcphdr {
	u16 doff : 4;
	u16 ack : 1;
	u16 cwr : 1;
} KERNEL;
struct sk_buff {
	u8 ip_summed : 2;
	u8 cloned : 1;
	u32 len;
} KERNEL;
struct upid {
	int nr;
	void *ns;
} KERNEL;
struct pid {
	u32 level;
	struct upid numbers[];
} KERNEL;
enum pid_type {
	PIDTYPE_PID = 5,
	PIDTYPE_SID = 9,
	NO_SUCH_PIDTYPE = 11,
	PIDTYPE_TGID___mine = 3,
};
enum rpm_status { RPM_INVALID = 3 }; /* negative in the kernel */
struct work_struct;
typedef int pid_t;
typedef struct {
	int counter;
} atomic_t;
typedef u64 no_such_t;
typedef void (*work_func_t)(struct work_struct *);

#define SOME(type, field, kind) sum += __builtin_preserve_field_info(((type *)ctx)->field, kind)
#define ALL(type, field)                                                              \
	do {                                                                          \
		SOME(type, field, 0), SOME(type, field, 1), SOME(type, field, 2);     \
		SOME(type, field, 3), SOME(type, field, 4), SOME(type, field, 5);     \
	} while (0)
#define TYPE(type)                                               \
	do {                                                     \
		sum += __builtin_btf_type_id(*(type *)0, 0);     \
		sum += __builtin_btf_type_id(*(type *)0, 1);     \
		sum += __builtin_preserve_type_info(*(type *)0, 0); \
		sum += __builtin_preserve_type_info(*(type *)0, 1); \
	} while (0)
#define VALUE(type, value)                                               \
	do {                                                             \
		sum += __builtin_preserve_enum_value(*(type *)value, 0); \
		sum += __builtin_preserve_enum_value(*(type *)value, 1); \
	} while (0)

__attribute__((section("raw_tp/sys_enter"), used)) int probe(void *ctx)
{
	volatile u64 sum = 0;

	ALL(struct request, cmd_flags);
	ALL(struct request, tag);
	ALL(struct request, state);
	ALL(struct request, timeout);
	SOME(struct request, queuelist.prev, 0);
	ALL(struct request___old, rq_disk);
	ALL(struct request___old, __data_len);
	SOME(struct file, f_path.dentry, 0);
	ALL(struct file, no_such_field);
	ALL(struct file, f_flags);
	ALL(struct dentry, d_name.len);
	ALL(struct task_struct, pid);
	ALL(struct task_struct, sched_reset_on_fork);
	ALL(struct task_struct, sched_remote_wakeup);
	ALL(struct task_struct, utime);
	ALL(struct task_struct___mine, state);
	ALL(struct task_struct___mine, sched_reset_on_fork);
	SOME(struct task_struct, comm[3], 0);
	SOME(struct task_struct, comm[3], 2);
	SOME(struct task_struct, comm[15], 1);
	SOME(struct pid, numbers[3].ns, 0);
	SOME(struct pid, numbers[3].nr, 2);
	ALL(struct no_such_struct, a);
	ALL(struct bpf_insn, src_reg);
	ALL(struct bpf_insn, off);
	ALL(struct bpf_insn, imm);
	ALL(struct tcphdr, doff);
	ALL(struct tcphdr, cwr);
	ALL(struct tcphdr, ack);
	ALL(struct sk_buff, ip_summed);
	ALL(struct sk_buff, cloned);
	ALL(struct sk_buff, len);
	TYPE(struct request);
	TYPE(struct task_struct___mine);
	TYPE(struct no_such_struct);
	TYPE(struct list_head);
	TYPE(enum pid_type);
	TYPE(pid_t);
	TYPE(atomic_t);
	TYPE(no_such_t);
	TYPE(work_func_t);
	VALUE(enum pid_type, PIDTYPE_PID);
	VALUE(enum pid_type, PIDTYPE_SID);
	VALUE(enum pid_type, NO_SUCH_PIDTYPE);
	VALUE(enum pid_type, PIDTYPE_TGID___mine);
	VALUE(enum rpm_status, RPM_INVALID);
	/* Loads, of the kernel's size or of another one. */
	sum += ((struct task_struct *)ctx)->start_time;
	sum += ((struct task_struct *)ctx)->pid;
	sum += ((struct request *)ctx)->timeout;
	sum += (u64)((struct request *)ctx)->q;
	return sum;
}

char LICENSE[] __attribute__((section("license"), used)) = "GPL";
