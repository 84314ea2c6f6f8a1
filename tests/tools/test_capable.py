"""capable on a child that changes its root to the same root: a check for each time."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from tests.tools.children import COMM, as_json, traced

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TIMES, REFUSED = 23, 7
CAP_SYS_CHROOT = 18


def changes_root() -> None:
    """Change the root 23 times; then, as nobody, be refused 7 times."""
    for _ in range(TIMES):
        os.chroot("/")
    os.setresuid(65_534, 65_534, 65_534)
    for _ in range(REFUSED):
        with suppress(PermissionError):
            os.chroot("/")


def of_root(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["cap"] == CAP_SYS_CHROOT]


def test_each_check_is_a_line() -> None:
    pid, _, done = traced(changes_root, "capable", "-p")
    head, *lines = done.out.splitlines()
    assert head == "TIME      UID    PID    COMM             CAP  NAME                 AUDIT"
    begin = f"{pid:<6} {COMM:<16} {CAP_SYS_CHROOT:<4} {'CAP_SYS_CHROOT':<20} "
    users = [int(line[10:17]) for line in lines if line[17:].startswith(begin)]
    assert users == [0] * TIMES + [65_534] * REFUSED
    assert {line.split()[-1] for line in lines} <= {"1", "N/A"}


def test_results_and_stacks() -> None:
    rows = of_root(as_json(changes_root, "capable", 1, "-p", "-x", "-K"))
    assert len(rows) == TIMES + REFUSED
    assert all(row["tid"] == row["pid"] for row in rows)
    results = {row["result"] for row in rows}
    assert results in ({0, -1}, {None}), "where the function returns, or where it begins"
    assert all(any("chroot" in name for name in row["kernel"]) for row in rows)


@pytest.mark.thorough
def test_other_names_are_not_shown() -> None:
    _, _, done = traced(changes_root, "capable", "-p", "--comm", "nobody")
    assert len(done.out.splitlines()) == 1


@pytest.mark.thorough
def test_unique_and_text_of_stacks() -> None:
    pid, _, done = traced(changes_root, "capable", "-p", "--unique", "-x")
    lines = [line for line in done.out.splitlines() if "CAP_SYS_CHROOT" in line]
    assert [line.split()[2:4] for line in lines] == [[str(pid), str(pid)]]
    pid, _, done = traced(changes_root, "capable", "-p", "-U")
    _, *lines = done.out.splitlines()
    by = [below.strip() for line, below in pairwise(lines) if " CAP_SYS_CHROOT " in line]
    assert len(by) == TIMES + REFUSED
    assert all(re.fullmatch(r"chroot\+0x\w+ \[libc.*\]", function) for function in by)
