"""The state of a program that is being written, and what all subjects use to write it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, TypeVar

from tests.differential.generator.ranges import UNKNOWN, WIDTHS, Num, fits

T = TypeVar("T")
MASKS = (1, 3, 7, 15, 63, 255, 0xFFF, 0xFFFF, 0x7FFFFFFF)
#: How large programs are, in expressions after all functions are expanded, and how often.
SIZES = ((25, 6), (60, 6), (130, 3), (400, 1))


class Variable(NamedTuple):
    """A number."""

    name: str
    low: int
    high: int
    width: str = ""  # empty: not to be assigned


class Text(NamedTuple):
    """A variable that holds text."""

    name: str


class Name(NamedTuple):
    """A name that stands for a constant text."""

    name: str


class Elements(NamedTuple):
    """A local array."""

    name: str
    width: str
    length: int


class Thing(NamedTuple):
    """A variable that holds a record."""

    name: str
    kind: str
    local: bool


Known: TypeAlias = "Variable | Text | Name | Elements | Thing"


class Helper(NamedTuple):
    """A function that was written before."""

    name: str
    params: tuple[tuple[str, str, bool], ...]  # name, kind, has a default
    result: str
    optional: bool
    size: int
    text: str


class Grammar(NamedTuple):
    """What there is to choose from, each with its weight."""

    numbers: tuple[tuple[int, Callable[[Maker, int], Num]], ...]
    conditions: tuple[tuple[int, Callable[[Maker, int], str]], ...]
    statements: tuple[tuple[int, Callable[[Maker, str], None]], ...]


class Maker:
    """Writes one program; the subjects are functions that take it."""

    def __init__(self, seed: int, grammar: Grammar) -> None:
        self.random = random.Random(seed)
        self.grammar = grammar
        self.lines: list[str] = []
        self.count = 0
        self.scope: list[Known] = []
        self.helpers: list[Helper] = []
        self.loops = 0
        self.slices = 0
        self.result = "i64"
        sizes, weights = zip(*SIZES, strict=True)
        self.room: int = self.random.choices(sizes, weights)[0]

    # -- choices

    def chance(self, share: float) -> bool:
        """Decide something that happens in this share of cases."""
        return self.random.random() < share

    def pick(self, *items: T) -> T:
        """Choose one of these."""
        return self.random.choice(items)

    def width(self) -> str:
        """Choose a width."""
        return self.pick(*WIDTHS)

    def weighted(self, table: tuple[tuple[int, Any], ...]) -> Any:
        """Choose from a table of weights and things."""
        return self.random.choices([t for _, t in table], [w for w, _ in table])[0]

    def name(self, prefix: str) -> str:
        """Return a name that is not used yet."""
        self.count += 1
        return f"{prefix}{self.count}"

    def constant(self) -> int:
        """Choose a constant of at most 32 bits."""
        kind = self.random.randrange(4)
        if kind == 0:
            return self.random.randrange(-3, 4)
        if kind == 1:
            return self.random.randrange(-300, 1000)
        if kind == 2:
            return self.pick(-1, 1) << self.random.randrange(31)
        return self.random.randrange(256)

    def known(self, kind: type[T]) -> list[T]:
        """Return the variables of a kind."""
        return [known for known in self.scope if isinstance(known, kind)]

    # -- expressions

    def num(self, depth: int) -> Num:
        """Write a number."""
        self.room -= 1
        if depth <= 0 or self.room <= 0 or self.chance(0.25):
            return self.leaf()
        made: Num = self.weighted(self.grammar.numbers)(self, depth - 1)
        return made

    def leaf(self) -> Num:
        """Write a variable or a constant."""
        numbers = self.known(Variable)
        if numbers and self.chance(0.75):
            v = self.pick(*numbers)
            return Num(v.name, v.low, v.high)
        value = self.constant()
        return Num(str(value) if value >= 0 else f"({value})", value, value)

    def cond(self, depth: int) -> str:
        """Write a condition."""
        if depth <= 0 or self.room <= 0 or self.chance(0.4):
            return self.comparison(depth)
        made: str = self.weighted(self.grammar.conditions)(self, depth)
        return made

    def comparison(self, depth: int) -> str:
        """Write a comparison of two numbers."""
        op = self.pick("<", "<=", "==", "!=", ">", ">=")
        return f"{self.num(depth - 1).text} {op} {self.num(depth - 1).text}"

    def masked(self, num: Num, *, most: int = 1 << 40) -> Num:
        """Make a number small and not negative."""
        mask = self.pick(*(m for m in MASKS if m <= most))
        if num.low >= 0 and num.high <= mask:
            return num
        if mask > 1 and (num.low, num.high) != UNKNOWN and fits(num[1:]) and self.chance(0.3):
            return Num(f"({num.text} % {mask})", 0, mask - 1)
        return Num(f"({num.text} & {mask})", 0, mask)

    def same_type(self, *nums: Num) -> list[Num]:
        """Make operands fit one 64-bit type."""
        return list(nums) if fits(*((n.low, n.high) for n in nums)) else [*map(self.masked, nums)]

    def storable(self, depth: int) -> Num:
        """Write a number of one 64-bit type, as everything is that is stored or passed."""
        return self.same_type(self.num(depth))[0]

    def index(self, length: int, depth: int, *, beyond: float = 0.1) -> str:
        """Write an index: constant or not, negative or not, sometimes one that may be too large."""
        if self.chance(0.3):
            return str(self.random.randrange(-length, length))
        if self.chance(beyond):
            return self.masked(self.num(depth), most=63).text
        return f"({self.storable(depth).text} % {length})"

    # -- statements

    def block(self, indent: str, count: int) -> None:
        """Write statements; what they declare is known in this block only."""
        depth = len(self.scope)
        start = len(self.lines)
        for _ in range(count):
            if self.room <= 0:
                break
            self.weighted(self.grammar.statements)(self, indent)
        if len(self.lines) == start:
            self.say(indent, "pass")
        if len(indent) > 4:  # not the function's own
            del self.scope[depth:]

    def repeated(self, start: int, times: int) -> None:
        """Count what was written since ``room`` was ``start`` so many times: it is written out."""
        self.room -= (start - self.room) * (times - 1)

    def say(self, indent: str, text: str) -> None:
        """Write a line."""
        self.lines.append(indent + text)
