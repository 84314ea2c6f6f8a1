"""Made from the table of helpers by ``python scripts/gen_tables.py``."""

from collections.abc import Callable
from typing import Any

from pyebpf import kernel
from pyebpf.abi.helpers import Helper
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.scalars import Ptr, i32, i64, u16, u32, u64

class HelperFunction:
    __pyebpf_builtin__: Helper
    __name__: str
    __qualname__: str
    def __init__(self, row: Helper) -> None: ...

# Maps and storage

def map_lookup_elem(map: MapDecl, key: object) -> Any | None:
    """Find the value of a key.

    Since: Linux 3.19.
    """

def map_update_elem(map: MapDecl, key: object, value: object, flags: u64 = 0) -> i64:
    """Store a value under a key; ``BPF_NOEXIST`` and ``BPF_EXIST`` in ``flags`` say which keys may
    be there.

    Since: Linux 3.19.
    """

def map_delete_elem(map: MapDecl, key: object) -> i64:
    """Remove a key and its value.

    Since: Linux 3.19.
    """

def get_local_storage(map: MapDecl, flags: u64 = 0) -> Any:
    """Return the storage of the cgroup that the program is attached to; it is always there.

    Since: Linux 4.19.
    """

def map_push_elem(map: MapDecl, value: object, flags: u64 = 0) -> i64:
    """Add a value to a queue, a stack or a Bloom filter; with ``BPF_EXIST`` the oldest one makes
    room.

    Since: Linux 4.20.
    """

def map_pop_elem(map: MapDecl, value: object) -> i64:
    """Take the next value out of a queue or a stack.

    Since: Linux 4.20.
    """

def map_peek_elem(map: MapDecl, value: object) -> i64:
    """Read the next value of a queue or a stack and leave it there; ask a Bloom filter for a
    value.

    Since: Linux 4.20.
    """

def sk_storage_get(map: MapDecl, sk: object, value: object = None, flags: u64 = 0) -> Any | None:
    """Find a socket's own value in a ``sk_storage`` map, or make it with
    ``BPF_SK_STORAGE_GET_F_CREATE``.

    Since: Linux 5.2.
    """

def sk_storage_delete(map: MapDecl, sk: Ptr[Any]) -> i64:
    """Remove a socket's own value.

    Since: Linux 5.2.
    """

def inode_storage_get(
    map: MapDecl, inode: Ptr[kernel.inode], value: object = None, flags: u64 = 0
) -> Any | None:
    """Find an inode's own value in an ``inode_storage`` map, or make it with
    ``BPF_LOCAL_STORAGE_GET_F_CREATE``.

    Since: Linux 5.10.
    """

def inode_storage_delete(map: MapDecl, inode: Ptr[kernel.inode]) -> i64:
    """Remove an inode's own value.

    Since: Linux 5.10.
    """

def task_storage_get(
    map: MapDecl, task: Ptr[kernel.task_struct], value: object = None, flags: u64 = 0
) -> Any | None:
    """Find a thread's own value in a ``task_storage`` map, or make it with
    ``BPF_LOCAL_STORAGE_GET_F_CREATE``.

    Since: Linux 5.11.
    """

def task_storage_delete(map: MapDecl, task: Ptr[kernel.task_struct]) -> i64:
    """Remove a thread's own value.

    Since: Linux 5.11.
    """

def for_each_map_elem(
    map: MapDecl, callback_fn: Callable[..., int], callback_ctx: object = None, flags: u64 = 0
) -> i64:
    """Call a function for each entry until it returns 1; gives how many were visited.

    Since: Linux 5.13.
    """

def kptr_xchg(dst: object, ptr: Ptr[Any] | None) -> Ptr[Any] | None:
    """Put a kernel object into a map value and take out the one that was there.

    Since: Linux 5.19.
    """

def map_lookup_percpu_elem(map: MapDecl, key: object, cpu: u32) -> Any | None:
    """Find what another CPU stores under a key of a per-CPU map.

    Since: Linux 5.19.
    """

def cgrp_storage_get(
    map: MapDecl, cgroup: Ptr[kernel.cgroup], value: object = None, flags: u64 = 0
) -> Any | None:
    """Find a cgroup's own value in a ``cgrp_storage`` map, or make it with
    ``BPF_LOCAL_STORAGE_GET_F_CREATE``.

    Since: Linux 6.2.
    """

def cgrp_storage_delete(map: MapDecl, cgroup: Ptr[kernel.cgroup]) -> i64:
    """Remove a cgroup's own value.

    Since: Linux 6.2.
    """

# Output

def trace_printk(fmt: object, fmt_size: u32, arg1: u64, arg2: u64, arg3: u64) -> i64:
    """Write a line with up to three numbers to the kernel's ``trace_pipe``; for debugging only.

    Since: Linux 4.1. For GPL programs only.
    """

def perf_event_output(ctx: object, map: MapDecl, flags: u64, data: object, size: u32) -> i64:
    """Send bytes to the perf buffer of a CPU, ``BPF_F_CURRENT_CPU`` for this one.

    Since: Linux 4.4. For GPL programs only.
    """

def skb_output(ctx: Ptr[kernel.sk_buff], map: MapDecl, flags: u64, data: object, size: u32) -> i64:
    """Send bytes to a perf buffer from a typed program, and the beginning of a packet after them.

    Since: Linux 5.5. For GPL programs only.
    """

