"""Text: comparisons, slices, lengths and characters."""

from __future__ import annotations

from tests.differential.generator.head import TEXTS, WORDS
from tests.differential.generator.maker import Maker, Name, Text
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
    if maker.chance(0.3):
        other = maker.name("s")
        maker.say(indent, f"{other} = {chosen(maker)}")
        maker.scope.append(Text(other))


def named(maker: Maker, indent: str) -> None:
    """Write names that stand for constants: of texts, and of a map."""
    name, other = maker.name("l"), maker.name("m")
    maker.say(indent, f"{name}, {other} = {constant(maker)}, table")
    maker.say(indent, f"{other}[len({name})] = {maker.storable(1).text} & 0xFF")
    maker.scope.append(Name(name))
    if maker.chance(0.3):
        maker.say(indent, f"{name} = {constant(maker)}")


def chosen(maker: Maker) -> str:
    """Write one text or another; the first is no constant."""
    name, other = maker.pick(*maker.known(Text)).name, maker.pick(*maker.known(Text)).name
    other = maker.pick(other, constant(maker))
    return f"({name} if {maker.comparison(1)} else {other})"


def one_of_two(maker: Maker, depth: int) -> str:
    """Write a condition about one of two constant texts."""
    one = f"({constant(maker)} if {maker.comparison(1)} else {constant(maker)})"
    known = maker.known(Text)
    return f"{one} == {maker.pick(*known).name if known else constant(maker)}"


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
    form = maker.random.randrange(8)
    names = maker.known(Name)
    if form == 6 and names:
        return f"{one} {maker.pick('==', '!=')} {maker.pick(*names).name}"
    if form >= 6:
        return f"{chosen(maker)} {maker.pick('==', '!=')} {constant(maker)}"
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
