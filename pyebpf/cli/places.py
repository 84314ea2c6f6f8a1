"""All functions, tracepoints or USDT probes that a pattern matches, for tools that count them.

Functions are one program for all of them, which tells them apart by a number for each; tracepoints
and USDT probes are a small program each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from pyebpf.cli.options import whole
from pyebpf.cli.stacks import symbols
from pyebpf.dsl.builtins import attach_cookie, cpu
from pyebpf.dsl.constants import Const
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import first_of
from pyebpf.dsl.probes.tracing import fentry, kprobe, kretprobe, raw_tracepoint, tracepoint
from pyebpf.dsl.probes.user import uprobe, uretprobe, usdt
from pyebpf.dsl.scalars import KprobeContext, UprobeContext, u64
from pyebpf.errors import PyebpfError
from pyebpf.lazy import lazy
from pyebpf.lib.filters import is_wanted, only_pid
from pyebpf.lib.specifiers import Part, Place, read_place
from pyebpf.plain import Frozen
from pyebpf.spec.patterns import is_expression

if TYPE_CHECKING:
    from pyebpf import hooks, targets
    from pyebpf.dsl.probes.alternatives import Alternatives
    from pyebpf.dsl.probes.base import Decorator
else:
    # What lists names needs much that a tool at one function never does.
    hooks, targets = lazy("pyebpf.hooks"), lazy("pyebpf.targets")

pattern = Const("", "pattern", help="functions: name, lib:name, t:category:event, u:lib:probe")
regexp = Const(False, "-r", "--regexp", help="the name is a regular expression")
only_cpu: int | None = Const(None, "-c", "--cpu", help="trace this CPU only", convert=whole)

#: How many programs a pattern may become where each match is one.
_MOST = 1_000


class Hooked(Frozen):
    """Functions that one program runs at.

    Attributes:
        begin: the decorator for where they begin; for tracepoints and USDT probes the only one.
        end: for where they return; None if nothing does.
        context: what the program gets, if it asks for it.
        number: called in the program, tells which function it is; None: its address does.
    """

    begin: Decorator
    end: Decorator | None
    context: type | None
    number: Callable[[], u64] | None


class Places:
    """What a place stands for.

    Args:
        place: where.
        pid: the only process, 0 for all: which file a library is, is seen from there.

    Raises:
        PyebpfError: (when asked) nothing matches, or what does cannot be told.
    """

    def __init__(self, place: Place, pid: int) -> None:
        self.place, self._pid = place, pid

    @cached_property
    def names(self) -> Sequence[str]:
        """The names that match, by their numbers; of tracepoints with their categories."""
        place = self.place
        if not place.is_pattern:
            return [self._whole]
        found = hooks.matching(self._all(), self._whole, bare=place.kind == "u")
        if place.kind == "u":
            found = sorted({name.partition(":")[2] for name in found})
        if not found:
            raise PyebpfError(f"nothing that can be traced matches {place.name!r}{self._where}")
        if place.kind in "tu" and len(found) > _MOST:
            why = f"{len(found)} match {place.name!r}{self._where}: {_MOST} at most can be traced"
            raise PyebpfError(f"{why} at once")
        return found

    @property
    def _where(self) -> str:
        return f" in {self.place.inside!r}" if self.place.inside else ""

    @property
    def _whole(self) -> str:
        """The name or pattern, of a tracepoint with its category."""
        place = self.place
        if place.kind != "t":
            return place.name
        if not is_expression(place.name):
            return f"{place.inside}:{place.name}"
        return f"/{place.inside}:(?:{place.name[1:-1].removeprefix('^')})/"

    def _all(self) -> Iterable[str]:
        place = self.place
        if not place.is_user:
            sources = hooks.Sources(targets.host_target())
            if place.kind == "t":
                return hooks.KERNEL_KINDS["tracepoint"](sources).names()
            return sources.traceable or ()
        (binary,) = hooks.binaries_of([place.inside], self._pid)
        kinds = {kind.name: kind for kind in hooks.binary_kinds(binary)}
        return kinds["usdt" if place.kind == "u" else "symbol"].names()

    def probes(
        self, make: Callable[[Hooked], tuple[Probe, ...]], *, ends: bool = False
    ) -> list[Probe | Alternatives]:
        """Return what to load.

        Args:
            make: makes the probes of functions that one program runs at.
            ends: it needs the registers, and where functions return.
        """
        ways = [tuple(p for hooked in way for p in make(hooked)) for way in self._ways(ends=ends)]
        return [*ways[0]] if len(ways) == 1 else [first_of(*ways)]

    def _ways(self, *, ends: bool) -> list[list[Hooked]]:
        place, pid = self.place, self._pid or None
        where, name = place.inside, place.name
        if place.kind == "t":
            return self._at_tracepoints()
        if place.kind == "u":
            return [[_one(usdt(where, each, pid=pid), n) for n, each in enumerate(self.names)]]
        if place.is_user:
            return self._in_processes(where, name, pid)
        ways = [[Hooked(kprobe(name), kretprobe(name), KprobeContext, self._kernel_number)]]
        if not (place.is_pattern or ends):
            ways.insert(0, [_one(fentry(name), 0)])
        return ways

    def _at_tracepoints(self) -> list[list[Hooked]]:
        classic = [_one(tracepoint(each), n) for n, each in enumerate(self.names)]
        if not self.place.is_pattern or any(each.startswith("syscalls:") for each in self.names):
            return [classic]
        # The kernel detaches perf events one after the other, waiting some 40 ms for each; raw
        # tracepoints take less than one. Events of other names than their tracepoints have none.
        bare = (each.partition(":")[2] for each in self.names)
        return [[_one(raw_tracepoint(each), n) for n, each in enumerate(bare)], classic]

    @property
    def _kernel_number(self) -> Callable[[], u64] | None:
        return None if self.place.is_pattern else fixed(0)

    def _in_processes(self, where: str, name: str, pid: int | None) -> list[list[Hooked]]:
        def single(each: str, number: int) -> Hooked:
            begin, end = uprobe(where, each, pid=pid), uretprobe(where, each, pid=pid)
            return Hooked(begin, end, UprobeContext, fixed(number))

        if not self.place.is_pattern:
            return [[single(name, 0)]]
        cookies = {each: number for number, each in enumerate(self.names)}
        at_once = Hooked(
            uprobe(where, name, pid=pid, cookies=cookies),
            uretprobe(where, name, pid=pid, cookies=cookies),
            UprobeContext,
            attach_cookie,
        )
        if len(cookies) > _MOST:
            return [[at_once]]
        return [[at_once], [single(each, number) for each, number in cookies.items()]]

    def named(self, numbers: Iterable[int]) -> dict[int, str]:
        """Return what functions are called, by their numbers as probes tell them."""
        if self.place.is_user or self.place.kind == "t" or not self.place.is_pattern:
            return {number: self.names[number] for number in numbers}
        wanted = list(numbers)
        return {n: str(f) for n, f in zip(wanted, symbols().frames(wanted), strict=True)}


def _one(decorator: Decorator, number: int) -> Hooked:
    return Hooked(decorator, None, None, fixed(number))


def fixed(value: int) -> Callable[[], u64]:
    """Return a function of probes that gives a number."""

    def number() -> u64:
        return value

    return number


def is_call_wanted() -> bool:
    """Tell whether the options ask for this call, by its CPU and its task; for probes."""
    if only_cpu is not None and cpu() != only_cpu:
        return False
    return is_wanted()


def wanted(options: Any) -> Places:
    """Return what the options ask for; asked again, the same.

    Raises:
        ValueError: they make no sense.
    """
    text, pid = options.option(pattern), options.option(only_pid)
    return _read(text, pid, options.option(regexp))


@cache
def _read(text: str, pid: int, is_bare: bool) -> Places:
    if not text:
        raise ValueError("say what to look at: vfs_read, 'tcp_*', c:malloc, 't:block:*'")
    place = read_place(Part(text, 0, len(text)))
    if place.kind == "r":
        raise ValueError(f"{text!r}: a function is looked at as a whole: p:… or its name alone")
    if is_bare and not is_expression(place.name):
        place = place.replace(name=f"/{place.name}/")
    return Places(place, pid)


def tell_names(options: Any) -> None:
    """Write what matches to standard error, for users who want to see it."""
    sys.stderr.write("".join(f"{name}\n" for name in wanted(options).names))


def header(session: Any) -> str:
    """Return what is printed when tracing begins."""
    count, text = len(wanted(session).names), session.option(pattern)
    what = "function" if count == 1 else "functions"
    return f'Tracing {count} {what} for "{text}"... Hit Ctrl-C to end.'
