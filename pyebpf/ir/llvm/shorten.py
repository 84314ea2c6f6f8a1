"""What LLVM's passes made, changed to what is shorter in BPF.

They prefer forms that its instructions have no room for, or that become branches. Works on text, as
``mend`` does.
"""

from __future__ import annotations

import re

from pyebpf.ir.llvm.mend import LABEL, renamed

_MASKED = re.compile(
    r"^  (?P<name>%[\w.]+) = and i64 (?P<word>%[\w.]+), (?P<mask>-\d+)(?=,|$).*", re.MULTILINE
)
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
#: Bits of a number in an instruction, with its sign; of a word, all of them.
_IMMEDIATE, _WORD_BITS = 32, (1 << 64) - 1


def high_bits_shifted(function: str) -> str:
    """Compare the high bits of a word after a shift, not behind a mask.

    An instruction has no room for the mask, nor for what it is compared with.
    """
    if " = and i64 " not in function:
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
