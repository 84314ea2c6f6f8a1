from pyebpf import *
from pyebpf import helpers


@record
class Sum:
    n: u64
    last: u32


monday = Hash[u32, u64](max_entries=64)
tuesday = Hash[u32, u64](max_entries=64)
days = ArrayOfMaps(Hash[u32, u64](max_entries=64), (monday, tuesday), max_entries=7)
users = HashOfMaps(Array[Sum](max_entries=4, inner_map=True), key=u32, max_entries=16)
out = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe() -> None:
    day = days.get(tgid() % 7)
    if day is not None:
        day[tgid()] += 1
        out[0] = day.get(3, 0)
        if 4 not in day:
            day[4] = day.setdefault(5, 55)
        del day[6]
        if (gone := day.pop(7)) is not None:
            out[1] = gone
        out[2] = helpers.map_delete_elem(day, 8)
    monday[1] = 1
    if (sums := users.get(uid())) is not None:
        sums[0] = Sum(n=1)
        one = sums.get(1)
        if one is not None:
            one.n += 1
