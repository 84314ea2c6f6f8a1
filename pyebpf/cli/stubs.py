"""The command ``pyebpf stubs``: the kernel's names for editors and type checkers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pyebpf.cli import output
from pyebpf.cli.commands import Arguments, option
from pyebpf.cli.options import UsageError
from pyebpf.cli.tool import FAILED
from pyebpf.errors import KernelError, NotSupportedError, PyebpfError
from pyebpf.lazy import lazy
from pyebpf.progress import doing
from pyebpf.targets import host_target

if TYPE_CHECKING:
    from pyebpf import stubs
    from pyebpf.dsl.check import kernel_types
    from pyebpf.spec.target import Target
else:
    stubs = lazy("pyebpf.stubs")
    kernel_types = lazy("pyebpf.dsl.check.kernel_types")

FOLDER = "typings"
_ABOUT = """\
Write what this kernel has as .pyi files, so that editors complete `task.mm.` and type checkers
check it.

WHAT is a Python file or a folder of them: what the programs in it import from pyebpf.kernel,
pyebpf.tracepoints and pyebpf.kfuncs, attach to and declare; or a pattern of the shell for types
and kfuncs (task_struct, 'bpf_task_*'), with a colon for tracepoints ('sched:*'). Without any, all
programs below the current folder. Types that the members of a type lead to come along.

They become a package, pyebpf_stubs, in the folder. pyright finds it in typings by itself; for mypy
say mypy_path = "typings".
"""
_OPTIONS = (
    option("-o", "--output", metavar="DIR", help=f"the folder (default: {FOLDER})"),
)  # fmt: skip
_EXAMPLES = """
pyebpf stubs                        # what the programs here name
pyebpf stubs task_struct 'sched:*'  # a type, and tracepoints of the scheduler
pyebpf stubs '*' '*:*'              # everything: some megabytes
"""
ARGUMENTS = Arguments(
    "stubs",
    _ABOUT,
    _OPTIONS,
    _EXAMPLES,
    failed="it failed, or tracepoints were left out",
)


def run(argv: list[str]) -> int:
    """Run the command and return its exit code: 1 if tracepoints had to be left out.

    Raises:
        UsageError: the arguments make no sense.
        PyebpfError, OSError: nothing was written, or not all.
    """
    given = ARGUMENTS.read(argv)
    if "h" in given:
        output.write(ARGUMENTS.help())
        return 0
    folder = given.get("o", FOLDER)
    if not folder:
        raise UsageError("-o takes a folder")
    target = host_target()
    with doing("looking for names"):
        wanted = _wanted(given.words, target)
        readable = _readable(wanted, target)
    with doing("writing types"):
        written = stubs.write(readable, target, Path(folder), _title())
    for name in written.unknown:
        output.complain("pyebpf", f"this kernel has no {name!r}: left out, so it may be anything")
    output.write(
        f"{written.folder}: {written.types} types, {written.tracepoints} tracepoints, "
        f"{written.kfuncs} kfuncs, {-(-written.size // 1000)} kB\n"
    )
    return 0 if readable == wanted else FAILED


def _readable(wanted: stubs.Wanted, target: Target) -> stubs.Wanted:
    """Leave out the tracepoints if only root may read them; types need no root."""
    try:
        if wanted.tracepoints:
            target.tracepoints.names()
    except (KernelError, NotSupportedError) as err:
        output.complain("pyebpf", f"no tracepoints are written: {err}")
        return wanted.replace(tracepoints=frozenset())
    return wanted


def _title() -> str:
    system = os.uname()
    return f"The names of Linux {system.release} ({system.machine})."


def _wanted(words: list[str], target: Target) -> stubs.Wanted:
    wanted, count = stubs.Wanted(), 0
    for word in words or ["."]:
        path = Path(word)
        if path.is_dir():
            for file in stubs.python_files(path):
                wanted |= _in_some_file(file)
                count += 1
        elif word.endswith(".py") or "/" in word:
            wanted |= _in_program(path)
            count += 1
        else:
            wanted |= _matching(word, target)
    if not wanted:
        raise PyebpfError(
            f"{count} Python files name nothing of the kernel; say what you want: "
            "pyebpf stubs task_struct 'sched:*'"
        )
    return wanted


def _in_program(file: Path) -> stubs.Wanted:
    try:
        return stubs.in_program(file)
    except SyntaxError as err:
        raise PyebpfError(f"{file}:{err.lineno}: {err.msg}") from None


def _in_some_file(file: Path) -> stubs.Wanted:
    """Leave out a file that nobody asked for by its name, if it is no program."""
    try:
        return _in_program(file)
    except (PyebpfError, OSError) as err:
        output.complain("pyebpf", f"left out: {err}")
        return stubs.Wanted()


def _matching(pattern: str, target: Target) -> stubs.Wanted:
    kernel = kernel_types.Kernel(target)
    found = stubs.matching(pattern, kernel, target.tracepoints)
    if not found:
        near = stubs.similar(pattern, kernel, target.tracepoints)
        raise PyebpfError(f"nothing in this kernel is called {pattern!r}{near}")
    return found
