"""Structs of the kernel copied out of memory; text behind pointers; fields of other kernels."""

from pyebpf import *
from pyebpf.kernel import list_head, sockaddr_in, task_struct

out = Array[i64](max_entries=8)


@record
class Named:
    text: Char = chars(32)


names = Hash[u32, Named](max_entries=4)


@raw_tracepoint("sys_enter")
def copies(ctx: RawTracepointContext) -> None:
    address = read_user(sockaddr_in, ctx.args[0])
    if address.sin_family == 2:
        out[0] = ntohs(address.sin_port)
        print(ipv4(address.sin_addr.s_addr))
    links = read_kernel(list_head, ctx.args[1])
    out[1] = links.next == links.prev
    theirs = read_user(list_head, ctx.args[1])
    out[2] = read_user(u64, theirs.next)


@raw_tracepoint("sys_enter")
def text() -> None:
    mm = current_task().mm
    if mm is not None:
        name = mm.exe_file.f_path.dentry.d_name.name
        names[1] = Named(text=name)
        out[0] = name == "bash"
        out[1] = name in ("sh", "dash")


@raw_tracepoint("sys_enter")
def others() -> None:
    task = current_task()
    out[0] = task.__state if has_field(task_struct, "__state") else task.state
    if has_field(task_struct, "__state"):
        state = task.__state
    else:
        state = task.state
    if not has_field(task_struct, "__state"):
        out[1] = task.state
    out[2] = state
    if has_field(task_struct, "pid"):
        out[3] = task.pid
    else:
        out[3] = task.tgid
