"""What LLVM's passes made, changed where the emitter would make of it what BPF cannot take.

Works on text: the binding reads and writes modules, and does not change them.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable

_TEST = re.compile(r"^\s+(%[\w.]+) = icmp (?:eq|ne) ptr %[\w.]+, null", re.MULTILINE)
_LOGIC = re.compile(r"^\s+%[\w.]+ = (?:and i1|or i1|select i1 %[\w.]+, i1) .*", re.MULTILINE)
_WORD = re.compile(r"%[\w.]+")
_WIDENED = re.compile(r"^  %[\w.]+ = zext (?:nneg )?i32 (%[\w.]+) to i64", re.MULTILINE)
_ALLOCA = re.compile(r"^  (%[\w.]+) = alloca ", re.MULTILINE)
_PLACE = re.compile(
    r"^(?P<begin>  (?P<name>%[\w.]+) = getelementptr [^%\n]*ptr (?P<base>%[\w.]+),"
    r"(?: i\d+ \d+,)* i64 )(?:-?\d+|(?P<offset>%[\w.]+))(?=,|$)",
    re.MULTILINE,
)
#: An address at an offset that is not constant. It begins with plain text, which is found quickly.
_VARIABLE = re.compile(r" getelementptr [^\n]*, i64 %")
_CONTEXT = re.compile(
    r"^  (%[\w.]+) = (?:tail )?call \w+ \([^)]*\) @llvm\.bpf\.getelementptr\.and\.load",
    re.MULTILINE,
)
_CHOICE = re.compile(
    r"^(?P<begin>  (?P<name>%[\w.]+) = select i1 [^,]+, \w+ (?P<one>%[\w.]+), (?P<kind>\w+) )"
    r"(?P<other>%[\w.]+)",
    re.MULTILINE,
)
_VOID = re.compile(r"^(define internal [^@\n]*)void (@[\w.]+)(?=\()", re.MULTILINE)
_OR_ZERO = re.compile(r"= atomicrmw or (ptr [^,]+, i\d+ 0 monotonic)")
LABEL = re.compile(r"^(?=[\w.]+:)", re.MULTILINE)


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


def null_tests_apart(function: str) -> str:
    """Keep tests for null out of logic with other tests.

    Of ``p == null and n == 0`` the emitter makes one test of ``p | n``, and no verifier takes a
    pointer for a number.
    """
    if not any(f" {logic} i1 " in function for logic in ("and", "or", "select")):
        return function
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
            right = renamed(right, word, name)
        return "\n".join([*before, f"{left} = {right}"])

    return _LOGIC.sub(mend, function)


def sources_apart(function: str) -> str:
    """Keep numbers of 32 bits apart from what they are widened to, where later blocks have both.

    LLVM would take the former from the latter in those blocks. Where it widens that again, its
    emitter (up to LLVM 22) drops the first widening, of which it forgets the other uses, and ends
    the process.
    """
    if "zext" not in function or not _WIDENED.search(function):
        return function
    blocks = LABEL.split(function)
    # What is defined in one block and named in two is used in a later one.
    named = Counter(word for block in blocks for word in set(_WORD.findall(block)))
    for place, block in enumerate(blocks):
        apart = dict[str, str]()
        for found in _WIDENED.finditer(block):
            wide, narrow = found[0].split()[0], found[1]
            if f"\n  {narrow} = " in block and named[wide] > 1 and named[narrow] > 1:
                apart.setdefault(narrow, found[0])
        for narrow, widening in apart.items():
            copy = f"%source.{narrow[1:]}"
            at = blocks[place].index("\n", blocks[place].index(widening)) + 1
            blocks = [each if n == place else renamed(each, narrow, copy)
                      for n, each in enumerate(blocks)]  # fmt: skip
            kept = blocks[place]
            blocks[place] = f"{kept[:at]}  {copy} = freeze i32 {narrow}\n{kept[at:]}"
    return "".join(blocks)


def choices_apart(function: str) -> str:
    """Keep the two apart of which one is taken, where both were read from the context.

    Else the emitter chooses the address and reads there, and no verifier allows that of a context.
    """
    read = set(_CONTEXT.findall(function)) if " select " in function else set()

    def mend(choice: re.Match[str]) -> str:
        if not read >= {choice["one"], choice["other"]}:
            return choice[0]
        kept, kind = f"%choice.{choice['name'][1:]}", choice["kind"]
        apart = f'  {kept} = call {kind} asm "", "=r,0"({kind} {choice["other"]})'
        return f"{apart}\n{choice['begin']}{kept}"

    return _CHOICE.sub(mend, function) if read else function


def offsets_apart(function: str) -> str:
    """Keep variable offsets into the stack such that nothing is known of them.

    Where an offset is less than the alignment of what it is added to, the emitter writes ``|`` for
    ``+``, and no verifier takes a pointer for a number.
    """
    on_stack = set(_ALLOCA.findall(function)) if _VARIABLE.search(function) else set()

    def mend(place: re.Match[str]) -> str:
        if place["base"] not in on_stack:
            return place[0]
        if place["offset"] is None:
            on_stack.add(place["name"])
            return place[0]
        kept = f"%offset.{place['name'][1:]}"  # no name begins with a digit
        unknown = f'  {kept} = call i64 asm "", "=r,0"(i64 {place["offset"]})'
        return f"{unknown}\n{place['begin']}{kept}"

    return _PLACE.sub(mend, function) if on_stack else function


def results_given(text: str) -> str:
    """Let functions give 0 of which LLVM found that nobody uses what they give.

    What is left in the register of results may be an address on the stack, and the verifier refuses
    a function that returns one.
    """
    names = [name for _, name in _VOID.findall(text)] if "\n  ret void" in text else []
    if not names:
        return text
    text = in_each(
        text, lambda fn: fn.replace("\n  ret void", "\n  ret i64 0") if _VOID.match(fn) else fn
    )
    text = _VOID.sub(r"\1i64 \2", text)
    calls = re.compile(
        rf"^  ((?:tail )?call [^@\n]*)void ({'|'.join(map(re.escape, names))})(?=\()", re.MULTILINE
    )
    numbers = itertools.count()
    return calls.sub(lambda call: f"  %given.{next(numbers)} = {call[1]}i64 {call[2]}", text)


def zeros_added(function: str) -> str:
    """Add a zero where LLVM, which found that what is added is zero, writes an atomic ``or``.

    Nobody wants the result (the order says so), and kernels before 5.12 know the addition only.
    """
    return _OR_ZERO.sub(r"= atomicrmw add \1", function)


def in_each(text: str, *changes: Callable[[str], str]) -> str:
    """Change each function of a module, and look at nothing else: most of it describes types."""
    begin, *functions = text.split("\ndefine ")
    parts = [begin]
    for each in functions:
        body, end, rest = each.partition("\n}\n")
        function = f"define {body}"
        for change in changes:
            function = change(function)
        parts.append(f"{function}{end}{rest}")
    return "\n".join(parts)


def renamed(block: str, word: str, to: str) -> str:
    """Return a text with another name for a value."""
    return re.sub(rf"{re.escape(word)}(?![\w.])", to, block)
