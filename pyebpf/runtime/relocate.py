"""A program as the kernel takes it: with its subprograms behind it, and every reference filled in.

Source: ``tools/lib/bpf/libbpf.c`` of Linux, for the layout; ``kernel/bpf/verifier.c``
(``check_subprogs``, ``check_btf_func``, ``check_btf_line``), for what the kernel demands.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from types import MappingProxyType
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.abi import insn as op
from pyebpf.btf.types import Kind
from pyebpf.errors import FormatError, NotSupportedError, RelocationError
from pyebpf.plain import Frozen
from pyebpf.runtime import core_relocate, kallsyms
from pyebpf.runtime.btf_ext import Strings
from pyebpf.runtime.core_relocate import Poison
from pyebpf.spec.objects import (
    CoreReloc,
    FuncInfo,
    FunctionSpec,
    LineInfo,
    ObjectSpec,
    SectionSpec,
    SymbolReloc,
    SymbolUse,
)

if TYPE_CHECKING:
    from pyebpf.runtime.module_fds import ModuleFds
    from pyebpf.runtime.resolver import CoreResolver

#: Set in the ``addend`` of an EXTERN reference that may stay unresolved.
WEAK = 1

_INSN = Struct("<BBhi")
_FUNC_INFO = Struct("=II")
_LINE_INFO = Struct("=IIII")
FUNC_INFO_SIZE, LINE_INFO_SIZE = _FUNC_INFO.size, _LINE_INFO.size


class LinkedProgram(Frozen):
    """A program ready to load.

    Attributes:
        name: of its entry function.
        code: instructions, 8 bytes each.
        func_info: records of ``struct bpf_func_info`` (8 bytes each); empty if there are none.
        line_info: records of ``struct bpf_line_info`` (16 bytes each); empty if there are none.
        functions: where each function starts in ``code``.
        lines: the source lines, by instruction of ``code``.
        poisoned: the instructions that refer to what this kernel does not have.
        names: of the functions in it, the entry first.
        modules: those whose functions it calls; the first is number 1 in its instructions.
    """

    name: str
    code: bytes
    func_info: bytes
    line_info: bytes
    functions: tuple[FuncInfo, ...]
    lines: tuple[LineInfo, ...]
    poisoned: tuple[Poison, ...]
    names: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


def link_program(
    obj: ObjectSpec,
    program_name: str,
    *,
    map_fds: Mapping[str, int],
    resolver: CoreResolver,
    modules: ModuleFds | None = None,
    bodies: Mapping[str, bytes] = MappingProxyType({}),
) -> LinkedProgram:
    """Put a program and the functions it calls together and fill in all references.

    Args:
        obj: the object.
        program_name: one of its programs.
        map_fds: descriptors by the names of the object's maps.
        resolver: answers what depends on the kernel.
        modules: the types of modules, for variables of theirs.
        bodies: code that takes the place of functions, by their names; it refers to nothing.

    Raises:
        KeyError: there is no such program.
        RelocationError: the program refers to something that neither object nor kernel has.
        NotSupportedError: it needs a kernel with BTF, or a kernel symbol.
        FormatError: a relocation does not fit its instruction.

    Cost: proportional to the program's own code, and one question to ``resolver`` for each CO-RE
        relocation.
    """
    return _Linker(obj, program_name, map_fds, resolver, modules, bodies).link()


class _Placed(Frozen):
    """A function and the instruction of the linked program at which it starts."""

    function: FunctionSpec
    section: SectionSpec
    start: int


class _Linker:
    def __init__(
        self,
        obj: ObjectSpec,
        name: str,
        map_fds: Mapping[str, int],
        resolver: CoreResolver,
        modules: ModuleFds | None,
        bodies: Mapping[str, bytes],
    ) -> None:
        self._bodies = bodies
        self._obj, self._name, self._map_fds, self._resolver = obj, name, map_fds, resolver
        self._modules, self._called = modules, list[str]()
        self._sections = {section.name: section for section in obj.sections}
        self._placed: list[_Placed] = []
        self._starts: dict[tuple[str, int], int] = {}
        self._code = bytearray()
        self._poisoned: list[Poison] = []

    def link(self) -> LinkedProgram:
        self._place(self._entry())
        for placed in self._placed:  # grows while it is walked
            for reloc in self._symbols(placed):
                if reloc.use in (SymbolUse.CALL, SymbolUse.FUNC):
                    self._place(self._target(reloc))
        for placed in self._placed:
            for reloc in self._symbols(placed):
                self._patch(placed, reloc)
            self._relocate_types(placed)
        functions, lines = self._functions(), self._lines()
        func_info, line_info = self._records(functions, lines)
        return LinkedProgram(
            self._name,
            bytes(self._code),
            func_info,
            line_info,
            functions,
            lines,
            tuple(self._poisoned),
            tuple(placed.function.name for placed in self._placed),
            tuple(self._called),
        )

    def _entry(self) -> FunctionSpec:
        section = self._obj.program(self._name).section
        for function in self._obj.functions:
            if (function.name, function.section) == (self._name, section):
                return function
        raise FormatError(f"program {self._name!r}: section {section!r} has no such function")

    def _place(self, function: FunctionSpec) -> None:
        key = function.section, function.start
        if key in self._starts:
            return
        section = self._sections[function.section]
        start = len(self._code) // 8
        self._starts[key] = start
        code = self._bodies.get(function.name)
        if code is None:
            code = section.code[8 * function.start : 8 * (function.start + function.count)]
        else:  # all of it is for the line where the function begins
            lines = tuple(row for row in section.lines if row.insn == function.start)
            section = section.replace(symbols=(), core=(), lines=lines)
        self._placed.append(_Placed(function, section, start))
        self._code += code

    def _symbols(self, placed: _Placed) -> list[SymbolReloc]:
        function = placed.function
        end = function.start + function.count
        return [r for r in placed.section.symbols if function.start <= r.insn < end]

    def _target(self, reloc: SymbolReloc) -> FunctionSpec:
        for function in self._obj.functions:
            if (function.name, function.start) == (reloc.symbol, reloc.addend):
                return function
        raise RelocationError(
            f"program {self._name!r} refers to function {reloc.symbol!r}, "
            "which the object does not have"
        )

    def _patch(self, placed: _Placed, reloc: SymbolReloc) -> None:
        insn = placed.start + reloc.insn - placed.function.start
        if reloc.use is SymbolUse.MAP:
            self._wide(insn, c.BPF_PSEUDO_MAP_FD, self._map_fd(reloc), 0)
        elif reloc.use is SymbolUse.MAP_VALUE:
            self._wide(insn, c.BPF_PSEUDO_MAP_VALUE, self._map_fd(reloc), reloc.addend)
        elif reloc.use is SymbolUse.EXTERN:
            self._extern(insn, reloc)
        else:
            target = self._target(reloc)
            distance = self._starts[target.section, target.start] - insn - 1
            if reloc.use is SymbolUse.FUNC:
                self._wide(insn, c.BPF_PSEUDO_FUNC, distance, 0)
            else:
                self._rewrite(insn, c.BPF_PSEUDO_CALL, distance)

    def _map_fd(self, reloc: SymbolReloc) -> int:
        fd = self._map_fds.get(reloc.symbol)
        if fd is None:
            raise RelocationError(
                f"program {self._name!r} uses map {reloc.symbol!r}, which was not created"
            )
        return fd

    def _extern(self, insn: int, reloc: SymbolReloc) -> None:
        if reloc.symbol in self._obj.kconfig:
            self._kconfig(insn, reloc)
        elif self._code[8 * insn] == op.JMP | op.CALL:
            self._kfunc(insn, reloc)
        else:
            self._variable(insn, reloc)

    def _kconfig(self, insn: int, reloc: SymbolReloc) -> None:
        if reloc.addend & WEAK:
            self._wide(insn, 0, 0, 0)
            return
        raise NotSupportedError(
            f"program {self._name!r} needs {reloc.symbol!r}, a kernel configuration option "
            "(__kconfig); such symbols are not resolved: declare it __weak if the program works "
            "without it",
            feature="externs",
        )

    def _kfunc(self, insn: int, reloc: SymbolReloc) -> None:
        weak = bool(reloc.addend & WEAK)
        try:
            found = self._resolver.place(reloc.symbol, Kind.FUNC, weak=weak)
        except RelocationError as error:
            if weak:
                self._poison(insn, f"kernel function {reloc.symbol!r} is not resolved")
                return
            raise RelocationError(f"program {self._name!r}: {error}") from None
        opcode, regs, _, _ = _INSN.unpack_from(self._code, 8 * insn)
        regs = regs & 15 | c.BPF_PSEUDO_KFUNC_CALL << 4
        _INSN.pack_into(self._code, 8 * insn, opcode, regs, self._number(found.module), found.id)

    def _number(self, module: str) -> int:
        """Return the number of a module in the program's array of types; 0 is the kernel."""
        if not module:
            return 0
        if module not in self._called:
            self._called.append(module)
        return self._called.index(module) + 1

    def _variable(self, insn: int, reloc: SymbolReloc) -> None:
        """Put in a kernel variable: its id if the object gives it a type, else its address."""
        weak = bool(reloc.addend & WEAK)
        try:
            kind = self._resolver.kind_of(reloc.symbol)
            if kind is not None:
                found = self._resolver.place(reloc.symbol, kind, weak=weak)
                own = self._modules[found.module] if self._modules and found.module else 0
                self._wide(insn, c.BPF_PSEUDO_BTF_ID, found.id, own)
                return
            address = kallsyms.address(reloc.symbol)
        except RelocationError as error:
            if weak:
                self._wide(insn, 0, 0, 0)
                return
            raise RelocationError(f"program {self._name!r}: {error}") from None
        low, high = address & _MASK32, address >> 32
        self._wide(insn, 0, _signed32(low), _signed32(high))

    def _poison(self, insn: int, reason: str) -> None:
        core_relocate.poison(self._code, 8 * insn)
        self._poisoned.append(Poison(insn, reason))

    def _rewrite(self, insn: int, source: int, imm: int) -> None:
        opcode, regs, off, _ = _INSN.unpack_from(self._code, 8 * insn)
        _INSN.pack_into(self._code, 8 * insn, opcode, regs & 15 | source << 4, off, imm)

    def _wide(self, insn: int, source: int, low: int, high: int) -> None:
        self._rewrite(insn, source, low)
        self._rewrite(insn + 1, 0, high)

    def _relocate_types(self, placed: _Placed) -> None:
        function = placed.function
        end = function.start + function.count
        for reloc in placed.section.core:
            if function.start <= reloc.insn < end:
                insn = placed.start + reloc.insn - function.start
                self._relocate_type(insn, reloc)

    def _relocate_type(self, insn: int, reloc: CoreReloc) -> None:
        if 8 * insn + 16 > len(self._code) and self._code[8 * insn] == _LD_IMM64:
            raise FormatError(f"program {self._name!r}: a 64-bit load is cut off")
        answer = self._resolver.ask(reloc)
        if answer.missing:
            core_relocate.poison(self._code, 8 * insn)
            self._poisoned.append(Poison(insn, "", reloc))
            return
        reason = core_relocate.apply(self._code, 8 * insn, answer)
        if reason:
            self._poisoned.append(Poison(insn, f"{self._resolver.describe(reloc)} {reason}"))

    def _functions(self) -> tuple[FuncInfo, ...]:
        """Return one row for each function; none at all if one is not described."""
        known = {
            (section.name, info.insn): info.type_id
            for section in {placed.section.name: placed.section for placed in self._placed}.values()
            for info in section.functions
        }
        found = []
        for placed in self._placed:
            number = known.get((placed.section.name, placed.function.start))
            if number is None:
                return ()
            found.append(FuncInfo(placed.start, number))
        return tuple(found)

    def _lines(self) -> tuple[LineInfo, ...]:
        found: list[LineInfo] = []
        for placed in self._placed:
            function = placed.function
            end, shift = function.start + function.count, placed.start - function.start
            found += [
                LineInfo(row.insn + shift, row.file, row.text, row.line, row.column)
                for row in placed.section.lines
                if function.start <= row.insn < end
            ]
        return tuple(found)

    def _records(
        self, functions: tuple[FuncInfo, ...], lines: tuple[LineInfo, ...]
    ) -> tuple[bytes, bytes]:
        """Pack both tables; lines only if every function has one on its first instruction."""
        func_info = b"".join(_FUNC_INFO.pack(row.insn, row.type_id) for row in functions)
        starts = {placed.start for placed in self._placed}
        if not lines or not func_info or not starts <= {row.insn for row in lines}:
            return func_info, b""
        offset_of = StringOffsets(self._obj.btf)
        return func_info, b"".join(
            _LINE_INFO.pack(
                row.insn, offset_of(row.file), offset_of(row.text), row.line << 10 | row.column
            )
            for row in lines
        )


def _signed32(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


_MASK32 = 0xFFFFFFFF
_LD_IMM64 = op.LD | op.IMM | op.DW


class StringOffsets:
    """Where strings are in BTF data; 0, the empty string, for one that is not there."""

    def __init__(self, btf: bytes) -> None:
        self._table = Strings(btf).table
        self._known: dict[str, int] = {"": 0}

    def __call__(self, text: str) -> int:
        """Return the offset of a string."""
        offset = self._known.get(text)
        if offset is None:
            raw = text.encode("utf-8", "surrogateescape")
            offset = self._known[text] = max(0, self._table.find(b"\0" + raw + b"\0") + 1)
        return offset
