"""The dependency rule: imports point down, and each dangerous module has one importer.

The table is the one of ARCHITECTURE.md. A layer may import itself, the layers named in its row, and
the leaves.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "pyebpf"

LEAVES = {
    "errors",
    "cache",
    "colour",
    "diag",
    "headstart",
    "lazy",
    "owner",
    "plain",
    "program",
    "progress",
    "stopping",
    "version",
}
FACTS = {"abi", "btf", "spec"}

LAYERS: dict[str, set[str]] = {
    "errors": set(),
    "cache": set(),
    "colour": set(),
    "diag": {"plain"},
    "headstart": set(),
    "lazy": set(),
    "owner": set(),
    "plain": set(),
    "program": set(),
    "progress": set(),
    "stopping": set(),
    "version": set(),
    "abi": set(),
    "btf": {"abi"},
    "spec": {"abi", "btf"},
    "present": {"abi", "spec"},
    "host": {"abi", "btf"},
    "ir": FACTS,
    "kernel": set(),
    "helpers": {"abi"},
    "tracepoints": set(),
    "dsl": FACTS | {"ir", "kernel", "helpers", "tracepoints"},
    "kfuncs": {"dsl"},
    "net": {"dsl"},
    "lib": FACTS | {"dsl", "host", "kernel", "net"},
    "runtime": FACTS | {"present", "host"},
    "cost": {"abi", "host", "present", "runtime", "spec"},
    "attached": {"cost", "present", "runtime", "spec"},
    "open_maps": {"dsl", "runtime"},
    "map_views": {"dsl", "runtime", "spec", "host"},
    "pinned": {"abi", "dsl", "runtime", "host", "map_views"},
    "rows": {"present", "spec"},
    "recordings": {"present", "rows", "runtime", "spec"},
    "recorder": {"recordings", "runtime", "spec"},
    "streams": {"dsl", "host", "open_maps", "recorder", "recordings", "runtime", "spec"},
    "live": {"dsl", "present", "runtime"},
    "shown": {"attached", "dsl", "explained", "live", "spec", "streams"},
    "symbols": {"present", "runtime"},
    "starting": {"btf", "spec"},
    "targets": FACTS | {"host", "runtime"},
    "session": {"attached", "dsl", "map_views", "runtime", "shown", "spec"},
    "loading": FACTS | {"attached", "dsl", "host", "runtime", "session", "starting", "targets"},
    "testing": FACTS | {"ir", "dsl", "kernel", "runtime", "session", "open_maps", "targets"},
    "stubs": FACTS | {"dsl"},
    "doctor": FACTS | {"runtime"},
    "hooks": FACTS | {"dsl", "runtime", "stubs"},
    "inspection": FACTS | {"ir", "dsl", "present", "runtime", "targets"},
    "explained": {"abi", "dsl", "inspection", "present", "runtime", "spec", "targets"},
    "cli": FACTS
    | {
        "loading",
        "session",
        "explained",
        "recordings",
        "targets",
        "cost",
        "present",
        "host",
        "dsl",
        "lib",
        "stubs",
        "doctor",
        "hooks",
        "inspection",
    },
    "magics": {"cli", "present"},
    "__main__": {"cli"},
}
#: The public names come from everywhere below the tool frame.
LAYERS["__init__"] = (set(LAYERS) | LEAVES) - {
    "cli",
    "magics",
    "testing",
    "symbols",
    "stubs",
    "doctor",
    "hooks",
    "inspection",
    "__main__",
}
#: What a tool uses is what a user can use: the package itself, and these.
PUBLIC_MODULES = {
    "testing",
    "symbols",
    "net",
    "cli",
    "helpers",
    "kernel",
    "kfuncs",
    "tracepoints",
    "lib",
    "host",
    "rows",  # the function of this name, which the package gives
}
#: Layers that may import ours inside functions: a warm start must not load the compiler.
LATE_IMPORTERS = {"loading", "session", "__init__"}


class Import(NamedTuple):
    """One imported dotted name; ``local`` when inside a function."""

    name: str
    line: int
    local: bool


def imports(source: str, package: str) -> Iterator[Import]:
    """Yield what ``source`` imports; relative names are resolved against ``package``."""
    pending: list[tuple[ast.AST, bool]] = [(ast.parse(source), False)]
    while pending:
        node, local = pending.pop()
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, local) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            yield from (Import(f"{base}.{a.name}", node.lineno, local) for a in node.names)
        inside = local or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        pending += [(child, inside) for child in ast.iter_child_nodes(node)]


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])


def violations(path: Path, source: str, layer: str) -> list[str]:
    """Name every import of a file that its layer forbids."""
    where = path.relative_to(ROOT)
    found = []
    for name, line, local in imports(source, ".".join(path.relative_to(ROOT).parent.parts)):
        top, _, rest = name.partition(".")
        if top == "pyebpf":
            target = rest.split(".")[0]
            if target not in LAYERS[layer] | LEAVES | {layer}:
                found.append(f"{where}:{line}: {layer} may not import {name}")
            if local and layer not in LATE_IMPORTERS:
                found.append(f"{where}:{line}: import {name} at the top of the file")
        if top == "llvmlite" and PACKAGE / "ir" / "llvm" not in path.parents:
            found.append(f"{where}:{line}: only ir/llvm/ may import llvmlite")
        if top == "ast" and layer == "runtime":
            found.append(f"{where}:{line}: the run half does not read Python sources")
    return found


def layer_of(path: Path) -> str:
    """The layer of a file: its folder, or its own name at the top level."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def package_files() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if layer_of(p) != "tools")


