"""Every program that compiles also runs in the interpreter, and every instruction has a rule."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from pyebpf.abi.helpers import FAMILIES
from pyebpf.dsl.collect import collect
from pyebpf.dsl.compile import build_unit
from pyebpf.dsl.unit import UnitState
from pyebpf.ir.interp import Machine
from pyebpf.ir.legal import GONE_AFTER, RULES
from pyebpf.ir.nodes import TERMINATORS, CallHelper
from tests import frozen
from tests.compile.cases import ACCEPT, load_case, name_of, probes_of

#: What a pass replaces for good; of these the interpreter still knows those of kernel memory.
_GONE = set(GONE_AFTER.get("loops", ()))
#: More than any context of these programs has.
_CONTEXT = bytes(512)


#: What is about packets, sockets and files is the test's to supply.
_OUTSIDE = [
    *(
        row.name
        for family in FAMILIES
        if family.title in ("Packets", "Sockets")
        for row in family.rows
        if row.name != "skb_load_bytes"  # what it fills is read: the interpreter's own, on nothing
    ),
    "d_path",
    "sysctl_get_name",
]


def _nothing(machine: Machine, args: list[int], call: CallHelper) -> int:
    return 0


@pytest.fixture
def module(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    with load_case(request.param) as made:
        yield made


def test_every_instruction_has_a_rule() -> None:
    lacking = set(RULES) - set(Machine.rules) - set(TERMINATORS) - _GONE
    assert lacking == set()


@pytest.mark.parametrize("module", ACCEPT, indirect=True, ids=name_of)
def test_a_right_program_runs(module: ModuleType) -> None:
    given = probes_of(module)
    target = frozen.target(without=getattr(module, "WITHOUT", ()))
    unit = UnitState(target, getattr(module, "OPTIONS", {}), collect(given))
    machine = Machine(build_unit(given, unit), target)
    machine.given.update(dict.fromkeys(getattr(module, "SUPPLIED", ()), lambda *_: 0))
    machine.given.update(dict.fromkeys(_OUTSIDE, _nothing))
    for fn in machine.unit.functions:
        if fn.section:
            for _ in range(2):  # the second time some keys are there
                machine.run(fn.name, _CONTEXT)
