"""The object that ``tests/kernel/test_one_object.py`` loads is of its program as it is now.

Not byte by byte: other versions of LLVM make other instructions.
"""

from __future__ import annotations

from pathlib import Path

from pyebpf.btf import Btf
from pyebpf.btf.access import read
from pyebpf.runtime.elf import parse_object
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
        ("FIELD_BYTE_OFFSET", "struct signal_struct.rlim[7].rlim_cur"),
        ("TYPE_SIZE", "struct task_struct"),
        ("ENUMVAL_EXISTS", "enum bpf_map_type.BPF_MAP_TYPE_ARENA"),
    } <= questions
