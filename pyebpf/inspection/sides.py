"""An object file, its IR and its verification, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.btf import Btf
from pyebpf.btf.system import kernel_btf
from pyebpf.errors import PyebpfError, VerifierError
from pyebpf.inspection.listing import IrLine, IrLines, Section, chunks_of
from pyebpf.inspection.states import states_of
from pyebpf.ir.text import instructions_text
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.loader import load_object
from pyebpf.runtime.relocate import LinkedProgram, link_program
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.runtime.verifier import parse_log

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pyebpf.inspection.subjects import Subject
    from pyebpf.ir.nodes import Unit
    from pyebpf.spec.objects import ObjectSpec, ProgramSpec

#: Descriptors that stand for maps where nothing is loaded: the first map has the next number.
_FIRST_MAP = 1_000_000
_EVERY_STATE = 2


def inspect_subject(
    subject: Subject, *, only: Collection[str] = (), verify: bool = True
) -> Iterator[Section]:
    """Yield what is known of each program of an object.

    Args:
        subject: the object, and its IR.
        only: names of programs; all of them if it is empty.
        verify: load each program, to see what the verifier knows; nothing is attached, and the
            program is gone at once.

    Raises:
        PyebpfError: a program cannot be put together for this kernel.
    """
    ir = _ir_lines(subject.unit) if subject.unit is not None else {}
    for program in subject.obj.programs:
        if not only or program.name in only:
            yield _section(subject.obj, program, ir, verify=verify)


def _section(obj: ObjectSpec, program: ProgramSpec, ir: IrLines, *, verify: bool) -> Section:
    names = {_FIRST_MAP + number: spec.name for number, spec in enumerate(obj.maps)}
    linked = link_program(
        obj,
        program.name,
        map_fds={name: fd for fd, name in names.items()},
        resolver=CoreResolver(obj.btf, kernel_btf),
    )
    log, refusal, untold = _verified(obj, program.name) if verify else ("", "", "")
    starts, states = _starts(obj, linked), states_of(log)
    chunks = chunks_of(linked.code, linked.lines, starts, names, ir, states)
    culprit = parse_log(log).insn if refusal and log else None
    count = len(linked.code) // 8
    return Section(program.name, program.section, count, tuple(chunks), refusal, untold, culprit)


def _verified(obj: ObjectSpec, name: str) -> tuple[str, str, str]:
    """Return the verifier's log, its refusal, and why there is no log."""
    resolver = CoreResolver(obj.btf, kernel_btf)
    try:
        with load_object(
            obj, features=KernelFeatures(), resolver=resolver, only=[name], log_level=_EVERY_STATE
        ) as loaded:
            return loaded.programs[name].log, "", ""
    except VerifierError as error:
        return error.log, str(error), ""
    except PyebpfError as error:
        return "", "", str(error)


def _starts(obj: ObjectSpec, linked: LinkedProgram) -> dict[int, str]:
    """Return the functions of a program by their first instructions."""
    if not linked.functions:
        return {0: linked.name}
    types = Btf.parse(obj.btf)
    return {each.insn: types.name(each.type_id) for each in linked.functions}


def _ir_lines(unit: Unit) -> IrLines:
    """Return the text of the IR by function, file and line."""
    found: dict[tuple[str, str, int], tuple[str, list[str]]] = {}
    for function in unit.functions:
        for span, text in instructions_text(function):
            place, source = ("", 0), ""
            if span is not None:
                place, source = (span.source.name, span.line), span.text
            found.setdefault((function.name, *place), (source, []))[1].append(text)
    return {key: IrLine(source, tuple(texts)) for key, (source, texts) in found.items()}
