"""What pages say to type, where that needs no kernel: run, or as far as nobody must wait for it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.pages import ROOT, blocks

MAKE_PAGES = ("CONTRIBUTING.md", "README.md", "docs/benchmarks.md")
#: Figures of docs/differential.md, and of a run that takes a second.
QUICKLY = {"--count": "2", "--jobs": "1"}


def lines(page: str) -> list[str]:
    """Return the lines of a page's blocks, without comments."""
    typed = [line for block in blocks(page, "sh") for line in block.text.splitlines()]
    return [shlex.join(shlex.split(line, comments=True)) for line in typed]


def run(words: Sequence[str], **environment: str) -> str:
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def made(page: str) -> list[list[str]]:
    words = [shlex.split(line.removeprefix("sudo ")) for line in lines(page)]
    return [each for each in words if each[0] == "make"]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize("page", MAKE_PAGES)
def test_make_knows_what_it_is_asked_for(page: str) -> None:
    assert made(page)
    for words in made(page):
        assert run([words[0], "--dry-run", *words[1:]])


def test_the_readme_installs_what_is_built_from_the_checkout() -> None:
    # tests/unit/test_packaging.py builds a wheel from it and runs what is in it.
    words = [shlex.split(line.removeprefix("sudo ")) for line in lines("README.md")]
    others = [each for each in words if each[0] != "make"]
    assert others[0] == shlex.split("python3 -m venv ~/tracing '&&' ~/tracing/bin/pip install .")
    for _, *given in others[1:]:
        module = given[1:] if given[0] == "-m" else ["pyebpf", *given]
        assert "usage: " in run([sys.executable, "-m", module[0], *module[1:2], "--help"])


@pytest.mark.parametrize("line", lines("docs/differential.md"))
def test_random_programs_are_run_as_the_page_says(line: str) -> None:
    words = line.split()
    assigned = dict(word.split("=") for word in words if word[0].isupper())
    _, option, *given = words[len(assigned) :]
    assert option == "-m"
    if given[0] == "tests.differential":
        given = [
            QUICKLY.get(before, word) for before, word in zip(["", *given], given, strict=False)
        ]
        kernel = [] if "--no-kernel" in given else ["--no-kernel"]
        assert run([sys.executable, "-m", *given, *kernel])
    elif given[0] == "pytest":
        (name,) = assigned
        assert name in (ROOT / given[1] / "test_differential.py").read_text(encoding="utf-8")
    else:
        from tests.vm.__main__ import _parser

        assert given[0] == "tests.vm"
        assert _parser().parse_args(given[1:]).verb.__name__ == f"_{given[1]}"


def test_the_corpus_is_read_from_a_tree(tmp_path: Path) -> None:
    install, count = lines("docs/corpus.md")
    assert install.startswith("apt-get install linux-source-")
    words = count.replace("TREE", str(tmp_path)).split()
    folder = tmp_path / "tools" / "testing" / "selftests" / "bpf" / "progs"
    folder.mkdir(parents=True)
    (folder / "one.c").write_text('SEC("xdp")\nint one(struct xdp_md *ctx) { return 0; }\n')
    assert "1" in run([sys.executable, *words[1:]])


@pytest.mark.parametrize("line", blocks("docs/tool-options.md", "sh")[0].text.splitlines())
def test_completion_is_written_where_shells_look(line: str, tmp_path: Path) -> None:
    shell = line.split()[2]
    for folder in re.findall(r"> (~/\S+)/", line):
        Path(folder.replace("~", str(tmp_path))).mkdir(parents=True)
    begin = f'pyebpf() {{ "{sys.executable}" -m pyebpf "$@"; }}; fpath=(x "$HOME")\n'
    run(["bash", "-e", "-c", begin + line], HOME=str(tmp_path))
    (written,) = (path for path in tmp_path.rglob("*pyebpf*") if path.is_file())
    assert "biolatency" in written.read_text(encoding="utf-8"), shell
