"""Another program reads our objects: bpftool loads one, and shows its types and its lines."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyebpf import (
    Char,
    Events,
    Hash,
    chars,
    comm,
    compile_probes,
    raw_tracepoint,
    record,
    tgid,
    u32,
    u64,
)
from tests.kernel.running import loaded

pytestmark = pytest.mark.kernel


@record
class Started:
    pid: u32
    at_ns: u64
    name: Char = chars(16)


calls = Hash[u32, Started](max_entries=8)
starts = Events[Started](pages=1)


@raw_tracepoint("sys_enter")
def note() -> int:
    calls[tgid()] = Started(pid=tgid(), name=comm())
    starts.emit(Started(at_ns=7))
    return 0


@pytest.fixture
def bpftool(program: Callable[[str], str]) -> Callable[..., str]:
    path = program("bpftool")

    def run(*words: str) -> str:
        done = subprocess.run(
            [path, *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def object_file(tmp_path: Path) -> Path:
    path = tmp_path / "note.o"
    path.write_bytes(compile_probes(note).object)
    return path


def test_the_types_of_the_object(bpftool: Callable[..., str], object_file: Path) -> None:
    text = bpftool("btf", "dump", "file", str(object_file), "format", "c")
    body = re.search(r"struct Started \{\n(.*?)\n\}", text, re.DOTALL)
    assert body is not None
    assert re.findall(r"(\w+)(?:\[\d+\])?;$", body[1], re.MULTILINE) == ["pid", "at_ns", "name"]
    raw = bpftool("btf", "dump", "file", str(object_file))
    assert "FUNC 'note'" in raw
    assert "DATASEC '.maps'" in raw


def test_the_loaded_program_shows_its_python_lines(bpftool: Callable[..., str]) -> None:
    with loaded(note) as session:
        fd = session._loaded.programs["note"].fd
        info = Path(f"/proc/self/fdinfo/{fd}").read_text()
        number = re.search(r"^prog_id:\s*(\d+)", info, re.MULTILINE)
        assert number is not None
        text = bpftool("prog", "dump", "xlated", "id", number[1], "linum")
        shown = json.loads(bpftool("-j", "prog", "show", "id", number[1]))
    assert shown["name"] == "note"
    assert "; calls[tgid()] = Started(pid=tgid(), name=comm())" in text
    line = next(
        n for n, row in enumerate(Path(__file__).read_text().splitlines(), 1)
        if row == "    calls[tgid()] = Started(pid=tgid(), name=comm())"
    )  # fmt: skip
    assert f"[file:{__file__} line_num:{line} line_col:" in text


LOAD = r"""
set -e
mount -t bpf none "$1"
"$2" prog loadall "$3" "$1/programs" pinmaps "$1/maps"
ls "$1/programs" "$1/maps"
"$2" -j prog show pinned "$1/programs/note"
echo
"$2" map update pinned "$1/maps/calls" key 1 0 0 0 value $(for i in $(seq 32); do echo 65; done)
"$2" -j map dump pinned "$1/maps/calls"
"""


def test_bpftool_loads_the_object(
    program: Callable[[str], str], object_file: Path, tmp_path: Path
) -> None:
    """In a mount namespace of its own: what is pinned there is gone when the shell ends."""
    folder = tmp_path / "bpf"
    folder.mkdir()
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", LOAD, "sh"]
    words += [str(folder), program("bpftool"), str(object_file)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    names, shown, entries = split_output(done.stdout)
    assert {"note", "calls", "starts", "_data_lost"} <= set(names.split())
    assert shown["name"] == "note"
    (entry,) = entries
    formatted: Any = entry["formatted"]
    assert formatted["value"]["pid"] == 0x41414141
    assert list(folder.iterdir()) == []
    end = time.monotonic() + 30
    while program_exists(shown["id"]):  # the kernel frees it a little later
        assert time.monotonic() < end


def split_output(text: str) -> tuple[str, Any, Any]:
    names, _, rest = text.partition("{")
    shown, _, entries = ("{" + rest).partition("\n")
    return names, json.loads(shown), json.loads(entries)


def program_exists(number: int) -> bool:
    done = subprocess.run(
        ["bpftool", "prog", "show", "id", str(number)], capture_output=True, check=False
    )
    return done.returncode == 0
