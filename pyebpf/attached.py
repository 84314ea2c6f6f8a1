"""Part of a session: what is attached, at its start or later by hand, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pyebpf.errors import PyebpfError
from pyebpf.lazy import lazy
from pyebpf.progress import counted
from pyebpf.runtime.links import Link, attach, lacks
from pyebpf.runtime.links.closing import close_all
from pyebpf.runtime.tracefs import Tracefs

if TYPE_CHECKING:
    from pyebpf import cost as costs
    from pyebpf.present.cost import Costs
    from pyebpf.runtime.loader import LoadedObject
    from pyebpf.runtime.program import Program
    from pyebpf.runtime.tracefs import Tracefs as OpenTracefs
    from pyebpf.spec.compiled import Compiled, ProgramInfo
    from pyebpf.spec.target import Features
else:
    costs = lazy("pyebpf.cost")  # few sessions are measured


class Links:
    """Attaches programs and owns their links.

    Attributes:
        features: what the kernel can do.
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        self._links: list[tuple[str, Link]] = []
        # Open to the end: where it is mounted nowhere, it is mounted for us alone, and to close
        # such a mount takes the kernel up to ten milliseconds of the start.
        self._tracefs = Tracefs()

    def attach_all(self, programs: Mapping[str, Program], infos: Iterable[ProgramInfo]) -> None:
        """Attach each program that says where it belongs."""
        for info in counted([*infos], "attaching probes"):
            program = programs[info.name]
            if info.attach and not lacks(program.kind, program.hook, dict(info.at)):
                self.add(program, dict(info.at), None, self._tracefs)

    def add(
        self,
        program: Program,
        at: Mapping[str, Any],
        cookie: int | None,
        tracefs: OpenTracefs | None,
    ) -> Link:
        """Attach a program and keep the link; without a ``cookie``, that of ``at`` is taken."""
        try:
            link = attach(
                program.fd,
                program.kind,
                self._target(program, at),
                at=at,
                cookie=at.get("cookie", 0) if cookie is None else cookie,
                tracefs=tracefs,
                features=self.features,
                program=program,
            )
        except PyebpfError as err:
            err.program = program.name
            raise
        self._links.append((program.name, link))
        return link

    @staticmethod
    def _target(program: Program, at: Mapping[str, Any]) -> str:
        """Return what to attach to: what the program was made for, or another ``target``.

        Raises:
            PyebpfError: programs of this kind are made for one target.
        """
        if "target" not in at:
            return program.hook
        if program.kind.context != "pt_regs":
            why = f"a {program.kind.name!r} program is made for its hook, {program.hook!r}"
            raise PyebpfError(f"{program.name}: {why}: it cannot be attached to {at['target']!r}")
        return str(at["target"])

    def renamed(self, link: Link, name: str) -> None:
        """Note that a link, if it is one of these, is of another program now."""
        for at, (_, one) in enumerate(self._links):
            if one is link:
                self._links[at] = name, one

    def of(self, name: str) -> list[Link]:
        """Return the links of a program that are still attached."""
        return [link for owner, link in self._links if owner == name and link.fd >= 0]

    def read(self, name: str) -> bytes:
        """Return what an iterator writes in one visit of everything.

        Raises:
            PyebpfError: the program is no iterator, or is not attached.
        """
        for link in self.of(name):
            return link.read()
        raise PyebpfError(f"{name} is not attached")

    def close(self) -> None:
        """Detach everything, the last first. Idempotent, also from several threads at a time."""
        close_all(self._taken())
        self._tracefs.close()

    def _taken(self) -> Iterator[Link]:
        while self._links:
            try:
                _, link = self._links.pop()
            except IndexError:  # another thread, of a ceiling, was quicker
                return
            yield link


class Measured:
    """What the programs of a session cost, and how much that may be.

    Attributes:
        compiled: what was loaded.
        links: what is attached.
    """

    compiled: Compiled
    links: Links
    _loaded: LoadedObject
    _closed = False
    _account: costs.Account | None = None

    def cost(self, seconds: float | None = None) -> Costs:
        """Return what each program cost: hits, time, shares of the CPUs, events that were missed.

        ``print`` shows it as a table, a notebook draws it, ``.array`` is a structured array, and
        ``cost["name"].ns_per_hit`` is one number of it.

        Args:
            seconds: measure for so long, writing what probes print, as ``session.sleep`` does.
                Without it: since :meth:`measure_cost`, or since ``load(…, measure_cost=True)`` or
                ``load(…, max_overhead=…)``.

        Raises:
            KernelError: measuring needs CAP_SYS_ADMIN.
            PyebpfError: nothing is measured, and ``seconds`` was not given.

        Cost: while it is measured, two readings of the kernel's clock for each run of every BPF
            program on the machine.
        Source: ``run_time_ns``, ``run_cnt``, ``recursion_misses`` of ``struct bpf_prog_info``.
        """
        if seconds is None:
            return self._accounted().cost()
        with self.measure_cost() as meter:
            self.sleep(seconds)
            return meter.cost()

    def measure_cost(self) -> costs.Meter:
        """Begin to measure what the programs cost, until what is returned is closed.

        Use it in a ``with`` statement; ``.cost()`` of it is what they cost since then, ``.lap()``
        since the last lap. The session closes it at the latest.

        Raises:
            KernelError: this needs CAP_SYS_ADMIN.
        """
        return self._accounted().measure()

    def limit_overhead(
        self, percent: float, then: Callable[[costs.Exceeded], object] | None = None
    ) -> None:
        """Detach everything when the programs take too much, now and as long as the session lives.

        A thread looks once a second. What was collected can still be read; what is attached
        afterwards has the same ceiling.

        Args:
            percent: how much of all CPUs the programs may take, over a second; 0.5 of eight CPUs is
                a 25th of one of them. Another call sets another ceiling.
            then: called in that thread with what was too much, when all is detached; without it a
                RuntimeWarning says so. :attr:`exceeded` has it, too.

        Raises:
            KernelError: measuring needs CAP_SYS_ADMIN.
            NotSupportedError: this kernel does not time a program of this session.
            ValueError: that is no share of all CPUs.
        """
        self._accounted().limit(percent, then)

    @property
    def exceeded(self) -> costs.Exceeded | None:
        """What was above the ceiling and has been detached, last; None if nothing was."""
        return self._account.exceeded if self._account is not None else None

    def detach(self) -> None:
        """Detach the probes and keep the maps readable."""
        self.links.close()
        if self._account is not None:
            self._account.pause()

    def sleep(self, seconds: float) -> None:
        """Wait, writing what probes print."""
        raise NotImplementedError

    def _accounted(self) -> costs.Account:
        if self._closed:
            raise PyebpfError("the session is closed")
        if self._account is None:
            programs = self._loaded.programs
            self._account = costs.Account(programs, self.compiled.programs, self.detach)
        return self._account

    def _close_account(self) -> None:
        if self._account is not None:
            self._account.close()
