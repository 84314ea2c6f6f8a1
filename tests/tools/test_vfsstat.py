"""vfsstat and vfscount on known workloads: each call of a function for files is counted once."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from pyebpf.cli import Column, Rates
from pyebpf.runtime.features import KernelFeatures
from tests.mounts import mounted
from tests.programs import run, running
from tests.tools.children import waiting

pytestmark = [pytest.mark.kernel, pytest.mark.tool]

VFSSTAT, VFSCOUNT = ("-m", "pyebpf.tools.vfsstat"), ("-m", "pyebpf.tools.vfscount")
MADE, LINKED = 23, 7
COUNTS = {
    "read": 23, "write": 7, "fsync": 2, "open": 5, "create": 3, "unlink": 4, "mkdir": 6, "rmdir": 1,
}  # fmt: skip


def work(root: Path) -> None:
    path = root / "data"
    data = os.open(path, os.O_RDWR | os.O_CREAT)
    for _ in range(COUNTS["open"] - 2):
        os.close(os.open(path, os.O_RDONLY))
    for _ in range(COUNTS["write"] - COUNTS["fsync"]):
        os.write(data, bytes(300))
    for _ in range(COUNTS["read"]):
        os.pread(data, 20, 2)
    # fsync() will not do: compilers put the function that is counted into it.
    at_once = os.open(path, os.O_WRONLY | os.O_SYNC)
    for _ in range(COUNTS["fsync"]):
        os.write(at_once, bytes(300))
    os.close(at_once)
    os.close(data)
    path.unlink()
    for _ in range(COUNTS["create"]):
        os.mknod(path)
        path.unlink()
    for number in range(COUNTS["mkdir"]):
        (root / f"folder{number}").mkdir()
    (root / "folder0").rmdir()


@pytest.mark.exact
def test_each_call_is_counted(tmp_path: Path) -> None:
    features = KernelFeatures(keep=False)
    if (lack := features.lack("prog:fentry")) and features.lack("kprobe_attach"):
        pytest.skip(f"needs the beginnings of functions: {lack.reason}")
    with (
        mounted("ext4", tmp_path) as root,
        waiting(lambda: work(root)) as child,
        running(*VFSSTAT, "-p", str(child.pid), "-j", "600") as program,
    ):
        program.wait_for_links(len(COUNTS))
        child.go()
        done = program.interrupt()
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert time.strptime(found.pop("ts"), "%Y-%m-%d %H:%M:%S")
    # Debian's 5.10 has that function in the only one that calls it.
    assert found.pop("rmdir") in (0, COUNTS["rmdir"])
    assert {**found, "rmdir": 1} == {**COUNTS, "write": COUNTS["write"] + 1}  # its result, too


def test_rates_are_per_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    rates = Rates([Column("TIME", 9), Column("READ/s", 8, ">", ".0f", field="read")])
    assert rates.begin() == "TIME        READ/s\n"
    now[0] += 5
    assert rates.text(None, {"read": 20}).split()[1] == "4"
    now[0] += 0.5
    assert rates.text(None, {"read": 20}).split()[1] == "40"


@pytest.mark.thorough
def test_help_names_every_flag_of_bcc() -> None:
    done = run(*VFSSTAT, "--help")
    assert (done.code, done.err) == (0, "")
    for word in ("-p, --pid", "interval", "count", "default: 1"):
        assert word in done.out


def make_and_link(folder: Path) -> None:
    for number in range(MADE):
        (folder / f"{number}").mkdir()
    (folder / "file").touch()
    for number in range(LINKED):
        os.link(folder / "file", folder / f"link{number}")


def address_of(function: str) -> int:
    lines = Path("/proc/kallsyms").read_text(encoding="ascii").splitlines()
    (address,) = (words[0] for words in map(str.split, lines) if words[2] == function)
    return int(address, 16)


@pytest.mark.exact
def test_each_call_of_each_function_is_counted(tmp_path: Path) -> None:
    if lack := KernelFeatures(keep=False).lack("kprobe_attach"):
        pytest.skip(lack.reason)
    with mounted("ext4", tmp_path) as root, running(*VFSCOUNT) as program:
        program.wait_for("Tracing")
        make_and_link(root)
        done = program.interrupt()
    assert (done.code, done.err) == (0, "")
    head, *lines = done.out.strip().splitlines()
    assert head.split() == ["ADDR", "FUNC", "COUNT"]
    found = {name: (int(addr, 16), int(count)) for addr, name, count in map(str.split, lines)}
    assert found["vfs_mkdir"][1] == MADE
    assert found["vfs_link"] == (address_of("vfs_link"), LINKED)
    counts = [count for _, count in found.values()]
    assert counts == sorted(counts)


@pytest.mark.thorough
def test_help_says_that_there_is_one_report() -> None:
    done = run(*VFSCOUNT, "--help")
    assert (done.code, done.err) == (0, "")
    assert "count                   how many outputs (default: 1)" in done.out
