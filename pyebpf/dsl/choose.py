"""Which of several ways to run a probe a target has.

Decided by structure: the kernel loads the kind of program, has the hook, and passes there what the
probe asks for. What only an attempt can tell (a function that is there but may not be traced) comes
back as a refusal, and the next way is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pyebpf.diag import Diagnostics
from pyebpf.dsl.check.programs import signature_faults
from pyebpf.dsl.collect import collect
from pyebpf.dsl.faults import UnknownHook, UnknownType
from pyebpf.dsl.faults_kernel import HookMismatch
from pyebpf.dsl.probes.alternatives import Alternatives, hook_text
from pyebpf.dsl.unit import UnitState
from pyebpf.errors import NotSupportedError
from pyebpf.spec.target import Lack

if TYPE_CHECKING:
    from pyebpf.diag import Diagnostic
    from pyebpf.dsl.probes import Hook, Probe
    from pyebpf.dsl.probes.alternatives import Loadable
    from pyebpf.spec.target import Target

#: What attaching needs besides a program of the kind, by the kind's first word.
_TO_ATTACH = {
    "kprobe": "kprobe_attach",
    "kretprobe": "kprobe_attach",
    "uprobe": "uprobe_attach",
    "uretprobe": "uprobe_attach",
}


class Chosen(NamedTuple):
    """What was chosen.

    Attributes:
        given: the probes, with their alternatives.
        picks: the number of the way that was taken, for each ``Alternatives`` in its turn.
        notes: why not an earlier way, by a probe of the one that was taken.
        lacks: why not at all, of what is optional and done without.
    """

    given: tuple[Loadable, ...]
    picks: tuple[int, ...]
    notes: Mapping[Probe, tuple[str, ...]]
    lacks: tuple[str, ...] = ()


#: Why a way cannot be taken though it looked so: by the alternatives and the number of the way.
Refused = Mapping[tuple[Alternatives, int], str]


def choose(
    given: Iterable[Loadable],
    target: Target,
    options: Mapping[Any, Any],
    refused: Refused = MappingProxyType({}),
) -> Chosen:
    """Choose a way of each alternative.

    Raises:
        NotSupportedError: the target has none of the ways of one; each with its reason.
        CompileError: a way asks for something that no kernel gives.
    """
    given = tuple(given)
    picks: list[int] = []
    notes: dict[Probe, tuple[str, ...]] = {}
    lacks: list[str] = []
    for one in given:
        if not isinstance(one, Alternatives):
            continue
        number, reasons = _first(one, target, options, refused)
        picks.append(number)
        if not one.ways[number]:
            lacks += reasons
        for probe in one.ways[number][:1]:
            notes[probe] = tuple(f"instead of {why}" for why in reasons)
    return Chosen(given, tuple(picks), notes, tuple(lacks))


def _first(
    one: Alternatives, target: Target, options: Mapping[Any, Any], refused: Refused
) -> tuple[int, list[str]]:
    # That a way is not there is no slip of the fingers as long as another one is.
    unit = UnitState(target, options, collect([one]), offers_names=False)
    reasons: list[str] = []
    unsure: list[int] = []
    for number, way in enumerate(one.ways):
        if not way and not unsure:
            return number, reasons  # it is to be done without
        hooks = _enabled(way, options)
        if not hooks:
            continue
        lack = _refusal(refused.get((one, number))) or _lack(hooks, unit)
        if lack is None:
            return number, reasons
        if not lack.is_sure:
            unsure.append(number)
        reasons.append(_told(hooks, lack))
    if not reasons:
        return 0, []  # all are switched off: nothing is to be loaded
    if unsure:
        # Without privileges nothing can be told: the best that may be there.
        return unsure[0], reasons[: unsure[0]]
    unit.offers_names = True
    raise NotSupportedError("\n  ".join([f"this kernel has no way to run `{one.name}`:",
                                         *_lacks(one, unit, refused)]))  # fmt: skip


def _enabled(way: Iterable[Probe], options: Mapping[Any, Any]) -> list[tuple[Probe, Hook]]:
    """Return the hooks of a way that are not switched off."""
    return [
        (probe, hook.chosen(options))
        for probe in way
        for hook in probe.hooks
        if hook.enabled(options)
    ]


def _lacks(one: Alternatives, unit: UnitState, refused: Refused) -> Iterator[str]:
    """Yield why each way cannot be taken."""
    for number, way in enumerate(one.ways):
        hooks = _enabled(way, unit.options)
        lack = _refusal(refused.get((one, number))) or _lack(hooks, unit)
        if lack is not None:
            yield _told(hooks, lack)


def _told(hooks: list[tuple[Probe, Hook]], lack: Lack) -> str:
    return f"{' and '.join(hook_text(hook) for _, hook in hooks)}: {lack.reason}"


def _refusal(why: str | None) -> Lack | None:
    return None if why is None else Lack(why)


def _lack(hooks: list[tuple[Probe, Hook]], unit: UnitState) -> Lack | None:
    """Return why the target cannot run this; None if it can."""
    doubts: list[Lack] = []
    for probe, hook in hooks:
        for feature in _features(hook):
            lack = unit.target.features.lack(feature)
            if lack is not None:
                reason = lack.reason or f"this kernel lacks {feature}"
                doubts.append(lack.replace(reason=reason))
        try:
            faults = signature_faults(probe, hook, unit)
        except NotSupportedError as err:
            doubts.append(Lack(str(err).partition("\n")[0]))
            continue
        _raise_mistakes(faults)
        doubts += (Lack(_in_a_line(fault)) for fault in faults)
    return next((lack for lack in doubts if lack.is_sure), doubts[0] if doubts else None)


def _features(hook: Hook) -> list[str]:
    base = hook.kind.partition(".")[0]
    # Where the kernel does not attach to many functions at once, they are attached to one by one.
    needs = [f"prog:{hook.kind.replace('.multi', '')}"]
    needs += [_TO_ATTACH[base]] if base in _TO_ATTACH else []
    has_number = any(name in ("cookie", "cookies") for name, _ in hook.at)
    return [*needs, "cookie"] if has_number else needs


def _raise_mistakes(faults: Iterable[Diagnostic]) -> None:
    """Report what no kernel would take: that is no reason to choose another way.

    A hook, a parameter or a type that this kernel does not have, another one may.
    """
    mistakes = Diagnostics()
    for fault in faults:
        if not isinstance(fault, (UnknownHook, HookMismatch, UnknownType)):
            mistakes.report(fault)
    mistakes.raise_errors()


def _in_a_line(fault: Diagnostic) -> str:
    return ", ".join(part for part in (fault.message, fault.label_text) if part)