def xdp_output(ctx: Ptr[kernel.xdp_buff], map: MapDecl, flags: u64, data: object, size: u32) -> i64:
    """Send bytes to a perf buffer from a typed program, and the beginning of an XDP frame after
    them.

    Since: Linux 5.7. For GPL programs only.
    """

def seq_printf(
    m: Ptr[kernel.seq_file], fmt: object, fmt_size: u32, data: object, data_len: u32
) -> i64:
    """Print into the file of an iterator, with numbers and strings from an array of ``u64``.

    Since: Linux 5.8. For GPL programs only.
    """

def seq_write(m: Ptr[kernel.seq_file], data: object, len: u32) -> i64:
    """Write bytes into the file of an iterator.

    Since: Linux 5.8. For GPL programs only.
    """

def ringbuf_output(ringbuf: MapDecl, data: object, size: u32, flags: u64 = 0) -> i64:
    """Copy bytes into a ring buffer as one record.

    Since: Linux 5.8.
    """

def ringbuf_reserve(ringbuf: MapDecl, size: u32, flags: u64 = 0) -> Any | None:
    """Reserve a record of a ring buffer, to be filled in place and then submitted or discarded.

    Since: Linux 5.8.
    """

def ringbuf_submit(data: object, flags: u64 = 0) -> None:
    """Give a reserved record to the reader.

    Since: Linux 5.8.
    """

def ringbuf_discard(data: object, flags: u64 = 0) -> None:
    """Throw a reserved record away.

    Since: Linux 5.8.
    """

def ringbuf_query(ringbuf: MapDecl, flags: u64 = 0) -> u64:
    """Return a number about a ring buffer: what is unread, its size, or one of its positions.

    Since: Linux 5.8.
    """

def snprintf_btf(str: object, str_size: u32, ptr: object, btf_ptr_size: u32, flags: u64 = 0) -> i64:
    """Format a kernel object into memory, laid out by its type.

    Since: Linux 5.10.
    """

def seq_printf_btf(m: Ptr[kernel.seq_file], ptr: object, ptr_size: u32, flags: u64 = 0) -> i64:
    """Print a kernel object into the file of an iterator, laid out by its type.

    Since: Linux 5.10. For GPL programs only.
    """

def snprintf(str: object, str_size: u32, fmt: str, data: object, data_len: u32) -> i64:
    """Format text into memory; gives the length that the whole text has, with its NUL.

    Since: Linux 5.13. For GPL programs only.
    """

def trace_vprintk(fmt: object, fmt_size: u32, data: object, data_len: u32) -> i64:
    """Write a line to the kernel's ``trace_pipe`` with any count of numbers, given as an array of
    ``u64``.

    Since: Linux 5.16. For GPL programs only.
    """

def ringbuf_reserve_dynptr(ringbuf: MapDecl, size: u32, flags: u64, ptr: object) -> i64:
    """Reserve a record whose size is known only at run time; it must be submitted or discarded
    even after an error.

    Since: Linux 5.19.
    """

def ringbuf_submit_dynptr(ptr: object, flags: u64 = 0) -> None:
    """Give a record that was reserved as a dynptr to the reader.

    Since: Linux 5.19.
    """

def ringbuf_discard_dynptr(ptr: object, flags: u64 = 0) -> None:
    """Throw a record that was reserved as a dynptr away.

    Since: Linux 5.19.
    """

def user_ringbuf_drain(
    map: MapDecl, callback_fn: Callable[..., int], ctx: object = None, flags: u64 = 0
) -> i64:
    """Call a function for each record that user space has put into a user ring buffer; gives how
    many were read.

    Since: Linux 6.1.
    """

# The current task

def get_smp_processor_id() -> u32:
    """Return the number of the CPU that the program runs on.

    Since: Linux 4.1.
    """

def get_current_pid_tgid() -> u64:
    """Return process and thread: ``tgid << 32 | tid``.

    Since: Linux 4.2.
    """

def get_current_uid_gid() -> u64:
    """Return group and user: ``gid << 32 | uid``.

    Since: Linux 4.2.
    """

def get_current_comm(buf: object, size_of_buf: u32) -> i64:
    """Store the name of the current thread, NUL-terminated.

    Since: Linux 4.2.
    """

def get_cgroup_classid(skb: object) -> u32:
    """Return the class of the ``net_cls`` controller (cgroup version 1); the program's own thread
    in a cgroup program.

    Since: Linux 4.3.
    """

def get_current_task() -> u64:
    """Return the address of the current ``task_struct`` as a number.

    Since: Linux 4.8. For GPL programs only.
    """

def current_task_under_cgroup(map: MapDecl, index: u32) -> i64:
    """Tell whether the current thread is in a cgroup of a ``cgroup_array``, or below it: 1 or 0.

    Since: Linux 4.9.
    """

def get_numa_node_id() -> i64:
    """Return the NUMA node of the CPU that the program runs on.

    Since: Linux 4.10.
    """

def get_current_cgroup_id() -> u64:
    """Return the id of the current thread's cgroup (version 2).

    Since: Linux 4.18.
    """

def send_signal(sig: u32) -> i64:
    """Send a signal to the current process; any of its threads may get it.

    Since: Linux 5.3.
    """

def send_signal_thread(sig: u32) -> i64:
    """Send a signal to the current thread.

    Since: Linux 5.6.
    """

