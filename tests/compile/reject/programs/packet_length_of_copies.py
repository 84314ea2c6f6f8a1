from pyebpf import SkBuffContext, socket_filter, u32


@socket_filter
def length(ctx: SkBuffContext) -> u32:
    return ctx.packet_length()
