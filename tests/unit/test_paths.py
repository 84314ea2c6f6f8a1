"""Paths put together from what a probe found."""

from __future__ import annotations

import pytest

from pyebpf.lib.paths import whole


@pytest.mark.parametrize(
    ("text", "own", "is_whole", "expected"),
    [
        ("/etc/passwd", "/etc/passwd", True, "/etc/passwd"),
        ("a/b/doc/share/usr", "a/b", True, "/usr/share/doc/a/b"),
        ("etc", "etc", True, "/etc"),
        ("\u00e9/\u00fc/x", "\u00e9", True, "/x/\u00fc/\u00e9"),
        ("\udcff/x", "\udcff", True, "/x/\udcff"),
        ("a/b/c", "a", False, ".../c/b/a"),
        ("a", "a", False, ".../a"),
    ],
)
def test_whole_paths(text: str, own: str, is_whole: bool, expected: str) -> None:
    length = len(own.encode("utf-8", "surrogateescape")) + 1
    assert whole(text, length, is_whole=is_whole) == expected
