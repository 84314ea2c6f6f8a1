"""What becomes of probes, said in words, and in a notebook drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.dsl import compile as compiler
from pyebpf.errors import PyebpfError
from pyebpf.inspection import Subject, inspect_subject
from pyebpf.inspection.page import page_of
from pyebpf.present import drawing, theme
from pyebpf.runtime import elf
from pyebpf.runtime.links import lacks
from pyebpf.targets import host_target

if TYPE_CHECKING:
    from pyebpf.dsl.probes import Probe
    from pyebpf.dsl.probes.alternatives import Loadable
    from pyebpf.inspection import Section
    from pyebpf.spec.compiled import Compiled
    from pyebpf.spec.target import Target


class Explanation(str):
    """Which hooks there are and which fields are read there, as text.

    A notebook draws it: each line of Python beside the IR and the instructions that it became.
    """

    _subject: Callable[[], Subject]

    @classmethod
    def of(cls, words: str, subject: Callable[[], Subject]) -> Explanation:
        """Return a text, and how to find out more."""
        made = cls(words)
        made._subject = subject
        return made

    def sections(self) -> list[Section]:
        """Return each program line by line (``pyebpf.inspection.Section``).

        Raises:
            PyebpfError: it cannot be put together for this kernel.
        """
        return list(inspect_subject(self._subject(), verify=False))

    def __repr__(self) -> str:
        return str(self)  # for who asks at a prompt

    def _repr_html_(self) -> str:
        return theme.page("explained", f"<pre>{theme.lines(self)}</pre>", page_of(self.sections()))


def of_probe(
    probe: Loadable, options: Mapping[Any, Any] | None, target: Target | None
) -> Explanation:
    """Explain a probe that is not loaded: it is compiled."""
    compiled, unit = compiler.compile_with_ir((probe,), target or host_target(exact=True), options)
    subject = Subject(elf.parse_object(compiled.object), unit)
    return Explanation.of(words(compiled), lambda: subject)


def of_compiled(
    compiled: Compiled,
    probes: list[Probe],
    options: Mapping[Any, Any],
    attached: Mapping[str, Sequence[str]],
) -> Explanation:
    """Explain what is loaded.

    Args:
        compiled: what it is.
        probes: what it was made of; compiled again when the IR is to be seen.
        options: that it was made with.
        attached: where each program is attached, by its name.
    """

    def subject() -> Subject:
        try:
            made, unit = compiler.compile_with_ir(probes, host_target(exact=True), options)
        except PyebpfError:  # it was loaded with the types of another file
            return Subject(elf.parse_object(compiled.object), None)
        return Subject(elf.parse_object(made.object), unit)

    return Explanation.of(words(compiled, attached), subject)


def words(compiled: Compiled, attached: Mapping[str, Sequence[str]] = MappingProxyType({})) -> str:
    """Say which hooks a compiled program attaches to and which fields it reads there.

    Args:
        compiled: what it is.
        attached: where each program was attached by hand, if it does not say where itself.
    """
    out = []
    for info in compiled.programs:
        out.append(f"{info.name}: {info.kind} {info.target}".rstrip())
        later = lacks(PROGRAM_KINDS[info.kind], info.target, dict(info.at)) if info.attach else ""
        if later and (places := attached.get(info.name)):
            out.append(f"    attached to {', '.join(places)}")
        elif later:
            out.append(f"    not attached: {later}")
        out += [f"    reads {field}" for field in info.fields]
        out += [f"    {note}" for note in info.notes]
    return "\n".join(out)


def programs_page(compiled: Compiled, links: Mapping[str, int], told: str) -> str:
    """Return the programs of a session as HTML: a table, and each line with its instructions.

    Args:
        compiled: what is loaded.
        links: how many places each is attached to.
        told: what else there is to say of the session.
    """
    obj = elf.parse_object(compiled.object)
    sections = list(inspect_subject(Subject(obj, None), verify=False))
    sizes = {section.name: section.count for section in sections}
    rows = [
        [one.name, f"{one.kind} {one.target}".rstrip(), sizes.get(one.name, 0), links[one.name]]
        for one in compiled.programs
    ]
    heads = ["program", "hook", "instructions", "attached to"]
    right = [False, False, True, True]
    table = drawing.table(heads, rows, told, right=right)
    return theme.page("session", table, page_of(sections, is_open=False))
