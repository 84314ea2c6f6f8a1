from pyebpf import SkBuffContext, i32, socket_filter


@socket_filter
def keep(ctx: SkBuffContext) -> i32:
    ctx.cb[0] = 1
    ctx.mark = 1
    return 0
