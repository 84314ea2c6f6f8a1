"""Make a program that differs smaller while it still differs."""

from __future__ import annotations

import ast
import signal
import time
from collections.abc import Callable, Iterator

from tests.differential.running import Program

_TRIES = 300
_SECONDS = 20


def shrink(item: Program, differs: Callable[[Program], bool]) -> Program:
    """Drop statements and simplify, as long as the program still differs."""
    tries = 0
    end = time.monotonic() + _SECONDS
    again = True
    while again:
        again = False
        for text in _smaller(item.text):
            tries += 1
            if tries > _TRIES or time.monotonic() > end:
                return item
            made = item._replace(text=text)
            if _in_time(differs, made):
                item, again = made, True
                break
    return item


def _in_time(differs: Callable[[Program], bool], made: Program) -> bool:
    # Without the statement that counts, a loop may have no end.
    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 1)
    try:
        return differs(made)
    except Exception:  # noqa: BLE001 - late, or nothing that CPython can run
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _smaller(text: str) -> Iterator[str]:
    """Yield texts with one statement less, or with a compound statement replaced by its body."""
    tree = ast.parse(text)
    blocks = [
        (node, field)
        for node in ast.walk(tree)
        for field in ("body", "orelse")
        if isinstance(getattr(node, field, None), list)
    ]
    for node, field in blocks:
        statements = getattr(node, field)
        for index, statement in enumerate(statements):
            body = getattr(statement, "body", None)
            for instead in ([], body) if body else ([],):
                if isinstance(statement, ast.FunctionDef) and instead:
                    continue
                changed = [*statements[:index], *instead, *statements[index + 1 :]]
                if not changed and field == "body":
                    continue
                setattr(node, field, changed)
                yield ast.unparse(ast.fix_missing_locations(tree)) + "\n\n\n"
                setattr(node, field, statements)
