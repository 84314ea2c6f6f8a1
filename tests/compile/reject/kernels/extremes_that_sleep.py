from pyebpf import *

WITHOUT = ("atomics",)
worst = Max(unit="us")
sizes = Stats[u32](unit="bytes")
calls = Count()


@fentry("vfs_read", sleepable=True)
def read() -> None:
    worst.add(5)
    calls.add()
    sizes.add(1, 2)
