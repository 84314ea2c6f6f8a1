"""How many instructions and bytes of stack the programs of each tool take: ``make budgets``.

Each tool is compiled as it is without options, for a kernel that can do everything and is the same
on every machine: types and tracepoints of Linux 6.18 that the tools ask for, in ``tests/data``.
``make budgets-kernel`` takes them anew from the running kernel, when a tool asks for others.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import importlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pyebpf.btf import Btf
from pyebpf.btf.extract import extract
from pyebpf.btf.system import kernel_btf
from pyebpf.btf.types import Struct, Union
from pyebpf.dsl.compile import compile_probes
from pyebpf.ir.llvm.object import llvm
from pyebpf.ir.llvm.stack import functions, stack_bytes
from pyebpf.spec.target import FrozenConfiguration, FrozenTracepoints, Target, TracepointField
from pyebpf.targets import host_target
from pyebpf.testing.frozen import Everything
from scripts.tool_pages import NEEDED
from tests import frozen

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("budgets.txt")
_DATA = ROOT / "tests" / "data" / "frozen"
TYPES, TRACEPOINTS = _DATA / "tools.btf.gz", _DATA / "tools.json"
ACCEPT, REMAKE = "make budgets", "make budgets-kernel"
#: What a program may grow by before a test asks whether that was meant: the larger of the two.
PERCENT, INSTRUCTIONS = 2, 4
#: And its stack, a slot of a register.
STACK = 8
#: It loads nothing without being asked for a kind of thing to list.
NOT_COMPILED = ("bpflist",)
_HEAD = "# tool program instructions stack-bytes, by LLVM {llvm}: written by `{accept}`"


class Size(NamedTuple):
    """What a function of a tool's object takes."""

    tool: str
    program: str
    instructions: int
    stack: int

    @property
    def allowed(self) -> tuple[int, int]:
        """How large it may become, and its stack, before a test fails."""
        more = max(self.instructions * PERCENT // 100, INSTRUCTIONS)
        return self.instructions + more, self.stack + STACK


def tools() -> list[str]:
    """Return the names of the tools that are compiled."""
    names = sorted(path.stem for path in (ROOT / "tools").glob("[!_]*.py"))
    return [name for name in names if name not in NOT_COMPILED]


def llvm_version() -> int:
    """Return the major version of the LLVM that llvmlite brings along."""
    return int(llvm.llvm_version_info[0])


@functools.cache
def kernel() -> Target:
    """Return the kernel that tools are compiled for, from what is checked in."""
    kept = json.loads(TRACEPOINTS.read_text(encoding="utf-8"))
    events = {name: tuple(TracepointField(*row) for row in rows) for name, rows in kept.items()}
    return _target(Btf.parse(gzip.decompress(TYPES.read_bytes())), FrozenTracepoints(events))


def _target(btf: Btf, tracepoints: FrozenTracepoints | Asked) -> Target:
    configuration = FrozenConfiguration(frozen.CONFIGURATION)
    return Target(
        btf, Everything(), tracepoints, "x86_64", 2, configuration=configuration, exact=True
    )


def sizes(name: str, target: Target) -> list[Size]:
    """Compile a tool; return what each function takes, in the order of the object."""
    tool = importlib.import_module(f"pyebpf.tools.{name}").tool
    options = tool.command_line().parse(list(NEEDED.get(name, ()))).consts
    made = compile_probes(tool.probes_for(options), target, options).object
    return [
        Size(name, program, len(code) // 8, stack_bytes(code)) for program, code in functions(made)
    ]


def grown(old: Iterable[Size], new: Iterable[Size]) -> Iterator[str]:
    """Say of each program of a tool what is wrong with it, beside what it is allowed."""
    known = {size.program: size for size in old}
    for size in new:
        budget = known.pop(size.program, None)
        what = f"{size.tool}: {size.program}"
        if budget is None:
            yield f"{what} has no budget yet: {size.instructions} instructions"
            continue
        instructions, stack = budget.allowed
        if size.instructions > instructions:
            yield f"{what} has {size.instructions} instructions, {budget.instructions} before"
        if size.stack > stack:
            yield f"{what} needs {size.stack} bytes of stack, {budget.stack} before"
    yield from (f"{size.tool}: {size.program} is in the table, not in the tool" for size in
                known.values())  # fmt: skip


def read() -> tuple[int, dict[str, list[Size]]]:
    """Return the table: the LLVM that it is of, and its rows by tool."""
    head, *lines = TABLE.read_text(encoding="utf-8").splitlines()
    found: dict[str, list[Size]] = {}
    for tool, program, instructions, stack in (line.split() for line in lines):
        row = Size(tool, program, int(instructions), int(stack))
        found.setdefault(tool, []).append(row)
    version = re.search(r"LLVM (\d+)", head)
    assert version, head
    return int(version[1]), found


def table(rows: Iterable[Size]) -> str:
    """Return the table as text: a row, a line, so that a change is read as a difference."""
    head = _HEAD.format(llvm=llvm_version(), accept=ACCEPT)
    lines = (f"{tool} {program} {count} {stack}" for tool, program, count, stack in rows)
    return "\n".join([head, *lines, ""])


class Asked:
    """Tracepoints of the running kernel; what was asked for is kept."""

    def __init__(self) -> None:
        self.events: dict[str, tuple[TracepointField, ...]] = {}
        self._real = host_target().tracepoints

    def fields(self, category: str, name: str) -> tuple[TracepointField, ...]:
        found = self._real.fields(category, name)
        return self.events.setdefault(f"{category}:{name}", found)

    def names(self) -> tuple[str, ...]:
        return self._real.names()


def remake() -> None:
    """Take from the running kernel what compiling the tools asks for."""
    btf, asked = Btf.parse(bytes(kernel_btf().data)), Asked()
    made = [sizes(name, _target(btf, asked)) for name in tools()]
    # What was searched by name, and what was reached from there.
    names = {name for (name, _), ids in btf._found.items() if ids}
    names |= {t.name for t in btf._decoded.values() if isinstance(t, (Struct, Union)) and t.name}
    TYPES.write_bytes(gzip.compress(extract(btf, sorted(names)), 9, mtime=0))
    rows = (
        f"  {json.dumps(name)}: {json.dumps([list(vars(field).values()) for field in fields])}"
        for name, fields in sorted(asked.events.items())
    )
    TRACEPOINTS.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    kernel.cache_clear()
    assert made == [sizes(name, kernel()) for name in tools()], "not all was taken along"


def main() -> None:
    """Write the table; with ``--kernel`` first what it is compiled for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kernel", action="store_true", help="take types from this kernel first")
    if parser.parse_args().kernel:
        remake()
    before = read()[1] if TABLE.exists() else {}
    now = {name: sizes(name, kernel()) for name in tools()}
    TABLE.write_text(table(row for rows in now.values() for row in rows), encoding="utf-8")
    for name, rows in now.items():
        print("\n".join(grown(before.get(name, ()), rows)) or f"{name}: no larger than before")


if __name__ == "__main__":
    main()
