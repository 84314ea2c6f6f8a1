"""The command ``pyebpf record``: the records of a program's streams, written to a file."""

from __future__ import annotations

import os
import signal

from pyebpf.cli import output
from pyebpf.cli.commands import Arguments, option
from pyebpf.cli.options import UsageError, seconds
from pyebpf.cli.programs import DEFINE, PROGRAM_HELP, chosen, read_program
from pyebpf.loading import load

_ABOUT = f"""\
Load and attach the probes of a Python program, and write what they send through Events to a file,
until Ctrl-C or SIGTERM. `pyebpf replay` and pyebpf.replay() read it, on any machine.

{PROGRAM_HELP}"""
_OPTIONS = (
    option("-o", "--output", metavar="FILE", help="the file to write; there may be none yet"),
    option("-s", "--seconds", metavar="N", help="end after so many seconds", convert=seconds),
    DEFINE,
)
_EXAMPLES = """
sudo pyebpf record opened.py -o opened.npy
sudo pyebpf record opened.py -s 10 -o opened.npy
pyebpf replay opened.npy
"""
ARGUMENTS = Arguments("record", _ABOUT, _OPTIONS, _EXAMPLES, lasts=True)


def run(argv: list[str]) -> int:
    """Run the command and return its exit code.

    Raises:
        UsageError: the arguments make no sense.
        PyebpfError, OSError: it cannot be loaded, or the file cannot be written.
    """
    given = ARGUMENTS.read(argv)
    if "h" in given:
        output.write(ARGUMENTS.help())
        return 0
    if len(given.words) != 1:
        raise UsageError("record takes one PROGRAM")
    if not given.get("o"):
        raise UsageError("-o says where to put the records")
    # Either way to end it leaves a whole recording, and a summary.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    program = read_program(given.words[0])
    options = chosen(program, given.all("D"))
    with load(*program.probes, options=options) as session:
        try:
            session.record(given.get("o"), seconds=given.get("s", float("inf")))
        except KeyboardInterrupt:
            if not os.path.exists(given.get("o")):  # noqa: PTH110 - as the rest of this package
                raise  # it has not begun
        output.write(f"{given.get('o')}\n{session.summary()}\n")
    return 0
