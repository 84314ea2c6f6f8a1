"""What the runner does on the host: choosing kernels, unpacking them, saying what came of it."""

from __future__ import annotations

import gzip
import lzma
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from scripts.archive import SetupError, architecture
from tests.kinds.case import STEPS
from tests.kinds.case import Outcome as Came
from tests.vm import image, kinds, outcome, page, userspace
from tests.vm.kernels import ROWS, Row, newest, row
from tests.vm.outcome import Outcome

PACKAGES = [
    "linux-image-6.1-amd64",
    "linux-image-6.1.0-9-amd64",
    "linux-image-6.1.0-56-amd64",
    "linux-image-6.1.0-57-amd64-unsigned",
    "linux-image-6.1.0-58-rt-amd64",
    "linux-image-6.1.0-59-cloud-amd64",
    "linux-image-6.12.95+deb13-amd64",
    "linux-image-6.12.115+deb13-amd64",
    "linux-image-6.12.115+deb13.1-amd64",
    "linux-image-6.12.117+deb13-arm64",
    "linux-image-6.12.118+deb13-arm64-16k",
    "linux-image-7.3.4+deb13-amd64",
    "linux-image-7.12.0+deb13-amd64",
]


@pytest.mark.parametrize(
    ("series", "release"),
    [
        ((6, 1), "6.1.0-56-amd64"),
        ((6, 12), "6.12.115+deb13.1-amd64"),
        ((7,), "7.12.0+deb13-amd64"),
        ((5, 10), None),
    ],
)
def test_the_newest_of_a_series(series: tuple[int, ...], release: str | None) -> None:
    assert newest(Row("", series, "", ""), PACKAGES) == release


@pytest.mark.parametrize(
    ("pages", "release"), [("", "6.12.117+deb13-arm64"), ("16k", "6.12.118+deb13-arm64-16k")]
)
def test_the_newest_of_a_series_on_another_architecture(pages: str, release: str) -> None:
    assert newest(Row("", (6, 12), "", "", arch="arm64", pages=pages), PACKAGES) == release


def test_the_table_has_the_oldest_and_the_newest_in_each_run() -> None:
    rows = [r for r in ROWS if r.arch == "amd64"]
    assert next(r.name for r in rows if r.ci) == rows[0].name == "5.10"
    assert rows[-1].ci
    assert [r.series for r in rows] == sorted(r.series for r in rows)
    with pytest.raises(ValueError, match=r"no kernel '4\.19' in the table; there are 5\.10"):
        row("4.19")


@pytest.mark.parametrize("compress", [lzma.compress, gzip.compress, bytes])
def test_the_kernel_inside_its_image(compress) -> None:
    elf = b"\x7fELF" + bytes(range(256)) * 8
    payload = compress(elf) + struct.pack("<I", len(elf))
    setup = bytearray(2 * 512)
    setup[0x1F1] = 1
    struct.pack_into("<II", setup, 0x248, 16, len(payload))
    assert image.vmlinux_of(bytes(setup) + bytes(16) + payload + b"rest") == elf


@pytest.mark.parametrize("compress", [gzip.compress, bytes])
def test_the_image_of_arm64_is_booted_as_it_is(compress) -> None:
    kernel = b"MZ" + bytes(0x36) + b"ARM\x64" + bytes(4096)
    assert image.bootable_of(compress(kernel)) == kernel


def test_the_files_of_another_architecture_are_its_own_but_for_ours(monkeypatch, tmp_path) -> None:
    arch = "arm64" if architecture() != "arm64" else "amd64"
    monkeypatch.setattr(userspace, "_made", lambda arch: tmp_path / arch.name)
    kernel = image.Kernel(row("6.1")._replace(arch=arch), "6.1", tmp_path / "kernels/6.1")
    files = userspace.get(kernel, Path("/"))
    assert files.root == tmp_path / arch / "root"
    assert dict(files.mounts) == {
        kernel.folder: kernel.folder,
        userspace.ROOT: userspace.ROOT,
        tmp_path / arch / "environment": (userspace.ROOT / ".venv").resolve(),
    }
    ours = userspace.get(kernel._replace(row=row("6.1")._replace(arch=architecture())), Path("/"))
    assert ours.root == Path("/")


def test_an_image_that_holds_something_else_is_refused() -> None:
    with pytest.raises(SetupError, match="does not hold an ELF file"):
        image.vmlinux_of(bytes(0x1F1) + b"\1" + bytes(0x248 - 0x1F2) + b"\0\0\0\0\4" + bytes(8192))


def test_the_archive_for_a_kernel_is_one_that_cpio_reads(tmp_path: Path) -> None:
    files = {"init": b"#!/bin/sh\n", "bin/deep/tool": b"x" * 1001, "empty": b""}
    packed = image.pack(files)
    assert len(packed) % 512 == 0
    cpio = shutil.which("cpio") or shutil.which("bsdcpio")
    if cpio is None:
        pytest.skip("needs cpio (Debian package cpio)")
    subprocess.run([cpio, "-id", "--quiet"], input=packed, cwd=tmp_path, check=True)
    assert {n: (tmp_path / n).read_bytes() for n in files} == files
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755


