"""Names that look like a misspelt one, for "did you mean" in error messages.

Not ``difflib``: its import costs a warm start milliseconds, and it is slow over 100,000 names.
"""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, names: Iterable[str], n: int = 3) -> list[str]:
    """Return up to ``n`` of ``names`` that resemble ``word``, the best first.

    A name resembles the word when few single-character changes or swaps lead from one to the other,
    or when the word is its beginning.
    """
    limit = max(1, len(word) // 3)
    letters = set(word)
    scored = []
    for name in {*names} - {word, ""}:
        if name.startswith(word) and len(word) > 2:
            scored.append((0.5 + (len(name) - len(word)) / 100, name))
        elif abs(len(name) - len(word)) <= limit and len(letters.symmetric_difference(name)) <= (
            2 * limit
        ):
            distance = _distance(word, name)
            if distance <= limit:
                scored.append((float(distance), name))
    return [name for _, name in sorted(scored)[:n]]


def _distance(a: str, b: str) -> int:
    """Count the insertions, deletions, replacements and swaps of neighbours between two words."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        last, before, row = before, row, [i + 1]
        for j, y in enumerate(b):
            best = min(before[j + 1] + 1, row[j] + 1, before[j] + (x != y))
            if i and j and x == b[j - 1] and a[i - 1] == y:
                best = min(best, last[j - 1] + 1)
            row.append(best)
    return row[-1]


def did_you_mean(names: list[str]) -> str:
    """Return a sentence that offers ``names``, or nothing when there are none."""
    if not names:
        return ""
    *most, last = (f"`{name}`" for name in names)
    return f"; did you mean {', '.join(most)} or {last}?" if most else f"; did you mean {last}?"
