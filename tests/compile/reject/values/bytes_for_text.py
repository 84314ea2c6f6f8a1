from pyebpf import *

NAMES = (b"sh", b"bash")


@tp_btf("sched_switch")
def probe() -> None:
    if comm() == b"sh":
        print(1)
    if comm() in NAMES:
        print(2)
    if comm().startswith(NAMES):
        print(3)
