"""Find memory that is not given back: allocations without a release, summed up by their stacks.

Of a process (-p, -c), of all that use a library (-O), or without these of the kernel. What one
function of an allocator gets by calling another is one allocation, the caller's; a block that
realloc() cannot enlarge stays; a place that is allocated again was freed, seen or not.

-p says which memory: that of a process. -u, --comm, --container and the like say who allocates: of
the kernel's memory what it allocates while such a task runs, interrupts included. Anyone may give
it back.

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
from typing import Any

from pyebpf import (
    Alternatives,
    Const,
    Hash,
    PerCpuArray,
    Session,
    comm,
    i64,
    ktime_get_ns,
    record,
    rows,
    tgid,
    u32,
    u64,
)
from pyebpf.cli import OutstandingLayout, Tool, positive, whole
from pyebpf.lib import allocators
from pyebpf.lib.filters import FILTERS, is_wanted
from pyebpf.lib.stacks import described, remember, stacks, storage

__all__ = ["storage", "tool"]  # options of the tool


def order(text: str) -> str:
    """Return what to sort by."""
    if text not in ("size", "count"):
        raise ValueError(f"{text!r}: it can be size or count")
    return text


# Not that of the filters: it says that the memory is not the kernel's.
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
class Origin:
    """Who allocates, and where."""

    pid: u32
    stack: i64


@record
class Sum:
    """What of that is in use."""

    size: u64
    count: i64


allocations = Hash[Place, Allocation](max_entries=room)
sums = Hash[Origin, Sum](max_entries=16_384)
turns = PerCpuArray[u64](max_entries=1)


def is_picked(size: u64) -> bool:
    """Tell whether an allocation is one of those to look at, by who makes it and its size."""
    if not is_wanted():
        return False
    if size < min_size or (max_size and size > max_size):
        return False
    if sample_rate > 1:
        turns[0] += 1
        return turns[0] % sample_rate == 0
    return True


def keep(pid: u32, address: u64, size: u64, stack: i64) -> None:
    """Count an allocation in."""
    now = ktime_get_ns()
    if combined_only:
        release(pid, address, now)
        zero = Sum(size=0, count=0)
        entry = sums.setdefault(Origin(pid=pid, stack=stack), zero)
        entry.size += size
        entry.count += 1
    allocations[Place(pid=pid, address=address)] = Allocation(size=size, ts_ns=now, stack=stack)
    if trace:
        print(f"{comm()} {tgid()} alloc {size} bytes at {address:#x}")


def release(pid: u32, address: u64, before_ns: u64) -> None:
    """Count an allocation out that was made before some time."""
    place = Place(pid=pid, address=address)
    was = allocations.get(place)
    if was is None or was.ts_ns > before_ns:
        return
    was = allocations.pop(place)
    if was is None:
        return
    if combined_only:
        entry = sums.get(Origin(pid=pid, stack=was.stack))
        if entry is not None:
            entry.size -= was.size
            entry.count -= 1
    if trace:
        print(f"{comm()} {tgid()} free {was.size} bytes at {address:#x}")


def got_by_process(address: u64, size: u64) -> None:
    """Memory of the current process."""
    if is_picked(size):
        keep(tgid(), address, size, stacks.user())


def freed_by_process(address: u64, before_ns: u64) -> None:
    """Memory that it gives back."""
    release(tgid(), address, before_ns)


def got_by_kernel(address: u64, size: u64) -> None:
    """Memory of the kernel."""
    if is_picked(size):
        keep(0, address, size, stacks.kernel())


def freed_by_kernel(address: u64, before_ns: u64) -> None:
    """Memory that it gives back."""
    release(0, address, before_ns)


def probes(options: Any) -> list[Alternatives]:
    """Make the probes that the options ask for."""
    pid, path = options.option(only_pid), options.option(binary)
    if not pid and not path:
        each = options.option(percpu)
        return allocators.of_kernel(percpu=each, got=got_by_kernel, freed=freed_by_kernel)
    return allocators.of_programs(
        path or "c", options.option(prefix), pid, got=got_by_process, freed=freed_by_process
    )


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
    filters=FILTERS,
    top=top,
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
        memleak -O c -u www-data  # what all programs of this user have from malloc()
        memleak --container web   # the kernel's memory, as far as this container made it
        memleak --percpu          # what it allocates for each CPU
        memleak -o 60000          # only what is older than a minute
        memleak -s 10             # every tenth allocation: cheaper
        memleak -z 16 -Z 32       # allocations of 16 to 32 bytes
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
