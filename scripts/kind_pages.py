"""The tables of kinds of maps and programs as pages, with what pyebpf declares of them.

The declarations are looked up in the package's public names, so that a page cannot promise more.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

import pyebpf
from pyebpf.abi.map_flags import MAP_FLAGS, NUMA_KINDS
from pyebpf.abi.maps import MAP_KINDS
from pyebpf.abi.names import prog_type_name
from pyebpf.abi.programs import PROGRAM_GROUPS
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.probes import Probe
from pyebpf.errors import PyebpfError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyebpf.abi.maps import MapKind
    from pyebpf.abi.programs import ProgramKind

_LOADER_ONLY = "loader only"
#: What stands for a hook where a decorator wants one.
_TARGETS = (("sched:sched_switch",), ("task",), ("c", "strlen"), ("c", "setjmp", "x"), ())


def map_declarations() -> dict[str, list[str]]:
    """Return the public classes that declare each kind of map."""
    found: dict[str, list[str]] = {}
    for name in pyebpf.__all__:
        thing = getattr(pyebpf, name)
        kind = getattr(thing, "kind", None)
        if isinstance(thing, type) and issubclass(thing, MapDecl) and kind in MAP_KINDS:
            found.setdefault(kind, []).append(name)
    return found


@cache
def decorators() -> dict[str, list[str]]:
    """Return the public decorators that make each kind of program."""
    found: dict[str, list[str]] = {}
    for name in pyebpf.__all__:
        thing = getattr(pyebpf, name)
        if inspect.isfunction(thing) and thing.__module__.startswith("pyebpf.dsl.probes"):
            for kind, words in _kinds_of(name, thing):
                found.setdefault(kind, []).append(f"@{name}{words}")
    return found


def decorators_of(kind: str) -> list[str]:
    """Return the public decorators of a row, under its long name too."""
    aliases = {"raw_tp": "raw_tracepoint", "tracepoint": "tp"}
    found = decorators()
    return [*found.get(kind, []), *found.get(aliases.get(kind, ""), [])]


def _kinds_of(name: str, decorator: Any) -> Iterator[tuple[str, str]]:
    """Try a decorator, also with each of its switches, and yield the kinds that come out."""
    switches = [
        (word, value.default)
        for word, value in inspect.signature(decorator).parameters.items()
        if isinstance(value.default, bool) and word != "when"
    ]
    made = _kind(decorator, {})
    if not made:
        raise PyebpfError(f"@{name}: say in kind_pages.py what it takes")
    yield made, ""
    for word, default in switches:
        other = _kind(decorator, {word: not default})
        if other and other != made:
            yield other, f"(…, {word}={not default})"


def _kind(decorator: Any, switches: dict[str, bool]) -> str:
    for target in _TARGETS:
        try:
            probe = decorator(*target, **switches)(_nothing)
        except (PyebpfError, TypeError):
            continue
        if isinstance(probe, Probe):
            return probe.hooks[0].kind
    # A decorator without parentheses.
    probe = decorator(_nothing) if not switches else None
    return probe.hooks[0].kind if isinstance(probe, Probe) else ""


def _nothing() -> None:
    """Stands for a probe."""


_MAPS_HEAD = """\
# Kinds of maps

What the kernel knows as maps, and what declares them in pyebpf. Made from the rows of
`pyebpf/abi/maps.py` by `python scripts/gen_tables.py`. A kind marked `{loader}` has no declaration
yet: the loader creates it for an object that another compiler made. Flags are keywords of the
declaration, listed below the table. Whether the running kernel has a kind is the feature
`map:NAME`; *since* is for reading only.

| kind | since | declared as | keys | per CPU | flags | |
|---|---|---|---|---|---|---|
"""


_FLAGS_HEAD = """
## Flags

The names of the kernel, `BPF_F_NO_PREALLOC`, in lower case and without `BPF_F_`. `numa_node` is the
number of the node whose memory a map is in.

| flag | |
|---|---|
"""


def maps_page() -> str:
    """Return ``docs/maps.md``."""
    declared = map_declarations()
    return (
        _MAPS_HEAD.format(loader=_LOADER_ONLY)
        + "".join(_map_line(row, declared.get(row.name, [])) for row in MAP_KINDS.values())
        + _FLAGS_HEAD
        + "".join(f"| `{f.name}` | {f.doc} |\n" for f in MAP_FLAGS.values())
    )


def _map_line(row: MapKind, declared: list[str]) -> str:
    names = ", ".join(f"`{name}`" for name in declared) or _LOADER_ONLY
    per_cpu = "yes" if row.per_cpu else ""
    note = row.note.replace("BPF_F_NO_PREALLOC", "`BPF_F_NO_PREALLOC`")
    words = [f"`{word}`" for word, flag in MAP_FLAGS.items() if row.name in flag.kinds]
    flags = " ".join([*words, *["`numa_node`"] * (row.name in NUMA_KINDS)])
    since = row.since or "new"
    return f"| `{row.name}` | {since} | {names} | {row.key} | {per_cpu} | {flags} | {note} |\n"


_PROGRAMS_HEAD = """\
# Kinds of programs

What the kernel can run programs for, and what declares them in pyebpf. Made from the rows of
`pyebpf/abi/programs.py` by `python scripts/gen_tables.py`. A kind marked `{loader}` has no
decorator yet: the loader loads and attaches it for an object that another compiler made. `.s` is
the form that may sleep. Whether the running kernel has a kind is the feature `prog:NAME`; *since*
is for reading only.
"""


def programs_page() -> str:
    """Return ``docs/programs.md``."""
    out = [_PROGRAMS_HEAD.format(loader=_LOADER_ONLY)]
    for title, rows in PROGRAM_GROUPS.items():
        out.append(
            f"\n## {title}\n\n| kind | since | declared as | type | ELF sections | attached by |\n"
        )
        out.append("|---|---|---|---|---|---|\n")
        out += [_program_line(row) for row in rows]
    return "".join(out)


def _program_line(row: ProgramKind) -> str:
    names = decorators_of(row.name)
    how = ", ".join(f"`{name}`" for name in names) or _LOADER_ONLY
    sections = ", ".join(f"`{section}`" for section in row.sections)
    by = row.strategy or row.reason
    kind = prog_type_name(row.prog_type)
    return f"| `{row.name}` | {row.since or 'new'} | {how} | {kind} | {sections} | {by} |\n"
