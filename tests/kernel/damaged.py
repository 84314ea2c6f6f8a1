"""Probes that the compiler made and a test then broke, so that the verifier refuses them.

They have what hand-written instructions lack: lines of Python, and values with names in it.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

from pyebpf.btf.system import kernel_btf
from pyebpf.dsl.collect import collect
from pyebpf.dsl.compile import build_unit
from pyebpf.dsl.unit import UnitState
from pyebpf.errors import VerifierError
from pyebpf.ir import nodes
from pyebpf.ir.llvm.object import compile_unit
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.loader import load_object
from pyebpf.runtime.relocate import LinkedProgram, link_program
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.targets import host_target

HEAD = """\
from pyebpf import *

@record
class Seen:
    count: u64

table = Hash[u32, Seen](max_entries=8)
cells = Array[u64](max_entries=4)
events = Events[Seen]()

@raw_tracepoint("sys_enter")
"""

Damage = Callable[[nodes.Function], None]


class Case(NamedTuple):
    """A probe, and how it is broken.

    Attributes:
        text: of the probe, behind ``HEAD``.
        damage: what is done to its function.
        hint: the row of the hints that the refusal must get.
        at: the line that it must be shown at.
        holds: what the register that the kernel complains about held; empty if it names none.
    """

    text: str
    damage: Damage
    hint: str
    at: str
    holds: str = ""


CASES: dict[str, Case] = {}


def case(text: str, *, hint: str, at: str, holds: str = "") -> Callable[[Damage], Damage]:
    """Add a case, named like the function that does the damage."""

    def keep(damage: Damage) -> Damage:
        CASES[damage.__name__] = Case(text, damage, hint, at, holds)
        return damage

    return keep


def _all(fn: nodes.Function, kind: type[nodes.Value]) -> Iterator[Any]:
    return (instr for block in fn.blocks for instr in block.instrs if isinstance(instr, kind))


def _calls(fn: nodes.Function, helper: str) -> list[nodes.CallHelper]:
    return [call for call in _all(fn, nodes.CallHelper) if call.helper == helper]


def _block_of(fn: nodes.Function, instr: nodes.Value) -> nodes.Block:
    return next(block for block in fn.blocks if instr in block.instrs)


def _always(fn: nodes.Function, *, to: nodes.Block) -> None:
    """Let the branches to a block always go there."""
    for block in fn.blocks:
        last = block.instrs[-1]
        if isinstance(last, nodes.Branch) and to in (last.then, last.other):
            block.instrs[-1] = nodes.Jump(last.type, last.span, to)


LOOKED_UP = """\
def probe() -> int:
    pid = cast(u32, tgid())
    seen = table.get(pid)
    if seen is not None:
        seen.count += 1
    return 0
"""


@case(
    LOOKED_UP,
    hint="map_value_or_null",
    at="seen.count += 1",
    holds="`seen`, which is `table.get(pid)`",
)
def not_tested(fn: nodes.Function) -> None:
    (change,) = _all(fn, nodes.AtomicRmw)
    found = next(block for block in fn.blocks if block.name.startswith("hit"))
    _always(fn, to=found)
    _always(fn, to=_block_of(fn, change))


@case(
    LOOKED_UP, hint="out_of_bounds", at="seen.count += 1", holds="`seen`, which is `table.get(pid)`"
)
def past_the_end(fn: nodes.Function) -> None:
    for member in _all(fn, nodes.Member):
        member.offset = 4000


@case(
    """\
def probe() -> int:
    with events.reserve() as event:
        event.count = tgid()
    return 0
""",
    hint="reference",
    at="with events.reserve() as event:",
)
def never_sent(fn: nodes.Function) -> None:
    (submit,) = _calls(fn, "ringbuf_submit")
    _block_of(fn, submit).instrs.remove(submit)


@case(
    """\
def probe(context: RawTracepointContext) -> int:
    cells[0] = 7
    cells[1] = tgid()
    return 0
""",
    hint="helper",
    at="cells[1] = tgid()",
)
def helper_of_others(fn: nodes.Function) -> None:
    (call,) = _calls(fn, "get_current_pid_tgid")
    call.helper, call.args = "get_hash_recalc", (fn.params[0],)


@case(
    """\
def probe() -> int:
    seen = table.get(cast(u32, tgid()))
    if seen is not None:
        now = ktime_get_ns()
        seen.count = now
    return 0
""",
    hint="scalar",
    at="seen.count = now",
    holds="`now`, which is `ktime_get_ns()`",
)
def a_number_for_an_address(fn: nodes.Function) -> None:
    (clock,) = _calls(fn, "ktime_get_ns")
    (member,) = _all(fn, nodes.Member)
    made = nodes.Convert(member.base.type, member.span, clock)
    block = _block_of(fn, member)
    block.instrs.insert(block.instrs.index(member), made)
    member.base = made


#: What the file of a probe is called in its diagnostics.
FILE = "probe.py"


class Refused(NamedTuple):
    """What the kernel said, and to which program."""

    program: LinkedProgram
    error: VerifierError


def refused(name: str) -> Refused:
    """Compile a probe, break it, load it.

    Raises:
        AssertionError: the kernel took it.
    """
    row = CASES[name]
    probe = _module(HEAD + row.text).probe
    target = host_target()
    unit = build_unit((probe,), UnitState(target, {}, collect([probe])))
    row.damage(unit.functions[0])
    obj = parse_object(compile_unit(unit, target))
    resolver = CoreResolver(obj.btf, kernel_btf)
    try:
        load_object(obj, features=KernelFeatures(), resolver=resolver).close()
    except VerifierError as err:
        maps = dict.fromkeys((spec.name for spec in obj.maps), 0)
        return Refused(link_program(obj, "probe", map_fds=maps, resolver=resolver), err)
    raise AssertionError(f"{name} was not refused")


def _module(text: str) -> ModuleType:
    linecache.cache[FILE] = (len(text), None, text.splitlines(keepends=True), FILE)
    module = ModuleType("damaged_probe")
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, FILE, "exec"), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    return module
