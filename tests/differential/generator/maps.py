"""Look-ups, stores and loops over maps."""

from __future__ import annotations

from tests.differential.generator.maker import Maker, Variable
from tests.differential.generator.ranges import I64_HIGH, I64_LOW, U64_HIGH, WIDTHS, Num


def cell(maker: Maker, depth: int) -> Num:
    return Num(f"cells[{maker.index(16, depth)}]", I64_LOW, I64_HIGH)


def looked_up(maker: Maker, depth: int) -> Num:
    key, second = maker.storable(depth).text, maker.storable(0).text
    other = abs(maker.constant())
    return maker.pick(
        Num(f"table.get({key}, {other})", 0, U64_HIGH),
        Num(f"(table.get({key}) or {other})", 0, U64_HIGH),
        Num(f"int({key} in table)", 0, 1),
        Num(f"pairs.get(({key}, {second}), {maker.random.randrange(99)})", *WIDTHS["i32"]),
    )


def store(maker: Maker, indent: str) -> None:
    form = maker.random.randrange(6)
    value, key = maker.storable(2).text, maker.storable(1).text
    if form < 2:
        # Past the end it is counted as lost, and does not end the probe.
        place = f"cells[{maker.index(16, 1, beyond=0)}]"
        maker.say(indent, f"{place} = {value}" if form else f"{place} += {added(maker, 'cells')}")
    elif form < 4:
        place = f"table[{key}]"
        maker.say(
            indent, f"{place} = {value}" if form == 2 else f"{place} += {added(maker, 'table')}"
        )
    elif form == 4:
        maker.say(indent, f"pairs[{key}, {maker.storable(1).text}] = {value}")
    else:
        maker.say(indent, f"del table[{key}]")


def added(maker: Maker, table: str, depth: int = 2) -> str:
    """Write what is added to an entry: an atomic addition sees what is done to the entry meanwhile,
    and Python, which reads the entry first, does not. So no function is called that does anything
    to the map."""
    helpers = maker.helpers
    maker.helpers = [helper for helper in helpers if table not in helper.text]
    text = maker.masked(maker.num(depth)).text
    maker.helpers = helpers
    return text


def found(maker: Maker, indent: str) -> None:
    """Write a look-up that is tested against None."""
    name, start = maker.name("f"), len(maker.scope)
    method = maker.pick("get", "get", "pop")
    look = f"table.{method}({maker.storable(1).text})"
    forms = (
        (f"if ({name} := {look}) is not None:",),
        (f"{name} = {look}", f"if {name}:"),
        (f"{name} = {look}", f"if {name} is not None and {maker.cond(1)}:"),
    )
    for line in maker.pick(*forms):
        maker.say(indent, line)
    maker.scope.append(Variable(name, 0, U64_HIGH))
    maker.block(indent + "    ", 2)
    del maker.scope[start:]
    if maker.chance(0.3):
        maker.say(indent, "else:")
        maker.block(indent + "    ", 1)


def over_map(maker: Maker, indent: str) -> None:
    """Write a loop over a map, whose order means nothing: so its body does not depend on it."""
    if maker.loops:
        return
    total, key, value = maker.name("t"), maker.name("k"), maker.name("v")
    head, item = maker.pick(
        (f"for {key} in table:", key),
        (f"for {value} in table.values():", value),
        (f"for {key}, {value} in table.items():", f"({key} ^ {value})"),
        (f"for {value} in cells.values():", f"({value} & 0xFFFF)"),
    )
    maker.say(indent, f"{total}: u64 = 0")
    maker.say(indent, head)
    if maker.chance(0.4):
        maker.say(indent + "    ", f"if {item} % 3 == {maker.random.randrange(3)}:")
        maker.say(indent + "        ", "continue")
    maker.say(indent + "    ", f"{total} {maker.pick('^', '+')}= {item} & 0xFFFFFF")
    maker.scope.append(Variable(total, *WIDTHS["u64"], "u64"))
