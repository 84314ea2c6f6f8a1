"""What pages say to type, where that asks the kernel: run, but for tracing itself."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import ROOT, Block, blocks

pytestmark = [pytest.mark.kernel, pytest.mark.thorough]

CAP_PERFMON, CAP_BPF = 38, 39
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
TOOLS = [line for block in blocks("docs/specifiers.md", "sh") for line in block.text.splitlines()]
PEERS = blocks("docs/from-bpftrace.md", "sh")


@pytest.mark.parametrize("line", TOOLS)
def test_a_tool_takes_what_the_page_says(line: str) -> None:
    sudo, _, *words = shlex.split(line)
    assert sudo == "sudo"
    words = [str(os.getpid()) if word.isdigit() else word for word in words]
    done = subprocess.run(
        [sys.executable, *words, "--ebpf"], cwd=ROOT, env=ENVIRONMENT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "instructions" in done.stdout


@pytest.mark.parametrize(
    "line",
    [line for block in blocks("docs/overhead.md", "sh") for line in block.text.splitlines()],
)
def test_a_tool_is_measured_as_the_page_says(line: str) -> None:
    tool, *words = shlex.split(line.partition(" 2>")[0], comments=True)
    done = subprocess.run(
        [sys.executable, "-m", f"pyebpf.tools.{tool}", *words, "--ebpf"], cwd=ROOT, env=ENVIRONMENT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give capabilities")
def test_jupyter_gets_two_capabilities() -> None:
    (block,) = blocks("docs/notebooks.md", "sh")
    typed = block.text.replace("sudo ", "", 1).replace(
        "jupyter lab", "grep CapAmb /proc/self/status"
    )
    done = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout.split()[1], 16) == 1 << CAP_PERFMON | 1 << CAP_BPF


@pytest.mark.skipif(shutil.which("bpftrace") is None, reason="bpftrace is not installed")
@pytest.mark.parametrize("block", PEERS, ids=str)
def test_bpftrace_can_read_what_the_page_compares_with(block: Block) -> None:
    # What this kernel and this bpftrace have is another matter: only that it is a program.
    typed = ["bash", "-c", block.text.replace("bpftrace", "bpftrace -d", 1)]
    done = subprocess.run(typed, capture_output=True, text=True, check=False)
    assert "syntax error" not in done.stderr


def commands() -> list[tuple[str, str]]:
    """Return the commands of docs/commands.md, each with what it prints."""
    text = "".join(block.text for block in blocks("docs/commands.md", "console"))
    parts = (part.partition("\n") for part in text.split("$ ")[1:])
    return [(command.removeprefix("sudo "), printed) for command, _, printed in parts]


#: What the words behind a command need of the machine.
BINARY = {"-b /usr/bin/python3.11": "/usr/bin/python3.11", "-b bash": "/bin/bash"}


@pytest.mark.parametrize(
    ("command", "printed"), commands(), ids=lambda text: text.partition("\n")[0]
)
def test_a_command_says_what_the_page_says(command: str, printed: str, tmp_path: Path) -> None:
    if any(words in command and not Path(file).exists() for words, file in BINARY.items()):
        pytest.skip("the binary is not there")
    if command.startswith("bpftool"):
        pytest.skip("tests/kernel/test_bpftool.py loads objects of ours with it")
    (program,) = blocks("docs/commands.md", "python")
    (tmp_path / program.mark).write_text(program.text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)], cwd=tmp_path, env=ENVIRONMENT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == ("did you mean" in printed), done.stderr
    said = done.stdout + done.stderr
    # Types, numbers and what else is there differ between kernels: the names of hooks do not.
    kept = [
        line.partition("  (")[0]
        for line in printed.splitlines()
        if line.startswith(("@", "pyebpf:"))
    ]
    assert [line for line in kept if line not in said] == []
