from pyebpf import SkBuffContext, i32, record, tc, u16


@record
class Ports:
    source: u16
    target: u16


@tc
def ports(ctx: SkBuffContext) -> i32:
    return ctx.packet(Ports, 34).target
