"""Functions of the kernel for programs, with what they take and give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi import kfuncs as abi
from pyebpf.btf import types as btf
from pyebpf.dsl.types import KernelRef, Pointer, Space
from pyebpf.stubs.spelling import ANY, python_name

if TYPE_CHECKING:
    from pyebpf.dsl.check.kernel_types import Kernel, Signature
    from pyebpf.stubs.types import TypeStubs


def kfunc_line(name: str, found: Signature, kernel: Kernel, types: TypeStubs) -> str:
    """Return the definition of a function; empty for one that a probe cannot call."""
    params: list[str] = []
    for number, param in enumerate(found.params):
        if param.name.endswith(abi.REFUSED_SUFFIXES):
            return ""
        if not param.name.endswith(abi.SIZE_SUFFIXES):
            after = found.params[number + 1 : number + 2]
            sized = bool(after) and after[0].name.endswith(abi.SIZE_SUFFIXES)
            kind = ANY if sized else _param(param, kernel, types)
            params.append(f"{python_name(param.name or f'_{number}')}: {kind}")
    taken = f"{', '.join(params)}, /" if params else ""
    return f"def {name}({taken}) -> {_result(name, found.result, kernel, types)}: ..."


def _param(param: btf.Param, kernel: Kernel, types: TypeStubs) -> str:
    if param.name.endswith(abi.TEXT_SUFFIX):
        return "_str"
    kind = kernel.value(param.type, Space.KERNEL)
    if not isinstance(kind, Pointer):
        return "_int"
    if param.name.endswith(abi.IGNORED_SUFFIX) or not isinstance(kind.to, KernelRef):
        return ANY
    if not kernel.has_members(kind.to) or _is_plain(kind.to.id, kernel):
        return ANY  # memory: text or a record of the program will do
    spelled = types.spell(kind)
    return f"{spelled} | None" if param.name.endswith(abi.NULLABLE_SUFFIXES) else spelled


def _is_plain(type_id: int, kernel: Kernel) -> bool:
    """Tell whether a struct holds nothing but numbers, so that a program can make one."""
    node = kernel.btf.type(kernel.btf.skip(type_id))
    if isinstance(node, btf.Array):
        return _is_plain(node.element, kernel)
    if isinstance(node, (btf.Struct, btf.Union)):
        return all(_is_plain(member.type, kernel) for member in node.members)
    return not isinstance(node, btf.Ptr)


def _result(name: str, type_id: int, kernel: Kernel, types: TypeStubs) -> str:
    if isinstance(kernel.btf.type(kernel.btf.skip(type_id)), btf.Void):
        return "None"
    kind = kernel.value(type_id, Space.BTF)
    maybe = isinstance(kind, Pointer) and name not in abi.NEVER_NULL
    return f"{types.spell(kind)} | None" if maybe else types.spell(kind)
