"""Random programs, as source text.

What may be written is what ``docs/language.md`` promises to compute exactly: every operation fits a
64-bit type together with its operands, and a variable that is assigned again either has a declared
width, at which it wraps, or is masked wherever it is used. What CPython raises, the kernel answers
by ending the probe; divisions by zero, indices past the end and negative shifts are left in for
that.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

I64_LOW, I64_HIGH, U64_HIGH = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
WIDTHS = {
    **{f"u{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32, 64)},
    **{f"i{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64)},
}
#: Of a value whose type the compiler chooses: it is only compared and masked.
UNKNOWN = (I64_LOW, U64_HIGH)
MASKS = (1, 3, 7, 15, 63, 255, 0xFFF, 0xFFFF, 0x7FFFFFFF)
ARGUMENTS = 4
HEAD = """\
from pyebpf import *

out = Array[u64](max_entries=1)
cells = Array[i64](max_entries=16)
table = Hash[u32, u64](max_entries=4096)
pairs = Hash[tuple[u8, i16], i32](max_entries=4096)


@record
class Rec:
    a: u8
    b: i16
    c: i64


recs = Hash[u8, Rec](max_entries=256)


"""


class Num(NamedTuple):
    """An expression and the least and greatest value that it can have."""

    text: str
    low: int
    high: int


class Variable(NamedTuple):
    name: str
    low: int
    high: int
    width: str = ""  # empty: not to be assigned


class Helper(NamedTuple):
    name: str
    params: tuple[tuple[str, str, bool], ...]  # name, width, has a default
    result: str
    optional: bool


def fits(*nums: tuple[int, int]) -> bool:
    low, high = min(n[0] for n in nums), max(n[1] for n in nums)
    return (low >= I64_LOW and high <= I64_HIGH) or (low >= 0 and high <= U64_HIGH)


class Generator:
    """Makes one program from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.count = 0
        self.scope: list[Variable] = []
        self.helpers: list[Helper] = []
        self.loops = 0
        self.result = "i64"
        self.budget = 0

    def program(self, name: str) -> str:
        for number in range(self.random.randrange(3)):
            self.helper(f"{name}_h{number}")
        params = [(f"a{i}", self.pick(list(WIDTHS))) for i in range(ARGUMENTS)]
        self.function(name, [(n, w, False) for n, w in params], self.pick(["i64", "u64", "i32"]))
        return "\n".join(self.lines) + "\n"

    def helper(self, name: str) -> None:
        params, default = [], False
        for number in range(self.random.randrange(1, 4)):
            default = default or self.chance(0.3)
            params.append((f"p{number}", self.pick(list(WIDTHS)), default))
        result, optional = self.pick(list(WIDTHS)), self.chance(0.2)
        self.function(name, params, result, optional=optional)
        self.helpers.append(Helper(name, tuple(params), result, optional))

    def function(
        self, name: str, params: list[tuple[str, str, bool]], result: str, *, optional: bool = False
    ) -> None:
        self.scope = [Variable(n, *WIDTHS[w], w) for n, w, _ in params]
        self.loops, self.result = 0, result
        self.budget = self.random.randrange(3, 14)
        shown = [f"{n}: {w}" + (f" = {self.constant()}" if d else "") for n, w, d in params]
        ending = " | None" if optional else ""
        self.lines.append(f"def {name}({', '.join(shown)}) -> {result}{ending}:")
        if optional:
            self.lines.append(f"    if {self.cond(1)}:")
            self.lines.append("        return None")
        self.block("    ", self.random.randrange(1, 6))
        self.lines += [f"    return {self.num(3).text}", "", ""]

    # -- choices

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def pick(self, items: list[str] | tuple[str, ...]) -> str:
        return self.random.choice(items)

    def name(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def constant(self) -> int:
        kind = self.random.randrange(4)
        if kind == 0:
            return self.random.randrange(-3, 4)
        if kind == 1:
            return self.random.randrange(-300, 1000)
        if kind == 2:
            return self.random.choice([-1, 1]) << self.random.randrange(31)
        return self.random.randrange(256)

    # -- expressions

    def num(self, depth: int) -> Num:
        if depth <= 0 or self.chance(0.25):
            return self.leaf()
        made: Num = self.random.choice(_NUMBERS)(self, depth - 1)
        return made

    def leaf(self) -> Num:
        if self.scope and self.chance(0.75):
            v = self.random.choice(self.scope)
            return Num(v.name, v.low, v.high)
        value = self.constant()
        return Num(str(value) if value >= 0 else f"({value})", value, value)

    def masked(self, num: Num, *, most: int = 1 << 40) -> Num:
        mask = self.random.choice([m for m in MASKS if m <= most])
        if num.low >= 0 and num.high <= mask:
            return num
        if (num.low, num.high) != UNKNOWN and fits(num[1:]) and self.chance(0.3):
            return Num(f"({num.text} % {mask})", 0, mask - 1) if mask > 1 else num
        return Num(f"({num.text} & {mask})", 0, mask)

    def same_type(self, *nums: Num) -> list[Num]:
        """Operands that fit one 64-bit type."""
        return list(nums) if fits(*((n.low, n.high) for n in nums)) else [*map(self.masked, nums)]

    def binary(self, depth: int) -> Num:
        op = self.pick(("+", "-", "*", "&", "|", "^", "//", "%", "<<", ">>"))
        left, right = self.same_type(self.num(depth), self.num(depth))
        if op in ("//", "%") and not self.chance(0.15):
            right = Num(
                f"({right.text} | 1)", min(right.low, 0), _bits(right.low, right.high, 1)[1]
            )
        if op in ("<<", ">>"):
            right = self.count_of(right, op)
        for most in (1 << 40, 255, 15):
            if op in _RANGES and not fits(left[1:], right[1:], _RANGES[op](left, right)):
                left = self.masked(left, most=most)
                right = right if op in ("<<", ">>") else self.masked(right, most=most)
                if op in ("//", "%"):
                    right = Num(f"({right.text} | 1)", 0, right.high | 1)
        return Num(f"({left.text} {op} {right.text})", *_RANGES[op](left, right))

    def count_of(self, num: Num, op: str) -> Num:
        if op == ">>" and self.chance(0.1) and num.low >= -64 and num.high <= 255:
            return num  # a negative one ends the probe
        return Num(f"({num.text} & {7 if op == '<<' else 63})", 0, 7 if op == "<<" else 63)

    def unary(self, depth: int) -> Num:
        op = self.pick(("-", "~", "abs", "+"))
        (inner,) = self.same_type(self.num(depth))
        low, high = {
            "-": (-inner.high, -inner.low),
            "~": (~inner.high, ~inner.low),
            "abs": (0, max(abs(inner.low), abs(inner.high))),
            "+": inner[1:],
        }[op]
        if not fits(inner[1:], (low, high)):
            inner = self.masked(inner)
            low, high = (-inner.high, inner.high) if op != "~" else (~inner.high, 0)
        text = f"abs({inner.text})" if op == "abs" else f"({op}{inner.text})"
        return Num(text, low, high)

    def extreme(self, depth: int) -> Num:
        nums = self.same_type(*(self.num(depth) for _ in range(self.random.choice([2, 2, 3]))))
        word = self.pick(("min", "max"))
        low = (min if word == "min" else max)(n.low for n in nums)
        high = (min if word == "min" else max)(n.high for n in nums)
        return Num(f"{word}({', '.join(n.text for n in nums)})", low, high)

    def choice(self, depth: int) -> Num:
        then, other = self.same_type(self.num(depth), self.num(depth))
        form = self.random.randrange(3)
        text = (
            f"({then.text} if {self.cond(depth)} else {other.text})",
            f"({then.text} and {other.text})",
            f"({then.text} or {other.text})",
        )[form]
        return Num(text, min(then.low, other.low, 0), max(then.high, other.high, 0))

    def truth(self, depth: int) -> Num:
        return Num(f"{self.pick(('int', 'int', 'bool'))}({self.cond(depth)})", 0, 1)

    def call(self, depth: int) -> Num:
        if not self.helpers:
            return self.binary(depth)
        helper = self.random.choice(self.helpers)
        given, keywords = [], False
        for name, _, default in helper.params:
            if default and self.chance(0.4):
                keywords = True
                continue
            keywords = keywords or self.chance(0.2)
            value = self.storable(depth - 1).text
            given.append(f"{name}={value}" if keywords else value)
        text = f"{helper.name}({', '.join(given)})"
        low, high = WIDTHS[helper.result]
        if helper.optional:
            # What may be None is of 64 bits for the compiler, whatever was declared.
            return Num(f"({text} or 7)", *UNKNOWN)
        return Num(text, low, high)

    def storable(self, depth: int) -> Num:
        """A number of one 64-bit type, as everything is that is stored or passed."""
        return self.same_type(self.num(depth))[0]

    def cell(self, depth: int) -> Num:
        return Num(f"cells[{self.index(depth)}]", I64_LOW, I64_HIGH)

    def index(self, depth: int) -> str:
        if self.chance(0.1):
            return str(self.random.randrange(-16, 16))
        if self.chance(0.1):
            return self.masked(self.num(depth), most=63).text  # perhaps past the end
        return f"({self.num(depth).text} & 15)"

    def added(self, depth: int) -> str:
        """What is added to an entry: without calls, for an atomic addition sees what they do to it,
        and Python, which reads the entry first, does not."""
        helpers, self.helpers = self.helpers, []
        text = self.masked(self.num(depth)).text
        self.helpers = helpers
        return text

    def inside(self) -> str:
        if self.chance(0.2):
            return str(self.random.randrange(-16, 16))
        return f"({self.num(1).text} & 15)"

    def looked_up(self, depth: int) -> Num:
        key = self.storable(depth).text
        form = self.random.randrange(4)
        if form == 0:
            return Num(f"table.get({key}, {abs(self.constant())})", 0, U64_HIGH)
        if form == 1:
            return Num(f"int({key} in table)", 0, 1)
        if form == 2:
            return Num(f"(table.get({key}) or {abs(self.constant())})", 0, U64_HIGH)
        second = self.storable(depth).text
        return Num(f"pairs.get(({key}, {second}), {self.random.randrange(99)})", *WIDTHS["i32"])

    def reduced(self, depth: int) -> Num:
        item = self.name("g")
        turns = self.random.randrange(1, 6)
        self.scope.append(Variable(item, 0, turns))
        body = self.masked(self.num(depth - 1), most=255).text
        condition = f" if {self.cond(0)}" if self.chance(0.5) else ""
        self.scope.pop()
        word = self.pick(("sum", "sum", "any", "all"))
        text = f"{word}({body} for {item} in range({turns}){condition})"
        # A sum is of 64 bits for the compiler, whatever is added.
        return Num(text, *UNKNOWN) if word == "sum" else Num(f"int({text})", 0, 1)

    def cond(self, depth: int) -> str:
        form = self.random.randrange(8 if depth > 0 else 3)
        if form < 3:
            op = self.pick(("<", "<=", "==", "!=", ">", ">="))
            return f"{self.num(depth - 1).text} {op} {self.num(depth - 1).text}"
        if form == 3:
            return f"({self.cond(depth - 1)} {self.pick(('and', 'or'))} {self.cond(depth - 1)})"
        if form == 4:
            return f"(not {self.cond(depth - 1)})"
        if form == 5:
            items = ", ".join(str(self.constant()) for _ in range(3))
            return f"({self.num(depth - 1).text} {self.pick(('in', 'not in'))} ({items}))"
        if form == 6:
            low, middle, high = (self.num(depth - 1).text for _ in range(3))
            return f"({low} {self.pick(('<', '<='))} {middle} {self.pick(('<', '!='))} {high})"
        return f"bool({self.num(depth - 1).text})"

    # -- statements

    def block(self, indent: str, count: int) -> None:
        depth = len(self.scope)
        start = len(self.lines)
        for _ in range(count):
            if self.budget <= 0:
                break
            self.budget -= 1
            self.random.choice(_STATEMENTS)(self, indent)
        if len(self.lines) == start:
            self.lines.append(f"{indent}pass")
        if len(indent) > 4:
            del self.scope[depth:]

    def say(self, indent: str, text: str) -> None:
        self.lines.append(indent + text)

    def declare(self, indent: str) -> None:
        name, value = self.name("v"), self.storable(3)
        if self.chance(0.75):
            width = self.pick(list(WIDTHS))
            self.say(indent, f"{name}: {width} = {value.text}")
            self.scope.append(Variable(name, *WIDTHS[width], width))
        else:
            self.say(indent, f"{name} = {value.text}")
            self.scope.append(Variable(name, value.low, value.high))

    def assign(self, indent: str) -> None:
        known = [v for v in self.scope if v.width]
        if not known:
            self.declare(indent)
            return
        v = self.random.choice(known)
        if self.chance(0.5):
            self.say(indent, f"{v.name} = {self.storable(3).text}")
        elif self.chance(0.2):
            w = self.random.choice(known)
            if w is not v:
                self.say(indent, f"{v.name}, {w.name} = {w.name}, {v.name}")
        else:
            op = self.pick(("+", "-", "^", "|", "&", "*"))
            value = self.masked(self.num(2), most=255)
            result = _RANGES[op](Num("", v.low, v.high), value)
            if fits((v.low, v.high), value[1:], result):
                self.say(indent, f"{v.name} {op}= {value.text}")
            else:
                self.say(indent, f"{v.name} = {self.storable(2).text}")

    def if_(self, indent: str) -> None:
        name = ""
        if self.chance(0.2):
            name, value = self.name("w"), self.storable(2)
            self.say(indent, f"if ({name} := {value.text}) > {self.constant()}:")
            self.scope.append(Variable(name, value.low, value.high))
        else:
            self.say(indent, f"if {self.cond(2)}:")
        self.block(indent + "    ", self.random.randrange(1, 4))
        if self.chance(0.25):
            self.say(indent, f"elif {self.cond(2)}:")
            self.block(indent + "    ", self.random.randrange(1, 3))
        if self.chance(0.5):
            self.say(indent, "else:")
            self.block(indent + "    ", self.random.randrange(1, 3))

    def for_(self, indent: str) -> None:
        if self.loops >= 2:
            return
        item = self.name("i")
        head, low, high = self.iterable(item)
        self.say(indent, head)
        self.loop_body(indent, Variable(item, low, high))

    def iterable(self, item: str) -> tuple[str, int, int]:
        form = self.random.randrange(5)
        if form == 0:
            first, step = self.random.randrange(-9, 10), self.random.choice([-4, -1, 1, 2, 7])
            end = first + step * self.random.randrange(7)
            return f"for {item} in range({first}, {end}, {step}):", -100, 100
        if form == 1:
            items = [self.constant() for _ in range(3)]
            return f"for {item} in ({', '.join(map(str, items))}):", min(items), max(items)
        if form == 2:
            bound = self.masked(self.num(1), most=15).text
            return f"for {item} in range({bound}):", 0, I64_HIGH
        if form == 3:
            return f"for {item} in range({self.random.randrange(24)}):", 0, 24
        other = self.name("e")
        bound = self.random.randrange(1, 6)
        return f"for {other}, {item} in enumerate(range({bound}), {bound}):", 0, 6

    def while_(self, indent: str) -> None:
        if self.loops >= 2:
            return
        name = self.name("n")
        self.say(indent, f"{name}: u8 = {self.storable(2).text}")
        extra = f" and {self.cond(1)}" if self.chance(0.3) else ""
        self.say(indent, f"while {name} != 0{extra}:")
        update = self.pick((f"{name} //= 2", f"{name} = {name} >> 1", f"{name} &= {name} - 1"))
        self.say(indent + "    ", update)
        self.loop_body(indent, Variable(name, 0, 255))

    def loop_body(self, indent: str, variable: Variable) -> None:
        self.loops += 1
        depth = len(self.scope)
        self.scope.append(variable)
        self.block(indent + "    ", self.random.randrange(1, 4))
        if self.chance(0.4):
            self.say(indent + "    ", f"if {self.cond(1)}:")
            self.say(indent + "        ", self.pick(("break", "continue")))
            self.block(indent + "    ", 1)
        del self.scope[depth:]
        self.loops -= 1
        if self.chance(0.3):
            self.say(indent, "else:")
            self.block(indent + "    ", 1)

    def match(self, indent: str) -> None:
        self.say(indent, f"match {self.masked(self.num(2), most=7).text}:")
        used = self.random.sample(range(8), 3)
        self.say(indent, f"    case {used[0]} | {used[1]}:")
        self.block(indent + "        ", 2)
        self.say(indent, f"    case {used[2]}:")
        self.block(indent + "        ", 1)
        name = self.name("m")
        self.say(indent, f"    case {name} if {name} > {self.random.randrange(8)}:")
        self.scope.append(Variable(name, 0, 7))
        self.block(indent + "        ", 1)
        self.scope.pop()
        if self.chance(0.7):
            self.say(indent, "    case _:")
            self.block(indent + "        ", 1)

    def store(self, indent: str) -> None:
        form = self.random.randrange(7)
        value, key = self.storable(2).text, self.storable(1).text
        second = self.storable(1).text
        self.say(
            indent,
            (
                # Past the end these are counted as lost, and do not end the probe.
                f"cells[{self.inside()}] = {value}",
                f"cells[{self.inside()}] += {self.added(2)}",
                f"table[{key}] = {value}",
                f"table[{key}] += {self.added(2)}",
                f"pairs[{key}, {second}] = {value}",
                f"del table[{key}]",
                f"recs[{key}] = Rec(a={value}, c={second})",
            )[form],
        )

    def entry(self, indent: str) -> None:
        name = self.name("r")
        self.say(indent, f"{name} = recs.get({self.storable(1).text})")
        self.say(indent, f"if {name} is not None:")
        for _ in range(self.random.randrange(1, 3)):
            value = self.storable(2).text
            self.say(
                indent + "    ",
                self.pick(
                    (
                        f"{name}.a = {value}",
                        f"{name}.b = {value}",
                        f"{name}.c = {name}.b * {name}.a",
                        f"{name}.c += {self.added(1)}",
                        f"cells[{name}.a & 15] = {name}.c",
                    )
                ),
            )

    def leave(self, indent: str) -> None:
        if len(indent) <= 4 or not self.chance(0.4):
            self.declare(indent)
        elif self.chance(0.2):
            self.say(indent, f"assert {self.cond(1)}")
        else:
            self.say(indent, f"if {self.cond(1)}:")
            self.say(indent, f"    return {self.num(2).text}")


def _bits(*values: int) -> tuple[int, int]:
    top = (1 << max(abs(v) for v in values).bit_length()) - 1
    return (0 if min(values) >= 0 else -top - 1, top)


def _corners(op: Callable[[int, int], int]) -> Callable[[Num, Num], tuple[int, int]]:
    def compute(a: Num, b: Num) -> tuple[int, int]:
        values = [op(x, y) for x in a[1:] for y in b[1:]]
        return min(values), max(values)

    return compute


def _and(a: Num, b: Num) -> tuple[int, int]:
    if a.low >= 0 or b.low >= 0:
        return 0, min(n.high for n in (a, b) if n.low >= 0)
    return _bits(*a[1:], *b[1:])


def _division(a: Num, b: Num) -> tuple[int, int]:
    most = max(abs(a.low), abs(a.high))
    return (0 if a.low >= 0 and b.low >= 0 else -most), most


_RANGES: dict[str, Callable[[Num, Num], tuple[int, int]]] = {
    "+": _corners(lambda a, b: a + b),
    "-": _corners(lambda a, b: a - b),
    "*": _corners(lambda a, b: a * b),
    "&": _and,
    "|": lambda a, b: _bits(*a[1:], *b[1:]),
    "^": lambda a, b: _bits(*a[1:], *b[1:]),
    "//": _division,
    "%": lambda _, b: (min(b.low + 1, 0), max(b.high - 1, 0)),
    "<<": _corners(lambda a, b: a << max(b, 0)),
    ">>": _corners(lambda a, b: a >> max(b, 0)),
}
_NUMBERS: tuple[Callable[[Generator, int], Num], ...] = (
    *([Generator.binary] * 7),
    Generator.unary,
    Generator.extreme,
    Generator.choice,
    Generator.choice,
    Generator.truth,
    Generator.call,
    Generator.call,
    Generator.cell,
    Generator.looked_up,
    Generator.reduced,
)
_STATEMENTS: tuple[Callable[[Generator, str], None], ...] = (
    *([Generator.declare] * 3),
    *([Generator.assign] * 3),
    *([Generator.if_] * 3),
    Generator.for_,
    Generator.while_,
    Generator.match,
    *([Generator.store] * 2),
    Generator.entry,
    Generator.leave,
)


def probe(name: str) -> str:
    """The probe that runs a program."""
    given = ", ".join(f"ctx.args[{i}]" for i in range(ARGUMENTS))
    return (
        f'@raw_tracepoint("sys_enter")\ndef p_{name}(ctx: RawTracepointContext) -> int:\n'
        f"    out[0] = {name}({given})\n    return 1\n\n\n"
    )


def inputs(seed: int, count: int) -> Iterator[tuple[int, ...]]:
    """Arguments as 64-bit words: small, near the edges of widths, and any."""
    chosen = random.Random(~seed)
    for _ in range(count):
        words = []
        for _ in range(ARGUMENTS):
            kind = chosen.randrange(4)
            if kind == 0:
                word = chosen.randrange(-4, 20)
            elif kind == 1:
                word = (1 << chosen.choice([7, 8, 15, 16, 31, 32, 63])) + chosen.randrange(-2, 2)
            elif kind == 2:
                word = chosen.randrange(256)
            else:
                word = chosen.getrandbits(64)
            words.append(word & U64_HIGH)
        yield tuple(words)