def get_ns_current_pid_tgid(dev: u64, ino: u64, nsdata: object, size: u32) -> i64:
    """Store process and thread as numbered in the pid namespace that ``dev`` and ``ino`` name.

    Since: Linux 5.7.
    """

def get_current_ancestor_cgroup_id(ancestor_level: i32) -> u64:
    """Return the id of the cgroup above the current thread's at a level; the root is level 0.

    Since: Linux 5.7.
    """

def get_current_task_btf() -> Ptr[kernel.task_struct]:
    """Return the current ``task_struct`` as a pointer that the verifier trusts.

    Since: Linux 5.11. For GPL programs only.
    """

def task_pt_regs(task: Ptr[kernel.task_struct]) -> Ptr[kernel.pt_regs]:
    """Return the registers that a thread had when it entered the kernel.

    Since: Linux 5.15. For GPL programs only.
    """

def find_vma(
    task: Ptr[kernel.task_struct],
    addr: u64,
    callback_fn: Callable[..., int],
    callback_ctx: object = None,
    flags: u64 = 0,
) -> i64:
    """Find the part of a thread's memory map that holds an address, and call a function with it.

    Since: Linux 5.17.
    """

# Clocks and timers

def ktime_get_ns() -> u64:
    """Return nanoseconds since boot, without time spent suspended.

    Since: Linux 4.1.
    """

def jiffies64() -> u64:
    """Return the kernel's count of ticks.

    Since: Linux 5.6.
    """

def ktime_get_boot_ns() -> u64:
    """Return nanoseconds since boot, with time spent suspended.

    Since: Linux 5.8.
    """

def ktime_get_coarse_ns() -> u64:
    """Return nanoseconds since boot as of the last tick: cheaper, and a few milliseconds old.

    Since: Linux 5.11.
    """

def timer_init(timer: object, map: MapDecl, flags: u64 = 0) -> i64:
    """Prepare a timer in a map value and choose its clock.

    Since: Linux 5.15. For GPL programs only.
    """

def timer_set_callback(timer: object, callback_fn: Callable[..., int]) -> i64:
    """Choose the function that a timer calls.

    Since: Linux 5.15. For GPL programs only.
    """

def timer_start(timer: object, nsecs: u64, flags: u64 = 0) -> i64:
    """Let a timer call its function in some nanoseconds, or at a time with ``BPF_F_TIMER_ABS``.

    Since: Linux 5.15. For GPL programs only.
    """

def timer_cancel(timer: object) -> i64:
    """Stop a timer and wait for its function; 1 if it was running down, 0 if not.

    Since: Linux 5.15. For GPL programs only.
    """

def ktime_get_tai_ns() -> u64:
    """Return nanoseconds of atomic time (TAI), which has no leap seconds.

    Since: Linux 6.1.
    """

# Memory and text

def probe_read(dst: object, size: u32, unsafe_ptr: u64 | Ptr[Any]) -> i64:
    """Read memory that may be the kernel's or a process's; ``probe_read_kernel`` and
    ``probe_read_user`` are exact.

    Since: Linux 4.1. For GPL programs only.
    """

def probe_write_user(dst: u64 | Ptr[Any], src: object, len: u32) -> i64:
    """Write into the current process's memory; for experiments only.

    Since: Linux 4.8. For GPL programs only.
    """

def probe_read_str(dst: object, size: u32, unsafe_ptr: u64 | Ptr[Any]) -> i64:
    """Read text up to its NUL from memory that may be the kernel's or a process's.

    Since: Linux 4.11. For GPL programs only.
    """

def strtol(buf: object, buf_len: u32, flags: u64, res: object) -> i64:
    """Convert text to a signed number; the low bits of ``flags`` are the base, 0 to guess it.

    Since: Linux 5.2.
    """

def strtoul(buf: object, buf_len: u32, flags: u64, res: object) -> i64:
    """Convert text to an unsigned number; the low bits of ``flags`` are the base, 0 to guess it.

    Since: Linux 5.2.
    """

def probe_read_user(dst: object, size: u32, unsafe_ptr: u64 | Ptr[Any]) -> i64:
    """Read a process's memory; fails where it is not present.

    Since: Linux 5.5. For GPL programs only.
    """

def probe_read_kernel(dst: object, size: u32, unsafe_ptr: u64 | Ptr[Any]) -> i64:
    """Read kernel memory; fails, and zeroes, where the address is bad.

    Since: Linux 5.5. For GPL programs only.
    """

def probe_read_user_str(dst: object, size: u32, unsafe_ptr: u64 | Ptr[Any]) -> i64:
    """Read text up to its NUL from a process's memory; gives its length with the NUL.

    Since: Linux 5.5. For GPL programs only.
    """

def probe_read_kernel_str(dst: object, size: u32, unsafe_ptr: u64 | Ptr[Any]) -> i64:
    """Read text up to its NUL from kernel memory; gives its length with the NUL.

    Since: Linux 5.5. For GPL programs only.
    """

def d_path(path: Ptr[kernel.path], buf: object, sz: u32) -> i64:
    """Store the full name of a path.

    Since: Linux 5.10.
    """

def copy_from_user(dst: object, size: u32, user_ptr: u64 | Ptr[Any]) -> i64:
    """Read the current process's memory, waiting until it has been brought in.

    Since: Linux 5.10. For programs that may sleep only.
    """

def per_cpu_ptr(percpu_ptr: object, cpu: u32) -> Any | None:
    """Return a kernel variable as it is on some CPU; None if there is no such CPU.

    Since: Linux 5.10.
    """

