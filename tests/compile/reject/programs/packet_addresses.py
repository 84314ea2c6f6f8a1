from pyebpf import XdpContext, i32, xdp


@xdp
def length(ctx: XdpContext) -> i32:
    return ctx.data_end - ctx.data
