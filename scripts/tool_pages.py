"""The table of tools: ``tool_pages.py --vm 6.1 > docs/tools.md``, or ``make tools-page``.

What is printed is measured: each tool is started with ``--dry-run``, which attaches its probes and
detaches them at once. The hooks are what ``--explain`` says here and on the other kernel.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bcc_tools import ORIGINALS

ROOT = Path(__file__).resolve().parent.parent

#: What a tool is asked for here if it does nothing without.
NEEDED = {
    "argdist": ("-C", "t:syscalls:sys_enter_getppid()"),
    "funccount": ("t:syscalls:sys_enter_getppid",),
    "funclatency": ("c:getppid",),
    "stackcount": ("t:syscalls:sys_enter_getppid",),
    "trace": ("t:syscalls:sys_enter_getppid",),
}
_STARTS = 5
#: How many targets of a kind are named.
_MANY = 8
_MARK = "hooks: "
_INTRODUCTION = """# The tools

`python -m pyebpf.tools.NAME --help` says what each one does, with examples;
`python -m pyebpf.tools` lists them. [tool-options.md](tool-options.md): the options that all have.

This page is printed by `make tools-page`. *Lines* are those of the module, and of BCC's script of
the same name. *BCC's flags* are those of them that it has, under the same names; beside them every
tool has those of the frame (`--json`, `--duration`, `--explain`, …). *Hooks* are what `--explain`
says, which attaches nothing: where only an attempt tells that a function may not be probed, the
next way is taken; *syscalls* are the tracepoints where a call begins, ends, or both. *Start* is the
time until its probes are attached, the least of {starts}, with a compiled program in the cache,
and *memory* the most that it had: on Linux {here}, {cpus} CPUs, a machine that others use too.
"""


class Start(NamedTuple):
    """What a start took, in seconds, and the most memory that it had, in bytes."""

    seconds: float
    peak: int


def command(name: str, *flags: str) -> list[str]:
    """Return how a tool is run."""
    return [sys.executable, "-m", f"pyebpf.tools.{name}", *flags, *NEEDED.get(name, ())]


def printed(name: str, *flags: str) -> str:
    """Return what a tool prints; nothing if it does not know the flag."""
    return subprocess.run(
        command(name, *flags), cwd=ROOT, env=_environment(), capture_output=True, text=True,
        check=False,
    ).stdout  # fmt: skip


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def catalogue() -> dict[str, str]:
    """Return what each tool says of itself, by name."""
    done = subprocess.run(
        [sys.executable, "-m", "pyebpf.tools"], cwd=ROOT, env=_environment(), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    pairs = (line.partition(" ") for line in done.stdout.splitlines())
    return {name: about.strip() for name, _, about in pairs}


def hooks(name: str) -> list[str]:
    """Return the hooks that a tool takes on this kernel: ``tp_btf block_rq_issue``."""
    # In this process, which has read the kernel's types by then: emulated, a start takes long.
    tool = importlib.import_module(f"pyebpf.tools.{name}").tool
    with (
        contextlib.redirect_stdout(io.StringIO()) as said,
        contextlib.redirect_stderr(io.StringIO()),  # of one that attaches nothing
    ):
        tool.main(["--explain", *NEEDED.get(name, ())])
    found = (re.match(r"\w+: (.+)", line) for line in said.getvalue().splitlines()[1:])
    return list(dict.fromkeys(m[1] for m in found if m))


def start(name: str) -> Start | None:
    """Measure the start of a tool; None if it attaches nothing."""
    found: list[Start] = []
    for _ in range(_STARTS):
        begin = time.perf_counter()
        process = subprocess.Popen(
            command(name, "--dry-run"), cwd=ROOT, env=_environment(),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
        )  # fmt: skip
        assert process.stdout is not None
        said = process.stdout.read(4096)
        took = time.perf_counter() - begin
        process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or b" attached" not in said:
            return None
        found.append(Start(took, usage.ru_maxrss * 1024))
    return min(found)


def covered(name: str) -> tuple[list[str], list[str]]:
    """Return which flags of BCC's tool this one has, and which it lacks."""
    text = printed(name, "--help")
    has = set(re.findall(r"(?<![\w-])--?[\w-]+", text))
    flags = ORIGINALS[name].flags if name in ORIGINALS else ()
    have = [flag for flag in flags if has.issuperset(flag.split("/"))]
    return have, [flag for flag in flags if flag not in have]


