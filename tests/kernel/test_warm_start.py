"""Tools started from the cache: what has been imported and read when their probes are attached."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from pyebpf.host.loop import LoopDevice
from tests.forked import FORKED

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
#: Each kept to this process, or to the disk of the test; hooks that every kernel has.
TOOLS = ("opensnoop -p {pid}", "runqlat -p {pid}", "syscount -p {pid}")
#: Runs a tool until its probes are attached, and says what there is then.
UNTIL_ATTACHED = """
import importlib, os, sys
read = []
def watch(event, args):
    if event == "open" and str(args[0]).startswith("/sys/kernel/btf/"):
        read.append(args[0])
sys.addaudithook(watch)
tool = importlib.import_module("pyebpf.tools." + sys.argv[1]).tool
from pyebpf.attached import Links
attach = Links.attach_all
def attach_all(self, *args):
    attach(self, *args)
    print("read", *read)
    print(*sys.modules)
    sys.stdout.flush()
    os._exit(0)
Links.attach_all = attach_all
tool.main(sys.argv[2:])
"""
COMPILER = ("llvmlite", "pyebpf.dsl.compile", "pyebpf.ir", "pyebpf.btf.parse", "pyebpf.runtime.elf")


class Attached(NamedTuple):
    """What a tool had read of the kernel's types, and imported, when it was attached."""

    read: list[str]
    modules: set[str]


def attached(words: list[str], cache: Path) -> Attached:
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "PYEBPF_CACHE": "on", "PYEBPF_CACHE_DIR": str(cache),
    }  # fmt: skip
    environment.pop(FORKED, None)  # what a fork has imported says nothing
    done = subprocess.run(
        [sys.executable, "-c", UNTIL_ATTACHED, *words],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    read, modules = done.stdout.splitlines()
    return Attached(read.split()[1:], set(modules.split()))


@pytest.mark.parametrize(
    "command",
    ["biolatency -d {disk}", *(pytest.param(one, marks=pytest.mark.thorough) for one in TOOLS)],
    ids=lambda command: command.split()[0],
)
def test_the_second_start_neither_compiles_nor_reads_types(command: str, tmp_path: Path) -> None:
    with LoopDevice() as disk:
        words = command.format(disk=disk.name, pid=os.getpid()).split()
        first = attached(words, tmp_path / "cache")
        second = attached(words, tmp_path / "cache")
    assert "/sys/kernel/btf/vmlinux" in first.read
    assert {*COMPILER} <= first.modules
    assert second.read == []
    assert sorted(name for name in second.modules if name.startswith((*COMPILER, "numpy"))) == []
