"""The table of helpers for people: a stub for editors and type checkers, and a page."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from pyebpf.abi.helpers import FAMILIES, HELPERS

if TYPE_CHECKING:
    from pyebpf.abi.helpers import Helper, Parameter

_WIDTH = 100
#: Python's types of arguments, by kind; what is not here is memory, a context or a thing of the
#: kernel, which no Python type describes.
_ARGUMENTS = {
    "map": "MapDecl",
    "size": "u32",
    "size_or_zero": "u32",
    "const_size": "u32",
    "const_str": "str",
    "kernel_addr": "u64 | Ptr[Any]",
    "user_addr": "u64 | Ptr[Any]",
    "flags": "u64",
    "be16": "u16",
    "func": "Callable[..., int]",
    "sock": "Ptr[Any]",
    "sock_common": "Ptr[Any]",
    "released_sock": "Ptr[Any]",
    "socket_or_null": "Ptr[Any] | None",
    "kptr_or_null": "Ptr[Any] | None",
}
_RESULTS = {
    "void": "None",
    "errno": "i64",
    "length": "i64",
    "value": "Any",
    "percpu_mem": "Any",
    "socket": "Ptr[kernel.bpf_sock]",
    "sock_common": "Ptr[kernel.bpf_sock]",
    "tcp_sock": "Ptr[kernel.bpf_tcp_sock]",
    "kptr": "Ptr[Any]",
    "mem": "Any",
    "reserved": "Any",
}
_NUMBERS = frozenset({"u16", "u32", "u64", "i32", "i64"})


def argument_type(parameter: Parameter) -> str:
    """Return the Python type of an argument."""
    if parameter.kind in _NUMBERS:
        return parameter.kind
    if parameter.kind == "btf":
        return f"Ptr[kernel.{parameter.type}]"
    return _ARGUMENTS.get(parameter.kind, "object")


def result_type(result: Parameter) -> str:
    """Return the Python type of a result."""
    kind = result.kind.removesuffix("_or_null")
    if kind in _NUMBERS:
        return kind
    found = f"Ptr[kernel.{result.type}]" if kind == "btf" else _RESULTS[kind]
    return found + " | None" * result.kind.endswith("_or_null")


def parameters(row: Helper) -> list[str]:
    """Return the parameters as Python writes them."""
    return [
        f"{arg.python_name}: {argument_type(arg)}"
        + (f" = {arg.default}" if i >= row.required else "")
        for i, arg in enumerate(row.args)
    ]


def conditions(row: Helper) -> str:
    """Return what a program must be to call a helper, besides its kind; often nothing."""
    words = ["GPL"] * row.gpl + ["sleepable"] * row.sleeps
    return ", ".join(words)


def stub() -> str:
    """Return ``pyebpf/helpers.pyi``."""
    out = [_STUB_HEAD]
    for family in FAMILIES:
        out.append(f"# {family.title}")
        out += [_definition(row) for row in family.rows]
    return "\n\n".join(out) + "\n"


_STUB_HEAD = '''\
"""Made from the table of helpers by ``python scripts/gen_tables.py``."""

from collections.abc import Callable
from typing import Any

from pyebpf import kernel
from pyebpf.abi.helpers import Helper
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.scalars import Ptr, i32, i64, u16, u32, u64

class HelperFunction:
    __pyebpf_builtin__: Helper
    __name__: str
    __qualname__: str
    def __init__(self, row: Helper) -> None: ...'''


def _definition(row: Helper) -> str:
    words, result = parameters(row), result_type(row.ret)
    head = f"def {row.name}({', '.join(words)}) -> {result}:"
    if len(head) > _WIDTH:
        inner = ", ".join(words)
        lines = [inner] if len(inner) <= _WIDTH - 4 else [f"{word}," for word in words]
        head = "\n".join(
            (f"def {row.name}(", *(f"    {line}" for line in lines), f") -> {result}:")
        )
    notes = f"Since: Linux {row.since}." + f" For {_who(row)} only." * bool(conditions(row))
    text = textwrap.wrap(row.doc.replace("`", "``"), _WIDTH - 8)
    body = "\n".join((f'"""{text[0]}', *text[1:], "", notes, '"""'))
    return f"{head}\n{textwrap.indent(body, '    ')}"


def _who(row: Helper) -> str:
    if row.gpl and row.sleeps:
        return "GPL programs that may sleep"
    return "GPL programs" if row.gpl else "programs that may sleep"


_PAGE_HEAD = """\
# Helpers

The functions that the kernel offers to programs: {count}, each callable in a probe as
`helpers.NAME(…)` after `from pyebpf import helpers`. Made from the rows of `pyebpf/abi/helpers` by
`python scripts/gen_tables.py`; argument types are checked at compile time.

- *Since* is the Linux version that brought the helper; whether the running kernel has it is asked,
  not derived from the version: `helper:NAME` is a feature, `helper:NAME@KIND` for one kind of
  program.
- *Needs*: `GPL`, a program under a GPL-compatible license (pyebpf's default); `sleepable`, a
  program that may sleep (`.s` kinds, `syscall`).
- *Programs* are types of programs as Linux {newest} has them; older kernels allow less. `all`;
  `most` (all but `lirc_mode2`); `typed` (tp_btf, fentry, fexit, iter, lsm, syscall); `probes`
  (those, and kprobe, uprobe, tracepoint, raw tracepoint, perf event); `tc`; `lwt`; `-NAME` takes
  one away.
- `object` stands for memory, a context or something of the kernel that Python has no type for.
- Results of type `i64` that tell success are 0 or a size, or a negative error number.

| family | helpers |
|---|---|
{families}
"""
#: The kernel whose tables of programs the rows were compared with.
NEWEST = "7.3"


def page() -> str:
    """Return ``docs/helpers.md``."""
    families = "\n".join(
        f"| [{family.title}](#{family.title.lower().replace(' ', '-')}) | {len(family.rows)} |"
        for family in FAMILIES
    )
    out = [_PAGE_HEAD.format(count=len(HELPERS), newest=NEWEST, families=families)]
    for family in FAMILIES:
        out.append(
            f"## {family.title}\n\n| helper | since | needs | programs | |\n|---|---|---|---|---|"
        )
        out += [_line(row) for row in family.rows]
        out.append("")
    return "\n".join(out)


def _line(row: Helper) -> str:
    signature = f"{row.name}({', '.join(parameters(row))}) -> {result_type(row.ret)}"
    cells = (f"`{signature}`", row.since, conditions(row), row.programs, row.doc)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
