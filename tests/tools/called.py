"""A small library that tests compile for themselves, and call so and so often."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.speakers import Program, compiled

SOURCE = """
#include <setjmp.h>
#include <unistd.h>

#define EXPORT __attribute__((noinline, visibility("default")))

struct job { int number; short kind; char name[12]; struct job *next; };

static jmp_buf place;

EXPORT int leaf(int number) { asm volatile("" ::: "memory"); return number * 2; }
EXPORT int by_one_way(int number) { return leaf(number) + 1; }
EXPORT int by_another_way(int number) { return leaf(number) - 1; }

/* Calls itself: the time of a call contains that of the inner ones. */
EXPORT int nested(int depth, int us)
{
    usleep(us);
    return depth > 1 ? nested(depth - 1, us) + 1 : 1;
}

/* Some calls have no end. */
EXPORT int thrower(int number)
{
    if (number % 2)
        longjmp(place, 1);
    return number;
}
EXPORT int catcher(int number) { return setjmp(place) ? -1 : thrower(number) + 1; }

EXPORT long work(struct job *job, const char *text, long size) { return job->number + size; }
"""


class Job(ctypes.Structure):
    """What ``work`` takes."""


Job._fields_ = [
    ("number", ctypes.c_int),
    ("kind", ctypes.c_short),
    ("name", ctypes.c_char * 12),
    ("next", ctypes.POINTER(Job)),
]


def built(program: Program, folder: Path) -> Path:
    """Compile the library."""
    flags = ("-shared", "-fPIC", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls")
    return compiled(program, folder / "libcalled.so", SOURCE, *flags)


@pytest.fixture
def library(program: Program, tmp_path: Path) -> Path:
    """Give a library that nobody else has."""
    return built(program, tmp_path)


def functions(library: Path) -> Any:
    """Open it."""
    return ctypes.CDLL(str(library))


#: How often leaf() is called by each way, getppid(), and read().
CALLS, OTHERS, PARENTS, READS = 23, 7, 5, 11


def calling(library: Path) -> Callable[[], None]:
    """Return a work of known calls: of leaf() by both ways, of system calls."""
    called = functions(library)

    def work() -> None:
        for number in range(CALLS):
            called.by_one_way(number)
        for number in range(OTHERS):
            called.by_another_way(number)
        for _ in range(PARENTS):
            os.getppid()
        zero = os.open("/dev/zero", os.O_RDONLY)
        for _ in range(READS):
            os.read(zero, 10)
        os.close(zero)

    return work
