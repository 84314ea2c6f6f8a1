"""A socket filter may not look into a packet: what it asks for is copied out."""

from pyebpf import SkBuffContext, record, socket_filter, u8, u16, u32


@record
class Header:
    length: u8
    kind: u8


@record
class Ports:
    source: u16
    target: u16


@socket_filter
def chosen(ctx: SkBuffContext) -> u32:
    header = ctx.packet(Header)
    if header is None or header.kind != 7:
        return 0
    near = ctx.packet(Ports, 2)
    far = ctx.packet(Ports, at=header.length + ctx.mark)
    if near and far and near.source == far.target:
        return ctx.len
    return 0
