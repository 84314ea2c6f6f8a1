"""Any bytes give an object or :class:`FormatError`, never anything else."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyebpf.errors import FormatError
from pyebpf.runtime.elf import parse_object
from pyebpf.spec.objects import ObjectSpec
from tests import objects
from tests.objects import compiled, minimal

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def check(data: bytes) -> None:
    try:
        result: object = parse_object(data)
    except FormatError as error:
        result = error
    assert isinstance(result, (ObjectSpec, FormatError))
    assert str(result)


@given(st.binary(max_size=300))
@QUICK
def test_random_bytes(data: bytes) -> None:
    check(data)
    check(b"\x7fELF\2\1\1" + data)


@given(btf=st.binary(max_size=200), ext=st.binary(max_size=200), valid_head=st.booleans())
@QUICK
def test_random_debug_information(btf: bytes, ext: bytes, valid_head: bool) -> None:
    if valid_head:
        btf = b"\x9f\xeb\1\0\x18\0\0\0" + btf
        ext = b"\x9f\xeb\1\0\x20\0\0\0" + ext
    elf = minimal()
    elf.section(".BTF", btf)
    elf.section(".BTF.ext", ext)
    elf.section(".maps", bytes(16), flags=objects.ALLOC_WRITE)
    check(elf.to_bytes())


@given(st.data())
@QUICK
def test_truncated_objects(data: st.DataObject) -> None:
    whole = compiled(data.draw(st.sampled_from(("maps", "calls", "core"))))
    check(whole[: data.draw(st.integers(0, len(whole)))])


@given(st.data())
@settings(QUICK, max_examples=400)
def test_mutated_objects(data: st.DataObject) -> None:
    changed = bytearray(compiled(data.draw(st.sampled_from(("maps", "calls", "core")))))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(changed) - 4))
        value = data.draw(st.sampled_from((0, 1, 0x7F, 0xFF)) | st.integers(0, 255))
        width = data.draw(st.sampled_from((1, 2, 4)))
        changed[at : at + width] = bytes([value]) * width
    check(bytes(changed))