def this_cpu_ptr(percpu_ptr: object) -> Any:
    """Return a kernel variable as it is on this CPU.

    Since: Linux 5.10.
    """

def strncmp(s1: object, s1_sz: u32, s2: str) -> i64:
    """Compare memory with constant text: negative, 0 or positive.

    Since: Linux 5.17.
    """

def copy_from_user_task(
    dst: object, size: u32, user_ptr: u64 | Ptr[Any], tsk: Ptr[kernel.task_struct], flags: u64 = 0
) -> i64:
    """Read another process's memory, waiting until it has been brought in.

    Since: Linux 5.18. For GPL programs that may sleep only.
    """

def dynptr_from_mem(data: object, size: u32, flags: u64, ptr: object) -> i64:
    """Make a dynptr of memory in a map value.

    Since: Linux 5.19.
    """

def dynptr_read(dst: object, len: u32, src: object, offset: u64, flags: u64 = 0) -> i64:
    """Copy out of what a dynptr refers to.

    Since: Linux 5.19.
    """

def dynptr_write(dst: object, offset: u64, src: object, len: u32, flags: u64 = 0) -> i64:
    """Copy into what a dynptr refers to.

    Since: Linux 5.19.
    """

def dynptr_data(ptr: object, offset: u64, len: u32) -> Any | None:
    """Return the memory behind a dynptr, if all of it lies in one piece.

    Since: Linux 5.19.
    """

# Tracing

def perf_event_read(map: MapDecl, flags: u64 = 0) -> u64:
    """Read a hardware counter; an error looks like a large number, so prefer
    ``perf_event_read_value``.

    Since: Linux 4.3. For GPL programs only.
    """

def get_stackid(ctx: object, map: MapDecl, flags: u64 = 0) -> i64:
    """Store the current call stack in a ``stack_trace`` map; gives its id.

    Since: Linux 4.6. For GPL programs only.
    """

def perf_event_read_value(map: MapDecl, flags: u64, buf: object, buf_size: u32) -> i64:
    """Read a hardware counter, with the times that it was enabled and running.

    Since: Linux 4.15. For GPL programs only.
    """

def perf_prog_read_value(ctx: object, buf: object, buf_size: u32) -> i64:
    """Read the counter that this program is attached to, with its times.

    Since: Linux 4.15. For GPL programs only.
    """

def override_return(regs: object, rc: u64) -> i64:
    """Make the probed kernel function return at once with a value; for functions that allow error
    injection.

    Since: Linux 4.16. For GPL programs only.
    """

def get_stack(ctx: object, buf: object, size: u32, flags: u64 = 0) -> i64:
    """Store the current call stack in memory; gives the bytes stored.

    Since: Linux 4.18. For GPL programs only.
    """

def read_branch_records(ctx: object, buf: object, size: u32, flags: u64 = 0) -> i64:
    """Store the branch records that came with a perf event.

    Since: Linux 5.7. For GPL programs only.
    """

def get_task_stack(task: Ptr[kernel.task_struct], buf: object, size: u32, flags: u64 = 0) -> i64:
    """Store a thread's call stack in memory; gives the bytes stored.

    Since: Linux 5.9.
    """

def get_func_ip(ctx: object) -> u64:
    """Return the address of the function that the program is attached to.

    Since: Linux 5.15. For GPL programs only.
    """

def get_attach_cookie(ctx: object) -> u64:
    """Return the number that was given when the program was attached.

    Since: Linux 5.15.
    """

def get_branch_snapshot(entries: object, size: u32, flags: u64 = 0) -> i64:
    """Store the last branches of this CPU, where the hardware records them.

    Since: Linux 5.16. For GPL programs only.
    """

def get_func_arg(ctx: object, n: u32, value: object) -> i64:
    """Store an argument of the traced function, by its position.

    Since: Linux 5.17.
    """

def get_func_ret(ctx: object, value: object) -> i64:
    """Store what the traced function returned; for programs at its end.

    Since: Linux 5.17.
    """

def get_func_arg_cnt(ctx: object) -> i64:
    """Return how many arguments the traced function has.

    Since: Linux 5.17.
    """

# Control

def get_prandom_u32() -> u32:
    """Return a pseudo-random number.

    Since: Linux 4.1.
    """

def tail_call(ctx: object, prog_array_map: MapDecl, index: u32) -> None:
    """Jump into a program of a ``prog_array``; comes back only if there is none, or after 33
    jumps.

    Since: Linux 4.2.
    """

def rc_repeat(ctx: object) -> i64:
    """Report that the last key of a remote control was repeated.

    Since: Linux 4.18. For GPL programs only.
    """

def rc_keydown(ctx: object, protocol: u32, scancode: u64, toggle: u32) -> i64:
    """Report a key of a remote control.

    Since: Linux 4.18. For GPL programs only.
    """

def rc_pointer_rel(ctx: object, rel_x: i32, rel_y: i32) -> i64:
    """Report a movement of a remote control's pointer.

    Since: Linux 5.0. For GPL programs only.
    """

def spin_lock(lock: object) -> None:
    """Take the lock in a map value; one at a time, and no calls while it is held.

    Since: Linux 5.1.
    """

def spin_unlock(lock: object) -> None:
    """Release the lock in a map value.

    Since: Linux 5.1.
    """

