"""The programs of ``accept/`` and ``reject/``: small modules with probes.

A case may set ``WITHOUT`` (features that its kernel lacks), ``OPTIONS`` (values of constants) and
``SUPPLIED`` (helpers that the interpreter does not know; they give 0).
"""

from __future__ import annotations

import importlib.util
import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from pyebpf.dsl.probes import Probe

HERE = Path(__file__).parent
REJECT = sorted((HERE / "reject").rglob("*.py"))
#: Those of ``accept/natural`` have no golden file: see ``test_natural.py``.
ACCEPT = sorted(p for p in (HERE / "accept").rglob("*.py") if p.parent.name != "natural")


def name_of(case: Path) -> str:
    return f"{case.parent.name}/{case.stem}"


@contextmanager
def load_case(case: Path) -> Iterator[ModuleType]:
    """Execute a case; Python knows it as a module while it is used."""
    name = f"case_{case.parent.name}_{case.stem}"
    spec = importlib.util.spec_from_file_location(name, case)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    try:
        spec.loader.exec_module(made)
        yield made
    finally:
        del sys.modules[name]
        linecache.clearcache()


def probes_of(module: ModuleType) -> tuple[Probe, ...]:
    found = tuple(dict.fromkeys(v for v in vars(module).values() if isinstance(v, Probe)))
    assert found, "the case has no probe"
    return found
