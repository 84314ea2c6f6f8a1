from pyebpf import *

verbose = Const(False, "-v")
only = Const(0, "-p")

OPTIONS = {only: 7}
out = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe() -> None:
    if only and tgid() != only:
        return
    if verbose:
        print("seen")
    out[0] += 1


@raw_tracepoint("sys_exit", when=verbose)
def never() -> None:
    out[1] += 1
