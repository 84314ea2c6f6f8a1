"""Functions and their calls."""

from __future__ import annotations

from tests.differential.generator import records, texts
from tests.differential.generator.head import ARGUMENTS, RECORDS
from tests.differential.generator.maker import Helper, Known, Maker, Text, Thing, Variable
from tests.differential.generator.ranges import UNKNOWN, WIDTHS, Num


def program(maker: Maker, name: str) -> str:
    """Write a program of this name: its functions, and itself."""
    whole = maker.room
    for number in range(maker.random.randrange(3)):
        maker.room = whole // 4
        helper(maker, f"{name}_h{number}")
    maker.room = whole
    params = [(f"a{i}", maker.width(), False) for i in range(ARGUMENTS)]
    function(maker, name, params, maker.pick("i64", "u64", "i32"))
    return "\n".join(maker.lines) + "\n"


def helper(maker: Maker, name: str) -> None:
    """Write a function that others can call: expanded where it is called, or compiled once."""
    own = maker.chance(0.3)
    params, default = [], False
    for number in range(maker.random.randrange(1, 4)):
        default = default or maker.chance(0.3)
        other = not own and not default and maker.chance(0.25)
        kind = maker.pick("text", "Rec", "Row", "Sheet") if other else maker.width()
        params.append((f"p{number}", kind, default))
    result, optional = maker.width(), not own and maker.chance(0.25)
    start, room = len(maker.lines), maker.room
    if own:
        maker.say("", "@noinline")
    function(maker, name, params, result, optional=optional)
    text = "\n".join(maker.lines[start:])
    known = "".join(other.text for other in maker.helpers if other.name in text)
    size = room - maker.room
    maker.helpers.append(Helper(name, tuple(params), result, optional, size, text + known))


def function(
    maker: Maker,
    name: str,
    params: list[tuple[str, str, bool]],
    result: str,
    *,
    optional: bool = False,
) -> None:
    maker.scope = [_parameter(name, width) for name, width, _ in params]
    maker.loops, maker.slices, maker.result = 0, 0, result
    shown = [
        f"{n}: {'Char' if w == 'text' else w}" + (f" = {maker.constant()}" if d else "")
        for n, w, d in params
    ]
    ending = " | None" if optional else ""
    maker.say("", f"def {name}({', '.join(shown)}) -> {result}{ending}:")
    if optional:
        maker.say("    ", f"if {maker.cond(1)}:")
        maker.say("        ", "return None")
    maker.block("    ", maker.random.randrange(1, 7))
    maker.lines += [f"    return {maker.num(3).text}", "", ""]


def _parameter(name: str, width: str) -> Known:
    if width in RECORDS:
        return Thing(name, width, local=True)
    return Text(name) if width == "text" else Variable(name, *WIDTHS[width], width)


def _argument(maker: Maker, kind: str, depth: int) -> str:
    """Write an argument: a number, or a text or a record, known or new."""
    if kind in WIDTHS:
        return maker.storable(depth).text
    if kind == "text":
        known = [text.name for text in maker.known(Text)]
        return maker.pick(*known) if known else texts.constant(maker)
    known = [thing.name for thing in maker.known(Thing) if thing.kind == kind and thing.local]
    return maker.pick(*known) if known else records.made(maker, kind)


def call(maker: Maker, depth: int) -> Num:
    """Write a call, with arguments by place and by name."""
    fitting = [helper for helper in maker.helpers if helper.size < maker.room]
    if not fitting:
        return maker.num(depth)
    chosen = maker.pick(*fitting)
    maker.room -= chosen.size
    given, keywords = [], False
    for name, kind, default in chosen.params:
        if default and maker.chance(0.4):
            keywords = True
            continue
        keywords = keywords or maker.chance(0.2)
        value = _argument(maker, kind, depth - 1)
        given.append(f"{name}={value}" if keywords else value)
    text = f"{chosen.name}({', '.join(given)})"
    if chosen.optional:
        # What may be None is of 64 bits for the compiler, whatever was declared.
        return Num(f"({text} or 7)", *UNKNOWN)
    return Num(text, *WIDTHS[chosen.result])


def tested(maker: Maker, indent: str) -> None:
    """Write a call whose result may be None, and a test of it."""
    maybe = [helper for helper in maker.helpers if helper.optional]
    if not maybe:
        return
    helpers, maker.helpers = maker.helpers, maybe
    text = call(maker, 1)
    maker.helpers = helpers
    if not text.text.endswith(" or 7)"):
        return
    name, start = maker.name("o"), len(maker.scope)
    maker.say(indent, f"{name} = {text.text[1:-6]}")
    maker.say(indent, f"if {name} is {maker.pick('', 'not ')}None:")
    if maker.lines[-1].endswith("is None:"):
        maker.block(indent + "    ", 1)
        maker.say(indent, "else:")
    maker.scope.append(Variable(name, *UNKNOWN))
    maker.block(indent + "    ", 2)
    del maker.scope[start:]
