from pyebpf import *


@record
class Point:
    x: u32
    y: u32


points = Hash[u32, Point](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    pair = (tgid(), 3)
    match pair:
        case (first, *rest):
            print(first)
    match tgid():
        case {"a": 1}:
            print("a")
    match tgid():
        case True:
            print("b")
    match tgid():
        case (1 as n) | (2 as n):
            print("c")
    match tgid():
        case (1, 2):
            print("d")
    point = points.get(1)
    if point is None:
        return
    match point:
        case Point(1, 2):
            print("e")
    match point:
        case Point(z=1):
            print("f")
    match point:
        case int():
            print("g")
