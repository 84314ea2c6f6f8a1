"""What a specifier collects: how often there was each value, or a histogram of them."""

from __future__ import annotations

from functools import cache
from typing import Any

from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.lib.specifiers.c_types import CType
from pyebpf.lib.specifiers.expressions import Part
from pyebpf.lib.specifiers.grammar import Specifier
from pyebpf.lib.specifiers.writer import Settings, Writer, executed
from pyebpf.plain import Frozen

_MAX_KEYS = 10_240
_TAKEN = frozenset({"Values", "Count", "Log2Hist", "Char", "chars"})


class Collector(Frozen):
    """A specifier at work.

    Attributes:
        spec: it, with what is collected if it does not say.
        names: what its values are called; none if calls are counted.
        found: the map: ``Count``, with a record ``v0``, ``v1`` and so on as its key, or
            ``Log2Hist``.
        probes: what fills it.
        text: of the module that declares these.
        is_drawn: in a histogram.
    """

    spec: Specifier
    names: tuple[str, ...]
    found: Any
    probes: tuple[Probe | Alternatives, ...]
    text: str
    is_drawn: bool


@cache
def collector(spec: Specifier, number: int, settings: Settings, *, is_drawn: bool) -> Collector:
    """Make the probes of a specifier; asked again, return the same.

    Args:
        spec: the specifier. Without values, calls are counted, or the results of a function.
        number: of this specifier among all.
        settings: for all of them.
        is_drawn: in a histogram, of one number.

    Raises:
        SpecifierError: it makes no sense.
    """
    names = [part.text for _, part in spec.values]
    if not spec.values and spec.kind == "r":
        result = Part("$retval", 0, len("$retval"))
        names, spec = ["retval"], spec.replace(values=((CType("int"), result),))
    writer = Writer(spec, settings, _TAKEN)
    values = [writer.value(kind, part) for kind, part in spec.values]
    if is_drawn:
        writer.needs("Log2Hist")
        text = writer.module(["found = Log2Hist()"], f"found.add({values[0]})")
    elif not values:
        writer.needs("Count")
        text = writer.module(["found = Count()"], "found.add()")
    else:
        given = ", ".join(f"v{n}={value}" for n, value in enumerate(values))
        text = writer.module(_declared(writer, spec), f"found.add(Values({given}))")
    module = executed(text, f"specifier {number}: {spec.text}")
    probes = tuple(each for each in module.values() if isinstance(each, (Probe, Alternatives)))
    return Collector(spec, tuple(names), module["found"], probes, text, is_drawn)


def _declared(writer: Writer, spec: Specifier) -> list[str]:
    """Return the declarations of counts of values."""
    writer.needs("Count", "record")
    fields = [f"    v{n}: {writer.field(kind)}" for n, (kind, _) in enumerate(spec.values)]
    counts = f"found = Count[Values](max_keys={_MAX_KEYS:_})"
    return ["@record", "class Values:", *fields, "", counts]
