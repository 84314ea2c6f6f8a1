from pyebpf import SkBuffContext, helpers, i32, record, tc, u16, u32


@record
class Tuple4:
    source: u32
    target: u32
    source_port: u16
    target_port: u16


@tc
def leaks(ctx: SkBuffContext) -> i32:
    found = helpers.sk_lookup_tcp(ctx, Tuple4(target_port=80), 12, -1, 0)
    return 0 if found is None else 1
