"""Arithmetic, and other expressions that give numbers."""

from __future__ import annotations

from tests.differential.generator.maker import Maker, Variable
from tests.differential.generator.ranges import RANGES, UNKNOWN, Num, fits, of_bits


def binary(maker: Maker, depth: int) -> Num:
    op = maker.pick("+", "-", "*", "&", "|", "^", "//", "%", "<<", ">>")
    left, right = maker.same_type(maker.num(depth), maker.num(depth))
    if op in ("//", "%") and not maker.chance(0.15):
        right = Num(f"({right.text} | 1)", min(right.low, 0), of_bits(right.low, right.high, 1)[1])
    if op in ("<<", ">>"):
        right = _count(maker, right, op)
    for most in (1 << 40, 255, 15):
        if not fits(left[1:], right[1:], RANGES[op](left, right)):
            left = maker.masked(left, most=most)
            right = right if op in ("<<", ">>") else maker.masked(right, most=most)
            if op in ("//", "%"):
                right = Num(f"({right.text} | 1)", 0, right.high | 1)
    return Num(f"({left.text} {op} {right.text})", *RANGES[op](left, right))


def _count(maker: Maker, num: Num, op: str) -> Num:
    if op == ">>" and maker.chance(0.1) and num.low >= -64 and num.high <= 255:
        return num  # a negative one ends the probe
    return Num(f"({num.text} & {7 if op == '<<' else 63})", 0, 7 if op == "<<" else 63)


def unary(maker: Maker, depth: int) -> Num:
    op = maker.pick("-", "~", "abs", "+")
    (inner,) = maker.same_type(maker.num(depth))
    low, high = {
        "-": (-inner.high, -inner.low),
        "~": (~inner.high, ~inner.low),
        "abs": (0, max(abs(inner.low), abs(inner.high))),
        "+": inner[1:],
    }[op]
    if not fits(inner[1:], (low, high)):
        inner = maker.masked(inner)
        low, high = (-inner.high, inner.high) if op != "~" else (~inner.high, 0)
    text = f"abs({inner.text})" if op == "abs" else f"({op}{inner.text})"
    return Num(text, low, high)


def extreme(maker: Maker, depth: int) -> Num:
    nums = maker.same_type(*(maker.num(depth) for _ in range(maker.pick(2, 2, 3))))
    word = maker.pick("min", "max")
    of = min if word == "min" else max
    low, high = of(n.low for n in nums), of(n.high for n in nums)
    return Num(f"{word}({', '.join(n.text for n in nums)})", low, high)


def choice(maker: Maker, depth: int) -> Num:
    then, other = maker.same_type(maker.num(depth), maker.num(depth))
    text = maker.pick(
        f"({then.text} if {maker.cond(depth)} else {other.text})",
        f"({then.text} and {other.text})",
        f"({then.text} or {other.text})",
    )
    return Num(text, min(then.low, other.low, 0), max(then.high, other.high, 0))


def truth(maker: Maker, depth: int) -> Num:
    return Num(f"{maker.pick('int', 'int', 'bool')}({maker.cond(depth)})", 0, 1)


def halves(maker: Maker, depth: int) -> Num:
    left, right = maker.masked(maker.num(depth)), maker.masked(maker.num(depth), most=255)
    part = maker.random.randrange(2)
    high = left.high if part == 0 else right.high
    return Num(f"divmod({left.text}, {right.text} | 1)[{part}]", 0, high | 1)


def reduced(maker: Maker, depth: int) -> Num:
    """Write a generator in `sum`, `any`, `all`, `min` or `max`."""
    item, start, known = maker.name("g"), maker.room, len(maker.scope)
    turns = maker.random.randrange(1, 6)
    source, low, high = maker.pick(
        (f"range({turns})", 0, turns),
        (f"range({turns}, -{turns}, -2)", -turns, turns),
        (f"({', '.join(map(str, range(7, 7 + turns)))},)", 7, 7 + turns),
        (f"range({maker.masked(maker.num(0), most=7).text})", 0, 7),
    )
    maker.scope.append(Variable(item, low, high))
    body = maker.masked(maker.num(depth - 1), most=255)
    nested = ""
    if maker.chance(0.15):
        nested = f" for {maker.name('g')} in range({maker.masked(maker.num(0), most=3).text})"
    condition = f" if {maker.cond(depth - 1)}" if maker.chance(0.5) else ""
    del maker.scope[known:]
    maker.repeated(start, 2)
    word = maker.pick("sum", "sum", "any", "all", "min", "max")
    parts = f"{body.text} for {item} in {source}{nested}{condition}"
    if word in ("min", "max"):
        default = maker.pick("", ", default=3", ", default=-1")  # of nothing it ends the probe
        return Num(f"{word}(({parts}){default})", *UNKNOWN)
    # A sum is of 64 bits for the compiler, whatever is added.
    return (
        Num(f"{word}({parts})", *UNKNOWN) if word == "sum" else Num(f"int({word}({parts}))", 0, 1)
    )


# -- conditions


def both(maker: Maker, depth: int) -> str:
    return f"({maker.cond(depth - 1)} {maker.pick('and', 'or')} {maker.cond(depth - 1)})"


def negated(maker: Maker, depth: int) -> str:
    return f"(not {maker.cond(depth - 1)})"


def among(maker: Maker, depth: int) -> str:
    items = ", ".join(str(maker.constant()) for _ in range(3))
    return f"({maker.num(depth - 1).text} {maker.pick('in', 'not in')} ({items}))"


def chain(maker: Maker, depth: int) -> str:
    low, middle, high = (maker.num(depth - 1).text for _ in range(3))
    return f"({low} {maker.pick('<', '<=')} {middle} {maker.pick('<', '!=')} {high})"


def as_truth(maker: Maker, depth: int) -> str:
    return f"bool({maker.num(depth - 1).text})"
