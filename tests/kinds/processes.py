"""Programs at functions of a library that only this process runs: a copy made for the case."""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from pyebpf import (
    Array,
    Session,
    UprobeContext,
    UserPtr,
    i32,
    read_user_str,
    u8,
    u64,
    uprobe,
    uretprobe,
    usdt,
)
from pyebpf.dsl.probes import Probe
from tests.kinds.case import Steps, case

CALLS = 10
SOURCE = """
#include <string.h>
/* What <sys/sdt.h> makes of a probe with one argument. */
#define NOTE(number) __asm__ volatile( \
    "990: nop\\n .pushsection .note.stapsdt,\\"\\",\\"note\\"\\n .balign 4\\n" \
    ".4byte 992f-991f, 994f-993f, 3\\n 991: .asciz \\"stapsdt\\"\\n 992: .balign 4\\n" \
    "993: .8byte 990b, 0, 0\\n .asciz \\"pyebpf\\"\\n .asciz \\"noted\\"\\n .asciz \\"-8@%0\\"\\n" \
    "994: .balign 4\\n .popsection" : : "nor"(number))
long pyebpf_probed(const char *text, long number)
{
    NOTE(number);
    return number + (long)strlen(text);
}
"""

counts = Array[u64](max_entries=4)


@cache
def library() -> Path:
    """Make the library, once for all cases: it goes with this process.

    Raises:
        FileNotFoundError: there is no compiler.
    """
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise FileNotFoundError("no C compiler: a library to probe cannot be made")
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    source, made = Path(folder.name, "probed.c"), Path(folder.name, "libprobed.so")
    source.write_text(SOURCE)
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", made, source], check=True)
    return made


def counted(session: Session, path: Path) -> list[int]:
    called = ctypes.CDLL(str(path)).pyebpf_probed
    called.argtypes, called.restype = [ctypes.c_char_p, ctypes.c_long], ctypes.c_long
    for number in range(CALLS):
        called(b"hello", number)
    called(b"other", 1000)
    return [int(value) for value in session[counts].values()[:2]]


def check(steps: Steps, make: Callable[[Path], Probe], *expected: int) -> None:
    path = library()
    probe = make(path)
    with steps.loaded(probe) as session:
        link = steps.attach(session, probe)
        got = counted(session, path)
        link.close()
        steps.fired([got, counted(session, path)], [[*expected], [*expected]])


def begins(symbol: str, sleepable: bool) -> Callable[[Path], Probe]:
    def make(path: Path) -> Probe:
        @uprobe(path, symbol, pid=os.getpid(), sleepable=sleepable)
        def enters(ctx: UprobeContext, text: UserPtr[u8], number: u64) -> None:
            if read_user_str(text, 16) == "hello":
                counts[0] += 1
                counts[1] += number

        return enters

    return make


def noted(sleepable: bool) -> Callable[[Path], Probe]:
    def make(path: Path) -> Probe:
        @usdt(path, "pyebpf:noted", pid=os.getpid(), sleepable=sleepable)
        def passes(ctx: UprobeContext, number: u64) -> None:
            counts[0] += 1
            counts[1] += number

        return passes

    return make


def ends(symbol: str, sleepable: bool) -> Callable[[Path], Probe]:
    def make(path: Path) -> Probe:
        @uretprobe(path, symbol, pid=os.getpid(), sleepable=sleepable)
        def leaves(ctx: UprobeContext, ret: u64) -> None:
            counts[0] += 1
            counts[1] += ret

        return leaves

    return make


def both_ends(sleepable: bool) -> Callable[[Path], Probe]:
    def make(path: Path) -> Probe:
        @uprobe(path, "pyebpf_probed", session=True, pid=os.getpid(), sleepable=sleepable)
        def both(ctx: UprobeContext, text: UserPtr[u8], number: u64) -> i32:
            counts[0] += 1
            if number == 1000:
                counts[1] += 1
                return 1  # not again at the end
            return 0

        return both

    return make


#: What both sum: the numbers at the beginning, and with the length of the text at the end.
GIVEN = sum(range(CALLS))
RETURNED = GIVEN + 5 * CALLS + 1005


@case("uprobe", "uprobe_attach")
def a_function(steps: Steps) -> None:
    check(steps, begins("pyebpf_probed", sleepable=False), CALLS, GIVEN)


@case("uprobe.s", "uprobe_attach")
def a_function_asleep(steps: Steps) -> None:
    check(steps, begins("pyebpf_probed", sleepable=True), CALLS, GIVEN)


@case("uprobe.multi", "uprobe_attach", old_way=True)
def a_pattern(steps: Steps) -> None:
    check(steps, begins("pyebpf_*", sleepable=False), CALLS, GIVEN)


@case("uprobe.multi.s", "uprobe_attach", "prog:uprobe.s", old_way=True)
def a_pattern_asleep(steps: Steps) -> None:
    check(steps, begins("pyebpf_*", sleepable=True), CALLS, GIVEN)


@case("usdt", "uprobe_attach")
def a_note(steps: Steps) -> None:
    check(steps, noted(sleepable=False), CALLS + 1, GIVEN + 1000)


@case("usdt.s", "uprobe_attach")
def a_note_asleep(steps: Steps) -> None:
    check(steps, noted(sleepable=True), CALLS + 1, GIVEN + 1000)


@case("uretprobe", "uprobe_attach")
def a_return(steps: Steps) -> None:
    check(steps, ends("pyebpf_probed", sleepable=False), CALLS + 1, RETURNED)


@case("uretprobe.s", "uprobe_attach")
def a_return_asleep(steps: Steps) -> None:
    check(steps, ends("pyebpf_probed", sleepable=True), CALLS + 1, RETURNED)


@case("uretprobe.multi", "uprobe_attach", old_way=True)
def the_returns_of_a_pattern(steps: Steps) -> None:
    check(steps, ends("pyebpf_*", sleepable=False), CALLS + 1, RETURNED)


@case("uretprobe.multi.s", "uprobe_attach", "prog:uprobe.s", old_way=True)
def the_returns_of_a_pattern_asleep(steps: Steps) -> None:
    check(steps, ends("pyebpf_*", sleepable=True), CALLS + 1, RETURNED)


@case("uprobe.session", "uprobe_attach")
def at_both_ends(steps: Steps) -> None:
    check(steps, both_ends(sleepable=False), 2 * CALLS + 1, 1)


@case("uprobe.session.s", "uprobe_attach")
def at_both_ends_asleep(steps: Steps) -> None:
    check(steps, both_ends(sleepable=True), 2 * CALLS + 1, 1)
