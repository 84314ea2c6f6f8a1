"""The language means in the kernel what it means in Python.

A function marked ``@mirrored`` is compiled into a probe, run in the kernel on some arguments, and
called in CPython on the same ones. Results are compared modulo ``2**64``, the width of what carries
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyebpf import Session, i64, u8, u64
from pyebpf.spec.types import Int
from tests.kernel.running import cell, fire, loaded

pytestmark = pytest.mark.kernel

WORD = (1 << 64) - 1
MIRRORED: list[tuple[Any, list[tuple[int, ...]]]] = []


def mirrored(*cases: tuple[int, ...]) -> Callable[[Any], Any]:
    def keep(function: Any) -> Any:
        MIRRORED.append((function, list(cases)))
        return function

    return keep


# -- arithmetic: every operator on mixed widths and signs

EXPRESSIONS = (
    "a + b", "a - b", "a * b", "a & b", "a | b", "a ^ b", "~a", "-a", "+a", "abs(a)",
    "min(a, b)", "max(a, b, 3)", "a << 3", "a >> 2", "a >> (b & 70)", "a << (b & 7)",
    "a // 7", "a % 7", "b // 3 * 3 + b % 3",
    "a < b", "a <= b", "a == b", "a != b", "a > b", "a >= b", "-5 < a < b", "0 <= a < 10 <= b",
    "a and b", "a or b", "not a", "not a == b", "a if a > b else b", "(a > 2) + (b > 2)",
    "a in (1, 2, 3, b)", "b not in (0, -1)", "(t := a & 15) * t + t", "bool(a) + int(b != 0)",
    "a == 1 or b == 1 and a != 3", "min(max(a, -3), 100)",
)  # fmt: skip
DIVISIONS = ("a // (b | 1)", "a % (b | 1)", "a // -7", "a % -7")
PAIRS = (
    ("i64", "i64"), ("u64", "u64"), ("u64", "i64"), ("i64", "u64"), ("u8", "i8"), ("i32", "u32"),
    ("u64", "i8"), ("i16", "u64"), ("u32", "u32"), ("i8", "i16"), ("bool", "i32"),
)  # fmt: skip
DIVISION_PAIRS = (
    ("i64", "i64"), ("u8", "i8"), ("i32", "u32"), ("u32", "i16"), ("i8", "i8"), ("u16", "u8"),
)  # fmt: skip
PER_PROBE = 10


def values(kind: str) -> list[int]:
    if kind == "bool":
        return [0, 1]
    wide = Int(int(kind[1:]), signed=kind[0] == "i")
    near = {0, 1, 2, 3, 7, 10, -1, -2, -3, -7}
    edges = {wide.low, wide.low + 1, wide.high, wide.high - 1, wide.high // 2, 1 << wide.bits - 1}
    return sorted(v for v in near | edges if wide.low <= v <= wide.high)


def arithmetic_cell(expressions: tuple[str, ...], left: str, right: str) -> Any:
    """A module with a function for each expression, and probes that store what they give."""
    lines = ["from pyebpf import *", "out = Array[u64](max_entries=64)"]
    for number, text in enumerate(expressions):
        lines += [f"def f{number}(a: {left}, b: {right}):", f"    return {text}"]
    for first in range(0, len(expressions), PER_PROBE):
        lines += [
            '@raw_tracepoint("sys_enter")',
            f"def p{first}(ctx: RawTracepointContext) -> int:",
        ]
        last = min(first + PER_PROBE, len(expressions))
        given = "bool(ctx.args[0])" if left == "bool" else "ctx.args[0]"
        lines += [f"    out[{n}] = f{n}({given}, ctx.args[1])" for n in range(first, last)]
        lines += ["    return 1"]
    return cell("\n".join(lines) + "\n")


def check_arithmetic(expressions: tuple[str, ...], left: str, right: str) -> None:
    module = arithmetic_cell(expressions, left, right)
    probes = [getattr(module, f"p{n}") for n in range(0, len(expressions), PER_PROBE)]
    wrong = []
    with loaded(*probes) as session:
        out = session[module.out].view()
        for a in values(left):
            for b in values(right):
                assert all(fire(session, probe, a, b) == 1 for probe in probes)
                given = bool(a) if left == "bool" else a
                for number, text in enumerate(expressions):
                    expected = int(getattr(module, f"f{number}")(given, b)) & WORD
                    if int(out[number]) != expected:
                        wrong.append((text, a, b, int(out[number]), expected))
    assert wrong == []


@pytest.mark.thorough
@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_operators_give_what_python_gives(left: str, right: str) -> None:
    check_arithmetic(EXPRESSIONS, left, right)


@pytest.mark.thorough
@pytest.mark.parametrize(("left", "right"), DIVISION_PAIRS)
def test_division_rounds_down_and_the_rest_has_the_divisors_sign(left: str, right: str) -> None:
    check_arithmetic(DIVISIONS, left, right)


@pytest.mark.parametrize(("left", "right"), [("u64", "i64"), ("i64", "u64"), ("u64", "i8")])
def test_division_of_a_u64_and_a_negative_number(left: str, right: str) -> None:
    check_arithmetic(DIVISIONS, left, right)


def test_division_by_a_variable_zero_ends_the_program() -> None:
    text = """
