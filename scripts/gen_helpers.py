"""Compare the table of helpers with a kernel's sources, and write the rows that it lacks.

``python scripts/gen_helpers.py TREE`` reads a source tree of Linux (Debian: ``linux-source-*``) and
prints each difference between a row and the tree. For a helper without a row it prints the row,
ready for a file of ``pyebpf/abi/helpers``, but for its sentence and the version. ``--programs``
compares the types of programs too, which only agree with the newest tree.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from kernel_tree import Declared, FuncProto, KernelTree

from pyebpf.abi.helpers import HELPERS, Helper
from pyebpf.abi.helpers.row import Parameter, expand

#: Kinds by the base type of a ``bpf_func_proto``; the names of older kernels too.
_KINDS = {
    "ARG_CONST_MAP_PTR": "map",
    "ARG_PTR_TO_MAP_KEY": "key",
    "ARG_PTR_TO_MAP_VALUE": "value",
    "ARG_PTR_TO_UNINIT_MAP_VALUE": "uninit_value",
    "ARG_PTR_TO_MAP_VALUE_OR_NULL": "value_or_null",
    "ARG_MEM_SIZE": "size",
    "ARG_CONST_SIZE": "size",
    "ARG_MEM_SIZE_OR_ZERO": "size_or_zero",
    "ARG_CONST_SIZE_OR_ZERO": "size_or_zero",
    "ARG_CONST_ALLOC_SIZE_OR_ZERO": "const_size",
    "ARG_PTR_TO_CTX": "ctx",
    "ARG_PTR_TO_CTX_OR_NULL": "ctx_or_null",
    "ARG_PTR_TO_SPIN_LOCK": "spin_lock",
    "ARG_PTR_TO_TIMER": "timer",
    "ARG_KPTR_XCHG_DEST": "kptr",
    "ARG_PTR_TO_KPTR": "kptr",
    "ARG_PTR_TO_SOCK_COMMON": "sock_common",
    "ARG_PTR_TO_BTF_ID_SOCK_COMMON": "sock",
    "ARG_PTR_TO_SOCKET": "socket",
    "ARG_PTR_TO_SOCKET_OR_NULL": "socket_or_null",
    "ARG_PTR_TO_BTF_ID": "btf",
    "ARG_PTR_TO_BTF_ID_OR_NULL": "btf",
    "ARG_PTR_TO_PERCPU_BTF_ID": "percpu_btf",
    "ARG_PTR_TO_RINGBUF_MEM": "reserved",
    "ARG_PTR_TO_ALLOC_MEM": "reserved",
    "ARG_PTR_TO_DYNPTR": "dynptr",
    "ARG_PTR_TO_FUNC": "func",
    "ARG_PTR_TO_STACK_OR_NULL": "stack_or_null",
    "ARG_PTR_TO_CONST_STR": "const_str",
}
_NUMBERS = {
    "u16": "u16", "u32": "u32", "u64": "u64", "s32": "i32", "s64": "i64", "int": "i32",
    "long": "i64", "unsigned long": "u64", "size_t": "u64", "__be16": "be16", "__be32": "be32",
    "__wsum": "u32",
}  # fmt: skip
_RESULTS = {
    "RET_VOID": "void",
    "RET_PTR_TO_MAP_VALUE": "value",
    "RET_PTR_TO_MAP_VALUE_OR_NULL": "value_or_null",
    "RET_PTR_TO_SOCKET_OR_NULL": "socket_or_null",
    "RET_PTR_TO_TCP_SOCK_OR_NULL": "tcp_sock_or_null",
    "RET_PTR_TO_SOCK_COMMON_OR_NULL": "sock_common_or_null",
    "RET_PTR_TO_RINGBUF_MEM_OR_NULL": "reserved_or_null",
    "RET_PTR_TO_DYNPTR_MEM_OR_NULL": "mem_or_null",
    "RET_PTR_TO_MEM_OR_BTF_ID": "percpu_mem",
    "RET_PTR_TO_BTF_ID": "btf",
    "RET_PTR_TO_BTF_ID_TRUSTED": "btf",
    "RET_PTR_TO_BTF_ID_OR_NULL": "btf_or_null",
}
#: Memory of the size of the type that the parameter points to, in older kernels.
_FIXED = ("ARG_PTR_TO_LONG", "ARG_PTR_TO_INT")
#: What a structure is where the header says ``void *``, by the name of the parameter.
_UNTYPED = {"inode": "inode", "tp": "tcp_sock", "sk": "sock_common", "xdp_md": "xdp_buff"}
_ONLY_FOR = {"skb_output": "sk_buff", "xdp_output": "xdp_buff"}

#: Kinds of a row that stand for several of the tree, or ask for more than the newest kernel does.
_ALIKE = {
    "ctx_or_sock": {"ctx", "sock", "sock_or_null"},
    "length": {"errno"},
    "i64": {"errno"},
    "errno": {"i32"},
}


class Fact:
    """What a tree says about a helper, in the words of the table."""

    def __init__(self, tree: KernelTree, name: str) -> None:
        self.name = name
        self.id = tree.ids[name]
        self.programs = tree.programs[name]
        self._prototype = tree.prototypes[name]
        variants = tree.variants(name)
        self.gpl = any(proto.gpl for proto in variants)
        self.sleeps = bool(variants) and all(proto.sleeps for proto in variants)
        self.signatures = [self._signature(proto) for proto in variants]
        self.results = [self._result(proto) for proto in variants]

    def _signature(self, proto: FuncProto) -> tuple[Parameter, ...]:
        found = []
        for index, declared in enumerate(self._prototype.parameters):
            if declared.ctype == "...":
                found += [Parameter(f"arg{i}", "u64") for i in range(1, 6 - index)]
            elif "arg1_type" in proto.fields:  # some variants have no arguments at all
                found.append(self._parameter(proto, index, declared))
        return tuple(found)

    def _parameter(self, proto: FuncProto, index: int, declared: Declared) -> Parameter:
        """Return a parameter; one that the verifier does not look at is a number all the same."""
        flags, extra = proto.argument(index)
        base = next((f for f in flags if f.startswith("ARG_")), "")
        if base in ("ARG_ANYTHING", "ARG_SCALAR", "ARG_DONTCARE"):
            return Parameter(declared.name, _number(self.name, declared))
        if base in _FIXED or ("MEM" in base and base not in _KINDS):
            return Parameter(declared.name, _memory(base, flags), _behind(declared.ctype))
        kind = _KINDS[base]
        if kind != "btf":
            return Parameter(declared.name, _marked(kind, flags))
        if "POISON" in extra:
            return Parameter(declared.name, "kptr_or_null")
        struct = _ONLY_FOR.get(self.name) or _behind(declared.ctype)
        return Parameter(declared.name, kind, struct or _UNTYPED.get(declared.name, ""))

    def _result(self, proto: FuncProto) -> Parameter:
        base = next((f for f in proto.result if f.startswith("RET_")), "RET_INTEGER")
        declared = self._prototype.result
        if base == "RET_INTEGER":
            kind = "void" if declared == "void" else _NUMBERS[declared]
            return Parameter("", "errno" if declared == "long" else kind)
        kind = _RESULTS[base] + "_or_null" * ("PTR_MAYBE_NULL" in proto.result)
        if kind.startswith("btf"):
            if "POISON" in proto.fields.get("ret_btf_id", ""):
                return Parameter("", "kptr_or_null")
            struct = "pt_regs" if self.name == "task_pt_regs" else _behind(declared)
            return Parameter("", kind, struct)
        return Parameter("", kind)

    def row(self) -> str:
        """Return the row as it stands in a file, without a sentence and a version."""
        marks = "".join(f", {m}=True" for m in ("gpl", "sleeps") if getattr(self, m))
        signature, result = _text(self.signatures[0]), _text(self.results[:1])
        strings = ("", signature, result, compress(self.programs), "")
        quoted = ", ".join(f'"{text}"' for text in strings)
        return f'Helper("{self.name}", {self.id}, {quoted}{marks}),'


def _number(helper: str, declared: Declared) -> str:
    if "*" in declared.ctype:
        return "user_addr" if "user" in f"{helper} {declared.name}" else "kernel_addr"
    if declared.name == "flags" and declared.ctype == "u64":
        return "flags"
    return _NUMBERS[declared.ctype]


def _memory(base: str, flags: frozenset[str]) -> str:
    uninit = "UNINIT" in base or base in _FIXED or "MEM_UNINIT" in flags
    written = "MEM_WRITE" in flags and not uninit
    before = "uninit_" if uninit else "rw_" if written else ""
    nullable = base.endswith("_OR_NULL") or "PTR_MAYBE_NULL" in flags
    return (
        before + ("fixed" if "FIXED" in base or base in _FIXED else "mem") + "_or_null" * nullable
    )


def _marked(kind: str, flags: frozenset[str]) -> str:
    if kind in ("value", "dynptr") and "MEM_UNINIT" in flags:
        return f"uninit_{kind}"
    if kind in ("dynptr", "sock") and "OBJ_RELEASE" in flags:
        return "reserved_dynptr" if kind == "dynptr" else "released_sock"
    return kind + "_or_null" * ("PTR_MAYBE_NULL" in flags)


def _behind(ctype: str) -> str:
    """Return what a pointer points to: ``const struct path *`` to ``path``, ``void *`` to ""."""
    name = re.sub(r"\b(const|struct)\b|\*", "", ctype).strip()
    return "" if name == "void" else _NUMBERS.get(name, name)


def _text(parameters: tuple[Parameter, ...] | list[Parameter]) -> str:
    return ", ".join(
        (f"{p.name}: " if p.name else "") + p.kind + (f"[{p.type}]" if p.type else "")
        for p in parameters
    )


def compress(kinds: frozenset[str]) -> str:
    """Return the shortest words for some types of programs; the reverse of ``expand``."""
    for word in ("most", "all"):
        missing = expand(word) - kinds
        if kinds <= expand(word) and len(missing) < 4:
            return " ".join((word, *(f"-{kind}" for kind in sorted(missing))))
    words, left = [], set(kinds)
    for word in ("probes", "typed", "tc", "lwt"):
        if expand(word) <= left:
            words.append(word)
            left -= expand(word)
    return " ".join((*words, *sorted(left)))


def differences(row: Helper, fact: Fact) -> list[str]:
    """Return what a row and a tree disagree about."""
    found = []
    if row.id != fact.id:
        found.append(f"id is {fact.id}")
    found += [
        f"{mark} is {getattr(fact, mark)}"
        for mark in ("gpl", "sleeps")
        if getattr(row, mark) != getattr(fact, mark)
    ]
    if not any(_agree(row.args, each) for each in fact.signatures):
        found.append(f"takes ({_text(fact.signatures[0])})")
    if not any(_agree((row.ret,), (each,)) for each in fact.results):
        found.append(f"returns {_text(fact.results[:1])}")
    return found


def _agree(ours: tuple[Parameter, ...], theirs: tuple[Parameter, ...]) -> bool:
    return len(ours) == len(theirs) and all(
        a == b or (a.name == b.name and b.kind in _ALIKE.get(a.kind, ()))
        for a, b in zip(ours, theirs, strict=True)
    )


def main() -> int:
    """Print the differences; the status is 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--programs", action="store_true", help="compare types of programs too")
    options = parser.parse_args()
    tree = KernelTree(options.tree)
    count = 0
    for name in tree.ids:
        fact, row = Fact(tree, name), HELPERS.get(name)
        found = differences(row, fact) if row else [f"has no row: {fact.row()}"]
        if row and options.programs and row.program_types != fact.programs:
            found.append(f"may be called by {compress(fact.programs)}")
        for text in found:
            print(f"{name}: {text}")
        count += len(found)
    print(f"{len(tree.ids)} helpers, {count} differences")
    return int(count > 0)


if __name__ == "__main__":
    raise SystemExit(main())
