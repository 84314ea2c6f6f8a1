"""The links of a session: what is attached at its start, and what is attached later by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pyebpf.errors import PyebpfError
from pyebpf.runtime.links import Link, attach, lacks
from pyebpf.runtime.tracefs import Tracefs

if TYPE_CHECKING:
    from pyebpf.runtime.program import Program
    from pyebpf.runtime.tracefs import Tracefs as OpenTracefs
    from pyebpf.spec.compiled import ProgramInfo
    from pyebpf.spec.target import Features


class Links:
    """Attaches programs and owns their links.

    Attributes:
        features: what the kernel can do.
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        self._links: list[tuple[str, Link]] = []

    def attach_all(self, programs: Mapping[str, Program], infos: Iterable[ProgramInfo]) -> None:
        """Attach each program that says where it belongs."""
        with Tracefs() as tracefs:
            for info in infos:
                program = programs[info.name]
                if info.attach and not lacks(program.kind, program.hook, dict(info.at)):
                    self.add(program, dict(info.at), None, tracefs)

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
        """Detach everything, the last first. Idempotent."""
        for _, link in reversed(self._links):
            link.close()
        self._links.clear()
