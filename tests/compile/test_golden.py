"""What the compiler says of wrong programs, word for word, and what it makes of right ones.

A case is a small module with probes, compiled for the frozen kernel. In ``reject/`` its ``.err`` holds
the whole message; in ``accept/`` its ``.ir`` holds our IR after the last pass. ``make golden`` rewrites
both. A case may set ``WITHOUT`` (features that its kernel lacks) and ``OPTIONS`` (values of constants).
"""

from __future__ import annotations

import importlib.util
import linecache
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pyebpf.diag import Diagnostic
from pyebpf.dsl import faults, scope
from pyebpf.dsl.collect import collect
from pyebpf.dsl.compile import build_unit, compile_probes
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.unit import UnitState
from pyebpf.errors import CompileError
from pyebpf.ir.text import unit_text
from tests import frozen

HERE = Path(__file__).parent
REJECT = sorted((HERE / "reject").rglob("*.py"))
ACCEPT = sorted((HERE / "accept").rglob("*.py"))


def _name(case: Path) -> str:
    return f"{case.parent.name}/{case.stem}"


@pytest.fixture
def module(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The case as a module, known to Python under its name while the test runs."""
    case: Path = request.param
    name = f"case_{case.parent.name}_{case.stem}"
    spec = importlib.util.spec_from_file_location(name, case)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    try:
        spec.loader.exec_module(made)
        yield made
    finally:
        del sys.modules[name]
        linecache.clearcache()


def probes(module: ModuleType) -> tuple[Probe, ...]:
    found = dict.fromkeys(v for v in vars(module).values() if isinstance(v, Probe))
    assert found, "the case has no probe"
    return tuple(found)


def target(module: ModuleType) -> Any:
    return frozen.target(without=getattr(module, "WITHOUT", ()))


def compare(golden: Path, text: str, *, update: bool) -> None:
    if update:
        golden.write_text(text, encoding="utf-8")
    assert golden.exists(), f"no {golden.name} yet: make golden"
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("module", REJECT, indirect=True, ids=_name)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # Python warns of `1 is 1`; so do we, later
def test_a_wrong_program_is_refused_in_these_words(module: ModuleType, update_golden: bool) -> None:
    case = Path(str(module.__file__))
    with pytest.raises(CompileError) as refusal:
        compile_probes(probes(module), target(module), getattr(module, "OPTIONS", None))
    text = str(refusal.value).replace(str(case), "$FILE") + "\n"
    compare(case.with_suffix(".err"), text, update=update_golden)


@pytest.mark.parametrize("module", ACCEPT, indirect=True, ids=_name)
def test_a_right_program_becomes_this_ir(module: ModuleType, update_golden: bool) -> None:
    case = Path(str(module.__file__))
    given = probes(module)
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


def _subclasses(cls: type) -> list[type]:
    return [sub for each in cls.__subclasses__() for sub in (each, *_subclasses(each))]


def test_every_diagnostic_of_the_compiler_has_a_case() -> None:
    seen = set(re.findall(r"^error\[(E\d+)\]", _messages(), re.MULTILINE))
    compiler = [c for c in _subclasses(Diagnostic) if c.__module__.startswith(("pyebpf.dsl", "pyebpf.ir"))]
    assert {vars(faults)[name] for name in vars(faults) if name == "Unsupported"} <= set(compiler)
    assert {c.__name__ for c in compiler if c.code not in seen} == set()


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
