from pyebpf import *


@record
class Point:
    x: u32
    y: u32


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    a = [1, 2, 3]
    a[3] = 1
    print(a[-4])
    b = a
    c = []
    d = [0] * ctx.args[0]
    e = [1, comm()]
    f: FixedArray[u64] = array(0)
    g: FixedArray[u64] = 5
    p = Point(x=1)
    q = p
    p.z = 1
    p.x.y = 2
    x, y = a
    a["one"] = 1
    Point(x=1).y = 2
