"""What ``import pyebpf`` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pyebpf

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(p.stem for p in (ROOT / "tools").glob("[!_]*.py"))
#: Modules too slow for a start that must attach its probes within 60 ms.
HEAVY = {"numpy", "llvmlite", "asyncio"}
#: Run in a fresh interpreter: which heavy modules came in, and what was asked of the kernel.
WATCHED = """
import sys
asked = []
def watch(event, args):
    if event == "open" and str(args[0]).startswith(("/sys/", "/proc/")):
        asked.append(str(args[0]))
    if event == "ctypes.call_function":
        asked.append(event)
sys.addaudithook(watch)
import {module}
print(*sorted({heavy} & set(sys.modules)), *asked)
"""


def imported(module: str) -> str:
    code = WATCHED.format(module=module, heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_names_what_there_is() -> None:
    assert len(set(pyebpf.__all__)) == len(pyebpf.__all__)
    assert [name for name in pyebpf.__all__ if not hasattr(pyebpf, name)] == []


@pytest.mark.parametrize("name", pyebpf.__all__)
def test_a_public_callable_says_what_it_does(name: str) -> None:
    thing = getattr(pyebpf, name)
    if isinstance(thing, type) or type(thing).__name__ == "function":
        assert (thing.__doc__ or "").strip(), f"{name} has no docstring"


def test_importing_the_package_is_cheap_and_touches_no_kernel() -> None:
    assert imported("pyebpf") == ""


@pytest.mark.parametrize("tool", TOOLS)
def test_importing_a_tool_is_cheap_and_touches_no_kernel(tool: str) -> None:
    assert imported(f"pyebpf.tools.{tool}") == ""


def test_the_watch_sees_what_it_watches_for(tmp_path: Path) -> None:
    (tmp_path / "nosy.py").write_text("import asyncio\nopen('/proc/self/status').close()\n")
    code = WATCHED.format(module="nosy", heavy=HEAVY)
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["asyncio", "/proc/self/status"]
