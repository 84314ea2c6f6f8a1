"""Look at some percent of the events, by chance."""

from pyebpf import Array, Const, get_prandom_u32, raw_tracepoint, u64

percent = Const(10, "--percent", help="how many of 100 events")
looked = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe() -> None:
    looked[1] += 1
    if get_prandom_u32() % 100 < percent:
        looked[0] += 1