from pyebpf import *
out = Array[u64](max_entries=2)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> int:
    out[0] += 1
    out[1] = {expression}
    return 1
"""
    for expression in ("7 // ctx.args[0]", "7 % ctx.args[0]"):
        module = cell(text.format(expression=expression))
        with loaded(module.probe) as session:
            assert fire(session, module.probe, 0) == 0
            assert session[module.out].view().tolist() == [1, 0]
            assert fire(session, module.probe, 2) == 1
            assert session[module.out].view().tolist() == [2, 3 if "//" in expression else 1]


# -- control flow

SMALL = tuple((n,) for n in range(9))


@mirrored(*SMALL)
def for_with_break(n: u64) -> u64:
    total = 0
    for i in range(10):
        if i == n:
            break
        total += i
    else:
        total = 1_000
    return total


@mirrored((3,), (20,))
def for_else_runs_without_break(n: u64) -> u64:
    seen = 0
    for i in range(2, 12, 3):
        if i > n:
            break
        seen = seen * 100 + i
    else:
        seen += 7
    return seen


@mirrored(*SMALL)
def for_with_continue(n: u64) -> u64:
    total = 0
    for i in range(20):
        if i % 3 == n % 3:
            continue
        total += i
    return total


@mirrored((0,), (5,))
def for_downwards(n: u64) -> i64:
    total = 0
    for i in range(10, -11, -3):
        total = total * 2 + i
    return total + n


@mirrored((0,), (1,), (4,))
def loops_in_loops(n: u64) -> u64:
    total = 0
    for i in range(5):
        for j in range(5):
            if j > i:
                break
            if i == n:
                continue
            total += i * 10 + j
        else:
            total += 1_000
    return total


@mirrored((0,), (3,))
def the_loop_variable_is_no_counter(n: u64) -> u64:
    turns = 0
    for i in range(6):
        turns += 1
        i = i + n  # noqa: PLW2901
    return turns * 100 + i


@mirrored((2,), (9,))
def an_empty_loop_runs_its_else(n: u64) -> u64:
    total = n
    for i in range(3, 3):
        total += i + 100
    total += 1
    return total


@mirrored((0,), (1,), (2,), (3,))
def early_returns(n: u64) -> i64:
    if n == 0:
        return -1
    if n == 1:
        return 10
    if n == 2:
        for i in range(5):
            if i == 3:
                return i * 11
    return 99


@mirrored((1, 2), (7, 0), (WORD, 3))
def swap(a: u64, b: u64) -> u64:
    a, b = b, a
    a, b, c = b, a + 1, a
    return a * 3 ^ b * 5 ^ c


@mirrored((5,), (6,))
def tuples_are_taken_apart(n: u64) -> u64:
    (a, b), c = (n, n + 1), (n + 2)
    d = e = c
    return (a, b, c)[1] * 100 + (a, b)[-1] + d * e + len((a, b, c))


@mirrored((0,), (5,))
def a_variable_holds_a_tuple(n: u64) -> u64:
    pair = (n, n + 1)
    if n > 3:
        pair = (7, 8)
    for i in range(3):
        pair = pair[1] + i, pair[0]
    deep = (1, pair)
    first, (_, last) = deep
    return pair[0] * 100 + pair[1] * 10 + first + last


@mirrored((0,), (1,), (2,), (255,))
def walrus(n: u64) -> u64:
    if (half := n // 2) > 0 and (again := half + 1) != 4:
        return half * 10 + again
    return half


@mirrored((0, 0), (0, 5), (5, 0), (5, 6))
def or_and_and_give_an_operand(a: u64, b: u64) -> u64:
    return (a or b or 7) * 1_000 + (a and b)


@mirrored((0,), (1,), (2,), (3,))
def conditional_expressions_nest(n: u64) -> i64:
    return -5 if n == 0 else 50 if n == 1 else (500 if n == 2 else 5_000)


@mirrored((0,), (1,), (7,))
def only_the_needed_side_is_computed(n: u64) -> u64:
    return 100 // n if n else 1_000


@mirrored((0,), (1,), (7,))
def and_stops_before_the_division(n: u64) -> u64:
    return 1 if n and 14 % n == 0 else 0


# -- widths


@mirrored((0,), (255,), (256,), (WORD,))
def an_annotated_argument_wraps_before_the_call(n: u64) -> u64:
    return n & 255


def narrow(n: u8) -> u64:
    return n * 2


@mirrored((3,), (200,))
def an_expression_is_wider_than_its_operands(n: u64) -> u64:
    return narrow(n)


@mirrored((0,), (1,), (WORD,))
def a_counter_in_a_loop_has_64_bits(n: u64) -> u64:
    total = n
    for _ in range(5):
        total = total * 3 + 1
    return total


@mirrored((0,), (9,))
def a_variable_holds_all_that_is_assigned(n: u64) -> i64:
    x = 1
    if n:
        x = -1
    return x * 300


@mirrored((0,), (1,), (2,))
def bools_count(n: u64) -> u64:
    big = n > 1
    return big + (not big) * 10 + (big is not None) * 100 + True


@mirrored((0, 3), (1, 3), (5, 0))
def a_mix_of_bool_and_number_keeps_its_operand(a: u64, b: u64) -> u64:
    return (a > 2 or b) * 10 + (a < 2 and b)


# -- functions

FACTOR = 3


def scaled(n: u64, times: u64 = FACTOR, *, plus: u64 = 0) -> u64:
    return n * times + plus


@mirrored((0,), (5,))
def defaults_and_keywords(n: u64) -> u64:
    return scaled(n) + scaled(n, 4) * 100 + scaled(times=5, n=n, plus=n + 1) * 10_000


def sign(n: i64) -> i64:
    if n < 0:
        return -1
    if n > 0:
        return 1
    return 0


def clamped(n: i64) -> i64:
    return min(max(n, -10), 10) * sign(n)


@mirrored((0,), (5,), (WORD - 3,))
def functions_call_functions(n: u64) -> i64:
    return clamped(n if n < 100 else -4) + sign(n - 3 if n < 100 else -1) * 50


def smallest_divisor(n: u64) -> u64:
    for d in range(2, 40):
        if n % d == 0:
            return d
    return n


@mirrored((2,), (9,), (35,), (41,))
def a_function_returns_from_its_loop(n: u64) -> u64:
    return smallest_divisor(n) * 1_000 + smallest_divisor(n + 1)


def maybe(n: u64) -> u64 | None:
    if n > 3:
        return n * 2
    return None


def falls_off(n: u64) -> u64 | None:
    if n > 3:
        return n
    return None


@mirrored((0,), (4,))
def none_is_told_from_zero(n: u64) -> u64:
    got = maybe(n)
    if got is None:
        return 1
    other = falls_off(n - 4 + 4)
    if other is not None and other > 3:
        return got + other
    return 2


@mirrored((0,), (4,), (9,))
def none_in_a_conditional(n: u64) -> u64:
    got = maybe(n) if n < 9 else None
    return 7 if got is None else got


@mirrored((0,), (4,))
def walrus_narrows(n: u64) -> u64:
    if (got := maybe(n)) is not None:
        return got
    return 5


@mirrored((0,), (4,))
def not_narrows(n: u64) -> u64:
    got = maybe(n)
    if not got:
        return 3
    return got


@mirrored((0,), (4,))
def or_narrows(n: u64) -> u64:
    got = maybe(n)
    if got is None or got < 3:
        return 3
    return got


@mirrored((0,), (4,))
def or_gives_a_default(n: u64) -> u64:
    return (maybe(n) or 11) * 2


@mirrored((0,), (4,), (5,))
def a_condition_as_a_value_narrows(n: u64) -> bool:
    got = maybe(n)
    same = got is not None and got == 8
    return same  # noqa: RET504 - the value of a condition is kept in a variable


@mirrored((0,), (4,))
def a_none_variable_gets_a_value(n: u64) -> u64:
    got = None
    for i in range(3):
        if i == n % 3:
            got = i
    return 9 if got is None else got


@pytest.fixture(scope="module")
def mirrors() -> Iterator[tuple[Session, Any]]:
    lines = ["from pyebpf import *", "out = Array[u64](max_entries=1)"]
    for function, cases in MIRRORED:
        name = function.__name__
        given = ", ".join(f"ctx.args[{n}]" for n in range(len(cases[0])))
        lines += [
            '@raw_tracepoint("sys_enter")',
            f"def p_{name}(ctx: RawTracepointContext) -> int:",
        ]
        lines += [f"    out[0] = {name}({given})", "    return 1"]
    names = {function.__name__: function for function, _ in MIRRORED}
    module = cell("\n".join(lines) + "\n", **names)
    with loaded(*(getattr(module, f"p_{name}") for name in names)) as session:
        yield session, module


@pytest.mark.parametrize(("function", "cases"), MIRRORED, ids=lambda v: getattr(v, "__name__", ""))
def test_a_function_gives_what_python_gives(
    mirrors: tuple[Session, Any], function: Any, cases: list[tuple[int, ...]]
) -> None:
    session, module = mirrors
    out = session[module.out].view()
    for case in cases:
        out[0] = 0xDEAD
        assert fire(session, f"p_{function.__name__}", *case) == 1
        assert int(out[0]) == int(function(*case)) & WORD, case
