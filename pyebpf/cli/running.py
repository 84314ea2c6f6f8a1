"""The command ``pyebpf run``: a program's probes at work, and what they print, send and keep."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pyebpf.cli import output
from pyebpf.cli.commands import Arguments, option
from pyebpf.cli.options import UsageError, positive, seconds
from pyebpf.cli.output import Losses
from pyebpf.cli.programs import DEFINE, PROGRAM_HELP, chosen, read_program
from pyebpf.cli.waiting import SLICE, Patience
from pyebpf.dsl.aggregates import Aggregate
from pyebpf.dsl.events import Events
from pyebpf.dsl.maps import Keyed, Numbered
from pyebpf.loading import load
from pyebpf.present.escape import printable

if TYPE_CHECKING:
    from types import ModuleType

    from pyebpf.session import Session

_ABOUT = f"""\
Load and attach the probes of a Python program that has no main part of its own. What they print and
what they send through Events is shown as it comes, what their maps hold at the end: after Ctrl-C,
SIGTERM or -s SECONDS.

{PROGRAM_HELP}"""
_OPTIONS = (
    option("-s", "--seconds", metavar="N", help="end after so many seconds", convert=seconds),
    option("-n", "--entries", metavar="N", help="show so many entries of each map, 20 by default",
           convert=positive),
    DEFINE,
)  # fmt: skip
_EXAMPLES = """
sudo pyebpf run counts.py                       # until Ctrl-C
sudo pyebpf run counts.py -s 10 -D pid=1234     # with its Const pid
sudo pyebpf run counts.py:opened                # one of its probes
"""
ARGUMENTS = Arguments("run", _ABOUT, _OPTIONS, _EXAMPLES, lasts=True)
_ENTRIES = 20


def run(argv: list[str]) -> int:
    """Run the command and return its exit code.

    Raises:
        UsageError: the arguments make no sense.
        PyebpfError, OSError: it cannot be loaded.
    """
    given = ARGUMENTS.read(argv)
    if "h" in given:
        output.write(ARGUMENTS.help())
        return 0
    if len(given.words) != 1:
        raise UsageError("run takes one PROGRAM")
    program = read_program(given.words[0])
    options = chosen(program, given.all("D"))
    with Patience() as patience, load(*program.probes, options=options) as session:
        output.write("Tracing... Hit Ctrl-C to end.\n")
        sent = _declared(program.module, session, (Events,))
        streams = {name: stream for name, _, stream in sent}
        _show(session, streams, patience, given.get("s", float("inf")))
        maps = _declared(program.module, session, (Aggregate, Keyed))
        output.write("".join(_held(maps, given.get("n", _ENTRIES))))
        for text in Losses().news(session.lost()):
            output.complain("pyebpf", text)
    return 0


def _declared(
    module: ModuleType, session: Any, kinds: tuple[type, ...]
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the maps of some kinds that a module declares and the probes use: name, both sides."""
    for name, value in vars(module).items():
        if isinstance(value, kinds):
            try:
                yield name, value, session[value]
            except KeyError:
                continue  # declared, and used by none


def _show(session: Session, streams: Mapping[str, Any], patience: Patience, limit: float) -> None:
    """Show what probes print and send, until there is an end to it."""
    end = time.monotonic() + limit
    while not patience.is_over and (left := end - time.monotonic()) > 0:
        patience.wait(session, time.monotonic() + min(left, SLICE))
        output.write("".join(_come(streams)))
    patience.finish(session)
    output.write("".join(_come(streams)))


def _come(streams: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each record that has come."""
    for name, stream in streams.items():
        for row in stream.values(stream.read()):
            yield f"{name}: {_words(row)}\n"


def _held(maps: Iterable[tuple[str, Any, Any]], limit: int) -> Iterator[str]:
    """Yield what maps hold: aggregates as they print, of others the greatest entries."""
    for name, declared, view in maps:
        if isinstance(declared, Aggregate):
            yield f"\n{name}:\n{view}\n"
            continue
        entries = view.items()
        if isinstance(declared, Numbered):
            entries = [(key, value) for key, value in entries if _is_something(value)]
        shown = sorted(entries, key=lambda entry: _weight(entry[1]), reverse=True)[:limit]
        yield f"\n{name}:\n"
        yield from (f"  {_words(key)}: {_words(value)}\n" for key, value in shown)
        if len(entries) > limit:
            yield f"  … and {len(entries) - limit:,} more\n"


def _is_something(value: Any) -> bool:
    return bool(value.any()) if hasattr(value, "any") else bool(value)


def _weight(value: Any) -> float:
    """Return what entries are sorted by: numbers, of CPUs together; nothing for the rest."""
    if hasattr(value, "sum"):
        value = value.sum() if value.dtype.names is None else 0
    return value if isinstance(value, (int, float)) else 0


def _words(value: Any) -> str:
    """Return a value as text: of a record, its fields."""
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_words(item)}" for name, item in value.items())
    return printable(value)
