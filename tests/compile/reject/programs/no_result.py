from pyebpf import XdpContext, xdp


@xdp
def forget(ctx: XdpContext) -> None:
    if ctx.rx_queue_index:
        return
