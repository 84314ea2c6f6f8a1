from pyebpf import SkBuffContext, i32, tc, u16


@tc
def port(ctx: SkBuffContext) -> i32:
    word = ctx.packet(u16, 34)
    return 0
