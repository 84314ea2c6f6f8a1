from pyebpf import *
from pyebpf.kernel import sockaddr_in


@record
class Point:
    x: i32
    y: i64
    name: Char = chars(16)


@record
class Node:
    value: u32
    next: UserPtr


out = Array[i64](max_entries=16)
points = Hash[u32, Point](max_entries=16)
addresses = Hash[u32, UserPtr[Point]](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    a = ctx.args[0]
    out[0] = read_user(u32, a) + read_user(bool, a + 4)
    point = read_user(Point, a)
    out[1] = point.x + point.y
    points[1] = point
    points[2] = Point(x=1, name=read_user_str(a, 16))
    x, y = read_user(tuple[i32, i64], a)
    out[2] = x * 2 + y
    q = cast(UserPtr[Point], a)
    points[3] = Point(x=q.x, name=q.name)
    addresses[1] = q
    found = addresses.get(2)
    if found is not None:
        out[3] = found.y
    if (v := read_user(u32, 16, None)) is not None:
        out[4] = v
    node = cast(UserPtr[Node], ctx.args[1])
    out[5] = cast(UserPtr[Node], node.next).value
    out[6] = cast(UserPtr[sockaddr_in], a).sin_port
    out[7] = cast(UserPtr[u32], a)[ctx.args[2]]
    print(read_user_str(a, 32))