@pytest.mark.parametrize("path", package_files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    layer = layer_of(path)
    assert layer in LAYERS, f"{path}: give {layer} a row in LAYERS, and in ARCHITECTURE.md"
    assert violations(path, path.read_text(encoding="utf-8"), layer) == []


def tool_violations(where: str, source: str) -> list[str]:
    found = []
    for name, line, _ in imports(source, "pyebpf.tools"):
        top, _, rest = name.partition(".")
        target = rest.split(".")[0]
        private = (set(LAYERS) | {"tools"}) - PUBLIC_MODULES
        if top in ("tools", "llvmlite") or (top == "pyebpf" and target in private):
            found.append(f"{where}:{line}: a tool may not import {name}")
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "tools").rglob("*.py")), ids=lambda p: p.stem)
def test_tools_use_public_names(path: Path) -> None:
    assert tool_violations(str(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("layer", "source", "said"),
    [
        ("runtime", "from pyebpf.dsl import probes", "runtime may not import pyebpf.dsl.probes"),
        ("runtime", "import ast", "does not read Python"),
        ("runtime", "import llvmlite.binding", "only ir/llvm/"),
        ("runtime", "def f():\n    from pyebpf.abi import maps", "at the top of the file"),
        ("runtime", "from ..ir import nodes", "runtime may not import pyebpf.ir.nodes"),
        ("abi", "from pyebpf import u32", "abi may not import pyebpf.u32"),
        ("btf", "if TYPE_CHECKING:\n    import pyebpf.spec", "btf may not import pyebpf.spec"),
    ],
)
def test_the_rule_names_the_offender(layer: str, source: str, said: str) -> None:
    (message,) = violations(PACKAGE / layer / "example.py", source, layer)
    assert said in message


@pytest.mark.parametrize("source", ["from pyebpf.runtime import maps", "from . import trace"])
def test_the_tool_rule_names_the_offender(source: str) -> None:
    (message,) = tool_violations("tools/example.py", source)
    assert "a tool may not import" in message


def test_the_leaves_need_no_row_of_their_own() -> None:
    source = "from pyebpf.errors import PyebpfError\nfrom pyebpf import cache\n"
    assert violations(PACKAGE / "host" / "example.py", source, "host") == []
