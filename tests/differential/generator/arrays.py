"""Local arrays: they are made, changed, looped over and reduced; indices are checked."""

from __future__ import annotations

from tests.differential.generator.maker import Elements, Maker, Variable
from tests.differential.generator.ranges import UNKNOWN, WIDTHS, Num


def declare(maker: Maker, indent: str) -> None:
    name, length = maker.name("x"), maker.random.randrange(1, 7)
    if maker.chance(0.4):
        item = maker.pick("0", "0", f"({maker.leaf().text} & 255)")
        maker.say(indent, f"{name} = [{item}] * {length}")
        maker.scope.append(Elements(name, "i64", length))
        return
    width = maker.width()
    value = f"array({length})"
    if maker.chance(0.6):
        value = f"[{', '.join(maker.storable(1).text for _ in range(length))}]"
    maker.say(indent, f"{name}: FixedArray[{width}] = {value}")
    maker.scope.append(Elements(name, width, length))


def _known(maker: Maker) -> Elements | None:
    arrays = maker.known(Elements)
    return maker.pick(*arrays) if arrays else None


def element(maker: Maker, depth: int) -> Num:
    array = _known(maker)
    if array is None:
        return maker.num(depth)
    return Num(f"{array.name}[{maker.index(array.length, depth)}]", *WIDTHS[array.width])


def reduced(maker: Maker, depth: int) -> Num:
    array = _known(maker)
    if array is None:
        return maker.num(depth)
    form = maker.random.randrange(5)
    if form == 0:
        return Num(f"len({array.name})", array.length, array.length)
    if form == 1:
        return Num(f"int({maker.storable(depth).text} in {array.name})", 0, 1)
    if form == 2:
        return Num(f"{maker.pick('min', 'max')}({array.name})", *UNKNOWN)
    item = maker.name("g")
    if form == 3:
        total = f"sum({item} & 0xFFFF for {item} in {array.name})"
        return Num(total, *UNKNOWN)
    test = f"{maker.pick('any', 'all')}({item} > {maker.constant()} for {item} in {array.name})"
    return Num(f"int({test})", 0, 1)


def change(maker: Maker, indent: str) -> None:
    """Write an assignment to an element."""
    array = _known(maker)
    if array is None:
        declare(maker, indent)
        return
    place = f"{array.name}[{maker.index(array.length, 1)}]"
    op = maker.pick("", "", "+", "-", "^", "|", "&")
    value = maker.masked(maker.num(2), most=255) if op else maker.storable(2)
    maker.say(indent, f"{place} {op}= {value.text}")


def unpack(maker: Maker, indent: str) -> None:
    array = _known(maker)
    if array is None or array.length > 4:
        declare(maker, indent)
        return
    names = [maker.name("q") for _ in range(array.length)]
    maker.say(indent, f"{', '.join(names)}{',' * (len(names) == 1)} = {array.name}")
    maker.scope += [Variable(name, *WIDTHS[array.width]) for name in names]


def iterable(maker: Maker, item: str) -> tuple[str, int, int] | None:
    """Write the head of a loop over an array; return it and what an item can be."""
    array = _known(maker)
    if array is None:
        return None
    other = maker.name("e")
    head = maker.pick(
        f"for {item} in {array.name}:",
        f"for {other}, {item} in enumerate({array.name}):",
        f"for {item} in reversed({array.name}):",
        f"for {item}, {other} in zip({array.name}, range({array.length + 1})):",
    )
    return head, *WIDTHS[array.width]
