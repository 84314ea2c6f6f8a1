"""Programs that the verifier refuses: the hint for each must match what this kernel says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from pyebpf.abi import insn as op
from pyebpf.runtime.verifier import hint_for, parse_log
from pyebpf.runtime.verifier_hints import HINTS
from tests.kernel import damaged, refused

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def fds() -> Iterator[dict[str, int]]:
    with refused.maps() as opened:
        yield opened


def test_every_row_has_a_program_that_it_is_about() -> None:
    assert {hint.name for hint in HINTS} == {*refused.BAD}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n == "too_large" else ()) for n in refused.BAD],
)
def test_this_kernel_says_what_the_hint_is_for(name: str, fds: dict[str, int]) -> None:
    log = refused.refusal_of(name, fds)
    assert log, f"{name} was not refused by the verifier"
    refusal = parse_log(log)
    assert [h.name for h in HINTS if re.search(h.pattern, refusal.raw)][:1] == [name]
    assert refusal.insn is not None
    assert refusal.insn < len(op.assemble(*refused.BAD[name](fds)[1])) // 8


@pytest.mark.parametrize("name", damaged.CASES)
def test_a_broken_probe_is_shown_at_its_line(name: str) -> None:
    case, error = damaged.CASES[name], damaged.refused(name).error
    (row,) = (hint for hint in HINTS if hint.name == case.hint)
    assert error.hint == row.help == hint_for(parse_log(error.log or "").raw)
    assert f"| {case.at}" in re.sub(r"\| +", "| ", str(error))
    assert f"R0 holds {case.holds}" in str(error) if case.holds else "holds" not in str(error)
