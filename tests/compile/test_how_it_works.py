"""docs/how-it-works.md: what it shows of each stage is what it says now (``make golden``)."""

from __future__ import annotations

import re
from pathlib import Path

from scripts import stages

PAGE = Path(__file__).parents[2] / "docs" / "how-it-works.md"


def test_every_stage_says_what_the_page_shows(update_golden: bool) -> None:
    text = PAGE.read_text(encoding="utf-8")
    now = stages.filled(text)
    if update_golden:
        PAGE.write_text(now, encoding="utf-8")
        text = now
    assert now == text


def test_every_stage_is_shown() -> None:
    shown = re.findall(r"^```text (\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert shown == list(stages.STAGES)
