from pyebpf import *


@record
class Command:
    kind: u32
    number: u64


commands = UserEvents[Command](pages=1)
numbers = UserEvents[u32](pages=1)
events = Events[Command](pages=1)
out = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe() -> None:
    total = 0
    for command in commands:
        command.number += 1
        total += command.number
        if command.kind == 9:
            break
    out[0] = total
    for number in numbers:
        out[1] += number
    with events.reserve() as event:
        event.kind = tgid()
        if event.kind == 1:
            events.discard(event)
            return
        if event.kind == 2:
            events.discard(event)
        event.number = 5
