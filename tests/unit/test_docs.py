"""The pages: their links lead somewhere, and what they show of Python is run by a test."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.pages import BLOCKS, PAGES, Block

ROOT = Path(__file__).resolve().parents[2]
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


class Way(NamedTuple):
    """What becomes of the blocks of a page in one language.

    Attributes:
        how: ``compiled``: as probes; ``run``: as what they are; ``typed``: each command, and what
            it prints is compared; ``made``: compared with what a script makes now.
        test: the file that does it, below ``tests``; it names the page.
    """

    how: str
    test: str


#: By page and language. ``text`` and what has no language stand for themselves, and need no row.
WAYS = {
    ("CONTRIBUTING.md", "sh"): Way("run", "unit/test_shell_of_pages.py"),
    ("README.md", "python"): Way("run", "compile/test_pages.py"),
    ("README.md", "sh"): Way("run", "unit/test_shell_of_pages.py"),
    ("docs/aggregations.md", "python"): Way("run", "unit/test_aggregations_page.py"),
    ("docs/benchmarks.md", "sh"): Way("run", "unit/test_shell_of_pages.py"),
    ("docs/commands.md", "console"): Way("typed", "kernel/test_shell_of_pages.py"),
    ("docs/commands.md", "python"): Way("run", "kernel/test_shell_of_pages.py"),
    ("docs/corpus.md", "sh"): Way("run", "unit/test_shell_of_pages.py"),
    ("docs/differential.md", "sh"): Way("run", "unit/test_shell_of_pages.py"),
    ("docs/errors.md", "python"): Way("made", "unit/test_errors_page.py"),
    ("docs/events.md", "python"): Way("run", "compile/test_events_page.py"),
    ("docs/from-bcc.md", "python"): Way("run", "compile/test_pages.py"),
    ("docs/from-bpftrace.md", "python"): Way("run", "compile/test_pages.py"),
    ("docs/from-bpftrace.md", "sh"): Way("run", "kernel/test_shell_of_pages.py"),
    ("docs/hooks.md", "python"): Way("run", "compile/test_pages.py"),
    ("docs/how-it-works.md", "python"): Way("made", "compile/test_how_it_works.py"),
    ("docs/language.md", "python"): Way("compiled", "compile/test_language_page.py"),
    ("docs/notebooks.md", "python"): Way("run", "kernel/test_notebooks_page.py"),
    ("docs/notebooks.md", "sh"): Way("run", "kernel/test_shell_of_pages.py"),
    ("docs/overhead.md", "python"): Way("run", "kernel/test_cost.py"),
    ("docs/overhead.md", "sh"): Way("run", "kernel/test_shell_of_pages.py"),
    ("docs/pinning.md", "python"): Way("run", "kernel/test_pinning_page.py"),
    ("docs/specifiers.md", "sh"): Way("run", "kernel/test_shell_of_pages.py"),
    ("docs/stacks.md", "python"): Way("run", "compile/test_pages.py"),
    ("docs/testing.md", "python"): Way("run", "unit/test_testing_page.py"),
    ("docs/tool-options.md", "sh"): Way("run", "unit/test_shell_of_pages.py"),
    ("docs/tutorial.md", "console"): Way("typed", "kernel/test_walk_through.py"),
    ("docs/tutorial.md", "python"): Way("run", "kernel/test_walk_through.py"),
    ("docs/tutorial.md", "sh"): Way("run", "kernel/test_walk_through.py"),
    ("docs/typing.md", "python"): Way("run", "kernel/test_typing_page.py"),
    ("docs/typing.md", "sh"): Way("typed", "kernel/test_typing_page.py"),
    ("docs/views.md", "python"): Way("run", "kernel/test_views_page.py"),
    ("docs/walk-through.md", "console"): Way("typed", "kernel/test_walk_through.py"),
    ("docs/walk-through.md", "python"): Way("run", "kernel/test_walk_through.py"),
    ("docs/walk-through.md", "sh"): Way("run", "kernel/test_walk_through.py"),
}
#: What a reader may type and a test may not: it changes who may read the files of this machine.
FOR_READERS = {
    ("docs/privileges.md", "sh"): "mount -o remount,gid=tracers,mode=750 /sys/kernel/tracing\n"
}
#: What is shown and is nothing to run: drawings, what programs print, other languages.
SHOWN = {"", "ini", "text"}


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


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language not in SHOWN], ids=str)
def test_every_block_is_run_by_a_test(block: Block) -> None:
    key = (block.page, block.language)
    if key in FOR_READERS:
        assert block.text == FOR_READERS[key]
    else:
        assert key in WAYS, "no test runs it: see WAYS"


def test_every_way_is_one() -> None:
    there = {(block.page, block.language) for block in BLOCKS}
    assert set(WAYS) - there == set(FOR_READERS) - there == set()
    for (page, _), way in WAYS.items():
        assert way.how in {"compiled", "run", "typed", "made"}
        text = (ROOT / "tests" / way.test).read_text(encoding="utf-8")
        assert Path(page).stem.lower() in text.lower(), page


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language in SHOWN], ids=str)
def test_what_is_only_shown_is_no_program_of_ours(block: Block) -> None:
    with suppress(SyntaxError):
        compile(block.text, str(block), "exec")
        assert "import" not in block.text
        assert "load(" not in block.text


def test_every_page_is_named_in_the_readme() -> None:
    named = links(ROOT / "README.md")
    made_for_all = {path.name for path in PAGES if path.parent == ROOT / "docs"}
    assert {name for name in made_for_all if f"docs/{name}" not in named} == set()
