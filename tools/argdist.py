"""Count or draw the values of expressions over the arguments of any function or tracepoint.

A specifier says where to look, what to collect, and when:

  {p,r,t,u}:{[library],category}:function(signature)
            [:type[,type…]:expr[,expr…][:filter]][#label]

  p, r       the begin and the end of a function: of the kernel, or of a library or program
  t          a tracepoint of the kernel: its fields are args->name
  u          a USDT probe of a library or program: its arguments are arg1, arg2 and so on
  signature  the parameters that are used, as in C, and those before them
  type       u64, int, size_t, bool and so on; char* is text
  expr       of C or Python: arguments by name, their members; $retval, $latency (nanoseconds) and
             $entry(argument) at the end of a function; $PID, $COMM; STRCMP("text", argument);
             O_CREAT, ENOENT, SIGKILL, AF_INET and the like
  filter     the expression that has to be true; for "total calls" alone write u64:1 before it

Without types and expressions calls are counted, or at the end of a function its results, of type
int. What both languages have means the same; / rounds down. A division by 0, and a call that began
before tracing or, in the kernel, calls itself again, is not counted.

Output:   for each interval and specifier: values by how often they came, the most frequent last, or
          a histogram of powers of two.
Cost:     a probe, and one hash update, where a specifier looks; with arguments or $latency at the
          end of a function a second one, and one hash insert and delete.
Needs:    Linux 4.17; for text 5.5; for members of the kernel's structs BTF.
Source:   behaviour after BCC's argdist (Sasha Goldshtein, 2016); written from scratch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from operator import add
from time import strftime
from typing import Any, NamedTuple

from pyebpf import Alternatives, Const, Probe, Session
from pyebpf.cli import Column, Table, Tool
from pyebpf.cli.traced import kernel_signature
from pyebpf.lib.filters import FILTERS, are_given, only_pid
from pyebpf.lib.specifiers import Collector, Part, Settings, Specifier, collector, read
from pyebpf.lib.specifiers.options import module_named, size_of


def counted(text: str) -> tuple[Specifier, ...]:
    """Read the specifier of a table of counts."""
    return (read(text),)


def drawn(text: str) -> tuple[Specifier, ...]:
    """Read the specifier of a histogram, which has one number."""
    spec = read(text)
    if len(spec.values) > 1:
        raise spec.values[1][1].fault("a histogram is of one expression: use -C for several")
    if any(kind.is_text for kind, _ in spec.values):
        raise spec.values[0][1].fault("a histogram is of numbers, not of text: use -C")
    if not spec.values and spec.kind != "r":
        raise Part(text, len(text), len(text)).fault("what to draw is missing: :TYPE:EXPRESSION")
    return (spec,)


text_size = Const(
    80, "-z", "--string-size", convert=size_of, metavar="BYTES", help="how much of a text is read"
)
verbose = Const(False, "-v", "--verbose", help="print the probes as a program of Python, too")
cumulative = Const(False, "-c", "--cumulative", help="do not start anew with each interval")
top = Const(0, "-T", "--top", help="print only so many values, the most frequent")
histograms: tuple[Specifier, ...] = Const(
    (), "-H", "--histogram", metavar="SPECIFIER", convert=drawn, merge=add,
    help="draw a histogram; may be given several times",
)  # fmt: skip
counts: tuple[Specifier, ...] = Const(
    (), "-C", "--count", metavar="SPECIFIER", convert=counted, merge=add,
    help="count values; may be given several times",
)  # fmt: skip
included: tuple[str, ...] = Const(
    (), "-I", "--include", metavar="MODULE", convert=module_named, merge=add,
    help="name records and constants of this module or file of Python (headers of C: not needed)",
)  # fmt: skip


#: As text is printed: escaped for a terminal.
_LINE, _EVENTS = Table(Column("", 0)), Table(Column("COUNT", 10), Column("EVENT", 0))


class Distribution(NamedTuple):
    """What came of a specifier: a ``Hist``, or values with their counts, the greatest last."""

    what: Collector
    found: Any

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The values of a table, by name, with their counts."""
        if not self.what.names:
            return [{"count": int(self.found), "values": {}}]
        fields = {name: f"v{number}" for number, name in enumerate(self.what.names)}
        return [
            {
                "count": seen.count,
                "values": {name: getattr(key, field) for name, field in fields.items()},
            }
            for key, seen in reversed([*self.found.items()])
            if seen.count  # it is 0 of what was seen in an earlier interval only
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON is made of."""
        head = {"probe": self.what.spec.title}
        if self.what.is_drawn:
            return {**head, **self.found.to_dict(self._label)}
        return {**head, "data": self.rows}

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the values of a table, or the slots of a histogram, in rows that are alike."""
        head = {"probe": self.what.spec.title}
        if self.what.is_drawn:
            return [{**head, "value": self.what.names[0], **row} for row in self.found.to_rows()]
        return [
            {
                **head,
                "value": ", ".join(self._shown(row["values"])),
                "low": None,
                "high": None,
                "count": row["count"],
            }
            for row in self.rows
        ]

    def __str__(self) -> str:
        if self.what.is_drawn:
            drawing: str = self.found.render(self._label)
            return drawing.rstrip("\n")
        lines = [_EVENTS.header()]
        for row in self.rows:
            event = ", ".join(self._shown(row["values"])) or "total calls"
            lines.append(_EVENTS.row(row["count"], event))
        return "\n\t".join([_LINE.row(self.what.spec.title), *lines])

    @property
    def _label(self) -> str:
        return self.what.spec.label or self.what.names[0]

    def _shown(self, values: Mapping[str, Any]) -> Iterable[str]:
        for (name, value), (kind, _) in zip(values.items(), self.what.spec.values, strict=False):
            is_address = kind.stars and not kind.is_text
            yield f"{name} = {hex(value) if is_address else value}"


def collectors(options: Any) -> list[Collector]:
    """Make what the options ask for, tables first; asked again, return the same.

    Raises:
        ValueError: they ask for nothing, or a specifier makes no sense.
    """
    pid, size, modules = map(options.option, (only_pid, text_size, included))
    settings = Settings(pid, size, modules, filtered=are_given(options), signature=kernel_signature)
    given = [(spec, False) for spec in options.option(counts)]
    given += [(spec, True) for spec in options.option(histograms)]
    if not given:
        raise ValueError("say what to collect: -C SPECIFIER or -H SPECIFIER")
    return [
        collector(spec, number, settings, is_drawn=drawn)
        for number, (spec, drawn) in enumerate(given, 1)
    ]


def probes(options: Any) -> Iterable[Probe | Alternatives]:
    """Make the probes that the options ask for."""
    made = collectors(options)
    if options.option(verbose):
        sys.stderr.write("\n".join(each.text for each in made))
    return [probe for each in made for probe in each.probes]


def report(session: Session) -> list[Distribution]:
    """Take one interval of each specifier."""
    limit, found = session.option(top), []
    for what in collectors(session):
        view = session[what.found]
        taken: Any = view.snapshot() if session.option(cumulative) else view.take()
        is_table = what.names and not what.is_drawn
        found.append(Distribution(what, taken.top(limit or len(taken)) if is_table else taken))
    return found


def show(_: Session, found: list[Distribution]) -> str:
    """Return all of them as text, below the time."""
    return "\n".join([strftime("[%H:%M:%S]"), *filter(None, map(str, found))])


tool = Tool(
    __name__,
    probes=probes,
    report=report,
    show=show,
    header="Collecting... Hit Ctrl-C to end.",
    letters=["-i", "-d", "-n"],
    filters=FILTERS,
    interval_s=1,
    examples="""
        argdist -H 'p::__kmalloc(size_t size):u64:size'                   # sizes of allocations
        argdist -p 1005 -C 'p:c:malloc(size_t size):size_t:size:size==16' # allocations of 16 bytes
        argdist -C 'r:c:gets():char*:(char*)$retval#snooped strings'      # what gets() returned
        argdist -H 'r::__kmalloc(size_t size):u64:$latency/$entry(size)#ns per byte'
        argdist -p 1005 -C 'p:c:write(int fd):int:fd' -T 5                # the 5 busiest files
        argdist -p 1005 -H 'r:c:read()'                                   # results of read()
        argdist -C 'r::vfs_read():u32:$PID:$latency > 100000'             # who waits 0.1 ms for it
        argdist -C 'p::vfs_open(struct path *path):char*:path->dentry->d_name.name'
        argdist -C 'p:c:fork()#fork calls'                                # calls of fork()
        argdist -H 't:block:block_rq_complete():u32:args->nr_sector'      # sectors of requests
        argdist -C 't:irq:irq_handler_entry():int:args->irq'              # interrupts by number
        argdist -p 1337 -C 'u:pthread:pthread_start():u64:arg2'           # a USDT probe
        argdist -p 2780 -z 120 -C 'p:c:write(int fd, char *buf):char*:buf:fd==1'
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
