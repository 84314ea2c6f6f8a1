"""What the whole suite shares: gates with reasons, and a last look for anything left open."""

from __future__ import annotations

import ctypes
import errno
import functools
import gc
import os
import platform
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from scripts import debian

# These hold the assertions of a table of tests.
pytest.register_assert_rewrite("tests.kernel.natural_checks", "tests.kernel.natural_attached")

# No test depends on how fast, or how busy, the machine is.
hypothesis.settings.register_profile(
    "pyebpf", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("pyebpf")

# A shell ignores Ctrl-C for what it runs in the background, and programs that tests start and end
# would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: How often a test marked ``exact`` may be tried. On some kernels a program on a tracepoint is not
#: run for about one event in 30,000, whoever loaded it (docs/known-limits.md); a count that is
#: wrong by our fault is wrong each time.
EXACT_TRIES = 3
TRIED_AGAIN = pytest.StashKey[list[str]]()
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}
CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 21, 38, 39
OURS = ("anon_inode:bpf", "anon_inode:btf", "anon_inode:[perf_event]")


@functools.cache
def kernel_refusal() -> str | None:
    """Say why this process cannot load programs, or None when it can."""
    caps = _effective_capabilities()
    if not caps >> CAP_SYS_ADMIN & 1 and not (caps >> CAP_BPF & 1 and caps >> CAP_PERFMON & 1):
        return "needs CAP_BPF and CAP_PERFMON (run as root)"
    number = BPF_SYSCALL.get(platform.machine())
    if number is None:
        return f"bpf(2) has no known number on {platform.machine()}"
    fd, error = _create_array_map(number)
    if fd < 0:
        return f"bpf(2) is refused here: {errno.errorcode.get(error, error)}"
    os.close(fd)
    return None


def _effective_capabilities() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    rows = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(rows["CapEff"], 16)


def _create_array_map(number: int) -> tuple[int, int]:
    # BPF_MAP_CREATE (0) of a BPF_MAP_TYPE_ARRAY (2): key_size 4, value_size 8, one entry.
    attr = (ctypes.c_uint32 * 18)(2, 4, 8, 1)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(ctypes.c_long(number), 0, attr, ctypes.sizeof(attr))
    return fd, ctypes.get_errno()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let ``make golden`` rewrite what the golden tests compare with."""
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Tell whether golden files are to be rewritten instead of compared."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Give a function that finds a program such as ``clang``, and skips the test without it."""

    def find(name: str) -> str:
        rows = (*debian.COMMANDS, *debian.LANGUAGES, *debian.BROWSER)
        (row,) = (row for row in rows if row.name == name)
        path = debian.find(row)
        if path is None:
            pytest.skip(f"needs a working {name} (Debian package {row.packages[0]})")
        return path

    return find


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this process may not do."""
    gated = [item for item in items if item.get_closest_marker("kernel")]
    reason = kernel_refusal() if gated else None
    if reason is not None:
        for item in gated:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def requires() -> Callable[[str], None]:
    """Give a function that skips the test when this kernel lacks a feature.

    A probe that says no on a kernel new enough to have the feature is a failure, not a skip, unless
    ``PYEBPF_TESTS_LACK`` (names, separated by commas) says that this kernel was built without it.
    """
    # Here, because the tests that need no kernel must run where this import fails.
    from pyebpf.runtime.feature_table import feature
    from pyebpf.runtime.features import KernelFeatures

    kernel = KernelFeatures(keep=False)
    return lambda name: judge(name, feature(name).since, kernel.support(name))


@pytest.fixture
def configured() -> Callable[[str], None]:
    """Give a function that skips the test when this kernel was built without a feature."""
    from pyebpf.runtime.features import KernelFeatures

    kernel = KernelFeatures(keep=False)

    def ask(name: str) -> None:
        answer = kernel.support(name)
        if answer.support.value != "yes":
            pytest.skip(f"{name}: {answer.reason}")

    return ask


def judge(name: str, since: str, answer: Any) -> None:
    """Go on, skip or fail, as a feature's probe and the kernel's version demand."""
    if answer.support.value == "yes":
        return
    lacking = os.environ.get("PYEBPF_TESTS_LACK", "").split(",")
    # What a helper came with does not say since when each kind of program has it.
    known = since and "@" not in name
    promised = known and running_release() >= tuple(map(int, since.split(".")))
    if answer.support.value == "no" and promised and name not in lacking:
        pytest.fail(f"{name} came with Linux {since}, but the probe says no: {answer.reason}")
    pytest.skip(f"{name}: {answer.reason}")


def running_release() -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", platform.release())[:2]))


def open_kernel_objects() -> list[str]:
    """Name each program, map, link and perf event that this process still holds."""
    held = []
    for fd in Path("/proc/self/fd").iterdir():
        try:
            target = str(fd.readlink())
        except OSError:
            continue  # the descriptor of the listing itself
        if target.startswith(OURS):
            held.append(f"fd {fd.name}: {target.removeprefix('anon_inode:')}{_identity(fd.name)}")
    return held


def _identity(fd: str) -> str:
    """Say which object it is, from what the kernel tells about a descriptor."""
    text = Path("/proc/self/fdinfo", fd).read_text(encoding="ascii", errors="replace")
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    known = [f"{k}={fields[k].strip()}" for k in ("prog_id", "map_id", "link_id") if k in fields]
    return f" ({', '.join(known)})" if known else ""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a test left something in the kernel."""
    gc.collect()
    left = open_kernel_objects()
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        session.config.stash[_LEFT] = left


_LEFT = pytest.StashKey[list[str]]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Name what was left, what had to be tried again, and what the run was made with."""
    for line in config.stash.get(TRIED_AGAIN, []):
        terminalreporter.write_line(f"TRIED AGAIN {line}")
    for line in config.stash.get(_LEFT, []):
        terminalreporter.write_line(f"left open at the end of the run: {line}", red=True)
    terminalreporter.write_line(f"Python {platform.python_version()}, {sys.platform}")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Try a test marked ``exact`` again when its count is wrong, and say so in the summary."""
    if pyfuncitem.get_closest_marker("exact") is None:
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    for left in reversed(range(EXACT_TRIES)):
        try:
            pyfuncitem.obj(**arguments)
            break
        except AssertionError as error:
            if not left:
                raise
            again = pyfuncitem.config.stash.setdefault(TRIED_AGAIN, [])
            again.append(f"{pyfuncitem.nodeid}: {str(error).partition(chr(10))[0]}")
    return True
