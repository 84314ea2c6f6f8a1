from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(sum())
    print(sum(range(3), stop=2))
    print(any(tgid()))
    print(max(x for x in comm()))
    print(min((), default=3), max(()))
    print(divmod(1))
