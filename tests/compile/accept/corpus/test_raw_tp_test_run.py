from pyebpf import *

count = Global[u32](0)
on_cpu = Global[u32](0xFFFFFFFF)


@raw_tracepoint("task_rename")
def rename(ctx: RawTracepointContext) -> None:
    count.value += 1
    if ctx.args[0] == 0x1234 and ctx.args[1] == 0x5678:
        on_cpu.value = cpu()
