"""The frame of a tool around real sessions: printing, losing, ending, compiling."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.programs import ROOT, run, running

pytestmark = [pytest.mark.kernel, pytest.mark.thorough]

PRINTING = '''
"""Print the forks of one process."""
from pyebpf import Const, TracepointContext, tgid, tracepoint
from pyebpf.cli import Tool

pid = Const(0, "-p", "--pid")

@tracepoint("sched:sched_process_fork")
def forked(ctx: TracepointContext) -> None:
    if tgid() == pid:
        print(f"forked {ctx.child_pid}")

tool = Tool(__name__, probes=[forked], header="Tracing forks.")
if __name__ == "__main__":
    raise SystemExit(tool.main())
'''

LOSING = '''
"""Keep the children of one process in a map that has no room for them."""
from pyebpf import Const, Hash, TracepointContext, tgid, tracepoint, u32, u64
from pyebpf.cli import Tool

pid = Const(0, "-p", "--pid")
children = Hash[u32, u64](max_entries=2)

@tracepoint("sched:sched_process_fork")
def forked(ctx: TracepointContext) -> None:
    if tgid() == pid:
        children[ctx.child_pid] = 1

def report(session):
    return f"{len(session[children])} children"

tool = Tool(__name__, probes=[forked], report=report, header="Tracing forks.")
if __name__ == "__main__":
    raise SystemExit(tool.main())
'''


def fork_some(count: int) -> list[int]:
    made = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        made.append(pid)
    return made


def written(folder: Path, text: str) -> str:
    file = folder / "forks.py"
    file.write_text(text, encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_lines_printed_before_the_end_all_come(tmp_path: Path, number: int) -> None:
    with running(written(tmp_path, PRINTING), "-p", str(os.getpid())) as tool:
        tool.wait_for("Tracing forks.")
        made = fork_some(23)
        tool.wait_for(f"forked {made[0]}\n")
        tool.send(number)
        done = tool.end()
    assert (done.code, done.err) == (0, "")
    assert done.out == "".join(f"forked {pid}\n" for pid in made[1:])


def test_losses_are_told(tmp_path: Path) -> None:
    with running(written(tmp_path, LOSING), "-p", str(os.getpid())) as tool:
        tool.wait_for("Tracing forks.")
        fork_some(7)
        done = tool.interrupt()
    assert (done.code, done.out) == (0, "\n2 children\n")
    assert done.err == (
        "forks: map 'children' was full: 5 updates were refused, so what is shown is too little; "
        "trace less, or give 'children' more room (max_entries, max_keys, pages)\n"
    )


def test_a_hook_that_the_kernel_lacks(tmp_path: Path) -> None:
    text = PRINTING.replace("sched_process_fork", "sched_process_frok")
    done = run(written(tmp_path, text))
    assert (done.code, done.out) == (1, "")
    assert "sched:sched_process_frok" in done.err
    assert "sched_process_fork" in done.err
    assert "Traceback" not in done.err


def test_compile_writes_an_object(tmp_path: Path) -> None:
    made = tmp_path / "biolatency.o"
    done = run("-m", "pyebpf", "compile", str(ROOT / "tools" / "biolatency.py"), "-o", str(made))
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{made}: on_issue, on_complete\n"
    assert made.read_bytes()[:4] == b"\x7fELF"
