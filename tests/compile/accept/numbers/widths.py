from pyebpf import *

out = Array[i64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    small: u8 = ctx.args[0]
    out[0] = small * 300
    out[1] = small - 300
    out[2] = small // 7
    out[3] = (small - 300) // 7
    out[4] = (small - 300) % 7
    out[5] = small << 3
