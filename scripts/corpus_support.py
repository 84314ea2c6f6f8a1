"""What pyebpf has of the features of ``corpus_features``, looked up in the code, never claimed.

A feature counts if a golden case of ``tests/compile/accept`` shows it: a pattern is found in the
source of one, or its IR calls the helper. Kinds of maps and programs count if a public name of the
package declares them. Each answer names its evidence.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import kind_pages

import pyebpf
from pyebpf.abi.helpers import HELPERS, Helper
from pyebpf.dsl.builtins import ScalarHelper

_CASES = Path(__file__).resolve().parent.parent / "tests" / "compile" / "accept"

#: For each feature, what a golden case must say to show it (``=NAME``: the case itself). What is
#: absent here has nothing like it in pyebpf. Patterns of what is still to come match nothing yet.
_SHOWN_BY = {
    "loop": r"^\s+while ",
    "switch": r"^\s+match ",
    "goto": r"^\s+(break|return)\b",
    "functions, inlined": "=functions/expanded.py",
    "functions of their own": r"^@noinline",
    "weak functions": r"^@noinline",
    "tags of arguments": "=functions/pointers.py",
    "print": r"\bprint\(f?\"",
    "pointer chains": "=kernel/chain.py",
    "text of the kernel": r"\bread_kernel_str\(",
    "reads of user memory": r"\bread_user\(",
    "bit-fields of the kernel": "=kernel/bit_field.py",
    "questions about types": r"\bhas_field\(",
    "kernel symbols that may lack": r"\bhas_(kfunc|variable|symbol)\(",
    "CO-RE type ids": r"\btype_id\(",
    "casts of pointers": r"\bcast\(Ptr",
    "container_of": r"\bcontainer_of\(",
    "atomics": r"\bfetch_add\(",
    "atomics with a result": r"\bcompare_exchange\(",
    "spin locks": r"^\s+with \w+\.\w*lock\w*:",
    "timers": r":\s*Timer\b",
    "global numbers": r"\bGlobal\[u64\]",
    "global structs": r"\bGlobal\[[A-Z]\w+\]",
    "global arrays": r"\bGlobal\[FixedArray\[|\.value\.\w+\[\w+\] [-+]?= ",
    "global text": r"\.value\.\w+ = comm\(\)",
    "constants set at load": r"\bConst\(",
    "constant arrays and structs": r"^[A-Z_]+(: \S+)? = \(.*,.*\)",
    "copies of memory": "=maps/records.py",
    "byte order": r"\b[hn]to[hn](s|l|ll)\(",
    "local text": r" = (comm|read_kernel_str)\(",
    "local arrays": r" = \[0\] \* ",
    "large records": r"chars\((5[2-9]\d|[6-9]\d\d|\d{4,})\)|array\((5[2-9]\d|[6-9]\d\d|\d{4,})\)",
    "comparing memory": r" == (b?\"|.*octets)|\.startswith\(",
    "kernel variables": r"\bKernelVariable\[",
    "kfuncs": r"\bkfunc\(\"",
    "direct packet access": r"\bpacket\b",
    "arguments of USDT probes": r"@usdt\(",
    "registers": r"\bctx\.(ip|sp)\b",
    "writes to the context": r"^\s+ctx\.\w+ [-+|&^]?= ",
    "memory as another type": r"\bview\(\w+, [\w.]+\)",
    "pointers that move": r"\bview\(\w+, [\w.]+, [a-z]\w*\)",
    "global pointers": r"\bGlobal\[Ptr\[",
    "kernel's view of a context": r"\bkernel_context\(ctx\)",
    "kernel's configuration": r"\bkernel_config\(\"CONFIG_",
    "iterator in a program": r"\bin \w+\.iterate\(",
    "dynptrs": r"\bDynptr\b",
    "kptrs": r"\bKptr\b",
    "map extra": r"\bBloomFilter\[.*hashes=\d",
    "pinned maps": r"\bpin=",
}  # fmt: skip
#: Features that a map or a lock brings along under another name.
_SAME = {"helper:spin_lock": "spin locks", "helper:spin_unlock": "spin locks"}
#: Helpers whose work a statement of the language does by other means.
_VERBS = {"trace_printk": "print", "trace_vprintk": "print"}


@cache
def _texts(suffix: str) -> dict[str, str]:
    return {
        str(path.relative_to(_CASES)): path.read_text(encoding="utf-8")
        for path in sorted(_CASES.rglob(f"*{suffix}"))
        # Without its IR it is no golden case: it may be one that does not compile yet.
        if "corpus" not in path.parts and path.with_suffix(".ir").exists()
    }


@cache
def _case(pattern: str, suffix: str = ".py") -> str:
    if pattern.startswith("="):
        return pattern[1:] if pattern[1:] in _texts(suffix) else ""
    for name, text in _texts(suffix).items():
        if re.search(pattern, text, re.M):
            return name
    return ""


@cache
def evidence(feature: str) -> str:
    """Return what shows that pyebpf has a feature, or "" if nothing does."""
    feature = _SAME.get(feature, feature)
    word, _, name = feature.partition(":")
    if word == "helper":
        return _helper(name)
    if word == "map":
        return ", ".join(kind_pages.map_declarations().get(name, []))
    if word == "program":
        return ", ".join(kind_pages.decorators_of(name))
    if feature == "map flag:BPF_F_MMAPABLE":
        return _case(r"flags 0x400", ".ir")
    if word == "map flag":
        return _case(rf"\b{name.removeprefix('BPF_F_').lower()}=(True|\d)")
    return _case(_SHOWN_BY[feature]) if feature in _SHOWN_BY else ""


def _helper(name: str) -> str:
    shown = _case(rf"helper {name}\b", ".ir")
    if shown:
        return shown
    if name in _scalars():
        return _scalars()[name]
    if name in _VERBS:
        return evidence(_VERBS[name])
    return _by_name(name)


@cache
def _scalars() -> dict[str, str]:
    """Return the public functions that are a helper without arguments, by the helper."""
    found = {}
    for name in pyebpf.__all__:
        mark = getattr(getattr(pyebpf, name), "__pyebpf_builtin__", None)
        if isinstance(mark, ScalarHelper):
            found[mark.helper] = f"{name}()"
    return found


def _by_name(name: str) -> str:
    """Return "helpers.NAME" if a probe can call it so."""
    return f"helpers.{name}" if name in HELPERS and name in _callable() else ""


@cache
def _callable() -> frozenset[str]:
    """Return the helpers that can be called by name.

    Golden cases show calls by name; a helper counts if they show each of its kinds of arguments
    and its kind of result.
    """
    text = "\n".join(_texts(".py").values())
    called = [HELPERS[name] for name in re.findall(r"\bhelpers\.(\w+)\(", text) if name in HELPERS]
    shown = {kind for row in called for kind in _kinds(row)}
    return frozenset(row.name for row in HELPERS.values() if shown and _kinds(row) <= shown)


def _kinds(row: Helper) -> set[str]:
    """Return the kinds in a row; numbers of all widths are one."""
    numbers = {"u16", "u32", "u64", "i32", "i64", "be16", "flags", "errno", "length"}
    kinds = {f"argument {arg.kind}" for arg in row.args if arg.kind not in numbers}
    return kinds if row.ret.kind in numbers else kinds | {f"result {row.ret.kind}"}
