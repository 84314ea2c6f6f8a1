"""Many programs at once: compiled into one object, run in the interpreter and in the kernel."""

from __future__ import annotations

import errno
import gc
import os
import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple
from unittest import mock

from pyebpf.btf.system import kernel_btf
from pyebpf.dsl.collect import collect
from pyebpf.dsl.compile import build_unit, until_it_fits
from pyebpf.dsl.unit import UnitState
from pyebpf.errors import CompileError, LoadError, PyebpfError
from pyebpf.ir.context import STACK_BYTES
from pyebpf.ir.interp import Machine, ProbeFault
from pyebpf.ir.llvm.object import compile_unit
from pyebpf.ir.nodes import CallHelper, Unit
from pyebpf.runtime import prog_call
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.loader import LoadedObject, load_object
from pyebpf.runtime.maps import open_map
from pyebpf.runtime.prog_call import prog_test_run
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.spec.objects import MapSpec, ObjectSpec
from pyebpf.spec.target import Target
from pyebpf.testing.views import open_table
from tests.differential.generator import program_text
from tests.differential.generator.head import HEAD, inputs, probe, texts
from tests.differential.model import ABORTED, MAPS, Model
from tests.kernel.running import cell

#: What the programs' texts mean: the declarations are evaluated once, so all have the same maps.
SHARED = {name: item for name, item in vars(cell(HEAD)).items() if not name.startswith("__")}
_LOOPS = ("loop", "for_each_map_elem")


class Program(NamedTuple):
    """One program: its seed, its name, its text without the head."""

    seed: int
    name: str
    text: str

    @property
    def whole(self) -> str:
        return HEAD + self.text + probe(self.name)

    def uses(self, name: str) -> bool:
        """Tell whether the program does anything with a map."""
        return re.search(rf"\b{name}\b", self.text) is not None


def program(seed: int) -> Program:
    """Return the program of a seed."""
    name = f"f{seed}"
    return Program(seed, name, program_text(seed, name))


class Difference(NamedTuple):
    """What went wrong with a program."""

    program: Program
    kind: str  # "interpreter", "kernel", "compiler", "internal", "verifier"
    said: str


class Expected(NamedTuple):
    """A program with its arguments, and what CPython gives for each."""

    program: Program
    runs: tuple[tuple[tuple[int, ...], dict[str, Any]], ...]


def expected(item: Program, cases: int) -> Expected:
    """Run a program in CPython."""
    model = Model(item.text, item.name)
    return Expected(item, tuple((args, model.run(args)) for args in inputs(item.seed, cases)))


def built(item: Program, target: Target, stack: int = STACK_BYTES) -> Unit:
    """Return the IR of a program, with at most so much of the stack for its variables."""
    module = cell(item.text + probe(item.name), **SHARED)
    probes = (getattr(module, f"p_{item.name}"),)
    return build_unit(probes, UnitState(target, {}, collect(probes)), stack=stack)


def joined(units: list[Unit]) -> Unit:
    """Return one unit for all: their maps are the same, their functions have their own names."""
    maps = {spec.name: spec for unit in units for spec in unit.maps}
    functions = tuple(fn for unit in units for fn in unit.functions)
    variables = {variable.name: variable for unit in units for variable in unit.globals}
    return Unit(functions, tuple(maps.values()), globals=tuple(variables.values()))


def is_deep(unit: Unit) -> bool:
    """Tell whether a loop that is called has another one in it, or a function has one.

    The verifier follows some of these for many seconds, and refuses some after a million
    instructions.
    """
    inner = [i for fn in unit.functions if not fn.section for b in fn.blocks for i in b.instrs]
    return any(isinstance(i, CallHelper) and i.helper in _LOOPS for i in inner)


@contextmanager
def loaded(obj: ObjectSpec, maps: Iterable[MapSpec], name: str) -> Iterator[Kernel]:
    """Load one program of an object into the kernel.

    Raises:
        LoadError, OSError: the kernel refuses it.
    """
    resolver = CoreResolver(obj.btf, kernel_btf)
    with mock.patch.object(prog_call, "_load", _load_or_too_large):
        opened = load_object(obj, features=KernelFeatures(), resolver=resolver, only=[name])
    kernel = Kernel(opened, maps)
    try:
        yield kernel
    finally:
        kernel.close()
        opened.close()


def _load_or_too_large(*args: Any, explain: bool, _load: Any = prog_call._load) -> tuple[int, str]:
    """Load, but let nobody explain what is too large: to follow it once takes seconds."""
    result, _ = _load(*args, explain=False)
    if result >= 0 or result == -errno.E2BIG or not explain:
        return result, ""
    return _load(*args, explain=True)  # type: ignore[no-any-return]


class Runner:
    """What runs programs and has their maps."""

    views: dict[str, Any]

    def once(self, name: str, context: bytes) -> int:
        """Run one probe."""
        raise NotImplementedError

    def run(self, item: Program, args: tuple[int, ...]) -> dict[str, Any]:
        """Return what a run left, as :meth:`Model.run` gives it; of a map that is used."""
        used = {name: view for name, view in self.views.items() if item.uses(name)}
        for view in used.values():
            view.clear()
        if "words" in used:
            for key, text in enumerate(texts(args)):
                used["words"][key] = {"n": key, "text": text}
        done = self.once(f"p_{item.name}", struct.pack(f"<{len(args)}Q", *args))
        result = int(self.views["out"][0]) if done == 1 else ABORTED
        return {"result": result, **{name: _left(name, view) for name, view in used.items()}}


