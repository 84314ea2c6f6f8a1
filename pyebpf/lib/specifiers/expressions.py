"""Expressions as they are written on a command line, in C or in Python, as those of probes.

What both languages share means the same here; where it does not (``a & b == c``), the text is
refused with what to write instead. ``/`` is ``//``, which rounds down. A name is looked up by who
asks, so this module knows nothing of arguments.
"""

from __future__ import annotations

import keyword
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple, NoReturn, Protocol

from pyebpf.lib.specifiers.c_types import CType, is_type, read_type


class SpecifierError(ValueError):
    """A text that makes no sense: what is wrong, the text, and a mark below the place.

    Attributes:
        at: where in the text, in characters.
    """

    def __init__(self, why: str, text: str, at: int) -> None:
        shown = "".join(sign if sign.isprintable() else " " for sign in text)
        super().__init__(f"{why}\n  {shown}\n  {' ' * at}^")
        self.at = at


class Part(NamedTuple):
    """A part of a text: where it begins and ends in it, without the spaces around it."""

    whole: str
    begin: int
    end: int

    @property
    def text(self) -> str:
        """The part itself."""
        return self.whole[self.begin : self.end]

    def fault(self, why: str) -> SpecifierError:
        """Return the error at the begin of this part."""
        return SpecifierError(why, self.whole, self.begin)


class Names(Protocol):
    """What an expression may name."""

    def name(self, word: Token) -> str:
        """Return what stands for a name, or for ``$name``.

        Raises:
            SpecifierError: there is no such thing.
        """
        ...

    def entry(self, word: Token) -> str:
        """Return what stands for ``$entry(name)``: what an argument was at the begin."""
        ...

    def as_text(self, value: str) -> str:
        """Return what makes text of a value: a pointer to text, or text."""
        ...

    def same_text(self, value: str, wanted: str) -> str:
        """Return what compares a text with a constant."""
        ...

    def pointer(self, kind: CType) -> str:
        """Return the annotation that a C type stands for."""
        ...

    def in_process(self, value: str) -> str:
        """Return the address ``value`` as one in the memory of the process."""
        ...

    def function(self, name: str) -> str:
        """Return a function of this package by its name."""
        ...


class Token(NamedTuple):
    """A word, number, text or sign; ``kind`` is the name of its pattern, or ``end``."""

    kind: str
    text: str
    at: int


_TOKENS = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|\d+)(?P<suffix>[uUlL]*)(?!\w)
    |(?P<word>\$?[A-Za-z_]\w*)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<sign>->|<<|>>|&&|\|\||[<>=!]=|//|[-+*/%&|^~!<>()\[\].,?:=@])""",
    re.VERBOSE,
)


def tokens_of(part: Part) -> Iterator[Token]:
    """Yield the tokens of a part, and one of the kind ``end``.

    Raises:
        SpecifierError: a character begins none.
    """
    at = part.begin
    while at < part.end:
        found = _TOKENS.match(part.whole, at, part.end)
        if found is None:
            quoted = part.whole[at] in "\"'"
            what = "this text has no end: close it with the same sign" if quoted else (
                f"{part.whole[at]!r} has no meaning in an expression"
            )  # fmt: skip
            raise SpecifierError(what, part.whole, at)
        kind = "number" if found["number"] else str(found.lastgroup)
        if kind != "space":
            yield Token(kind, found["number"] or found[0], at)
        at = found.end()
    yield Token("end", "", part.end)


class _Term(NamedTuple):
    """Python text, and what holds it together: a sign, or ``""`` if nothing has to."""

    text: str
    sign: str = ""

    def __str__(self) -> str:
        return f"({self.text})" if self.sign else self.text


_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">", "in", "not in", "is", "is not")
#: From what binds least; each row are operators of one rank, as C and Python spell them.
_RANKS: tuple[tuple[str, ...], ...] = (
    ("||", "or"), ("&&", "and"), _COMPARISONS, ("|",), ("^",), ("&",), ("<<", ">>"), ("+", "-"),
    ("*", "/", "//", "%"),
)  # fmt: skip
_AND = 1
_PYTHON = {"||": "or", "&&": "and", "/": "//"}
_BEFORE = {"!": "not ", "not": "not ", "-": "-", "+": "+", "~": "~"}
_WORDS = frozenset({"and", "or", "not", "in", "is", "if", "else"})
#: Members of sockets that are macros in C: ``include/net/sock.h``, ``include/net/inet_sock.h``.
_MACROS = {
    f"sk_{name}": f"__sk_common.skc_{name}"
    for name in (
        *("num", "dport", "daddr", "rcv_saddr", "family", "state", "reuse", "reuseport", "prot"),
        *("bound_dev_if", "net", "v6_daddr", "v6_rcv_saddr", "cookie", "flags"),
    )
} | {
    f"inet_{name}": f"sk.__sk_common.skc_{name}" for name in ("daddr", "rcv_saddr", "dport", "num")
}  # fmt: skip
_CONSTANTS = {"NULL": "0", "true": "True", "false": "False"}


