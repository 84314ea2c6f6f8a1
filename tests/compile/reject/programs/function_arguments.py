from pyebpf import KprobeContext, Ptr, fentry, fexit, i64, kprobe, kretprobe, u64
from pyebpf.kernel import file, inode


@fentry("vfs_read")
def other_type(file: Ptr[inode]) -> None:
    pass


@fentry("vfs_read")
def too_many(file: Ptr[file], buffer: u64, count: u64, position: u64, more: u64) -> None:
    pass


@fexit("vfs_reed")
def unknown(ret: i64) -> None:
    pass


@kretprobe("vfs_read")
def no_arguments(ctx: KprobeContext, file: Ptr[file]) -> None:
    pass


@kprobe("vfs_read")
def register(ctx: KprobeContext) -> None:
    print(ctx.eax)
