"""What the compiler says of wrong programs, word for word, and what it makes of right ones.

In ``reject/`` the ``.err`` of a case holds the whole message; in ``accept/`` its ``.ir`` holds our
IR after the last pass. ``make golden`` rewrites both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pyebpf.diag import Diagnostic
from pyebpf.dsl.check import scope
from pyebpf.dsl.collect import collect
from pyebpf.dsl.compile import build_unit, compile_probes
from pyebpf.dsl.unit import UnitState
from pyebpf.errors import CompileError
from pyebpf.ir.text import unit_text
from pyebpf.spec.target import Target
from tests import frozen
from tests.compile.cases import ACCEPT, HERE, REJECT, load_case, name_of, probes_of


@pytest.fixture
def module(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    with load_case(request.param) as made:
        yield made


def target(module: ModuleType) -> Target:
    return frozen.target(without=getattr(module, "WITHOUT", ()))


def compare(golden: Path, text: str, *, update: bool) -> None:
    if update:
        golden.write_text(text, encoding="utf-8")
    assert golden.exists(), f"no {golden.name} yet: make golden"
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("module", REJECT, indirect=True, ids=name_of)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # Python warns of `1 is 1`; so do we, later
def test_a_wrong_program_is_refused_in_these_words(module: ModuleType, update_golden: bool) -> None:
    case = Path(str(module.__file__))
    with pytest.raises(CompileError) as refusal:
        compile_probes(probes_of(module), target(module), getattr(module, "OPTIONS", None))
    text = str(refusal.value).replace(str(case), "$FILE") + "\n"
    compare(case.with_suffix(".err"), text, update=update_golden)


@pytest.mark.parametrize("module", ACCEPT, indirect=True, ids=name_of)
def test_a_right_program_becomes_this_ir(module: ModuleType, update_golden: bool) -> None:
    case = Path(str(module.__file__))
    given = probes_of(module)
    unit = UnitState(target(module), getattr(module, "OPTIONS", {}), collect(given))
    text = unit_text(build_unit(given, unit))
    compare(case.with_suffix(".ir"), text, update=update_golden)
    assert compile_probes(given, target(module), getattr(module, "OPTIONS", None)).object


def test_no_golden_file_has_lost_its_case() -> None:
    cases = {case.with_suffix("") for case in REJECT + ACCEPT}
    golden = [*(HERE / "reject").rglob("*.err"), *(HERE / "accept").rglob("*.ir")]
    assert [str(path) for path in golden if path.with_suffix("") not in cases] == []


def _messages() -> str:
    return "\n".join(case.with_suffix(".err").read_text(encoding="utf-8") for case in REJECT)


def _subclasses(cls: type[Diagnostic]) -> list[type[Diagnostic]]:
    return [sub for each in cls.__subclasses__() for sub in (each, *_subclasses(each))]


def test_every_diagnostic_of_the_compiler_has_a_case() -> None:
    seen = set(re.findall(r"^error\[(E\d+)\]", _messages(), re.MULTILINE))
    ours = ("pyebpf.dsl.", "pyebpf.ir.")
    classes = [cls for cls in _subclasses(Diagnostic) if cls.__module__.startswith(ours)]
    assert len(classes) >= 20
    assert {cls.__name__ for cls in classes if cls.code not in seen} == set()


#: Only an ``async def`` can hold these, and that is refused as a whole (``syntax/async_probe``).
UNREACHABLE = {"AsyncWith", "AsyncFor", "Await"}


def test_every_advice_has_a_case() -> None:
    text = _messages()
    lacking = {
        node
        for node, (what, advice) in scope.ADVICE.items()
        if f"{what} cannot be used in a probe" not in text or advice not in text
    }
    assert lacking <= UNREACHABLE
