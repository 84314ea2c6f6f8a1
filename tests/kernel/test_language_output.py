"""What leaves a probe: printed lines, as Python prints them, and events of any type."""

from __future__ import annotations

import contextlib
import io

import pytest

from pyebpf import Events, RawTracepointContext, comm, i64, raw_tracepoint, tid, u8, u32
from tests.kernel.running import cell, fire, loaded

pytestmark = pytest.mark.kernel

FORMATS = (
    "{n}", "{n!r}", "{n!s:>8}", "{n!a:<8}|", "{n:x}", "{n:X}", "{n:#x}", "{n:08b}", "{n:>8}",
    "{n:^9}|", "{n:+,}", "{n:_}", "{n:#o}", "{n:e}", "{n:.2f}", "{n:{W}}", "{n:<{W}x}|",
    "{n:{'0'}>{W}}", "{s}", "{s:+d}", "{s!r:>6}", "{s:=+8}", "{s:05}", "{n + s}", "{n=}",
    "{s=:>5}", "{n == 65}",
    "{b}", "{b!r:>7}", "{b:d}", "{b:>3}", "{b:{W}}", "{(n, s)}", "{(n,)!r}", "{(n, (b, 'x'))}",
    "{{{n}}}", "{'abc':>5}{5:>3}{True}", "{'%'}{n}%",
)  # fmt: skip
W = 10
NUMBERS = ((65, -3), (0, 7), (1_234_567, -(1 << 20)))


@pytest.mark.thorough
def test_formats_are_pythons() -> None:
    lines = ["from pyebpf import *", f"W = {W}"]
    lines += ["def show(n: u64, s: i64, b: bool) -> None:"]
    lines += [f"    print(f{text!r})" for text in FORMATS]
    lines += ['    print(n, s, b, "text", 5, (n, b), sep="-", end=";")', "    print()"]
    lines += [
        '@raw_tracepoint("sys_enter")',
        "def probe(ctx: RawTracepointContext) -> int:",
        "    s: i64 = ctx.args[1]",
        "    show(ctx.args[0], s, ctx.args[0] > 3)",
        "    return 1",
    ]
    module = cell("\n".join(lines) + "\n")
    with loaded(module.probe) as session:
        for n, s in NUMBERS:
            expected = io.StringIO()
            with contextlib.redirect_stdout(expected):
                module.show(n, s, n > 3)
            assert fire(session, module.probe, n, s) == 1
            assert "".join(session.lines(0)) == expected.getvalue()


@raw_tracepoint("sys_enter")
def letter(ctx: RawTracepointContext) -> int:
    print(f"{ctx.args[0]:c}")
    return 1


def test_a_number_without_a_letter_does_not_end_the_reader() -> None:
    with loaded(letter) as session:
        assert [fire(session, letter, n) for n in (65, 1 << 32)] == [1, 1]
        first, second = session.lines(0)
        assert first == "A\n"
        assert second.startswith("<4294967296:c: ")


numbers = Events[i64](pages=1)
pairs = Events[tuple[u8, tuple[u32, bool]]](pages=1)


@raw_tracepoint("sys_enter")
def send(ctx: RawTracepointContext) -> int:
    numbers.emit(-ctx.args[0])
    numbers.emit(7)
    pairs.emit((ctx.args[0], (tid(), ctx.args[0] > 3)))
    print((comm(), 1)[1])
    return 1


def test_numbers_and_tuples_are_sent() -> None:
    with loaded(send) as session:
        assert fire(session, send, 5) == 1
        assert session[numbers].read().tolist() == [-5, 7]
        (batch,) = session[pairs].read().tolist()
        assert (batch[0], bool(batch[1][1])) == (5, True)
        assert session.lost() == {}
