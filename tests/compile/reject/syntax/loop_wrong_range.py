from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    for n in range(0, 10, 0):
        print(n)
    for n in range(0, 10, tgid()):
        print(n)
    for n in range():
        print(n)
    for n in range(stop=3):
        print(n)
    for n in range(comm()):
        print(n)
    for n in zip():
        print(n)
    for n in reversed(range(3), 2):
        print(n)
