from pyebpf import *


@record
class Point:
    x: i32
    y: i64


points = Hash[Point, Point](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    found = points.get(Point(x=1))
    if found is not None:
        found.x = 4
        found.y += 5
        points[found] = found
