from pyebpf import *
from pyebpf.kernel import bpf_map_type, list_head, task_struct

out = Array[i64](max_entries=16)
tasks = Hash[u32, Ptr[task_struct]](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    task = current_task()
    tasks[1] = task
    found = tasks.get(1)
    if found is not None:
        out[0] = found.real_parent.tgid
        out[1] = found == task
    child = container_of(task.children.next, task_struct, "sibling")
    out[2] = child.pid
    out[3] = cast(Ptr[list_head], child.sibling.prev) == addressof(task.children)
    out[4] = read_kernel(u32, addressof(task.se)) + cast(u16, ctx.args[0]) + cast(i8, 200)
    out[5] = offsetof(task_struct, "signal") + offsetof(task_struct, "comm[3]")
    out[6] = bpf_map_type.BPF_MAP_TYPE_HASH
    out[7] = cast(Ptr[u64], ctx.args[1])[3] + cast(Ptr[task_struct], ctx.args[1]).pid
    out[7] += cast(Ptr[task_struct], cast(u32, ctx.args[2])).pid
    print(read_kernel_str(task.mm.exe_file.f_path.dentry.d_name.name, 32))
