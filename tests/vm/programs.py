"""The random programs of ``tests/differential`` on another kernel: compiled here, run there."""

from __future__ import annotations

import collections
import pickle
import sys
import tempfile
from pathlib import Path

from tests.differential.carried import (
    BATCH,
    FOUND,
    compile_programs,
    describe_kernel,
    run_batches,
    target_of,
)
from tests.differential.running import Difference, program
from tests.vm import image, machine
from tests.vm.image import Kernel
from tests.vm.kernels import Row
from tests.vm.machine import Job
from tests.vm.userspace import PYTHON, ROOT

#: For one batch, in seconds: what the verifier takes for programs that are too large.
_LIMIT_S = 300


def check(row: Row, seed: int, count: int) -> int:
    """Run programs on a kernel; print what differs, and what is refused; return how many differ."""
    kernel = image.get(row)
    with tempfile.TemporaryDirectory(prefix="pyebpf-vm-programs-") as scratch:
        folder = Path(scratch)
        _there(kernel, "describe", folder, 300)
        target, found = target_of(folder), list[Difference]()
        for first in range(seed, seed + count, BATCH):
            programs = [program(n) for n in range(first, min(first + BATCH, seed + count))]
            found += compile_programs(folder, programs, target, first)
        _there(kernel, "run", folder, 300 + _LIMIT_S * -(-count // BATCH))
        found += pickle.loads((folder / FOUND).read_bytes())
    return _report(kernel, seed, count, found)


def _there(kernel: Kernel, verb: str, folder: Path, limit: float) -> None:
    command = [PYTHON, "-m", "tests.vm.programs", verb, str(folder)]
    job = Job(command, ROOT, (folder,), limit, environment={"PYTHONPATH": str(ROOT)})
    code = machine.run(kernel, job).code
    if code:
        raise machine.SetupError(f"`{verb}` ended with {code} on Linux {kernel.release}")


def _report(kernel: Kernel, seed: int, count: int, found: list[Difference]) -> int:
    for item in found:
        print(f"\n# {item.kind}: seed {item.program.seed}\n{item.said}", flush=True)
    counts = collections.Counter(item.kind for item in found)
    told = ", ".join(f"{kind} {n}" for kind, n in sorted(counts.items())) or "no difference"
    print(f"\n{count} programs from seed {seed} on Linux {kernel.release}: {told}", flush=True)
    return counts["kernel"]


def main(verb: str, folder: Path) -> None:
    """Do what the host asks for, in the machine."""
    if verb == "describe":
        describe_kernel(folder)
        return
    found, done = list[Difference](), 0
    for count, differences in run_batches(folder):
        found += differences
        done += count
        print(f"{done} programs run, {len(found)} refused or different", flush=True)
    (folder / FOUND).write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
