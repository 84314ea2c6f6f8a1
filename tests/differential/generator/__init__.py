"""Random programs, as source text.

What may be written is what ``docs/language.md`` promises to compute exactly: every operation fits a
64-bit type together with its operands, and a variable that is assigned again either has a declared
width, at which it wraps, or is masked wherever it is used. What CPython raises, the kernel answers
by ending the probe; divisions by zero, indices past the end and negative shifts are left in for
that.

One module for each subject; this one says how often each is chosen.
"""

from __future__ import annotations

from tests.differential.generator import (
    arrays,
    functions,
    loops,
    maps,
    numbers,
    records,
    statements,
    texts,
)
from tests.differential.generator.maker import Grammar, Maker

GRAMMAR = Grammar(
    numbers=(
        (14, numbers.binary),
        (2, numbers.unary),
        (2, numbers.extreme),
        (4, numbers.choice),
        (2, numbers.truth),
        (1, numbers.halves),
        (2, numbers.reduced),
        (4, functions.call),
        (2, maps.cell),
        (2, maps.looked_up),
        (2, arrays.element),
        (1, arrays.reduced),
        (4, records.field),
        (2, texts.measured),
    ),
    conditions=(
        (2, numbers.both),
        (2, numbers.negated),
        (2, numbers.among),
        (2, numbers.chain),
        (2, numbers.as_truth),
        (5, texts.compared),
        (1, texts.one_of_two),
    ),
    statements=(
        (6, statements.declare),
        (6, statements.assign),
        (6, statements.if_),
        (2, statements.match),
        (2, statements.leave),
        (3, loops.for_),
        (2, loops.while_),
        (4, maps.store),
        (1, maps.found),
        (1, maps.over_map),
        (1, functions.tested),
        (2, arrays.declare),
        (2, arrays.change),
        (1, arrays.unpack),
        (2, records.declare),
        (2, records.change),
        (1, records.store),
        (1, records.entry),
        (1, records.read_text),
        (1, texts.declare),
        (1, texts.named),
        (1, loops.over_texts),
    ),
)


def program_text(seed: int, name: str) -> str:
    """Return the text of the program of a seed, without the declarations that all share."""
    return functions.program(Maker(seed, GRAMMAR), name)
