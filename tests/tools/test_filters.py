"""The options that say whose work is traced, on children that do a known work."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyebpf import (
    Count,
    Ptr,
    TracepointContext,
    current_task,
    i64,
    load,
    tp_btf,
    tracepoint,
)
from pyebpf.cli import command
from pyebpf.errors import NotSupportedError
from pyebpf.host import cgroups
from pyebpf.host.loop import LoopDevice
from pyebpf.kernel import pt_regs
from pyebpf.lib import filters
from pyebpf.lib.filters import FILTERS, is_task_wanted, is_wanted
from pyebpf.loading import compile_probes, read_object
from pyebpf.present.listing import listing
from tests.kernel.namespaces import in_cgroup, own_cgroup
from tests.programs import ROOT, run, running
from tests.tools.children import called

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

CALLS = 23
only_pid, only_tid, only_uid, only_comm, only_cgroup, only_container = FILTERS
all_calls, current, other = Count(), Count(), Count()


@tracepoint("syscalls:sys_enter_getppid")
def without(_: TracepointContext) -> None:
    all_calls.add()


@tracepoint("syscalls:sys_enter_getppid")
def at_call(_: TracepointContext) -> None:
    if is_wanted():
        current.add()


@tp_btf("sys_enter")
def of_task(_: Ptr[pt_regs], number: i64) -> None:
    if number == GETPPID and is_task_wanted(current_task()):
        other.add()


GETPPID = {"x86_64": 110}.get(os.uname().machine, 173)  # include/uapi/asm-generic/unistd.h


def calls() -> None:
    for _ in range(CALLS):
        os.getppid()


def counted(work: Callable[[], object], **chosen: object) -> tuple[int, int]:
    options = {getattr(filters, f"only_{name}"): value for name, value in chosen.items()}
    with load(at_call, of_task, options=options) as session:
        work()
        return session[current].snapshot().count, session[other].snapshot().count


def test_all_at_once() -> None:
    with called(b"one-known-work-"):
        whose = {"pid": os.getpid(), "tid": os.getpid(), "uid": os.getuid()}
        name = filters.task_name("one-known-work-that-is-long")
        assert counted(calls, **whose, comm=name) == (CALLS, CALLS)


@pytest.mark.thorough
@pytest.mark.parametrize("other", [{"tid": 1}, {"uid": 54321}, {"comm": "one-known-work"}])
def test_each_keeps_out(other: dict[str, object]) -> None:
    with called(b"one-known-work-"):
        assert counted(calls, pid=os.getpid(), **other) == (0, 0)


def test_cgroups_with_those_below() -> None:
    with own_cgroup() as group:
        below = group / f"docker-{'ab' * 32}.scope"
        below.mkdir()
        try:
            outer, inner = group.stat().st_ino, below.stat().st_ino
            in_both = lambda: (calls(), in_cgroup(group, calls), in_cgroup(below, calls))  # noqa: E731
            assert counted(in_both, cgroup=outer) == (2 * CALLS, 2 * CALLS)
            assert counted(in_both, container=inner) == (CALLS, CALLS)
        finally:
            below.rmdir()


@pytest.mark.thorough
def test_what_is_not_asked_for_costs_nothing() -> None:
    texts = [listing(read_object(compile_probes(probe))) for probe in (without, at_call)]
    one, two = (re.findall(r"\d+ instructions", text) for text in texts)
    assert one == two
    assert len(one) == 1


def opens() -> None:
    for _ in range(CALLS):
        os.close(os.open("/dev/null", os.O_RDONLY))


@pytest.mark.thorough
def test_a_tool_traces_a_container() -> None:
    with own_cgroup() as group:
        inside = group / f"docker-{'ab' * 32}.scope"
        inside.mkdir()
        try:
            with running("-m", "pyebpf.tools.opensnoop", "--container", "ab" * 8) as tool:
                tool.wait_for("PATH")
                opens()
                in_cgroup(group, opens)
                in_cgroup(inside, opens)
                done = tool.interrupt()
        finally:
            inside.rmdir()
    assert (done.code, done.err) == (0, "")
    assert [line.split()[-1] for line in done.out.splitlines()] == ["/dev/null"] * CALLS


@pytest.mark.thorough
def test_io_belongs_to_who_asked_for_it(disk: LoopDevice) -> None:
    for flags, count in ((["-p", str(os.getpid())], 5), (["-p", "1"], 0)):
        with running("-m", "pyebpf.tools.biosnoop", "-d", disk.name, *flags) as tool:
            tool.wait_for("COMM")
            disk.read(5, 4096)
            done = tool.interrupt()
        assert (done.code, done.err) == (0, "")
        assert done.out.count("\n") == count


@pytest.mark.thorough
def test_what_is_not_there() -> None:
    done = run("-m", "pyebpf.tools.opensnoop", "--cgroup", "no.slice")
    assert done.code == 2
    assert "opensnoop: --cgroup: there is no cgroup 'no.slice' in " in done.err
    done = run("-m", "pyebpf.tools.opensnoop", "--container", "no-such-container")
    assert done.code == 2
    assert "--container: no container's id or name begins with 'no-such-container'" in done.err


def opened(folder: Path, *options: str) -> list[str]:
    """Return who opened a file, when a shell lets five others read it."""
    file, script = folder / "file", "for _ in 1 2 3 4 5; do cat $0; done"
    file.touch()
    done = run("-m", "pyebpf.tools.opensnoop", "-j", *options, "--exec", "sh", "-c", script,
               str(file))  # fmt: skip
    assert (done.code, done.err) == (0, "")
    rows = [json.loads(line) for line in done.out.splitlines()]
    return [row["comm"] for row in rows if row["path"] == str(file)]


def test_a_command_is_followed_to_what_it_starts(tmp_path: Path) -> None:
    assert opened(tmp_path) == []
    assert opened(tmp_path, "--follow") == ["cat"] * 5
    assert not list(Path(cgroups.mount()).rglob("pyebpf-*"))


@pytest.mark.thorough
def test_what_runs_longer_than_its_command_goes_back(tmp_path: Path) -> None:
    number = tmp_path / "pid"
    script = f"sleep 60 > /dev/null 2>&1 & echo $! > {number}"
    done = run("-m", "pyebpf.tools.opensnoop", "--follow", "--exec", "sh", "-c", script)
    pid = int(number.read_text())
    try:
        assert (done.code, done.err) == (0, "")
        mine, its = (Path(f"/proc/{who}/cgroup").read_text() for who in ("self", pid))
        assert its == mine
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--follow"], "--follow: whom? There is no --exec"),
        (["--follow", "--cgroup", "/", "--exec", "true"], "can only use --cgroup or --follow"),
    ],
)
def test_nobody_to_follow(words: list[str], problem: str) -> None:
    done = run("-m", "pyebpf.tools.opensnoop", *words)
    assert (done.code, done.out) == (2, "")
    assert problem in done.err


@pytest.mark.thorough
def test_a_machine_where_no_cgroup_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "mount", lambda: str(tmp_path / "nowhere"))
    problem = pytest.raises(NotSupportedError, match=r"--follow .*nowhere.*needs root, and cgroup2")
    with command.stopped(["true"]) as child, problem, command.followed(child):
        pass


@pytest.mark.parametrize("words", [("-p", "1"), ("--exec", "true")])
def test_numbers_of_a_pid_namespace_are_refused(words: tuple[str, ...]) -> None:
    """They are another process's outside of it, where the kernel's programs look."""
    tool = (sys.executable, "-m", "pyebpf.tools.opensnoop")
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", *tool, *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "this is a PID namespace" in done.stderr
