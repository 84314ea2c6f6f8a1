from pyebpf import *


@record
class Wide:
    number: u64
    text: Char = chars(600)


rows = Hash[u32, Wide](max_entries=4)


@noinline
def keep(number: u64) -> u64:
    rows[1] = Wide(number=number)
    return number


@raw_tracepoint("sys_enter")
def enter(ctx: RawTracepointContext) -> None:
    keep(ctx.args[0])


@raw_tracepoint("sys_exit")
def leave(ctx: RawTracepointContext) -> None:
    keep(ctx.args[1])
