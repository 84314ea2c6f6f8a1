"""A whole object into the kernel: BTF, maps, programs, in this order; out again in the reverse one.

Attaching is elsewhere (``runtime.links``); so is deciding what to load (``session``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial
from os import close
from types import MappingProxyType
from typing import TYPE_CHECKING

from pyebpf.abi.programs import program_kind_of_section
from pyebpf.errors import LoadError, PyebpfError, RelocationError
from pyebpf.lazy import lazy
from pyebpf.owner import Owner
from pyebpf.plain import Frozen
from pyebpf.progress import counted
from pyebpf.runtime import syscall
from pyebpf.runtime.map_fd import MapFd, create_map
from pyebpf.runtime.module_fds import ModuleFds
from pyebpf.runtime.object_btf import without_externs
from pyebpf.runtime.program import Program, load_program
from pyebpf.runtime.relocate import link_program
from pyebpf.spec.objects import MapSpec, ObjectSpec, ProgramSpec
from pyebpf.spec.target import Features

if TYPE_CHECKING:
    from pyebpf.abi.programs import ProgramKind
    from pyebpf.btf import sanitise
    from pyebpf.runtime import bpffs
    from pyebpf.runtime.resolver import CoreResolver
else:
    bpffs = lazy("pyebpf.runtime.bpffs")
    sanitise = lazy("pyebpf.btf.sanitise")

#: A section whose name starts with this is loaded only when its program is asked for.
_ON_DEMAND = "?"


class LoadedObject(Owner):
    """The maps and programs of an object in the kernel. It owns them.

    Attributes:
        spec: what was loaded.
        maps: by the names in the object.
        programs: by the names in the object.
    """

    def __init__(self, spec: ObjectSpec) -> None:
        self.spec = spec
        self.maps: dict[str, MapFd] = {}
        self.programs: dict[str, Program] = {}

    def close(self) -> None:
        """Close the programs, then the maps. Closing twice is no error."""
        for program in self.programs.values():
            program.close()
        for opened in self.maps.values():
            opened.close()

    def discard(self) -> None:
        """Close all of it, and remove the names that this load pinned: it came to nothing."""
        for opened in self.maps.values():
            if opened.spec.pinning and not opened.reused:
                with suppress(PyebpfError, OSError):
                    bpffs.unpin(opened.spec.pinning)
        self.close()


def load_object(  # noqa: PLR0913 - one argument for each thing that a load depends on
    obj: ObjectSpec,
    *,
    features: Features,
    resolver: CoreResolver,
    only: Collection[str] | None = None,
    map_sizes: Mapping[str, int] | None = None,
    pins: Mapping[str, str] | None = None,
    log_level: int = 0,
) -> LoadedObject:
    """Create the maps of an object and load its programs. Nothing is left behind on failure.

    Args:
        obj: what to load.
        features: what the kernel can do.
        resolver: answers what depends on the kernel's types; made for this object.
        only: names of the programs to load; all, without it, but for those in a section whose name
            begins with ``?``.
        map_sizes: ``max_entries`` of some maps, instead of what the object says.
        pins: where some maps are pinned, instead of where the object says. A map that is there
            already is used; a new one gets the name, and keeps it.
        log_level: keep the verifier's log of accepted programs too (1), with every state (2).

    Raises:
        KeyError: ``only``, ``map_sizes`` or ``pins`` names what the object does not have.
        PinError: what is pinned where a map should be is not that map.
        VerifierError: the verifier refuses a program.
        KernelError: the kernel refuses something else, for example for lack of a capability.
        RelocationError: this kernel lacks something that the object needs.
        NotSupportedError: this kernel lacks a feature, such as BTF.

    Cost: one ``bpf(2)`` for each map and program, one for BTF, and the verifier's own time.
    """
    loaded = LoadedObject(obj)
    wanted = _wanted(obj, only)
    try:
        btf_fd = load_btf(obj.btf, features)
        try:
            for spec in _chosen(obj.maps, map_sizes or {}, pins or {}):
                opened = create_map(spec, btf_fd, features=features)
                opened.load_types = partial(load_btf, obj.btf, features)
                loaded.maps[spec.name] = opened
            fds = {name: opened.fd for name, opened in loaded.maps.items()}
            loading = _Loading(obj, fds, resolver, features, log_level)
            for program in counted(wanted, "loading programs"):
                loaded.programs[program.name] = loading.load(program, btf_fd)
        finally:
            if btf_fd:
                close(btf_fd)
        _fill_slots(loaded)
    except BaseException:
        loaded.discard()
        raise
    return loaded


def _wanted(obj: ObjectSpec, only: Collection[str] | None) -> list[ProgramSpec]:
    if only is not None:
        return [obj.program(name) for name in only]
    return [spec for spec in obj.programs if not spec.section.startswith(_ON_DEMAND)]


def _chosen(
    specs: tuple[MapSpec, ...], sizes: Mapping[str, int], pins: Mapping[str, str]
) -> list[MapSpec]:
    unknown = (sizes.keys() | pins.keys()) - {spec.name for spec in specs}
    if unknown:
        raise KeyError(f"the object has no map {', '.join(sorted(unknown))}")
    return [
        spec.replace(
            max_entries=sizes.get(spec.name, spec.max_entries),
            pinning=pins.get(spec.name, spec.pinning),
        )
        if spec.name in sizes or spec.name in pins
        else spec
        for spec in specs
    ]


#: Kinds that BTF got over time: features without their ``btf_``.
_KINDS = ("func", "func_global", "datasec", "float", "decl_tag", "type_tag", "enum64")


def load_btf(data: bytes, features: Features) -> int:
    """Load an object's BTF; return its descriptor, 0 if there is none.

    An older kernel that refuses it gets it once more without what it does not know.

    Raises:
        LoadError: the kernel refuses that too; the message has its log.
    """
    if not data:
        return 0
    data = without_externs(data)
    try:
        return syscall.btf_load(data, explain=False)
    except syscall.RefusedError:
        known = {kind: features.has(f"btf_{kind}") for kind in _KINDS}
        simpler = sanitise.sanitise(data, **known)
    try:
        return syscall.btf_load(simpler)
    except syscall.RefusedError as refusal:
        if not refusal.log:
            raise
        last = [line for line in refusal.log.splitlines() if line.strip()][-3:]
        raise LoadError(f"{refusal}; {'; '.join(last)}") from None


class _Loading(Frozen):
    """What all programs of an object are loaded with."""

    obj: ObjectSpec
    fds: Mapping[str, int]
    resolver: CoreResolver
    features: Features
    log_level: int

    def load(
        self,
        spec: ProgramSpec,
        btf_fd: int,
        bodies: Mapping[str, bytes] = MappingProxyType({}),
        other: ProgramKind | None = None,
    ) -> Program:
        own, hook = program_kind_of_section(spec.section.removeprefix(_ON_DEMAND))
        kind = other or own
        try:
            with ModuleFds() as modules:
                linked = link_program(
                    self.obj,
                    spec.name,
                    map_fds=self.fds,
                    resolver=self.resolver,
                    modules=modules,
                    bodies=bodies,
                )
                program = load_program(
                    linked,
                    kind,
                    hook,
                    resolver=self.resolver,
                    modules=modules,
                    license=self.obj.license,
                    btf_fd=btf_fd,
                    log_level=self.log_level,
                )
        except PyebpfError as err:
            err.program = spec.name
            raise
        program.again = partial(self.again, spec)
        return program

    def again(self, spec: ProgramSpec, bodies: Mapping[str, bytes], kind: ProgramKind) -> Program:
        """Load one program once more, when the object's BTF is closed already."""
        btf_fd = load_btf(self.obj.btf, self.features)
        try:
            return self.load(spec, btf_fd, bodies, kind)
        finally:
            if btf_fd:
                close(btf_fd)


def _fill_slots(loaded: LoadedObject) -> None:
    """Give maps of maps and of programs the entries that the object declares."""
    for opened in loaded.maps.values():
        for index, name in opened.spec.slots:
            inner = loaded.maps.get(name)
            if opened.reused and inner is not None and not inner.spec.pinning:
                continue  # the entries of whoever pinned it, and what is in them, stay
            entry = inner or loaded.programs.get(name)
            if entry is not None:
                syscall.map_set_slot(opened.fd, index, entry.fd)
            elif all(name != program.name for program in loaded.spec.programs):
                raise RelocationError(
                    f"map {opened.name!r} holds {name!r}, which is no map and no program"
                )
