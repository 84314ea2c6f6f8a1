from pyebpf import SkBuffContext, cgroup_skb, i32


@cgroup_skb("egress")
def some(ctx: SkBuffContext) -> i32:
    if ctx.len > 100:
        return 1
