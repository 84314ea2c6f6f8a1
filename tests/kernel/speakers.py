"""Small programs in several languages, compiled for a test, that answer each line they get."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

Program = Callable[[str], str]


class Speaker:
    """A running program: for each line that it gets it calls a function, and prints a line."""

    def __init__(self, path: Path, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [path, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            env={**os.environ, **environment},
        )  # fmt: skip
        self.pid = self.process.pid
        self.say("ready")

    def say(self, line: str) -> str:
        """Give it a line, and wait for the answer: what it called has returned then."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n".encode())
        return self.process.stdout.readline().decode().strip()


@contextmanager
def speaking(path: Path, *arguments: str, **environment: str) -> Iterator[Speaker]:
    """Run a program for as long as the block lasts."""
    made = Speaker(path, *arguments, **environment)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


def compiled(program: Program, target: Path, text: str, *flags: str, suffix: str = ".c") -> Path:
    """Compile C or C++ (``suffix=".cc"``) with clang."""
    source = target.with_suffix(suffix)
    source.write_text(text)
    more = ["-lstdc++"] if suffix == ".cc" else []
    _make([program("clang"), "-O1", "-o", target, source, *more, *flags])
    return target


def of_go(program: Program, target: Path, text: str, *flags: str) -> Path:
    """Compile Go."""
    source = target.with_suffix(".go")
    source.write_text(text)
    cache = target.parent / "go-cache"
    environment = {**os.environ, "GOCACHE": str(cache), "GO111MODULE": "off", "GOFLAGS": ""}
    _make([program("go"), "build", *flags, "-o", target, source], environment)
    return target


def of_rust(program: Program, target: Path, text: str) -> Path:
    """Compile Rust."""
    source = target.with_suffix(".rs")
    source.write_text(text)
    _make([program("rustc"), "-O", "-o", target, source])
    return target


def tool(*words: str | Path) -> None:
    """Run a tool of binutils; clang cannot link without these, so they are there."""
    _make(list(words))


def _make(words: Sequence[str | Path], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        pytest.fail(f"{words[0]}: {done.stderr}")