def sysctl_get_name(ctx: object, buf: object, buf_len: u32, flags: u64 = 0) -> i64:
    """Store the name of the sysctl that is being read or written.

    Since: Linux 5.2.
    """

def sysctl_get_current_value(ctx: object, buf: object, buf_len: u32) -> i64:
    """Store the present value of a sysctl, as text.

    Since: Linux 5.2.
    """

def sysctl_get_new_value(ctx: object, buf: object, buf_len: u32) -> i64:
    """Store the value that is being written to a sysctl, as text.

    Since: Linux 5.2.
    """

def sysctl_set_new_value(ctx: object, buf: object, buf_len: u32) -> i64:
    """Replace the value that is being written to a sysctl.

    Since: Linux 5.2.
    """

def bprm_opts_set(bprm: Ptr[kernel.linux_binprm], flags: u64 = 0) -> i64:
    """Set options of a program that is about to be executed, such as secure mode.

    Since: Linux 5.11.
    """

def ima_inode_hash(inode: Ptr[kernel.inode], dst: object, size: u32) -> i64:
    """Store the hash of a file's contents that IMA has; gives the algorithm.

    Since: Linux 5.11. For programs that may sleep only.
    """

def sys_bpf(cmd: u32, attr: object, attr_size: u32) -> i64:
    """Make a ``bpf()`` system call from a program.

    Since: Linux 5.14. For programs that may sleep only.
    """

def btf_find_by_name_kind(name: object, name_sz: u32, kind: u32, flags: i32) -> i64:
    """Find a kernel type by name and kind; gives its id, and the descriptor of a module's types in
    the upper half.

    Since: Linux 5.14. For programs that may sleep only.
    """

def sys_close(fd: u32) -> i64:
    """Close a file descriptor of the process that runs the program.

    Since: Linux 5.14. For programs that may sleep only.
    """

def kallsyms_lookup_name(name: object, name_sz: u32, flags: i32, res: object) -> i64:
    """Store the address of a kernel symbol.

    Since: Linux 5.16.
    """

def loop(
    nr_loops: u32, callback_fn: Callable[..., int], callback_ctx: object = None, flags: u64 = 0
) -> i64:
    """Call a function up to a number of times, until it returns 1; gives how often it was called.

    Since: Linux 5.17.
    """

def get_retval() -> i32:
    """Return what the system call will return, as the cgroup's earlier programs left it.

    Since: Linux 5.18.
    """

def set_retval(retval: i32) -> i64:
    """Choose what the system call will return.

    Since: Linux 5.18.
    """

def ima_file_hash(file: Ptr[kernel.file], dst: object, size: u32) -> i64:
    """Store the hash of a file's contents, computing it if needed; gives the algorithm.

    Since: Linux 5.18. For programs that may sleep only.
    """

# Packets

def skb_store_bytes(skb: object, offset: u32, from_: object, len: u32, flags: u64 = 0) -> i64:
    """Write bytes into a packet; pointers into it must be checked again.

    Since: Linux 4.1.
    """

def l3_csum_replace(skb: object, offset: u32, from_: u64, to: u64, size: u64) -> i64:
    """Correct the checksum of a network header after a field has changed.

    Since: Linux 4.1.
    """

def l4_csum_replace(skb: object, offset: u32, from_: u64, to: u64, flags: u64 = 0) -> i64:
    """Correct the checksum of a transport header after a field has changed.

    Since: Linux 4.1.
    """

def clone_redirect(skb: object, ifindex: u32, flags: u64 = 0) -> i64:
    """Send a copy of a packet to another device.

    Since: Linux 4.2.
    """

def skb_vlan_push(skb: object, vlan_proto: u16, vlan_tci: u16) -> i64:
    """Put a VLAN tag on a packet.

    Since: Linux 4.3.
    """

def skb_vlan_pop(skb: object) -> i64:
    """Take the VLAN tag off a packet.

    Since: Linux 4.3.
    """

def skb_get_tunnel_key(skb: object, key: object, size: u32, flags: u64 = 0) -> i64:
    """Store what is known of the tunnel that a packet came through.

    Since: Linux 4.3.
    """

def skb_set_tunnel_key(skb: object, key: object, size: u32, flags: u64 = 0) -> i64:
    """Choose the tunnel that a packet goes through.

    Since: Linux 4.3.
    """

def redirect(ifindex: u32, flags: u64 = 0) -> i64:
    """Send a packet to another device when the program returns; return what this returns.

    Since: Linux 4.4.
    """

def get_route_realm(skb: object) -> u32:
    """Return the realm of a packet's route, 0 if it has none.

    Since: Linux 4.4.
    """

def skb_load_bytes(skb: object, offset: u32, to: object, len: u32) -> i64:
    """Copy bytes out of a packet, whether or not they lie in one piece.

    Since: Linux 4.5.
    """

def csum_diff(from_: object, from_size: u32, to: object, to_size: u32, seed: u32) -> i64:
    """Return how a checksum changes when some bytes replace others.

    Since: Linux 4.6.
    """

def skb_get_tunnel_opt(skb: object, opt: object, size: u32) -> i64:
    """Store the options of the tunnel that a packet came through.

    Since: Linux 4.6.
    """

def skb_set_tunnel_opt(skb: object, opt: object, size: u32) -> i64:
    """Choose the options of the tunnel that a packet goes through.

    Since: Linux 4.6.
    """

