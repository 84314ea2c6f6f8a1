from pyebpf import *

numbers = Events[u64](pages=1)
pairs = Events[tuple[u32, u32]](pages=1)


@raw_tracepoint("sys_enter")
def probe() -> None:
    with numbers.reserve() as number:
        print(number)
    with pairs.reserve() as pair:
        print(pair)
    numbers.emit((1, 2))
    pairs.emit(1)
    print(f"{(1, tgid()):>5}")
