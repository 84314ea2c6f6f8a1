"""Recordings, written and read without a kernel: cut off anywhere, damaged, on a full disk."""

from __future__ import annotations

import errno
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyebpf import (
    Bytes,
    Char,
    Events,
    bits,
    chars,
    i32,
    octets,
    record,
    replay,
    rows,
    u8,
    u32,
    union,
)
from pyebpf.cli import main
from pyebpf.errors import FormatError, RecordingError
from pyebpf.recorder import Recorder
from pyebpf.recordings import About
from pyebpf.runtime.batches import Batch
from pyebpf.spec.dtype import decoded_dtype
from pyebpf.spec.events import EventShape

ABOUT = About((("probe", "raw_tracepoint", "sys_enter"),), "6.1.0", "x86_64", 1.5)


@record
class Opened:
    pid: u32
    path: Char = chars(16)


@record
class Closed:
    pid: u32
    mac: Bytes = octets(6)
    kind: u8 = bits(3)
    seen: u8 = bits(5)


@union
class Either:
    number: u32
    half: i32


@record
class Holds:
    either: Either


both = Events[Opened | Closed](trim=True)
single = Events[u32]()
SHAPES = {"both": both.shape(), "single": single.shape()}


def batch(first: int, count: int) -> Batch:
    arrays = []
    for kind in both.shape().kinds:
        array = np.zeros(count, decoded_dtype(kind))
        array["pid"] = np.arange(first, first + count)
        arrays.append(array)
    arrays[0]["path"] = b"/tmp/\x1b"
    tags = np.array([0, 1] * count, np.uint8)
    return Batch(both.shape(), tags, tuple(arrays))


def written(path: Path, batches: int = 3) -> Path:
    with Recorder(path, ABOUT, SHAPES) as out:
        for number in range(batches):
            out.write("both", batch(number * 10, 10), number)
            out.write("single", np.arange(number, number + 2, dtype=np.uint32), None)
        assert out.written == 22 * batches
        out.note_lost({"both": 7, "single": 0})
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    recording = replay(written(tmp_path / "r.npy"))
    assert recording.is_complete
    assert recording.about == ABOUT
    assert recording[both] is recording["both"]
    assert recording[both].shape == both.shape()
    assert (recording[both].lost, recording[single].lost) == (7, 0)
    whole = recording[both].read()
    assert whole[Opened]["pid"].tolist() == list(range(30))
    assert len(whole) == recording[both].received == 60
    assert recording[single].read().tolist() == [0, 1, 1, 2, 2, 3]
    assert [len(one) for one in recording[both]] == [20, 20, 20]
    assert recording[both].each(lambda one: one) == 60
    assert [row.path for row in rows(Opened, recording[both])][:1] == ["/tmp/\\x1b"]
    first, second = list(recording[both].rows())[:2]
    assert (first.path, first.pid) == ("/tmp/\\x1b", 0)
    assert (second.mac, second.pid) == (bytes(6), 0)
    assert recording.summary() == "both: 60 received, 7 lost\nsingle: 6 received, 0 lost"
    with pytest.raises(KeyError, match="both, single: say which by its name"):
        recording["other"]


def test_streams_are_tables_without_their_declarations(tmp_path: Path) -> None:
    recording = replay(written(tmp_path / "r.npy"))
    of_numbers = recording["single"].table()
    assert (of_numbers.names, len(of_numbers)) == (("value",), 6)
    assert recording["single"].__arrow_c_stream__() is not None
    for kind in (Closed, "Closed"):
        table = recording["both"].table(kind)
        assert table.names == decoded_dtype(both.shape().kinds[1]).names
        column = table.__dataframe__().get_column_by_name("pid")
        data = column.get_buffers()["data"]
        assert data is not None
        assert data[0].array.tolist() == list(range(30))
    with pytest.raises(TypeError, match="several types are several tables: Opened, Closed"):
        recording["both"].table()
    with pytest.raises(KeyError, match="the records here are Opened and Closed"):
        recording["both"].table("Other")