def to_python(part: Part, names: Names) -> str:
    """Return the expression of Python that a part of a specifier means.

    Raises:
        SpecifierError: it makes no sense.
    """
    found = _Reader(part, names).whole()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compile(found, "<expression>", "eval")
    except SyntaxError as err:
        raise part.fault(f"this is no expression: {err.msg}") from None
    return found


class _Reader:
    """Reads one expression, from the left to the right."""

    def __init__(self, part: Part, names: Names) -> None:
        self._part, self._names = part, names
        self._tokens = [*tokens_of(part)]
        self._next = 0

    def whole(self) -> str:
        if len(self._tokens) == 1:
            self._refuse("an expression is missing here")
        found = self._choice()
        if self._token.kind != "end":
            self._refuse(f"{self._token.text!r} is not expected here: an operator is missing")
        return found.text

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _refuse(self, why: str, token: Token | None = None) -> NoReturn:
        raise SpecifierError(why, self._part.whole, (token or self._token).at)

    def _take(self, *texts: str) -> str:
        """Take the next token if it is one of these signs or words; else return nothing."""
        if self._token.kind in ("sign", "word") and self._token.text in texts:
            self._next += 1
            return self._tokens[self._next - 1].text
        return ""

    def _need(self, sign: str, after: str) -> None:
        if not self._take(sign):
            self._refuse(f"{sign!r} is missing {after}")

    def _choice(self) -> _Term:
        """``a if c else b``, or ``c ? a : b``."""
        first = self._binary(0)
        if self._take("?"):
            then = self._choice()
            self._need(":", "after `?`: `c ? a : b` stands in parentheses")
            return _Term(f"{then} if {first} else {self._choice()}", "if")
        if self._take("if"):
            condition = self._binary(0)
            self._need("else", "after `if`")
            return _Term(f"{first} if {condition} else {self._choice()}", "if")
        return first

    def _binary(self, rank: int) -> _Term:
        if rank == len(_RANKS):
            return self._prefixed()
        if rank == _AND + 1 and self._take("not"):
            return _Term(f"not {self._binary(rank)}", "not")
        left = self._binary(rank + 1)
        start = self._token
        while sign := self._operator(rank):
            if left.sign in _COMPARISONS and sign in _COMPARISONS:
                why = "a comparison of a comparison differs in C and Python: join two with &&"
                self._refuse(why, start)
            right = self._binary(rank + 1)
            if sign in _COMPARISONS:
                self._same_in_c(left, sign, right, start)
            sign = _PYTHON.get(sign, sign)
            # What the left side holds together may stand there as it is.
            begin = left.text if left.sign == sign and sign in ("or", "and", "+", "*") else left
            left = _Term(f"{begin} {sign} {right}", sign)
            start = self._token
        return left

    def _operator(self, rank: int) -> str:
        sign = self._take(*_RANKS[rank])
        if rank != _AND + 1:
            return sign
        if not sign and self._token.text == "not" and self._tokens[self._next + 1].text == "in":
            self._next += 2
            return "not in"
        return "is not" if sign == "is" and self._take("not") else sign

    def _same_in_c(self, left: _Term, sign: str, right: _Term, start: Token) -> None:
        for side in (left, right):
            if side.sign in ("&", "|", "^") and sign in ("==", "!=", "<=", ">=", "<", ">"):
                why = f"C compares before `{side.sign}`, Python after it: write ({side.text})"
                self._refuse(why, start)

    def _prefixed(self) -> _Term:
        start = self._token
        sign = self._take(*_BEFORE, "*", "&")
        if sign:
            inner = self._prefixed()
            if sign == "*":
                return _Term(f"{inner}[0]")
            if sign == "&":
                return _Term(f"{self._names.function('addressof')}({inner.text})")
            return _Term(f"{_BEFORE[sign]}{inner}", sign)
        if self._token.text == "(" and (kind := self._cast()) is not None:
            inner = self._prefixed()
            if kind.is_struct:
                self._refuse("a struct has to be a pointer to be cast to: add a `*`", start)
            if kind.scalar == "bool":
                return _Term(f"bool({inner.text})")
            cast = self._names.function("cast")
            return _Term(f"{cast}({self._names.pointer(kind)}, {inner.text})")
        return self._followed()

    def _cast(self) -> CType | None:
        """Take a type in parentheses if that is what comes, and something to cast behind it."""
        words = []
        for token in self._tokens[self._next + 1 :]:
            if token.text == ")":
                break
            if token.kind != "word" and token.text != "*":
                return None
            words.append(token.text)
        text = " ".join(words)
        after = self._tokens[min(self._next + len(words) + 2, len(self._tokens) - 1)]
        begins = after.kind in ("word", "number", "string") or after.text in ("(", "-", "~", "!")
        if not is_type(text) or not begins or after.text in _WORDS:
            return None
        self._next += len(words) + 2
        return read_type(text)

    def _followed(self) -> _Term:
        """A value, with its members, elements and calls."""
        found = self._value()
        while sign := self._take("->", ".", "[", "(", "@"):
            if sign == "@":
                if not self._take("user"):
                    self._refuse("`@` is for `@user` alone: text in the memory of the process")
                found = _Term(self._names.in_process(found.text))
            elif sign == "[":
                found = _Term(f"{found}[{self._choice().text}]")
                self._need("]", "after an index")
            elif sign == "(":
                found = _Term(f"{found}({', '.join(self._arguments())})")
            else:
                found = _Term(f"{found}.{self._member()}")
        return found

    def _member(self) -> str:
        token = self._token
        if token.kind != "word":
            self._refuse("the name of a member is missing")
        if keyword.iskeyword(token.text):
            self._refuse(f"{token.text!r} is a word of Python, and cannot be the name of a member")
        self._next += 1
        return _MACROS.get(token.text, token.text)

    def _value(self) -> _Term:
        token = self._token
        if self._take("("):
            inner = self._choice()
            if self._token.text == ",":
                items = [inner.text]
                while self._take(","):
                    items += [self._choice().text] if self._token.text != ")" else []
                inner = _Term(f"{', '.join(items)}{',' * (len(items) == 1)}", ",")
            self._need(")", "after what it encloses")
            return _Term(str(inner)) if inner.sign else inner
        if token.kind not in ("word", "number", "string") or token.text in _WORDS:
            found = "the end" if token.kind == "end" else repr(token.text)
            self._refuse(f"a value is missing here, before {found}")
        self._next += 1
        if token.kind == "word":
            return _Term(self._named(token))
        return _Term(self._number(token) if token.kind == "number" else token.text)

    def _number(self, token: Token) -> str:
        """Return a number as Python writes it: what begins with a zero is octal in C."""
        digits = token.text
        if not digits.isdigit() or digits[0] != "0" or len(digits) == 1:
            return digits
        if not re.fullmatch("[0-7]+", digits):
            self._refuse("a number that begins with 0 is octal, and has no 8 and 9", token)
        return f"0o{digits[1:]}"

    def _named(self, token: Token) -> str:
        if token.text in _CONSTANTS:
            return _CONSTANTS[token.text]
        if token.text == "$entry":
            self._need("(", "after $entry, with the name of an argument in it")
            word = self._token
            self._next += word.kind != "end"
            self._need(")", "after the name of the argument")
            return self._names.entry(word)
        if token.text == "STRCMP":
            return self._same_text()
        return self._names.name(token)

    def _same_text(self) -> str:
        """``STRCMP("text", argument)``."""
        self._need("(", 'after STRCMP: STRCMP("text", argument)')
        wanted = self._token
        if wanted.kind != "string":
            self._refuse('STRCMP begins with what to compare with: STRCMP("text", argument)')
        self._next += 1
        self._need(",", 'in STRCMP("text", argument)')
        value = self._choice().text
        self._need(")", "after the arguments of STRCMP")
        return self._names.same_text(value, wanted.text)

    def _arguments(self) -> list[str]:
        found: list[str] = []
        while not self._take(")"):
            if found:
                self._need(",", "between two arguments")
            if self._tokens[self._next + 1].text == "=" and self._token.kind == "word":
                self._next += 2
                name = self._tokens[self._next - 2].text
                found.append(f"{name}={self._choice().text}")
            else:
                found.append(self._choice().text)
        return found
