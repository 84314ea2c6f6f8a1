"""Whether types are those of the running kernel, as far as its list of symbols tells.

A kernel has a symbol for each function and each tracepoint that its types describe. Releases of a
series differ in few of them, so that two kernels that are nearly the same cannot be told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.btf.types import Kind

if TYPE_CHECKING:
    from pyebpf.btf.parse import Btf

KALLSYMS = "/proc/kallsyms"

_TRACEPOINT = "btf_trace_"
#: The functions that call a tracepoint's programs, since Linux 5.10.
_CALLERS = "__traceiter_"
#: Functions that only unloading would call are described, and not in the kernel: 0.6 % of 6.18.
_MISSING = 0.02
#: Of how many functions that fraction means something.
_ENOUGH = 100


def why_not(btf: Btf) -> str:
    """Say why types are not of the running kernel; empty if nothing tells.

    Cost:    0.2 s.
    """
    symbols = _symbols()
    if not symbols:
        return ""
    gone = _tracepoints(btf, symbols)
    if gone:
        return f"this kernel has no tracepoint {gone[0]}, nor {len(gone) - 1} others of the file"
    names = {name for _, name in btf.names((Kind.FUNC,))}
    missing = sorted(names - symbols)
    if len(names) >= _ENOUGH and len(missing) > _MISSING * len(names):
        return f"this kernel has no function {missing[0]}, nor {len(missing) - 1} others of it"
    return ""


def _tracepoints(btf: Btf, symbols: set[str]) -> list[str]:
    if not any(name.startswith(_CALLERS) for name in symbols):
        return []
    names = (name for _, name in btf.names((Kind.TYPEDEF,)) if name.startswith(_TRACEPOINT))
    points = (name.removeprefix(_TRACEPOINT) for name in names)
    return sorted(name for name in points if _CALLERS + name not in symbols)


def _symbols() -> set[str]:
    """Return the names of the kernel's own symbols, without what compilers append (``.isra.0``)."""
    try:
        with open(KALLSYMS, "rb") as file:  # noqa: PTH123
            lines = file.read().decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return set()
    return {line.split(" ", 2)[2].partition(".")[0] for line in lines if "\t" not in line}
