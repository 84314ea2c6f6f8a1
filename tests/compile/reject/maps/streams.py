"""What a reserved record and a stream from user space refuse."""

from pyebpf import *


@record
class Sent:
    number: u64


events = Events[Sent](pages=1)
commands = UserEvents[Sent](pages=1)
out = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    events.discard(Sent())
    with events.reserve() as event:
        events.discard(event.number)
        events.discard()
    commands.push(Sent())
    for command in commands.items():
        out[0] = 1
    for key in reversed(commands):
        out[0] = 1
