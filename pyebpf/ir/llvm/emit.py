"""A unit as LLVM IR text: the same unit and target always give the same text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pyebpf.diag import Diagnostic
from pyebpf.errors import InternalError
from pyebpf.ir.llvm.body import Module
from pyebpf.ir.llvm.core import LocalTypes, Relocations
from pyebpf.ir.llvm.debuginfo import DebugInfo, quote
from pyebpf.ir.llvm.externs import Externs
from pyebpf.ir.llvm.function import function_text
from pyebpf.ir.llvm.mapdef import map_text

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import GlobalVariable, Unit
    from pyebpf.spec.target import Target

#: LLVM's for BPF. Without it, LLVM splits a 64-bit load into two of 32 bits, silently.
DATA_LAYOUT = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"
TRIPLE = "bpfel"
LICENSE_NAME = "_license"
#: Sections that every object has; no symbol may be called like a section.
_SECTIONS = frozenset({"license", ".maps", ".text", ".data"})


class NameTaken(Diagnostic):
    """Functions, maps and hooks of one object share one set of names.

    Wrong:
        @tp_btf("block_rq_issue")
        def license() -> None:
            counts[1] += 1

    Right:
        @tp_btf("block_rq_issue")
        def count_requests() -> None:
            counts[1] += 1
    """

    code: ClassVar[str] = "E0411"
    title: ClassVar[str] = "the name `{name}` is already used for {holder}"
    label: ClassVar[str] = "`{name}` stands here again"
    help: ClassVar[str] = "give the function another name"
    name: str
    holder: str


def check_names(unit: Unit, context: Context) -> None:
    """Report functions whose name the object file needs for something else."""
    taken = dict.fromkeys((LICENSE_NAME, *_SECTIONS), "a section of the object")
    taken |= {fn.section: "the hook of a probe" for fn in unit.functions if fn.section}
    taken |= {spec.name: "a map" for spec in unit.maps}
    taken |= {variable.name: "a global variable" for variable in unit.globals}
    for fn in unit.functions:
        if fn.name in taken:
            context.report(NameTaken(fn.span, fn.name, taken[fn.name]))
        taken[fn.name] = "another function"


def cpu_of(target: Target) -> str:
    """Return the instruction set to compile for.

    ``v4`` stores constants and extends signs in one instruction (Linux 6.6), ``v3`` has 32-bit
    arithmetic and jumps (5.1), ``v2`` has all comparisons (4.14).
    """
    return next((cpu for cpu in ("v4", "v3") if target.has(f"cpu_{cpu}")), "v2")


def unit_llvm(unit: Unit, target: Target, producer: str) -> str:
    """Return a unit as the text of an LLVM module.

    Raises:
        InternalError: if the unit holds something that no emitter knows.
    """
    if not unit.functions:
        raise InternalError("a unit without functions")
    debug = DebugInfo(producer)
    types = LocalTypes(target.btf, debug, unit) if target.btf is not None else None
    relocations = Relocations(types) if types else None
    externs = Externs(debug, types)
    module = Module(debug, relocations, externs, cpu_of(target))
    module.functions = {fn.name: fn for fn in unit.functions}
    functions = [function_text(fn, module) for fn in unit.functions]
    # Behind a map of maps LLVM 20 only declares the records that are in the inner ones: the maps
    # that stand in it describe them, if they come first.
    inner_first = sorted(unit.maps, key=lambda spec: spec.inner is not None)
    maps = [map_text(spec, debug) for spec in inner_first]
    parts = [
        f'target datalayout = "{DATA_LAYOUT}"\ntarget triple = "{TRIPLE}"',
        *maps,
        *(_global_text(variable, debug) for variable in unit.globals),
        _license(unit.license, debug),
        *(relocations.lines if relocations else ()),
        *externs.lines,
        *map(_constant_text, module.texts, module.texts.values()),
        *module.declarations,
        *functions,
        debug.text(),
    ]
    return "\n".join(parts)


def _constant_text(text: str, name: str) -> str:
    data = text.encode() + b"\0"
    kind = f"[{len(data)} x i8]"
    written = "".join(f"\\{byte:02X}" for byte in data)
    return f'@{name} = internal constant {kind} c"{written}", section ".rodata", align 1'


def _global_text(variable: GlobalVariable, debug: DebugInfo) -> str:
    size = len(variable.initial)
    data = "".join(f"\\{byte:02X}" for byte in variable.initial)
    node = debug.variable(variable.name, debug.data(variable.type))
    content = "zeroinitializer" if not any(variable.initial) else f'c"{data}"'
    return (
        f"@{variable.name} = global [{size} x i8] {content}, "
        f"section {quote(variable.section)}, align 8, !dbg !{node}"
    )


def _license(text: str, debug: DebugInfo) -> str:
    size = len(text.encode()) + 1
    node = debug.variable(
        LICENSE_NAME, debug.array(debug.basic("char", 1, "signed_char"), size, size)
    )
    return (
        f"@{LICENSE_NAME} = constant [{size} x i8] c{quote(text + chr(0))}, "
        f'section "license", align 1, !dbg !{node}'
    )
