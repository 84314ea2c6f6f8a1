"""What a read gives is what was asked for."""

from pyebpf import Array, RawTracepointContext, i64, raw_tracepoint, read_user, read_user_str, u32

out = Array[i64](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = read_user(u32, ctx.args[0], None) + 1  # refused: operator, reportOptionalOperand
    out[1] = read_user_str(ctx.args[0], 16)  # refused: assignment, reportArgumentType
