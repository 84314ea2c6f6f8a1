"""A program of each kind that has a decorator runs, on the right data, where the kernel has it."""

from __future__ import annotations

import pytest

from pyebpf.abi.programs import PROGRAM_KINDS
from scripts.kind_pages import decorators
from tests.kinds import CASES, run

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("kind", CASES)
def test_it_runs(kind: str) -> None:
    outcome = run(CASES[kind])
    assert not outcome.wrong
    if "fired" not in outcome.reached:
        pytest.skip(outcome.reason)


def test_every_kind_with_a_decorator_has_a_case() -> None:
    declared = {PROGRAM_KINDS[kind].name for kind in decorators()}
    assert declared <= CASES.keys()
