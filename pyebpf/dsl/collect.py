"""What a probe refers to, found without parsing it: its maps, and what a cache key must cover.

Names are followed through globals, closures, modules and the plain functions that a probe calls.
This is all that a warm start needs of the front end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import CellType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from pyebpf.dsl.constants import ConstDecl
from pyebpf.dsl.map_of_maps import OfMaps
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.dsl.stacks import StackTrace
from pyebpf.dsl.symbols import KernelVariable, Kfunc
from pyebpf.dsl.tail import TailCalls
from pyebpf.dsl.unit_names import map_name
from pyebpf.errors import PyebpfError

if TYPE_CHECKING:
    from pyebpf.dsl.probes.alternatives import Loadable

_EMPTY_CELL = CellType()
#: What a probe may use of a module or a class.
_INSIDE = (
    MapDecl,
    Kfunc,
    KernelVariable,
    FunctionType,
    ConstDecl,
    ModuleType,
    type,
    Enum,
    int,
    str,
    tuple,
    dict,
    set,
    frozenset,
)


class Collected:
    """What was found, in the order of first mention.

    ``maps`` gives each declaration the name that its map gets. ``values`` lists every other object
    by the name it is referred to. ``probes`` are those given, ``targets`` those that they go on in,
    ``ways`` the probes of each alternative that is among those given.
    """

    def __init__(self) -> None:
        self.functions: list[FunctionType] = []
        self.maps: dict[MapDecl, str] = {}
        self.values: list[tuple[str, Any]] = []
        self.probes: list[Probe] = []
        self.targets: list[Probe] = []
        self.ways: dict[Alternatives, tuple[Probe, ...]] = {}
        self.visited: set[tuple[Any, ...]] = set()
        self._names: set[str] = set()

    def all_probes(self) -> tuple[Probe, ...]:
        """Return everything that is to be loaded."""
        return (*self.probes, *self.targets)

    def taken(self, given: object) -> tuple[object, ...]:
        """Return the probes that something stands for: of alternatives, those that were taken."""
        return self.ways.get(given, ()) if isinstance(given, Alternatives) else (given,)

    def name_map(self, decl: MapDecl, wanted: str) -> str:
        """Return the name of a declaration, giving it one if it has none yet."""
        if decl not in self.maps:
            first, number = map_name(wanted), 1
            name = first
            while name in self._names:
                number += 1
                name = f"{first}_{number}"
            self._names.add(name)
            self.maps[decl] = name
        return self.maps[decl]


def collect(given: Iterable[Loadable], picks: Iterable[int] | None = None) -> Collected:
    """Find everything that probes refer to.

    Args:
        given: the probes.
        picks: the number of a way for each alternative among them, in their order; without it, all
            ways are taken.

    Raises:
        PyebpfError: something given is no probe.
    """
    found = Collected()
    numbers = None if picks is None else iter(picks)
    for one in given:
        if isinstance(one, Alternatives):
            every = tuple(probe for way in one.ways for probe in way)
            found.ways[one] = every if numbers is None else one.ways[next(numbers)]
        elif not isinstance(one, Probe):
            raise _no_probe(one)
        found.probes += found.ways[one] if isinstance(one, Alternatives) else (one,)
    for probe in found.probes:
        _function(probe.function, found)
    for decl, name in list(found.maps.items()):
        # Those that no probe mentions by a name of their own.
        for number, entry in enumerate(decl.entries if isinstance(decl, OfMaps) else ()):
            found.name_map(entry, f"{name}_{number}")
    return found


def _no_probe(given: object) -> PyebpfError:
    several = "; write load(*…) for the probes in it" if isinstance(given, (list, tuple)) else ""
    shown = getattr(given, "__name__", None) or repr(given)
    return PyebpfError(f"{shown} is no probe: it is not decorated with a hook{several}")


def namespace(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the names that a function sees from outside: its globals, then its closure."""
    names = dict(function.__globals__)
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    # A cell that is not assigned yet has no contents.
    return {**names, **{n: c.cell_contents for n, c in cells if c != _EMPTY_CELL}}


def _function(function: Any, found: Collected) -> None:
    if function in found.functions:
        return
    found.functions.append(function)
    names = namespace(function)
    mentioned = _mentioned(function.__code__)
    for name in mentioned:
        if name in names:
            _object(name, names[name], mentioned, found)
    for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        _object("default", value, mentioned, found)


def _mentioned(code: CodeType) -> list[str]:
    names = [*code.co_names, *code.co_freevars]
    for const in code.co_consts:
        if isinstance(const, CodeType):
            names += _mentioned(const)
    return list(dict.fromkeys(names))


def _targets(table: TailCalls, found: Collected) -> None:
    for probe in table.probes:
        if probe is not None and probe not in found.all_probes():
            found.targets.append(probe)
            _function(probe.function, found)


def _object(name: str, value: Any, mentioned: list[str], found: Collected) -> None:
    if isinstance(value, MapDecl):
        found.name_map(value, name)
        if isinstance(value, TailCalls):
            _targets(value, found)
        elif isinstance(value, StackTrace) and value.second is not None:
            found.name_map(value.second, f"{name}_2")
    elif isinstance(value, FunctionType) and not hasattr(value, "__pyebpf_builtin__"):
        _function(value, found)
    elif not isinstance(value, (ModuleType, type)):
        found.values.append((name, value))
    elif (place := (id(value), *mentioned)) not in found.visited:
        found.visited.add(place)  # modules name each other
        found.values.append((name, value))
        for attr in mentioned:
            inner = getattr(value, attr, None)
            if isinstance(inner, _INSIDE):  # whatever else it is, no probe can use it
                _object(attr, inner, mentioned, found)
