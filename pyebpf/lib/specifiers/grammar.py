"""Probe specifiers: one line that says where to look, what to collect there, and when.

``{p,r,t,u}:{[library],category}:function(signature)[:type[,type…]:expr[,expr…][:filter]][#label]``

What names in it mean is the business of :mod:`pyebpf.lib.specifiers.writer`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyebpf.lib.specifiers.c_types import CType, read_parameter, read_type
from pyebpf.lib.specifiers.expressions import Part, SpecifierError
from pyebpf.lib.specifiers.places import KINDS, missing
from pyebpf.plain import Frozen

_GRAMMAR = "TYPE:LIBRARY:FUNCTION(SIGNATURE):types:expressions:filter#label"
_LEAST, _MOST = 3, 6  # parts
_SYSCALL = re.compile(r"(?:sys|SyS)_(\w+)")


class Parameter(Frozen):
    """A parameter of a signature."""

    type: CType
    name: str


class Signature(Frozen):
    """What a function takes and gives, as far as its types can be read.

    Attributes:
        parameters: by position.
        result: None if there is none.
    """

    parameters: tuple[Parameter, ...]
    result: CType | None


class Specifier(Frozen):
    """What a specifier says.

    Attributes:
        text: all of it.
        kind: a key of ``KINDS``.
        place: the library or program, the category of a tracepoint; empty for the kernel.
        function: or tracepoint, or USDT probe.
        parameters: of the function, by position.
        values: what to collect: an expression and its type; none if that is left to the tool.
        condition: the filter.
        label: what to call it; empty if nothing is said.
    """

    text: str
    kind: str
    place: str
    function: str
    parameters: tuple[Parameter, ...] = ()
    values: tuple[tuple[CType, Part], ...] = ()
    condition: Part | None = None
    label: str = ""

    @property
    def is_user(self) -> bool:
        """Whether its arguments are those of a process."""
        return self.kind == "u" or (self.kind in "pr" and bool(self.place))

    @property
    def syscall(self) -> str:
        """The system call that it is about: ``sys_openat`` is no function, but ``openat`` is."""
        is_function = self.kind in "pr" and not self.place
        found = _SYSCALL.fullmatch(self.function) if is_function else None
        return found[1] if found else ""

    @property
    def is_syscall(self) -> bool:
        """Whether its arguments are those of a system call."""
        return bool(self.syscall) or (self.kind == "t" and self.place == "syscalls")

    @property
    def title(self) -> str:
        """What to print above its results."""
        return self.label or self.text


def read(text: str) -> Specifier:
    """Read a specifier.

    Raises:
        SpecifierError: it makes no sense; what names mean is looked at later.
    """
    body, hash_sign, label = _unlabelled(text)
    parts = [*split(body, ":")]
    kind = parts[0]
    if kind.text not in KINDS:
        which = ", ".join(f"{key} ({what})" for key, what in KINDS.items())
        raise kind.fault(f"a specifier begins with what it is about: {which}")
    if len(parts) < _LEAST:
        raise _at_end(body, f"something is missing here; a specifier is {_GRAMMAR}")
    if len(parts) > _MOST:
        raise parts[_MOST].fault(f"there is one `:` too many before this; it is {_GRAMMAR}")
    place, function, parameters = _placed(kind.text, parts[1], parts[2])
    values: tuple[tuple[CType, Part], ...] = ()
    if len(parts) == _LEAST + 1:
        raise _at_end(body, "types come with expressions: TYPE:EXPRESSION")
    if len(parts) > _LEAST:
        values = _values(parts[3], parts[4])
    condition = parts[5] if len(parts) == _MOST else None
    if condition is not None and not condition.text:
        raise condition.fault("the filter is missing: write one, or leave out the `:` before it")
    return Specifier(
        text, kind.text, place, function, parameters, values, condition, label if hash_sign else ""
    )


def _unlabelled(text: str) -> tuple[Part, str, str]:
    """Take the label off."""
    body = next(split(Part(text, 0, len(text)), "#"))
    rest = text[body.end :].lstrip()
    return body, rest[:1], rest[1:].strip()


def split(part: Part, sign: str) -> Iterator[Part]:
    """Yield what is between signs that are not in quotes or brackets."""
    begin, depth = part.begin, 0
    for found in re.finditer(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|.""", part.text, re.DOTALL):
        at = part.begin + found.start()
        depth += (found[0] in "([") - (found[0] in ")]")
        if found[0] == sign and depth <= 0:
            yield stripped(part.whole, begin, at)
            begin = at + 1
    yield stripped(part.whole, begin, part.end)


def stripped(whole: str, begin: int, end: int) -> Part:
    """Return a part of a text without the spaces around it."""
    text = whole[begin:end]
    inner = text.strip()
    begin += len(text) - len(text.lstrip()) if inner else 0
    return Part(whole, begin, begin + len(inner))


def _at_end(part: Part, why: str) -> SpecifierError:
    return SpecifierError(why, part.whole, part.end)


def _placed(kind: str, place: Part, called: Part) -> tuple[str, str, tuple[Parameter, ...]]:
    """Read the library or category, and the function with its signature."""
    if kind in "tu" and not place.text:
        raise place.fault(f"{missing(kind)} is missing here")
    name, bracket, signature = called.text.partition("(")
    if not name.strip() or not re.fullmatch(r"\S+", name.strip()):
        raise called.fault("the name of a function is missing here: vfs_read(struct file *file)")
    if not bracket:
        return place.text, name, ()
    if not signature.endswith(")"):
        raise _at_end(called, "a `)` is missing at the end of the signature")
    inner = stripped(called.whole, called.begin + len(name) + 1, called.end - 1)
    if kind == "t" and inner.text:
        raise inner.fault("a tracepoint has no signature: its fields are args->name")
    return place.text, name.strip(), tuple(parameters_of(inner))


def parameters_of(signature: Part) -> Iterator[Parameter]:
    """Yield the parameters of a signature, without its brackets."""
    if not signature.text or signature.text == "void":
        return
    for part in split(signature, ","):
        if part.text == "...":
            return
        found = read_parameter(part.text)
        if found is None:
            raise part.fault(f"{part.text!r} is no parameter: write its type and its name, int fd")
        if found[0].is_struct:
            why = f"{found[0]} is no type of arguments that can be read: numbers and pointers are"
            raise part.fault(f"{why}; write u64 for a number of a type that is not known")
        yield Parameter(*found)


def _values(types: Part, expressions: Part) -> tuple[tuple[CType, Part], ...]:
    kinds, values = [*split(types, ",")], [*split(expressions, ",")]
    for part in kinds:
        if not part.text or read_type(part.text).is_struct:
            why = f"{part.text!r} is no type" if part.text else "a type is missing here"
            raise part.fault(f"{why}: write u64, int, size_t and the like, or char* for text")
    if len(kinds) != len(values):
        short = kinds if len(kinds) < len(values) else values
        what = "type" if short is kinds else "expression"
        why = f"{len(kinds)} types and {len(values)} expressions: each needs its {what}"
        raise _at_end(short[-1], why)
    for number, value in enumerate(values):
        if value.text in [before.text for before in values[:number]]:
            raise value.fault(f"{value.text!r} is collected already")
    return tuple((read_type(kind.text), value) for kind, value in zip(kinds, values, strict=True))
