"""Functions and variables of the kernel as external symbols of the section ``.ksyms``.

A loader finds them by name in the kernel's BTF, and compares their types with those given here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.btf import types as btf_types
from pyebpf.btf.layout import size_of
from pyebpf.errors import InternalError
from pyebpf.ir.llvm.body import llvm_type
from pyebpf.ir.llvm.debuginfo import quote
from pyebpf.spec.types import Int

if TYPE_CHECKING:
    from pyebpf.diag import Source
    from pyebpf.ir.llvm.core import LocalTypes
    from pyebpf.ir.llvm.debuginfo import DebugInfo
    from pyebpf.ir.nodes import CallKfunc, KernelSymbol
    from pyebpf.ir.types import Type

_SECTION = 'section ".ksyms"'
_REGISTER_BITS = 32


class Externs:
    """The external symbols of a unit, each declared once."""

    def __init__(self, debug: DebugInfo, types: LocalTypes | None) -> None:
        self._debug = debug
        self._types = types
        self._lines: dict[str, str] = {}
        self._weak: set[str] = set()

    @property
    def lines(self) -> list[str]:
        """The declarations."""
        return [
            line if line.startswith("declare") else f"@{name} = {self._linkage(name)} {line}"
            for name, line in self._lines.items()
        ]

    def _linkage(self, name: str) -> str:
        # Where somebody asks whether it exists, the object loads without it.
        return "extern_weak" if name in self._weak else "external"

    def function(self, call: CallKfunc, home: Source) -> str:
        """Return the symbol of a kernel function."""
        if call.name not in self._lines:
            node = self._prototype(call, home)
            params = ", ".join(argument_type(arg.type) for arg in call.args)
            result = result_type(call)
            self._lines[call.name] = (
                f"declare !dbg !{node} {result} @{call.name}({params}) {_SECTION}"
            )
        return f"@{call.name}"

    def _prototype(self, call: CallKfunc, home: Source) -> int:
        proto = self._local.btf.type(call.prototype)
        assert isinstance(proto, btf_types.FuncProto), proto
        kinds = [self._type(number) for number in (proto.result, *(p.type for p in proto.params))]
        listing = ", ".join("null" if kind is None else f"!{kind}" for kind in kinds)
        debug, file = self._debug, self._debug.file(home)
        signature = debug.add(f"!DISubroutineType(types: !{debug.add(f'!{{{listing}}}')})")
        return debug.add(
            f"!DISubprogram(name: {quote(call.name)}, scope: !{file}, file: !{file}, line: 1, "
            f"type: !{signature}, flags: DIFlagPrototyped, spFlags: DISPFlagOptimized)"
        )

    @property
    def _local(self) -> LocalTypes:
        if self._types is None:
            raise InternalError("a kernel function is called, but the target has no BTF")
        return self._types

    def _type(self, number: int) -> int | None:
        """Return the node of a type in a prototype; None for void."""
        btf = self._local.btf
        inner = btf.skip(number)
        node = btf.type(inner)
        if isinstance(node, btf_types.Void):
            return None
        if isinstance(node, btf_types.Ptr):
            return self._debug.pointer(self._type(node.type))
        if isinstance(node, btf_types.Fwd | btf_types.FuncProto):
            return None
        return self._local.node(inner)

    def variable(self, symbol: KernelSymbol) -> str:
        """Return the symbol of a kernel variable; it has no type if BTF does not describe it."""
        self._weak |= {symbol.name} if symbol.weak else set()
        if symbol.name not in self._lines:
            kind = self._type(symbol.declared) if symbol.declared else None
            size = size_of(self._local.btf, symbol.declared) if symbol.declared else 0
            if kind is None:
                kind = self._debug.add("!DIDerivedType(tag: DW_TAG_const_type, baseType: null)")
            node = self._debug.extern(symbol.name, kind)
            self._lines[symbol.name] = f"global [{max(size, 1)} x i8], {_SECTION}, !dbg !{node}"
        return f"@{symbol.name}"


def _extension(kind: Type) -> str:
    """Return how a narrow number fills its register."""
    text = llvm_type(kind)
    if not text.startswith("i") or int(text[1:]) >= _REGISTER_BITS:
        return ""
    return "signext" if isinstance(kind, Int) and kind.signed else "zeroext"


def result_type(call: CallKfunc) -> str:
    """Return how the result of a call is written."""
    return f"{_extension(call.type)} {llvm_type(call.type)}".strip()


def argument_type(kind: Type) -> str:
    """Return how the type of an argument is written."""
    return f"{llvm_type(kind)} {_extension(kind)}".strip()