def test_pyarrow_reads_a_recording(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: make setup has it")
    recording = replay(written(tmp_path / "r.npy"))
    assert pyarrow.table(recording["single"]).to_pydict() == {"value": [0, 1, 1, 2, 2, 3]}
    texts = pyarrow.table(recording["both"].table(Opened)).column("path").to_pylist()
    assert texts == ["/tmp/\x1b"] * 30


def test_numpy_alone_reads_the_arrays(tmp_path: Path) -> None:
    with written(tmp_path / "r.npy").open("rb") as file:
        texts = [np.load(file) for _ in range(5)]
    assert texts[0].tobytes().startswith(b'{"format": "pyebpf recording 1"')
    assert texts[2].tolist() == [0, 1] * 10
    assert texts[3]["pid"].tolist() == list(range(10))


def test_a_recording_that_is_cut_off_has_all_before_that(tmp_path: Path) -> None:
    whole = written(tmp_path / "r.npy").read_bytes()
    ends = [at for at in range(len(whole)) if whole.startswith(b"\x93NUMPY", at)]
    cut = tmp_path / "cut.npy"
    seen = set()
    for length in {*ends, *(end + 5 for end in ends), *range(0, len(whole), 61)}:
        cut.write_bytes(whole[:length])
        if length <= ends[1] - 1:
            with pytest.raises(FormatError, match="is no recording of this version"):
                replay(cut)
            continue
        recording = replay(cut)
        assert not recording.is_complete
        received = [recording[name].received for name in ("both", "single")]
        assert received[0] // 20 - received[1] // 2 in (0, 1)
        seen.add(tuple(received))
    assert seen == {(0, 0), (20, 0), (20, 2), (40, 2), (40, 4), (60, 4), (60, 6)}


def test_a_batch_whose_header_is_no_python_is_where_it_was_cut_off(tmp_path: Path) -> None:
    whole = written(tmp_path / "r.npy").read_bytes()
    at = whole.rindex(b"'shape': (2,), }")
    wrong = tmp_path / "wrong.npy"
    wrong.write_bytes(whole[:at] + whole[at:].replace(b"(2,), }", b"(2,), (", 1))
    recording = replay(wrong)
    assert not recording.is_complete
    assert [recording[name].received for name in ("both", "single")] == [60, 4]


def test_bytes_that_are_no_recording_are_refused(tmp_path: Path) -> None:
    whole = written(tmp_path / "r.npy").read_bytes()
    wrong = tmp_path / "wrong.npy"
    for old, new in (
        (b"recording 1", b"recording 2"),
        (b'"EventShape"', b'"MapSpec"   '),
        (b'"stream": "both"', b'"stream": "bath"'),
        (b"'<u4'", b"'<i4'"),
        (b'"lost": {"both"', b'"lost": {"bath"'),
        (b'["@", "Field", "pid"', b'["&", "Field", "pid"'),
        (bytes([0, 1] * 10), bytes([0, 2] * 10)),
        (b"'shape': (10,), }  ", b"'shape': (5, 2), } "),
    ):
        assert old in whole
        wrong.write_bytes(whole.replace(old, new))
        with pytest.raises(FormatError, match=r"wrong.npy is (no|a damaged) recording"):
            replay(wrong)
    np.save(wrong, np.arange(4))
    with pytest.raises(FormatError, match="is no recording"):
        replay(wrong)


def test_fields_that_overlap_are_kept_too(tmp_path: Path) -> None:
    shape = Events[Holds]().shape()
    array = np.zeros(3, decoded_dtype(shape.kinds[0]))
    array["either"]["number"] = [1, 2, 2**32 - 1]
    with Recorder(tmp_path / "r.npy", ABOUT, {"holds": shape}) as out:
        out.write("holds", array, 0)
    assert replay(tmp_path / "r.npy")["holds"].read()["either"]["half"].tolist() == [1, 2, -1]


def test_a_recording_overwrites_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "r.npy")
    before = path.read_bytes()
    with pytest.raises(RecordingError, match="is there already"):
        Recorder(path, ABOUT, SHAPES)
    with pytest.raises(RecordingError, match="No such file or directory"):
        Recorder(tmp_path / "no" / "r.npy", ABOUT, SHAPES)
    assert path.read_bytes() == before


def test_a_full_disk_is_said_and_loses_nothing_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, room, real = tmp_path / "r.npy", [10_000], os.write

    def write(fd: int, data: Any) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = real(fd, data[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr(os, "write", write)
    numbers = itertools.count(0, 20)

    def fill() -> None:
        for number in numbers:
            out.write("both", batch(number, 10), 0)

    with Recorder(path, ABOUT, SHAPES) as out, pytest.raises(RecordingError) as refusal:
        fill()
    wrote = next(numbers) - 20
    assert str(refusal.value) == (
        f"{path}: No space left on device: it has {wrote:,} records, all until then; "
        "the next 20 were read and are not in it"
    )
    recording = replay(path)
    assert wrote > 20
    assert recording["both"].received == wrote
    assert not recording.is_complete


def test_replaying_needs_no_compiler(tmp_path: Path) -> None:
    path = written(tmp_path / "r.npy")
    text = (
        "import sys, pyebpf\n"
        f"print(pyebpf.replay({str(path)!r})['both'].received, 'llvmlite' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "60 False\n"


def test_the_command_prints_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(written(tmp_path / "r.npy"))
    assert main(["replay", path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 66
    assert lines[:2] == [
        "Opened(pid=0, path='/tmp/\\\\x1b')",
        "Closed(pid=0, mac=b'\\x00\\x00\\x00\\x00\\x00\\x00', kind=0, seen=0)",
    ]
    assert main(["replay", "--json", path]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert objects[1] == {"stream": "both", "pid": 0, "mac": "0" * 12, "kind": 0, "seen": 0}
    assert objects[-1] == {"stream": "single", "value": 3}
    assert main(["replay", "-a", path]) == 0
    about = capsys.readouterr().out.splitlines()
    assert "Linux 6.1.0 (x86_64)" in about[0]
    assert about[1:] == [
        "probe: raw_tracepoint sys_enter",
        "both of Opened | Closed: 60 received, 7 lost",
        "single of u32: 6 received, 0 lost",
    ]
    assert main(["replay", str(tmp_path / "absent")]) == 1
    assert main(["replay"]) == 2
    assert main(["record", "probe.py"]) == 2


def test_a_shape_says_what_stands_before_records() -> None:
    kinds = both.shape().kinds
    assert [EventShape(kinds[:1], t, p).prefix for t in (0, 1) for p in (0, 1)] == [0, 0, 0, 8]
    assert EventShape(kinds).prefix == 8
