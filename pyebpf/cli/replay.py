"""The command ``pyebpf replay``: what is in a recording."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyebpf.cli import output
from pyebpf.cli.commands import Arguments, option
from pyebpf.cli.options import UsageError
from pyebpf.present import jsonl
from pyebpf.recordings import replay

if TYPE_CHECKING:
    from pyebpf.recordings import Recording

_ABOUT = """\
Print the records in a file that `pyebpf record` or Session.record() wrote, stream by stream, each
in a line, or say what the file is. This needs no kernel, no root, and none of the probes."""
_OPTIONS = (
    option("-j", "--json", help="print JSON, one object for each record"),
    option("-a", "--about", help="say what was recorded, where and when, and no records"),
)
_EXAMPLES = """
pyebpf replay opened.npy
pyebpf replay --about opened.npy
pyebpf replay --json opened.npy | jq .path
"""
ARGUMENTS = Arguments("replay", _ABOUT, _OPTIONS, _EXAMPLES)


def run(argv: list[str]) -> int:
    """Run the command and return its exit code.

    Raises:
        UsageError: the arguments make no sense.
        FormatError, OSError: it is no recording, or cannot be read.
    """
    given = ARGUMENTS.read(argv)
    if "h" in given:
        output.write(ARGUMENTS.help())
        return 0
    if len(given.words) != 1:
        raise UsageError("replay takes one FILE")
    recording = replay(given.words[0])
    if "a" in given:
        output.write(_about(recording))
        return 0
    for stream in recording:
        for row in stream.rows():
            if "j" in given:
                fields = row if isinstance(row, Mapping) else {"value": row}
                output.write(f"{jsonl.line({'stream': stream.name, **_plain(fields)})}\n")
            else:
                output.write(f"{row}\n")
    return 0


def _about(recording: Recording) -> str:
    about = recording.about
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(about.started))
    lines = [f"from {began}, Linux {about.kernel} ({about.machine}), pyebpf {about.version}"]
    lines += [f"{name}: {kind} {target}".rstrip() for name, kind, target in about.programs]
    lines += [f"{one.name} of {one.shape.name()}: {one.summary()}" for one in recording]
    lines += [] if recording.is_complete else ["it was cut off: there is no more in the file"]
    return "".join(f"{line}\n" for line in lines)


def _plain(value: Any) -> Any:
    """Return a value with what JSON has no form for as text: bytes in hexadecimal, addresses."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, (int, str)) else str(value)
