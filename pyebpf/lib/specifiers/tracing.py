"""What specifiers of lines send: a record for each call, the same for all of them."""

from __future__ import annotations

from functools import cache
from typing import Any

from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.lib.specifiers.messages import Traced
from pyebpf.lib.specifiers.writer import Settings, Writer, executed
from pyebpf.plain import Frozen

_TAKEN = frozenset({"hits", "hit", "own", "stacks", "user_stacks"})
_SHARED = """\
# what each call sends
from pyebpf import Char, Events, Global, StackTrace, chars, i64, record, u32, u64


@record
class Hit:
    at_ns: u64
    spec: u32
    pid: u32
    tid: u32
    cpu: u32
    kernel: i64
    user: i64
    comm: Char = chars(16)
"""


class Wanted(Frozen):
    """What is sent, besides what specifiers say.

    Attributes:
        pages: of the buffer.
        kernel, user: call stacks.
        build_ids: places in user space are kept by the build ids of their files.
    """

    pages: int = 64
    kernel: bool = False
    user: bool = False
    build_ids: bool = False


class Tracing(Frozen):
    """Specifiers at work.

    Attributes:
        wanted: what else is sent.
        traced: the specifiers, by the numbers that records have.
        fields: of each: the fields of its values.
        hits: the ``Events``.
        own: a ``Global``: the process whose calls are passed over.
        stacks: of the kernel.
        user_stacks: in processes.
        probes: what sends them.
        text: of the modules that declare all this.
    """

    wanted: Wanted
    traced: tuple[Traced, ...]
    fields: tuple[tuple[str, ...], ...]
    hits: Any
    own: Any
    stacks: Any
    user_stacks: Any
    probes: tuple[Probe | Alternatives, ...]
    text: str


@cache
def tracing(traced: tuple[Traced, ...], settings: Settings, wanted: Wanted) -> Tracing:
    """Make the probes of specifiers; asked again, return the same.

    Raises:
        SpecifierError: one makes no sense.
    """
    fields = tuple(_fields(each) for each in traced)
    used = sorted({name for names in fields for name in names})
    kinds = {"n": "i64", "t": f"Char = chars({settings.text_size})"}
    text = _SHARED + "".join(f"    {name}: {kinds[name[0]]}\n" for name in used)
    text += f"\n\nhits = Events[Hit](pages={wanted.pages})\nown = Global[u32](0)\n"
    text += "stacks = StackTrace(max_entries=16_384)\n"
    by_file = f"stack_build_id={wanted.build_ids}"
    text += f"user_stacks = StackTrace(max_entries=16_384, {by_file})\n"
    shared = executed(text, "what each call sends")
    given = {name: shared[name] for name in ("hits", "own", "stacks", "user_stacks")}
    probes: list[Probe | Alternatives] = []
    for number, each in enumerate(traced):
        own = _module(each, number, fields[number], settings, wanted)
        module = executed(own, f"specifier {number + 1}: {each.spec.text}", given)
        probes += (p for p in module.values() if isinstance(p, (Probe, Alternatives)))
        text += f"\n\n{own}"
    return Tracing(wanted, traced, fields, probes=tuple(probes), text=text, **given)


def _fields(traced: Traced) -> tuple[str, ...]:
    """Return where values go: texts into ``t0`` and so on, numbers into ``n0``."""
    names, counts = [], {"t": 0, "n": 0}
    for kind, _ in traced.spec.values:
        letter = "t" if kind.is_text else "n"
        names.append(f"{letter}{counts[letter]}")
        counts[letter] += 1
    return tuple(names)


def _module(
    traced: Traced, number: int, fields: tuple[str, ...], settings: Settings, wanted: Wanted
) -> str:
    """Return the text of the module of one specifier."""
    writer = Writer(traced.spec, settings, _TAKEN)
    writer.needs("ktime_get_ns", "tgid", "tid", "cpu", "comm")
    lines = [
        "with hits.reserve() as hit:",
        f"    hit.at_ns, hit.spec, hit.cpu = ktime_get_ns(), {number}, cpu()",
        "    hit.pid, hit.tid, hit.comm = tgid(), tid(), comm()",
    ]
    lines += ["    hit.kernel = stacks.kernel()"] * wanted.kernel
    lines += ["    hit.user = user_stacks.user()"] * wanted.user
    for name, (kind, part) in zip(fields, traced.spec.values, strict=True):
        value = writer.value(kind, part)
        if not kind.is_text:
            writer.needs("i64", "cast")
            value = f"cast(i64, {value})"
        lines.append(f"    hit.{name} = {value}")
    return writer.module([], *lines, passed_over="tgid() == own.value")
