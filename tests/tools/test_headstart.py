"""A head start: probes attached as the last time, before the tool is imported, and what follows."""

from __future__ import annotations

import marshal
import os
import resource
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pyebpf.abi import constants as c
from tests.kernel.namespaces import own_cgroup
from tests.programs import ROOT, Done, attached, until
from tests.tools.children import waiting

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

HEADER = "PID    COMM               FD ERR PATH\n"
#: At the least: openat and openat2, where they begin and where they return.
LINKS = 4
OPENS = 23
#: Places in what is written down, and the bytes of the cache before that.
MISSES, STEPS, HEAD = 1, 4, 16
#: In place of a module that a tool imports behind its head start: it waits until that file is gone.
STUCK = """
import time
from _contextvars import Context, ContextVar, Token, copy_context
while True:
    try:
        open({file!r}).close()
    except FileNotFoundError:
        break
    time.sleep(0.01)
"""


def opens() -> None:
    for _ in range(OPENS):
        os.close(os.open("/dev/null", os.O_RDONLY))


class Starts:
    """Starts of one command line of ``opensnoop``, with a cache of their own."""

    program: tuple[str, ...] = ("-m", "pyebpf.tools.opensnoop")

    def __init__(self, folder: Path, *words: str) -> None:
        self._folder, self._words = folder, words
        self._stuck = folder / "stuck"
        self._modules = folder / "modules"
        self._modules.mkdir(exist_ok=True)

    @contextmanager
    def begun(self, *, stuck: bool = False) -> Iterator[subprocess.Popen[str]]:
        """Start it, and read its header; the rest of its imports waits if it gets ``stuck``."""
        module = self._modules / "contextvars.py"
        if stuck:
            self._stuck.touch()
            module.write_text(STUCK.format(file=str(self._stuck)))
        process = self._process()
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == HEADER, process.communicate()[1]
            yield process
        finally:
            module.unlink(missing_ok=True)
            process.kill()
            process.communicate()

    def _process(self, prepare: Callable[[], None] | None = None) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": f"{self._modules}:{ROOT}",
            "PYEBPF_CACHE": "on",
            "PYEBPF_CACHE_DIR": str(self._folder / "cache"),
        }
        return subprocess.Popen(
            [sys.executable, *self.program, *self._words],
            cwd=ROOT, env=environment, text=True, preexec_fn=prepare,  # noqa: PLW1509
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, prepare: Callable[[], None]) -> Done:
        """Have it run to its end, when it was prepared."""
        process = self._process(prepare)
        out, err = process.communicate(timeout=120)
        return Done(process.returncode, out, err)

    def once(self) -> list[str]:
        """Start it, and end it at once; return what it printed besides its header."""
        with self.begun() as process:
            return ended(process)

    def go_on(self) -> None:
        """Let what is stuck go on."""
        self._stuck.unlink()

    def file(self) -> Path:
        (path,) = (self._folder / "cache").glob("ahead-*")
        return path

    def plan(self) -> list[Any]:
        """Return what is written down; its last parts are the calls."""
        data = self.file().read_bytes()
        return list(marshal.loads(data[HEAD:]))

    def tamper(self) -> None:
        """Have the first map that it makes be larger than the one that is asked for."""
        plan = self.plan()
        steps = list(plan[STEPS])
        at = next(n for n, ((_, words, _), *_) in enumerate(steps) if words[1] == c.BPF_MAP_CREATE)
        (name, words, (attr, *more)), *rest = steps[at]
        entries = int.from_bytes(attr[12:16], sys.byteorder) * 2
        attr = attr[:12] + entries.to_bytes(4, sys.byteorder) + attr[16:]
        steps[at] = ((name, words, (attr, *more)), *rest)
        self._write(*plan[:STEPS], tuple(steps))

    def borrow(self, other: Starts) -> None:
        """Have it do what another command line did."""
        self._write(self.plan()[0], *other.plan()[1:])

    def _write(self, *plan: Any) -> None:
        data = marshal.dumps(plan)
        head = struct.pack("<8sII", self.file().read_bytes()[:8], zlib.crc32(data), len(data))
        self.file().write_bytes(head + data)


def links_of(process: subprocess.Popen[str]) -> int:
    """Return how many probes it has attached."""
    count = 0
    while attached(process.pid, count + 1):
        count += 1
    return count


def ended(process: subprocess.Popen[str]) -> list[str]:
    process.send_signal(signal.SIGINT)
    return finished(process)


def finished(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return out.splitlines()


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(n, marks=pytest.mark.thorough) for n in (signal.SIGTERM, None))],
    ids=str,
)
def test_what_happens_before_the_tool_is_imported_is_traced(
    tmp_path: Path, number: signal.Signals | None
) -> None:
    with waiting(opens) as child:
        starts = Starts(tmp_path, "-p", str(child.pid))
        assert [starts.once(), starts.once()] == [[], []]  # compiled; from the cache, and noted
        with starts.begun(stuck=True) as process:
            assert attached(process.pid, LINKS)
            child.go()
            if number is not None:
                process.send_signal(number)
            starts.go_on()
            lines = finished(process) if number is not None else ended(process)
    assert len(lines) == OPENS
    assert {line.split()[-1] for line in lines} == {"/dev/null"}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "words",
    [
        ("-mpyebpf.tools.opensnoop",),
        ("-X", "utf8", "-m", "pyebpf", "opensnoop"),
        ("{folder}/pyebpf", "opensnoop"),
    ],
    ids=" ".join,
)
def test_however_a_tool_is_called(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "pyebpf").write_text("import sys\nfrom pyebpf.cli import main\nsys.exit(main())\n")
    with waiting(opens) as child:
        starts = Starts(tmp_path, "-p", str(child.pid))
        starts.program = tuple(word.format(folder=tmp_path) for word in words)
        starts.once(), starts.once()
        with starts.begun(stuck=True) as process:
            assert attached(process.pid, LINKS)
            starts.go_on()
            assert ended(process) == []


