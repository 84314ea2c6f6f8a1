"""The argument vector of exec: pointers in user memory until NULL."""

from pyebpf import (
    Array,
    Char,
    RawTracepointContext,
    chars,
    raw_tracepoint,
    read_user,
    read_user_str,
    record,
    u64,
)


@record
class Argument:
    text: Char = chars(32)


arguments = Array[Argument](max_entries=8)
count = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    argv = ctx.args[1]
    for i in range(8):
        address = read_user(u64, argv + i * 8)
        if not address:
            break
        arguments[i] = Argument(text=read_user_str(address, 32))
        count[0] += 1
