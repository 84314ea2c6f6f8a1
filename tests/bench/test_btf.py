"""The kernel's types: made ready for the first time, from the cache, and once they are there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyebpf.btf import system
from pyebpf.btf.system import DIRECTORY, kernel_btf
from pyebpf.btf.types import Kind
from pyebpf.errors import NotSupportedError
from tests.bench.measure import Sample, timed
from tests.bench.report import Report

pytestmark = pytest.mark.bench

Peer = Callable[[str], "str | None"]


def test_kernel_types(
    report: Report, empty_cache: Path, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        whole = kernel_btf()
    except NotSupportedError as err:
        pytest.skip(str(err))

    def another_process() -> None:
        monkeypatch.setattr(system, "_loaded", {})

    def nothing_cached() -> None:
        another_process()
        shutil.rmtree(empty_cache, ignore_errors=True)

    report.note(f"the kernel's BTF has {len(whole):,} types in {len(whole.data) / 1e6:.1f} MB")
    bpftool = read_by_bpftool(peer)
    for what, look in (("a struct", find_struct), ("a function", find_function)):
        cold = timed(look, 9, before=nothing_cached).scaled(1e3)
        warm = timed(look, 30, before=another_process).scaled(1e3)
        report.add(f"BTF: cold index and {what}", "ms", cold, 100, bpftool)
        report.add(f"BTF: {what}, index cached", "ms", warm, 1)
    btf = kernel_btf()
    again = timed(lambda: btf.find("request", Kind.STRUCT), 30, loops=100).scaled(1e3)
    report.add("BTF: a struct, looked up again", "ms", again, 1)


def find_struct() -> None:
    btf = kernel_btf()
    assert btf.name(btf.find("request", Kind.STRUCT)) == "request"


def find_function() -> None:
    btf = kernel_btf()
    assert btf.name(btf.find("vfs_read", Kind.FUNC)) == "vfs_read"


def read_by_bpftool(peer: Peer) -> list[tuple[str, Sample]]:
    path = peer("bpftool")
    if path is None:
        return []
    words = [path, "btf", "dump", "file", f"{DIRECTORY}/vmlinux", "format", "raw"]
    quiet = subprocess.DEVNULL
    took = timed(lambda: subprocess.run(words, check=True, stdout=quiet), 7).scaled(1e3)
    return [("bpftool btf dump, as text", took)]
