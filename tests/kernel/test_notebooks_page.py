"""The blocks of ``docs/notebooks.md``, run one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kernel.running import cell

pytestmark = pytest.mark.kernel

PAGE = Path(__file__).resolve().parents[2] / "docs" / "notebooks.md"


def test_the_blocks_of_the_page_run() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) >= 3
    cell("\n".join(blocks))
