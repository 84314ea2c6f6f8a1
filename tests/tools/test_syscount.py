"""syscount on a child that makes known calls: 23 reads, 5 opens that fail, a sleep."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyebpf import load
from pyebpf.lib import filters
from pyebpf.tools import syscount
from tests.programs import run, running

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.syscount")
READS, FAILURES, SLEEP_S = 23, 5, 0.05


class Worker:
    """A child that does the same whenever it is told to, and else waits for a signal."""

    def __init__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        self._done, done = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._serve(done)
            finally:
                os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        os.close(done)

    @staticmethod
    def _serve(done: int) -> None:
        zero = os.open("/dev/zero", os.O_RDONLY)
        while True:
            signal.sigwait({signal.SIGUSR1})
            for _ in range(READS):
                os.read(zero, 1)
            for _ in range(FAILURES):
                with contextlib.suppress(FileNotFoundError):
                    os.open("/no/such/file", os.O_RDONLY)
            time.sleep(SLEEP_S)
            os.write(done, b".")

    def work(self) -> None:
        os.kill(self.pid, signal.SIGUSR1)
        assert os.read(self._done, 1) == b"."

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._done)


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.end()


def rows_of(worker: Worker, **chosen: Any) -> list[dict[str, Any]]:
    """Trace the work with options, by their names in the modules that declare them."""
    names = {**vars(filters), **vars(syscount)}
    options: dict[Any, Any] = {names[name]: value for name, value in chosen.items()}
    with load(*syscount.tool.probes, options=options) as session:
        worker.work()
        session.detach()
        return syscount.report(session)


def test_calls_are_counted(worker: Worker) -> None:
    with running(*TOOL, "-p", str(worker.pid), "-T", "2") as tool:
        tool.wait_for("Tracing syscalls")
        worker.work()
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    _, head, *lines = done.out.rstrip("\n").splitlines()
    assert re.fullmatch(r"\[\d\d:\d\d:\d\d\]", head)
    assert [line.split() for line in lines] == [
        ["SYSCALL", "COUNT"], ["read", str(READS)], ["openat", str(FAILURES)]
    ]  # fmt: skip


def test_times_and_failures_by_process(worker: Worker) -> None:
    """All filters at once: what passes is the child's, and the time of its sleep is in it."""
    begin = time.monotonic()
    (row,) = rows_of(
        worker, only_ppid=os.getpid(), only_pid=worker.pid, latency=True, by_process=True
    )
    elapsed_us = (time.monotonic() - begin) * 1e6
    assert row["pid"] == worker.pid
    assert row["count"] > READS + FAILURES
    assert SLEEP_S * 1e6 <= row["time_us"] <= elapsed_us
    found = rows_of(worker, only_tid=worker.pid, failures=True)
    assert {"syscall": "openat", "count": FAILURES} in found
    assert "read" not in {row["syscall"] for row in found}


def test_a_command_is_traced_from_its_first_call_to_its_end() -> None:
    done = run(*TOOL, "-j", "-T", "1000", "--exec", "sh", "-c", "exec 3>&1; exit 7")
    assert (done.code, done.err) == (0, "")
    counts = {row["syscall"]: row["count"] for row in map(json.loads, done.out.splitlines())}
    assert counts["execve"] == 1
    assert not {"kill", "tgkill", "wait4"} & set(counts)
    done = run(*TOOL, "--exec", "no-such-program")
    assert (done.code, done.out) == (2, "")
    assert "--exec: there is no program 'no-such-program'" in done.err


_BOTH = """
#include <unistd.h>
#include <sys/syscall.h>
int main(void) {
    for (int i = 0; i < 7; i++) {
        long result = 20;
        __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
    }
    for (int i = 0; i < 3; i++) syscall(SYS_writev, 1, 0, 0);
    return 0;
}
"""


@pytest.mark.thorough
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="int $0x80 is an instruction of x86")
def test_calls_of_32_bits_have_names_of_their_own(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    """The number 20 is ``getpid`` of 32-bit programs, and ``writev`` of others."""
    made = tmp_path / "both"
    (tmp_path / "both.c").write_text(_BOTH)
    subprocess.run([program("clang"), "-O1", "-o", made, tmp_path / "both.c"], check=True)
    if subprocess.run([made], check=False).returncode:
        pytest.skip("this kernel has no calls of 32-bit programs (CONFIG_IA32_EMULATION)")
    for flags in ("-j", "-jL"):
        done = run(*TOOL, flags, "-T", "100", "--exec", str(made))
        counts = {row["syscall"]: row["count"] for row in map(json.loads, done.out.splitlines())}
        assert (counts["[32-bit: 20]"], counts["writev"]) == (7, 3)


@pytest.mark.thorough
def test_one_error_and_one_call(worker: Worker) -> None:
    enoent = syscount.errno_of("ENOENT")
    assert rows_of(worker, only_pid=worker.pid, only_errno=enoent) == [
        {"syscall": "openat", "count": FAILURES}
    ]
    number = syscount.syscalls.number_of("read")
    found = rows_of(worker, only_pid=worker.pid, only_call=number, latency=True)
    assert [(row["syscall"], row["count"]) for row in found] == [("read", READS)]


@pytest.mark.thorough
def test_intervals_do_not_overlap(worker: Worker) -> None:
    options = {
        filters.only_pid: worker.pid,
        syscount.only_call: syscount.syscalls.number_of("read"),
    }
    with load(*syscount.tool.probes, options=options) as session:
        for turns in (1, 2, 0):
            for _ in range(turns):
                worker.work()
            counts = [row["count"] for row in syscount.report(session)]
            assert counts == [turns * READS] * (turns > 0)


@pytest.mark.thorough
def test_what_is_not_traced() -> None:
    assert "\nopenat\n" in run(*TOOL, "-l").out
    for flags, said in {
        ("-e", "ENONE"): "-e: 'ENONE' is no error",
        ("--syscall", "raed"): "--syscall: there is no system call 'raed'; did you mean read",
    }.items():
        done = run(*TOOL, *flags)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
