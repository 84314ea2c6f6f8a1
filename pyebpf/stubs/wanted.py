"""Which names stubs are wanted for: those that programs use, and those that match a pattern."""

from __future__ import annotations

import ast
import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from pyebpf.btf.near import did_you_mean, nearest
from pyebpf.btf.types import Kind
from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyebpf.dsl.check.kernel_types import Kernel
    from pyebpf.spec.target import Tracepoints

_KINDS = (Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64, Kind.TYPEDEF)
_NONE: frozenset[str] = frozenset()
_MODULES = {"kernel": "types", "tracepoints": "tracepoints", "kfuncs": "kfuncs"}
#: Decorators and calls whose first argument names something.
_NAMING = {"tracepoint": "tracepoints", "kfunc": "kfuncs"}
#: What gives the current task, whose type need not be imported.
_TASK = {"current_task", "get_current_task_btf"}


class Wanted(Frozen):
    """Names, as the kernel has them. A tracepoint may come with its category or without."""

    types: frozenset[str] = _NONE
    tracepoints: frozenset[str] = _NONE
    kfuncs: frozenset[str] = _NONE

    def __or__(self, other: Wanted) -> Wanted:
        return Wanted(
            self.types | other.types,
            self.tracepoints | other.tracepoints,
            self.kfuncs | other.kfuncs,
        )

    def __bool__(self) -> bool:
        return bool(self.types or self.tracepoints or self.kfuncs)


def in_program(file: Path) -> Wanted:
    """Return what a Python file imports from ``pyebpf``, attaches to and declares.

    Raises:
        OSError, SyntaxError: the file cannot be read, or is no Python.
    """
    data = file.read_bytes()
    if b"pyebpf" not in data:
        return Wanted()
    tree = ast.parse(data, str(file))
    modules = _modules(tree)
    names: dict[str, set[str]] = {group: set() for group in _MODULES.values()}
    for node in ast.walk(tree):
        for group, name in _named_by(node, modules):
            names[group].add(name)
    return Wanted(**{group: frozenset(found) for group, found in names.items()})


def python_files(folder: Path) -> Iterator[Path]:
    """Yield the Python files below a folder, sorted; without hidden folders and environments."""
    for top, folders, files in os.walk(folder):
        here = Path(top)
        folders[:] = sorted(
            f for f in folders if f[0] != "." and not (here / f / "pyvenv.cfg").exists()
        )
        yield from (here / name for name in sorted(files) if name.endswith(".py"))


def _modules(tree: ast.Module) -> dict[str, str]:
    """Return what the program calls our modules of names, dotted names too, and their groups."""
    found = {f"pyebpf.{name}": group for name, group in _MODULES.items()}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "pyebpf":
            names = {alias.asname or alias.name: f"pyebpf.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names = {alias.asname: alias.name for alias in node.names if alias.asname}
        else:
            continue
        found |= {short: found[full] for short, full in names.items() if full in found}
    return found


def _named_by(node: ast.AST, modules: dict[str, str]) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.ImportFrom) and (group := modules.get(f"{node.module}")):
        yield from ((group, alias.name) for alias in node.names if alias.name != "*")
    if isinstance(node, ast.Attribute) and (group := modules.get(ast.unparse(node.value))):
        yield group, node.attr
    if isinstance(node, ast.Call) and node.args:
        group, first = _NAMING.get(_last(node.func)), node.args[0]
        if group and isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield group, first.value
    if isinstance(node, (ast.Name, ast.Attribute)) and _last(node) in _TASK:
        yield "types", "task_struct"


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def matching(pattern: str, kernel: Kernel, tracepoints: Tracepoints) -> Wanted:
    """Return what a pattern of the shell matches: types and kfuncs, or ``category:name``."""
    if ":" in pattern:
        events = tracepoints.names()
        return Wanted(tracepoints=frozenset(e for e in events if fnmatchcase(e, pattern)))
    if not any(char in pattern for char in "*?["):
        types = {pattern} if kernel.find(pattern) else _NONE
        kfuncs = {pattern} if kernel.kfunc(pattern) else _NONE
        return Wanted(frozenset(types), kfuncs=frozenset(kfuncs))
    types = {name for _, name in kernel.btf.names(_KINDS) if fnmatchcase(name, pattern)}
    kfuncs = {name for name in kernel.kfunc_names() if fnmatchcase(name, pattern)}
    return Wanted(frozenset(types), kfuncs=frozenset(kfuncs))


def similar(pattern: str, kernel: Kernel, tracepoints: Tracepoints) -> str:
    """Return a sentence that offers names like one that does not exist; empty if there is none."""
    if ":" in pattern:
        return did_you_mean(nearest(pattern, tracepoints.names()))
    return did_you_mean(kernel.btf.similar(pattern, (*_KINDS, Kind.FUNC)))
