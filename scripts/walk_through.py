"""Run the commands of a page again and write what they print into it: ``walk_through.py PAGE``.

A block ``console`` has commands, each after ``$``, and below each one what it printed. A block
with a name after its language, ``sh greet.sh``, is a file of that name. All run in one shell, in a
folder of their own, as the reader would type them; the checkout is there under the name ``pyebpf``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Between what one command prints and what the next one does.
_MARK = "\x1e"
_LIMIT_S = 120


def files(text: str) -> dict[str, str]:
    """Return the files of a page, by name."""
    return {m[2]: m[3] for m in _BLOCK.finditer(text) if m[2]}


def commands(text: str) -> list[str]:
    """Return the commands of a page, in order."""
    blocks = (m[3] for m in _BLOCK.finditer(text) if m[1] == "console")
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def outputs(typed: list[str], folder: Path) -> list[str]:
    """Return what each command prints, with its errors. No loop device is left behind.

    Raises:
        subprocess.CalledProcessError: one of them failed.
    """
    (folder / "pyebpf").symlink_to(ROOT, target_is_directory=True)
    script = "".join(f"{command}\nwait\nprintf '{_MARK}'\n" for command in typed)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": "/home/ada", "LC_ALL": "C.UTF-8",
                   "XDG_CACHE_HOME": str(folder / "cache"),
                   "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # fmt: skip
    try:
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=folder, env=environment, text=True, check=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_LIMIT_S,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stdout.replace(_MARK, ""))  # the last command in it is the one
        raise
    finally:
        for image in folder.glob("*.img"):
            _detach(image)
    return done.stdout.split(_MARK)[:-1]


def _detach(image: Path) -> None:
    """Take down the loop devices of a file that commands have left."""
    shown = ["losetup", "--noheadings", "--output", "NAME", "--associated", str(image)]
    for device in subprocess.run(shown, capture_output=True, text=True, check=True).stdout.split():
        subprocess.run(["losetup", "--detach", device], check=True)


def answered(text: str, printed: list[str]) -> str:
    """Return a page with what its commands print now."""
    left = iter(printed)

    def block(match: re.Match[str]) -> str:
        if match[1] != "console":
            return match[0]
        lines = (line for line in match[3].splitlines() if line.startswith("$ "))
        body = "".join(f"{line}\n{_plain(next(left))}" for line in lines)
        return f"```console\n{body}```"

    return _BLOCK.sub(block, text)


def _plain(printed: str) -> str:
    """Return lines without spaces at their ends, and without empty ones around them."""
    lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Rewrite the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("page", type=Path)
    page: Path = parser.parse_args().page
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in files(text).items():
            (folder / file).write_text(content, encoding="utf-8")
        printed = outputs(commands(text), folder)
    page.write_text(answered(text, printed), encoding="utf-8")


if __name__ == "__main__":
    main()
