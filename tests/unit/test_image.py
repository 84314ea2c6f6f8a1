"""Functions of ELF files by name: what is found by a search is what looking at each would find."""

from __future__ import annotations

from struct import pack

import pytest

from pyebpf.runtime.binaries import find_binary
from pyebpf.runtime.image import Image, open_image, rows_at
from tests.objects import FUNC, LOCAL, OBJECT, RETURN_ZERO, Elf


def named(image: Image, name: str) -> list[tuple[int, str, bool]]:
    found = list(image.functions_named(name))
    assert found == [function for function in image.functions() if function.name == name]
    return [(function.address, function.version, function.is_local) for function in found]


def image() -> Image:
    elf = Elf()
    elf.section(".text", RETURN_ZERO * 8, flags=6)
    for place, name in enumerate(["reread", "read", "read_all", "read@@V_2", "read@V_1"]):
        elf.symbol(name, 1, 16 * place, 16)
    elf.symbol("read", 1, 96, 16, binding=LOCAL)
    elf.symbol("read", 1, 112, 16, kind=OBJECT)
    elf.symbol("read", 0, 0, 0, kind=FUNC)  # of another file
    return Image("made", elf.to_bytes())


def test_all_functions_of_a_name_are_found_and_no_others() -> None:
    expected = [(16, "", False), (48, "V_2", False), (64, "V_1", False), (96, "", True)]
    assert named(image(), "read") == expected
    assert named(image(), "reread") == [(0, "", False)]
    assert named(image(), "rea") == named(image(), "") == named(image(), "V_1") == []


def test_a_name_that_is_the_end_of_another_is_found_where_that_is_kept_once() -> None:
    data = bytearray(image().data)
    strings = data.index(b"\0reread\0")
    symbol = data.index(pack("<IBBHQQ", 8, 0x12, 0, 1, 16, 16))  # the first "read"
    data[symbol : symbol + 4] = pack("<I", 3)  # where it is in "reread"
    assert data[strings + 3 : strings + 8] == b"read\0"
    assert (16, "", False) in named(Image("made", bytes(data)), "read")


@pytest.mark.parametrize("count", [1, 200])
def test_rows_are_found_by_one_place_and_by_many(count: int) -> None:
    """Numbers in other columns that look like the place are none."""
    table = b"".join(pack("<IBBHQQ", n % 100, 1, 1, 1, (n + 1) % 100, n) for n in range(400))
    places = range(count)
    assert list(rows_at(table, places)) == [n for n in range(400) if n % 100 in places]


@pytest.mark.parametrize("library", ["c", "stdc++"])
def test_real_libraries(library: str) -> None:
    with open_image(find_binary(library)) as real:
        every = list(real.functions())
        names = sorted({function.name for function in every})
        assert len(names) > 1000
        for name in names[::40]:
            expected = [function for function in every if function.name == name]
            assert list(real.functions_named(name)) == expected
