"""The pages, and the blocks in them: what tests of pages read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/*.md")
    for path in sorted(ROOT.glob(pattern))
]  # fmt: skip
_BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a page: its language, and what stands behind that."""

    page: str
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(ROOT).as_posix()
    return [
        Block(name, text.count("\n", 0, found.start()) + 1, *_words(found[1]), found[2])
        for found in _BLOCK.finditer(text)
    ]


def _words(info: str) -> tuple[str, str]:
    language, _, mark = info.strip().partition(" ")
    return language, mark.strip()


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def blocks(page: str, language: str) -> list[Block]:
    """Return the blocks of a page in a language; there is one at least."""
    found = [each for each in BLOCKS if (each.page, each.language) == (page, language)]
    assert found, f"{page} has no block of {language}"
    return found
