"""The object that ``tests/kernel/test_one_object.py`` loads is of its program as it is now.

Not byte by byte: other versions of LLVM make other instructions.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pyebpf.btf import Btf
from pyebpf.btf.access import read
from pyebpf.btf.extract import Change, all_of, as_bits, extract, move, retype
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.resolver import CoreResolver
from tests import frozen
from tests.kernel import one_object
from tests.kernel.one_object import OBJECT, build


def asked(data: bytes) -> set[tuple[str, str]]:
    """Return what an object asks of a kernel's types."""
    obj = parse_object(data)
    types = Btf.parse(obj.btf)
    relocations = [reloc for section in obj.sections for reloc in section.core]
    return {
        (reloc.kind.name, str(read(types, reloc.type_id, reloc.access, int(reloc.kind))))
        for reloc in relocations
    }


def test_the_saved_object_is_not_out_of_date(update_golden: bool) -> None:
    made = build()
    if update_golden:
        OBJECT.write_bytes(made)
    saved = OBJECT.read_bytes()
    advice = "pytest tests/compile --update-golden writes it anew"
    assert asked(saved) == asked(made), advice
    text = Path(one_object.__file__).read_text(encoding="utf-8").splitlines()
    lines = [row for section in parse_object(saved).sections for row in section.lines]
    assert lines
    assert all(text[row.line - 1].strip() == row.text.strip() for row in lines), advice


def test_it_asks_for_what_differs_between_kernels() -> None:
    questions = asked(OBJECT.read_bytes())
    assert {
        ("FIELD_EXISTS", "struct task_struct.__state"),
        ("FIELD_BYTE_OFFSET", "struct task_struct___before.state"),
        ("FIELD_LSHIFT_U64", "struct task_struct.sched_reset_on_fork"),
        ("FIELD_BYTE_SIZE", "struct task_struct.pid"),
        ("FIELD_LSHIFT_U64", "struct task_struct.pid"),
        ("FIELD_RSHIFT_U64", "struct task_struct.pid"),
        ("FIELD_SIGNED", "struct task_struct.pid"),
        ("FIELD_BYTE_OFFSET", "struct signal_struct.rlim[7].rlim_cur"),
        ("TYPE_SIZE", "struct task_struct"),
        ("ENUMVAL_EXISTS", "enum bpf_map_type.BPF_MAP_TYPE_ARENA"),
    } <= questions


def answers(changed: Change) -> dict[str, int]:
    """Return what the frozen kernel, changed, answers where ``pid`` is read."""
    types = frozen.target().btf
    assert types is not None
    there = Btf.parse(extract(types, ("task_struct",), {"task_struct": changed}))
    obj = parse_object(OBJECT.read_bytes())
    local, resolver = Btf.parse(obj.btf), CoreResolver(obj.btf, lambda: there)
    return {
        reloc.kind.name: int(resolver.ask(reloc).value)
        for section in obj.sections
        for reloc in section.core
        if str(read(local, reloc.type_id, reloc.access, int(reloc.kind)))
        == "struct task_struct.pid"
    }


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (move("pid", 800), (800, 4, 32, 32, 1)),
        (all_of(move("pid", 800), as_bits("pid", 22)), (800, 4, 42, 42, 1)),
        (all_of(retype("pid", "flags"), move("pid", 800), as_bits("pid", 22)),
         (800, 4, 42, 42, 0)),
        (all_of(retype("pid", "start_time"), move("pid", 800)), (800, 8, 0, 0, 0)),
    ],
    ids=["plain", "bits", "without a sign", "wide"],
)  # fmt: skip
def test_a_plain_number_is_asked_for_as_a_bit_field_is(
    changed: Change, expected: tuple[int, ...]
) -> None:
    found = answers(changed)
    kinds = ("BYTE_OFFSET", "BYTE_SIZE", "LSHIFT_U64", "RSHIFT_U64", "SIGNED")
    assert tuple(found[f"FIELD_{kind}"] for kind in kinds) == expected


def test_for_one_kernel_alone_nothing_of_that_is_asked() -> None:
    exact = one_object.build(one_object.target().replace(exact=True))
    assert {kind for kind, what in asked(exact) if what.endswith(".pid")} == {"FIELD_BYTE_OFFSET"}
