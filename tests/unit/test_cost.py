"""What programs cost, as a value; and what is refused before anything is measured."""

from __future__ import annotations

import errno
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pyebpf import cost as costs
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.cost import Account, Exceeded, Meter
from pyebpf.errors import KernelError, NotSupportedError, PyebpfError
from pyebpf.present.cost import Cost, Costs
from pyebpf.runtime import policy, syscall
from pyebpf.runtime.info import RunStats


def of(name: str, hits: int | None, time_ns: int | None, misses: int | None = 0) -> Cost:
    return Cost(name, "tp_btf sys_enter", hits, time_ns, misses, 2.0, 4)


ROWS = (of("seldom", 10, 2_000), of("often", 1_000_000, 80_000_000, 3), of("never", 0, 0))
COST = Costs(ROWS, 2.0, 4)


def test_numbers_of_a_program() -> None:
    often = COST["often"]
    assert (often.hits_per_s, often.ns_per_hit) == (500_000, 80)
    assert (often.cpu_percent, often.machine_percent) == (pytest.approx(4), pytest.approx(1))
    assert (COST["never"].ns_per_hit, COST["never"].hits_per_s) == (None, 0)


def test_what_leads_to_a_program_is_in_its_share() -> None:
    trapped = of("trapped", 1_000, 100_000).replace(entry_ns=10_000.0)
    assert (trapped.ns_per_hit, trapped.whole_ns) == (100, 10_100_000)
    assert trapped.cpu_percent == pytest.approx(0.505)
    both = Costs([*ROWS, trapped], 2.0, 4)
    assert list(both)[:2] == ["often", "trapped"]
    assert both.total.whole_ns == pytest.approx(90_102_000)
    assert both.summary().endswith("(entry where known)")
    alone = Costs([trapped], 2.0, 4)
    assert alone.summary().endswith("(with entry)")
    assert "1,000 hits of 100 ns and 10000 ns to get there." in str(Exceeded(0.1, alone))


def test_the_costliest_is_first_and_all_add_up() -> None:
    assert list(COST) == ["often", "seldom", "never"]
    assert len(COST) == 3
    total = COST.total
    assert (total.hits, total.time_ns, total.misses) == (1_000_010, 80_002_000, 3)
    assert total.machine_percent == pytest.approx(1.000025)


TABLE = """\
PROGRAM                HITS     HITS/S  NS/HIT  ENTRY    %CPU    %ALL MISSED HOOK
often               1000000     500000      80      -   4.000   1.000      3 tp_btf sys_enter
seldom                   10        5.0     200      -  <0.001  <0.001      0 tp_btf sys_enter
never                     0        0.0       -      -   0.000   0.000      0 tp_btf sys_enter
1,000,010 hits in 2 s: 4.000 % of one CPU, 1.000 % of all 4 (programs alone)"""


def test_text() -> None:
    assert str(COST) == TABLE
    assert repr(COST) == f"<Costs of 3 programs: {TABLE.splitlines()[-1]}>"


def test_what_the_kernel_does_not_count_is_no_number() -> None:
    cost = Costs([of("sleeps", None, None, None)], 2.0, 4)
    assert str(cost).splitlines()[1].split() == ["sleeps", *"-------", "tp_btf", "sys_enter"]
    assert (cost.total.hits, cost.total.time_ns) == (0, 0)
    row = cost.array[0]
    assert (row["hits"], row["time_ns"], row["misses"]) == (-1, -1, -1)
    assert np.isnan([row["ns_per_hit"], row["cpu_percent"]]).all()
    assert json.loads(cost.to_json_lines())["hits"] is None


def test_a_structured_array() -> None:
    array = COST.array
    assert array.shape == (3,)
    assert array["program"].tolist() == ["often", "seldom", "never"]
    assert array["hits"].tolist() == [1_000_000, 10, 0]
    assert array["machine_percent"].sum() == pytest.approx(1.000025)
    assert Costs([], 2.0, 4).array.shape == (0,)


def test_json_and_rows() -> None:
    first, *_ = map(json.loads, COST.to_json_lines(ts="now").splitlines())
    assert first == {"ts": "now", **COST.to_rows()[0]}
    assert (first["program"], first["hits"], first["seconds"]) == ("often", 1_000_000, 2.0)
    assert COST.to_dict() == {"seconds": 2.0, "cpus": 4, "programs": COST.to_rows()}


