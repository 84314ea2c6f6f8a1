"""docs/walk-through.md: what its commands print now is what the page says of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyebpf.host.loop import LoopDevice
from scripts import walk_through
from tests.programs import histogram_counts

pytestmark = [pytest.mark.kernel, pytest.mark.exact, pytest.mark.slow]

PAGE = Path(walk_through.ROOT, "docs", "walk-through.md").read_text(encoding="utf-8")
READS, WRITES = 1000, 100


def names(text: str) -> list[str]:
    """Return opensnoop's lines of the program's own files, without the process, and its words."""
    lines = [re.sub(r"^\d+ +", "", line) for line in text.splitlines()]
    return [line for line in lines if "greet" in line or line.startswith("Hello")]


def said(text: str) -> dict[str, str]:
    """Return what a page says that each command prints."""
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    parts = (part.partition("\n") for block in blocks for part in block.split("$ ")[1:])
    return {command: printed for command, _, printed in parts}


def test_its_commands_print_what_it_says(tmp_path: Path) -> None:
    LoopDevice(1 << 20).close()  # says why there can be none
    for name, content in walk_through.files(PAGE).items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    printed = walk_through.outputs(walk_through.commands(PAGE), tmp_path)
    now = said(walk_through.answered(PAGE, printed))
    for command, before in said(PAGE).items():
        if "opensnoop" in command and "-j" not in command and "--explain" not in command:
            assert sorted(names(now[command])) == sorted(names(before))
        elif "biolatency" in command:
            expected = READS + WRITES if "of=$disk" in command else READS
            assert sum(histogram_counts(now[command])) == expected
            assert sum(histogram_counts(before)) == expected
        elif "slowest.py" in command:
            assert now[command].startswith(f"{READS} requests; 99 of 100 take less than ")
