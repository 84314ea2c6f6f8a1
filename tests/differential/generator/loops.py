"""Loops."""

from __future__ import annotations

from tests.differential.generator import arrays, texts
from tests.differential.generator.maker import Maker, Name, Variable
from tests.differential.generator.ranges import I64_HIGH


def for_(maker: Maker, indent: str) -> None:
    if maker.loops >= 2:
        return
    item, start = maker.name("j"), maker.room
    over = arrays.iterable(maker, item) if maker.chance(0.3) else None
    head, low, high = over or _counted(maker, item)
    maker.say(indent, head)
    _body(maker, indent, Variable(item, low, high))
    if " in (" in head:  # a loop over a tuple is written out
        maker.repeated(start, 3)


def _counted(maker: Maker, item: str) -> tuple[str, int, int]:
    form = maker.random.randrange(6)
    if form == 0:
        first, step = maker.random.randrange(-9, 10), maker.pick(-4, -1, 1, 2, 7)
        end = first + step * maker.random.randrange(7)
        return f"for {item} in range({first}, {end}, {step}):", -100, 100
    if form == 1:
        items = [maker.constant() for _ in range(3)]
        return f"for {item} in ({', '.join(map(str, items))}):", min(items), max(items)
    if form == 2:
        bound = maker.masked(maker.num(1), most=15).text
        return f"for {item} in range({bound}):", 0, I64_HIGH
    if form == 3:
        return f"for {item} in range({maker.random.randrange(24)}):", 0, 24
    other, bound = maker.name("e"), maker.random.randrange(1, 6)
    if form == 4:
        return f"for {item}, {other} in zip((3, 1, {bound}), reversed(range(4))):", 1, 6
    return f"for {other}, {item} in enumerate(range({bound}), {bound}):", 0, 6


def over_texts(maker: Maker, indent: str) -> None:
    """Write a loop over constant texts, which is written out."""
    if maker.loops >= 2:
        return
    start = maker.room
    items = [texts.constant(maker) for _ in range(3)]
    name = Name(maker.name("l"))
    maker.say(indent, f"for {name.name} in ({', '.join(items)}):")
    _body(maker, indent, name)
    maker.repeated(start, 3)


def while_(maker: Maker, indent: str) -> None:
    if maker.loops >= 2:
        return
    name = maker.name("n")
    maker.say(indent, f"{name}: u8 = {maker.storable(2).text}")
    extra = f" and {maker.cond(1)}" if maker.chance(0.3) else ""
    maker.say(indent, f"while {name} != 0{extra}:")
    update = maker.pick(f"{name} //= 2", f"{name} = {name} >> 1", f"{name} &= {name} - 1")
    maker.say(indent + "    ", update)
    _body(maker, indent, Variable(name, 0, 255))


def _body(maker: Maker, indent: str, variable: Variable | Name) -> None:
    maker.loops += 1
    depth = len(maker.scope)
    maker.scope.append(variable)
    maker.block(indent + "    ", maker.random.randrange(1, 4))
    if maker.chance(0.4):
        maker.say(indent + "    ", f"if {maker.cond(1)}:")
        maker.say(indent + "        ", maker.pick("break", "continue"))
        maker.block(indent + "    ", 1)
    del maker.scope[depth:]
    maker.loops -= 1
    if maker.chance(0.3):
        maker.say(indent, "else:")
        maker.block(indent + "    ", 1)
