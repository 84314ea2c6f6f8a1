"""The key of the cache changes with all that the object depends on, and with nothing else."""

from __future__ import annotations

import importlib
import linecache
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pyebpf.dsl.collect import collect
from pyebpf.dsl.fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[2]
TEXT = """
import enum
from pyebpf import *
from pyebpf.kernel import task_struct

LIMIT = 3
MANY = (1, 2)
counts = Array[u64](max_entries=4)
latency = Log2Hist(unit="us", totals=Const(False))
verbose = Const(False)
only = Const(0)
device = Const("lo")

class Kind(enum.IntEnum):
    READ = 4

@record
class Row:
    pid: u32

rows = Hash[u32, Row](max_entries=4)

def scaled(n: u64, *, by: u64 = other.FACTOR) -> u64:
    return n * by + other.deep.SHIFT

@xdp(device=device)
@raw_tracepoint("sys_enter", when=verbose)
@raw_tracepoint("sys_exit")
def probe() -> None:
    counts[0] += scaled(LIMIT) + Kind.READ + other.Settings.depth
    rows[1] = Row(pid=only)
    if tgid() in MANY:
        latency.add(current_task().pid)
"""


def other_module(**changes: Any) -> ModuleType:
    made = ModuleType("other")
    values = {"factor": 2, "shift": 1, "depth": 5, **changes}
    made.FACTOR = values["factor"]  # type: ignore[attr-defined]
    made.deep = ModuleType("deep")  # type: ignore[attr-defined]
    made.deep.SHIFT = values["shift"]
    made.Settings = type("Settings", (), {"depth": values["depth"]})  # type: ignore[attr-defined]
    made.Settings.__module__ = "other"
    return made


@pytest.fixture
def key(tmp_path: Path) -> Iterator[Callable[..., bytes | None]]:
    """Give a function: the fingerprint of the probe above, with changes to what surrounds it."""

    def make(
        text: str = TEXT, options: dict[str, Any] | None = None, cpus: int = 2, **changes: Any
    ) -> bytes | None:
        path = tmp_path / "module.py"
        path.write_text(text)
        linecache.checkcache()
        module = ModuleType("module")
        module.__dict__.update(other=other_module(**changes))
        exec(compile(text, str(path), "exec"), module.__dict__)
        chosen = {getattr(module, name): value for name, value in (options or {}).items()}
        probes = (module.probe,)
        return fingerprint(probes, collect(probes), chosen, cpus)

    yield make
    linecache.clearcache()


def test_the_same_gives_the_same(key: Callable[..., bytes | None]) -> None:
    assert key() is not None
    assert key() == key()


TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("[!_]*.py"))


@pytest.mark.parametrize("name", TOOLS)
def test_what_a_tool_loads_is_kept(name: str) -> None:
    probes = importlib.import_module(f"pyebpf.tools.{name}").tool.probes
    assert fingerprint(probes, collect(probes), {}, 2) is not None


CHANGES: dict[str, dict[str, Any]] = {
    "the text": {"text": TEXT + "\n# a comment\n"},
    "an option": {"options": {"only": 7}},
    "an option that says where": {"options": {"device": "eth0"}},
    "a hook that an option enables": {"options": {"verbose": True}},
    "the number of CPUs": {"cpus": 3},
    "a default from another module": {"factor": 3},
    "a constant of a module in a module": {"shift": 2},
    "a class of another module": {"depth": 6},
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_changes_with(key: Callable[..., bytes | None], change: str) -> None:
    assert key(**CHANGES[change]) not in (key(), None)


def test_what_cannot_be_described_is_not_kept(key: Callable[..., bytes | None]) -> None:
    assert key(TEXT.replace("LIMIT = 3", "LIMIT = object()")) is None
    assert key(TEXT.replace("MANY = (1, 2)", "MANY = (1, object())")) is None
