"""The running kernel's types against what bpftool and libbpf say about them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pyebpf.btf import Btf, Kind, system
from pyebpf.btf import types as t
from pyebpf.btf.access import ENUM_KINDS
from pyebpf.btf.core import CoreResult, explain, relocate
from pyebpf.btf.extract import all_of, extract, move, rename
from pyebpf.btf.layout import align_of, find_member, size_of
from pyebpf.errors import RelocationError

VMLINUX = Path("/sys/kernel/btf/vmlinux")
pytestmark = pytest.mark.skipif(not VMLINUX.exists(), reason=f"this kernel has no {VMLINUX}")


@pytest.fixture(scope="module")
def btf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Btf]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYEBPF_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("PYEBPF_BTF", raising=False)
        patch.delenv("PYEBPF_CACHE", raising=False)
        patch.setattr(system, "_loaded", {})
        yield system.kernel_btf()


def test_what_every_kernel_has(btf: Btf) -> None:
    task = btf.find("task_struct", Kind.STRUCT)
    comm = find_member(btf, task, "comm")
    assert comm is not None
    assert size_of(btf, comm.type) == 16
    assert size_of(btf, btf.find("bpf_insn", Kind.STRUCT)) == 8
    assert size_of(btf, btf.find("list_head", Kind.STRUCT)) == 16
    assert btf.kind(btf.type(btf.find("vfs_read", Kind.FUNC)).type) is Kind.FUNC_PROTO  # type: ignore[attr-defined]
    with pytest.raises(KeyError):
        btf.find("task_struct", Kind.UNION)
    assert btf.similar("tsk_struct", [Kind.STRUCT])[0] == "task_struct"


def test_the_index_from_the_cache_is_the_same(btf: Btf, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["task_struct", "u64", "vfs_read", "no_such_name"]
    expected = [btf.find_all(name) for name in names]
    monkeypatch.setattr(system, "_loaded", {})
    monkeypatch.setattr("pyebpf.btf.index.walk", None)
    monkeypatch.setattr("pyebpf.btf.index.NameTable.build", None)
    again = system.kernel_btf()
    assert again is not btf
    assert [again.find_all(name) for name in names] == expected


def _quoted(name: str) -> str:
    return f"'{name or '(anon)'}'"


_ENCODINGS = {0: "(none)", 1: "SIGNED", 2: "CHAR", 4: "BOOL"}
_LINKAGE = {0: "static", 1: "global", 2: "extern"}


def _row(btf: Btf, node: t.Type) -> str:
    """Spell the first line of a type as bpftool does."""
    head, size = node.kind.name, getattr(node, "size", 0)
    name = _quoted(getattr(node, "name", ""))
    match node:
        case t.Int():
            rest = f"size={size} bits_offset={node.offset} nr_bits={node.bits}"
            rest += f" encoding={_ENCODINGS[node.encoding]}"
        case t.Array():
            rest = f"type_id={node.element} index_type_id={node.index} nr_elems={node.count}"
        case t.Struct() | t.Union():
            rest = f"size={size} vlen={len(node.members)}"
        case t.Enum() | t.Enum64():
            sign = "SIGNED" if node.signed else "UNSIGNED"
            rest = f"encoding={sign} size={size} vlen={len(node.values)}"
        case t.Fwd():
            rest = f"fwd_kind={'union' if node.is_union else 'struct'}"
        case t.Func():
            rest = f"type_id={node.type} linkage={_LINKAGE[node.linkage]}"
        case t.FuncProto():
            rest = f"ret_type_id={node.result} vlen={len(node.params)}"
        case t.Var():
            rest = f"type_id={node.type}, linkage={_LINKAGE[node.linkage]}"
        case t.DataSec():
            rest = f"size={size} vlen={len(node.vars)}"
        case t.Float():
            rest = f"size={size}"
        case t.DeclTag():
            rest = f"type_id={node.type} component_idx={node.component}"
        case _:
            rest = f"type_id={node.type}"  # type: ignore[attr-defined]
    return f"{head} {name} {rest}"


def _parts(btf: Btf, node: t.Type) -> Iterator[str]:
    """Spell the lines below the first one."""
    match node:
        case t.Struct() | t.Union():
            for m in node.members:
                bits = f" bitfield_size={m.bitfield_size}" if m.bitfield_size else ""
                yield f"{_quoted(m.name)} type_id={m.type} bits_offset={m.bit_offset}{bits}"
        case t.Enum() | t.Enum64():
            suffix = ("LL" if node.signed else "ULL") if isinstance(node, t.Enum64) else ""
            for v in node.values:
                yield f"{_quoted(v.name)} val={v.value}{suffix}"
        case t.FuncProto():
            for p in node.params:
                yield f"{_quoted(p.name)} type_id={p.type}"
        case t.DataSec():
            for s in node.vars:
                what = f"{btf.kind(s.type).name} {_quoted(btf.name(s.type))}"
                yield f"type_id={s.type} offset={s.offset} size={s.size} ({what})"


def test_bpftool_reads_the_same(btf: Btf, program: Callable[[str], str]) -> None:
    command = [program("bpftool"), "btf", "dump", "file", str(VMLINUX), "format", "raw"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    blocks = re.split(r"^\[(\d+)\] ", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == 2 * (len(btf) - 1)
    # Every 25th, and all of the rare kinds.
    common = {Kind.FUNC, Kind.FUNC_PROTO, Kind.PTR, Kind.STRUCT, Kind.CONST, Kind.ARRAY}
    compared = 0
    for number, block in zip(blocks[::2], blocks[1::2], strict=True):
        type_id = int(number)
        if type_id % 25 and btf.kind(type_id) in common:
            continue
        node = btf.type(type_id)
        assert [line.strip() for line in block.splitlines()] == [
            _row(btf, node),
            *_parts(btf, node),
        ], f"type {type_id}"
        compared += 1
    assert compared >= 2000


def test_offsets_are_those_of_c(btf: Btf) -> None:
    """Lay structs out as C does; only attributes may put a member further back."""
    natural = spread = 0
    for type_id in range(1, len(btf), 7):
        node = btf.type(type_id) if btf.kind(type_id) is Kind.STRUCT else None
        if not isinstance(node, t.Struct) or align_of(btf, type_id) == 1:
            continue
        end = 0
        for member in node.members:
            if member.bitfield_size:
                break
            align = align_of(btf, member.type)
            expected = -(-end // align) * align
            assert member.bit_offset % (8 * align) == 0
            assert member.bit_offset >= 8 * expected, f"{node.name}.{member.name}"
            natural += member.bit_offset == 8 * expected
            spread += member.bit_offset != 8 * expected
            end = member.bit_offset // 8 + size_of(btf, member.type)
    assert natural > 2000
    assert spread < natural / 100


def test_a_kernel_fits_itself(btf: Btf) -> None:
    """Every field of some structs is found where it is."""
    for name in ("task_struct", "file", "request", "sk_buff", "inode"):
        struct = btf.find(name, Kind.STRUCT)
        node = btf.type(struct)
        assert isinstance(node, t.Struct)
        for number, member in enumerate(node.members):
            if member.name:
                result = relocate(btf, struct, f"0:{number}", 0, btf)
                assert result.value == result.original
                assert result.value == member.bit_offset // 8 or member.bitfield_size


def test_a_doctored_kernel(btf: Btf) -> None:
    """The kernel's own struct, with a field moved and under the name of a flavour."""
    struct = btf.find("file", Kind.STRUCT)
    flags = find_member(btf, struct, "f_flags")
    assert flags is not None
    small = extract(btf, ["file"], {"file": all_of(move("f_flags", 1024), rename("file___v9"))})
    other = Btf.parse(small)
    assert len(other) < 5000
    assert relocate(btf, struct, flags.access, 0, other).value == 1024


