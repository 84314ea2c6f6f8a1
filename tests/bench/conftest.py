"""What the benchmarks share: the report, the peers that are installed, a disk, an empty cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyebpf.errors import KernelError
from pyebpf.host.loop import LoopDevice
from scripts import debian
from tests.bench.report import Report

_PEERS = {row.name: row for row in (*debian.PEERS, *debian.COMMANDS)}
_REPORT = pytest.StashKey[Report]()


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Report:
    """Give the report of this run; it is printed at the end."""
    return request.config.stash.setdefault(_REPORT, Report())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    made = config.stash.get(_REPORT, None)
    if made is not None:
        terminalreporter.section("benchmarks")
        terminalreporter.write_line(made.text())


@pytest.fixture(scope="session")
def peer(report: Report) -> Callable[[str], str | None]:
    """Give a function that finds a peer; one that is missing is named in the report."""
    found: dict[str, str | None] = {}

    def find(name: str) -> str | None:
        if name not in found:
            row = _PEERS[name]
            found[name] = debian.find(row)
            if found[name] is None:
                report.note(
                    f"{name} is not here (Debian package {row.packages[0]}; "
                    "`make bench` as root installs it)"
                )
        return found[name]

    return find


@pytest.fixture(scope="session")
def disk() -> Iterator[LoopDevice]:
    """Give a disk of our own: every probe here looks at nothing else."""
    try:
        made = LoopDevice()
    except KernelError as err:
        pytest.skip(str(err))
    with made:
        yield made


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let this process keep what it keeps in a directory of the test."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("PYEBPF_CACHE_DIR", str(cache))
    return cache
