"""Text: comparisons, slices, lengths and characters."""

from __future__ import annotations

from tests.differential.generator.head import TEXTS, WORDS
from tests.differential.generator.maker import Maker, Text
from tests.differential.generator.ranges import Num

#: The verifier follows every way through a slice, so a program has few.
SLICES = 2
_CONSTANTS = tuple(text for text in TEXTS if text.isprintable())


def constant(maker: Maker) -> str:
    return repr(maker.pick(*_CONSTANTS))


def declare(maker: Maker, indent: str) -> None:
    """Write a variable with a text that was put into `words`."""
    row, name = maker.name("w"), maker.name("s")
    maker.say(indent, f"{row} = words.get({maker.random.randrange(WORDS)})")
    maker.say(indent, f"assert {row} is not None")
    maker.say(indent, f"{name} = {row}.text")
    maker.scope.append(Text(name))


def text(maker: Maker) -> str:
    """Write a text: a variable, or a part of one."""
    name = maker.pick(*maker.known(Text)).name
    if maker.slices >= SLICES or not maker.chance(0.35):
        return name
    maker.slices += 1
    low = maker.random.randrange(4)
    return maker.pick(
        f"{name}[:{maker.random.randrange(5)}]",
        f"{name}[{low}:]",
        f"{name}[{low}:{low + maker.random.randrange(4)}]",
        f"{name}[{low}]",  # past the end it ends the probe
    )


def measured(maker: Maker, depth: int) -> Num:
    """Write a number that is got from a text."""
    if not maker.known(Text):
        return maker.num(depth)
    if maker.slices < SLICES and maker.chance(0.4):
        maker.slices += 1
        name = maker.pick(*maker.known(Text)).name
        return Num(f"ord({name}[{maker.random.randrange(3)}])", 0, 0x10FFFF)
    return Num(f"len({text(maker)})", 0, 9)


def compared(maker: Maker, depth: int) -> str:
    """Write a condition about a text."""
    if not maker.known(Text):
        return maker.comparison(depth)
    one = text(maker)
    form = maker.random.randrange(6)
    if form == 0:
        return f"{one} {maker.pick('==', '!=')} {constant(maker)}"
    if form == 1:
        return f"{one} {maker.pick('==', '!=')} {text(maker)}"
    if form == 2:
        items = ", ".join(constant(maker) for _ in range(3))
        return f"({one} {maker.pick('in', 'not in')} ({items}))"
    method = maker.pick("startswith", "endswith")
    if form == 3:
        return f"{one}.{method}({constant(maker)})"
    if form == 4:
        return f"{one}.{method}(({constant(maker)}, {constant(maker)}))"
    return f"bool({one})"
