"""Kernel types by name: ``from pyebpf.kernel import request, task_struct``.

Any name can be imported; whether the kernel has such a type is known when a probe is compiled. A
type is a struct, union, enum or typedef of the target's BTF, under the kernel's own name. A
flavour (``task_struct___old``) means the type without the suffix, in the form it has in the
target's BTF.
"""

from __future__ import annotations


class KernelType(type):
    """The class of kernel types: names of types, with nothing behind them until compilation."""

    kernel_name: str

    def __getattr__(cls, name: str) -> int:
        """Return an enumerator, in a probe: ``bpf_map_type.BPF_MAP_TYPE_HASH``."""
        raise AttributeError(f"kernel types exist in probes only; cannot read {name!r} here")

    def __repr__(cls) -> str:
        return f"pyebpf.kernel.{cls.kernel_name}"


_made: dict[str, KernelType] = {}


def __getattr__(name: str) -> KernelType:
    if name.startswith("__") and name.endswith("__"):  # a type may be called __kernel_timespec
        raise AttributeError(name)
    if name not in _made:
        _made[name] = KernelType(name, (), {"kernel_name": name, "__module__": __name__})
    return _made[name]
