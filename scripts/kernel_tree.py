"""Read the facts about BPF helpers out of a kernel's source tree.

What is taken: the ids and prototypes of ``include/uapi/linux/bpf.h``, every ``bpf_func_proto``, and
which programs' tables lead to which helper. Facts only; no text of the kernel is kept.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

#: Where the protos and the tables of programs are.
_FOLDERS = ("kernel", "net", "security", "fs", "drivers/media/rc", "drivers/hid/bpf")

_PROTO = re.compile(
    r"struct bpf_func_proto\s+(?:__weak\s+)?(\w+)(?:\s+__weak)?\s*=\s*\{(.*?)^\};", re.M | re.S
)
_FIELD = re.compile(r"\.(\w+)\s*=\s*(.*?),?\s*(?:/\*.*?\*/)?\s*$", re.M)
_TABLE = re.compile(
    r"^(?:static )?const struct bpf_func_proto \*\s*(\w+)"
    r"\(enum bpf_func_id \w+,\s*const struct bpf_prog \*\w+\)\s*\{(.*?)^\}",
    re.M | re.S,
)
_OPS = re.compile(r"struct bpf_verifier_ops (\w+)_verifier_ops\s*=\s*\{(.*?)\};", re.S)
_PROTOTYPE = re.compile(r"^ \* ([A-Za-z_][\w \t]*[ *]+)bpf_(\w+)\(((?:[^()]|\n \*)*)\)\s*$", re.M)


class Declared(NamedTuple):
    """A parameter of a prototype: ``const void *key`` is ``("const void *", "key")``."""

    ctype: str
    name: str


class Prototype(NamedTuple):
    """A helper as the UAPI header declares it."""

    result: str
    parameters: tuple[Declared, ...]


class FuncProto(NamedTuple):
    """A ``bpf_func_proto``: ``fields`` as they are written, ``arg1_type`` and so on."""

    name: str
    fields: dict[str, str]

    @property
    def gpl(self) -> bool:
        """Whether only GPL programs may call it."""
        return self.fields.get("gpl_only") == "true"

    @property
    def sleeps(self) -> bool:
        """Whether only programs that may sleep may call it."""
        return self.fields.get("might_sleep") == "true"

    def argument(self, index: int) -> tuple[frozenset[str], str]:
        """Return the flags of an argument's type, and its BTF id or size; counted from 0."""
        flags = self.fields.get(f"arg{index + 1}_type", "ARG_DONTCARE")
        extra = self.fields.get(f"arg{index + 1}_btf_id") or self.fields.get(f"arg{index + 1}_size")
        return frozenset(re.findall(r"\w+", flags)), extra or ""

    @property
    def result(self) -> frozenset[str]:
        """The flags of the result's type."""
        return frozenset(re.findall(r"\w+", self.fields.get("ret_type", "RET_INTEGER")))


