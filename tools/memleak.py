"""Find memory that is not given back: allocations without a release, summed up by their stacks.

Of a process (-p, -c), of all that use a library (-O), or without these of the kernel. What one
function of an allocator gets by calling another is one allocation, the caller's; a block that
realloc() cannot enlarge stays; a place that is allocated again was freed, seen or not.

Output:   at each interval the stacks with the most outstanding bytes, the largest last. Memory that
          is younger than half a second (-o) is not in it: most of that is about to be freed.
Cost:     two probes and a stack for each allocation, a probe for each release: microseconds each,
          so an allocator that is busy becomes several times as slow. -z, -Z and -s save the stacks.
          A table of 1,000,000 allocations has 100 MB, and less by --max-allocations.
Needs:    Linux 4.17, for the kernel's memory 4.19 or so; user stacks need frame pointers.
Source:   behaviour after BCC's memleak (Sasha Goldshtein, 2016); written from scratch. Sums of the
          kernel have pages that hold smaller objects twice, as pages and as objects, as there. Of
          memory that is unmapped in parts, the first part counts for the whole.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pyebpf import (
    Alternatives,
    Const,
    Hash,
    PerCpuArray,
    Probe,
    Session,
    TracepointContext,
    UprobeContext,
    comm,
    first_of,
    i32,
    i64,
    ktime_get_ns,
    read_user,
    record,
    rows,
    tgid,
    tid,
    tracepoint,
    u32,
    u64,
    uprobe,
    uretprobe,
)
from pyebpf.cli import OutstandingLayout, Tool, positive, whole
from pyebpf.lib.stacks import described, remember, stacks, storage

__all__ = ["storage", "tool"]  # options of the tool


def order(text: str) -> str:
    """Return what to sort by."""
    if text not in ("size", "count"):
        raise ValueError(f"{text!r}: it can be size or count")
    return text


only_pid = Const(0, "-p", "--pid", help="trace this process; by default, the kernel")
trace = Const(False, "-t", "--trace", help="print each allocation and each release too")
show_allocs = Const(False, "-a", "--show-allocs", help="show addresses and sizes too")
older_ms = Const(
    500, "-o", "--older", help="only what is older, 500 by default", metavar="MS", convert=whole
)
combined_only = Const(False, "--combined-only", help="keep sums only: any age, cheaper reports")
missing_free = Const(
    False, "--wa-missing-free", help="does nothing: what is allocated again always was freed"
)
sample_rate = Const(
    1, "-s", "--sample-rate", help="look at each Nth allocation only", metavar="N", convert=positive
)
top = Const(10, "-T", "--top", help="how many stacks to show, 10 by default", convert=positive)
min_size = Const(0, "-z", "--min-size", help="only allocations of so many bytes at least")
max_size = Const(0, "-Z", "--max-size", help="only allocations of so many bytes at most")
binary = Const("", "-O", "--obj", help="the allocator: a path, or c by default", metavar="OBJECT")
percpu = Const(False, "--percpu", help="trace the kernel's memory for each CPU")
sort = Const("size", "--sort", help="by size, or by count", metavar="KEY", convert=order)
prefix = Const("", "--symbols-prefix", help="the allocator's functions begin with this")
room = Const(1_000_000, "--max-allocations", help="how many there is room for", convert=positive)
page_bytes = Const(os.sysconf("SC_PAGE_SIZE"))
#: What mmap() returns when it fails, and the number of a page that there is not.
NOWHERE = 0xFFFF_FFFF_FFFF_FFFF


@record
class Place:
    """Where memory is; of the kernel, the process is 0, and of pages it is their number."""

    pid: u32
    address: u64


@record
class Allocation:
    """Memory that is in use."""

    size: u64
    ts_ns: u64
    stack: i64


@record
class Call:
    """A function of an allocator, until it returns.

    ``out`` is where it puts the address, if it does not return it; ``old`` is the place that it
    moves, whose allocation is ``was``.
    """

    sp: u64
    size: u64
    out: u64
    old: u64
    was: Allocation


@record
class Origin:
    """Who allocates, and where."""

    pid: u32
    stack: i64


@record
class Sum:
    """What of that is in use."""

    size: u64
    count: i64


calls = Hash[u32, Call](max_entries=10_240)
allocations = Hash[Place, Allocation](max_entries=room)
sums = Hash[Origin, Sum](max_entries=16_384)
turns = PerCpuArray[u64](max_entries=1)


def is_inside(ctx: UprobeContext) -> bool:
    """Tell whether an allocator calls its own functions: their frames are below its own.

    What never returned, as after a longjmp(), is above, and forgotten.
    """
    call = calls.get(tid())
    return call is not None and ctx.sp < call.sp


def begins(ctx: UprobeContext, size: u64, out: u64, old: u64) -> None:
    """Note a call. What it moves is free from here on: others may get its place."""
    if is_inside(ctx):
        return
    call = Call(sp=ctx.sp, size=size, out=out)  # type: ignore[call-arg] # what is left out is 0
    if old:
        was = allocations.pop(Place(pid=tgid(), address=old))
        if was is not None:
            call.old, call.was = old, was
    calls[tid()] = call


def ends(ctx: UprobeContext, result: u64, is_status: bool) -> None:
    """Note what it gave."""
    if is_inside(ctx):
        return
    call = calls.pop(tid())
    if call is None:
        return
    address = result
    if is_status:
        address = 0 if result else read_user(u64, call.out)
    if address in (0, NOWHERE):
        if call.old and call.size:  # it failed, and the old place stays
            allocations[Place(pid=tgid(), address=call.old)] = call.was
        elif call.old:
            forget(tgid(), call.old, call.was.size, call.was.stack)
        return
    if call.old:
        forget(tgid(), call.old, call.was.size, call.was.stack)
    if is_wanted(call.size):
        keep(tgid(), address, call.size, stacks.user())


def is_wanted(size: u64) -> bool:
    """Tell whether an allocation is one of those to look at."""
    if size < min_size or (max_size and size > max_size):
        return False
    if sample_rate > 1:
        turns[0] += 1
        return turns[0] % sample_rate == 0
    return True


def keep(pid: u32, address: u64, size: u64, stack: i64) -> None:
    """Count an allocation in."""
    if combined_only:
        releases(pid, address)
        zero = Sum(size=0, count=0)
        entry = sums.setdefault(Origin(pid=pid, stack=stack), zero)
        entry.size += size
        entry.count += 1
    allocations[Place(pid=pid, address=address)] = Allocation(
        size=size, ts_ns=ktime_get_ns(), stack=stack
    )
    if trace:
        print(f"{comm()} {tgid()} alloc {size} bytes at {address:#x}")


def releases(pid: u32, address: u64) -> None:
    """Take out what is at a place, if anything."""
    was = allocations.pop(Place(pid=pid, address=address))
    if was is not None:
        forget(pid, address, was.size, was.stack)


def forget(pid: u32, address: u64, size: u64, stack: i64) -> None:
    """Count an allocation out."""
    if combined_only:
        entry = sums.get(Origin(pid=pid, stack=stack))
        if entry is not None:
            entry.size -= size
            entry.count -= 1
    if trace:
        print(f"{comm()} {tgid()} free {size} bytes at {address:#x}")


def by_size(ctx: UprobeContext, size: u64) -> None:
    """malloc(size) and its like."""
    begins(ctx, size, 0, 0)


def by_count(ctx: UprobeContext, count: u64, size: u64) -> None:
    """calloc(count, size)."""
    begins(ctx, count * size, 0, 0)


def by_second(ctx: UprobeContext, _: u64, size: u64) -> None:
    """memalign(alignment, size), mmap(address, size, ...) and their like."""
    begins(ctx, size, 0, 0)


def by_third(ctx: UprobeContext, out: u64, alignment: u64, size: u64) -> None:
    """posix_memalign(&place, alignment, size)."""
    begins(ctx, size, out, 0)


def by_place(ctx: UprobeContext, old: u64, size: u64) -> None:
    """realloc(place, size)."""
    begins(ctx, size, 0, old)


def gives(ctx: UprobeContext, ret: u64) -> None:
    """The result is the place."""
    ends(ctx, ret, False)


def gives_status(ctx: UprobeContext, ret: i32) -> None:
    """The result is an error number."""
    ends(ctx, ret != 0, True)


def frees(ctx: UprobeContext, address: u64) -> None:
    """free(place), munmap(place, size)."""
    releases(tgid(), address)


#: What an allocator may have: what runs where a function begins, and where it returns.
FUNCTIONS: dict[str, tuple[Callable[..., None], Callable[..., None] | None]] = {
    "malloc": (by_size, gives),
    "calloc": (by_count, gives),
    "realloc": (by_place, gives),
    "mmap": (by_second, gives),
    "posix_memalign": (by_third, gives_status),
    "valloc": (by_size, gives),
    "memalign": (by_second, gives),
    "pvalloc": (by_size, gives),
    "aligned_alloc": (by_second, gives),
    "free": (frees, None),
    "munmap": (frees, None),
}
#: What every allocator has.
REQUIRED = ("malloc", "free")


def of_allocator(options: Any) -> Iterator[Alternatives]:
    """Yield the probes in an allocator; what it does not have is done without."""
    for name, (begin, end) in FUNCTIONS.items():
        at = (options.option(binary) or "c", options.option(prefix) + name)
        pid = options.option(only_pid)
        way: tuple[Probe, ...] = (uprobe(*at, pid=pid)(begin),)
        way += (uretprobe(*at, pid=pid)(end),) if end is not None else ()
        yield first_of(way, name=name, optional=name not in REQUIRED)


def kernel_alloc(ctx: TracepointContext) -> None:
    """Memory for an object of the kernel."""
    if is_wanted(ctx.bytes_alloc):
        keep(0, ctx.ptr, ctx.bytes_alloc, stacks.kernel())


def kernel_free(ctx: TracepointContext) -> None:
    """An object is given back."""
    releases(0, ctx.ptr)


def page_alloc(ctx: TracepointContext) -> None:
    """Pages of the kernel; there is no number of what it did not get."""
    size = page_bytes << (ctx.order & 31)
    if ctx.pfn != NOWHERE and is_wanted(size):
        keep(0, ctx.pfn, size, stacks.kernel())


def page_free(ctx: TracepointContext) -> None:
    """Pages are given back."""
    releases(0, ctx.pfn)


def percpu_alloc(ctx: TracepointContext) -> None:
    """Memory that each CPU has, of this size."""
    if is_wanted(ctx.size):
        keep(0, ctx.ptr, ctx.size, stacks.kernel())


#: Where the kernel allocates. Those for nodes are gone since Linux kernel commit 11e9734bcb6a
#: ("mm/slab_common: unify NUMA and UMA version of tracepoints") (in v6.1).
OBJECTS = {
    "kmem:kmalloc": kernel_alloc,
    "kmem:kmalloc_node": kernel_alloc,
    "kmem:kmem_cache_alloc": kernel_alloc,
    "kmem:kmem_cache_alloc_node": kernel_alloc,
    "kmem:kfree": kernel_free,
    "kmem:kmem_cache_free": kernel_free,
    "kmem:mm_page_alloc": page_alloc,
    "kmem:mm_page_free": page_free,
}
PERCPU = {
    "percpu:percpu_alloc_percpu": percpu_alloc,
    "percpu:percpu_free_percpu": kernel_free,
}


def of_kernel(options: Any) -> Iterator[Alternatives]:
    """Yield the probes in the kernel."""
    for name, function in (PERCPU if options.option(percpu) else OBJECTS).items():
        probe = tracepoint(name)(function)
        yield first_of(probe, name=name.rpartition(":")[2], optional=name.endswith("_node"))


def probes(options: Any) -> Iterable[Alternatives]:
    """Make the probes that the options ask for."""
    is_user = options.option(only_pid) or options.option(binary)
    return [*(of_allocator(options) if is_user else of_kernel(options))]


def report(session: Session) -> list[dict[str, Any]]:
    """Name the stacks with the most outstanding memory, the most first."""
    found = combined(session) if session.option(combined_only) else aged(session)
    key = "bytes" if session.option(sort) == "size" else "allocations"
    found.sort(key=lambda row: row[key], reverse=True)
    for row in found[: session.option(top)]:
        row["stack"] = described(session, row["stack"], row["pid"])
    return found[: session.option(top)]


def ended(session: Session, pids: set[int]) -> set[int]:
    """Return which of many processes have ended: their memory went with them.

    The one process that is traced may end: what it leaves then is what is looked for.
    """
    if session.option(only_pid) or not session.option(binary):
        return set()
    return {pid for pid in pids if not os.path.exists(f"/proc/{pid}")}  # noqa: PTH110


def combined(session: Session) -> list[dict[str, Any]]:
    """Return a row for each stack, of the sums that the kernel has."""
    items: Any = session[sums].items()
    gone = ended(session, {at.pid for at, _ in items})
    return [
        {"pid": at.pid, "bytes": n.size, "allocations": n.count, "stack": at.stack}
        for at, n in items
        if n.count > 0 and at.pid not in gone
    ]


def aged(session: Session) -> list[dict[str, Any]]:
    """Return a row for each stack, of the allocations that are old enough."""
    keys, values = session[allocations].snapshot()
    kept = values["ts_ns"] + session.option(older_ms) * 1_000_000 <= time.monotonic_ns()
    for pid in ended(session, set(keys["pid"].tolist())):
        its = keys["pid"] == pid
        kept &= ~its
        for place in rows(Place, keys[its]):
            session[allocations].pop(place, None)
    columns = (keys["pid"], values["stack"], keys["address"], values["size"])
    by_origin: defaultdict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for pid, stack, address, size in zip(*(c[kept].tolist() for c in columns), strict=True):
        by_origin[pid, stack].append((address, size))
    found: list[dict[str, Any]] = []
    for (pid, stack), places in by_origin.items():
        size = sum(size for _, size in places)
        found.append({"pid": pid, "bytes": size, "allocations": len(places), "stack": stack})
        if session.option(show_allocs):
            found[-1]["places"] = sorted(places)
    return found


def header(session: Session) -> str:
    """Return what is printed when tracing begins."""
    pid, path = session.option(only_pid), session.option(binary)
    whose = f"pid {pid}" if pid else f"all that use {path}" if path else "kernel allocators"
    return f"Attaching to {whose}, Ctrl+C to quit."


tool = Tool(
    __name__,
    probes=probes,
    report=report,
    layout=OutstandingLayout(top=top),
    header=header,
    meanwhile=lambda session: remember(session, filter(None, [session.option(only_pid)])),
    process=only_pid,
    letters=["-c"],
    exclusive=[(combined_only, show_allocs), (percpu, only_pid, binary)],
    interval_s=5,
    examples="""
        memleak -p 1234           # outstanding allocations of a process, every 5 seconds
        memleak -p 1234 -a        # and where each is
        memleak -p 1234 -t        # and print each allocation and release
        memleak -p 1234 10 1      # once, after 10 seconds
        memleak -c './server -v'  # run a command, and trace it
        memleak -O /opt/libjemalloc.so --symbols-prefix je_   # all that use another allocator
        memleak                   # the kernel's own memory
        memleak --percpu          # what it allocates for each CPU
        memleak -o 60000          # only what is older than a minute
        memleak -s 10             # every tenth allocation: cheaper
        memleak -z 16 -Z 32       # allocations of 16 to 32 bytes
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
