"""Records, with arrays, unions and records in them: local ones, and the entries of maps."""

from __future__ import annotations

from tests.differential.generator import texts
from tests.differential.generator.head import RECORDS
from tests.differential.generator.maker import Maker, Text, Thing
from tests.differential.generator.maps import added
from tests.differential.generator.ranges import WIDTHS, Num

MAPS = {"Rec": "recs", "Sheet": "sheets", "Row": "words"}


def declare(maker: Maker, indent: str) -> None:
    """Write a variable with a new record, or another name for a known one."""
    name, kind = maker.name("r"), maker.pick("Rec", "Row", "Sheet", "Sheet", "Either")
    maker.say(indent, f"{name} = {made(maker, kind)}")
    maker.scope.append(Thing(name, kind, local=True))
    if kind == "Sheet" and not maker.loops and maker.chance(0.4):
        inner, part = maker.pick(
            ("Row", f"rows[{maker.index(3, 0, beyond=0)}]"), ("Either", "kind")
        )
        other = maker.name("r")
        maker.say(indent, f"{other} = {name}.{part}")
        maker.scope.append(Thing(other, inner, local=True))


def made(maker: Maker, kind: str) -> str:
    """Write a record with some of its fields."""
    given = []
    for field, what in RECORDS[kind].items():
        if not isinstance(what, str) or what in RECORDS or not maker.chance(0.7):
            continue
        if what == "text":
            given.append(f"{field}={_text(maker)}")
        else:
            given.append(f"{field}={maker.storable(1).text}")
    return f"{kind}({', '.join(given[:1] if kind == 'Either' else given)})"


def _text(maker: Maker) -> str:
    known = maker.known(Text) and maker.chance(0.7)
    return texts.text(maker) if known else texts.constant(maker)


def _own_part(maker: Maker, text: str) -> str:
    """Write a text; now and then a part of the one that it replaces."""
    part = f"{text}{maker.pick('[1:]', '[2:4]', '[:2]', '[0]')}"
    return part if maker.chance(0.3) else _text(maker)


def _rebuild(maker: Maker, indent: str, thing: Thing) -> None:
    """Write a new record over a part of another one of its kind, made from what is there."""
    text, kind = thing.name, thing.kind
    if kind == "Sheet":
        text, kind = f"{text}.rows[{maker.index(3, 0, beyond=0)}]", "Row"
    elif thing.local and kind == "Row":
        inner = maker.name("r")
        maker.say(indent, f"{inner} = Sheet(count=7)")
        maker.scope.append(Thing(inner, "Sheet", local=True))
        maker.say(indent, f"{inner}.rows[1] = Row(text={text}.text)")
        text = f"{inner}.rows[1]"
    else:
        return _rebuild_entry(maker, indent, kind, text)
    kept = maker.pick("text", "n")
    maker.say(indent, f"{text} = {kind}({kept}={text}.{kept})")
    return None


def _rebuild_entry(maker: Maker, indent: str, kind: str, text: str) -> None:
    key = maker.storable(1).text
    kept = maker.pick(*RECORDS[kind])
    maker.say(indent, f"{MAPS[kind]}[{key}] = {kind}({kept}={text}.{kept})")


def place(maker: Maker, thing: Thing, want: str) -> tuple[str, str]:
    """Write a number or a text in a record; return it with what it is.

    Args:
        want: "text", or "number".
    """
    text, kind = thing.name, thing.kind
    while kind in RECORDS:
        fields = {
            field: what
            for field, what in RECORDS[kind].items()
            if (want == "text") == (what in ("text", ("Row", 3)))
            or (want == "number" and what == ("Row", 3))
        }
        field, what = maker.pick(*fields.items())
        text += f".{field}"
        if not isinstance(what, str):
            what, length = what
            text += f"[{maker.index(length, 1)}]"
        kind = what
    return text, kind


def field(maker: Maker, depth: int) -> Num:
    things = maker.known(Thing)
    if not things:
        return maker.num(depth)
    text, width = place(maker, maker.pick(*things), "number")
    return Num(text, *WIDTHS[width])


def change(maker: Maker, indent: str) -> None:
    """Write an assignment to a field."""
    things = maker.known(Thing)
    if not things:
        declare(maker, indent)
        return
    thing = maker.pick(*things)
    if thing.kind in ("Row", "Sheet") and maker.chance(0.3):
        text, _ = place(maker, thing, "text")
        maker.say(indent, f"{text} = {_own_part(maker, text)}")
        return
    if thing.kind in ("Row", "Sheet", "Rec") and maker.chance(0.1):
        _rebuild(maker, indent, thing)
        return
    text, width = place(maker, thing, "number")
    if not thing.local:  # atomic, so of 32 or 64 bits
        op = maker.pick("", "+", "-", "&", "|", "^") if width[1:] in ("32", "64") else ""
        value = added(maker, MAPS[thing.kind])
    else:
        op = maker.pick("", "+", "-", "*", "^", "|", "&")
        value = (maker.masked(maker.num(2), most=255) if op else maker.storable(2)).text
    maker.say(indent, f"{text} {op}= {value}")


def read_text(maker: Maker, indent: str) -> None:
    """Write a variable with the text of a field: it keeps it when the field changes."""
    things = [thing for thing in maker.known(Thing) if thing.kind in ("Row", "Sheet")]
    if not things:
        texts.declare(maker, indent)
        return
    name = maker.name("s")
    maker.say(indent, f"{name} = {place(maker, maker.pick(*things), 'text')[0]}")
    maker.scope.append(Text(name))


def store(maker: Maker, indent: str) -> None:
    """Write a record into a map: a new one, or a copy of a known one."""
    kind = maker.pick("Rec", "Sheet")
    known = [thing for thing in maker.known(Thing) if thing.kind == kind]
    value = maker.pick(*known).name if known and maker.chance(0.7) else made(maker, kind)
    maker.say(indent, f"{MAPS[kind]}[{maker.storable(1).text}] = {value}")


def entry(maker: Maker, indent: str) -> None:
    """Write a look-up of a record, and what is done to the entry itself."""
    name, kind, start = maker.name("r"), maker.pick("Rec", "Sheet", "Row"), len(maker.scope)
    key = f"{maker.random.randrange(4)}" if kind == "Row" else maker.storable(1).text
    maker.say(indent, f"{name} = {MAPS[kind]}.get({key})")
    maker.say(indent, f"if {name} is not None:")
    maker.scope.append(Thing(name, kind, local=False))
    change(maker, indent + "    ")
    maker.block(indent + "    ", 2)
    del maker.scope[start:]
