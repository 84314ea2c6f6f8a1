"""Counted call stacks: a value, as folded text and as a flame graph.

Source: the folded format of Brendan Gregg's FlameGraph: frames from the outermost, separated by
semicolons, then a space and the count.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pyebpf.present import jsonl
from pyebpf.present.escape import printable
from pyebpf.present.flame import KERNEL, PROCESS, USER, FlameGraph


class CountedStack(NamedTuple):
    """A call stack, and how often it was seen.

    Attributes:
        process: whose it is; "" if that was not asked.
        user: its functions in user space, the outermost first.
        kernel: those in the kernel, which come behind.
        count: how often it was seen, or what else was added up.
    """

    process: str
    user: tuple[str, ...]
    kernel: tuple[str, ...]
    count: int  # type: ignore[assignment]  # a tuple's method of that name is of no use here

    def frames(self) -> Iterator[tuple[str, str]]:
        """Yield all frames, the outermost first: name, and what it is of.

        >>> [name for name, _ in CountedStack("sh", ("main", "read"), ("vfs_read",), 3).frames()]
        ['sh', 'main', 'read', 'vfs_read']
        """
        if self.process:
            yield self.process, PROCESS
        yield from ((name, USER) for name in self.user)
        yield from ((name, KERNEL) for name in self.kernel)
        if not any(self[:3]):
            yield "[no stack]", USER


class StackCounts:
    """Call stacks with counts; equal stacks are one.

    >>> seen = CountedStack("sh", ("main", "read"), ("vfs_read",), 3)
    >>> StackCounts([seen, seen])
    <StackCounts 1 stacks, 6 samples>

    Args:
        stacks: the stacks, in any order.
        unit: what the counts are of: ``"samples"``, ``"us"``.
    """

    def __init__(self, stacks: Iterable[CountedStack], *, unit: str = "samples") -> None:
        self.unit = unit
        self._counts: dict[tuple[str, tuple[str, ...], tuple[str, ...]], int] = {}
        for process, user, kernel, n in stacks:
            key = process, user, kernel
            self._counts[key] = self._counts.get(key, 0) + n

    def __iter__(self) -> Iterator[CountedStack]:
        """Yield the stacks, sorted by their names."""
        return (CountedStack(*key, n) for key, n in sorted(self._counts.items()))

    def __len__(self) -> int:
        return len(self._counts)

    def __repr__(self) -> str:
        return f"<StackCounts {len(self)} stacks, {self.total} {self.unit}>"

    @property
    def total(self) -> int:
        """The sum of all counts."""
        return sum(self._counts.values())

    def __add__(self, other: StackCounts) -> StackCounts:
        """Add the counts of equal stacks.

        Raises:
            ValueError: they count something else.
        """
        if not isinstance(other, StackCounts):
            return NotImplemented
        if self.unit != other.unit:
            raise ValueError(f"{self.unit} and {other.unit} cannot be added")
        return StackCounts([*self, *other], unit=self.unit)

    def mapped(self, change: Callable[[CountedStack], CountedStack]) -> StackCounts:
        """Return other stacks, made of these; those that are equal then are one."""
        return StackCounts(map(change, self), unit=self.unit)

    def top(self, n: int) -> list[CountedStack]:
        """Return the ``n`` stacks with the largest counts, the largest first."""
        return heapq.nlargest(n, self, key=lambda stack: stack.count)

    def largest(self, n: int) -> StackCounts:
        """Keep the ``n`` stacks with the largest counts."""
        return StackCounts(self.top(n), unit=self.unit)

    def folded(self, *, marks: bool = False, delimiter: str = "") -> str:
        """Return a line for each stack, as ``flamegraph.pl`` and others read it.

        >>> StackCounts([CountedStack("sh", ("main", "read"), ("vfs_read",), 3)]).folded()
        'sh;main;read;vfs_read 3'

        Args:
            marks: put ``_[k]`` behind the kernel's functions, as BCC's ``profile -a`` does.
            delimiter: a frame to put between functions of user space and those of the kernel.

        Names cannot break the format: control characters are escaped, semicolons become colons.
        """
        return "\n".join(
            f"{_folded(stack, marks=marks, delimiter=delimiter)} {stack.count}" for stack in self
        )

    def to_rows(self) -> list[dict[str, Any]]:
        """Return each stack as it is folded, ``stack``, and its count, by the unit."""
        return [{"stack": _folded(stack), self.unit: stack.count} for stack in self]

    def listed(self, *, marks: bool = False, delimiter: str = "", head: str = "-") -> str:
        """Return each stack with a line for each function, the innermost first.

        Below are the process, if that was asked, and the count. What was counted most is last,
        where a terminal ends.

        Args:
            marks: put ``_[k]`` behind the kernel's functions.
            delimiter: a line to put between functions of the kernel and those of user space.
            head: what stands before the process.
        """
        end = "_[k]" if marks else ""
        blocks = []
        for stack in sorted(self, key=lambda stack: stack.count):
            names = [name + end for name in reversed(stack.kernel)]
            if delimiter and stack.user and stack.kernel:
                names.append(delimiter)
            names += reversed(stack.user)
            lines = [f"    {printable(name)}" for name in names]
            if stack.process:
                lines.append(f"    {head:16} {printable(stack.process)}")
            lines.append(f"        {stack.count}")
            blocks.append("".join(f"{line}\n" for line in lines))
        return "\n".join(blocks)

    def to_dict(self) -> list[dict[str, object]]:
        """Return an object for each stack, whose functions begin with the outermost."""
        return [
            {"process": s.process, "user": [*s.user], "kernel": [*s.kernel], self.unit: s.count}
            for s in self
        ]

    def to_json_lines(self, *, ts: str | None = None) -> str:
        """Return :meth:`to_dict` as JSON, one stack in each line."""
        time = {} if ts is None else {"ts": ts}
        return "\n".join(jsonl.line({**time, **row}) for row in self.to_dict())

    def flame(self, title: str = "Flame graph") -> FlameGraph:
        """Draw the stacks, the widest where most was counted."""
        rows = ((stack.frames(), stack.count) for stack in self)
        return FlameGraph(rows, title=title, unit=self.unit)

    def __str__(self) -> str:
        return self.folded()

    def _repr_html_(self) -> str:
        return self.flame()._repr_html_()


def _folded(stack: CountedStack, *, marks: bool = False, delimiter: str = "") -> str:
    ends = {KERNEL: "_[k]"} if marks else {}
    names = [_plain(name) + ends.get(kind, "") for name, kind in stack.frames()]
    if delimiter and stack.user and stack.kernel:
        names.insert(len(names) - len(stack.kernel), delimiter)
    return ";".join(names)


def _plain(name: str) -> str:
    return printable(name).replace(";", ":")
