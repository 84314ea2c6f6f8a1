"""Memory that programs and the kernel allocate, and give back.

:func:`of_programs` and :func:`of_kernel` make the probes of an allocator, which call what a tool
gives them: ``got(address, size)`` when memory was allocated, and ``freed(address, before_ns)`` when
memory was given back that was allocated before that time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from pyebpf.dsl.access import read_user
from pyebpf.dsl.builtins import ktime_get_ns, tid
from pyebpf.dsl.constants import Const
from pyebpf.dsl.maps import Hash
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives, first_of
from pyebpf.dsl.probes.tracing import tracepoint
from pyebpf.dsl.probes.user import uprobe, uretprobe
from pyebpf.dsl.records import record
from pyebpf.dsl.scalars import TracepointContext, UprobeContext, i32, u32, u64

#: What is called with the address of memory and its size, in bytes.
OnGot = Callable[[u64, u64], None]
#: What is called with the address of memory, and when it was there at the latest.
OnFreed = Callable[[u64, u64], None]
#: What runs where a function begins, and where it returns.
Pair = tuple[Callable[..., None], Callable[..., None] | None]

_page_bytes = Const(os.sysconf("SC_PAGE_SIZE"))
#: What mmap() returns when it fails, and the number of a page that there is not.
_NOWHERE = 0xFFFF_FFFF_FFFF_FFFF
#: What every allocator has.
_REQUIRED = ("malloc", "free")


@record
class Call:
    """A function of an allocator, until it returns.

    ``out`` is where it puts the address, if it does not return it; ``old`` is the place that it
    moves, if it does.
    """

    sp: u64
    since_ns: u64
    size: u64
    out: u64
    old: u64


calls = Hash[u32, Call](max_entries=10_240)


def is_inside(ctx: UprobeContext) -> bool:
    """Tell whether an allocator calls its own functions: their frames are below its own.

    What never returned, as after a longjmp(), is above, and forgotten.
    """
    call = calls.get(tid())
    return call is not None and ctx.sp < call.sp


def begins(ctx: UprobeContext, size: u64, out: u64, old: u64) -> None:
    """Note a call."""
    if not is_inside(ctx):
        calls[tid()] = Call(sp=ctx.sp, since_ns=ktime_get_ns(), size=size, out=out, old=old)


def by_size(ctx: UprobeContext, size: u64) -> None:
    """malloc(size) and its like."""
    begins(ctx, size, 0, 0)


def by_count(ctx: UprobeContext, count: u64, size: u64) -> None:
    """calloc(count, size)."""
    begins(ctx, count * size, 0, 0)


def by_second(ctx: UprobeContext, _: u64, size: u64) -> None:
    """memalign(alignment, size), mmap(address, size, ...) and their like."""
    begins(ctx, size, 0, 0)


def by_third(ctx: UprobeContext, out: u64, _: u64, size: u64) -> None:
    """posix_memalign(&place, alignment, size)."""
    begins(ctx, size, out, 0)


def by_place(ctx: UprobeContext, old: u64, size: u64) -> None:
    """realloc(place, size)."""
    begins(ctx, size, 0, old)


def of_programs(
    binary: str, prefix: str, pid: int, *, got: OnGot, freed: OnFreed
) -> list[Alternatives]:
    """Return the probes of an allocator in user space; what it lacks is done without.

    What one of its functions gets by calling another is one allocation.

    Args:
        binary: which it is in, as for ``uprobe``.
        prefix: what its functions begin with: ``"je_"``.
        pid: of the process to look at; 0 for all.
        got: what they call, in the process whose memory it is.
        freed: what they call for memory that is given back.
    """

    def ends(ctx: UprobeContext, result: u64, is_status: bool) -> None:
        if is_inside(ctx):
            return
        call = calls.pop(tid())
        if call is None:
            return
        address = result
        if is_status:
            address = 0 if result else read_user(u64, call.out)
        has_failed = address in (0, _NOWHERE)
        # What is to be moved and cannot be, stays; another thread may have its place otherwise.
        if call.old and not (has_failed and call.size):
            freed(call.old, call.since_ns)
        if not has_failed:
            got(address, call.size)

    def gives(ctx: UprobeContext, ret: u64) -> None:
        ends(ctx, ret, False)

    def gives_status(ctx: UprobeContext, ret: i32) -> None:
        ends(ctx, ret != 0, True)

    def frees(address: u64) -> None:
        freed(address, ktime_get_ns())

    functions: dict[str, Pair] = {
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

    def probes(name: str, begin: Callable[..., None], end: Callable[..., None] | None) -> Any:
        way: tuple[Probe, ...] = (uprobe(binary, prefix + name, pid=pid)(begin),)
        way += (uretprobe(binary, prefix + name, pid=pid)(end),) if end is not None else ()
        return first_of(way, name=name, optional=name not in _REQUIRED)

    return [probes(name, *pair) for name, pair in functions.items()]


def of_kernel(*, percpu: bool, got: OnGot, freed: OnFreed) -> list[Alternatives]:
    """Return the probes of the kernel's allocators; of pages, the address is their number.

    Args:
        percpu: of memory that each CPU has, instead of objects and pages.
        got: what they call.
        freed: what they call for memory that is given back.
    """

    def object_alloc(ctx: TracepointContext) -> None:
        got(ctx.ptr, ctx.bytes_alloc)

    def object_free(ctx: TracepointContext) -> None:
        freed(ctx.ptr, ktime_get_ns())

    def page_alloc(ctx: TracepointContext) -> None:
        if ctx.pfn != _NOWHERE:
            got(ctx.pfn, _page_bytes << (ctx.order & 31))

    def page_free(ctx: TracepointContext) -> None:
        freed(ctx.pfn, ktime_get_ns())

    def percpu_alloc(ctx: TracepointContext) -> None:
        got(ctx.ptr, ctx.size)

    # Those for nodes are gone since Linux kernel commit 11e9734bcb6a ("mm/slab_common: unify NUMA
    # and UMA version of tracepoints") (in v6.1).
    objects = {
        "kmem:kmalloc": object_alloc,
        "kmem:kmalloc_node": object_alloc,
        "kmem:kmem_cache_alloc": object_alloc,
        "kmem:kmem_cache_alloc_node": object_alloc,
        "kmem:kfree": object_free,
        "kmem:kmem_cache_free": object_free,
        "kmem:mm_page_alloc": page_alloc,
        "kmem:mm_page_free": page_free,
    }
    of_each_cpu = {
        "percpu:percpu_alloc_percpu": percpu_alloc,
        "percpu:percpu_free_percpu": object_free,
    }
    return [
        first_of(
            tracepoint(name)(function),
            name=name.rpartition(":")[2],
            optional=name.endswith("_node"),
        )
        for name, function in (of_each_cpu if percpu else objects).items()
    ]
