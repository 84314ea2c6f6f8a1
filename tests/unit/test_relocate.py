"""Linking: functions put together, references filled in, debug information moved along."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from pyebpf.abi import insn as op
from pyebpf.btf import Btf, Kind
from pyebpf.btf import types as t
from pyebpf.btf.write import Builder
from pyebpf.errors import FormatError, NotSupportedError, RelocationError
from pyebpf.runtime import core_relocate
from pyebpf.runtime.core_relocate import POISON_CALL, CoreAnswer
from pyebpf.runtime.elf import WEAK, parse_object
from pyebpf.runtime.relocate import LinkedProgram, link_program
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.spec.objects import (
    CoreKind,
    CoreReloc,
    FuncInfo,
    FunctionSpec,
    LineInfo,
    ObjectSpec,
    ProgramSpec,
    SectionSpec,
    SymbolReloc,
    SymbolUse,
)
from tests.objects import compiled

CALL, FUNC = SymbolUse.CALL, SymbolUse.FUNC
END = (op.mov64_imm(op.R0, 0), op.exit_insn())


def no_kernel() -> Btf:
    raise AssertionError("the kernel's types were looked at")


def link(obj: ObjectSpec, name: str = "main", **fds: int) -> LinkedProgram:
    resolver = CoreResolver(obj.btf, no_kernel)
    return link_program(obj, name, map_fds=fds, resolver=resolver)


def one_section(code: bytes, *symbols: SymbolReloc, kconfig: tuple[str, ...] = ()) -> ObjectSpec:
    return ObjectSpec(
        programs=(ProgramSpec("main", "socket"),),
        functions=(FunctionSpec("main", "socket", 0, len(code) // 8),),
        sections=(SectionSpec("socket", code, symbols),),
        maps=(),
        kconfig=kconfig,
    )


def strings(*texts: str) -> bytes:
    """Return BTF that has these strings, and one type."""
    builder = Builder()
    for text in texts:
        builder.add_struct(text, 0)
    return builder.to_bytes()


def three_functions() -> ObjectSpec:
    """``main`` calls ``first`` twice and takes the address of ``second``, which calls ``first``."""
    main = op.assemble(op.call_local(0), op.call_local(0), op.ld_func(op.R2, 0), *END)
    first = op.assemble(op.mov64_imm(op.R0, 1), op.exit_insn())
    second = op.assemble(op.call_local(0), op.exit_insn())
    text = op.assemble(*END) + second + first  # the first function of .text is not used
    return ObjectSpec(
        programs=(ProgramSpec("main", "socket"),),
        functions=(
            FunctionSpec("main", "socket", 0, 6),
            FunctionSpec("unused", ".text", 0, 2, False),
            FunctionSpec("second", ".text", 2, 2, False),
            FunctionSpec("first", ".text", 4, 2, False),
        ),
        sections=(
            SectionSpec(
                "socket",
                main,
                (
                    SymbolReloc(0, CALL, "first", 4),
                    SymbolReloc(1, CALL, "first", 4),
                    SymbolReloc(2, FUNC, "second", 2),
                ),
                functions=(FuncInfo(0, 7),),
                lines=(LineInfo(0, "a.py", "main()", 1, 1), LineInfo(4, "a.py", "return", 2, 5)),
            ),
            SectionSpec(
                ".text",
                text,
                (SymbolReloc(2, CALL, "first", 4),),
                functions=(FuncInfo(0, 8), FuncInfo(2, 9), FuncInfo(4, 10)),
                lines=(
                    LineInfo(0, "a.py", "unused", 9, 1),
                    LineInfo(2, "a.py", "second", 5, 1),
                    LineInfo(4, "a.py", "first", 7, 1),
                ),
            ),
        ),
        maps=(),
        btf=strings("a.py", "main()", "return", "first", "second"),
    )


def test_called_functions_follow_each_once_in_the_order_of_the_calls() -> None:
    linked = link(three_functions())
    assert [(row.insn, row.type_id) for row in linked.functions] == [(0, 7), (6, 10), (8, 9)]
    code = op.decode(linked.code)
    assert len(code) == 10
    assert [(code[i].src, i + 1 + code[i].imm) for i in (0, 1, 8)] == [(1, 6), (1, 6), (1, 6)]
    assert (code[2].src, 2 + 1 + code[2].imm, code[3].imm) == (4, 8, 0)


def test_debug_information_moves_with_its_function() -> None:
    obj = three_functions()
    linked = link(obj)
    assert [(row.insn, row.text) for row in linked.lines] == [
        (0, "main()"), (4, "return"), (6, "first"), (8, "second"),
    ]  # fmt: skip
    assert list(struct.iter_unpack("=II", linked.func_info)) == [(0, 7), (6, 10), (8, 9)]
    btf = Btf.parse(obj.btf)
    records = list(struct.iter_unpack("=IIII", linked.line_info))
    assert [(insn, btf.string(f), btf.string(s), place >> 10, place & 1023)
            for insn, f, s, place in records] == [
        (row.insn, row.file, row.text, row.line, row.column) for row in linked.lines
    ]  # fmt: skip


def test_lines_are_left_out_when_a_function_begins_without_one() -> None:
    obj = three_functions()
    text = obj.sections[1]
    bare = SectionSpec(text.name, text.code, text.symbols, functions=text.functions)
    linked = link(ObjectSpec(obj.programs, obj.functions, (obj.sections[0], bare), (), btf=obj.btf))
    assert linked.line_info == b""
    assert linked.func_info != b""


def test_functions_are_left_out_when_one_is_not_described() -> None:
    obj = three_functions()
    text = obj.sections[1]
    bare = SectionSpec(text.name, text.code, text.symbols)
    linked = link(ObjectSpec(obj.programs, obj.functions, (obj.sections[0], bare), (), btf=obj.btf))
    assert (linked.func_info, linked.line_info) == (b"", b"")


def test_recursion_ends() -> None:
    code = op.assemble(op.call_local(-1), op.exit_insn())
    linked = link(one_section(code, SymbolReloc(0, CALL, "main", 0)))
    assert linked.code == code


def test_maps_and_their_values() -> None:
    code = op.assemble(op.ld_imm64(op.R1, 0), op.ld_imm64(op.R2, 0), *END)
    linked = link(
        one_section(
            code,
            SymbolReloc(0, SymbolUse.MAP, "hash"),
            SymbolReloc(2, SymbolUse.MAP_VALUE, ".bss", 24),
        ),
        **{"hash": 5, ".bss": 6},
    )
    assert linked.code == op.assemble(op.ld_map_fd(op.R1, 5), op.ld_map_value(op.R2, 6, 24), *END)


def test_a_map_that_was_not_created() -> None:
    code = op.assemble(op.ld_imm64(op.R1, 0), *END)
    with pytest.raises(RelocationError, match="program 'main' uses map 'hash'"):
        link(one_section(code, SymbolReloc(0, SymbolUse.MAP, "hash")))


def test_a_weak_symbol_is_zero() -> None:
    code = op.assemble(op.ld_imm64(op.R1, 77), *END)
    linked = link(one_section(code, SymbolReloc(0, SymbolUse.EXTERN, "gone", WEAK)))
    assert linked.code == op.assemble(op.ld_imm64(op.R1, 0), *END)


def test_a_call_of_a_weak_function_is_poisoned() -> None:
    code = op.assemble(op.call_local(-1), *END)
    resolver = CoreResolver(b"", lambda: Btf.parse(strings("x")))
    obj = one_section(code, SymbolReloc(0, SymbolUse.EXTERN, "gone", WEAK))
    linked = link_program(obj, "main", map_fds={}, resolver=resolver)
    assert op.decode(linked.code)[0] == op.call(POISON_CALL)
    assert "'gone'" in linked.poisoned[0].reason


def test_a_configuration_option_is_named() -> None:
    code = op.assemble(op.ld_imm64(op.R1, 0), *END)
    extern = SymbolReloc(0, SymbolUse.EXTERN, "CONFIG_HZ")
    obj = one_section(code, extern, kconfig=("CONFIG_HZ",))
    with pytest.raises(NotSupportedError, match=r"'CONFIG_HZ'.*__kconfig"):
        link(obj)


def test_a_variable_that_no_kernel_has_is_named() -> None:
    code = op.assemble(op.ld_imm64(op.R1, 0), *END)
    with pytest.raises(RelocationError, match=r"gone_for_good|symbols cannot be read"):
        link(one_section(code, SymbolReloc(0, SymbolUse.EXTERN, "gone_for_good")))


def test_an_unknown_program() -> None:
    with pytest.raises(KeyError, match="other"):
        link(three_functions(), "other")


# CO-RE


def insns(*parts: op.Insn | tuple[op.Insn, ...]) -> bytearray:
    return bytearray(op.assemble(*parts))


@pytest.mark.parametrize(
    ("before", "answer", "after"),
    [
        (op.mov64_imm(op.R1, 8), CoreAnswer(8, 40), op.mov64_imm(op.R1, 40)),
        (op.mov64_imm(op.R1, 1), CoreAnswer(1, -1), op.mov64_imm(op.R1, -1)),
        (op.mov64_imm(op.R1, 9), CoreAnswer(8, 40, check=False), op.mov64_imm(op.R1, 40)),
        (op.ldx_mem(op.W, 1, 2, 8), CoreAnswer(8, 40), op.ldx_mem(op.W, 1, 2, 40)),
        (op.ldx_mem(op.DW, 1, 2, 8), CoreAnswer(8, 40, size=4), op.ldx_mem(op.W, 1, 2, 40)),
        (op.ldx_mem(op.B, 1, 2, 8), CoreAnswer(8, 40, size=8), op.ldx_mem(op.DW, 1, 2, 40)),
        (op.stx_mem(op.DW, 1, 2, 8), CoreAnswer(8, 40, size=2), op.stx_mem(op.H, 1, 2, 40)),
        (op.st_mem(op.W, 1, 8, 5), CoreAnswer(8, 40), op.st_mem(op.W, 1, 40, 5)),
        (op.ld_imm64(1, 8), CoreAnswer(8, 1 << 40 | 7), op.ld_imm64(1, 1 << 40 | 7)),
        (op.ld_imm64(1, 8), CoreAnswer(8, -2), op.ld_imm64(1, -2)),
    ],
)
def test_an_answer_goes_into_the_instruction(
    before: op.Insn | tuple[op.Insn, ...], answer: CoreAnswer, after: op.Insn | tuple[op.Insn, ...]
) -> None:
    code = insns(before)
    assert core_relocate.apply(code, 0, answer) == ""
    assert code == insns(after)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (CoreAnswer(8, 40_000), "offset 40000, too far away"),
        (CoreAnswer(8, 16, unsafe=True), "does not fit"),
        (CoreAnswer(8, 16, size=3), "does not fit"),
    ],
)
def test_an_answer_that_no_load_can_hold_poisons_it(answer: CoreAnswer, said: str) -> None:
    code = insns(op.ldx_mem(op.DW, 1, 2, 8))
    assert said in core_relocate.apply(code, 0, answer)
    assert op.decode(bytes(code)) == [op.call(POISON_CALL)]


def test_both_halves_of_a_wide_load_are_poisoned() -> None:
    code = insns(op.ld_imm64(1, 8), *END)
    core_relocate.poison(code, 0)
    assert op.decode(bytes(code)) == [op.call(POISON_CALL)] * 2 + list(END)


@pytest.mark.parametrize(
    ("insn", "said"),
    [(op.mov64_imm(1, 9), "the instruction has 9, expected 8"), (op.exit_insn(), "opcode 0x95")],
)
def test_an_instruction_that_is_not_the_one(insn: op.Insn, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        core_relocate.apply(insns(insn), 0, CoreAnswer(8, 16))


def task(*fields: str, size: int = 4) -> tuple[bytes, int]:
    """Return BTF with ``struct task`` whose members are unsigned ints of ``size`` bytes."""
    builder = Builder()
    number = builder.add_int(f"u{8 * size}", size)
    members = [t.Member(name, number, 8 * size * i) for i, name in enumerate(fields)]
    struct_id = builder.add_struct("task", size * len(fields), members)
    return builder.to_bytes(), struct_id


def counted(btf: bytes) -> tuple[Callable[[], Btf], list[int]]:
    calls: list[int] = []

    def kernel() -> Btf:
        calls.append(1)
        return Btf.parse(btf)

    return kernel, calls


def test_answers_are_remembered_and_survive_a_dump() -> None:
    local, struct_id = task("pid", "gone")
    kernel, calls = counted(task("flags", "state", "pid")[0])
    questions = [
        CoreReloc(0, struct_id, "0:0", CoreKind.FIELD_BYTE_OFFSET),
        CoreReloc(1, struct_id, "0:1", CoreKind.FIELD_EXISTS),
        CoreReloc(2, struct_id, "0:1", CoreKind.FIELD_BYTE_OFFSET),
        CoreReloc(3, struct_id, "0", CoreKind.TYPE_SIZE),
    ]
    first = CoreResolver(local, kernel)
    answers = [first.ask(question) for question in questions]
    number = first.place("task", Kind.STRUCT)
    assert [a.value for a in answers] == [8, 0, 0, 12]
    assert [a.missing for a in answers] == [False, False, True, False]
    assert (len(calls), first.asked) == (1, True)

    second = CoreResolver(local, no_kernel)
    second.load(first.dump())
    assert [second.ask(question) for question in questions] == answers
    assert second.place("task", Kind.STRUCT) == number
    assert second.asked is False


def test_the_width_of_a_load_follows_the_kernel() -> None:
    local, struct_id = task("pid", size=8)
    resolver = CoreResolver(local, counted(task("state", "pid")[0])[0])
    answer = resolver.ask(CoreReloc(0, struct_id, "0:0", CoreKind.FIELD_BYTE_OFFSET))
    assert (answer.value, answer.size, answer.unsafe) == (4, 4, False)


@pytest.mark.parametrize(
    "data", [b"", b"other 1", b"\xff", b"pyebpf answers 1\nx", b"pyebpf answers 1\na\t1\t2\t0:1\t3"]
)
def test_damaged_answers_are_refused(data: bytes) -> None:
    resolver = CoreResolver(b"", no_kernel)
    with pytest.raises(FormatError, match="damaged"):
        resolver.load(data)
    assert resolver.dump() == CoreResolver(b"", no_kernel).dump()


def test_what_is_missing_is_said_with_what_there_is() -> None:
    local, struct_id = task("pidd")
    resolver = CoreResolver(local, counted(task("pid", "tgid")[0])[0])
    reloc = CoreReloc(0, struct_id, "0:0", CoreKind.FIELD_BYTE_OFFSET)
    assert resolver.describe(reloc) == "struct task.pidd"
    text = resolver.explain(reloc)
    assert "no field `pidd`" in text
    assert "`pid`" in text


def test_a_hook_that_is_not_there() -> None:
    resolver = CoreResolver(b"", counted(task("pid")[0])[0])
    with pytest.raises(RelocationError, match=r"this kernel has no struct `tasc`.*`task`"):
        resolver.place("tasc", Kind.STRUCT)


def test_a_kernel_without_types() -> None:
    def none() -> Btf:
        raise NotSupportedError("there is no BTF", feature="kernel_btf", since="5.4")

    local, struct_id = task("pid")
    resolver = CoreResolver(local, none)
    with pytest.raises(NotSupportedError, match=r"`struct task\.pid` has to be found") as caught:
        resolver.ask(CoreReloc(0, struct_id, "0:0", CoreKind.FIELD_BYTE_OFFSET))
    assert caught.value.feature == "kernel_btf"


def test_types_of_the_object_itself_need_no_kernel() -> None:
    local, struct_id = task("pid")
    resolver = CoreResolver(local, no_kernel)
    answer = resolver.ask(CoreReloc(0, struct_id, "0", CoreKind.TYPE_ID_LOCAL))
    assert answer == CoreAnswer(struct_id, struct_id)


def test_what_clang_makes_links_without_a_kernel_where_no_type_is_asked_for() -> None:
    obj = parse_object(compiled("calls"), name="calls")
    linked = link(obj, "calls", **{"calls.bss": 3})
    btf = Btf.parse(obj.btf)
    names = [btf.name(row.type_id) for row in linked.functions]
    assert names[0] == "calls"
    assert {*names} == {"calls", "visible", "twice", "static_beside", "beside", "hidden", "deep"}
    starts = {row.insn for row in linked.functions}
    for at, insn in enumerate(op.decode(linked.code)):
        if insn.code == op.JMP | op.CALL and insn.src == 1:
            assert at + 1 + insn.imm in starts
