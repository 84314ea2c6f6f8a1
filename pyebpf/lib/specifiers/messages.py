"""Specifiers of lines that are printed at each call: where, when, and what to say.

``[{p,r,t,u}:][library]:name[+offset][(signature)] [(predicate)] ["format", value[, value…]]``

The format is that of ``printf``; ``%K`` and ``%U`` are names of functions by their address, of the
kernel and of the process.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyebpf.lib.specifiers.c_types import CType
from pyebpf.lib.specifiers.expressions import Part, SpecifierError
from pyebpf.lib.specifiers.grammar import Parameter, Specifier, parameters_of, split, stripped
from pyebpf.lib.specifiers.places import read_place
from pyebpf.plain import Frozen

_CONVERSION = re.compile(
    r"%(?P<flags>[-+ #0]*\d*(?:\.\d+)?)(?P<length>hh|h|ll|l|j|z|t)?(?P<type>[diuxXocspKU%])"
)
_BITS = {"hh": "8", "h": "16", None: "32"}
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "'": "'", "a": "\a", "0": "\0"}


class Message(Frozen):
    """What is said of a call.

    Attributes:
        text: a format of Python's ``%``.
        kinds: the letters of its conversions: ``s`` text, ``K`` and ``U`` functions, ``c``, ``p``,
            ``d``, ``u``.
    """

    text: str = ""
    kinds: str = ""


class Traced(Frozen):
    """A specifier of lines.

    Attributes:
        spec: where and when, and the values with their types.
        message: what is said of them.
    """

    spec: Specifier
    message: Message


def read_traced(text: str) -> Traced:
    """Read a specifier.

    Raises:
        SpecifierError: it makes no sense; what names mean is looked at later.
    """
    whole = stripped(text, 0, len(text))
    head = re.compile(r"[^\s(]*").match(text, whole.begin, whole.end)
    assert head is not None, "it matches nothing, too"
    called = Part(text, whole.begin, head.end())
    if not called.text:
        raise whole.fault("say where to look: do_sys_openat2, c:malloc, t:sched:sched_switch")
    place = read_place(called)
    if place.is_pattern:
        raise called.fault("one function at a time: patterns are for funccount and the like")
    parameters: tuple[Parameter, ...] = ()
    at = called.end
    if text[at : at + 1] == "(":
        end = _closed(text, at, whole.end)
        signature = stripped(text, at + 1, end - 1)
        if place.kind == "t" and signature.text:
            raise signature.fault("a tracepoint has no signature: its fields are args->name")
        parameters, at = tuple(parameters_of(signature)), end
    predicate, at = _predicate(text, at, whole.end)
    message, values = _message(stripped(text, at, whole.end))
    spec = Specifier(text, place.kind, place.inside, place.name, parameters, values, predicate)
    return Traced(spec, message)


def _closed(text: str, begin: int, end: int) -> int:
    """Return where a bracket that begins somewhere is closed: behind it."""
    depth = 0
    for found in re.compile(f"{_QUOTED}|.", re.DOTALL).finditer(text, begin, end):
        depth += (found[0] == "(") - (found[0] == ")")
        if not depth:
            return found.end()
    raise SpecifierError("a `)` is missing for this", text, begin)


def _predicate(text: str, at: int, end: int) -> tuple[Part | None, int]:
    """Take the predicate, which may be several brackets with operators between them."""
    first = stripped(text, at, end)
    if not first.text or first.text[0] == '"':
        return None, first.begin if first.text else end
    if first.text[0] != "(":
        raise first.fault('a (predicate) or a "format" may come here, each once')
    at = first.begin
    while at < end and text[at] != '"':
        at = _closed(text, at, end) if text[at] == "(" else at + 1
    return stripped(text, first.begin, at), at


def _message(part: Part) -> tuple[Message, tuple[tuple[CType, Part], ...]]:
    """Read the format and its values."""
    if not part.text:
        return Message(), ()
    found = re.compile(_QUOTED).match(part.whole, part.begin, part.end)
    if found is None:
        raise part.fault('the format has no end: close it with another `"`')
    comma, *values = split(Part(part.whole, found.end(), part.end), ",")
    if comma.text:
        raise comma.fault("a comma is missing between the format and its values")
    kinds: list[CType] = []
    letters: list[str] = []

    def conversion(match: re.Match[str]) -> str:
        letter = match["type"]
        if letter == "%":
            return "%%"
        kinds.append(_type_of(letter, match["length"]))
        letters.append(letter)
        shown = {"K": "s", "U": "s", "p": "x", "u": "d", "i": "d"}.get(letter, letter)
        return f"%{'#' if letter == 'p' else ''}{match['flags']}{shown}"

    text = _CONVERSION.sub(conversion, _unescaped(found[0][1:-1]))
    left = _CONVERSION.sub("", found[0])
    if "%" in left:
        why = "this is no conversion of the format"
        raise SpecifierError(f"{why}: %d %u %x %s %c %p %K %U", part.whole, found.start())
    _check_count(kinds, values, part)
    return Message(text, "".join(letters)), tuple(zip(kinds, values, strict=True))


def _check_count(kinds: Sequence[CType], values: Sequence[Part], part: Part) -> None:
    if len(kinds) != len(values):
        why = f"the format takes {len(kinds)} values, and there are {len(values)}"
        raise SpecifierError(why, part.whole, part.end)
    for value in values:
        if not value.text:
            raise value.fault("a value is missing here")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text)


def _type_of(letter: str, length: str | None) -> CType:
    if letter == "s":
        return CType("char", 1)
    if letter in "KUp":
        return CType("u64")
    bits = _BITS.get(length, "64")
    return CType(f"{'s' if letter in 'di' else 'u'}{'8' if letter == 'c' else bits}")
