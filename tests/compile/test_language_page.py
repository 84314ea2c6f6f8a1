"""Every block of ``docs/language.md`` compiles, or is refused with the code that stands on it."""

from __future__ import annotations

import linecache
import re
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from pyebpf.dsl.builtins import ScalarHelper
from pyebpf.dsl.check.builtin import BUILTINS, SPECIALS
from pyebpf.dsl.check.iterate import MAKERS
from pyebpf.dsl.compile import compile_probes
from pyebpf.errors import CompileError
from tests import frozen

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
TEXT = PAGE.read_text(encoding="utf-8")


class Block(NamedTuple):
    mark: str
    text: str
    line: int


BLOCKS = [
    Block(found[1].strip(), found[2], TEXT[: found.start()].count("\n") + 1)
    for found in re.finditer(r"^```python(.*?)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
]
SHARED = "".join(block.text for block in BLOCKS if block.mark in ("declarations", "functions"))
BODIES = [block for block in BLOCKS if block.mark not in ("declarations", "functions")]


def module_of(block: Block) -> ModuleType:
    body = "".join(f"    {line}" for line in block.text.splitlines(keepends=True))
    text = f"{SHARED}\n\n@raw_tracepoint('sys_enter')\ndef probe() -> None:\n{body}"
    name = f"<language.md:{block.line}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    made = ModuleType(name)
    exec(compile(text, name, "exec"), made.__dict__)
    return made


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize(
    "block", BODIES, ids=lambda block: f"line{block.line}-{block.mark or 'ok'}"
)
def test_a_block(block: Block) -> None:
    module = module_of(block)
    if not block.mark:
        assert compile_probes([module.probe], frozen.target()).object
        return
    with pytest.raises(CompileError) as refusal:
        compile_probes([module.probe], frozen.target())
    assert {found.code for found in refusal.value.diagnostics} == {block.mark}  # type: ignore[attr-defined]


def test_there_are_blocks_of_both_kinds() -> None:
    assert len([block for block in BODIES if block.mark]) > 15
    assert len([block for block in BODIES if not block.mark]) > 12


def test_every_function_is_listed() -> None:
    import pyebpf

    section = TEXT[TEXT.index("The functions of this package") :]
    listed = set(re.findall(r"`(\w+)`", section[: section.index("```")]))
    marks = {n: getattr(getattr(pyebpf, n), "__pyebpf_builtin__", 0) for n in pyebpf.__all__}
    ours = {name for name, mark in marks.items() if isinstance(mark, str | ScalarHelper)}
    assert set(SPECIALS) <= ours
    assert listed == ours | {function.__name__ for function in (*BUILTINS, *MAKERS)}
