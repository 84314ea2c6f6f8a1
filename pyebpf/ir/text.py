"""IR as text, for dumps, golden files and messages. Values are numbered in the order they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.abi.constants import BPF_F_NUMA_NODE
from pyebpf.ir import nodes
from pyebpf.ir.nodes import Block, Const, Param, Slot, Value
from pyebpf.ir.types import VOID
from pyebpf.spec.objects import CoreKind
from pyebpf.spec.types import Bool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyebpf.diag import Span
    from pyebpf.ir.nodes import Function
    from pyebpf.spec.objects import MapSpec

#: Fields that are printed by their own rule, or not at all.
_QUIET = ("type", "span", "prototype", "declared")
_WORDS = {
    nodes.ReadSlot: "read",
    nodes.WriteSlot: "write",
    nodes.SlotAddr: "address",
    nodes.MapHandle: "map",
    nodes.CallHelper: "helper",
    nodes.CallKfunc: "kfunc",
    nodes.KernelSymbol: "symbol",
    nodes.ConstText: "text",
    nodes.CallFunction: "call",
    nodes.StoreUnknown: "store_unknown",
    nodes.FuncAddr: "function",
    nodes.NextEntry: "next_entry",
    nodes.EntryPart: "entry",
    nodes.KernelLoad: "kernel_load",
    nodes.BitfieldRead: "bitfield_read",
    nodes.FieldAddr: "field",
    nodes.CoreValue: "core",
    nodes.CtxLoad: "ctx_load",
    nodes.Advance: "advance",
    nodes.Within: "within",
    nodes.CompareExchange: "compare_exchange",
    nodes.GlobalAddr: "global",
}


def function_text(fn: Function, *, lines: bool = False) -> str:
    """Return a function as text; ``lines`` adds the source line of each instruction."""
    names = _number(fn)
    params = ", ".join(f"%{p.name}: {p.type}" for p in fn.params)
    section = f' section "{fn.section}"' if fn.section else ""
    stand_in = " stand_in" if fn.stand_in else ""
    out = [f"fn {fn.name}({params}) -> {fn.result}{section}{stand_in} {{"]
    out += [f"  slot {names[slot]}: {slot.type}" for slot in fn.slots]
    for block in fn.blocks:
        out.append(f"{block.name}:")
        out += [_line(instr, names, lines=lines) for instr in block.instrs]
    return "\n".join([*out, "}"]) + "\n"


def instructions_text(fn: Function) -> list[tuple[Span | None, str]]:
    """Return each instruction as text, with its place in the source; blocks are named before it."""
    names, out = _number(fn), []
    for block in fn.blocks:
        label = f"{block.name}:"
        for instr in block.instrs:
            out.append((instr.span, f"{label:<9} {_line(instr, names, lines=False).strip()}"))
            label = ""
    return out


def unit_text(unit: nodes.Unit) -> str:
    """Return a unit as text: its maps, then its functions."""
    maps = "".join(f"{map_text(spec)}\n" for spec in unit.maps)
    variables = "".join(map(_global_text, unit.globals))
    return "\n".join(filter(None, [maps + variables, *map(function_text, unit.functions)]))


def _global_text(variable: nodes.GlobalVariable) -> str:
    initial = variable.initial.hex() if any(variable.initial) else "0"
    return f"global {variable.name}: {variable.type} = {initial}\n"


def map_text(spec: MapSpec) -> str:
    """Return the declaration of a map as one line."""
    key = spec.key or f"{spec.key_size} bytes"
    value = spec.value or f"{spec.value_size} bytes"
    flags = f" flags {spec.flags:#x}" if spec.flags else ""
    flags += f" node {spec.numa_node}" if spec.flags & BPF_F_NUMA_NODE else ""
    flags += f" extra {spec.extra}" if spec.extra else ""
    slots = "".join(f" {index}={name}" for index, name in spec.slots)
    return f"map {spec.name}: {spec.kind} {key} -> {value} max {spec.max_entries}{flags}{slots}"


def instruction_text(instr: Value) -> str:
    """Return one instruction without the names that only its function can give."""
    return _spell(instr, {})


def _number(fn: Function) -> dict[object, str]:
    names: dict[object, str] = {param: f"%{param.name}" for param in fn.params}
    values = [i for block in fn.blocks for i in block.instrs if i.type != VOID]
    names |= {instr: f"%{number}" for number, instr in enumerate(values)}
    taken: dict[str, int] = {}
    for slot in fn.slots:
        taken[slot.name] = taken.get(slot.name, 0) + 1
        again = taken[slot.name]
        names[slot] = f"${slot.name}" + (f".{again}" if again > 1 else "")
    return names


def _line(instr: Value, names: Mapping[object, str], *, lines: bool) -> str:
    text = _spell(instr, names)
    if instr.type != VOID:
        text = f"{names[instr]}: {instr.type} = {text}"
    place = f"  ; {instr.span.line}:{instr.span.column + 1}" if lines and instr.span else ""
    return f"  {text}{place}"


def _spell(instr: Value, names: Mapping[object, str]) -> str:
    if isinstance(instr, Const | Param):
        return _operand(instr, names)
    kind = type(instr)
    fields = {k: v for k, v in vars(instr).items() if k not in _QUIET}
    word = _WORDS.get(kind, kind.__name__.lower())
    if isinstance(instr, nodes.Binary | nodes.Compare):
        word = fields.pop("op").value
    if isinstance(instr, nodes.AtomicRmw):
        word = f"atomic_{fields.pop('op').value}"
    if fields.pop("volatile", False):
        word = f"volatile {word}"
    parts = [_operand(item, names) for item in fields.values() if item != ""]
    return " ".join([word, ", ".join(parts)]).strip()


def _operand(item: Any, names: Mapping[object, str]) -> str:
    if isinstance(item, Const):
        return _constant(item)
    if isinstance(item, Value | Slot):
        return names.get(item) or _unnamed(item)
    if isinstance(item, Block):
        return item.name
    if isinstance(item, tuple):
        return f"({', '.join(_operand(part, names) for part in item)})"
    if isinstance(item, CoreKind):
        return item.name.lower()
    return "" if item is None else str(getattr(item, "name", item))


def _constant(item: Const) -> str:
    if isinstance(item.type, Bool):
        return "true" if item.value else "false"
    return f"{item.value}:{item.type}"


def _unnamed(item: Value | Slot) -> str:
    if isinstance(item, Slot):
        return f"${item.name}"
    return f"%{item.name}" if isinstance(item, Param) else f"<{type(item).__name__}>"
