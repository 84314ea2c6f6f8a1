"""The check of the built site finds what Sphinx does not: it must be able to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import build_site

GOOD = '<p id="here"><a href="#here">1</a> <a href="other.html#there">2</a> <img src="x.png">'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "other.html").write_text('<p id="there"><a href="https://example.org">3</a>')
    (tmp_path / "x.png").touch()
    return tmp_path


def faults(folder: Path, text: str) -> list[str]:
    (folder / "page.html").write_text(text)
    found = build_site.faults(build_site.read(folder))
    return [fault.partition("page.html: ")[2] for fault in found]


def test_what_is_there_is_no_fault(folder: Path) -> None:
    assert faults(folder, GOOD) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('<a href="gone.html">', "nothing is at gone.html"),
        ('<a href="#gone">', "nothing is at #gone"),
        ('<a href="other.html#gone">', "nothing is at other.html#gone"),
        ('<img src="gone.png">', "nothing is at gone.png"),
        ('<script src="https://example.org/x.js">', "loads https://example.org/x.js"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "loads //example.org/x.css"),
    ],
)
def test_each_fault_is_found(folder: Path, text: str, fault: str) -> None:
    assert faults(folder, GOOD + text) == [fault]
