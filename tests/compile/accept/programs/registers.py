"""Programs that get registers: kprobes, uprobes, perf events."""

from pyebpf import (
    Hash,
    KprobeContext,
    PerfEventContext,
    Ptr,
    UprobeContext,
    UserPtr,
    attach_cookie,
    i32,
    i64,
    kprobe,
    kretprobe,
    kretsyscall,
    ksyscall,
    perf_event,
    read_user_str,
    u8,
    u32,
    u64,
    uprobe,
    uretprobe,
)
from pyebpf.kernel import file

counts = Hash[u64, u64](max_entries=64)


@kprobe("vfs_read")
def reads(ctx: KprobeContext, file: Ptr[file], buffer: u64, count: u64) -> None:
    counts[ctx.ip] = count + file.f_inode.i_ino


@kprobe("vfs_read+0x4")
def inside(ctx: KprobeContext) -> None:
    counts[ctx.sp] = ctx.ax


@kretprobe("vfs_read")
def gave(ctx: KprobeContext, ret: i64) -> None:
    if ret >= 0:
        counts[0] += ret


@uprobe("c", "getenv", pid=1)
def asks(ctx: UprobeContext, name: UserPtr[u8], big: i32) -> None:
    if read_user_str(name, 16) == "HOME":
        counts[1] += big


@uprobe("/bin/true", offset=0x1000, sleepable=True)
def here(ctx: UprobeContext) -> None:
    counts[2] = ctx.di


@uretprobe("c", "getenv")
def answered(ctx: UprobeContext, ret: u32) -> None:
    counts[3] = ret


@perf_event(freq_hz=49)
def sample(ctx: PerfEventContext) -> None:
    counts[ctx.ip] += ctx.sample_period


@kprobe("tcp_*")
def many(ctx: KprobeContext, first: u64) -> None:
    counts[first] += 1


@kretprobe("tcp_*")
def many_ends(ctx: KprobeContext, ret: i64) -> None:
    counts[5] += ret


@kprobe("vfs_*", session=True)
def both(ctx: KprobeContext) -> i32:
    return 1 if ctx.ax else 0


@uprobe("c", "get*", pid=1)
def gets(ctx: UprobeContext, first: u64) -> None:
    counts[6] += first


@ksyscall("openat")
def opens(ctx: KprobeContext, folder: i32, path: UserPtr[u8], flags: i32, mode: u32) -> None:
    if read_user_str(path, 8) == "/dev":
        counts[flags & 0xFFFF] = 1
    counts[mode & 0xFF] += folder < 0


@kretsyscall("openat")
def opened(ctx: KprobeContext, ret: i64) -> None:
    if ret < 0:
        counts[attach_cookie()] += 1


@kprobe("nf_conntrack:nf_ct_delete")
def in_module(ctx: KprobeContext, entry: u64) -> None:
    counts[entry] = 1
