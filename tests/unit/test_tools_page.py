"""docs/tools.md has a row for each tool, with what can be known without running one."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.bcc_tools import ORIGINALS

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("[!_]*.py"))
PAGE = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")


def test_every_tool_has_a_row_and_a_test() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| \[test_\w+\.py\]\(\.\./(.+)\) \|$", PAGE, re.MULTILINE)
    assert [name for name, _ in rows] == TOOLS, "make tools-page"
    assert [path for _, path in rows if not (ROOT / path).is_file()] == []


def test_what_bcc_has_is_known_of_every_tool() -> None:
    assert [name for name in TOOLS if name not in ORIGINALS] == []