def _left(name: str, view: Any) -> Any:
    """Return what is in a map, as the model's maps give it."""
    if name == "cells":
        return tuple(view.values())
    _, values = MAPS[name].kinds
    return {key: values.plain(value) for key, value in view.items()}


class Kernel(Runner):
    """The programs in the kernel."""

    def __init__(self, opened: LoadedObject, maps: Iterable[MapSpec]) -> None:
        self._opened = opened
        self.views = {
            spec.name: open_map(os.dup(opened.maps[spec.name].fd), spec)
            for spec in maps
            if spec.name in (*MAPS, "out")
        }

    def once(self, name: str, context: bytes) -> int:
        return prog_test_run(self._opened.programs[name].fd, ctx=context).retval

    def close(self) -> None:
        """Close the maps."""
        for view in self.views.values():
            view.close()


class Interpreted(Runner):
    """A program in the interpreter."""

    def __init__(self, unit: Unit, target: Target) -> None:
        self.machine = Machine(unit, target)
        self.views = {
            name: open_table(table)
            for name, table in self.machine.tables.items()
            if name in (*MAPS, "out")
        }

    def once(self, name: str, context: bytes) -> int:
        return self.machine.run(name, context)


def check(
    programs: list[Program], target: Target, *, kernel: bool, cases: int, deep: bool = True
) -> list[Difference]:
    """Run programs everywhere; return what differs.

    Args:
        programs: they are compiled together.
        target: the kernel that they are compiled for.
        kernel: run them in the kernel too.
        cases: on so many arguments each.
        deep: in the kernel, also those that the verifier may follow for many seconds.
    """
    with rarely_collecting():
        found, good = _interpreted(programs, target, cases)
        loadable = [pair for pair in good if deep or not is_deep(pair[1])]
        return found + (_in_kernel(loadable, target) if kernel and loadable else [])


@contextmanager
def rarely_collecting() -> Iterator[None]:
    """Let the garbage collector look at what is new, and seldom: compilers make much that stays."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _interpreted(
    programs: list[Program], target: Target, cases: int
) -> tuple[list[Difference], list[tuple[Expected, Unit]]]:
    """Return what differs in the interpreter, and what the compiler accepts."""
    found: list[Difference] = []
    good: list[tuple[Expected, Unit]] = []
    for item in programs:
        wanted = expected(item, cases)
        try:
            unit = until_it_fits(partial(built, item, target))
            found += _compare(Interpreted(unit, target), "interpreter", wanted)
            good.append((wanted, unit))
        except CompileError as err:
            found.append(Difference(item, "compiler", str(err)))
        except Exception as err:  # noqa: BLE001 - any other is a bug of ours, and what we look for
            found.append(Difference(item, "internal", repr(err)))
    return found, good


def _in_kernel(items: list[tuple[Expected, Unit]], target: Target) -> list[Difference]:
    """Run programs in the kernel; what LLVM's half of the compiler refuses is found by halving."""
    unit = joined([unit for _, unit in items])
    try:
        if len(items) > 1:
            data = compile_unit(unit, target)
        else:
            unit, data = until_it_fits(partial(compiled_alone, items[0][0].program, target))
        obj = parse_object(data)
    except PyebpfError as err:
        if len(items) == 1:
            kind = "compiler" if isinstance(err, CompileError) else "internal"
            return [Difference(items[0][0].program, kind, str(err))]
        middle = len(items) // 2
        halves = items[:middle], items[middle:]
        return [found for half in halves for found in _in_kernel(half, target)]
    return in_kernel(obj, unit.maps, [item for item, _ in items])


def compiled_alone(item: Program, target: Target, stack: int) -> tuple[Unit, bytes]:
    """Return the IR of a program, and an object of it alone."""
    unit = built(item, target, stack)
    return unit, compile_unit(unit, target)


def in_kernel(obj: ObjectSpec, maps: Iterable[MapSpec], items: list[Expected]) -> list[Difference]:
    """Run the programs of an object in the kernel; return what it refuses, and what differs."""
    found: list[Difference] = []
    for item in items:
        try:
            with loaded(obj, maps, f"p_{item.program.name}") as opened:
                found += _compare(opened, "kernel", item)
        except (LoadError, OSError) as err:  # noqa: PERF203 - one program each
            found.append(Difference(item.program, "verifier", str(err)))
    return found


def _compare(runner: Runner, kind: str, item: Expected) -> list[Difference]:
    for args, wanted in item.runs:
        try:
            got = runner.run(item.program, args)
        except ProbeFault as fault:
            return [Difference(item.program, kind, f"{args}: {fault}")]
        unlike = {name: value for name, value in got.items() if value != wanted[name]}
        if unlike:
            said = "".join(
                f"\n  {name}: CPython gives {wanted[name]}\n  {name}: {kind} gives {value}"
                for name, value in unlike.items()
            )
            return [Difference(item.program, kind, f"{args}{said}")]
    return []
