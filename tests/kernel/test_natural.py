"""The hundred probes of ``tests/compile/accept/natural`` do in the kernel what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyebpf import load
from pyebpf.btf import Kind
from pyebpf.btf.system import kernel_btf
from tests.compile.cases import load_case, probes_of
from tests.compile.natural import NATURAL, PENDING
from tests.kernel.natural_attached import ATTACHED
from tests.kernel.natural_checks import CHECKS, Run
from tests.kernel.running import loaded

pytestmark = pytest.mark.kernel

#: Those that compile and do not yet run as they should, each with the reason.
WRONG: dict[str, str] = {}
#: What needs a kernel that lists its variables (CONFIG_KALLSYMS_ALL).
VARIABLES = {"098": " jiffies\n"}
#: The feature that one needs, where not every kernel of our range has it.
NEEDS = {
    "019": "atomics",
    "032": "atomics",
    "075": "helper:get_current_ancestor_cgroup_id@raw_tp",
    "078": "atomics",
    "082": "helper:for_each_map_elem@raw_tp",
    "083": "helper:for_each_map_elem@raw_tp",
    "085": "bpf_loop",
    "086": "bpf_loop",
    "090": "helper:timer_init",
    "091": "helper:spin_lock@raw_tp",
}
#: The function of the kernel that one needs.
FUNCTIONS = {"089": "bpf_task_from_pid"}


def case(number: str) -> Path:
    (found,) = (path for path in NATURAL if path.stem.startswith(number.rstrip("+") + "_"))
    return found


def marked(number: str) -> object:
    stem = case(number).stem
    marks = []
    if stem in PENDING:
        marks = [pytest.mark.xfail(reason=PENDING[stem], strict=True)]
    elif stem in WRONG:
        marks = [pytest.mark.xfail(reason=WRONG[stem])]
    return pytest.param(number, marks=marks, id=stem + "+" * number.endswith("+"))


@contextmanager
def opened(number: str, options: dict[str, Any], *, attach: bool) -> Iterator[Run]:
    with load_case(case(number)) as module:
        start = load if attach else loaded
        chosen = {getattr(module, name): value for name, value in options.items()}
        with start(*probes_of(module), options=chosen) as session:
            yield Run(module, session)


def check_needs(number: str, requires: Callable[[str], None]) -> None:
    """Skip a test of what this kernel does not have."""
    name = number.rstrip("+")
    if name in NEEDS:
        requires(NEEDS[name])
    if name in FUNCTIONS and not kernel_btf().find_all(FUNCTIONS[name], Kind.FUNC):
        pytest.skip(f"this kernel has no {FUNCTIONS[name]}")


@pytest.mark.parametrize("number", [marked(number) for number in CHECKS])
def test_what_it_does_when_called(number: str, requires: Callable[[str], None]) -> None:
    options, check = CHECKS[number]
    check_needs(number, requires)
    if number in VARIABLES and VARIABLES[number] not in Path("/proc/kallsyms").read_text():
        pytest.skip("needs a kernel built with CONFIG_KALLSYMS_ALL")
    with opened(number, options, attach=False) as run:
        check(run)
        assert run.session.lost() == {}


@pytest.mark.parametrize("number", [marked(number) for number in ATTACHED])
@pytest.mark.exact
def test_what_it_does_when_attached(number: str, requires: Callable[[str], None]) -> None:
    check_needs(number, requires)
    options, check = ATTACHED[number]
    with opened(number, options, attach=True) as run:
        check(run)


def test_each_has_a_check() -> None:
    checked = {number.rstrip("+") for number in [*CHECKS, *ATTACHED]}
    assert checked == {path.stem[:3] for path in NATURAL}
