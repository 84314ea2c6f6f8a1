"""What ``--help`` looks like, of commands and of tools: paragraphs, examples, exit statuses."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from pyebpf.cli.options import row

#: No line is longer, but for a word that is.
WIDTH = 79
#: What begins a line of a table: ``Output:   ``, ``  p, r       ``.
_LABEL = re.compile(r".*?\S  +(?=\S)")


class _Item(NamedTuple):
    """Text with what stands before its first line; the others are below it."""

    label: str
    text: str

    def goes_on_at(self, indent: int) -> bool:
        """Tell whether a line with this indent is more of it.

        What is indented and has nothing before it is no text: it is the syntax of something.
        """
        return indent == len(self.label) and (not indent or not self.label.isspace())


def filled(text: str) -> str:
    """Return paragraphs that fit; lines that are beside a label stay below each other."""
    paragraphs = re.split(r"\n\s*\n", text.strip("\n"))
    return "\n\n".join(map(_filled, paragraphs))


def _filled(paragraph: str) -> str:
    if all(len(line) <= WIDTH for line in paragraph.splitlines()):
        return paragraph  # laid out by hand
    return "\n".join(line for item in _items(paragraph) for line in _lines(item))


def _items(paragraph: str) -> Iterator[_Item]:
    item: _Item | None = None
    for line in paragraph.splitlines():
        bare = line.lstrip()
        indent, label = len(line) - len(bare), _LABEL.match(line)
        if item is not None and label is None and item.goes_on_at(indent):
            item = _Item(item.label, f"{item.text} {bare}")
            continue
        if item is not None:
            yield item
        item = _Item(label[0], line[label.end() :]) if label else _Item(" " * indent, bare)
    if item is not None:
        yield item


def _lines(item: _Item) -> Iterator[str]:
    hang = len(item.label)
    lines = textwrap.wrap(
        item.text, WIDTH - hang, break_long_words=False, break_on_hyphens=False
    )  # fmt: skip
    for number, line in enumerate(lines):
        yield (" " * hang if number else item.label) + line


def examples(text: str) -> str:
    """Return the part of a help with examples; explanations are below them, if beside is no room.

    Args:
        text: in each line a command, and maybe an explanation behind `` # ``.
    """
    lines = [line.strip() for line in text.strip().splitlines()]
    if any(len(line) > WIDTH - 2 for line in lines):
        lines = [part for line in lines for part in _apart(line)]
    return "\n".join(["examples:", *(f"  {line}" for line in lines)])


def _apart(line: str) -> list[str]:
    found = re.fullmatch(r"(.*\S) +(# .*)", line)
    return [found[1], f"    {found[2]}"] if found else [line]


def statuses(*, done: str = "", failed: str = "", lasts: bool = False, costs: bool = False) -> str:
    """Return the part of a help that says what exit statuses mean.

    Args:
        done: what 0 means, if more than that.
        failed: what 1 means, if there is more to say.
        lasts: it goes on until Ctrl-C, which is an end like any other.
        costs: there may be a ceiling for what it costs.
    """
    rows = [
        ("0", done or ("done, or ended by Ctrl-C" if lasts else "done")),
        ("1", failed or "it failed, and said why"),
        ("2", "these arguments make no sense"),
        *([("3", "--max-overhead: it cost too much, and was ended")] * costs),
        ("130", "Ctrl-C before tracing began" if lasts else "Ctrl-C"),
        ("141", "nobody reads what is printed"),
    ]
    return "\n".join(["exit status:", *(row(status, text) for status, text in rows)])
