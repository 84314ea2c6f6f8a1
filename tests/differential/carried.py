"""Programs compiled here and run elsewhere: how they, and what a kernel can do, are carried.

The machines of ``tests/vm`` are emulated: compiling there takes twenty times as long.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pyebpf.btf import Btf
from pyebpf.dsl.compile import until_it_fits
from pyebpf.errors import CompileError
from pyebpf.host.cpus import possible_count
from pyebpf.ir.llvm.object import compile_unit
from pyebpf.ir.nodes import Unit
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.feature_table import names
from pyebpf.runtime.features import KernelFeatures
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.target import Lack, Target
from tests.differential.running import (
    Difference,
    Expected,
    Program,
    compiled_alone,
    expected,
    in_kernel,
    joined,
)

BATCH, CASES = 25, 5
BTF, FACTS, FOUND = "kernel.btf", "facts.json", "found.pickle"
#: Features that are asked for one kind of program.
_MORE = ("helper:spin_lock@raw_tp",)


class Batch(NamedTuple):
    """One object with many programs, and what each gives."""

    data: bytes
    maps: tuple[MapSpec, ...]
    items: tuple[Expected, ...]


class Answered:
    """The features of another kernel; asking for what was not asked there is an error."""

    def __init__(self, answers: Mapping[str, bool]) -> None:
        self._answers = answers

    def has(self, name: str) -> bool:
        """Tell whether that kernel has the feature."""
        return self._answers[name]

    def lack(self, name: str) -> Lack | None:
        """Return something if that kernel has it not."""
        return None if self._answers[name] else Lack()


def describe_kernel(folder: Path) -> None:
    """Write down what a compilation for the running kernel needs to know."""
    kernel = KernelFeatures(keep=False)
    facts = {
        "arch": os.uname().machine,
        "cpus": possible_count(),
        "features": {name: kernel.has(name) for name in (*names(), *_MORE)},
    }
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
    (folder / BTF).write_bytes(Path("/sys/kernel/btf/vmlinux").read_bytes())


def target_of(folder: Path) -> Target:
    """Return the kernel that was described as a target."""
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return Target(
        Btf.parse((folder / BTF).read_bytes()),
        Answered(facts["features"]),
        arch=facts["arch"],
        cpus=facts["cpus"],
    )


def compile_programs(
    folder: Path, programs: list[Program], target: Target, number: int
) -> list[Difference]:
    """Compile programs into one object, beside what CPython gives; return what is refused."""
    refused: list[Difference] = []
    good: list[tuple[Expected, Unit]] = []
    for item in programs:
        try:
            unit, _ = until_it_fits(partial(compiled_alone, item, target))
            good.append((expected(item, CASES), unit))
        except CompileError as err:  # noqa: PERF203 - one program each
            refused.append(Difference(item, "compiler", str(err)))
    if good:
        unit = joined([unit for _, unit in good])
        items = tuple(item for item, _ in good)
        batch = Batch(compile_unit(unit, target), unit.maps, items)
        (folder / f"{number:06}.batch").write_bytes(pickle.dumps(batch))
    return refused


def run_batches(folder: Path) -> Iterator[tuple[int, list[Difference]]]:
    """Run the batches of a folder in this kernel: how many programs were in each, what differs."""
    for path in sorted(folder.glob("*.batch")):
        batch: Batch = pickle.loads(path.read_bytes())
        obj = parse_object(batch.data)
        yield len(batch.items), in_kernel(obj, batch.maps, list(batch.items))
