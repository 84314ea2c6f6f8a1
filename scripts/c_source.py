"""Take a BPF program in C apart: its sections, functions, maps and variables, as tokens.

No compiler: comments go, ``#ifdef`` is followed by what the file itself defines (of any other
``#if`` both branches stay), and macros stay what they are called. Enough to say which features a
file uses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*")|(\'(?:\\.|[^\'\\])*\')', re.S)
_TOKEN = re.compile(
    r'[A-Za-z_]\w*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|0[xX][0-9a-fA-F]+\w*|\d+\.?\w*'
    r"|->|\+\+|--|<<=|>>=|<<|>>|[-+*/%&|^=!<>]=|&&|\|\||\.\.\.|\S"
)
_DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)(.*)$", re.M)
_CONDITION = re.compile(r"[ \t]*#[ \t]*(ifdef|ifndef|if|elif|else|endif)\b(.*)")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)".*$', re.M)
#: Words behind a variable's name.
_MARKERS = ("__ksym", "__kconfig", "__weak", "__hidden", "__arena", "__kptr")


class Item(NamedTuple):
    """One declaration at the top of a file.

    Attributes:
        kind: ``function``, ``variable``, ``extern``, ``type`` or ``prototype``.
        name: what it declares; empty if that cannot be told.
        section: what ``SEC()`` says, ``""`` if nothing.
        head: its tokens up to the body.
        body: the tokens inside its braces, or after ``=``.
    """

    kind: str
    name: str
    section: str
    head: tuple[str, ...]
    body: tuple[str, ...]


class Source(NamedTuple):
    """A file with the headers of its own folder that it includes."""

    items: tuple[Item, ...]
    macros: dict[str, tuple[str, ...]]

    def functions(self) -> list[Item]:
        """Return the functions with a body."""
        return [item for item in self.items if item.kind == "function"]


def read(path: Path, shared: frozenset[str]) -> Source:
    """Read a file and what it includes by a quoted name, but for the headers in ``shared``."""
    text = _chosen(_expanded(path, shared, set()))
    macros = {name: tuple(_TOKEN.findall(body)) for name, body in _DEFINE.findall(text)}
    plain = re.sub(r"^[ \t]*#.*$", "", text, flags=re.M)
    return Source(tuple(_items(_TOKEN.findall(plain))), macros)


def _expanded(path: Path, shared: frozenset[str], seen: set[Path]) -> str:
    """Return a file's text with the texts of the headers that it includes in their places."""
    seen.add(path)
    text = path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
    text = _COMMENT.sub(lambda m: m[1] or m[2] or " ", text)

    def included(line: re.Match[str]) -> str:
        folders = (path.parent, path.parent.parent)
        places = ((folder / line[1]).resolve() for folder in folders)
        found = next((place for place in places if place.exists()), None)
        skipped = found is None or found.name in shared or found in seen
        return "" if skipped or found is None else _expanded(found, shared, seen)

    return _INCLUDE.sub(included, text)


