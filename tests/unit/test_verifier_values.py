"""From a register that the verifier complains about to the value of the source that it held."""

from __future__ import annotations

import pytest

from pyebpf.runtime.verifier_values import describe, origin_of
from pyebpf.spec.objects import LineInfo

COPIED = """\
0: (85) call bpf_map_lookup_elem#1
1: (bf) r6 = r0
2: (85) call bpf_ktime_get_ns#5
3: (07) r6 += 8
4: (79) r1 = *(u64 *)(r6 +0)
"""
KEPT = """\
0: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=table,ks=4,vs=8)
1: (7b) *(u64 *)(r10 -16) = r0        ; R0=map_value_or_null(id=1,map=table,ks=4,vs=8)
2: (b7) r0 = 0
3: (7b) *(u64 *)(r10 -8) = r0
4: (79) r3 = *(u64 *)(r10 -16)
5: (79) r1 = *(u64 *)(r3 +0)
"""
#: The verifier goes one way at instruction 1 to the end, then back to it for the other.
OTHER_WAY = """\
0: (85) call bpf_map_lookup_elem#1
1: (15) if r6 == 0x0 goto pc+3
2: (b7) r0 = 7
3: (bf) r1 = r0
4: (95) exit
from 1 to 5: R0=map_value_or_null R6=0 R10=fp0
5: (79) r1 = *(u64 *)(r0 +0)
"""
SUMMED = """\
0: (79) r2 = *(u64 *)(r1 +8)
1: (85) call bpf_map_lookup_elem#1
2: (79) r1 = *(u64 *)(r0 +0)
3: (0f) r0 += r1
"""
COMPUTED = "0: (79) r2 = *(u64 *)(r1 +8)\n1: (57) r2 &= 255\n2: (79) r1 = *(u64 *)(r2 +0)\n"
SHORT = "0: (61) w2 = *(u32 *)(r1 +8)\n1: (bc) w3 = w2\n2: (79) r1 = *(u64 *)(r3 +0)\n"


@pytest.mark.parametrize(
    ("log", "reason", "culprit", "found"),
    [
        (COPIED, "R6 invalid mem access 'map_value_or_null'", 4, (6, 0, False)),
        (KEPT, "R3 invalid mem access 'map_value_or_null'", 5, (3, 0, False)),
        (OTHER_WAY, "R0 invalid mem access 'map_value_or_null'", 5, (0, 0, False)),
        (
            SUMMED,
            "math between map_value pointer and register with unbounded min value",
            3,
            (1, 2, False),
        ),
        (COMPUTED, "R2 invalid mem access 'scalar'", 2, (2, 1, True)),
        (SHORT, "R3 invalid mem access 'inv'", 2, (3, 0, False)),
        # A call leaves nothing in r1; nothing gave r7 a value; no register is named.
        (SUMMED, "R1 !read_ok", 2, None),
        (COPIED, "R7 !read_ok", 4, None),
        (COPIED, "BPF program is too large", 4, None),
        # The listing does not have the instruction, or is not there at all.
        (COPIED, "R6 invalid mem access 'scalar'", 9, None),
        ("", "R6 invalid mem access 'scalar'", 0, None),
    ],
)
def test_where_a_register_got_its_value(
    log: str, reason: str, culprit: int, found: tuple[int, int, bool] | None
) -> None:
    assert origin_of(reason, log, culprit) == found


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("    seen = table.get(pid)", 12, "`seen`, which is `table.get(pid)`"),
        ("    seen: u64 = f(a, (b))[1]  # why", 17, "`seen`, which is `f(a, (b))[1]`"),
        ("    if seen.count > limit:", 8, "`seen.count`"),
        ("    return (a + b) * c", 12, "`(a + b)`"),
        ("    seen.count += 1", 0, "`seen.count += 1`"),
    ],
)
def test_what_the_source_calls_it(text: str, column: int, said: str) -> None:
    assert describe(LineInfo(0, "probe.py", text, 3, column), computed=False) == said


def test_of_a_sum_the_whole_line_is_shown() -> None:
    line = LineInfo(0, "probe.py", "    total = a.b + c.d", 3, 13)
    assert describe(line, computed=True) == "a result of `total = a.b + c.d`"
