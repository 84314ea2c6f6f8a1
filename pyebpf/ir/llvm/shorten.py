"""What LLVM's passes made, changed to what is shorter in BPF.

They prefer forms that its instructions have no room for, or that become branches. Works on text, as
``mend`` does.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TypeAlias

from pyebpf.ir.llvm.mend import LABEL, renamed

_MASKED = re.compile(
    r"^  (?P<name>%[\w.]+) = and i64 (?P<word>%[\w.]+), (?P<mask>-\d+)(?=,|$).*", re.MULTILINE
)
_HIGH = re.compile(r" = and i64 %[\w.]+, -")
_EQUAL = re.compile(
    r"^(?P<begin>  %[\w.]+ = icmp (?:samesign )?(?:eq|ne) i64 )"
    r"(?P<name>%[\w.]+), (?P<number>-?\d+)",
    re.MULTILINE,
)
_LONE_GUARD = re.compile(
    r'(?P<begin>:[^\n]*)\n  (?P<name>%[\w.]+) = (?:tail )?call (?:nonnull )?ptr asm "", "=r,0"'
    r"\(ptr (?:nonnull )?(?P<pointer>%[\w.]+)\)[^\n]*(?P<end>\n  br label [^\n]*)"
)
_EXTREME = re.compile(
    r"  (?P<name>%[\w.]+) = (?:tail )?call (?P<kind>i\d+) @llvm\.(?P<which>[us](?:min|max))\.i\d+"
    r"\(i\d+ (?P<left>[%\w.-]+), i\d+ (?P<right>[%\w.-]+)\)"
)
_LOADED = re.compile(r"  (?P<name>%[\w.]+) = load i\d+, (?P<place>ptr %[\w.]+), align")
#: Instructions that may write to memory.
_WRITES = re.compile(r" (?:store|call|atomicrmw|cmpxchg) (?!i\d+ @llvm\.[us](?:min|max)\.)")
#: Which comparison tells that what is there is not the extreme of both.
_REPLACED = {"umin": "ugt", "umax": "ult", "smin": "sgt", "smax": "slt"}
_STORED = re.compile(r"^  store (?P<kind>i\d+) (?P<value>[%\w.-]+), ptr (?P<place>%[\w.]+), align")
_STORES = re.compile(r"\n  store i\d+ ([%\w.-]+), ptr (%[\w.]+), align")
_DEFINED = re.compile(r"^  (%[\w.]+) = ")
_LABELS = re.compile(r"label %([\w.]+)")
#: Bits of a number in an instruction, with its sign; of a word, all of them.
_IMMEDIATE, _WORD_BITS = 32, (1 << 64) - 1

#: Which value each variable holds, by their names.
_Held: TypeAlias = dict[str, str]


def high_bits_shifted(function: str) -> str:
    """Compare the high bits of a word after a shift, not behind a mask.

    An instruction has no room for the mask, nor for what it is compared with.
    """
    if not _HIGH.search(function):
        return function
    bits = dict[str, int]()

    def shift(masked: re.Match[str]) -> str:
        mask = -int(masked["mask"])
        if mask & (mask - 1) or mask.bit_length() <= _IMMEDIATE:
            return masked[0]
        name, count = masked["name"], mask.bit_length() - 1
        bits[name] = count
        return f"{masked[0]}\n  %high.{name[1:]} = lshr i64 {masked['word']}, {count}"

    def compare(test: re.Match[str]) -> str:
        count, number = bits.get(test["name"]), int(test["number"])
        if count is None or number & ((1 << count) - 1):
            return test[0]
        number = (number & _WORD_BITS) >> count
        return f"{test['begin']}%high.{test['name'][1:]}, {number}"

    function = _MASKED.sub(shift, function)
    return _EQUAL.sub(compare, function) if bits else function


def lone_guards_gone(function: str) -> str:
    """Drop what keeps a pointer apart from its test, where nothing else is in its block.

    What follows uses the pointer of one of several ways, so it is computed behind all tests anyway;
    and a block that has something, be it empty text, costs a jump.
    """
    pointers = {found["name"]: found["pointer"] for found in _LONE_GUARD.finditer(function)}
    function = _LONE_GUARD.sub(r"\g<begin>\g<end>", function) if pointers else function
    for name in pointers:
        origin = name
        while origin in pointers:
            origin = pointers[origin]
        function = renamed(function, name, origin)
    return function


def extremes_stored_if_new(function: str) -> str:
    """Store a minimum of what is there and of something else only if it is something else.

    Choosing is a branch anyway, and mostly nothing is to be stored.
    """
    if "@llvm." not in function or not _EXTREME.search(function):
        return function
    count = 0
    blocks = LABEL.split(function)
    ends = dict[str, str]()
    for at, block in enumerate(blocks):
        lines, place = block.splitlines(keepends=True), 0
        while place < len(lines):
            new = _branch(lines[:place], lines[place], f"new.{count}")
            if new:
                ends[block.partition(":")[0]] = f"new.{count}.end"
                lines[place : place + 1] = new
                count += 1
            place += 1
        blocks[at] = "".join(lines)
    function = "".join(blocks)
    for label, end in ends.items():
        function = re.sub(rf", %{re.escape(label)} \]", f", %{end} ]", function)
    return function


def _branch(before: list[str], line: str, name: str) -> list[str]:
    """Return what replaces a store of an extreme; nothing if the line is none."""
    stored = re.match(r"  store (i\d+) (%[\w.]+), (ptr %[\w.]+), ", line)
    if not stored:
        return []
    kind, value, place = stored.groups()
    extreme = old = None
    for earlier in reversed(before):
        loaded, found = _LOADED.match(earlier), _EXTREME.match(earlier)
        if found and found["name"] == value:
            extreme = found
        if extreme and loaded and loaded["place"] == place:
            old = loaded["name"]
            break
        if _WRITES.search(earlier):
            break
    if extreme is None or old not in (extreme["left"], extreme["right"]):
        return []
    other = extreme["right"] if extreme["left"] == old else extreme["left"]
    return [
        f"  %{name} = icmp {_REPLACED[extreme['which']]} {kind} {old}, {other}\n",
        f"  br i1 %{name}, label %{name}.store, label %{name}.end\n",
        f"{name}.store:\n",
        line.replace(f" {value},", f" {other},", 1),
        f"  br label %{name}.end\n",
        f"{name}.end:\n",
    ]


def repeated_stores_gone(function: str) -> str:
    """Drop what stores to a variable the value that it has on every way that leads there.

    A key that is written for a look-up, and again for an update: LLVM does not look behind calls,
    though it was told that they only read it.
    """
    again = {place for (_, place), count in Counter(_STORES.findall(function)).items() if count > 1}
    again = {place for place in again if _only_stored_and_read(function, place)}
    head, *texts = LABEL.split(function)
    if not again or not texts or "\n  " in head:
        return function
    blocks = {text.partition(":")[0]: text.splitlines(keepends=True) for text in texts}
    entry = next(iter(blocks))
    known: dict[str, _Held] = {entry: {}}
    work = [entry]
    while work:
        label = work.pop()
        after, _ = _without_repeated(blocks[label], known[label], again)
        for following in _LABELS.findall("".join(blocks[label])):
            before = known.get(following)
            both = after if before is None else dict(before.items() & after.items())
            if both != before:
                known[following] = both
                work.append(following)
    kept = (_without_repeated(lines, known.get(at, {}), again)[1] for at, lines in blocks.items())
    return head + "".join(line for lines in kept for line in lines)


def _only_stored_and_read(function: str, place: str) -> bool:
    """Tell whether a variable is whole in each store, and else only given to those who read it."""
    name = re.escape(place)
    made = re.search(rf"(?m)^  {name} = alloca (i\d+), align", function)
    if made is None:
        return False
    uses = re.findall(rf"{name}(?![\w.])", function)
    stores = re.findall(rf"(?m)^  store {made[1]} [%\w.-]+, ptr {name}, align", function)
    reads = re.findall(rf"readonly captures\(none\) {name}(?![\w.])", function)
    return len(uses) == 1 + len(stores) + len(reads)


def _without_repeated(lines: list[str], held: _Held, places: set[str]) -> tuple[_Held, list[str]]:
    """Return what variables hold after a block, and its lines without what is not needed."""
    held, kept = dict(held), []
    for line in lines:
        stored, made = _STORED.match(line), _DEFINED.match(line)
        if made:  # in a loop, anew: what was stored is another value
            held = {place: value for place, value in held.items() if value != made[1]}
        if stored and stored["place"] in places:
            if held.get(stored["place"]) == stored["value"]:
                continue
            held[stored["place"]] = stored["value"]
        kept.append(line)
    return held, kept
