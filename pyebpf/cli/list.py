"""The command ``pyebpf list``: which hooks there are, ready to be pasted into a program."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pyebpf import colour
from pyebpf.btf.near import did_you_mean, nearest
from pyebpf.cli import output
from pyebpf.cli.commands import Arguments, option
from pyebpf.cli.options import UsageError, whole
from pyebpf.errors import PyebpfError
from pyebpf.hooks import (
    BINARY_KINDS,
    KERNEL_KINDS,
    Sources,
    binaries_of,
    binary_kinds,
    matching,
)
from pyebpf.progress import counted
from pyebpf.spec.patterns import matcher
from pyebpf.targets import host_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyebpf.cli.commands import Given
    from pyebpf.hooks import Entry, Kind

_KINDS = (*KERNEL_KINDS, *BINARY_KINDS)
#: Kinds whose names have a colon; the part behind it is enough.
_TWO_PARTS = ("tracepoint", "usdt")
_LIMIT = 100
_ABOUT = f"""\
List the hooks whose names match a pattern of the shell, or a regular expression between slashes, as
they are written in a program: the decorator, and the parameters that a probe there may have, typed.

Without -p and -b the kernel's hooks: tracepoints (with their fields under -v), typed tracepoints,
functions with their types (and where a function cannot be traced, that), system calls, hooks of
security modules, iterators, and the functions that probes may call: helpers and kfuncs. A pattern
with a colon is for tracepoints: 'sched:*'. Tracepoints and what can be traced are listed to root
only, types to all.

With -p or -b the functions of binaries, and the probes that these have themselves (USDT).

