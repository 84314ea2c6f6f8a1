"""The blocks of ``docs/pinning.md``, run one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kernel.children import BPFFS, in_own_bpffs
from tests.kernel.running import cell

pytestmark = pytest.mark.kernel

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pinning.md"


@in_own_bpffs
def test_the_blocks_of_the_page_run() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) >= 5
    cell("\n".join(blocks))
    assert not any(Path(BPFFS, "app").iterdir())
