"""Which machine a kernel is for, by the registers that its types say it saves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.btf.types import Kind
from pyebpf.lazy import lazy

if TYPE_CHECKING:
    from pyebpf.btf import Btf, layout
else:
    layout = lazy("pyebpf.btf.layout")

#: Machine, as ``uname -m`` names it → names that only its ``struct pt_regs`` has together.
_SAVED = {
    "x86_64": {"r15", "orig_ax"},
    "aarch64": {"pstate", "orig_x0"},
    "riscv64": {"epc", "badaddr"},
    "s390x": {"psw", "orig_gpr2"},
    "ppc64le": {"nip", "orig_gpr3"},
    "loongarch64": {"csr_era", "orig_a0"},
}


def machine_of(btf: Btf) -> str:
    """Return the machine of a kernel, as ``uname -m`` names it; empty if its types do not say."""
    for number in btf.find_all("pt_regs", Kind.STRUCT):
        names = {*layout.field_names(btf, number)}
        for machine, saved in _SAVED.items():
            if saved <= names:
                return machine
    return ""