def skb_change_proto(skb: object, proto: u16, flags: u64 = 0) -> i64:
    """Turn an IPv4 packet into an IPv6 one or back; the headers are for the program to fill.

    Since: Linux 4.8.
    """

def skb_change_type(skb: object, type: u32) -> i64:
    """Change whom a packet is for (``PACKET_HOST`` and so on).

    Since: Linux 4.8.
    """

def skb_under_cgroup(skb: object, map: MapDecl, index: u32) -> i64:
    """Tell whether a packet's socket is in a cgroup of a ``cgroup_array``, or below it: 1 or 0.

    Since: Linux 4.8.
    """

def get_hash_recalc(skb: object) -> u32:
    """Return a packet's flow hash, computing it if needed.

    Since: Linux 4.8.
    """

def skb_change_tail(skb: object, len: u32, flags: u64 = 0) -> i64:
    """Cut a packet or make it longer at the end.

    Since: Linux 4.9.
    """

def skb_pull_data(skb: object, len: u32) -> i64:
    """Bring the beginning of a packet into one piece, so that it can be read directly.

    Since: Linux 4.9.
    """

def csum_update(skb: object, csum: u32) -> i64:
    """Add to the checksum that the device computed of a whole packet.

    Since: Linux 4.9.
    """

def set_hash_invalid(skb: object) -> None:
    """Forget a packet's flow hash.

    Since: Linux 4.9.
    """

def skb_change_head(skb: object, len: u32, flags: u64 = 0) -> i64:
    """Make room at the front of a packet, for a link-layer header.

    Since: Linux 4.10.
    """

def xdp_adjust_head(xdp_md: object, delta: i32) -> i64:
    """Move the beginning of a frame.

    Since: Linux 4.10.
    """

def set_hash(skb: object, hash: u32) -> i64:
    """Set a packet's flow hash.

    Since: Linux 4.13.
    """

def skb_adjust_room(skb: object, len_diff: i32, mode: u32, flags: u64 = 0) -> i64:
    """Grow or shrink a packet between its headers, for encapsulation.

    Since: Linux 4.13.
    """

def redirect_map(map: MapDecl, key: u64, flags: u64 = 0) -> i64:
    """Send a frame to the entry of a map: a device, a CPU or an AF_XDP socket; return what this
    returns.

    Since: Linux 4.14.
    """

def xdp_adjust_meta(xdp_md: object, delta: i32) -> i64:
    """Move the beginning of the metadata before a frame.

    Since: Linux 4.15.
    """

def xdp_adjust_tail(xdp_md: object, delta: i32) -> i64:
    """Move the end of a frame.

    Since: Linux 4.18.
    """

def skb_get_xfrm_state(
    skb: object, index: u32, xfrm_state: object, size: u32, flags: u64 = 0
) -> i64:
    """Store an IPsec state of a packet, by its place in the packet's path.

    Since: Linux 4.18.
    """

def skb_load_bytes_relative(
    skb: object, offset: u32, to: object, len: u32, start_header: u32
) -> i64:
    """Copy bytes out of a packet, counted from its link-layer or network header.

    Since: Linux 4.18.
    """

def fib_lookup(ctx: object, params: object, plen: u32, flags: u32) -> i64:
    """Look a route and its next hop up; 0 if forwarding is possible, a ``BPF_FIB_LKUP_RET_…`` if
    not.

    Since: Linux 4.18. For GPL programs only.
    """

def lwt_push_encap(skb: object, type: u32, hdr: object, len: u32) -> i64:
    """Put an outer header around a packet.

    Since: Linux 4.18.
    """

def lwt_seg6_store_bytes(skb: object, offset: u32, from_: object, len: u32) -> i64:
    """Write into the segment routing header of a packet, where that is allowed.

    Since: Linux 4.18.
    """

def lwt_seg6_adjust_srh(skb: object, offset: u32, delta: i32) -> i64:
    """Grow or shrink the segment routing header of a packet.

    Since: Linux 4.18.
    """

def lwt_seg6_action(skb: object, action: u32, param: object, param_len: u32) -> i64:
    """Apply a segment routing action to a packet.

    Since: Linux 4.18.
    """

def skb_cgroup_id(skb: object) -> u64:
    """Return the id of the cgroup of a packet's socket.

    Since: Linux 4.18.
    """

def skb_ancestor_cgroup_id(skb: object, ancestor_level: i32) -> u64:
    """Return the id of a cgroup above that of a packet's socket, by level.

    Since: Linux 4.19.
    """

def skb_ecn_set_ce(skb: object) -> i64:
    """Mark a packet as having met congestion, if it may be marked: 1 or 0.

    Since: Linux 5.1.
    """

def csum_level(skb: object, level: u64) -> i64:
    """Ask for, change or drop the level up to which a packet's checksums are known to be right.

    Since: Linux 5.8.
    """

def skb_cgroup_classid(skb: object) -> u64:
    """Return the ``net_cls`` class of a packet's socket.

    Since: Linux 5.10.
    """

def redirect_neigh(ifindex: u32, params: object, plen: u32, flags: u64 = 0) -> i64:
    """Send a packet to another device and fill in the next hop's addresses; return what this
    returns.

    Since: Linux 5.10.
    """

def redirect_peer(ifindex: u32, flags: u64 = 0) -> i64:
    """Send a packet to the other end of a device in another network namespace; return what this
    returns.

    Since: Linux 5.10.
    """

