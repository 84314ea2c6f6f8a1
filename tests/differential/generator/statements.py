"""Assignments, branches and early ends."""

from __future__ import annotations

from tests.differential.generator.maker import Maker, Variable
from tests.differential.generator.ranges import RANGES, WIDTHS, Num, fits


def declare(maker: Maker, indent: str) -> None:
    name, value = maker.name("v"), maker.storable(3)
    if maker.chance(0.75):
        width = maker.width()
        maker.say(indent, f"{name}: {width} = {value.text}")
        maker.scope.append(Variable(name, *WIDTHS[width], width))
    else:
        maker.say(indent, f"{name} = {value.text}")
        maker.scope.append(Variable(name, value.low, value.high))


def assign(maker: Maker, indent: str) -> None:
    known = [v for v in maker.known(Variable) if v.width]
    if not known:
        declare(maker, indent)
        return
    v = maker.pick(*known)
    if maker.chance(0.5):
        maker.say(indent, f"{v.name} = {maker.storable(3).text}")
    elif maker.chance(0.2):
        w = maker.pick(*known)
        if w is not v:
            maker.say(indent, f"{v.name}, {w.name} = {w.name}, {v.name}")
    else:
        op = maker.pick("+", "-", "^", "|", "&", "*")
        value = maker.masked(maker.num(2), most=255)
        result = RANGES[op](Num("", v.low, v.high), value)
        if fits((v.low, v.high), value[1:], result):
            maker.say(indent, f"{v.name} {op}= {value.text}")
        else:
            maker.say(indent, f"{v.name} = {maker.storable(2).text}")


def if_(maker: Maker, indent: str) -> None:
    if maker.chance(0.2):
        name, value = maker.name("w"), maker.storable(2)
        maker.say(indent, f"if ({name} := {value.text}) > {maker.constant()}:")
        maker.scope.append(Variable(name, value.low, value.high))
    else:
        maker.say(indent, f"if {maker.cond(2)}:")
    maker.block(indent + "    ", maker.random.randrange(1, 4))
    if maker.chance(0.25):
        maker.say(indent, f"elif {maker.cond(2)}:")
        maker.block(indent + "    ", maker.random.randrange(1, 3))
    if maker.chance(0.5):
        maker.say(indent, "else:")
        maker.block(indent + "    ", maker.random.randrange(1, 3))


def match(maker: Maker, indent: str) -> None:
    if maker.chance(0.3):
        _match_two(maker, indent)
        return
    maker.say(indent, f"match {maker.masked(maker.num(2), most=7).text}:")
    used = maker.random.sample(range(8), 3)
    maker.say(indent, f"    case {used[0]} | {used[1]}:")
    maker.block(indent + "        ", 2)
    maker.say(indent, f"    case {used[2]}:")
    maker.block(indent + "        ", 1)
    name = maker.name("m")
    maker.say(indent, f"    case {name} if {name} > {maker.random.randrange(8)}:")
    maker.scope.append(Variable(name, 0, 7))
    maker.block(indent + "        ", 1)
    maker.scope.pop()
    if maker.chance(0.7):
        maker.say(indent, "    case _:")
        maker.block(indent + "        ", 1)


def _match_two(maker: Maker, indent: str) -> None:
    left, key = maker.masked(maker.num(1), most=3).text, maker.storable(1).text
    maker.say(indent, f"match {left}, table.get({key}):")
    maker.say(indent, f"    case ({maker.random.randrange(4)}, None):")
    maker.block(indent + "        ", 1)
    name = maker.name("m")
    maker.say(indent, f"    case ({name}, _) if {name} != {maker.random.randrange(4)}:")
    maker.scope.append(Variable(name, 0, 3))
    maker.block(indent + "        ", 1)
    maker.scope.pop()
    if maker.chance(0.5):
        maker.say(indent, "    case _:")
        maker.block(indent + "        ", 1)


def leave(maker: Maker, indent: str) -> None:
    if len(indent) <= 4 or not maker.chance(0.4):
        declare(maker, indent)
    elif maker.chance(0.2):
        maker.say(indent, f"assert {maker.cond(1)}")
    elif maker.chance(0.1):
        maker.say(indent, f"if {maker.cond(1)}:")
        maker.say(indent + "    ", 'raise ValueError("no")')
    else:
        maker.say(indent, f"if {maker.cond(1)}:")
        maker.say(indent + "    ", f"return {maker.num(2).text}")
