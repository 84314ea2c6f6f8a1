"""What becomes of one probe at each stage, for docs/how-it-works.md.

The page's block ``python probe.py`` is the program; below a block ``text NAME`` stands what the
function of that name in ``STAGES`` says of it. The kernel is ``pyebpf.testing.target()``, so that
all of this is the same everywhere. ``make golden`` writes the page.
"""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
import linecache
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from pyebpf import Probe, compile_probes, testing
from pyebpf.abi.disasm import disassemble
from pyebpf.btf import Btf
from pyebpf.btf.extract import extract, move
from pyebpf.dsl import typed
from pyebpf.dsl.check.programs import check_programs
from pyebpf.dsl.collect import collect
from pyebpf.dsl.compile import build_unit
from pyebpf.dsl.lower.programs import lower_program
from pyebpf.dsl.types import shown
from pyebpf.dsl.unit import UnitState
from pyebpf.errors import CompileError
from pyebpf.ir.text import function_text
from pyebpf.loading import read_object
from pyebpf.runtime.relocate import link_program
from pyebpf.runtime.resolver import CoreResolver

_BLOCK = re.compile(r"^```(python|text) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def program(text: str, name: str = "probe.py") -> ModuleType:
    """Return the program as a module without a file."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    module = ModuleType("probe")
    exec(compile(text, name, "exec"), module.__dict__)  # noqa: S102 - the page's own
    return module


@functools.cache
def _probe(source: str) -> Probe:
    made = program(source).issue
    assert isinstance(made, Probe)
    return made


def _unit(source: str) -> tuple[UnitState, typed.Program]:
    probe = _probe(source)
    unit = UnitState(testing.target(), {}, collect((probe,)))
    (checked,) = check_programs((probe,), unit)
    return unit, checked


def syntax(source: str) -> str:
    """Return the syntax of the condition."""
    test = next(node.test for node in ast.walk(ast.parse(source)) if isinstance(node, ast.If))
    return "\n".join(_outline(test))


def _outline(node: Any, before: str = "") -> Iterator[str]:
    """Yield lines for a node; ``ast.dump`` writes others in other versions of Python."""
    if not isinstance(node, ast.AST):
        yield f"{before}{node!r}"
        return
    yield f"{before}{type(node).__name__}"
    for name, value in ast.iter_fields(node):
        for each in value if isinstance(value, list) else [value]:
            if each is not None and not isinstance(each, ast.Load):
                yield from (f"  {line}" for line in _outline(each, f"{name}: "))


def types(source: str) -> str:
    """Return each expression of the body with its type."""
    lines = source.splitlines()
    found: dict[str, str] = {}
    for node in _expressions(_unit(source)[1].body):
        span = node.span
        text = lines[span.line - 1][span.column : span.end_column]
        found.setdefault(text, shown(node.type))
    width = max(map(len, found))
    return "\n".join(f"{text:<{width}}  {kind}" for text, kind in found.items())


def _expressions(node: Any) -> Iterator[typed.Expr]:
    """Yield the expressions of a typed tree, what a larger one is made of first."""
    if isinstance(node, list):
        for each in node:
            yield from _expressions(each)
    elif isinstance(node, (typed.Expr, typed.Stmt)):
        names = (name for cls in type(node).__mro__ for name in inspect.get_annotations(cls))
        for name in names:
            yield from _expressions(getattr(node, name))
        if isinstance(node, typed.Expr):
            yield node


def ir(source: str) -> str:
    """Return the IR that the front end makes."""
    unit, checked = _unit(source)
    return function_text(lower_program(checked, unit))


def passes(source: str) -> str:
    """Return the lines of the IR that the passes change."""
    unit, checked = _unit(source)
    before = function_text(lower_program(checked, unit))
    (after,) = build_unit((_probe(source),), _unit(source)[0]).functions
    changed = difflib.ndiff(before.splitlines(), function_text(after).splitlines())
    return "\n".join(line.rstrip() for line in changed if line[0] in "-+")


def _linked(source: str, kernel: Btf) -> bytes:
    spec = read_object(compile_probes(_probe(source), target=testing.target()))
    answers = CoreResolver(spec.btf, lambda: kernel)
    maps = {each.name: number for number, each in enumerate(spec.maps, 3)}
    return link_program(spec, "issue", map_fds=maps, resolver=answers).code


def instructions(source: str) -> str:
    """Return the instructions, with the maps' descriptors in them."""
    return "\n".join(disassemble(_linked(source, _types())))


def _types() -> Btf:
    found = testing.target().btf
    assert found is not None
    return found


def relocations(source: str) -> str:
    """Return what the object leaves open until it is loaded."""
    spec = read_object(compile_probes(_probe(source), target=testing.target()))
    (section,) = spec.sections
    answers = CoreResolver(spec.btf, _types)
    asked = [(each.insn, f"{each.kind.name} of {answers.describe(each)}") for each in section.core]
    asked += [(each.insn, f"{each.use.name} {each.symbol}") for each in section.symbols]
    return "\n".join(f"{insn:3}: {text}" for insn, text in sorted(asked))


def moved(source: str) -> str:
    """Return the instruction that another kernel changes, whose queues have the disk elsewhere."""
    names = ("request", "request_queue", "gendisk")
    other = Btf.parse(extract(_types(), names, {"request_queue": move("disk", 8)}, deep=True))
    before, after = (disassemble(_linked(source, kernel)) for kernel in (_types(), other))
    changed = (line for line in difflib.ndiff(before, after) if line[0] in "-+")
    return "\n".join(changed)


def unguarded(source: str) -> str:
    """Return what the compiler says where the probe forgets a test for None."""
    wrong = source.replace("if begin is not None:", "if True:")
    made = program(wrong, "wrong.py")
    try:
        compile_probes(made.complete, target=testing.target())
    except CompileError as error:
        return str(error)
    raise AssertionError


def simulated(source: str) -> str:
    """Return what two requests come to, interpreted."""
    module = program(source, "simulated.py")
    with testing.run(module.issue, module.complete) as kernel:
        kernel.set("ktime_get_ns", [1_000, 42_000])
        ours = kernel.kernel(module.request, q={"disk": {"major": 8}})
        other = kernel.kernel(module.request, q={"disk": {"major": 7}})
        for each in (ours, other):
            kernel.fire(module.issue, rq=each)
            kernel.fire(module.complete, rq=each, error=0, nr_bytes=4096)
        return str(kernel[module.latency])


#: By the word that stands behind ``text`` on the page.
STAGES: dict[str, Callable[[str], str]] = {
    stage.__name__: stage
    for stage in (
        syntax, types, unguarded, ir, passes, relocations, instructions, moved, simulated,
    )
}  # fmt: skip


def filled(page: str) -> str:
    """Return a page with what its program becomes now at each stage that it shows."""
    source = next(block[3] for block in _BLOCK.finditer(page) if block[1] == "python")

    def block(match: re.Match[str]) -> str:
        if match[1] == "python":
            return match[0]
        lines = [line.rstrip() for line in STAGES[match[2]](source).rstrip().splitlines()]
        return f"```text {match[2]}\n" + "\n".join(lines) + "\n```"

    return _BLOCK.sub(block, page)