def check_mtu(ctx: object, ifindex: u32, mtu_len: object, len_diff: i32, flags: u64 = 0) -> i64:
    """Compare a packet's size with a device's limit, and store that limit; 0 if it fits.

    Since: Linux 5.12. For GPL programs only.
    """

def xdp_get_buff_len(xdp_md: object) -> u64:
    """Return the length of a frame with all its fragments.

    Since: Linux 5.18.
    """

def xdp_load_bytes(xdp_md: object, offset: u32, buf: object, len: u32) -> i64:
    """Copy bytes out of a frame, whether or not they lie in one piece.

    Since: Linux 5.18.
    """

def xdp_store_bytes(xdp_md: object, offset: u32, buf: object, len: u32) -> i64:
    """Write bytes into a frame, whether or not they lie in one piece.

    Since: Linux 5.18.
    """

def skb_set_tstamp(skb: object, tstamp: u64, tstamp_type: u32) -> i64:
    """Set a packet's time stamp and which clock it is of.

    Since: Linux 5.18.
    """

# Sockets

def get_socket_cookie(skb: object) -> u64:
    """Return a number that names a socket for its whole life; 0 if there is none.

    Since: Linux 4.12.
    """

def get_socket_uid(skb: object) -> u32:
    """Return the user that owns a packet's socket.

    Since: Linux 4.12.
    """

def setsockopt(bpf_socket: object, level: i32, optname: i32, optval: object, optlen: u32) -> i64:
    """Set an option of a socket, as the system call does; a part of the options only.

    Since: Linux 4.13.
    """

def sk_redirect_map(skb: object, map: MapDecl, key: u32, flags: u64 = 0) -> i64:
    """Send data to a socket of a sockmap, by index; return what this returns.

    Since: Linux 4.14.
    """

def sock_map_update(skops: object, map: MapDecl, key: object, flags: u64 = 0) -> i64:
    """Put the socket of the context into a sockmap.

    Since: Linux 4.14.
    """

def getsockopt(bpf_socket: object, level: i32, optname: i32, optval: object, optlen: u32) -> i64:
    """Store an option of a socket, as the system call does; a part of the options only.

    Since: Linux 4.15.
    """

def sock_ops_cb_flags_set(bpf_sock: object, argval: i32) -> i64:
    """Choose which events of a connection call the program; gives the bits that are not known.

    Since: Linux 4.16.
    """

def msg_redirect_map(msg: object, map: MapDecl, key: u32, flags: u64 = 0) -> i64:
    """Send a message to a socket of a sockmap, by index; return what this returns.

    Since: Linux 4.17.
    """

def msg_apply_bytes(msg: object, bytes: u32) -> i64:
    """Let the verdict hold for the next bytes of the stream as well.

    Since: Linux 4.17.
    """

def msg_cork_bytes(msg: object, bytes: u32) -> i64:
    """Wait for that many bytes before the program is called again.

    Since: Linux 4.17.
    """

def msg_pull_data(msg: object, start: u32, end: u32, flags: u64 = 0) -> i64:
    """Bring a part of a message into one piece, so that it can be read directly.

    Since: Linux 4.17.
    """

def bind(ctx: object, addr: object, addr_len: u32) -> i64:
    """Bind a connecting socket to a local address.

    Since: Linux 4.17.
    """

def sock_hash_update(skops: object, map: MapDecl, key: object, flags: u64 = 0) -> i64:
    """Put the socket of the context into a sockhash.

    Since: Linux 4.18.
    """

def msg_redirect_hash(msg: object, map: MapDecl, key: object, flags: u64 = 0) -> i64:
    """Send a message to a socket of a sockhash, by key; return what this returns.

    Since: Linux 4.18.
    """

def sk_redirect_hash(skb: object, map: MapDecl, key: object, flags: u64 = 0) -> i64:
    """Send data to a socket of a sockhash, by key; return what this returns.

    Since: Linux 4.18.
    """

def sk_select_reuseport(reuse: object, map: MapDecl, key: object, flags: u64 = 0) -> i64:
    """Choose the socket of a port's group that gets a packet.

    Since: Linux 4.19.
    """

def sk_lookup_tcp(
    ctx: object, tuple: object, tuple_size: u32, netns: u64, flags: u64 = 0
) -> Ptr[kernel.bpf_sock] | None:
    """Find a TCP socket by its addresses and ports; it must be released.

    Since: Linux 4.20.
    """

def sk_lookup_udp(
    ctx: object, tuple: object, tuple_size: u32, netns: u64, flags: u64 = 0
) -> Ptr[kernel.bpf_sock] | None:
    """Find a UDP socket by its addresses and ports; it must be released.

    Since: Linux 4.20.
    """

def sk_release(sock: Ptr[Any]) -> i64:
    """Release a socket that was looked up.

    Since: Linux 4.20.
    """

def msg_push_data(msg: object, start: u32, len: u32, flags: u64 = 0) -> i64:
    """Make room in a message.

    Since: Linux 4.20.
    """

def msg_pop_data(msg: object, start: u32, len: u32, flags: u64 = 0) -> i64:
    """Cut bytes out of a message.

    Since: Linux 5.0.
    """

def sk_fullsock(sk: Ptr[Any]) -> Ptr[kernel.bpf_sock] | None:
    """Return the full socket behind one, None if it is in a short form.

    Since: Linux 5.1.
    """

