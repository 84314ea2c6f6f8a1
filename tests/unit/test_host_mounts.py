"""Which file system a path is on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyebpf.host.mounts import superblock_dev


def test_what_stat_says_in_the_numbers_of_the_kernel() -> None:
    number = Path("/proc").stat().st_dev
    assert superblock_dev("/proc") == os.major(number) << 20 | os.minor(number)


def test_two_file_systems_are_two(tmp_path: Path) -> None:
    assert superblock_dev("/proc") != superblock_dev(str(tmp_path))


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        superblock_dev(f"{tmp_path}/missing")
