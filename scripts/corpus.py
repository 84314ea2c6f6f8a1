"""How much of the kernel's own BPF test programs pyebpf's language can say.

``python scripts/corpus.py TREE`` reads ``tools/testing/selftests/bpf/progs`` of a source tree of
Linux (Debian: ``linux-source-*``) and lists the features that each program needs; a program counts
as expressible if pyebpf has all of them.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import c_source
import corpus_features
import corpus_support

PAGE = Path(__file__).resolve().parent.parent / "docs" / "corpus.md"
_PROGS = "tools/testing/selftests/bpf/progs"
_KFUNC_FOLDERS = ("kernel", "net", "fs", "drivers", "tools/testing/selftests/bpf")
_WRONG = "a program that is wrong on purpose"


class Program(NamedTuple):
    """A file of the corpus: what it needs, and what of that pyebpf has not."""

    name: str
    features: frozenset[str]
    blockers: frozenset[str]


def kfuncs(tree: Path) -> frozenset[str]:
    """Return the names of the kernel's functions for programs."""
    found: set[str] = set()
    for folder in _KFUNC_FOLDERS:
        for path in (tree / folder).rglob("*.c"):
            if path.exists():
                text = path.read_text(encoding="utf-8", errors="replace")
                found.update(re.findall(r"BTF_ID_FLAGS\(func, *(\w+)", text))
    return frozenset(found)


def survey(tree: Path, assumed: tuple[str, ...] = ()) -> tuple[list[Program], list[str]]:
    """Return the programs, and the files without any.

    Args:
        tree: of Linux.
        assumed: features that count as there, by what their names begin with.
    """
    known = kfuncs(tree)
    programs, others = [], []
    for path in sorted((tree / _PROGS).glob("*.c")):
        source = c_source.read(path, corpus_features.SHARED)
        if not corpus_features.has_programs(source):
            others.append(path.name)
            continue
        needed = corpus_features.features(source, known)
        if corpus_features.has_wrong(source):
            needed |= {_WRONG}
        lacks = (each for each in needed if not corpus_support.evidence(each))
        blockers = frozenset(each for each in lacks if not each.startswith(assumed))
        programs.append(Program(path.name, needed, blockers))
    return programs, others


class Blocker(NamedTuple):
    """A feature that pyebpf has not: in how many programs, and in how many it alone is missing."""

    feature: str
    programs: int
    alone: int


def blockers(programs: list[Program]) -> list[Blocker]:
    """Return what is missing, the most frequent first."""
    count = Counter(each for program in programs for each in program.blockers)
    alone = Counter(each for p in programs if len(p.blockers) == 1 for each in p.blockers)
    rows = [Blocker(feature, number, alone[feature]) for feature, number in count.items()]
    return sorted(rows, key=lambda row: (-row.programs, row.feature))


def report(programs: list[Program], others: list[str]) -> str:
    """Return the figures as text."""
    good = [program for program in programs if not program.blockers]
    lines = [
        f"{len(programs)} files with programs, {len(others)} without (types, maps)",
        f"{len(good)} expressible: {len(good) / len(programs):.1%}",
        "",
        f"{'missing':45} files alone",
        *(f"{row.feature:45} {row.programs:5} {row.alone:5}" for row in blockers(programs)),
    ]
    return "\n".join(lines)


def page(programs: list[Program], source: str) -> str:
    """Return ``docs/corpus.md``."""
    good = sum(not program.blockers for program in programs)
    needed = sorted({each for program in programs for each in program.features})
    shown = [(each, corpus_support.evidence(each)) for each in needed if ":" not in each]
    rows = blockers(programs)
    left = len(rows) - _ROWS
    return _PAGE.format(
        source=source,
        count=len(programs),
        good=good,
        share=good / len(programs),
        missing="\n".join(f"| {r.feature} | {r.programs} | {r.alone} |" for r in rows[:_ROWS]),
        more=f" {left} more are missing\nin few files each." if left > 0 else "",
        shown="\n".join(f"| {each} | `{where}` |" for each, where in shown if where),
    )


_ROWS = 60
_PAGE = """\
# How much of the kernel's own test programs can be said

The BPF programs of Linux's selftests (`tools/testing/selftests/bpf/progs/*.c`) exercise everything
that the kernel's BPF can do, often on purpose in ways that no tool would. They are a measure of how
much of it pyebpf's language reaches.

**{good} of {count} ({share:.0%})** are expressible: pyebpf has every feature that the file needs.

Source: {source}. Counted by

```sh
apt-get install linux-source-7.3      # from trixie-backports; unpack it anywhere
python scripts/corpus.py TREE         # --json: what each file needs and lacks
```

How it is counted:

- A file counts only as a whole, and only files with programs count; the rest of the folder holds
  types and data of other tests.
- `scripts/corpus_features.py` finds what a file needs: kinds of programs and maps, helpers, kernel
  functions, and constructs of the language. What it cannot see is which *combination* a verifier
  or a type checker would refuse; programs written again in Python (`tests/compile/accept/corpus`)
  check the count from the other side.
- `scripts/corpus_support.py` looks up what pyebpf has: kinds of maps and programs among the public
  names, helpers and constructs in the golden cases of the compiler. Nothing counts without
  evidence.
- Programs in inline assembly, and files with a program that is wrong on purpose, for the verifier
  to refuse, count as not expressible.

## What is missing

In how many files, and in how many it is the only thing that is missing.{more}

| feature | files | alone |
|---|---|---|
{missing}

## What is there, and the case that shows it

Besides the kinds of [maps](maps.md) and [programs](programs.md), and the [helpers](helpers.md):

| feature | shown by |
|---|---|
{shown}
"""


def as_json(programs: list[Program], others: list[str]) -> str:
    """Return everything, for other scripts."""
    found = {
        "files": {
            p.name: {"needs": sorted(p.features), "lacks": sorted(p.blockers)} for p in programs
        },
        "without_programs": others,
        "blockers": [row._asdict() for row in blockers(programs)],
        "evidence": {f: corpus_support.evidence(f) for p in programs for f in sorted(p.features)},
    }
    return json.dumps(found, indent=1)


def main() -> None:
    """Print the report, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--assume", nargs="+", default=(), metavar="WORD", help="count as if these were there"
    )
    parser.add_argument("--page", metavar="SOURCE", help="write docs/corpus.md, naming the source")
    options = parser.parse_args()
    programs, others = survey(options.tree, tuple(options.assume))
    if options.page:
        PAGE.write_text(page(programs, options.page), encoding="utf-8")
    print(as_json(programs, others) if options.json else report(programs, others))


if __name__ == "__main__":
    main()
