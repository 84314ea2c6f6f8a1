from pyebpf import *


@tp_btf("sched_switch")
def probe() -> None:
    for i in range(tgid()):
        last = i
    print(last)
    while tgid():
        first = 1
        break
    print(first)
    for i in range(3):
        if i == tgid():
            continue
        other = 1
    print(other)
