"""What the benchmarks share: the report, the peers that are installed, a disk, an empty cache."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from archive import SetupError

from pyebpf.errors import KernelError
from pyebpf.host.loop import LoopDevice
from pyebpf.version import __version__
from scripts import debian
from scripts.archive import SetupError as HeadersError
from tests.bench import page, peers, python_bpf
from tests.bench.peers import BCC, BPFTRACE, LIBBPF, Release
from tests.bench.python_bpf import PythonBPF
from tests.bench.report import Report
from tests.bench.starting import environment
from tests.vm import headers, image, kernels

#: Whose headers BCC compiles against: what has them in the archive.
HEADERS_OF = "6.1"
_PEERS = {row.name: row for row in (*debian.PEERS, *debian.COMMANDS)}
_REPORT = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run of all benchmarks write its page."""
    parser.addoption("--page", metavar="FILE", type=Path, help="write the report as this page")


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Report:
    """Give the report of this run; it is printed at the end."""
    made = request.config.stash.get(_REPORT, None)
    if made is None:
        made = request.config.stash[_REPORT] = Report()
        made.version("pyebpf", __version__)
        made.version("CPython", platform.python_version())
        for name in ("llvmlite", "numpy"):
            made.version(name, version(name))
    return made


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    made = config.stash.get(_REPORT, None)
    if made is None:
        return
    failed = [test.nodeid for test in terminalreporter.stats.get("failed", ())]
    terminalreporter.section("benchmarks")
    terminalreporter.write_line(made.text())
    if target := config.getoption("--page", None):
        page.write(made, target, failed)
        terminalreporter.write_line(f"written: {target}")


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
            else:
                report.version(row.packages[0], _debian_version(row.packages[0]))
        return found[name]

    return find


def _debian_version(package: str) -> str:
    words = ["dpkg-query", "--show", "--showformat=${Version}", package]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout or "of another origin"


@pytest.fixture(scope="session")
def disk() -> Iterator[LoopDevice]:
    """Give a disk of our own: every probe here looks at nothing else."""
    try:
        made = LoopDevice()
    except KernelError as err:
        pytest.skip(str(err))
    with made:
        yield made


@pytest.fixture(scope="session")
def tracefs(report: Report) -> Iterator[list[str]]:
    """Give the words that start a program where tracefs is mounted.

    If it is not, that is in a mount namespace of its own, which ends with the test.
    """
    if Path("/sys/kernel/tracing/events").exists() or Path("/sys/kernel/debug/tracing").exists():
        yield []
        return
    text = "mount -t tracefs none /sys/kernel/tracing && echo mounted; read line"
    words = ["unshare", "--mount", "sh", "-c", text]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mounted\n"
        report.note(
            "tracefs is not mounted here: peers get one in a mount namespace of its own, "
            "which they enter through nsenter (about 1 ms)"
        )
        yield ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt"]
        holder.communicate(b"\n")


@pytest.fixture(scope="session")
def releases(report: Report, peer: Callable[[str], str | None]) -> list[Release]:
    """Give the peers that Debian has: the installed ones, and then the newest.

    What is missing is named in the report.
    """
    path = peer("bpftrace")
    versions = {BPFTRACE: _debian_version("bpftrace")} if path else {}
    if peer("biolatency"):
        versions[LIBBPF] = _debian_version("libbpf-tools")
    if bcc_version := _bcc_version():
        versions[BCC] = bcc_version
        report.version("BCC", bcc_version)
    else:
        report.note("BCC is not here (Debian package bpfcc-tools; `make bench` installs it)")
    installed = {name: peers.upstream(version) for name, version in versions.items()}
    found = [Release(installed, bpftrace_path=path or "")]
    try:
        newer, tree = peers.newest(installed)
    except SetupError as err:
        report.note(f"newer peers are not here: {err}")
        return found
    for name in newer.versions:
        report.version(f"{name} of Debian {tree.suite}", tree.versions[peers.PACKAGES[name]])
    return [*found, newer]


def _bcc_version() -> str:
    words = [*Release({}).python(), "-c", "import bcc; print(bcc.__version__)"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip()


@pytest.fixture(scope="session")
def bcc(report: Report) -> dict[str, str] | None:
    """Give the environment that BCC compiles in, or None; the report then says what is missing.

    It wants a kernel's headers, of whichever version where only tracepoints are traced.
    """
    try:
        tree = headers.get(image.get(kernels.row(HEADERS_OF)))
    except HeadersError as err:
        report.note(f"BCC has no kernel headers: {err}")
        return None
    if tree is None:
        report.note("BCC has no kernel headers: the archive has them no more")
        return None
    return {**environment(Path("/nonexistent")), "BCC_KERNEL_SOURCE": str(tree)}


@pytest.fixture(scope="session")
def pythonbpf(report: Report, peer: Callable[[str], str | None]) -> PythonBPF | None:
    """Give PythonBPF, or None; the report then says what is missing."""
    llc = peer("llc-22")
    if llc is None:
        return None
    try:
        found = python_bpf.get(llc)
    except SetupError as err:
        report.note(f"PythonBPF is not here: {err}")
        return None
    for name, number in found.versions.items():
        report.version(name, number)
    return found


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let this process keep what it keeps in a directory of the test."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("PYEBPF_CACHE_DIR", str(cache))
    return cache
