"""What a session's programs cost, measured by the kernel; and a ceiling for that.

The kernel times each run of each program while somebody holds a descriptor of ``BPF_ENABLE_STATS``
open, which takes two readings of its clock for each. It does so for all programs of the machine, so
a :class:`Meter` holds one no longer than it measures.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from pyebpf.abi import constants as c
from pyebpf.errors import KernelError, NotSupportedError, PyebpfError
from pyebpf.host.cpus import online_count
from pyebpf.owner import Owner
from pyebpf.plain import Frozen
from pyebpf.present.cost import Cost, Costs
from pyebpf.runtime import policy, syscall
from pyebpf.runtime.entry import entry_ns

if TYPE_CHECKING:
    from pyebpf.runtime.program import Program
    from pyebpf.spec.compiled import ProgramInfo

#: How long a ceiling looks, again and again, in seconds.
WINDOW_S = 1.0


class Exceeded(Frozen):
    """Programs took more than they were allowed to, and were detached.

    Attributes:
        ceiling_percent: what they were allowed, of all CPUs.
        cost: what they cost in the time that was too much.

    Units:  percent of all CPUs.
    """

    ceiling_percent: float
    cost: Costs

    @property
    def percent(self) -> float:
        """What they took, of all CPUs."""
        return self.cost.total.machine_percent or 0.0

    def __str__(self) -> str:
        most = next(iter(self.cost.values()))
        entry = f" and {most.entry_ns:.0f} ns to get there" if most.entry_ns else ""
        return (
            f"detached: the probes took {self.percent:.2f} % of all CPUs in {self.cost.seconds:.1f}"
            f" s, and the ceiling is {self.ceiling_percent:g} %; most of it `{most.name}` at "
            f"{most.hook}: {most.hits:,} hits of {most.ns_per_hit or 0:.0f} ns{entry}. Trace less, "
            "or allow more"
        )


class _Reading(NamedTuple):
    """What the kernel has counted until a moment of the monotonic clock, by name of a program."""

    at: float
    counts: dict[str, tuple[int, int, int | None]]


class Meter(Owner):
    """Measures programs, and all of them from one moment on, until it is closed.

    Args:
        programs: the programs, by name; they stay open meanwhile.
        hooks: what each is attached to.

    Raises:
        KernelError: this needs CAP_SYS_ADMIN, or ``kernel.bpf_stats_enabled`` set to 1 by who has
            it: counters in the programs would change what is measured, and know no time.
    """

    def __init__(self, programs: Mapping[str, Program], hooks: Mapping[str, str]) -> None:
        self._programs, self._hooks = programs, hooks
        self._began = self._read()
        self._statistics: int | None = _switch_on()
        self._lap = self._began
        self._until: _Reading | None = None

    @property
    def is_open(self) -> bool:
        """Whether it measures."""
        return self._statistics is not None

    def cost(self) -> Costs:
        """Return what the programs cost since it began, until now or until it was closed.

        From ``session.detach()`` on no time counts, unless one of them runs again.
        """
        return self._between(self._began, self._now())

    def lap(self) -> Costs:
        """Return what they cost since it was last asked for a lap, or began."""
        since, self._lap = self._lap, self._now()
        return self._between(since, self._lap)

    def pause(self) -> None:
        """Let the time end here, unless one of the programs runs again."""
        self._until = self._now()

    def close(self) -> None:
        """Measure no longer; what was measured stays. Idempotent."""
        if self._statistics is None:
            return
        self._until = self._now()
        held, self._statistics = self._statistics, None
        if held >= 0:
            os.close(held)

    def _now(self) -> _Reading:
        until = self._until
        if self._statistics is None:
            assert until is not None, "closing leaves the last reading"
            return until
        now = self._read()
        return until if until is not None and until.counts == now.counts else now

    def _read(self) -> _Reading:
        return _Reading(time.monotonic(), {name: _count(p) for name, p in self._programs.items()})

    def _between(self, before: _Reading, after: _Reading) -> Costs:
        seconds, cpus = after.at - before.at, online_count()
        rows = []
        for name, now in after.counts.items():
            hits, spent, misses = (
                None if b is None or a is None else b - a
                for a, b in zip(before.counts[name], now, strict=True)
            )
            is_counted = _is_counted(self._programs[name], now[2])
            rows.append(
                Cost(
                    name,
                    self._hooks.get(name, ""),
                    hits if is_counted else None,
                    spent if is_counted else None,
                    misses,
                    seconds,
                    cpus,
                    entry_ns(self._programs[name].kind) if hits else None,
                )
            )
        return Costs(rows, seconds, cpus)


def _count(program: Program) -> tuple[int, int, int | None]:
    """Return the runs of a program, the time of them, and what was missed."""
    found = [syscall.run_stats(each.fd) for each in program.loaded()]
    missed = [one.misses for one in found if one.misses is not None]
    misses = sum(missed) if missed else None
    return sum(one.runs for one in found), sum(one.time_ns for one in found), misses


def _is_counted(program: Program, misses: int | None) -> bool:
    """Tell whether the kernel counts a program's runs.

    Of those that may sleep it does since Linux 5.12, which also counts misses: commits f2dd3b394674
    ("bpf: Compute program stats for sleepable programs") and 9ed9e9ba2337.
    """
    return misses is not None or not program.kind.flags & c.BPF_F_SLEEPABLE


def _switch_on() -> int:
    """Let the kernel count; return what keeps it so, -1 if it does so anyway."""
    try:
        return syscall.enable_stats()
    except KernelError as error:
        if error.errno != errno.EPERM or error.capability is None:
            raise
        if policy.statistics_enabled():
            return -1
        text = f"{error}; or have root set kernel.bpf_stats_enabled to 1, which is for all"
        raise KernelError(error.errno, text, capability=error.capability) from None


class Watch:
    """Detaches programs that take too much, from a thread of its own.

    Args:
        meter: measures them; it is the watch's own.
        ceiling_percent: how much of all CPUs they may take in :data:`WINDOW_S`.
        exceed: what to do then.
    """

    def __init__(
        self, meter: Meter, ceiling_percent: float, exceed: Callable[[Exceeded], None]
    ) -> None:
        self._meter, self._ceiling, self._exceed = meter, ceiling_percent, exceed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pyebpf-ceiling", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # Signals are for who waits for something.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while not self._over.wait(WINDOW_S):
            cost = self._meter.lap()
            if (cost.total.machine_percent or 0.0) > self._ceiling:
                self._exceed(Exceeded(self._ceiling, cost))

    def stop(self) -> None:
        """End it: it does nothing any more when this returns. Idempotent."""
        self._over.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._meter.close()


class Account:
    """The meters of a session, and its ceiling.

    Args:
        programs: what is loaded.
        infos: what is attached where.
        detach: detaches all of it.

    Attributes:
        exceeded: what was too much, last; None if nothing was.
    """

    def __init__(
        self,
        programs: Mapping[str, Program],
        infos: Iterable[ProgramInfo],
        detach: Callable[[], None],
    ) -> None:
        self._programs, self._detach = programs, detach
        self._hooks = {info.name: f"{info.kind} {info.target}".rstrip() for info in infos}
        self._meters: list[Meter] = []
        self._watch: Watch | None = None
        self.exceeded: Exceeded | None = None

    def measure(self) -> Meter:
        """Begin to measure."""
        meter = Meter(self._programs, self._hooks)
        self._meters = [*(one for one in self._meters if one.is_open), meter]
        return meter

    def cost(self) -> Costs:
        """Return what was measured since the first that still measures began."""
        for meter in self._meters:
            if meter.is_open:
                return meter.cost()
        raise PyebpfError(
            "nothing is measured: session.cost(1) measures for a second, `with "
            "session.measure_cost() as meter:` a block, load(…, measure_cost=True) from the start"
        )

    def limit(self, percent: float, then: Callable[[Exceeded], object] | None) -> None:
        """Set the ceiling, instead of the one before."""
        if not 0 < percent <= 100:
            raise ValueError(f"{percent} is no share of all CPUs: above 0 %, 100 % at most")
        for name, program in self._programs.items():
            if not _is_counted(program, _count(program)[2]):
                raise NotSupportedError(
                    f"{name} may sleep, and this kernel does not time such programs, so nothing "
                    "would keep it below a ceiling",
                    since="5.12",
                )
        meter = Meter(self._programs, self._hooks)
        if self._watch is not None:
            self._watch.stop()

        def exceed(found: Exceeded) -> None:
            self._detach()
            self.exceeded = found
            (then or _warn)(found)

        self._watch = Watch(meter, percent, exceed)

    def pause(self) -> None:
        """Note that everything is detached."""
        for meter in self._meters:
            if meter.is_open:
                meter.pause()

    def close(self) -> None:
        """Watch and measure no longer. Idempotent."""
        if self._watch is not None:
            self._watch.stop()
        for meter in self._meters:
            meter.close()


def _warn(exceeded: Exceeded) -> None:
    warnings.warn(str(exceeded), RuntimeWarning, stacklevel=2)
