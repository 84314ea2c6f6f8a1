"""A struct of the program, read from its memory, and a pointer in it followed."""

from pyebpf import (
    Char,
    Hash,
    RawTracepointContext,
    chars,
    raw_tracepoint,
    read_user,
    read_user_str,
    record,
    u32,
    u64,
)


@record
class Request:
    id: u32
    size: u32
    name: u64


@record
class Named:
    size: u32
    name: Char = chars(32)


requests = Hash[u32, Named](max_entries=64)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    request = read_user(Request, ctx.args[0])
    requests[request.id] = Named(size=request.size, name=read_user_str(request.name, 32))
