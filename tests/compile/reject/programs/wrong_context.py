from pyebpf import SkBuffContext, i32, xdp


@xdp
def mixed(ctx: SkBuffContext) -> i32:
    return 2
