"""Programs that go on in another program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl.map_flags import pin_path
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.probes import Probe
from pyebpf.errors import PyebpfError
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import U32

if TYPE_CHECKING:
    from pyebpf.dsl.map_flags import Path


class TailCalls(MapDecl):
    """A table of programs to go on in: ``steps = TailCalls(first, second)``, ``steps.call(1)``.

    All are probes of one kind of hook, the one of the probe that calls. They are loaded with it and
    not attached, unless they are given to ``load`` as well. ``None`` leaves an entry empty;
    ``session[steps][1] = other`` changes one while the program runs.

    Args:
        probes: the entries, from number 0.
        max_entries: how many there may be, if more than are given.
        pin: its path in a BPF file system. The probes replace what is in a table that is there.

    Since:  Linux 4.2.
    """

    kind = "prog_array"

    def __init__(
        self, *probes: Probe | None, max_entries: int | None = None, pin: Path | None = None
    ) -> None:
        self.probes, self.pin = probes, pin_path("TailCalls", pin)
        self.max_entries = len(probes) if max_entries is None else max_entries
        if self.max_entries < max(1, len(probes)):
            raise PyebpfError(f"TailCalls: {len(probes)} probes in {self.max_entries} entries")
        for probe in probes:
            if probe is not None and not isinstance(probe, Probe):
                raise PyebpfError(f"TailCalls takes decorated probes and None, not {probe!r}")

    def spec(self, name: str, cpus: int) -> MapSpec:
        return MapSpec(name, self.kind, 4, 4, self.max_entries, 0, U32, U32)

    def call(self, index: int) -> None:
        """Go on in program ``index``, with the same context, and do not come back.

        If that entry is empty, the program goes on here. The kernel follows at most 33 such calls,
        and then goes on here too.
        """
        self._outside("call()")
