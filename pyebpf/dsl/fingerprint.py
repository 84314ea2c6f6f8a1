"""A text that changes whenever what a probe compiles to may change. Nothing is parsed.

It covers the whole text of every file that a probe's functions come from, and the values of
everything that they refer to outside. What cannot be described makes the probe uncacheable, never
wrongly cached.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from pyebpf.dsl.constants import ConstDecl, value_of
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.dsl.symbols import KernelVariable, Kfunc
from pyebpf.kernel import KernelType
from pyebpf.lazy import lazy

if TYPE_CHECKING:
    import linecache

    from pyebpf.dsl.collect import Collected
    from pyebpf.dsl.probes.alternatives import Loadable
else:
    linecache = lazy("linecache")

_PLAIN = (bool, int, str, bytes, float, type(None))


def fingerprint(
    given: tuple[Loadable, ...], found: Collected, options: Mapping[Any, Any], cpus: int
) -> bytes | None:
    """Return all that compiling the probes depends on, but for the kernel.

    Args:
        given: the probes.
        found: what they refer to, in all ways of alternatives.
        options: values of ``Const`` declarations.
        cpus: possible CPUs.

    Returns:
        None if something that they refer to has no stable description.
    """
    ways = [[*map(len, one.ways)] for one in given if isinstance(one, Alternatives)]
    parts = [f"{len(found.probes)} probes attached, {len(given)} given, {ways}"]
    for probe in found.all_probes():
        chosen = [hook.chosen(options) for hook in probe.hooks]
        hooks = [(h.kind, h.target, h.places(options), h.enabled(options)) for h in chosen]
        parts.append(f"{probe.name} {hooks}")
    files: set[str] = set()
    for function in found.functions:
        code = function.__code__
        files.add(code.co_filename)
        parts.append(f"{code.co_filename}:{code.co_firstlineno} {function.__name__}")
    for decl, name in found.maps.items():
        parts.append(f"{name} {type(decl).__name__} {decl.spec(name, cpus)} {decl.aggregate()}")
        parts.append(f"sends {decl.shape()}, keeps {decl.stored()}")
        goes_on_in = [p and found.all_probes().index(p) for p in getattr(decl, "probes", ())]
        parts.append(f"goes on in {goes_on_in}")
        totals = value_of(getattr(decl, "totals", None), options)
        parts.append(f"totals {totals!r}")
    for name, value in found.values:
        text = _describe(value, options)
        if text is None:
            return None
        parts.append(f"{name}={text}")
    texts = [_text(file) for file in sorted(files)]
    return b"\0".join(["\n".join(parts).encode(), *texts])


def _text(file: str) -> bytes:
    try:
        with open(file, "rb") as opened:  # noqa: PTH123 - pathlib costs a warm start milliseconds
            return opened.read()
    except OSError:
        return "".join(linecache.getlines(file)).encode()  # a notebook cell


def _describe(  # noqa: PLR0911 - one return for each kind of value
    value: Any, options: Mapping[Any, Any]
) -> str | None:
    if isinstance(value, ConstDecl):
        value = value_of(value, options)
    # Addresses by the module's name: a start does not wait for it.
    if isinstance(value, (*_PLAIN, enum.Enum)) or type(value).__module__ == "ipaddress":
        return repr(value)
    if isinstance(value, tuple):
        items = [_describe(item, options) for item in value]
        return None if None in items else repr(items)
    if isinstance(value, dict):
        return _describe(tuple(value.items()), options)
    if isinstance(value, (set, frozenset)):
        return _describe(tuple(sorted(value, key=repr)), options)
    if isinstance(value, KernelType):
        return value.kernel_name
    if isinstance(value, (Kfunc, KernelVariable)):
        return f"{value!r} {getattr(value, '__orig_class__', '')}"
    record = getattr(value, "__pyebpf_record__", None)
    if record is not None:
        return repr(record)
    if isinstance(value, (FunctionType, BuiltinFunctionType, type)):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, ModuleType):
        return value.__name__
    if getattr(value, "__module__", "") == "typing" or hasattr(value, "__metadata__"):
        return _describe_hint(value, options)
    return None


def _describe_hint(hint: Any, options: Mapping[Any, Any]) -> str:
    """Describe a form of :mod:`typing`, whose own ``repr`` imports ``ast`` (Python 3.14)."""
    names = ("__args__", "__metadata__")
    parts = [part for name in names for part in getattr(hint, name, ())]
    if not parts:
        return repr(hint)
    return repr([_describe(part, options) or repr(part) for part in (hint.__origin__, *parts)])
