"""The examples of diagnostics: what their docstrings say is wrong and right, as programs.

A docstring ends in ``Wrong:`` and ``Right:``, each with a block of Python below it. What stands
there is a probe, or, if it defines something itself, a module; both have ``DECLARATIONS``. What no
program can show is said in words, on the line itself.
"""

from __future__ import annotations

import inspect
import itertools
import linecache
import re
import sys
import textwrap
from types import ModuleType
from typing import NamedTuple

from pyebpf.diag import Diagnostic
from pyebpf.dsl.compile import compile_probes
from pyebpf.dsl.probes import Probe
from pyebpf.errors import CompileError
from pyebpf.spec.target import Target

DECLARATIONS = """\
from pyebpf import *
from pyebpf import helpers
from pyebpf.kernel import request


@record
class Account:
    lock: SpinLock
    turns: u64


started = Hash[Ptr[request], u64](max_entries=1_024)
counts = Hash[u32, u64](max_entries=1_024)
accounts = Hash[u32, Account](max_entries=1_024)
latency = Log2Hist(unit="us")
task_from_pid, task_release = kfunc("bpf_task_from_pid"), kfunc("bpf_task_release")
"""
_PROBE = '@tp_btf("block_rq_issue")\ndef issue(rq: Ptr[request]) -> None:\n'
_numbers = itertools.count(1)


class Example(NamedTuple):
    """What a class of diagnostics says of itself; ``is_code`` tells whether it can be compiled."""

    why: str
    wrong: str
    right: str
    is_code: bool


def example(cls: type[Diagnostic]) -> Example:
    """Return what a class's docstring says.

    Raises:
        ValueError: it has no ``Wrong:`` or no ``Right:``.
    """
    text = inspect.cleandoc(cls.__doc__ or "")
    found = re.fullmatch(r"(.*?)\n\s*Wrong:(.*?)\n\s*Right:(.*)", text, re.DOTALL)
    if found is None:
        raise ValueError(f"{cls.__name__}: the docstring ends in `Wrong:` and `Right:`")
    why, wrong, right = found.groups()
    if wrong.startswith("\n") and right.startswith("\n"):
        return Example(_prose(why), _code(wrong), _code(right), is_code=True)
    return Example(_prose(why), _one_line(wrong), _one_line(right), is_code=False)


def _prose(text: str) -> str:
    return text.strip().replace("``", "`")


def _one_line(text: str) -> str:
    return " ".join(_prose(text).split())


def _code(block: str) -> str:
    return textwrap.dedent(block.strip("\n")).rstrip() + "\n"


def whole(code: str) -> str:
    """Return an example as a module's text: a probe is put around statements."""
    defines = re.search(r"^(@|def |from |\w+ = kfunc)", code, re.MULTILINE)
    return code if defines else _PROBE + textwrap.indent(code, "    ")


def refusal(code: str, target: Target) -> CompileError | None:
    """Compile an example; return what the compiler says, None if it is content."""
    module = ModuleType(f"example_{next(_numbers)}")
    sys.modules[module.__name__] = module  # what is declared is looked up there
    shared = set(vars(_run(module, DECLARATIONS, "declarations.py")))
    file = f"{module.__name__}.py"
    _run(module, whole(code), file)
    made = [v for n, v in vars(module).items() if isinstance(v, Probe) and n not in shared]
    try:
        compile_probes(made, target)
    except CompileError as err:
        return err
    finally:
        del sys.modules[module.__name__], linecache.cache[file]
    return None


def _run(module: ModuleType, text: str, file: str) -> ModuleType:
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), module.__dict__)  # noqa: S102 - our own examples
    return module


def message(code: str, target: Target) -> str:
    """Return what the compiler says of a wrong example, as the user's ``probe.py``."""
    return re.sub(r"example_\d+\.py", "probe.py", str(refusal(code, target)))
