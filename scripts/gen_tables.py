"""Write what is made from the tables of ``pyebpf/abi``: pages of ``docs``, and a stub.

``python scripts/gen_tables.py`` writes them; a test fails when one is not current.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import helper_pages
import kind_pages

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent

#: What is made, by its path.
PAGES: dict[str, Callable[[], str]] = {
    "pyebpf/helpers.pyi": helper_pages.stub,
    "docs/helpers.md": helper_pages.page,
    "docs/maps.md": kind_pages.maps_page,
    "docs/programs.md": kind_pages.programs_page,
}

if __name__ == "__main__":
    for name, make in PAGES.items():
        (ROOT / name).write_text(make(), encoding="utf-8")
