"""Names that look like a misspelt one, for "did you mean" in error messages.

Not ``difflib``: its import costs a warm start milliseconds, and it is slow over 100,000 names.
"""

from __future__ import annotations

from collections.abc import Iterable

#: So many changes are a slip of the fingers; more make another name, and are slow to look for.
_MOST = 3


def nearest(word: str, names: Iterable[str], n: int = 3) -> list[str]:
    """Return up to ``n`` of ``names`` that resemble ``word``, the best first.

    A name resembles the word when few single-character changes or swaps lead from one to the other,
    or when the word is its beginning.
    """
    limit = min(max(1, len(word) // 3), _MOST)
    letters = set(word)
    scored: list[tuple[float, str]] = []
    others = []
    for name in {*names} - {word, ""}:
        if name.startswith(word) and len(word) > 2:
            scored.append((0.5 + (len(name) - len(word)) / 100, name))
        elif abs(len(name) - len(word)) <= limit:
            other = len(letters.symmetric_difference(name))
            if other <= 2 * limit:
                others.append((other, name))
    # Those with the same letters come first: what is found there leaves less to look for.
    for _, name in sorted(others):
        distance = _distance(word, name, limit)
        if distance <= limit:
            scored = sorted([*scored, (float(distance), name)])[:n]
            if len(scored) == n:
                limit = min(limit, int(scored[-1][0]))
    return [name for _, name in sorted(scored)[:n]]


def _distance(a: str, b: str, limit: int) -> int:
    """Count the insertions, deletions, replacements and swaps of neighbours between two words.

    Beyond ``limit`` it is not counted further, and only columns so near are looked at.
    """
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        last, before, row = before, row, [limit + 1] * (len(b) + 1)
        row[0] = least = i + 1
        for j in range(max(0, i - limit), min(len(b), i + limit + 1)):
            y = b[j]
            best = before[j] if x == y else 1 + min(before[j], before[j + 1], row[j])
            if i and j and x == b[j - 1] and a[i - 1] == y and last[j - 1] < best:
                best = last[j - 1] + 1
            row[j + 1] = best
            least = min(least, best)
        if least > limit:
            return least
    return row[-1]


def did_you_mean(names: list[str]) -> str:
    """Return a sentence that offers ``names``, or nothing when there are none."""
    if not names:
        return ""
    *most, last = (f"`{name}`" for name in names)
    return f"; did you mean {', '.join(most)} or {last}?" if most else f"; did you mean {last}?"
