"""Small programs that once gave another result than CPython, or were refused.

Random programs found them, see docs/differential.md. Each runs on arguments near the edges of
their widths, in the interpreter and in the kernel.
"""

from __future__ import annotations

from typing import Any

import pytest

from pyebpf import testing
from pyebpf.targets import host_target
from tests.differential.running import Difference, Program, check

PARAMETERS = "a0: u8, a1: i16, a2: u32, a3: i64"
FOUND = {
    "an item of a tuple that computes": """
def counted(n: u8) -> u8:
    cells[n % 16] += 1
    return n


def f({parameters}) -> i64:
    cells[1] = (counted(a0), a1, counted(a2))[1]
    return divmod(a1 & 63, a2 | 1)[1] * 100 + divmod(a1, a0 | 1)[0]
""",
    "what is never there, or else a number": """
def never(n: u8) -> u8 | None:
    cells[n % 16] += 1
    return None


def f({parameters}) -> i64:
    return ((never(a0) or 7) & 15) + (5 if never(1) and a1 else 6)
""",
    "a constant for a parameter that gets another value": """
@noinline
def changed(p: u8, q: i64) -> i64:
    if q:
        p = q + 1
        q += 3
    return p * 1000 + q


def f({parameters}) -> i64:
    return changed(300, a0) + changed(a1, 4) + changed(p=7, q=0)
""",
    "an atomic change of an array in an entry": """
def f({parameters}) -> i64:
    sheets[a0] = Sheet()
    sheet = sheets.get(a0)
    if sheet is not None:
        sheet.kind.halves[a1 % 2] += a0
        sheet.kind.halves[-1] |= 5
        return sheet.kind.whole & 0xFFFFFFFF
    return -1
""",
    "a character that is not there, and a comparison whose answer is known": """
def f({parameters}) -> i64:
    row = words.get(0)
    assert row is not None
    if row.text[2] == "abc" or row.text[1][1:] == "longer" or row.text[0].endswith("abcdef"):
        return 1
    return 2
""",
    "a constant text that begins or ends with one of several": """
def named(text: Char, n: u8) -> i64:
    if text.startswith(("ab", "é")) or text.endswith(("yz", "z")):
        return ord(text[0])
    return n


def f({parameters}) -> i64:
    return named("abc", a0) + named("xyz", a0) * 1000 + named("q", a0)
""",
    "the least of numbers that no type holds together": """
def f({parameters}) -> i64:
    t: u64 = a3
    low = min(min(t, a0), a3, a1)
    high = ~max(255, a0, -2) % 3
    return min(t, a3) if a0 & 1 else low + high + max(a3, min(t, 255), -5) // 2
""",
    "a quotient of something that is not negative": """
def f({parameters}) -> i64:
    t: u64 = a3
    return min(a2 - 208 // (t | 1), 85) + int(a0 - 1000 // (t | 1) < 85)
""",
    "a constant text at a place that is no multiple of 8": """
def f({parameters}) -> i64:
    row = Row(text="abcdefgh", n=a0)
    sheet = Sheet()
    for i in range(a0 & 3):
        sheet.rows[i % 3].text = "bcd"
        row.n = i
    sheet.rows[2] = row
    sheets[1] = sheet
    return row.n
""",
    "a test for None in one value with a test for zero": """
def f({parameters}) -> i64:
    wide: u64 = a2
    one = table.get(a0)
    other = recs.get(a1 & 7)
    none = wide == 0 and one is None
    either = other is None or a3 != 0
    both = one is None and other is None
    mixed = int(one is None) | int(wide != 0)
    table[a0 & 3] = 1
    return none + 2 * either + 4 * both + 8 * mixed
""",
    "a text that is made from the one it replaces": """
def f({parameters}) -> i64:
    row = words.get(3)
    other = words.get(3)
    if row is None or other is None:
        return 7
    row.text = row.text[1:]
    other.text = row.text[:3]
    sheet = Sheet(count=a0)
    sheet.rows[1].text = "abcde"
    sheet.rows[1].text = sheet.rows[1].text[2:4]
    sheet.rows[0] = sheet.rows[1]
    row.text = row.text[2]
    sheets[1] = sheet
    return len(row.text)
""",
    "a character that is not there, for a field": """
def f({parameters}) -> i64:
    row = words.get(a0 & 3)
    assert row is not None
    row.text = row.text[3]
    return 1
""",
    "a record that is made from the one it replaces": """
def f({parameters}) -> i64:
    sheet = Sheet(count=a0)
    sheet.kind.whole = a3
    sheet.rows[1] = Row(n=a1, text="abc")
    sheet.rows[1] = Row(text=sheet.rows[1].text)
    sheet.rows[2] = Row(n=5, text=sheet.rows[1].text[1:])
    sheet = Sheet(count=3, kind=sheet.kind, rows=sheet.rows)
    sheets[1] = sheet
    row = Row(n=4, text="xyz")
    row = Row(text=row.text)
    words[1] = row
    entry = sheets.get(1)
    if entry is not None:
        entry.rows[0] = Row(text=entry.rows[2].text, n=entry.rows[1].n)
        entry.rows[2] = Row(text=entry.rows[2].text)
    return sheet.count
""",
    "a later argument that cannot be computed": """
def counted(n: u8) -> u8:
    cells[n % 16] += 1
    return n


def f({parameters}) -> i64:
    return min(a3 & 7, counted(a0), max((a1 & 15) for i in range(a2 & 1)))
""",
    "a number that is divided where what it was widened to is, too": """
def f({parameters}) -> i64:
    narrow: u32 = a1
    wide: u64 = narrow
    if a3 > 7:
        wide += (narrow // 8388607) * 3 + narrow % 8388607
    return wide & 0x7FFFFFFFFFFF
""",
    "a load of an argument where another way ends with one of a map": """
def f(a0: i64, a1: i32, a2: i64, a3: u16) -> i32:
    v: u8 = a3 * a1
    n = cells[v % 16] if a2 == 838 else a0
    return n & (((a3 & 1) * (a2 % 2147483647)) * (cells[a2 % 16] % 255))
""",
    "a slice of a text, whose end is in a register": """
def f({parameters}) -> i64:
    entry = words.get(1)
    assert entry is not None
    text = entry.text
    size = len(text[:2])
    x: FixedArray[u64] = array(6)
    n: u8 = (size % 63) << (a2 & 7)
    while n != 0:
        n &= n - 1
        if size in (21, 130, 533):
            for number, j in enumerate(x):
                if text in ('bcdefgh', 'éé', ''):
                    if j >= a3:
                        return 266
                else:
                    other = words.get(3)
                    if other is not None:
                        other.text = other.text[:2]
    return a2
""",
    "a function whose result nobody uses": """
@noinline
def helper(p0: u16, p1: u8, p2: u64) -> i64:
    if p0 < p0 or p2 < p1:
        pass
    elif not 4 >= p2:
        p0 = p1
    else:
        for j in range(3):
            sheet = Sheet(count=bool(p1 >= p0))
            sheet.rows[(65 ^ j) % 3].text = sheet.rows[(65 ^ j) % 3].text[1:]
    return -1

def f(a0: i8, a1: u32, a2: i32, a3: u32) -> i32:
    v: u16 = a2 if 8 ^ a2 <= -2 else helper(a0, p1=a3, p2=a1)
    return min(((a2 ^ a1) & 255 for g in range(250 & 7) if a1 < a0 or a1 > a0))
""",
    "one of two arguments": """
def f(a0: u32, a1: i8, a2: i16, a3: i64) -> i64:
    for j in (1, 2):
        table[3] = (a0 if -1 >= a3 else a2) & 255
    return a3
""",
    "an entry that a turn of a called loop returns with": """
def f(a0: i32, a1: u64, a2: i8, a3: i16) -> i64:
    for j in range((a0 or a3) & 7):
        entry = sheets.get(-a0)
        if entry is not None:
            return entry.count | a1
    n: u8 = a1
    while n != 0:
        n &= n - 1
        other = recs.get(n & 3)
        if other is not None and other.a > a2:
            other.b = n
            break
    return a3
""",
    "an entry that another one has taken the place of": """
def f({parameters}) -> i64:
    old = words.get(2)
    assert old is not None
    words[2] = Row(n=a1, text='new')
    old.text = 'old'
    old.n += 3
    return old.n
""",
}


def _found(name: str, target: Any, *, kernel: bool) -> list[Difference]:
    text = FOUND[name].replace("{parameters}", PARAMETERS).strip() + "\n\n\n"
    return check([Program(1, "f", text)], target, kernel=kernel, cases=25)


@pytest.mark.parametrize("name", FOUND)
def test_the_interpreter_gives_what_python_gives(name: str) -> None:
    assert _found(name, testing.target(), kernel=False) == []


@pytest.mark.kernel
@pytest.mark.parametrize("name", FOUND)
def test_the_kernel_gives_what_python_gives(name: str) -> None:
    assert _found(name, host_target(), kernel=True) == []
