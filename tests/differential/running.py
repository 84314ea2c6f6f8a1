"""Many programs at once: compiled into one object, run in the interpreter and in the kernel."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from pyebpf.btf.system import kernel_btf
from pyebpf.dsl.collect import collect
from pyebpf.dsl.compile import build_unit
from pyebpf.dsl.unit import UnitState
from pyebpf.errors import CompileError, LoadError, PyebpfError
from pyebpf.ir.interp import Machine, ProbeFault
from pyebpf.ir.llvm.object import compile_unit
from pyebpf.ir.nodes import Unit
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.loader import LoadedObject, load_object
from pyebpf.runtime.maps import open_map
from pyebpf.runtime.prog_call import prog_test_run
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.spec.target import Target
from pyebpf.testing.views import open_table
from tests.differential.generate import ARGUMENTS, HEAD, Generator, inputs, probe
from tests.differential.model import ABORTED, Model
from tests.kernel.running import cell

MAPS = ("cells", "table", "pairs", "recs")


class Program(NamedTuple):
    """One program: its seed, its name, its text without the head."""

    seed: int
    name: str
    text: str

    @property
    def whole(self) -> str:
        return HEAD + self.text + probe(self.name)


def program(seed: int) -> Program:
    name = f"f{seed}"
    return Program(seed, name, Generator(seed).program(name))


class Difference(NamedTuple):
    """What went wrong with a program."""

    program: Program
    kind: str  # "interpreter", "kernel", "compiler", "internal", "verifier"
    said: str


def built(item: Program, target: Target) -> Unit:
    """Return the IR of a program."""
    module = cell(item.whole)
    probes = (getattr(module, f"p_{item.name}"),)
    return build_unit(probes, UnitState(target, {}, collect(probes)))


def joined(units: list[Unit]) -> Unit:
    """Return one unit for all: their maps are the same, their functions have their own names."""
    maps = {spec.name: spec for unit in units for spec in unit.maps}
    functions = tuple(fn for unit in units for fn in unit.functions)
    return Unit(functions, tuple(maps.values()))


@contextmanager
def loaded(unit: Unit, target: Target) -> Iterator[Kernel]:
    """Load a unit into the kernel."""
    obj = parse_object(compile_unit(unit, target))
    resolver = CoreResolver(obj.btf, kernel_btf)
    opened = load_object(obj, features=KernelFeatures(), resolver=resolver)
    kernel = Kernel(opened, unit)
    try:
        yield kernel
    finally:
        kernel.close()
        opened.close()


class Kernel:
    """The programs in the kernel."""

    def __init__(self, opened: LoadedObject, unit: Unit) -> None:
        self._opened = opened
        self.views: dict[str, Any] = {
            spec.name: open_map(os.dup(opened.maps[spec.name].fd), spec)
            for spec in unit.maps
            if spec.name in (*MAPS, "out")
        }

    def run(self, item: Program, args: tuple[int, ...]) -> tuple[Any, ...]:
        used = [name for name in MAPS if f"{name}[" in item.text or f"{name}." in item.text]
        for name in used:
            if name in self.views:
                self.views[name].clear()
        context = struct.pack(f"<{ARGUMENTS}Q", *args)
        done = prog_test_run(self._opened.programs[f"p_{item.name}"].fd, ctx=context).retval
        return _left(done, {name: self.views.get(name) for name in ("out", *used)})

    def close(self) -> None:
        for view in self.views.values():
            view.close()


class Interpreted:
    """A program in the interpreter."""

    def __init__(self, unit: Unit, target: Target) -> None:
        self.machine = Machine(unit, target)
        self.views: dict[str, Any] = {
            name: open_table(table)
            for name, table in self.machine.tables.items()
            if name in (*MAPS, "out")
        }

    def run(self, item: Program, args: tuple[int, ...]) -> tuple[Any, ...]:
        for name, view in self.views.items():
            if name != "out":
                view.clear()
        context = struct.pack(f"<{ARGUMENTS}Q", *args)
        done = self.machine.run(f"p_{item.name}", context)
        return _left(done, self.views)


def _left(done: int, views: dict[str, Any]) -> tuple[Any, ...]:
    """What a run left, as :meth:`Model.run` gives it."""
    result = int(views["out"][0]) if done == 1 else ABORTED
    cells = views.get("cells")
    rest = []
    for name in ("table", "pairs", "recs"):
        view = views.get(name)
        rest.append({} if view is None else dict(view.items()))
    records = {key: (value.a, value.b, value.c) for key, value in rest[2].items()}
    return result, [0] * 16 if cells is None else cells.values(), rest[0], rest[1], records


def check(programs: list[Program], target: Target, *, kernel: bool, cases: int) -> list[Difference]:
    """Run programs everywhere; return what differs."""
    found: list[Difference] = []
    good: list[tuple[Program, Unit]] = []
    for item in programs:
        try:
            unit = built(item, target)
            found += _compare(Interpreted(unit, target), "interpreter", [item], cases)
            good.append((item, unit))
        except CompileError as err:  # noqa: PERF203 - one program each
            found.append(Difference(item, "compiler", str(err)))
        except Exception as err:  # noqa: BLE001 - any other is a bug of ours, and what we look for
            found.append(Difference(item, "internal", repr(err)))
    return found + (_in_kernel(good, target, cases) if kernel and good else [])


def _in_kernel(items: list[tuple[Program, Unit]], target: Target, cases: int) -> list[Difference]:
    """Run programs in the kernel; what it refuses is found by halving."""
    programs = [item for item, _ in items]
    try:
        with loaded(joined([unit for _, unit in items]), target) as opened:
            return _compare(opened, "kernel", programs, cases)
    except (PyebpfError, OSError) as err:
        blamed = re.search(r"the kernel refused `p_(\w+)`", str(err))
        if blamed and len(items) > 1 and any(item.name == blamed[1] for item, _ in items):
            rest = [pair for pair in items if pair[0].name != blamed[1]]
            one = next(item for item in programs if item.name == blamed[1])
            return [Difference(one, "verifier", str(err)), *_in_kernel(rest, target, cases)]
        if len(items) > 1:
            middle = len(items) // 2
            halves = items[:middle], items[middle:]
            return [found for half in halves for found in _in_kernel(half, target, cases)]
        refused = isinstance(err, LoadError | OSError)
        kind = (
            "verifier" if refused else "compiler" if isinstance(err, CompileError) else "internal"
        )
        return [Difference(programs[0], kind, str(err))]


def _compare(
    runner: Kernel | Interpreted, kind: str, programs: list[Program], cases: int
) -> list[Difference]:
    found = []
    for item in programs:
        model = Model(item.text, item.name)
        for args in inputs(item.seed, cases):
            try:
                got = runner.run(item, args)
            except ProbeFault as fault:
                found.append(Difference(item, kind, f"{args}: {fault}"))
                break
            expected = model.run(args)
            if got != expected:
                said = f"{args}\n  CPython gives {expected}\n  {kind} gives {got}"
                found.append(Difference(item, kind, said))
                break
    return found