def test_a_drawing_is_safe() -> None:
    evil = Costs([Cost("<b>", "usdt \x1b", 1, 1, 0, 1.0, 1)], 1.0, 1)._repr_html_()
    assert "<b>" not in evil
    assert "\x1b" not in evil
    assert "&lt;b&gt;" in evil
    assert "%all" in evil


def test_what_was_too_much_is_said() -> None:
    assert str(Exceeded(0.5, COST)) == (
        "detached: the probes took 1.00 % of all CPUs in 2.0 s, and the ceiling is 0.5 %; most of "
        "it `often` at tp_btf sys_enter: 1,000,000 hits of 80 ns. Trace less, or allow more"
    )


def pretended(kind: str) -> dict[str, Any]:
    program = SimpleNamespace(kind=PROGRAM_KINDS[kind], fd=-1)
    program.loaded = lambda: (program,)
    return {"probe": program}


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> list[RunStats]:
    """Give what the kernel answers next; nothing is asked, and nothing switched on."""
    answers = [RunStats(5, 500, None)]
    monkeypatch.setattr(syscall, "run_stats", lambda _: answers[-1])
    monkeypatch.setattr(syscall, "enable_stats", lambda: -1)
    return answers


def test_kernels_that_count_no_misses_count_no_programs_that_sleep(
    counters: list[RunStats],
) -> None:
    meter = Meter(pretended("fentry.s"), {})
    counters.append(RunStats(7, 700, None))
    (row,) = meter.cost().values()
    assert (row.hits, row.time_ns, row.misses) == (None, None, None)
    account = Account(pretended("fentry.s"), (), lambda: None)
    with pytest.raises(NotSupportedError, match="probe may sleep, and this kernel does not time"):
        account.limit(1, None)
    (row,) = Meter(pretended("fentry"), {}).cost().values()
    assert (row.hits, row.misses) == (0, None)


def test_a_meter_counts_from_its_begin_and_keeps_what_it_had(counters: list[RunStats]) -> None:
    meter = Meter(pretended("fentry"), {"probe": "fentry vfs_read"})
    assert meter.cost()["probe"].hook == "fentry vfs_read"
    counters.append(RunStats(15, 1_500, 2))
    assert (meter.cost()["probe"].hits, meter.cost()["probe"].time_ns) == (10, 1_000)
    counters.append(RunStats(16, 1_600, 2))
    assert [meter.lap()["probe"].hits, meter.lap()["probe"].hits] == [11, 0]
    meter.pause()
    assert meter.cost().seconds == meter.cost().seconds  # no time goes by
    counters.append(RunStats(17, 1_700, 2))
    assert meter.cost()["probe"].hits == 12  # as it was attached again
    meter.close()
    counters.append(RunStats(20, 2_000, 2))
    assert meter.cost()["probe"].hits == 12
    assert not meter.is_open


def test_nothing_measured_says_how() -> None:
    account = Account({}, (), lambda: None)
    with pytest.raises(PyebpfError, match=r"nothing is measured: session\.cost\(1\) measures"):
        account.cost()


@pytest.mark.parametrize("percent", [0, -1, 100.5, float("nan")])
def test_a_ceiling_is_a_share(percent: float) -> None:
    with pytest.raises(ValueError, match="is no share of all CPUs: above 0 %, 100 % at most"):
        Account({}, (), lambda: None).limit(percent, None)


def test_without_the_capability_the_setting_of_the_machine_is_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> int:
        raise KernelError(errno.EPERM, "no", capability="CAP_SYS_ADMIN")

    monkeypatch.setattr(syscall, "enable_stats", refuse)
    monkeypatch.setattr(policy, "statistics_enabled", lambda: True)
    assert costs._switch_on() == -1
    monkeypatch.setattr(policy, "statistics_enabled", lambda: False)
    with pytest.raises(KernelError, match=r"no; or have root set kernel\.bpf_stats") as found:
        costs._switch_on()
    assert found.value.capability == "CAP_SYS_ADMIN"
