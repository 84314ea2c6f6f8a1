"""Time functions of the kernel or of programs, and draw the times as histograms.

  name, p::name              functions of the kernel
  lib:name, p:lib:name       functions of a library or program

A name may have wildcards, tcp_*, or be a regular expression between slashes, /^tcp_(send|recv)/;
with -r it is one without them. It matches at the begin of a name.

A time runs from the begin of a call to its end, waiting included. Each thread has a stack of the
calls that it is in, so functions that call each other, or themselves, are timed each on its own:
the outer time contains the inner one. What leaves a function otherwise than by a return (longjmp,
an exception) is not counted, and spoils no other time.

Output:   for each interval a histogram in nanoseconds, or with -u or -m in microseconds or
          milliseconds, with the average below; with -F one for each function.
Cost:     two probes; three hash updates at each end of a call.
Needs:    Linux 4.17, kprobes for functions of the kernel. Go moves its stacks: its functions have
          no end that could be seen.
Source:   behaviour after BCC's funclatency (Brendan Gregg, 2015); written from scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pyebpf import (
    Alternatives,
    Const,
    Hash,
    KprobeContext,
    Log2Hist,
    Probe,
    Session,
    UprobeContext,
    cpu,
    ktime_get_ns,
    record,
    tid,
    u32,
    u64,
)
from pyebpf.cli import Tool, averaged, positive
from pyebpf.cli.places import (
    Hooked,
    header,
    pattern,
    regexp,
    tell_names,
    wanted,
)
from pyebpf.lib.block import regrouped
from pyebpf.lib.filters import FILTERS, is_wanted

__all__ = ["pattern", "regexp", "tool"]  # options of the tool

microseconds = Const(False, "-u", "--microseconds", help="microsecond histogram")
milliseconds = Const(False, "-m", "--milliseconds", help="millisecond histogram")
by_function = Const(False, "-F", "--function", help="print a histogram per function")
level = Const(
    64, "-l", "--level", help="how deep calls in calls are timed, 64 by default", convert=positive
)
verbose = Const(False, "-v", "--verbose", help="print what matches before tracing begins")

#: A call whose frame is above that of an outer one, on one stack, is after it. Bytes.
_STACK = 1 << 14
_POPPED = 8  # what a return takes off the stack, on some machines
_IDLE = 1 << 31
_MOST_DEAD = 8  # calls that are found to have ended without a return, at once


@record
class Call:
    """A call that has begun."""

    began_ns: u64
    function: u64
    frame: u64


@record
class Level:
    """Where a call is among those of its thread."""

    tid: u32
    depth: u32


depths = Hash[u32, u32](max_entries=65_536)
calls = Hash[Level, Call](max_entries=65_536)
ns = Log2Hist(unit="ns", totals=True, key=u64, max_keys=10_240)
us = Log2Hist(unit="us", totals=True, key=u64, max_keys=10_240)
ms = Log2Hist(unit="ms", totals=True, key=u64, max_keys=10_240)


def thread_number() -> u32:
    """Return what tells threads apart: those that idle are number 0 on all CPUs."""
    return tid() or _IDLE + cpu()


def begin(function: u64, frame: u64, *, is_user: bool) -> None:
    """Note that a call begins.

    A thread whose call is noted is followed to its end, whatever name or user it takes meanwhile.

    Args:
        function: which.
        frame: the stack pointer.
        is_user: its end will be told by the stack pointer.
    """
    thread = thread_number()
    depth = depths.get(thread, 0)
    if not depth and not is_wanted():
        return
    for _ in range(_MOST_DEAD):
        outer = calls.get(Level(tid=thread, depth=depth))
        if outer is None or not has_ended(outer, function, frame):
            break
        depth -= 1
    if depth >= level and is_user:
        depths[thread] = depth
        return  # of a process the kernel itself follows no more than 64 calls in calls
    if depth < level:
        call = Call(began_ns=ktime_get_ns(), function=function, frame=frame)
        calls[Level(tid=thread, depth=depth + 1)] = call
    depths[thread] = depth + 1


def has_ended(outer: Call, function: u64, frame: u64) -> bool:
    """Tell whether a call on the same stack was left without a return."""
    if outer.frame == frame:  # one that ends by calling another has the frame in common with it
        return outer.function == function
    return outer.frame < frame < outer.frame + _STACK


def end(stack: u64) -> None:
    """Count a call that ends.

    Args:
        stack: the stack pointer behind its return; 0 if that is not known.
    """
    thread = thread_number()
    depth = depths.get(thread, 0)
    for _ in range(_MOST_DEAD):
        inner = calls.get(Level(tid=thread, depth=depth))
        if not stack or inner is None or stack <= inner.frame + _POPPED:
            break
        del calls[Level(tid=thread, depth=depth)]
        depth -= 1
    if depth == 0:
        return
    call = calls.get(Level(tid=thread, depth=depth))
    if call is not None and stack and not call.frame <= stack <= call.frame + _POPPED:
        depths[thread] = depth
        return  # the end of another call, whose begin is not here
    if depth > 1:
        depths[thread] = depth - 1
    else:
        del depths[thread]
    if call is not None:
        count(call.function if by_function else 0, ktime_get_ns() - call.began_ns)
        del calls[Level(tid=thread, depth=depth)]


def count(function: u64, time_ns: u64) -> None:
    """Add a time to the histogram that the options ask for."""
    if milliseconds:
        ms[function].add(time_ns // 1_000_000)
    elif microseconds:
        us[function].add(time_ns // 1_000)
    else:
        ns[function].add(time_ns)


def timing(hooked: Hooked) -> tuple[Probe, ...]:
    """Make the probes of functions that are timed together."""
    assert hooked.end is not None, "it was asked for"
    which = hooked.number

    if hooked.context is UprobeContext:

        def in_process(ctx: UprobeContext) -> None:
            begin(number_of(which, ctx), ctx.sp, is_user=True)

        def leaves(ctx: UprobeContext) -> None:
            end(ctx.sp)

        return hooked.begin(in_process), hooked.end(leaves)

    def in_kernel(ctx: KprobeContext) -> None:
        begin(number_of(which, ctx), ctx.sp, is_user=False)

    def returns() -> None:
        end(0)

    return hooked.begin(in_kernel), hooked.end(returns)


def number_of(which: Callable[[], u64] | None, ctx: KprobeContext) -> u64:
    """Return what tells a function from others."""
    return ctx.ip if which is None else which()


def probes(options: Any) -> Iterable[Probe | Alternatives]:
    """Make the probes of all that matches."""
    found = wanted(options)
    if found.place.kind != "p":
        raise ValueError("only functions take time: tracepoints and USDT probes have no end")
    if options.option(verbose):
        tell_names(options)
    return found.probes(timing, ends=True)


def report(session: Session) -> Any:
    """Take one interval: a ``Hist``, or with -F a ``KeyedHist`` by function."""
    in_ms, in_us = session.option(milliseconds), session.option(microseconds)
    taken: Any = session[ms if in_ms else us if in_us else ns].take()
    if not session.option(by_function):
        return taken.total()
    names = wanted(session).named(taken)
    return regrouped(taken, "function", names.__getitem__)


tool = Tool(
    __name__,
    probes=probes,
    report=report,
    show=lambda _, result: averaged(result),
    header=header,
    letters=["-i", "-d"],
    filters=FILTERS,
    exclusive=[(microseconds, milliseconds)],
    examples="""
        funclatency do_sys_openat2        # time the kernel's function for open()
        funclatency c:read                # time the C library's read()
        funclatency -u vfs_read           # in microseconds
        funclatency -m do_nanosleep       # in milliseconds
        funclatency -mTi 5 vfs_read       # every 5 seconds, with the time
        funclatency -d 10 vfs_read        # for 10 seconds
        funclatency -p 181 vfs_read       # in process 181 only
        funclatency --comm nginx vfs_read # in threads of this name only
        funclatency 'vfs_fstat*'          # all whose names begin so, together
        funclatency -F 'vfs_r*'           # a histogram for each
        funclatency -r '^vfs_(read|write)$'
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
