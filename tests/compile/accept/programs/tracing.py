"""Programs at functions: their arguments, their results, what iterators visit."""

from pyebpf import (
    Char,
    IterContext,
    chars,
    record,
    u32,
    Hash,
    Ptr,
    fentry,
    fexit,
    fmod_ret,
    i32,
    i64,
    iter,
    lsm,
    u64,
)
from pyebpf.kernel import bpf_iter_meta, dentry, file, inode, task_struct

counts = Hash[u64, u64](max_entries=64)


@fentry("vfs_read")
def begins(file: Ptr[file], buffer: u64, count: u64) -> None:
    counts[file.f_inode.i_ino] = count


@fexit("vfs_read")
def ends(file: Ptr[file], ret: i64) -> None:
    if ret > 0:
        counts[0] += ret


@fexit("vfs_read", sleepable=True)
def sleeps(ret: i64) -> None:
    counts[1] += ret


@fmod_ret("security_inode_getattr")
def hidden(ret: i32) -> i32:
    return -13 if counts.get(3) else ret


@lsm("file_open")
def refuses(file: Ptr[file], ret: i32) -> i32:
    if ret:
        return ret
    return -1 if file.f_inode.i_ino == 7 else 0


@lsm("inode_unlink", sleepable=True)
def keeps(directory: Ptr[inode], entry: Ptr[dentry]) -> i32:
    node = entry.d_inode
    if node is not None:
        return -1 if node.i_size else 0
    return 0


@iter("task")
def visit(meta: Ptr[bpf_iter_meta], task: Ptr[task_struct] | None) -> None:
    if task is not None:
        counts[task.pid] = meta.seq_num


@record
class Row:
    pid: u32
    name: Char = chars(16)


@iter("task")
def rows(ctx: IterContext, task: Ptr[task_struct] | None) -> None:
    if task is not None and ctx.seq_num < 1_000:
        ctx.emit(Row(pid=task.pid, name=task.comm))
