"""The hundred probes of ``accept/natural`` compile for the running kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyebpf import compile_probes, host_target
from tests.compile.cases import load_case, probes_of
from tests.compile.natural import NATURAL, PENDING
from tests.conftest import kernel_refusal

pytestmark = pytest.mark.skipif(
    kernel_refusal() is not None, reason="needs the types and tracepoints of a kernel, as root"
)


def marked(case: Path) -> object:
    reason = PENDING.get(case.stem)
    marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
    return pytest.param(case, marks=marks, id=case.stem)


@pytest.mark.parametrize("case", [marked(case) for case in NATURAL])
def test_a_natural_probe_compiles(case: Path) -> None:
    with load_case(case) as module:
        assert compile_probes(*probes_of(module), target=host_target()).object


def test_there_are_a_hundred() -> None:
    assert len(NATURAL) == 100
    assert set(PENDING) <= {case.stem for case in NATURAL}
