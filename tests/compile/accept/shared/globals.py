from pyebpf import *


@record
class State:
    level: i32
    name: Char = chars(16)


total = Global[u64](7)
ready = Global[bool](True)
state = Global[State]({"level": -1, "name": "first"})


@raw_tracepoint("sys_enter")
def probe() -> None:
    if ready.value:
        total.value += 1
        ready.value = total.value < 100
    state.value.level -= 2
    state.value.name = comm()
    total.exchange(state.value.level)
