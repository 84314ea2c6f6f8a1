"""Names of Rust as programmers write them, of both ways in which compilers have written them down.

Source: RFC 2603 of Rust, "Rust Symbol Name Mangling v0"; the rustc book, "Legacy Symbol Mangling".
"""

from __future__ import annotations

import re
from collections.abc import Callable

#: Names of the older kind look like C++'s; this, at the end, tells versions of a crate apart.
_LEGACY = re.compile(r"_ZN(.*)17h[0-9a-f]{16}E(?:\.llvm\.[0-9A-F@]+)?")
_ESCAPE = re.compile(r"\$(?:u([0-9a-f]{1,6})|([A-Z]{1,2}))\$|\.\.")
_LETTERS = {
    "SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ","
}  # fmt: skip
_BASIC = {
    "a": "i8", "b": "bool", "c": "char", "d": "f64", "e": "str", "f": "f32", "h": "u8",
    "i": "isize", "j": "usize", "l": "i32", "m": "u32", "n": "i128", "o": "u128", "s": "i16",
    "t": "u16", "u": "()", "v": "...", "x": "i64", "y": "u64", "z": "!", "p": "_",
}  # fmt: skip
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: A name may refer to parts of itself: these end one that was made to be endless.
_DEEPEST, _LONGEST = 200, 1 << 14


def legacy(name: str) -> str | None:
    """Return what a name of the older kind stands for; None if it is none."""
    found = _LEGACY.fullmatch(name)
    parts, rest = [], found[1] if found else ""
    while rest:
        word = rest.lstrip("0123456789")
        size = int(rest[: len(rest) - len(word)] or 0)
        if not 0 < size <= len(word):
            return None
        part = word[:size]
        parts.append(_ESCAPE.sub(_letter, part[part.startswith("_$") :]))
        rest = word[size:]
    return "::".join(parts) or None


def _letter(found: re.Match[str]) -> str:
    code, letters = found.groups()
    if code:
        number = int(code, 16)
        return chr(number) if number < 0x110000 else found[0]
    return _LETTERS.get(letters, found[0]) if letters else "::"


def v0(name: str) -> str | None:
    """Return what a name that begins with ``_R`` stands for; None if it is none."""
    reader = _Reader(name.partition(".")[0])
    try:
        reader.whole()
    except (ValueError, IndexError, RecursionError):
        return None
    return "".join(reader.out)