class KernelTree:
    """A source tree of Linux, read when asked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._header = (root / "include/uapi/linux/bpf.h").read_text(encoding="utf-8")

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of every helper by name; older headers number them by their order."""
        found = re.findall(r"FN\((\w+), (\d+), ##ctx\)", self._header)
        if not found:
            mapper = self._header.partition("#define __BPF_FUNC_MAPPER(FN)")[2]
            found = [(name, str(i)) for i, name in enumerate(re.findall(r"FN\((\w+)\)", mapper))]
        return {name: int(number) for name, number in found if name != "unspec"}

    @cached_property
    def prototypes(self) -> dict[str, Prototype]:
        """The prototype of every helper, as the header's comment gives it."""
        comment = self._header.partition("BPF helper function descriptions")[2]
        found: dict[str, Prototype] = {}
        for result, name, parameters in _PROTOTYPE.findall(comment):
            text = re.sub(r"\s*\n \*\s*", " ", parameters)
            found.setdefault(name, Prototype(result.strip(), _parameters(text)))
        return found

    @cached_property
    def _sources(self) -> list[str]:
        paths = (path for folder in _FOLDERS for path in (self.root / folder).rglob("*.c"))
        texts = (path.read_text(encoding="utf-8", errors="replace") for path in paths)
        return [text for text in texts if "bpf_func_proto" in text]

    @cached_property
    def protos(self) -> dict[str, FuncProto]:
        """Every ``bpf_func_proto`` by the name of its variable."""
        return {
            name: FuncProto(name, dict(_FIELD.findall(body)))
            for text in self._sources
            for name, body in _PROTO.findall(text)
        }

    @cached_property
    def _tables(self) -> dict[str, str]:
        return {name: body for text in self._sources for name, body in _TABLE.findall(text)}

    @cached_property
    def _direct(self) -> dict[str, dict[str, str]]:
        return {name: _cases(body) for name, body in self._tables.items()}

    def variants(self, helper: str) -> list[FuncProto]:
        """Return the protos of a helper, the one with its own name first."""
        names = [f"bpf_{helper}_proto"]
        for cases in self._direct.values():
            names += re.findall(r"\w+_proto\w*", cases.get(helper, ""))
        # A function that prepares something and returns the proto: bpf_get_trace_printk_proto().
        names += [name.replace("bpf_get_", "bpf_", 1) for name in names]
        if not any(name in self.protos for name in names):
            names += [name for name in self.protos if re.match(rf"bpf_(\w+_)?{helper}_", name)]
        return [self.protos[name] for name in dict.fromkeys(names) if name in self.protos]

    @cached_property
    def programs(self) -> dict[str, frozenset[str]]:
        """For each helper, the types of programs that may call it (``sched_cls`` …), by source.

        What a type allows for some attach types only counts as allowed.
        """
        header = (self.root / "include/linux/bpf_types.h").read_text(encoding="utf-8")
        kinds = re.findall(r"BPF_PROG_TYPE\(BPF_PROG_TYPE_(\w+),\s*(\w+)", header)
        tables = {kind.lower(): {self._ops[ops]} for kind, ops in kinds if ops in self._ops}
        # Each structure of struct_ops has a table of its own: those that no type of programs has.
        named = {ops for _, ops in kinds}
        tables["struct_ops"] = {table for ops, table in self._ops.items() if ops not in named}
        found: dict[str, set[str]] = {name: set() for name in self.ids}
        for kind, roots in tables.items():
            for helper in set().union(*(self._reachable(root, frozenset()) for root in roots)):
                if helper in found:
                    found[helper].add(kind)
        return {name: frozenset(kinds) for name, kinds in found.items()}

    @cached_property
    def _ops(self) -> dict[str, str]:
        """The table of each ``NAME_verifier_ops``."""
        found = {}
        for text in self._sources:
            for name, body in _OPS.findall(text):
                table = re.search(r"\.get_func_proto\s*=\s*(\w+)", body)
                if table:
                    found[name] = table[1]
        return found

    def _reachable(self, table: str, seen: frozenset[str]) -> set[str]:
        if table in seen or table not in self._tables:
            return set()
        found = set(self._direct[table])
        for other in re.findall(r"(\w*func_proto)\(func_id, prog\)", self._tables[table]):
            found |= self._reachable(other, seen | {table})
        return found


def _parameters(text: str) -> tuple[Declared, ...]:
    found = []
    for item in text.split(","):
        match = re.fullmatch(r"(.*?[\s*])(\w+)", item.strip())
        if match:
            found.append(Declared(match[1].strip(), match[2]))
        elif item.strip() != "void":
            found.append(Declared(item.strip(), ""))
    return tuple(found)


def _cases(body: str) -> dict[str, str]:
    """Return what a switch returns for each helper, without those that it returns NULL for."""
    found: dict[str, str] = {}
    pending: list[str] = []
    returned = False
    # Some return at once, one assigns and breaks.
    for match in re.finditer(r"case BPF_FUNC_(\w+):|(?:return|func =) ([^;]*);|\n\tdefault:", body):
        if match[2]:
            returned = True
            for helper in pending if match[2] != "NULL" else ():
                found[helper] = f"{found.get(helper, '')} {match[2]}"
            continue
        if returned or not match[1]:
            pending, returned = [], False
        if match[1]:
            pending.append(match[1])
    return found