def lines_of(name: str) -> int:
    """Return how long the module of a tool is."""
    return len((ROOT / "tools" / f"{name}.py").read_text(encoding="utf-8").splitlines())


def test_of(name: str) -> str:
    """Return the file that tests a tool: its own, that of what it is made from, or a relative's."""
    source = (ROOT / "tools" / f"{name}.py").read_text(encoding="utf-8")
    made_from = re.findall(r"from pyebpf\.lib\.(\w+) import", source)
    tests = ROOT / "tests" / "tools"
    files = [tests / f"test_{word}.py" for word in (name, *made_from)]
    files += (path for path in sorted(tests.glob("test_*.py")) if name in path.read_text())
    return str(next(path for path in files if path.exists()).relative_to(ROOT))


def row(name: str, about: str, elsewhere: dict[str, list[str]] | None) -> str:
    """Return the row of a tool."""
    original = ORIGINALS.get(name)
    have, lack = covered(name)
    flags = f"{len(have)} of {len(have) + len(lack)}" if original else "-"
    if lack:
        flags += f"; not {', '.join(f'`{flag}`' for flag in lack)}"
    taken = start(name)
    test = test_of(name)
    cells = [
        f"`{name}`",
        about.rstrip("."),
        str(lines_of(name)),
        str(original.lines) if original else "-",
        flags,
        _listed(hooks(name)),
        *([_listed(elsewhere.get(name, []))] if elsewhere is not None else []),
        f"{taken.seconds * 1e3:.0f} ms" if taken else "-",
        f"{taken.peak / 1e6:.1f} MB" if taken else "-",
        f"[{Path(test).name}](../{test})",
    ]
    return f"| {' | '.join(cells)} |"


def _listed(names: list[str]) -> str:
    """Return hooks in a line: those of one kind share its name, ways in and out of calls theirs."""
    kinds: dict[str, dict[str, None]] = {}
    for name in names:
        kind, _, target = name.partition(" ")
        if call := re.fullmatch(r"syscalls:sys_(?:enter|exit)_(\w+)", target):
            kind, target = f"{kind} syscalls", call[1]
        kinds.setdefault(kind, {})[target] = None
    return "; ".join(f"{kind} {_few(list(targets))}" for kind, targets in kinds.items()) or "-"


def _few(targets: list[str]) -> str:
    """Return the names of targets, or of the first of many."""
    if len(targets) <= _MANY:
        return ", ".join(targets)
    return f"{', '.join(targets[:_MANY])} and {len(targets) - _MANY} more"


def asked(kernel: str) -> dict[str, list[str]]:
    """Return the hooks that each tool takes on another kernel."""
    inside = [sys.executable, str(Path(__file__).resolve()), "--hooks"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.vm", "run", kernel, "--limit", "900", "--", *inside],
        cwd=ROOT, env=_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    answer = next(line for line in done.stdout.splitlines() if line.startswith(_MARK))
    found: dict[str, list[str]] = json.loads(answer.removeprefix(_MARK))
    return found


def page(kernel: str | None) -> str:
    """Return the page."""
    tools = catalogue()
    elsewhere = asked(kernel) if kernel else None
    here = ".".join(os.uname().release.split(".")[:2])
    head = ["tool", "what it does", "lines", "BCC's", "BCC's flags", f"hooks on {here}",
            *([f"on {kernel}"] if kernel else []), "start", "memory", "test"]  # fmt: skip
    table = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    table += [row(name, about, elsewhere) for name, about in tools.items()]
    about_it = _INTRODUCTION.format(starts=_STARTS, here=here, cpus=os.cpu_count())
    return "\n".join([about_it, *table, ""])


def main() -> None:
    """Print the page, or the hooks on this kernel."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--vm", metavar="KERNEL", help="ask this row of tests/vm for hooks, too")
    parser.add_argument("--hooks", action="store_true", help="print the hooks here, as JSON")
    given = parser.parse_args()
    if given.hooks:
        print(_MARK + json.dumps({name: hooks(name) for name in catalogue()}))
        return
    print(page(given.vm), end="")


if __name__ == "__main__":
    main()
