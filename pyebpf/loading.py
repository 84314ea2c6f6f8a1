"""From declarations to a session: compile them, or find them in the cache, then load and attach.

Where both halves meet. The compiler is imported when something must be compiled, numpy when
something is read: a start from the cache attaches its probes with neither.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from pyebpf import cache, headstart
from pyebpf.attached import Links
from pyebpf.btf.system import kernel_btf, modules_asked, types_ident
from pyebpf.dsl.collect import Collected, collect
from pyebpf.dsl.constants import chosen_values
from pyebpf.dsl.events import Events
from pyebpf.dsl.fingerprint import fingerprint
from pyebpf.dsl.map_flags import Chosen
from pyebpf.dsl.probes import program_names
from pyebpf.errors import (
    AttachError,
    CompileError,
    FormatError,
    KernelError,
    NotSupportedError,
    OtherKernelError,
    PyebpfError,
)
from pyebpf.host.cpus import possible_count
from pyebpf.lazy import lazy
from pyebpf.plain import Frozen
from pyebpf.progress import doing
from pyebpf.runtime import token as tokens
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.loader import load_object
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.session import Session
from pyebpf.spec.compiled import Compiled, Kept
from pyebpf.spec.events import PAGE
from pyebpf.starting import Start, compiler_stamp, recall
from pyebpf.targets import host_target

if TYPE_CHECKING:
    from pyebpf.dsl.maps import MapDecl
    from pyebpf.dsl.probes.alternatives import Alternatives, Loadable
    from pyebpf.runtime import elf, pinned_map
    from pyebpf.spec.objects import ObjectSpec
    from pyebpf.spec.target import Target

else:
    elf = lazy("pyebpf.runtime.elf")
    pinned_map = lazy("pyebpf.runtime.pinned_map")


def compile_probes(
    *probes: Loadable,
    target: Target | None = None,
    options: Mapping[Any, Any] | None = None,
    license: str = "GPL",  # noqa: A002 - the kernel's word
) -> Compiled:
    """Compile probes into one object, without loading it. Needs no privileges.

    Of alternatives (``first_of``) it takes what the target has, as far as that can be told.

    Args:
        probes: what to compile.
        target: the kernel to compile for; the running one by default.
        options: values of ``Const`` declarations.
        license: what the program tells the kernel; some helpers are for GPL programs only.

    Raises:
        CompileError: what is wrong with the probes, each fault at its place.
    """
    from pyebpf.dsl import compile as compiler

    return compiler.compile_probes(probes, target or host_target(), options, license)


def load(  # noqa: PLR0913 - one argument for each thing that a session depends on
    *probes: Loadable,
    target: Target | None = None,
    options: Mapping[Any, Any] | None = None,
    license: str = "GPL",  # noqa: A002 - the kernel's word
    attach: bool = True,
    btf: str | os.PathLike[str] | None = None,
    token: str | os.PathLike[str] | None = None,
    measure_cost: bool = False,
    max_overhead: float | None = None,
) -> Session:
    """Compile probes, load them into the running kernel and attach them.

    A program for packets, sockets or cgroups that does not say where it belongs is loaded only:
    :meth:`Session.attach` attaches it.

    Args:
        probes: what to run; hooks whose option is off are left out, and of alternatives
            (``first_of``) the first is taken that the kernel has and that attaches.
        target: the kernel to compile for, if not the running one. Fields that lie elsewhere in the
            running kernel are found there (CO-RE).
        options: values of ``Const`` declarations.
        license: what the programs tell the kernel; some helpers are for GPL programs only.
        attach: without it nothing is attached, only loaded.
        btf: a file with the types of the running kernel, if that was built without: raw BTF, as
            from BTFHub, or a ``vmlinux``. ``$PYEBPF_BTF`` names one for a whole program.
        token: in a container, the path of a BPF file system that it was delegated; by default what
            ``LIBBPF_BPF_TOKEN_PATH`` says. See docs/privileges.md.
        measure_cost: measure from the first hit what the programs cost: :meth:`Session.cost`.
        max_overhead: how many percent of all CPUs they may take: it measures them, and detaches
            what takes more, as :meth:`Session.limit_overhead` says.

    Returns:
        The owner of everything that was opened: use it in a ``with`` statement, or close it.

    Raises:
        CompileError: what is wrong with the probes.
        VerifierError: the kernel's verifier refused a program.
        KernelError: the kernel refused something else; a missing capability is named.
        AttachError: there is no such hook.
        NotSupportedError: this kernel lacks a feature that is needed.
        OtherKernelError: the target is another machine, or the file of another kernel.
        PyebpfError: something given is no probe, or a key of ``options`` no ``Const``.
    """
    begin = _Begin(attach, measure_cost or max_overhead is not None, max_overhead)
    given = tokens.wanted(token)
    try:
        with tokens.using(given):
            chosen, file = chosen_values(options), os.fspath(btf or "")
            session = _load(probes, target, chosen, license, file, begin)
    except BaseException:
        if given:
            given.close()
        raise
    session.token = given
    return session


class _Begin(Frozen):
    """What a session begins with, when all is loaded."""

    attaches: bool
    measures: bool
    max_overhead: float | None


def _load(
    probes: tuple[Loadable, ...],
    target: Target | None,
    chosen: dict[Any, Any],
    license: str,  # noqa: A002
    file: str,
    begin: _Begin,
) -> Session:
    found = collect(probes)
    start = Start(None, b"", "")
    if target is None:
        state = KernelFeatures.state() if found.ways else ""
        described = fingerprint(probes, found, chosen, possible_count())
        start = recall(described, license, f"{types_ident(file)} {state}")
    elif target.is_elsewhere(here := os.uname().machine):
        raise OtherKernelError(f"the target is {target.machine}; this machine is {here}")

    def aim() -> Target:
        return host_target(file or None, exact=True) if target is None else target

    refused: dict[tuple[Alternatives, int], str] = {}
    while True:
        kept = start.kept or _compiled(probes, start, aim, chosen, license, refused)
        taken = collect(probes, kept.compiled.picks) if found.ways else found
        try:
            return _opened(kept, start, taken, chosen, file, begin)
        except (AttachError, KernelError, NotSupportedError) as err:
            if not _refused(err, taken, kept.compiled, chosen, refused):
                raise
        start = start.replace(kept=None)


def _compiled(
    probes: tuple[Loadable, ...],
    start: Start,
    target: Callable[[], Target],
    options: dict[Any, Any],
    license: str,  # noqa: A002
    refused: Mapping[tuple[Alternatives, int], str],
) -> Kept:
    from pyebpf.dsl import compile as compiler

    headstart.own.spoil()  # what is asked of the kernel meanwhile, it need not be asked again
    aim = target()
    try:
        with doing("compiling the probes"):
            compiled = compiler.compile_probes(probes, aim, options, license, refused)
    except CompileError as error:
        raise _unasked(error, aim) from None
    spec = elf.parse_object(compiled.object)
    return Kept(start.origin, compiled, spec, b"", compiler=compiler_stamp())


def _unasked(error: CompileError, target: Target) -> PyebpfError:
    """Return what is really wrong: what the kernel could not be asked for, it may well have."""
    lacking = [str(getattr(fault, "feature", "")) for fault in error.diagnostics]
    if isinstance(target.features, KernelFeatures) and lacking and all(lacking):
        found = (target.features.refused(name) for name in lacking)
        return next((refused for refused in found if refused is not None), error)
    return error


def _refused(
    error: PyebpfError,
    found: Collected,
    compiled: Compiled,
    options: dict[Any, Any],
    refused: dict[tuple[Alternatives, int], str],
) -> bool:
    """Remember the alternative that an error is about; tell whether there is another to try."""
    named = program_names(found.all_probes(), options)
    about = next((probe for name, probe, _ in named if name == error.program), None)
    for (one, way), number in zip(found.ways.items(), compiled.picks, strict=True):
        if about in way:
            refused[one, number] = str(error).partition("\n")[0]
            return any((one, other) not in refused for other in range(len(one.ways)))
    return False


def read_object(compiled: Compiled) -> ObjectSpec:
    """Return what is in a compiled object: programs, maps, instructions, their source lines."""
    return elf.parse_object(compiled.object)


def _opened(
    kept: Kept, start: Start, found: Collected, options: dict[Any, Any], file: str, begin: _Begin
) -> Session:
    try:
        return _open(kept, start, found, options, file, begin)
    except headstart.DiffersError:  # nothing is left of it, so this is as if there had been none
        return _open(kept, start, found, options, file, begin)


def _open(
    kept: Kept, start: Start, found: Collected, options: dict[Any, Any], file: str, begin: _Begin
) -> Session:
    features = KernelFeatures()
    resolver = CoreResolver(kept.spec.btf, partial(kernel_btf, file))
    if kept.answers:
        with suppress(FormatError):
            resolver.load(kept.answers)
    pins = _pins(kept.spec, found, options)
    sizes = _sizes(kept.spec, found, options, pins)
    loaded = load_object(
        kept.spec, features=features, resolver=resolver, pins=pins, map_sizes=sizes
    )
    if start.origin and (start.kept is None or resolver.asked):
        found_in = kept.modules or modules_asked()
        kept = kept.replace(answers=resolver.dump(), modules=found_in)
        cache.write(start.name, kept.to_bytes())
    session = Session(loaded, kept.compiled, found, options, Links(features))
    try:
        session.open_buffers()
        if begin.measures:
            session.measure_cost()
        if begin.attaches:
            session.links.attach_all(loaded.programs, kept.compiled.programs)
        headstart.own.attached()
        if begin.max_overhead is not None:
            session.limit_overhead(begin.max_overhead)
    except BaseException:
        session.close()
        loaded.discard()
        raise
    return session


def _pins(spec: ObjectSpec, found: Collected, options: Mapping[Any, Any]) -> dict[str, str]:
    """Return where maps are pinned, by their names: a path is no part of what was compiled."""
    used = {one.name for one in spec.maps}
    paths = {name: _pin(decl, options) for decl, name in found.maps.items() if name in used}
    return {name: path for name, path in paths.items() if path}


def _pin(decl: MapDecl, options: Mapping[Any, Any]) -> str | None:
    chosen = getattr(decl, "chosen", None)
    return decl.pin or (chosen.pin_with(options) if isinstance(chosen, Chosen) else None)


def _sizes(
    spec: ObjectSpec, found: Collected, options: Mapping[Any, Any], pins: Mapping[str, str]
) -> dict[str, int]:
    """Return the sizes of maps that options decide: no part of what was compiled either."""
    compiled = {one.name: one for one in spec.maps}
    sizes = {}
    for decl, name in found.maps.items():
        if name not in compiled:
            continue
        if isinstance(decl, Events) and compiled[name].kind == decl.kind:
            sizes[name] = decl.pages_with(options) * PAGE
        if decl.entries_option is not None:
            sizes[name] = decl.entries_with(options)
        chosen = getattr(decl, "chosen", None)
        if isinstance(chosen, Chosen) and chosen.pin_option is not None and name in pins:
            sizes[name] = pinned_map.entries_of(pins[name]) or compiled[name].max_entries
    return sizes