class _Reader:
    """A name while it is read from left to right; what it stands for is written to ``out``."""

    def __init__(self, name: str) -> None:
        self._text, self._at, self._depth, self._size = name, 2, 0, 0
        self._bound = 0  # lifetimes that ``for<…>`` has introduced
        self.out: list[str] = []

    def _say(self, text: str) -> None:
        self._size += len(text)
        if self._size > _LONGEST:
            raise ValueError(self._text)
        self.out.append(text)

    def _next(self) -> str:
        letter = self._text[self._at]
        self._at += 1
        return letter

    def _eat(self, letter: str) -> bool:
        found = self._text[self._at : self._at + 1] == letter
        self._at += found
        return found

    def _number62(self) -> int:
        if self._eat("_"):
            return 0
        number = 0
        while not self._eat("_"):
            number = number * 62 + _DIGITS.index(self._next())
        return number + 1

    def _optional62(self, letter: str) -> int:
        return self._number62() + 1 if self._eat(letter) else 0

    def _name(self) -> tuple[int, str]:
        """Read a name, and what tells it from others in the same place."""
        which = self._optional62("s")
        punycode = self._eat("u")
        begin = self._at
        if not self._eat("0"):  # which stands alone: "00" is two names of no length
            while self._text[self._at : self._at + 1].isdigit():
                self._at += 1
        length = int(self._text[begin : self._at])
        self._eat("_")
        word = self._text[self._at : self._at + length]
        if len(word) != length:
            raise ValueError(self._text)
        self._at += length
        if punycode:
            plain, _, rest = word.rpartition("_")
            word = (f"{plain}-{rest}" if plain else rest).encode().decode("punycode")
        return which, word

    def _behind(self, read: Callable[[], None]) -> None:
        """Read again what stands earlier in the name."""
        end = self._at - 1
        to = self._number62() + 2
        if to >= end:
            raise ValueError(self._text)
        here, self._at = self._at, to
        self._deeper(read)
        self._at = here

    def _deeper(self, read: Callable[[], None]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(self._text)
        read()
        self._depth -= 1

    def _listed(self, read: Callable[[], None], end: str = "E") -> int:
        """Read parts up to an end, with commas between them; return how many."""
        count = 0
        while not self._eat(end):
            self._say(", " if count else "")
            self._deeper(read)
            count += 1
        return count

    def whole(self) -> None:
        """Read all of it: the function, and which crate asked for it, which is not said."""
        self.path(in_value=True)
        if self._at < len(self._text):
            self._silently(self.path)
        if self._at != len(self._text):
            raise ValueError(self._text)

    def path(self, *, in_value: bool = False) -> None:
        """Read a path: ``alloc::vec::Vec<T>``."""
        self._deeper(lambda: self._path(self._next(), in_value))

    def _path(self, tag: str, in_value: bool) -> None:
        if tag == "C":
            self._say(self._name()[1])
        elif tag == "N":
            self._nested(in_value)
        elif tag in "MX":
            self._silently(self._implementation)
            self._type_as(tag == "X")
        elif tag == "Y":
            self._type_as(True)
        elif tag == "I":
            self.path(in_value=in_value)
            self._say("::<" if in_value else "<")
            self._listed(self._argument)
            self._say(">")
        elif tag == "B":
            self._behind(lambda: self.path(in_value=in_value))
        else:
            raise ValueError(self._text)

    def _nested(self, in_value: bool) -> None:
        space = self._next()
        self.path(in_value=in_value)
        which, word = self._name()
        if space.isupper():
            kind = {"C": "closure", "S": "shim"}.get(space, space)
            self._say(f"::{{{kind}{':' if word else ''}{word}#{which}}}")
        elif word:
            self._say(f"::{word}")

    def _implementation(self) -> None:
        self._optional62("s")
        self.path()

    def _type_as(self, has_trait: bool) -> None:
        self._say("<")
        self._type()
        if has_trait:
            self._say(" as ")
            self.path()
        self._say(">")

    def _silently(self, read: Callable[[], None]) -> None:
        kept, self.out = self.out, []
        read()
        self.out = kept

    def _argument(self) -> None:
        if self._eat("L"):
            self._lifetime()
        elif self._eat("K"):
            self._constant()
        else:
            self._type()

    def _lifetime(self) -> None:
        number = self._number62()
        depth = self._bound - number
        self._say("'_" if not number else f"'{chr(ord('a') + depth) if depth < 26 else depth}")

    def _type(self) -> None:
        self._deeper(lambda: self._type_of(self._next()))

    def _type_of(self, tag: str) -> None:
        if tag in _BASIC:
            self._say(_BASIC[tag])
        elif tag in "RQ":
            self._reference("mut " if tag == "Q" else "")
        elif tag in "PO":
            self._say("*const " if tag == "P" else "*mut ")
            self._type()
        elif tag in "AS":
            self._say("[")
            self._type()
            if tag == "A":
                self._say("; ")
                self._constant()
            self._say("]")
        elif tag == "T":
            self._say("(")
            self._say(",)" if self._listed(self._type) == 1 else ")")
        elif tag in "FD":
            bound = self._bound
            (self._function if tag == "F" else self._object)()
            self._bound = bound
            if tag == "D":
                self._bounded_by()
        elif tag == "B":
            self._behind(self._type)
        else:
            self._path(tag, False)

    def _reference(self, change: str) -> None:
        self._say("&")
        if self._eat("L"):
            number = self._at
            if self._number62():
                self._at = number
                self._lifetime()
                self._say(" ")
        self._say(change)
        self._type()

    def _binder(self) -> None:
        count = self._optional62("G")
        if count > _DEEPEST:
            raise ValueError(self._text)
        if count:
            names = [f"'{chr(ord('a') + self._bound + n)}" for n in range(count)]
            self._say(f"for<{', '.join(names)}> ")
            self._bound += count

    def _function(self) -> None:
        self._binder()
        self._say("unsafe " if self._eat("U") else "")
        if self._eat("K"):
            abi = "C" if self._eat("C") else self._name()[1].replace("_", "-")
            self._say(f'extern "{abi}" ')
        self._say("fn(")
        self._listed(self._type)
        self._say(")")
        if not self._eat("u"):
            self._say(" -> ")
            self._type()

    def _object(self) -> None:
        self._say("dyn ")
        self._binder()
        count = 0
        while not self._eat("E"):
            self._say(" + " if count else "")
            self._deeper(self._bound_trait)
            count += 1

    def _bounded_by(self) -> None:
        if not self._eat("L"):
            raise ValueError(self._text)
        here = self._at
        if self._number62():
            self._at = here
            self._say(" + ")
            self._lifetime()

    def _bound_trait(self) -> None:
        """Read a trait with its associated types: ``Iterator<Item = u8>``."""
        before = len(self.out)
        self.path()
        has_arguments = len(self.out) > before and self.out[-1] == ">"
        if has_arguments and self._text[self._at : self._at + 1] == "p":
            self.out.pop()
        count = 0
        while self._eat("p"):
            self._say(", " if count or has_arguments else "<")
            self._say(f"{self._name()[1]} = ")
            self._type()
            count += 1
        self._say(">" if count else "")

    def _constant(self) -> None:
        tag = self._next()
        if tag == "B":
            self._behind(self._constant)
            return
        if tag == "p":
            self._say("_")
            return
        sign = "-" if self._eat("n") else ""
        digits, _, _ = self._text[self._at :].partition("_")
        self._at += len(digits) + 1
        number = int(digits or "0", 16)
        if tag == "b":
            self._say("true" if number else "false")
        elif tag == "c":
            self._say(repr(chr(number)))
        elif tag in _BASIC:
            self._say(f"{sign}{number}")
        else:
            raise ValueError(self._text)
