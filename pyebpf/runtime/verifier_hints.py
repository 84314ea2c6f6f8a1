"""What to do about the commonest refusals of the verifier: one row each.

Every row has a log that a kernel really printed, for each kernel, in
``tests/data/verifier``.
"""

from __future__ import annotations

from typing import NamedTuple


class Hint(NamedTuple):
    """A refusal and what helps: ``name`` is its log's, ``pattern`` is looked for in the reason."""

    name: str
    pattern: str
    help: str


#: The first that matches counts.
HINTS: tuple[Hint, ...] = (
    Hint(
        "poisoned",
        r"unknown#195896080\b",
        "the kernel lacks something the program reads: test whether it exists first",
    ),
    Hint(
        "map_value_or_null",
        r"invalid mem access '(map_value|mem|ringbuf_mem|sock|sock_common|tcp_sock|\w+)_or_null'",
        "the look-up may have found nothing: test the result for None (NULL) before using it",
    ),
    Hint(
        "possibly_null",
        r"[Pp]ossibly NULL|type=\w+_or_null_? expected=|'\w*ptr_or_null_'",
        "the pointer may be NULL: test it before using it or passing it on",
    ),
    Hint(
        "reference",
        r"[Uu]nreleased reference|would lead to reference leak",
        "what was reserved, or given by a kernel function, is still held at the end of the probe: "
        "send it or give it back on every way, with the function that releases it",
    ),
    Hint(
        "scalar",
        r"invalid mem access '(scalar|inv|imm)'",
        "this is a number to the verifier, not a pointer it may follow: read kernel memory with "
        "probe_read_kernel, user memory with probe_read_user",
    ),
    Hint(
        "unbounded",
        r"unbounded (memory access|min value|max value)|min value is negative|R\d+ unbounded",
        "the verifier knows no limit for this index or size: compare it with a constant limit "
        "(`if n < LIMIT:`) right before, or mask it",
    ),
    Hint(
        "out_of_bounds",
        r"invalid access to (map value|memory|map key|packet)",
        "the access reaches past the end: check the index or the size against that of the object",
    ),
    Hint(
        "read_ok",
        r"R\d+ !read_ok",
        "a register is read that has no value on some path: give the variable a value, and return "
        "one, on every path",
    ),
    Hint(
        "stack",
        r"invalid (?:write to|read from|access to|indirect access to)? ?(?:variable-offset )?stack"
        r"|stack size of \d+|stack depth exceeds|Too large",
        "a program has 512 bytes of stack for all functions it is in: put large records into a map "
        "or into the ring buffer",
    ),
    Hint(
        "loop",
        r"back-edge|infinite loop detected|too many back-edges",
        "the verifier cannot see that the loop ends: use a constant number of rounds, "
        "`for i in range(N)`",
    ),
    Hint(
        "too_large",
        r"BPF program is too large|sequence of \d+ jumps is too complex",
        "the verifier follows at most 1,000,000 instructions over all paths: make loops shorter, "
        "or put their body into bpf_loop",
    ),
    Hint(
        "context",
        r"invalid bpf_context access|dereference of modified ctx",
        "this kind of program has no such field at this offset of its context",
    ),
    Hint(
        "helper",
        r"unknown func|helper call is not allowed|program of this type cannot use helper"
        r"|cannot use helper|invalid func unknown",
        "this kind of program may not call that helper, or this kernel does not have it",
    ),
    Hint(
        "map_type",
        r"cannot pass map_type",
        "that helper does not work on this kind of map",
    ),
    Hint(
        "leak",
        r"leaks addr",
        "a kernel address would become visible: do not store or return it without CAP_PERFMON",
    ),
    Hint(
        "misaligned",
        r"misaligned",
        "the address is no multiple of the size read or written: order the fields by size, or copy "
        "bytes",
    ),
    Hint(
        "gpl",
        r"GPL.?compatible|cannot call GPL-restricted",
        "that helper is for programs with a GPL-compatible license: declare one",
    ),
)
