"""Memory seen as another type, global arrays, the kernel's configuration."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest

from pyebpf import (
    Array,
    Char,
    FixedArray,
    Global,
    Ptr,
    RawTracepointContext,
    addressof,
    array,
    chars,
    comm,
    current_task,
    fetch_add,
    i32,
    i64,
    kernel_config,
    raw_tracepoint,
    record,
    u8,
    u16,
    u32,
    u64,
    view,
)
from pyebpf.kernel import task_struct
from pyebpf.runtime.configuration import KernelConfiguration
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel


@record
class Piece:
    text: Char = chars(16)


@record
class Pair:
    low: u16
    high: u16


@record
class Row:
    data: FixedArray[u8] = array(32)
    number: u64


rows = Array[Row](max_entries=2)
buffer = Global[FixedArray[u8]](array(64))
sums = Global[FixedArray[u64]](array(8))
weights = Global[FixedArray[i32]]([1, 2, -3])
title = Global[Char](chars(16))
newest = Global[Ptr[task_struct]]()
out = Array[i64](max_entries=8)


@raw_tracepoint("sys_enter")
def globals_(ctx: RawTracepointContext) -> None:
    sums.value[ctx.args[0] % 8] += 2
    out[0] = sum(weights.value)
    out[1] = fetch_add(sums.value[1], 5)
    title.value = comm()
    newest.value = current_task()
    out[2] = newest.value.tgid
    sums.value[-1] = 9


@raw_tracepoint("sys_enter")
def moves(ctx: RawTracepointContext) -> None:
    at = 0
    for _ in range(3):
        piece = view(Piece, buffer.value, at)
        at += piece.text.read_kernel_str(addressof(current_task().comm)) & 15
    out[3] = at
    row = rows.get(0)
    if row is not None:
        pair = view(Pair, row.data, 4)
        pair.low += 0x0102
        pair.high = 7
        row.data[0] = 1
        out[4] = view(u32, row.data, ctx.args[0])
        out[5] = view(u8, row.data, ctx.args[0])
        out[6] += 1


@raw_tracepoint("sys_enter")
def local() -> None:
    row = Row(number=5)
    view(Pair, row, 4).high = 0x0304
    out[0] = view(u32, row, 4)
    out[1] = row.data[6] + row.data[7] * 1000
    out[2] = view(u64, row.number)


def test_global_arrays_text_and_pointers(requires: Callable[[str], None]) -> None:
    requires("atomics")
    with loaded(globals_) as session:
        fire(session, globals_, 9)
        fire(session, globals_, 3)
        assert session[sums].value == (0, 9 + 3, 0, 2, 0, 0, 0, 9)
        assert session[out].snapshot()[1][:3].tolist() == [0, 7, os.getpid()]
        assert session[title].value == comm_of_this()
        assert session[newest].value > 1 << 63
        session[weights].value = (10, 20, 30)
        session[sums].view()[3] = 100
        fire(session, globals_, 3)
        assert session[out][0] == 60
        assert session[sums].value[3] == 102


def comm_of_this() -> str:
    with open("/proc/thread-self/comm", encoding="utf-8") as file:  # noqa: PTH123
        return file.read().strip()


def test_views_move_through_memory() -> None:
    name = comm_of_this().encode()
    with loaded(moves) as session:
        fire(session, moves, 4)
        length = len(name) + 1 & 15
        assert session[out][3] == 3 * length
        data = bytes(session[buffer].value)
        assert data[2 * length :].startswith(name + b"\0")
        assert session[rows][0].data[:8] == (1, 0, 0, 0, 2, 1, 7, 0)
        assert session[out].snapshot()[1][4:7].tolist() == [0x00070102, 2, 1]
        fire(session, moves, 29)  # no room for the first: the probe ends
        fire(session, moves, -1 & (1 << 64) - 1)
        assert session[out][6] == 1
        fire(session, moves, 28)
        assert session[out][6] == 2


def test_views_of_a_variable() -> None:
    with loaded(local) as session:
        fire(session, local)
        assert session[out].snapshot()[1][:3].tolist() == [0x03040000, 4 + 3000, 5]


@raw_tracepoint("sys_enter")
def configured() -> None:
    out[0] = kernel_config("CONFIG_BPF_SYSCALL")
    out[1] = kernel_config("CONFIG_HZ")
    out[2] = kernel_config("CONFIG_OF_TOMORROW")


def test_the_configuration_of_this_kernel() -> None:
    try:
        hz = KernelConfiguration().get("CONFIG_HZ")
    except LookupError as err:
        pytest.skip(str(err))
    with loaded(configured) as session:
        fire(session, configured)
        values = session[out].snapshot()[1][:3]
        assert np.array_equal(values, [1, int(hz or 0), 0])
