"""Timers in map values: started, moved, cancelled, and starting themselves again."""

from pyebpf import Array, Global, Hash, Timer, record, tid, tp_btf, u32, u64


@record
class Later:
    value: u64
    timer: Timer


@record
class Beat:
    timer: Timer
    left: u32


later = Hash[u32, Later](max_entries=64)
beats = Array[Beat](max_entries=1)
total = Global[u64](0)


def expired(key: u32, entry: Later) -> None:
    total.value += entry.value + key
    del later[key]


def beat(number: u32, entry: Beat) -> None:
    total.value += 1
    if entry.left == 0:
        return
    entry.left -= 1
    entry.timer.start(1_000 // (entry.left + 1), beat)


@tp_btf("sys_enter")
def begin() -> None:
    later[tid()] = Later(value=5)
    entry = later.get(tid())
    if entry is not None and entry.timer.start(1_000_000, expired) < 0:
        del later[tid()]
    beats[0].left = 3
    beats[0].timer.start(1_000, beat)


@tp_btf("sys_exit")
def end() -> None:
    entry = later.get(tid())
    if entry is not None and entry.timer.cancel():
        total.value += 100
