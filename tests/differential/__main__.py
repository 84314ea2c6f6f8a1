"""Run many random programs: ``python -m tests.differential --count 100000 --seed 1 --jobs 2``."""

from __future__ import annotations

import argparse
import collections
import os
import platform
import subprocess
import sys
import time

from pyebpf.targets import host_target
from pyebpf.testing import target as frozen_target
from tests.differential.running import Difference, check, program
from tests.differential.shrink import shrink

BATCH = 25
CASES = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="how many programs")
    parser.add_argument("--seed", type=int, default=1, help="the first one's seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--no-kernel", action="store_true", help="only CPython and the interpreter")
    parser.add_argument("--no-shrink", action="store_true", help="show programs as they are")
    parser.add_argument("--show", action="store_true", help="print the program of the seed")
    options = parser.parse_args()
    if options.show:
        print(program(options.seed).whole)
        return 0
    if options.jobs > 1:
        return _parallel(options)
    counts = run(options.seed, options.count, kernel=not options.no_kernel,
                 shrinking=not options.no_shrink)  # fmt: skip
    return int(any(kind != "compiler" for kind in counts))


def run(seed: int, count: int, *, kernel: bool, shrinking: bool = True) -> dict[str, int]:
    """Check programs and print what differs; return how often each kind of fault was found."""
    target = host_target() if kernel else frozen_target()
    counts: collections.Counter[str] = collections.Counter()
    start = time.monotonic()
    for first in range(seed, seed + count, BATCH):
        last = min(first + BATCH, seed + count)
        programs = [program(number) for number in range(first, last)]
        for found in check(programs, target, kernel=kernel, cases=CASES):
            counts[found.kind] += 1
            _report(found, target, kernel=kernel, shrinking=shrinking)
        if first // BATCH % 4 == 0 or last == seed + count:
            told = ", ".join(f"{kind} {n}" for kind, n in sorted(counts.items())) or "no difference"
            pace = (last - seed) / (time.monotonic() - start)
            print(f"{last - seed} programs from seed {seed}: {told} ({pace:.0f}/s, "
                  f"Linux {platform.release()})", flush=True)  # fmt: skip
    return dict(counts)


def _report(found: Difference, target: object, *, kernel: bool, shrinking: bool) -> None:
    item = found.program
    if shrinking and found.kind != "compiler":

        def differs(made: object) -> bool:
            again = check([made], target, kernel=kernel, cases=CASES)  # type: ignore[list-item, arg-type]
            return any(one.kind == found.kind for one in again)

        item = shrink(item, differs)
        again = check([item], target, kernel=kernel, cases=CASES)  # type: ignore[arg-type]
        found = next((one for one in again if one.kind == found.kind), found)
    print(f"\n# {found.kind}: seed {item.seed}\n{item.text.rstrip()}\n# {found.said}\n", flush=True)


def _parallel(options: argparse.Namespace) -> int:
    share = -(-options.count // options.jobs)
    workers = []
    for number in range(options.jobs):
        first = options.seed + number * share
        count = min(share, options.seed + options.count - first)
        command = [sys.executable, "-m", "tests.differential", "--seed", str(first)]
        command += ["--count", str(count)]
        command += ["--no-kernel"] * options.no_kernel + ["--no-shrink"] * options.no_shrink
        workers.append(subprocess.Popen(command, env=os.environ))
    return max(abs(worker.wait()) for worker in workers)


if __name__ == "__main__":
    raise SystemExit(main())
