"""The runner, as a program: what a command in another kernel says and does arrives here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = "6.1"
pytestmark = pytest.mark.vm


def start(*options: str, command: tuple[str, ...], kernel: str = ROW) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.vm", "run", kernel, *options, "--", *command]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


def run(*options: str, command: tuple[str, ...], kernel: str = ROW) -> tuple[int, str, str]:
    process = start(*options, command=command, kernel=kernel)
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def test_output_and_exit_status_come_through() -> None:
    script = "uname -r; echo broken >&2; echo more >/dev/stdout; exit 42"
    code, out, err = run(command=("sh", "-c", script))
    release, more = out.split()
    assert release.startswith(f"{ROW}.")
    assert (code, more, err) == (42, "more", "broken\n")


def test_another_architecture_has_our_checkout_and_a_python_of_its_own() -> None:
    script = "import platform, llvmlite.binding, pyebpf; print(platform.machine(), pyebpf.__file__)"
    code, out, err = run(command=(".venv/bin/python", "-c", script), kernel="arm64")
    assert (code, out, err) == (0, f"aarch64 {ROOT / 'pyebpf/__init__.py'}\n", "")


def test_it_has_our_files_and_forgets_what_is_written_to_them(tmp_path: Path) -> None:
    kept, lost = tmp_path / "kept", tmp_path / "lost"
    kept.mkdir()
    lost.mkdir()
    script = f"test -e pyproject.toml && echo 1 >{lost}/new && cat {lost}/new && echo 2 >{kept}/new"
    assert run("--writable", str(kept), command=("sh", "-c", script)) == (0, "1\n", "")
    assert (kept / "new").read_text() == "2\n"
    assert list(lost.iterdir()) == []


def test_an_unknown_command_and_a_signal() -> None:
    assert run(command=("/no/such/program",))[0] == 127
    assert run(command=("sh", "-c", "kill -9 $$"))[0] == 137


def test_a_machine_over_its_limit_ends() -> None:
    code, _, err = run("--limit", "4", command=("sleep", "300"))
    assert code == 124
    assert "not done after 4 s" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_interrupted(number: int) -> None:
    process = start(command=("sh", "-c", "echo there; sleep 300"))
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    (machine,) = children(process.pid)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not Path("/proc", str(machine)).exists()


def test_nothing_is_left_when_it_is_killed() -> None:
    process = start(command=("sh", "-c", "echo there; sleep 300"))
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    (machine,) = children(process.pid)
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while Path("/proc", str(machine)).exists():  # whoever adopts it may take a moment to bury it
        if "\nState:\tZ" in Path("/proc", str(machine), "status").read_text():
            break
        assert time.monotonic() < deadline
        os.sched_yield()


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(word) for word in text.split()]
