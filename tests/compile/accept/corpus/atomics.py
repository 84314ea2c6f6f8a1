from pyebpf import *

pid = Global[u32](0)
added64, added32 = Global[u64](1), Global[u32](1)
masked64, masked32 = Global[u64](0x110 << 32), Global[u32](0x110)
compared, exchanged = Global[u64](1), Global[u64](1)
results = Array[u64](max_entries=16)


@raw_tracepoint("sys_enter")
def add() -> None:
    if pid.value == tgid():
        results[0] = added64.fetch_add(2)
        results[1] = added32.fetch_add(2)
        added64.value -= 2


@raw_tracepoint("sys_enter")
def bits() -> None:
    if pid.value == tgid():
        results[2] = masked64.fetch_and(0x011 << 32)
        results[3] = masked32.fetch_or(0x011)
        results[4] = masked64.fetch_xor(0x011 << 32)


@raw_tracepoint("sys_enter")
def swap() -> None:
    if pid.value == tgid():
        results[5] = compared.compare_exchange(0, 3)
        results[6] = compared.compare_exchange(1, 2)
        results[7] = exchanged.exchange(2)
