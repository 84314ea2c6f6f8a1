"""bashreadline on a private copy of bash that is given known lines."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import running

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.bashreadline")
#: What is typed (^V makes a character of the next key), and what is shown.
LINES = {"true": "true", "true 'two  words'": "true 'two  words'", "true \x16\x07": r"true \x07"}


class Shell:
    """A bash in a terminal of its own.

    Attributes:
        path: of its binary, which nobody else runs.
        pid: its number.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._terminal, slave = pty.openpty()
        words = [str(path), "--norc", "-i"]
        self._process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self.pid = self._process.pid

    def type(self, text: str) -> None:
        os.write(self._terminal, f"{text}\n".encode())

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    found = shutil.which("bash")
    if found is None:
        pytest.skip("needs bash")
    path = tmp_path / "a bash"
    shutil.copy(found, path)
    shell = Shell(path)
    yield shell
    shell.end()


def test_each_line_is_printed(shell: Shell) -> None:
    """Also the first, which the shell waits for when tracing begins."""
    with running(*TOOL, "-s", str(shell.path), "-p", str(shell.pid)) as tool:
        assert tool.wait_for("COMMAND").split() == ["TIME", "PID", "COMMAND"]
        for line in LINES:
            shell.type(line)
        rows = [tool.wait_for("\n").rstrip("\n") for _ in LINES]
        done = tool.interrupt()
    for row, shown in zip(rows, LINES.values(), strict=True):
        assert re.fullmatch(rf"\d\d:\d\d:\d\d +{shell.pid} +{re.escape(shown)}", row)
    assert done == (0, "", "")


@pytest.mark.thorough
def test_json_of_every_process_that_runs_a_file(shell: Shell) -> None:
    with running(*TOOL, "-j", "-s", str(shell.path)) as tool:
        said = tool.process.stdout
        assert said is not None
        while not select.select([said], [], [], 0.1)[0]:  # with -j nothing says when tracing begins
            assert tool.process.poll() is None, tool.end()
            shell.type("true 'it'")
        row = json.loads(tool.wait_for("\n"))
        done = tool.interrupt()
    assert (row["pid"], row["text"]) == (shell.pid, "true 'it'")
    assert (done.code, done.err) == (0, "")