@pytest.mark.thorough
def test_a_second_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    starts = Starts(tmp_path, "-p", str(os.getpid()))
    starts.once(), starts.once()
    with starts.begun(stuck=True) as process:
        while process.poll() is None:  # two at once would be one
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
    assert process.returncode == 128 + signal.SIGINT


@pytest.mark.thorough
def test_words_that_mean_another_cgroup_now(tmp_path: Path) -> None:
    with own_cgroup() as group, waiting(opens) as child:
        starts = Starts(tmp_path, "-p", str(child.pid), "--cgroup", str(group))
        starts.once(), starts.once()
        before = starts.plan()
        group.rmdir()
        group.mkdir()
        (group / "cgroup.procs").write_text(str(child.pid), encoding="ascii")
        starts.once(), starts.once()  # the first of them has to compile
        after = starts.plan()
        assert after[MISSES] == 0
        assert after[STEPS] != before[STEPS]
        with starts.begun(stuck=True) as process:
            assert attached(process.pid, LINKS)
            child.go()
            starts.go_on()
            assert len(ended(process)) == OPENS


@pytest.mark.thorough
def test_what_would_see_its_own_start_has_none(tmp_path: Path) -> None:
    with own_cgroup() as group:
        starts = Starts(tmp_path, "--cgroup", str(group))
        starts.once(), starts.once()
        assert not list((tmp_path / "cache").glob("ahead-*"))


def test_what_is_asked_for_counts_and_not_what_was(tmp_path: Path) -> None:
    with waiting(opens) as child:
        starts = Starts(tmp_path, "-p", str(child.pid))
        starts.once(), starts.once()
        for misses in (1, 2):
            starts.tamper()
            with starts.begun() as process:
                assert process.stderr is not None
                assert "is traced only from here on" in process.stderr.readline()
                if misses == 2:
                    child.go()
                assert len(ended(process)) == OPENS * (misses == 2)
            assert starts.plan()[MISSES] == misses
        assert starts.once() == [], "the header comes once"
        with starts.begun() as process:
            assert ended(process) == []
        assert starts.plan()[MISSES] == 2, "it is left alone"


def test_what_nobody_asked_for_is_not_counted(tmp_path: Path) -> None:
    with waiting(opens) as child, waiting(opens) as other:
        for folder in ("child", "other"):
            (tmp_path / folder).mkdir(exist_ok=True)
        starts = Starts(tmp_path / "child", "-p", str(child.pid))
        others = Starts(tmp_path / "other", "-p", str(other.pid))
        starts.once(), others.once(), others.once()
        with starts.begun() as process:
            links = links_of(process)
            assert ended(process) == []
        starts.borrow(others)  # the maps are the same, and the programs are not
        with starts.begun(stuck=True) as process:
            assert attached(process.pid, LINKS)
            other.go()
            starts.go_on()
            assert process.stderr is not None
            assert "is traced only from here on" in process.stderr.readline()
            until(lambda: links_of(process) == links)
            number = child.pid
            child.go()
            lines = ended(process)
    assert len(lines) == OPENS
    assert {line.split()[0] for line in lines} == {str(number)}


@pytest.mark.thorough
@pytest.mark.parametrize("damage", [b"", b"x" * 100, None])
def test_a_damaged_note_is_as_good_as_none(tmp_path: Path, damage: bytes | None) -> None:
    starts = Starts(tmp_path, "-p", str(os.getpid()))
    starts.once(), starts.once()
    path = starts.file()
    before = path.read_bytes()
    path.write_bytes(before[:-1] if damage is None else damage)
    assert starts.once() == []
    assert path.read_bytes() == before


@pytest.mark.thorough
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_where_descriptors_of_its_own_would_be_standard_ones(
    tmp_path: Path, closed: tuple[int, ...]
) -> None:
    starts = Starts(tmp_path, "-p", str(os.getpid()), "-d", "0.1")
    starts.once(), starts.once()
    noted = starts.file().read_bytes()

    def close() -> None:
        for fd in closed:
            os.close(fd)

    done = starts.run(close)
    assert starts.file().read_bytes() == noted
    if 1 in closed:
        message = "" if 2 in closed else "opensnoop: cannot write to standard output: "
        assert (done.code, done.err.rpartition("B")[0]) == (1, message)
    else:
        assert (done.code, done.out, done.err) == (0, HEADER, "")


@pytest.mark.thorough
def test_with_few_descriptors_it_says_so(tmp_path: Path) -> None:
    starts = Starts(tmp_path, "-p", str(os.getpid()), "-d", "0.1")
    starts.once(), starts.once()
    for limit in range(8, 24, 3):
        done = starts.run(partial(resource.setrlimit, resource.RLIMIT_NOFILE, (limit, limit)))
        assert done.code == 1
        assert "oo many open files" in done.err
        assert len(done.err.splitlines()) == 1, "no traceback"


@pytest.mark.thorough
def test_nothing_is_left_when_it_ends_ahead(tmp_path: Path) -> None:
    starts = Starts(tmp_path, "-p", str(os.getpid()))
    starts.once(), starts.once()
    with starts.begun(stuck=True) as process:
        process.kill()
        process.wait(120)
    until(lambda: not Path(f"/proc/{process.pid}").exists())
    assert starts.once() == []
