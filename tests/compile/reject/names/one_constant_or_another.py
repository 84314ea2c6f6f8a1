from pyebpf import *

name = "outside"


@tp_btf("sched_switch")
def probe(preempt: bool) -> None:
    for name in ("sh", "bash"):
        if comm() == name:
            break
    print(name)
    if preempt:
        for which in ("a", "b"):
            print(which)
    print(which)
    for number in range(tgid()):
        print(which)
        for which in ("c", "d"):
            print(which, number)
