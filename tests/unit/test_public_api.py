"""What ``import pyebpf`` gives, and what it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pyebpf

ROOT = Path(__file__).resolve().parents[2]
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


def test_each_public_name_is_where_the_package_looks_for_it() -> None:
    """What checkers read, and what is imported when it is asked for, say the same."""
    tree = ast.parse(Path(pyebpf.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and node.orelse)
    read = {
        alias.name: str(node.module).removeprefix("pyebpf.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert vars(pyebpf)["_HOMES"] == read
    assert {*read, "rows", "__version__"} == {*pyebpf.__all__}
    assert {*pyebpf.__all__} <= {*dir(pyebpf)}


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(AttributeError, match="module 'pyebpf' has no attribute 'Hsah'"):
        pyebpf.Hsah  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_is_cheap_and_touches_no_kernel() -> None:
    assert imported("pyebpf") == ""


def test_the_watch_sees_what_it_watches_for(tmp_path: Path) -> None:
    (tmp_path / "nosy.py").write_text("import asyncio\nopen('/proc/self/status').close()\n")
    code = WATCHED.format(module="nosy", heavy=HEAVY)
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["asyncio", "/proc/self/status"]
