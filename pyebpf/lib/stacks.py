"""Call stacks that a tool counts by: which, how they are printed, with the options to choose.

A tool that imports the options has them, makes its keys of :func:`user_stack` and
:func:`kernel_stack`, and reports what :func:`taken` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pyebpf.dsl.constants import Const
from pyebpf.dsl.scalars import i64
from pyebpf.dsl.stacks import StackTrace

user_only = Const(
    False, "-U", "--user-stacks-only", help="show stacks of user space only, not of the kernel"
)
kernel_only = Const(
    False, "-K", "--kernel-stacks-only", help="show stacks of the kernel only, not of user space"
)
delimited = Const(
    False, "-d", "--delimited", help="insert a delimiter between kernel and user stacks"
)
folded = Const(False, "-f", "--folded", help="one line per stack, as flame graphs take them")
storage = Const(
    16_384, "--stack-storage-size", help="how many stacks there is room for", metavar="COUNT"
)

stacks = StackTrace(max_entries=storage)
_NO_STACK = -14  # what get_stackid gives where there is none: -EFAULT

#: Functions that are in a stack because it was taken there, by how their names begin.
_TRACING = ("bpf_", "__bpf_", "___bpf_", "__traceiter_", "perf_trace_", "trace_call_bpf")


def user_stack() -> i64:
    """Keep the stack of the current thread in user space, if it is to be shown; return its id."""
    return _NO_STACK if kernel_only else stacks.user()


def kernel_stack() -> i64:
    """Keep the kernel's stack, if it is to be shown; return its id."""
    return _NO_STACK if user_only else stacks.kernel()


def which(session: Any) -> str:
    """Return what stacks are shown, for a header."""
    if session.option(user_only):
        return "user"
    return "kernel" if session.option(kernel_only) else "user + kernel"


def without_tracing(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the functions of a kernel stack without those that took it.

    Args:
        names: the outermost first.
    """
    kept = len(names)
    while kept and names[kept - 1].split()[-1].startswith(_TRACING):  # an address may be before it
        kept -= 1
    return names[:kept]


def own_frames(frames: Sequence[Any]) -> Sequence[Any]:
    """Return the frames of a kernel stack without those that took it; both innermost first."""
    kept = without_tracing(tuple(str(frame) for frame in reversed(frames)))
    return frames[len(frames) - len(kept) :]


def taken(
    session: Any,
    counts: Any,
    *,
    number: str,
    unit: str,
    offsets: bool = False,
    addresses: bool = False,
) -> Any:
    """Return the stacks that a map counts as ``StackCounts``, named; equal ones are one.

    Args:
        session: the tool's.
        counts: the open map: its keys have ``user``, ``kernel``, ``pid`` and ``comm``.
        number: the field whose number stands behind the name, unless stacks are folded.
        unit: what is counted.
        offsets: show how far into each function.
        addresses: show each address before its function, unless stacks are folded.
    """
    lines = not session.option(folded)
    found = session[stacks].counts(
        counts,
        number=number if lines else None,
        unit=unit,
        named=_text(offsets=offsets, addresses=addresses and lines),
    )
    return found.mapped(lambda stack: stack._replace(kernel=without_tracing(stack.kernel)))


def kernel_stacks(
    session: Any, ids: Iterable[int], *, addresses: bool = False, offsets: bool = False
) -> dict[int, tuple[str, ...]]:
    """Return the functions of stacks of the kernel by their ids, the outermost first.

    A stack that there was no room for is one function, ``[lost]``.
    """
    text, found = _text(offsets=offsets, addresses=addresses), {}
    for number in ids:
        frames = own_frames(session[stacks].frames(number))
        found[number] = tuple(map(text, reversed(frames))) or ("[lost]",)
    return found


def described(session: Any, number: int, pid: int = 0, *, addresses: bool = False) -> list[str]:
    """Return the functions of one stack, the innermost first: ``work+0x1d [app]``.

    Args:
        session: the tool's.
        number: the stack's id; of one that there was no room for, the only function is ``[lost]``.
        pid: of the process; 0 for a stack of the kernel.
        addresses: show each address before its function.
    """
    if number < 0 and number != _NO_STACK:  # -EEXIST, -ENOMEM
        return ["[lost]"]
    frames = session[stacks].frames(number, pid)
    return [
        f"{frame.address:<16x} {_placed(frame)}" if addresses else _placed(frame)
        for frame in (frames if pid else own_frames(frames))
    ]


def _placed(frame: Any) -> str:
    module = frame.module.rpartition("/")[2].strip("[]")
    return f"{frame}+{frame.offset:#x} [{module}]" if frame.name and module else str(frame)


def _text(*, offsets: bool, addresses: bool) -> Callable[[Any], str]:
    def text(frame: Any) -> str:
        name = f"{frame}+{frame.offset:#x}" if offsets else str(frame)
        return f"{frame.address:<16x} {name}" if addresses else name

    return text


def remember(session: Any, pids: Iterable[int]) -> None:
    """Look at processes while they are there: their functions are named when they have ended."""
    for pid in pids:
        session[stacks].remember(pid)
