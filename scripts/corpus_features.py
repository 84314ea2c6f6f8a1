"""Which features a BPF program in C uses, each as a word: ``helper:loop``, ``map:hash``, ``goto``.

A feature is something that a language must have to say the same. What only helps the C compiler
(barriers, unrolling pragmas, ``likely``) is none; what the tests of libbpf do around a program
(skeletons, expectations of log lines) is none either.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyebpf.abi import constants
from pyebpf.abi.helpers import HELPERS
from pyebpf.abi.names import map_type_name
from pyebpf.abi.programs import program_kind_of_section
from pyebpf.errors import NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from c_source import Item, Source

#: Headers that bring declarations and macros only; their macros are in the table below.
SHARED = frozenset(
    """vmlinux.h bpf_misc.h bpf_experimental.h bpf_kfuncs.h bpf_tracing_net.h bpf_compiler.h
    bpf_testmod.h bpf_testmod_kfunc.h core_reloc_types.h filter.h errno.h err.h bpf_legacy.h
    bpf_test_utils.h usdt.bpf.h bpf_qdisc_common.h mptcp_bpf.h bpf_sockopt_helpers.h
    bpf_arena_common.h bpf_arena_alloc.h bpf_arena_htab.h bpf_arena_list.h""".split()  # noqa: SIM905
)

#: Words of libbpf's and the tests' headers, and the features that they stand for.
_WORDS: dict[str, tuple[str, ...]] = {
    "bpf_for": ("loop",),
    "bpf_repeat": ("loop",),
    "can_loop": ("loop",),
    "cond_break": ("loop",),
    "cond_break_label": ("loop",),
    "for": ("loop",),
    "while": ("loop",),
    "switch": ("switch",),
    "bpf_for_each": ("iterator in a program",),
    "bpf_throw": ("exceptions of BPF",),
    "bpf_assert": ("exceptions of BPF",),
    "bpf_assert_with": ("exceptions of BPF",),
    "bpf_assert_range": ("exceptions of BPF",),
    "bpf_assert_range_with": ("exceptions of BPF",),
    "__exception_cb": ("exceptions of BPF",),
    "bpf_printk": ("print",),
    "bpf_stream_printk": ("streams",),
    "bpf_stream_vprintk": ("streams",),
    "BPF_SEQ_PRINTF": ("helper:seq_printf",),
    "BPF_SNPRINTF": ("helper:snprintf",),
    "BPF_CORE_READ": ("pointer chains",),
    "BPF_CORE_READ_INTO": ("pointer chains",),
    "BPF_CORE_READ_STR_INTO": ("text of the kernel",),
    "BPF_CORE_READ_USER": ("reads of user memory",),
    "BPF_PROBE_READ": ("pointer chains",),
    "BPF_PROBE_READ_INTO": ("pointer chains",),
    "BPF_PROBE_READ_USER": ("reads of user memory",),
    "BPF_CORE_READ_BITFIELD": ("bit-fields of the kernel",),
    "BPF_CORE_READ_BITFIELD_PROBED": ("bit-fields of the kernel",),
    "BPF_CORE_WRITE_BITFIELD": ("writes to bit-fields of the kernel",),
    "bpf_core_read": ("pointer chains",),
    "bpf_core_read_str": ("text of the kernel",),
    "bpf_core_read_user": ("reads of user memory",),
    "bpf_core_field_exists": ("questions about types",),
    "bpf_core_field_size": ("questions about types",),
    "bpf_core_field_offset": ("questions about types",),
    "bpf_core_type_exists": ("questions about types",),
    "bpf_core_type_size": ("questions about types",),
    "bpf_core_enum_value": ("questions about types",),
    "bpf_core_enum_value_exists": ("questions about types",),
    "bpf_core_type_matches": ("CO-RE type matching",),
    "bpf_core_type_id_local": ("CO-RE type ids",),
    "bpf_core_type_id_kernel": ("CO-RE type ids",),
    "__builtin_preserve_access_index": ("pointer chains",),
    "bpf_core_cast": ("casts of pointers",),
    "bpf_rdonly_cast": ("casts of pointers",),
    "container_of": ("container_of",),
    "offsetof": ("questions about types",),
    "__sync_fetch_and_add": ("atomics",),
    "__sync_fetch_and_sub": ("atomics",),
    "__sync_fetch_and_and": ("atomics",),
    "__sync_fetch_and_or": ("atomics",),
    "__sync_fetch_and_xor": ("atomics",),
    "__sync_add_and_fetch": ("atomics",),
    "__sync_sub_and_fetch": ("atomics",),
    "__sync_lock_test_and_set": ("atomics with a result",),
    "__sync_val_compare_and_swap": ("atomics with a result",),
    "__sync_bool_compare_and_swap": ("atomics with a result",),
    "__atomic_load_n": ("ordered loads and stores",),
    "__atomic_store_n": ("ordered loads and stores",),
    "smp_load_acquire": ("ordered loads and stores",),
    "smp_store_release": ("ordered loads and stores",),
    "__arena": ("arena",),
    "__arena_global": ("arena",),
    "__kptr": ("kptrs",),
    "__kptr_untrusted": ("kptrs",),
    "__kptr_ref": ("kptrs",),
    "__percpu_kptr": ("per-CPU kptrs",),
    "__uptr": ("uptrs",),
    "bpf_list_head": ("lists and trees",),
    "bpf_list_node": ("lists and trees",),
    "bpf_rb_root": ("lists and trees",),
    "bpf_rb_node": ("lists and trees",),
    "bpf_refcount": ("lists and trees",),
    "bpf_obj_new": ("objects on the BPF heap",),
    "bpf_obj_drop": ("objects on the BPF heap",),
    "bpf_percpu_obj_new": ("objects on the BPF heap",),
    "bpf_percpu_obj_drop": ("objects on the BPF heap",),
    "bpf_spin_lock": ("spin locks",),
    "bpf_res_spin_lock": ("resilient spin locks",),
    "bpf_timer": ("timers",),
    "bpf_wq": ("work queues",),
    "bpf_task_work": ("task work",),
    "bpf_dynptr": ("dynptrs",),
    "data_end": ("direct packet access",),
    "float": ("floating point",),
    "double": ("floating point",),
    "__int128": ("128-bit numbers",),
    "__int128_t": ("128-bit numbers",),
    "__uint128_t": ("128-bit numbers",),
    "bpf_tail_call_static": ("helper:tail_call",),
    "bpf_usdt_arg": ("arguments of USDT probes",),
    "bpf_usdt_arg_cnt": ("arguments of USDT probes",),
    "bpf_usdt_arg_size": ("arguments of USDT probes",),
    "bpf_usdt_cookie": ("arguments of USDT probes",),
    "bpf_ksym_exists": ("kernel symbols that may lack",),
    "__arg_ctx": ("tags of arguments",),
    "__arg_nonnull": ("tags of arguments",),
    "__arg_nullable": ("tags of arguments",),
    "__arg_trusted": ("tags of arguments",),
    "__arg_untrusted": ("tags of arguments",),
    "__arg_arena": ("tags of arguments",),
    "PT_REGS_IP": ("registers",),
    "PT_REGS_SP": ("registers",),
    "PT_REGS_FP": ("registers",),
    "PT_REGS_RET": ("registers",),
    **dict.fromkeys(
        """bpf_htons bpf_ntohs bpf_htonl bpf_ntohl bpf_cpu_to_be64 bpf_be64_to_cpu ___bpf_swab16
        ___bpf_swab32 ___bpf_swab64 __bpf_htons __bpf_ntohs __bpf_htonl __bpf_ntohl
        __bpf_constant_htons __bpf_constant_ntohs __bpf_constant_htonl __bpf_constant_ntohl
        __builtin_bswap16 __builtin_bswap32 __builtin_bswap64""".split(),  # noqa: SIM905
        ("byte order",),
    ),
    "load_byte": ("LD_ABS",),
    "load_half": ("LD_ABS",),
    "load_word": ("LD_ABS",),
    "btf_bpf_map": ("kernel's view of a map",),
    "bpf_cast_to_kern_ctx": ("kernel's view of a context",),
        "__builtin_memcpy": ("copies of memory",),
    "__builtin_memset": ("copies of memory",),
    "__builtin_memmove": ("copies of memory",),
    "__builtin_memcmp": ("comparing memory",),
    "memcpy": ("copies of memory",),
    "memset": ("copies of memory",),
    "memcmp": ("comparing memory",),
}  # fmt: skip
#: Patterns of kfuncs that belong to one of the features above.
_KFUNC_FAMILIES = (
    (r"bpf_iter_\w+_(new|next|destroy)", "iterator in a program"),
    (r"bpf_(list|rbtree)_\w+|bpf_refcount_acquire\w*", "lists and trees"),
    (r"bpf_arena_\w+", "arena"),
    (r"bpf_wq_\w+", "work queues"),
    (r"bpf_task_work_\w+", "task work"),
    (r"bpf_dynptr_\w+", "dynptrs"),
    (r"bpf_res_spin_\w+", "resilient spin locks"),
    (r"bpf_(percpu_)?obj_\w+", "objects on the BPF heap"),
)
#: Bytes of stack.
_STACK = 512
_ASSIGNED = ("=", "+=", "-=", "|=", "&=", "^=", "<<=", ">>=", "++", "--")
_ANY_TYPE = re.compile(r"(?:__)?[us](?:8|16|32|64)|int|long|short|char|bool|unsigned|signed|size_t")


def features(source: Source, kfuncs: frozenset[str]) -> frozenset[str]:
    """Return what a file uses.

    Args:
        source: the file.
        kfuncs: the names of the kernel's functions for programs.
    """
    found: set[str] = set()
    own = {item.name for item in source.items if item.kind == "function"}
    for item in source.items:
        found.update(_of_item(item))
    used = set(_words(source))
    for name in sorted(used):
        found.update(_WORDS.get(name, ()))
        if name.startswith("bpf_") and name not in own:
            found.update(_of_call(name, kfuncs))
    externs = {item.name for item in source.items if item.kind == "extern"}
    found.update(_of_call(name, kfuncs, True)[0] for name in externs & used if name in kfuncs)
    for item in source.functions():
        found.update(_of_function(item))
    if any("asm" in text or "__asm__" in text for text in _bodies(source)):
        found.update(_assembler(source))
    return frozenset(found)


def has_programs(source: Source) -> bool:
    """Tell whether a file holds a program at all; some hold types for other tests only."""
    return any(item.section for item in source.functions())


def has_wrong(source: Source) -> bool:
    """Tell whether a program of a file is there to be refused by the verifier."""
    return any(
        "__failure" in item.head and "__success" not in item.head
        for item in source.functions()
        if item.section
    )


def _bodies(source: Source) -> Iterator[tuple[str, ...]]:
    for item in source.items:
        yield item.head
        yield item.body


def _words(source: Source) -> Iterator[str]:
    """Yield every identifier that is used, those inside macros that are used among them."""
    pending = list(_bodies(source))
    seen: set[str] = set()
    while pending:
        for token in pending.pop():
            if token in seen or not re.match(r"[A-Za-z_]", token):
                continue
            seen.add(token)
            yield token
            if token in source.macros and token not in _WORDS:
                pending.append(source.macros[token])


def _of_call(name: str, kfuncs: frozenset[str], sure: bool = False) -> tuple[str, ...]:
    bare = name.removeprefix("bpf_")
    if bare in HELPERS and not sure:
        return (f"helper:{bare}",)
    for pattern, feature in _KFUNC_FAMILIES:
        if re.fullmatch(pattern, name):
            return (feature,)
    if name in _WORDS:
        return _WORDS[name] or ("kfuncs",)
    return ("kfuncs",) if name in kfuncs else ()


def _of_item(item: Item) -> Iterator[str]:
    head = " ".join(item.head)
    if item.kind == "function" and item.section and item.section != "license":
        yield from _of_section(item.section)
    elif item.kind == "variable" and item.section == ".maps":
        yield from _of_map(item.body or item.head)
    elif item.kind == "variable" and item.section.startswith((".struct_ops", "?.struct_ops")):
        yield "struct_ops"
    elif item.kind == "variable" and item.section in ("license", "version"):
        pass
    elif item.kind == "variable" and item.name:
        yield from _of_variable(item, head)
    elif item.kind == "type" and any(
        lexeme.isdigit() and int(lexeme) > _STACK and item.body[i - 1] == "["
        for i, lexeme in enumerate(item.body)
    ):
        yield "large records"
    elif item.kind == "extern":
        if "__kconfig" in item.head:
            yield "kernel's configuration"
        elif "__ksym" in item.head and "(" not in item.head:
            yield "kernel variables"
        elif "__ksym" not in item.head:
            yield "several objects linked"


def _of_section(section: str) -> Iterator[str]:
    name = section.lstrip("?")
    name += "*" * name.endswith("/")
    try:
        kind, _ = program_kind_of_section(name)
    except NotSupportedError:
        yield "program:section of its own"
    else:
        yield f"program:{kind.name}"


def _of_variable(item: Item, head: str) -> Iterator[str]:
    constant = "const" in item.head
    after = item.head[item.head.index(item.name) + 1 :] if item.name in item.head else item.head
    array = "[" in after[:1]
    struct = re.search(r"\b(struct|union)\b", head) is not None
    if "*" in item.head and not constant:
        yield "global pointers"
    elif constant:
        yield "constant arrays and structs" if array or struct else "constants set at load"
    elif array and "char" in item.head:
        yield "global text"
    elif array:
        yield "global arrays"
    elif struct:
        yield "global structs"
    else:
        yield "global numbers"


def _of_map(body: tuple[str, ...]) -> Iterator[str]:
    text = " ".join(body)
    kind = re.search(r"type , BPF_MAP_TYPE_(\w+)", text)
    if kind:
        number = getattr(constants, f"BPF_MAP_TYPE_{kind[1]}", None)
        yield f"map:{map_type_name(number) if number else kind[1].lower()}"
    flags = re.search(r"map_flags , ([^)]*)", text)
    for flag in re.findall(r"BPF_F_\w+", flags[1]) if flags else ():
        yield f"map flag:{flag}"
    if "map_extra" in text:
        yield "map extra"
    if "pinning" in text:
        yield "pinned maps"


def _of_function(item: Item) -> Iterator[str]:
    body = item.body
    if not item.section:
        inlined = "static" in item.head and "__noinline" not in item.head
        yield "functions, inlined" if inlined else "functions of their own"
        if "__weak" in item.head:
            yield "weak functions"
    if item.section and _writes_context(item):
        yield "writes to the context"
    yield from _punned(body)
    yield from _local_arrays(body)
    if _moving(item):
        yield "pointers that move"
    labels = {body[i]: i for i in range(1, len(body) - 1) if _is_label(body, i)}
    for index, lexeme in enumerate(body[:-1]):
        if lexeme == "goto":
            backwards = labels.get(body[index + 1], len(body)) < index
            yield "goto backwards" if backwards else "goto"
    if item.name in body and any(
        body[i] == item.name and body[i + 1 : i + 2] == ("(",) for i in range(len(body))
    ):
        yield "recursion"
    if any(
        body[i : i + 2] == ("(", "*") and body[i + 3 : i + 5] == (")", "(")
        for i in range(len(body))
    ):
        yield from _indirect(body)


def _local_arrays(body: tuple[str, ...]) -> Iterator[str]:
    """Arrays on the stack: ``char name[16];``, ``int row[3] = {};``."""
    for i in range(1, len(body) - 4):
        if body[i + 1] != "[" or body[i + 3] != "]" or body[i + 4] not in (";", "=", ","):
            continue
        first = _ANY_TYPE.fullmatch(body[i - 1])
        more = body[i - 1] == "," and body[i + 4] in (";", "=")  # int i, row[3];
        indexed = any(body[j : j + 2] == body[i : i + 2] for j in range(i + 4, len(body) - 1))
        if first or more:
            yield "local text" if body[i - 1] == "char" and not indexed else "local arrays"


def _moving(item: Item) -> bool:
    """Tell whether a pointer of the function is counted up: ``p += n``, ``p++``."""
    text = (*item.head, *item.body)
    pointers = {
        text[i + 1] for i in range(len(text) - 2) if text[i] == "*" and _follows_name(text, i)
    }
    return any(
        text[i] in pointers and text[i + 1] in ("+=", "++", "-=", "--") and text[i - 1] != "*"
        for i in range(1, len(text) - 1)
    )


def _follows_name(text: tuple[str, ...], i: int) -> bool:
    """Tell whether ``* name`` at ``i`` declares: a type before it, an end or a value after it."""
    before = i > 0 and (_ANY_TYPE.fullmatch(text[i - 1]) or text[i - 1] in ("void", "const"))
    struct = i > 1 and text[i - 2] in ("struct", "union")
    return bool(before or struct) and text[i + 2 : i + 3] in ((";",), ("=",), (",",), (")",))


def _writes_context(item: Item) -> bool:
    """Tell whether a program assigns to a field of its first parameter."""
    inside = item.head[len(item.head) - item.head[::-1].index("(") :]
    words = [t for t in inside[: _first(inside, (",", ")"))] if re.match(r"[A-Za-z_]", t)]
    context = words[-1] if words else ""
    body = item.body
    return any(
        body[i : i + 2] == (context, "->") and body[i + 3] in _ASSIGNED
        for i in range(len(body) - 3)
    )


def _first(tokens: tuple[str, ...], wanted: tuple[str, ...]) -> int:
    return next((i for i, token in enumerate(tokens) if token in wanted), len(tokens))


def _punned(body: tuple[str, ...]) -> Iterator[str]:
    """Memory that is read as another type: ``*(u32 *)p``; not ``*(volatile int *)&x``."""
    for i in range(len(body) - 4):
        # A structure laid over other memory: `struct s *p = (void *)&other`.
        if body[i : i + 5] == ("=", "(", "void", "*", ")") and body[i + 5 : i + 6] == ("&",):
            yield "memory as another type"
        if body[i : i + 2] != ("*", "(") or (i and re.match(r"\w|[)\]]", body[i - 1])):
            continue
        end = _first(body[i:], (")",)) + i
        words = body[i + 2 : end]
        if words[-1:] == ("*",) and "volatile" not in words and "(" not in words:
            yield "memory as another type"


def _indirect(body: tuple[str, ...]) -> Iterator[str]:
    """Calls through a pointer: ``(*f)(…)``, not a cast ``(*p)`` before parentheses."""
    for i in range(1, len(body) - 4):
        called = body[i : i + 2] == ("(", "*") and body[i + 3 : i + 5] == (")", "(")
        if called and body[i - 1] not in ("sizeof", "typeof") and not _ANY_TYPE.match(body[i + 2]):
            yield "calls through pointers"


def _is_label(body: tuple[str, ...], index: int) -> bool:
    named = re.match(r"[A-Za-z_]\w*$", body[index]) and body[index + 1] == ":"
    return bool(named) and body[index - 1] in (";", "{", "}", ":") and body[index] != "default"


def _assembler(source: Source) -> Iterator[str]:
    """Inline assembly; an empty one is only a barrier for the C compiler."""
    for text in _bodies(source):
        for index, token in enumerate(text):
            if token in ("asm", "__asm__"):
                rest = [
                    t
                    for t in text[index + 1 : index + 6]
                    if t not in ("volatile", "(", "__volatile__")
                ]
                if rest and rest[0] != '""':
                    yield "inline assembly"
    for name, text in source.macros.items():
        if "asm" in text and '""' not in text and name in set(_words(source)):
            yield "inline assembly"
