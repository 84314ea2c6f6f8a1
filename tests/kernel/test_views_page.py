"""The blocks of ``docs/views.md``, run one after the other."""

from __future__ import annotations

import importlib.util

import pytest

from tests.kernel.running import cell
from tests.pages import blocks

pytestmark = pytest.mark.kernel

PAGE = blocks("docs/views.md", "python")


@pytest.mark.thorough
def test_the_blocks_of_the_page_run() -> None:
    texts = [block.text for block in PAGE if not block.mark]
    assert len(texts) >= 8
    table = cell("\n".join(texts)).table
    (frames,) = (block.text for block in PAGE if block.mark == "frames")
    for line in frames.splitlines():
        library = line.partition(".")[0]
        if all(importlib.util.find_spec(name) for name in (library, "pyarrow")):
            cell(f"import {library}\n{line}", table=table)
