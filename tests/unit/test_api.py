"""Everything public is in the reference, and says what it takes, gives and raises."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import pytest

import pyebpf
from scripts import reference

#: What users import from, beside ``pyebpf`` itself.
MODULES = ("pyebpf.errors", "pyebpf.testing", "pyebpf.symbols", "pyebpf.net", "pyebpf.cli")
#: Names that are types to a checker and nothing that Python could ask for a docstring.
ALIASES = {f"{kind}{bits}" for kind in "ui" for bits in (8, 16, 32, 64)}
ALIASES |= {"be16", "be32", "be64", "Char", "Bytes"}
DOCUMENTED = dict(reference.documented())


def functions() -> dict[str, FunctionType]:
    """Return the public functions and methods, each once, by the first name that leads to it."""
    found: dict[int, tuple[str, FunctionType]] = {}
    for name, thing in DOCUMENTED.items():
        for member, function in reference.members(name, thing):
            found.setdefault(id(function), (member, function))
    return dict(found.values())


FUNCTIONS = functions()


def test_every_public_name_is_in_the_reference() -> None:
    written = "".join(path.read_text(encoding="utf-8") for path in reference.PAGES.glob("*.rst"))
    named = {name for name in ALIASES if f"pyebpf.{name}\n" in written}
    known = {name.removeprefix("pyebpf.") for name in DOCUMENTED} | named | {"__version__"}
    assert named == ALIASES
    assert set(pyebpf.__all__) - known == set()
    for module in MODULES:
        assert [n for n in reference.public(module) if f"{module}.{n}" not in DOCUMENTED] == []


def test_everything_says_what_it_is() -> None:
    documented = {**DOCUMENTED, **FUNCTIONS}
    assert [name for name, thing in documented.items() if not (thing.__doc__ or "").strip()] == []


def unnamed(function: FunctionType) -> list[str]:
    """Return the parameters that a docstring does not name, unless it sends to another."""
    text = inspect.getdoc(function) or ""
    taken = [name for name in inspect.signature(function).parameters if name not in {"self", "cls"}]
    elsewhere = re.search(r":(func|meth|class):", text)
    return [] if elsewhere else [each for each in taken if not re.search(rf"\b{each}\b", text)]


def test_functions_say_what_they_take() -> None:
    """One parameter may be what the sentence is about; every other is named."""
    missing = {name: unnamed(function) for name, function in FUNCTIONS.items()}
    assert {name: words for name, words in missing.items() if len(words) > 1} == {}


def test_what_gives_arrays_says_their_shapes() -> None:
    arrays = {
        name: inspect.getdoc(function) or ""
        for name, function in FUNCTIONS.items()
        if "NDArray" in str(inspect.signature(function).return_annotation)
    }
    said = re.compile(r"[Ss]hape|\(\w+,|TypeError: always")
    assert len(arrays) > 10
    assert [name for name, text in arrays.items() if not said.search(text)] == []


def raised(function: FunctionType) -> Iterator[str]:
    """Yield the errors that a function raises itself, but for a call outside of probes."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in ast.walk(tree):
        call = node.exc if isinstance(node, ast.Raise) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        if "probe only" not in ast.unparse(call) and not call.func.id.startswith("_"):
            yield call.func.id


def test_what_raises_says_what_and_when() -> None:
    errors = {name: set(raised(function)) for name, function in FUNCTIONS.items()}
    assert sum(map(bool, errors.values())) > 30
    untold = {
        name: [error for error in found if error not in (inspect.getdoc(FUNCTIONS[name]) or "")]
        for name, found in errors.items()
    }
    assert {name: words for name, words in untold.items() if words} == {}


def examples() -> list[Any]:
    """Return the examples with a prompt in docstrings, by module."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    modules = {function.__module__ for function in FUNCTIONS.values()}
    modules |= {str(getattr(thing, "__module__", "pyebpf")) for thing in DOCUMENTED.values()}
    found = (finder.find(importlib.import_module(name)) for name in sorted(modules))
    return [test for tests in found for test in tests if test.examples]


EXAMPLES = examples()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda test: test.name)
def test_an_example_gives_what_it_says(example: doctest.DocTest) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    assert runner.run(example, out=said.append).failed == 0, "".join(said)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 10
