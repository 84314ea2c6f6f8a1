"""execsnoop on a known workload: five programs, of which two cannot be executed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from tests.programs import run
from tests.tools.children import COMM, traced

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

ENOENT = 2
MANY = [f"arg{number}" for number in range(30)]
LONG = "a" * 127 + "b" * 300  # a piece is full at its 127th byte
EXACT = "c" * 127
COMMANDS = (
    ["true"],
    ["true", 'say "it"', "", "\x1b[2Jé"],
    ["true", LONG, EXACT, "d"],
    ["true", *MANY],
)


def executes(program: str, missing: str) -> list[int]:
    """Execute a program with several arguments, and one that is not there; returns the numbers."""
    made = []
    for command, file in [*((c, program) for c in COMMANDS), (["gone", EXACT, "x"], missing)]:
        child = os.fork()
        if not child:
            with suppress(OSError):
                os.execv(file, command)
            os._exit(0)
        os.waitpid(child, 0)
        made.append(child)
    return made


@pytest.fixture
def program() -> str:
    for path in ("/bin/true", "/usr/bin/true"):
        if Path(path).exists():
            return path
    pytest.skip("needs a program that does nothing (coreutils)")


def line(comm: str, child: int, pid: int, ret: int, args: str) -> str:
    return f"{comm:<16} {child:<7} {pid:<7} {ret:>3} {args}"


def test_every_program_is_a_line(program: str) -> None:
    def work() -> list[int]:
        return executes(program, "/no/such/program")

    pid, made, done = traced(work, "execsnoop", "-P", "-x")
    head, *lines = done.out.splitlines()
    assert head == "PCOMM            PID     PPID    RET ARGS"
    assert lines == [
        line("true", made[0], pid, 0, "true"),
        line("true", made[1], pid, 0, 'true say "it"  \\x1b[2Jé'),
        line("true", made[2], pid, 0, f"true {LONG} {EXACT} d"),
        line("true", made[3], pid, 0, " ".join(["true", *MANY[:19], "..."])),
        line(COMM, made[4], pid, -ENOENT, f"gone {EXACT} x"),
    ]


@pytest.mark.thorough
def test_other_columns_and_filters(program: str) -> None:
    def work() -> list[int]:
        return executes(program, "/no/such/program")

    flags = ("-MCUq", "-u", str(os.getuid()), "-n", "^tr", "-l", "arg2[05]", "--max-args", "50")
    pid, made, done = traced(work, "execsnoop", "-P", *flags)
    head, row = done.out.splitlines()
    assert head.split() == ["UID", "PCOMM", "PID", "PARENT", "PPID", "CPU", "RET", "ARGS"]
    user, comm, child, parent, ppid, cpu, ret, args = row.split(maxsplit=7)
    assert (user, comm, child) == (str(os.getuid()), "true", str(made[3]))
    assert (parent, ppid, ret) == (COMM, str(pid), "0")
    assert 0 <= int(cpu) < (os.cpu_count() or 1)
    assert args == " ".join(f'"{word}"' for word in COMMANDS[3])


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("-u", "nobody at all"), "-u: there is no user 'nobody at all'"),
        (("-n", "("), "-n: '(' is no regular expression"),
    ],
)
def test_wrong_command_lines(flags: tuple[str, ...], said: str) -> None:
    done = run("-m", "pyebpf.tools.execsnoop", *flags)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
