"""Twenty programs in Python; ``programs.bpf.c`` has the same in C, written as C programmers do."""

from __future__ import annotations

from pyebpf import (
    Array,
    Char,
    Events,
    Hash,
    LinearHist,
    Log2Hist,
    RawTracepointContext,
    chars,
    comm,
    current_task,
    i32,
    i64,
    ktime_get_ns,
    raw_tracepoint,
    record,
    tgid,
    tid,
    u16,
    u32,
    u64,
)


@record
class Stats:
    count: u64
    total: u64
    least: u64
    greatest: u64


@record
class Call:
    time: u64
    pid: u32
    ret: i32
    comm: Char = chars(16)


LIMITS = (10, 100, 1_000, 10_000)
cells = Array[u64](max_entries=64)
sums = Array[u16](max_entries=1)
counts = Hash[u32, u64](max_entries=1_024)
pairs = Hash[tuple[u32, u32], u64](max_entries=1_024)
began = Hash[u32, u64](max_entries=1_024)
began_too = Hash[u32, u64](max_entries=1_024)
errors = Hash[i32, u64](max_entries=1_024)
stats = Hash[u32, Stats](max_entries=1_024)
latency = Log2Hist(unit="ns")
sizes = Log2Hist()
steps = LinearHist(slots=16, step=10)
emitted = Events[Call](pages=8_192)
reserved = Events[Call](pages=8_192)


@raw_tracepoint("sys_enter")
def q01_count() -> None:
    cells[0] += 1


@raw_tracepoint("sys_enter")
def q02_by_process() -> None:
    counts[tgid()] += 1


@raw_tracepoint("sys_enter")
def q03_by_pair(ctx: RawTracepointContext) -> None:
    pairs[ctx.args[0], ctx.args[1]] += 1


@raw_tracepoint("sys_enter")
def q04_begin() -> None:
    began[tid()] = ktime_get_ns()


@raw_tracepoint("sys_enter")
def q05_begin_and_end() -> None:
    began_too[tid()] = ktime_get_ns()
    start = began_too.pop(tid())
    if start is not None:
        latency.add(ktime_get_ns() - start)


@raw_tracepoint("sys_enter")
def q06_log2(ctx: RawTracepointContext) -> None:
    sizes.add(ctx.args[0])


@raw_tracepoint("sys_enter")
def q07_linear(ctx: RawTracepointContext) -> None:
    steps.add(ctx.args[0])


@raw_tracepoint("sys_enter")
def q08_filter() -> None:
    if tgid() == 1:
        return
    cells[1] += 1


@raw_tracepoint("sys_enter")
def q09_errors(ctx: RawTracepointContext) -> None:
    ret: i64 = ctx.args[1]
    if -4096 < ret < 0:
        errors[-ret] += 1


@raw_tracepoint("sys_enter")
def q10_record(ctx: RawTracepointContext) -> None:
    size = ctx.args[1]
    entry = stats.get(tgid())
    if entry is None:
        stats[tgid()] = Stats(count=1, total=size, least=size, greatest=size)
        return
    entry.count += 1
    entry.total += size
    entry.least = min(entry.least, size)
    entry.greatest = max(entry.greatest, size)


@raw_tracepoint("sys_enter")
def q11_emit(ctx: RawTracepointContext) -> None:
    emitted.emit(Call(time=ktime_get_ns(), pid=tgid(), ret=ctx.args[1]))


@raw_tracepoint("sys_enter")
def q12_reserve(ctx: RawTracepointContext) -> None:
    with reserved.reserve() as event:
        event.time = ktime_get_ns()
        event.pid = tgid()
        event.ret = ctx.args[1]
        event.comm = comm()


@raw_tracepoint("sys_enter")
def q13_by_name() -> None:
    if comm() == "no such name":
        return
    cells[2] += 1


@raw_tracepoint("sys_enter")
def q14_popcount(ctx: RawTracepointContext) -> None:
    rest, count = ctx.args[0], 0
    for _ in range(64):
        if rest == 0:
            break
        rest &= rest - 1
        count += 1
    cells[3] = count


@raw_tracepoint("sys_enter")
def q15_bits(ctx: RawTracepointContext) -> None:
    flags = ctx.args[0]
    for bit in range(8):
        if flags & (1 << bit):
            cells[8 + bit] += 1


@raw_tracepoint("sys_enter")
def q16_fnv(ctx: RawTracepointContext) -> None:
    value = ctx.args[0]
    result: u32 = 0x811C9DC5
    for i in range(8):
        result = (result ^ (value >> 8 * i & 0xFF)) * 0x01000193
    cells[16 + result % 16] += 1


@raw_tracepoint("sys_enter")
def q17_match(ctx: RawTracepointContext) -> None:
    match ctx.args[1]:
        case 0 | 17 | 19:
            group = 32
        case 1 | 18 | 20:
            group = 33
        case nr if nr >= 1_000:
            group = 34
        case _:
            group = 35
    cells[group] += 1


@raw_tracepoint("sys_enter")
def q18_checksum(ctx: RawTracepointContext) -> None:
    a, b = ctx.args[0], ctx.args[1]
    total = 0
    for shift in range(0, 64, 16):
        total += (a >> shift & 0xFFFF) + (b >> shift & 0xFFFF)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    sums[0] = ~total


@raw_tracepoint("sys_enter")
def q19_thresholds(ctx: RawTracepointContext) -> None:
    for i, limit in enumerate(LIMITS):
        if ctx.args[1] < limit:
            cells[40 + i] += 1
            break
    else:
        cells[44] += 1


@raw_tracepoint("sys_enter")
def q20_parent() -> None:
    cells[5] = current_task().real_parent.tgid
