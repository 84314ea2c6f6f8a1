"""Without ring buffers, records go through perf events, which not every kind of program has."""

from pyebpf import *

WITHOUT = {"ringbuf", "helper:perf_event_output@raw_tp"}

numbers = Events[u64]()


@raw_tracepoint("sys_enter")
def probe() -> None:
    numbers.emit(1)
    print("sent")
