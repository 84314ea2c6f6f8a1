"""The pages: their links lead somewhere, and what they show of Python is run by a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    path
    for folder in (".", "docs", "examples")
    for path in sorted((ROOT / folder).glob("*.md"))
]  # fmt: skip
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
#: What runs or compiles the blocks of a page; ``errors.md`` is made of golden cases.
TESTED = {
    "README.md": "compile/test_pages.py",
    "docs/aggregations.md": "unit/test_aggregations_page.py",
    "docs/errors.md": "unit/test_errors_page.py",
    "docs/events.md": "compile/test_events_page.py",
    "docs/from-bcc.md": "compile/test_pages.py",
    "docs/from-bpftrace.md": "compile/test_pages.py",
    "docs/hooks.md": "compile/test_pages.py",
    "docs/language.md": "compile/test_language_page.py",
    "docs/notebooks.md": "kernel/test_notebooks_page.py",
    "docs/overhead.md": "kernel/test_cost.py",
    "docs/pinning.md": "kernel/test_pinning_page.py",
    "docs/stacks.md": "compile/test_pages.py",
    "docs/testing.md": "unit/test_testing_page.py",
    "docs/typing.md": "kernel/test_typing_page.py",
    "docs/views.md": "kernel/test_views_page.py",
    "docs/walk-through.md": "kernel/test_walk_through.py",
}


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are called in links."""
    found = re.findall(r"^#+ (.+)$", _FENCED.sub("", text_of(page)), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in found)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def links(page: Path) -> list[str]:
    """Return the links of a page to files and places."""
    body = re.sub(r"`[^`\n]*`", "", _FENCED.sub("", text_of(page)))
    return [link for link in _LINK.findall(body) if not re.match(r"\w+:", link)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), link


def test_every_page_with_blocks_of_python_has_a_test() -> None:
    shown = {str(page.relative_to(ROOT)) for page in PAGES if "\n```python" in text_of(page)}
    assert shown == set(TESTED)
    for page, test in TESTED.items():
        path = ROOT / "tests" / test
        assert Path(page).stem.lower() in path.read_text(encoding="utf-8").lower(), page


def test_every_page_is_named_in_the_readme() -> None:
    named = links(ROOT / "README.md")
    made_for_all = {path.name for path in PAGES if path.parent.name == "docs"}
    assert {name for name in made_for_all if f"docs/{name}" not in named} == set()
