"""vfsstat on a known workload: each call counted once, of one process."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pyebpf.cli import Column, Rates
from pyebpf.runtime.features import KernelFeatures
from tests.mounts import mounted
from tests.programs import run, running
from tests.tools.children import waiting

pytestmark = [pytest.mark.kernel, pytest.mark.tool]

VFSSTAT = ("-m", "pyebpf.tools.vfsstat")
COUNTS = {
    "read": 23, "write": 7, "fsync": 2, "open": 5, "create": 3, "unlink": 4, "mkdir": 6, "rmdir": 1,
}  # fmt: skip


def work(root: Path) -> None:
    path = root / "data"
    data = os.open(path, os.O_RDWR | os.O_CREAT)
    for _ in range(COUNTS["open"] - 1):
        os.close(os.open(path, os.O_RDONLY))
    for _ in range(COUNTS["write"]):
        os.write(data, bytes(300))
    for _ in range(COUNTS["read"]):
        os.pread(data, 20, 2)
    os.fsync(data)
    os.fdatasync(data)
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
    assert found == {**COUNTS, "write": COUNTS["write"] + 1}  # it tells what it returns


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
