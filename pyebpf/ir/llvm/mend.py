"""What LLVM's passes made, changed where the emitter would make of it what BPF cannot take.

Works on text: the binding reads and writes modules, and does not change them.
"""

from __future__ import annotations

import re

_TEST = re.compile(r"^\s+(%[\w.]+) = icmp (?:eq|ne) ptr %[\w.]+, null", re.MULTILINE)
_LOGIC = re.compile(r"^\s+%[\w.]+ = (?:and i1|or i1|select i1 %[\w.]+, i1) .*", re.MULTILINE)
_WORD = re.compile(r"%[\w.]+")


def fills_inline(text: str) -> str:
    """Make LLVM write out all fills and copies: there is no library to call.

    It joins neighbours that were to stay inline into one that need not, and if that is large, the
    emitter ends the process.
    """
    for name, types in (("memset", "p0.i64"), ("memcpy", "p0.p0.i64")):
        plain, inline = f"@llvm.{name}.{types}(", f"@llvm.{name}.inline.{types}("
        if plain not in text:
            continue
        lines = text.splitlines()
        declared = any(line.startswith("declare") and inline in line for line in lines)
        kept = [
            line.replace(plain, inline)
            for line in lines
            if not (declared and line.startswith("declare") and plain in line)
        ]
        text = "\n".join(kept)
    return text


def null_tests_apart(text: str) -> str:
    """Keep tests for null out of logic with other tests.

    Of ``p == null and n == 0`` the emitter makes one test of ``p | n``, and no verifier takes a
    pointer for a number.
    """
    functions = re.split(r"(?m)^(?=define )", text)
    return "".join(_apart(function) for function in functions)


def _apart(function: str) -> str:
    tests = set(_TEST.findall(function))
    if not tests:
        return function
    number = 0

    def mend(match: re.Match[str]) -> str:
        nonlocal number
        line, before = match[0], []
        left, _, right = line.partition(" = ")
        for word in dict.fromkeys(_WORD.findall(right)):
            if word not in tests:
                continue
            number += 1
            name = f"%apart.{number}"
            before += [
                f"  {name}.wide = zext i1 {word} to i64",
                f'  {name}.kept = call i64 asm "", "=r,0"(i64 {name}.wide)',
                f"  {name} = icmp ne i64 {name}.kept, 0",
            ]
            right = re.sub(rf"{re.escape(word)}(?![\w.])", name, right)
        return "\n".join([*before, f"{left} = {right}"])

    return _LOGIC.sub(mend, function)
