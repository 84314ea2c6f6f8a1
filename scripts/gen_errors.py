"""Write ``docs/errors.md`` from the classes of diagnostics and the messages of golden files.

``python -m scripts.gen_errors`` writes it; a test fails when it is not current.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pyebpf.dsl
import pyebpf.ir
import pyebpf.runtime
from pyebpf.diag import Diagnostic

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"
CASES = ROOT / "tests" / "compile" / "reject"

_HEAD = """\
# Errors

What the compiler and the loader say, by code. This page is made from the classes in the source by
`python -m scripts.gen_errors`; the messages are those of `tests/compile/reject`.
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


def parts(cls: type[Diagnostic]) -> tuple[str, str, str]:
    """Return what a class's docstring says: why, what is wrong, and what is right.

    Raises:
        ValueError: it has no ``Wrong:`` or no ``Right:``.
    """
    text = inspect.cleandoc(cls.__doc__ or "")
    found = re.fullmatch(r"(.*?)\n\s*Wrong: (.*?)\s*\n\s*Right: (.*)", text, re.DOTALL)
    if found is None:
        raise ValueError(f"{cls.__name__}: the docstring ends in `Wrong: …` and `Right: …`")
    why, wrong, right = (part.strip().replace("``", "`") for part in found.groups())
    return why, _one_line(wrong), _one_line(right)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _example(code: str) -> str:
    messages = sorted(path.read_text(encoding="utf-8") for path in CASES.rglob("*.err"))
    alone = [
        text for text in messages if text.startswith(f"error[{code}]") and text.count("error[") == 1
    ]
    return min(alone, key=len, default="").replace("$FILE", "probe.py").rstrip()


def page() -> str:
    """Return the page."""
    out = [_HEAD]
    for cls in diagnostics():
        why, wrong, right = parts(cls)
        title = re.sub(r"\{(\w+)\}", lambda field: field[1].upper(), cls.title)
        out.append(f"## {cls.code}: {title}\n\n{why}\n\n- Wrong: {wrong}\n- Right: {right}\n")
        example = _example(cls.code)
        if example:
            out.append(f"```text\n{example}\n```\n")
    return "\n".join(out)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
