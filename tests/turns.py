"""Processes that do something once for each line that they are sent, and say when it is done."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyebpf.runtime.binaries import find_binary
from pyebpf.runtime.image import open_image
from pyebpf.runtime.usdt.notes import sites_of

COLLECTS = """
import gc, sys
gc.disable()
for line in sys.stdin:
    gc.collect(0), gc.collect(2), gc.collect(2)
    sys.audit("pyebpf.test", 1)
    print(flush=True)
"""


class Turning:
    """Such a process.

    Attributes:
        path: of its program.
    """

    def __init__(self, *command: str | Path, environment: dict[str, str] | None = None) -> None:
        pipe = subprocess.PIPE
        given = {**os.environ, **(environment or {})}
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=given)
        self.path, self.pid = command[0], self.process.pid

    def turn(self, times: int = 1) -> None:
        """Let it do it some times, one after the other."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        for _ in range(times):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline() != ""


@contextmanager
def turning(*command: str | Path, environment: dict[str, str] | None = None) -> Iterator[Turning]:
    """Start one; it is gone at the end, whatever happened."""
    started = Turning(*command, environment=environment)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.communicate()


@pytest.fixture
def interpreter(tmp_path: Path) -> Iterator[Turning]:
    """Run a private copy of the distribution's Python; for each line it collects garbage.

    Once of generation 0 and twice of generation 2, and then it raises an event for auditors.
    """
    python = Path("/usr/bin/python3")
    if not python.exists():
        pytest.skip("no python3 of the distribution")
    with open_image(find_binary(str(python))) as image:
        names = {site.probe for site in sites_of(image)}
    if "python:gc__start" not in names:
        pytest.skip(f"{python} was built without probes")
    copy = tmp_path / "python3"
    shutil.copy(python, copy)
    with turning(copy, "-S", "-c", COLLECTS) as started:
        started.turn()
        yield started
