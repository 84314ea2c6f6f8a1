"""Write ``docs/errors.md`` from the classes of diagnostics and their examples.

``python scripts/gen_errors.py`` writes it; a test fails when it is not current.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import error_examples

import pyebpf.dsl
import pyebpf.ir
import pyebpf.runtime
from pyebpf.diag import Diagnostic
from tests import frozen

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"
CASES = ROOT / "tests" / "compile" / "reject"

_HEAD = f"""\
# Errors

What the compiler and the loader say, by code. This page is made from the classes in the source by
`python scripts/gen_errors.py`, which compiles the examples: the messages are what it was told.
Every example has these declarations; statements alone stand in a probe, after its first two lines,
`@tp_btf("block_rq_issue")` and `def issue(rq: Ptr[request]) -> None:`.

A terminal shows them in colours unless `NO_COLOR` is set; `FORCE_COLOR` asks for them elsewhere. In
IPython and notebooks the message stands alone, without a traceback.

```python
{error_examples.DECLARATIONS}```
"""


def diagnostics() -> list[type[Diagnostic]]:
    """Return every class of diagnostics, by code."""
    for package in (pyebpf.dsl, pyebpf.ir, pyebpf.runtime):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    found = [cls for cls in _subclasses(Diagnostic) if cls.__module__.startswith("pyebpf.")]
    return sorted(found, key=lambda cls: cls.code)


def _subclasses(cls: type[Diagnostic]) -> list[type[Diagnostic]]:
    return [sub for each in cls.__subclasses__() for sub in (each, *_subclasses(each))]


def _golden(code: str) -> str:
    """Return the shortest golden message of a code alone, for what no example can show."""
    messages = sorted(path.read_text(encoding="utf-8") for path in CASES.rglob("*.err"))
    alone = [
        text for text in messages if text.startswith(f"error[{code}]") and text.count("error[") == 1
    ]
    return min(alone, key=len, default="").replace("$FILE", "probe.py").rstrip()


def _section(cls: type[Diagnostic]) -> str:
    why, wrong, right, is_code = error_examples.example(cls)
    title = re.sub(r"\{(\w+)\}", lambda field: field[1].upper(), cls.title)
    head = f"## {cls.code}: {title}\n\n{why}\n"
    if not is_code:
        message = _golden(cls.code)
        shown = f"\n```text\n{message}\n```\n" if message else ""
        return f"{head}\n- Wrong: {wrong}\n- Right: {right}\n{shown}"
    message = error_examples.message(wrong, frozen.target())
    return (
        f"{head}\nWrong:\n\n```python\n{wrong}```\n\n```text\n{message}\n```\n\n"
        f"Right:\n\n```python\n{right}```\n"
    )


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *map(_section, diagnostics())])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
