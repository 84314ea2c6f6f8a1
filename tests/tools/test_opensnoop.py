"""opensnoop on a known workload: eight opens, of which two fail."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import signal
import struct
from pathlib import Path

import pytest
from pyebpf.tools.opensnoop import flags_of

from tests.programs import run, running
from tests.tools.children import COMM, traced, waiting

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

READ, WRITE = os.O_RDONLY | os.O_CLOEXEC, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
OPENAT2 = 437  # on every machine
AT_FDCWD = -100


def opens(folder: Path) -> list[list[object]]:
    """Open eight files, and return what a line says of each: fd, error, flags, mode, path."""
    long = f"{folder}/{'d' * 200}/{'e' * 150}"
    calls: list[tuple[str, int, int]] = [
        (f"{folder}/there", READ, 0),
        (f"{folder}/not there", READ, 0),
        (f"{folder}/new", WRITE, 0o640),
        (long, READ, 0),
        (f"{folder}/there/file", READ, 0),
        (f"{folder}/\x1b[2Jé", WRITE, 0o600),
        ("relative", READ, 0),
    ]
    os.chdir(folder)
    rows: list[list[object]] = []
    for path, flags, mode in calls:
        try:
            fd, error = os.open(path, flags, mode), 0
            os.close(fd)
        except OSError as err:
            fd, error = -1, err.errno or 0
        rows.append([fd, error, flags, mode if flags & os.O_CREAT else None, path])
    how = ctypes.create_string_buffer(struct.pack("QQQ", READ, 0, 0))
    name = b"relative"
    fd = ctypes.CDLL(None).syscall(OPENAT2, AT_FDCWD, name, how, 24)
    rows.append([fd, 0, READ, None, "relative"])
    return rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ("d" * 200)).mkdir()
    for name in ("there", "relative", f"{'d' * 200}/{'e' * 150}"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def expected(pid: int, rows: list[list[object]]) -> list[str]:
    lines = []
    for fd, error, flags, mode, path in rows:
        shown = "n/a " if mode is None else f"{mode:04o}"
        name = str(path).replace("\x1b", "\\x1b")
        lines.append(f"{pid:<6} {COMM:<16} {fd:>4} {error:>3} {flags:08o} {shown} {name}")
    return lines


def test_every_open_is_a_line(folder: Path) -> None:
    pid, rows, done = traced(lambda: opens(folder), "opensnoop", "-p", "-e")
    head, *lines = done.out.splitlines()
    assert head == "PID    COMM               FD ERR FLAGS    MODE PATH"
    assert lines == expected(pid, rows)
    errors = [error for _, error, *_ in rows]
    assert sorted(errors) == [0] * 6 + [errno.ENOENT, errno.ENOTDIR]


@pytest.mark.thorough
def test_failed_opens(folder: Path) -> None:
    pid, rows, done = traced(lambda: opens(folder), "opensnoop", "-t", "-xeU")
    head, *lines = done.out.splitlines()
    assert head == "UID    TID    COMM               FD ERR FLAGS    MODE PATH"
    failures = [row for row in rows if row[1]]
    assert lines == [f"{os.getuid():<6} {line}" for line in expected(pid, failures)]


@pytest.mark.thorough
def test_opens_with_a_flag(folder: Path) -> None:
    words = ("-e", "-f", "O_CREAT", "-f", "O_TRUNC,O_APPEND", "-n", "own-w")
    pid, rows, done = traced(lambda: opens(folder), "opensnoop", "-p", *words)
    created = [row for row in rows if row[3] is not None]
    assert len(created) == 2
    assert done.out.splitlines()[1:] == expected(pid, created)


@pytest.mark.thorough
def test_a_name_that_the_process_does_not_have(folder: Path) -> None:
    _, _, done = traced(lambda: opens(folder), "opensnoop", "-p", "-n", "own-word")
    assert len(done.out.splitlines()) == 1


def relatives(folder: Path) -> list[str]:
    """Open relative paths in five folders, and return the same with those."""
    at = os.open(folder, os.O_PATH)
    os.open("relative", READ, dir_fd=at)
    os.chdir(folder / ("d" * 200))
    os.open("../there", READ)
    with pytest.raises(FileNotFoundError):
        os.open("missing/\x1b", READ)
    os.chdir("/proc/self")  # another file system than the root's
    os.open("stat", READ)
    os.chdir("/")
    os.open("proc", READ)
    deep = f"{folder}/{'d' * 200}"
    return [
        str(folder), f"{folder}/relative", f"{deep}/../there", f"{deep}/missing/\\x1b",
        f"/proc/{os.getpid()}/stat", "/proc",
    ]  # fmt: skip


@pytest.mark.thorough
def test_relative_paths_with_their_folders(folder: Path) -> None:
    _, paths, done = traced(lambda: relatives(folder), "opensnoop", "-p", "-F")
    assert [line.split(maxsplit=4)[4] for line in done.out.splitlines()[1:]] == paths


@pytest.mark.thorough
def test_flags_by_name() -> None:
    assert flags_of("O_CREAT") == os.O_CREAT
    assert flags_of("O_CREAT,O_RDWR") == os.O_CREAT | os.O_RDWR
    done = run("-m", "pyebpf.tools.opensnoop", "-f", "O_RDONLY")
    assert done.code == 2
    assert "-f: 'O_RDONLY' is no bit that can be looked for" in done.err
    assert "-f: 'O_X' is no flag of open" in run("-m", "pyebpf.tools.opensnoop", "-fO_X").err


def test_what_there_was_no_room_for_is_told() -> None:
    many = 500

    def work() -> None:
        for _ in range(many):
            os.close(os.open("/dev/null", READ))

    with waiting(work) as child:
        words = ("-m", "pyebpf.tools.opensnoop", "-b", "1", "-p", str(child.pid))
        with running(*words) as tool:
            tool.wait_for("COMM")
            tool.send(signal.SIGSTOP)  # nobody reads meanwhile
            child.go()
            tool.send(signal.SIGCONT)
            done = tool.interrupt()
    lines = done.out.count(" /dev/null\n")
    missing = re.fullmatch(r"opensnoop: (\d+) lines are missing: .*\n", done.err)
    assert missing is not None, done.err
    assert lines > 0
    assert lines + int(missing[1]) == many


@pytest.mark.thorough
def test_a_command_is_traced_from_its_beginning(folder: Path) -> None:
    done = run("-m", "pyebpf.tools.opensnoop", "-j", "--exec", "cat", f"{folder}/there", "nothing")
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert {row["comm"] for row in rows} == {"cat"}
    found = [(row["err"], row["path"]) for row in rows]
    wanted = [(0, f"{folder}/there"), (errno.ENOENT, "nothing")]
    assert [one for one in found if one in wanted] == wanted
    assert any("libc" in path for _, path in found), "what the loader opens is seen"


@pytest.mark.thorough
def test_wrong_commands(folder: Path) -> None:
    tool = ("-m", "pyebpf.tools.opensnoop")
    assert "--exec: the command is missing" in run(*tool, "--exec").err
    assert "can only use -p or --exec" in run(*tool, "-p", "1", "--exec", "true").err
    done = run(*tool, "--exec", "no-such-command")
    assert (done.code, done.out) == (2, "")
    assert "--exec: there is no program 'no-such-command'" in done.err