KIND is one of {", ".join(_KINDS)}.
"""


def _limit(text: str) -> int:
    number = whole(text)
    if number < 0:
        raise ValueError(f"{text!r} is no count; 0 is for all")
    return number


_OPTIONS = (
    option("-k", "--kind", metavar="KIND", help="only this kind; may be given several times"),
    option("-b", "--binary", metavar="FILE", help="of a binary: a path, or c for libc"),
    option("-p", "--pid", metavar="PID", help="of all files that a process runs", convert=whole),
    option("-v", "--verbose", help="fields of tracepoints, each in a line of its own"),
    option(
        "-n", "--limit", metavar="COUNT", convert=_limit,
        help=f"hooks of a kind at most, 0 for all (default: {_LIMIT})",
    ),
    option("-j", "--json", help="print JSON, one object per line; all of them without -n"),
)  # fmt: skip
_EXAMPLES = """
pyebpf list 'block_rq_*'              # whatever has such a name
pyebpf list -v sched:sched_switch     # a tracepoint with its fields
pyebpf list 'tcp_*' --kind function   # functions and their types
pyebpf list 'SSL_*' -b ssl            # functions of a library
pyebpf list 'PyObject_Call*' -p 1234  # and of what a process runs
pyebpf list '*' -k usdt -p 1234       # the probes that a process has itself
"""
ARGUMENTS = Arguments(
    "list",
    _ABOUT,
    _OPTIONS,
    _EXAMPLES,
    failed="nothing matches, or nothing can be listed",
)


def run(argv: list[str]) -> int:
    """Run the command and return its exit code.

    Raises:
        UsageError: the arguments make no sense.
        PyebpfError: nothing matches, or nothing can be listed.
    """
    given = ARGUMENTS.read(argv)
    if "h" in given:
        output.write(ARGUMENTS.help())
        return 0
    if len(given.words) != 1:
        raise UsageError("list takes one PATTERN; quote it, so that the shell leaves it alone")
    pattern = given.words[0]
    try:
        matcher(pattern)  # what is wrong with it is wrong for every kind
    except PyebpfError as error:
        raise UsageError(str(error)) from None
    kinds = _kinds(given, pattern)
    found = _found(kinds, pattern)
    if not any(names for _, names in found):
        raise _nothing(kinds, pattern)
    limit = given.get("n", 0 if "j" in given else _LIMIT)
    for kind, names in found:
        shown = names[:limit] if limit else names
        for name in shown:
            output.write(_text(kind.describe(name), given))
        if len(shown) < len(names):
            left = len(names) - len(shown)
            output.complain("pyebpf", f"{left} more of kind {kind.name}: -n 0 lists all of them")
        if names and kind.doubt:
            output.complain("pyebpf", kind.doubt)
    return 0


def _kinds(given: Given, pattern: str) -> list[Kind]:
    """Return the kinds of hooks that are asked for, each in its place."""
    wanted = given.all("k")
    for name in wanted:
        if name not in _KINDS:
            close = did_you_mean(nearest(name, _KINDS)) or f"; it is one of {', '.join(_KINDS)}"
            raise UsageError(f"there is no kind {name!r}{close}")
    in_binaries = "b" in given or "p" in given
    known = BINARY_KINDS if in_binaries else tuple(KERNEL_KINDS)
    if wrong := [name for name in wanted if name not in known]:
        where = "without -p and -b" if in_binaries else "with -p PID or -b FILE"
        raise UsageError(f"kind {wrong[0]!r} is listed {where}")
    if in_binaries:
        found = binaries_of(given.all("b"), given.get("p", 0))
        every = [kind for binary in found for kind in binary_kinds(binary)]
        return [kind for kind in every if not wanted or kind.name in wanted]
    if ":" in pattern and not wanted:
        wanted = ["tracepoint"]
    sources = Sources(host_target())
    return [make(sources) for name, make in KERNEL_KINDS.items() if not wanted or name in wanted]


def _found(kinds: list[Kind], pattern: str) -> list[tuple[Kind, list[str]]]:
    """Return the names that match; of a kind that cannot be listed, say why."""
    found = []
    for kind in counted(kinds, "looking for hooks"):
        try:
            names = matching(kind.names(), pattern, bare=kind.name in _TWO_PARTS)
        except PyebpfError as error:
            if len(kinds) == 1:
                raise
            output.complain("pyebpf", f"kind {kind.name} is left out: {error}")
            continue
        found.append((kind, names))
    return found


def _nothing(kinds: list[Kind], pattern: str) -> PyebpfError:
    """Make the error that offers names like the one that does not exist."""
    word = pattern.strip("*")
    names: set[str] = set()
    for kind in kinds:
        with suppress(PyebpfError):
            names.update(kind.names())
    near = nearest(word, names) or nearest(word, {name.rpartition(":")[2] for name in names})
    if not any(sign in pattern for sign in "*?[") and not near:
        return PyebpfError(f"nothing is called {pattern!r}; '*{pattern}*' finds it inside of names")
    return PyebpfError(f"nothing matches {pattern!r}{did_you_mean(near)}")


def _text(entry: Entry, given: Given) -> str:
    if "j" in given:
        return json.dumps(_as_data(entry)) + "\n"
    code = colour.styled(entry.code, "head") if colour.wanted(sys.stdout) else entry.code
    note = f"  # {entry.note}" if entry.note else ""
    lines = [f"{code}  {entry.signature}{note}"]
    if "v" in given:
        lines += _fields(entry)
    return "\n".join(lines) + "\n"


def _fields(entry: Entry) -> Iterator[str]:
    width = max((len(name) for name, _, _ in entry.fields), default=0)
    for name, hint, c_type in entry.fields:
        yield f"    ctx.{name:<{width}}  {hint:<6} # {c_type}".rstrip()


def _as_data(entry: Entry) -> dict[str, object]:
    row: dict[str, object] = {"kind": entry.kind, "name": entry.name, "code": entry.code}
    row["params"] = [{"name": name, "type": hint} for name, hint in entry.params]
    row["result"] = entry.result
    if entry.fields:
        row["fields"] = [{"name": n, "type": h, "c_type": c} for n, h, c in entry.fields]
    return row | ({"note": entry.note} if entry.note else {})
