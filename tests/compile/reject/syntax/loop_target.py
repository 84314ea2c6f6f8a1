from pyebpf import *

cells = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    for a, b in range(3):
        print(a)
    for a, b in enumerate(range(3), 1, 2):
        print(a)
    for a in tgid():
        print(a)
    for a in cells:
        print(a)
    for a in "text":
        print(a)
