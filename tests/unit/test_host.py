"""CPUs and disks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf.errors import FormatError
from pyebpf.host import cpus, disks


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0", (0,)), ("0-3,5\n", (0, 1, 2, 3, 5)), ("7,0-1", (0, 1, 7)), ("0-0", (0,))],
)
def test_lists(text: str, numbers: tuple[int, ...]) -> None:
    assert cpus.parse_list(text) == numbers


@pytest.mark.parametrize("text", ["", "a", "3-1", "0-", "-1", "1,,2", "0-99999999999", "²"])
def test_what_is_no_list(text: str) -> None:
    with pytest.raises(FormatError, match="is no list of CPUs"):
        cpus.parse_list(text)


@given(st.text(alphabet="0123456789,- \n", max_size=12))
def test_any_text_is_a_list_or_refused(text: str) -> None:
    try:
        numbers = cpus.parse_list(text)
    except FormatError:
        return
    assert list(numbers) == sorted(set(numbers))


def test_this_machine_has_the_cpus_that_it_runs_on() -> None:
    assert set(os.sched_getaffinity(0)) <= set(cpus.online()) <= set(cpus.possible())
    assert cpus.online_count() == os.cpu_count()
    assert cpus.possible_count() == len(cpus.possible())


PARTITIONS = """\
major minor  #blocks  name

   8        0  488386584 sda
   8        1     524288 sda1
 104        0      10240 cciss!c0d0
"""


def test_partitions() -> None:
    sda, part, cciss = disks.parse_partitions(PARTITIONS)
    assert (sda, sda.dev) == (disks.Disk("sda", 8, 0), 8 << 20)
    assert (part.dev, cciss.name) == (8 << 20 | 1, "cciss/c0d0")


@given(st.text())
def test_any_text_of_partitions(text: str) -> None:
    for disk in disks.parse_partitions(text):
        assert disk.dev >= 0


def test_names_and_numbers_of_this_machine_agree() -> None:
    for disk in disks.disks():
        assert disks.dev_of(disk.name) == disk.dev
        assert disks.name_of(disk.major, disk.minor) == disk.name


def test_a_disk_that_is_not_there() -> None:
    assert disks.name_of(4000, 77) == "unknown[4000:77]"
    for name in ("no such disk", "/dev/null", "/etc/passwd", "a\0b"):
        with pytest.raises(ValueError, match="there is no disk"):
            disks.dev_of(name)


def test_the_nearest_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "_names", lambda: ["nvme0n1", "sda"])
    with pytest.raises(ValueError, match=r"did you mean nvme0n1\?$"):
        disks.dev_of("nvme0n2")


def test_a_partition_is_known_by_its_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = tmp_path / "devices" / "cciss!c0d0" / "cciss!c0d0p1"
    part.mkdir(parents=True)
    (part / "partition").write_text("1\n")
    (tmp_path / "104:0").symlink_to(part.parent)
    (tmp_path / "104:1").symlink_to(part)
    assert disks.disk_of_partition(104, 0, str(tmp_path)) is None
    assert disks.disk_of_partition(104, 1, str(tmp_path)) == "cciss/c0d0"
    monkeypatch.setattr(disks, "dev_of", lambda _: 104 << 20 | 1)
    monkeypatch.setattr(disks, "disk_of_partition", lambda *_: "cciss/c0d0")
    with pytest.raises(ValueError, match=r"is a partition, .*: write 'cciss/c0d0'$"):
        disks.whole_disk("cciss/c0d0p1")
