from pyebpf import SkBuffContext, i32, tc


@tc
def misspelt(ctx: SkBuffContext) -> i32:
    return ctx.marc