class Answer(NamedTuple):
    """What libbpf said about one relocation; ``after`` is None if it poisoned the instruction."""

    kind: int
    type_id: int
    access: str
    before: int
    after: int | None
    size: int | None


_KINDS = [
    "byte_off", "byte_sz", "field_exists", "signed", "lshift_u64", "rshift_u64", "local_type_id",
    "target_type_id", "type_exists", "type_size", "enumval_exists", "enumval_value", "type_matches",
]  # fmt: skip
_RELO = re.compile(r"relo #(\d+): (.*)")
_SPEC = re.compile(r"<(\w+)> \[(\d+)\] (.*)")
_PATCH = re.compile(r"patched insn #\d+ \(.*\) (imm64|imm|off|mem_sz):? (-?\d+) -> (-?\d+)")


def _answers(log: str, local: Btf) -> list[Answer]:
    found: list[Answer] = []
    for line in log.splitlines():
        relo = _RELO.search(line)
        if relo is None:
            continue
        if spec := _SPEC.match(relo[2]):
            kind, type_id = _KINDS.index(spec[1]), int(spec[2])
            found.append(
                Answer(kind, type_id, _access(local, kind, type_id, spec[3]), 0, None, None)
            )
        elif patch := _PATCH.match(relo[2]):
            what, before, after = patch[1], int(patch[2]), int(patch[3])
            change = {"size": after} if what == "mem_sz" else {"before": before, "after": after}
            found[-1] = found[-1]._replace(**change)
    return found


def _access(local: Btf, kind: int, type_id: int, text: str) -> str:
    if kind in ENUM_KINDS:
        node = local.type(local.skip(type_id))
        assert isinstance(node, t.Enum)
        called = re.search(r"::(\w+)", text)
        assert called is not None
        return str([value.name for value in node.values].index(called[1]))
    numbers = re.search(r"\(([\d:]+) @", text)
    return numbers[1] if numbers else "0"


def _agrees(answer: Answer, result: CoreResult) -> bool:
    if answer.after is None:
        return result.poison
    word = (1 << 64) - 1
    same = not result.poison and (answer.after - result.value) & word == 0
    return same and result.insn_size == answer.size if answer.size else same


@pytest.mark.kernel
def test_libbpf_answers_the_same(
    btf: Btf, program: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(__file__).parents[1] / "data" / "btf" / "relocations.c"
    made = tmp_path / "relocations.o"
    flags = ["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wno-everything"]
    subprocess.run([program("clang"), *flags, "-c", str(source), "-o", str(made)], check=True)
    monkeypatch.setenv("PYEBPF_BTF", str(made))
    local = system.kernel_btf()
    # Refused by the verifier, always: the path is never made.
    pin = f"/sys/fs/bpf/pyebpf-test-{os.getpid()}"
    command = [program("bpftool"), "-d", "prog", "load", str(made), pin]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    answers = _answers(done.stderr + done.stdout, local)
    assert {answer.kind for answer in answers} == set(range(12))
    wrong = []
    for answer in answers:
        result = relocate(local, answer.type_id, answer.access, answer.kind, btf)
        if not _agrees(answer, result):
            wrong.append((answer, result))
        if result.poison:
            why = explain(local, answer.type_id, answer.access, answer.kind, btf)
            assert isinstance(why, RelocationError)
            assert "this kernel" in str(why)
    assert wrong == []
    assert len(answers) > 200
