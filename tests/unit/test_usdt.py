"""USDT probes without a kernel: notes, operands, and the code that reads them."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf import (
    Array,
    KprobeContext,
    UprobeContext,
    UserPtr,
    i8,
    i64,
    read_user_str,
    u8,
    u64,
    usdt,
)
from pyebpf.abi.disasm import disassemble
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.abi.registers import REGISTERS
from pyebpf.errors import AttachError, CompileError, FormatError, PyebpfError
from pyebpf.hooks import Binary, binary_kinds
from pyebpf.runtime.binaries import find_binary
from pyebpf.runtime.image import open_image
from pyebpf.runtime.links import attach
from pyebpf.runtime.usdt.arguments import MACHINES, parse_arguments
from pyebpf.runtime.usdt.code import read_argument
from pyebpf.runtime.usdt.notes import Site, sites_of
from pyebpf.runtime.usdt.places import Constant, Memory, Register, Unreadable
from pyebpf.spec.target import FrozenFeatures
from pyebpf.testing import run

# -- operands

X86 = {
    "8@%rax": ("u64", Register("ax")),
    "-4@%edi": ("i32", Register("di")),
    "2@%cx": ("u16", Register("cx")),
    "1@%bl": ("u8", Register("bx")),
    "-1@%ah": ("i8", Register("ax", 8)),
    "1@%sil": ("u8", Register("si")),
    "-4@%r8d": ("i32", Register("r8")),
    "2@%r15w": ("u16", Register("r15")),
    "1@%r10b": ("u8", Register("r10")),
    "8@%rip": ("u64", Register("ip")),
    "-4@$-9": ("i32", Constant(-9)),
    "8@$0x10": ("u64", Constant(16)),
    "4@$010": ("u32", Constant(8)),
    "8@$name": ("u64", Constant(0, "name")),
    "8@$name+8": ("u64", Constant(8, "name")),
    "-4@-1204(%rbp)": ("i32", Memory("bp", -1204)),
    "8@(%rsp)": ("u64", Memory("sp")),
    "8@0x8(%rsp)": ("u64", Memory("sp", 8)),
    "8@(%rdx,%rax)": ("u64", Memory("dx", 0, "ax")),
    "-4@-8(%rdx,%rax,8)": ("i32", Memory("dx", -8, "ax", 8)),
    "4@(%rdx, %rax, 4)": ("u32", Memory("dx", 0, "ax", 4)),
    "4@16(,%r10,4)": ("u32", Memory("", 16, "r10", 4)),
    "4@name(%rip)": ("u32", Memory("", symbol="name")),
    "4@name+8(%rip)": ("u32", Memory("", 8, symbol="name")),
    "4@8+name.part.0(%rip)": ("u32", Memory("", 8, symbol="name.part.0")),
    "4@name-8(%rip)": ("u32", Memory("", -8, symbol="name")),
    "4@name(%rax)": ("u32", Memory("ax", symbol="name")),
    "4@name(,%rax,4)": ("u32", Memory("", 0, "ax", 4, symbol="name")),
    "4@8(%rip)": ("u32", Memory("ip", 8)),
    "%eax": ("u32", Register("ax")),
    "%r8b": ("u8", Register("r8")),
    "$3": ("u64", Constant(3)),
    "8f@%xmm0": ("u64", Unreadable("in the floating-point register %xmm0")),
    "-8f@%ymm11": ("i64", Unreadable("in the floating-point register %ymm11")),
    "8f@8(%rsp)": ("u64", Unreadable("a floating-point number")),
    "8f@%rax": ("u64", Unreadable("a floating-point number")),
    "10f@%st(1)": ("u64", Unreadable("10 bytes large")),
    "16@(%rdx)": ("u64", Unreadable("16 bytes large")),
    "4@%fs:16": ("u32", Unreadable("'%fs:16', relative to the segment fs (thread-local)")),
}
ARM = {
    "8@x0": ("u64", Register("x0")),
    "-4@w30": ("i32", Register("x30")),
    "8@sp": ("u64", Register("sp")),
    "8@xzr": ("u64", Constant(0)),
    "-4@5": ("i32", Constant(5)),
    "-4@-9": ("i32", Constant(-9)),
    "4@#0x10": ("u32", Constant(16)),
    "8@[x1]": ("u64", Memory("x1")),
    "-4@[sp, 8]": ("i32", Memory("sp", 8)),
    "-4@[sp,-8]": ("i32", Memory("sp", -8)),
    "-4@[x29, #-20]": ("i32", Memory("x29", -20)),
    "8@[x0, x1]": ("u64", Memory("x0", 0, "x1")),
    "8@[x0, x1, lsl 3]": ("u64", Memory("x0", 0, "x1", 8)),
    "8@[x0, x1, lsl #3]": ("u64", Memory("x0", 0, "x1", 8)),
    "8@[x0, w1, sxtw 2]": ("u64", Memory("x0", 0, "x1", 4, "signed")),
    "1@[x0, w1, uxtw]": ("u8", Memory("x0", 0, "x1", 1, "unsigned")),
    "8f@d0": ("u64", Unreadable("in the floating-point register d0")),
    "4f@s31": ("u32", Unreadable("in the floating-point register s31")),
}
#: What is no operand, or none that is known; each is named in the error.
STRANGE = {
    "x86_64": (
        "8@", "8@%zax", "8@(%eax)", "8@name@GOTPCREL(%rip)", "8@(%rax,%ecx)", "8@(%rax", "8@-name",
        "8@$%", "8@1+2)", "8@(%rax,%rcx,3)",
    ),
    "aarch64": ("8@", "8@x31", "8@[w0]", "8@[x0, :lo12:name]", "8@[x0, w1]", "8@name", "8@[x0]!"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("machine", "text", "kind", "place"),
    [
        (machine, text, *wanted)
        for machine, table in (("x86_64", X86), ("aarch64", ARM))
        for text, wanted in table.items()
    ],
)
def test_each_form(machine: str, text: str, kind: str, place: object) -> None:
    (found,) = parse_arguments(text, machine)
    assert (found.text, found.type_name, found.place) == (text, kind, place)


@pytest.mark.parametrize(
    ("machine", "text"), [(m, text) for m, texts in STRANGE.items() for text in texts]
)
def test_what_is_strange_is_named(machine: str, text: str) -> None:
    for found in parse_arguments(text, machine)[-1:]:
        assert isinstance(found.place, Unreadable)
        assert "no place that pyebpf knows" in found.place.reason


@pytest.mark.parametrize("machine", MACHINES)
@given(text=st.text(alphabet="0189@-+%$#()[], axrslwipmd:*f\n.", max_size=30))
def test_no_text_fails(machine: str, text: str) -> None:
    for found in parse_arguments(text, machine):
        assert found.size in (1, 2, 4, 8)


def test_a_note_lists_several() -> None:
    found = parse_arguments("-4@%edi 8@-8(%rbp)  1@$3", "x86_64")
    assert [argument.text for argument in found] == ["-4@%edi", "8@-8(%rbp)", "1@$3"]
    found = parse_arguments("-4@[sp, 60] 8@x0 8@[x0, x1, lsl 3]", "aarch64")
    assert [argument.text for argument in found] == ["-4@[sp, 60]", "8@x0", "8@[x0, x1, lsl 3]"]
    assert parse_arguments("", "x86_64") == []


@pytest.mark.parametrize(
    ("text", "value"),
    [("-4@$-9", -9), ("1@$-1", 255), ("-1@$255", -1), ("8@$-1", 2**64 - 1), ("-8@$7", 7)],
)
def test_the_value_of_a_constant_is_known(text: str, value: int) -> None:
    (found,) = parse_arguments(text, "x86_64")
    assert found.value == value


def test_other_values_are_not_known() -> None:
    assert [a.value for a in parse_arguments("8@%rax 8@$name (%rax)", "x86_64")] == [None] * 3


# -- code


def code(text: str, machine: str = "x86_64", *, sleepable: bool = False, away: int = 0) -> str:
    (found,) = parse_arguments(text, machine)
    made = read_argument(found, REGISTERS[machine], lambda _: away, sleepable=sleepable)
    return "\n".join(line.partition(") ")[2] for line in disassemble(made))


def test_a_whole_register_is_one_load() -> None:
    assert code("8@%rdi") == "r0 = *(u64 *)(r1 +112)\nexit"
    assert code("8@x3", "aarch64") == "r0 = *(u64 *)(r1 +24)\nexit"


def test_a_part_of_a_register_is_cut_out_and_extended() -> None:
    assert code("-4@%edi").splitlines()[1:] == ["r0 <<= 32", "r0 s>>= 32", "exit"]
    assert code("2@%di").splitlines()[1:] == ["r0 <<= 48", "r0 >>= 48", "exit"]
    assert code("1@%ah").splitlines()[1:] == ["r0 <<= 48", "r0 >>= 56", "exit"]


def test_memory_is_read_at_the_sum_of_its_parts() -> None:
    assert code("-2@-8(%rdx,%rax,4)").splitlines() == [
        "r3 = *(u64 *)(r1 +96)",
        "r2 = *(u64 *)(r1 +80)",
        "r2 *= 4",
        "r3 += r2",
        "r3 += -8",
        "*(u64 *)(r10 -8) = 0",
        "r1 = r10",
        "r1 += -8",
        "r2 = 2",
        "call bpf_probe_read_user#112",
        "r0 = *(u64 *)(r10 -8)",
        "r0 <<= 48",
        "r0 s>>= 48",
        "exit",
    ]
    low = code("4@[x0, w1, sxtw 2]", "aarch64").splitlines()
    assert low[1:6] == ["r2 = *(u64 *)(r1 +8)", "r2 <<= 32", "r2 s>>= 32", "r2 *= 4", "r3 += r2"]
    assert "call bpf_copy_from_user#148" in code("4@(%rax)", sleepable=True)
    assert "r3 += r2" in code(f"4@{1 << 40}(%rax)")


def test_a_symbol_is_as_far_from_the_instruction_as_in_the_file() -> None:
    lines = code("4@name+4(%rip)", away=0x100).splitlines()
    assert lines[:4] == ["r3 = 0", "r2 = *(u64 *)(r1 +128)", "r3 += r2", "r3 += 260"]
    assert code("8@$name", away=-8) == "r0 = *(u64 *)(r1 +128)\nr0 += -8\nexit"


# -- notes


def note(site: Site, base: int, *, owner: bytes = b"stapsdt\0", kind: int = 3) -> bytes:
    words = (site.provider, site.name, site.arguments)
    text = struct.pack("<QQQ", site.address, base, site.semaphore)
    text += b"".join(word.encode() + b"\0" for word in words)
    padded = text + bytes(-len(text) % 4)
    return struct.pack("<III", len(owner), len(text), kind) + owner + padded


def elf(notes: bytes, base: int | None) -> bytes:
    """Return the smallest program with a section of notes, and one for the base."""
    names = b"\0.note.stapsdt\0.stapsdt.base\0.shstrtab\0"
    start = 64 + 56
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0x1000, 0x401000, 0, 0x1000, 0x1000, 0x1000)
    rows = [(0, 0, 0, 0, 0), (1, 7, 0, start, len(notes))]
    if base is not None:
        rows.append((15, 1, base, 0, 1))
    rows.append((29, 3, 0, start + len(notes), len(names)))
    table = b"".join(
        struct.pack("<IIQQQQIIQQ", name, kind, 0, address, offset, size, 0, 0, 1, 0)
        for name, kind, address, offset, size in rows
    )
    end = start + len(notes) + len(names)
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 64, end, 0, 64, 56, 1, 64,
        len(rows), len(rows) - 1,
    )  # fmt: skip
    return head + segment + notes + names + table


PLAIN = Site("app", "request", 0x401010, 0, "8@%rdi")
GUARDED = Site("app", "guarded", 0x401020, 0x401800, "")


def sites(path: Path, data: bytes) -> list[Site]:
    path.write_bytes(data)
    with open_image(str(path)) as image:
        return sites_of(image)


def test_notes_of_others_are_passed_over(tmp_path: Path) -> None:
    notes = note(PLAIN, 0, owner=b"GNU\0") + note(PLAIN, 0, kind=1) + note(GUARDED, 0)
    assert sites(tmp_path / "app", elf(notes, None)) == [GUARDED]


def test_addresses_move_with_the_base(tmp_path: Path) -> None:
    notes = note(PLAIN, 0x500000) + note(GUARDED, 0x500000)
    same = sites(tmp_path / "app", elf(notes, 0x500000))
    assert same == [PLAIN, GUARDED]
    moved = sites(tmp_path / "app", elf(notes, 0x500100))
    assert [(s.address, s.semaphore) for s in moved] == [(0x401110, 0), (0x401120, 0x401900)]
    assert [s.probe for s in moved] == ["app:request", "app:guarded"]


def test_where_in_the_file_a_place_is(tmp_path: Path) -> None:
    path = tmp_path / "app"
    path.write_bytes(elf(note(PLAIN, 0), None))
    with open_image(str(path)) as image:
        assert image.machine == "x86_64"
        assert image.place(PLAIN.address) == 0x1010
        with pytest.raises(FormatError, match="nothing is loaded at 0x1"):
            image.place(1)
        behind = 0x402000
        with pytest.raises(FormatError, match="nothing is loaded at 0x402000"):
            image.place(behind, mapped=True)


def test_the_rest_of_a_page_is_mapped_from_the_file_too(tmp_path: Path) -> None:
    data = bytearray(elf(note(PLAIN, 0), None))
    data[64 + 32 : 64 + 40] = (0x800).to_bytes(8, "little")  # p_filesz
    path = tmp_path / "app"
    path.write_bytes(data)
    with open_image(str(path)) as image:
        assert image.place(0x4017FF) == 0x17FF
        with pytest.raises(FormatError, match="nothing is loaded at 0x401800"):
            image.place(0x401800)
        assert image.place(0x401800, mapped=True) == 0x1800
        with pytest.raises(FormatError, match="nothing is loaded at 0x402000"):
            image.place(0x402000, mapped=True)


def test_probes_are_listed_with_types_that_fit_everywhere(tmp_path: Path) -> None:
    texts = (
        "-4@%edi 4@%esi 2@%dx 8@%rax 1@$3 8f@%xmm0 8@%rcx",
        "-4@%edi -4@$0 1@%al -8@%rax 2@%ax 8@%rax",
    )
    notes = b"".join(note(PLAIN.replace(arguments=text), 0) for text in texts) + note(GUARDED, 0)
    path = tmp_path / "app"
    path.write_bytes(elf(notes, None))
    (probes,) = [k for k in binary_kinds(Binary("app", str(path), 7)) if k.name == "usdt"]
    assert sorted(set(probes.names())) == ["app:guarded", "app:request"]
    shown = probes.describe("app:request")
    assert shown.code == '@usdt("app", "app:request", pid=7)'
    assert shown.signature == (
        "(ctx: UprobeContext, arg1: i32, arg2: i64, arg3: u16, arg4: i64, arg5: u16, "
        'arg6: "in the floating-point register %xmm0")'
    )
    assert probes.describe("app:guarded").signature == "(ctx: UprobeContext)"


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    whole = elf(note(PLAIN, 0) + note(GUARDED, 0), 0)
    for cut in range(64, len(whole), 7):
        with pytest.raises(FormatError, match="app: "):
            sites(tmp_path / "app", whole[:cut])
    short = struct.pack("<III", 8, 30, 3) + b"stapsdt\0" + bytes(32)
    assert sites(tmp_path / "app", elf(short, None))[0].name == ""
    with pytest.raises(FormatError, match="cut off"):
        sites(tmp_path / "app", elf(struct.pack("<III", 8, 20, 3) + b"stapsdt\0" + bytes(20), None))
    with pytest.raises(FormatError, match="beyond the end of its section"):
        sites(tmp_path / "app", elf(note(PLAIN, 0)[:-8], None))


def test_a_library_has_several_names() -> None:
    assert find_binary("libc") == find_binary("c") == find_binary("libc.so.6")


def test_a_library_of_another_machine_or_a_linker_script_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyebpf.runtime.binaries._FOLDERS", (f"{tmp_path}/*-linux-gnu",))
    own = Path("/proc/self/exe").read_bytes()[:64]
    foreign = own[:18] + struct.pack("<H", 0xFFFF) + own[20:]
    for folder, content in (("a", foreign), ("b", own)):
        (tmp_path / f"{folder}-linux-gnu").mkdir()
        (tmp_path / f"{folder}-linux-gnu/libshop.so.1").write_bytes(content)
    (tmp_path / "b-linux-gnu/libshop.so").write_text("INPUT(libshop.so.1)")
    assert find_binary("shop") == f"{tmp_path}/b-linux-gnu/libshop.so.1"


def test_a_path_through_a_process_is_left_alone() -> None:
    """It may lead to a file that has no other path here."""
    assert find_binary("/proc/self/exe") == "/proc/self/exe"


@pytest.mark.parametrize("hook", ["", "app", "app:probe"])
def test_a_hook_without_three_parts_is_refused(hook: str) -> None:
    """It may come from an object of another compiler."""
    with pytest.raises(AttachError, match="write binary:provider:probe"):
        attach(-1, PROGRAM_KINDS["usdt"], hook, features=FrozenFeatures())


# -- declarations

values = Array[i64](max_entries=16)


@usdt("app", "app:many")
def many(
    ctx: UprobeContext, a: u64, b: i8, c: u64, d: u64, e: u64, f: u64, g: u64, h: u64, i: u64,
    j: u64, k: u64, last: u64,
) -> None:  # fmt: skip
    values[0] = a
    values[1] = b
    values[2] = last
    values[3] = ctx.ip
    values[4] = c + d + e + f + g + h + i + j + k


def test_a_probe_is_tried_without_a_kernel() -> None:
    with run(many) as trial:
        trial.fire(many, 1, -2, *range(3, 12), 1 << 40, ip=0x401000)
        assert list(trial[values].view()[:5]) == [1, -2, 1 << 40, 0x401000, sum(range(3, 12))]


@usdt("app", "app:text")
def text(ctx: UprobeContext, name: UserPtr[u8], unused: u64) -> None:
    if read_user_str(name, 16) == "hello":
        values[0] += 1


def test_text_of_the_process_is_read() -> None:
    with run(text) as trial:
        trial.fire(text, trial.user("hello"), 3)
        trial.fire(text, trial.user("other"), unused=3)
        assert trial[values][0] == 1


@usdt("app", "app:flag")
def flag(ctx: UprobeContext, whether: bool) -> None:
    values[0] += whether


def test_a_truth_value_is_the_whole_number() -> None:
    with run(flag) as trial:
        for number in (0, 1, 256, 1 << 40, -1):
            trial.fire(flag, number)
        assert trial[values][0] == 4


@pytest.mark.parametrize(
    ("binary", "probe"), [("", "a:b"), ("app", ""), ("app", "a:"), ("app", "a:b:c")]
)
def test_a_decorator_that_names_nothing_is_refused(binary: str, probe: str) -> None:
    with pytest.raises(PyebpfError, match=re.escape("@usdt('libc', 'libc:setjmp')")):
        usdt(binary, probe)


@usdt("app", "app:wrong")
def wrong(ctx: UprobeContext, name: str) -> None:
    values[0] += 1


@usdt("app", "app:wrong")
def other_context(ctx: KprobeContext) -> None:
    values[0] += ctx.ip


@usdt("app", "app:bare")
def bare(first: u64, second: i8) -> None:
    values[0] += first * second


def test_the_context_may_be_left_out() -> None:
    with run(bare) as trial:
        trial.fire(bare, 5, -3)
        assert trial[values][0] == -15


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(CompileError, match="no type that a register holds"):
        run(wrong)
    with pytest.raises(CompileError, match="usdt gives a UprobeContext"):
        run(other_context)