def _chosen(text: str) -> str:
    """Return the lines that ``#ifdef`` and ``#ifndef`` leave."""
    defined: set[str] = set()
    kept: list[bool | None] = []  # None: a condition that is not evaluated
    out = []
    for line in text.split("\n"):
        word = _CONDITION.match(line)
        if word is None:
            if False not in kept:
                out.append(line)
                defined.update(re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", line))
        elif word[1] in ("ifdef", "ifndef"):
            kept.append((word[2].strip() in defined) == (word[1] == "ifdef"))
        elif word[1] == "if":
            kept.append(None)
        elif word[1] == "endif" and kept:
            kept.pop()
        elif word[1] == "else" and kept and kept[-1] is not None:
            kept[-1] = not kept[-1]
    return "\n".join(out)


def _items(tokens: list[str]) -> Iterator[Item]:
    at = 0
    while at < len(tokens):
        start, depth, brace = at, 0, -1
        while at < len(tokens):
            lexeme = tokens[at]
            at += 1
            if lexeme in "({[":
                if lexeme == "{" and depth == 0 and brace < 0:
                    brace = at - 1
                depth += 1
            elif lexeme in ")}]":
                depth -= 1
                if lexeme == "}" and depth == 0 and _is_function(tokens[start:brace]):
                    break
            elif lexeme == ";" and depth <= 0:
                break
        yield _item(tokens[start:at], brace - start if brace >= 0 else -1)


def _is_function(head: list[str]) -> bool:
    """Tell whether braces after ``head`` are a function's: ``)`` before them, and no ``=``."""
    plain = _without_attributes(head)
    return bool(plain) and plain[-1] == ")" and "=" not in plain


def _without_attributes(head: list[str]) -> list[str]:
    out: list[str] = []
    at = 0
    while at < len(head):
        if head[at] in (
            "SEC",
            "__attribute__",
            "__msg",
            "__description",
            "__aligned",
            "__btf_path",
        ):
            at = _closing(head, at + 1) + 1
            continue
        out.append(head[at])
        at += 1
    # Markers behind the parameters: `static int f(void) __ksym`.
    while out and out[-1].startswith("__"):
        out.pop()
    return out


def _closing(tokens: list[str], at: int) -> int:
    depth = 0
    for index in range(at, len(tokens)):
        depth += (tokens[index] == "(") - (tokens[index] == ")")
        if depth == 0:
            return index
    return len(tokens) - 1


def _item(tokens: list[str], brace: int) -> Item:
    head = tokens[:brace] if brace >= 0 else tokens
    if "=" in head:
        head = head[: head.index("=")]
    section = _section(tokens)
    body = tokens[len(head) + 1 :]
    plain = _without_attributes(head)
    if brace >= 0 and _is_function(head):
        return Item("function", _function_name(plain), section, tuple(head), tuple(body[:-1]))
    if "extern" in head:
        return Item("extern", _variable_name(plain), section, tuple(head), ())
    first = [word for word in plain if word not in ("static", "const", "volatile", "__hidden")]
    declares_type = first[:1] in (["struct"], ["union"], ["enum"], ["typedef"])
    if declares_type and (first[0] == "typedef" or not _declares_variable(tokens, brace)):
        return Item("type", "", section, tuple(head), tuple(body))
    if plain and plain[-1] in (")", ";") and "(" in plain and brace < 0 and not section:
        return Item("prototype", _function_name(plain), section, tuple(head), ())
    return Item(
        "variable", _variable_name(_tail(tokens, brace, plain)), section, tuple(head), tuple(body)
    )


def _section(tokens: list[str]) -> str:
    """Return what ``SEC()`` says; a macro in it is written ``*``: ``"kprobe/" SYS "nanosleep"``."""
    if "SEC" not in tokens[:-2]:
        return ""
    start = tokens.index("SEC") + 1
    words = tokens[start + 1 : _closing(tokens, start)]
    return "".join(word.strip('"') if word.startswith('"') else "*" for word in words)


def _declares_variable(tokens: list[str], brace: int) -> bool:
    if brace < 0:
        # `struct x y;` or `struct x y = {};` is a variable, `struct x;` a declaration.
        words = [t for t in tokens if re.match(r"\w", t)]
        return len(words) > 2
    if "=" in tokens[:brace]:
        return True
    end = _matching_brace(tokens, brace)
    rest = _without_attributes(tokens[end + 1 :])
    return any(re.fullmatch(r"[A-Za-z]\w*|_\w+", t) for t in rest)


def _matching_brace(tokens: list[str], at: int) -> int:
    depth = 0
    for index in range(at, len(tokens)):
        depth += (tokens[index] == "{") - (tokens[index] == "}")
        if depth == 0:
            return index
    return len(tokens) - 1


def _tail(tokens: list[str], brace: int, plain: list[str]) -> list[str]:
    if brace < 0 or "=" in tokens[:brace]:
        return plain
    return _without_attributes(tokens[_matching_brace(tokens, brace) + 1 :])


def _function_name(plain: list[str]) -> str:
    """Return the name before the parameters; for ``BPF_PROG(name, …)`` the name inside."""
    for index, token in enumerate(plain[:-1]):
        if plain[index + 1] == "(" and re.match(r"[A-Za-z_]", token):
            if re.fullmatch(r"BPF_\w+", token) and index + 2 < len(plain):
                return plain[index + 2]
            return token
    return ""


def _variable_name(plain: list[str]) -> str:
    names = []
    for token in plain:
        if token in ("[", "=", ";", "("):
            break
        if re.match(r"[A-Za-z_]", token) and token not in _MARKERS:
            names.append(token)
    return names[-1] if names else ""
