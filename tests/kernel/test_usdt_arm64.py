"""USDT arguments that are written by hand, in the forms of the assembler for arm64."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from pyebpf import Array, UprobeContext, i8, i16, i32, i64, load, u8, u16, u32, u64, usdt

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(platform.machine() != "aarch64", reason="written for arm64"),
]

SOURCE = Path(__file__).parents[1] / "data" / "c" / "usdt.c"
ME = os.getpid()
WORDS = (0x8182838485868788, 0xF1F2F3F4F5F6F7F8, 2, 3, 4, 5, 6, 7)

#: Signed, so that every number that is read shows.
values = Array[i64](max_entries=16)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("gcc") or not shutil.which("dtrace"):
        pytest.skip("needs gcc and sys/sdt.h (Debian package systemtap-sdt-dev)")
    made = tmp_path_factory.mktemp("usdt") / "libprobes.so"
    subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-o", made, SOURCE], check=True)
    return made


def test_each_register(library: Path) -> None:
    @usdt(library, "usdt:registers", pid=ME)
    def registers(
        ctx: UprobeContext, x0: u64, w0: u32, signed: i32, half: u16, short: i16, byte: u8,
        low: i8, x4: u64, w5: i32, x5: u64, none: u32, zero: u64,
    ) -> None:  # fmt: skip
        values[0] = x0
        values[1] = w0
        values[2] = signed
        values[3] = half
        values[4] = short
        values[5] = byte
        values[6] = low
        values[7] = x4
        values[8] = w5
        values[9] = x5
        values[10] = none + zero

    with load(registers) as session:
        ctypes.CDLL(str(library)).by_hand()
        seen = [int(session[values][at]) for at in range(11)]
    assert seen[0] & (1 << 64) - 1 == 0x91A2B3C4D5E6F708
    assert seen[1:7] == [0xD5E6F708, 0xD5E6F708 - (1 << 32), 0xF708, 0xF708 - (1 << 16), 8, -7]
    assert seen[7:] == [-7, -2, (1 << 32) - 2, 0]


def test_each_form_of_memory(library: Path) -> None:
    @usdt(library, "usdt:memory", pid=ME)
    def memory(
        ctx: UprobeContext, plain: u64, after: i32, inside: u16, index: u8, scaled: u64,
        widened: u32, negative: i32, before: u64, far: i64, stack: u64,
    ) -> None:  # fmt: skip
        values[0] = plain
        values[1] = after
        values[2] = inside
        values[3] = index
        values[4] = scaled
        values[5] = widened
        values[6] = negative
        values[7] = before
        values[8] = far
        values[9] = stack

    with load(memory) as session:
        ctypes.CDLL(str(library)).by_hand()
        seen = [int(session[values][at]) for at in range(10)]
    data = b"".join(word.to_bytes(8, "little") for word in WORDS)
    assert seen == [
        WORDS[0] - (1 << 64),
        int.from_bytes(data[8:12], "little", signed=True),
        int.from_bytes(data[6:8], "little"),
        data[1],
        WORDS[2],
        int.from_bytes(data[8:12], "little"),
        WORDS[3],
        int.from_bytes(data[25:33], "little"),
        WORDS[1] - (1 << 64),
        77,
    ]
