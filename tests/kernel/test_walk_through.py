"""The pages with commands: what they print now is what the page says of them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from pyebpf.host.loop import LoopDevice
from scripts import walk_through
from tests.programs import histogram_counts

pytestmark = [pytest.mark.kernel, pytest.mark.exact, pytest.mark.slow]

DOCS = Path(walk_through.ROOT, "docs")
VENV = Path(walk_through.ROOT, ".venv")
#: Of docs/walk-through.md.
READS, WRITES = 1000, 100
#: Of docs/tutorial.md: the bytes of the numbers to 1000, and an end of a pipe and of a script.
BYTES = len("".join(f"{number}\n" for number in range(1, 1001))) + 2


def names(text: str) -> list[str]:
    """Return opensnoop's lines of the program's own files, without the process, and its words."""
    lines = [re.sub(r"^\d+ +", "", line) for line in text.splitlines()]
    return [line for line in lines if "greet" in line or line.startswith("Hello")]


def said(text: str) -> dict[str, str]:
    """Return what a page says that each command prints."""
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    parts = (part.partition("\n") for block in blocks for part in block.split("$ ")[1:])
    return {command: printed for command, _, printed in parts}


def now_and_before(name: str, folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the commands of a page print now, and what it says that they print."""
    page = (DOCS / name).read_text(encoding="utf-8")
    folder = Path(tempfile.mkdtemp(dir=folder))  # a test that is tried again begins anew
    for file, content in walk_through.files(page).items():
        (folder / file).write_text(content, encoding="utf-8")
    printed = walk_through.outputs(walk_through.commands(page), folder)
    return said(walk_through.answered(page, printed)), said(page)


def test_the_walk_through_two_tools(tmp_path: Path) -> None:
    LoopDevice(1 << 20).close()  # says why there can be none
    now, then = now_and_before("walk-through.md", tmp_path)
    for command, before in then.items():
        if "opensnoop" in command and "-j" not in command and "--explain" not in command:
            assert sorted(names(now[command])) == sorted(names(before))
        elif "biolatency" in command:
            expected = READS + WRITES if "of=$disk" in command else READS
            assert sum(histogram_counts(now[command])) == expected
            assert sum(histogram_counts(before)) == expected
        elif "slowest.py" in command:
            assert now[command].startswith(f"{READS} requests; 99 of 100 take less than ")


@pytest.mark.thorough
@pytest.mark.skipif(
    not VENV.is_dir() or VENV.is_symlink(), reason="no .venv of this checkout's own (make setup)"
)
def test_the_tutorial(tmp_path: Path) -> None:
    LoopDevice(1 << 20).close()
    now, before = now_and_before("tutorial.md", tmp_path)
    assert now.keys() == before.keys()
    for printed in (now, before):
        assert "540 requests counted, 540 made: they match" in printed["make demo"]
        (lines,) = (text for command, text in printed.items() if "first.py | head" in command)
        assert lines.startswith("Tracing... Hit Ctrl-C to end.\n")
        assert "\n1 bytes\n" in lines
        (waits,) = (text for command, text in printed.items() if "--comm patient" in command)
        assert histogram_counts(waits)[-1] == 1
        assert sum(histogram_counts(waits)) > len("first\nsecond\n")
    for command in ("./count", "python test_sizes.py", *(c for c in now if "compile" in c)):
        assert now[command] == before[command]


@pytest.mark.thorough
def test_the_sizes_of_the_tutorial_are_counted_to_the_last_one(tmp_path: Path) -> None:
    tmp_path = Path(tempfile.mkdtemp(dir=tmp_path))
    files = walk_through.files((DOCS / "tutorial.md").read_text(encoding="utf-8"))
    for file in ("count", "mended", "sizes.py"):
        (tmp_path / file).write_text(files[file], encoding="utf-8")
    typed = ["chmod +x count mended", "python sizes.py", "mv mended count", "python sizes.py"]
    _, slow, _, quick = walk_through.outputs(typed, tmp_path)
    assert histogram_counts(slow)[0] == BYTES
    assert 0 < sum(histogram_counts(quick)) < BYTES / 50