def tcp_sock(sk: Ptr[Any]) -> Ptr[kernel.bpf_tcp_sock] | None:
    """Return the TCP state of a socket, None if it is no TCP socket.

    Since: Linux 5.1.
    """

def get_listener_sock(sk: Ptr[Any]) -> Ptr[kernel.bpf_sock] | None:
    """Return the listening socket that a socket came from.

    Since: Linux 5.1.
    """

def skc_lookup_tcp(
    ctx: object, tuple: object, tuple_size: u32, netns: u64, flags: u64 = 0
) -> Ptr[kernel.bpf_sock] | None:
    """Find a TCP socket in any state, by its addresses and ports; it must be released.

    Since: Linux 5.2.
    """

def tcp_check_syncookie(sk: Ptr[Any], iph: object, iph_len: u32, th: object, th_len: u32) -> i64:
    """Check that an ACK carries a SYN cookie of a listening socket.

    Since: Linux 5.2. For GPL programs only.
    """

def tcp_gen_syncookie(sk: Ptr[Any], iph: object, iph_len: u32, th: object, th_len: u32) -> i64:
    """Make a SYN cookie; the number is in the lower half, the MSS in the upper.

    Since: Linux 5.3. For GPL programs only.
    """

def tcp_send_ack(tp: Ptr[kernel.tcp_sock], rcv_nxt: u32) -> i64:
    """Send an ACK; for congestion control.

    Since: Linux 5.6.
    """

def get_netns_cookie(ctx: object) -> u64:
    """Return a number that names a network namespace; the initial one's for None.

    Since: Linux 5.7.
    """

def sk_assign(skb: object, sk: Ptr[Any], flags: u64 = 0) -> i64:
    """Choose the socket that gets a packet.

    Since: Linux 5.7.
    """

def sk_cgroup_id(sk: Ptr[Any]) -> u64:
    """Return the id of a socket's cgroup.

    Since: Linux 5.8.
    """

def sk_ancestor_cgroup_id(sk: Ptr[Any], ancestor_level: i32) -> u64:
    """Return the id of a cgroup above a socket's, by level.

    Since: Linux 5.8.
    """

def skc_to_tcp6_sock(sk: Ptr[Any]) -> Ptr[kernel.tcp6_sock] | None:
    """Return a socket as ``tcp6_sock``, None if it is something else.

    Since: Linux 5.9.
    """

def skc_to_tcp_sock(sk: Ptr[Any]) -> Ptr[kernel.tcp_sock] | None:
    """Return a socket as ``tcp_sock``, None if it is something else.

    Since: Linux 5.9.
    """

def skc_to_tcp_timewait_sock(sk: Ptr[Any]) -> Ptr[kernel.tcp_timewait_sock] | None:
    """Return a socket as ``tcp_timewait_sock``, None if it is something else.

    Since: Linux 5.9.
    """

def skc_to_tcp_request_sock(sk: Ptr[Any]) -> Ptr[kernel.tcp_request_sock] | None:
    """Return a socket as ``tcp_request_sock``, None if it is something else.

    Since: Linux 5.9.
    """

def skc_to_udp6_sock(sk: Ptr[Any]) -> Ptr[kernel.udp6_sock] | None:
    """Return a socket as ``udp6_sock``, None if it is something else.

    Since: Linux 5.9.
    """

def load_hdr_opt(skops: object, searchby_res: object, len: u32, flags: u64 = 0) -> i64:
    """Read a TCP header option.

    Since: Linux 5.10.
    """

def store_hdr_opt(skops: object, from_: object, len: u32, flags: u64 = 0) -> i64:
    """Write a TCP header option into the room reserved for it.

    Since: Linux 5.10.
    """

def reserve_hdr_opt(skops: object, len: u32, flags: u64 = 0) -> i64:
    """Reserve room for a TCP header option.

    Since: Linux 5.10.
    """

def sock_from_file(file: Ptr[kernel.file]) -> Ptr[kernel.socket] | None:
    """Return the socket behind a file, None if it is no socket.

    Since: Linux 5.11.
    """

def skc_to_unix_sock(sk: Ptr[Any]) -> Ptr[kernel.unix_sock] | None:
    """Return a socket as ``unix_sock``, None if it is something else.

    Since: Linux 5.16.
    """

def skc_to_mptcp_sock(sk: Ptr[Any]) -> Ptr[kernel.mptcp_sock] | None:
    """Return a socket as ``mptcp_sock``, None if it is something else.

    Since: Linux 5.19.
    """

def tcp_raw_gen_syncookie_ipv4(iph: object, th: object, th_len: u32) -> i64:
    """Make a SYN cookie for an IPv4 SYN without a listening socket.

    Since: Linux 6.0. For GPL programs only.
    """

def tcp_raw_gen_syncookie_ipv6(iph: object, th: object, th_len: u32) -> i64:
    """Make a SYN cookie for an IPv6 SYN without a listening socket.

    Since: Linux 6.0. For GPL programs only.
    """

def tcp_raw_check_syncookie_ipv4(iph: object, th: object) -> i64:
    """Check the SYN cookie of an IPv4 ACK without a listening socket.

    Since: Linux 6.0. For GPL programs only.
    """

def tcp_raw_check_syncookie_ipv6(iph: object, th: object) -> i64:
    """Check the SYN cookie of an IPv6 ACK without a listening socket.

    Since: Linux 6.0. For GPL programs only.
    """