def case(name: str, inside: str) -> str:
    return f'<testcase classname="tests.kernel.test_a" name="{name}" time="3">{inside}</testcase>\n'


FAILED = case("test_two[x]", '<failure message="E   5 != 6&#10;more"/>')
EXPECTED = case("test_four", '<skipped type="pytest.xfail" message="not yet"/>')
SKIPPED = case("test_three", '<skipped message="helper:x: no such"/>') * 2
PASSED = case("test_one", "")


def outcome_of(folder: Path, report: str, code: int, retried: str = "") -> Outcome:
    paths = folder / "report.xml", folder / "retried.xml"
    for path, cases in zip(paths, (report, retried), strict=True):
        if cases:
            path.write_text(f"<testsuites>{cases}</testsuites>", encoding="utf-8")
    return outcome.read(Outcome(row("6.1"), "6.1.0-56-amd64", seconds=12), *paths, code)


def test_a_failure_and_the_reasons_of_skips_are_in_the_summary(tmp_path: Path) -> None:
    came = outcome_of(tmp_path, PASSED + FAILED + SKIPPED + EXPECTED, 1)
    assert not came.good
    counts = "1 passed, 1 failed, 1 known to fail, 2 skipped in 12 s"
    assert came.lines() == [
        f"6.1   FAILED: Linux 6.1.0-56-amd64: {counts}",
        "      skipped 2: helper:x: no such",
        "      slowest: test_a.py 15 s",
    ]
    assert came.failures() == ["FAILED on 6.1: tests/kernel/test_a.py::test_two[x]: E   5 != 6"]


def test_what_passes_when_tried_once_more_is_named(tmp_path: Path) -> None:
    came = outcome_of(tmp_path, PASSED + FAILED, 0, retried=case("test_two[x]", ""))
    assert came.good
    assert came.lines() == [
        "6.1   Linux 6.1.0-56-amd64: 2 passed, 0 failed, 0 known to fail, 0 skipped in 12 s",
        "      slowest: test_a.py 6 s",
        "      TRIED AGAIN tests/kernel/test_a.py::test_two[x]: E   5 != 6",
    ]
    assert came.failures() == []


@pytest.mark.parametrize("retried", [FAILED, case("test_two[x]", "<skipped message='no'/>"), ""])
def test_what_does_not_pass_then_has_failed(tmp_path: Path, retried: str) -> None:
    assert not outcome_of(tmp_path, PASSED + FAILED, 1, retried).good
    assert not outcome_of(tmp_path, PASSED + FAILED, 0, retried).good


@pytest.mark.parametrize(
    ("report", "code", "error"),
    [
        ("", 139, "pytest ended with 139 and no report"),
        ("<testsuite/>", 0, "no test passed"),
        (PASSED + SKIPPED, 1, "pytest ended with 1, though no test failed"),
    ],
)
def test_what_is_not_a_success(tmp_path: Path, report: str, code: int, error: str) -> None:
    came = outcome_of(tmp_path, report, code)
    assert not came.good
    assert came.error.startswith(error)


def test_all_skipped_but_nothing_failed(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, PASSED + SKIPPED, 0).good
    assert outcome_of(tmp_path, SKIPPED, 0).error == "no test passed"


def test_the_page_has_a_row_for_each_kernel_and_a_reason_for_each_gap(tmp_path: Path) -> None:
    answers = {"prog:xdp": ("yes", ""), "prog:syscall": ("no", "EINVAL"), "map:hash": ("yes", "")}
    came = outcome_of(tmp_path, PASSED + FAILED + SKIPPED + EXPECTED, 1)
    text = page.render([came._replace(answers=answers)])
    assert "| 6.1: Debian 12 | 6.1.0-56-amd64 | 1 | 1 | 1 | 2 |" in text
    assert "- 2: helper:x: no such" in text
    assert "| kind of program | 6.1 |\n|---|---|\n| `xdp` | yes |\n| `syscall` |  |" in text
    assert "| `map:hash` | yes |" in text
    assert "- `syscall` on 6.1: EINVAL" in text


def test_the_page_of_kinds_says_how_far_each_came_and_why_not_further() -> None:
    here = kinds.Ran("this", "6.18.4-x", (Came("xdp", STEPS), Came("tc", ("compiled",), "no", "")))
    there = kinds.Ran("6.1", "6.1.0", (Came("xdp", (), "", "bad"), Came("tc", (), "not\nso", "")))
    text = kinds.render([here, there])
    assert "| kind | this | 6.1 |\n|---|---|---|\n| `xdp` | CVAF | ···· |\n| `tc` | C··· |" in text
    assert "- this: the machine that made the page, Linux 6.18\n- 6.1: Linux 6.1.0\n" in text
    assert "- `xdp` on 6.1: bad\n" in text
    assert "- `tc` on 6.1: not so\n" in text
    assert kinds.nowhere([here, there]) == ["tc"]
